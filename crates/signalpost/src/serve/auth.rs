//! Who asks: the key of a request, and whether it allows what is asked.

use std::borrow::Cow;
use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine;

use crate::app::App;
use crate::keys::Key;
use crate::problem::Problem;

/// The key of the request, when it allows `scope`.
///
/// # Errors
/// 401 without a valid key, 403 when it does not allow the scope.
pub fn require(app: &App, headers: &HeaderMap, scope: &str) -> Result<Arc<Key>, Problem> {
    require_secret(app, headers, None, scope)
}

/// As [`require`], with a key that came another way than in a header.
///
/// # Errors
/// As [`require`].
pub fn require_secret(
    app: &App,
    headers: &HeaderMap,
    given: Option<&str>,
    scope: &str,
) -> Result<Arc<Key>, Problem> {
    let from_header = secret(headers);
    let Some(secret) = given.or(from_header.as_deref()) else {
        let detail = "send a key: 'Authorization: Bearer KEY' or 'X-Api-Key: KEY'";
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "no_key", detail));
    };
    let Some(key) = app.keys.check(secret) else {
        return Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "wrong_key",
            "the key is not known, or was revoked",
        ));
    };
    if !key.allows(scope) {
        let detail =
            format!("the key '{}' does not allow {scope}; it allows {}", key.id, key.scopes.join(", "));
        return Err(Problem::new(StatusCode::FORBIDDEN, "scope", detail).with("scope", scope));
    }
    Ok(key)
}

/// Whether the request's headers carry a key at all.
pub fn has_secret(headers: &HeaderMap) -> bool {
    secret(headers).is_some()
}

/// The secret in `Authorization` (Bearer, or Basic with the key as user) or `X-Api-Key`.
fn secret(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    if let Some(value) = headers.get("x-api-key") {
        return value.to_str().ok().map(|key| key.trim().into());
    }
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().into());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(rest.trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    Some(text.split(':').next().unwrap_or_default().to_owned().into())
}
