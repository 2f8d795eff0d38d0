//! The administration API: what marketers and engineers define and ask.
//!
//! One file a noun. Each handler checks the key's scope first.

pub mod campaigns;
pub mod catalog;
pub mod debug;
pub mod deliveries;
pub mod destinations;
pub mod hooks;
pub mod imports;
pub mod inbox;
pub mod keys;
pub mod live;
pub mod plan;
pub mod privacy;
pub mod profiles;
pub mod quarantine;
pub mod segments;
pub mod sources;
pub mod sql;
pub mod stats;
pub mod templates;
pub mod timeline;

use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::problem::Problem;

/// The answer of every handler.
pub type Answer = Result<Response, Problem>;

/// A JSON answer.
pub fn json(status: StatusCode, body: &Json) -> Response {
    if status == StatusCode::NO_CONTENT {
        // Not even a length: a client would wait for what it announces.
        return status.into_response();
    }
    (status, [(axum::http::header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// A JSON answer of status 200.
pub fn ok(body: &Json) -> Response {
    json(StatusCode::OK, body)
}

/// An object with one member more.
fn with(mut object: Json, name: &str, value: impl Into<Json>) -> Json {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value.into());
    }
    object
}

/// Reads a JSON body.
///
/// # Errors
/// 400 when it is not JSON, 422 when it is not of the wanted form.
pub fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Problem> {
    let value: Json = serde_json::from_slice(body).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, "not_json", format!("the body is not JSON: {error}"))
            .with("line", error.line())
            .with("column", error.column())
    })?;
    serde_json::from_value(value).map_err(|error| Problem::invalid("body", error.to_string()))
}

/// What a list asks for.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct Page {
    /// At most this many; 100 when not said, 10,000 at most.
    pub limit: Option<usize>,
    /// Where the last page ended.
    pub cursor: Option<String>,
    /// The instant asked about, RFC 3339.
    pub at: Option<String>,
}

impl Page {
    fn limit(&self) -> usize {
        self.limit.unwrap_or(100).clamp(1, 10_000)
    }
}

/// Reads an instant of a query.
///
/// # Errors
/// 422 when it is not RFC 3339.
pub fn instant(field: &str, text: &str) -> Result<signalpost_core::time::Timestamp, Problem> {
    signalpost_core::time::Timestamp::parse(text).ok_or_else(|| {
        Problem::invalid(field, format!("'{text}' is not an RFC 3339 instant like 2024-04-27T14:35:00Z"))
    })
}

/// Names come from paths; these are the bounds they are held to.
///
/// # Errors
/// 422 for an empty or overlong name.
pub fn check_name(name: &str) -> Result<(), Problem> {
    if name.is_empty() || name.len() > 200 || name.chars().any(char::is_control) {
        return Err(Problem::invalid("name", "a name has 1 to 200 bytes and no control characters"));
    }
    Ok(())
}
