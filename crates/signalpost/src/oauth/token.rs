//! Access tokens: JWTs as RFC 9068 has them, signed with RS256 and nothing else.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::{Deserialize, Serialize};
use serde_json::json;
use signalpost_core::time::{Span, Timestamp};
use thiserror::Error;

use super::signing::{self, SigningKey};

/// What RFC 9068 calls these tokens.
const TYPE: &str = "at+jwt";
/// The longest token that is looked at, in bytes; ours have some 900.
pub const BYTES_MAX: usize = 4_096;

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who made it: this installation's public URL.
    pub iss: String,
    /// Whom it is about: the client.
    pub sub: String,
    /// The client.
    pub client_id: String,
    /// Who may take it: this installation.
    pub aud: String,
    /// When it ends, in seconds since 1970.
    pub exp: i64,
    /// When it was made, in seconds since 1970.
    pub iat: i64,
    /// Its own name.
    pub jti: String,
    /// What it allows, with a space between.
    pub scope: String,
}

/// Why a token is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// Not a token, or not one of ours.
    #[error("the token cannot be read")]
    Unreadable,
    /// Too long.
    #[error("the token is longer than {BYTES_MAX} bytes")]
    TooLong,
    /// Another algorithm, or none.
    #[error("the token is not signed with RS256")]
    Algorithm,
    /// A JWT for something else.
    #[error("the token is not an access token: its typ is not at+jwt")]
    Type,
    /// It names no key that is known now.
    #[error("the token names no key that is in use; ask for a new one")]
    UnknownKey,
    /// It was changed, or another made it.
    #[error("the token's signature is wrong")]
    Signature,
    /// It is of another installation.
    #[error("the token was made by another issuer")]
    Issuer,
    /// It is for another installation.
    #[error("the token is for another audience")]
    Audience,
    /// Its time is over.
    #[error("the token has ended; ask for a new one")]
    Expired,
    /// Its client was revoked.
    #[error("the token's client was revoked")]
    Client,
}

/// Whether a secret has the shape of a token and not that of a key.
pub fn is_token(secret: &str) -> bool {
    secret.starts_with("ey") && secret.matches('.').count() == 2
}

/// Makes a token.
///
/// # Errors
/// When the key cannot sign.
pub fn make(claims: &Claims, key: &SigningKey) -> Result<String, signing::Error> {
    let header = json!({"typ": TYPE, "alg": "RS256", "kid": key.id}).to_string();
    let message = format!("{}.{}", BASE64.encode(header), BASE64.encode(json!(claims).to_string()));
    let signature = key.sign(message.as_bytes())?;
    Ok(format!("{message}.{}", BASE64.encode(signature)))
}

/// What a token says, and the name of the one of `keys` that signed it, when it
/// is for `issuer` and has not ended.
///
/// # Errors
/// Why it is not taken.
pub fn check<'k>(
    token: &str,
    keys: impl IntoIterator<Item = &'k SigningKey>,
    issuer: &str,
    now: Timestamp,
) -> Result<(Claims, String), Refused> {
    if token.len() > BYTES_MAX {
        return Err(Refused::TooLong);
    }
    let header = jsonwebtoken::decode_header(token).map_err(|error| unreadable(&error))?;
    if header.alg != Algorithm::RS256 {
        return Err(Refused::Algorithm);
    }
    // RFC 9068, 4: both spellings; RFC 7515, 4.1.11: an extension we do not know.
    let kind = header.typ.as_deref().unwrap_or_default().to_ascii_lowercase();
    if kind.strip_prefix("application/").unwrap_or(&kind) != TYPE || header.crit.is_some() {
        return Err(Refused::Type);
    }
    let named = header.kid.ok_or(Refused::UnknownKey)?;
    let key = keys.into_iter().find(|key| key.id == named).ok_or(Refused::UnknownKey)?;
    let public = DecodingKey::from_rsa_raw_components(&key.modulus, &key.exponent);
    let mut validation = Validation::new(Algorithm::RS256);
    // Who, for whom and until when is looked at below, by the program's own clock.
    validation.validate_exp = false;
    validation.validate_aud = false;
    let claims = jsonwebtoken::decode::<Claims>(token, &public, &validation)
        .map_err(|error| unreadable(&error))?
        .claims;
    if claims.iss != issuer {
        return Err(Refused::Issuer);
    }
    if claims.aud != issuer {
        return Err(Refused::Audience);
    }
    if claims.sub != claims.client_id {
        return Err(Refused::Unreadable);
    }
    if now >= ends(&claims) {
        return Err(Refused::Expired);
    }
    Ok((claims, named))
}

/// When a token ends.
pub fn ends(claims: &Claims) -> Timestamp {
    Timestamp::from_micros(0) + Span::SECOND.times(claims.exp)
}

fn unreadable(error: &jsonwebtoken::errors::Error) -> Refused {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::InvalidSignature => Refused::Signature,
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => Refused::Algorithm,
        _ => Refused::Unreadable,
    }
}
