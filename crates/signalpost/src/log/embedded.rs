//! The log on one machine: a fjall database, one entry a partition a group.
//!
//! An entry carries a version and a CRC, and entries follow each other without
//! a gap. A small file beside the database tells what was acknowledged: should
//! recovery ever end before that, it is damage and is reported, not passed over.

use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use signalpost_core::time::Timestamp;

use super::dedup::REMEMBERED;
use super::{Error, Group, Log, QuarantineId, Quarantined, Record};

/// The version of an entry's form.
const ENTRY_VERSION: u8 = 1;
/// Records a partition keeps in memory for its readers.
const TAIL_RECORDS: usize = 16_384;
/// Memory for the engine's block cache, in bytes.
const CACHE_BYTES: u64 = 64 << 20;
/// Bytes before an entry's records: version, CRC, number of records.
const HEADER_BYTES: usize = 9;

/// How the log is made.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Partitions, when the log is made for the first time.
    pub partitions: u32,
    /// Appends are refused while the disk has less than this free, in bytes,
    /// so that the engine itself never meets a full disk.
    pub min_free_bytes: u64,
}

/// The log in a folder.
pub struct EmbeddedLog {
    database: Database,
    entries: Keyspace,
    seen: [Keyspace; 2],
    quarantine: Keyspace,
    meta: Keyspace,
    partitions: Vec<Partition>,
    generation: RwLock<Generation>,
    acknowledged: File,
    latest: AtomicI64,
    next_quarantine: AtomicU64,
    quarantined: AtomicU64,
    folder: std::path::PathBuf,
    min_free_bytes: u64,
}

#[derive(Debug, Default)]
struct Partition {
    end: AtomicU64,
    tail: Mutex<VecDeque<(u64, Arc<Record>)>>,
}

/// Which of the two identity tables is written, and since when.
#[derive(Clone, Copy, Debug)]
struct Generation {
    current: usize,
    since: Timestamp,
}

impl std::fmt::Debug for EmbeddedLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedLog").field("folder", &self.folder).finish_non_exhaustive()
    }
}

fn unavailable(error: &impl ToString) -> Error {
    Error::Unavailable { reason: error.to_string() }
}

fn entry_key(partition: u32, offset: u64) -> [u8; 12] {
    let mut key = [0; 12];
    let (head, tail) = key.split_at_mut(4);
    head.copy_from_slice(&partition.to_be_bytes());
    tail.copy_from_slice(&offset.to_be_bytes());
    key
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().take(8).rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

impl EmbeddedLog {
    /// Opens the log in `folder`, creating it when absent.
    ///
    /// # Errors
    /// When the folder cannot be used, or acknowledged records are missing.
    pub fn open(folder: &Path, settings: &Settings) -> Result<Self, Error> {
        let database = crate::database::open(folder, |place| {
            Database::builder(place).cache_size(CACHE_BYTES).manual_journal_persist(true).open()
        })
        .map_err(|error| match error {
            fjall::Error::Locked => Error::InUse,
            other => unavailable(&other),
        })?;
        let keyspace = |name: &str, memtable: u64| {
            database
                .keyspace(name, || KeyspaceCreateOptions::default().max_memtable_size(memtable))
                .map_err(|error| unavailable(&error))
        };
        let entries = keyspace("entries", 32 << 20)?;
        let seen = [keyspace("seen_0", 32 << 20)?, keyspace("seen_1", 32 << 20)?];
        let quarantine = keyspace("quarantine", 8 << 20)?;
        let meta = keyspace("meta", 1 << 20)?;
        let acknowledged = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(folder.join("acknowledged"))
            .map_err(|error| unavailable(&error))?;
        let mut log = Self {
            database,
            entries,
            seen,
            quarantine,
            meta,
            partitions: Vec::new(),
            generation: RwLock::new(Generation { current: 0, since: Timestamp::MIN }),
            acknowledged,
            latest: AtomicI64::new(i64::MIN),
            next_quarantine: AtomicU64::new(1),
            quarantined: AtomicU64::new(0),
            folder: folder.to_owned(),
            min_free_bytes: settings.min_free_bytes,
        };
        log.recover(settings)?;
        Ok(log)
    }

    fn recover(&mut self, settings: &Settings) -> Result<(), Error> {
        let partitions = self.meta_number("partitions")?.unwrap_or_else(|| u64::from(settings.partitions));
        self.put_meta("partitions", partitions)?;
        let partitions = u32::try_from(partitions).map_err(|error| unavailable(&error))?;
        if let Some(current) = self.meta_number("generation")? {
            let since = self.meta_number("generation_since")?.unwrap_or(0);
            let generation = Generation {
                current: usize::from(current == 1),
                since: Timestamp::from_micros(i64::try_from(since).unwrap_or(0)),
            };
            self.generation = RwLock::new(generation);
        }
        for partition in 0..partitions {
            let end = self.recover_end(partition)?;
            self.partitions.push(Partition { end: AtomicU64::new(end), tail: Mutex::default() });
        }
        self.check_acknowledged()?;
        if let Some(last) = self.quarantine.last_key_value() {
            let key = last.key().map_err(|error| unavailable(&error))?;
            self.next_quarantine.store(number(&key) + 1, Ordering::Release);
        }
        self.quarantined.store(self.quarantine.approximate_len() as u64, Ordering::Release);
        Ok(())
    }

    /// The end of a partition: behind its last entry.
    fn recover_end(&self, partition: u32) -> Result<u64, Error> {
        let prefix = partition.to_be_bytes();
        let Some(last) = self.entries.prefix(prefix).next_back() else {
            return Ok(self.meta_number(&format!("end_{partition}"))?.unwrap_or(0));
        };
        let (key, value) = last.into_inner().map_err(|error| unavailable(&error))?;
        let first = number(&key);
        let records = decode_entry(partition, first, &value)?;
        if let Some(record) = records.last() {
            self.latest.fetch_max(record.at.as_micros(), Ordering::AcqRel);
        }
        Ok(first + records.len() as u64)
    }

    /// Compares what was recovered with what was acknowledged.
    fn check_acknowledged(&self) -> Result<(), Error> {
        let mut bytes = vec![0; 4 + 8 * self.partitions.len()];
        if self.acknowledged.read_exact_at(&mut bytes, 0).is_err() {
            return Ok(());
        }
        let (crc, ends) = bytes.split_at(4);
        if crc32fast::hash(ends).to_be_bytes() != *crc {
            return Ok(());
        }
        for ((partition, held), end) in (0_u32..).zip(&self.partitions).zip(ends.chunks_exact(8)) {
            let found = held.end.load(Ordering::Acquire);
            let acknowledged = number(end);
            if found < acknowledged {
                return Err(Error::Damaged {
                    partition,
                    offset: found,
                    reason: format!(
                        "records up to {acknowledged} were acknowledged, and those from {found} on are gone"
                    ),
                });
            }
        }
        Ok(())
    }

    fn note_acknowledged(&self) {
        let mut ends = Vec::with_capacity(8 * self.partitions.len());
        for partition in &self.partitions {
            ends.extend_from_slice(&partition.end.load(Ordering::Acquire).to_be_bytes());
        }
        let mut bytes = crc32fast::hash(&ends).to_be_bytes().to_vec();
        bytes.extend_from_slice(&ends);
        // It only ever helps to find damage: failing to note costs that help, no data.
        if let Err(error) = self.acknowledged.write_all_at(&bytes, 0) {
            tracing::warn!(%error, "could not note what was acknowledged");
        }
    }

    fn meta_number(&self, name: &str) -> Result<Option<u64>, Error> {
        let value = self.meta.get(name).map_err(|error| unavailable(&error))?;
        Ok(value.map(|value| number(&value)))
    }

    fn put_meta(&self, name: &str, value: u64) -> Result<(), Error> {
        self.meta.insert(name, value.to_be_bytes()).map_err(|error| unavailable(&error))
    }

    fn check_space(&self) -> Result<(), Error> {
        let space = rustix::fs::statvfs(&self.folder).map_err(|error| unavailable(&error))?;
        let free = space.f_bavail.saturating_mul(space.f_frsize);
        if free < self.min_free_bytes {
            return Err(Error::Unavailable {
                reason: format!(
                    "the disk has {free} bytes free, and {} are kept in reserve",
                    self.min_free_bytes
                ),
            });
        }
        Ok(())
    }

    /// Begins a new table of identities when the current one is old enough
    /// that everything in the other has been remembered long enough.
    fn turn_generation(&self, now: Timestamp) -> Result<Generation, Error> {
        let held = *self.generation.read().unwrap_or_else(PoisonError::into_inner);
        if held.since != Timestamp::MIN && now - held.since < REMEMBERED {
            return Ok(held);
        }
        let next = match held.since {
            Timestamp::MIN => Generation { current: held.current, since: now },
            _ => Generation { current: 1 - held.current, since: now },
        };
        if let Some(oldest) = self.seen.get(next.current).filter(|_| next.current != held.current) {
            oldest.clear().map_err(|error| unavailable(&error))?;
        }
        self.put_meta("generation", next.current as u64)?;
        self.put_meta("generation_since", u64::try_from(now.as_micros()).unwrap_or(0))?;
        *self.generation.write().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(next)
    }
}

fn encode_entry(records: &[Arc<Record>]) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; HEADER_BYTES];
    for record in records {
        bytes = postcard::to_extend(&**record, bytes).map_err(|error| unavailable(&error))?;
    }
    let count = u32::try_from(records.len()).map_err(|error| unavailable(&error))?;
    let (header, body) = bytes.split_at_mut(HEADER_BYTES);
    let mut crc = crc32fast::Hasher::new();
    crc.update(&count.to_be_bytes());
    crc.update(body);
    let crc = crc.finalize().to_be_bytes();
    for (place, byte) in
        header.iter_mut().zip([ENTRY_VERSION].into_iter().chain(crc).chain(count.to_be_bytes()))
    {
        *place = byte;
    }
    Ok(bytes)
}

fn decode_entry(partition: u32, offset: u64, bytes: &[u8]) -> Result<Vec<Arc<Record>>, Error> {
    let damaged = |reason: String| Error::Damaged { partition, offset, reason };
    let Some((header, mut body)) = bytes.split_at_checked(HEADER_BYTES) else {
        return Err(damaged("the entry is too short".into()));
    };
    let (version, rest) = header.split_first().unwrap_or((&0, &[]));
    if *version != ENTRY_VERSION {
        return Err(damaged(format!("the entry has version {version}, this program reads {ENTRY_VERSION}")));
    }
    let (crc, count) = rest.split_at(4);
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(count);
    hasher.update(body);
    if hasher.finalize().to_be_bytes() != *crc {
        return Err(damaged("the checksum does not fit".into()));
    }
    let mut records = Vec::new();
    for _ in 0..number(count) {
        let (record, rest) = postcard::take_from_bytes(body).map_err(|error| damaged(error.to_string()))?;
        records.push(Arc::new(record));
        body = rest;
    }
    Ok(records)
}

impl Log for EmbeddedLog {
    fn partitions(&self) -> u32 {
        u32::try_from(self.partitions.len()).unwrap_or(u32::MAX)
    }

    fn append(&self, group: Group) -> Result<(), Error> {
        self.check_space()?;
        let now = group.records.iter().map(|(_, record)| record.at).max();
        let mut by_partition: Vec<Vec<Arc<Record>>> = vec![Vec::new(); self.partitions.len()];
        for (partition, record) in group.records {
            match by_partition.get_mut(partition as usize) {
                Some(records) => records.push(record),
                None => {
                    return Err(Error::Unavailable { reason: format!("there is no partition {partition}") });
                }
            }
        }
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        for ((partition, held), records) in (0_u32..).zip(&self.partitions).zip(&by_partition) {
            if !records.is_empty() {
                let key = entry_key(partition, held.end.load(Ordering::Acquire));
                batch.insert(&self.entries, key, encode_entry(records)?);
            }
        }
        let generation = self.turn_generation(now.unwrap_or(Timestamp::MIN.next()))?;
        if let Some(table) = self.seen.get(generation.current) {
            for (identity, at) in group.seen {
                batch.insert(table, identity.to_be_bytes(), at.as_micros().to_be_bytes());
            }
        }
        let added = group.quarantined.len() as u64;
        let first = self.next_quarantine.load(Ordering::Acquire);
        for (id, row) in (first..).zip(group.quarantined) {
            let bytes = postcard::to_stdvec(&row).map_err(|error| unavailable(&error))?;
            batch.insert(&self.quarantine, id.to_be_bytes(), bytes);
        }
        let released = group.released.len() as u64;
        for id in group.released {
            batch.remove(&self.quarantine, id.to_be_bytes());
        }
        batch.commit().map_err(|error| unavailable(&error))?;
        self.next_quarantine.fetch_add(added, Ordering::AcqRel);
        self.quarantined.fetch_add(added, Ordering::AcqRel);
        self.quarantined.fetch_sub(released.min(self.quarantined.load(Ordering::Acquire)), Ordering::AcqRel);
        if let Some(now) = now {
            self.latest.fetch_max(now.as_micros(), Ordering::AcqRel);
        }
        for (held, records) in self.partitions.iter().zip(by_partition) {
            let mut tail = held.tail.lock().unwrap_or_else(PoisonError::into_inner);
            let end = held.end.load(Ordering::Acquire);
            let added = records.len() as u64;
            tail.extend((end..).zip(records));
            let surplus = tail.len().saturating_sub(TAIL_RECORDS);
            tail.drain(..surplus);
            held.end.store(end + added, Ordering::Release);
        }
        self.note_acknowledged();
        Ok(())
    }

    fn read(&self, partition: u32, offset: u64, limit: usize) -> Result<Vec<(u64, Arc<Record>)>, Error> {
        let Some(held) = self.partitions.get(partition as usize) else { return Ok(Vec::new()) };
        {
            let tail = held.tail.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((first, _)) = tail.front()
                && *first <= offset
            {
                let skip = usize::try_from(offset - first).unwrap_or(usize::MAX);
                return Ok(tail.iter().skip(skip).take(limit).cloned().collect());
            }
        }
        let end = held.end.load(Ordering::Acquire);
        let mut found: Vec<(u64, Arc<Record>)> = Vec::new();
        let mut expected = offset;
        // The entry that holds `offset` begins at or before it.
        let below = entry_key(partition, offset.saturating_add(1));
        let start = match self.entries.range(entry_key(partition, 0)..below).next_back() {
            Some(entry) => number(&entry.key().map_err(|error| unavailable(&error))?),
            None => offset,
        };
        for entry in self.entries.range(entry_key(partition, start)..entry_key(partition, end)) {
            let (key, value) = entry.into_inner().map_err(|error| Error::Damaged {
                partition,
                offset: expected,
                reason: error.to_string(),
            })?;
            let first = number(&key);
            let records = decode_entry(partition, first, &value)?;
            if first > expected {
                return Err(Error::Damaged {
                    partition,
                    offset: expected,
                    reason: format!("the next record is {first}"),
                });
            }
            for (at, record) in (first..).zip(records).filter(|(at, _)| *at >= offset) {
                expected = at + 1;
                found.push((at, record));
            }
            if found.len() >= limit {
                break;
            }
        }
        found.truncate(limit);
        if found.is_empty() && offset < end {
            return Err(Error::Damaged {
                partition,
                offset,
                reason: format!("no record before the end at {end}"),
            });
        }
        Ok(found)
    }

    fn end(&self, partition: u32) -> u64 {
        self.partitions.get(partition as usize).map_or(0, |held| held.end.load(Ordering::Acquire))
    }

    fn trim(&self, partition: u32, offset: u64) -> Result<(), Error> {
        let end = self.end(partition);
        let mut batch = self.database.batch();
        let mut previous: Option<Vec<u8>> = None;
        for entry in self.entries.range(entry_key(partition, 0)..entry_key(partition, offset.min(end))) {
            let key = entry.key().map_err(|error| unavailable(&error))?.to_vec();
            // An entry goes when the next one begins at or before the offset.
            if let Some(key) = previous.replace(key) {
                batch.remove(&self.entries, key);
            }
        }
        batch.insert(&self.meta, format!("end_{partition}"), end.to_be_bytes());
        batch.commit().map_err(|error| unavailable(&error))
    }

    fn seen(&self, identity: u128) -> Result<Option<Timestamp>, Error> {
        let generation = *self.generation.read().unwrap_or_else(PoisonError::into_inner);
        let key = identity.to_be_bytes();
        for index in [generation.current, 1 - generation.current] {
            let Some(table) = self.seen.get(index) else { continue };
            if let Some(value) = table.get(key).map_err(|error| unavailable(&error))? {
                let mut micros = [0; 8];
                micros.iter_mut().zip(value.iter()).for_each(|(to, from)| *to = *from);
                return Ok(Some(Timestamp::from_micros(i64::from_be_bytes(micros))));
            }
        }
        Ok(None)
    }

    fn latest(&self) -> Timestamp {
        Timestamp::from_micros(self.latest.load(Ordering::Acquire))
    }

    fn quarantined(
        &self,
        from: QuarantineId,
        limit: usize,
    ) -> Result<Vec<(QuarantineId, Quarantined)>, Error> {
        self.quarantine
            .range(from.to_be_bytes()..)
            .take(limit)
            .map(|row| {
                let (key, value) = row.into_inner().map_err(|error| unavailable(&error))?;
                let row = postcard::from_bytes(&value).map_err(|error| unavailable(&error))?;
                Ok((number(&key), row))
            })
            .collect()
    }

    fn quarantine_len(&self) -> u64 {
        self.quarantined.load(Ordering::Acquire)
    }
}
