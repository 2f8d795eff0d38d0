//! `/api/privacy`: requests about people's data.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use signalpost_core::hook::{PrivacyKind, PrivacyRequest};
use signalpost_core::id::{AnonymousId, ProfileKey};
use signalpost_core::value::Map;

use super::{Answer, json as answer, ok, profiles, read, timeline};
use crate::app::App;
use crate::privacy::{self, Status, Step, StepError, erasure};
use crate::problem::Problem;
use crate::serve::auth;

/// The longest text that a request or a note may have, in bytes.
const TEXT_BYTES_MAX: usize = 4_096;

/// Lists privacy requests, the newest first: who asked what, when, by when it is
/// due, and how far it is. Status is `received`, `in_progress`, `approved` (an
/// erasure that is being carried out), `done` or `refused`.
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
        anonymous_id: None,
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
    customer_id: Option<String>,
}

/// Says what became of a privacy request. From `received` it may go to any other
/// status, from `in_progress` to `approved`, `done` or `refused`, and from the last
/// two back to `in_progress`. What closes it or takes it up again needs a note. An
/// erasure that is approved is carried out, for good, and is then `done` by itself;
/// one that names no customer_id needs it with the approval.
///
/// # Errors
/// 404; 409 when one does not follow from the other, or an erasure is called done
/// while the person is still known; 422 without a note or a customer_id.
#[utoipa::path(patch, path = "/api/privacy/requests/{id}", tag = "privacy", operation_id = "updatePrivacyRequest", params(("id" = String, Path)), request_body(content = Object, description = "{status, note, customer_id}"), responses((status = 200, description = "The request"), (status = 404), (status = 409, description = "One status does not follow from the other"), (status = 422)))]
pub async fn update(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let key_id = auth::require(&app, &headers, "privacy:write")?.id.clone();
    let said: Said = read(&body)?;
    let known = || Status::ALL.map(|(name, _)| name).join(", ");
    let status = Status::of(&said.status).ok_or_else(|| {
        Problem::invalid("status", format!("there is no status '{}'; there are {}", said.status, known()))
    })?;
    if said.note.len() > TEXT_BYTES_MAX {
        return Err(too_long("note"));
    }
    let request = privacy::get(&app.documents, &id, app.clock.now())?;
    let request = request.ok_or_else(|| Problem::not_found("privacy request", &id))?;
    let is_erasure = request.get("kind").and_then(Json::as_str) == Some("erase");
    let customer_id = request.get("customer_id").and_then(Json::as_str).or(said.customer_id.as_deref());
    if status != Status::Approved {
        let key = customer_id.map(|id| ProfileKey::Customer(id.into()));
        let is_known = key.map(|key| profiles::load_key(&app, &key)).transpose()?.flatten().is_some();
        if status == Status::Done && is_erasure && is_known {
            return Err(conflict(
                "the person is still known here: approve the erasure and it is carried out",
            ));
        }
        return Ok(ok(&take_step(
            &app,
            &id,
            Step { status, note: &said.note, by: &key_id, customer_id: None },
        )?));
    }
    if !is_erasure {
        return Err(conflict("only an erasure is carried out; see POST /api/privacy/export for an export"));
    }
    let customer_id = named(customer_id)?;
    approve(&app, &id, (&customer_id, None), &said.note, &key_id).await
}

/// Has an erasure carried out: of a person, or of a device in the name of one.
async fn approve(app: &App, id: &str, whom: (&str, Option<&str>), note: &str, by: &str) -> Answer {
    let (customer_id, device) = whom;
    let step = Step { status: Status::Approved, note, by, customer_id: Some(customer_id) };
    let request = take_step(app, id, step)?;
    erasure::ask(app, customer_id, device, id).await?;
    Ok(answer(StatusCode::ACCEPTED, &request))
}

/// Whom a request names.
fn named(customer_id: Option<&str>) -> Result<String, Problem> {
    match customer_id.map(str::trim).unwrap_or_default() {
        "" => Err(Problem::invalid(
            "customer_id",
            "say who it is by customer_id; GET /api/profiles?query= finds people by their address",
        )),
        id if id.len() > TEXT_BYTES_MAX => Err(too_long("customer_id")),
        id => Ok(id.to_owned()),
    }
}

fn conflict(why: impl Into<String>) -> Problem {
    Problem::new(StatusCode::CONFLICT, "conflict", why.into())
}

fn take_step(app: &App, id: &str, step: Step<'_>) -> Result<Json, Problem> {
    match privacy::step(&app.documents, id, step, app.clock.now()) {
        Ok(Some(request)) => Ok(request),
        Ok(None) => Err(Problem::not_found("privacy request", id)),
        Err(StepError::State(error)) => Err(error.into()),
        Err(error @ StepError::Note) => Err(Problem::invalid("note", error.to_string())),
        Err(error) => Err(conflict(error.to_string())),
    }
}

/// Who it is about.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Whom {
    customer_id: Option<String>,
    anonymous_id: Option<String>,
}

impl Whom {
    /// The profile that is meant. A device that is somebody's is no profile of its
    /// own.
    fn key(&self, app: &App) -> Result<ProfileKey, Problem> {
        let Some(device) = &self.anonymous_id else {
            return Ok(ProfileKey::Customer(named(self.customer_id.as_deref())?.as_str().into()));
        };
        let device = device.trim();
        if self.customer_id.is_some() || device.is_empty() {
            return Err(Problem::invalid(
                "anonymous_id",
                "say customer_id, or the anonymous_id of a device that is nobody's",
            ));
        }
        if device.len() > TEXT_BYTES_MAX {
            return Err(too_long("anonymous_id"));
        }
        let key = ProfileKey::Anonymous(device.into());
        match timeline::owner(app, key)? {
            ProfileKey::Customer(_) => Err(conflict(
                "the device is somebody's: say their customer_id, which GET /api/profiles/{anonymous_id} tells",
            )),
            key => Ok(key),
        }
    }
}

/// Erases what is known of a person, for good: takes a request down and approves
/// it. Profile, timeline, memberships, deliveries, mails and the lake's rows go, and
/// with them what devices did that are the person's. Whoever comes back is a
/// stranger. Memberships end with the cause `erasure`. A device that is nobody's is
/// erased by its anonymous_id.
///
/// # Errors
/// 409 for a device that is somebody's, 422 for a customer_id that is none.
#[utoipa::path(post, path = "/api/privacy/erase", tag = "privacy", operation_id = "erasePerson", request_body(content = Object, description = "{customer_id} or {anonymous_id}"), responses((status = 202, description = "The request; it is done in some seconds"), (status = 409, description = "The device is somebody's"), (status = 422)))]
pub async fn erase(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Answer {
    let key_id = auth::require(&app, &headers, "privacy:write")?.id.clone();
    let (customer_id, anonymous_id) = match read::<Whom>(&body)?.key(&app)? {
        ProfileKey::Customer(id) => (Some(id), None),
        ProfileKey::Anonymous(id) => (None, Some(id)),
    };
    let request = PrivacyRequest {
        kind: PrivacyKind::Erase,
        id: None,
        customer_id: customer_id.as_ref().map(|id| id.as_str().into()),
        anonymous_id: anonymous_id.as_ref().map(|id| id.as_str().into()),
        email: None,
        phone: None,
        details: Map::default(),
    };
    let taken = privacy::take_down(&app.documents, &request, &key_id, app.clock.now())?;
    let id = taken.get("id").and_then(Json::as_str).unwrap_or_default();
    let customer_id = customer_id.map_or_else(|| erasure::nobody(id), |id| id.to_string());
    let device = anonymous_id.as_ref().map(AnonymousId::as_str);
    approve(&app, id, (&customer_id, device), "", &key_id).await
}

/// Hands out what is known of a person: profile, events, memberships, deliveries.
///
/// # Errors
/// 404 for somebody of whom nothing is known, 422 for a customer_id that is none.
#[utoipa::path(post, path = "/api/privacy/export", tag = "privacy", operation_id = "exportPerson", request_body(content = Object, description = "{customer_id} or {anonymous_id}"), responses((status = 200, description = "{customer_id, anonymous_id, made_at, profile, events, memberships, deliveries}"), (status = 404), (status = 409, description = "The device is somebody's"), (status = 422)))]
pub async fn export(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Answer {
    auth::require(&app, &headers, "privacy:read")?;
    let whom: Whom = read(&body)?;
    let key = whom.key(&app)?;
    let found = tokio::task::spawn_blocking(move || privacy::export::of(&app, &key))
        .await
        .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", error.to_string()))??;
    let name = whom.customer_id.or(whom.anonymous_id).unwrap_or_default();
    found.map(|found| ok(&found)).ok_or_else(|| Problem::not_found("person", &name))
}
