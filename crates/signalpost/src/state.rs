//! The store: everything folded from the log, and what is defined.
//!
//! One small trait: get, scan, commit. A batch is atomic; it is durable after
//! the next [`Store::sync`], and until then a crash may take it back whole and
//! in order: a later batch never survives an earlier one.

pub mod fjall;
pub mod memory;

use std::ops::ControlFlow;

use thiserror::Error;

/// The tables of the store. Keys sort by bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// Profile's place → profile record.
    Profiles,
    /// Profile's place, time, sequence → event.
    Timeline,
    /// Partition, due time, profile key → nothing.
    Timers,
    /// Segment number, profile key → membership.
    Members,
    /// Partition, sequence → membership change. Never deleted but by erasure.
    Changes,
    /// Segment number, profile key, sequence → membership change.
    History,
    /// Partition, sequence → derived event or retraction, for the lake.
    Derived,
    /// Partition, sequence → a link between a device and a person, for the lake.
    Identities,
    /// Anonymous id → customer id, and those before it when there were any.
    Forwards,
    /// Partition, sequence → a record for another partition's log.
    Relay,
    /// Partition → position on the log; partition, number → an erasure under way.
    Positions,
    /// Partition, sequence → change of the program.
    Program,
    /// Delivery id → delivery.
    Deliveries,
    /// Decision time, delivery id → nothing.
    DeliveryLog,
    /// Next attempt's time, delivery id → nothing.
    Outbox,
    /// Kind, name, version → document.
    Documents,
    /// Segment's name (length first), number → run of its query.
    Runs,
    /// Import id → how far a file was imported.
    Imports,
}

impl Table {
    /// Every table.
    pub const ALL: [Self; 18] = [
        Self::Profiles,
        Self::Timeline,
        Self::Timers,
        Self::Members,
        Self::Changes,
        Self::History,
        Self::Derived,
        Self::Identities,
        Self::Forwards,
        Self::Relay,
        Self::Positions,
        Self::Program,
        Self::Deliveries,
        Self::DeliveryLog,
        Self::Outbox,
        Self::Documents,
        Self::Runs,
        Self::Imports,
    ];

    /// Its name on disk.
    pub fn name(self) -> &'static str {
        match self {
            Self::Profiles => "profiles",
            Self::Timeline => "timeline",
            Self::Timers => "timers",
            Self::Members => "members",
            Self::Changes => "changes",
            Self::History => "history",
            Self::Derived => "derived",
            Self::Identities => "identities",
            Self::Forwards => "forwards",
            Self::Relay => "relay",
            Self::Positions => "positions",
            Self::Program => "program",
            Self::Deliveries => "deliveries",
            Self::DeliveryLog => "delivery_log",
            Self::Outbox => "outbox",
            Self::Documents => "documents",
            Self::Runs => "runs",
            Self::Imports => "imports",
        }
    }
}

/// Why the store failed.
#[derive(Debug, Error)]
pub enum Error {
    /// Another process has the folder.
    #[error("the store in {folder} is in use: does a server run on this folder?")]
    InUse {
        /// Where it is.
        folder: String,
    },
    /// The disk or the engine failed.
    #[error("the store in {folder} failed: {reason}")]
    Unavailable {
        /// Where it is.
        folder: String,
        /// What the engine says.
        reason: String,
    },
    /// A record is damaged.
    #[error("record in table {table} is damaged: {reason}")]
    Damaged {
        /// Where.
        table: &'static str,
        /// What is wrong.
        reason: String,
    },
}

/// Writes that take effect together or not at all.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Table, key, and the value; `None` deletes.
    pub writes: Vec<(Table, Vec<u8>, Option<Vec<u8>>)>,
}

impl Batch {
    /// An empty one, with room for so many writes.
    pub fn with_capacity(writes: usize) -> Self {
        Self { writes: Vec::with_capacity(writes) }
    }

    /// Sets a key.
    pub fn put(&mut self, table: Table, key: Vec<u8>, value: Vec<u8>) {
        self.writes.push((table, key, Some(value)));
    }

    /// Deletes a key.
    pub fn delete(&mut self, table: Table, key: Vec<u8>) {
        self.writes.push((table, key, None));
    }
}

/// A key and its value.
pub type Row = (Vec<u8>, Vec<u8>);

/// What looks at rows, one after the other, until it breaks off.
pub type See<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// Where state is kept.
pub trait Store: Send + Sync + 'static {
    /// The value of a key.
    ///
    /// # Errors
    /// When the disk fails.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Error>;

    /// Shows `see` each key and its value from `from` on, below `to` when given,
    /// ascending, until it has seen enough. It must not ask the store meanwhile.
    ///
    /// # Errors
    /// When the disk fails.
    fn visit(&self, table: Table, from: &[u8], to: Option<&[u8]>, see: &mut See<'_>) -> Result<(), Error>;

    /// Keys from `from` on, below `to` when given, at most `limit`, ascending.
    ///
    /// # Errors
    /// When the disk fails.
    fn scan(&self, table: Table, from: &[u8], to: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, Error> {
        let mut rows = Vec::new();
        if limit > 0 {
            self.visit(table, from, to, &mut |key, value| {
                rows.push((key.to_vec(), value.to_vec()));
                if rows.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
        }
        Ok(rows)
    }

    /// As [`Store::scan`], the keys alone.
    ///
    /// # Errors
    /// When the disk fails.
    fn scan_keys(
        &self,
        table: Table,
        from: &[u8],
        to: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Vec<u8>>, Error> {
        let mut keys = Vec::new();
        if limit > 0 {
            self.visit(table, from, to, &mut |key, _| {
                keys.push(key.to_vec());
                if keys.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
        }
        Ok(keys)
    }

    /// As [`Store::scan`], descending from just below `to`.
    ///
    /// # Errors
    /// When the disk fails.
    fn scan_back(
        &self,
        table: Table,
        from: &[u8],
        to: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, Error>;

    /// Applies a batch atomically.
    ///
    /// # Errors
    /// When the disk fails; nothing of the batch is applied then.
    fn commit(&self, batch: Batch) -> Result<(), Error>;

    /// Makes all committed batches durable.
    ///
    /// # Errors
    /// When the disk fails.
    fn sync(&self) -> Result<(), Error>;
}

/// All rows whose key begins with `prefix`, at most `limit`.
///
/// # Errors
/// When the disk fails.
pub fn scan_prefix<S: Store + ?Sized>(
    store: &S,
    table: Table,
    prefix: &[u8],
    limit: usize,
) -> Result<Vec<Row>, Error> {
    store.scan(table, prefix, prefix_end(prefix).as_deref(), limit)
}

/// The first key after all that begin with `prefix`; `None` when there is none.
pub fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Some(end);
        }
    }
    None
}

/// Reads a postcard value.
///
/// # Errors
/// When the bytes are damaged.
pub fn decode<'a, T: serde::Deserialize<'a>>(table: Table, bytes: &'a [u8]) -> Result<T, Error> {
    postcard::from_bytes(bytes)
        .map_err(|error| Error::Damaged { table: table.name(), reason: error.to_string() })
}

/// Room made for a value, so that most need not grow while they are written.
const EXPECTED_BYTES: usize = 256;

/// Writes a postcard value. Only maps without a known length could fail, and
/// no record holds one.
pub fn encode<T: serde::Serialize>(value: &T) -> Vec<u8> {
    postcard::to_extend(value, Vec::with_capacity(EXPECTED_BYTES)).unwrap_or_default()
}
