//! Requests to the server: batches in, what became of each row out.
//!
//! What cannot be taken now is sent again, as the server asks for; names of rows
//! and batches see to it that nothing is taken twice.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use axum::body::Bytes;
use axum::http::Method;
use serde_json::{Value as Json, json};

use super::batch::{Batch, Refused};
use super::mapping::Kind;
use super::report::{Counts, Fault};
use crate::cli::client::{Answer, Client, Packet};
use crate::clock;

/// How long a batch is sent again and again before the import gives up.
const PATIENCE: Duration = Duration::from_secs(300);
/// The longest pause between two attempts.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// What became of a batch.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Counts of its rows.
    pub counts: Counts,
    /// Why rows went to quarantine.
    pub faults: Vec<Fault>,
    /// What rows would become; for a dry run.
    pub first: Vec<Json>,
}

/// Sends batches of one file.
#[derive(Clone, Debug)]
pub struct Sender {
    client: Arc<Client>,
    kind: Kind,
    /// The file, as quarantine names it.
    file: String,
    dry_run: bool,
}

impl Sender {
    /// A sender for a file.
    pub fn new(client: Arc<Client>, kind: Kind, file: String, dry_run: bool) -> Self {
        Self { client, kind, file, dry_run }
    }

    /// Sends a batch until it is taken.
    ///
    /// # Errors
    /// When the server refuses it as a whole, or cannot be reached for long.
    pub async fn send(&self, batch: &Batch) -> anyhow::Result<Outcome> {
        let mut outcome = Outcome::default();
        let mut refused: Vec<(&'static str, Refused)> =
            batch.refused.iter().map(|row| ("bad_row", row.clone())).collect();
        if !batch.rows.is_empty() {
            match self.kind {
                Kind::Events | Kind::Profiles => self.send_events(batch, &mut outcome).await?,
                Kind::Catalog => self.send_items(batch, &mut outcome, &mut refused).await?,
            }
        }
        self.send_refused(batch, refused, &mut outcome).await?;
        Ok(outcome)
    }

    async fn send_events(&self, batch: &Batch, outcome: &mut Outcome) -> anyhow::Result<()> {
        let path = if self.dry_run { "/api/events?dry_run=true" } else { "/api/events" };
        let key = format!("{:032x}", batch.key);
        let answer = self.deliver(Method::POST, path, &key, Bytes::from(batch.body.clone())).await?;
        let count = |name: &str| answer.get(name).and_then(Json::as_u64).unwrap_or_default();
        outcome.counts.add(Counts {
            accepted: count("accepted"),
            duplicates: count("duplicates"),
            quarantined: count("quarantined"),
        });
        outcome.faults.extend(faults(&answer, batch).map(|(_, fault)| fault));
        let events = answer.get("events").and_then(Json::as_array);
        outcome.first.extend(events.into_iter().flatten().cloned());
        Ok(())
    }

    async fn send_items(
        &self,
        batch: &Batch,
        outcome: &mut Outcome,
        refused: &mut Vec<(&'static str, Refused)>,
    ) -> anyhow::Result<()> {
        let path = if self.dry_run { "/api/catalog?dry_run=true" } else { "/api/catalog" };
        let answer = self.deliver(Method::PUT, path, "", Bytes::from(batch.body.clone())).await?;
        outcome.counts.accepted += answer.get("accepted").and_then(Json::as_u64).unwrap_or_default();
        for (place, fault) in faults(&answer, batch) {
            let raw = String::from_utf8_lossy(batch.json(place)).into_owned();
            let message = match fault.field.as_str() {
                "" => fault.message,
                field => format!("{field}: {}", fault.message),
            };
            refused.push(("bad_item", Refused { line: fault.line, message, raw }));
        }
        let items = answer.get("items").and_then(Json::as_array);
        outcome.first.extend(items.into_iter().flatten().cloned());
        Ok(())
    }

    async fn send_refused(
        &self,
        batch: &Batch,
        refused: Vec<(&'static str, Refused)>,
        outcome: &mut Outcome,
    ) -> anyhow::Result<()> {
        if refused.is_empty() {
            return Ok(());
        }
        let rows: Vec<Json> = refused
            .iter()
            .map(
                |(code, row)| json!({"code": code, "message": row.message, "line": row.line, "raw": row.raw}),
            )
            .collect();
        if self.dry_run {
            outcome.counts.quarantined += rows.len() as u64;
        } else {
            let body = json!({"file": self.file, "rows": rows}).to_string();
            let key = format!("{:032x}-refused", batch.key);
            let answer = self.deliver(Method::POST, "/api/imports/refused", &key, body.into()).await?;
            let count = |name: &str| answer.get(name).and_then(Json::as_u64).unwrap_or_default();
            outcome.counts.quarantined += count("quarantined");
            outcome.counts.duplicates += count("duplicates");
        }
        outcome.faults.extend(refused.into_iter().map(|(code, row)| Fault {
            line: row.line,
            code: code.to_owned(),
            field: String::new(),
            message: row.message,
        }));
        Ok(())
    }

    async fn deliver(&self, method: Method, path: &str, key: &str, body: Bytes) -> anyhow::Result<Json> {
        let started = clock::instant();
        let mut pause = Duration::from_millis(200);
        loop {
            let packet = Packet { method: method.clone(), path, key, body: body.clone() };
            let waited = started.elapsed();
            let wait = match self.client.send(packet).await {
                Ok(answer) if answer.is_ok() => return Ok(answer.json()),
                Ok(answer) if is_passing(answer.status) => {
                    if waited > PATIENCE {
                        answer.ok().context(
                            "the server has been refusing for five minutes; run the import again to go on",
                        )?;
                        bail!("the server refuses");
                    }
                    answer.retry_after.unwrap_or(pause)
                }
                Ok(answer) => return Err(refusal(answer)),
                Err(error) if waited > PATIENCE => return Err(error.context("run the import again to go on")),
                Err(_) => pause,
            };
            tokio::time::sleep(wait.min(PAUSE_MAX)).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

/// Whether a refusal may pass: too much waits, the disk is full, a restart.
fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502..=504)
}

fn refusal(answer: Answer) -> anyhow::Error {
    let status = answer.status;
    let hint = match status {
        401 | 403 => {
            "an import needs a key that allows events:write and profiles:write, for a catalog content:write"
        }
        413 => "the server takes less in one request; say --batch with fewer rows",
        _ => "the server does not take the rows",
    };
    match answer.ok() {
        Err(error) => error.context(hint),
        Ok(_) => anyhow::anyhow!("{hint} (status {status})"),
    }
}

/// What an answer says of single rows, with their places in the batch.
fn faults<'a>(answer: &'a Json, batch: &'a Batch) -> impl Iterator<Item = (usize, Fault)> + 'a {
    let errors = answer.get("errors").and_then(Json::as_array).into_iter().flatten();
    errors.filter_map(|error| {
        let place = usize::try_from(error.get("index")?.as_u64()?).ok()?;
        let text = |name: &str| error.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
        let (line, _) = batch.rows.get(place)?;
        Some((
            place,
            Fault { line: *line, code: text("code"), field: text("field"), message: text("message") },
        ))
    })
}
