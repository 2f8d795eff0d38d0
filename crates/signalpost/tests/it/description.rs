//! The API's description, held to the server: what it gives as examples is taken.

use serde_json::Value as Json;

use crate::support::{ADMIN, Server};

/// What others need is made first.
const FIRST: [&str; 3] = ["putTemplate", "putDestination", "putSegment"];
/// Of these the example names something that is not there.
const OF_NOTHING: [&str; 7] = [
    "updateKey",
    "rotateKey",
    "updateClient",
    "rotateClient",
    "updatePrivacyRequest",
    "putConsent",
    "exportPerson",
];

#[test]
fn every_example_of_a_body_is_taken() {
    let server = Server::start();
    let api = server.get("/api/openapi.json").expect(200);
    let mut operations: Vec<(&str, &str, &Json)> = Vec::new();
    for (path, item) in api["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operations.push((path, method, operation));
        }
    }
    operations.sort_by_key(|(_, _, operation)| !FIRST.iter().any(|id| operation["operationId"] == *id));
    let mut sent = 0;
    for (path, method, operation) in operations {
        let id = operation["operationId"].as_str().unwrap_or_default();
        let Some(form) = operation["requestBody"]["content"]["application/json"].as_object() else {
            continue;
        };
        for (name, example) in form.get("examples").and_then(Json::as_object).into_iter().flatten() {
            let place = match path {
                "/api/imports/{id}" => path.replace("{id}", &"0".repeat(32)),
                "/v1/{call}" => path.replace("{call}", if name == "batch" { "batch" } else { "track" }),
                _ => path
                    .replace("{name}", "example")
                    .replace("{event_type}", "purchase")
                    .replace("{id}", "example"),
            };
            let body = example["value"].to_string();
            let answer = server.ask(ADMIN, &method.to_uppercase(), &place, &[], body.as_bytes());
            let fits = answer.status < 300 || (OF_NOTHING.contains(&id) && answer.status == 404);
            assert!(fits, "{id}, {name}: {} {}", answer.status, answer.text());
            if path == "/api/events" {
                assert_eq!(answer.json()["quarantined"], 0, "{}", answer.text());
            }
            sent += 1;
        }
    }
    assert!(sent > 40, "{sent} examples");
}
