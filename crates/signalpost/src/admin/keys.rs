//! `/api/keys` and `/api/oauth/clients`: access keys, and clients that get
//! tokens. Both are described, made, changed, given a new secret and ended alike.

#![expect(clippy::indexing_slicing, reason = "indexing JSON by name gives null where there is nothing")]

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Deserializer};
use serde_json::{Value as Json, json};
use signalpost_core::time::{Span, Timestamp};

use super::{Answer, instant, json as answer, ok, read};
use crate::app::{App, AppStore};
use crate::deliver::rate;
use crate::keys::change::Change;
use crate::keys::{Key, KeyError, Keys, NewKey};
use crate::problem::Problem;
use crate::serve::auth;

/// How long a replaced secret works, in seconds, when nothing is said.
const OVERLAP_SECONDS: u64 = 86_400;
/// The longest that can be said: 90 days.
const OVERLAP_SECONDS_MAX: u64 = 90 * 86_400;

/// What a body says of a new key or client.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    label: String,
    scopes: Vec<String>,
    source: Option<String>,
    expires_at: Option<String>,
    rate: Option<rate::Settings>,
    #[serde(default)]
    allowed_origins: Vec<String>,
}

/// What a body says is to be another: what is not there stays, null lifts a bound
/// (RFC 7396).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    label: Option<String>,
    #[serde(default, deserialize_with = "stated")]
    expires_at: Option<Option<String>>,
    #[serde(default, deserialize_with = "stated")]
    rate: Option<Option<rate::Settings>>,
    #[serde(default, deserialize_with = "stated")]
    allowed_origins: Option<Option<Vec<String>>>,
}

/// A member that is there, null or not.
fn stated<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotation {
    overlap_seconds: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SigningRotation {
    #[serde(default)]
    at_once: bool,
}

fn describe(key: &Key, last_used_at: Option<Timestamp>, now: Timestamp) -> Json {
    let previous = key.previous.as_ref().map(|old| old.until).filter(|until| now < *until);
    json!({
        "id": key.id,
        "label": key.label,
        "scopes": key.scopes,
        "source": key.source,
        "created_at": key.created_at,
        "expires_at": key.expires_at.map(|at| at.to_string()),
        "last_used_at": last_used_at.map(|at| at.to_string()),
        "rate": key.rate,
        "allowed_origins": key.allowed_origins,
        "previous_secret_until": previous.map(|at| at.to_string()),
    })
}

fn list_of(keys: &Keys<AppStore>, now: Timestamp) -> Json {
    keys.list().iter().map(|(key, used)| describe(key, *used, now)).collect()
}

fn refused(error: KeyError) -> Problem {
    match (error.field(), error) {
        (_, KeyError::State(error)) => error.into(),
        (field, error) => Problem::invalid(field.unwrap_or("body"), error.to_string()),
    }
}

/// A key or a client of a body, and its secret under `secret_name`.
fn make(keys: &Keys<AppStore>, body: &Bytes, secret_name: &str, now: Timestamp) -> Answer {
    let wanted: Wanted = read(body)?;
    if wanted.scopes.is_empty() {
        return Err(Problem::invalid("scopes", "name at least one scope"));
    }
    let new = NewKey {
        label: wanted.label,
        scopes: wanted.scopes,
        source: wanted.source.unwrap_or_else(|| "default".into()),
        expires_at: wanted.expires_at.map(|text| instant("expires_at", &text)).transpose()?,
        rate: wanted.rate,
        allowed_origins: wanted.allowed_origins,
    };
    let (key, secret) = keys.create(new, now).map_err(refused)?;
    let mut shown = describe(&key, None, now);
    shown[secret_name] = Json::String(secret);
    Ok(answer(StatusCode::CREATED, &shown))
}

fn change(keys: &Keys<AppStore>, (what, id): (&str, &str), body: &Bytes, now: Timestamp) -> Answer {
    let patch: Patch = read(body)?;
    let expires_at = match patch.expires_at {
        Some(Some(text)) => Some(Some(instant("expires_at", &text)?)),
        other => other.map(|_| None),
    };
    let change = Change {
        label: patch.label,
        expires_at,
        rate: patch.rate,
        allowed_origins: patch.allowed_origins.map(Option::unwrap_or_default),
    };
    match keys.change(id, change, now).map_err(refused)? {
        Some(key) => Ok(ok(&describe(&key, keys.last_used(id), now))),
        None => Err(Problem::not_found(what, id)),
    }
}

/// The body of a request that may come without one.
fn read_or_default<T: for<'de> Deserialize<'de> + Default>(body: &Bytes) -> Result<T, Problem> {
    if body.is_empty() { Ok(T::default()) } else { read::<Option<T>>(body).map(Option::unwrap_or_default) }
}

fn renew(
    keys: &Keys<AppStore>,
    (what, id): (&str, &str),
    body: &Bytes,
    secret_name: &str,
    now: Timestamp,
) -> Answer {
    let seconds = read_or_default::<Rotation>(body)?.overlap_seconds.unwrap_or(OVERLAP_SECONDS);
    if seconds > OVERLAP_SECONDS_MAX {
        let detail = format!("at most {OVERLAP_SECONDS_MAX} seconds (90 days), not {seconds}");
        return Err(Problem::invalid("overlap_seconds", detail));
    }
    let overlap = Span::SECOND.times(i64::try_from(seconds).unwrap_or(0));
    let Some((key, secret)) = keys.rotate(id, overlap, now)? else {
        return Err(Problem::not_found(what, id));
    };
    let mut shown = describe(&key, None, now);
    shown[secret_name] = Json::String(secret);
    Ok(ok(&shown))
}

fn end(keys: &Keys<AppStore>, (what, id): (&str, &str), now: Timestamp) -> Answer {
    if keys.revoke(id, now)? { Ok(ok(&json!({"revoked": id}))) } else { Err(Problem::not_found(what, id)) }
}

/// Lists the keys, without their secrets. `last_used_at` is kept to the minute.
///
/// # Errors
/// The usual.
#[utoipa::path(get, path = "/api/keys", tag = "access", operation_id = "listKeys", responses((status = 200)))]
pub async fn list(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    auth::require(&app, &headers, "admin")?;
    Ok(ok(&json!({"keys": list_of(&app.keys, app.clock.now())})))
}

/// Makes a key; its secret is in this answer and never shown again.
///
/// # Errors
/// 422 for what a key cannot be.
#[utoipa::path(post, path = "/api/keys", tag = "access", operation_id = "createKey", request_body(content = Object, description = "{\"label\", \"scopes\": [...], \"source\", \"expires_at\", \"rate\": {\"per_second\", \"burst\"}, \"allowed_origins\": [\"https://shop.example\"]}"), responses((status = 201), (status = 422)))]
pub async fn create(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Answer {
    auth::require(&app, &headers, "admin")?;
    make(&app.keys, &body, "key", app.clock.now())
}

/// Changes a key's label, end, rate or pages, from the next request on. What is not
/// said stays; null lifts a bound. Scopes and source cannot be changed.
///
/// # Errors
/// 404, 422 and the usual.
#[utoipa::path(patch, path = "/api/keys/{id}", tag = "access", operation_id = "updateKey", params(("id" = String, Path)), request_body(content = Object, description = "Any of {\"label\", \"expires_at\", \"rate\": {\"per_second\", \"burst\"}, \"allowed_origins\"}"), responses((status = 200), (status = 404), (status = 422)))]
pub async fn update(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    auth::require(&app, &headers, "admin")?;
    change(&app.keys, ("key", &id), &body, app.clock.now())
}

/// Gives a key a new secret, shown in this answer alone. The old one works for
/// `overlap_seconds` more: a day, when not said.
///
/// # Errors
/// 404, 422 and the usual.
#[utoipa::path(post, path = "/api/keys/{id}/rotate", tag = "access", operation_id = "rotateKey", params(("id" = String, Path)), request_body(content = Object, description = "{\"overlap_seconds\"}, or nothing"), responses((status = 200), (status = 404), (status = 422)))]
pub async fn rotate(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    auth::require(&app, &headers, "admin")?;
    renew(&app.keys, ("key", &id), &body, "key", app.clock.now())
}

/// Ends a key.
///
/// # Errors
/// 404 and the usual.
#[utoipa::path(delete, path = "/api/keys/{id}", tag = "access", operation_id = "revokeKey", params(("id" = String, Path)), responses((status = 200), (status = 404)))]
pub async fn revoke(State(app): State<Arc<App>>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    auth::require(&app, &headers, "admin")?;
    end(&app.keys, ("key", &id), app.clock.now())
}

/// Lists the OAuth clients, without their secrets.
///
/// # Errors
/// The usual.
#[utoipa::path(get, path = "/api/oauth/clients", tag = "access", operation_id = "listClients", responses((status = 200)))]
pub async fn list_clients(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    auth::require(&app, &headers, "admin")?;
    Ok(ok(&json!({"clients": list_of(&app.oauth.clients, app.clock.now())})))
}

/// Makes a client; its `client_secret` is in this answer and never shown again.
///
/// # Errors
/// 422 for what a client cannot be.
#[utoipa::path(post, path = "/api/oauth/clients", tag = "access", operation_id = "createClient", request_body(content = Object, description = "As of a key"), responses((status = 201), (status = 422)))]
pub async fn create_client(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Answer {
    auth::require(&app, &headers, "admin")?;
    make(&app.oauth.clients, &body, "client_secret", app.clock.now())
}

/// Changes a client's label, end, rate or pages, as of a key; its tokens follow.
///
/// # Errors
/// 404, 422 and the usual.
#[utoipa::path(patch, path = "/api/oauth/clients/{id}", tag = "access", operation_id = "updateClient", params(("id" = String, Path)), request_body(content = Object, description = "As of a key"), responses((status = 200), (status = 404), (status = 422)))]
pub async fn update_client(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    auth::require(&app, &headers, "admin")?;
    change(&app.oauth.clients, ("client", &id), &body, app.clock.now())
}

/// Gives a client a new secret, as of a key. Its tokens stay good.
///
/// # Errors
/// 404, 422 and the usual.
#[utoipa::path(post, path = "/api/oauth/clients/{id}/rotate", tag = "access", operation_id = "rotateClient", params(("id" = String, Path)), request_body(content = Object, description = "{\"overlap_seconds\"}, or nothing"), responses((status = 200), (status = 404), (status = 422)))]
pub async fn rotate_client(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    auth::require(&app, &headers, "admin")?;
    renew(&app.oauth.clients, ("client", &id), &body, "client_secret", app.clock.now())
}

/// Ends a client, and its tokens with it.
///
/// # Errors
/// 404 and the usual.
#[utoipa::path(delete, path = "/api/oauth/clients/{id}", tag = "access", operation_id = "revokeClient", params(("id" = String, Path)), responses((status = 200), (status = 404)))]
pub async fn revoke_client(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answer {
    auth::require(&app, &headers, "admin")?;
    end(&app.oauth.clients, ("client", &id), app.clock.now())
}

/// Lets a new key sign tokens. Those signed before stay good until they end, but
/// with `at_once` none does: for a key that may have become known.
///
/// # Errors
/// 503 when none can be made.
#[utoipa::path(post, path = "/api/oauth/rotate", tag = "access", operation_id = "rotateSigningKey", request_body(content = Object, description = "{\"at_once\"}, or nothing"), responses((status = 200), (status = 503)))]
pub async fn rotate_signing(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Answer {
    auth::require(&app, &headers, "admin")?;
    let at_once = read_or_default::<SigningRotation>(&body)?.at_once;
    let own = Arc::clone(&app);
    // Making a key takes a good part of a second.
    let rotated = tokio::task::spawn_blocking(move || own.oauth.rotate(at_once, own.clock.now())).await;
    match rotated {
        Ok(Ok(id)) => Ok(ok(&json!({"kid": id}))),
        Ok(Err(error)) => Err(crate::serve::oauth::cannot_sign(&error)),
        Err(error) => Err(crate::serve::oauth::cannot_sign(&error)),
    }
}
