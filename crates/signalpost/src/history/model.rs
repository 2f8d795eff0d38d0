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

/// Brings the model to the records below `offsets`: from the snapshot, when
/// there is a good one, and from the log behind it.
pub fn restore(app: &App, offsets: &[u64]) {
    let settings = app.model.lock().unwrap_or_else(PoisonError::into_inner).settings().clone();
    let read = fs::read(file(app)).ok().and_then(|bytes| {
        let (from, bytes): (Vec<u64>, Vec<u8>) = postcard::from_bytes(&bytes).ok()?;
        Some((from, Model::from_bytes(settings, &bytes).ok()?))
    });
    let from = match read {
        Some((from, model)) => {
            *app.model.lock().unwrap_or_else(PoisonError::into_inner) = model;
            from
        }
        None => Vec::new(),
    };
    for ((partition, end), start) in (0_u32..).zip(offsets).zip(from.into_iter().chain(std::iter::repeat(0)))
    {
        observe(app, partition, start, *end);
    }
}

/// Shows the model the events of a partition; those trimmed away are missed.
fn observe(app: &App, partition: u32, start: u64, end: u64) {
    let mut next = start;
    while next < end {
        let records = match app.log.read(partition, next, CHUNK) {
            Ok(records) if !records.is_empty() => records,
            _ => return,
        };
        let mut model = app.model.lock().unwrap_or_else(PoisonError::into_inner);
        for (offset, record) in records {
            next = offset + 1;
            if offset >= end {
                return;
            }
            if let Body::Event(event) = &record.body
                && let Some(key) = event.profile_key()
            {
                model.observe(event, &key);
            }
        }
    }
}
