//! Pages of other origins may send events: their browsers ask first (CORS).
//!
//! A browser's question carries no key, so it is answered for all of them: as
//! long as some key for pages names no origins, any page may ask on. Once every
//! one does, only the pages they name may. The request itself is then held to
//! the origins of its own key. No cookie is looked at, so none is allowed to
//! come along.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::keys::Admitted;
use crate::problem::{Code, Problem};

/// How long a browser may keep the answer to its question, in seconds: the most
/// that any of them accepts.
const KEPT_SECONDS: &str = "86400";

/// Answers a browser's question, and marks every other answer as readable, but
/// the one that refuses its page.
pub async fn open(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let asks = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if asks {
        return answer(&app, request.headers());
    }
    readable(next.run(request).await)
}

/// The answer, marked as readable by pages of other origins, but for one that
/// refuses its page.
pub fn readable(mut answer: Response) -> Response {
    if answer.extensions().get::<Code>().is_some_and(|code| &*code.0 == "origin") {
        return answer;
    }
    let headers = answer.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Retry-After"));
    answer
}

fn answer(app: &App, asked: &HeaderMap) -> Response {
    let any = HeaderValue::from_static("*");
    let origin = asked.get(header::ORIGIN).unwrap_or(&any);
    match app.keys.admit_origin(origin.as_bytes()) {
        Admitted::Any => allowed(asked, any, "Access-Control-Request-Headers"),
        Admitted::This => allowed(asked, origin.clone(), "Origin, Access-Control-Request-Headers"),
        Admitted::No => {
            let detail = "no key may be used by pages of this origin";
            Problem::new(StatusCode::FORBIDDEN, "origin", detail).into_response()
        }
    }
}

fn allowed(asked: &HeaderMap, origin: HeaderValue, varies_by: &'static str) -> Response {
    let names = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    let names = names.unwrap_or_else(|| HeaderValue::from_static("authorization, content-type"));
    let answer = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, origin),
        (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST")),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, names),
        (header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(KEPT_SECONDS)),
        (header::VARY, HeaderValue::from_static(varies_by)),
    ];
    (StatusCode::NO_CONTENT, answer).into_response()
}
