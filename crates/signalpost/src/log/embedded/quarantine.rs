//! Refused events, where they can be listed and let go of.
//!
//! The journal holds them first; this is a table made from it. What a power
//! failure takes from the table is put back from the journal at a start.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::super::{Error, QuarantineId, Quarantined};

/// Memory for the engine's block cache, in bytes.
const CACHE_BYTES: u64 = 4 << 20;
/// A table's memory, in bytes.
const MEMTABLE_BYTES: u64 = 8 << 20;
const APPLIED: &str = "applied";

/// The table.
pub(super) struct Quarantine {
    database: Database,
    rows: Keyspace,
    meta: Keyspace,
    next: AtomicU64,
    held: AtomicU64,
    /// Frames whose rows could not be put into the table yet.
    waiting: Mutex<Vec<Change>>,
}

/// What a frame changes here.
#[derive(Debug, Default)]
pub(super) struct Change {
    /// The frame.
    pub(super) frame: u64,
    /// The first new row's id, and the new rows.
    pub(super) added: (QuarantineId, Vec<Quarantined>),
    /// Rows that go.
    pub(super) released: Vec<QuarantineId>,
}

impl std::fmt::Debug for Quarantine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Quarantine").field("held", &self.held).finish_non_exhaustive()
    }
}

fn unavailable(error: &impl ToString) -> Error {
    Error::Unavailable { reason: error.to_string() }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

impl Quarantine {
    /// Opens the table in `folder`, making it when absent. Holds the folder
    /// against a second process.
    pub(super) fn open(folder: &Path) -> Result<Self, Error> {
        let database = crate::database::open(folder, |place| {
            Database::builder(place).cache_size(CACHE_BYTES).manual_journal_persist(true).open()
        })
        .map_err(|error| match error {
            fjall::Error::Locked => Error::InUse,
            other => unavailable(&other),
        })?;
        let keyspace = |name: &str| {
            let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
            database.keyspace(name, options).map_err(|error| unavailable(&error))
        };
        let (rows, meta) = (keyspace("quarantine")?, keyspace("meta")?);
        let mut held = 0;
        let mut next =
            meta.get("next").map_err(|error| unavailable(&error))?.map_or(1, |bytes| number(&bytes));
        for row in rows.iter() {
            let key = row.key().map_err(|error| unavailable(&error))?;
            next = next.max(number(&key) + 1);
            held += 1;
        }
        let (next, held) = (AtomicU64::new(next), AtomicU64::new(held));
        Ok(Self { database, rows, meta, next, held, waiting: Mutex::default() })
    }

    /// The id the next refused event gets.
    pub(super) fn next_id(&self) -> QuarantineId {
        self.next.load(Ordering::Acquire)
    }

    /// The last frame that is in the table.
    pub(super) fn applied(&self) -> Result<u64, Error> {
        let bytes = self.meta.get(APPLIED).map_err(|error| unavailable(&error))?;
        Ok(bytes.map_or(0, |bytes| number(&bytes)))
    }

    /// Takes what a frame changes. The frame stands on the journal, so a table
    /// that cannot be written only waits.
    pub(super) fn take(&self, change: Change) {
        if change.added.1.is_empty() && change.released.is_empty() {
            return;
        }
        self.next.fetch_max(change.added.0 + change.added.1.len() as u64, Ordering::AcqRel);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push(change);
        if let Err(error) = self.write_waiting(&mut waiting) {
            tracing::warn!(%error, "refused events wait to be listed");
        }
    }

    fn write_waiting(&self, waiting: &mut Vec<Change>) -> Result<(), Error> {
        if !waiting.is_empty() {
            self.write(waiting)?;
            waiting.clear();
        }
        Ok(())
    }

    fn write(&self, changes: &[Change]) -> Result<(), Error> {
        let mut batch = self.database.batch().durability(Some(PersistMode::Buffer));
        let (mut added, mut gone) = (0, 0);
        for change in changes {
            for (id, row) in (change.added.0..).zip(&change.added.1) {
                let bytes = postcard::to_stdvec(row).map_err(|error| unavailable(&error))?;
                batch.insert(&self.rows, id.to_be_bytes(), bytes);
                added += 1;
            }
            for id in &change.released {
                if self.rows.contains_key(id.to_be_bytes()).map_err(|error| unavailable(&error))? {
                    batch.remove(&self.rows, id.to_be_bytes());
                    gone += 1;
                }
            }
            batch.insert(&self.meta, APPLIED, change.frame.to_be_bytes());
        }
        batch.insert(&self.meta, "next", self.next_id().to_be_bytes());
        batch.commit().map_err(|error| unavailable(&error))?;
        self.held.fetch_add(added, Ordering::AcqRel);
        self.held.fetch_sub(gone, Ordering::AcqRel);
        Ok(())
    }

    /// Makes the table durable.
    pub(super) fn sync(&self) -> Result<(), Error> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        // Nothing else would try again while appends wait for this.
        self.write_waiting(&mut waiting)?;
        self.database.persist(PersistMode::SyncData).map_err(|error| unavailable(&error))
    }

    /// Rows from `from` on, at most `limit`.
    pub(super) fn list(
        &self,
        from: QuarantineId,
        limit: usize,
    ) -> Result<Vec<(QuarantineId, Quarantined)>, Error> {
        self.rows
            .range(from.to_be_bytes()..)
            .take(limit)
            .map(|row| {
                let (key, value) = row.into_inner().map_err(|error| unavailable(&error))?;
                let row = postcard::from_bytes(&value).map_err(|error| unavailable(&error))?;
                Ok((number(&key), row))
            })
            .collect()
    }

    /// Whether a row is there: asked before it is replayed, so rows that wait
    /// for the table count.
    pub(super) fn holds(&self, id: QuarantineId) -> Result<bool, Error> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        self.write_waiting(&mut waiting)?;
        self.rows.contains_key(id.to_be_bytes()).map_err(|error| unavailable(&error))
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> u64 {
        self.held.load(Ordering::Acquire)
    }
}
