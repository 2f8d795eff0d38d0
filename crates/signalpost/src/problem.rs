//! Errors of the HTTP interface: RFC 9457 problem documents.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value as Json, json};

/// A problem document.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    body: Map<String, Json>,
    retry_after_seconds: Option<u64>,
    challenge: Option<String>,
}

/// The code of a problem, as an extension of its answer: for the layers around it.
#[derive(Clone, Debug)]
pub struct Code(pub Box<str>);

impl Problem {
    /// A problem: its status, a code for machines and what to do, for people.
    pub fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        let mut body = Map::new();
        body.insert("type".into(), json!(format!("/docs/errors#{code}")));
        body.insert("title".into(), json!(status.canonical_reason().unwrap_or("Error")));
        body.insert("status".into(), json!(status.as_u16()));
        body.insert("code".into(), json!(code));
        body.insert("detail".into(), json!(detail.into()));
        Self { status, body, retry_after_seconds: None, challenge: None }
    }

    /// The same with one more member.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Json>) -> Self {
        self.body.insert(name.into(), value.into());
        self
    }

    /// The same, asking to be tried again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    /// The same, saying in `WWW-Authenticate` what is missing (RFC 6750, 3).
    #[must_use]
    pub fn challenge(mut self, parameters: &str) -> Self {
        self.challenge = Some(format!("Bearer realm=\"signalpost\", {parameters}"));
        self
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The document.
    pub fn to_json(&self) -> Json {
        Json::Object(self.body.clone())
    }

    /// Nothing of that name.
    pub fn not_found(what: &str, name: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("there is no {what} '{name}'"))
    }

    /// The request cannot be understood.
    pub fn invalid(field: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail).with("field", field)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let code = self.body.get("code").and_then(Json::as_str).map(|code| Code(code.into()));
        let text = Json::Object(self.body).to_string();
        let mut response = (self.status, text).into_response();
        if let Some(code) = code {
            response.extensions_mut().insert(code);
        }
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(challenge) = self.challenge.and_then(|text| HeaderValue::from_str(&text).ok()) {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        } else if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"signalpost\""));
        }
        response
    }
}

impl From<crate::state::Error> for Problem {
    fn from(error: crate::state::Error) -> Self {
        tracing::error!(%error, "the store failed");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "the store cannot be read or written now")
            .retry_after(1)
    }
}

impl From<crate::log::Error> for Problem {
    fn from(error: crate::log::Error) -> Self {
        tracing::error!(%error, "the log failed");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "the log cannot be read or written now")
            .retry_after(1)
    }
}

impl From<crate::log::writer::SubmitError> for Problem {
    fn from(error: crate::log::writer::SubmitError) -> Self {
        use crate::log::writer::SubmitError;
        match error {
            SubmitError::Busy => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "busy", error.to_string()).retry_after(1)
            }
            SubmitError::Closed | SubmitError::Log(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "not_durable",
                "events cannot be made durable now, so none of this request was taken; send it again",
            )
            .retry_after(1),
        }
    }
}
