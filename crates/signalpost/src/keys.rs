//! Access keys: a random secret shown once; only its hash is kept.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use signalpost_core::time::Timestamp;
use subtle::ConstantTimeEq;
use thiserror::Error;

use crate::documents::{Documents, Kind};
use crate::state::{self, Store};

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

/// A key as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Key {
    /// Its public name: the part of the key before the last underscore.
    pub id: String,
    /// SHA-256 of the whole key, hex. A key holds 192 random bits, so a slow
    /// hash would add nothing.
    pub hash: String,
    /// What it is for, for people.
    pub label: String,
    /// What it allows.
    pub scopes: Vec<String>,
    /// The source its events count for.
    pub source: String,
    /// When it was made, RFC 3339.
    pub created_at: String,
}

impl Key {
    /// Whether the key allows what `scope` names; `content:*` allows all of content.
    pub fn allows(&self, scope: &str) -> bool {
        let area = scope.split(':').next().unwrap_or(scope);
        self.scopes.iter().any(|held| {
            held == "admin" || held == scope || held.strip_suffix(":*").is_some_and(|prefix| prefix == area)
        })
    }
}

/// Why a key could not be made.
#[derive(Debug, Error)]
pub enum KeyError {
    /// No such scope.
    #[error("there is no scope '{0}'; there are {known}", known = SCOPES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "))]
    Scope(String),
    /// The store failed.
    #[error(transparent)]
    State(#[from] state::Error),
}

/// The keys of an installation.
#[derive(Debug)]
pub struct Keys<S> {
    documents: Arc<Documents<S>>,
    by_id: RwLock<HashMap<String, Arc<Key>>>,
}

fn hash(secret: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |four: u8| DIGITS.get(usize::from(four)).map_or('0', |digit| char::from(*digit));
    // Every request's key comes through here, so it is written digit by digit.
    let digest = Sha256::digest(secret.as_bytes());
    digest.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// A key of our own shape is found by its public part; any other secret by
/// its hash, so that no part of it is kept or shown.
fn name_for<'a>(secret: &'a str, hash: &str) -> Cow<'a, str> {
    if secret.starts_with("sp_") && secret.matches('_').count() == 2 {
        return id_of(secret).into();
    }
    format!("key_{}", hash.get(..16).unwrap_or(hash)).into()
}

/// The public part of a key.
fn id_of(secret: &str) -> &str {
    secret.rsplit_once('_').map_or(secret, |(id, _)| id)
}

fn random_text(bytes: usize) -> String {
    const LETTERS: &[u8] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    (0..bytes)
        .filter_map(|_| LETTERS.get(rand::random_range(0..LETTERS.len())))
        .map(|byte| char::from(*byte))
        .collect()
}

impl<S: Store> Keys<S> {
    /// Loads the keys.
    ///
    /// # Errors
    /// When the store fails.
    pub fn load(documents: Arc<Documents<S>>) -> Result<Self, state::Error> {
        let by_id = documents
            .list(Kind::Key)?
            .iter()
            .filter_map(|document| serde_json::from_value::<Key>(document.json()).ok())
            .map(|key| (key.id.clone(), Arc::new(key)))
            .collect();
        Ok(Self { documents, by_id: RwLock::new(by_id) })
    }

    /// Whether there is no key yet: a first start.
    pub fn is_empty(&self) -> bool {
        self.by_id.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Makes a key and returns its secret, which is shown this once.
    ///
    /// # Errors
    /// For a scope that does not exist, or when the store fails.
    pub fn create(
        &self,
        label: &str,
        scopes: &[&str],
        source: &str,
        now: Timestamp,
    ) -> Result<(Key, String), KeyError> {
        let secret = format!("sp_{}_{}", random_text(8), random_text(33));
        let key = self.insert(&secret, label, scopes, source, now)?;
        Ok((key, secret))
    }

    /// Takes a key made elsewhere.
    ///
    /// # Errors
    /// As [`Keys::create`].
    pub fn insert(
        &self,
        secret: &str,
        label: &str,
        scopes: &[&str],
        source: &str,
        now: Timestamp,
    ) -> Result<Key, KeyError> {
        for scope in scopes {
            let known = SCOPES.iter().any(|(name, _)| name == scope)
                || scope
                    .strip_suffix(":*")
                    .is_some_and(|area| SCOPES.iter().any(|(name, _)| name.split(':').next() == Some(area)));
            if !known {
                return Err(KeyError::Scope((*scope).to_owned()));
            }
        }
        let key = Key {
            id: name_for(secret, &hash(secret)).into_owned(),
            hash: hash(secret),
            label: label.to_owned(),
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            source: source.to_owned(),
            created_at: now.to_string(),
        };
        let content = serde_json::to_value(&key).unwrap_or_default();
        self.documents.put(Kind::Key, &key.id, &content, now)?;
        self.by_id
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key.id.clone(), Arc::new(key.clone()));
        Ok(key)
    }

    /// A key that lives as long as this process and is written nowhere: for
    /// commands that open the data folder themselves.
    pub fn ephemeral(&self, now: Timestamp) -> String {
        let secret = format!("sp_{}_{}", random_text(8), random_text(33));
        let key = Key {
            id: id_of(&secret).to_owned(),
            hash: hash(&secret),
            label: "this process".into(),
            scopes: vec!["admin".into()],
            source: "default".into(),
            created_at: now.to_string(),
        };
        self.by_id.write().unwrap_or_else(PoisonError::into_inner).insert(key.id.clone(), Arc::new(key));
        secret
    }

    /// The key, when the secret is right. Compared in constant time.
    pub fn check(&self, secret: &str) -> Option<Arc<Key>> {
        let hash = hash(secret);
        let name = name_for(secret, &hash);
        let key = self.by_id.read().unwrap_or_else(PoisonError::into_inner).get(&*name).cloned()?;
        bool::from(key.hash.as_bytes().ct_eq(hash.as_bytes())).then_some(key)
    }

    /// Every key.
    pub fn list(&self) -> Vec<Arc<Key>> {
        let mut keys: Vec<_> =
            self.by_id.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        keys.sort_by(|a, b| (&a.created_at, &a.id).cmp(&(&b.created_at, &b.id)));
        keys
    }

    /// Ends a key at once. `false` when there is none of that id.
    ///
    /// # Errors
    /// When the store fails.
    pub fn revoke(&self, id: &str, now: Timestamp) -> Result<bool, state::Error> {
        if self.by_id.write().unwrap_or_else(PoisonError::into_inner).remove(id).is_none() {
            return Ok(false);
        }
        self.documents.delete(Kind::Key, id, now)?;
        Ok(true)
    }
}
