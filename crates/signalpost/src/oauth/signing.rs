//! The keys that sign tokens: made at their first use, replaced when they are
//! old or when someone asks, and kept in one document of which no earlier
//! version stays. A replaced key's private half is gone at once; its public half
//! stays until the last token it signed has ended.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use signalpost_core::time::{Span, Timestamp};
use thiserror::Error;

use crate::documents::{Documents, Kind};
use crate::state::{self, Store};

const NAME: &str = "oauth-signing-keys";
/// A public key stays so much longer than the tokens it proves.
const MARGIN: Span = Span::MINUTE;

/// The keys cannot be made, kept or used.
#[derive(Debug, Error)]
pub enum Error {
    /// The library refused: there is no randomness, or the kept key is damaged.
    #[error("a signing key could not be made or used")]
    Key,
    /// The store failed.
    #[error(transparent)]
    State(#[from] state::Error),
}

/// A key as it is kept.
#[derive(Clone, Serialize, Deserialize)]
struct Kept {
    /// PKCS#8, base64; none once the key is replaced.
    private: Option<String>,
    /// The modulus, base64url.
    n: String,
    /// The exponent, base64url.
    e: String,
    created_at: Timestamp,
    /// When a replaced key is forgotten.
    until: Option<Timestamp>,
}

/// A key that proves tokens, and signs them while it is not replaced.
#[derive(Debug)]
pub struct SigningKey {
    /// Its name: the thumbprint of RFC 7638.
    pub id: String,
    /// The modulus, big-endian.
    pub modulus: Vec<u8>,
    /// The exponent, big-endian.
    pub exponent: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When a replaced key is forgotten; `None` for the one that signs.
    pub until: Option<Timestamp>,
    pair: Option<RsaKeyPair>,
}

impl SigningKey {
    fn of(kept: &Kept) -> Result<Self, Error> {
        let decode = |text: &str| BASE64.decode(text).map_err(|_| Error::Key);
        let pair = kept
            .private
            .as_deref()
            .map(|private| RsaKeyPair::from_pkcs8(&decode(private)?).map_err(|_| Error::Key));
        Ok(Self {
            id: thumbprint(&kept.n, &kept.e),
            modulus: decode(&kept.n)?,
            exponent: decode(&kept.e)?,
            created_at: kept.created_at,
            until: kept.until,
            pair: pair.transpose()?,
        })
    }

    /// The signature of RS256 over `message`.
    ///
    /// # Errors
    /// When the key is replaced.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let pair = self.pair.as_ref().ok_or(Error::Key)?;
        let mut signature = vec![0; pair.public_modulus_len()];
        let random = SystemRandom::new();
        pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).map_err(|_| Error::Key)?;
        Ok(signature)
    }

    /// The public half as RFC 7517 has it.
    pub fn to_jwk(&self) -> serde_json::Value {
        let (n, e) = (BASE64.encode(&self.modulus), BASE64.encode(&self.exponent));
        json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.id, "n": n, "e": e})
    }
}

/// RFC 7638: the digest of the key's necessary members in their order.
fn thumbprint(n: &str, e: &str) -> String {
    BASE64.encode(Sha256::digest(format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#)))
}

fn generate(now: Timestamp) -> Result<Kept, Error> {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| Error::Key)?;
    let private: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| Error::Key)?;
    let (modulus, exponent) = (pair.public_key().modulus(), pair.public_key().exponent());
    Ok(Kept {
        private: Some(BASE64.encode(private.as_ref())),
        n: BASE64.encode(modulus.big_endian_without_leading_zero()),
        e: BASE64.encode(exponent.big_endian_without_leading_zero()),
        created_at: now,
        until: None,
    })
}

/// The signing keys of an installation.
#[derive(Debug)]
pub struct SigningKeys<S> {
    documents: Arc<Documents<S>>,
    /// The newest first; that one signs.
    keys: RwLock<Vec<Arc<SigningKey>>>,
    /// One change at a time.
    changing: Mutex<()>,
}

impl<S: Store> SigningKeys<S> {
    /// Loads the keys that there are.
    ///
    /// # Errors
    /// When the store fails or a key is damaged.
    pub fn load(documents: Arc<Documents<S>>) -> Result<Self, Error> {
        let keys = kept(&documents)?.into_iter().map(|kept| SigningKey::of(&kept).map(Arc::new));
        let keys = RwLock::new(keys.collect::<Result<_, _>>()?);
        Ok(Self { documents, keys, changing: Mutex::default() })
    }

    /// The keys that prove tokens now.
    pub fn public(&self, now: Timestamp) -> Vec<Arc<SigningKey>> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.iter().filter(|key| key.until.is_none_or(|until| now < until)).cloned().collect()
    }

    /// The key that signs now; a new one when there is none younger than
    /// `age_max`. Making one takes a good part of a second.
    ///
    /// # Errors
    /// When it cannot be made or kept.
    pub fn current(&self, age_max: Span, lifetime: Span, now: Timestamp) -> Result<Arc<SigningKey>, Error> {
        let young = |keys: &Self| {
            let newest = keys.keys.read().unwrap_or_else(PoisonError::into_inner).first().cloned();
            newest.filter(|key| key.until.is_none() && now - key.created_at < age_max)
        };
        if let Some(key) = young(self) {
            return Ok(key);
        }
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        // Another request may have made it meanwhile.
        young(self).map_or_else(|| self.renew(lifetime, now), Ok)
    }

    /// Lets a new key sign from now on. Tokens of the old one are good for
    /// `lifetime` more; for none at all, when that is zero.
    ///
    /// # Errors
    /// When it cannot be made or kept.
    pub fn rotate(&self, lifetime: Span, now: Timestamp) -> Result<Arc<SigningKey>, Error> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.renew(lifetime, now)
    }

    fn renew(&self, lifetime: Span, now: Timestamp) -> Result<Arc<SigningKey>, Error> {
        let mut all = vec![generate(now)?];
        if lifetime > Span::ZERO {
            all.extend(kept(&self.documents)?);
        }
        for old in all.iter_mut().skip(1) {
            old.private = None;
            old.until.get_or_insert(now + lifetime + MARGIN);
        }
        all.retain(|key| key.until.is_none_or(|until| now < until));
        let keys =
            all.iter().map(|kept| SigningKey::of(kept).map(Arc::new)).collect::<Result<Vec<_>, _>>()?;
        self.documents.replace(Kind::Meta, NAME, &json!(all), now)?;
        let newest = keys.first().cloned().ok_or(Error::Key)?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(newest)
    }
}

fn kept<S: Store>(documents: &Documents<S>) -> Result<Vec<Kept>, Error> {
    let Some(document) = documents.get(Kind::Meta, NAME)? else { return Ok(Vec::new()) };
    serde_json::from_value(document.json()).map_err(|_| Error::Key)
}
