//! Access keys, and OAuth clients, which are kept alike: a public name, a
//! random secret shown once, and what it allows. Only the secret's hash is kept.

pub mod caller;
pub mod change;
pub mod last_used;
pub mod origin;
pub mod secret;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use serde::{Deserialize, Serialize};
use signalpost_core::time::{Span, Timestamp};
use subtle::ConstantTimeEq;
use thiserror::Error;

use crate::deliver::rate::{self, Limiter};
use crate::documents::{Documents, Kind};
use crate::state::{self, Store};
use caller::{Caller, Usage};
use origin::Origin;
use secret::{Digest, digest, hex, id_of, random_text};

/// Every scope there is, and what it allows.
pub const SCOPES: &[(&str, &str)] = &[
    ("events:write", "send events"),
    ("profiles:read", "read profiles and run SQL"),
    ("profiles:write", "change consent, import"),
    ("segments:read", "read segments, members and history"),
    ("segments:write", "define segments"),
    ("content:read", "read templates and catalog, render, recommend"),
    ("content:write", "define templates and catalog"),
    ("deliver:read", "read campaigns, destinations and deliveries"),
    ("deliver:write", "define campaigns and destinations, retry deliveries"),
    ("privacy:read", "see privacy requests"),
    ("privacy:write", "make privacy requests"),
    ("admin", "everything"),
];

/// Whether there is such a scope, or such an area of scopes (`content:*`).
pub fn is_scope(scope: &str) -> bool {
    let of_area =
        |area| SCOPES.iter().any(|(name, _)| name.split_once(':').is_some_and(|(own, _)| own == area));
    SCOPES.iter().any(|(name, _)| *name == scope) || scope.strip_suffix(":*").is_some_and(of_area)
}

/// Origins that one key may name.
const ORIGINS_MAX: usize = 100;

/// A key or a client as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Key {
    /// Its public name: the part of a key before the last underscore.
    pub id: String,
    /// SHA-256 of the whole secret, hex.
    pub hash: String,
    /// What it is for, for people.
    pub label: String,
    /// What it allows.
    pub scopes: Vec<String>,
    /// The source its events count for.
    pub source: String,
    /// When it was made, RFC 3339.
    pub created_at: String,
    /// When it ends by itself; `None`: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Events a second; `None`: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<rate::Settings>,
    /// Pages that may send with it; empty for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_origins: Vec<Origin>,
    /// The secret before the last rotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Previous>,
}

/// A secret that was replaced and still works for a while.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Previous {
    /// SHA-256 of the whole secret, hex.
    pub hash: String,
    /// It works until then.
    pub until: Timestamp,
}

/// What a new key is to be.
#[derive(Clone, Debug, Default)]
pub struct NewKey {
    /// See [`Key::label`].
    pub label: String,
    /// See [`Key::scopes`].
    pub scopes: Vec<String>,
    /// See [`Key::source`].
    pub source: String,
    /// See [`Key::expires_at`].
    pub expires_at: Option<Timestamp>,
    /// See [`Key::rate`].
    pub rate: Option<rate::Settings>,
    /// See [`Key::allowed_origins`].
    pub allowed_origins: Vec<String>,
}

impl NewKey {
    /// A key that allows one scope and has no bounds.
    pub fn of_scope(label: &str, scope: &str) -> Self {
        Self { label: label.into(), scopes: vec![scope.into()], source: "default".into(), ..Self::default() }
    }
}

/// What bounds a key, to be looked at before it is taken.
struct Bounds<'a> {
    expires_at: Option<Timestamp>,
    rate: Option<rate::Settings>,
    allowed_origins: &'a [String],
}

impl Bounds<'_> {
    /// The origins, read, when all of it can be kept.
    fn check(&self, now: Timestamp) -> Result<Vec<Origin>, KeyError> {
        if let Some(rate) = self.rate {
            Limiter::new(rate)?;
        }
        if self.expires_at.is_some_and(|at| at <= now) {
            return Err(KeyError::Expired);
        }
        if self.allowed_origins.len() > ORIGINS_MAX {
            return Err(KeyError::Origins);
        }
        let origin = |text: &String| Origin::parse(text).ok_or_else(|| KeyError::Origin(text.clone()));
        self.allowed_origins.iter().map(origin).collect()
    }
}

/// Why a key could not be made or changed.
#[derive(Debug, Error)]
pub enum KeyError {
    /// No such scope.
    #[error("there is no scope '{0}'; there are {known}", known = SCOPES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "))]
    Scope(String),
    /// The rate cannot be kept.
    #[error(transparent)]
    Rate(#[from] rate::Error),
    /// Not an origin.
    #[error(
        "'{0}' is not an origin like https://shop.example: a scheme and a host, a port where it is not the usual one, no path"
    )]
    Origin(String),
    /// Too many origins.
    #[error("a key names at most {ORIGINS_MAX} origins")]
    Origins,
    /// It would have ended before it began.
    #[error("expires_at must be in the future")]
    Expired,
    /// The store failed.
    #[error(transparent)]
    State(#[from] state::Error),
}

impl KeyError {
    /// The field that is wrong; `None` when the store failed.
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Self::Scope(_) => Some("scopes"),
            Self::Rate(_) => Some("rate"),
            Self::Origin(_) | Self::Origins => Some("allowed_origins"),
            Self::Expired => Some("expires_at"),
            Self::State(_) => None,
        }
    }
}

/// Why a secret opens nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// No key has this secret now.
    #[error("the key is not known, or was revoked")]
    Unknown,
    /// The key's time is over.
    #[error("the key '{id}' has ended at {at}")]
    Expired {
        /// Which.
        id: String,
        /// When.
        at: Timestamp,
    },
}

/// A key and how requests meet it.
#[derive(Clone, Debug)]
struct Held {
    key: Arc<Key>,
    digest: Digest,
    previous: Option<(Digest, Timestamp)>,
    caller: Arc<Caller>,
}

/// The keys of an installation, or its clients.
#[derive(Debug)]
pub struct Keys<S> {
    documents: Arc<Documents<S>>,
    kind: Kind,
    by_id: RwLock<HashMap<String, Held>>,
    /// One change at a time.
    changing: Mutex<()>,
}

impl Held {
    fn new(key: Key, usage: Arc<Usage>) -> Self {
        let previous = key.previous.as_ref();
        let previous = previous.and_then(|old| Some((secret::of_hex(&old.hash)?, old.until)));
        let caller = Caller {
            id: key.id.clone(),
            source: key.source.clone(),
            scopes: key.scopes.clone(),
            allowed_origins: key.allowed_origins.clone(),
            usage,
        };
        // A hash that cannot be read is matched by no secret.
        let digest = secret::of_hex(&key.hash).unwrap_or_default();
        Self { key: Arc::new(key), digest, previous, caller: Arc::new(caller) }
    }

    /// Compared in constant time.
    fn opens(&self, digest: &Digest, now: Timestamp) -> bool {
        let is_it = self.digest.ct_eq(digest);
        let was_it =
            self.previous.as_ref().is_some_and(|(old, until)| now < *until && old.ct_eq(digest).into());
        bool::from(is_it) || was_it
    }
}

fn usage(key: &Key, last_used: Option<Timestamp>) -> Arc<Usage> {
    let limiter = key.rate.and_then(|rate| Limiter::new(rate).ok());
    Arc::new(Usage::new(limiter, last_used))
}

impl<S: Store> Keys<S> {
    /// Loads the keys, or the clients.
    ///
    /// # Errors
    /// When the store fails.
    pub fn load(documents: Arc<Documents<S>>, kind: Kind) -> Result<Self, state::Error> {
        let uses = last_used::load(&documents)?;
        let by_id = documents
            .list(kind)?
            .iter()
            .filter_map(|document| serde_json::from_value::<Key>(document.json()).ok())
            .map(|key| {
                let usage = usage(&key, uses.get(&key.id).copied());
                (key.id.clone(), Held::new(key, usage))
            })
            .collect();
        Ok(Self { documents, kind, by_id: RwLock::new(by_id), changing: Mutex::default() })
    }

    fn held(&self, id: &str) -> Option<Held> {
        self.by_id.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    fn hold(&self, held: Held) {
        let id = held.key.id.clone();
        self.by_id.write().unwrap_or_else(PoisonError::into_inner).insert(id, held);
    }

    /// Whether there is none yet: a first start.
    pub fn is_empty(&self) -> bool {
        self.by_id.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Makes one and returns its secret, which is shown this once.
    ///
    /// # Errors
    /// For what a key cannot be, or when the store fails.
    pub fn create(&self, new: NewKey, now: Timestamp) -> Result<(Arc<Key>, String), KeyError> {
        let secret = match self.kind {
            Kind::Client => secret::new_part("spcs"),
            _ => secret::new_key(),
        };
        let mut made = self.insert(vec![(secret.clone(), new)], now)?;
        Ok((made.remove(0), secret))
    }

    /// Takes keys with secrets made elsewhere: all of them or, after a crash, none.
    ///
    /// # Errors
    /// As [`Keys::create`].
    pub fn insert(&self, new: Vec<(String, NewKey)>, now: Timestamp) -> Result<Vec<Arc<Key>>, KeyError> {
        let keys: Vec<Key> =
            new.into_iter().map(|(secret, new)| self.checked(&secret, new, now)).collect::<Result<_, _>>()?;
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let contents: Vec<_> =
            keys.iter().map(|key| (key.id.clone(), serde_json::to_value(key).unwrap_or_default())).collect();
        self.documents.put_all(self.kind, &contents, now)?;
        Ok(keys.into_iter().map(|key| self.begin(key)).collect())
    }

    fn begin(&self, key: Key) -> Arc<Key> {
        let usage = usage(&key, None);
        let held = Held::new(key, usage);
        let key = Arc::clone(&held.key);
        self.hold(held);
        key
    }

    fn checked(&self, secret: &str, new: NewKey, now: Timestamp) -> Result<Key, KeyError> {
        for scope in &new.scopes {
            if !is_scope(scope) {
                return Err(KeyError::Scope(scope.clone()));
            }
        }
        let bounds =
            Bounds { expires_at: new.expires_at, rate: new.rate, allowed_origins: &new.allowed_origins };
        let origins = bounds.check(now)?;
        Ok(self.made(secret, new, origins, now))
    }

    fn made(&self, secret: &str, new: NewKey, allowed_origins: Vec<Origin>, now: Timestamp) -> Key {
        let digest = digest(secret);
        let id = match self.kind {
            Kind::Client => format!("spc_{}", random_text(12)),
            _ => id_of(secret, &digest).into_owned(),
        };
        Key {
            id,
            hash: hex(&digest),
            label: new.label,
            scopes: new.scopes,
            source: new.source,
            created_at: now.to_string(),
            expires_at: new.expires_at,
            rate: new.rate,
            allowed_origins,
            previous: None,
        }
    }

    /// A key that lives as long as this process and is written nowhere: for
    /// commands that open the data folder themselves.
    pub fn ephemeral(&self, now: Timestamp) -> String {
        let secret = secret::new_key();
        self.begin(self.made(&secret, NewKey::of_scope("this process", "admin"), Vec::new(), now));
        secret
    }

    /// Gives a key a new secret, shown this once. The old one works for
    /// `overlap` more; one replaced before that no longer. `None` when there is
    /// no such key.
    ///
    /// # Errors
    /// When the store fails.
    pub fn rotate(
        &self,
        id: &str,
        overlap: Span,
        now: Timestamp,
    ) -> Result<Option<(Arc<Key>, String)>, state::Error> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(held) = self.held(id) else { return Ok(None) };
        let secret = match self.kind {
            Kind::Client => secret::new_part("spcs"),
            _ => secret::new_part(id),
        };
        let mut key = Key::clone(&held.key);
        let old = std::mem::replace(&mut key.hash, hex(&digest(&secret)));
        key.previous = (overlap > Span::ZERO).then(|| Previous { hash: old, until: now + overlap });
        self.documents.put(self.kind, id, &serde_json::to_value(&key).unwrap_or_default(), now)?;
        let held = Held::new(key, Arc::clone(&held.caller.usage));
        let key = Arc::clone(&held.key);
        self.hold(held);
        Ok(Some((key, secret)))
    }

    /// Who has this secret.
    ///
    /// # Errors
    /// When nobody has, or its time is over.
    pub fn check(&self, secret: &str, digest: &Digest, now: Timestamp) -> Result<Arc<Caller>, Refused> {
        self.check_named(&id_of(secret, digest), digest, now)
    }

    /// As [`Keys::check`], for the id that was said with the secret.
    ///
    /// # Errors
    /// As [`Keys::check`].
    pub fn check_named(&self, id: &str, digest: &Digest, now: Timestamp) -> Result<Arc<Caller>, Refused> {
        let by_id = self.by_id.read().unwrap_or_else(PoisonError::into_inner);
        let held = by_id.get(id).filter(|held| held.opens(digest, now)).ok_or(Refused::Unknown)?;
        living(held, now)?;
        held.caller.usage.note(now);
        Ok(Arc::clone(&held.caller))
    }

    /// The client of a token that was proved otherwise, while it is not revoked.
    ///
    /// # Errors
    /// As [`Keys::check`].
    pub fn of_id(&self, id: &str, now: Timestamp) -> Result<Arc<Caller>, Refused> {
        let by_id = self.by_id.read().unwrap_or_else(PoisonError::into_inner);
        let held = by_id.get(id).ok_or(Refused::Unknown)?;
        living(held, now)?;
        held.caller.usage.note(now);
        Ok(Arc::clone(&held.caller))
    }

    /// Every key, the oldest first, and the minute of its last use.
    pub fn list(&self) -> Vec<(Arc<Key>, Option<Timestamp>)> {
        let by_id = self.by_id.read().unwrap_or_else(PoisonError::into_inner);
        let mut keys: Vec<_> =
            by_id.values().map(|held| (Arc::clone(&held.key), held.caller.usage.last_used())).collect();
        keys.sort_by(|(a, _), (b, _)| (&a.created_at, &a.id).cmp(&(&b.created_at, &b.id)));
        keys
    }

    /// The minute of a key's last use.
    pub fn last_used(&self, id: &str) -> Option<Timestamp> {
        self.held(id)?.caller.usage.last_used()
    }

    /// The minutes of last use, by id.
    pub fn last_uses(&self) -> Vec<(String, Timestamp)> {
        let used = |(key, at): (Arc<Key>, Option<Timestamp>)| Some((key.id.clone(), at?));
        self.list().into_iter().filter_map(used).collect()
    }

    /// Whether pages of this origin may send with some key: one that names it,
    /// or one for pages that names none.
    pub fn admit_origin(&self, origin: &[u8]) -> Admitted {
        let by_id = self.by_id.read().unwrap_or_else(PoisonError::into_inner);
        let mut pages = by_id.values().map(|held| &held.caller).filter(|caller| caller.only_writes_events());
        let mut bounded = false;
        let open = pages.any(|caller| {
            bounded = true;
            caller.allowed_origins.is_empty()
        });
        if open || !bounded {
            return Admitted::Any;
        }
        let named = by_id.values().any(|held| held.caller.allowed_origins.iter().any(|one| one.is(origin)));
        if named { Admitted::This } else { Admitted::No }
    }

    /// Ends a key at once. `false` when there is none of that id.
    ///
    /// # Errors
    /// When the store fails.
    pub fn revoke(&self, id: &str, now: Timestamp) -> Result<bool, state::Error> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.held(id).is_none() {
            return Ok(false);
        }
        self.documents.delete(self.kind, id, now)?;
        self.by_id.write().unwrap_or_else(PoisonError::into_inner).remove(id);
        Ok(true)
    }
}

/// Which origins' pages may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admitted {
    /// Those of every origin.
    Any,
    /// Those of the origin asked about, and not of every other.
    This,
    /// Not those of the origin asked about.
    No,
}

fn living(held: &Held, now: Timestamp) -> Result<(), Refused> {
    match held.key.expires_at {
        Some(at) if at <= now => Err(Refused::Expired { id: held.key.id.clone(), at }),
        _ => Ok(()),
    }
}
