//! Collect: events come in over HTTP.
//!
//! In: bodies, compressed or not, from keys that may write. Out: submissions
//! to the log's writer, and what became of each event.

pub mod body;
pub mod events;
pub mod hooks;
pub mod pixel;
pub mod tracking;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::http::HeaderMap;
use serde_json::{Value as Json, json};
use signalpost_core::clean::{self, Clean, FingerprintScope, RawEvent, Rejection, SourceSettings};
use signalpost_core::id::EventId;
use signalpost_core::time::{Span, Timestamp};
use signalpost_core::value::map_to_json;

use crate::app::App;
use crate::clock;
use crate::history::event_json;
use crate::log::dedup::{Identity, event_identity};
use crate::log::writer::{Incoming, Receipt, Submission, SubmitError, WINDOW_MAX};
use crate::log::{Quarantined, encode_event};
use crate::problem::Problem;

/// What is said of one event that was not taken, or only with a remark.
#[derive(Clone, Debug)]
struct Remark {
    index: usize,
    code: &'static str,
    field: String,
    message: String,
}

/// A request's events, sorted into clean and refused.
#[derive(Debug, Default)]
pub struct Sorted {
    submission: Submission,
    remarks: Vec<Remark>,
}

impl Sorted {
    /// What the log's writer is to make durable.
    pub fn into_submission(self) -> Submission {
        self.submission
    }

    /// The same under the name of a request, see [`idempotency`].
    #[must_use]
    pub fn named(mut self, request: Option<u128>) -> Self {
        self.submission.request = request;
        self
    }

    /// What would come of it, with the first events as they would be.
    pub fn to_json(&self) -> Json {
        const SHOWN: usize = 10;
        let shown = |incoming: &Incoming| {
            let mut json = event_json(&incoming.event);
            if let Some(object) = json.as_object_mut() {
                object.insert("traits".into(), map_to_json(&incoming.event.traits));
                object.insert("context".into(), map_to_json(&incoming.event.context));
            }
            json
        };
        let events: Vec<Json> = self.submission.events.iter().take(SHOWN).map(shown).collect();
        json!({
            "dry_run": true, "accepted": self.submission.events.len(), "duplicates": 0,
            "quarantined": self.submission.quarantined.len(), "errors": errors(&self.remarks), "events": events,
        })
    }

    /// The same, letting go of a quarantined event in the same commit.
    #[must_use]
    pub fn releasing(mut self, id: crate::log::QuarantineId) -> Self {
        self.submission.released.push(id);
        self
    }
}

/// The name that whoever sends gave a request by `Idempotency-Key`, as a
/// number: a request sent again under it is not taken again, as long as ids are
/// remembered.
///
/// # Errors
/// 422 for a key that is empty or too long.
pub fn idempotency(headers: &HeaderMap, source: &str) -> Result<Option<u128>, Problem> {
    const BYTES_MAX: usize = 255;
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    let key = key.to_str().unwrap_or_default();
    if key.is_empty() || key.len() > BYTES_MAX {
        let detail =
            format!("Idempotency-Key has 1 to {BYTES_MAX} letters, digits or other ASCII characters");
        return Err(Problem::invalid("Idempotency-Key", detail));
    }
    Ok(Some(event_identity(&format!("request\u{0}{source}\u{0}{key}"))))
}

/// Cleans a request's events.
pub fn sort<'a>(
    elements: impl IntoIterator<Item = Result<RawEvent<'a>, Rejection>>,
    received_at: Timestamp,
    user_agent: &str,
    source: &SourceSettings,
) -> Sorted {
    let mut sorted = Sorted::default();
    for (index, element) in elements.into_iter().enumerate() {
        let cleaned =
            element.and_then(|raw| clean::clean(raw, received_at, Some(user_agent), source, new_event_id));
        match cleaned {
            Ok(clean) => sorted.submission.events.push(incoming(clean, source)),
            Err(rejection) => {
                sorted.remarks.push(Remark {
                    index,
                    code: rejection.problem.code.as_str(),
                    field: rejection.problem.field.clone(),
                    message: rejection.problem.message.clone(),
                });
                sorted.submission.quarantined.push(quarantined(rejection, received_at, user_agent, source));
            }
        }
    }
    sorted
}

fn quarantined(
    rejection: Rejection,
    received_at: Timestamp,
    user_agent: &str,
    source: &SourceSettings,
) -> Quarantined {
    Quarantined {
        received_at,
        source: source.id.as_str().into(),
        code: rejection.problem.code.as_str().into(),
        field: rejection.problem.field.into(),
        message: rejection.problem.message.into(),
        raw: rejection.raw.into(),
        user_agent: user_agent.into(),
    }
}

fn incoming(clean: Clean, source: &SourceSettings) -> Incoming {
    let by_content = source.fingerprint_window > Span::ZERO
        && (!clean.has_own_id || source.fingerprint_scope == FingerprintScope::All);
    let identity = Identity {
        event_id: clean.has_own_id.then(|| event_identity(clean.event.event_id.as_str())),
        content: by_content.then(|| (clean.fingerprint, source.fingerprint_window.min(WINDOW_MAX))),
        timestamp: clean.event.timestamp,
    };
    let encoded = Some(encode_event(&clean.event));
    Incoming { event: Arc::new(clean.event), identity, encoded }
}

/// An id for an event that came without one: sorts by time.
fn new_event_id() -> EventId {
    EventId::from(uuid::Uuid::now_v7().to_string())
}

/// Makes sorted events durable, and counts them.
///
/// # Errors
/// When they cannot be made durable: then none of them is taken.
pub async fn submit(app: &Arc<App>, mut sorted: Sorted, bytes: usize) -> Result<Taken, Problem> {
    let received = clock::instant();
    let events = sorted.submission.events.len();
    let reasons: Vec<Box<str>> = sorted.submission.quarantined.iter().map(|row| row.code.clone()).collect();
    for incoming in &sorted.submission.events {
        app.hub.note_received(incoming.event.event_id.as_str(), received);
    }
    sorted.submission.bytes = bytes;
    let submission = std::mem::take(&mut sorted.submission);
    let receipt = app.writer.submit(submission).await.map_err(|error| refuse(app, error))?;
    let counters = &app.hub.counters;
    counters.received.fetch_add((events + reasons.len()) as u64, Ordering::Relaxed);
    counters.accepted.fetch_add(receipt.accepted as u64, Ordering::Relaxed);
    counters.duplicates.fetch_add(receipt.duplicates as u64, Ordering::Relaxed);
    for reason in &reasons {
        app.hub.count_refusal(reason);
    }
    Ok(Taken { receipt, remarks: sorted.remarks })
}

/// What became of a request's events.
#[derive(Debug)]
pub struct Taken {
    /// How many were accepted, left out and refused.
    pub receipt: Receipt,
    remarks: Vec<Remark>,
}

impl Taken {
    /// The same as JSON.
    pub fn to_json(&self) -> Json {
        let Receipt { accepted, duplicates, quarantined, .. } = self.receipt;
        json!({"accepted": accepted, "duplicates": duplicates, "quarantined": quarantined, "errors": errors(&self.remarks)})
    }

    /// The same as text, for the busiest of answers.
    pub fn to_body(&self) -> String {
        let errors = errors(&self.remarks);
        let Receipt { accepted, duplicates, quarantined, .. } = self.receipt;
        format!(
            r#"{{"accepted":{accepted},"duplicates":{duplicates},"quarantined":{quarantined},"errors":{errors}}}"#
        )
    }
}

fn errors(remarks: &[Remark]) -> Json {
    let error = |remark: &Remark| json!({"index": remark.index, "code": remark.code, "field": remark.field, "message": remark.message});
    remarks.iter().map(error).collect()
}

fn refuse(app: &App, error: SubmitError) -> Problem {
    if let SubmitError::Log(cause) = &error {
        tracing::error!(%cause, data = %app.settings.data.display(), "events were refused");
    }
    Problem::from(error)
}
