//! `/api/deliveries`: every decision, and what became of it.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value as Json, json};
use signalpost_core::campaign::DeliveryId;

use super::{Answer, ok};
use crate::app::App;
use crate::deliver::{DeliveryRecord, Status};
use crate::problem::Problem;
use crate::serve::auth;
use crate::state::{self, Batch, Store, Table};
use crate::worker::{outbox_key, read_outbox_key};

/// Decisions looked through for a filtered list, at most.
const LOOKED_THROUGH_MAX: usize = 200_000;

/// The record of a delivery.
///
/// # Errors
/// 404 and when the store fails.
pub fn load(app: &App, id: &str) -> Result<DeliveryRecord, Problem> {
    let parsed = DeliveryId::parse(id).ok_or_else(|| Problem::not_found("delivery", id))?;
    let bytes = app
        .store
        .get(Table::Deliveries, &parsed.0.to_be_bytes())?
        .ok_or_else(|| Problem::not_found("delivery", id))?;
    Ok(state::decode(Table::Deliveries, &bytes)?)
}

/// Lists deliveries, newest first.
///
/// # Errors
/// The usual.
#[utoipa::path(get, path = "/api/deliveries", tag = "deliver", operation_id = "listDeliveries", params(("status" = Option<String>, Query), ("campaign" = Option<String>, Query), ("limit" = Option<usize>, Query)), responses((status = 200)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Answer {
    auth::require(&app, &headers, "deliver:read")?;
    let limit = query.get("limit").and_then(|text| text.parse().ok()).unwrap_or(100).clamp(1, 10_000);
    let wanted = |record: &DeliveryRecord| {
        let status = record.status.name();
        let decision = crate::deliver::decision_name(&record.delivery.decision);
        query.get("status").is_none_or(|wanted| wanted.is_empty() || wanted == status || wanted == decision)
            && query.get("campaign").is_none_or(|wanted| **wanted == *record.delivery.campaign)
    };
    let mut rows: Vec<Json> = Vec::new();
    for (key, _) in app.store.scan_back(Table::DeliveryLog, &[], None, LOOKED_THROUGH_MAX)? {
        let Some((_, id)) = read_outbox_key(&key) else { continue };
        let Some(bytes) = app.store.get(Table::Deliveries, &id.0.to_be_bytes())? else { continue };
        let record: DeliveryRecord = state::decode(Table::Deliveries, &bytes)?;
        if wanted(&record) {
            rows.push(record.to_json());
            if rows.len() == limit {
                break;
            }
        }
    }
    Ok(ok(&json!({"deliveries": rows})))
}

/// Shows one delivery.
///
/// # Errors
/// 404 and the usual.
#[utoipa::path(get, path = "/api/deliveries/{id}", tag = "deliver", operation_id = "getDelivery", params(("id" = String, Path)), responses((status = 200), (status = 404)))]
pub async fn get(State(app): State<Arc<App>>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    auth::require(&app, &headers, "deliver:read")?;
    Ok(ok(&load(&app, &id)?.to_json()))
}

/// Tries a delivery again that has come to an end without being sent.
///
/// # Errors
/// 404, and 409 when it was sent or still waits.
#[utoipa::path(post, path = "/api/deliveries/{id}/retry", tag = "deliver", operation_id = "retryDelivery", params(("id" = String, Path)), responses((status = 200), (status = 404), (status = 409)))]
pub async fn retry(State(app): State<Arc<App>>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    auth::require(&app, &headers, "deliver:write")?;
    let mut record = load(&app, &id)?;
    if !matches!(record.status, Status::Dead | Status::Refused | Status::InDoubt) {
        let detail = format!(
            "the delivery is {}; only dead, refused and in_doubt ones are tried again",
            record.status.name()
        );
        return Err(Problem::new(StatusCode::CONFLICT, "not_retriable", detail));
    }
    let now = app.clock.now();
    record.status = Status::Pending;
    record.next_attempt = Some(now);
    let id = record.delivery.id;
    let mut batch = Batch::default();
    batch.put(Table::Outbox, outbox_key(now, id), Vec::new());
    batch.put(Table::Deliveries, id.0.to_be_bytes().to_vec(), state::encode(&record));
    app.store.commit(batch)?;
    app.store.sync()?;
    Ok(ok(&record.to_json()))
}
