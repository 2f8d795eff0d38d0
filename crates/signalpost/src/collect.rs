//! Collect: events come in over HTTP.
//!
//! In: bodies, compressed or not, from keys that may write. Out: submissions
//! to the log's writer, and what became of each event.

pub mod body;
pub mod events;
pub mod hooks;
pub mod intake;
pub mod pixel;
pub mod rates;
pub mod request;
pub mod tracking;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::http::HeaderMap;
use serde_json::{Value as Json, json};
use signalpost_core::clean::{
    self, Clean, FingerprintScope, OptOut, RawEvent, Rejection, Sender, SourceSettings,
};
use signalpost_core::id::EventId;
use signalpost_core::time::{Span, Timestamp};
use signalpost_core::value::map_to_json;

use crate::app::App;
use crate::clock;
use crate::debugger::{Trace, Traces};
use crate::history::event_json;
use crate::log::dedup::{Identity, event_identity};
use crate::log::writer::{Incoming, Receipt, Submission, SubmitError, WINDOW_MAX};
use crate::log::{Quarantined, encode_event};
use crate::problem::Problem;

pub use request::Request;

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
    /// Clean events that automatons did.
    marked: usize,
    /// Events let go of, since their browsers ask for that.
    dropped: usize,
    /// Types of events that differ from the plan and were kept.
    differing: Vec<Box<str>>,
    traces: Traces,
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

    fn take(&mut self, clean: Clean, source: &SourceSettings) {
        self.marked += usize::from(!clean.event.counts());
        let differs = |problem: &clean::Problem| {
            matches!(problem.code, clean::ProblemCode::PlanViolation | clean::ProblemCode::UnplannedEvent)
        };
        if clean.problems.iter().any(differs) {
            self.differing.push(clean.event.event_type.clone());
        }
        self.submission.events.push(incoming(clean, source));
    }

    fn refuse(&mut self, index: usize, rejection: Rejection, request: &Request<'_>) {
        self.remarks.extend(rejection.problems().map(|problem| Remark {
            index,
            code: problem.code.as_str(),
            field: problem.field.clone(),
            message: problem.message.clone(),
        }));
        self.submission.quarantined.push(quarantined(rejection, request));
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
    request: &Request<'_>,
) -> Sorted {
    sort_traced(elements, request, Traces::default())
}

/// As [`sort`], telling of the first events what happened to them.
pub fn sort_traced<'a>(
    elements: impl IntoIterator<Item = Result<RawEvent<'a>, Rejection>>,
    request: &Request<'_>,
    traces: Traces,
) -> Sorted {
    let source = &*request.source;
    let too_fast = |identity: &str, at: Timestamp| {
        let rates = request.rates.filter(|_| source.rate_max > 0);
        rates.is_some_and(|rates| rates.is_beyond(source.id.as_str(), identity, at, source.rate_max))
    };
    let sender = Sender {
        opted_out: request.opted_out,
        data_centre: request.data_centre,
        too_fast: Some(&too_fast),
        ..Sender::of_agent(Some(request.user_agent))
    };
    let mut sorted = Sorted { traces, ..Sorted::default() };
    for (index, element) in elements.into_iter().enumerate() {
        let mut trace = sorted.traces.begin(&element);
        let opted_out = request.opted_out || element.as_ref().is_ok_and(RawEvent::is_opted_out);
        if opted_out && source.gpc == OptOut::Drop {
            sorted.dropped += 1;
            sorted.traces.end(trace.map(Trace::dropped));
            continue;
        }
        let cleaned = element.and_then(|raw| {
            clean::clean_by_plan(raw, request.received_at, &sender, source, &request.plan, new_event_id)
        });
        match cleaned {
            Ok(clean) => {
                trace = trace.map(|trace| trace.cleaned(&clean, sorted.submission.events.len()));
                sorted.take(clean, source);
            }
            Err(rejection) => {
                trace = trace.map(|trace| trace.refused(&rejection));
                sorted.refuse(index, rejection, request);
            }
        }
        sorted.traces.end(trace);
    }
    sorted
}

fn quarantined(rejection: Rejection, request: &Request<'_>) -> Quarantined {
    let problem = rejection.summary();
    Quarantined {
        received_at: request.received_at,
        source: request.source.id.as_str().into(),
        code: problem.code.as_str().into(),
        field: problem.field.into(),
        message: problem.message.into(),
        raw: rejection.raw.into(),
        user_agent: request.user_agent.into(),
    }
}

fn incoming(clean: Clean, source: &SourceSettings) -> Incoming {
    let by_content = source.fingerprint_window > Span::ZERO
        && (!clean.has_own_id || source.fingerprint_scope == FingerprintScope::All);
    let identity = Identity {
        event_id: clean.has_own_id.then(|| event_identity(clean.event.event_id.as_str())),
        content: by_content.then(|| (clean.fingerprint(), source.fingerprint_window.min(WINDOW_MAX))),
        timestamp: clean.event.timestamp,
    };
    let encoded = Some(encode_event(&clean.event));
    Incoming { event: Arc::new(clean.event), identity, encoded }
}

/// An id for an event that came without one: sorts by time.
fn new_event_id() -> EventId {
    EventId::from(uuid::Uuid::now_v7().to_string())
}

/// Cleans a request's events, makes them durable under the request's `name`, see
/// [`idempotency`], and counts them.
///
/// # Errors
/// When they cannot be made durable: then none of them is taken.
pub async fn collect<'a>(
    app: &Arc<App>,
    elements: impl IntoIterator<Item = Result<RawEvent<'a>, Rejection>>,
    request: &Request<'_>,
    name: Option<u128>,
    bytes: usize,
) -> Result<Taken, Problem> {
    let traces = app.intake.debugger.begin(request.source.id.as_str(), request.received_at);
    let sorted = sort_traced(elements, request, traces).named(name);
    submit(app, sorted, bytes).await
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
    let receipt = match app.writer.submit(submission).await {
        Ok(receipt) => receipt,
        Err(error) => {
            app.intake.debugger.failed(sorted.traces, &error);
            return Err(refuse(app, error));
        }
    };
    app.intake.debugger.durable(sorted.traces, &receipt.repeats);
    let counters = &app.hub.counters;
    let count = |counter: &std::sync::atomic::AtomicU64, by: usize| {
        counter.fetch_add(by as u64, Ordering::Relaxed);
    };
    count(&counters.received, events + reasons.len() + sorted.dropped);
    count(&counters.accepted, receipt.accepted);
    count(&counters.duplicates, receipt.duplicates);
    count(&counters.marked, sorted.marked);
    count(&counters.dropped, sorted.dropped);
    for reason in &reasons {
        app.hub.count_refusal(reason);
    }
    app.hub.count_differing(sorted.differing);
    Ok(Taken { receipt, marked: sorted.marked, dropped: sorted.dropped, remarks: sorted.remarks })
}

/// What became of a request's events.
#[derive(Debug)]
pub struct Taken {
    /// How many were accepted, left out and refused.
    pub receipt: Receipt,
    /// Clean ones that automatons did.
    marked: usize,
    /// Let go of, since their browsers ask for that.
    dropped: usize,
    remarks: Vec<Remark>,
}

impl Taken {
    /// The same as JSON.
    pub fn to_json(&self) -> Json {
        let Receipt { accepted, duplicates, quarantined, .. } = self.receipt;
        let mut json = json!({"accepted": accepted, "duplicates": duplicates, "quarantined": quarantined, "errors": errors(&self.remarks)});
        if let Some(object) = json.as_object_mut() {
            object.extend(self.seldom().map(|(name, count)| (name.to_owned(), count.into())));
        }
        json
    }

    /// The same as text, for the busiest of answers.
    pub fn to_body(&self) -> String {
        let Receipt { accepted, duplicates, quarantined, .. } = self.receipt;
        let errors = errors(&self.remarks);
        let seldom: String = self.seldom().map(|(name, count)| format!(r#","{name}":{count}"#)).collect();
        format!(
            r#"{{"accepted":{accepted},"duplicates":{duplicates},"quarantined":{quarantined},"errors":{errors}{seldom}}}"#
        )
    }

    /// What is told only when there is some.
    fn seldom(&self) -> impl Iterator<Item = (&'static str, usize)> {
        [("marked", self.marked), ("dropped", self.dropped)].into_iter().filter(|(_, count)| *count > 0)
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
