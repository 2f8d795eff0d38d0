//! The store on one machine: a fjall database, a keyspace a table.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fjall::compaction::Leveled;
use fjall::config::FilterPolicy;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::{Batch, Error, Row, See, Store, Table};

/// Memory for the engine's block cache, in bytes.
const CACHE_BYTES: u64 = 64 << 20;
/// A keyspace's memtable is written out at this size, in bytes.
const MEMTABLE_BYTES: u64 = 16 << 20;
/// The memtables of the tables that each event writes to, in bytes: what is
/// written out at once is merged with the rest less often.
const BUSY_MEMTABLE_BYTES: u64 = 32 << 20;
/// Tables written out that gather before they are merged with the level below.
/// That level is written anew each time, all of it, since keys come in no order;
/// and what is written out is often small: the latest records of few profiles.
const TABLES_GATHERED: u8 = 16;
/// What is in memtables altogether, in bytes as the engine counts them (twice as
/// much in memory), before a commit waits for the engine. Its one thread writes
/// memtables out and merges tables in turn, and while a merge lasts it would take
/// any amount into memory.
const WAITING_BYTES_MAX: u64 = 128 << 20;
/// How long one commit waits at most, and how often it looks.
const PATIENCE: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(5);
/// Journals are kept up to this size, in bytes; replaying them is most of a restart.
const JOURNAL_BYTES: u64 = 192 << 20;

/// A store in a folder.
#[derive(Clone)]
pub struct FjallStore {
    database: Database,
    tables: HashMap<Table, Keyspace>,
    folder: String,
}

impl std::fmt::Debug for FjallStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FjallStore").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl FjallStore {
    /// Opens the store in `folder`, creating it when absent.
    ///
    /// # Errors
    /// When the folder cannot be used, or another process has it open.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let name = folder.display().to_string();
        let unavailable =
            |error: fjall::Error| Error::Unavailable { folder: name.clone(), reason: error.to_string() };
        let database = crate::database::open(folder, |place| {
            Database::builder(place)
                .cache_size(CACHE_BYTES)
                .max_journaling_size(JOURNAL_BYTES)
                .manual_journal_persist(true)
                // With more, the first one asks for work over and over while
                // another merges tables: a core lost to nothing.
                .worker_threads(1)
                .open()
        })
        .map_err(|error| match error {
            fjall::Error::Locked => Error::InUse { folder: name.clone() },
            other => unavailable(other),
        })?;
        let mut tables = HashMap::new();
        for table in Table::ALL {
            let keyspace = database.keyspace(table.name(), || options(table)).map_err(unavailable)?;
            tables.insert(table, keyspace);
        }
        Ok(Self { database, tables, folder: name })
    }

    fn table(&self, table: Table) -> Result<&Keyspace, Error> {
        self.tables.get(&table).ok_or_else(|| Error::Unavailable {
            folder: self.folder.clone(),
            reason: format!("no table {}", table.name()),
        })
    }

    /// Lets the engine write out what is in memory, when that is too much.
    fn wait_for_room(&self) {
        let started = crate::clock::instant();
        while self.database.write_buffer_size() > WAITING_BYTES_MAX && started.elapsed() < PATIENCE {
            std::thread::park_timeout(LOOK);
        }
    }

    fn failed(&self, error: &impl ToString) -> Error {
        Error::Unavailable { folder: self.folder.clone(), reason: error.to_string() }
    }

    fn collect(&self, rows: impl Iterator<Item = fjall::Guard>, limit: usize) -> Result<Vec<Row>, Error> {
        rows.take(limit)
            .map(|guard| {
                let (key, value) = guard.into_inner().map_err(|error| self.failed(&error))?;
                Ok((key.to_vec(), value.to_vec()))
            })
            .collect()
    }
}

fn options(table: Table) -> KeyspaceCreateOptions {
    let memtable = match table {
        Table::Profiles | Table::Timeline => BUSY_MEMTABLE_BYTES,
        _ => MEMTABLE_BYTES,
    };
    let merging = Leveled::default().with_l0_threshold(TABLES_GATHERED);
    let options =
        KeyspaceCreateOptions::default().max_memtable_size(memtable).compaction_strategy(Arc::new(merging));
    match table {
        // Scanned, never asked for one key.
        Table::Timeline | Table::Timers | Table::Members | Table::Changes | Table::History => {
            options.filter_policy(FilterPolicy::disabled())
        }
        _ => options,
    }
}

/// A batch's writes in the order of the tables' keys, each key's last one: a
/// table in memory takes neighbours faster than strangers.
fn in_order(mut batch: Batch) -> impl Iterator<Item = (Table, Vec<u8>, Option<Vec<u8>>)> {
    batch.writes.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
    batch.writes.dedup_by(|later, earlier| {
        let same = later.0 == earlier.0 && later.1 == earlier.1;
        if same {
            earlier.2 = later.2.take();
        }
        same
    });
    batch.writes.into_iter()
}

impl Store for FjallStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let value = self.table(table)?.get(key).map_err(|error| self.failed(&error))?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn visit(&self, table: Table, from: &[u8], to: Option<&[u8]>, see: &mut See<'_>) -> Result<(), Error> {
        let keyspace = self.table(table)?;
        let rows = match to {
            Some(to) => keyspace.range(from.to_vec()..to.to_vec()),
            None => keyspace.range(from.to_vec()..),
        };
        for guard in rows {
            let (key, value) = guard.into_inner().map_err(|error| self.failed(&error))?;
            if see(&key, &value).is_break() {
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
        let keyspace = self.table(table)?;
        match to {
            Some(to) => self.collect(keyspace.range(from.to_vec()..to.to_vec()).rev(), limit),
            None => self.collect(keyspace.range(from.to_vec()..).rev(), limit),
        }
    }

    fn commit(&self, batch: Batch) -> Result<(), Error> {
        self.wait_for_room();
        let mut writes = self.database.batch();
        for (table, key, value) in in_order(batch) {
            match value {
                Some(value) => writes.insert(self.table(table)?, key, value),
                None => writes.remove(self.table(table)?, key),
            }
        }
        // Into the kernel at once, so that only a power failure, not a kill,
        // can take a batch back; the log makes it good either way.
        writes.durability(Some(PersistMode::Buffer)).commit().map_err(|error| self.failed(&error))
    }

    fn sync(&self) -> Result<(), Error> {
        self.database.persist(PersistMode::SyncData).map_err(|error| self.failed(&error))
    }
}
