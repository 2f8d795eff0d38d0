//! The API's description as a whole: what all operations have in common, so that
//! each need not say it.

mod bodies;
#[cfg(test)]
mod tests;

use axum::http::StatusCode;
use serde_json::Value as Json;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi, RefOr, ResponseBuilder, SecurityRequirement};

/// Operations that ask for no key, or for one that is part of the address.
const OPEN: [&str; 11] = [
    "pixel",
    "trackingSettings",
    "postHook",
    "healthz",
    "readyz",
    "metrics",
    "unsubscribePage",
    "unsubscribe",
    "token",
    "jwks",
    "oauthMetadata",
];

/// The whole of it: with keys, the form of errors and of bodies, and a word for
/// every answer that has none.
pub(super) fn document(mut api: OpenApi) -> Json {
    complete(&mut api);
    // What comes from types alone can be written.
    let mut api = serde_json::to_value(api).unwrap_or_default();
    bodies::put(&mut api);
    api
}

fn complete(api: &mut OpenApi) {
    let components = api.components.get_or_insert_default();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    let header = ApiKey::Header(ApiKeyValue::new("X-Api-Key"));
    components.add_security_scheme("key", SecurityScheme::ApiKey(header));
    let no_scopes: [&str; 0] = [];
    let keys = ["bearer", "key"].map(|name| SecurityRequirement::new(name, no_scopes));
    for operation in api.paths.paths.values_mut().flat_map(operations) {
        let is_open = operation.operation_id.as_deref().is_some_and(|id| OPEN.contains(&id));
        if !is_open && operation.security.is_none() {
            operation.security = Some(keys.to_vec());
        }
        answers(operation);
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch].into_iter().flatten()
}

fn answers(operation: &mut Operation) {
    let responses = &mut operation.responses.responses;
    for (status, response) in responses.iter_mut() {
        if let RefOr::T(response) = response
            && response.description.is_empty()
        {
            let code = status.parse().ok().and_then(|code| StatusCode::from_u16(code).ok());
            let reason = code.and_then(|code| code.canonical_reason());
            reason.unwrap_or("An answer").clone_into(&mut response.description);
        }
    }
    let problem = ResponseBuilder::new()
        .description("What went wrong and how to mend it: a problem document (RFC 9457) with type, title, status, code, detail")
        .content("application/problem+json", ContentBuilder::new().build())
        .build();
    responses.entry("default".to_owned()).or_insert(RefOr::T(problem));
}
