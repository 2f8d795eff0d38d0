//! OAuth's own addresses: `/oauth/token` (RFC 6749), the keys that prove tokens
//! (RFC 7517) and what there is to know (RFC 8414). Errors of the first are as
//! RFC 6749, 5.2 has them, and no problem documents.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value as Json, json};
use signalpost_core::oauth::{self, Error};

use crate::admin;
use crate::app::App;
use crate::keys::SCOPES;
use crate::problem::Problem;

/// The largest token request, in bytes.
const BODY_BYTES_MAX: usize = 8 << 10;
const FORM: &str = "application/x-www-form-urlencoded";

/// Gives a client a token.
///
/// # Errors
/// 400, 401 and 413 as RFC 6749 has them, 503 when no signing key can be made.
#[utoipa::path(post, path = "/oauth/token", tag = "access", operation_id = "token",
    request_body(content = Object, content_type = "application/x-www-form-urlencoded", description = "grant_type=client_credentials, optionally scope; the client's id and secret by HTTP Basic, or as client_id and client_secret"),
    responses(
        (status = 200, description = "{access_token, token_type, expires_in, scope}"),
        (status = 400, description = "{error, error_description}"), (status = 401, description = "invalid_client"),
        (status = 413, description = "Too large"), (status = 503, description = "No key to sign with now")))]
pub async fn token(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Response {
    let mut answer = match grant(&app, &headers, body).await {
        Ok(answer) => answer,
        Err(refusal) => refusal,
    };
    let headers = answer.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    answer
}

async fn grant(app: &Arc<App>, headers: &HeaderMap, body: Body) -> Result<Response, Response> {
    let refuse = |error| refusal(error_status(error), error);
    let body = crate::collect::body::read(headers, body, BODY_BYTES_MAX)
        .await
        .map_err(|problem| refusal(problem.status(), Error::InvalidRequest("the body cannot be read")))?;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(FORM) {
        return Err(refuse(Error::InvalidRequest(
            "the Content-Type is not application/x-www-form-urlencoded",
        )));
    }
    let mut proofs = headers.get_all(header::AUTHORIZATION).iter();
    let proof = proofs.next();
    if proofs.next().is_some() {
        return Err(refuse(Error::InvalidRequest("the Authorization header came twice")));
    }
    let request = oauth::read(&body, proof.map(HeaderValue::as_bytes)).map_err(refuse)?;
    let now = app.clock.now();
    let (client, scopes) = app.oauth.judge(&request, now).map_err(refuse)?;
    // It may have to make a signing key, which takes its time.
    let own = Arc::clone(app);
    let granted = tokio::task::spawn_blocking(move || own.oauth.grant(&client, &scopes, now)).await;
    let granted = match granted {
        Ok(Ok(granted)) => granted,
        Ok(Err(error)) => return Err(cannot_sign(&error).into_response()),
        Err(error) => return Err(cannot_sign(&error).into_response()),
    };
    Ok(admin::ok(&json!({
        "access_token": granted.token,
        "token_type": "Bearer",
        "expires_in": granted.seconds,
        "scope": granted.scope,
    })))
}

/// 503, and why on the log.
pub fn cannot_sign(error: &dyn std::error::Error) -> Problem {
    tracing::error!(%error, "no token could be signed");
    let detail = "no token can be signed now";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail).retry_after(1)
}

fn error_status(error: Error) -> StatusCode {
    match error {
        Error::InvalidClient(_) => StatusCode::UNAUTHORIZED,
        _ => StatusCode::BAD_REQUEST,
    }
}

fn refusal(status: StatusCode, error: Error) -> Response {
    let mut answer =
        admin::json(status, &json!({"error": error.code(), "error_description": error.to_string()}));
    if status == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static("Basic realm=\"signalpost\", charset=\"UTF-8\"");
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    answer
}

/// The public keys that prove tokens now.
///
/// # Errors
/// 503 when there is none and none can be made.
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "access", operation_id = "jwks", responses((status = 200, description = "A JWK set"), (status = 503)))]
pub async fn jwks(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let own = Arc::clone(&app);
    let keys = tokio::task::spawn_blocking(move || own.oauth.public_keys(own.clock.now())).await;
    match keys {
        Ok(Ok(keys)) => Ok(public(&json!({"keys": keys}))),
        Ok(Err(error)) => Err(cannot_sign(&error)),
        Err(error) => Err(cannot_sign(&error)),
    }
}

/// What there is to know of how tokens are given.
#[utoipa::path(get, path = "/.well-known/oauth-authorization-server", tag = "access", operation_id = "oauthMetadata", responses((status = 200, description = "As RFC 8414 has it")))]
pub async fn metadata(State(app): State<Arc<App>>) -> Response {
    let issuer = app.oauth.issuer();
    public(&json!({
        "issuer": issuer,
        "token_endpoint": format!("{issuer}/oauth/token"),
        "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
        "scopes_supported": SCOPES.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        "response_types_supported": [],
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
    }))
}

fn public(body: &Json) -> Response {
    let mut answer = admin::ok(body);
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    answer
}
