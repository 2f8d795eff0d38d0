//! A log in memory, for the simulator: its disk can lose, tear and fail.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use signalpost_core::time::Timestamp;

use super::{Error, Group, Log, QuarantineId, Quarantined, Record};

/// What the next appends should suffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// The disk refuses: nothing is written.
    Refuse,
    /// The machine dies before the sync: nothing is left, and nobody is told.
    DieBefore,
    /// The machine dies after the sync: all is left, but nobody is told.
    DieAfter,
    /// The sync is skipped (a planted bug): the reply comes, a crash loses it.
    SkipSync,
}

/// A log in memory.
#[derive(Debug)]
pub struct MemoryLog {
    partitions: u32,
    inner: Mutex<Inner>,
}

#[derive(Clone, Debug, Default)]
struct Contents {
    records: Vec<Vec<Arc<Record>>>,
    seen: HashMap<u128, Timestamp>,
    quarantine: Vec<Quarantined>,
}

#[derive(Debug, Default)]
struct Inner {
    live: Contents,
    durable: Contents,
    fault: Fault,
}

impl MemoryLog {
    /// An empty log.
    pub fn new(partitions: u32) -> Self {
        let contents = Contents { records: vec![Vec::new(); partitions as usize], ..Contents::default() };
        Self {
            partitions,
            inner: Mutex::new(Inner { live: contents.clone(), durable: contents, fault: Fault::None }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets what appends suffer from now on.
    pub fn suffer(&self, fault: Fault) {
        self.lock().fault = fault;
    }

    /// Crashes: only what was synced is left.
    pub fn crash(&self) {
        let mut inner = self.lock();
        inner.live = inner.durable.clone();
        inner.fault = Fault::None;
    }

    /// Forgets an identity (a planted bug).
    pub fn forget_seen(&self, identity: u128) {
        let mut inner = self.lock();
        inner.live.seen.remove(&identity);
        inner.durable.seen.remove(&identity);
    }
}

fn add(contents: &mut Contents, group: &Group) {
    for appended in &group.records {
        if let Some(records) = contents.records.get_mut(appended.partition as usize) {
            records.push(Arc::clone(&appended.record));
        }
    }
    contents.seen.extend(group.seen.iter().copied());
    contents.quarantine.extend(group.quarantined.iter().cloned());
}

fn died() -> Error {
    Error::Unavailable { reason: "the simulated machine died".into() }
}

impl Log for MemoryLog {
    fn partitions(&self) -> u32 {
        self.partitions
    }

    fn append(&self, group: Group) -> Result<(), Error> {
        let mut inner = self.lock();
        match inner.fault {
            Fault::Refuse => return Err(Error::Unavailable { reason: "the simulated disk is full".into() }),
            Fault::DieBefore => return Err(died()),
            _ => {}
        }
        add(&mut inner.live, &group);
        if inner.fault != Fault::SkipSync {
            inner.durable = inner.live.clone();
        }
        if inner.fault == Fault::DieAfter { Err(died()) } else { Ok(()) }
    }

    fn read(&self, partition: u32, offset: u64, limit: usize) -> Result<Vec<(u64, Arc<Record>)>, Error> {
        let inner = self.lock();
        let Some(records) = inner.live.records.get(partition as usize) else { return Ok(Vec::new()) };
        let skip = usize::try_from(offset).unwrap_or(usize::MAX);
        Ok((0_u64..)
            .zip(records)
            .skip(skip)
            .take(limit)
            .map(|(at, record)| (at, Arc::clone(record)))
            .collect())
    }

    fn end(&self, partition: u32) -> u64 {
        self.lock().live.records.get(partition as usize).map_or(0, |records| records.len() as u64)
    }

    fn trim(&self, _: &[u64], _: Timestamp) -> Result<(), Error> {
        Ok(())
    }

    fn seen(&self, identity: u128) -> Result<Option<Timestamp>, Error> {
        Ok(self.lock().live.seen.get(&identity).copied())
    }

    fn latest(&self) -> Timestamp {
        let inner = self.lock();
        let latest =
            inner.live.records.iter().filter_map(|records| records.last()).map(|record| record.at).max();
        latest.unwrap_or(Timestamp::MIN)
    }

    fn quarantined(
        &self,
        from: QuarantineId,
        limit: usize,
    ) -> Result<Vec<(QuarantineId, Quarantined)>, Error> {
        let inner = self.lock();
        let rows = (0_u64..).zip(&inner.live.quarantine).filter(|(id, _)| *id >= from);
        Ok(rows.take(limit).map(|(id, row)| (id, row.clone())).collect())
    }

    fn quarantine_len(&self) -> u64 {
        self.lock().live.quarantine.len() as u64
    }
}
