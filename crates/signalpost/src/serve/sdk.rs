//! The browser SDK's files, inside the binary, and the cookie by which it knows
//! a browser again.
//!
//! `signalpost.js` keeps its name, so pages need never change; the name with the
//! hash never changes its bytes, so browsers may keep it for ever.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;

use crate::app::App;

const SCRIPT: &str = include_str!("../../../../sdk/browser/dist/signalpost.js");
const SOURCE_MAP: &str = include_str!("../../../../sdk/browser/dist/signalpost.js.map");
const MANIFEST: &str = include_str!("../../../../sdk/browser/dist/manifest.json");
/// The longest a browser keeps a cookie, in seconds: 400 days (RFC 6265bis).
const COOKIE_SECONDS_MAX: u64 = 400 * 86_400;

/// What the SDK's build says of itself.
#[derive(Debug, Deserialize)]
struct Manifest {
    /// The script's name with its hash.
    file: String,
}

/// The SDK's routes.
pub fn routes() -> Router<Arc<App>> {
    let router = Router::new()
        .route("/js/signalpost.js", get(|headers: HeaderMap| async move { script(&headers) }))
        .route("/js/signalpost.js.map", get(|| async { file("application/json", "no-cache", SOURCE_MAP) }));
    // The build wrote it; without it the script still has its lasting name.
    let Ok(Manifest { file: name }) = serde_json::from_str(MANIFEST) else { return router };
    let lasting =
        || async { file("text/javascript; charset=utf-8", "public, max-age=31536000, immutable", SCRIPT) };
    router.route(&format!("/js/{name}"), get(lasting))
}

/// The script under its lasting name: asked for anew now and then, and sent only
/// when it changed.
fn script(headers: &HeaderMap) -> Response {
    let tag = serde_json::from_str(MANIFEST).map(|manifest: Manifest| format!("\"{}\"", manifest.file));
    let tag = tag.unwrap_or_default();
    let held = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let same = !tag.is_empty() && held.split(',').any(|one| one.trim().trim_start_matches("W/") == tag);
    let mut answer = file("text/javascript; charset=utf-8", "public, max-age=3600", SCRIPT);
    if same {
        answer = (StatusCode::NOT_MODIFIED, std::mem::take(answer.headers_mut())).into_response();
    }
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        answer.headers_mut().insert(header::ETAG, tag);
    }
    answer
}

fn file(kind: &'static str, cache: &'static str, text: &'static str) -> Response {
    let headers: [(HeaderName, HeaderValue); 4] = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static(cache)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        // Needed where a page names the script's digest.
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    ];
    (headers, text).into_response()
}

/// The cookie that the SDK asks to be set, when it is one that it may ask for: a
/// browser keeps a cookie from a server far longer than one from a script.
///
/// `asked` is the value of `X-Signalpost-Cookie`, a whole cookie; `host` is what
/// the request was sent to.
pub fn identity_cookie(asked: &str, host: &str) -> Option<HeaderValue> {
    let mut parts = asked.split(';').map(str::trim);
    let (name, value) = parts.next()?.split_once('=')?;
    let is_name = name.len() <= 64
        && name.ends_with("id")
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    let is_value = (1..=128).contains(&value.len())
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !is_name || !is_value {
        return None;
    }
    let host = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let allowed = parts.all(|part| {
        let (attribute, value) = part.split_once('=').unwrap_or((part, ""));
        match (attribute.to_ascii_lowercase().as_str(), value) {
            ("path", "/") | ("secure", "") => true,
            ("samesite", value) => ["Lax", "Strict", "None"].contains(&value),
            ("max-age", value) => value.parse::<u64>().is_ok_and(|seconds| seconds <= COOKIE_SECONDS_MAX),
            ("domain", domain) => {
                let domain = domain.trim_start_matches('.');
                domain.contains('.')
                    && (host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')))
            }
            _ => false,
        }
    });
    if allowed { HeaderValue::from_str(asked).ok() } else { None }
}

#[cfg(test)]
mod tests;
