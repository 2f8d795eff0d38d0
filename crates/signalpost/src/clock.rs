//! The one place time comes from.
//!
//! Everything that needs the time is handed a [`Clock`]. In production it is
//! the machine's; in the demo and in tests it is set by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use signalpost_core::time::Timestamp;

/// Tells the time. Cheap to clone; clones tell the same time.
#[derive(Clone, Debug)]
pub struct Clock {
    manual: Option<Arc<AtomicI64>>,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self { manual: None }
    }

    /// A clock that stands at `start` until it is set.
    pub fn manual(start: Timestamp) -> Self {
        Self { manual: Some(Arc::new(AtomicI64::new(start.as_micros()))) }
    }

    /// Now.
    #[expect(clippy::disallowed_methods, reason = "this is the place the system clock is read")]
    pub fn now(&self) -> Timestamp {
        match &self.manual {
            Some(micros) => Timestamp::from_micros(micros.load(Ordering::Acquire)),
            None => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
                Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
            }
        }
    }

    /// Moves a manual clock forward to `to`; it never goes back. The system
    /// clock is left alone.
    pub fn advance_to(&self, to: Timestamp) {
        if let Some(micros) = &self.manual {
            micros.fetch_max(to.as_micros(), Ordering::AcqRel);
        }
    }

    /// Whether time is set by hand.
    pub fn is_manual(&self) -> bool {
        self.manual.is_some()
    }
}

/// A reading of the machine's steady clock, for measuring how long things take.
#[expect(clippy::disallowed_methods, reason = "this is the place the steady clock is read")]
pub fn instant() -> Instant {
    Instant::now()
}
