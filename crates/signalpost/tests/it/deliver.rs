//! From an event to a message: templates, campaigns, limits, the inbox and webhooks.

use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value as Json, json};
use sha2::Sha256;
use signalpost_core::time::{Span, Timestamp};

use crate::http::exchange;
use crate::receiver::Receiver;
use crate::support::{Server, encode, eventually, now};

/// Defines a template, a destination and a campaign of one name.
pub(crate) fn campaign(server: &Server, name: &str, destination: &Json, trigger: &Json, limits: &Json) {
    let template = json!({
        "subject": "Hello {{ user.first_name | default: 'there' }}",
        "preheader": "Only today",
        "body": "<p>Hi {{ user.first_name }}, <a href=\"{{ unsubscribe_url }}\">enough</a></p>",
    });
    assert!(matches!(server.put(&format!("/api/templates/{}", encode(name)), &template).status, 200 | 201));
    assert!(matches!(
        server.put(&format!("/api/destinations/{}", encode(name)), destination).status,
        200 | 201
    ));
    let definition = json!({"trigger": trigger, "template": name, "destination": name, "limits": limits});
    server.put(&format!("/api/campaigns/{}", encode(name)), &definition).expect(201);
}

/// The deliveries of a campaign, oldest first.
pub(crate) fn deliveries(server: &Server, campaign: &str) -> Vec<Json> {
    let answer =
        server.get(&format!("/api/deliveries?limit=10000&campaign={}", encode(campaign))).expect(200);
    answer["deliveries"].as_array().unwrap().iter().rev().cloned().collect()
}

/// Waits for a campaign's only delivery to be in a status.
pub(crate) fn await_status(server: &Server, campaign: &str, status: &str) -> Json {
    eventually(&format!("the delivery of {campaign} is {status}"), || {
        let found = deliveries(server, campaign);
        assert!(found.len() <= 1, "{found:?}");
        found.into_iter().find(|delivery| delivery["status"] == status)
    })
}

/// An event of its own each time: what is sent twice in a moment is a repeat.
fn ping(id: &str, event_type: &str) -> Json {
    static SENT: AtomicU64 = AtomicU64::new(0);
    let number = SENT.fetch_add(1, Ordering::Relaxed);
    json!({"event_id": format!("ping-{number}"), "event_type": event_type, "customer_id": id, "traits": {"email": format!("{id}@example.com"), "first_name": "Jane <b>"}})
}

#[test]
fn a_template_that_is_wrong_shows_where() {
    let server = Server::start();
    let wrong = json!({"subject": "Hi", "body": "<p>Hello</p>\n<p>{{ user.first_name | shout }}</p>"});
    let problem = server.put("/api/templates/wrong", &wrong).problem(422, "template");
    assert_eq!(problem["line"], 2, "{problem}");
    assert!(problem["column"].as_u64().is_some_and(|column| column > 4), "{problem}");
    assert!(
        problem["detail"].as_str().unwrap().contains("\n")
            && problem["detail"].as_str().unwrap().contains('^'),
        "{problem}"
    );
    let unclosed = json!({"subject": "{% if user %}Hi", "body": "x"});
    let problem = server.put("/api/templates/wrong", &unclosed).problem(422, "template");
    assert!(problem["detail"].as_str().unwrap().starts_with("subject: "), "{problem}");
    server.put("/api/templates/wrong", &json!({"bodi": "x"})).problem(422, "invalid");
    let check = |language: &str, body: &str| {
        server.post(
            "/api/templates/check",
            &json!({"language": language, "body": body, "data": {"name": "Zoë"}, "render": true}),
        )
    };
    assert_eq!(check("liquid", "Hi {{ name }}").expect(200)["output"], "Hi Zoë");
    assert_eq!(check("handlebars", "Hi {{name}}").expect(200)["output"], "Hi Zoë");
    let problem = check("liquid", "{{ name").problem(422, "template");
    assert_eq!(problem["problems"][0]["line"], 1, "{problem}");
    check("handlebars", "{{#if name}}").problem(422, "template");
    server.put("/api/templates/mail", &json!({"format": "mjml", "subject": "S",
        "body": "<mjml><mj-body><mj-section><mj-column><mj-text>Hi {{ user.name }}</mj-text></mj-column></mj-section></mj-body></mjml>"})).expect(201);
    let mail = server
        .post("/api/templates/mail/render", &json!({"data": {"user": {"name": "Jane <i>"}}}))
        .expect(200);
    let html = mail["html"].as_str().unwrap();
    assert!(html.contains("Hi Jane &lt;i&gt;") && html.contains("<table"), "{html}");
    assert!(mail["text"].as_str().unwrap().contains("Hi Jane <i>"), "{mail}");
}

#[test]
fn entering_a_segment_brings_one_mail() {
    let server = Server::start();
    server.define("Buyers", "IF event_type = 'purchase' THEN assign to 'Buyers'");
    campaign(
        &server,
        "Thanks",
        &json!({"kind": "inbox"}),
        &json!({"on": "enter", "segment": "Buyers"}),
        &json!({}),
    );
    server.accept(&ping("C1", "purchase"));
    let delivery = await_status(&server, "Thanks", "sent");
    assert_eq!(
        (&delivery["customer_id"], &delivery["decision"]),
        (&json!("C1"), &json!("send")),
        "{delivery}"
    );
    assert!(delivery["cause"].as_str().unwrap().contains("entered Buyers"), "{delivery}");
    server.accept(&json!([ping("C1", "purchase"), {"event_type": "purchase", "customer_id": "no-mail"}]));
    server.settle();
    let messages = server.get("/api/inbox").expect(200)["messages"].clone();
    assert_eq!(messages.as_array().unwrap().len(), 1, "{messages}");
    assert_eq!((&messages[0]["id"], &messages[0]["campaign"]), (&delivery["id"], &json!("Thanks")));
    assert_eq!(messages[0]["subject"], "Hello Jane <b>");
    let message = server.get(&format!("/api/inbox/{}", delivery["id"].as_str().unwrap())).expect(200);
    assert!(
        message["to"].as_str().unwrap().contains("c1@example.com")
            || message["to"].as_str().unwrap().contains("C1@example.com"),
        "{message}"
    );
    assert!(message["html"].as_str().unwrap().contains("Hi Jane &lt;b&gt;"), "{message}");
    let token = format!("{}/unsubscribe/{}", server.url(), delivery["id"].as_str().unwrap());
    assert!(message["html"].as_str().unwrap().contains(&token), "{message}");
    assert!(message["headers"].to_string().contains(&token), "{message}");
    let eml = server.get(&format!("/api/inbox/{}/eml", delivery["id"].as_str().unwrap()));
    assert!(eml.text().contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click"), "{}", eml.text());
    let decisions: Vec<Json> =
        deliveries(&server, "Thanks").iter().map(|delivery| delivery["decision"].clone()).collect();
    assert_eq!(decisions, ["send", "no_address"]);
}

#[test]
fn nobody_is_written_to_against_the_rules() {
    let server = Server::start();
    let inbox = json!({"kind": "inbox"});
    let on = |event_type: &str| json!({"on": "event", "event_type": event_type});
    campaign(&server, "News", &inbox, &on("news"), &json!({}));
    campaign(&server, "Capped", &inbox, &on("offer"), &json!({"cap": 2, "cap_hours": 24}));
    campaign(&server, "Rested", &inbox, &on("tip"), &json!({"rest_hours": 1}));
    campaign(&server, "Held", &inbox, &on("test"), &json!({"holdout_percent": 100}));
    campaign(&server, "Asked", &inbox, &on("asked"), &json!({"consent": "sms", "consent_required": true}));
    server.accept(&ping("C1", "news"));
    let sent = await_status(&server, "News", "sent");
    let path = format!("/unsubscribe/{}", sent["id"].as_str().unwrap());
    let page = exchange(server.address, "GET", &path, &[], b"").unwrap();
    assert!(page.status == 200 && page.text().contains("<form method=\"post\">"));
    exchange(server.address, "GET", "/unsubscribe/d00000000000000000000000000000000", &[], b"")
        .unwrap()
        .problem(404, "not_found");
    server.accept(&ping("C1", "news"));
    server.settle();
    let decisions = |name: &str| -> Vec<Json> {
        deliveries(&server, name).iter().map(|one| one["decision"].clone()).collect()
    };
    assert_eq!(decisions("News"), ["send", "send"], "looking at the page changes nothing");
    // One click, as RFC 8058 has a mail program make it.
    let body = b"List-Unsubscribe=One-Click";
    let done = exchange(
        server.address,
        "POST",
        &path,
        &[("Content-Type", "application/x-www-form-urlencoded")],
        body,
    )
    .unwrap();
    assert_eq!(done.status, 200);
    server.accept(&json!([ping("C1", "news"), ping("C2", "offer"), ping("C2", "test"), ping("C2", "asked")]));
    for number in 0..2 {
        server.accept(&json!([json!({"event_type": "offer", "customer_id": "C2", "event_id": format!("o{number}")}),
            json!({"event_type": "tip", "customer_id": "C3", "event_id": format!("t{number}"), "traits": {"email": "c3@example.com"}})]));
    }
    server.settle();
    assert_eq!(decisions("News"), ["send", "send", "no_consent"]);
    assert_eq!(decisions("Capped"), ["send", "send", "capped"]);
    assert_eq!(decisions("Rested"), ["send", "capped"]);
    assert_eq!(decisions("Held"), ["held_out"]);
    assert_eq!(decisions("Asked"), ["no_consent"]);
    let profile = server.get("/api/profiles/C1").expect(200);
    assert_eq!(profile["consents"], json!({"email": false}));
    let suppressed = server.get("/api/deliveries?status=suppressed").expect(200);
    assert_eq!(suppressed["deliveries"].as_array().unwrap().len(), 5, "every decision is kept: {suppressed}");
    eventually("what was decided has gone out", || {
        (server.cell("SELECT count(*) FROM deliveries WHERE status = 'sent'") == 5).then_some(())
    });
    assert_eq!(server.get("/api/inbox").expect(200)["messages"].as_array().unwrap().len(), 5);
}

fn signed(secret: &[u8], id: &str, timestamp: &str, body: &str) -> String {
    let code =
        Hmac::<Sha256>::new_from_slice(secret).unwrap().chain_update(format!("{id}.{timestamp}.{body}"));
    format!("v1,{}", STANDARD.encode(code.finalize().into_bytes()))
}

#[test]
fn webhooks_are_signed_and_tried_again() {
    let server = Server::start();
    let receiver = Receiver::start();
    let secret = [7_u8; 32];
    let hook = json!({"kind": "webhook", "url": format!("http://{}/hook?token=t0ps3cret", receiver.address),
        "secret": format!("whsec_{}", STANDARD.encode(secret)), "headers": {"Authorization": "Bearer hunter2"}, "allow_private_addresses": true});
    campaign(&server, "Hook", &hook, &json!({"on": "event", "event_type": "purchase"}), &json!({}));
    server.accept(&ping("C1", "purchase"));
    let sent = await_status(&server, "Hook", "sent");
    let [taken] = receiver.taken().try_into().unwrap();
    assert_eq!(taken.id(), sent["id"].as_str().unwrap());
    let timestamp = &taken.headers["webhook-timestamp"];
    assert_eq!(taken.headers["webhook-signature"], signed(&secret, taken.id(), timestamp, &taken.body));
    assert!((now().as_micros() / 1_000_000 - timestamp.parse::<i64>().unwrap()).abs() < 60);
    assert_eq!(taken.headers["authorization"], "Bearer hunter2");
    let data = &taken.json()["data"];
    assert_eq!((&data["customer_id"], &data["subject"]), (&json!("C1"), &json!("Hello Jane <b>")), "{data}");
    let shown = server.get("/api/destinations").text() + &server.get("/api/deliveries").text();
    assert!(
        !shown.contains("t0ps3cret") && !shown.contains("hunter2") && !shown.contains("whsec_"),
        "{shown}"
    );

    receiver.answer(500);
    campaign(&server, "Broken", &hook, &json!({"on": "event", "event_type": "refund"}), &json!({}));
    let before = now();
    server.accept(&ping("C2", "refund"));
    let waiting = eventually("a failed attempt waits for the next", || {
        deliveries(&server, "Broken").into_iter().find(|one| {
            one["status"] == "pending"
                && one["attempts"][0]["outcome"].as_str().is_some_and(|told| !told.is_empty())
        })
    });
    assert!(waiting["attempts"][0]["outcome"].as_str().unwrap().starts_with("500"), "{waiting}");
    let next = Timestamp::parse(waiting["next_attempt"].as_str().unwrap()).unwrap();
    assert!(next - before > Span::SECOND.times(10) && next - before < Span::MINUTE.times(2), "{waiting}");
    let retry = format!("/api/deliveries/{}/retry", waiting["id"].as_str().unwrap());
    server.post(&retry, &Json::Null).problem(409, "not_retriable");

    receiver.answer(400);
    campaign(&server, "Refused", &hook, &json!({"on": "event", "event_type": "gift"}), &json!({}));
    server.accept(&ping("C3", "gift"));
    let refused = await_status(&server, "Refused", "refused");
    receiver.answer(200);
    server
        .post(&format!("/api/deliveries/{}/retry", refused["id"].as_str().unwrap()), &Json::Null)
        .expect(200);
    let sent = await_status(&server, "Refused", "sent");
    assert_eq!(sent["attempts"].as_array().unwrap().len(), 2);
    let ids: Vec<String> = receiver
        .taken()
        .iter()
        .filter(|one| one.body.contains("C3"))
        .map(|one| one.id().to_owned())
        .collect();
    assert_eq!(
        ids,
        [sent["id"].as_str().unwrap(), sent["id"].as_str().unwrap()],
        "a repeat is told by its id"
    );
}

#[test]
fn destinations_and_campaigns_that_cannot_work_are_refused() {
    let server = Server::start();
    for (definition, told) in [
        (json!({"kind": "pigeon"}), "pigeon"),
        (json!({"kind": "webhook", "url": "http://example.com/"}), "https://"),
        (json!({"kind": "webhook", "url": "https://127.0.0.1/"}), "private address"),
        (json!({"kind": "smtp", "host": "h", "from": "nobody"}), "smtp.from"),
        (json!({"kind": "inbox", "rate": {"per_second": -1}}), "rate"),
    ] {
        let problem = server.put("/api/destinations/x", &definition).problem(422, "invalid");
        assert!(problem["detail"].as_str().unwrap().contains(told), "{problem}");
    }
    let enter = json!({"trigger": {"on": "enter", "segment": "S"}, "template": "t", "destination": "d"});
    let problem = server.put("/api/campaigns/c", &enter).problem(422, "invalid");
    assert_eq!(problem["field"], "template");
    server.put("/api/templates/t", &json!({"subject": "s", "body": "b"})).expect(201);
    server.put("/api/destinations/d", &json!({"kind": "inbox"})).expect(201);
    for (trigger, field) in [
        (json!({"on": "enter"}), "trigger.segment"),
        (json!({"on": "schedule", "cron": "every day"}), "trigger.cron"),
        (json!({"on": "schedule", "cron": "0 9 * * *", "time_zone": "Mars/Base"}), "trigger.time_zone"),
        (json!({"on": "once", "at": "soon"}), "trigger.at"),
        (json!({"on": "whim"}), "body"),
    ] {
        let problem = server
            .put("/api/campaigns/c", &json!({"trigger": trigger, "template": "t", "destination": "d"}))
            .problem(422, "invalid");
        assert_eq!(problem["field"], field, "{problem}");
    }
    assert_eq!(server.get("/api/campaigns").expect(200)["campaigns"], json!([]));
}
