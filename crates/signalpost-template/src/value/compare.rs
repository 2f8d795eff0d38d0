//! Equality and order of values, as Ruby has them where Liquid uses them.

use std::cmp::Ordering;

use num_bigint::BigInt;
use num_traits::{FromPrimitive, ToPrimitive};

use super::Value;

/// How deep two containers are compared before they count as different; data that deep is hostile.
const DEPTH: usize = 64;

/// Ruby's `==`.
pub(crate) fn equal(a: &Value<'_>, b: &Value<'_>) -> bool {
    equal_within(a, b, DEPTH)
}

fn equal_within(a: &Value<'_>, b: &Value<'_>, depth: usize) -> bool {
    if let (Some(x), Some(y)) = (a.as_str(), b.as_str()) {
        return x == y;
    }
    match (a, b) {
        (Value::Nil | Value::Missing, Value::Nil | Value::Missing) => true,
        (Value::Bool(x), Value::Bool(y)) => x == y,
        (Value::Range(a1, b1), Value::Range(a2, b2)) => a1 == a2 && b1 == b2,
        (Value::Scope(x), Value::Scope(y)) => x == y,
        (Value::Loop(x), Value::Loop(y)) => std::rc::Rc::ptr_eq(x, y),
        (Value::Empty, Value::Empty) | (Value::Blank, Value::Blank) => true,
        _ if a.is_array() && b.is_array() => {
            depth > 0
                && a.len() == b.len()
                && (0..a.len().unwrap_or(0)).all(|i| match (a.item(i), b.item(i)) {
                    (Some(x), Some(y)) => equal_within(&x, &y, depth - 1),
                    _ => false,
                })
        }
        _ if a.is_object() && b.is_object() => {
            depth > 0
                && a.len() == b.len()
                && a.entries()
                    .iter()
                    .all(|(k, x)| b.property(k).is_some_and(|y| equal_within(x, &y, depth - 1)))
        }
        _ => numbers(a, b) == Some(Ordering::Equal),
    }
}

/// About how many steps going through a value takes, as [`equal`] does.
pub(crate) fn weight(value: &Value<'_>) -> usize {
    weight_within(value, DEPTH)
}

fn weight_within(value: &Value<'_>, depth: usize) -> usize {
    if depth == 0 || !(value.is_array() || value.is_object()) {
        return value.as_str().map_or(0, |text| text.len() / 16);
    }
    let json = |json: &serde_json::Value| weight_within(&Value::from(json), depth - 1);
    let length = value.len().unwrap_or(0);
    length
        + match value {
            Value::List(items) => items.iter().map(json).sum(),
            Value::Map(map) => map.values().map(json).sum(),
            Value::Array(items) => items.iter().map(|item| weight_within(item, depth - 1)).sum(),
            Value::Object(entries) => entries.iter().map(|(_, item)| weight_within(item, depth - 1)).sum(),
            _ => 0,
        }
}

/// The order of two numbers; `None` where one is no number or not a number.
pub(crate) fn numbers(a: &Value<'_>, b: &Value<'_>) -> Option<Ordering> {
    match (a, b) {
        (Value::Int(x), Value::Int(y)) => Some(x.cmp(y)),
        (Value::Float(x), Value::Float(y)) => x.partial_cmp(y),
        (Value::Int(_) | Value::Big(_), Value::Float(y)) => with_float(&big(a)?, *y),
        (Value::Float(x), Value::Int(_) | Value::Big(_)) => with_float(&big(b)?, *x).map(Ordering::reverse),
        _ => Some(big(a)?.cmp(&big(b)?)),
    }
}

fn with_float(whole: &BigInt, float: f64) -> Option<Ordering> {
    if float.is_nan() {
        return None;
    }
    match BigInt::from_f64(float.trunc()) {
        Some(trunc) if trunc == *whole => 0.0_f64.partial_cmp(&float.fract()),
        Some(trunc) => Some(whole.cmp(&trunc)),
        None => Some(if float > 0.0 { Ordering::Less } else { Ordering::Greater }),
    }
}

fn big(value: &Value<'_>) -> Option<BigInt> {
    match value {
        Value::Int(i) => Some(BigInt::from(*i)),
        Value::Big(b) => Some(b.as_ref().clone()),
        _ => None,
    }
}

/// Ruby's `<=>` for the types that have one; `None` where the two cannot be compared.
pub(crate) fn order(a: &Value<'_>, b: &Value<'_>) -> Option<Ordering> {
    order_within(a, b, DEPTH)
}

fn order_within(a: &Value<'_>, b: &Value<'_>, depth: usize) -> Option<Ordering> {
    if let (Some(x), Some(y)) = (a.as_str(), b.as_str()) {
        return Some(x.cmp(y));
    }
    if is_number(a) && is_number(b) {
        return numbers(a, b);
    }
    if a.is_array() && b.is_array() {
        let (n, m) = (a.len().unwrap_or(0), b.len().unwrap_or(0));
        if depth == 0 {
            return None;
        }
        for i in 0..n.min(m) {
            match order_within(&a.item(i)?, &b.item(i)?, depth - 1)? {
                Ordering::Equal => {}
                other => return Some(other),
            }
        }
        return Some(n.cmp(&m));
    }
    equal(a, b).then_some(Ordering::Equal)
}

/// True for integers of any size and floats.
pub(crate) fn is_number(value: &Value<'_>) -> bool {
    matches!(value, Value::Int(_) | Value::Big(_) | Value::Float(_))
}

/// JavaScript's `===`.
pub fn js_strict_equal(a: &Value<'_>, b: &Value<'_>) -> bool {
    if let (Some(x), Some(y)) = (a.as_str(), b.as_str()) {
        return std::ptr::eq(x, y) || x == y;
    }
    match (a, b) {
        (Value::Missing, Value::Missing) | (Value::Nil, Value::Nil) => true,
        (Value::Bool(x), Value::Bool(y)) => x == y,
        (Value::Array(x), Value::Array(y)) => std::rc::Rc::ptr_eq(x, y),
        (Value::List(x), Value::List(y)) => std::ptr::eq(*x, *y),
        (Value::Map(x), Value::Map(y)) => std::ptr::eq(*x, *y),
        (Value::Object(x), Value::Object(y)) => std::rc::Rc::ptr_eq(x, y),
        (Value::Lazy(x), Value::Lazy(y)) => std::ptr::addr_eq(*x, *y),
        _ => is_number(a) && is_number(b) && numbers(a, b) == Some(Ordering::Equal),
    }
}

/// JavaScript's `==`.
pub(crate) fn js_loose_equal(a: &Value<'_>, b: &Value<'_>) -> bool {
    let container = |v: &Value<'_>| v.is_array() || v.is_object();
    if a.is_nil() || b.is_nil() {
        return a.is_nil() && b.is_nil();
    }
    match (a, b) {
        _ if container(a) == container(b) && a.as_str().is_some() == b.as_str().is_some() => {
            js_strict_equal(a, b) || (!container(a) && js_number(a) == js_number(b))
        }
        // An object or array counts as its text, and text beside a number or truth value as the number it holds.
        _ if a.as_str().is_some() && container(b) => prints(b, a.as_str().unwrap_or("")),
        _ if container(a) && b.as_str().is_some() => prints(a, b.as_str().unwrap_or("")),
        _ => js_number(a) == js_number(b),
    }
}

/// True where JavaScript's text of a list or object is `text`; no more is made of it than that may need, and long
/// text is never a list's, so that comparing contexts stays cheap.
fn prints(container: &Value<'_>, text: &str) -> bool {
    let items = if container.is_array() { container.len().unwrap_or(0) } else { 0 };
    if text.len() > 1 << 10 || items > text.len() + 1 {
        return false;
    }
    let mut printed = String::new();
    super::format::js_display(container, &mut printed, text.len()) && printed == text
}

/// What JavaScript's `Number(value)` gives; not a number where it gives that, which equals nothing.
fn js_number(value: &Value<'_>) -> f64 {
    match value {
        Value::Bool(truth) => f64::from(*truth),
        Value::Int(_) | Value::Big(_) | Value::Float(_) => value.as_float().unwrap_or(f64::NAN),
        // Several items have commas between them.
        list if list.is_array() && list.len().unwrap_or(0) > 1 => f64::NAN,
        other => {
            let mut text = String::new();
            if !super::format::js_display(other, &mut text, 1000) {
                return f64::NAN;
            }
            let text = text.trim();
            let decimal = !text.contains(|c: char| c.is_ascii_alphabetic() && !matches!(c, 'e' | 'E'));
            match text {
                "" => 0.0,
                _ if decimal => text.parse().unwrap_or(f64::NAN),
                _ => f64::NAN,
            }
        }
    }
}

/// The name of the value's class in Ruby, for messages.
pub(crate) fn class_name(value: &Value<'_>) -> &'static str {
    match value {
        Value::Nil | Value::Missing => "NilClass",
        Value::Bool(true) => "TrueClass",
        Value::Bool(false) => "FalseClass",
        Value::Int(_) | Value::Big(_) => "Integer",
        Value::Float(_) => "Float",
        Value::Str(_) | Value::Text(_) | Value::Safe(_) => "String",
        Value::List(_) | Value::Array(_) => "Array",
        Value::Map(_) | Value::Object(_) | Value::Lazy(_) => "Hash",
        Value::Range(..) => "Range",
        Value::Loop(_) => "Liquid::ForloopDrop",
        Value::Scope(_) => "Liquid::SelfDrop",
        Value::Empty | Value::Blank => "Liquid::Condition::MethodLiteral",
    }
}

/// True where a float is a whole number that fits 64 bits; used for array keys.
pub(crate) fn whole(float: f64) -> Option<i64> {
    (float.fract() == 0.0).then(|| float.to_i64()).flatten()
}
