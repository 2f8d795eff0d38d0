//! `/api/inbox`: what went to the built-in inbox.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use serde_json::{Value as Json, json};
use signalpost_core::campaign::DeliveryId;
use signalpost_core::time::Timestamp;

use super::{Answer, ok};
use crate::app::App;
use crate::deliver::inbox::Stored;
use crate::problem::Problem;
use crate::serve::auth;

fn failed(error: &impl ToString) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", error.to_string())
}

/// The place a list goes on from: `<sent_at>_<id>`, as a message's `place` says.
fn place(text: &str) -> Option<(Timestamp, DeliveryId)> {
    let (at, id) = text.rsplit_once('_')?;
    Some((Timestamp::parse(at)?, DeliveryId::parse(id)?))
}

fn stored(app: &App, id: &str) -> Result<Stored, Problem> {
    let parsed = DeliveryId::parse(id).ok_or_else(|| Problem::not_found("message", id))?;
    app.inbox.read(parsed).map_err(|error| failed(&error))?.ok_or_else(|| Problem::not_found("message", id))
}

/// Lists the messages, newest first.
///
/// # Errors
/// The usual.
#[utoipa::path(get, path = "/api/inbox", tag = "deliver", operation_id = "listInbox", params(("limit" = Option<usize>, Query), ("before" = Option<String>, Query)), responses((status = 200)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Answer {
    auth::require(&app, &headers, "deliver:read")?;
    let limit = query.get("limit").and_then(|text| text.parse().ok()).unwrap_or(100).clamp(1, 1_000);
    let before = query.get("before").and_then(|text| place(text));
    let entries = tokio::task::spawn_blocking(move || app.inbox.list(limit, before))
        .await
        .map_err(|error| failed(&error))?;
    let messages: Vec<Json> = entries
        .iter()
        .map(|entry| {
            json!({
                "id": entry.id.to_string(), "to": entry.to, "subject": entry.subject, "campaign": entry.campaign,
                "sent_at": entry.sent_at.to_string(), "place": format!("{}_{}", entry.sent_at, entry.id),
            })
        })
        .collect();
    Ok(ok(&json!({"messages": messages})))
}

/// Shows a message.
///
/// # Errors
/// 404 and the usual.
#[utoipa::path(get, path = "/api/inbox/{id}", tag = "deliver", operation_id = "getMessage", params(("id" = String, Path)), responses((status = 200), (status = 404)))]
pub async fn get(State(app): State<Arc<App>>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    auth::require(&app, &headers, "deliver:read")?;
    let stored = stored(&app, &id)?;
    let header = |name: &str| {
        stored
            .headers
            .iter()
            .find(|(held, _)| held.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.clone())
    };
    Ok(ok(&json!({
        "id": id, "to": header("To"), "subject": header("Subject"), "campaign": header("X-Signalpost-Campaign"),
        "sent_at": header("Date"), "headers": stored.headers, "html": stored.html, "text": stored.text,
    })))
}

/// Gives a message as it would go over the wire.
///
/// # Errors
/// 404 and the usual.
#[utoipa::path(get, path = "/api/inbox/{id}/eml", tag = "deliver", operation_id = "getEml", params(("id" = String, Path)), responses((status = 200), (status = 404)))]
pub async fn eml(State(app): State<Arc<App>>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    auth::require(&app, &headers, "deliver:read")?;
    let stored = stored(&app, &id)?;
    Ok(([(header::CONTENT_TYPE, "message/rfc822")], stored.eml).into_response())
}
