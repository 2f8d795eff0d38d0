//! `/api/sources`: how the events of a write key are cleaned.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value as Json, json};
use signalpost_core::clean::SourceSettings;

use super::{Answer, check_name, json as answer, ok, read};
use crate::app::App;
use crate::documents::Kind;
use crate::problem::Problem;
use crate::serve::auth;

/// Lists the sources and their settings.
///
/// # Errors
/// The usual.
#[utoipa::path(get, path = "/api/sources", tag = "collect", operation_id = "listSources", responses((status = 200)))]
pub async fn list(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    auth::require(&app, &headers, "admin")?;
    let sources: Vec<Json> = app
        .documents
        .list(Kind::Source)?
        .iter()
        .map(|document| json!({"name": document.name, "version": document.version, "settings": *app.source(&document.name)}))
        .collect();
    Ok(ok(&json!({"sources": sources, "defaults": *app.source("default")})))
}

/// Sets a source's settings.
///
/// # Errors
/// 422 for a setting that does not exist.
#[utoipa::path(put, path = "/api/sources/{name}", tag = "collect", operation_id = "putSource", params(("name" = String, Path)), request_body(content = Object), responses((status = 200), (status = 201), (status = 422)))]
pub async fn put(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    auth::require(&app, &headers, "admin")?;
    check_name(&name)?;
    let settings: Json = read(&body)?;
    let mut checked = settings.clone();
    if let Some(object) = checked.as_object_mut() {
        object.insert("id".into(), json!(name));
    }
    serde_json::from_value::<SourceSettings>(checked)
        .map_err(|error| Problem::invalid("settings", error.to_string()))?;
    let document = app.documents.put(Kind::Source, &name, &settings, app.clock.now())?;
    app.reload_sources().map_err(|error| Problem::invalid("settings", error.to_string()))?;
    let status = if document.version == 1 { StatusCode::CREATED } else { StatusCode::OK };
    Ok(answer(status, &json!({"name": name, "version": document.version, "settings": *app.source(&name)})))
}
