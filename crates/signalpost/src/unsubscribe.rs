//! `/unsubscribe/{token}`: one click, as RFC 8058 has it. The token is the
//! delivery's id: 128 bits that only the mail's reader has.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

use crate::admin::deliveries;
use crate::admin::profiles::set_consent;
use crate::app::App;
use crate::problem::Problem;

/// Shows a page with one button: a link alone must not unsubscribe, since
/// scanners follow links.
///
/// # Errors
/// 404 for an unknown token.
#[utoipa::path(get, path = "/unsubscribe/{token}", tag = "privacy", operation_id = "unsubscribePage", params(("token" = String, Path)), responses((status = 200), (status = 404)))]
pub async fn page(State(app): State<Arc<App>>, Path(token): Path<String>) -> Result<Response, Problem> {
    deliveries::load(&app, &token)?;
    Ok(Html(PAGE).into_response())
}

/// Withdraws the person's consent to e-mail.
///
/// # Errors
/// 404 for an unknown token, 503 when it cannot be made durable.
#[utoipa::path(post, path = "/unsubscribe/{token}", tag = "privacy", operation_id = "unsubscribe", params(("token" = String, Path)), responses((status = 200), (status = 404)))]
pub async fn unsubscribe(
    State(app): State<Arc<App>>,
    Path(token): Path<String>,
) -> Result<Response, Problem> {
    let record = deliveries::load(&app, &token)?;
    set_consent(&app, record.delivery.profile, "email", false).await?;
    Ok((StatusCode::OK, Html(DONE)).into_response())
}

const PAGE: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>Unsubscribe</title><main style=\"font:1.1rem/1.5 system-ui;max-width:32rem;margin:15vh auto;padding:0 1rem\"><h1>Unsubscribe</h1><p>You will get no more of these mails.</p><form method=\"post\"><button style=\"font:inherit;padding:.6rem 1.2rem\">Unsubscribe</button></form></main></html>";
const DONE: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>Unsubscribed</title><main style=\"font:1.1rem/1.5 system-ui;max-width:32rem;margin:15vh auto;padding:0 1rem\"><h1>Done</h1><p>You are unsubscribed.</p></main></html>";
