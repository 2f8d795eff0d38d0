//! `/api/debug`: the last events of each source, and what each stage did to them.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;

use super::{Answer, ok};
use crate::app::App;
use crate::debugger::KEPT;
use crate::problem::Problem;
use crate::serve::auth;

/// Lists the last events, newest first: of one source or of all.
///
/// # Errors
/// The usual.
#[utoipa::path(get, path = "/api/debug/events", tag = "debug", operation_id = "debugEvents", params(("source" = Option<String>, Query), ("limit" = Option<usize>, Query)), responses((status = 200, description = "{events: [{source, received_at, outcome, event, raw, problems, stages: [{stage, after_us, …}]}]}")))]
pub async fn events(
    State(app): State<Arc<App>>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Answer {
    auth::require(&app, &headers, "profiles:read")?;
    let limit = query.get("limit").and_then(|text| text.parse().ok()).unwrap_or(50).clamp(1, KEPT);
    let source = query.get("source").filter(|source| !source.is_empty()).map(String::as_str);
    let events = app.intake.debugger.list(source, limit, app.clock.now());
    Ok(ok(&json!({"events": events.iter().map(|trace| &**trace).collect::<Vec<_>>()})))
}

/// Streams events as they come, with what each stage did.
///
/// # Errors
/// 401 and 403.
#[utoipa::path(get, path = "/api/debug/live", tag = "debug", operation_id = "debugLive", params(("source" = Option<String>, Query)), responses((status = 200, description = "text/event-stream: trace; 'missed' tells how many a slow reader lost")))]
pub async fn live(
    State(app): State<Arc<App>>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    auth::require(&app, &headers, "profiles:read")?;
    let source = query.get("source").filter(|source| !source.is_empty()).cloned();
    let traces =
        stream::unfold((app.intake.debugger.listen(), source), |(mut listener, source)| async move {
            loop {
                let event = match listener.recv().await {
                    Ok(trace) if source.as_ref().is_some_and(|source| **source != *trace.source) => continue,
                    Ok(trace) => Event::default().event("trace").data(trace.json.to_string()),
                    Err(RecvError::Lagged(missed)) => {
                        Event::default().event("missed").data(missed.to_string())
                    }
                    Err(RecvError::Closed) => return None,
                };
                return Some((Ok::<_, Infallible>(event), (listener, source)));
            }
        });
    let keep_alive = KeepAlive::new().interval(Duration::from_secs(15));
    Ok(Sse::new(traces).keep_alive(keep_alive).into_response())
}
