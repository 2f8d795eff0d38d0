//! The state's disk and the log's: both forget what was not synced when the
//! machine dies, and both can be told when it does.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use signalpost::deliver::{DeliveryRecord, Status};
use signalpost::log::memory::MemoryLog;
use signalpost::log::{self, Group, Log, QuarantineId, Quarantined, Record};
use signalpost::state::memory::MemoryStore;
use signalpost::state::{Batch, Error, Row, See, Store, Table};
use signalpost_core::time::Timestamp;

use crate::trace::Trace;

/// A bug put in on purpose, which a run must find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Planted {
    Nothing,
    /// Now and then the log answers without a sync.
    SkippedSync,
    /// The index of identities forgets one now and then.
    ForgottenIdentity,
    /// A worker's position is committed before the state it stands for.
    PositionFirst,
    /// The mark that an attempt begins is written with the attempt's outcome.
    MarkLate,
}

/// The store of the state.
#[derive(Debug)]
pub(crate) struct Disk {
    store: MemoryStore,
    trace: Trace,
    planted: Planted,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    dead: bool,
    /// Writes until the machine dies.
    dies_in: Option<usize>,
    /// Writes until one is refused.
    refuses_in: Option<usize>,
    /// Writes held back by [`Planted::MarkLate`].
    held: Batch,
}

impl Disk {
    pub(crate) fn new(trace: Trace, planted: Planted) -> Self {
        Self { store: MemoryStore::new(), trace, planted, inner: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The machine dies at the write after so many more; `None`: it does not.
    pub(crate) fn die_in(&self, writes: Option<usize>) {
        self.lock().dies_in = writes;
    }

    /// One write after so many more is refused; the machine lives on.
    pub(crate) fn refuse_in(&self, writes: Option<usize>) {
        self.lock().refuses_in = writes;
    }

    /// The machine dies now.
    pub(crate) fn die(&self) {
        self.lock().dead = true;
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.lock().dead
    }

    pub(crate) fn unsynced(&self) -> usize {
        self.store.unsynced()
    }

    /// The machine starts again; of the writes not synced the first `kept` are left.
    pub(crate) fn restart(&self, kept: usize) {
        self.store.crash(kept);
        *self.lock() = Inner::default();
    }

    /// Counts a write down.
    fn write(&self) -> Result<(), Error> {
        let mut inner = self.lock();
        let refused =
            |reason: &str| Err(Error::Unavailable { folder: "the simulator".into(), reason: reason.into() });
        if inner.dies_in == Some(0) {
            inner.dead = true;
        }
        inner.dies_in = inner.dies_in.map(|left| left.saturating_sub(1));
        if inner.dead {
            return refused("the simulated machine died");
        }
        if inner.refuses_in == Some(0) {
            inner.refuses_in = None;
            return refused("the simulated disk is full");
        }
        inner.refuses_in = inner.refuses_in.map(|left| left - 1);
        Ok(())
    }

    fn put(&self, batch: Batch) -> Result<(), Error> {
        self.write()?;
        // The order within a batch means nothing, and may differ between runs.
        let mut writes: Vec<_> = batch.writes.iter().collect();
        writes.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        for (table, key, value) in writes {
            self.trace.note(table.name().as_bytes());
            self.trace.note(key);
            self.trace.note(value.as_deref().unwrap_or_default());
        }
        self.store.commit(batch)
    }

    /// Keeps the marks of attempts back until the next batch.
    fn hold_marks(&self, batch: Batch) -> Batch {
        let is_mark = |(table, _, value): &(Table, Vec<u8>, Option<Vec<u8>>)| {
            *table == Table::Deliveries
                && value.as_deref().is_some_and(|bytes| {
                    let record: Result<DeliveryRecord, _> = signalpost::state::decode(*table, bytes);
                    record.is_ok_and(|record| record.status == Status::Sending)
                })
        };
        let (marks, others): (Vec<_>, Vec<_>) = batch.writes.into_iter().partition(is_mark);
        let mut writes = std::mem::replace(&mut self.lock().held.writes, marks);
        writes.extend(others);
        Batch { writes }
    }
}

impl Store for Disk {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.store.get(table, key)
    }

    fn visit(&self, table: Table, from: &[u8], to: Option<&[u8]>, see: &mut See<'_>) -> Result<(), Error> {
        self.store.visit(table, from, to, see)
    }

    fn scan_back(
        &self,
        table: Table,
        from: &[u8],
        to: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, Error> {
        self.store.scan_back(table, from, to, limit)
    }

    fn commit(&self, batch: Batch) -> Result<(), Error> {
        match self.planted {
            Planted::PositionFirst => {
                let (positions, others): (Vec<_>, Vec<_>) =
                    batch.writes.into_iter().partition(|(table, ..)| *table == Table::Positions);
                self.put(Batch { writes: positions })?;
                self.put(Batch { writes: others })
            }
            Planted::MarkLate => {
                let batch = self.hold_marks(batch);
                self.put(batch)
            }
            _ => self.put(batch),
        }
    }

    fn sync(&self) -> Result<(), Error> {
        self.write()?;
        self.store.sync()
    }
}

/// The log, which gives a reader at most so many records at once, so that a
/// worker's steps end anywhere.
#[derive(Debug)]
pub(crate) struct Tape {
    pub(crate) log: MemoryLog,
    at_once: AtomicUsize,
}

impl Tape {
    pub(crate) fn new(partitions: u32) -> Arc<Self> {
        Arc::new(Self { log: MemoryLog::new(partitions), at_once: AtomicUsize::new(usize::MAX) })
    }

    pub(crate) fn give_at_once(&self, records: usize) {
        self.at_once.store(records, Ordering::Relaxed);
    }
}

impl Log for Tape {
    fn partitions(&self) -> u32 {
        self.log.partitions()
    }

    fn append(&self, group: Group) -> Result<(), log::Error> {
        self.log.append(group)
    }

    fn read(&self, partition: u32, offset: u64, limit: usize) -> Result<Vec<(u64, Arc<Record>)>, log::Error> {
        self.log.read(partition, offset, limit.min(self.at_once.load(Ordering::Relaxed)))
    }

    fn end(&self, partition: u32) -> u64 {
        self.log.end(partition)
    }

    fn trim(&self, needed: &[u64], before: Timestamp) -> Result<(), log::Error> {
        self.log.trim(needed, before)
    }

    fn seen(&self, identity: u128) -> Result<Option<Timestamp>, log::Error> {
        self.log.seen(identity)
    }

    fn latest(&self) -> Timestamp {
        self.log.latest()
    }

    fn quarantined(
        &self,
        from: QuarantineId,
        limit: usize,
    ) -> Result<Vec<(QuarantineId, Quarantined)>, log::Error> {
        self.log.quarantined(from, limit)
    }

    fn quarantine_len(&self) -> u64 {
        self.log.quarantine_len()
    }
}
