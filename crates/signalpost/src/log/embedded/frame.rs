//! A frame: one group commit as bytes.
//!
//! ```text
//! header    magic, CRC of header and table, number, time, sizes, CRC of the tail
//! table     a section each: partition, first offset, records, bytes, CRC
//! sections  one a partition: its records, postcard
//! tail      identities (24 bytes each), then quarantine and releases, postcard
//! ```
//!
//! A reader of one partition reads the header, the table and its own section.
//! Checksums begin with the segment's salt, so that nothing a sender puts into
//! an event can ever pass for a frame.

use std::sync::Arc;

use signalpost_core::event::Event;
use signalpost_core::time::Timestamp;

use super::super::{Body, Group, QuarantineId, Quarantined, Record};

const MAGIC: &[u8; 4] = b"SPL1";
/// Bytes of a frame's header.
pub(super) const HEADER_BYTES: usize = 44;
/// Bytes of a section's line in the table.
pub(super) const LINE_BYTES: usize = 24;
const IDENTITY_BYTES: usize = 24;
/// Room made for a record, so that a frame seldom grows while it is written.
const EXPECTED_RECORD_BYTES: usize = 384;

/// What is wrong with bytes that should be a frame.
pub(super) type Fault = &'static str;

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Counts frames from 1, without gaps.
    pub(super) number: u64,
    /// The group's time.
    pub(super) at: Timestamp,
    sections: usize,
    section_bytes: usize,
    identities: usize,
    rest_bytes: usize,
    tail_crc: u32,
    crc: u32,
}

/// A partition's records in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Section {
    /// Whose.
    pub(super) partition: u32,
    /// How many records.
    pub(super) records: u32,
    /// The first one's offset.
    pub(super) first: u64,
    /// How many bytes.
    pub(super) bytes: usize,
    crc: u32,
}

/// What stands behind a frame's records.
#[derive(Debug, Default)]
pub(super) struct Tail {
    /// Identities seen.
    pub(super) seen: Vec<(u128, Timestamp)>,
    /// Refused events, the first of which gets this id.
    pub(super) quarantined: (QuarantineId, Vec<Quarantined>),
    /// Refused events that are done with.
    pub(super) released: Vec<QuarantineId>,
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn crc(salt: u64, parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&salt.to_le_bytes());
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize()
}

/// Reads little-endian numbers off the front of a slice.
struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    fn next(&mut self, bytes: usize) -> u64 {
        let (front, rest) = self.0.split_at_checked(bytes).unwrap_or_default();
        self.0 = rest;
        number(front)
    }

    #[expect(clippy::cast_possible_truncation, reason = "four bytes were read")]
    fn next_u32(&mut self) -> u32 {
        self.next(4) as u32
    }

    fn next_size(&mut self) -> usize {
        usize::try_from(self.next_u32()).unwrap_or(usize::MAX)
    }
}

impl Header {
    /// Reads a header; the table's checksum is judged by [`Header::sections`].
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Fault> {
        let header = bytes.get(..HEADER_BYTES).ok_or("the frame is cut off")?;
        if !header.starts_with(MAGIC) {
            return Err("no frame begins here");
        }
        let mut numbers = Numbers(header.get(4..).unwrap_or_default());
        let crc = numbers.next_u32();
        Ok(Self {
            number: numbers.next(8),
            at: Timestamp::from_micros(numbers.next(8).cast_signed()),
            sections: numbers.next_size(),
            section_bytes: numbers.next_size(),
            identities: numbers.next_size(),
            rest_bytes: numbers.next_size(),
            tail_crc: numbers.next_u32(),
            crc,
        })
    }

    /// Bytes of header and table.
    pub(super) fn head_bytes(&self) -> usize {
        HEADER_BYTES.saturating_add(self.sections.saturating_mul(LINE_BYTES))
    }

    /// Bytes of the whole frame.
    pub(super) fn bytes(&self) -> u64 {
        let tail = (self.identities as u64) * IDENTITY_BYTES as u64 + self.rest_bytes as u64;
        self.head_bytes() as u64 + self.section_bytes as u64 + tail
    }

    /// Reads the table from header and table.
    pub(super) fn sections(&self, head: &[u8], salt: u64) -> Result<Vec<Section>, Fault> {
        let head = head.get(..self.head_bytes()).ok_or("the frame is cut off")?;
        let (_, content) = head.split_at_checked(8).ok_or("the frame is cut off")?;
        if crc(salt, &[content]) != self.crc {
            return Err("the header's checksum does not fit");
        }
        let table = head.get(HEADER_BYTES..).unwrap_or_default();
        let sections: Vec<Section> = table
            .chunks_exact(LINE_BYTES)
            .map(|line| {
                let mut numbers = Numbers(line);
                Section {
                    partition: numbers.next_u32(),
                    records: numbers.next_u32(),
                    first: numbers.next(8),
                    bytes: numbers.next_size(),
                    crc: numbers.next_u32(),
                }
            })
            .collect();
        let bytes: usize = sections.iter().map(|section| section.bytes).sum();
        if bytes == self.section_bytes { Ok(sections) } else { Err("the sections' sizes do not add up") }
    }

    /// Reads what stands behind the records.
    pub(super) fn tail(&self, bytes: &[u8], salt: u64) -> Result<Tail, Fault> {
        if crc(salt, &[bytes]) != self.tail_crc {
            return Err("the tail's checksum does not fit");
        }
        let split = self.identities.saturating_mul(IDENTITY_BYTES);
        let (identities, rest) = bytes.split_at_checked(split).ok_or("the tail is cut off")?;
        let seen = identities
            .chunks_exact(IDENTITY_BYTES)
            .map(|entry| {
                let mut numbers = Numbers(entry);
                let (low, high) = (numbers.next(8), numbers.next(8));
                let identity = u128::from(high) << 64 | u128::from(low);
                (identity, Timestamp::from_micros(numbers.next(8).cast_signed()))
            })
            .collect();
        let (quarantined, released) = match rest {
            [] => Default::default(),
            rest => postcard::from_bytes(rest).map_err(|_| "the quarantine cannot be read")?,
        };
        Ok(Tail { seen, quarantined, released })
    }
}

impl Section {
    /// Reads the records, each with its offset.
    pub(super) fn records(&self, bytes: &[u8], salt: u64) -> Result<Vec<(u64, Arc<Record>)>, Fault> {
        if crc(salt, &[bytes]) != self.crc {
            return Err("the checksum does not fit");
        }
        let mut rest = bytes;
        (self.first..)
            .take(self.records as usize)
            .map(|offset| {
                let (record, left) = take_record(rest).map_err(|_| "a record cannot be read")?;
                rest = left;
                Ok((offset, Arc::new(record)))
            })
            .collect()
    }

    /// Whether the checksum fits, without reading the records.
    pub(super) fn is_whole(&self, bytes: &[u8], salt: u64) -> bool {
        crc(salt, &[bytes]) == self.crc
    }
}

/// A group's records by partition, each with the partition's next offset.
pub(super) type ByPartition = Vec<(u64, Vec<(Arc<Record>, Option<Vec<u8>>)>)>;

/// Writes a group as frame `number`, in the room of `bytes`. `first_quarantined`
/// is the id its first refused event gets.
pub(super) fn encode(
    number: u64,
    at: Timestamp,
    salt: u64,
    records: &ByPartition,
    group: &Group,
    first_quarantined: QuarantineId,
    mut bytes: Vec<u8>,
) -> Result<Vec<u8>, postcard::Error> {
    let sections = records.iter().filter(|(_, records)| !records.is_empty()).count();
    let mut table = Vec::with_capacity(sections * LINE_BYTES);
    let head = HEADER_BYTES + sections * LINE_BYTES;
    let held: usize = records.iter().map(|(_, records)| records.len()).sum();
    bytes.clear();
    bytes.reserve(head + EXPECTED_RECORD_BYTES * held + IDENTITY_BYTES * group.seen.len());
    bytes.resize(head, 0);
    for (partition, (first, records)) in (0_u32..).zip(records).filter(|(_, (_, held))| !held.is_empty()) {
        let start = bytes.len();
        for (record, encoded) in records {
            bytes = put_record(record, encoded.as_deref(), bytes)?;
        }
        let section = bytes.get(start..).unwrap_or_default();
        table.extend(partition.to_le_bytes());
        table.extend(size(records.len())?.to_le_bytes());
        table.extend(first.to_le_bytes());
        table.extend(size(section.len())?.to_le_bytes());
        table.extend(crc(salt, &[section]).to_le_bytes());
    }
    let tail = bytes.len();
    for (identity, time) in &group.seen {
        bytes.extend(identity.to_le_bytes());
        bytes.extend(time.as_micros().to_le_bytes());
    }
    let rest = bytes.len();
    if !(group.quarantined.is_empty() && group.released.is_empty()) {
        bytes = postcard::to_extend(&((first_quarantined, &group.quarantined), &group.released), bytes)?;
    }
    let mut content = Vec::with_capacity(HEADER_BYTES);
    content.extend(number.to_le_bytes());
    content.extend(at.as_micros().to_le_bytes());
    for length in [sections, tail - head, group.seen.len(), bytes.len() - rest] {
        content.extend(size(length)?.to_le_bytes());
    }
    content.extend(crc(salt, &[bytes.get(tail..).unwrap_or_default()]).to_le_bytes());
    let header_crc = crc(salt, &[&content, &table]).to_le_bytes();
    let header = MAGIC.iter().chain(&header_crc).chain(&content).chain(&table);
    bytes.iter_mut().zip(header).for_each(|(place, byte)| *place = *byte);
    Ok(bytes)
}

/// The kind of a record that is an event with bytes of its own.
const EVENT: u8 = 1;
/// The kind of every other record.
const OTHER: u8 = 0;

/// An event is its time and its bytes; its `received_at` is the record's time.
fn put_record(
    record: &Record,
    encoded: Option<&[u8]>,
    mut bytes: Vec<u8>,
) -> Result<Vec<u8>, postcard::Error> {
    let Body::Event(event) = &record.body else {
        bytes.push(OTHER);
        return postcard::to_extend(record, bytes);
    };
    bytes.push(EVENT);
    bytes = postcard::to_extend(&record.at, bytes)?;
    match encoded {
        Some(encoded) => {
            bytes.extend_from_slice(encoded);
            Ok(bytes)
        }
        None => postcard::to_extend(&**event, bytes),
    }
}

/// Reads what [`put_record`] wrote, and what is behind it.
fn take_record(bytes: &[u8]) -> Result<(Record, &[u8]), postcard::Error> {
    let (kind, rest) = bytes.split_first().ok_or(postcard::Error::DeserializeUnexpectedEnd)?;
    if *kind != EVENT {
        return postcard::take_from_bytes(rest);
    }
    let (at, rest) = postcard::take_from_bytes(rest)?;
    let (mut event, rest) = postcard::take_from_bytes::<Event>(rest)?;
    event.received_at = at;
    Ok((Record { at, body: Body::Event(Arc::new(event)) }, rest))
}

/// A size as the frame holds it. A group is bounded far below 4 GiB.
fn size(length: usize) -> Result<u32, postcard::Error> {
    u32::try_from(length).map_err(|_| postcard::Error::SerializeBufferFull)
}
