//! How often people act: counted over ten seconds for the latest of them, in
//! bounded memory, by all requests at once.

use std::sync::{Mutex, PoisonError};

use signalpost_core::clean::score;
use signalpost_core::profile::hash;
use signalpost_core::time::{Span, Timestamp};

/// The window that events are counted in.
const WINDOW: Span = Span::SECOND.times(10);
/// People and devices remembered: 1.6 MB.
const IDENTITIES_MAX: usize = 1 << 16;
/// Parts that requests do not wait for each other in.
const PARTS: usize = 16;

/// The counts.
#[derive(Debug)]
pub struct Rates(Vec<Mutex<score::Rates>>);

impl Default for Rates {
    fn default() -> Self {
        let part = || Mutex::new(score::Rates::new(WINDOW, IDENTITIES_MAX / PARTS));
        Self((0..PARTS).map(|_| part()).collect())
    }
}

impl Rates {
    /// Takes in an event of an identity, and tells whether it has sent more than
    /// `events_max` in the window.
    pub fn is_beyond(&self, source: &str, identity: &str, at: Timestamp, events_max: u32) -> bool {
        let identity = hash(identity.as_bytes()) ^ hash(source.as_bytes()).rotate_left(1);
        let part = usize::try_from(identity >> 32).unwrap_or(0) % PARTS;
        let Some(part) = self.0.get(part) else { return false };
        part.lock().unwrap_or_else(PoisonError::into_inner).observe(identity, at) > events_max
    }
}
