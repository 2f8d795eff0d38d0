//! `/api/quarantine`: what was refused; to be seen, replayed or dropped.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use signalpost_core::clean::{Limits, SourceSettings, parse_batch};

use super::{Answer, ok, read};
use crate::app::App;
use crate::collect::hooks::{self, envelope::Envelope};
use crate::log::{Log, QuarantineId, Quarantined};
use crate::problem::Problem;
use crate::serve::auth;

/// Rows looked through at once.
const CHUNK: usize = 2_000;

#[derive(Deserialize)]
struct Chosen {
    /// Which ones; all of `reason`, or all, when empty.
    #[serde(default)]
    ids: Vec<QuarantineId>,
    reason: Option<String>,
    /// All of them.
    #[serde(default)]
    all: bool,
    /// Judge bots as people this time: they were marked wrongly.
    #[serde(default)]
    keep_bots: bool,
}

/// Lists what is in quarantine, newest last.
///
/// # Errors
/// The usual.
#[utoipa::path(get, path = "/api/quarantine", tag = "quarantine", operation_id = "listQuarantine", params(("limit" = Option<usize>, Query), ("reason" = Option<String>, Query), ("from" = Option<u64>, Query)), responses((status = 200)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Answer {
    auth::require(&app, &headers, "profiles:read")?;
    let limit = query.get("limit").and_then(|text| text.parse().ok()).unwrap_or(100).clamp(1, 10_000);
    let from = query.get("from").and_then(|text| text.parse().ok()).unwrap_or(0);
    let reason = query.get("reason").filter(|reason| !reason.is_empty());
    let mut rows = Vec::new();
    each(&app, from, &mut |id, row| {
        if reason.is_none_or(|reason| **reason == *row.code) {
            rows.push(to_json(id, row));
        }
        rows.len() < limit
    })?;
    Ok(ok(&json!({"quarantined": rows, "total": app.log.quarantine_len()})))
}

fn to_json(id: QuarantineId, row: &Quarantined) -> Json {
    json!({
        "id": id, "received_at": row.received_at.to_string(), "source": row.source, "code": row.code,
        "field": row.field, "message": row.message, "raw": row.raw,
    })
}

/// Calls `see` with each quarantined event until it says no.
fn each(
    app: &App,
    from: QuarantineId,
    see: &mut dyn FnMut(QuarantineId, &Quarantined) -> bool,
) -> Result<(), Problem> {
    let mut from = from;
    loop {
        let rows = app.log.quarantined(from, CHUNK)?;
        for (id, row) in &rows {
            from = id + 1;
            if !see(*id, row) {
                return Ok(());
            }
        }
        if rows.len() < CHUNK {
            return Ok(());
        }
    }
}

fn chosen(app: &App, chosen: &Chosen) -> Result<Vec<(QuarantineId, Quarantined)>, Problem> {
    if chosen.ids.is_empty() && chosen.reason.is_none() && !chosen.all {
        return Err(Problem::invalid(
            "ids",
            "say which: {\"ids\": [...]}, {\"reason\": \"bot\"} or {\"all\": true}",
        ));
    }
    let mut rows = Vec::new();
    each(app, 0, &mut |id, row| {
        let by_id = chosen.ids.is_empty() || chosen.ids.contains(&id);
        let by_reason = chosen.reason.as_ref().is_none_or(|reason| **reason == *row.code);
        if by_id && by_reason {
            rows.push((id, row.clone()));
        }
        true
    })?;
    Ok(rows)
}

/// Sends quarantined events through cleaning again, under the rules of now.
/// Those still refused stay, under a new number.
///
/// # Errors
/// The usual.
#[utoipa::path(post, path = "/api/quarantine/replay", tag = "quarantine", operation_id = "replayQuarantine", request_body(content = Object, description = "{\"ids\": [...]} or {\"reason\": \"...\"} or {\"all\": true}; {\"keep_bots\": true} lets bots through"), responses((status = 200)))]
pub async fn replay(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Answer {
    auth::require(&app, &headers, "admin")?;
    let request: Chosen = read(&body)?;
    let (mut accepted, mut duplicates, mut refused) = (0, 0, 0);
    for (id, row) in chosen(&app, &request)? {
        // Rows of files that nothing could be made of are no events now either.
        if matches!(&*row.code, "bad_row" | "bad_item") {
            refused += 1;
            continue;
        }
        if let Some(envelope) = Envelope::read(&row.raw) {
            let receipt = hooks::replay(&app, id, &row, &envelope).await?;
            accepted += receipt.accepted;
            duplicates += receipt.duplicates;
            refused += receipt.quarantined;
            continue;
        }
        let source = app.source(&row.source);
        let source =
            SourceSettings { filter_bots: source.filter_bots && !request.keep_bots, ..(*source).clone() };
        let elements = parse_batch(row.raw.as_bytes(), &Limits::default())
            .unwrap_or_else(|_| parse_batch(b"[]", &Limits::default()).unwrap_or_default());
        if elements.is_empty() {
            refused += 1;
            continue;
        }
        let sorted = crate::collect::sort(elements, row.received_at, &row.user_agent, &source).releasing(id);
        let receipt = crate::collect::submit(&app, sorted, row.raw.len()).await?.receipt;
        accepted += receipt.accepted;
        duplicates += receipt.duplicates;
        refused += receipt.quarantined;
    }
    Ok(ok(&json!({"accepted": accepted, "duplicates": duplicates, "refused": refused})))
}

/// Drops quarantined events for good.
///
/// # Errors
/// The usual.
#[utoipa::path(post, path = "/api/quarantine/drop", tag = "quarantine", operation_id = "dropQuarantine", request_body(content = Object), responses((status = 200)))]
pub async fn discard(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Answer {
    auth::require(&app, &headers, "admin")?;
    let request: Chosen = read(&body)?;
    let released: Vec<QuarantineId> = chosen(&app, &request)?.into_iter().map(|(id, _)| id).collect();
    let dropped = released.len();
    app.writer.submit(crate::log::writer::Submission { released, ..Default::default() }).await?;
    Ok(ok(&json!({"dropped": dropped})))
}
