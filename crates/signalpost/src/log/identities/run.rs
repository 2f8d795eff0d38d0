//! A run: many identities in one file, sorted, written once and never changed.
//!
//! ```text
//! header   magic, version, entries, first and last frame, newest time, CRC
//! entries  identity (16 bytes, big endian), time (8 bytes): sorted
//! footer   every 128th identity's upper half, the filter's words, CRC
//! ```
//!
//! Header and footer stay in memory, 13 bits an entry; an entry is read from
//! the disk only when the filter says that it may be there.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use signalpost_core::time::Timestamp;

use super::filter::Filter;

const MAGIC: &[u8; 4] = b"SPI1";
const HEADER_BYTES: usize = 48;
const ENTRY_BYTES: usize = 24;
/// Entries between two places the footer knows.
const STRIDE: usize = 128;

/// What a run holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// The first frame of the log whose identities are here.
    pub(super) first: u64,
    /// The last.
    pub(super) last: u64,
    /// The newest frame's time.
    pub(super) newest: Timestamp,
}

/// A run that can be asked.
#[derive(Debug)]
pub(super) struct Run {
    /// What it holds.
    pub(super) extent: Extent,
    /// How many identities.
    pub(super) entries: usize,
    path: PathBuf,
    file: File,
    places: Vec<u64>,
    filter: Filter,
}

/// Writes a run's file, entry by entry.
struct Builder {
    out: BufWriter<File>,
    places: Vec<u64>,
    filter: Filter,
    entries: usize,
}

fn upper(identity: u128) -> u64 {
    (identity >> 64) as u64
}

impl Builder {
    fn begin(path: &Path, expected: usize) -> io::Result<Self> {
        let mut out = BufWriter::with_capacity(1 << 18, File::create(path)?);
        out.write_all(&[0; HEADER_BYTES])?;
        Ok(Self { out, places: Vec::new(), filter: Filter::new(expected), entries: 0 })
    }

    fn put(&mut self, identity: u128, time: i64) -> io::Result<()> {
        self.out.write_all(&identity.to_be_bytes())?;
        self.out.write_all(&time.to_be_bytes())?;
        if self.entries.is_multiple_of(STRIDE) {
            self.places.push(upper(identity));
        }
        self.filter.insert(identity);
        self.entries += 1;
        Ok(())
    }

    fn finish(mut self, extent: Extent) -> io::Result<()> {
        let words = self.places.iter().copied().chain(self.filter.words());
        let footer: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
        self.out.write_all(&footer)?;
        self.out.write_all(&crc32fast::hash(&footer).to_le_bytes())?;
        let file = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.write_all_at(&header(extent, self.entries), 0)?;
        file.sync_all()
    }
}

fn header(extent: Extent, entries: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES);
    bytes.extend(MAGIC);
    bytes.extend([0; 4]);
    for number in [entries as u64, extent.first, extent.last] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(extent.newest.as_micros().to_le_bytes());
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes.resize(HEADER_BYTES, 0);
    bytes
}

fn word(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn read_header(bytes: &[u8]) -> io::Result<(Extent, usize)> {
    let (content, rest) = bytes.split_at_checked(40).ok_or_else(|| bad("the header is too short"))?;
    let crc = rest.get(..4).map_or(0, word);
    if !content.starts_with(MAGIC) || u64::from(crc32fast::hash(content)) != crc {
        return Err(bad("the header's checksum does not fit"));
    }
    let mut numbers = content.get(8..).unwrap_or_default().chunks_exact(8).map(word);
    let mut next = || numbers.next().unwrap_or_default();
    let (entries, first, last, newest) = (next(), next(), next(), next());
    let entries = usize::try_from(entries).map_err(|_| bad("the header tells too many entries"))?;
    let newest = Timestamp::from_micros(newest.cast_signed());
    Ok((Extent { first, last, newest }, entries))
}

fn entry(bytes: &[u8]) -> (u128, i64) {
    let number = |bytes: &[u8]| bytes.iter().fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    let (identity, time) = bytes.split_at_checked(16).unwrap_or_default();
    #[expect(clippy::cast_possible_truncation, reason = "eight bytes")]
    let time = (number(time) as u64).cast_signed();
    (number(identity), time)
}

/// A run's entries in order, read once from its beginning.
struct Entries {
    input: BufReader<File>,
    left: usize,
}

impl Entries {
    fn next(&mut self) -> io::Result<Option<(u128, i64)>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let mut bytes = [0; ENTRY_BYTES];
        self.input.read_exact(&mut bytes)?;
        Ok(Some(entry(&bytes)))
    }
}

impl Run {
    /// Writes `entries`, which are sorted and distinct, and opens what was
    /// written. The file has its name only when it is whole and on the disk.
    pub(super) fn write(path: PathBuf, entries: &[(u128, i64)], extent: Extent) -> io::Result<Self> {
        let aside = path.with_extension("new");
        let mut builder = Builder::begin(&aside, entries.len())?;
        for (identity, time) in entries {
            builder.put(*identity, *time)?;
        }
        builder.finish(extent)?;
        publish(&aside, &path)?;
        Self::open(path)
    }

    /// Makes one run of several, newest first; of equal identities the newest
    /// run's time counts.
    pub(super) fn merge(path: PathBuf, runs: &[&Self]) -> io::Result<Self> {
        let extent = Extent {
            first: runs.iter().map(|run| run.extent.first).min().unwrap_or(0),
            last: runs.iter().map(|run| run.extent.last).max().unwrap_or(0),
            newest: runs.iter().map(|run| run.extent.newest).max().unwrap_or(Timestamp::MIN),
        };
        let aside = path.with_extension("new");
        let mut builder = Builder::begin(&aside, runs.iter().map(|run| run.entries).sum())?;
        let mut inputs = runs.iter().map(|run| run.entries()).collect::<io::Result<Vec<_>>>()?;
        let mut heads = inputs.iter_mut().map(Entries::next).collect::<io::Result<Vec<_>>>()?;
        // The first of equals is the newest.
        while let Some((identity, time)) = heads.iter().flatten().min_by_key(|(id, _)| *id).copied() {
            builder.put(identity, time)?;
            for (head, input) in heads.iter_mut().zip(&mut inputs) {
                if head.is_some_and(|(held, _)| held == identity) {
                    *head = input.next()?;
                }
            }
        }
        builder.finish(extent)?;
        publish(&aside, &path)?;
        Self::open(path)
    }

    /// Opens a run's file.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        let file = File::open(&path)?;
        let mut bytes = [0; HEADER_BYTES];
        file.read_exact_at(&mut bytes, 0)?;
        let (extent, entries) = read_header(&bytes)?;
        let start = (HEADER_BYTES + entries.saturating_mul(ENTRY_BYTES)) as u64;
        let length = file.metadata()?.len().checked_sub(start).ok_or_else(|| bad("entries are missing"))?;
        let mut footer = vec![0; usize::try_from(length).map_err(|_| bad("the footer is too long"))?];
        file.read_exact_at(&mut footer, start)?;
        let (words, crc) = footer.split_last_chunk::<4>().ok_or_else(|| bad("the footer is missing"))?;
        if crc32fast::hash(words) != u32::from_le_bytes(*crc) {
            return Err(bad("the footer's checksum does not fit"));
        }
        let mut words = words.chunks_exact(8).map(word);
        let places: Vec<u64> = words.by_ref().take(entries.div_ceil(STRIDE)).collect();
        let filter = Filter::from_words(words).ok_or_else(|| bad("the filter is not whole"))?;
        Ok(Self { extent, entries, path, file, places, filter })
    }

    /// The time held for an identity.
    pub(super) fn get(&self, identity: u128) -> io::Result<Option<i64>> {
        if !self.filter.may_hold(identity) {
            return Ok(None);
        }
        // Entries of one upper half may begin in the stride before.
        let from = self.places.partition_point(|place| *place < upper(identity)).saturating_sub(1);
        let to = self.places.partition_point(|place| *place <= upper(identity)).max(from + 1);
        let (from, to) = (from * STRIDE, (to * STRIDE).min(self.entries));
        let mut bytes = vec![0; to.saturating_sub(from) * ENTRY_BYTES];
        self.file.read_exact_at(&mut bytes, (HEADER_BYTES + from * ENTRY_BYTES) as u64)?;
        let found = bytes.chunks_exact(ENTRY_BYTES).map(entry).find(|(held, _)| *held == identity);
        Ok(found.map(|(_, time)| time))
    }

    fn entries(&self) -> io::Result<Entries> {
        let mut input = BufReader::with_capacity(1 << 16, File::open(&self.path)?);
        let mut header = [0; HEADER_BYTES];
        input.read_exact(&mut header)?;
        Ok(Entries { input, left: self.entries })
    }

    /// Deletes the file; whoever still asks it may go on.
    pub(super) fn delete(&self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}

/// Gives a whole file its name, durably.
fn publish(aside: &Path, path: &Path) -> io::Result<()> {
    fs::rename(aside, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
