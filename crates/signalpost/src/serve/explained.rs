//! Every error is a problem document, also those that the framework makes
//! itself: a wrong method, a query that cannot be read, a body too large.

use axum::body::to_bytes;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::problem::Problem;

/// The framework's own texts are a line.
const TEXT_BYTES_MAX: usize = 4_096;

/// The same answer, with a problem document where it is an error without one.
pub async fn explained(answer: Response) -> Response {
    let status = answer.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let kind = answer.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    if !is_error || !(kind.is_empty() || kind.starts_with(b"text/plain")) {
        return answer;
    }
    let (parts, body) = answer.into_parts();
    let text = to_bytes(body, TEXT_BYTES_MAX).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let (code, default) = match status {
        StatusCode::METHOD_NOT_ALLOWED => {
            ("method", "this address does not take this method; see /api/openapi.json")
        }
        StatusCode::PAYLOAD_TOO_LARGE => ("too_large", "the body is too large"),
        StatusCode::BAD_REQUEST => ("bad_request", "the request cannot be read"),
        _ => ("error", "the request failed"),
    };
    let detail = if text.trim().is_empty() { default } else { text.trim() };
    let mut explained = Problem::new(status, code, detail).into_response();
    let own: [HeaderName; 2] = [header::CONTENT_TYPE, header::CONTENT_LENGTH];
    for (name, value) in &parts.headers {
        if !own.contains(name) {
            explained.headers_mut().insert(name, value.clone());
        }
    }
    explained
}
