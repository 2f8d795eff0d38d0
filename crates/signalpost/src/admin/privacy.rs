//! `/api/privacy`: requests about people's data.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use signalpost_core::hook::{PrivacyKind, PrivacyRequest};
use signalpost_core::value::Map;

use super::{Answer, json as answer, ok, read};
use crate::app::App;
use crate::privacy::{self, Status, Step, StepError};
use crate::problem::Problem;
use crate::serve::auth;

/// The longest text that a request or a note may have, in bytes.
const TEXT_BYTES_MAX: usize = 4_096;

/// Lists privacy requests, the newest first: who asked what, when, by when it is
/// due, and how far it is. They are taken down, and not carried out
/// automatically. Status is `received`, `in_progress`, `done` or `refused`.
///
/// # Errors
/// The usual.
#[utoipa::path(get, path = "/api/privacy/requests", tag = "privacy", operation_id = "listPrivacyRequests", params(("limit" = Option<usize>, Query), ("status" = Option<String>, Query), ("overdue" = Option<bool>, Query, description = "true: only those whose time is over")), responses((status = 200, description = "{requests, total}")))]
pub async fn list(
    State(app): State<Arc<App>>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Answer {
    auth::require(&app, &headers, "privacy:read")?;
    let limit = query.get("limit").and_then(|text| text.parse().ok()).unwrap_or(100).clamp(1, 10_000);
    let status = query.get("status");
    let overdue = query.get("overdue").is_some_and(|text| text == "true");
    let mut requests = privacy::list(&app.documents, app.clock.now())?;
    requests.retain(|request| {
        status.is_none_or(|status| request.get("status").and_then(Json::as_str) == Some(status))
            && (!overdue || request.get("overdue") == Some(&Json::Bool(true)))
    });
    let total = requests.len();
    requests.truncate(limit);
    Ok(ok(&json!({"requests": requests, "total": total})))
}

/// What a body says of a new request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    kind: String,
    customer_id: Option<String>,
    email: Option<String>,
    phone: Option<String>,
}

/// Takes a request down that came by letter, mail or telephone.
///
/// # Errors
/// 422 for one that names nobody.
#[utoipa::path(post, path = "/api/privacy/requests", tag = "privacy", operation_id = "createPrivacyRequest", request_body(content = Object, description = "{kind: export or erase, and customer_id, email or phone}"), responses((status = 201, description = "The request"), (status = 422)))]
pub async fn create(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Answer {
    let key = auth::require(&app, &headers, "privacy:write")?;
    let wanted: Wanted = read(&body)?;
    let kind = match wanted.kind.as_str() {
        "export" => PrivacyKind::Export,
        "erase" => PrivacyKind::Erase,
        _ => return Err(Problem::invalid("kind", "a request is one to 'export' or to 'erase'")),
    };
    let said = |field: &str, text: Option<String>| match text.map(|text| text.trim().to_owned()) {
        Some(text) if text.len() > TEXT_BYTES_MAX => Err(too_long(field)),
        text => Ok(text.filter(|text| !text.is_empty()).map(Box::from)),
    };
    let request = PrivacyRequest {
        kind,
        id: None,
        customer_id: said("customer_id", wanted.customer_id)?,
        email: said("email", wanted.email)?,
        phone: said("phone", wanted.phone)?,
        details: Map::default(),
    };
    if request.customer_id.is_none() && request.email.is_none() && request.phone.is_none() {
        return Err(Problem::invalid("customer_id", "say whose data: customer_id, email or phone"));
    }
    let taken = privacy::take_down(&app.documents, &request, &key.id, app.clock.now())?;
    Ok(answer(StatusCode::CREATED, &taken))
}

fn too_long(field: &str) -> Problem {
    Problem::invalid(field, format!("{field} has at most {TEXT_BYTES_MAX} bytes"))
}

/// A privacy request, with all that became of it.
///
/// # Errors
/// 404 and the usual.
#[utoipa::path(get, path = "/api/privacy/requests/{id}", tag = "privacy", operation_id = "getPrivacyRequest", params(("id" = String, Path)), responses((status = 200), (status = 404)))]
pub async fn get(State(app): State<Arc<App>>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    auth::require(&app, &headers, "privacy:read")?;
    match privacy::get(&app.documents, &id, app.clock.now())? {
        Some(request) => Ok(ok(&request)),
        None => Err(Problem::not_found("privacy request", &id)),
    }
}

/// What a body says became of a request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    status: String,
    #[serde(default)]
    note: String,
}

/// Says what became of a privacy request. From `received` it may go to any other
/// status, from `in_progress` to `done` or `refused`, and from these back to
/// `in_progress`. What closes it or takes it up again needs a note.
///
/// # Errors
/// 404; 409 when one does not follow from the other; 422 without a note.
#[utoipa::path(patch, path = "/api/privacy/requests/{id}", tag = "privacy", operation_id = "updatePrivacyRequest", params(("id" = String, Path)), request_body(content = Object, description = "{status, note}"), responses((status = 200, description = "The request"), (status = 404), (status = 409, description = "One status does not follow from the other"), (status = 422)))]
pub async fn update(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let key = auth::require(&app, &headers, "privacy:write")?;
    let said: Said = read(&body)?;
    let known = || Status::ALL.map(|(name, _)| name).join(", ");
    let status = Status::of(&said.status).ok_or_else(|| {
        Problem::invalid("status", format!("there is no status '{}'; there are {}", said.status, known()))
    })?;
    if said.note.len() > TEXT_BYTES_MAX {
        return Err(too_long("note"));
    }
    let step = Step { status, note: &said.note, by: &key.id };
    match privacy::step(&app.documents, &id, step, app.clock.now()) {
        Ok(Some(request)) => Ok(ok(&request)),
        Ok(None) => Err(Problem::not_found("privacy request", &id)),
        Err(StepError::State(error)) => Err(error.into()),
        Err(error @ StepError::Note) => Err(Problem::invalid("note", error.to_string())),
        Err(error) => Err(Problem::new(StatusCode::CONFLICT, "conflict", error.to_string())),
    }
}
