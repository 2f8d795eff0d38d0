//! Arithmetic as the Liquid reference has it: integers without a bound, fractions as decimals.
//!
//! In: values that were turned to numbers by [`number`]. Out: values again; floats go through decimal text and
//! back, so `0.1 + 0.2` is `0.3`. Numbers are bounded in size so that arithmetic cannot exhaust memory.

use std::cmp::Ordering;
use std::sync::Arc;

use num_bigint::BigInt;
use num_traits::{FromPrimitive, Signed, ToPrimitive, Zero};

use super::decimal::{Decimal, floor_div, ten_to};
use super::{Value, format};
use crate::error::{Fault, FaultKind};

/// The most bits a whole number may have; more is refused.
const BITS: u64 = 1 << 16;
/// Digits kept beyond the operands' own by a decimal division.
const DIVISION_DIGITS: u32 = 32;

/// A number in Liquid's arithmetic.
#[derive(Clone, Debug)]
pub(crate) enum Number {
    Small(i64),
    Whole(BigInt),
    /// `mantissa / 10^scale`, where the mantissa is small: most prices.
    Fixed(i64, u32),
    Decimal(Decimal),
    /// A float that has no decimal form: infinite, not a number, or zero with a minus.
    Strange(f64),
}

/// Reads a value as a number: floats and decimal text as decimals, other text by its leading digits, the rest as 0.
pub(crate) fn number(value: &Value<'_>) -> Number {
    match value {
        Value::Int(i) => Number::Small(*i),
        Value::Big(b) => Number::Whole(b.as_ref().clone()),
        Value::Float(f) if *f == 0.0 && f.is_sign_negative() => Number::Strange(-0.0),
        Value::Float(f) => float_number(*f),
        Value::Str(_) | Value::Text(_) | Value::Safe(_) => text_number(value.as_str().unwrap_or("")),
        _ => Number::Small(0),
    }
}

/// A float by its shortest decimal digits.
fn float_number(f: f64) -> Number {
    if let Some((mantissa, scale)) = format::fixed_digits(f) {
        return Number::Fixed(mantissa, scale);
    }
    let mut text = String::new();
    format::float(f, &mut text);
    Decimal::parse(&text).map_or(Number::Strange(f), Number::Decimal)
}

/// A fixed number as a float: exact in one division, as both sides are exact floats.
fn fixed_float(mantissa: i64, scale: u32) -> Option<f64> {
    if mantissa.unsigned_abs() >= 1 << 53 || scale > 22 {
        return None;
    }
    Some(mantissa.to_f64()? / 10_f64.powi(i32::try_from(scale).ok()?))
}

fn text_number(text: &str) -> Number {
    let stripped = text.trim_matches(|c: char| c.is_ascii_whitespace() || matches!(c, '\0' | '\u{0b}'));
    let unsigned = stripped.strip_prefix('-').unwrap_or(stripped);
    if let Some((whole, fraction)) = unsigned.split_once('.')
        && !whole.is_empty()
        && !fraction.is_empty()
        && whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit())
        && stripped.len() < 1000
        && let Some(decimal) = Decimal::parse(stripped)
    {
        let minus_zero = decimal.mantissa.is_zero() && stripped.starts_with('-');
        return if minus_zero { Number::Strange(-0.0) } else { Number::Decimal(decimal) };
    }
    leading_integer(text)
}

/// Ruby's `String#to_i`: white space, sign, digits with single underscores between them; else 0.
pub(crate) fn leading_integer(text: &str) -> Number {
    let text = text.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '\u{0b}');
    let (sign, rest) = match text.as_bytes().first() {
        Some(b'-') => ("-", text.get(1..).unwrap_or("")),
        Some(b'+') => ("", text.get(1..).unwrap_or("")),
        _ => ("", text),
    };
    let mut digits = String::from(sign);
    let mut after_digit = false;
    for c in rest.chars().take(20_000) {
        match c {
            '0'..='9' => {
                digits.push(c);
                after_digit = true;
            }
            '_' if after_digit => after_digit = false,
            _ => break,
        }
    }
    if digits.len() == sign.len() {
        return Number::Small(0);
    }
    match digits.parse::<i64>() {
        Ok(small) => Number::Small(small),
        Err(_) => digits.parse::<BigInt>().map_or(Number::Small(0), Number::Whole),
    }
}

/// Ruby's `Integer(text)`: the whole text must be an integer, with optional base prefix and underscores.
pub(crate) fn strict_integer(text: &str) -> Option<BigInt> {
    let Some((before, _)) = text.split_once('\0') else {
        return whole_text_integer(text);
    };
    // Ruby reads numbers beyond 64 bits, and those with underscores, only up to a null.
    let found = whole_text_integer(before)?;
    (found.bits() > 64 || before.contains('_')).then_some(found)
}

fn whole_text_integer(text: &str) -> Option<BigInt> {
    let trimmed = text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\u{0b}');
    let (negative, rest) = match trimmed.as_bytes().first()? {
        b'-' => (true, trimmed.get(1..)?),
        b'+' => (false, trimmed.get(1..)?),
        _ => (false, trimmed),
    };
    let lower = rest.to_ascii_lowercase();
    let (radix, digits) = match lower.get(..2) {
        Some("0x") => (16, lower.get(2..)?),
        Some("0b") => (2, lower.get(2..)?),
        Some("0o") => (8, lower.get(2..)?),
        Some("0d") => (10, lower.get(2..)?),
        _ if lower.len() > 1 && lower.starts_with('0') => (8, lower.get(1..)?),
        _ => (10, lower.as_str()),
    };
    let digits = if radix == 8 { digits.strip_prefix('_').unwrap_or(digits) } else { digits };
    if digits.is_empty() || digits.starts_with('_') || digits.ends_with('_') || digits.contains("__") {
        return None;
    }
    if digits.len() > 20_000 || digits.starts_with(['+', '-']) {
        return None;
    }
    let plain: String = digits.chars().filter(|c| *c != '_').collect();
    let magnitude = BigInt::parse_bytes(plain.as_bytes(), radix)?;
    Some(if negative { -magnitude } else { magnitude })
}

/// The integer that a filter argument means, or the reference's complaint.
pub(crate) fn integer(value: &Value<'_>) -> Result<BigInt, Fault> {
    match value {
        Value::Int(i) => Ok(BigInt::from(*i)),
        Value::Big(b) => Ok(b.as_ref().clone()),
        _ => strict_integer(&value.to_text()).ok_or_else(|| Fault::argument("invalid integer")),
    }
}

/// The same, kept within 64 bits.
pub(crate) fn clamped_integer(value: &Value<'_>) -> Result<i64, Fault> {
    if let Value::Int(i) = value {
        return Ok(*i);
    }
    let big = integer(value)?;
    Ok(big.to_i64().unwrap_or(if big.is_negative() { i64::MIN } else { i64::MAX }))
}

/// Turns a whole number back into a value.
pub(crate) fn whole_value<'a>(whole: BigInt) -> Result<Value<'a>, Fault> {
    match whole.to_i64() {
        Some(small) => Ok(Value::Int(small)),
        None if whole.bits() > BITS => {
            Err(Fault::new(FaultKind::Budget, "number too big: more than 65536 bits"))
        }
        None => Ok(Value::Big(Arc::new(whole))),
    }
}

impl Number {
    pub(crate) fn into_value<'a>(self) -> Result<Value<'a>, Fault> {
        match self {
            Number::Small(i) => Ok(Value::Int(i)),
            Number::Whole(b) => whole_value(b),
            Number::Fixed(..) | Number::Decimal(_) => Ok(Value::Float(self.float())),
            Number::Strange(f) => Ok(Value::Float(f)),
        }
    }

    fn big(&self) -> Option<BigInt> {
        match self {
            Number::Small(i) => Some(BigInt::from(*i)),
            Number::Whole(b) => Some(b.clone()),
            _ => None,
        }
    }

    fn decimal(&self) -> Option<Decimal> {
        match self {
            Number::Decimal(d) => Some(d.clone()),
            Number::Fixed(mantissa, scale) => {
                Some(Decimal { mantissa: BigInt::from(*mantissa), scale: *scale })
            }
            _ => self.big().map(Decimal::from_whole),
        }
    }

    fn float(&self) -> f64 {
        match self {
            Number::Small(i) => i.to_f64().unwrap_or(0.0),
            Number::Whole(b) => b.to_f64().unwrap_or(f64::NAN),
            Number::Fixed(mantissa, scale) => {
                fixed_float(*mantissa, *scale).or_else(|| self.decimal().map(|d| d.to_float())).unwrap_or(0.0)
            }
            Number::Decimal(d) => d.to_float(),
            Number::Strange(f) => *f,
        }
    }

    /// Mantissa and scale, where both are small.
    fn fixed(&self) -> Option<(i64, u32)> {
        match self {
            Number::Small(i) => Some((*i, 0)),
            Number::Fixed(mantissa, scale) => Some((*mantissa, *scale)),
            _ => None,
        }
    }

    pub(crate) fn compare(&self, other: &Number) -> Option<Ordering> {
        match (self, other) {
            (Number::Small(a), Number::Small(b)) => Some(a.cmp(b)),
            _ => match (self.decimal(), other.decimal()) {
                (Some(a), Some(b)) => {
                    let (x, y, _) = a.aligned(&b);
                    Some(x.cmp(&y))
                }
                _ => self.float().partial_cmp(&other.float()),
            },
        }
    }

    pub(crate) fn abs(self) -> Number {
        match self {
            Number::Small(i) => {
                i.checked_abs().map_or_else(|| Number::Whole(BigInt::from(i).abs()), Number::Small)
            }
            Number::Whole(b) => Number::Whole(b.abs()),
            Number::Fixed(mantissa, scale) => Number::Fixed(mantissa.saturating_abs(), scale),
            Number::Decimal(d) => Number::Decimal(Decimal { mantissa: d.mantissa.abs(), scale: d.scale }),
            Number::Strange(f) => Number::Strange(f.abs()),
        }
    }
}

/// The four rules and the remainder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Plus,
    Minus,
    Times,
    Divide,
    Modulo,
}

/// Applies an operation as the reference's `apply_operation`: whole numbers stay whole, the rest is decimal.
pub(crate) fn apply(a: &Number, b: &Number, operation: Arithmetic) -> Result<Number, Fault> {
    if let (Number::Small(x), Number::Small(y)) = (a, b)
        && let Some(small) = apply_small(*x, *y, operation)?
    {
        return Ok(Number::Small(small));
    }
    if let (Some(x), Some(y)) = (a.fixed(), b.fixed())
        && let Some(quick) = apply_fixed(x, y, operation)
    {
        return Ok(quick);
    }
    if let (Some(x), Some(y)) = (a.big(), b.big()) {
        return apply_whole(&x, &y, operation).map(Number::Whole);
    }
    match (a.decimal(), b.decimal()) {
        (Some(x), Some(y)) => apply_decimal(&x, &y, operation),
        _ => apply_float(a.float(), b.float(), operation).map(Number::Strange),
    }
}

fn divided_by_zero() -> Fault {
    Fault::new(FaultKind::ZeroDivision, "divided by 0")
}

fn apply_small(x: i64, y: i64, operation: Arithmetic) -> Result<Option<i64>, Fault> {
    Ok(match operation {
        Arithmetic::Plus => x.checked_add(y),
        Arithmetic::Minus => x.checked_sub(y),
        Arithmetic::Times => x.checked_mul(y),
        _ if y == 0 => return Err(divided_by_zero()),
        Arithmetic::Divide => {
            x.checked_div(y).map(|q| if x % y != 0 && (x < 0) != (y < 0) { q - 1 } else { q })
        }
        Arithmetic::Modulo => x.checked_rem(y).map(|r| if r != 0 && (r < 0) != (y < 0) { r + y } else { r }),
    })
}

/// The common case of [`apply_decimal`] without big numbers; `None` where it does not fit or needs care.
fn apply_fixed(x: (i64, u32), y: (i64, u32), operation: Arithmetic) -> Option<Number> {
    if (x.1 == 0 && y.1 == 0) || x.1 > 9 || y.1 > 9 {
        return None;
    }
    let scale = x.1.max(y.1);
    let a = x.0.checked_mul(10_i64.pow(scale - x.1))?;
    let b = y.0.checked_mul(10_i64.pow(scale - y.1))?;
    match operation {
        Arithmetic::Plus => a.checked_add(b).map(|m| Number::Fixed(m, scale)),
        Arithmetic::Minus => a.checked_sub(b).map(|m| Number::Fixed(m, scale)),
        Arithmetic::Times if x.0 != 0 && y.0 != 0 => {
            x.0.checked_mul(y.0).map(|m| Number::Fixed(m, x.1 + y.1))
        }
        // Both are exact floats, so the division rounds once, as the reference's digits do.
        Arithmetic::Divide if a != 0 && b != 0 && a.unsigned_abs().max(b.unsigned_abs()) < 1 << 53 => {
            Some(float_number(a.to_f64()? / b.to_f64()?))
        }
        _ => None,
    }
}

fn apply_whole(x: &BigInt, y: &BigInt, operation: Arithmetic) -> Result<BigInt, Fault> {
    if x.bits() + y.bits() > 4 * BITS {
        return Err(Fault::new(FaultKind::Budget, "number too big: more than 65536 bits"));
    }
    Ok(match operation {
        Arithmetic::Plus => x + y,
        Arithmetic::Minus => x - y,
        Arithmetic::Times => x * y,
        _ if y.is_zero() => return Err(divided_by_zero()),
        Arithmetic::Divide => floor_div(x, y).0,
        Arithmetic::Modulo => floor_div(x, y).1,
    })
}

fn apply_decimal(x: &Decimal, y: &Decimal, operation: Arithmetic) -> Result<Number, Fault> {
    let (a, b, scale) = x.aligned(y);
    let result = match operation {
        Arithmetic::Plus => Decimal { mantissa: a + b, scale },
        Arithmetic::Minus => Decimal { mantissa: a - b, scale },
        Arithmetic::Times => Decimal { mantissa: &x.mantissa * &y.mantissa, scale: x.scale + y.scale },
        Arithmetic::Modulo if b.is_zero() => return Err(divided_by_zero()),
        // Decimals divide by zero as floats do.
        Arithmetic::Divide if b.is_zero() => return Ok(Number::Strange(x.to_float() / y.to_float())),
        Arithmetic::Divide => {
            let bits = a.bits().max(b.bits());
            let digits = DIVISION_DIGITS + u32::try_from(bits / 3).unwrap_or(0);
            Decimal { mantissa: a * ten_to(digits) / b, scale: digits }
        }
        Arithmetic::Modulo => Decimal { mantissa: floor_div(&a, &b).1, scale },
    };
    let signed = matches!(operation, Arithmetic::Times | Arithmetic::Divide);
    let negative = x.mantissa.is_negative() != y.mantissa.is_negative();
    if signed && negative && result.mantissa.is_zero() {
        return Ok(Number::Strange(-0.0));
    }
    Ok(Number::Decimal(result))
}

fn apply_float(x: f64, y: f64, operation: Arithmetic) -> Result<f64, Fault> {
    Ok(match operation {
        Arithmetic::Plus => x + y,
        Arithmetic::Minus => x - y,
        Arithmetic::Times => x * y,
        Arithmetic::Divide => x / y,
        Arithmetic::Modulo if y == 0.0 => return Err(divided_by_zero()),
        Arithmetic::Modulo => x - y * (x / y).floor(),
    })
}

fn domain(float: f64) -> Fault {
    let text = if float.is_nan() {
        "'NaN' (Not a Number)"
    } else if float > 0.0 {
        "'Infinity'"
    } else {
        "'-Infinity'"
    };
    Fault::new(FaultKind::FloatDomain, format!("Computation results in {text}"))
}

/// Rounds down or up to a whole number.
pub(crate) fn to_whole<'a>(number: &Number, up: bool) -> Result<Value<'a>, Fault> {
    match number {
        Number::Small(i) => Ok(Value::Int(*i)),
        Number::Whole(b) => whole_value(b.clone()),
        Number::Fixed(..) => {
            let d = number.decimal().unwrap_or_else(|| Decimal::from_whole(BigInt::ZERO));
            whole_value(if up { d.ceil() } else { d.floor() })
        }
        Number::Decimal(d) => whole_value(if up { d.ceil() } else { d.floor() }),
        Number::Strange(f) if *f == 0.0 => Ok(Value::Int(0)),
        Number::Strange(f) => Err(domain(*f)),
    }
}

/// The reference's `round`: to `places` decimal places, whole where `places` is zero.
pub(crate) fn round<'a>(number: &Number, places: &Number) -> Result<Value<'a>, Fault> {
    let digits = match places {
        Number::Small(i) => i32::try_from((*i).clamp(-1000, 1000)).unwrap_or(0),
        Number::Whole(b) if b.is_negative() => -1000,
        Number::Whole(_) => 1000,
        Number::Strange(_) => 0,
        other => {
            let d = other.decimal().unwrap_or_else(|| Decimal::from_whole(BigInt::ZERO));
            (&d.mantissa / ten_to(d.scale)).to_i32().unwrap_or(0).clamp(-1000, 1000)
        }
    };
    if let Some(whole) = number.big() {
        return whole_value(if digits < 0 {
            Decimal::from_whole(whole).round(digits).mantissa
        } else {
            whole
        });
    }
    let Some(d) = number.decimal() else {
        let f = number.float();
        return match digits {
            ..=0 if f == 0.0 => Ok(Value::Int(0)),
            0 => Err(domain(f)),
            _ => Ok(Value::Float(f)),
        };
    };
    let rounded = d.round(digits);
    if digits <= 0 {
        return whole_value(rounded.mantissa);
    }
    let minus_zero = rounded.mantissa.is_zero() && d.mantissa.is_negative();
    Ok(Value::Float(if minus_zero { -0.0 } else { rounded.to_float() }))
}

/// The whole part of a value as Ruby's `to_i`; `None` where the class has no such conversion.
pub(crate) fn to_i(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::Nil | Value::Missing => Some(0),
        Value::Int(i) => Some(*i),
        Value::Big(b) => Some(if b.is_negative() { i64::MIN } else { i64::MAX }),
        Value::Float(f) => BigInt::from_f64(f.trunc())
            .map(|b| b.to_i64().unwrap_or(if *f < 0.0 { i64::MIN } else { i64::MAX })),
        Value::Str(_) | Value::Text(_) | Value::Safe(_) => {
            match leading_integer(value.as_str().unwrap_or("")) {
                Number::Small(i) => Some(i),
                Number::Whole(b) => Some(if b.is_negative() { i64::MIN } else { i64::MAX }),
                _ => Some(0),
            }
        }
        _ => None,
    }
}
