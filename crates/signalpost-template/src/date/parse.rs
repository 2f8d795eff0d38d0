//! Ruby's `Time.parse`: finds a time, a zone and a date in text and fills in what is missing from `now`.
//!
//! In: lower-case text. Out: a moment, or `None` where nothing in it is a date. The heuristics follow the order in
//! which Ruby's `Date._parse` tries its patterns: time, then dates from the most to the least certain.

use jiff::civil::{DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, ToSpan as _};

use super::Moment;

/// What was found in the text.
#[derive(Debug, Default)]
struct Found {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    /// The day of the year, where no month is given.
    day_of_year: Option<i64>,
    hour: Option<i64>,
    minute: Option<i64>,
    second: Option<i64>,
    nanosecond: i64,
    offset: Option<i64>,
    zone: Option<String>,
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// A piece of the text: digits, letters, or one other character.
#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Number(String),
    Word(String),
    Mark(char),
    Space,
}

fn pieces(text: &str) -> Vec<Piece> {
    let mut out: Vec<Piece> = Vec::new();
    for c in text.chars() {
        match (out.last_mut(), c) {
            (Some(Piece::Number(n)), '0'..='9') => n.push(c),
            (Some(Piece::Word(w)), _) if c.is_alphabetic() => w.push(c),
            (_, '0'..='9') => out.push(Piece::Number(c.to_string())),
            _ if c.is_alphabetic() => out.push(Piece::Word(c.to_string())),
            (Some(Piece::Space), _) if c.is_whitespace() => {}
            _ if c.is_whitespace() => out.push(Piece::Space),
            _ => out.push(Piece::Mark(c)),
        }
    }
    out
}

/// Reads `text` (in lower case).
pub(crate) fn parse(text: &str, now: Timestamp, zone: &TimeZone) -> Option<Moment> {
    let mut list = pieces(text);
    let mut found = Found::default();
    find_time(&mut list, &mut found);
    let _dated = find_named_month(&mut list, &mut found)
        || find_iso(&list, &mut found)
        || find_slashes(&list, &mut found)
        || find_compact(&list, &mut found);
    moment(found, now, zone)
}

fn int(text: &str) -> Option<i64> {
    text.parse().ok()
}

fn number(list: &[Piece], at: usize) -> Option<&str> {
    match list.get(at) {
        Some(Piece::Number(n)) => Some(n),
        _ => None,
    }
}

fn is_mark(list: &[Piece], at: usize, mark: char) -> bool {
    list.get(at) == Some(&Piece::Mark(mark))
}

/// The half of the day written at `at`, and the place after it.
fn meridian(list: &[Piece], at: usize) -> Option<(i64, usize)> {
    let at = if list.get(at) == Some(&Piece::Space) { at + 1 } else { at };
    match list.get(at) {
        Some(Piece::Word(w)) if w == "am" => Some((0, at + 1)),
        Some(Piece::Word(w)) if w == "pm" => Some((12, at + 1)),
        Some(Piece::Word(w)) if w == "a" || w == "p" => {
            let dotted = is_mark(list, at + 1, '.') && list.get(at + 2) == Some(&Piece::Word("m".to_owned()));
            let end = if is_mark(list, at + 3, '.') { at + 4 } else { at + 3 };
            dotted.then_some((if w == "a" { 0 } else { 12 }, end))
        }
        _ => None,
    }
}

/// Finds `h:m[:s[.f]] [am] [zone]` or `h am`, and takes it out of the list.
fn find_time(list: &mut Vec<Piece>, found: &mut Found) {
    for start in 0..list.len() {
        let Some(hour) = number(list, start).and_then(int) else {
            continue;
        };
        let mut end = start + 1;
        let separated = is_mark(list, end, ':') || list.get(end) == Some(&Piece::Word("h".to_owned()));
        let minute = if separated { number(list, end + 1).and_then(int) } else { None };
        if let Some(minute) = minute {
            found.minute = Some(minute);
            end += 2;
            if is_mark(list, end, ':')
                && let Some(second) = number(list, end + 1).and_then(int)
            {
                found.second = Some(second);
                end += 2;
                let point = is_mark(list, end, '.') || is_mark(list, end, ',');
                if let (true, Some(fraction)) = (point, number(list, end + 1)) {
                    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
                    found.nanosecond = int(&digits).unwrap_or(0);
                    end += 2;
                }
            }
        }
        let half = meridian(list, end);
        if minute.is_none() && half.is_none() {
            continue;
        }
        found.hour = Some(match half {
            Some((half, after)) => {
                end = after;
                hour % 12 + half
            }
            None => hour,
        });
        end = find_zone(list, end, found);
        let begin = if start > 0 && list.get(start - 1) == Some(&Piece::Word("t".to_owned())) {
            start - 1
        } else {
            start
        };
        list.splice(begin..end, [Piece::Space]);
        return;
    }
}

/// Hours east of Greenwich of the zones that Ruby's `Time.parse` knows by letters: the universal time, those of RFC
/// 822, the military ones. A time with any other is one of the render's own zone.
fn named_zone(word: &str) -> Option<i64> {
    Some(match word {
        "utc" | "gmt" | "ut" => 0,
        "edt" => -4,
        "est" | "cdt" => -5,
        "cst" | "mdt" => -6,
        "mst" | "pdt" => -7,
        "pst" => -8,
        _ => {
            let (Some(letter), 1) = (word.bytes().next(), word.len()) else {
                return None;
            };
            match letter {
                b'a'..=b'i' => i64::from(letter - b'a') + 1,
                b'k'..=b'm' => i64::from(letter - b'k') + 10,
                b'n'..=b'y' => -i64::from(letter - b'n') - 1,
                b'z' => 0,
                _ => return None,
            }
        }
    })
}

/// Reads a zone at `at`; gives the place after it.
fn find_zone(list: &[Piece], at: usize, found: &mut Found) -> usize {
    let from = if list.get(at) == Some(&Piece::Space) { at + 1 } else { at };
    let mut next = from;
    if let Some(Piece::Word(word)) = list.get(from) {
        let Some(hours) = named_zone(word) else {
            return at;
        };
        found.offset = Some(hours * 3600);
        // Only the universal time keeps its name, as in Ruby.
        found.zone = (hours == 0).then(|| "UTC".to_owned());
        next += 1;
        if !matches!(word.as_str(), "utc" | "gmt") {
            return next;
        }
    }
    let sign = match list.get(next) {
        Some(Piece::Mark('+')) => 1,
        Some(Piece::Mark('-')) => -1,
        _ => return if next > from { next } else { at },
    };
    let Some(digits) = number(list, next + 1) else {
        return if next > from { next } else { at };
    };
    let (hours, minutes, end) = match (digits.len(), is_mark(list, next + 2, ':'), number(list, next + 3)) {
        (1 | 2, true, Some(minutes)) => (int(digits), int(minutes), next + 4),
        (1 | 2, _, _) => (int(digits), Some(0), next + 2),
        (4, _, _) => (digits.get(..2).and_then(int), digits.get(2..).and_then(int), next + 2),
        _ => return at,
    };
    if next > from {
        // Ruby knows no zone like `gmt+2`.
        (found.offset, found.zone) = (None, None);
    } else if let (Some(hours), Some(minutes)) = (hours, minutes) {
        // Beyond 64 bits it stays beyond all bounds, and the text is no date.
        found.offset = Some(hours.saturating_mul(3600).saturating_add(minutes.saturating_mul(60)) * sign);
        found.zone = None;
    }
    end
}

/// A month by name at `at`.
fn named_month(piece: Option<&Piece>) -> Option<i64> {
    let Some(Piece::Word(word)) = piece else {
        return None;
    };
    let prefix: String = word.chars().take(3).collect();
    let at = MONTHS.iter().position(|m| *m == prefix)?;
    i64::try_from(at + 1).ok()
}

/// A two-digit year means this or the last century, as Ruby has it.
fn century(text: &str) -> Option<i64> {
    let year = int(text)?;
    Some(match text.len() {
        1 | 2 if year >= 69 => year + 1900,
        1 | 2 => year + 2000,
        _ => year,
    })
}

/// The number at or after `at`, over spaces, dots, commas, dashes and the like.
fn next_number(list: &[Piece], mut at: usize) -> Option<(String, usize)> {
    loop {
        match list.get(at)? {
            Piece::Number(n) => return Some((n.clone(), at + 1)),
            Piece::Word(w) if matches!(w.as_str(), "st" | "nd" | "rd" | "th" | "of") => at += 1,
            Piece::Space | Piece::Mark('.' | ',' | '-' | '\'' | '/') => at += 1,
            _ => return None,
        }
    }
}

/// The number right before a month: a space may be between, or what is written on to the number, as in `14th march`.
fn number_before(list: &[Piece], month: usize) -> Option<String> {
    let mut at = month;
    if at > 0 && list.get(at - 1) == Some(&Piece::Space) {
        at -= 1;
    }
    while at > 0 {
        at -= 1;
        match list.get(at)? {
            Piece::Number(n) => return Some(n.clone()),
            Piece::Space => return None,
            Piece::Word(_) | Piece::Mark(_) => {}
        }
    }
    None
}

/// `14 march 2016`, `14-mar-2016`, `march 14, 2016`, `march 2016`.
fn find_named_month(list: &mut [Piece], found: &mut Found) -> bool {
    let Some((at, month)) = (0..list.len()).find_map(|i| named_month(list.get(i)).map(|m| (i, m))) else {
        return false;
    };
    found.month = Some(month);
    let before = number_before(list, at);
    match (before, next_number(list, at + 1)) {
        (Some(day), after) if day.len() <= 2 => {
            found.day = int(&day);
            found.year = after.and_then(|(year, _)| century(&year));
        }
        (Some(year), after) => {
            found.year = century(&year);
            found.day = after.and_then(|(day, _)| int(&day));
        }
        (None, Some((first, _))) if first.len() > 2 => found.year = int(&first),
        (None, Some((day, next))) => {
            found.day = int(&day);
            found.year = next_number(list, next).and_then(|(year, _)| century(&year));
        }
        (None, None) => {}
    }
    true
}

/// `2016-03-14`, `16-3-14`, `14-3-2016`, `2016-074`; an hour may follow.
fn find_iso(list: &[Piece], found: &mut Found) -> bool {
    for at in 0..list.len() {
        let (Some(year), true, Some(month)) =
            (number(list, at), is_mark(list, at + 1, '-'), number(list, at + 2))
        else {
            continue;
        };
        let day = if is_mark(list, at + 3, '-') { number(list, at + 4) } else { None };
        match (day, year.len(), month.len()) {
            // Day first where the year can only be at the end.
            (Some(last), 1 | 2, 1 | 2) if last.len() > 2 => {
                (found.day, found.month, found.year) = (int(year), int(month), int(last));
            }
            (Some(day), _, 1 | 2) => {
                (found.year, found.month, found.day) = (century(year), int(month), int(day));
            }
            (None, 2 | 4, 3) => (found.year, found.day_of_year) = (century(year), int(month)),
            _ => continue,
        }
        hour_after(list, at + 5, found);
        return true;
    }
    false
}

/// A number of one or two digits after the date is the hour, where no time was found.
fn hour_after(list: &[Piece], at: usize, found: &mut Found) {
    let hour = match (list.get(at), number(list, at + 1)) {
        (Some(Piece::Space), Some(hour)) if hour.len() <= 2 => int(hour),
        _ => None,
    };
    if found.hour.is_none() && at == 5 && !matches!(list.get(at + 2), Some(Piece::Word(_))) {
        found.hour = hour;
    }
}

/// `2016/03/14`, `14/03/2016`, `14.3.2016`, `3/14`.
fn find_slashes(list: &[Piece], found: &mut Found) -> bool {
    for at in 0..list.len() {
        let mark = ['/', '.'].into_iter().find(|m| is_mark(list, at + 1, *m));
        let (Some(a), Some(mark), Some(b)) = (number(list, at), mark, number(list, at + 2)) else {
            continue;
        };
        let c = if is_mark(list, at + 3, mark) { number(list, at + 4) } else { None };
        match c {
            Some(c) if c.len() > 2 => (found.day, found.month, found.year) = (int(a), int(b), int(c)),
            Some(c) => (found.year, found.month, found.day) = (century(a), int(b), int(c)),
            None if mark == '/' => (found.month, found.day) = (int(a), int(b)),
            None => continue,
        }
        return true;
    }
    false
}

/// `20160314`, `20160314T101112`, `201603141011`.
fn find_compact(list: &[Piece], found: &mut Found) -> bool {
    let cut = |n: &str, from: usize, to: usize| n.get(from..to).and_then(int);
    for (at, piece) in list.iter().enumerate() {
        let Piece::Number(n) = piece else {
            continue;
        };
        match n.len() {
            8 | 10 | 12 | 14 => {
                (found.year, found.month, found.day) = (cut(n, 0, 4), cut(n, 4, 6), cut(n, 6, 8));
                if found.hour.is_none() {
                    let clock = match (list.get(at + 1), number(list, at + 2)) {
                        (Some(Piece::Word(t)), Some(clock)) if t == "t" => clock,
                        _ => n.get(8..).unwrap_or(""),
                    };
                    found.hour = cut(clock, 0, 2);
                    found.minute = cut(clock, 2, 4);
                    found.second = cut(clock, 4, 6);
                }
            }
            6 => {
                (found.year, found.month, found.day) = (
                    cut(n, 0, 2).map(|y| if y >= 69 { 1900 + y } else { 2000 + y }),
                    cut(n, 2, 4),
                    cut(n, 4, 6),
                )
            }
            4 => (found.month, found.day) = (cut(n, 0, 2), cut(n, 2, 4)),
            7 => (found.year, found.day_of_year) = (cut(n, 0, 4), cut(n, 4, 7)),
            5 => (found.year, found.day_of_year) = (n.get(..2).and_then(century), cut(n, 2, 5)),
            3 => found.day_of_year = int(n),
            2 => found.day = int(n),
            _ => continue,
        }
        return true;
    }
    false
}

/// Fills in what is missing: from `now` above the largest part found, the least below it.
fn moment(found: Found, now: Timestamp, zone: &TimeZone) -> Option<Moment> {
    let today = zone.to_datetime(now);
    let parts = [found.year, found.month, found.day, found.day_of_year];
    let any_date = parts.iter().any(Option::is_some);
    if !any_date && found.hour.is_none() {
        return None;
    }
    let year = found.year.unwrap_or(i64::from(today.year()));
    let month = match found.month {
        Some(month) => month,
        None if found.year.is_some() => 1,
        None => i64::from(today.month()),
    };
    let day = match found.day {
        Some(day) => day,
        None if found.year.is_some() || found.month.is_some() => 1,
        None => i64::from(today.day()),
    };
    let civil = civil(year, month, day, &found)?;
    match (found.offset, found.zone) {
        // Ruby refuses a day and more.
        (Some(offset), _) if !(-86_399..=86_399).contains(&offset) => None,
        (Some(offset), name) => {
            let offset = Offset::from_seconds(i32::try_from(offset).ok()?).ok()?;
            let at = offset.to_timestamp(civil).ok()?;
            if name.is_none() && zone.to_offset(at) == offset {
                // Ruby prefers the local zone, which has a name, to a bare offset.
                return Some(Moment::in_zone(at, zone));
            }
            Moment::fixed(civil, offset, name.as_deref().unwrap_or(""))
        }
        _ => Moment::local(civil, zone),
    }
}

/// The date and time, with Ruby's tolerance: day 31 of a shorter month runs on, so do 24:00 and second 60.
fn civil(year: i64, month: i64, day: i64, found: &Found) -> Option<DateTime> {
    if !(1..=31).contains(&day) || !(1..=12).contains(&month) {
        return None;
    }
    let (hour, minute, second) =
        (found.hour.unwrap_or(0), found.minute.unwrap_or(0), found.second.unwrap_or(0));
    if !(0..=24).contains(&hour) || !(0..60).contains(&minute) || !(0..=60).contains(&second) {
        return None;
    }
    if hour == 24 && (minute > 0 || second > 0) {
        return None;
    }
    let first = jiff::civil::Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, 1).ok()?;
    let date = match found.day_of_year {
        Some(days) if (1..=i64::from(first.days_in_year())).contains(&days) => {
            first.first_of_year().checked_add((days - 1).days()).ok()?
        }
        Some(_) => return None,
        None => first.checked_add((day - 1).days()).ok()?,
    };
    let midnight = date.to_datetime(Time::midnight());
    midnight.checked_add(hour.hours().minutes(minute).seconds(second).nanoseconds(found.nanosecond)).ok()
}
