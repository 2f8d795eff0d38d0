//! A store in memory, for the simulator: it can lose what was not synced.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Batch, Error, Row, See, Store, Table};

type Tables = BTreeMap<(Table, Vec<u8>), Vec<u8>>;
type KeyBound = Bound<(Table, Vec<u8>)>;

/// Tables in memory; `durable` is what a crash leaves.
#[derive(Debug, Default)]
pub struct MemoryStore {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    live: Tables,
    durable: Tables,
    unsynced: Vec<Batch>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Crashes: of the batches not yet synced the first `kept` survive.
    pub fn crash(&self, kept: usize) {
        let mut inner = self.lock();
        let survivors: Vec<Batch> = inner.unsynced.drain(..).take(kept).collect();
        for batch in survivors {
            apply(&mut inner.durable, &batch);
        }
        inner.live = inner.durable.clone();
    }

    /// How many batches a crash could lose.
    pub fn unsynced(&self) -> usize {
        self.lock().unsynced.len()
    }
}

fn apply(tables: &mut Tables, batch: &Batch) {
    for (table, key, value) in &batch.writes {
        match value {
            Some(value) => tables.insert((*table, key.clone()), value.clone()),
            None => tables.remove(&(*table, key.clone())),
        };
    }
}

fn bounds(table: Table, from: &[u8], to: Option<&[u8]>) -> (KeyBound, KeyBound) {
    let upper = match to {
        Some(to) => Bound::Excluded((table, to.to_vec())),
        None => match Table::ALL.iter().find(|other| **other > table) {
            Some(next) => Bound::Excluded((*next, Vec::new())),
            None => Bound::Unbounded,
        },
    };
    (Bound::Included((table, from.to_vec())), upper)
}

impl Store for MemoryStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.lock().live.get(&(table, key.to_vec())).cloned())
    }

    fn visit(&self, table: Table, from: &[u8], to: Option<&[u8]>, see: &mut See<'_>) -> Result<(), Error> {
        for ((_, key), value) in self.lock().live.range(bounds(table, from, to)) {
            if see(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn scan_back(
        &self,
        table: Table,
        from: &[u8],
        to: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, Error> {
        let inner = self.lock();
        let range = inner.live.range(bounds(table, from, to)).rev();
        Ok(range.take(limit).map(|((_, key), value)| (key.clone(), value.clone())).collect())
    }

    fn commit(&self, batch: Batch) -> Result<(), Error> {
        let mut inner = self.lock();
        apply(&mut inner.live, &batch);
        inner.unsynced.push(batch);
        Ok(())
    }

    fn sync(&self) -> Result<(), Error> {
        let mut inner = self.lock();
        for batch in std::mem::take(&mut inner.unsynced) {
            apply(&mut inner.durable, &batch);
        }
        Ok(())
    }
}
