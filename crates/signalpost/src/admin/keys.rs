//! `/api/keys`: access keys.

#![expect(clippy::indexing_slicing, reason = "indexing JSON by name gives null where there is nothing")]

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{Answer, json as answer, ok, read};
use crate::app::App;
use crate::keys::{Key, KeyError};
use crate::problem::Problem;
use crate::serve::auth;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewKey {
    #[serde(default)]
    label: String,
    scopes: Vec<String>,
    source: Option<String>,
}

fn describe(key: &Key) -> Json {
    json!({"id": key.id, "label": key.label, "scopes": key.scopes, "source": key.source, "created_at": key.created_at})
}

/// Lists the keys, without their secrets.
///
/// # Errors
/// The usual.
#[utoipa::path(get, path = "/api/keys", tag = "access", operation_id = "listKeys", responses((status = 200)))]
pub async fn list(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    auth::require(&app, &headers, "admin")?;
    let keys: Vec<Json> = app.keys.list().iter().map(|key| describe(key)).collect();
    Ok(ok(&json!({"keys": keys})))
}

/// Makes a key; its secret is in this answer and never shown again.
///
/// # Errors
/// 422 for an unknown scope.
#[utoipa::path(post, path = "/api/keys", tag = "access", operation_id = "createKey", request_body(content = Object, description = "{\"label\", \"scopes\": [...], \"source\"}"), responses((status = 201), (status = 422)))]
pub async fn create(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Answer {
    auth::require(&app, &headers, "admin")?;
    let new: NewKey = read(&body)?;
    let scopes: Vec<&str> = new.scopes.iter().map(String::as_str).collect();
    let source = new.source.as_deref().unwrap_or("default");
    let (key, secret) =
        app.keys.create(&new.label, &scopes, source, app.clock.now()).map_err(|error| match error {
            KeyError::Scope(_) => Problem::invalid("scopes", error.to_string()),
            KeyError::State(error) => error.into(),
        })?;
    let mut shown = describe(&key);
    shown["key"] = Json::String(secret);
    Ok(answer(StatusCode::CREATED, &shown))
}

/// Ends a key.
///
/// # Errors
/// 404 and the usual.
#[utoipa::path(delete, path = "/api/keys/{id}", tag = "access", operation_id = "revokeKey", params(("id" = String, Path)), responses((status = 200), (status = 404)))]
pub async fn revoke(State(app): State<Arc<App>>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    auth::require(&app, &headers, "admin")?;
    if app.keys.revoke(&id, app.clock.now())? {
        Ok(ok(&json!({"revoked": id})))
    } else {
        Err(Problem::not_found("key", &id))
    }
}
