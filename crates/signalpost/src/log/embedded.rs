//! The log on one machine: a folder.
//!
//! ```text
//! journal/       what was accepted, frame by frame: the one thing that is synced
//! identities/    which events were seen, made from the journal
//! quarantine/    refused events, made from the journal
//! acknowledged   the last frame that was acknowledged, to find damage by
//! ```

mod frame;
mod journal;
mod quarantine;
mod segment;
mod window;

use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use signalpost_core::time::{Span, Timestamp};

use super::dedup::REMEMBERED;
use super::identities::Identities;
use super::{Appended, Error, Group, Log, QuarantineId, Quarantined, Record};
use frame::ByPartition;
use journal::{Journal, Met};
use quarantine::{Change, Quarantine};

/// Records a partition keeps in memory for its readers.
const TAIL_RECORDS: usize = 8_192;

/// Room kept for the next frame's bytes at most.
const FRAME_ROOM_BYTES: usize = 8 << 20;

/// How the log is made.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Partitions, when the log is made for the first time.
    pub partitions: u32,
    /// Appends are refused while the disk has less than this free, in bytes,
    /// so that nothing ever meets a full disk.
    pub min_free_bytes: u64,
    /// A segment of the journal is followed by the next at this size, in bytes.
    pub segment_bytes: u64,
    /// How long the ids of events are remembered at least.
    pub remembered: Span,
}

impl Default for Settings {
    fn default() -> Self {
        Self { partitions: 4, min_free_bytes: 64 << 20, segment_bytes: 64 << 20, remembered: REMEMBERED }
    }
}

/// The log in a folder.
#[derive(Debug)]
pub struct EmbeddedLog {
    journal: Journal,
    identities: Identities,
    quarantine: Quarantine,
    partitions: Vec<Partition>,
    latest: AtomicI64,
    acknowledged: File,
    /// Room for the next frame's bytes.
    frame: Mutex<Vec<u8>>,
    min_free_bytes: u64,
    segment_bytes: u64,
}

#[derive(Debug, Default)]
struct Partition {
    end: AtomicU64,
    tail: Mutex<Tail>,
}

/// A partition's newest records.
#[derive(Debug, Default)]
struct Tail {
    records: VecDeque<(u64, Arc<Record>)>,
    /// Records that have left it. The next reader lets them go, since taking an
    /// event apart is work that accepting the next need not wait for.
    left: Vec<(u64, Arc<Record>)>,
}

impl Tail {
    fn extend(&mut self, records: impl Iterator<Item = (u64, Arc<Record>)>) {
        self.records.extend(records);
        let surplus = self.records.len().saturating_sub(TAIL_RECORDS);
        if self.left.len() > 2 * TAIL_RECORDS {
            self.left.clear();
        }
        self.left.extend(self.records.drain(..surplus));
    }

    /// Records from `offset` on, when it still holds that one.
    fn read(&self, offset: u64, limit: usize) -> Option<Vec<(u64, Arc<Record>)>> {
        let (first, _) = self.records.front().filter(|(first, _)| *first <= offset)?;
        let skip = usize::try_from(offset - first).unwrap_or(usize::MAX);
        Some(self.records.range(skip.min(self.records.len())..).take(limit).cloned().collect())
    }
}

fn unavailable(error: &impl ToString) -> Error {
    Error::Unavailable { reason: error.to_string() }
}

impl EmbeddedLog {
    /// Opens the log in `folder`, creating it when absent.
    ///
    /// # Errors
    /// When the folder cannot be used, or acknowledged records are missing.
    pub fn open(folder: &Path, settings: &Settings) -> Result<Self, Error> {
        refuse_foreign(folder)?;
        let journal_folder = folder.join("journal");
        std::fs::create_dir_all(&journal_folder).map_err(|error| unavailable(&error))?;
        // First, since it holds the folder against a second process.
        let quarantine = Quarantine::open(&folder.join("quarantine"))?;
        let journal = Journal::open(&journal_folder, settings.partitions)?;
        let identities = Identities::open(&folder.join("identities"), settings.remembered)
            .map_err(|error| unavailable(&error))?;
        let acknowledged = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(folder.join("acknowledged"))
            .map_err(|error| unavailable(&error))?;
        let mut log = Self {
            journal,
            identities,
            quarantine,
            partitions: Vec::new(),
            latest: AtomicI64::new(i64::MIN),
            acknowledged,
            frame: Mutex::default(),
            min_free_bytes: settings.min_free_bytes,
            segment_bytes: settings.segment_bytes,
        };
        log.recover()?;
        Ok(log)
    }

    /// Reads the journal's end again: where each partition stands, and what
    /// the tables beside it may lack.
    fn recover(&mut self) -> Result<(), Error> {
        let last = self.journal.last_segment().ok_or_else(|| unavailable(&"there is no segment"))?;
        let mut ends = last.offsets.clone();
        let mut latest = last.newest_before;
        let (covered, applied) = (self.identities.covered(), self.quarantine.applied()?);
        self.journal.recover(covered.min(last.first_frame - 1), &mut |met: Met| {
            let (number, at) = (met.header.number, met.header.at);
            latest = latest.max(at);
            for section in met.sections {
                if let Some(end) = ends.get_mut(section.partition as usize) {
                    *end = (*end).max(section.first + u64::from(section.records));
                }
            }
            if number > covered {
                self.identities.insert(number, at, &met.tail.seen);
            }
            if number > applied {
                let (added, released) = (met.tail.quarantined, met.tail.released);
                self.quarantine.take(Change { frame: number, added, released });
            }
        })?;
        self.latest = AtomicI64::new(latest.as_micros());
        let partition = |end| Partition { end: AtomicU64::new(end), tail: Mutex::default() };
        self.partitions = ends.into_iter().map(partition).collect();
        self.check_acknowledged()
    }

    /// Compares what was recovered with what was acknowledged.
    fn check_acknowledged(&self) -> Result<(), Error> {
        let mut bytes = [0; 12];
        if self.acknowledged.read_exact_at(&mut bytes, 0).is_err() {
            return Ok(());
        }
        let (number, crc) = bytes.split_at(8);
        if crc32fast::hash(number).to_le_bytes() != *crc {
            return Ok(());
        }
        let acknowledged = number.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
        let next = self.journal.next_frame();
        if next > acknowledged {
            return Ok(());
        }
        Err(Error::Damaged {
            partition: 0,
            offset: self.end(0),
            reason: format!(
                "frames up to {acknowledged} were acknowledged, and those from {next} on are gone"
            ),
        })
    }

    fn note_acknowledged(&self, frame: u64) {
        let number = frame.to_le_bytes();
        let mut bytes = [0; 12];
        let noted =
            number.iter().chain(&crc32fast::hash(&number).to_le_bytes()).copied().collect::<Vec<u8>>();
        bytes.iter_mut().zip(noted).for_each(|(place, byte)| *place = byte);
        // It only ever helps to find damage: failing to note costs that help, no data.
        if let Err(error) = self.acknowledged.write_all_at(&bytes, 0) {
            tracing::warn!(%error, "could not note what was acknowledged");
        }
    }

    fn check_space(&self) -> Result<(), Error> {
        let space = rustix::fs::fstatvfs(&self.acknowledged).map_err(|error| unavailable(&error))?;
        let free = space.f_bavail.saturating_mul(space.f_frsize);
        if free < self.min_free_bytes {
            return Err(Error::Unavailable {
                reason: format!(
                    "the disk has {free} bytes free, and {} are kept in reserve",
                    self.min_free_bytes
                ),
            });
        }
        if !self.identities.has_room() {
            return Err(unavailable(&"the identities of events cannot be written"));
        }
        Ok(())
    }

    /// Begins a new segment when the last is full. What the tables beside the
    /// journal hold must be durable first: only the last segment is read again
    /// for them.
    fn turn_segment(&self) -> Result<(), Error> {
        if self.journal.length() < self.segment_bytes {
            return Ok(());
        }
        self.quarantine.sync()?;
        let offsets = self.partitions.iter().map(|held| held.end.load(Ordering::Acquire)).collect();
        self.journal.begin_segment(offsets, self.latest()).map_err(|error| unavailable(&error))
    }

    /// A group's records by partition, each with the partition's next offset.
    fn sort(&self, records: Vec<Appended>) -> Result<ByPartition, Error> {
        let mut sorted: ByPartition =
            self.partitions.iter().map(|held| (held.end.load(Ordering::Acquire), Vec::new())).collect();
        for appended in records {
            match sorted.get_mut(appended.partition as usize) {
                Some((_, records)) => records.push((appended.record, appended.encoded)),
                None => return Err(unavailable(&format!("there is no partition {}", appended.partition))),
            }
        }
        Ok(sorted)
    }

    /// Lets readers see what is durable now.
    fn publish(&self, sorted: ByPartition) {
        for (held, (first, records)) in self.partitions.iter().zip(sorted) {
            let end = first + records.len() as u64;
            let mut tail = held.tail.lock().unwrap_or_else(PoisonError::into_inner);
            tail.extend((first..).zip(records.into_iter().map(|(record, _)| record)));
            held.end.store(end, Ordering::Release);
        }
    }
}

/// A folder that some other program, or a version before this form, has made
/// is left alone.
fn refuse_foreign(folder: &Path) -> Result<(), Error> {
    let Ok(mut found) = folder.read_dir() else { return Ok(()) };
    if found.next().is_some() && !folder.join("journal").is_dir() {
        return Err(Error::Unavailable {
            reason: format!(
                "{} holds something that is not a log of this version; move it away or name another data folder",
                folder.display()
            ),
        });
    }
    Ok(())
}

impl Log for EmbeddedLog {
    fn partitions(&self) -> u32 {
        u32::try_from(self.partitions.len()).unwrap_or(u32::MAX)
    }

    fn append(&self, mut group: Group) -> Result<(), Error> {
        self.check_space()?;
        self.turn_segment()?;
        let sorted = self.sort(std::mem::take(&mut group.records))?;
        let newest =
            sorted.iter().filter_map(|(_, records)| records.last()).map(|(record, _)| record.at).max();
        let at = newest.unwrap_or_else(|| self.latest());
        let number = self.journal.next_frame();
        let segment = self.journal.last_segment().ok_or_else(|| unavailable(&"there is no segment"))?;
        let first_refused = self.quarantine.next_id();
        let mut room = self.frame.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = frame::encode(
            number,
            at,
            segment.salt,
            &sorted,
            &group,
            first_refused,
            std::mem::take(&mut room),
        )
        .map_err(|error| unavailable(&error))?;
        self.journal.append(&bytes).map_err(|error| unavailable(&error))?;
        if bytes.capacity() <= FRAME_ROOM_BYTES {
            *room = bytes;
        }
        drop(room);
        self.identities.insert(number, at, &group.seen);
        let added = (first_refused, group.quarantined);
        self.quarantine.take(Change { frame: number, added, released: group.released });
        self.latest.fetch_max(at.as_micros(), Ordering::AcqRel);
        self.publish(sorted);
        self.note_acknowledged(number);
        Ok(())
    }

    fn read(&self, partition: u32, offset: u64, limit: usize) -> Result<Vec<(u64, Arc<Record>)>, Error> {
        let Some(held) = self.partitions.get(partition as usize) else { return Ok(Vec::new()) };
        let end = held.end.load(Ordering::Acquire);
        if offset >= end {
            return Ok(Vec::new());
        }
        let (left, found) = {
            let mut tail = held.tail.lock().unwrap_or_else(PoisonError::into_inner);
            (std::mem::take(&mut tail.left), tail.read(offset, limit))
        };
        drop(left);
        match found {
            Some(records) => Ok(records),
            None => self.journal.read(partition, offset, end, limit),
        }
    }

    fn end(&self, partition: u32) -> u64 {
        self.partitions.get(partition as usize).map_or(0, |held| held.end.load(Ordering::Acquire))
    }

    fn trim(&self, needed: &[u64], before: Timestamp) -> Result<(), Error> {
        let may_go = |covered: u64, next: &segment::Segment| {
            next.newest_before < before
                && next.first_frame <= covered + 1
                && next.offsets.iter().zip(needed).all(|(begins, needed)| begins <= needed)
        };
        if self.journal.second_segment().is_some_and(|next| may_go(u64::MAX - 1, &next)) {
            // Their identities must outlive them.
            self.identities.flush();
        }
        let covered = self.identities.covered();
        self.journal.trim(|next| may_go(covered, next))
    }

    fn seen(&self, identity: u128) -> Result<Option<Timestamp>, Error> {
        self.identities.get(identity).map_err(|error| unavailable(&error))
    }

    fn latest(&self) -> Timestamp {
        Timestamp::from_micros(self.latest.load(Ordering::Acquire))
    }

    fn quarantined(
        &self,
        from: QuarantineId,
        limit: usize,
    ) -> Result<Vec<(QuarantineId, Quarantined)>, Error> {
        self.quarantine.list(from, limit)
    }

    fn holds_quarantined(&self, id: QuarantineId) -> Result<bool, Error> {
        self.quarantine.holds(id)
    }

    fn quarantine_len(&self) -> u64 {
        self.quarantine.len()
    }
}
