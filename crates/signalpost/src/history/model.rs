//! The recommendation model over a restart: a snapshot with the offsets it
//! reaches to, and the log from there on.

use std::fs;
use std::path::PathBuf;
use std::sync::PoisonError;

use signalpost_core::recommend::Model;

use crate::app::App;
use crate::log::{Body, Log};

/// Records read from the log at once.
const CHUNK: usize = 4_096;

fn file(app: &App) -> PathBuf {
    app.settings.data.join("recommend.model")
}

/// Writes the model as it is after the records below `offsets`.
///
/// # Errors
/// When the disk fails; the snapshot before stays.
pub fn save(app: &App, offsets: &[u64]) -> anyhow::Result<()> {
    let bytes = app.model.lock().unwrap_or_else(PoisonError::into_inner).to_bytes()?;
    let snapshot = postcard::to_stdvec(&(offsets, bytes))?;
    let new = file(app).with_extension("new");
    fs::write(&new, snapshot)?;
    fs::rename(&new, file(app))?;
    Ok(())
}

/// Brings the model to where it stood, a slice at a time: what it learns does not
/// depend on the order, so newer events may be observed meanwhile.
#[derive(Debug)]
pub struct Restoring {
    /// Records not yet observed, by partition: the next, and the end.
    left: Vec<(u64, u64)>,
}

impl Restoring {
    /// Takes up the snapshot, when there is a good one; the records from there
    /// to `offsets` are left to be observed.
    pub fn begin(app: &App, offsets: &[u64]) -> Self {
        let mut model = app.model.lock().unwrap_or_else(PoisonError::into_inner);
        let settings = model.settings().clone();
        let read = fs::read(file(app)).ok().and_then(|bytes| {
            let (from, bytes): (Vec<u64>, Vec<u8>) = postcard::from_bytes(&bytes).ok()?;
            Some((from, Model::from_bytes(settings, &bytes).ok()?))
        });
        let from = match read {
            Some((from, restored)) => {
                *model = restored;
                from
            }
            None => Vec::new(),
        };
        let starts = from.into_iter().chain(std::iter::repeat(0));
        Self { left: starts.zip(offsets).map(|(start, end)| (start, *end)).collect() }
    }

    /// Whether everything has been observed.
    pub fn is_done(&self) -> bool {
        self.left.iter().all(|(next, end)| next >= end)
    }

    /// Shows the model the next records; those trimmed away are missed.
    pub fn step(&mut self, app: &App) {
        for (partition, (next, end)) in (0_u32..).zip(&mut self.left) {
            if *next >= *end {
                continue;
            }
            let records = match app.log.read(partition, *next, CHUNK) {
                Ok(records) if !records.is_empty() => records,
                _ => {
                    *next = *end;
                    continue;
                }
            };
            let mut model = app.model.lock().unwrap_or_else(PoisonError::into_inner);
            for (offset, record) in records {
                *next = offset + 1;
                if offset >= *end {
                    break;
                }
                if let Body::Event(event) = &record.body
                    && event.counts()
                    && let Some(key) = event.profile_key()
                {
                    model.observe(event, &key);
                }
            }
        }
    }
}
