//! `POST /v1/…`: the tracking API that published client libraries speak, which
//! need only their host set.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Extensions, HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use signalpost_core::clean::Limits;
use signalpost_core::clean::tracking::{self, Call};

use super::request::{self, Request};
use crate::app::App;
use crate::problem::Problem;
use crate::serve::auth;

/// Takes messages of the tracking API in.
///
/// Answers 200 and nothing else when they are taken: some libraries send again
/// after 202. What the body is labelled as is not looked at.
///
/// # Errors
/// 400 when nothing can be read, 401, 403, 404 for an unknown call, 413, 415,
/// 429 and 503.
#[utoipa::path(post, path = "/v1/{call}", tag = "collect", operation_id = "postTracking",
    params(("call" = String, Path, description = "identify, track, page, screen, group, alias, batch, import, or a short form: i, t, p, s, g, a, b")),
    request_body(content = Object, description = "A message, or {\"batch\": [...]} of messages that name their type. Content-Encoding gzip, br, zstd."),
    responses(
        (status = 200, description = "{success, accepted, duplicates, quarantined, errors}"),
        (status = 400, description = "The body is not JSON"), (status = 401, description = "No or wrong key"),
        (status = 403, description = "The key may not write events, or not from this page"), (status = 404, description = "No such call"),
        (status = 413, description = "Too large"), (status = 415, description = "Unknown encoding"),
        (status = 429, description = "Too much waits, or the key's rate is used up; see Retry-After"), (status = 503, description = "Cannot be made durable now")))]
pub async fn post(
    State(app): State<Arc<App>>,
    Path(call): Path<String>,
    headers: HeaderMap,
    extensions: Extensions,
    body: Body,
) -> Result<Response, Problem> {
    let Some(call) = Call::of_path(&call) else {
        let detail =
            format!("there is no call '{call}': use identify, track, page, screen, group, alias or batch");
        return Err(Problem::new(StatusCode::NOT_FOUND, "unknown_call", detail));
    };
    // Before the body is read, unless only the body can tell.
    let from_header = auth::has_secret(&headers).then(|| auth::admit(&app, &headers, None));
    let from_header = from_header.transpose()?;
    let bytes = super::body::read(&headers, body, app.settings.body_bytes_max).await?;
    let limits = Limits { events_max: app.settings.batch_events_max, ..Limits::default() };
    let messages =
        tracking::parse(call, &bytes, &limits).map_err(|error| super::events::unreadable(&error))?;
    let key = match from_header {
        Some(key) => key,
        None => auth::admit(&app, &headers, messages.write_key.as_deref())?,
    };
    key.count_events(messages.elements.len(), app.clock.now())?;
    let request = Request::of(&app, &headers, request::peer(&extensions), &key.source);
    let taken = super::collect(&app, messages.elements, &request, None, bytes.len()).await?;
    let mut answer = taken.to_json();
    if let Some(answer) = answer.as_object_mut() {
        answer.insert("success".to_owned(), json!(true));
    }
    Ok((StatusCode::OK, axum::Json(answer)).into_response())
}

/// What a browser's library asks for before it sends: where to, and that
/// everything may be sent.
#[utoipa::path(get, path = "/v1/projects/{key}/settings", tag = "collect", operation_id = "trackingSettings",
    params(("key" = String, Path, description = "The write key")),
    responses((status = 200, description = "Settings as analytics.js reads them")))]
pub async fn settings(State(app): State<Arc<App>>, Path(key): Path<String>, headers: HeaderMap) -> Response {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let host = if app.settings.public_url.is_empty() { host } else { &app.settings.public_url };
    let own_protocol = if app.settings.tls_certificate.is_some() { "https" } else { "http" };
    let (protocol, host) = host.split_once("://").unwrap_or((own_protocol, host));
    let every = json!({"__default": {"enabled": true, "integrations": {}}});
    let answer = json!({
        "integrations": {"Segment.io": {
            "apiKey": key,
            "apiHost": format!("{}/v1", host.trim_end_matches('/')),
            "protocol": protocol,
            "unbundledIntegrations": [],
            "addBundledMetadata": true,
            "maybeBundledConfigIds": {},
            "versionSettings": {"version": "4.4.7", "componentTypes": ["browser"]},
        }},
        "plan": {"track": every, "identify": every, "group": every},
        "edgeFunction": {},
        "analyticsNextEnabled": true,
        "middlewareSettings": {},
        "enabledMiddleware": {},
        "metrics": {"sampleRate": 0},
        "legacyVideoPluginsEnabled": false,
        "remotePlugins": [],
    });
    // It repeats the host that was asked for, so no cache may give it to others.
    ([(header::CACHE_CONTROL, "private, max-age=300")], axum::Json(answer)).into_response()
}
