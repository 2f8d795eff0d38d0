//! What of a key can be another afterwards: its label and its bounds. What it
//! allows and the source its events count for stay: for others, another key.

use std::sync::{Arc, PoisonError};

use signalpost_core::time::Timestamp;

use super::origin::Origin;
use super::{Bounds, Held, Key, KeyError, Keys, usage};
use crate::deliver::rate;
use crate::state::Store;

/// What is to be another; `None` stays as it is.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// See [`Key::label`].
    pub label: Option<String>,
    /// See [`Key::expires_at`]; `Some(None)`: never.
    pub expires_at: Option<Option<Timestamp>>,
    /// See [`Key::rate`]; `Some(None)`: no limit.
    pub rate: Option<Option<rate::Settings>>,
    /// See [`Key::allowed_origins`].
    pub allowed_origins: Option<Vec<String>>,
}

impl<S: Store> Keys<S> {
    /// Changes a key from the next request on. `None` when there is no such key.
    ///
    /// # Errors
    /// For what a key cannot be, or when the store fails.
    pub fn change(&self, id: &str, change: Change, now: Timestamp) -> Result<Option<Arc<Key>>, KeyError> {
        let bounds = Bounds {
            expires_at: change.expires_at.flatten(),
            rate: change.rate.flatten(),
            allowed_origins: change.allowed_origins.as_deref().unwrap_or_default(),
        };
        let origins = bounds.check(now)?;
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(held) = self.held(id) else { return Ok(None) };
        let key = changed(&held.key, change, origins);
        self.documents.put(self.kind, id, &serde_json::to_value(&key).unwrap_or_default(), now)?;
        // What was sent under a rate that stays still counts.
        let before = &held.caller.usage;
        let usage =
            if key.rate == held.key.rate { Arc::clone(before) } else { usage(&key, before.last_used()) };
        let held = Held::new(key, usage);
        let key = Arc::clone(&held.key);
        self.hold(held);
        Ok(Some(key))
    }
}

fn changed(key: &Key, change: Change, origins: Vec<Origin>) -> Key {
    let mut key = key.clone();
    if let Some(label) = change.label {
        key.label = label;
    }
    if let Some(expires_at) = change.expires_at {
        key.expires_at = expires_at;
    }
    if let Some(rate) = change.rate {
        key.rate = rate;
    }
    if change.allowed_origins.is_some() {
        key.allowed_origins = origins;
    }
    key
}
