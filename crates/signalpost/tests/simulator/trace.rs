//! The trace that tells two runs apart.

use std::sync::{Arc, Mutex, PoisonError};

/// A hash (FNV-1a, 64 bits) over everything that can be observed of a run.
#[derive(Clone, Debug)]
pub(crate) struct Trace(Arc<Mutex<u64>>);

impl Trace {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(0xcbf2_9ce4_8422_2325)))
    }

    pub(crate) fn note(&self, bytes: &[u8]) {
        let mut hash = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for byte in bytes.iter().chain(&[0]) {
            *hash = (*hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(crate) fn hash(&self) -> u64 {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
