//! Operations on values: arithmetic, casts, patterns, exact sums.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::Write as _;

use super::evaluate::Scalar;
use super::node::LikePart;
use super::tree::{CastTo, Operator};
use crate::time::{Span, Timestamp};
use crate::value::Value;

/// Millionths in one.
pub(super) const MICRO: f64 = 1e6;

/// Arithmetic as SQL does it, save that division is never whole-number
/// division, and that division by zero is null.
pub(super) fn arithmetic(operator: Operator, left: &Value, right: &Value) -> Value {
    if let (Value::Int(a), Value::Int(b)) = (left, right) {
        let whole = match operator {
            Operator::Add => a.checked_add(*b),
            Operator::Subtract => a.checked_sub(*b),
            Operator::Multiply => a.checked_mul(*b),
            Operator::Divide => None,
        };
        if let Some(whole) = whole {
            return Value::Int(whole);
        }
    }
    let (Some(a), Some(b)) = (left.as_number(), right.as_number()) else { return Value::Null };
    let number = match operator {
        Operator::Add => a + b,
        Operator::Subtract => a - b,
        Operator::Multiply => a * b,
        Operator::Divide if b == 0.0 => return Value::Null,
        Operator::Divide => a / b,
    };
    if number.is_finite() { Value::Float(number) } else { Value::Null }
}

/// Midnight of the day of `instant`; changes at the next one if the instant is
/// now itself, moved.
pub(super) fn midnight(instant: Timestamp, now: Timestamp) -> Scalar<'static> {
    let start = Timestamp::from_micros(instant.day().saturating_mul(Span::DAY.as_micros()));
    Scalar::owned(Value::Time(start), now + (start + Span::DAY - instant))
}

pub(super) fn cast<'a>(inner: Scalar<'a>, to: CastTo, now: Timestamp) -> Scalar<'a> {
    let Scalar { value, moving, horizon } = inner;
    match to {
        CastTo::Timestamp => {
            let time = as_instant(&value).map_or(Value::Null, Value::Time);
            return Scalar { value: Cow::Owned(time), moving, horizon };
        }
        CastTo::Date => {
            let Some(instant) = as_instant(&value) else { return Scalar::owned(Value::Null, horizon) };
            let day = midnight(instant, now);
            return Scalar { horizon: if moving { horizon.min(day.horizon) } else { horizon }, ..day };
        }
        CastTo::Text if value.as_text().is_some() => return Scalar { value, moving, horizon },
        CastTo::Text | CastTo::Double | CastTo::Integer => {}
    }
    let cast = match (to, &*value) {
        (CastTo::Text, value) => shown(value).map_or(Value::Null, |text| Value::Text(text.into())),
        (CastTo::Double, number) => number.as_number().map_or(Value::Null, Value::Float),
        (CastTo::Integer, value) => as_whole(value).map_or(Value::Null, Value::Int),
        _ => Value::Null,
    };
    // Text of a moving instant would change with every microsecond.
    Scalar::owned(cast, if moving { now.next() } else { horizon })
}

/// A text, number or truth as text; a number without needless noughts, since
/// SQL and JSON may have added some. `None` for what is none of these.
pub fn shown(value: &Value) -> Option<String> {
    match value {
        Value::Float(number) => Some(match whole(*number).filter(|_| number.fract() == 0.0) {
            Some(whole) => whole.to_string(),
            None => value.to_string(),
        }),
        Value::Text(_) | Value::Bool(_) | Value::Int(_) => Some(value.to_string()),
        _ => None,
    }
}

/// What a cast to a whole number gives: a fraction is cut off, and a text must
/// be one.
pub fn as_whole(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        Value::Bool(truth) => Some(i64::from(*truth)),
        Value::Text(text) => text.trim().parse().ok(),
        Value::Float(number) => whole(*number),
        _ => None,
    }
}

/// Instants, and texts in the forms a rule may use for one.
pub fn as_instant(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Time(instant) => Some(*instant),
        Value::Text(text) => super::duration::read_instant(text),
        _ => None,
    }
}

/// The whole part of a number, when it fits.
pub(super) fn whole(number: f64) -> Option<i64> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the fraction is to be cut off; the range is checked"
    )]
    (number.is_finite() && number > -LIMIT && number < LIMIT).then_some(number.trunc() as i64)
}

/// A number in millionths, rounded half away from zero from its shortest
/// decimal form, so that sums of prices are exact.
pub(super) fn millionths(value: &Value) -> Option<i128> {
    if let Value::Int(whole) = value {
        return Some(i128::from(*whole) * 1_000_000);
    }
    let number = value.as_number().filter(|number| number.is_finite())?;
    let scaled = number * MICRO;
    let near = scaled.round();
    // Far from a half and small enough that the product is exact to a
    // fraction of a millionth, rounding gives what the decimals give.
    if number.abs() < 1e9 && (scaled - near).abs() < 0.499 {
        #[expect(clippy::cast_possible_truncation, reason = "below 1e15")]
        return Some(near as i128);
    }
    decimal_millionths(number)
}

/// The same by way of the decimal digits.
fn decimal_millionths(number: f64) -> Option<i128> {
    let mut text = String::new();
    // `{}` writes the shortest digits that read back, never an exponent.
    write!(text, "{}", number.abs()).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let mut total: i128 = whole.parse::<i128>().ok()?.checked_mul(1_000_000)?;
    let mut unit = 100_000;
    for (place, digit) in fraction.bytes().enumerate().take(7) {
        let digit = i128::from(digit.saturating_sub(b'0'));
        if place < 6 {
            total += digit * unit;
            unit /= 10;
        } else if digit >= 5 {
            total += 1;
        }
    }
    Some(if number < 0.0 { -total } else { total })
}

/// The number of so many millionths: whole where it is, else the nearest
/// double.
pub(super) fn from_millionths(total: i128) -> Value {
    match (total % 1_000_000, i64::try_from(total / 1_000_000)) {
        (0, Ok(whole)) => Value::Int(whole),
        #[expect(
            clippy::cast_precision_loss,
            reason = "the nearest double is what a decimal literal means too"
        )]
        _ => Value::Float(total as f64 / MICRO),
    }
}

/// How many different values; sorts them.
pub(super) fn count_distinct(values: &mut [Cow<'_, Value>]) -> u64 {
    values.sort_unstable_by(|a, b| order(a, b));
    let changes = values.windows(2).filter(|pair| match pair {
        [a, b] => order(a, b).is_ne(),
        _ => false,
    });
    let different = changes.count() + usize::from(!values.is_empty());
    u64::try_from(different).unwrap_or(u64::MAX)
}

/// A total order in which values that SQL calls equal are equal.
fn order(a: &Value, b: &Value) -> Ordering {
    let kind = |value: &Value| match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Int(_) | Value::Float(_) => 2,
        Value::Text(_) => 3,
        Value::Time(_) => 4,
        Value::List(_) | Value::Map(_) => 5,
    };
    kind(a).cmp(&kind(b)).then_with(|| match kind(a) {
        5 => a.to_string().cmp(&b.to_string()),
        _ => a.compare(b).unwrap_or(Ordering::Equal),
    })
}

/// Whether `text` fits a LIKE pattern. Linear but for one step back to the
/// last `%`.
pub(super) fn like(text: &str, pattern: &[LikePart], any_case: bool) -> bool {
    if any_case {
        return fits(&text.to_lowercase(), pattern);
    }
    fits(text, pattern)
}

fn fits(text: &str, pattern: &[LikePart]) -> bool {
    let mut letters = text.chars();
    let mut at = 0;
    let mut back: Option<(usize, std::str::Chars<'_>)> = None;
    loop {
        let mut ahead = letters.clone();
        let next = ahead.next();
        match (pattern.get(at), next) {
            (Some(LikePart::AnyText), _) => {
                back = Some((at + 1, letters.clone()));
                at += 1;
                continue;
            }
            (Some(LikePart::AnyLetter), Some(_)) => {
                letters = ahead;
                at += 1;
                continue;
            }
            (Some(LikePart::Letter(own)), Some(letter)) if *own == letter => {
                letters = ahead;
                at += 1;
                continue;
            }
            (None, None) => return true,
            _ => {}
        }
        // No fit: let the last % take one letter more.
        let Some((after, from)) = &mut back else { return false };
        if from.next().is_none() {
            return false;
        }
        at = *after;
        letters = from.clone();
    }
}
