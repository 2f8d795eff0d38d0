//! What cannot be read or mapped is kept, and mapped when the mapping is mended.

use serde_json::{Value as Json, json};

use super::{define, send, shop, shopify};
use crate::support::{Server, WRITE};

const KEY: (&str, &str) = ("Authorization", "Bearer s");

fn mapping(customer: &str) -> Json {
    json!({"topic": "$header.x-event", "rules": [{"when": {"$topic": "order"}, "events": [
        {"event_type": "order", "customer_id": customer, "event_id": {"$concat": ["order-", "$.n"]}},
        {"each": "$.lines", "event_type": "line", "customer_id": "$item.who", "event_id": {"$concat": ["line-", "$item.n"]}}]}]})
}

#[test]
fn a_message_is_mapped_again_when_the_mapping_is_mended() {
    let server = Server::start();
    define(&server, "open", &json!({"kind": "json", "secret": "s", "mapping": mapping("$.wrong")}));
    let body = json!({"n": 1, "who": "c1", "lines": [{"n": 1, "who": "c1"}, {"n": 2}]}).to_string();
    let answer = send(&server, "open", &[KEY, ("X-Event", "order")], body.as_bytes()).expect(200);
    assert_eq!((&answer["accepted"], &answer["quarantined"]), (&json!(1), &json!(1)), "{answer}");
    let unknown = send(&server, "open", &[KEY, ("X-Event", "invoice")], body.as_bytes()).expect(200);
    assert_eq!(unknown["errors"][0]["code"], "unmapped");

    let kept = server.get("/api/quarantine").expect(200);
    let row = &kept["quarantined"][0];
    assert_eq!((&row["code"], &row["source"]), (&json!("missing_identity"), &json!("open")));
    assert!(
        row["message"].as_str().unwrap().contains("/rules/0/events/0 of the mapping); and 1 more"),
        "{row}"
    );
    assert!(row["raw"].as_str().unwrap().contains(&body), "the body is kept: {row}");
    assert!(!row["raw"].as_str().unwrap().contains("Bearer"), "{row}");

    // Still wrong: it stays.
    let replayed = server.post("/api/quarantine/replay", &json!({"all": true})).expect(200);
    assert_eq!((&replayed["accepted"], &replayed["refused"]), (&json!(0), &json!(2)));
    let mut mended = mapping("$.who");
    mended["rules"][0]["when"] = json!({"$topic": ["order", "invoice"]});
    define(&server, "open", &json!({"kind": "json", "secret": "s", "mapping": mended}));
    let replayed = server.post("/api/quarantine/replay", &json!({"all": true})).expect(200);
    // The first message's order; of the second all but what the first had made. One line names nobody still.
    assert_eq!((&replayed["accepted"], &replayed["duplicates"]), (&json!(1), &json!(2)), "{replayed}");
    assert_eq!(server.get("/api/quarantine").expect(200)["total"], 2);
    let again = server.post("/api/quarantine/replay", &json!({"all": true})).expect(200);
    assert_eq!(again["accepted"], 0, "{again}");
    server.settle();
    assert_eq!(server.cell("SELECT count(*) FROM events"), 2);
}

#[test]
fn a_body_that_can_never_be_read_is_kept_and_not_asked_for_again() {
    let server = shop();
    for (at, body) in
        [&b"{\"id\":"[..], b"", b"\xFF\xFE{}", b"{\"a\":1}{\"b\":2}", "[".repeat(5_000).as_bytes()]
            .into_iter()
            .enumerate()
    {
        let answer = shopify(&server, "orders/create", &format!("w{at}"), body).expect(200);
        assert_eq!(
            (&answer["quarantined"], &answer["errors"][0]["code"]),
            (&json!(1), &json!("unreadable")),
            "{answer}"
        );
    }
    let kept = server.get("/api/quarantine").expect(200);
    assert_eq!(kept["total"], 5);
    assert!(kept["quarantined"][0]["raw"].as_str().unwrap().contains("orders/create"), "{kept}");
    // NUL bytes, lone surrogates and equal names do no harm.
    let odd = br#"{"id":1,"id":2,"email":"a\u0000b@c.example","note":"\ud800","line_items":[{"id":1,"sku":"A","quantity":1,"price":"1"}]}"#;
    assert_eq!(shopify(&server, "orders/create", "odd", odd).status, 200);
    let replayed = server.post("/api/quarantine/replay", &json!({"reason": "unreadable"})).expect(200);
    assert_eq!(replayed["refused"], 5);
    assert!(
        server.get("/api/quarantine").expect(200)["total"].as_u64().unwrap() >= 5,
        "it is not lost by a replay"
    );
}

#[test]
fn an_event_that_looks_like_a_hooks_message_stays_an_event() {
    let server = shop();
    let forged =
        json!({"hook": "shop", "headers": {"x-shopify-topic": "products/delete"}, "body": {"id": 77}});
    let text = format!("[{forged}]");
    assert_eq!(server.ask(WRITE, "POST", "/api/events", &[], text.as_bytes()).expect(202)["quarantined"], 1);
    shopify(&server, "products/create", "w", br#"{"id":77,"title":"Kettle"}"#).expect(200);
    server.post("/api/quarantine/replay", &json!({"all": true})).expect(200);
    assert_eq!(server.get("/api/catalog").expect(200)["total"], 1);
}

#[test]
fn too_many_messages_are_asked_for_in_parts() {
    let server = Server::start();
    define(&server, "open", &json!({"kind": "json", "secret": "s"}));
    let many = format!("[{}]", vec!["1"; 10_001].join(","));
    send(&server, "open", &[KEY], many.as_bytes()).problem(413, "too_many_events");
}
