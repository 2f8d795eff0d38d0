//! A segment: one file of frames, and what its first bytes say of it.
//!
//! ```text
//! magic, version, partitions, first frame, newest time before it, salt,
//! first offset of each partition, CRC
//! ```

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use signalpost_core::time::Timestamp;

const MAGIC: &[u8; 4] = b"SPLS";
const VERSION: u32 = 2;
/// Bytes before the partitions' offsets.
const FIXED_BYTES: usize = 36;
/// A file of zeros up to this length was being made when the machine stopped;
/// a longer one has had frames, and is damaged.
const UNMADE_BYTES_MAX: usize = 128;
/// Partitions a log can have; more is damage.
const PARTITIONS_MAX: usize = 1 << 16;

/// What is known of a segment without reading its frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    /// Its file.
    pub(super) path: PathBuf,
    /// The number of its first frame.
    pub(super) first_frame: u64,
    /// The newest time in the segments before it.
    pub(super) newest_before: Timestamp,
    /// What its checksums begin with.
    pub(super) salt: u64,
    /// Each partition's next offset at its beginning.
    pub(super) offsets: Vec<u64>,
}

fn invalid(reason: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.into())
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

impl Segment {
    /// Where the first frame stands.
    pub(super) fn header_bytes(&self) -> u64 {
        (FIXED_BYTES + 8 * self.offsets.len() + 4) as u64
    }

    /// The file of the segment that begins with frame `first_frame`.
    pub(super) fn path_in(folder: &Path, first_frame: u64) -> PathBuf {
        folder.join(format!("{first_frame:020}.log"))
    }

    /// Makes the file, durably.
    pub(super) fn create(&self) -> io::Result<File> {
        let mut bytes = Vec::with_capacity(FIXED_BYTES + 8 * self.offsets.len() + 4);
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        let partitions = u32::try_from(self.offsets.len()).map_err(|_| invalid("too many partitions"))?;
        bytes.extend(partitions.to_le_bytes());
        bytes.extend(self.first_frame.to_le_bytes());
        bytes.extend(self.newest_before.as_micros().to_le_bytes());
        bytes.extend(self.salt.to_le_bytes());
        self.offsets.iter().for_each(|offset| bytes.extend(offset.to_le_bytes()));
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        let mut file = File::options().read(true).write(true).create(true).truncate(true).open(&self.path)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        if let Some(folder) = self.path.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(file)
    }

    /// Reads what a file's first bytes say. `Ok(None)` for a file that was
    /// being made when the machine stopped: it is too short to hold a frame.
    pub(super) fn read(path: PathBuf) -> io::Result<Option<Self>> {
        let file = File::open(&path)?;
        let file_bytes = file.metadata()?.len();
        let mut window = super::window::Window::new(file);
        let fixed = window.get(0, FIXED_BYTES)?.to_vec();
        // A file no longer than its own header was still being made, whatever
        // it holds; a longer one has frames, and is never taken for nothing.
        let unmade = |header_bytes: usize| file_bytes <= header_bytes as u64;
        if fixed.len() < FIXED_BYTES || (fixed.iter().all(|byte| *byte == 0) && unmade(UNMADE_BYTES_MAX)) {
            return Ok(None);
        }
        let mut fields = fixed.get(4..).unwrap_or_default();
        let mut next = |bytes: usize| {
            let (front, rest) = fields.split_at_checked(bytes).unwrap_or_default();
            fields = rest;
            number(front)
        };
        let (version, partitions) = (next(4), usize::try_from(next(4)).unwrap_or(usize::MAX));
        let (first_frame, newest, salt) = (next(8), next(8), next(8));
        if !fixed.starts_with(MAGIC) || partitions > PARTITIONS_MAX {
            return Err(invalid("the file is no segment of a log"));
        }
        if version != u64::from(VERSION) {
            return Err(invalid(format!(
                "the segment has version {version}, of another release of Signalpost; this one reads {VERSION}: start on a new data folder, or run the release that made this one"
            )));
        }
        let length = FIXED_BYTES + 8 * partitions;
        let whole = window.get(0, length + 4)?;
        if whole.len() < length + 4 {
            return Ok(None);
        }
        let (content, crc) = whole.split_at(length);
        if u64::from(crc32fast::hash(content)) != number(crc) {
            if unmade(length + 4) {
                return Ok(None);
            }
            return Err(invalid("the segment's first bytes are damaged"));
        }
        let offsets = content.get(FIXED_BYTES..).unwrap_or_default().chunks_exact(8).map(number).collect();
        let newest_before = Timestamp::from_micros(newest.cast_signed());
        Ok(Some(Self { path, first_frame, newest_before, salt, offsets }))
    }

    /// Deletes the file.
    pub(super) fn delete(&self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}
