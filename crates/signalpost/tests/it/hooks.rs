//! Webhooks of other systems against the running program: who may send, what
//! becomes of it, what is kept of what cannot be read.

mod products;
mod quarantine;

use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value as Json, json};
use sha2::Sha256;

use crate::http::{Answer, exchange};
use crate::support::{ADMIN, PROGRAM, Server, WRITE, free_port, now, pause};

pub(super) const SECRET: &str = "shpss_test_secret";

pub(super) fn sign(secret: &str, parts: &[&[u8]]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    STANDARD.encode(mac.finalize().into_bytes())
}

/// Defines a hook.
pub(super) fn define(server: &Server, name: &str, definition: &Json) {
    let answer = server.put(&format!("/api/hooks/{name}"), definition);
    assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
}

/// Sends to a hook without a key.
pub(super) fn send(server: &Server, hook: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    exchange(server.address, "POST", &format!("/hooks/{hook}"), headers, body).unwrap()
}

/// Sends as Shopify does.
pub(super) fn shopify(server: &Server, topic: &str, id: &str, body: &[u8]) -> Answer {
    let signature = sign(SECRET, &[body]);
    let headers = [
        ("X-Shopify-Topic", topic),
        ("X-Shopify-Hmac-Sha256", signature.as_str()),
        ("X-Shopify-Shop-Domain", "demo.myshopify.com"),
        ("X-Shopify-API-Version", "2026-10"),
        ("X-Shopify-Webhook-Id", id),
        ("X-Shopify-Triggered-At", "2026-01-01T00:00:00.123456789Z"),
        ("Content-Type", "application/json"),
        ("User-Agent", "Shopify-Captain-Hook"),
    ];
    send(server, "shop", &headers, body)
}

pub(super) fn shop() -> Server {
    let server = Server::start();
    define(&server, "shop", &json!({"kind": "shopify", "secret": SECRET}));
    server
}

#[test]
fn a_hook_is_defined_shown_without_secrets_and_ended() {
    let server = Server::start();
    let made = server.put("/api/hooks/shop", &json!({"kind": "shopify", "secret": SECRET}));
    assert_eq!(made.status, 201);
    assert!(made.json()["url"].as_str().unwrap().ends_with("/hooks/shop"));
    let shown = server.get("/api/hooks/shop").expect(200);
    assert_eq!(shown["settings"]["secret"], "•••");
    assert!(shown["mapping"]["rules"].as_array().unwrap().len() > 10);
    assert!(!server.get("/api/hooks").text().contains(SECRET));
    // What was shown may be sent back: the secret stays.
    assert_eq!(server.put("/api/hooks/shop", &shown["settings"]).status, 200);
    assert_eq!(
        shopify(&server, "orders/create", "w", br#"{"id":1,"email":"a@b.example","line_items":[]}"#).status,
        200
    );

    let problem = server.put(
        "/api/hooks/bad",
        &json!({"kind": "json", "mapping": {"rules": [{"events": [{"event_type": "$x"}]}]}}),
    );
    let problem = problem.problem(422, "invalid");
    assert_eq!(
        (&problem["field"], &problem["at"]),
        (&json!("mapping"), &json!("/rules/0/events/0/event_type"))
    );
    assert_eq!(server.ask(WRITE, "PUT", "/api/hooks/shop", &[], b"{}").status, 403);

    assert_eq!(server.ask(ADMIN, "DELETE", "/api/hooks/shop", &[], b"").status, 200);
    assert_eq!(server.get("/api/hooks/shop").status, 404);
    shopify(&server, "orders/create", "w", b"{}").problem(404, "not_found");
}

#[test]
fn only_its_sender_may_write_to_a_hook() {
    let server = shop();
    let body =
        br#"{"id":1,"email":"a@b.example","line_items":[{"id":1,"sku":"A1","quantity":1,"price":"1.00"}]}"#;
    let topic = ("X-Shopify-Topic", "orders/create");
    send(&server, "shop", &[topic], body).problem(401, "no_signature");
    let wrong = sign("another", &[body]);
    send(&server, "shop", &[topic, ("X-Shopify-Hmac-Sha256", &wrong)], body).problem(401, "wrong_signature");
    // A key does not stand for a signature.
    assert_eq!(server.ask(ADMIN, "POST", "/hooks/shop", &[topic], body).status, 401);

    define(&server, "open", &json!({"kind": "json"}));
    let event = json!({"event": "signup", "customer_id": "1"}).to_string();
    assert_eq!(send(&server, "open", &[], event.as_bytes()).status, 401);
    assert_eq!(server.ask(WRITE, "POST", "/hooks/open", &[], event.as_bytes()).expect(200)["accepted"], 1);
    server.settle();
    assert_eq!(server.cell("SELECT count(*) FROM events"), 1);
    assert_eq!(server.cell("SELECT source FROM events"), "open");
}

#[test]
fn a_replay_of_an_old_request_is_refused() {
    let server = Server::start();
    define(
        &server,
        "std",
        &json!({"kind": "standard_webhooks", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}),
    );
    let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let body = json!({"type": "order.paid", "data": {"customer_id": "7"}}).to_string();
    let post = |seconds: i64| {
        let seconds = seconds.to_string();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(format!("msg_1.{seconds}.{body}").as_bytes());
        let signature = format!("v0,x v1,AAAA v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        let headers =
            [("webhook-id", "msg_1"), ("webhook-timestamp", &*seconds), ("webhook-signature", &*signature)];
        send(&server, "std", &headers, body.as_bytes())
    };
    let seconds = now().as_micros() / 1_000_000;
    post(seconds - 400).problem(401, "old_timestamp");
    post(seconds + 400).problem(401, "old_timestamp");
    assert_eq!(post(seconds).expect(200)["accepted"], 1);
    assert_eq!(post(seconds).expect(200)["duplicates"], 1);
}

#[test]
fn bodies_are_bounded_and_may_be_compressed() {
    let server = Server::with(&[("SIGNALPOST_BODY_BYTES_MAX", "100000")]);
    define(&server, "open", &json!({"kind": "json"}));
    let large = vec![b' '; 100_001];
    server.ask(WRITE, "POST", "/hooks/open", &[], &large).problem(413, "too_large");
    let gzip = |bytes: &[u8]| {
        use std::io::Write;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let headers = [("Content-Encoding", "gzip")];
    server.ask(WRITE, "POST", "/hooks/open", &headers, &gzip(&large)).problem(413, "too_large");
    let event = json!({"event": "signup", "customer_id": "1"}).to_string();
    let answer = server.ask(WRITE, "POST", "/hooks/open", &headers, &gzip(event.as_bytes()));
    assert_eq!(answer.expect(200)["accepted"], 1);
}

#[test]
fn what_was_acknowledged_outlives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let listen = format!("127.0.0.1:{}", free_port());
    let mut server = Server::try_on(&data, &listen, &[]).unwrap();
    define(&server, "shop", &json!({"kind": "shopify", "secret": SECRET}));
    let order =
        br#"{"id":5,"email":"a@b.example","line_items":[{"id":1,"sku":"A1","quantity":1,"price":"1.00"}]}"#;
    assert_eq!(shopify(&server, "orders/create", "w1", order).expect(200)["accepted"], 2);
    let product = br#"{"id":77,"title":"Kettle","variants":[{"id":1,"price":"9.00"}]}"#;
    assert_eq!(shopify(&server, "products/create", "w2", product).expect(200)["catalog"], 1);
    let redact = br#"{"shop_id":1,"customer":{"id":5,"email":"a@b.example"},"orders_to_redact":[5]}"#;
    assert_eq!(shopify(&server, "customers/redact", "w3", redact).expect(200)["privacy_requests"], 1);
    assert_eq!(shopify(&server, "orders/create", "w4", b"{half").expect(200)["quarantined"], 1);
    server.kill();
    pause(100);
    let server = Server::try_on(&data, &listen, &[]).unwrap();
    assert_eq!(shopify(&server, "orders/create", "w1", order).expect(200)["duplicates"], 2);
    server.settle();
    assert_eq!(server.cell("SELECT count(*) FROM events"), 2);
    assert_eq!(server.get("/api/catalog").expect(200)["items"][0]["product_id"], "shopify:product:77");
    assert_eq!(server.get("/api/privacy/requests").expect(200)["total"], 1);
    assert_eq!(server.get("/api/quarantine").expect(200)["total"], 1);
}

#[test]
fn a_mapping_is_tried_from_the_shell_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let run = |arguments: &[&str]| {
        let output = Command::new(PROGRAM).args(arguments).env_remove("SIGNALPOST_URL").output().unwrap();
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let order = file(
        "order.json",
        r#"{"id":5,"email":"a@b.example","line_items":[{"id":1,"sku":"a1","quantity":1,"price":"1.00"}]}"#,
    );
    let (code, said, _) =
        run(&["hooks", "test", &order, "--kind", "shopify", "--topic", "orders/create", "--json"]);
    let said: Json = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &said[0]["events"][1]["product_id"]), (0, &json!("A1")), "{said}");

    let mapping = file(
        "map.json",
        r#"{"topic":"$header.x-event","rules":[{"when":{"$topic":"a"},"events":[{"event_type":"t","customer_id":"$.who"}]}]}"#,
    );
    let body = file("body.json", "{}");
    let (code, said, _) = run(&["hooks", "test", &body, "--mapping", &mapping, "--header", "X-Event: a"]);
    assert_eq!(code, 1);
    assert!(said.contains("missing_identity") && said.contains("/rules/0/events/0"), "{said}");
    let (code, said, _) = run(&["hooks", "test", &body, "--mapping", &mapping]);
    assert!(code == 1 && said.contains("unmapped"), "{said}");

    let slip = file("slip.json", r#"{"rules":[{"evnts":[]}]}"#);
    let (code, _, complaint) = run(&["hooks", "test", &body, "--mapping", &slip]);
    assert!(code == 1 && complaint.contains("/rules/0: 'evnts' is not known here"), "{complaint}");
    assert_eq!(run(&["hooks", "test", &body, "--kind", "fax"]).0, 2);
    let (code, said, _) = run(&["hooks", "mapping", "hubspot"]);
    assert!(code == 0 && serde_json::from_str::<Json>(&said).is_ok());

    let server = Server::start();
    let definition = file("hook.json", &json!({"kind": "shopify", "secret": SECRET}).to_string());
    assert!(server.run(&["hooks", "apply", "shop", &definition]).status.success());
    let listed = server.run(&["hooks", "list"]);
    assert!(String::from_utf8_lossy(&listed.stdout).contains("/hooks/shop"));
    let tried = server.run(&["hooks", "test", &order, "--hook", "shop", "--topic", "orders/create"]);
    assert!(tried.status.success() && String::from_utf8_lossy(&tried.stdout).contains("purchase"));
    assert_eq!(server.cell("SELECT count(*) FROM events"), 0);
    assert!(server.run(&["hooks", "delete", "shop"]).status.success());
}
