//! The rows not yet in a table: pushed one by one, read and committed in chunks.
//!
//! Pushing only appends to a vector. A query or a commit *seals* what is there
//! into a chunk; a chunk becomes columns once, outside of any lock, by whoever
//! needs it first, and is committed whole or not at all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use deltalake::arrow::array::RecordBatch;
use deltalake::arrow::error::ArrowError;

use crate::error::Error;
use crate::property::Registry;
use crate::row::{Logged, Row, to_batch};

/// Rows in one chunk at most, so that a chunk's columns stay small.
const CHUNK_ROWS: usize = 8_192;

/// The uncommitted rows of one table.
#[derive(Debug)]
pub(crate) struct Tail<R> {
    open: Vec<Logged<R>>,
    sealed: Vec<Arc<Chunk<R>>>,
    /// The highest offset pushed, a stream; never below the committed one.
    pushed: HashMap<u32, u64>,
}

/// What a commit takes: the chunks and the offsets they reach to.
pub(crate) struct Sealed<R> {
    pub(crate) chunks: Vec<Arc<Chunk<R>>>,
    pub(crate) offsets: HashMap<u32, u64>,
}

impl<R> Default for Tail<R> {
    fn default() -> Self {
        Self { open: Vec::new(), sealed: Vec::new(), pushed: HashMap::new() }
    }
}

impl<R: Row> Tail<R> {
    /// An empty tail that knows what was committed before.
    pub(crate) fn after(committed: HashMap<u32, u64>) -> Self {
        Self { pushed: committed, ..Self::default() }
    }

    /// Adds the rows of one offset, unless that offset was pushed before.
    /// Answers whether they were new.
    pub(crate) fn push(&mut self, stream: u32, offset: u64, rows: impl IntoIterator<Item = R>) -> bool {
        self.push_to(stream, offset, offset, rows)
    }

    /// As [`Tail::push`], with the rows' own place among those of one instant.
    pub(crate) fn push_to(
        &mut self,
        stream: u32,
        offset: u64,
        place: u64,
        rows: impl IntoIterator<Item = R>,
    ) -> bool {
        match self.pushed.get_mut(&stream) {
            Some(highest) if offset <= *highest => return false,
            Some(highest) => *highest = offset,
            None => {
                self.pushed.insert(stream, offset);
            }
        }
        self.open.extend(rows.into_iter().map(|row| Logged { stream, offset: place, row }));
        if self.open.len() >= CHUNK_ROWS {
            self.close();
        }
        true
    }

    /// All rows as chunks.
    pub(crate) fn seal(&mut self) -> Sealed<R> {
        if !self.open.is_empty() {
            self.close();
        }
        Sealed { chunks: self.sealed.clone(), offsets: self.pushed.clone() }
    }

    fn close(&mut self) {
        let rows = std::mem::take(&mut self.open);
        self.sealed.push(Arc::new(Chunk {
            rows: rows.len(),
            source: Mutex::new(rows),
            batch: OnceLock::new(),
        }));
    }

    /// Forgets the `count` oldest chunks: they are in the table now.
    pub(crate) fn forget(&mut self, count: usize) {
        self.sealed.drain(..count.min(self.sealed.len()));
    }

    /// Rows held.
    pub(crate) fn rows(&self) -> usize {
        self.open.len() + self.sealed.iter().map(|chunk| chunk.rows).sum::<usize>()
    }
}

/// Rows that are read and committed together.
#[derive(Debug)]
pub(crate) struct Chunk<R> {
    rows: usize,
    /// The rows until they are columns, then empty.
    source: Mutex<Vec<Logged<R>>>,
    batch: OnceLock<Result<RecordBatch, String>>,
}

impl<R: Row> Chunk<R> {
    /// The rows as columns.
    pub(crate) fn batch(&self, registry: &Registry) -> Result<RecordBatch, Error> {
        let batch = self.batch.get_or_init(|| {
            let rows = std::mem::take(&mut *self.source.lock().unwrap_or_else(PoisonError::into_inner));
            to_batch(&rows, registry).map_err(|error| error.to_string())
        });
        batch.clone().map_err(|message| Error::Columns(ArrowError::ComputeError(message)))
    }
}

impl<R: Row> Sealed<R> {
    /// All chunks as columns.
    pub(crate) fn batches(&self, registry: &Registry) -> Result<Vec<RecordBatch>, Error> {
        self.chunks.iter().map(|chunk| chunk.batch(registry)).collect()
    }
}
