//! Where a partition's worker stands: written with every batch.

use serde::{Deserialize, Serialize};
use signalpost_core::id::ProfileKey;
use signalpost_core::time::Timestamp;

use crate::state::{self, Batch, Error, Store, Table};

/// A worker's place on its log, and its counters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The next record to take.
    pub offset: u64,
    /// The time reached.
    pub now: Timestamp,
    /// Events taken in, which orders events of the same time.
    pub sequence: u64,
    /// Membership changes made.
    pub changes: u64,
    /// Derived events and retractions made.
    pub derived: u64,
    /// Links made.
    pub identities: u64,
    /// Messages given to the relay.
    pub relayed: u64,
    /// Changes of the program taken.
    pub program: u64,
    /// The highest message taken from each partition.
    pub taken: Vec<(u32, u64)>,
    /// The backfill's cursor: profiles behind this key still wait.
    pub backfill: Option<Vec<u8>>,
    /// Schedules have run up to here.
    pub scheduled: Timestamp,
    /// One-time campaigns that have run.
    pub once: Vec<Box<str>>,
    /// Profiles of known people.
    pub known: u64,
    /// Profiles of visitors not yet known.
    pub anonymous: u64,
}

impl Default for Position {
    fn default() -> Self {
        Self {
            offset: 0,
            now: Timestamp::MIN,
            sequence: 0,
            changes: 0,
            derived: 0,
            identities: 0,
            relayed: 0,
            program: 0,
            taken: Vec::new(),
            backfill: None,
            scheduled: Timestamp::MIN,
            once: Vec::new(),
            known: 0,
            anonymous: 0,
        }
    }
}

impl Position {
    /// The saved position; the beginning when there is none.
    ///
    /// # Errors
    /// When the store fails or the record is damaged.
    pub fn load<S: Store + ?Sized>(store: &S, partition: u32) -> Result<Self, Error> {
        match store.get(Table::Positions, &partition.to_be_bytes())? {
            Some(bytes) => state::decode(Table::Positions, &bytes),
            None => Ok(Self::default()),
        }
    }

    pub(super) fn save(&self, partition: u32, batch: &mut Batch) {
        batch.put(Table::Positions, partition.to_be_bytes().to_vec(), state::encode(self));
    }

    pub(super) fn ran_once(&self, campaign: &str) -> bool {
        self.once.iter().any(|name| &**name == campaign)
    }

    /// Counts a profile that comes (1) or goes (-1).
    pub(super) fn count_profile(&mut self, key: &ProfileKey, change: i64) {
        let count = match key {
            ProfileKey::Customer(_) => &mut self.known,
            ProfileKey::Anonymous(_) => &mut self.anonymous,
        };
        *count = count.saturating_add_signed(change);
    }

    pub(super) fn next_sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    /// Whether a relayed message is new; notes it when it is. Messages of one
    /// partition come in order, so the highest number tells.
    pub(super) fn is_new(&mut self, from: u32, sequence: u64) -> bool {
        match self.taken.iter_mut().find(|(partition, _)| *partition == from) {
            Some((_, taken)) if *taken >= sequence => false,
            Some((_, taken)) => {
                *taken = sequence;
                true
            }
            None => {
                self.taken.push((from, sequence));
                true
            }
        }
    }
}
