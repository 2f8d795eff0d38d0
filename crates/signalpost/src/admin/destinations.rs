//! `/api/destinations`: where messages go.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value as Json, json};

use super::{Answer, check_name, json as answer, ok, read};
use crate::app::App;
use crate::deliver::destination::{Destination, describe};
use crate::documents::{Document, Kind};
use crate::problem::Problem;
use crate::serve::auth;

fn shown(document: &Document) -> Json {
    json!({"name": document.name, "version": document.version, "settings": describe(&document.json())})
}

/// Lists the destinations; secrets are never shown.
///
/// # Errors
/// The usual.
#[utoipa::path(get, path = "/api/destinations", tag = "deliver", operation_id = "listDestinations", responses((status = 200)))]
pub async fn list(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    auth::require(&app, &headers, "deliver:read")?;
    let destinations: Vec<Json> = app.documents.list(Kind::Destination)?.iter().map(shown).collect();
    Ok(ok(&json!({"destinations": destinations})))
}

/// Defines a destination: `{"kind": "smtp" | "webhook" | "inbox", …}`.
///
/// # Errors
/// 422 naming the field that is wrong.
#[utoipa::path(put, path = "/api/destinations/{name}", tag = "deliver", operation_id = "putDestination", params(("name" = String, Path)), request_body(content = Object), responses((status = 200), (status = 201), (status = 422)))]
pub async fn put(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    auth::require(&app, &headers, "deliver:write")?;
    check_name(&name)?;
    let definition: Json = read(&body)?;
    Destination::from_json(&definition, &app.inbox).map_err(|error| Problem::invalid("settings", error))?;
    let document = app.documents.put(Kind::Destination, &name, &definition, app.clock.now())?;
    app.content.forget_destination(&name);
    let status = if document.version == 1 { StatusCode::CREATED } else { StatusCode::OK };
    Ok(answer(status, &shown(&document)))
}
