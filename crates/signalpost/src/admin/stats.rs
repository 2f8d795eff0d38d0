//! `GET /api/stats`: everything counted, in one answer.

#![expect(clippy::indexing_slicing, reason = "indexing JSON by name gives null where there is nothing")]

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use serde_json::{Value as Json, json};

use super::{Answer, ok};
use crate::app::App;
use crate::log::Log;
use crate::serve::auth;
use crate::state::{Store, Table};

/// Shows the counts.
///
/// # Errors
/// The usual.
#[utoipa::path(get, path = "/api/stats", tag = "operation", operation_id = "stats", responses((status = 200)))]
pub async fn stats(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    auth::require(&app, &headers, "segments:read")?;
    let (known, anonymous) = count_profiles(&app)?;
    let mut stats = app.hub.to_json();
    stats["profiles"] = json!({"known": known, "anonymous": anonymous});
    stats["lag"] = json!(app.lag());
    stats["quarantine"] = json!(app.log.quarantine_len());
    stats["clock"] = json!(app.clock.now().to_string());
    stats["settled"] = Json::Bool(app.is_settled());
    Ok(ok(&stats))
}

/// Known people and anonymous visitors.
///
/// # Errors
/// When the store fails.
pub fn count_profiles(app: &App) -> Result<(u64, u64), crate::state::Error> {
    let mut counts = [0, 0];
    for (index, (from, to)) in [(b"c", b"d"), (b"a", b"b")].into_iter().enumerate() {
        let mut from = from.to_vec();
        loop {
            let rows = app.store.scan_keys(Table::Profiles, &from, Some(to), 10_000)?;
            if let Some(count) = counts.get_mut(index) {
                *count += rows.len() as u64;
            }
            match rows.last() {
                Some(key) if rows.len() == 10_000 => {
                    from.clone_from(key);
                    from.push(0);
                }
                _ => break,
            }
        }
    }
    let [known, anonymous] = counts;
    Ok((known, anonymous))
}
