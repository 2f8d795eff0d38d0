//! The tracking API that published client libraries speak: what they really
//! sent, byte for byte, against the program.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use base64::Engine;
use serde_json::{Value as Json, json};

use crate::http::{Answer, exchange};
use crate::support::{ADMIN, Server, WRITE, eventually};

fn fixtures() -> Option<PathBuf> {
    let shared = std::env::var("SIGNALPOST_SHARED")
        .map_or_else(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let folder = shared.join("fixtures/segment-clients");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: {} is absent, what client libraries send is not replayed", folder.display());
    None
}

fn json_of(path: &Path) -> Json {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Sends a recorded request with our key and host in the place of its own.
fn replay(server: &Server, request: &Json) -> Answer {
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("{WRITE}:"));
    let basic = format!("Basic {basic}");
    let mut headers = Vec::new();
    for pair in request["raw_headers"].as_array().unwrap() {
        let (name, value) = (pair[0].as_str().unwrap(), pair[1].as_str().unwrap());
        match name.to_ascii_lowercase().as_str() {
            "host" | "content-length" | "connection" | "transfer-encoding" => {}
            "authorization" => headers.push((name, basic.as_str())),
            _ => headers.push((name, value)),
        }
    }
    let body = request["body_base64"].as_str().unwrap_or_default();
    let body = base64::engine::general_purpose::STANDARD.decode(body).unwrap();
    let path = request["path"].as_str().unwrap();
    exchange(server.address, request["method"].as_str().unwrap(), path, &headers, &body).unwrap()
}

#[test]
fn what_published_libraries_send_is_taken_once() {
    let Some(folder) = fixtures() else { return };
    let mut replayed = 0;
    for scenario in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if !scenario.is_dir() {
            continue;
        }
        let about = json_of(&scenario.join("scenario.json"));
        let name = about["scenario"].as_str().unwrap();
        let server = Server::start();
        // The recordings were made in a browser without a screen.
        let put = json!({"filter_bots": false});
        assert!(server.put("/api/sources/default", &put).status < 300, "{name}");
        for file in about["requests"].as_array().unwrap() {
            let request = json_of(&scenario.join(file.as_str().unwrap()));
            let path = request["path"].as_str().unwrap();
            if !path.starts_with("/v1/") {
                continue;
            }
            let answer = replay(&server, &request);
            let expected = if request["method"] == "OPTIONS" { 204 } else { 200 };
            assert_eq!(answer.status, expected, "{name} {path}: {}", answer.text());
            if request["raw_headers"].to_string().contains("Origin") {
                assert_eq!(answer.header("access-control-allow-origin"), "*", "{name} {path}");
            }
            if request["method"] == "POST" {
                assert_eq!(answer.json()["success"], true, "{name} {path}");
                assert_eq!(answer.json()["errors"], json!([]), "{name} {path}");
            }
        }
        let sent = about["events_in_order"].as_array().unwrap();
        let ids: BTreeSet<&str> = sent.iter().filter_map(|event| event["messageId"].as_str()).collect();
        let expected = if ids.is_empty() { sent.len() } else { ids.len() };
        eventually("every message is in SQL's reach", || {
            (server.cell("SELECT count(*) FROM events") == expected).then_some(())
        });
        for id in ids {
            let rows = server.sql(&format!("SELECT event_type FROM events WHERE event_id = '{id}'"));
            assert_eq!(rows.len(), 1, "{name}: {id}");
        }
        replayed += 1;
    }
    assert!(replayed >= 11, "only {replayed} scenarios were replayed");
}

#[test]
fn every_call_is_seen_in_the_profile() {
    let server = Server::start();
    let batch = json!({"writeKey": WRITE, "batch": [
        {"type": "track", "event": "Product Viewed", "anonymousId": "a-1", "messageId": "m1", "properties": {"product_id": "A1X2", "price": 19.9}},
        {"type": "identify", "userId": "u-1", "anonymousId": "a-1", "messageId": "m2", "traits": {"age": 31}},
        {"type": "page", "userId": "u-1", "messageId": "m3", "name": "Home"},
        {"type": "group", "userId": "u-1", "messageId": "m4", "groupId": "g"},
        {"type": "track", "event": "Order Completed", "userId": "u-1", "messageId": "m5", "properties": {"order_id": "o1", "revenue": 42}}]});
    // As a page that is being left sends it: no header of its own.
    let answer = exchange(
        server.address,
        "POST",
        "/v1/b",
        &[("Content-Type", "text/plain")],
        batch.to_string().as_bytes(),
    );
    assert_eq!(answer.unwrap().expect(200)["accepted"], 5);
    server.settle();
    let row = server
        .sql("SELECT age, last_viewed_product, total_spent FROM customer_data WHERE customer_id = 'u-1'");
    assert_eq!(row, [json!({"age": 31, "last_viewed_product": "A1X2", "total_spent": 42.0})]);
}

#[test]
fn a_wrong_key_call_or_body_is_refused() {
    let server = Server::start();
    let message = json!({"event": "a", "userId": "u"}).to_string();
    let post = |key: &str, path: &str, body: &str| server.ask(key, "POST", path, &[], body.as_bytes());
    assert_eq!(post("nobody", "/v1/track", &message).status, 401);
    assert_eq!(post(ADMIN, "/v1/dance", &message).status, 404);
    assert_eq!(post(WRITE, "/v1/track", "{").status, 400);
    assert_eq!(exchange(server.address, "POST", "/v1/track", &[], message.as_bytes()).unwrap().status, 401);
    let answer =
        post(WRITE, "/v1/batch", r#"{"batch":[{"type":"track","event":"a","userId":"u"},{"type":"track"}]}"#);
    let answer = answer.expect(200);
    assert_eq!((&answer["accepted"], &answer["quarantined"]), (&json!(1), &json!(1)));
    assert_eq!(answer["errors"][0]["index"], 1);
}

#[test]
fn a_page_of_another_origin_may_send_events() {
    let server = Server::start();
    let asks = [
        ("Origin", "https://shop.example"),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "authorization,content-type"),
    ];
    for path in ["/api/events", "/v1/t", "/v1/batch"] {
        let answer = exchange(server.address, "OPTIONS", path, &asks, b"").unwrap();
        assert_eq!(answer.status, 204, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert_eq!(answer.header("access-control-allow-headers"), "authorization,content-type");
    }
    // Nothing else is open to them.
    let answer = exchange(server.address, "OPTIONS", "/api/segments", &asks, b"").unwrap();
    assert_eq!(answer.status, 405);
    let answer = server.events("[]");
    assert_eq!(answer.header("access-control-allow-origin"), "*");
}

#[test]
fn the_browser_sdk_is_served_and_its_cookie_is_set() {
    let server = Server::start();
    let plain =
        |path: &str, headers: &[(&str, &str)]| exchange(server.address, "GET", path, headers, b"").unwrap();
    let script = plain("/js/signalpost.js", &[]);
    assert_eq!(script.status, 200);
    assert_eq!(script.header("content-type"), "text/javascript; charset=utf-8");
    let again = plain("/js/signalpost.js", &[("If-None-Match", script.header("etag"))]);
    assert_eq!(again.status, 304);
    let lasting = plain(&format!("/js/{}", script.header("etag").trim_matches('"')), &[]);
    assert_eq!(lasting.text(), script.text());
    assert!(lasting.header("cache-control").contains("immutable"));
    assert_eq!(plain("/js/signalpost.js.map", &[]).status, 200);

    let cookie = "sp_id=123-456; Path=/; SameSite=Lax; Max-Age=34560000";
    let event = json!({"event_type": "page_view", "anonymous_id": "123-456"}).to_string();
    let post = |cookie: &str| {
        server.ask(WRITE, "POST", "/api/events", &[("X-Signalpost-Cookie", cookie)], event.as_bytes())
    };
    assert_eq!(post(cookie).header("set-cookie"), cookie);
    let answer = post("session=stolen; Path=/");
    assert_eq!((answer.status, answer.header("set-cookie")), (202, ""));
}
