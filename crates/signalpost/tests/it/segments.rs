//! Segments: members enter and leave at the exact instant, by event and by the
//! clock, and every answer agrees with SQL over all events.

use serde_json::{Value as Json, json};
use signalpost_core::time::{Span, Timestamp};

use crate::support::{ADMIN, Server, encode, eventually, now, pause};

/// The mission's two segments, word for word.
const ABANDONED: &str = "IF event_type = 'cart_abandonment' AND event_time >= now() - 24 hours THEN assign to 'Abandoned Cart Last 24h'";
const ELECTRONICS: &str = "SELECT customer_id FROM customer_data WHERE age BETWEEN 25 AND 35 AND location = 'NYC' AND recent_view_category = 'Electronics'";
const CART: &str = "Abandoned Cart Last 24h";

fn history(server: &Server, segment: &str, profile: &str) -> Vec<Json> {
    let path = format!("/api/segments/{}/history?profile={}", encode(segment), encode(profile));
    server.get(&path).expect(200)["changes"].as_array().unwrap().clone()
}

fn verify(server: &Server, segment: &str) -> Json {
    server.post(&format!("/api/segments/{}/verify", encode(segment)), &Json::Null).expect(200)
}

fn put(server: &Server, name: &str, body: &Json) -> crate::http::Answer {
    server.put(&format!("/api/segments/{}", encode(name)), body)
}

#[test]
fn both_forms_of_the_mission_are_taken_word_for_word() {
    let server = Server::start();
    let rule = put(&server, CART, &json!({"rule": ABANDONED})).expect(201);
    assert_eq!((&rule["name"], &rule["version"], &rule["live"]), (&json!(CART), &json!(1), &json!(true)));
    assert!(rule["sql"].as_str().unwrap().contains("SELECT"), "{rule}");
    put(&server, "NYC Electronics", &json!({"sql": ELECTRONICS})).expect(201);
    let person = |id: &str, age: u32, location: &str, category: &str| {
        json!({"event_type": "product_view", "customer_id": id, "product_id": "A1X2",
            "properties": {"category": category}, "traits": {"age": age, "location": location, "email": format!("{id}@example.com")}})
    };
    server.accept(&json!([
        person("C25", 25, "NYC", "Electronics"),
        person("C35", 35, "NYC", "Electronics"),
        person("C36", 36, "NYC", "Electronics"),
        person("C24", 24, "NYC", "Electronics"),
        person("CLA", 30, "LA", "Electronics"),
        person("CBK", 30, "NYC", "Books"),
        {"event_type": "cart_abandonment", "customer_id": "C25"},
        {"event_type": "cart_abandonment", "customer_id": "old", "timestamp": (now() - Span::DAY.times(2)).to_string()},
    ]));
    server.await_members("NYC Electronics", &["C25", "C35"]);
    server.await_members(CART, &["C25"]);
    server.accept(&person("C25", 25, "NYC", "Books"));
    server.await_members("NYC Electronics", &["C35"]);
    server.settle();
    for segment in [CART, "NYC Electronics"] {
        let verdict = verify(&server, segment);
        assert_eq!((&verdict["equal"], &verdict["live"]), (&json!(true), &json!(1)), "{verdict}");
    }
    let held = server.get("/api/profiles/C35/segments").expect(200);
    assert_eq!(held["segments"][0]["name"], "NYC Electronics");
}

#[test]
fn a_member_leaves_by_the_clock_at_the_exact_instant() {
    let server = Server::start();
    put(&server, CART, &json!({"rule": ABANDONED})).expect(201);
    let stamp = now() - Span::DAY + Span::SECOND.times(10);
    let sent = now();
    server.accept(
        &json!({"event_type": "cart_abandonment", "customer_id": "C123", "timestamp": stamp.to_string()}),
    );
    server.await_members(CART, &["C123"]);
    let delay = now() - sent;
    let entered = history(&server, CART, "C123");
    assert_eq!((entered.len(), &entered[0]["change"]), (1, &json!("entered")));
    // Nothing comes in while it leaves: only the clock moves.
    let last = stamp + Span::DAY;
    while now() < last + Span::SECOND {
        pause(50);
    }
    assert!(server.members(CART).is_empty());
    let changes = history(&server, CART, "C123");
    assert_eq!(changes.len(), 2, "{changes:?}");
    assert_eq!((&changes[0]["change"], &changes[0]["cause"]), (&json!("exited"), &json!("clock")));
    assert_eq!(changes[0]["at"], last.next().to_string(), "24 hours are within, a microsecond more is not");
    let path =
        |at: Timestamp| format!("/api/segments/{}/members?at={}", encode(CART), encode(&at.to_string()));
    let at = |instant: Timestamp| server.get(&path(instant)).expect(200)["members"].as_array().unwrap().len();
    assert_eq!((at(last), at(last.next()), at(stamp - Span::SECOND), at(stamp)), (1, 0, 0, 1));
    let stays = server.sql("SELECT customer_id, exited_at IS NOT NULL AS gone FROM memberships");
    assert_eq!(stays, [json!({"customer_id": "C123", "gone": true})]);
    assert_eq!(verify(&server, CART)["equal"], true);
    eprintln!("from sending to membership seen over HTTP: {delay}");
}

#[test]
fn a_refusal_tells_where_and_how_to_mend_it() {
    let server = Server::start();
    let text = "IF event_type = 'view'\n  AND event_time >= now() - 24 parsecs THEN assign to 'X'";
    let answer = put(&server, "X", &json!({"rule": text}));
    let problem = answer.problem(422, "refused");
    assert_eq!(problem["line"], 2, "{problem}");
    assert!(problem["column"].as_u64().is_some_and(|column| column > 1), "{problem}");
    assert!(problem["snippet"].as_str().unwrap().contains('^'), "{problem}");
    let problem =
        put(&server, "X", &json!({"sql": "SELECT customer_id FROM customer_data ORDER BY random() LIMIT 3"}))
            .problem(422, "refused");
    assert!(problem["hint"].is_string(), "{problem}");
    put(&server, "Y", &json!({"rule": ABANDONED})).problem(422, "invalid");
    put(&server, "X", &json!({"nothing": 1})).problem(422, "invalid");
    for text in [
        "",
        "DROP TABLE events",
        "IF",
        "SELECT",
        &"(".repeat(100_000),
        &format!("IF {} THEN assign to 'X'", vec!["a = 1"; 20_000].join(" AND ")),
    ] {
        let answer = put(&server, "X", &json!({"rule": text}));
        assert!(matches!(answer.status, 201 | 422), "{}: {}", answer.status, answer.text());
    }
    server.get("/api/segments/nobody").problem(404, "not_found");
    server.get("/healthz").expect(200);
    server.get("/readyz").expect(200);
}

#[test]
fn a_change_is_previewed_versioned_and_explained() {
    let server = Server::start();
    let buy = |id: &str, amount: u32| json!({"event_type": "purchase", "customer_id": id, "event_id": format!("buy-{id}"), "properties": {"total": amount}});
    server.accept(&json!([buy("A", 10), buy("B", 200), buy("D", 300)]));
    eventually("what they bought is known", || {
        (server.cell("SELECT count(*) FROM events") == 3).then_some(())
    });
    let wide = "IF event_type = 'purchase' AND total >= 100 THEN assign to 'Big'";
    let wider = "IF event_type = 'purchase' AND total >= 5 THEN assign to 'Big'";
    let preview = server.post("/api/segments/preview", &json!({"rule": wide})).expect(200);
    assert_eq!(
        (&preview["count"], &preview["sample"], &preview["added"]),
        (&json!(2), &json!(["B", "D"]), &json!(2)),
        "{preview}"
    );
    assert_eq!(server.get("/api/segments").expect(200)["segments"], json!([]), "a preview defines nothing");
    server.define("Big", wide);
    server.await_members("Big", &["B", "D"]);
    let preview = server.post("/api/segments/preview", &json!({"rule": wider})).expect(200);
    assert_eq!(
        (&preview["count"], &preview["added"], &preview["removed"]),
        (&json!(3), &json!(1), &json!(0)),
        "{preview}"
    );
    assert_eq!(server.define("Big", wider)["version"], 2);
    server.await_members("Big", &["A", "B", "D"]);
    let versions = server.get("/api/segments/Big/versions").expect(200);
    let texts: Vec<&Json> =
        versions["versions"].as_array().unwrap().iter().map(|version| &version["rule"]).collect();
    assert_eq!(texts, [wide, wider]);
    let why = server.get("/api/profiles/A/explain?segment=Big").expect(200);
    assert_eq!(why["member"], true, "{why}");
    assert!(why["tree"].to_string().contains("\"buy-A\""), "the event behind it is named: {why}");
    let why = server.get("/api/profiles/A/explain?segment=Nothing");
    why.problem(404, "not_found");
    server.settle();
    assert_eq!(verify(&server, "Big")["equal"], true);
    server.ask(ADMIN, "DELETE", "/api/segments/Big", &[], b"").expect(204);
    server.get("/api/segments/Big/members").problem(404, "not_found");
    eventually("its members have left", || {
        (server.cell("SELECT count(*) FROM memberships WHERE exited_at IS NULL") == 0).then_some(())
    });
}

#[test]
fn what_a_device_did_counts_once_it_is_known_whose_it_is() {
    let server = Server::start();
    server.define("Keen", "SELECT customer_id FROM customer_data WHERE customer_id IN (SELECT customer_id FROM events WHERE event_type = 'product_view' GROUP BY customer_id HAVING count(*) >= 3)");
    let view = |number: u32| json!({"event_type": "product_view", "anonymous_id": "phone-1", "event_id": format!("v{number}"), "product_id": format!("P{number}")});
    server.accept(&json!([view(1), view(2)]));
    server.settle();
    assert!(server.members("Keen").is_empty());
    server.accept(&json!({"event_type": "login", "anonymous_id": "phone-1", "customer_id": "C9"}));
    server.settle();
    assert!(server.members("Keen").is_empty(), "two views are not three");
    server.accept(&view(3));
    server.await_members("Keen", &["C9"]);
    server.settle();
    let profile = server.get("/api/profiles/C9").expect(200);
    assert_eq!(
        (&profile["anonymous_ids"], &profile["timeline_total"]),
        (&json!(["phone-1"]), &json!(4)),
        "{profile}"
    );
    assert_eq!(server.get("/api/profiles/anonymous%3Aphone-1").expect(200)["id"], profile["id"]);
    let verdict = verify(&server, "Keen");
    assert_eq!((&verdict["equal"], &verdict["lake"]), (&json!(true), &json!(1)), "{verdict}");
}

#[test]
fn a_sequence_rule_makes_its_event_by_the_clock() {
    let server = Server::start();
    server.define("carts", "AFTER add_to_cart WITHOUT purchase WITHIN 2 seconds EMIT cart_abandonment");
    server.define(CART, ABANDONED);
    let start = now();
    let stamp = start.to_string();
    server.accept(&json!([
        {"event_type": "add_to_cart", "customer_id": "leaves", "event_id": "a1", "product_id": "P1", "timestamp": stamp},
        {"event_type": "add_to_cart", "customer_id": "buys", "event_id": "a2", "product_id": "P1", "timestamp": stamp},
    ]));
    server.accept(&json!({"event_type": "purchase", "customer_id": "buys", "event_id": "b2", "timestamp": (start + Span::SECOND).to_string()}));
    assert!(server.members(CART).is_empty());
    server.await_members(CART, &["leaves"]);
    let due = start + Span::SECOND.times(2);
    let changes = history(&server, CART, "leaves");
    assert_eq!(changes[0]["at"], due.to_string(), "by the clock, at the instant the two seconds were over");
    let rows = eventually("the derived event is in SQL's reach", || {
        let rows =
            server.sql("SELECT customer_id, product_id FROM events WHERE event_type = 'cart_abandonment'");
        (!rows.is_empty()).then_some(rows)
    });
    assert_eq!(rows, [json!({"customer_id": "leaves", "product_id": "P1"})]);
    assert_eq!(verify(&server, CART)["equal"], true);
    // What it waited for comes late after all.
    server.accept(&json!({"event_type": "purchase", "customer_id": "leaves", "timestamp": (start + Span::SECOND).to_string()}));
    server.await_members(CART, &[]);
    server.settle();
    let compared = verify(&server, CART);
    assert_eq!(compared["equal"], true, "the lake takes the derived event back too: {compared}");
    assert_eq!(server.cell("SELECT count(*) FROM events WHERE event_type = 'cart_abandonment'"), 0);
}

#[test]
fn a_segment_may_come_from_the_builder_and_shows_all_three_faces() {
    let server = Server::start();
    server.accept(&json!([
        {"event_type": "purchase", "customer_id": "rich", "properties": {"revenue": 120}},
        {"event_type": "purchase", "customer_id": "poor", "properties": {"revenue": 3}},
    ]));
    let rule = "SELECT customer_id FROM customer_data WHERE total_spent >= 100";
    let shown = server.post("/api/segments/check", &json!({"sql": rule})).expect(200);
    let put = server.put("/api/segments/Rich", &json!({"builder": shown["builder"]})).expect(201);
    assert_eq!(put["builder"], shown["builder"]);
    server.await_members("Rich", &["rich"]);
    let again = server.post("/api/segments/check", &json!({"builder": put["builder"]})).expect(200);
    assert_eq!(again["text"], shown["text"]);
    let refused = server.put("/api/segments/Wrong", &json!({"builder": {"condition": {"nonsense": 1}}}));
    assert_eq!(refused.status, 422, "{}", refused.text());
}

#[test]
fn segments_that_would_decide_each_other_are_refused() {
    let server = Server::start();
    let rule = |other: &str| json!({"sql": format!("SELECT customer_id FROM customer_data WHERE in_segment('{other}')")});
    assert_eq!(server.put("/api/segments/A", &rule("B")).status, 201);
    let notes = server.post("/api/segments/check", &rule("Nowhere")).expect(200);
    assert!(notes["notes"].to_string().contains("no segment 'Nowhere'"), "{notes}");
    let refused = server.put("/api/segments/B", &rule("A"));
    assert_eq!(refused.status, 422);
    assert_eq!(
        refused.json()["type"].as_str().map(|kind| kind.contains("circle")),
        Some(true),
        "{}",
        refused.text()
    );
    assert_eq!(server.get("/api/segments/B").status, 404);
}

/// The fenced blocks of a language in the page on segments.
fn blocks(language: &str) -> Vec<String> {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/segments.md");
    let page = std::fs::read_to_string(page).unwrap();
    let fence = format!("```{language}\n");
    page.split(&fence).skip(1).map(|rest| rest.split("\n```").next().unwrap().to_owned()).collect()
}

/// The events of the page's people: each is so many days old as there, counted
/// from its last day.
fn people() -> Json {
    let shift = now() - Timestamp::parse("2026-04-10T12:00:00Z").unwrap();
    let mut events = Vec::new();
    for (number, line) in blocks("people")[0].lines().filter(|line| !line.trim().is_empty()).enumerate() {
        let mut event: Json = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        let entries = event.as_object_mut().unwrap();
        let (person, at) = (entries.remove("person").unwrap(), entries.remove("at").unwrap());
        let at = Timestamp::parse(at.as_str().unwrap()).unwrap();
        event["customer_id"] = person;
        event["timestamp"] = json!((at + shift).to_string());
        event["event_id"] = json!(format!("e{number}"));
        events.push(event);
    }
    json!(events)
}

#[test]
fn every_example_of_the_language_is_the_same_live_and_in_sql() {
    let server = Server::start();
    let examples = blocks("segment");
    assert!(examples.len() >= 40, "only {} examples were found", examples.len());
    server.accept(&people());
    server.settle();
    let mut names = Vec::new();
    for (number, example) in examples.iter().enumerate() {
        // A rule is stored under the name it gives.
        let name = example.rsplit_once("assign to '").map(|(_, rest)| rest.trim_end_matches('\'').to_owned());
        let is_segment = name.is_some() || example.to_uppercase().contains("SELECT");
        let name = name.unwrap_or_else(|| format!("Example {number}"));
        let answer = put(&server, &name, &json!({"rule": example}));
        assert!(answer.status < 300, "{example}: {}", answer.text());
        if is_segment {
            names.push((name, example));
        }
    }
    server.settle();
    let mut differences = Vec::new();
    for (name, example) in names {
        let answer = server.post(&format!("/api/segments/{}/verify", encode(&name)), &Json::Null);
        if answer.status != 200 || answer.json()["equal"] != true {
            differences.push(format!("{example}\n    {}", answer.text()));
        }
    }
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}

/// Pairs of blocks that follow each other.
fn pairs(first: &str, second: &str) -> Vec<(String, String)> {
    blocks(first).into_iter().zip(blocks(second)).collect()
}

#[test]
fn every_example_of_what_is_refreshed_finds_who_the_page_says() {
    let server = Server::start();
    server.accept(&people());
    server.settle();
    let examples = pairs("refreshed", "found");
    assert!(examples.len() >= 3, "only {} examples were found", examples.len());
    for (number, (text, found)) in examples.iter().enumerate() {
        let name = text.rsplit_once("assign to '").map(|(_, rest)| rest.trim_end_matches('\'').to_owned());
        let name = name.unwrap_or_else(|| format!("Example {number}"));
        put(&server, &name, &json!({"rule": text, "refresh": {"cron": "0 3 * * *"}})).expect(201);
        let found: Vec<&str> = found.split(", ").collect();
        server.await_members(&name, &found);
    }
}

#[test]
fn every_query_of_the_page_answers_what_the_page_says() {
    let server = Server::start();
    let examples = pairs("query", "answer");
    assert!(examples.len() >= 4, "only {} queries were found", examples.len());
    for (query, answer) in examples {
        let answer: Json = serde_json::from_str(&answer).unwrap();
        assert_eq!(server.sql(&query), [answer], "{query}");
    }
}

#[test]
fn every_command_of_the_page_is_taken() {
    let server = Server::start();
    server.accept(&people());
    server.settle();
    server.define("Buyers", "IF done purchase THEN assign to 'Buyers'");
    let program = std::path::Path::new(crate::support::PROGRAM).parent().unwrap().to_owned();
    let path = std::env::var("PATH").unwrap_or_default();
    let consoles = blocks("console");
    let commands: Vec<&str> = consoles.iter().flat_map(|block| block.lines()).collect();
    assert!(commands.len() >= 8, "only {} commands were found", commands.len());
    for line in commands {
        let ran = std::process::Command::new("sh")
            .args(["-c", line])
            .env("PATH", format!("{}:{path}", program.display()))
            .env("SIGNALPOST_URL", server.url())
            .env("SIGNALPOST_KEY", ADMIN)
            .output()
            .unwrap();
        assert!(ran.status.success(), "{line}: {}", String::from_utf8_lossy(&ran.stderr));
    }
}

#[test]
fn more_people_than_there_are_timers_in_memory_leave_on_time() {
    // More than the 8,192 that are read at once and the 32,768 that are held.
    const PEOPLE: usize = 40_000;
    let server = Server::with(&[("SIGNALPOST_PARTITIONS", "1")]);
    put(&server, "Fresh", &json!({"rule": "IF event_type = 'ping' AND event_time >= now() - 20 seconds THEN assign to 'Fresh'"})).expect(201);
    for first in (0..PEOPLE).step_by(5_000) {
        let events: Vec<Json> = (first..first + 5_000)
            .map(|person| json!({"event_type": "ping", "customer_id": format!("c{person}")}))
            .collect();
        server.accept(&json!(events));
    }
    let entered = || server.cell("SELECT count(DISTINCT customer_id) FROM memberships") == PEOPLE;
    eventually("all have entered", || entered().then_some(()));
    let left = || server.cell("SELECT count(*) FROM memberships WHERE exited_at IS NULL") == 0;
    pause(20_000);
    eventually("all have left", || left().then_some(()));
    let late = "SELECT count(*) FROM memberships m JOIN events e ON m.customer_id = e.customer_id WHERE m.exited_at <> e.timestamp + INTERVAL '20 seconds 1 microsecond'";
    assert_eq!(server.cell(late), 0, "each at its own instant");
}
