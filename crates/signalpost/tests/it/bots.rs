//! What automatons did is kept and seen, and counts for nothing.

use serde_json::{Value as Json, json};

use crate::support::{Server, WRITE, encode, eventually};

const BOT: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36";

fn send(server: &Server, agent: &str, headers: &[(&str, &str)], events: &Json) -> Json {
    let mut all = vec![("User-Agent", agent)];
    all.extend_from_slice(headers);
    server.ask(WRITE, "POST", "/api/events", &all, events.to_string().as_bytes()).expect(202)
}

fn verify(server: &Server, segment: &str) {
    let verdict = server.post(&format!("/api/segments/{}/verify", encode(segment)), &Json::Null).expect(200);
    assert_eq!(verdict["equal"], true, "{segment}: {verdict}");
}

#[test]
fn bots_are_marked_and_counted_out_of_segments() {
    let server = Server::start();
    let many = "SELECT customer_id FROM customer_data WHERE (SELECT count(*) FROM events WHERE event_type = 'view') >= 2";
    let never = "SELECT customer_id FROM customer_data WHERE NOT EXISTS (SELECT 1 FROM events WHERE event_type = 'purchase')";
    server.define("Many", many);
    server.define("Never", never);
    let view = |id: &str, who: &str| json!({"event_id": id, "event_type": "view", "customer_id": who, "product_id": "P1"});
    send(&server, CHROME, &[], &json!([view("p1", "person")]));
    let told = send(
        &server,
        BOT,
        &[],
        &json!([
        view("b1", "person"), view("b2", "nobody"), {"event_id": "b3", "event_type": "purchase", "customer_id": "person", "traits": {"age": 3}},
        {"event_id": "b4", "event_type": "view", "customer_id": "person", "anonymous_id": "device"}]),
    );
    assert_eq!((&told["accepted"], &told["marked"], &told["quarantined"]), (&json!(4), &json!(4), &json!(0)));
    assert_eq!(send(&server, BOT, &[], &view("b1", "person"))["duplicates"], 1);
    server.settle();
    assert_eq!(server.cell("SELECT count(*) FROM events"), 1);
    let all = server.sql("SELECT event_id, marked_bot, json_text(context, 'bot.evidence') AS evidence FROM events_all ORDER BY event_id");
    assert_eq!(all.len(), 5, "{all:?}");
    assert_eq!((&all[0]["marked_bot"], &all[4]["marked_bot"]), (&json!("crawler"), &Json::Null));
    assert_eq!((server.members("Many"), server.members("Never")), (vec![], vec!["person".to_owned()]));
    verify(&server, "Many");
    verify(&server, "Never");
    let person = server.get("/api/profiles/person").expect(200);
    assert_eq!((&person["traits"], &person["anonymous_ids"]), (&json!({}), &json!([])));
    server.get("/api/profiles/nobody").problem(404, "not_found");
    let seen = server.get("/api/profiles/nobody/timeline").expect(200);
    assert_eq!((&seen["total"], &seen["events"][0]["bot"]), (&json!(1), &json!("crawler")));
    assert_eq!(seen["events"][0]["context"]["bot"]["reasons"], json!(["agent"]));
    assert_eq!(server.get("/api/stats").expect(200)["events"]["marked"], 5);

    // A new definition folds every timeline anew, and a real event makes a profile.
    server.define(
        "Any",
        "SELECT customer_id FROM customer_data WHERE EXISTS (SELECT 1 FROM events WHERE event_type = 'view')",
    );
    send(&server, CHROME, &[], &json!([view("p2", "person"), view("p3", "nobody")]));
    server.await_members("Many", &["person"]);
    server.await_members("Any", &["nobody", "person"]);
    server.settle();
    ["Many", "Never", "Any"].iter().for_each(|segment| verify(&server, segment));
}

#[test]
fn a_rate_no_person_reaches_is_marked() {
    let server = Server::start();
    server.put("/api/sources/default", &json!({"rate_max": 20})).expect(201);
    let burst: Json = (0..50)
        .map(|n| json!({"event_id": format!("r{n}"), "event_type": "view", "anonymous_id": "a"}))
        .collect();
    let told = send(&server, CHROME, &[], &burst);
    assert_eq!((&told["accepted"], &told["marked"]), (&json!(50), &json!(30)));
    // A shop's server sends for many people at once.
    let burst: Json = (50..100)
        .map(|n| json!({"event_id": format!("r{n}"), "event_type": "view", "anonymous_id": "a"}))
        .collect();
    assert_eq!(send(&server, "python-requests/2.31", &[], &burst)["marked"], Json::Null);
    eventually("70 count", || (server.cell("SELECT count(*) FROM events") == 70).then_some(()));
    let reasons = server.sql("SELECT DISTINCT json_text(context, 'bot.reasons') AS reasons FROM events_all WHERE marked_bot IS NOT NULL");
    assert_eq!(reasons, [json!({"reasons": "[\"rate\"]"})]);
}

#[test]
fn a_list_of_data_centres_adds_to_what_speaks_for_a_bot() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("networks.txt");
    std::fs::write(&list, "# a cloud\n203.0.113.0/24\n").unwrap();
    let server = Server::with(&[("SIGNALPOST_DATA_CENTRES", list.to_str().unwrap())]);
    let event = |id: &str| json!({"event_id": id, "event_type": "view", "anonymous_id": id, "context": {"locale": ""}});
    let from = |address: &str, id: &str| {
        send(&server, CHROME, &[("X-Forwarded-For", address)], &event(id))["marked"].clone()
    };
    assert_eq!(from("203.0.113.9", "hosted"), 1);
    assert_eq!(from("198.51.100.1", "home"), Json::Null);
    let plain = json!({"event_type": "view", "anonymous_id": "b"});
    let told = send(&server, CHROME, &[("X-Forwarded-For", "203.0.113.9")], &plain);
    assert_eq!(told["marked"], Json::Null, "a data centre alone is no proof");
}

#[test]
fn a_browser_that_opts_out_flags_its_person_or_is_let_go() {
    let server = Server::start();
    let view = |id: &str| json!({"event_id": id, "event_type": "view", "customer_id": "C1"});
    assert_eq!(send(&server, CHROME, &[("Sec-GPC", "1")], &view("g1"))["accepted"], 1);
    server.settle();
    let profile = server.get("/api/profiles/C1").expect(200);
    assert_eq!(profile["consents"], json!({"sale_and_sharing": false}));
    server.put("/api/sources/default", &json!({"gpc": "drop"})).expect(201);
    let told = send(&server, CHROME, &[("Sec-GPC", "1")], &json!([view("g2"), {"event_type": 7}]));
    assert_eq!(told, json!({"accepted": 0, "duplicates": 0, "quarantined": 0, "errors": [], "dropped": 2}));
    let flagged = json!([{"event_type": "view", "customer_id": "C1", "context": {"gpc": true}}, view("g3")]);
    let told = send(&server, CHROME, &[("Sec-GPC", "0")], &flagged);
    assert_eq!((&told["accepted"], &told["dropped"]), (&json!(1), &json!(1)));
    server.settle();
    assert_eq!(server.cell("SELECT count(*) FROM events_all"), 2);
    let stats = server.get("/api/stats").expect(200);
    assert_eq!((&stats["events"]["dropped"], &stats["events"]["received"]), (&json!(3), &json!(5)));
    assert_eq!(server.get("/api/quarantine").expect(200)["total"], 0);
}
