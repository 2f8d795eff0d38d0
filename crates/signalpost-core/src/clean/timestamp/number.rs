//! Decimal text into an instant, exactly: no binary fraction on the way.

use super::scan::{Calendar, Clock};
use crate::time::Timestamp;

/// A decimal number: `digits` times ten to the power of `exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    negative: bool,
    digits: i128,
    exponent: i32,
    /// How many digits stood there when it was nothing but digits, else 0.
    plain_digits: usize,
}

impl Decimal {
    /// Reads `-12.5e3`; `None` for anything but one number of at most 30 digits.
    pub(super) fn parse(text: &str) -> Option<Self> {
        const DIGITS_MAX: usize = 30;
        const EXPONENT_MAX: i32 = 30;
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let count = whole.len() + fraction.len();
        if whole.is_empty() || count > DIGITS_MAX || exponent.abs() > EXPONENT_MAX {
            return None;
        }
        let mut digits = 0_i128;
        for byte in whole.bytes().chain(fraction.bytes()) {
            digits = digits * 10 + i128::from(char::from(byte).to_digit(10)?);
        }
        let plain_digits = if unsigned.len() == whole.len() && !negative { count } else { 0 };
        let exponent = exponent - i32::try_from(fraction.len()).ok()?;
        Some(Self { negative, digits, exponent, plain_digits })
    }

    pub(super) fn is_zero(self) -> bool {
        self.digits == 0
    }

    /// The instant this number stands for, by its size.
    pub(super) fn to_instant(self) -> Option<Timestamp> {
        if let Some(date) = self.as_date() {
            return Some(date);
        }
        const UNITS: [(i128, i32); 3] =
            [(100_000_000_000, 6), (100_000_000_000_000, 3), (100_000_000_000_000_000, 0)];
        let whole = self.scaled(0)?;
        let shift = UNITS.iter().find(|(limit, _)| whole < *limit).map_or(-3, |(_, shift)| *shift);
        let micros = i64::try_from(self.scaled(shift)?).ok()?;
        // Towards the past, so that a negative fraction is truncated in time.
        let exact = self.exponent + shift >= 0;
        Some(Timestamp::from_micros(if self.negative { -micros - i64::from(!exact) } else { micros }))
    }

    /// The digits times ten to the power of `exponent + shift`, cut to a whole.
    fn scaled(self, shift: i32) -> Option<i128> {
        let power = self.exponent + shift;
        let factor = 10_i128.checked_pow(power.unsigned_abs())?;
        if power >= 0 { self.digits.checked_mul(factor) } else { Some(self.digits / factor) }
    }

    fn as_date(self) -> Option<Timestamp> {
        let (date, time) = match self.plain_digits {
            8 => (self.digits, 0),
            14 => (self.digits / 1_000_000, self.digits % 1_000_000),
            _ => return None,
        };
        let part = |number: i128| i64::try_from(number).ok();
        let calendar = Calendar::new(part(date / 10_000)?, part(date / 100 % 100)?, part(date % 100)?)?;
        let clock = Clock::new(part(time / 10_000)?, part(time / 100 % 100)?, part(time % 100)?, 0)?;
        let instant = calendar.at_utc(clock);
        // Eight digits are a date only where a date of our days comes out.
        (1980..2100).contains(&calendar.year).then_some(instant)
    }
}
