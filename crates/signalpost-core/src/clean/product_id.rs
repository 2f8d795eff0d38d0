//! Product ids into one form, so that a view, a purchase and the catalog mean
//! the same item.
//!
//! In: a JSON value and the source's policy. Out: `shopify:<type>:<n>`,
//! `gtin:<14 digits>` when the check digit fits, else the tidied text; and a
//! remark where something looks wrong. A wrong check digit is never repaired.
//! Reading a form that came out before gives it back unchanged.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::problem::{Problem, ProblemCode, excerpt};
use super::raw::{Field, type_name};
use super::settings::{ProductIdPolicy, Vendor};
use super::text::{is_sentinel, tidy};
use crate::id::ProductId;
use crate::value::Value;

/// The longest product id, in bytes.
pub const BYTES_MAX: usize = 512;

/// What became of a product id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The id in its normal form; `None` when there was none or it is unusable.
    pub id: Option<ProductId>,
    /// What looks wrong with it.
    pub problem: Option<Problem>,
}

/// Brings a product id to its normal form.
pub fn normalise(input: &Value, policy: &ProductIdPolicy) -> Reading {
    read(&Field::from(input.clone()), policy)
}

pub(super) fn read(input: &Field<'_>, policy: &ProductIdPolicy) -> Reading {
    match input {
        Field::Absent => Reading::default(),
        Field::Text(text) => read_text(text, policy),
        Field::Value(Value::Int(number)) => read_text(&number.to_string(), policy),
        Field::Value(Value::Float(number)) => match super::identity::whole_number(*number) {
            Some(text) => read_text(&text, policy),
            None => refuse(&number.to_string(), "is a number whose digits may be lost; send ids as text"),
        },
        Field::Value(other) => refuse(type_name(other), "is no product id; send text or a whole number"),
    }
}

fn refuse(shown: &str, why: &str) -> Reading {
    let message = format!("{:?} {why}", excerpt(shown));
    Reading { id: None, problem: Some(Problem::new(ProblemCode::BadProductId, "product_id", message)) }
}

fn found(text: impl AsRef<str>) -> Reading {
    Reading { id: Some(ProductId::from(text.as_ref())), problem: None }
}

fn read_text(given: &str, policy: &ProductIdPolicy) -> Reading {
    // Before decoding, whose cost grows with the square of the length.
    if given.len() > 3 * BYTES_MAX {
        return refuse(given, "is longer than 512 bytes");
    }
    let tidied = if policy.percent_decoding { decoded(given) } else { tidy(given) };
    let mut text = tidied.as_ref();
    if is_sentinel(text) {
        return Reading::default();
    }
    if text.len() > BYTES_MAX {
        return refuse(text, "is longer than 512 bytes");
    }
    if let Some(id) = normal_form(text).or_else(|| shopify(text)) {
        return found(id);
    }
    if is_spreadsheet_power(text) {
        return refuse(text, "lost its digits in a spreadsheet; send ids as text");
    }
    text = without_zero_fraction(text);
    let all_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if all_digits && policy.vendor == Some(Vendor::Shopify) {
        return found(format!("shopify:product:{text}"));
    }
    if policy.recognise_gtin {
        match gtin(text, all_digits) {
            Gtin::Fits(id) => return found(id),
            Gtin::WrongCheckDigit => {
                let message = format!(
                    "{text} has the length of a GTIN but its check digit does not fit; kept as it came"
                );
                let problem = Problem::new(ProblemCode::BadCheckDigit, "product_id", message);
                return Reading { problem: Some(problem), ..found(text) };
            }
            Gtin::No => {}
        }
    }
    // Tidied again, because upper case may come apart: one form for `ῢ`.
    let folded = !policy.fold_case || text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_lowercase());
    if folded { found(tidy(text)) } else { found(tidy(&text.to_uppercase())) }
}

/// What this module wrote before.
fn normal_form(text: &str) -> Option<String> {
    let begins =
        |prefix: &str| text.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix));
    if !begins("gtin:") && !begins("shopify:") {
        return None;
    }
    let lower = text.to_ascii_lowercase();
    if let Some(digits) = lower.strip_prefix("gtin:") {
        return (digits.len() == 14 && check_digit_fits(digits)).then_some(lower);
    }
    let (kind, number) = lower.strip_prefix("shopify:")?.split_once(':')?;
    let named = !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_lowercase());
    (named && is_number(number)).then_some(lower)
}

/// `gid://shopify/Product/632910392`, plain or in base64 as the Storefront API
/// wrote it before 2022-04.
fn shopify(text: &str) -> Option<String> {
    const PREFIX: &str = "gid://shopify/";
    let decoded;
    let gid = if text.starts_with("Z2lkOi8v") {
        let bare = text.trim_end_matches('=');
        let bytes = STANDARD_NO_PAD.decode(bare).or_else(|_| URL_SAFE_NO_PAD.decode(bare)).ok()?;
        decoded = String::from_utf8(bytes).ok()?;
        decoded.as_str()
    } else {
        text
    };
    let (prefix, rest) = gid.split_at_checked(PREFIX.len())?;
    if !prefix.eq_ignore_ascii_case(PREFIX) {
        return None;
    }
    let (kind, number) = rest.split('?').next()?.split_once('/')?;
    let named = !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_alphabetic());
    (named && is_number(number)).then(|| format!("shopify:{}:{number}", kind.to_ascii_lowercase()))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `4.00638E+12`: what a spreadsheet shows of a long number.
fn is_spreadsheet_power(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else { return false };
    let Some(power) = exponent.strip_prefix('+') else { return false };
    let mut parts = mantissa.splitn(2, ['.', ',']);
    is_number(power) && parts.next().is_some_and(is_number) && parts.next().is_none_or(is_number)
}

/// `4369.0` as `4369`: pandas writes whole numbers so when their column has gaps.
fn without_zero_fraction(text: &str) -> &str {
    match text.split_once('.') {
        Some((whole, zeros))
            if is_number(whole) && !zeros.is_empty() && zeros.bytes().all(|byte| byte == b'0') =>
        {
            whole
        }
        _ => text,
    }
}

enum Gtin {
    Fits(String),
    WrongCheckDigit,
    No,
}

/// GS1 General Specifications section 7.9: GTIN-8, -12, -13 and -14, written
/// with or without `-` and spaces; and GTIN-12 that lost its leading zero.
fn gtin(text: &str, all_digits: bool) -> Gtin {
    let separated = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b' '));
    if !separated || !text.ends_with(|c: char| c.is_ascii_digit()) {
        return Gtin::No;
    }
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let could_be = match digits.len() {
        8 | 12..=14 => true,
        11 => all_digits,
        _ => false,
    };
    if !could_be || digits.bytes().all(|byte| byte == b'0') {
        return Gtin::No;
    }
    if check_digit_fits(&digits) {
        return Gtin::Fits(format!("gtin:{digits:0>14}"));
    }
    // Shops number their own items with eight and eleven digits too often for
    // a remark to mean anything.
    if all_digits && digits.len() >= 12 { Gtin::WrongCheckDigit } else { Gtin::No }
}

/// Weights 3 and 1 in turn from the right; the sum is a multiple of ten.
fn check_digit_fits(digits: &str) -> bool {
    let mut sum = 0;
    for (place, c) in digits.chars().rev().enumerate() {
        let Some(digit) = c.to_digit(10) else { return false };
        sum += digit * if place % 2 == 1 { 3 } else { 1 };
    }
    sum > 0 && sum % 10 == 0
}

/// Tidied and percent-decoded, as often as it takes for reading what comes out
/// to change nothing.
fn decoded(given: &str) -> Cow<'_, str> {
    let mut text = tidy(given);
    loop {
        let next = match percent_decode(&text) {
            Cow::Owned(decoded) => tidy(&decoded).into_owned(),
            Cow::Borrowed(_) => return text,
        };
        text = Cow::Owned(next);
    }
}

/// `%2D` as `-`; borrowed when there is nothing to decode or the outcome is not
/// UTF-8.
pub(super) fn percent_decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    let mut changed = false;
    while let Some((first, tail)) = rest.split_first() {
        let code = match (first, tail) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)).map(|(high, low)| high * 16 + low),
            _ => None,
        };
        bytes.push(code.unwrap_or(*first));
        changed |= code.is_some();
        rest = if code.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    if !changed {
        return Cow::Borrowed(text);
    }
    String::from_utf8(bytes).map_or(Cow::Borrowed(text), Cow::Owned)
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}
