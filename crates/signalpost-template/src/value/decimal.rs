//! Decimals of any length, as the reference's `BigDecimal`: a whole number and the place of its point.

use num_bigint::{BigInt, Sign};
use num_traits::{Signed, ToPrimitive, Zero};

/// `mantissa / 10^scale`.
#[derive(Clone, Debug)]
pub(crate) struct Decimal {
    pub(crate) mantissa: BigInt,
    pub(crate) scale: u32,
}

pub(crate) fn ten_to(power: u32) -> BigInt {
    BigInt::from(10).pow(power)
}

impl Decimal {
    /// Reads decimal text with an optional exponent, as floats print.
    pub(crate) fn parse(text: &str) -> Option<Decimal> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((m, e)) => (m, e.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits: BigInt = format!("{whole}{fraction}").parse().ok()?;
        let scale = i32::try_from(fraction.len()).ok()? - exponent;
        Some(match u32::try_from(scale) {
            Ok(scale) => Decimal { mantissa: digits, scale },
            Err(_) => Decimal { mantissa: digits * ten_to(scale.unsigned_abs().min(400)), scale: 0 },
        })
    }

    pub(crate) fn from_whole(whole: BigInt) -> Decimal {
        Decimal { mantissa: whole, scale: 0 }
    }

    pub(crate) fn to_float(&self) -> f64 {
        if let (Some(m), true) = (self.mantissa.to_i64(), self.scale <= 22) {
            // Both are exact as floats below 2^53, so one division rounds once.
            if m.unsigned_abs() < 1 << 53
                && let Some(m) = m.to_f64()
            {
                return m / 10_f64.powi(i32::try_from(self.scale).unwrap_or(0));
            }
        }
        format!("{}e-{}", self.mantissa, self.scale).parse().unwrap_or(0.0)
    }

    /// Both mantissas at the larger of the two scales.
    pub(crate) fn aligned(&self, other: &Decimal) -> (BigInt, BigInt, u32) {
        let scale = self.scale.max(other.scale);
        (&self.mantissa * ten_to(scale - self.scale), &other.mantissa * ten_to(scale - other.scale), scale)
    }

    /// The quotient rounded down to a whole number.
    pub(crate) fn floor(&self) -> BigInt {
        floor_div(&self.mantissa, &ten_to(self.scale)).0
    }

    pub(crate) fn ceil(&self) -> BigInt {
        -floor_div(&-&self.mantissa, &ten_to(self.scale)).0
    }

    /// Rounds half away from zero to `digits` places after the point (before it where negative).
    pub(crate) fn round(&self, digits: i32) -> Decimal {
        let drop = i64::from(self.scale) - i64::from(digits);
        if drop <= 0 {
            return self.clone();
        }
        let divisor = ten_to(u32::try_from(drop.min(1000)).unwrap_or(0));
        let half = &divisor / 2;
        let magnitude: BigInt = (self.mantissa.abs() + half) / &divisor;
        let signed = if self.mantissa.is_negative() { -magnitude } else { magnitude };
        match u32::try_from(digits) {
            Ok(scale) => Decimal { mantissa: signed, scale },
            Err(_) => Decimal::from_whole(signed * ten_to(digits.unsigned_abs().min(1000))),
        }
    }
}

/// Quotient rounded down and the remainder with the divisor's sign.
pub(crate) fn floor_div(a: &BigInt, b: &BigInt) -> (BigInt, BigInt) {
    let (q, r) = (a / b, a % b);
    if !r.is_zero() && (r.sign() == Sign::Minus) != (b.sign() == Sign::Minus) {
        (q - 1, r + b)
    } else {
        (q, r)
    }
}
