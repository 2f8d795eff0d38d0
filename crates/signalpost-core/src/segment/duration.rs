//! Lengths of time and instants as people write them.

use super::refusal::{Place, Trouble};
use crate::time::{Span, Timestamp};
use crate::value::Value;

/// Whether a word is a unit of time, in any case; months and years too, so
/// that they are refused by name.
pub(super) fn is_unit(word: &str) -> bool {
    unit(word).is_some() || is_calendar(word)
}

fn unit(word: &str) -> Option<Span> {
    let lower = word.to_ascii_lowercase();
    Some(match lower.as_str() {
        "microsecond" | "microseconds" => Span::from_micros(1),
        "millisecond" | "milliseconds" => Span::MILLISECOND,
        "second" | "seconds" | "sec" | "secs" => Span::SECOND,
        "minute" | "minutes" | "min" | "mins" => Span::MINUTE,
        "hour" | "hours" | "hr" | "hrs" => Span::HOUR,
        "day" | "days" => Span::DAY,
        "week" | "weeks" => Span::DAY.times(7),
        _ => return None,
    })
}

fn is_calendar(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    matches!(lower.as_str(), "month" | "months" | "quarter" | "quarters" | "year" | "years")
}

/// `3` and `months`, as months; `None` where the unit is of fixed length.
pub(super) fn months(amount: &str, word: &str, place: Place) -> Result<Option<i32>, Trouble> {
    let each = match word.to_ascii_lowercase().as_str() {
        "month" | "months" => 1,
        "quarter" | "quarters" => 3,
        "year" | "years" => 12,
        _ => return Ok(None),
    };
    let count = amount.trim().parse::<i32>().ok().and_then(|count| count.checked_mul(each));
    match count.filter(|count| count.abs() <= 12 * 1_000) {
        Some(count) => Ok(Some(count)),
        None => Err(Trouble::at(place, format!("{amount} {word} is not a number of whole {word}"))
            .hint("write it like 3 months, at most 1000 years")),
    }
}

/// Months as they are written.
pub(super) fn print_months(months: i32) -> String {
    let (count, unit) = if months % 12 == 0 { (months / 12, "year") } else { (months, "month") };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// `24` and `hours`.
pub(super) fn from_parts(amount: &str, word: &str, place: Place) -> Result<Span, Trouble> {
    if is_calendar(word) {
        return Err(
            Trouble::at(place, format!("{word} have no fixed length")).hint("use days: 30 days, 365 days")
        );
    }
    let Some(unit) = unit(word) else {
        return Err(Trouble::at(place, format!("{word} is not a unit of time"))
            .hint("microseconds, milliseconds, seconds, minutes, hours, days, weeks"));
    };
    let amount = amount.trim();
    let wrong = || {
        Trouble::at(place, format!("{amount} {word} is not a length of time")).hint("write it like 24 hours")
    };
    if let Ok(count) = amount.parse::<i64>() {
        return match count.checked_mul(unit.as_micros()) {
            Some(micros) => Ok(Span::from_micros(micros)),
            None => Err(Trouble::at(place, format!("{amount} {word} is too long"))),
        };
    }
    fraction(amount, unit).ok_or_else(wrong)
}

/// `1.5 hours`, when it comes to whole microseconds.
fn fraction(amount: &str, unit: Span) -> Option<Span> {
    let (whole, part) = amount.split_once('.')?;
    let digits = part.len();
    if digits == 0 || digits > 6 || !part.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let scale = 10_i64.checked_pow(u32::try_from(digits).ok()?)?;
    let negative = whole.starts_with('-');
    let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let part: i64 = part.parse().ok()?;
    let parts = unit.as_micros().checked_mul(part)?;
    if parts % scale != 0 {
        return None;
    }
    let parts = if negative { -(parts / scale) } else { parts / scale };
    Some(Span::from_micros(unit.as_micros().checked_mul(whole)?.checked_add(parts)?))
}

/// `24 hours`, `1 day 12 hours`.
pub(super) fn from_text(text: &str, place: Place) -> Result<Span, Trouble> {
    let mut total = Span::ZERO;
    let mut words = text.split_whitespace();
    let mut any = false;
    while let Some(amount) = words.next() {
        let Some(word) = words.next() else {
            return Err(Trouble::at(place, format!("'{text}' is not a length of time"))
                .hint("an amount and a unit: '24 hours'"));
        };
        total = total + from_parts(amount, word, place)?;
        any = true;
    }
    if any {
        Ok(total)
    } else {
        Err(Trouble::at(place, "an empty length of time").hint("an amount and a unit: '24 hours'"))
    }
}

/// Writes a length so that it reads back to the same length.
pub(super) fn print(span: Span) -> String {
    let micros = span.as_micros();
    let units: [(Span, &str); 5] = [
        (Span::DAY, "day"),
        (Span::HOUR, "hour"),
        (Span::MINUTE, "minute"),
        (Span::SECOND, "second"),
        (Span::MILLISECOND, "millisecond"),
    ];
    for (unit, name) in units {
        let count = micros / unit.as_micros();
        // One day is said as 24 hours, the way people speak of it.
        if micros % unit.as_micros() == 0 && micros != 0 && !(name == "day" && count.abs() == 1) {
            return format!("{count} {name}{}", if count == 1 { "" } else { "s" });
        }
    }
    format!("{micros} microsecond{}", if micros == 1 { "" } else { "s" })
}

/// `2011-12-01`, `2011-12-01 12:30:00`, or RFC 3339; without a zone it is UTC.
pub(super) fn read_instant(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    Timestamp::parse(text)
        .or_else(|| Timestamp::parse(&format!("{text}Z")))
        .or_else(|| Timestamp::parse(&format!("{text}T00:00:00Z")))
}

/// The instant a text in the rule names, or why it names none.
pub(super) fn instant(text: &str, place: Place) -> Result<Value, Trouble> {
    read_instant(text).map(Value::Time).ok_or_else(|| {
        Trouble::at(place, format!("'{text}' is not an instant"))
            .hint("'2026-04-27', '2026-04-27 14:35:00' or '2026-04-27T14:35:00Z'")
    })
}
