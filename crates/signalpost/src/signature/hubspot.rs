//! Signatures of HubSpot's requests. Source: developers.hubspot.com, "Validating
//! requests from HubSpot".
//!
//! Version 3 signs method, address, body and a timestamp with HMAC-SHA256. The
//! older two have no timestamp, so that an old request is as good as a new one.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::{Algorithm, from_hex, hmac, is_equal};

/// Whether a version 3 signature is right. `timestamp` is the header's text;
/// whether it is recent is for the caller to say.
pub fn is_v3(secret: &str, method: &str, uri: &str, body: &[u8], timestamp: &str, signature: &str) -> bool {
    let Ok(given) = STANDARD.decode(signature.trim()) else { return false };
    let uri = decoded(uri);
    let parts: [&[u8]; 4] = [method.as_bytes(), uri.as_bytes(), body, timestamp.as_bytes()];
    is_equal(&given, &hmac(Algorithm::Sha256, secret.as_bytes(), &parts))
}

/// Whether a version 2 signature is right.
pub fn is_v2(secret: &str, method: &str, uri: &str, body: &[u8], signature: &str) -> bool {
    let parts: [&[u8]; 4] = [secret.as_bytes(), method.as_bytes(), uri.as_bytes(), body];
    is_digest(&parts, signature)
}

/// Whether a version 1 signature is right.
pub fn is_v1(secret: &str, body: &[u8], signature: &str) -> bool {
    is_digest(&[secret.as_bytes(), body], signature)
}

fn is_digest(parts: &[&[u8]], signature: &str) -> bool {
    let digest = parts.iter().fold(Sha256::new(), |digest, part| digest.chain_update(part)).finalize();
    from_hex(signature.trim()).is_some_and(|given| is_equal(&given, &digest))
}

/// The address as HubSpot signs it: these escapes, and no others, are undone.
pub fn decoded(uri: &str) -> String {
    const ESCAPES: [(&str, char); 12] = [
        ("3A", ':'),
        ("2F", '/'),
        ("3F", '?'),
        ("40", '@'),
        ("21", '!'),
        ("24", '$'),
        ("27", '\''),
        ("28", '('),
        ("29", ')'),
        ("2A", '*'),
        ("2C", ','),
        ("3B", ';'),
    ];
    let mut decoded = String::with_capacity(uri.len());
    let mut rest = uri;
    while let Some((before, after)) = rest.split_once('%') {
        decoded.push_str(before);
        let escape = after
            .get(..2)
            .and_then(|digits| ESCAPES.iter().find(|(code, _)| digits.eq_ignore_ascii_case(code)));
        match escape {
            Some((_, character)) => {
                decoded.push(*character);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                decoded.push('%');
                rest = after;
            }
        }
    }
    decoded.push_str(rest);
    decoded
}
