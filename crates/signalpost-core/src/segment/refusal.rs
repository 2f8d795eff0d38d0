//! Why a text was not taken: what, where, and how to mend it.

use std::fmt;

/// A text that is not a segment or sequence rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Line of the trouble, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What was expected and what came.
    pub message: String,
    /// How to mend it, where that is known.
    pub hint: Option<String>,
    /// The line of the text the trouble is on; empty where there is none.
    pub source_line: String,
}

impl std::error::Error for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (line {}, column {})", self.message, self.line, self.column)?;
        if !self.source_line.is_empty() {
            // A long line is shown around the trouble, so that the caret is seen.
            let skipped = self.column.saturating_sub(60);
            let shown: String = self.source_line.chars().skip(skipped).take(100).collect();
            let indent = self.column.saturating_sub(skipped + 1);
            write!(f, "\n  {}\n  {}^", shown.replace('\t', " "), " ".repeat(indent))?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

/// A remark on a text that was taken all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Line it is about, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What was done or supposed.
    pub message: String,
}

/// A place in a text: line and column from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// Trouble at a place, before the text's own line is put to it.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) place: Place,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Trouble {
    pub(super) fn at(place: Place, message: impl Into<String>) -> Self {
        Self { place, message: message.into(), hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn in_text(self, text: &str) -> Refusal {
        // What is missing at the end is shown after the last line.
        let last = text.lines().count().max(1);
        let line = self.place.line.clamp(1, last);
        let source_line = text.lines().nth(line - 1).unwrap_or_default();
        let end = source_line.chars().count() + 1;
        let column = if self.place.line > last { end } else { self.place.column.clamp(1, end) };
        Refusal { line, column, message: self.message, hint: self.hint, source_line: source_line.to_owned() }
    }
}
