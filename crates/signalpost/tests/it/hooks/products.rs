//! What Shopify, HubSpot and Salesforce send, all the way to profiles.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};

use super::{define, send, shop, shopify, sign};
use crate::http::exchange;
use crate::support::{ADMIN, Server, now};

#[test]
fn a_shop_is_followed_from_cart_to_refund() {
    let server = shop();
    let line = json!({"id": 11, "product_id": 7, "variant_id": 44, "title": "Kettle", "quantity": 2, "price": "20.00", "sku": "K"});
    let cart =
        json!({"id": "tok", "token": "tok", "updated_at": "2026-01-01T00:00:00Z", "line_items": [line]});
    let checkout = json!({"id": 3, "token": "ch", "cart_token": "tok", "email": "Jane@Example.com", "created_at": "2026-01-01T00:05:00Z",
        "updated_at": "2026-01-01T00:05:00Z", "customer": {"id": 900, "first_name": "Jane"}, "line_items": [line], "total_price": "40.00",
        "abandoned_checkout_url": "https://demo.example/recover"});
    let order = json!({"id": 500, "email": "jane@example.com", "cart_token": "tok", "created_at": "2026-01-01T00:10:00Z", "currency": "EUR",
        "customer": {"id": 900, "email": "jane@example.com", "first_name": "Jane", "last_name": "Doe"},
        "billing_address": null, "shipping_address": null, "line_items": [line], "total_price": "40.00"});
    let refund = json!({"id": 8, "order_id": 500, "created_at": "2026-01-02T00:00:00Z", "refund_line_items": [],
        "transactions": [{"kind": "refund", "status": "success", "amount": "20.00", "currency": "EUR"}]});
    for (at, (topic, body, accepted)) in [
        ("carts/create", &cart, 2),
        ("carts/update", &cart, 1),
        ("checkouts/create", &checkout, 1),
        ("orders/create", &order, 2),
        ("orders/paid", &order, 1),
        ("refunds/create", &refund, 1),
    ]
    .into_iter()
    .enumerate()
    {
        let body = body.to_string();
        let answer = shopify(&server, topic, &format!("w{at}"), body.as_bytes()).expect(200);
        assert_eq!(
            (&answer["accepted"], &answer["quarantined"]),
            (&json!(accepted), &json!(0)),
            "{topic}: {answer}"
        );
        // A retry of the same delivery is left out whole.
        let again = shopify(&server, topic, &format!("w{at}"), body.as_bytes()).expect(200);
        assert_eq!(again["accepted"], 0, "{topic}: {again}");
    }
    server.settle();
    // What the cart and the refund did counts for the person whom only the order named.
    let rows = server
        .sql("SELECT total_spent, first_name, last_name, email FROM customer_data WHERE customer_id = '900'");
    assert_eq!(
        rows,
        [json!({"total_spent": 40.0, "first_name": "Jane", "last_name": "Doe", "email": "jane@example.com"})]
    );
    let profile = server.get("/api/profiles/900").expect(200);
    let text = profile.to_string();
    for kind in ["cart_update", "add_to_cart", "checkout", "purchase", "order_paid", "refund"] {
        assert!(text.contains(kind), "{kind} is not in {profile:#}");
    }
    assert_eq!(
        server.cell("SELECT product_id FROM events WHERE event_type = 'purchase'"),
        "shopify:product:7"
    );
}

#[test]
fn the_catalog_follows_the_shop() {
    let server = shop();
    assert!(server.put("/api/sources/shop", &json!({"currency": "EUR"})).status < 300);
    let product = |title: &str, at: &str| {
        json!({"id": 77, "title": title, "handle": "kettle", "status": "active", "tags": "", "updated_at": at,
            "variants": [{"id": 1, "price": "9.00", "inventory_quantity": 2}]})
        .to_string()
    };
    let put = |title, at, id| {
        let answer = shopify(&server, "products/update", id, product(title, at).as_bytes()).expect(200);
        answer["catalog"].as_u64().unwrap()
    };
    assert_eq!(put("Kettle", "2026-01-02T00:00:00Z", "w1"), 1);
    // Overtaken on its way.
    assert_eq!(put("Old kettle", "2026-01-01T00:00:00Z", "w2"), 0);
    let item = server.get("/api/catalog").expect(200)["items"][0].clone();
    assert_eq!(
        (&item["name"], &item["currency"], &item["in_stock"]),
        (&json!("Kettle"), &json!("EUR"), &json!(true))
    );
    let bad = json!({"id": 78, "title": "x", "variants": [{"id": 1, "price": "n/a"}]}).to_string();
    let answer = shopify(&server, "products/create", "w3", bad.as_bytes()).expect(200);
    assert_eq!((&answer["quarantined"], &answer["errors"][0]["code"]), (&json!(1), &json!("bad_item")));
    assert_eq!(shopify(&server, "products/delete", "w4", br#"{"id":77}"#).expect(200)["catalog"], 1);
    assert_eq!(server.get("/api/catalog").expect(200)["total"], 0);
}

#[test]
fn privacy_topics_are_taken_down_once_and_listed() {
    let server = shop();
    let body = br#"{"shop_id":954889,"shop_domain":"demo.myshopify.com","orders_requested":[299938],"customer":{"id":191167,"email":"john@example.com","phone":"555-625-1199"},"data_request":{"id":9999}}"#;
    for (topic, id) in [
        ("customers/data_request", "w1"),
        ("customers/data_request", "w1"),
        ("customers/redact", "w2"),
        ("shop/redact", "w3"),
    ] {
        assert_eq!(shopify(&server, topic, id, body).expect(200)["privacy_requests"], 1, "{topic}");
    }
    let listed = server.get("/api/privacy/requests").expect(200);
    assert_eq!(listed["total"], 3);
    let kinds: Vec<&str> = listed["requests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|request| request["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["erase_all", "erase", "export"]);
    let export = &listed["requests"][2];
    assert_eq!(
        (&export["status"], &export["customer_id"], &export["email"]),
        (&json!("received"), &json!("191167"), &json!("john@example.com"))
    );
    assert!(export["note"].as_str().unwrap().contains("once it is approved"));
    let key = server.post("/api/keys", &json!({"scopes": ["events:write"]})).expect(201)["key"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(server.ask(&key, "GET", "/api/privacy/requests", &[], b"").status, 403);
}

#[test]
fn a_customer_who_refused_mail_in_the_shop_gets_none() {
    let server = shop();
    let customer = |state: &str| {
        json!({"id": 5, "email": "a@b.example", "updated_at": "2026-01-01T00:00:00Z",
            "email_marketing_consent": {"state": state, "consent_updated_at": "2025-12-01T00:00:00Z"}})
        .to_string()
    };
    shopify(&server, "customers/create", "w1", customer("subscribed").as_bytes()).expect(200);
    server.settle();
    assert_eq!(server.cell("SELECT email_consent FROM customer_data WHERE customer_id = '5'"), Json::Null);
    shopify(&server, "customers/update", "w2", customer("unsubscribed").as_bytes()).expect(200);
    server.settle();
    assert_eq!(server.cell("SELECT email_consent FROM customer_data WHERE customer_id = '5'"), false);
}

#[test]
fn hubspot_notifications_are_signed_with_the_address() {
    let server = Server::start();
    define(
        &server,
        "crm",
        &json!({"kind": "hubspot", "secret": "hub-secret", "url": "https://signalpost.example/hooks/crm"}),
    );
    let at = now().as_micros() / 1_000;
    let body = json!([
        {"eventId": 1, "subscriptionId": 2, "portalId": 3, "occurredAt": at, "subscriptionType": "contact.propertyChange", "objectId": 123,
            "propertyName": "email", "propertyValue": "zoë@example.com", "attemptNumber": 0},
        {"eventId": 2, "subscriptionId": 2, "portalId": 3, "occurredAt": at, "subscriptionType": "contact.privacyDeletion", "objectId": 9},
        {"eventId": 3, "subscriptionId": 2, "portalId": 3, "occurredAt": at, "subscriptionType": "ticket.creation", "objectId": 9}])
    .to_string();
    let post = |uri: &str, millis: i64| {
        let millis = millis.to_string();
        let signature = sign("hub-secret", &[b"POST", uri.as_bytes(), body.as_bytes(), millis.as_bytes()]);
        let headers = [
            ("X-HubSpot-Signature-v3", signature.as_str()),
            ("X-HubSpot-Request-Timestamp", millis.as_str()),
        ];
        exchange(server.address, "POST", "/hooks/crm?a=1%2C2", &headers, body.as_bytes()).unwrap()
    };
    let uri = "https://signalpost.example/hooks/crm?a=1,2";
    post(uri, at - 301_000).problem(401, "old_timestamp");
    post("https://other.example/hooks/crm?a=1,2", at).problem(401, "wrong_signature");
    let answer = post(uri, at).expect(200);
    assert_eq!(
        (&answer["accepted"], &answer["privacy_requests"], &answer["quarantined"]),
        (&json!(1), &json!(1), &json!(1)),
        "{answer}"
    );
    assert_eq!(post(uri, at).expect(200)["duplicates"], 1);
    server.settle();
    assert_eq!(
        server.cell("SELECT email FROM customer_data WHERE customer_id = 'hubspot:123'"),
        "zoë@example.com"
    );
}

#[test]
fn salesforce_is_acknowledged_in_its_own_words() {
    let server = Server::start();
    define(
        &server,
        "sf",
        &json!({"kind": "salesforce", "organization_id": "00D5g000004abcd", "secret": "flow-secret"}),
    );
    let soap = |organization: &str, session: &str| {
        format!(
            r#"<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><notifications xmlns="http://soap.sforce.com/2005/09/outbound"><OrganizationId>{organization}</OrganizationId><ActionId>04k</ActionId><SessionId>{session}</SessionId><Notification><Id>04l1</Id><sObject xsi:type="sf:Contact" xmlns:sf="urn:sobject.enterprise.soap.sforce.com"><sf:Id>003A</sf:Id><sf:Email>ann@example.com</sf:Email></sObject></Notification><Notification><Id>04l2</Id><sObject xsi:type="sf:Opportunity" xmlns:sf="urn:sobject.enterprise.soap.sforce.com"><sf:Id>006A</sf:Id></sObject></Notification></notifications></soapenv:Body></soapenv:Envelope>"#
        )
    };
    let xml = [("Content-Type", "text/xml; charset=UTF-8"), ("SOAPAction", "\"\"")];
    send(&server, "sf", &xml, soap("00D000000000001", "x").as_bytes()).problem(401, "wrong_organization");
    send(&server, "sf", &xml, b"<soapenv:Envelope>").problem(400, "not_soap");
    for _ in 0..2 {
        let answer = send(&server, "sf", &xml, soap("00D5g000004abcdEAA", "top-secret-session").as_bytes());
        assert_eq!((answer.status, answer.header("content-type")), (200, "text/xml; charset=utf-8"));
        assert!(answer.text().contains("<Ack>true</Ack>"), "{}", answer.text());
    }
    let flow = json!({"type": "Case", "event": "case_closed", "event_id": "e1", "ContactId": "003A", "Status": "Closed"}).to_string();
    assert_eq!(send(&server, "sf", &[], flow.as_bytes()).status, 401);
    assert_eq!(
        send(&server, "sf", &[("Authorization", "Bearer flow-secret")], flow.as_bytes()).expect(200)["accepted"],
        1
    );
    server.settle();
    assert_eq!(server.cell("SELECT count(*) FROM events WHERE customer_id = '003A'"), 2);
    let kept = server.get("/api/quarantine").expect(200);
    assert!(kept["quarantined"][0]["raw"].as_str().unwrap().contains("006A"), "{kept}");
    assert!(!kept.to_string().contains("top-secret-session"));
}

fn captured() -> Option<Vec<PathBuf>> {
    let shared = std::env::var("SIGNALPOST_SHARED")
        .map_or_else(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let folder = shared.join("fixtures/vendor-sdk-requests");
    if !folder.is_dir() {
        eprintln!("SKIPPED: {} is absent, what vendors' clients send is not replayed", folder.display());
        return None;
    }
    let folders =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    Some(
        folders
            .flat_map(|folder| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()))
            .collect(),
    )
}

#[test]
fn whatever_vendors_clients_send_is_mapped_or_kept() {
    let Some(files) = captured() else { return };
    let server = Server::start();
    for kind in ["json", "hubspot", "salesforce", "shopify", "standard_webhooks"] {
        let definition = json!({"kind": "json", "secret": "s", "mapping": serde_json::from_slice::<Json>(
            &server.run(&["hooks", "mapping", kind]).stdout).unwrap()});
        define(&server, kind, &definition);
    }
    let mut sent = 0;
    for file in &files {
        let request: Json = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let body = STANDARD.decode(request["body_base64"].as_str().unwrap_or_default()).unwrap();
        for hook in ["json", "hubspot", "salesforce", "shopify", "standard_webhooks"] {
            let answer = send(&server, hook, &[("Authorization", "Bearer s")], &body).expect(200);
            let told = |name: &str| answer[name].as_u64().unwrap();
            let total = told("accepted") + told("duplicates") + told("quarantined");
            assert!(total > 0 || body == b"[]", "{}: {hook}: nothing became of it: {answer}", file.display());
            sent += 1;
        }
    }
    assert!(sent >= 100, "only {sent} requests were sent");
    // An event that HubSpot's own client reports is one of ours by its usual names.
    let event = json!({"occurredAt": "2026-03-01T12:34:56Z", "eventName": "pe123_viewed", "uuid": "evt-1", "email": "ana@example.com",
        "properties": {"product_id": "A1X2"}});
    let mapping = json!({"id": "$.uuid", "time": "$.occurredAt", "rules": [{"events": [{"event_type": "$.eventName",
        "customer_id": "$.email", "product_id": "$.properties.product_id", "properties": "$.properties"}]}]});
    define(&server, "own", &json!({"kind": "json", "secret": "s", "mapping": mapping}));
    assert_eq!(
        send(&server, "own", &[("X-Api-Key", "s")], event.to_string().as_bytes()).expect(200)["accepted"],
        1
    );
    server.settle();
    assert_eq!(server.cell("SELECT product_id FROM events WHERE event_type = 'pe123_viewed'"), "A1X2");
    assert_eq!(server.ask(ADMIN, "GET", "/readyz", &[], b"").status, 200);
}
