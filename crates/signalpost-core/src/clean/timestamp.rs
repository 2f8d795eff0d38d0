//! Times as real systems write them, into instants.
//!
//! In: a JSON value, the source's settings and the time of receipt. Out: an
//! instant, "none was given", or why it is refused. Nothing is guessed: a time
//! that can be read in two ways is refused unless the source's settings decide.
//!
//! Numbers are told apart by size: below 1e11 seconds, below 1e14 milliseconds,
//! below 1e17 microseconds, else nanoseconds; fourteen digits that read as
//! `yyyymmddHHMMSS` and eight that read as `yyyymmdd` are dates.

mod number;
mod scan;
mod text;
mod words;
mod zone;

use super::problem::{Problem, ProblemCode, excerpt};
use super::raw::{Field, type_name};
use super::settings::SourceSettings;
use super::text::{is_sentinel, tidy};
use crate::time::Timestamp;
use crate::value::Value;

/// Why a time cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// It is in no known form, or names a day or hour that does not exist.
    Unreadable,
    /// Day and month could be either way round.
    Ambiguous,
    /// It names a time zone that is unknown or has several meanings.
    UnknownZone,
}

/// Reads a time and holds it to the source's bounds. `None` when the value says
/// that there is none (null, 0, an empty text, `N/A`, `0000-00-00`).
///
/// # Errors
/// When it cannot be read, could mean two instants, or is out of bounds.
pub fn parse(
    input: &Value,
    settings: &SourceSettings,
    received_at: Timestamp,
) -> Result<Option<Timestamp>, Problem> {
    match read(&Field::from(input.clone()), settings, "timestamp")? {
        Some(instant) => check(instant, settings, received_at).map(Some),
        None => Ok(None),
    }
}

/// Holds an instant to the source's bounds.
pub(super) fn check(
    instant: Timestamp,
    settings: &SourceSettings,
    received_at: Timestamp,
) -> Result<Timestamp, Problem> {
    if instant < settings.earliest {
        let message = format!(
            "{instant} is before {}, the earliest this source allows; a clock that was never set?",
            settings.earliest
        );
        return Err(Problem::new(ProblemCode::TimestampTooOld, "timestamp", message));
    }
    if instant > received_at + settings.max_ahead {
        let message =
            format!("{instant} is more than {} ahead of receipt at {received_at}", settings.max_ahead);
        return Err(Problem::new(ProblemCode::TimestampInFuture, "timestamp", message));
    }
    Ok(instant)
}

/// Whether a text is a time in RFC 3339 as it stands.
pub(super) fn is_rfc3339(text: &str) -> bool {
    scan::rfc3339(text.as_bytes()).is_some()
}

/// Reads a time without bounds.
pub(super) fn read(
    input: &Field<'_>,
    settings: &SourceSettings,
    name: &str,
) -> Result<Option<Timestamp>, Problem> {
    let outcome = match input {
        Field::Absent => return Ok(None),
        Field::Text(text) => read_text(text, settings),
        Field::Value(Value::Int(number)) => read_number(&number.to_string()).ok_or(Fault::Unreadable),
        Field::Value(Value::Float(number)) => {
            // The shortest text that reads back as this number is what was sent.
            read_number(&number.to_string()).ok_or(Fault::Unreadable)
        }
        Field::Value(Value::Time(instant)) => Ok(Some(*instant)),
        Field::Value(value) => structured(value, settings).unwrap_or(Err(Fault::Unreadable)),
    };
    outcome.map_err(|fault| problem(fault, input, name))
}

fn problem(fault: Fault, input: &Field<'_>, name: &str) -> Problem {
    let shown = match input {
        Field::Value(value @ (Value::List(_) | Value::Map(_) | Value::Bool(_))) => {
            type_name(value).to_owned()
        }
        other => format!("{:?}", excerpt(&other.to_value().to_string())),
    };
    let (code, message) = match fault {
        Fault::Unreadable => (
            ProblemCode::BadTimestamp,
            format!("{shown} is not a time in a known form; send RFC 3339 such as 2024-04-27T14:35:00Z"),
        ),
        Fault::Ambiguous => (
            ProblemCode::AmbiguousTimestamp,
            format!(
                "{shown} has a day and a month that could be either way round; set date_order of the source, or send RFC 3339 such as 2024-04-27T14:35:00Z"
            ),
        ),
        Fault::UnknownZone => (
            ProblemCode::BadTimestamp,
            format!(
                "{shown} names a time zone that is unknown or has several meanings; send an offset such as +02:00"
            ),
        ),
    };
    Problem::new(code, name, message)
}

/// `Some(None)` is the number zero: no time.
#[expect(clippy::option_option, reason = "unreadable, none and some are three answers")]
fn read_number(text: &str) -> Option<Option<Timestamp>> {
    let number = number::Decimal::parse(text)?;
    if number.is_zero() {
        return Some(None);
    }
    number.to_instant().map(Some)
}

fn read_text(given: &str, settings: &SourceSettings) -> Result<Option<Timestamp>, Fault> {
    /// Longer than any form, with a zone's name and a comment.
    const BYTES_MAX: usize = 120;
    if let Some(instant) = scan::rfc3339(given.as_bytes()) {
        return Ok(Some(instant));
    }
    let tidied = tidy(given);
    let mut text = tidied.as_ref();
    if let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        text = inner.trim();
    }
    if is_sentinel(text) || is_no_time(text) {
        return Ok(None);
    }
    if text.len() > BYTES_MAX {
        return Err(Fault::Unreadable);
    }
    // .NET's JSON: /Date(1714228500000+0200)/, where the offset changes nothing.
    if let Some(inner) = text.strip_prefix("/Date(").and_then(|rest| rest.strip_suffix(")/")) {
        let sign = inner.char_indices().skip(1).find(|(_, c)| matches!(c, '+' | '-'));
        let digits = inner.get(..sign.map_or(inner.len(), |(at, _)| at)).unwrap_or(inner);
        let millis: i64 = digits.parse().map_err(|_| Fault::Unreadable)?;
        return Ok(Some(Timestamp::from_micros(millis.checked_mul(1_000).ok_or(Fault::Unreadable)?)));
    }
    if let Some(found) = read_number(text) {
        return Ok(found);
    }
    text::parse(text, settings).map(Some)
}

/// Words and zero dates that mean "no time" only where a time is expected.
fn is_no_time(text: &str) -> bool {
    let zeros = text.bytes().any(|byte| byte == b'0')
        && text.bytes().all(|byte| matches!(byte, b'0' | b'-' | b'/' | b':' | b'.' | b' ' | b'T' | b'Z'));
    zeros || text.eq_ignore_ascii_case("invalid date") || text.eq_ignore_ascii_case("never")
}

/// Times in objects and lists: MongoDB's `{"$date":…}`, Firestore's
/// `{"seconds":…,"nanoseconds":…}`, Jackson's `[2024,4,27,14,35]`.
fn structured(value: &Value, settings: &SourceSettings) -> Option<Result<Option<Timestamp>, Fault>> {
    let read = |value: &Value| match value {
        Value::Text(text) => Some(read_text(text, settings)),
        Value::Int(number) => read_number(&number.to_string()).map(Ok),
        _ => None,
    };
    if let Some(date) = value.get("$date") {
        return read(date.get("$numberLong").unwrap_or(date));
    }
    if let Value::List(items) = value {
        let numbers: Option<Vec<i64>> = items
            .iter()
            .map(|item| match item {
                Value::Int(number) => Some(*number),
                _ => None,
            })
            .collect();
        return text::from_parts(&numbers?, settings).map(|found| found.map(Some));
    }
    let seconds = value.get("seconds").or_else(|| value.get("_seconds"))?;
    let nanos = ["nanoseconds", "_nanoseconds", "nanos"].iter().find_map(|name| value.get(name));
    match (seconds, nanos.unwrap_or(&Value::Int(0))) {
        (Value::Int(seconds), Value::Int(nanos @ 0..=999_999_999)) => Some(
            seconds
                .checked_mul(1_000_000)
                .ok_or(Fault::Unreadable)
                .map(|micros| Some(Timestamp::from_micros(micros.saturating_add(nanos / 1_000)))),
        ),
        _ => None,
    }
}
