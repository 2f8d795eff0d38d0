//! What requests carry: the form of each body, and examples of it.
//!
//! They stand in `bodies.json`, since they describe what users send and not what
//! the handlers make of it: a member may come in many forms, and one type be read
//! in steps. Tests hold them to the handlers: every example is sent to a server.

use serde_json::{Value as Json, json};

pub(super) const BODIES: &str = include_str!("bodies.json");

/// Puts forms and examples into the API's description.
pub(super) fn put(api: &mut Json) {
    let Ok(mut said) = serde_json::from_str::<Json>(BODIES) else { return };
    let schemas = said.get_mut("schemas").map(Json::take).unwrap_or_default();
    if let Some(components) = api.get_mut("components").and_then(Json::as_object_mut) {
        components.insert("schemas".to_owned(), schemas);
    }
    let paths = api.get_mut("paths").and_then(Json::as_object_mut);
    let items = paths.into_iter().flatten().filter_map(|(_, item)| item.as_object_mut());
    for (_, operation) in items.flatten() {
        let id = operation.get("operationId").and_then(Json::as_str).unwrap_or_default();
        let Some(body) = said.get("bodies").and_then(|bodies| bodies.get(id)) else { continue };
        let body = content(body);
        let forms = operation.pointer_mut("/requestBody/content").and_then(Json::as_object_mut);
        for (_, form) in forms.into_iter().flatten() {
            form.clone_from(&body);
        }
    }
}

/// A body as OpenAPI has it.
fn content(body: &Json) -> Json {
    let examples = body.get("examples").and_then(Json::as_object).into_iter().flatten();
    let examples: serde_json::Map<String, Json> = examples
        .map(|(name, value)| (name.replace(' ', "-"), json!({"summary": name, "value": value})))
        .collect();
    json!({"schema": body.get("schema"), "examples": examples})
}
