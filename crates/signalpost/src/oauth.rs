//! OAuth 2.0 client credentials: clients, the tokens they get, and who a token
//! makes of a request. A token is proved once and then known by its digest, so
//! that many requests with one cost no more than with a key.

pub mod signing;
pub mod token;

#[cfg(test)]
mod tests;

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;
use signalpost_core::oauth::{Error, TokenRequest};
use signalpost_core::time::{Span, Timestamp};

use crate::documents::{Documents, Kind};
use crate::keys::Keys;
use crate::keys::caller::{Caller, holds};
use crate::keys::secret::{Digest, digest};
use crate::settings::Settings;
use crate::state::Store;
use signing::SigningKeys;
use token::{Claims, Refused};

/// Tokens that are known by their digest.
const KNOWN_MAX: NonZeroUsize = NonZeroUsize::MIN.saturating_add(16_383);

/// A token that was proved.
#[derive(Debug)]
struct Known {
    caller: Arc<Caller>,
    ends: Timestamp,
    /// The key that signed it.
    key: Arc<str>,
}

/// Clients, signing keys and known tokens.
#[derive(Debug)]
pub struct OAuth<S> {
    /// The clients.
    pub clients: Keys<S>,
    signing: SigningKeys<S>,
    known: Mutex<LruCache<Digest, Known>>,
    /// Who makes tokens and takes them: this installation's public URL.
    issuer: String,
    lifetime: Span,
    key_age_max: Span,
}

/// A token, and what it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Granted {
    /// The token.
    pub token: String,
    /// How long it is good, in seconds.
    pub seconds: i64,
    /// What it allows, with a space between.
    pub scope: String,
}

impl std::fmt::Debug for Granted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Granted").field("scope", &self.scope).finish_non_exhaustive()
    }
}

impl<S: Store> OAuth<S> {
    /// Loads clients and signing keys.
    ///
    /// # Errors
    /// When the store fails or a signing key is damaged.
    pub fn load(documents: &Arc<Documents<S>>, settings: &Settings) -> Result<Self, signing::Error> {
        let seconds = |count: u64| Span::SECOND.times(i64::try_from(count).unwrap_or(i64::MAX));
        Ok(Self {
            clients: Keys::load(Arc::clone(documents), Kind::Client)?,
            signing: SigningKeys::load(Arc::clone(documents))?,
            known: Mutex::new(LruCache::new(KNOWN_MAX)),
            issuer: settings.public_url(),
            lifetime: seconds(settings.oauth_token_seconds),
            key_age_max: Span::DAY.times(settings.oauth_key_days.into()),
        })
    }

    /// Who makes tokens and takes them.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// What a client may have of what it asks for.
    ///
    /// # Errors
    /// For a client that is not known, or a scope that it has not.
    pub fn judge(&self, request: &TokenRequest, now: Timestamp) -> Result<(Arc<Caller>, Vec<String>), Error> {
        let client = self
            .clients
            .check_named(&request.client_id, &digest(&request.client_secret), now)
            .map_err(|_| Error::InvalidClient("the client is not known, or its secret is wrong"))?;
        if request.scopes.is_empty() {
            let all = client.scopes.clone();
            return Ok((client, all));
        }
        let has = |scope: &String| client.scopes.iter().any(|held| holds(held, scope));
        let known = |scope: &String| crate::keys::is_scope(scope);
        if !request.scopes.iter().all(|scope| known(scope) && has(scope)) {
            return Err(Error::InvalidScope("the client has not all of these scopes"));
        }
        Ok((client, request.scopes.clone()))
    }

    /// Makes a token. May make a signing key, which takes a good part of a second.
    ///
    /// # Errors
    /// When a signing key cannot be made or kept.
    pub fn grant(
        &self,
        client: &Caller,
        scopes: &[String],
        now: Timestamp,
    ) -> Result<Granted, signing::Error> {
        let key = self.signing.current(self.key_age_max, self.lifetime, now)?;
        let iat = now.as_micros().div_euclid(1_000_000);
        let seconds = self.lifetime.as_micros() / 1_000_000;
        let scope = scopes.join(" ");
        let claims = Claims {
            iss: self.issuer.clone(),
            sub: client.id.clone(),
            client_id: client.id.clone(),
            aud: self.issuer.clone(),
            exp: iat + seconds,
            iat,
            jti: uuid::Uuid::now_v7().to_string(),
            scope: scope.clone(),
        };
        Ok(Granted { token: token::make(&claims, &key)?, seconds, scope })
    }

    /// Who a token makes of a request.
    ///
    /// # Errors
    /// Why it is not taken.
    pub fn check(&self, token: &str, digest: &Digest, now: Timestamp) -> Result<Arc<Caller>, Refused> {
        let known = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.get(digest).map(|known| (Arc::clone(&known.caller), known.ends, Arc::clone(&known.key)))
        };
        let keys = self.signing.public(now);
        if let Some((caller, ends, signer)) = known {
            self.clients.of_id(&caller.id, now).map_err(|_| Refused::Client)?;
            if !keys.iter().any(|key| *key.id == *signer) {
                return Err(Refused::UnknownKey);
            }
            return if now < ends { Ok(caller) } else { Err(Refused::Expired) };
        }
        let (claims, signer) = token::check(token, keys.iter().map(|key| &**key), &self.issuer, now)?;
        let client = self.clients.of_id(&claims.client_id, now).map_err(|_| Refused::Client)?;
        let scopes = claims.scope.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect();
        let caller = Arc::new(Caller { scopes, ..Caller::clone(&client) });
        let entry = Known { caller: Arc::clone(&caller), ends: token::ends(&claims), key: signer.into() };
        self.known.lock().unwrap_or_else(PoisonError::into_inner).put(*digest, entry);
        Ok(caller)
    }

    /// The public keys that prove tokens now, as RFC 7517 has them; makes the
    /// first when there is none.
    ///
    /// # Errors
    /// When it cannot be made or kept.
    pub fn public_keys(&self, now: Timestamp) -> Result<Vec<serde_json::Value>, signing::Error> {
        self.signing.current(self.key_age_max, self.lifetime, now)?;
        Ok(self.signing.public(now).iter().map(|key| key.to_jwk()).collect())
    }

    /// Lets a new key sign from now on, and says its name. With `at_once` the
    /// tokens of the old one end now.
    ///
    /// # Errors
    /// When it cannot be made or kept.
    pub fn rotate(&self, at_once: bool, now: Timestamp) -> Result<String, signing::Error> {
        let lifetime = if at_once { Span::ZERO } else { self.lifetime };
        Ok(self.signing.rotate(lifetime, now)?.id.clone())
    }
}
