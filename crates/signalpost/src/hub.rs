//! What happened, for those who watch: live streams, counters and timings.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::{Value as Json, json};
use tokio::sync::broadcast;

/// Messages a slow listener may fall behind before it misses some.
const LIVE_MESSAGES_MAX: usize = 8_192;
/// Places for the times of receipt of accepted events, for measuring: 2 MiB.
const TIMED_EVENTS: usize = 1 << 18;
/// Types of events that are counted by name.
const TYPES_MAX: usize = 1_000;
/// How exactly those times are kept.
const TIMED_STEP: Duration = Duration::from_micros(10);

/// One live message: a kind and its JSON.
#[derive(Clone, Debug)]
pub struct Live {
    /// `event`, `membership` or `delivery`.
    pub kind: &'static str,
    /// What happened.
    pub data: Arc<str>,
}

/// Counts of what went through each step since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Events that came, good and bad.
    pub received: AtomicU64,
    /// Events accepted.
    pub accepted: AtomicU64,
    /// Repeats left out.
    pub duplicates: AtomicU64,
    /// Events put into quarantine, bots among them.
    pub quarantined: AtomicU64,
    /// Of those, bots.
    pub bots: AtomicU64,
    /// Events of bots that were accepted with a mark, repeats among them.
    pub marked: AtomicU64,
    /// Events let go of, since their browsers ask for that.
    pub dropped: AtomicU64,
    /// Records the workers took.
    pub processed: AtomicU64,
    /// Memberships begun.
    pub entries: AtomicU64,
    /// Memberships ended.
    pub exits: AtomicU64,
    /// Derived events made.
    pub derived: AtomicU64,
}

/// The hub.
#[derive(Debug)]
pub struct Hub {
    live: broadcast::Sender<Live>,
    /// The counters.
    pub counters: Counters,
    by_type: Mutex<HashMap<Box<str>, u64>>,
    by_reason: Mutex<BTreeMap<Box<str>, u64>>,
    /// Events that differ from the tracking plan and were kept, by type.
    differing: Mutex<BTreeMap<Box<str>, u64>>,
    deliveries: Mutex<BTreeMap<&'static str, u64>>,
    received: Received,
    timings: Mutex<Timings>,
}

/// When lately accepted events came: a place an event, chosen by its id's
/// hash; a newer event takes the place of an older one.
struct Received {
    started: Instant,
    /// Half of the id's hash, and the time since the start in [`TIMED_STEP`]s.
    places: Box<[AtomicU64]>,
}

impl std::fmt::Debug for Received {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Received").field("started", &self.started).finish_non_exhaustive()
    }
}

impl Received {
    fn new() -> Self {
        let places = (0..TIMED_EVENTS).map(|_| AtomicU64::new(0)).collect();
        Self { started: crate::clock::instant(), places }
    }

    fn place(&self, hash: u64) -> Option<&AtomicU64> {
        self.places.get(usize::try_from(hash).unwrap_or(0) % TIMED_EVENTS)
    }

    fn steps(&self, at: Instant) -> u64 {
        let steps = at.saturating_duration_since(self.started).as_micros() / TIMED_STEP.as_micros();
        u64::try_from(steps).unwrap_or(0) & u64::from(u32::MAX)
    }

    fn note(&self, event_id: &str, at: Instant) {
        let hash = key(event_id);
        if let Some(place) = self.place(hash) {
            place.store(hash & !u64::from(u32::MAX) | self.steps(at), Ordering::Relaxed);
        }
    }

    fn since(&self, event_id: &str, now: Instant) -> Option<Duration> {
        let hash = key(event_id);
        let held = self.place(hash)?.load(Ordering::Relaxed);
        if held == 0 || (held ^ hash) >> 32 != 0 {
            return None;
        }
        let steps = self.steps(now).checked_sub(held & u64::from(u32::MAX))?;
        Some(TIMED_STEP * u32::try_from(steps).ok()?)
    }
}

/// Times from receipt, in microseconds.
#[derive(Debug)]
struct Timings {
    to_change: Histogram<u64>,
    to_delivery: Histogram<u64>,
}

fn histogram() -> Histogram<u64> {
    // An hour at most, three digits: the bounds are right by construction.
    Histogram::new_with_max(3_600_000_000, 3)
        .unwrap_or_else(|_| Histogram::new_with_bounds(1, 2, 3).unwrap_or_else(|_| unreachable!()))
}

impl Default for Hub {
    fn default() -> Self {
        Self {
            live: broadcast::channel(LIVE_MESSAGES_MAX).0,
            counters: Counters::default(),
            by_type: Mutex::default(),
            by_reason: Mutex::default(),
            differing: Mutex::default(),
            deliveries: Mutex::default(),
            received: Received::new(),
            timings: Mutex::new(Timings { to_change: histogram(), to_delivery: histogram() }),
        }
    }
}

fn key(event_id: &str) -> u64 {
    signalpost_core::profile::hash(event_id.as_bytes())
}

impl Hub {
    /// A stream of what happens from now on.
    pub fn listen(&self) -> broadcast::Receiver<Live> {
        self.live.subscribe()
    }

    /// Whether anybody listens, so that messages need not be made for nobody.
    pub fn has_listeners(&self) -> bool {
        self.live.receiver_count() > 0
    }

    /// Tells the listeners.
    pub fn tell(&self, kind: &'static str, data: &Json) {
        if self.has_listeners() {
            // Nobody listening any more is no fault.
            drop(self.live.send(Live { kind, data: data.to_string().into() }));
        }
    }

    /// Notes an accepted event's receipt.
    pub fn note_received(&self, event_id: &str, at: Instant) {
        self.received.note(event_id, at);
    }

    /// Notes that an event has changed a membership.
    pub fn note_change(&self, event_id: &str, now: Instant) {
        if let Some(time) = self.received.since(event_id, now) {
            let mut timings = self.timings.lock().unwrap_or_else(PoisonError::into_inner);
            timings.to_change.saturating_record(micros(time));
        }
    }

    /// Notes that a message caused by an event went out.
    pub fn note_delivery(&self, event_id: &str, now: Instant) {
        if let Some(time) = self.received.since(event_id, now) {
            let mut timings = self.timings.lock().unwrap_or_else(PoisonError::into_inner);
            timings.to_delivery.saturating_record(micros(time));
        }
    }

    /// Counts accepted events by type.
    pub fn count_types<'a>(&self, types: impl Iterator<Item = &'a str>) {
        let mut by_type = self.by_type.lock().unwrap_or_else(PoisonError::into_inner);
        for event_type in types {
            match by_type.get_mut(event_type) {
                Some(count) => *count += 1,
                None => {
                    by_type.insert(event_type.into(), 1);
                }
            }
        }
    }

    /// Counts a refusal by its reason.
    pub fn count_refusal(&self, code: &str) {
        let mut by_reason = self.by_reason.lock().unwrap_or_else(PoisonError::into_inner);
        *by_reason.entry(code.into()).or_default() += 1;
        self.counters.quarantined.fetch_add(1, Ordering::Relaxed);
        if code == "bot" {
            self.counters.bots.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts events that differ from the tracking plan and were kept.
    pub fn count_differing(&self, types: Vec<Box<str>>) {
        if types.is_empty() {
            return;
        }
        let mut differing = self.differing.lock().unwrap_or_else(PoisonError::into_inner);
        for event_type in types {
            let known = differing.len() < TYPES_MAX || differing.contains_key(&event_type);
            let event_type = if known { event_type } else { "…".into() };
            *differing.entry(event_type).or_default() += 1;
        }
    }

    /// Events of a type that differ from the tracking plan and were kept.
    pub fn differing(&self, event_type: &str) -> u64 {
        let differing = self.differing.lock().unwrap_or_else(PoisonError::into_inner);
        differing.get(event_type).copied().unwrap_or_default()
    }

    /// Counts a delivery by what became of it.
    pub fn count_delivery(&self, status: &'static str) {
        let mut deliveries = self.deliveries.lock().unwrap_or_else(PoisonError::into_inner);
        *deliveries.entry(status).or_default() += 1;
    }

    /// Everything counted and timed, as the API shows it.
    pub fn to_json(&self) -> Json {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let by_type: BTreeMap<Box<str>, u64> = self
            .by_type
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .map(|(k, v)| (k.clone(), *v))
            .collect();
        let timings = self.timings.lock().unwrap_or_else(PoisonError::into_inner);
        json!({
            "events": {
                "received": read(&self.counters.received),
                "accepted": read(&self.counters.accepted),
                "duplicates": read(&self.counters.duplicates),
                "quarantined": read(&self.counters.quarantined),
                "bots": read(&self.counters.bots) + read(&self.counters.marked),
                "marked": read(&self.counters.marked),
                "dropped": read(&self.counters.dropped),
                "processed": read(&self.counters.processed),
                "derived": read(&self.counters.derived),
                "by_type": by_type,
                "differing": &*self.differing.lock().unwrap_or_else(PoisonError::into_inner),
                "by_reason": &*self.by_reason.lock().unwrap_or_else(PoisonError::into_inner),
            },
            "memberships": {"entries": read(&self.counters.entries), "exits": read(&self.counters.exits)},
            "deliveries": &*self.deliveries.lock().unwrap_or_else(PoisonError::into_inner),
            "latency_ms": {
                "event_to_change": quantiles(&timings.to_change),
                "event_to_delivery": quantiles(&timings.to_delivery),
            },
        })
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn quantiles(histogram: &Histogram<u64>) -> Json {
    let at = |quantile: f64| {
        #[expect(clippy::cast_precision_loss, reason = "an hour in microseconds is far below 2^53")]
        let micros = histogram.value_at_quantile(quantile) as f64;
        micros / 1_000.0
    };
    json!({"count": histogram.len(), "p50": at(0.5), "p99": at(0.99)})
}
