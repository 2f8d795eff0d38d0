//! `POST /hooks/{source}`: what other systems tell by webhook.
//!
//! In: a signed request to a defined hook. Out: events, catalog items and
//! privacy requests, made durable before the answer, and quarantine for what
//! cannot be read or mapped: its sender could not mend it by sending it again,
//! so it is told that the message was taken.

pub mod definition;
pub mod envelope;
pub mod intake;
pub mod soap;
pub mod verify;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use axum::body::Body;
use axum::extract::{OriginalUri, Path, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use signalpost_core::hook::{MESSAGES_MAX, Message, read_body};
use signalpost_core::value::Value;

use crate::app::App;
use crate::documents::{Documents, Kind};
use crate::log::writer::Receipt;
use crate::log::{QuarantineId, Quarantined};
use crate::problem::Problem;
use crate::state::Store;
use definition::Hook;
use envelope::Envelope;
use intake::Intake;
use verify::Request;

/// The hooks in force, by name.
#[derive(Debug, Default)]
pub struct Hooks(RwLock<HashMap<String, Arc<Hook>>>);

impl Hooks {
    /// Reads the hooks that are defined.
    ///
    /// # Errors
    /// When the store fails.
    pub fn load<S: Store>(documents: &Documents<S>) -> Result<Self, crate::state::Error> {
        let hooks = Self::default();
        hooks.reload(documents)?;
        Ok(hooks)
    }

    /// Reads them anew after one was changed.
    ///
    /// # Errors
    /// When the store fails.
    pub fn reload<S: Store>(&self, documents: &Documents<S>) -> Result<(), crate::state::Error> {
        let mut hooks = HashMap::new();
        for document in documents.list(Kind::Hook)? {
            match Hook::from_json(&document.name, &document.json()) {
                Ok(hook) => {
                    hooks.insert(document.name, Arc::new(hook));
                }
                // It was good when it was made; it must not keep the rest from starting.
                Err(error) => tracing::error!(hook = document.name, %error, "a hook is no longer understood"),
            }
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = hooks;
        Ok(())
    }

    /// The hook of that name.
    pub fn get(&self, name: &str) -> Option<Arc<Hook>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

/// Takes a webhook in.
///
/// # Errors
/// 401 when it is not signed as the hook asks, 404 for an unknown hook, 413,
/// 415, 429 and 503.
#[utoipa::path(post, path = "/hooks/{source}", tag = "collect", operation_id = "postHook",
    params(("source" = String, Path, description = "The hook's name, as defined with PUT /api/hooks/{name}")),
    request_body(content = Object, description = "Whatever the hook's product sends: JSON, or SOAP from Salesforce. Content-Encoding gzip, br, zstd."),
    responses(
        (status = 200, description = "Taken: {accepted, duplicates, quarantined, errors, catalog, privacy_requests, ignored}, or SOAP with <Ack>true</Ack>"),
        (status = 400, description = "SOAP that cannot be read"), (status = 401, description = "Not signed, wrongly signed, or signed too long ago"),
        (status = 404, description = "No such hook"), (status = 413, description = "Too large"), (status = 415, description = "Unknown encoding"),
        (status = 429, description = "Too much waits; see Retry-After"), (status = 503, description = "Cannot be made durable now")))]
pub async fn post(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    method: Method,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let Some(hook) = app.hooks.get(&name) else { return Err(Problem::not_found("hook", &name)) };
    if hook.wants_key() {
        crate::serve::auth::require(&app, &headers, "events:write")?;
    }
    let bytes = super::body::read(&headers, body, app.settings.body_bytes_max).await?;
    let request = Request {
        method: method.as_str(),
        path: uri.path_and_query().map_or(uri.path(), |path| path.as_str()),
        headers: &headers,
        body: &bytes,
        public_url: app.settings.public_url.trim_end_matches('/'),
        now: app.clock.now(),
    };
    hook.verify(&request)?;
    let outbound =
        if hook.speaks_soap() && soap::is_xml(&bytes) { Some(hook.outbound(&bytes)?) } else { None };
    let is_soap = outbound.is_some();
    let length = bytes.len();
    // A large body is mapped off the threads that answer others.
    let intake = {
        let (app, hook) = (Arc::clone(&app), Arc::clone(&hook));
        let work = move || read(&app, &hook, &headers, &bytes, outbound);
        if length > LARGE_BYTES {
            let failed =
                |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the message was not taken");
            tokio::task::spawn_blocking(work).await.map_err(failed)??
        } else {
            work()?
        }
    };
    let taken = intake.keep(&app, length).await?;
    if is_soap {
        return Ok(([(header::CONTENT_TYPE, "text/xml; charset=utf-8")], soap::ACK).into_response());
    }
    Ok((StatusCode::OK, axum::Json(taken.to_json())).into_response())
}

/// Bodies above this many bytes are mapped on a thread of their own: many small
/// messages may take as long as a large one.
const LARGE_BYTES: usize = 16 << 10;

/// What a verified body comes to.
fn read(
    app: &App,
    hook: &Arc<Hook>,
    headers: &HeaderMap,
    bytes: &[u8],
    outbound: Option<Value>,
) -> Result<Intake, Problem> {
    let mut intake = Intake::new(app, hook, app.clock.now());
    let headers = hook.shown_headers(headers);
    let body = match outbound.map_or_else(|| read_body(bytes), Ok) {
        Ok(body) => body,
        Err(error) => {
            let text = String::from_utf8_lossy(bytes);
            intake.unreadable(&error, Envelope::of_text(&hook.name, &headers, &text));
            return Ok(intake);
        }
    };
    let messages = hook.mapping.messages(&body);
    if messages.len() > MESSAGES_MAX {
        let detail =
            format!("the body holds {} messages, at most {MESSAGES_MAX} are taken at once", messages.len());
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_many_events", detail));
    }
    for body in &messages {
        intake.take(&Message { hook: &hook.name, body, headers: &headers }, None);
    }
    Ok(intake)
}

/// Maps a quarantined message again, by the mapping of now, and lets go of it.
/// What is still refused of it stays, under a new number.
///
/// # Errors
/// When it cannot be made durable.
pub async fn replay(
    app: &Arc<App>,
    id: QuarantineId,
    row: &Quarantined,
    envelope: &Envelope,
) -> Result<Receipt, Problem> {
    let hook = app.hooks.get(&envelope.hook).filter(|_| !envelope.is_text);
    // Without its hook, or without JSON in it, it stays as it is.
    let Some(hook) = hook else { return Ok(Receipt { quarantined: 1, ..Receipt::default() }) };
    let mut intake = Intake::new(app, &hook, row.received_at);
    intake.release(id);
    let body = envelope.value();
    let message = Message { hook: &hook.name, body: &body, headers: &envelope.headers };
    intake.take(&message, envelope.only.as_deref());
    intake.keep(app, row.raw.len()).await.map(|kept| kept.receipt)
}

#[cfg(test)]
mod tests;
