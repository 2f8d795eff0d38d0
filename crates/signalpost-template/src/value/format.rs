//! How values print: as Ruby prints them (Liquid) and as JavaScript prints them (Handlebars).
//!
//! In: a value, a text to append to and the most bytes that may be appended. Out: the text; `false` where the
//! bound was reached, so that a huge value costs no more than its budget.

use std::fmt::Write as _;

use super::Value;

/// Appends what Liquid prints for `value` within text; arrays and objects are inspected. False at the bound.
pub(crate) fn display(value: &Value<'_>, out: &mut String, limit: usize) -> bool {
    match value {
        Value::Nil | Value::Missing | Value::Empty | Value::Blank => {}
        Value::Str(s) => out.push_str(s),
        Value::Text(s) | Value::Safe(s) => out.push_str(s),
        Value::Scope(_) => out.push_str("Liquid::SelfDrop"),
        Value::Loop(state) => {
            out.push_str(if state.columns.is_some() {
                "Liquid::TablerowloopDrop"
            } else {
                "Liquid::ForloopDrop"
            });
        }
        Value::Lazy(_) | Value::List(_) | Value::Array(_) | Value::Map(_) | Value::Object(_) => {
            inspect(value, out, limit);
        }
        _ => scalar(value, out),
    }
    out.len() <= limit
}

/// Appends a scalar that prints the same inside and outside of a container.
fn scalar(value: &Value<'_>, out: &mut String) {
    match value {
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Int(i) => integer(*i, out),
        Value::Big(b) => {
            drop_result(write!(out, "{b}"));
        }
        Value::Float(f) => float(*f, out),
        Value::Range(from, to) => {
            integer(*from, out);
            out.push_str("..");
            integer(*to, out);
        }
        _ => {}
    }
}

fn drop_result(_: std::fmt::Result) {}

/// Appends a whole number without going through the formatting machinery.
pub(crate) fn integer(number: i64, out: &mut String) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut rest = number.unsigned_abs();
    loop {
        at -= 1;
        if let Some(slot) = digits.get_mut(at) {
            *slot = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        }
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        out.push('-');
    }
    out.push_str(digits.get(at..).and_then(|d| std::str::from_utf8(d).ok()).unwrap_or(""));
}

/// Text on the stack, long enough for the digits of a float.
#[derive(Default)]
struct Digits {
    bytes: [u8; 32],
    length: usize,
}

impl Digits {
    fn as_str(&self) -> &str {
        self.bytes.get(..self.length).and_then(|b| std::str::from_utf8(b).ok()).unwrap_or("0")
    }
}

impl std::fmt::Write for Digits {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.length + text.len();
        let room = self.bytes.get_mut(self.length..end).ok_or(std::fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

/// A positive float as `mantissa / 10^scale` where it has few digits, as amounts have, with the least scale.
///
/// Decimals of at most fifteen digits are told apart by floats, so the first that gives the float back is the
/// shortest there is. Both sides of the division are exact, so it rounds once, as reading the decimal does.
fn few_places(number: f64) -> Option<(i64, u32)> {
    if !(1e-3..1e9).contains(&number) {
        return None;
    }
    let mut power = 1.0;
    for scale in 0..=5 {
        let mantissa = (number * power).round();
        if mantissa / power == number {
            #[expect(clippy::cast_possible_truncation, reason = "whole and below 10^15")]
            return Some((mantissa as i64, scale));
        }
        power *= 10.0;
    }
    None
}

/// The shortest decimal digits of a finite positive float and its decimal exponent: `0.DIGITS * 10^exponent`.
fn shortest(number: f64) -> (Digits, i32) {
    if let Some((mantissa, scale)) = few_places(number) {
        let mut digits = Digits::default();
        drop_result(write!(digits, "{mantissa}"));
        let length = i32::try_from(digits.length).unwrap_or(0);
        return (digits, length - i32::try_from(scale).unwrap_or(0));
    }
    let mut text = Digits::default();
    drop_result(write!(text, "{number:e}"));
    let (mantissa, exponent) = text.as_str().split_once('e').unwrap_or(("0", "0"));
    let mut digits = Digits::default();
    for part in mantissa.split('.') {
        drop_result(digits.write_str(part));
    }
    let point = exponent.parse::<i32>().unwrap_or(0) + 1;
    (digits, point)
}

/// A float as `mantissa / 10^scale` by its shortest digits, where both are small.
pub(crate) fn fixed_digits(number: f64) -> Option<(i64, u32)> {
    if !number.is_finite() || number == 0.0 {
        return (number == 0.0).then_some((0, 1));
    }
    if let Some((mantissa, scale)) = few_places(number.abs()) {
        let (mantissa, scale) = if scale == 0 { (mantissa * 10, 1) } else { (mantissa, scale) };
        return Some((if number < 0.0 { -mantissa } else { mantissa }, scale));
    }
    let (digits, point) = shortest(number.abs());
    let digits = digits.as_str();
    let scale = i32::try_from(digits.len()).ok()? - point;
    if !(-6..=18).contains(&scale) || digits.len() > 17 {
        return None;
    }
    let mantissa: i64 = digits.parse().ok()?;
    let signed = if number < 0.0 { -mantissa } else { mantissa };
    // A whole float stays a decimal: the scale must not be zero.
    let more = u32::try_from(1 - scale.min(1)).ok()?;
    let mantissa = signed.checked_mul(10_i64.checked_pow(more)?)?;
    Some((mantissa, u32::try_from(scale.max(1)).ok()?))
}

/// Appends a float as Ruby's `Float#to_s` does.
pub(crate) fn float(number: f64, out: &mut String) {
    if number.is_nan() {
        return out.push_str("NaN");
    }
    if number.is_sign_negative() {
        out.push('-');
    }
    let number = number.abs();
    if number.is_infinite() {
        return out.push_str("Infinity");
    }
    if number == 0.0 {
        return out.push_str("0.0");
    }
    let (digits, point) = shortest(number);
    let digits = digits.as_str();
    let whole = point >= i32::try_from(digits.len()).unwrap_or(i32::MAX);
    // Ruby writes sixteen places before the point only where digits follow it.
    if (-3..=15).contains(&point) || (point == 16 && !whole) {
        fixed(digits, point, out);
        if whole {
            out.push_str(".0");
        }
    } else {
        let (head, tail) = digits.split_at(1);
        out.push_str(head);
        out.push('.');
        out.push_str(if tail.is_empty() { "0" } else { tail });
        let exponent = point - 1;
        drop_result(write!(out, "e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs()));
    }
}

/// Appends digits with the decimal point in its place; no fraction is written where there is none.
fn fixed(digits: &str, point: i32, out: &mut String) {
    let length = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    if point <= 0 {
        out.push_str("0.");
        for _ in point..0 {
            out.push('0');
        }
        out.push_str(digits);
    } else if point >= length {
        out.push_str(digits);
        for _ in length..point {
            out.push('0');
        }
    } else {
        let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or(0));
        out.push_str(whole);
        out.push('.');
        out.push_str(fraction);
    }
}

/// Appends a float as ECMAScript's `Number::toString` does (ECMA-262, 6.1.6.1.20).
pub(crate) fn js_float(number: f64, out: &mut String) {
    if number.is_nan() {
        return out.push_str("NaN");
    }
    if number == 0.0 {
        return out.push('0');
    }
    if number < 0.0 {
        out.push('-');
    }
    let number = number.abs();
    if number.is_infinite() {
        return out.push_str("Infinity");
    }
    let (digits, point) = shortest(number);
    let digits = digits.as_str();
    if (-5..=21).contains(&point) {
        return fixed(digits, point, out);
    }
    let (head, tail) = digits.split_at(1);
    out.push_str(head);
    if !tail.is_empty() {
        out.push('.');
        out.push_str(tail);
    }
    let exponent = point - 1;
    drop_result(write!(out, "e{}{}", if exponent < 0 { '-' } else { '+' }, exponent.abs()));
}

/// One step of printing a container without recursion: a value to print or text to copy.
enum Step<'v, 'a> {
    Print(std::borrow::Cow<'v, Value<'a>>),
    Key(std::sync::Arc<str>),
    Copy(&'static str),
}

/// Appends the inspection of a value, as Liquid 5.13 does on every Ruby: `["a", {"b"=>1}]`. False at the bound.
pub(crate) fn inspect(value: &Value<'_>, out: &mut String, limit: usize) -> bool {
    let mut steps: Vec<Step<'_, '_>> = vec![Step::Print(std::borrow::Cow::Borrowed(value))];
    while let Some(step) = steps.pop() {
        if out.len() > limit {
            return false;
        }
        match step {
            Step::Copy(text) => out.push_str(text),
            Step::Key(key) => quoted(&key, out),
            Step::Print(value) => {
                if value.is_array() {
                    push_array(&value, &mut steps, "[", ", ", "]");
                } else if value.is_object() {
                    push_object(&value, &mut steps);
                } else {
                    inspect_scalar(&value, out);
                }
            }
        }
    }
    out.len() <= limit
}

fn inspect_scalar(value: &Value<'_>, out: &mut String) {
    match value {
        Value::Nil | Value::Missing => out.push_str("nil"),
        Value::Str(_) | Value::Text(_) | Value::Safe(_) => quoted(value.as_str().unwrap_or(""), out),
        _ => {
            display(value, out, usize::MAX);
        }
    }
}

fn push_array<'a>(
    value: &Value<'a>,
    steps: &mut Vec<Step<'_, 'a>>,
    open: &'static str,
    comma: &'static str,
    close: &'static str,
) {
    use std::borrow::Cow;
    steps.push(Step::Copy(close));
    let length = value.len().unwrap_or(0);
    for index in (0..length).rev() {
        steps.push(Step::Print(Cow::Owned(value.item(index).unwrap_or(Value::Nil))));
        if index > 0 {
            steps.push(Step::Copy(comma));
        }
    }
    steps.push(Step::Copy(open));
}

fn push_object<'a>(value: &Value<'a>, steps: &mut Vec<Step<'_, 'a>>) {
    use std::borrow::Cow;
    steps.push(Step::Copy("}"));
    for (index, (key, item)) in value.entries().into_iter().enumerate().rev() {
        steps.push(Step::Print(Cow::Owned(item)));
        steps.push(Step::Copy("=>"));
        steps.push(Step::Key(key));
        if index > 0 {
            steps.push(Step::Copy(", "));
        }
    }
    steps.push(Step::Copy("{"));
}

/// Appends text as Ruby's `String#inspect` does.
fn quoted(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{0b}' => out.push_str("\\v"),
            '\u{0c}' => out.push_str("\\f"),
            '\u{08}' => out.push_str("\\b"),
            '\u{07}' => out.push_str("\\a"),
            '\u{1b}' => out.push_str("\\e"),
            '#' if matches!(rest.peek(), Some('{' | '$' | '@')) => out.push_str("\\#"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                let code = u32::from(c);
                drop_result(if code < 0x80 {
                    write!(out, "\\x{code:02X}")
                } else {
                    write!(out, "\\u{code:04X}")
                });
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Appends what JavaScript's string conversion gives: arrays joined by commas, objects as `[object Object]`.
pub(crate) fn js_display(value: &Value<'_>, out: &mut String, limit: usize) -> bool {
    use std::borrow::Cow;
    match value {
        Value::Float(f) => {
            js_float(*f, out);
            return out.len() <= limit;
        }
        v if v.is_array() || v.is_object() => {}
        v => return display(v, out, limit),
    }
    let mut steps: Vec<Step<'_, '_>> = vec![Step::Print(Cow::Borrowed(value))];
    while let Some(step) = steps.pop() {
        if out.len() > limit {
            return false;
        }
        match step {
            Step::Copy(text) => out.push_str(text),
            Step::Key(key) => out.push_str(&key),
            Step::Print(value) => match &*value {
                v if v.is_array() => push_array(v, &mut steps, "", ",", ""),
                v if v.is_object() => out.push_str("[object Object]"),
                Value::Float(f) => js_float(*f, out),
                v => {
                    display(v, out, limit);
                }
            },
        }
    }
    out.len() <= limit
}
