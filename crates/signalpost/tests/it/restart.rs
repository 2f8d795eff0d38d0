//! What was there before a stop is there after it, however the program ended.

use serde_json::{Value as Json, json};

use crate::deliver::{campaign, deliveries};
use crate::support::{Server, WRITE, eventually};

/// Everything a user can see of the state.
fn seen(server: &Server) -> Json {
    let get = |path: &str| server.get(path).expect(200);
    let rows = |query: &str| Json::Array(server.sql(query));
    json!({
        "segments": get("/api/segments"),
        "members": get("/api/segments/Buyers/members"),
        "history": get("/api/segments/Buyers/history"),
        "templates": get("/api/templates"),
        "destinations": get("/api/destinations"),
        "campaigns": get("/api/campaigns"),
        "deliveries": get("/api/deliveries"),
        "inbox": get("/api/inbox"),
        "keys": get("/api/keys"),
        "catalog": get("/api/catalog"),
        "quarantine": get("/api/quarantine"),
        "profile": get("/api/profiles/C1"),
        "sources": get("/api/sources"),
        "events": rows("SELECT * FROM events ORDER BY event_id"),
        "memberships": rows("SELECT * FROM memberships ORDER BY customer_id"),
    })
}

#[test]
fn everything_survives_a_stop_and_a_kill() {
    let mut server = Server::start();
    let said = server.said();
    assert!(said.contains("admin key") && said.contains(WRITE), "the first start shows the keys: {said}");
    server.define("Buyers", "IF event_type = 'purchase' THEN assign to 'Buyers'");
    server.define("carts", "AFTER add_to_cart WITHOUT purchase WITHIN 1 hour EMIT cart_abandonment");
    campaign(
        &server,
        "Thanks",
        &json!({"kind": "inbox"}),
        &json!({"on": "enter", "segment": "Buyers"}),
        &json!({}),
    );
    server
        .put(
            "/api/catalog",
            &json!([{"product_id": "A1X2", "name": "Lamp", "price": "12.50", "currency": "EUR"}]),
        )
        .expect(200);
    server.put("/api/sources/default", &json!({"date_order": "day_first"})).expect(201);
    server.accept(&json!([
        {"event_type": "purchase", "customer_id": "C1", "event_id": "p1", "traits": {"email": "c1@example.com", "first_name": "Ada"}, "properties": {"order_id": "O1", "total": 12.5}},
        {"event_type": "view", "customer_id": "C2", "event_id": "v1", "product_id": "A1X2"},
    ]));
    server.events(&json!({"event_type": "view"}).to_string()).expect(202);
    eventually("the mail is sent", || {
        (deliveries(&server, "Thanks").first()?["status"] == "sent").then_some(())
    });
    server.settle();
    eventually("both events are in SQL's reach", || {
        (server.cell("SELECT count(*) FROM events") == 2).then_some(())
    });
    let before = seen(&server);
    let data = server.data.clone();
    server.stop();
    let mut second = Server::on(&data, &[]);
    second.settle();
    assert_eq!(second.said(), "", "the second start shows no keys");
    eventually("SQL is caught up", || (second.cell("SELECT count(*) FROM events") == 2).then_some(()));
    assert_eq!(seen(&second), before);
    second.kill();
    let third =
        Server::on(&data, &[("SIGNALPOST_ADMIN_KEY", "another"), ("SIGNALPOST_WRITE_KEY", "another")]);
    third.settle();
    eventually("SQL is caught up", || (third.cell("SELECT count(*) FROM events") == 2).then_some(()));
    assert_eq!(seen(&third), before, "keys given later than the first start change nothing");
    let repeat = json!({"event_type": "view", "customer_id": "C2", "event_id": "v1"}).to_string();
    assert_eq!(third.events(&repeat).expect(202)["duplicates"], 1, "repeats are still known");
}

#[test]
fn a_folder_and_a_port_belong_to_one_program() {
    let server = Server::start();
    let error = Server::try_on(&server.data, "127.0.0.1:0", &[]).unwrap_err();
    let folder = server.data.display().to_string();
    assert!(error.contains("in use") && error.contains(&folder), "{error}");
    let other = tempfile::tempdir().unwrap();
    let error = Server::try_on(&other.path().join("data"), &server.address.to_string(), &[]).unwrap_err();
    assert!(error.contains("cannot listen on") && error.contains("another server"), "{error}");
    server.get("/healthz").expect(200);
}

#[test]
fn keys_are_made_when_none_are_given() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::on(&data, &[("SIGNALPOST_ADMIN_KEY", ""), ("SIGNALPOST_WRITE_KEY", "")]);
    let said = server.said();
    let key = |name: &str| {
        let line =
            said.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("no {name} in {said}"));
        line.split_whitespace().last().unwrap().to_owned()
    };
    let (admin, write) = (key("admin key"), key("write key"));
    assert!(admin.starts_with("sp_") && write.starts_with("sp_") && admin != write);
    assert_eq!(
        server.ask(&admin, "GET", "/api/keys", &[], b"").expect(200)["keys"].as_array().unwrap().len(),
        2
    );
    let event = json!({"event_type": "view", "customer_id": "C1"}).to_string();
    server.ask(&write, "POST", "/api/events", &[], event.as_bytes()).expect(202);
    server.ask(&write, "GET", "/api/keys", &[], b"").problem(403, "scope");
    assert!(said.contains(&format!("/#key={admin}")), "{said}");
}
