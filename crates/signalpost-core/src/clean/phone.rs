//! Phone numbers into E.164.
//!
//! In: text, and the region whose national form it may have. Out: `+14155552671`,
//! without an extension, only when the number is valid where it says it is
//! (libphonenumber's metadata, by the crate rlibphonenumber); else `None`.

use rlibphonenumber::enums::Region;
use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat};

use super::text::tidy;

/// Reads a number. `region` is an ISO 3166-1 code such as `DE`; without one
/// only the international form can be read.
pub fn normalise(given: &str, region: Option<&str>) -> Option<String> {
    /// E.164 has 15 digits at most; people write much between them.
    const BYTES_MAX: usize = 60;
    const DIGITS_MAX: usize = 15;
    if given.len() > 2 * BYTES_MAX {
        return None;
    }
    let tidied = tidy(given);
    let mut text = tidied.as_ref();
    if let Some((scheme, rest)) = text.split_once(':')
        && matches!(scheme.to_ascii_lowercase().as_str(), "tel" | "phone" | "mobile" | "callto" | "whatsapp")
    {
        text = rest.trim();
    }
    // pandas writes whole numbers so when their column has gaps.
    if let Some(whole) = text.strip_suffix(".0")
        && whole.bytes().all(|byte| byte.is_ascii_digit() || byte == b'+')
    {
        text = whole;
    }
    if text.len() > BYTES_MAX || !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Where no region says how foreign numbers are dialled, 00 is the usual way.
    let dialled = match text.strip_prefix("00") {
        Some(rest) if region.is_none() && !rest.starts_with('0') => format!("+{rest}"),
        _ => text.to_owned(),
    };
    let region = match region {
        Some(code) => Some(region_of(code)?),
        None if dialled.starts_with('+') => None,
        None => return None,
    };
    let number = PHONE_NUMBER_UTIL.parse(&dialled, region).ok()?;
    if !number.is_valid() {
        return None;
    }
    let e164 = number.format_as(PhoneNumberFormat::E164).into_owned();
    let digits = e164.strip_prefix('+')?;
    let sound = digits.len() <= DIGITS_MAX && digits.bytes().all(|byte| byte.is_ascii_digit());
    sound.then_some(e164)
}

/// Whether a text says by itself which country it belongs to.
pub(super) fn is_international(given: &str) -> bool {
    let tidied = tidy(given);
    let text = tidied.trim_start_matches("tel:").trim_start();
    text.starts_with('+') || text.starts_with("00")
}

fn region_of(code: &str) -> Option<Region> {
    let upper = code.trim().to_ascii_uppercase();
    let code = if upper == "UK" { "GB" } else { upper.as_str() };
    code.parse().ok()
}
