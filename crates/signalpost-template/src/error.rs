//! What can go wrong, and where: faults inside the machine, and the errors that callers see.
//!
//! In: a message, the template's name and source, a byte offset. Out: [`Error`], which prints with the source
//! line and a caret.

use std::fmt;

/// A place in a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

/// Which limit of [`crate::Budgets`] or [`crate::Limits`] was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Steps of the machine.
    Operations,
    /// Bytes written, captures included.
    OutputBytes,
    /// Bytes kept in variables.
    AssignedBytes,
    /// Partials within partials.
    PartialDepth,
    /// Blocks within blocks, or brackets within brackets, when parsing.
    Nesting,
    /// Bytes of a template's source.
    SourceBytes,
    /// Digits of a number.
    NumberSize,
    /// The caller's deadline.
    Deadline,
}

/// What kind of error it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The template does not follow the language's grammar.
    Syntax,
    /// A tag that does not exist.
    UnknownTag,
    /// A filter that does not exist.
    UnknownFilter,
    /// A helper that does not exist.
    UnknownHelper,
    /// A partial that does not exist.
    UnknownPartial,
    /// A limit was reached.
    Budget(Limit),
    /// A value was missing where the strict mode asks for one.
    Missing,
    /// Rendering failed: a filter or helper refused its input.
    Render,
}

/// An error in a template, with its place; its fields are those of [`ErrorDetails`].
#[derive(Clone, Debug, thiserror::Error)]
pub struct Error(Box<ErrorDetails>);

impl std::ops::Deref for Error {
    type Target = ErrorDetails;

    fn deref(&self) -> &ErrorDetails {
        &self.0
    }
}

/// What is wrong with a template, and where.
#[derive(Clone, Debug)]
pub struct ErrorDetails {
    /// What kind of error.
    pub kind: ErrorKind,
    /// The template's name.
    pub template: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong, in the words of the language's reference where it has some.
    pub message: String,
    /// How to mend it: what was expected, or the nearest known name.
    pub hint: Option<String>,
    /// The line of the source it is about.
    pub source_line: String,
    /// How many characters the caret underlines.
    pub width: usize,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.message)?;
        let gutter = self.line.to_string().len();
        writeln!(f, "{:gutter$}--> {}:{}:{}", "", self.template, self.line, self.column)?;
        writeln!(f, "{:gutter$} |", "")?;
        let shown: String = self.source_line.chars().take(200).collect();
        writeln!(f, "{} | {shown}", self.line)?;
        write!(f, "{:gutter$} | ", "")?;
        for c in self.source_line.chars().take(self.column.saturating_sub(1).min(200)) {
            write!(f, "{}", if c == '\t' { '\t' } else { ' ' })?;
        }
        write!(f, "{}", "^".repeat(self.width.clamp(1, 80)))?;
        match &self.hint {
            Some(hint) => write!(f, " {hint}"),
            None => Ok(()),
        }
    }
}

impl Error {
    /// Places an error at `offset` of `source`, underlining `width` bytes there.
    pub(crate) fn at(kind: ErrorKind, template: &str, source: &str, offset: usize, message: String) -> Error {
        let position = position(source, offset);
        Error(Box::new(ErrorDetails {
            kind,
            template: template.to_owned(),
            line: position.line,
            column: position.column,
            message,
            hint: None,
            source_line: source.lines().nth(position.line - 1).unwrap_or("").to_owned(),
            width: 1,
        }))
    }

    pub(crate) fn with_hint(mut self, hint: Option<String>) -> Error {
        self.0.hint = hint;
        self
    }

    pub(crate) fn with_width(mut self, width: usize) -> Error {
        self.0.width = width;
        self
    }
}

/// The line and column of a byte offset.
pub(crate) fn position(source: &str, offset: usize) -> Position {
    let before = source.get(..floor_boundary(source, offset)).unwrap_or(source);
    let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
    Position { line, column }
}

/// The nearest character boundary at or before `offset`.
fn floor_boundary(source: &str, offset: usize) -> usize {
    let mut at = offset.min(source.len());
    while !source.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// What kind of fault the machine met; the words follow the reference's classes of error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultKind {
    Argument,
    Syntax,
    ZeroDivision,
    FloatDomain,
    Stack,
    Disabled,
    Partial,
    Internal,
    /// A limit: always ends the render.
    Budget,
    Limit(Limit),
    Missing,
    Helper,
}

/// A failure of one step of the machine, before it is given a place.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    pub(crate) message: String,
    /// The place where it is known already: an error inside a partial, or a partial's own syntax error.
    pub(crate) placed: Option<Error>,
}

impl Fault {
    pub(crate) fn new(kind: FaultKind, message: impl Into<String>) -> Fault {
        Fault { kind, message: message.into(), placed: None }
    }

    pub(crate) fn argument(message: impl Into<String>) -> Fault {
        Fault::new(FaultKind::Argument, message)
    }

    pub(crate) fn limit(limit: Limit, message: impl Into<String>) -> Fault {
        Fault::new(FaultKind::Limit(limit), message)
    }

    /// A fault that is placed already, e.g. one inside a helper's block.
    pub(crate) fn placed(error: Error) -> Fault {
        let kind = match error.kind {
            ErrorKind::Budget(limit) => FaultKind::Limit(limit),
            _ => FaultKind::Argument,
        };
        Fault { kind, message: error.message.clone(), placed: Some(error) }
    }

    pub(crate) fn is_fatal(&self) -> bool {
        matches!(self.kind, FaultKind::Budget | FaultKind::Limit(_))
    }

    pub(crate) fn error_kind(&self) -> ErrorKind {
        match self.kind {
            FaultKind::Budget => ErrorKind::Budget(Limit::NumberSize),
            FaultKind::Limit(limit) => ErrorKind::Budget(limit),
            FaultKind::Stack => ErrorKind::Budget(Limit::PartialDepth),
            FaultKind::Partial => ErrorKind::UnknownPartial,
            FaultKind::Syntax => ErrorKind::Syntax,
            FaultKind::Missing => ErrorKind::Missing,
            FaultKind::Helper => ErrorKind::UnknownHelper,
            _ => ErrorKind::Render,
        }
    }
}

/// The known name nearest to `name`, where one is near enough to be meant.
pub(crate) fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let bound = (name.chars().count() / 3).max(1);
    known.map(|k| (distance(name, k), k)).filter(|(d, _)| *d <= bound).min_by_key(|(d, _)| *d).map(|(_, k)| k)
}

/// Levenshtein distance over characters; names longer than 64 characters are not compared.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(65).collect();
    if a.len() > 64 || b.len() > 64 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, cb) in row.iter_mut().skip(1).zip(&b) {
            let next = (*cell + 1).min(left + 1).min(diagonal + usize::from(ca != *cb));
            diagonal = *cell;
            *cell = next;
            left = next;
        }
    }
    row.last().copied().unwrap_or(0)
}
