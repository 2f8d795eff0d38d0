//! Rows into requests: a file is read on a thread of its own and cut into
//! batches, each of which says how far the file is done with once it is taken.
//!
//! The same file is cut at the same rows each time, and every row and batch has
//! a name made of what it holds, so that whatever is sent twice is taken once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc::Sender;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::csv::{Next, Record};
use super::mapping::Mapping;
use super::prepare::Prepared;
use super::rows::{Reading, Rows};

/// Bytes in a request at most, but for a single long row: bodies up to 256 KiB
/// are read in one pass.
const BATCH_BYTES: usize = 200 << 10;
/// What stands before the number in the id of an imported event.
const ID: &str = "import:";

/// How far a file is done with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// Rows, refused ones too.
    pub rows: u64,
    /// All of them as a number, to tell whether they are still the same.
    pub chain: u128,
}

/// A row that nothing can be made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The line it begins on.
    pub line: u64,
    /// What is wrong.
    pub message: String,
    /// The row as it stood.
    pub raw: String,
}

/// One request.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// A JSON array of what rows became.
    pub body: Vec<u8>,
    /// The line of each, and where its JSON ends in `body`.
    pub rows: Vec<(u64, usize)>,
    /// Rows nothing can be made of.
    pub refused: Vec<Refused>,
    /// Names the batch: the same when the same rows are sent again.
    pub key: u128,
    /// Rows of the file before this batch.
    pub begins: u64,
    /// How far the file is done with once this is taken.
    pub reached: Reached,
    /// Bytes of the file read so far, packed.
    pub bytes: u64,
    /// Whether the file ends here.
    pub is_last: bool,
}

impl Batch {
    fn size(&self) -> usize {
        self.body.len() + self.refused.iter().map(|row| row.raw.len()).sum::<usize>()
    }

    /// The JSON of the row at a place.
    pub fn json(&self, place: usize) -> &[u8] {
        let end = |place: usize| self.rows.get(place).map(|(_, end)| *end);
        // Before each stands a bracket or comma.
        let from = place.checked_sub(1).and_then(end).unwrap_or(0) + 1;
        end(place).and_then(|to| self.body.get(from..to)).unwrap_or_default()
    }
}

/// What a file is cut by.
#[derive(Clone, Debug)]
pub struct Cutting {
    /// What rows become.
    pub mapping: Arc<Mapping>,
    /// How files are read.
    pub reading: Reading,
    /// Rows in a request at most.
    pub batch_rows: usize,
    /// The how-manieth import of this file it is; each has row names of its own.
    pub run: u32,
    /// What an earlier, unfinished run of the same number has done.
    pub done: Reached,
}

/// Reads a file and sends its batches, until the file ends or nobody takes them.
/// Blocks. Says how many rows were passed over, since they were done with.
///
/// # Errors
/// When the file cannot be read to its end.
pub fn cut(file: &Prepared, cutting: &Cutting, to: &Sender<Batch>) -> anyhow::Result<()> {
    let mut cutter = Cutter::open(file, cutting)?;
    if cutting.done.rows > 0 && !cutter.pass_over(cutting.done)? {
        // It begins as it did, but is another file now: all of it is to be read.
        cutter = Cutter::open(file, cutting)?;
    }
    loop {
        let batch = cutter.next()?;
        let last = batch.is_last;
        if to.blocking_send(batch).is_err() || last {
            return Ok(());
        }
    }
}

struct Cutter<'a> {
    rows: Rows,
    shape: super::shape::Shape,
    cutting: &'a Cutting,
    file: &'a Prepared,
    read: Arc<AtomicU64>,
    reached: Reached,
    record: Record,
}

impl<'a> Cutter<'a> {
    fn open(file: &'a Prepared, cutting: &'a Cutting) -> anyhow::Result<Self> {
        let read = Arc::new(AtomicU64::new(0));
        Ok(Self {
            rows: Rows::open(&file.place, cutting.reading, &read)?,
            shape: file.shape(&cutting.mapping)?,
            cutting,
            file,
            read,
            reached: Reached::default(),
            record: Record::default(),
        })
    }

    /// Goes behind rows that are done with; `false` when they are others now.
    fn pass_over(&mut self, done: Reached) -> anyhow::Result<bool> {
        while self.reached.rows < done.rows {
            if matches!(self.rows.next(&mut self.record)?, Next::End) {
                return Ok(false);
            }
            self.reach();
        }
        Ok(self.reached == done)
    }

    /// Counts the row just read; its content as a number.
    fn reach(&mut self) -> u128 {
        let content = xxh3_128(&self.record.raw);
        let mut chain = Xxh3::new();
        chain.update(&self.reached.chain.to_le_bytes());
        chain.update(&content.to_le_bytes());
        self.reached = Reached { rows: self.reached.rows + 1, chain: chain.digest128() };
        content
    }

    /// The next rows, as many as a request takes.
    fn next(&mut self) -> anyhow::Result<Batch> {
        let before = self.reached;
        let body = Vec::with_capacity(BATCH_BYTES + 4_096);
        let mut batch = Batch { body, begins: before.rows, ..Batch::default() };
        let mut id = String::new();
        let mut origin = String::new();
        while self.reached.rows - before.rows < self.cutting.batch_rows as u64 && batch.size() < BATCH_BYTES {
            let next = self.rows.next(&mut self.record)?;
            if matches!(next, Next::End) {
                batch.is_last = true;
                break;
            }
            let refused = match next {
                Next::Refused(message) => {
                    self.reach();
                    Some(message)
                }
                _ => self.take(&mut batch, &mut id, &mut origin).err(),
            };
            if let Some(message) = refused {
                let raw = String::from_utf8_lossy(&self.record.raw).into_owned();
                batch.refused.push(Refused { line: self.record.line, message, raw });
            }
        }
        batch.body.push(b']');
        batch.key = self.numbers(&[before.chain, self.reached.chain]);
        batch.reached = self.reached;
        batch.bytes = self.read.load(Ordering::Relaxed);
        Ok(batch)
    }

    /// Puts the row just read into a batch.
    fn take(&mut self, batch: &mut Batch, id: &mut String, origin: &mut String) -> Result<(), String> {
        let content = self.reach();
        self.name_row(content, id, origin);
        let before = batch.body.len();
        batch.body.push(if batch.rows.is_empty() { b'[' } else { b',' });
        let made = self.shape.write(&self.record, id, origin, &mut batch.body);
        match made {
            Ok(()) => batch.rows.push((self.record.line, batch.body.len())),
            Err(_) => batch.body.truncate(before),
        }
        made
    }

    /// The row's id, and where it stood.
    fn name_row(&self, content: u128, id: &mut String, origin: &mut String) {
        use std::fmt::Write;
        let number = self.numbers(&[content, u128::from(self.reached.rows)]);
        id.clear();
        origin.clear();
        // Writing to a String cannot fail.
        let _infallible = write!(id, "{ID}{number:032x}");
        let _infallible = write!(origin, "{}:{}", self.file.place.base(), self.record.line);
    }

    fn numbers(&self, numbers: &[u128]) -> u128 {
        let mut hash = Xxh3::new();
        hash.update(&self.file.start.to_le_bytes());
        hash.update(&self.cutting.run.to_le_bytes());
        for number in numbers {
            hash.update(&number.to_le_bytes());
        }
        hash.digest128()
    }
}
