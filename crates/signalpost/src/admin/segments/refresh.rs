//! Runs of a segment's query: the list of them, and one more.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value as Json, json};
use signalpost_core::program::Segment;
use signalpost_core::time::Timestamp;

use super::find;
use crate::admin::{Answer, ok};
use crate::app::App;
use crate::problem::Problem;
use crate::refresh::{self, Error, Run, runs};
use crate::serve::auth;

/// The schedule of a segment and its latest run; null for a live one.
pub(super) fn describe(app: &App, segment: &Segment) -> Result<Json, Problem> {
    let Some(refresh) = &segment.refresh else { return Ok(Json::Null) };
    let last = runs(app, segment.name.as_str(), 1)?.into_iter().next();
    let after = last.as_ref().map_or(segment.since, |run| run.started_at).max(app.clock.now());
    let next = Some(refresh::next(segment, after)).filter(|next| *next < Timestamp::MAX);
    Ok(json!({
        "cron": refresh.cron,
        "zone": refresh.zone,
        "next": next.map(|at| at.to_string()),
        "last_run": last.as_ref().map(run_json),
    }))
}

fn run_json(run: &Run) -> Json {
    json!({
        "run": run.number,
        "version": run.version,
        "started_at": run.started_at.to_string(),
        "cause": if run.asked { "asked" } else { "schedule" },
        "status": run.status,
        "duration_ms": run.duration_ms,
        "members": run.members,
        "entered": run.entered,
        "left": run.left,
        "error": run.error,
    })
}

/// Lists the runs of a segment's query, newest first.
///
/// # Errors
/// 404 and the usual.
#[utoipa::path(get, path = "/api/segments/{name}/runs", tag = "segments", operation_id = "segmentRuns", params(("name" = String, Path), ("limit" = Option<usize>, Query)), responses((status = 200, description = "{runs: [{run, version, started_at, cause, status, duration_ms, members, entered, left, error}]}"), (status = 404)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Answer {
    auth::require(&app, &headers, "segments:read")?;
    find(&app, &name)?;
    let limit = query.get("limit").and_then(|text| text.parse().ok()).unwrap_or(100).clamp(1, 1_000);
    let runs: Vec<Json> = runs(&app, &name, limit)?.iter().map(run_json).collect();
    Ok(ok(&json!({"runs": runs})))
}

/// Runs the segment's query now, and answers when its result is in force.
///
/// # Errors
/// 404, 409 when it is being run or is live, 422 when the query fails.
#[utoipa::path(post, path = "/api/segments/{name}/refresh", tag = "segments", operation_id = "refreshSegment", params(("name" = String, Path)), responses((status = 200, description = "The run"), (status = 404), (status = 409), (status = 422)))]
pub async fn run(State(app): State<Arc<App>>, Path(name): Path<String>, headers: HeaderMap) -> Answer {
    auth::require(&app, &headers, "segments:write")?;
    find(&app, &name)?;
    // Once begun, it is carried to its end, whoever hangs up.
    let task_app = Arc::clone(&app);
    let task = tokio::spawn(async move { refresh::run_now(&task_app, &name).await });
    let outcome = task
        .await
        .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", error.to_string()))?;
    match outcome {
        Ok(run) => Ok(ok(&run_json(&run))),
        Err(error @ (Error::Overlaps(_) | Error::NotRefreshed(_))) => {
            Err(Problem::new(StatusCode::CONFLICT, "conflict", error.to_string()))
        }
        Err(Error::Query(error)) => Err(crate::admin::sql::problem(&error)),
        Err(error) => Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "refresh", error.to_string())),
    }
}
