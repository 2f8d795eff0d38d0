//! Who asks: the key of a request, and whether it allows what is asked.

use std::borrow::Cow;
use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine;

use crate::app::App;
use crate::keys::caller::Caller;
use crate::keys::{Refused, secret::digest};
use crate::oauth::token;
use crate::problem::Problem;

/// Who asks, when that allows `scope`.
///
/// # Errors
/// 401 without a valid key or token, 403 when it does not allow the scope.
pub fn require(app: &App, headers: &HeaderMap, scope: &str) -> Result<Arc<Caller>, Problem> {
    require_secret(app, headers, None, scope)
}

/// Who sends events, by a key in the headers or one that came another way: its
/// scope, the page it comes from, and its rate.
///
/// # Errors
/// 401, 403, and 429 when its rate is used up.
pub fn admit(app: &App, headers: &HeaderMap, given: Option<&str>) -> Result<Arc<Caller>, Problem> {
    let caller = require_secret(app, headers, given, "events:write")?;
    caller.check_origin(headers)?;
    caller.check_rate(app.clock.now())?;
    Ok(caller)
}

/// As [`admit`], for a key that stands in an address, where many can read it:
/// it may do nothing but write events, and tokens have no place there.
///
/// # Errors
/// As [`admit`].
pub fn admit_in_address(app: &App, headers: &HeaderMap, secret: &str) -> Result<Arc<Caller>, Problem> {
    if token::is_token(secret) {
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "invalid_token", "send a token in a header"));
    }
    let caller = admit(app, headers, Some(secret))?;
    if !caller.only_writes_events() {
        let detail = "only a key that allows events:write and nothing else may stand in an address";
        return Err(Problem::new(StatusCode::FORBIDDEN, "scope", detail));
    }
    Ok(caller)
}

fn require_secret(
    app: &App,
    headers: &HeaderMap,
    given: Option<&str>,
    scope: &str,
) -> Result<Arc<Caller>, Problem> {
    let from_header = secret(headers);
    let Some(secret) = given.or(from_header.as_deref()) else {
        let detail = "send a key: 'Authorization: Bearer KEY' or 'X-Api-Key: KEY'";
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "no_key", detail));
    };
    let caller = caller(app, secret)?;
    if !caller.allows(scope) {
        let held = caller.scopes.join(", ");
        let detail = format!("the key '{}' does not allow {scope}; it allows {held}", caller.id);
        let challenge = format!("error=\"insufficient_scope\", scope=\"{scope}\"");
        let problem = Problem::new(StatusCode::FORBIDDEN, "scope", detail).challenge(&challenge);
        return Err(problem.with("scope", scope));
    }
    Ok(caller)
}

/// Who has this key, or this token.
fn caller(app: &App, secret: &str) -> Result<Arc<Caller>, Problem> {
    let (digest, now) = (digest(secret), app.clock.now());
    let refused = match app.keys.check(secret, &digest, now) {
        Ok(caller) => return Ok(caller),
        Err(refused) => refused,
    };
    let unauthorized = |code: &str, detail: String| Err(Problem::new(StatusCode::UNAUTHORIZED, code, detail));
    match refused {
        Refused::Unknown if token::is_token(secret) => {
            app.oauth.check(secret, &digest, now).or_else(|refused| {
                let challenge = format!("error=\"invalid_token\", error_description=\"{refused}\"");
                unauthorized("invalid_token", refused.to_string())
                    .map_err(|problem| problem.challenge(&challenge))
            })
        }
        Refused::Unknown => unauthorized("wrong_key", refused.to_string()),
        Refused::Expired { .. } => unauthorized("expired_key", refused.to_string()),
    }
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
