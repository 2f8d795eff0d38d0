//! Signatures of Standard Webhooks 1.0. In: secrets, an id, a time, a body.
//! Out: the `webhook-signature` header, or whether one is right. Source:
//! github.com/standard-webhooks/standard-webhooks, spec, "Signature scheme".

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::is_equal;
use crate::deliver::secret::Secret;

/// What a secret begins with.
pub const PREFIX: &str = "whsec_";
/// The most signatures of a header that are looked at.
const SIGNATURES_MAX: usize = 32;

/// A secret that is none. The secret itself is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing in it.
    #[error("webhook.secret is empty")]
    Empty,
    /// Not `whsec_` and base64.
    #[error(
        "webhook.secret number {0} is not whsec_ followed by base64; make one with: \
         echo whsec_$(openssl rand -base64 32)"
    )]
    NotBase64(usize),
}

/// One key, or several while a secret is being changed.
#[derive(Clone)]
pub struct Signer(Vec<Hmac<Sha256>>);

impl Signer {
    /// Reads secrets apart by spaces; the first is the newest.
    pub fn new(secrets: &Secret) -> Result<Self, Error> {
        let keys: Vec<Hmac<Sha256>> = secrets
            .reveal()
            .split_whitespace()
            .enumerate()
            .map(|(at, secret)| key(secret).ok_or(Error::NotBase64(at + 1)))
            .collect::<Result<_, _>>()?;
        if keys.is_empty() { Err(Error::Empty) } else { Ok(Self(keys)) }
    }

    /// `v1,<base64>` for each key, apart by spaces: the HMAC-SHA256 of
    /// `id.timestamp.body`, the timestamp in seconds.
    pub fn sign(&self, id: &str, timestamp: i64, body: &str) -> String {
        let content = format!("{id}.{timestamp}.{body}");
        let signatures: Vec<String> = self
            .0
            .iter()
            .map(|key| {
                let code = key.clone().chain_update(&content).finalize().into_bytes();
                format!("v1,{}", STANDARD.encode(code))
            })
            .collect();
        signatures.join(" ")
    }

    /// Whether one of the signatures in a `webhook-signature` header is that of
    /// one of the keys. Signatures of other versions than `v1` are passed over.
    pub fn is_signed(&self, id: &str, timestamp: i64, body: &[u8], header: &str) -> bool {
        let start = format!("{id}.{timestamp}.");
        let codes: Vec<_> = self
            .0
            .iter()
            .map(|key| key.clone().chain_update(&start).chain_update(body).finalize().into_bytes())
            .collect();
        header
            .split_whitespace()
            .take(SIGNATURES_MAX)
            .filter_map(|signature| STANDARD.decode(signature.strip_prefix("v1,")?).ok())
            .any(|given| codes.iter().any(|code| is_equal(&given, code)))
    }
}

fn key(secret: &str) -> Option<Hmac<Sha256>> {
    let bytes = STANDARD.decode(secret.strip_prefix(PREFIX)?).ok()?;
    if bytes.is_empty() { None } else { Hmac::new_from_slice(&bytes).ok() }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({} keys)", self.0.len())
    }
}
