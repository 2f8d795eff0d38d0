//! Days and clock times as numbers, the fast road for RFC 3339, and the pieces
//! every other form is cut into.

use crate::time::{Span, Timestamp};

/// A day of the Gregorian calendar that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Calendar {
    pub(super) year: i64,
    month: i64,
    day: i64,
}

impl Calendar {
    /// `None` when there is no such day, or its year is beyond ±99,999.
    pub(super) fn new(year: i64, month: i64, day: i64) -> Option<Self> {
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days = match month {
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            1..=12 => 31,
            _ => return None,
        };
        ((1..=days).contains(&day) && (-99_999..=99_999).contains(&year)).then_some(Self { year, month, day })
    }

    /// Days since 1970-01-01, by Howard Hinnant's `days_from_civil`.
    fn days(self) -> i64 {
        let year = if self.month <= 2 { self.year - 1 } else { self.year };
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let month = (self.month + 9) % 12;
        let day_of_year = (153 * month + 2) / 5 + self.day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        era * 146_097 + day_of_era - 719_468
    }

    /// The instant of a clock time on this day, if the clock showed UTC.
    pub(super) fn at_utc(self, clock: Clock) -> Timestamp {
        Timestamp::from_micros(self.days() * Span::DAY.as_micros() + clock.micros)
    }
}

/// A time of day in microseconds after midnight; 24:00 is the next midnight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Clock {
    micros: i64,
}

impl Clock {
    /// `None` when no clock shows it. A second 60 is shown as 59.
    pub(super) fn new(hour: i64, minute: i64, second: i64, micros: i64) -> Option<Self> {
        let midnight = (hour, minute, second, micros) == (24, 0, 0, 0);
        let shown = (0..24).contains(&hour)
            && (0..60).contains(&minute)
            && (0..=60).contains(&second)
            && (0..1_000_000).contains(&micros);
        if !midnight && !shown {
            return None;
        }
        let seconds = hour * 3_600 + minute * 60 + second.min(59);
        Some(Self { micros: seconds * 1_000_000 + micros })
    }
}

/// `YYYY-MM-DDTHH:MM:SS[.fraction](Z|±HH:MM)`, which nearly every event has;
/// `None` for anything else, to be read the long way.
pub(super) fn rfc3339(text: &[u8]) -> Option<Timestamp> {
    let (head, tail) = text.split_at_checked(19)?;
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', n1, n2, b':', s1, s2] = head else {
        return None;
    };
    let calendar = Calendar::new(number(&[*y1, *y2, *y3, *y4])?, number(&[*m1, *m2])?, number(&[*d1, *d2])?)?;
    let (micros, zone) = match tail {
        [b'.', rest @ ..] => {
            let end = rest.iter().position(|byte| !byte.is_ascii_digit())?;
            let (fraction, zone) = rest.split_at_checked(end)?;
            (fraction_micros(fraction)?, zone)
        }
        zone => (0, zone),
    };
    let clock = Clock::new(number(&[*h1, *h2])?, number(&[*n1, *n2])?, number(&[*s1, *s2])?, micros)?;
    let offset = match zone {
        [b'Z'] => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let seconds = offset_seconds(number(&[*h1, *h2])?, number(&[*m1, *m2])?, 0)?;
            if *sign == b'-' { -seconds } else { seconds }
        }
        _ => return None,
    };
    Some(calendar.at_utc(clock) - Span::SECOND.times(offset))
}

/// The seconds of an offset; `None` beyond 18 hours, where none has ever been.
pub(super) fn offset_seconds(hours: i64, minutes: i64, seconds: i64) -> Option<i64> {
    let total = hours * 3_600 + minutes * 60 + seconds;
    (minutes < 60 && seconds < 60 && total <= 18 * 3_600).then_some(total)
}

/// A number of nothing but digits, at most eighteen of them.
pub(super) fn number(digits: &[u8]) -> Option<i64> {
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    digits.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
}

/// The digits after the mark, as microseconds; finer ones are cut off.
pub(super) fn fraction_micros(digits: &[u8]) -> Option<i64> {
    let kept = digits.get(..digits.len().min(6))?;
    let factor = [0, 100_000, 10_000, 1_000, 100, 10, 1].get(kept.len())?;
    digits.iter().all(u8::is_ascii_digit).then_some(number(kept)? * factor)
}

/// A piece of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A run of ASCII digits.
    Digits(&'a str),
    /// A run of letters.
    Word(&'a str),
    /// A run of white space.
    Space,
    /// Any other character.
    Mark(char),
}

/// A place in a text cut into tokens. Copying it remembers the place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text }
    }

    /// What is not yet read.
    pub(super) fn rest(self) -> &'a str {
        self.rest
    }

    pub(super) fn at_end(self) -> bool {
        self.rest.is_empty()
    }

    /// Moves behind the first `bytes` of the rest.
    pub(super) fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    fn cut(self) -> Option<(Token<'a>, usize)> {
        let first = self.rest.chars().next()?;
        let run = |same: fn(char) -> bool| {
            let length = self.rest.find(|c| !same(c)).unwrap_or(self.rest.len());
            (self.rest.get(..length).unwrap_or_default(), length)
        };
        Some(match first {
            '0'..='9' => {
                let (text, length) = run(|c| c.is_ascii_digit());
                (Token::Digits(text), length)
            }
            c if c.is_alphabetic() => {
                let (text, length) = run(char::is_alphabetic);
                (Token::Word(text), length)
            }
            c if c.is_whitespace() => (Token::Space, run(char::is_whitespace).1),
            c => (Token::Mark(c), c.len_utf8()),
        })
    }

    pub(super) fn peek(self) -> Option<Token<'a>> {
        self.cut().map(|(token, _)| token)
    }

    /// Moves behind the next token if `wanted` takes it.
    pub(super) fn take<T>(&mut self, wanted: impl FnOnce(Token<'a>) -> Option<T>) -> Option<T> {
        let (token, length) = self.cut()?;
        let found = wanted(token)?;
        self.skip(length);
        Some(found)
    }

    /// A run of `min` to `max` digits.
    pub(super) fn digits(&mut self, min: usize, max: usize) -> Option<&'a str> {
        self.take(|token| match token {
            Token::Digits(text) if (min..=max).contains(&text.len()) => Some(text),
            _ => None,
        })
    }

    /// The number in a run of `min` to `max` digits.
    pub(super) fn number(&mut self, min: usize, max: usize) -> Option<i64> {
        self.digits(min, max).and_then(|text| number(text.as_bytes()))
    }

    pub(super) fn mark(&mut self, wanted: &[char]) -> Option<char> {
        self.take(|token| match token {
            Token::Mark(c) if wanted.contains(&c) => Some(c),
            _ => None,
        })
    }

    /// A word that is one of `wanted`, compared without ASCII case.
    pub(super) fn word(&mut self, wanted: &[&str]) -> Option<&'a str> {
        self.take(|token| match token {
            Token::Word(text) if wanted.iter().any(|word| word.eq_ignore_ascii_case(text)) => Some(text),
            _ => None,
        })
    }

    pub(super) fn space(&mut self) -> bool {
        self.take(|token| (token == Token::Space).then_some(())).is_some()
    }
}
