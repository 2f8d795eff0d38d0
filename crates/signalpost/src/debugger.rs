//! The debugger: the last events of each source, and what each stage did to them.
//!
//! In: a few events a second of each source, followed through cleaning and onto
//! the log ([`Traces`]). Out: their traces, newest first, for an hour, and a live
//! stream of them. Memory is bounded, nothing is written to disk, and of a busy
//! source only the first events of each second are followed, so that the path
//! pays next to nothing.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde_json::{Value as Json, json};
use signalpost_core::clean::fingerprint::ORIGINAL_TIMESTAMP;
use signalpost_core::clean::{Clean, Problem, ProblemCode, RawEvent, Rejection};
use signalpost_core::time::{Span, Timestamp};
use signalpost_core::value::{Value, get};
use tokio::sync::broadcast;

use crate::clock;

/// Traces kept of a source.
pub const KEPT: usize = 200;
/// How long a trace is shown.
const KEPT_FOR: Span = Span::HOUR;
/// Sources that are followed.
const SOURCES_MAX: usize = 256;
/// Events of a source followed in a second.
const TRACED_A_SECOND: usize = 50;
/// The most that is shown of an event as it came, in bytes.
const RAW_BYTES_MAX: usize = 4_096;
/// Traces a slow reader of the stream may fall behind.
const LIVE_TRACES_MAX: usize = 1_024;

/// A trace as it is shown.
#[derive(Clone, Debug)]
pub struct Shown {
    /// When the event came.
    pub received_at: Timestamp,
    /// Its source.
    pub source: Arc<str>,
    /// The trace.
    pub json: Arc<Json>,
}

/// The traces of every source.
#[derive(Debug)]
pub struct Debugger {
    sources: Mutex<HashMap<Arc<str>, Ring>>,
    live: broadcast::Sender<Shown>,
}

#[derive(Debug, Default)]
struct Ring {
    traces: VecDeque<Shown>,
    /// The second that is counted, and the events followed in it.
    second: i64,
    traced: usize,
}

impl Default for Debugger {
    fn default() -> Self {
        Self { sources: Mutex::default(), live: broadcast::channel(LIVE_TRACES_MAX).0 }
    }
}

impl Debugger {
    /// Begins to follow a request's events, as many as the second has room for.
    pub fn begin(&self, source: &str, received_at: Timestamp) -> Traces {
        let second = received_at.as_micros() / 1_000_000;
        let mut sources = self.lock();
        let (name, room) = match sources.get_key_value(source).map(|(name, _)| Arc::clone(name)) {
            Some(name) => {
                let ring = sources.entry(Arc::clone(&name)).or_default();
                if ring.second != second {
                    (ring.second, ring.traced) = (second, 0);
                }
                (name, TRACED_A_SECOND.saturating_sub(ring.traced))
            }
            None if sources.len() < SOURCES_MAX => {
                let name: Arc<str> = source.into();
                sources.insert(Arc::clone(&name), Ring { second, ..Ring::default() });
                (name, TRACED_A_SECOND)
            }
            None => return Traces::default(),
        };
        drop(sources);
        let of = (room > 0).then(|| Of { source: name, received_at, started: clock::instant() });
        Traces { of, room, done: Vec::new() }
    }

    /// Keeps the traces of events that are on the log; `repeats` are those of
    /// them that were there before.
    pub fn durable(&self, traces: Traces, repeats: &[usize]) {
        self.keep(traces, |trace| {
            let repeated = trace.place.is_some_and(|place| repeats.binary_search(&place).is_ok());
            if repeated {
                trace.outcome = "duplicate";
            }
        });
    }

    /// Keeps the traces of events that could not be made durable.
    pub fn failed(&self, traces: Traces, error: &dyn std::error::Error) {
        let told = error.to_string();
        self.keep(traces, |trace| {
            trace.outcome = "failed";
            trace.detail = json!({"message": told});
        });
    }

    fn keep(&self, traces: Traces, mut judge: impl FnMut(&mut Trace)) {
        let Some(of) = traces.of.filter(|_| !traces.done.is_empty()) else { return };
        let ended = micros_since(of.started);
        let shown = traces.done.into_iter().map(|mut trace| {
            judge(&mut trace);
            let json = Arc::new(trace.to_json(&of, ended));
            Shown { received_at: of.received_at, source: Arc::clone(&of.source), json }
        });
        let shown: Vec<Shown> = shown.collect();
        let mut sources = self.lock();
        let ring = sources.entry(Arc::clone(&of.source)).or_default();
        ring.traced += shown.len();
        ring.traces.extend(shown.iter().cloned());
        let surplus = ring.traces.len().saturating_sub(KEPT);
        ring.traces.drain(..surplus);
        drop(sources);
        if self.live.receiver_count() > 0 {
            for trace in shown {
                // Nobody listening any more is no fault.
                drop(self.live.send(trace));
            }
        }
    }

    /// The traces of a source, or of all, newest first, at most `limit`.
    pub fn list(&self, source: Option<&str>, limit: usize, now: Timestamp) -> Vec<Arc<Json>> {
        let mut sources = self.lock();
        for ring in sources.values_mut() {
            ring.traces.retain(|trace| now - trace.received_at < KEPT_FOR);
        }
        let wanted = |name: &str| source.is_none_or(|source| source == name);
        let mut found: Vec<&Shown> = sources
            .iter()
            .filter(|(name, _)| wanted(name))
            .flat_map(|(_, ring)| ring.traces.iter().rev())
            .collect();
        // Stable: within an instant the newest of a source stays first.
        found.sort_by_key(|trace| std::cmp::Reverse(trace.received_at));
        found.into_iter().take(limit).map(|trace| Arc::clone(&trace.json)).collect()
    }

    /// Every trace from now on.
    pub fn listen(&self) -> broadcast::Receiver<Shown> {
        self.live.subscribe()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Arc<str>, Ring>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn micros_since(started: Instant) -> u64 {
    u64::try_from(clock::instant().saturating_duration_since(started).as_micros()).unwrap_or(u64::MAX)
}

/// The events of one request that are followed. Follows none by default.
#[derive(Debug, Default)]
pub struct Traces {
    of: Option<Of>,
    room: usize,
    done: Vec<Trace>,
}

#[derive(Debug)]
struct Of {
    source: Arc<str>,
    received_at: Timestamp,
    started: Instant,
}

impl Traces {
    /// Begins to follow an event, while there is room.
    pub fn begin(&mut self, element: &Result<RawEvent<'_>, Rejection>) -> Option<Trace> {
        let of = self.of.as_ref().filter(|_| self.room > 0)?;
        self.room -= 1;
        let raw = match element {
            Ok(raw) => raw.to_json().to_string(),
            Err(rejection) => rejection.raw.clone(),
        };
        Some(Trace {
            raw: excerpt(raw),
            begun: micros_since(of.started),
            started: Some(of.started),
            ..Trace::default()
        })
    }

    /// Takes an event's trace back.
    pub fn end(&mut self, trace: Option<Trace>) {
        self.done.extend(trace);
    }
}

fn excerpt(mut raw: String) -> String {
    if raw.len() > RAW_BYTES_MAX {
        let end = (0..=RAW_BYTES_MAX).rev().find(|at| raw.is_char_boundary(*at)).unwrap_or(0);
        raw.truncate(end);
        raw.push('…');
    }
    raw
}

/// One event's way so far.
#[derive(Debug, Default)]
pub struct Trace {
    raw: String,
    started: Option<Instant>,
    /// Microseconds after the request began to be cleaned.
    begun: u64,
    cleaned: u64,
    /// Which of the request's clean events it is.
    place: Option<usize>,
    outcome: &'static str,
    /// What the outcome adds: why, by which mark.
    detail: Json,
    /// The event's own names, when it is clean.
    event: Json,
    corrected: Option<Json>,
    changes: Json,
    problems: Vec<Json>,
}

fn problem_json(problem: &Problem) -> Json {
    json!({"code": problem.code.as_str(), "field": problem.field, "message": problem.message})
}

impl Trace {
    fn note_cleaned(&mut self) {
        self.cleaned = self.started.map_or(0, micros_since);
    }

    /// It is clean; `place` is its place among the request's clean events.
    #[must_use]
    pub fn cleaned(mut self, clean: &Clean, place: usize) -> Self {
        self.note_cleaned();
        let event = &clean.event;
        self.place = Some(place);
        self.event = json!({
            "event_id": event.event_id.as_str(),
            "event_type": event.event_type,
            "customer_id": event.customer_id.as_ref().map(signalpost_core::id::CustomerId::as_str),
            "anonymous_id": event.anonymous_id.as_ref().map(signalpost_core::id::AnonymousId::as_str),
            "timestamp": event.timestamp.to_string(),
        });
        self.outcome = if event.counts() { "accepted" } else { "marked" };
        self.detail = json!({
            "agent": clean.agent.map(signalpost_core::clean::Agent::as_str),
            "bot_points": clean.score.points,
            "bot_reasons": clean.score.reasons.iter().map(|(reason, _)| reason.as_str()).collect::<Vec<_>>(),
        });
        let corrected = clean.problems.iter().any(|problem| problem.code == ProblemCode::ClockCorrected);
        self.corrected = corrected.then(|| {
            let from = get(&event.context, ORIGINAL_TIMESTAMP).map(Value::to_json);
            json!({"field": "timestamp", "from": from, "to": event.timestamp.to_string()})
        });
        let change = |change: &signalpost_core::clean::Change| json!({"field": change.field, "from": change.from.to_json(), "to": change.to.to_json(), "rule": change.rule});
        self.changes = clean.changes.iter().map(change).collect();
        self.problems = clean.problems.iter().map(problem_json).collect();
        self
    }

    /// It goes to quarantine.
    #[must_use]
    pub fn refused(mut self, rejection: &Rejection) -> Self {
        self.note_cleaned();
        self.outcome = "quarantined";
        self.problems = rejection.problems().map(problem_json).collect();
        self
    }

    /// It is let go of, since its browser asks for that.
    #[must_use]
    pub fn dropped(mut self) -> Self {
        self.note_cleaned();
        // Of such a browser nothing is kept, not even here.
        self.raw = String::new();
        self.outcome = "dropped";
        self
    }

    fn to_json(&self, of: &Of, ended: u64) -> Json {
        let mut stages = vec![json!({"stage": "received", "after_us": self.begun})];
        if let Some(corrected) = &self.corrected {
            stages.push(json!({"stage": "corrected", "after_us": self.cleaned, "change": corrected}));
        }
        if !self.event.is_null() {
            stages.push(json!({"stage": "normalised", "after_us": self.cleaned, "changes": self.changes}));
        }
        stages.push(json!({"stage": self.outcome, "after_us": ended, "detail": self.detail}));
        json!({
            "source": &*of.source,
            "received_at": of.received_at.to_string(),
            "outcome": self.outcome,
            "event": self.event,
            "raw": self.raw,
            "problems": self.problems,
            "stages": stages,
        })
    }
}
