//! Repeats: an event sent twice is one event.
//!
//! By `event_id` over at least the seven to sixty days that are set, exactly, and
//! by content within a short window a source chooses. Both are identities of 128 bits in one index.

use std::collections::HashMap;

use sha2::{Digest, Sha256};
use signalpost_core::time::{Span, Timestamp};

use super::{Error, Log};

/// How long event ids are remembered at least, unless the settings say longer.
pub const REMEMBERED: Span = Span::DAY.times(7);
/// The longest they can be remembered.
pub const REMEMBERED_MAX: Span = Span::DAY.times(60);

/// The identity of an event id: SHA-256, cut to 128 bits.
pub fn event_identity(event_id: &str) -> u128 {
    let digest = Sha256::digest(event_id.as_bytes());
    digest.iter().take(16).fold(0, |number, byte| number << 8 | u128::from(*byte))
}

/// How one event is told from another.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    /// From [`event_identity`], when the sender named the event.
    pub event_id: Option<u128>,
    /// The content's fingerprint and the window in which a repeat is one;
    /// `None` when the source does not want it.
    pub content: Option<(u128, Span)>,
    /// When the event happened.
    pub timestamp: Timestamp,
}

/// The identities seen in the group being made, in front of those on the log.
#[derive(Debug)]
pub struct Deduplicator<'a, L: ?Sized> {
    log: &'a L,
    now: Timestamp,
    fresh: HashMap<u128, Timestamp>,
}

impl<'a, L: Log + ?Sized> Deduplicator<'a, L> {
    /// Starts a group of about `events` at `now`.
    pub fn new(log: &'a L, now: Timestamp, events: usize) -> Self {
        Self { log, now, fresh: HashMap::with_capacity(events) }
    }

    /// Whether this is a repeat; remembers it when not.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn is_repeat(&mut self, identity: &Identity) -> Result<bool, Error> {
        if let Some(id) = identity.event_id
            && self.last_seen(id)?.is_some()
        {
            return Ok(true);
        }
        if let Some((fingerprint, window)) = identity.content {
            // A chain: each repeat is compared with the one before it.
            let last = self.last_seen(fingerprint)?;
            self.fresh.insert(fingerprint, identity.timestamp);
            if last.is_some_and(|last| distance(last, identity.timestamp) <= window) {
                return Ok(true);
            }
        }
        if let Some(id) = identity.event_id {
            self.fresh.insert(id, self.now);
        }
        Ok(false)
    }

    fn last_seen(&self, identity: u128) -> Result<Option<Timestamp>, Error> {
        match self.fresh.get(&identity) {
            Some(at) => Ok(Some(*at)),
            None => self.log.seen(identity),
        }
    }

    /// What the group must make durable.
    pub fn into_seen(self) -> Vec<(u128, Timestamp)> {
        self.fresh.into_iter().collect()
    }
}

fn distance(a: Timestamp, b: Timestamp) -> Span {
    (a - b).max(b - a)
}
