//! Ruby's `Time#strftime`: directives with flags and widths.
//!
//! In: a moment and a format. Out: text; a directive that does not exist is printed as it stands.

use jiff::civil::Weekday;

use super::Moment;
use crate::render::Locale;

/// A width no honest format exceeds.
const WIDTH: usize = 1024;

#[derive(Clone, Copy, Debug, Default)]
struct Flags {
    /// `-`: no padding. `0` or `_`: padding with that.
    padding: Option<char>,
    unpadded: bool,
    upper: bool,
    swap: bool,
    colons: usize,
    width: Option<usize>,
}

/// Appends `moment` in `format`; false where the format ends within a directive.
pub(crate) fn strftime(moment: &Moment, format: &str, locale: Option<&dyn Locale>, out: &mut String) -> bool {
    expand(moment, format, locale, out, true)
}

fn expand(moment: &Moment, format: &str, locale: Option<&dyn Locale>, out: &mut String, outer: bool) -> bool {
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        let (before, directive) = rest.split_at(at);
        out.push_str(before);
        let (flags, used) = flags(directive);
        let Some(letter) = directive.get(used..).and_then(|r| r.chars().next()) else {
            return false;
        };
        let end = used + letter.len_utf8();
        let printed = match composite(letter) {
            Some(inner) if outer => {
                let mut text = String::new();
                expand(moment, inner, locale, &mut text, false);
                // A whole date or time has no padding of its own that `-` could take away.
                padded(&mut text, Flags { unpadded: false, ..flags }, ' ', 0, out);
                true
            }
            _ => single(moment, letter, flags, locale, out),
        };
        if !printed {
            out.push_str(directive.get(..end).unwrap_or(""));
        }
        rest = directive.get(end..).unwrap_or("");
    }
    out.push_str(rest);
    true
}

/// Reads flags and width after `%`; gives how many bytes they take, the `%` included.
fn flags(directive: &str) -> (Flags, usize) {
    let mut flags = Flags::default();
    let mut used = 1;
    let mut digits = false;
    let mut chars = directive.chars().skip(1).peekable();
    while let Some(c) = chars.next() {
        match c {
            '-' if !digits => (flags.unpadded, flags.padding) = (true, None),
            '0' if !digits => flags.padding = Some('0'),
            '_' if !digits => flags.padding = Some(' '),
            '^' => flags.upper = true,
            '#' => flags.swap = true,
            // Colons stand right before `z`, three at most; elsewhere no directive has them.
            ':' if flags.colons == 0 && zone_follows(directive, used) => flags.colons = 1,
            ':' if flags.colons > 0 => flags.colons += 1,
            '0'..='9' => {
                digits = true;
                let digit = c.to_digit(10).and_then(|d| usize::try_from(d).ok()).unwrap_or(0);
                flags.width = Some((flags.width.unwrap_or(0) * 10 + digit).min(WIDTH));
            }
            'E' if chars.peek().is_some_and(|n| "cCxXyY".contains(*n)) => {}
            'O' if chars.peek().is_some_and(|n| "deHkIlmMSuUVwWy".contains(*n)) => {}
            _ => break,
        }
        used += 1;
    }
    (flags, used)
}

/// Whether one to three colons from `at` lead to `z`.
fn zone_follows(directive: &str, at: usize) -> bool {
    let rest = directive.get(at..).unwrap_or("");
    let after = rest.trim_start_matches(':');
    rest.len() - after.len() <= 3 && after.starts_with('z')
}

fn composite(letter: char) -> Option<&'static str> {
    Some(match letter {
        'c' => "%a %b %e %H:%M:%S %Y",
        'D' | 'x' => "%m/%d/%y",
        'F' => "%Y-%m-%d",
        'T' | 'X' => "%H:%M:%S",
        'R' => "%H:%M",
        'r' => "%I:%M:%S %p",
        'v' => "%e-%^b-%Y",
        _ => return None,
    })
}

/// Appends text padded on the left; `width` is the default one.
fn padded(text: &mut String, flags: Flags, with: char, width: usize, out: &mut String) {
    if flags.upper {
        *text = text.to_uppercase();
    }
    let width = flags.width.unwrap_or(if flags.unpadded { 0 } else { width });
    let with = flags.padding.unwrap_or(with);
    let missing = if flags.unpadded { 0 } else { width.saturating_sub(text.chars().count()) };
    let negative = with == '0' && text.starts_with('-');
    if negative {
        out.push('-');
    }
    for _ in 0..missing {
        out.push(with);
    }
    out.push_str(if negative { text.get(1..).unwrap_or("") } else { text });
}

fn number(value: i64, flags: Flags, with: char, width: usize, out: &mut String) -> bool {
    padded(&mut value.to_string(), flags, with, width, out);
    true
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

fn sunday_based(day: Weekday) -> i64 {
    i64::from(day.to_sunday_zero_offset())
}

/// The name of a month or day, in the locale's words where it has some.
fn name(letter: char, moment: &Moment, locale: Option<&dyn Locale>) -> String {
    let month = usize::from(moment.civil.month().unsigned_abs()) - 1;
    let day = usize::try_from(sunday_based(moment.civil.weekday())).unwrap_or(0);
    let short = matches!(letter, 'b' | 'h' | 'a');
    let monthly = matches!(letter, 'B' | 'b' | 'h');
    let local = locale.and_then(|l| if monthly { l.month(month, short) } else { l.weekday(day, short) });
    if let Some(word) = local {
        return word;
    }
    let word = if monthly { MONTHS.get(month) } else { DAYS.get(day) }.copied().unwrap_or("");
    if short { word.chars().take(3).collect() } else { word.to_owned() }
}

fn single(
    moment: &Moment,
    letter: char,
    flags: Flags,
    locale: Option<&dyn Locale>,
    out: &mut String,
) -> bool {
    let civil = moment.civil;
    let year = i64::from(civil.year());
    let hour12 = match civil.hour() % 12 {
        0 => 12,
        h => i64::from(h),
    };
    let yday = i64::from(civil.date().day_of_year());
    let wday = sunday_based(civil.weekday());
    let iso = civil.date().iso_week_date();
    let iso_year = i64::from(iso.year());
    match letter {
        'Y' => number(year, flags, '0', if year < 0 { 5 } else { 4 }, out),
        'C' => number(year.div_euclid(100), flags, '0', 2, out),
        'y' => number(year.rem_euclid(100), flags, '0', 2, out),
        'm' => number(i64::from(civil.month()), flags, '0', 2, out),
        'd' => number(i64::from(civil.day()), flags, '0', 2, out),
        'e' => number(i64::from(civil.day()), flags, ' ', 2, out),
        'j' => number(yday, flags, '0', 3, out),
        'H' => number(i64::from(civil.hour()), flags, '0', 2, out),
        'k' => number(i64::from(civil.hour()), flags, ' ', 2, out),
        'I' => number(hour12, flags, '0', 2, out),
        'l' => number(hour12, flags, ' ', 2, out),
        'M' => number(i64::from(civil.minute()), flags, '0', 2, out),
        'S' => number(i64::from(civil.second()), flags, '0', 2, out),
        's' => number(moment.at.as_second(), flags, '0', 1, out),
        'u' => number(if wday == 0 { 7 } else { wday }, flags, '0', 1, out),
        'w' => number(wday, flags, '0', 1, out),
        'G' => number(iso_year, flags, '0', 4, out),
        'g' => number(iso_year.rem_euclid(100), flags, '0', 2, out),
        'V' => number(i64::from(iso.week()), flags, '0', 2, out),
        'U' => number((yday + 6 - wday) / 7, flags, '0', 2, out),
        'W' => number((yday + 6 - (wday + 6) % 7) / 7, flags, '0', 2, out),
        'L' | 'N' => fraction(moment, letter, flags, out),
        'z' => zone_offset(moment, flags, out),
        _ => word(moment, letter, flags, locale, out),
    }
}

fn word(
    moment: &Moment,
    letter: char,
    mut flags: Flags,
    locale: Option<&dyn Locale>,
    out: &mut String,
) -> bool {
    let afternoon = moment.civil.hour() >= 12;
    let mut text = match letter {
        'A' | 'a' | 'B' | 'b' | 'h' => {
            flags.upper |= flags.swap;
            name(letter, moment, locale)
        }
        'p' => {
            let lower = flags.swap;
            flags.upper &= !lower;
            match (afternoon, lower) {
                (true, false) => "PM",
                (false, false) => "AM",
                (true, true) => "pm",
                (false, true) => "am",
            }
            .to_owned()
        }
        'P' => {
            flags.upper |= flags.swap;
            if afternoon { "pm" } else { "am" }.to_owned()
        }
        // A zone without a name prints nothing, whatever the width.
        'Z' if moment.zone.is_empty() => return true,
        'Z' if flags.swap => {
            flags.upper = false;
            moment.zone.to_lowercase()
        }
        'Z' => moment.zone.clone(),
        'n' => "\n".to_owned(),
        't' => "\t".to_owned(),
        '%' => "%".to_owned(),
        _ => return false,
    };
    padded(&mut text, flags, ' ', 0, out);
    true
}

/// `%L` and `%N`: digits of the fraction of a second, cut at the width.
fn fraction(moment: &Moment, letter: char, flags: Flags, out: &mut String) -> bool {
    let width = flags.width.unwrap_or(if letter == 'L' { 3 } else { 9 });
    let digits = format!("{:09}", moment.civil.subsec_nanosecond());
    for i in 0..width {
        out.push(digits.chars().nth(i).unwrap_or('0'));
    }
    true
}

/// `%z`, `%:z`, `%::z`.
fn zone_offset(moment: &Moment, flags: Flags, out: &mut String) -> bool {
    let seconds = moment.offset.seconds();
    let (sign, rest) = (if seconds < 0 { '-' } else { '+' }, seconds.unsigned_abs());
    let (hours, minutes, seconds) = (rest / 3600, rest / 60 % 60, rest % 60);
    let tail = match flags.colons {
        0 => format!("{minutes:02}"),
        1 => format!(":{minutes:02}"),
        3 if minutes == 0 && seconds == 0 => String::new(),
        3 if seconds == 0 => format!(":{minutes:02}"),
        _ => format!(":{minutes:02}:{seconds:02}"),
    };
    let width = flags.width.unwrap_or(0).saturating_sub(tail.len() + 1).max(2);
    let hours = if flags.padding == Some(' ') {
        format!("{:>w$}", format!("{sign}{hours}"), w = width + 1)
    } else {
        format!("{sign}{hours:0width$}")
    };
    out.push_str(&hours);
    out.push_str(&tail);
    true
}
