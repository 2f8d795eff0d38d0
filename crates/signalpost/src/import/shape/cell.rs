//! One value of a row as JSON.

use serde_json::Value as Json;

use super::super::mapping::Type;
use super::super::times::Times;

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Text as text, JSON as it is.
    Json,
    /// As a type that was said or told by the file's beginning.
    Typed(Type),
    /// As an instant.
    Time,
    /// An object whose entries go into a part of the row.
    Object,
}

impl Cell {
    /// The same, but never making a number or a truth value of text.
    pub fn as_written(self) -> Self {
        match self {
            Self::Typed(Type::Number | Type::Boolean) => Self::Json,
            other => other,
        }
    }

    /// Appends a text's JSON; `false` when there is nothing to say.
    pub fn write_text(self, text: &str, times: Option<&Times>, into: &mut Vec<u8>) -> bool {
        match self {
            Self::Json | Self::Typed(Type::Text) => write_quoted(text, into),
            Self::Typed(Type::Number) if is_number(text.trim()) => {
                into.extend_from_slice(text.trim().as_bytes())
            }
            Self::Typed(Type::Boolean) if truth(text).is_some() => {
                into.extend_from_slice(if truth(text) == Some(true) { b"true" } else { b"false" });
            }
            Self::Typed(Type::Number | Type::Boolean) => write_quoted(text, into),
            Self::Typed(Type::Json) => return write_parsed(text, into),
            Self::Time => return write_time(text, times, into),
            Self::Object => return write_entries(text, into),
        }
        true
    }

    /// Appends a JSON value in this form; `false` when there is nothing to say.
    pub fn write_json(self, json: &str, times: Option<&Times>, into: &mut Vec<u8>) -> bool {
        let is_text = json.starts_with('"');
        match self {
            Self::Json => into.extend_from_slice(json.as_bytes()),
            Self::Object => return write_entries(json, into),
            Self::Typed(Type::Text) if !is_text => write_quoted(json, into),
            Self::Typed(Type::Text) => into.extend_from_slice(json.as_bytes()),
            Self::Typed(_) if is_text => return self.write_text(&plain(json), times, into),
            Self::Typed(_) => into.extend_from_slice(json.as_bytes()),
            Self::Time => return write_time(&plain(json), times, into),
        }
        true
    }
}

/// Appends text in quotes.
pub fn write_quoted(text: &str, into: &mut Vec<u8>) {
    // Writing to memory cannot fail.
    serde_json::to_writer(into, text).unwrap_or_default();
}

/// Text without its quotes, anything else as it stands.
pub fn plain(json: &str) -> String {
    serde_json::from_str::<String>(json).unwrap_or_else(|_| json.to_owned())
}

/// The value at a path inside JSON.
pub fn find(json: &str, path: &[String]) -> Option<String> {
    let mut value: Json = serde_json::from_str(json).ok()?;
    for name in path {
        value = value.get_mut(name)?.take();
    }
    (!value.is_null()).then(|| value.to_string())
}

/// What JSON in text says; text that is none stays text.
fn write_parsed(text: &str, into: &mut Vec<u8>) -> bool {
    match serde_json::from_str::<Json>(text) {
        Ok(Json::Null) => return false,
        Ok(value) => into.extend_from_slice(value.to_string().as_bytes()),
        Err(_) => write_quoted(text, into),
    }
    true
}

/// An instant, or the text where it is not understood: the server says why.
fn write_time(text: &str, times: Option<&Times>, into: &mut Vec<u8>) -> bool {
    match times.and_then(|times| times.read(text)) {
        Some(instant) => write_quoted(&instant.to_string(), into),
        None => write_quoted(text, into),
    }
    true
}

/// The entries of an object; anything else stands under a name of its own,
/// so that it is not lost.
fn write_entries(json: &str, into: &mut Vec<u8>) -> bool {
    let inner = json.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let valid = inner.is_some() && serde_json::from_str::<serde::de::IgnoredAny>(json).is_ok();
    match inner.map(str::trim).filter(|_| valid) {
        Some("") => return false,
        Some(entries) => into.extend_from_slice(entries.as_bytes()),
        None => {
            into.extend_from_slice(br#""value":"#);
            return write_parsed(json, into);
        }
    }
    true
}

/// Whether text is a number as JSON has it, of digits that a float holds.
pub fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    all(whole) && all(fraction) && digits.len() <= 16 && (whole == "0" || !whole.starts_with('0'))
}

fn truth(text: &str) -> Option<bool> {
    let is = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(text.trim()));
    if is(&["true", "t", "yes", "y", "1"]) {
        return Some(true);
    }
    is(&["false", "f", "no", "n", "0"]).then_some(false)
}

/// The type of a column with these values, empty ones left out: a number or a
/// truth value when all of them are, and the name is not an identity's.
pub fn tell<'a>(name: &str, values: impl Iterator<Item = &'a str> + Clone) -> Cell {
    let mut filled = values.filter(|value| !value.is_empty()).peekable();
    if filled.peek().is_none() || names_identity(name) {
        return Cell::Typed(Type::Text);
    }
    if filled.clone().all(is_number) {
        return Cell::Typed(Type::Number);
    }
    let is_truth = |value: &str| value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false");
    Cell::Typed(if filled.all(is_truth) { Type::Boolean } else { Type::Text })
}

/// Whether a column's name ends as those of numbers that only identify do:
/// `order_id`, `InvoiceNo`, `zip`.
fn names_identity(name: &str) -> bool {
    const WORDS: [&str; 12] =
        ["id", "no", "nr", "number", "code", "sku", "zip", "postcode", "phone", "mobile", "ref", "gtin"];
    let mut last = String::new();
    let mut after_small = false;
    for letter in name.trim_end_matches(|letter: char| !letter.is_alphanumeric()).chars() {
        let begins = !letter.is_alphanumeric() || (letter.is_uppercase() && after_small);
        if begins {
            last.clear();
        }
        after_small = !letter.is_uppercase();
        last.extend(letter.to_lowercase().filter(|letter| letter.is_alphanumeric()));
    }
    WORDS.contains(&last.as_str())
}
