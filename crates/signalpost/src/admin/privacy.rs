//! `/api/privacy`: requests about people's data.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::HeaderMap;
use serde_json::{Value as Json, json};

use super::{Answer, ok};
use crate::app::App;
use crate::serve::auth;

/// Lists privacy requests, the newest first: who asked what, when, by when it is
/// due. Status `received`: they are taken down, and not carried out
/// automatically.
///
/// # Errors
/// The usual.
#[utoipa::path(get, path = "/api/privacy/requests", tag = "privacy", operation_id = "listPrivacyRequests", params(("limit" = Option<usize>, Query), ("status" = Option<String>, Query)), responses((status = 200, description = "{requests, total}")))]
pub async fn list(
    State(app): State<Arc<App>>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Answer {
    auth::require(&app, &headers, "privacy:read")?;
    let limit = query.get("limit").and_then(|text| text.parse().ok()).unwrap_or(100).clamp(1, 10_000);
    let status = query.get("status");
    let mut requests = crate::privacy::list(&app)?;
    requests.retain(|request| {
        status.is_none_or(|status| request.get("status").and_then(Json::as_str) == Some(status))
    });
    let total = requests.len();
    requests.truncate(limit);
    Ok(ok(&json!({"requests": requests, "total": total})))
}
