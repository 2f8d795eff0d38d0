//! Import: history, people and catalogs from files.
//!
//! In: what was named on the command line, and a mapping. Out: events, traits
//! and items in the server, through its public API, and a report. The modules
//! stand in the order of a row's way: [`place`] finds files, [`text`] unpacks and
//! decodes them, [`rows`] reads their rows, [`shape`] makes each what the server
//! takes, [`batch`] cuts requests, [`send`] sends them.
//!
//! What holds when an import is stopped at any instant and run again: every row
//! is there once. Rows up to the position that the server keeps are passed over;
//! those behind it that were sent already are known again by their names for as
//! long as the server remembers ids.

pub mod mapping;
pub mod place;

pub mod text;

pub mod csv;
pub mod lines;
pub mod objects;
pub mod rows;

pub mod shape;
mod times;

pub mod batch;
pub mod position;
pub mod prepare;

pub mod report;
pub mod send;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::http::Method;
use futures::StreamExt;
use tokio::sync::mpsc::Receiver;

use crate::cli::client::Client;
use crate::clock;
use batch::{Batch, Cutting};
pub use mapping::{Kind, Mapping, WrongMapping};
use place::Place;
use position::Position;
use prepare::Prepared;
use report::{Counts, FileReport, Report};
use rows::Reading;
use send::{Outcome, Sender};

/// Requests under way at once: so many rows can wait while the log's disk takes
/// its time, and are then made durable together. About 13 MB at most.
const IN_FLIGHT: usize = 64;
/// Batches read ahead.
const READ_AHEAD: usize = 8;
/// How often a position is kept.
const KEPT_EVERY: Duration = Duration::from_secs(1);
/// Rows that a dry run shows.
const SHOWN: usize = 5;

/// What is imported, and how.
#[derive(Clone, Debug)]
pub struct Import {
    /// The files.
    pub places: Vec<Place>,
    /// What becomes of their columns.
    pub mapping: Arc<Mapping>,
    /// How they are read.
    pub reading: Reading,
    /// Rows in a request at most.
    pub batch_rows: usize,
    /// Whether nothing is to be kept.
    pub dry_run: bool,
    /// Whether files that were imported are to be imported once more.
    pub again: bool,
}

/// Told of how far an import is.
pub trait Progress {
    /// Bytes of all files read, and what became of the rows so far.
    fn reached(&mut self, bytes: u64, counts: Counts);
}

/// Imports.
///
/// # Errors
/// [`WrongMapping`] when the mapping does not fit a file, before anything is
/// sent; else when a file cannot be read or the server does not take rows.
pub async fn run(
    import: Import,
    client: &Arc<Client>,
    progress: &mut dyn Progress,
) -> anyhow::Result<Report> {
    let started = clock::instant();
    let mut files = Vec::new();
    for place in import.places.clone() {
        let (mapping, reading) = (Arc::clone(&import.mapping), import.reading);
        files.push(blocking(move || prepare::prepare(&place, &mapping, reading)).await?);
    }
    let mut running =
        Running { import, client: Arc::clone(client), report: Report::default(), bytes_before: 0, progress };
    running.report.dry_run = running.import.dry_run;
    for file in files {
        let bytes = file.place.bytes;
        running.file(file).await?;
        running.bytes_before += bytes;
    }
    running.report.seconds = started.elapsed().as_secs_f64();
    Ok(running.report)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work).await.context("a file's reader broke off")?
}

struct Running<'a> {
    import: Import,
    client: Arc<Client>,
    report: Report,
    bytes_before: u64,
    progress: &'a mut dyn Progress,
}

impl Running<'_> {
    async fn file(&mut self, file: Prepared) -> anyhow::Result<()> {
        let note = file.encoding.map(|encoding| format!("read as {encoding}"));
        self.report.files.push(FileReport { file: file.place.name.clone(), note, ..FileReport::default() });
        let mut position = Position::default();
        if !self.import.dry_run && !file.is_empty {
            position = self.recall(&file).await?;
        }
        if self.import.again && position.complete {
            position = Position { run: position.run + 1, ..Position::default() };
        }
        let cutting = Cutting {
            mapping: Arc::clone(&self.import.mapping),
            reading: self.import.reading,
            batch_rows: self.import.batch_rows,
            run: position.run,
            done: position.reached,
        };
        let file = Arc::new(file);
        let (to, batches) = tokio::sync::mpsc::channel(READ_AHEAD);
        let read = Arc::clone(&file);
        let reading = tokio::spawn(blocking(move || batch::cut(&read, &cutting, &to)));
        let sent = self.send(&file, batches, position).await;
        let read = reading.await.context("a file's reader broke off")?;
        sent.and(read)
    }

    /// Sends what is read of a file, and keeps the position.
    async fn send(
        &mut self,
        file: &Prepared,
        batches: Receiver<Batch>,
        mut position: Position,
    ) -> anyhow::Result<()> {
        let Import { mapping, dry_run, .. } = &self.import;
        let (kind, dry_run) = (mapping.kind, *dry_run);
        let sender = Sender::new(Arc::clone(&self.client), kind, file.place.base().to_owned(), dry_run);
        // Of people and items the last row wins, so they go one after the other.
        let under_way = if kind == Kind::Events { IN_FLIGHT } else { 1 };
        let batches = futures::stream::unfold(batches, |mut batches| async {
            batches.recv().await.map(|batch| (batch, batches))
        });
        let sent = batches.map(|batch| {
            let sender = sender.clone();
            tokio::spawn(async move { sender.send(&batch).await.map(|outcome| (batch, outcome)) })
        });
        let mut sent = std::pin::pin!(sent.buffered(under_way));
        let mut kept = clock::instant();
        let mut is_first = true;
        while let Some(done) = sent.next().await {
            let (batch, outcome) = done.context("a sender broke off")??;
            if std::mem::take(&mut is_first) {
                position.begin(batch.begins);
                self.note_begun(batch.begins);
            }
            position.take(&batch, &outcome);
            self.count(&batch, outcome);
            if !dry_run && position.reached.rows > 0 && (batch.is_last || kept.elapsed() > KEPT_EVERY) {
                self.keep(file, &position).await?;
                kept = clock::instant();
            }
        }
        Ok(())
    }

    fn note_begun(&mut self, rows: u64) {
        if let Some(told) = self.report.files.last_mut().filter(|_| rows > 0) {
            told.done_before = rows;
            let before = format!("{rows} rows were imported before (--again imports them once more)");
            told.note = Some(told.note.take().map_or(before.clone(), |note| format!("{note}; {before}")));
        }
    }

    fn count(&mut self, batch: &Batch, outcome: Outcome) {
        if let Some(told) = self.report.files.last_mut() {
            told.counts.add(outcome.counts);
            told.complete |= batch.is_last;
            let name = told.file.clone();
            self.report.fault(&name, &outcome.faults);
        }
        let room = SHOWN.saturating_sub(self.report.first.len());
        self.report.first.extend(outcome.first.into_iter().take(room));
        self.progress.reached(self.bytes_before + batch.bytes, self.report.counts());
    }

    async fn recall(&self, file: &Prepared) -> anyhow::Result<Position> {
        let answer = self.client.ask(Method::GET, &path_of(file), None).await?;
        if answer.status == 404 {
            return Ok(Position::default());
        }
        Ok(Position::from_json(&answer.ok().context("an import needs a key that allows profiles:write")?))
    }

    async fn keep(&self, file: &Prepared, position: &Position) -> anyhow::Result<()> {
        let kind = self.import.mapping.kind;
        self.client.put(&path_of(file), &position.to_json(file.place.base(), kind)).await.map(drop)
    }
}

fn path_of(file: &Prepared) -> String {
    format!("/api/imports/{:032x}", file.id())
}
