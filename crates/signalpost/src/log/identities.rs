//! The identities of events seen: an index of 128-bit numbers, bounded in
//! memory, that is asked for every event that comes.
//!
//! In: each frame's identities, once the frame is on the log. Out: when an
//! identity was last seen. New ones stand in a table in memory; a full table
//! is written as a sorted run, and runs of one size are merged into one. What
//! stands in no run is read from the log again at a start, so the index never
//! needs a sync of its own.

mod filter;
mod run;

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{fs, io};

use signalpost_core::time::{Span, Timestamp};

use run::{Extent, Run};

/// Identities in one table: about 16 MiB.
const TABLE_MAX: usize = 400_000;
/// Full tables that may wait for the disk; then no more events are taken.
const FULL_TABLES_MAX: usize = 8;
/// Runs of one size that become one.
const MERGED: usize = 8;
/// How long a failed write waits before it is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// The index.
#[derive(Debug)]
pub(super) struct Identities {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    /// Runs whose newest identity is older may go.
    remembered: Span,
    state: RwLock<State>,
    work: Mutex<Work>,
    changed: Condvar,
}

/// What the writing thread is told.
#[derive(Debug, Default)]
struct Work {
    stopping: bool,
}

#[derive(Debug)]
struct State {
    /// Takes new identities.
    table: Table,
    /// Wait to be written, newest first.
    full: Vec<Arc<Table>>,
    /// On the disk, newest first.
    runs: Vec<Arc<Run>>,
}

#[derive(Debug)]
struct Table {
    times: HashMap<u128, i64>,
    extent: Extent,
}

impl Table {
    /// An empty one, for what comes behind frame `last`.
    fn behind(last: u64) -> Self {
        let extent = Extent { first: last + 1, last, newest: Timestamp::MIN };
        Self { times: HashMap::default(), extent }
    }
}

impl Identities {
    /// Opens the index in `folder`, making it when absent.
    pub(super) fn open(folder: &Path, remembered: Span) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let runs = open_runs(folder)?;
        let covered = runs.first().map_or(0, |run| run.extent.last);
        let state = State { table: Table::behind(covered), full: Vec::new(), runs };
        let shared = Arc::new(Shared {
            folder: folder.to_owned(),
            remembered,
            state: RwLock::new(state),
            work: Mutex::default(),
            changed: Condvar::new(),
        });
        let writing = Arc::clone(&shared);
        let writer = std::thread::Builder::new().name("identities".into()).spawn(move || {
            crate::priority::yield_to_collecting();
            writing.write_tables();
        })?;
        Ok(Self { shared, writer: Some(writer) })
    }

    /// The last frame whose identities are in a run; later ones must be given
    /// again after a start.
    pub(super) fn covered(&self) -> u64 {
        self.shared.read().runs.first().map_or(0, |run| run.extent.last)
    }

    /// When an identity was last seen.
    pub(super) fn get(&self, identity: u128) -> io::Result<Option<Timestamp>> {
        let state = self.shared.read();
        let tables = std::iter::once(&state.table).chain(state.full.iter().map(|table| &**table));
        for table in tables {
            if let Some(time) = table.times.get(&identity) {
                return Ok(Some(Timestamp::from_micros(*time)));
            }
        }
        for run in &state.runs {
            if let Some(time) = run.get(identity)? {
                return Ok(Some(Timestamp::from_micros(time)));
            }
        }
        Ok(None)
    }

    /// Whether more can be taken: the disk has kept up.
    pub(super) fn has_room(&self) -> bool {
        self.shared.read().full.len() < FULL_TABLES_MAX
    }

    /// Takes the identities of a frame, written at `at`.
    pub(super) fn insert(&self, frame: u64, at: Timestamp, seen: &[(u128, Timestamp)]) {
        let mut state = self.shared.write();
        state.table.times.extend(seen.iter().map(|(identity, time)| (*identity, time.as_micros())));
        let extent = &mut state.table.extent;
        extent.last = extent.last.max(frame);
        extent.newest = extent.newest.max(at);
        if state.table.times.len() >= TABLE_MAX {
            state.turn();
            drop(state);
            self.shared.tell();
        }
    }

    /// Brings everything onto the disk; gives up when the disk fails.
    pub(super) fn flush(&self) {
        self.shared.write().turn();
        self.shared.tell();
        let mut work = self.shared.lock_work();
        while !self.shared.read().full.is_empty() && !work.stopping {
            let (next, waited) =
                self.shared.changed.wait_timeout(work, RETRY).unwrap_or_else(PoisonError::into_inner);
            work = next;
            if waited.timed_out() {
                break;
            }
        }
    }
}

impl Drop for Identities {
    fn drop(&mut self) {
        self.shared.lock_work().stopping = true;
        self.shared.changed.notify_all();
        if let Some(writer) = self.writer.take() {
            // A thread that panicked has said so.
            drop(writer.join());
        }
    }
}

impl State {
    /// Lets the table wait for the disk, and begins a new one.
    fn turn(&mut self) {
        if self.table.times.is_empty() {
            return;
        }
        let next = Table::behind(self.table.extent.last);
        let full = std::mem::replace(&mut self.table, next);
        self.full.insert(0, Arc::new(full));
    }
}

impl Shared {
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes whoever waits. Under the lock, so that nobody who is about to wait
    /// misses it.
    fn tell(&self) {
        let work = self.lock_work();
        self.changed.notify_all();
        drop(work);
    }

    fn lock_work(&self) -> std::sync::MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The writing thread: oldest table first, so that runs stay in order.
    fn write_tables(&self) {
        loop {
            let oldest = self.read().full.last().cloned();
            let failed = oldest.is_some_and(|table| {
                let outcome = self.write_table(&table).and_then(|()| self.tidy());
                if let Err(error) = &outcome {
                    tracing::warn!(%error, "identities of events could not be written; trying again");
                }
                outcome.is_err()
            });
            let work = self.lock_work();
            if work.stopping {
                return;
            }
            if failed || self.read().full.is_empty() {
                drop(self.changed.wait_timeout(work, RETRY).unwrap_or_else(PoisonError::into_inner));
            }
        }
    }

    fn write_table(&self, table: &Table) -> io::Result<()> {
        let mut entries: Vec<(u128, i64)> = table.times.iter().map(|(id, time)| (*id, *time)).collect();
        entries.sort_unstable_by_key(|(identity, _)| *identity);
        let run = Run::write(self.path(table.extent), &entries, table.extent)?;
        let mut state = self.write();
        state.runs.insert(0, Arc::new(run));
        state.full.pop();
        drop(state);
        self.tell();
        Ok(())
    }

    fn path(&self, extent: Extent) -> PathBuf {
        self.folder.join(format!("{:020}-{:020}.run", extent.first, extent.last))
    }

    /// Merges runs of one size, and lets runs go that are old enough.
    fn tidy(&self) -> io::Result<()> {
        let runs = self.read().runs.clone();
        let newest = runs.first().map_or(Timestamp::MIN, |run| run.extent.newest);
        if let Some(oldest) = runs.last().filter(|run| newest - run.extent.newest > self.remembered) {
            self.write().runs.pop();
            return oldest.delete();
        }
        let alike = runs.chunk_by(|one, other| level(one.entries) == level(other.entries));
        let mut before = 0;
        for chunk in alike {
            if chunk.len() >= MERGED {
                return self.merge(before, chunk);
            }
            before += chunk.len();
        }
        Ok(())
    }

    fn merge(&self, before: usize, chunk: &[Arc<Run>]) -> io::Result<()> {
        let first = chunk.last().map_or(0, |run| run.extent.first);
        let newest = chunk.first().map(|run| run.extent);
        let Some(newest) = newest else { return Ok(()) };
        let inputs: Vec<&Run> = chunk.iter().map(|run| &**run).collect();
        let merged = Run::merge(self.path(Extent { first, ..newest }), &inputs)?;
        self.write().runs.splice(before..before + chunk.len(), [Arc::new(merged)]);
        chunk.iter().try_for_each(|run| run.delete())
    }
}

/// Runs of one level are about of one size.
fn level(entries: usize) -> u32 {
    (entries / TABLE_MAX).checked_ilog(MERGED).map_or(0, |level| level + 1)
}

/// The runs in a folder, newest first. What a merge left half done goes.
fn open_runs(folder: &Path) -> io::Result<Vec<Arc<Run>>> {
    let mut runs = Vec::new();
    for found in fs::read_dir(folder)? {
        let path = found?.path();
        match path.extension().and_then(OsStr::to_str) {
            Some("run") => runs.push(Run::open(path)?),
            Some("new") => fs::remove_file(path)?,
            _ => {}
        }
    }
    runs.sort_by_key(|run| (run.extent.first, std::cmp::Reverse(run.extent.last)));
    let mut kept: Vec<Arc<Run>> = Vec::new();
    for run in runs {
        match kept.last() {
            // Merged into that one already.
            Some(held) if run.extent.last <= held.extent.last => run.delete()?,
            _ => kept.push(Arc::new(run)),
        }
    }
    kept.reverse();
    Ok(kept)
}
