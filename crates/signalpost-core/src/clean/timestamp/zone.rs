//! What follows a clock time: an offset, a zone's name or abbreviation, a
//! comment.

use jiff::tz::TimeZone;

use super::Fault;
use super::scan::{Cursor, Token, offset_seconds};

/// How a clock time relates to UTC.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Zone {
    /// Seconds east of UTC.
    Offset(i64),
    /// A named zone with its own rules.
    Named(TimeZone),
}

/// Abbreviations with one meaning: those of RFC 822, which RFC 5322 section 4.3
/// keeps for the Americas, and the European and Japanese ones. `IST`, `BST` and
/// their like mean several zones and are refused.
const ABBREVIATIONS: [(&str, i64); 20] = [
    ("z", 0),
    ("utc", 0),
    ("gmt", 0),
    ("ut", 0),
    ("est", -5),
    ("edt", -4),
    ("cst", -6),
    ("cdt", -5),
    ("mst", -7),
    ("mdt", -6),
    ("pst", -8),
    ("pdt", -7),
    ("wet", 0),
    ("west", 1),
    ("cet", 1),
    ("cest", 2),
    ("eet", 2),
    ("eest", 3),
    ("msk", 3),
    ("jst", 9),
];

/// Reads every statement about the zone at the cursor. `None` when there is
/// none; the first one counts, as in Go's `+0200 CEST`.
pub(super) fn zone(cursor: &mut Cursor<'_>) -> Result<Option<Zone>, Fault> {
    let mut found = None;
    loop {
        let mut next = *cursor;
        next.space();
        let stated = match next.peek() {
            Some(Token::Mark('+' | '-')) if found.is_none() => Some(Zone::Offset(offset(&mut next)?)),
            Some(Token::Mark('(')) => {
                let end = next.rest().find(')').ok_or(Fault::Unreadable)?;
                next.skip(end + 1);
                None
            }
            Some(Token::Mark('[')) => bracket(&mut next)?,
            // Go prints its monotonic clock: m=+0.0123.
            Some(Token::Word("m")) if next.rest().starts_with("m=") => {
                next.skip(next.rest().len());
                None
            }
            Some(Token::Word(_)) => Some(word(&mut next, found.is_some())?),
            _ => return Ok(found),
        };
        found = found.or(stated);
        *cursor = next;
    }
}

/// `+02`, `+2`, `+0200`, `+02:00`, `+02:00:00`.
fn offset(cursor: &mut Cursor<'_>) -> Result<i64, Fault> {
    let sign = cursor.mark(&['+', '-']).ok_or(Fault::Unreadable)?;
    let digits = cursor.digits(1, 4).ok_or(Fault::Unreadable)?;
    let value: i64 = digits.parse().map_err(|_| Fault::Unreadable)?;
    let (hours, mut minutes, mut seconds) = match digits.len() {
        4 => (value / 100, value % 100, 0),
        1 | 2 => (value, 0, 0),
        _ => return Err(Fault::Unreadable),
    };
    if digits.len() <= 2 && cursor.mark(&[':']).is_some() {
        minutes = cursor.number(2, 2).ok_or(Fault::Unreadable)?;
        if cursor.mark(&[':']).is_some() {
            seconds = cursor.number(2, 2).ok_or(Fault::Unreadable)?;
        }
    }
    let total = offset_seconds(hours, minutes, seconds).ok_or(Fault::Unreadable)?;
    Ok(if sign == '-' { -total } else { total })
}

/// RFC 9557: `[Europe/Paris]`, `[!Europe/Paris]`, `[u-ca=gregory]`, `[+02:00]`.
fn bracket(cursor: &mut Cursor<'_>) -> Result<Option<Zone>, Fault> {
    let end = cursor.rest().find(']').ok_or(Fault::Unreadable)?;
    let inside = cursor.rest().get(1..end).unwrap_or_default();
    cursor.skip(end + 1);
    let (critical, name) = match inside.strip_prefix('!') {
        Some(name) => (true, name),
        None => (false, inside),
    };
    if name.contains('=') {
        // A tag that must be understood is not.
        return if critical { Err(Fault::Unreadable) } else { Ok(None) };
    }
    if name.starts_with(['+', '-']) {
        let mut inner = Cursor::new(name);
        return offset(&mut inner).map(|seconds| Some(Zone::Offset(seconds)));
    }
    named(name).map(Some)
}

/// An abbreviation, `GMT+0200`, or an IANA name such as `Europe/Paris`.
fn word(cursor: &mut Cursor<'_>, already_known: bool) -> Result<Zone, Fault> {
    let text = cursor.rest().split([' ', '(', '[']).next().unwrap_or_default();
    if text.contains('/') {
        cursor.skip(text.len());
        return named(text);
    }
    let Some(Token::Word(word)) = cursor.peek() else { return Err(Fault::Unreadable) };
    let known = ABBREVIATIONS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
    // After an offset an abbreviation is a remark, whatever it means.
    let hours = match known {
        Some(("z", _)) if already_known => return Err(Fault::Unreadable),
        Some((_, hours)) => *hours,
        None if already_known && word.len() <= 5 => 0,
        None => return Err(Fault::UnknownZone),
    };
    cursor.skip(word.len());
    let utc = hours == 0 && !word.eq_ignore_ascii_case("z") && !already_known;
    if utc && matches!(cursor.peek(), Some(Token::Mark('+' | '-'))) {
        return offset(cursor).map(Zone::Offset);
    }
    Ok(Zone::Offset(hours * 3_600))
}

/// The zone of an IANA name.
pub(super) fn named(name: &str) -> Result<Zone, Fault> {
    if matches!(name, "UTC" | "Etc/UTC" | "Z") {
        return Ok(Zone::Offset(0));
    }
    TimeZone::get(name).map(Zone::Named).map_err(|_| Fault::UnknownZone)
}
