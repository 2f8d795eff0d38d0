//! What cleaning promises, on the shared data sets and by random input.

mod bodies;
mod bots;
mod dirty;
mod document;
mod events;
mod marks;
mod network;
mod plan;
mod score;

use std::path::PathBuf;

use crate::time::Timestamp;

/// The path of a shared data file, or `None`, said aloud, where there is none.
fn shared(file: &str) -> Option<PathBuf> {
    let root = std::env::var_os("SIGNALPOST_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let path = root.join("data").join(file);
    if path.exists() {
        return Some(path);
    }
    eprintln!("SKIPPED: {} is not there; set SIGNALPOST_SHARED to the shared folder", path.display());
    None
}

/// The moment every test event is received: noon of 1 January 2025, UTC.
fn received_at() -> Timestamp {
    Timestamp::from_micros(1_735_732_800_000_000)
}
