//! Secrets: made at random, shown once, known again by their digest.

use std::borrow::Cow;

use sha2::{Digest as _, Sha256};

/// SHA-256 of a secret. A secret of ours holds 192 random bits, so a slow hash
/// would add nothing.
pub type Digest = [u8; 32];

/// Letters of a secret's random part: 192 bits.
const SECRET_LETTERS: usize = 33;

/// The digest of a secret.
pub fn digest(secret: &str) -> Digest {
    Sha256::digest(secret.as_bytes()).into()
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |four: u8| DIGITS.get(usize::from(four)).map_or('0', |digit| char::from(*digit));
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The bytes of 64 hexadecimal digits.
pub fn of_hex(text: &str) -> Option<Digest> {
    let mut digest = Digest::default();
    if text.len() != 2 * digest.len() {
        return None;
    }
    for (byte, two) in digest.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok()?;
    }
    Some(digest)
}

/// The id of the key that `secret` opens. A secret of our own shape carries it;
/// any other is found by its digest, so that no part of it is kept or shown.
pub fn id_of<'a>(secret: &'a str, digest: &Digest) -> Cow<'a, str> {
    let is_own =
        (secret.starts_with("sp_") || secret.starts_with("key_")) && secret.matches('_').count() == 2;
    match secret.rsplit_once('_') {
        Some((id, _)) if is_own => id.into(),
        _ => format!("key_{}", hex(digest.get(..8).unwrap_or_default())).into(),
    }
}

/// A new key's secret: what everybody may see of it, and what nobody may.
pub fn new_key() -> String {
    format!("sp_{}", new_part(&random_text(8)))
}

/// A new secret that begins with what everybody may see of it.
pub fn new_part(public: &str) -> String {
    format!("{public}_{}", random_text(SECRET_LETTERS))
}

/// So many random letters and digits, none of them easily mistaken for another.
pub fn random_text(letters: usize) -> String {
    const LETTERS: &[u8] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    (0..letters)
        .filter_map(|_| LETTERS.get(rand::random_range(0..LETTERS.len())))
        .map(|byte| char::from(*byte))
        .collect()
}
