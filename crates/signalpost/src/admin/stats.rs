//! `GET /api/stats`: everything counted, in one answer.

#![expect(clippy::indexing_slicing, reason = "indexing JSON by name gives null where there is nothing")]

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::HeaderMap;
use serde_json::{Value as Json, json};

use super::{Answer, ok};
use crate::app::App;
use crate::log::Log;
use crate::serve::auth;

/// Shows the counts.
///
/// # Errors
/// The usual.
#[utoipa::path(get, path = "/api/stats", tag = "operation", operation_id = "stats", responses((status = 200)))]
pub async fn stats(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    auth::require(&app, &headers, "segments:read")?;
    let (known, anonymous) = count_profiles(&app);
    let mut stats = app.hub.to_json();
    stats["profiles"] = json!({"known": known, "anonymous": anonymous});
    stats["lag"] = json!(app.lag());
    stats["quarantine"] = json!(app.log.quarantine_len());
    stats["clock"] = json!(app.clock.now().to_string());
    stats["settled"] = Json::Bool(app.is_settled());
    Ok(ok(&stats))
}

/// Known people and anonymous visitors.
pub fn count_profiles(app: &App) -> (u64, u64) {
    let gauges = app.partitions.gauges().iter();
    gauges.fold((0, 0), |(known, anonymous), gauge| {
        (known + gauge.known.load(Ordering::Acquire), anonymous + gauge.anonymous.load(Ordering::Acquire))
    })
}
