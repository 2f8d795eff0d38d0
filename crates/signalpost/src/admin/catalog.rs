//! `/api/catalog`: the products.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use axum::body::Bytes;
use axum::extract::{Query, RawQuery, State};
use axum::http::HeaderMap;
use serde_json::{Value as Json, json};
use signalpost_core::catalog::Item;
use signalpost_core::id::ProductId;
use signalpost_core::recommend::{Request, Strategy};
use signalpost_core::value::{self, Value};

use super::{Answer, Page, ok, read};
use crate::app::App;
use crate::collect::events::is_dry_run;
use crate::documents::Kind;
use crate::problem::Problem;
use crate::serve::auth;

/// Lists catalog items.
///
/// # Errors
/// The usual.
#[utoipa::path(get, path = "/api/catalog", tag = "content", operation_id = "listCatalog", params(("limit" = Option<usize>, Query)), responses((status = 200)))]
pub async fn list(State(app): State<Arc<App>>, Query(page): Query<Page>, headers: HeaderMap) -> Answer {
    auth::require(&app, &headers, "content:read")?;
    let catalog = app.catalog.read().unwrap_or_else(PoisonError::into_inner);
    let items: Vec<Json> = catalog.items().take(page.limit()).map(Item::to_json).collect();
    Ok(ok(&json!({"items": items, "total": catalog.len()})))
}

/// Sets catalog items: one object, an array, or `{"items": […]}`. A wrong item
/// never harms its neighbours.
///
/// # Errors
/// The usual.
#[utoipa::path(put, path = "/api/catalog", tag = "content", operation_id = "putCatalog", params(("dry_run" = Option<bool>, Query, description = "true: say what would become of the items, and keep nothing")), request_body(content = Object), responses((status = 200, description = "{accepted, errors}")))]
pub async fn put(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    auth::require(&app, &headers, "content:write")?;
    let value: Json = read(&body)?;
    let items = match value {
        Json::Array(items) => items,
        Json::Object(mut object) => match object.shift_remove("items") {
            Some(Json::Array(items)) => items,
            _ => vec![Json::Object(object)],
        },
        _ => return Err(Problem::invalid("items", "send an item, an array of items or {\"items\": [...]}")),
    };
    let mut good = Vec::new();
    let mut errors = Vec::new();
    for (index, json) in items.iter().enumerate() {
        match Item::from_json(json) {
            Ok(item) => good.push(item),
            Err(problem) => {
                errors.push(json!({"index": index, "field": problem.field(), "message": problem.to_string()}))
            }
        }
    }
    if is_dry_run(query.as_deref()) {
        let items: Vec<Json> = good.iter().take(10).map(Item::to_json).collect();
        return Ok(ok(&json!({"dry_run": true, "accepted": good.len(), "errors": errors, "items": items})));
    }
    let accepted = good.len();
    upsert(&app, good)?;
    let total = app.catalog.read().unwrap_or_else(PoisonError::into_inner).len();
    Ok(ok(&json!({"accepted": accepted, "errors": errors, "total": total})))
}

/// Puts items in, durably.
fn upsert(app: &App, items: Vec<Item>) -> Result<(), Problem> {
    let documents: Vec<(String, Json)> =
        items.iter().map(|item| (item.product_id.to_string(), item.to_json())).collect();
    app.documents.put_all(Kind::Item, &documents, app.clock.now())?;
    let mut catalog = app.catalog.write().unwrap_or_else(PoisonError::into_inner);
    for item in items {
        catalog.upsert(item);
    }
    Ok(())
}

/// A change that another system tells.
#[derive(Clone, Debug)]
pub enum Change {
    /// The item is like this.
    Upsert(Item),
    /// There is no such item any more.
    Remove(ProductId),
}

/// Makes changes in their order, durably, and says how many there were. An item
/// whose `updated_at` is before that of the one held has been overtaken on its
/// way and is left out.
///
/// # Errors
/// When the store fails.
pub fn apply(app: &App, changes: Vec<Change>) -> Result<usize, Problem> {
    let mut made = 0;
    let mut waiting: Vec<Item> = Vec::new();
    for change in changes {
        match change {
            Change::Upsert(item) if is_overtaken(app, &item) => {}
            Change::Upsert(item) => {
                // Each document once in a batch.
                waiting.retain(|held| held.product_id != item.product_id);
                waiting.push(item);
                made += 1;
            }
            Change::Remove(id) => {
                upsert(app, std::mem::take(&mut waiting))?;
                if app.documents.get(Kind::Item, id.as_str())?.is_some() {
                    app.documents.delete(Kind::Item, id.as_str(), app.clock.now())?;
                    made += 1;
                }
                app.catalog.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
            }
        }
    }
    if !waiting.is_empty() {
        upsert(app, waiting)?;
    }
    Ok(made)
}

fn is_overtaken(app: &App, item: &Item) -> bool {
    let updated_at = |item: &Item| value::get(&item.attributes, "updated_at").and_then(Value::as_time);
    let catalog = app.catalog.read().unwrap_or_else(PoisonError::into_inner);
    let held = catalog.get(&item.product_id).and_then(updated_at);
    matches!((held, updated_at(item)), (Some(held), Some(own)) if own < held)
}

/// Recommends products to a person.
///
/// # Errors
/// 404 for an unknown profile, 422 for an unknown strategy.
#[utoipa::path(get, path = "/api/recommendations", tag = "content", operation_id = "recommend", params(("profile" = Option<String>, Query), ("product" = Option<String>, Query), ("strategy" = Option<String>, Query), ("limit" = Option<usize>, Query)), responses((status = 200), (status = 404), (status = 422)))]
pub async fn recommend(
    State(app): State<Arc<App>>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Answer {
    auth::require(&app, &headers, "content:read")?;
    let strategy = query.get("strategy").map_or("auto", String::as_str);
    let strategy: Strategy =
        strategy.parse().map_err(|error: signalpost_core::recommend::UnknownStrategy| {
            Problem::invalid("strategy", error.to_string())
        })?;
    let limit = query.get("limit").and_then(|text| text.parse().ok()).unwrap_or(10).clamp(1, 100);
    let taste = match query.get("profile") {
        Some(id) => crate::content::Taste::of(&super::profiles::load(&app, id)?),
        None => {
            let viewed = query.get("product").map(|id| ProductId::from(id.as_str())).into_iter().collect();
            crate::content::Taste { viewed, ..Default::default() }
        }
    };
    let request = Request {
        strategy,
        viewed: &taste.viewed,
        cart: &taste.cart,
        purchased: &taste.purchased,
        limit,
        ..Request::default()
    };
    let products = app.content.recommend(&request);
    Ok(ok(&json!({"products": products})))
}
