//! Signatures over HTTP bodies: those we make, and those we are sent.
//!
//! In: keys, the parts of a request, the time. Out: a signature, or whether one
//! is right. All comparisons take as long whatever they find.

pub mod hubspot;
pub mod standard;

use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::{Sha256, Sha512};
use signalpost_core::time::{Span, Timestamp};
use subtle::ConstantTimeEq;

/// The hash of an HMAC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// SHA-256.
    #[default]
    Sha256,
    /// SHA-512.
    Sha512,
}

/// The HMAC of `parts`, one after the other (RFC 2104).
pub fn hmac(algorithm: Algorithm, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    match algorithm {
        Algorithm::Sha256 => code::<Hmac<Sha256>>(key, parts),
        Algorithm::Sha512 => code::<Hmac<Sha512>>(key, parts),
    }
}

fn code<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    // An HMAC takes keys of any length.
    let Ok(mut mac) = <M as KeyInit>::new_from_slice(key) else { return Vec::new() };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

/// Whether two byte strings are equal, in time that depends on their lengths alone.
pub fn is_equal(a: &[u8], b: &[u8]) -> bool {
    !a.is_empty() && bool::from(a.ct_eq(b))
}

/// Whether `at` is within `tolerance` of `now`, before or after.
pub fn is_recent(at: Timestamp, now: Timestamp, tolerance: Span) -> bool {
    (now - at).as_micros().saturating_abs() <= tolerance.as_micros()
}

/// Reads two hexadecimal digits a byte.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|digit| digit.try_into().ok())).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    Some(digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}

#[cfg(test)]
mod tests;
