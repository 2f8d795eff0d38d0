//! The web page: a few files, inside the binary.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::app::App;

/// What the page may load: itself, and pictures of mails.
const POLICY: &str = "default-src 'self'; img-src 'self' data: https:; style-src 'self' 'unsafe-inline'; frame-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

fn file(kind: &'static str, text: &'static str) -> Response {
    let headers: [(HeaderName, HeaderValue); 5] = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (headers, text).into_response()
}

macro_rules! files {
    ($($path:literal => $kind:literal, $file:literal;)*) => {
        /// The page's routes.
        pub fn routes() -> Router<Arc<App>> {
            Router::new()
                $(.route($path, get(|| async { file($kind, include_str!(concat!("../../../../web/static/", $file))) })))*
        }
    };
}

files! {
    "/" => "text/html; charset=utf-8", "index.html";
    "/style.css" => "text/css; charset=utf-8", "style.css";
    "/icon.svg" => "image/svg+xml", "icon.svg";
    "/api.js" => "text/javascript; charset=utf-8", "api.js";
    "/app.js" => "text/javascript; charset=utf-8", "app.js";
    "/deliveries.js" => "text/javascript; charset=utf-8", "deliveries.js";
    "/dom.js" => "text/javascript; charset=utf-8", "dom.js";
    "/format.js" => "text/javascript; charset=utf-8", "format.js";
    "/inbox.js" => "text/javascript; charset=utf-8", "inbox.js";
    "/overview.js" => "text/javascript; charset=utf-8", "overview.js";
    "/parts.js" => "text/javascript; charset=utf-8", "parts.js";
    "/profiles.js" => "text/javascript; charset=utf-8", "profiles.js";
    "/quarantine.js" => "text/javascript; charset=utf-8", "quarantine.js";
    "/segments.js" => "text/javascript; charset=utf-8", "segments.js";
    "/sql.js" => "text/javascript; charset=utf-8", "sql.js";
}
