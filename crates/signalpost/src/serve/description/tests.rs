//! That the description says something of every body, and says it soundly.

use serde_json::Value as Json;

fn document() -> Json {
    serde_json::from_str(&crate::serve::openapi()).unwrap()
}

fn operations(document: &Json) -> impl Iterator<Item = &Json> {
    let items = document["paths"].as_object().unwrap().values();
    items.flat_map(|item| item.as_object().unwrap().values()).filter(|held| held["operationId"].is_string())
}

/// Every `$ref` below a value.
fn references<'a>(value: &'a Json, found: &mut Vec<&'a str>) {
    match value {
        Json::Object(members) => {
            for (name, value) in members {
                match value.as_str().filter(|_| name == "$ref") {
                    Some(reference) => found.push(reference),
                    None => references(value, found),
                }
            }
        }
        Json::Array(values) => values.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn every_body_has_a_form_and_an_example() {
    let document = document();
    // Whatever another system sends.
    const FREE: [&str; 1] = ["postHook"];
    for operation in operations(&document) {
        let id = operation["operationId"].as_str().unwrap();
        let forms = operation["requestBody"]["content"].as_object().into_iter().flatten();
        for (kind, form) in forms.filter(|_| !FREE.contains(&id)) {
            let bare = form["schema"] == serde_json::json!({"type": "object"});
            assert!(form["schema"].is_object() && !bare, "{id} {kind} has no form");
            assert!(!form["examples"].as_object().unwrap().is_empty(), "{id} {kind} has no example");
        }
    }
}

#[test]
fn what_is_said_of_bodies_is_used_and_whole() {
    let document = document();
    let said: Json = serde_json::from_str(super::bodies::BODIES).unwrap();
    for id in said["bodies"].as_object().unwrap().keys() {
        let held = operations(&document).find(|operation| operation["operationId"] == id.as_str());
        let schema = held.unwrap_or_else(|| panic!("there is no operation {id}"))["requestBody"]["content"]
            .as_object()
            .and_then(|forms| forms.values().next())
            .map(|form| &form["schema"]);
        assert_eq!(schema, Some(&said["bodies"][id]["schema"]), "{id}");
    }
    let mut found = Vec::new();
    references(&document, &mut found);
    for reference in &found {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
    for name in said["schemas"].as_object().unwrap().keys() {
        assert!(found.iter().any(|reference| reference.ends_with(&format!("/{name}"))), "{name} is not used");
    }
}
