//! `/api/catalog`: the products.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use serde_json::{Value as Json, json};
use signalpost_core::catalog::Item;
use signalpost_core::id::ProductId;
use signalpost_core::recommend::{Request, Strategy};

use super::{Answer, Page, ok, read};
use crate::app::App;
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
#[utoipa::path(put, path = "/api/catalog", tag = "content", operation_id = "putCatalog", request_body(content = Object), responses((status = 200, description = "{accepted, errors}")))]
pub async fn put(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Answer {
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
    let documents: Vec<(String, Json)> =
        good.iter().map(|item| (item.product_id.to_string(), item.to_json())).collect();
    app.documents.put_all(Kind::Item, &documents, app.clock.now())?;
    let accepted = good.len();
    let mut catalog = app.catalog.write().unwrap_or_else(PoisonError::into_inner);
    for item in good {
        catalog.upsert(item);
    }
    Ok(ok(&json!({"accepted": accepted, "errors": errors, "total": catalog.len()})))
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
