//! For those who run it: alive, ready, metrics.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::{OriginalUri, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::app::App;
use crate::log::Log;
use crate::problem::Problem;

/// Whether the process is alive.
#[utoipa::path(get, path = "/healthz", tag = "operation", operation_id = "healthz", responses((status = 200)))]
pub async fn healthz() -> Response {
    crate::admin::ok(&json!({"status": "ok"}))
}

/// Whether it can take events and works on them.
#[utoipa::path(get, path = "/readyz", tag = "operation", operation_id = "readyz", responses((status = 200), (status = 503)))]
pub async fn readyz(State(app): State<Arc<App>>) -> Response {
    if app.has_failed() {
        return Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "worker_stopped",
            "a partition's worker has stopped; see the log",
        )
        .into_response();
    }
    crate::admin::ok(&json!({"status": "ready", "lag": app.lag()}))
}

/// Counters in Prometheus' text format.
#[utoipa::path(get, path = "/metrics", tag = "operation", operation_id = "metrics", responses((status = 200, description = "text/plain; version=0.0.4")))]
pub async fn metrics(State(app): State<Arc<App>>) -> Response {
    let counters = &app.hub.counters;
    let mut text = String::new();
    let mut counter = |name: &str, help: &str, value: u64| {
        // Writing to a String cannot fail.
        let _infallible = writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter\n{name} {value}");
    };
    let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    counter("signalpost_collect_received_events_total", "Events that came", read(&counters.received));
    counter("signalpost_collect_accepted_events_total", "Events accepted", read(&counters.accepted));
    counter("signalpost_clean_duplicate_events_total", "Repeats left out", read(&counters.duplicates));
    counter(
        "signalpost_clean_quarantined_events_total",
        "Events put into quarantine",
        read(&counters.quarantined),
    );
    counter(
        "signalpost_clean_bot_events_total",
        "Events of bots, marked or quarantined",
        read(&counters.bots) + read(&counters.marked),
    );
    counter(
        "signalpost_clean_dropped_events_total",
        "Events of browsers that opted out",
        read(&counters.dropped),
    );
    counter("signalpost_profile_processed_records_total", "Log records processed", read(&counters.processed));
    counter("signalpost_segment_entries_total", "Memberships begun", read(&counters.entries));
    counter("signalpost_segment_exits_total", "Memberships ended", read(&counters.exits));
    counter("signalpost_segment_derived_events_total", "Derived events made", read(&counters.derived));
    let verification = &app.verification;
    counter(
        "signalpost_segment_verify_runs_total",
        "Comparisons with the lake's SQL",
        read(&verification.runs),
    );
    counter(
        "signalpost_segment_verify_failures_total",
        "Comparisons that could not be made",
        read(&verification.failures),
    );
    let gauges = [
        (
            "signalpost_segment_verify_differences",
            "People on whom live and SQL disagreed when their segment was last compared",
            verification.differences(),
        ),
        (
            "signalpost_segment_verify_last_timestamp_seconds",
            "When a segment was last compared, 0: never since the start",
            read(&verification.latest_seconds),
        ),
        ("signalpost_log_lag_records", "Records that wait for a worker", app.lag()),
        ("signalpost_clean_quarantine_events", "Events in quarantine", app.log.quarantine_len()),
        (
            "signalpost_lake_pending_rows",
            "Rows not yet committed to the lake",
            app.lake.pending_rows() as u64,
        ),
    ];
    for (name, help, value) in gauges {
        let _infallible = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}");
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

/// No such route.
pub async fn not_found(OriginalUri(uri): OriginalUri) -> Problem {
    Problem::not_found("page or endpoint", uri.path())
}
