//! `/api/profiles/{id}/timeline`: everything a person or device did, with what
//! cleaning changed in it.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use serde_json::{Value as Json, json};
use signalpost_core::clean::CLEANED;
use signalpost_core::event::Event;
use signalpost_core::id::ProfileKey;
use signalpost_core::value::{Value, get, map_to_json};

use super::{Answer, instant, ok, with};
use crate::app::App;
use crate::history::event_json;
use crate::problem::Problem;
use crate::serve::auth;
use crate::state::{self, Store, Table};
use crate::worker::read_timeline;

use super::profiles::{key_of, load_key};

/// Lists what a person or device did, newest first: also what automatons did in
/// their name, which nothing else counts.
///
/// # Errors
/// 404 and the usual.
#[utoipa::path(get, path = "/api/profiles/{id}/timeline", tag = "profiles", operation_id = "profileTimeline", params(("id" = String, Path, description = "A customer_id, or anonymous:ID"), ("limit" = Option<usize>, Query), ("before" = Option<String>, Query, description = "Only events before this instant")), responses((status = 200, description = "{id, events: [{event_id, …, traits, context, bot, changes, problems}], total}"), (status = 404)))]
pub async fn get_timeline(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Answer {
    auth::require(&app, &headers, "profiles:read")?;
    let limit = query.get("limit").and_then(|text| text.parse().ok()).unwrap_or(100).clamp(1, 10_000);
    let before = query.get("before").map(|text| instant("before", text)).transpose()?;
    let key = owner(&app, key_of(&id))?;
    let timeline = read_timeline(&*app.store, &key)?;
    if timeline.is_empty() && load_key(&app, &key)?.is_none() {
        return Err(Problem::not_found("profile", &id));
    }
    let earlier = timeline.iter().rev().map(|(_, event)| event);
    let earlier = earlier.filter(|event| before.is_none_or(|before| event.timestamp < before));
    let events: Vec<Json> = earlier.take(limit).map(shown).collect();
    Ok(ok(&json!({"id": key.to_string(), "events": events, "total": timeline.len()})))
}

/// Whose timeline it is: a linked device's is the person's.
pub(super) fn owner(app: &App, key: ProfileKey) -> Result<ProfileKey, Problem> {
    let ProfileKey::Anonymous(anonymous) = &key else { return Ok(key) };
    match app.store.get(Table::Forwards, anonymous.as_str().as_bytes())? {
        Some(bytes) => Ok(ProfileKey::Customer(state::decode(Table::Forwards, &bytes)?)),
        None => Ok(key),
    }
}

/// An event with all it holds, and what cleaning did beside it.
fn shown(event: &Event) -> Json {
    let mut context = event.context.clone();
    context.retain(|(name, _)| &**name != CLEANED);
    let shown = with(event_json(event), "traits", map_to_json(&event.traits));
    let shown = with(shown, "context", map_to_json(&context));
    let cleaned = get(&event.context, CLEANED);
    let part =
        |name: &str| cleaned.and_then(|cleaned| cleaned.get(name)).map_or_else(|| json!([]), Value::to_json);
    with(with(shown, "changes", part("changes")), "problems", part("problems"))
}
