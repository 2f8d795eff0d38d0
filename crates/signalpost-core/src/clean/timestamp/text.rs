//! Every written form of a time but the commonest: a date, then perhaps a clock
//! time, then perhaps a zone.
//!
//! Forms seen: ISO 8601 with all its liberties, SQL dumps, mail and HTTP
//! headers, access logs, `date`, JavaScript's `toString` and `toLocaleString`,
//! Oracle, DB2, EXIF, and what people type into spreadsheets.

use jiff::civil;

use super::Fault;
use super::scan::{Calendar, Clock, Cursor, Token, fraction_micros};
use super::words::{self, Half};
use super::zone::{Zone, named, zone};
use crate::clean::settings::{DateOrder, SourceSettings};
use crate::time::{Span, Timestamp};

/// Reads a tidied text that is neither a number nor a word for "none".
pub(super) fn parse(text: &str, settings: &SourceSettings) -> Result<Timestamp, Fault> {
    let mut cursor = Cursor::new(text);
    let date = date(&mut cursor, settings.date_order)?;
    let clock = clock_after_date(&mut cursor, date.compact)?;
    let mut stated = zone(&mut cursor)?;
    let year = match date.year {
        Some(year) => year,
        // asctime puts the year last, `date` behind the zone, git before it.
        None => {
            cursor.space();
            let year = cursor.number(4, 4).ok_or(Fault::Unreadable)?;
            if stated.is_none() {
                stated = zone(&mut cursor)?;
            }
            year
        }
    };
    if !cursor.at_end() {
        return Err(Fault::Unreadable);
    }
    let calendar = Calendar::new(year, date.month, date.day).ok_or(Fault::Unreadable)?;
    instant(calendar, clock, stated, settings)
}

/// Numbers in the order year, month, day, hour, minute, second, nanosecond, of
/// which the first three at least are there.
pub(super) fn from_parts(parts: &[i64], settings: &SourceSettings) -> Option<Result<Timestamp, Fault>> {
    let (date, time) = parts.split_at_checked(3)?;
    let [year, month, day] = date else { return None };
    let part = |place: usize| time.get(place).copied().unwrap_or(0);
    if time.len() > 4 || !(0..1_000_000_000).contains(&part(3)) {
        return None;
    }
    let calendar = Calendar::new(*year, *month, *day)?;
    let clock = Clock::new(part(0), part(1), part(2), part(3) / 1_000)?;
    Some(instant(calendar, clock, None, settings))
}

fn instant(
    calendar: Calendar,
    clock: Clock,
    stated: Option<Zone>,
    settings: &SourceSettings,
) -> Result<Timestamp, Fault> {
    let as_utc = calendar.at_utc(clock);
    let zone = match stated {
        Some(zone) => zone,
        None => named(&settings.time_zone)?,
    };
    match zone {
        Zone::Offset(seconds) => Ok(as_utc - Span::SECOND.times(seconds)),
        Zone::Named(zone) => {
            let local = as_utc.to_jiff().ok_or(Fault::Unreadable)?;
            let local: civil::DateTime = local.to_zoned(jiff::tz::TimeZone::UTC).datetime();
            // RFC 5545's rule for hours that a change of clocks skips or repeats.
            let instant = zone.to_timestamp(local).map_err(|_| Fault::Unreadable)?;
            Ok(Timestamp::from_micros(instant.as_microsecond()))
        }
    }
}

/// A date as written; a year of `None` comes behind the clock time.
struct Date {
    year: Option<i64>,
    month: i64,
    day: i64,
    /// Written without marks, so that the clock time may be too.
    compact: bool,
}

fn date(cursor: &mut Cursor<'_>, order: DateOrder) -> Result<Date, Fault> {
    if cursor.take(|token| words::is_weekday(token).then_some(())).is_some() {
        cursor.mark(&[',', '.']);
        cursor.space();
        cursor.mark(&[',']);
        cursor.space();
    }
    match cursor.peek() {
        Some(Token::Digits(digits)) => match digits.len() {
            8 => compact(cursor),
            4 => {
                let year = cursor.number(4, 4).ok_or(Fault::Unreadable)?;
                year_first(cursor, year)
            }
            1 | 2 => small_number_first(cursor, order),
            _ => Err(Fault::Unreadable),
        },
        // ECMAScript's years of six digits: +002024-04-27.
        Some(Token::Mark(sign @ ('+' | '-'))) => {
            cursor.mark(&[sign]);
            let year = cursor.number(6, 6).ok_or(Fault::Unreadable)?;
            year_first(cursor, if sign == '-' { -year } else { year })
        }
        Some(Token::Word(_)) => month_first(cursor),
        _ => Err(Fault::Unreadable),
    }
}

/// `20240427`
fn compact(cursor: &mut Cursor<'_>) -> Result<Date, Fault> {
    let number = cursor.number(8, 8).ok_or(Fault::Unreadable)?;
    Ok(Date { year: Some(number / 10_000), month: number / 100 % 100, day: number % 100, compact: true })
}

/// `2024-04-27`, `2024/4/27`, `2024. 4. 27.`, `2024年4月27日`, `2024-Apr-27`,
/// `2024-118`, `2024-W17-6`
fn year_first(cursor: &mut Cursor<'_>, year: i64) -> Result<Date, Fault> {
    if cursor.word(&["年", "년"]).is_some() {
        cursor.space();
        let month = cursor.number(1, 2).ok_or(Fault::Unreadable)?;
        cursor.word(&["月", "월"]).ok_or(Fault::Unreadable)?;
        cursor.space();
        let day = cursor.number(1, 2).ok_or(Fault::Unreadable)?;
        cursor.word(&["日", "일"]).ok_or(Fault::Unreadable)?;
        return Ok(Date { year: Some(year), month, day, compact: false });
    }
    let mark = cursor.mark(&['-', '/', '.', ':']);
    if mark.is_none() && !cursor.space() {
        return Err(Fault::Unreadable);
    }
    if mark == Some('-')
        && let Some(date) = ordinal_or_week(cursor, year)?
    {
        return Ok(date);
    }
    if mark == Some('.') {
        cursor.space();
    }
    let month = match cursor.take(words::month) {
        Some(month) => month,
        // Two numbers behind a bare space could be anything.
        None if mark.is_some() => cursor.number(1, 2).ok_or(Fault::Unreadable)?,
        None => return Err(Fault::Unreadable),
    };
    match mark {
        Some(mark) => drop(cursor.mark(&[mark]).ok_or(Fault::Unreadable)?),
        None => drop(cursor.space()),
    }
    if mark == Some('.') {
        cursor.space();
    }
    let day = cursor.number(1, 2).ok_or(Fault::Unreadable)?;
    if mark == Some('.') {
        cursor.mark(&['.']);
    }
    Ok(Date { year: Some(year), month, day, compact: false })
}

/// ISO 8601's `118` and `W17-6` behind a year.
fn ordinal_or_week(cursor: &mut Cursor<'_>, year: i64) -> Result<Option<Date>, Fault> {
    let civil_year = i16::try_from(year).map_err(|_| Fault::Unreadable)?;
    let date = if let Some(day) = cursor.number(3, 3) {
        let first = civil::Date::new(civil_year, 1, 1).map_err(|_| Fault::Unreadable)?;
        if !(1..=i64::from(first.days_in_year())).contains(&day) {
            return Err(Fault::Unreadable);
        }
        first.checked_add(jiff::Span::new().days(day - 1)).map_err(|_| Fault::Unreadable)?
    } else if cursor.word(&["w"]).is_some() {
        let week = cursor.number(2, 2).and_then(|week| i8::try_from(week).ok()).ok_or(Fault::Unreadable)?;
        cursor.mark(&['-']).ok_or(Fault::Unreadable)?;
        let day = cursor.number(1, 1).and_then(|day| i8::try_from(day).ok()).ok_or(Fault::Unreadable)?;
        let weekday = civil::Weekday::from_monday_one_offset(day).map_err(|_| Fault::Unreadable)?;
        let week = civil::ISOWeekDate::new(civil_year, week, weekday).map_err(|_| Fault::Unreadable)?;
        week.date()
    } else {
        return Ok(None);
    };
    Ok(Some(Date {
        year: Some(i64::from(date.year())),
        month: i64::from(date.month()),
        day: i64::from(date.day()),
        compact: false,
    }))
}

/// `27 Apr 2024`, `27-Apr-24`, `27/Apr/2024`, `27. April 2024`, `27/04/2024`,
/// `4/27/2024`, `27.04.2024`
fn small_number_first(cursor: &mut Cursor<'_>, order: DateOrder) -> Result<Date, Fault> {
    let first = cursor.number(1, 2).ok_or(Fault::Unreadable)?;
    cursor.word(&["st", "nd", "rd", "th"]);
    let mark = cursor.mark(&['-', '/', '.']);
    let spaced = cursor.space();
    if mark.is_none() && !spaced && !matches!(cursor.peek(), Some(Token::Word(_))) {
        return Err(Fault::Unreadable);
    }
    let joined = cursor.word(&["de", "of"]).is_some() && cursor.space();
    if let Some(month) = cursor.take(words::month) {
        cursor.mark(&['-', '/', '.', ',']);
        cursor.mark(&[',']);
        cursor.space();
        if joined && cursor.word(&["de"]).is_some() {
            cursor.space();
        }
        return Ok(Date { year: Some(last_year(cursor)?), month, day: first, compact: false });
    }
    let mark = mark.ok_or(Fault::Unreadable)?;
    let second = cursor.number(1, 2).ok_or(Fault::Unreadable)?;
    cursor.mark(&[mark]).ok_or(Fault::Unreadable)?;
    if mark == '.' {
        cursor.space();
    }
    let year = last_year(cursor)?;
    let day_first = match (first > 12, second > 12) {
        (true, _) => true,
        (false, true) => false,
        // The fifth of May is the fifth of May.
        _ if mark == '.' || first == second => true,
        _ => match order {
            DateOrder::DayFirst => true,
            DateOrder::MonthFirst => false,
            DateOrder::Unknown => return Err(Fault::Ambiguous),
        },
    };
    let (day, month) = if day_first { (first, second) } else { (second, first) };
    Ok(Date { year: Some(year), month, day, compact: false })
}

/// `Apr 27, 2024`, `April 27th 2024`, and asctime's `Apr 27 14:35:00 2024`
fn month_first(cursor: &mut Cursor<'_>) -> Result<Date, Fault> {
    let month = cursor.take(words::month).ok_or(Fault::Unreadable)?;
    cursor.mark(&['.', '-']);
    cursor.space();
    let day = cursor.number(1, 2).ok_or(Fault::Unreadable)?;
    cursor.word(&["st", "nd", "rd", "th"]);
    let day_end = *cursor;
    cursor.mark(&[',', '-']);
    cursor.space();
    let mut ahead = *cursor;
    let clock_follows = ahead.digits(1, 2).is_some() && ahead.mark(&[':']).is_some();
    let year = if clock_follows {
        *cursor = day_end;
        None
    } else {
        Some(last_year(cursor)?)
    };
    Ok(Date { year, month, day, compact: false })
}

/// A year of four digits, or of two: 70 to 99 are of the last century, as POSIX
/// and RFC 2822 nearly agree.
fn last_year(cursor: &mut Cursor<'_>) -> Result<i64, Fault> {
    let digits = cursor.digits(2, 4).ok_or(Fault::Unreadable)?;
    let year: i64 = digits.parse().map_err(|_| Fault::Unreadable)?;
    match digits.len() {
        4 => Ok(year),
        2 if year < 70 => Ok(2_000 + year),
        2 => Ok(1_900 + year),
        _ => Err(Fault::Unreadable),
    }
}

/// The clock time, midnight when none follows.
fn clock_after_date(cursor: &mut Cursor<'_>, compact: bool) -> Result<Clock, Fault> {
    let date_end = *cursor;
    let mut tight = compact;
    let mut separated = cursor.mark(&[',']).is_some();
    separated |= cursor.space();
    if cursor.word(&["t"]).is_some() {
        separated = true;
        tight = true;
    } else if cursor.mark(&['_', ':']).is_some() {
        separated = true;
    } else if cursor.word(&["at", "um", "à"]).is_some() {
        separated = cursor.space();
    } else if !separated && cursor.mark(&['-']).is_some() {
        // DB2: 2024-04-27-14.35.00.000000
        let mut ahead = *cursor;
        separated = ahead.digits(2, 2).is_some() && ahead.mark(&['.']).is_some();
    }
    if !separated {
        *cursor = date_end;
        return Ok(Clock::default());
    }
    match cursor.peek() {
        Some(Token::Digits(_)) => clock(cursor, tight),
        Some(word) if Half::before_hour(word).is_some() => clock(cursor, tight),
        // A date alone may have a zone, but not a dangling T.
        _ if tight && !compact => Err(Fault::Unreadable),
        _ => {
            *cursor = date_end;
            Ok(Clock::default())
        }
    }
}

fn clock(cursor: &mut Cursor<'_>, tight: bool) -> Result<Clock, Fault> {
    let mut half = cursor.take(Half::before_hour);
    cursor.space();
    let (hour, minute, second);
    let digits = cursor.digits(1, 6).ok_or(Fault::Unreadable)?;
    let number: i64 = digits.parse().map_err(|_| Fault::Unreadable)?;
    let mut complete = true;
    match digits.len() {
        6 if tight => (hour, minute, second) = (number / 10_000, number / 100 % 100, number % 100),
        4 if tight => (hour, minute, second) = (number / 100, number % 100, 0),
        1 | 2 => {
            hour = number;
            (minute, second) = match minute_and_second(cursor)? {
                Some(found) => found,
                None => {
                    complete = false;
                    (0, 0)
                }
            };
        }
        _ => return Err(Fault::Unreadable),
    }
    let micros = fraction(cursor, complete)?;
    half = half.or(half_after_clock(cursor));
    let hour = match half {
        Some(half) => half.hour(hour).ok_or(Fault::Unreadable)?,
        // A bare hour is one only behind a T.
        None if complete || (tight && digits.len() == 2) => hour,
        None => return Err(Fault::Unreadable),
    };
    Clock::new(hour, minute, second, micros).ok_or(Fault::Unreadable)
}

/// `:35`, `:35:00`, `.35.00`, `h35`, `時35分00秒`; `None` when nothing follows
/// the hour.
fn minute_and_second(cursor: &mut Cursor<'_>) -> Result<Option<(i64, i64)>, Fault> {
    if cursor.word(&["時", "时", "点", "시"]).is_some() {
        cursor.space();
        let Some(minute) = cursor.number(1, 2) else { return Ok(Some((0, 0))) };
        cursor.word(&["分", "분"]).ok_or(Fault::Unreadable)?;
        cursor.space();
        let Some(second) = cursor.number(1, 2) else { return Ok(Some((minute, 0))) };
        cursor.word(&["秒", "초"]).ok_or(Fault::Unreadable)?;
        return Ok(Some((minute, second)));
    }
    if cursor.word(&["h"]).is_some() {
        return Ok(Some((cursor.number(2, 2).ok_or(Fault::Unreadable)?, 0)));
    }
    let Some(mark) = cursor.mark(&[':', '.']) else { return Ok(None) };
    let minute = cursor.number(2, 2).ok_or(Fault::Unreadable)?;
    let second = match cursor.mark(&[mark]) {
        Some(_) => cursor.number(2, 2).ok_or(Fault::Unreadable)?,
        None => 0,
    };
    Ok(Some((minute, second)))
}

fn fraction(cursor: &mut Cursor<'_>, allowed: bool) -> Result<i64, Fault> {
    let mut ahead = *cursor;
    if ahead.mark(&['.', ',']).is_none() {
        return Ok(0);
    }
    let Some(digits) = ahead.digits(1, 40).filter(|_| allowed) else { return Ok(0) };
    *cursor = ahead;
    fraction_micros(digits.as_bytes()).ok_or(Fault::Unreadable)
}

/// `PM`, `pm`, `p.m.`, `Uhr` (which says nothing).
fn half_after_clock(cursor: &mut Cursor<'_>) -> Option<Half> {
    let mut ahead = *cursor;
    ahead.space();
    if ahead.word(&["uhr"]).is_some() {
        *cursor = ahead;
        return None;
    }
    let letter = ahead.word(&["am", "pm", "a", "p"])?;
    if letter.len() == 1 {
        ahead.mark(&['.'])?;
        ahead.word(&["m"])?;
        ahead.mark(&['.']);
    }
    *cursor = ahead;
    Some(if letter.starts_with(['a', 'A']) { Half::Morning } else { Half::Afternoon })
}
