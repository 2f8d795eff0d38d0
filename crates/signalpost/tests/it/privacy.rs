//! Requests about people's data: taken down, worked on, done.

use serde_json::{Value as Json, json};

use crate::http::Answer;
use crate::support::{ADMIN, Server, encode, run_examples};

const REQUESTS: &str = "/api/privacy/requests";

fn mark(server: &Server, key: &str, id: &str, body: &Json) -> Answer {
    server.ask(key, "PATCH", &format!("{REQUESTS}/{}", encode(id)), &[], body.to_string().as_bytes())
}

#[test]
fn a_request_is_followed_until_it_is_done() {
    let mut server = Server::start();
    let wanted = json!({"kind": "erase", "email": " ada@example.com "});
    let made = server.post(REQUESTS, &wanted).expect(201);
    assert_eq!((&made["status"], &made["email"]), (&json!("received"), &json!("ada@example.com")));
    let id = made["id"].as_str().unwrap().to_owned();
    mark(&server, ADMIN, &id, &json!({"status": "in_progress"})).expect(200);
    assert_eq!(
        mark(&server, ADMIN, &id, &json!({"status": "done"})).problem(422, "invalid")["field"],
        "note"
    );
    mark(&server, ADMIN, &id, &json!({"status": "received"})).problem(409, "conflict");
    mark(&server, ADMIN, &id, &json!({"status": "lost"})).problem(422, "invalid");
    mark(&server, ADMIN, "nobody", &json!({"status": "done", "note": "x"})).problem(404, "not_found");
    mark(&server, ADMIN, &id, &json!({"status": "done", "note": "erased"})).expect(200);
    server.stop();
    let server = Server::on(&server.data.clone(), &[]);
    let kept = server.get(&format!("{REQUESTS}/{id}")).expect(200);
    assert_eq!((&kept["status"], &kept["history"][1]["note"]), (&json!("done"), &json!("erased")));
    assert_eq!(server.get(&format!("{REQUESTS}?status=received")).expect(200)["total"], 0);
    assert_eq!(server.get(&format!("{REQUESTS}?status=done")).expect(200)["total"], 1);
    assert_eq!(server.get(&format!("{REQUESTS}?overdue=true")).expect(200)["total"], 0);
}

#[test]
fn a_request_names_somebody_and_needs_a_key_that_may() {
    let server = Server::start();
    for wrong in [
        json!({"kind": "erase"}),
        json!({"kind": "erase", "email": " "}),
        json!({"kind": "erase_all", "customer_id": "C1"}),
        json!({"kind": "export", "customer_id": "x".repeat(5_000)}),
        json!({"kind": "export", "customer_id": "C1", "status": "done"}),
    ] {
        server.post(REQUESTS, &wrong).problem(422, "invalid");
    }
    let readers = json!({"scopes": ["privacy:read"]});
    let reader = server.post("/api/keys", &readers).expect(201)["key"].as_str().unwrap().to_owned();
    let good = json!({"kind": "export", "customer_id": "C1"}).to_string();
    server.ask(&reader, "POST", REQUESTS, &[], good.as_bytes()).problem(403, "scope");
    let id = server.ask(ADMIN, "POST", REQUESTS, &[], good.as_bytes()).expect(201)["id"].clone();
    let id = id.as_str().unwrap();
    server.ask(&reader, "GET", &format!("{REQUESTS}/{id}"), &[], b"").expect(200);
    mark(&server, &reader, id, &json!({"status": "in_progress"})).problem(403, "scope");
}

#[test]
fn the_examples_of_the_page_run_as_printed() {
    let said = run_examples("privacy.md", 2);
    assert!(said.contains("status: done"), "{said}");
}
