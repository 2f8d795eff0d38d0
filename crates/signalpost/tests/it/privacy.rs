//! Requests about people's data: taken down, worked on, done.

use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::deliver::{campaign, deliveries};
use crate::http::Answer;
use crate::live::listen;
use crate::support::{ADMIN, Server, encode, eventually, run_examples};

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

/// Everything that could name somebody, as answers of the server.
fn all_that_is_told(server: &Server) -> String {
    let tables = ["events_all", "customer_data", "memberships", "deliveries", "quarantine"];
    let rows = tables.map(|table| format!("{:?}", server.sql(&format!("SELECT * FROM {table}"))));
    let pages = ["/api/profiles?query=", "/api/deliveries", "/api/inbox", REQUESTS, "/api/quarantine"];
    let pages = pages.map(|page| server.get(page).text());
    let histories =
        ["Viewers", "Left"].map(|name| server.get(&format!("/api/segments/{name}/history")).text());
    [rows.join("\n"), pages.join("\n"), histories.join("\n")].concat()
}

fn await_done(server: &Server, id: &str) -> Json {
    eventually("the erasure is through", || {
        let request = server.get(&format!("{REQUESTS}/{id}")).expect(200);
        (request["status"] == "done").then_some(request)
    })
}

/// Ada, who was a visitor with a device first, and Bob, both in two segments and
/// written to.
fn two_people() -> Server {
    let server = Server::start();
    server.define("left", "AFTER product_view WITHOUT purchase WITHIN 1 second EMIT left");
    server.define("Viewers", "IF event_type = 'product_view' THEN assign to 'Viewers'");
    server.define("Left", "IF event_type = 'left' THEN assign to 'Left'");
    let entering = json!({"on": "enter", "segment": "Viewers"});
    campaign(&server, "Hello", &json!({"kind": "inbox"}), &entering, &json!({}));
    let view = |id: &str, who: Json| {
        let mut event = json!({"event_id": id, "event_type": "product_view"});
        event.as_object_mut().unwrap().extend(who.as_object().unwrap().clone());
        event
    };
    let traits = |name: &str| json!({"email": format!("{name}@example.com")});
    server.accept(&view("e1", json!({"anonymous_id": "ada-phone"})));
    server.accept(&json!([
        view("e2", json!({"customer_id": "ada", "anonymous_id": "ada-phone", "traits": traits("ada")})),
        view("e3", json!({"customer_id": "bob", "anonymous_id": "bobs", "traits": traits("bob")})),
    ]));
    server.accept(&view("e4", json!({"anonymous_id": "ada-phone"})));
    let refused = json!({"customer_id": "ada", "timestamp": "once upon a time"}).to_string();
    assert_eq!(server.events(&refused).expect(202)["quarantined"], 1);
    server.await_members("Left", &["ada", "bob"]);
    eventually("both have a mail", || {
        let found = deliveries(&server, "Hello");
        (found.len() == 2 && found.iter().all(|held| held["status"] == "sent")).then_some(())
    });
    server.settle();
    server
}

#[test]
fn an_erased_person_is_nowhere_and_nobody_else_is_touched() {
    let mut server = two_people();
    let heard = listen(&server);
    assert!(all_that_is_told(&server).contains("ada"));
    let before = json!({"kind": "export", "customer_id": "bob"});
    server.post(REQUESTS, &before).expect(201);
    let asked = server.post("/api/privacy/erase", &json!({"customer_id": "ada"})).expect(202);
    let done = await_done(&server, asked["id"].as_str().unwrap());
    assert_eq!((&done["history"][1]["by"], &done["overdue"]), (&json!("signalpost"), &json!(false)));
    let exits: Vec<Json> = (0..2).map(|_| heard.recv_timeout(Duration::from_secs(10)).unwrap()).collect();
    for exit in &exits {
        let told = ["profile", "change", "cause"].map(|name| exit[name].as_str().unwrap());
        assert_eq!(told, ["ada", "exited", "erasure"]);
    }
    let mut before_kills = Vec::new();
    for _ in 0..2 {
        let told = all_that_is_told(&server);
        assert!(!told.contains("ada"), "{told}");
        assert_eq!(server.get("/api/profiles/ada").status, 404);
        assert_eq!(server.get("/api/profiles/anonymous:ada-phone").status, 404);
        server.post("/api/privacy/export", &json!({"customer_id": "ada"})).problem(404, "not_found");
        assert_eq!(server.members("Viewers"), ["bob"]);
        assert_eq!(server.cell("SELECT count(*) FROM events"), 2, "a view of Bob's and what follows from it");
        assert_eq!(server.get("/api/inbox").expect(200)["messages"].as_array().unwrap().len(), 1);
        // The log is read again from where the state left off.
        server.kill();
        let again = Server::on(&server.data, &[]);
        again.settle();
        // The first one owns the folder.
        before_kills.push(std::mem::replace(&mut server, again));
    }
    // Whoever comes back is a stranger.
    server.accept(&json!({"event_type": "product_view", "anonymous_id": "ada-phone"}));
    server.accept(&json!({"event_type": "app_open", "customer_id": "ada"}));
    server.settle();
    assert_eq!(server.get("/api/profiles/ada").expect(200)["timeline_total"], 1);
    assert_eq!(server.get("/api/profiles/anonymous:ada-phone").expect(200)["timeline_total"], 1);
    assert_eq!(server.members("Viewers"), ["bob"]);
    let verdict = server.post("/api/segments/Viewers/verify", &Json::Null).expect(200);
    assert_eq!(verdict["equal"], true, "{verdict}");
}

#[test]
fn an_erasure_is_approved_by_name_and_not_called_done_before_it_is() {
    let server = Server::start();
    server.accept(&json!({"event_type": "app_open", "customer_id": "ada"}));
    server.settle();
    let erase = server.post(REQUESTS, &json!({"kind": "erase", "email": "ada@example.com"})).expect(201);
    let id = erase["id"].as_str().unwrap();
    let approved = json!({"status": "approved"});
    assert_eq!(mark(&server, ADMIN, id, &approved).problem(422, "invalid")["field"], "customer_id");
    let named = server.post(REQUESTS, &json!({"kind": "erase", "customer_id": "ada"})).expect(201);
    let done = json!({"status": "done", "note": "by hand"});
    mark(&server, ADMIN, named["id"].as_str().unwrap(), &done).problem(409, "conflict");
    let export = server.post(REQUESTS, &json!({"kind": "export", "customer_id": "ada"})).expect(201);
    mark(&server, ADMIN, export["id"].as_str().unwrap(), &approved).problem(409, "conflict");
    mark(&server, ADMIN, id, &json!({"status": "approved", "customer_id": "ada"})).expect(202);
    await_done(&server, id);
    mark(&server, ADMIN, named["id"].as_str().unwrap(), &done).expect(200);
    assert_eq!(server.get("/api/profiles/ada").status, 404);
    for wrong in [json!({"customer_id": " "}), json!({"customer_id": "x".repeat(5_000)})] {
        server.post("/api/privacy/erase", &wrong).problem(422, "invalid");
    }
}

#[test]
fn a_device_that_is_nobodys_is_handed_out_and_erased_by_its_own_id() {
    let server = two_people();
    let device = json!({"anonymous_id": "cyd-phone"});
    server.accept(&json!([
        {"event_id": "e5", "event_type": "product_view", "anonymous_id": "cyd-phone", "traits": {"email": "cyd@example.com"}},
        {"event_id": "e6", "event_type": "app_open", "anonymous_id": "cyd-phone"},
    ]));
    server.settle();
    let known = server.post("/api/privacy/export", &device).expect(200);
    assert_eq!((&known["anonymous_id"], &known["customer_id"]), (&json!("cyd-phone"), &Json::Null));
    assert_eq!(known["events"].as_array().unwrap().len(), 2);
    assert!(all_that_is_told(&server).contains("cyd"));
    let sent = || server.get("/api/stats").expect(200)["deliveries"]["sent"].clone();
    let before = sent();
    assert_eq!(before, 2);
    let others = |text: &str| text.contains("ada@example.com") && text.contains("bob@example.com");
    let asked = server.post("/api/privacy/erase", &device).expect(202);
    await_done(&server, asked["id"].as_str().unwrap());
    let told = all_that_is_told(&server);
    assert!(!told.contains("cyd") && !told.contains("erasure:"), "{told}");
    assert!(others(&told), "{told}");
    assert_eq!(sent(), before, "nobody is written to because of it");
    assert_eq!(server.get("/api/inbox").expect(200)["messages"].as_array().unwrap().len(), 2);
    server.post("/api/privacy/export", &device).problem(404, "not_found");
    // Whoever comes back is a stranger.
    server.accept(&json!({"event_type": "app_open", "anonymous_id": "cyd-phone"}));
    server.settle();
    assert_eq!(server.get("/api/profiles/anonymous:cyd-phone").expect(200)["timeline_total"], 1);

    server.post("/api/privacy/erase", &json!({"anonymous_id": "ada-phone"})).problem(409, "conflict");
    for wrong in [json!({}), json!({"anonymous_id": " "}), json!({"anonymous_id": "x", "customer_id": "y"})] {
        server.post("/api/privacy/erase", &wrong).problem(422, "invalid");
    }
}

#[test]
fn all_that_is_known_of_a_person_is_handed_out() {
    let server = two_people();
    let known = server.post("/api/privacy/export", &json!({"customer_id": "ada"})).expect(200);
    let events = known["events"].as_array().unwrap();
    let ids: Vec<&str> = events.iter().map(|event| event["event_id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["e1", "e2", "e4"], "the device's events are hers");
    assert_eq!(events[1]["traits"]["email"], "ada@example.com");
    assert_eq!(known["profile"]["anonymous_ids"], json!(["ada-phone"]));
    let entered = |segment: &str| {
        let changes = known["memberships"].as_array().unwrap();
        changes.iter().any(|change| change["segment"] == segment && change["change"] == "entered")
    };
    assert!(entered("Viewers") && entered("Left"), "{known}");
    assert_eq!(known["deliveries"][0]["to"], "ada@example.com");
    assert!(!known.to_string().contains("bob"), "{known}");
}

#[test]
fn the_examples_of_the_page_run_as_printed() {
    let said = run_examples("privacy.md", 5);
    assert!(said.contains("status: done"), "{said}");
}
