//! `POST /api/events`: one event, an array, or a batch.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request as HttpRequest, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use signalpost_core::clean::{BodyError, Limits, parse_batch};

use super::request::{self, Request};
use crate::app::App;
use crate::problem::Problem;
use crate::serve::{auth, sdk};

/// Where events are sent to.
pub const PATH: &str = "/api/events";

/// Takes events in.
///
/// # Errors
/// 400 when nothing can be read, 401, 403, 413, 415, 429 and 503.
#[utoipa::path(post, path = "/api/events", tag = "collect", operation_id = "postEvents",
    params(("dry_run" = Option<bool>, Query, description = "true: say what would become of the events, and keep nothing"),
        ("Idempotency-Key" = Option<String>, Header, description = "Events sent again with this key are not taken again, nor quarantined again")),
    request_body(content = Object, description = "One event object, an array of events, or {\"batch\": [...]}. An event: event_type, customer_id or anonymous_id, timestamp, event_id, product_id, properties, traits, context, sent_at. Content-Encoding gzip, br, zstd."),
    responses(
        (status = 200, description = "With dry_run: what would become of them, and the first as they would be: {dry_run, accepted, quarantined, errors, events}"),
        (status = 202, description = "What became of the events: {accepted, duplicates, quarantined, errors}, with marked (automatons) and dropped (opted out) where there are any"),
        (status = 400, description = "The body is not JSON"), (status = 401, description = "No or wrong key"),
        (status = 403, description = "The key may not write events, or not from this page"), (status = 413, description = "Too large"),
        (status = 415, description = "Unknown encoding"), (status = 429, description = "Too much waits, or the key's rate is used up; see Retry-After"),
        (status = 503, description = "Cannot be made durable now")))]
pub async fn post_events(State(app): State<Arc<App>>, request: HttpRequest) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    take(&app, &parts, request::peer(&parts.extensions), body).await
}

/// As [`post_events`], for a request that came past the router.
///
/// # Errors
/// As [`post_events`].
pub async fn take(
    app: &Arc<App>,
    parts: &Parts,
    peer: Option<IpAddr>,
    body: Body,
) -> Result<Response, Problem> {
    let headers = &parts.headers;
    let key = auth::admit(app, headers, None)?;
    let request = super::idempotency(headers, &key.source)?;
    let bytes = super::body::read(headers, body, app.settings.body_bytes_max).await?;
    let limits = Limits { events_max: app.settings.batch_events_max, ..Limits::default() };
    let elements = parse_batch(&bytes, &limits).map_err(|error| unreadable(&error))?;
    let events = elements.len();
    let circumstances = Request::of(app, headers, peer, &key.source);
    if is_dry_run(parts.uri.query()) {
        return Ok(crate::admin::ok(&super::sort(elements, &circumstances).to_json()));
    }
    key.count_events(events, app.clock.now())?;
    let taken = super::collect(app, elements, &circumstances, request, bytes.len()).await?;
    let mut answer = Response::new(Body::from(taken.to_body()));
    *answer.status_mut() = StatusCode::ACCEPTED;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(cookie) = identity_cookie(headers) {
        answer.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(answer)
}

/// Whether a query asks for what would be, and no more.
pub fn is_dry_run(query: Option<&str>) -> bool {
    let mut parts = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    parts.any(|(name, value)| name == "dry_run" && value == "true")
}

/// The cookie that a page's SDK asks for, see [`sdk::identity_cookie`].
fn identity_cookie(headers: &HeaderMap) -> Option<HeaderValue> {
    let asked = headers.get("x-signalpost-cookie")?.to_str().ok()?;
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    sdk::identity_cookie(asked, host)
}

/// The answer to a body that cannot be read.
pub(super) fn unreadable(error: &BodyError) -> Problem {
    match error {
        BodyError::Json { line, column, .. } => {
            Problem::new(StatusCode::BAD_REQUEST, "not_json", error.to_string())
                .with("line", *line)
                .with("column", *column)
        }
        BodyError::TooManyEvents { max } => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_many_events", error.to_string())
                .with("limit_events", *max)
        }
    }
}
