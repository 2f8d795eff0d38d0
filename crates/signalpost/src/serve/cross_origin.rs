//! Pages of other origins may send events: their browsers ask first (CORS).
//!
//! Any origin may, since the write key in a page is public and allows nothing
//! else. No cookie is looked at, so none is allowed to come along.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// How long a browser may keep the answer to its question, in seconds: the most
/// that any of them accepts.
const KEPT_SECONDS: &str = "86400";

/// Answers a browser's question, and marks every other answer as readable.
pub async fn open(request: Request, next: Next) -> Response {
    let asks = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if asks {
        return allowed(request.headers());
    }
    let mut answer = next.run(request).await;
    let headers = answer.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Retry-After"));
    answer
}

fn allowed(asked: &HeaderMap) -> Response {
    let names = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    let names = names.unwrap_or_else(|| HeaderValue::from_static("authorization, content-type"));
    let answer = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
        (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST")),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, names),
        (header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(KEPT_SECONDS)),
        (header::VARY, HeaderValue::from_static("Access-Control-Request-Headers")),
    ];
    (StatusCode::NO_CONTENT, answer).into_response()
}
