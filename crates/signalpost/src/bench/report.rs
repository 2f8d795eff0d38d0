//! What a load came to: counts and latencies, as a short table or as JSON.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::Load;

/// The longest latency that is told apart from longer ones: an hour.
const LATENCY_MICROS_MAX: u64 = 3_600_000_000;

/// The result of one load.
#[derive(Clone, Debug)]
pub struct Report {
    /// Requests due in the measured time and answered, whatever the status.
    pub requests: u64,
    /// Events of those requests that the server says it accepted.
    pub events: u64,
    /// Events answered but not accepted (duplicate, quarantined, or the whole
    /// request refused), warm-up included.
    pub events_refused: u64,
    /// Answers outside 200-299 by status, warm-up included.
    pub errors_by_status: BTreeMap<u16, u64>,
    /// Connections lost or refused and replies that could not be read, warm-up
    /// included. Nothing is sent twice.
    pub io_errors: u64,
    /// Requests that were due and had no answer ten seconds after the end.
    pub unanswered: u64,
    /// Requests answered that were due in the warm-up; no other count has them.
    pub warm_up_requests: u64,
    /// Events accepted that were due in the warm-up.
    pub warm_up_events: u64,
    /// Seconds from the end of the warm-up to the last answer.
    pub seconds: f64,
    /// Microseconds from when a request was due (in the closed loop: sent) to
    /// its whole answer. Answers 200-299 and, with the time waited so far, those
    /// unanswered.
    pub latency: Histogram<u64>,
    /// CPU seconds of the client's thread, warm-up included. Near the length of
    /// the load, the client and not the server was measured.
    pub client_cpu_seconds: Option<f64>,
    connections: usize,
    rate: Option<f64>,
    batch: usize,
}

impl Report {
    pub(super) fn new(load: &Load) -> Self {
        Self {
            requests: 0,
            events: 0,
            events_refused: 0,
            errors_by_status: BTreeMap::new(),
            io_errors: 0,
            unanswered: 0,
            warm_up_requests: 0,
            warm_up_events: 0,
            seconds: 0.0,
            latency: Histogram::new_with_bounds(1, LATENCY_MICROS_MAX, 3)
                .expect("bounds and digits are within the histogram's limits"),
            client_cpu_seconds: None,
            connections: load.connections,
            rate: load.rate,
            batch: load.batch,
        }
    }

    pub(super) fn record(&mut self, latency: Duration) {
        self.latency.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
    }

    /// Answered requests a second.
    pub fn requests_per_second(&self) -> f64 {
        self.requests as f64 / self.seconds.max(f64::MIN_POSITIVE)
    }

    /// Accepted events a second.
    pub fn events_per_second(&self) -> f64 {
        self.events as f64 / self.seconds.max(f64::MIN_POSITIVE)
    }

    /// Whether everything sent was answered with 200-299 and accepted.
    pub fn flawless(&self) -> bool {
        self.errors_by_status.is_empty()
            && self.io_errors == 0
            && self.unanswered == 0
            && self.events_refused == 0
    }

    /// The report as JSON: counts, rates and latencies in milliseconds.
    pub fn to_json(&self) -> Value {
        let errors: serde_json::Map<String, Value> =
            self.errors_by_status.iter().map(|(status, count)| (status.to_string(), json!(count))).collect();
        json!({
            "loop": if self.rate.is_some() { "open" } else { "closed" },
            "connections": self.connections,
            "rate": self.rate,
            "batch": self.batch,
            "seconds": self.seconds,
            "requests": self.requests,
            "requests_per_second": self.requests_per_second(),
            "events": self.events,
            "events_per_second": self.events_per_second(),
            "events_refused": self.events_refused,
            "errors_by_status": errors,
            "io_errors": self.io_errors,
            "unanswered": self.unanswered,
            "warm_up_requests": self.warm_up_requests,
            "warm_up_events": self.warm_up_events,
            "latency_ms": {
                "mean": self.latency.mean() / 1_000.0,
                "p50": self.latency_ms(0.5),
                "p90": self.latency_ms(0.9),
                "p99": self.latency_ms(0.99),
                "p999": self.latency_ms(0.999),
                "max": self.latency.max() as f64 / 1_000.0,
            },
            "client_cpu_seconds": self.client_cpu_seconds,
        })
    }

    /// The latency in milliseconds that the share `quantile` (0 to 1) stayed
    /// within.
    pub fn latency_ms(&self, quantile: f64) -> f64 {
        // The histogram gives the upper end of a step, which may pass the maximum.
        self.latency.value_at_quantile(quantile).min(self.latency.max()) as f64 / 1_000.0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ways = match self.rate {
            Some(rate) => format!("open loop, {rate} requests/s"),
            None => "closed loop".to_owned(),
        };
        writeln!(out, "load       {ways}, {} connections, batches of {}", self.connections, self.batch)?;
        writeln!(
            out,
            "requests   {} in {:.2} s, {:.0}/s",
            self.requests,
            self.seconds,
            self.requests_per_second()
        )?;
        writeln!(out, "events     {} accepted, {:.0}/s", self.events, self.events_per_second())?;
        writeln!(
            out,
            "latency    p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms, max {:.2} ms",
            self.latency_ms(0.5),
            self.latency_ms(0.99),
            self.latency_ms(0.999),
            self.latency.max() as f64 / 1_000.0
        )?;
        if let Some(cpu) = self.client_cpu_seconds {
            writeln!(out, "client     {cpu:.2} CPU seconds")?;
        }
        let mut wrong: Vec<String> = self
            .errors_by_status
            .iter()
            .map(|(status, count)| format!("{count} answered {status}"))
            .collect();
        for (count, what) in [
            (self.io_errors, "connection errors"),
            (self.unanswered, "unanswered"),
            (self.events_refused, "events not accepted"),
        ] {
            if count > 0 {
                wrong.push(format!("{count} {what}"));
            }
        }
        write!(out, "errors     {}", if wrong.is_empty() { "none".to_owned() } else { wrong.join(", ") })
    }
}
