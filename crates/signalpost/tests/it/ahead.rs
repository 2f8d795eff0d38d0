//! Looking back and ahead: previews, simulations, forecasts, explanations, and
//! values of kinds that were not expected.

use serde_json::{Value as Json, json};
use signalpost_core::time::{Span, Timestamp};

use crate::support::{Server, encode, now};

fn event(kind: &str, id: &str, at: Timestamp) -> Json {
    json!({"event_type": kind, "customer_id": id, "timestamp": at.to_string()})
}

fn ago(hours: i64) -> Timestamp {
    now() - Span::HOUR.times(hours)
}

#[test]
fn a_preview_tells_who_enters_leaves_and_stays() {
    let server = Server::start();
    let view = |id: &str, hours: i64| event("product_view", id, ago(hours));
    server.accept(&json!([view("A", 2), view("A", 3), view("B", 30), view("C", 1), view("C", 40)]));
    server.accept(&json!({"event_type": "signup", "customer_id": "D", "traits": {"age": 30}}));
    server.settle();
    server.define("Seen", "IF done product_view in the last 24 hours THEN assign to 'Seen'");
    server.await_members("Seen", &["A", "C"]);
    let draft =
        "IF done product_view at least 2 times in the last 48 hours OR user.age = 30 THEN assign to 'Seen'";
    let preview = server.post("/api/segments/preview", &json!({"rule": draft})).expect(200);
    assert_eq!(preview["judged_by"], "lake", "{preview}");
    assert_eq!((&preview["count"], &preview["sample"]), (&json!(3), &json!(["A", "C", "D"])), "{preview}");
    let parts = [("entering", json!(["D"])), ("leaving", json!([])), ("staying", json!(["A", "C"]))];
    for (part, names) in parts {
        assert_eq!(preview[part]["sample"], names, "{part}: {preview}");
        assert_eq!(preview[part]["count"], names.as_array().unwrap().len(), "{part}: {preview}");
    }
    // What comes is in the next one; another instant is judged from timelines.
    server
        .accept(&json!([view("B", 0), {"event_type": "signup", "customer_id": "A", "traits": {"age": 31}}]));
    server.settle();
    let preview = server.post("/api/segments/preview", &json!({"rule": draft})).expect(200);
    assert_eq!(preview["sample"], json!(["A", "B", "C", "D"]), "{preview}");
    let then = format!("/api/segments/preview?at={}", encode(&ago(20).to_string()));
    let preview = server.post(&then, &json!({"rule": draft})).expect(200);
    assert_eq!((&preview["judged_by"], &preview["count"]), (&json!("timelines"), &json!(0)), "{preview}");
    // A segment that asks for another is previewed over the members there are.
    let nested = json!({"rule": "IF in_segment('Seen') AND user.age = 31 THEN assign to 'x'"});
    let preview = server.post("/api/segments/preview", &nested).expect(200);
    assert_eq!((&preview["judged_by"], &preview["sample"]), (&json!("lake"), &json!(["A"])), "{preview}");
}

#[test]
fn a_version_is_played_over_history_with_its_campaigns() {
    let server = Server::start();
    let stamp = ago(24 * 5);
    for (id, email) in [("A", true), ("B", true), ("C", false)] {
        let mut first = event("cart_abandonment", id, stamp);
        if email {
            first["traits"] = json!({"email": format!("{id}@example.com")});
        }
        server.accept(&json!([first, event("cart_abandonment", id, stamp + Span::DAY.times(2))]));
    }
    server.accept(&event("purchase", "B", stamp + Span::HOUR));
    server.settle();
    let rule = "IF event_type = 'cart_abandonment' AND event_time >= now() - 24 hours THEN assign to 'Carts'";
    server.define("Carts", rule);
    server.put("/api/templates/t", &json!({"subject": "s", "body": "b"}));
    server.put("/api/destinations/d", &json!({"kind": "inbox"}));
    let campaign =
        json!({"trigger": {"on": "enter", "segment": "Carts"}, "template": "t", "destination": "d"});
    let put = server.put("/api/campaigns/Back", &campaign);
    assert!(matches!(put.status, 200 | 201), "{}", put.text());
    let played = server.post("/api/segments/Carts/simulate", &Json::Null).expect(200);
    assert_eq!(
        (&played["entered"], &played["left"], &played["members_at_start"], &played["members_at_end"]),
        (&json!(6), &json!(6), &json!(0), &json!(0)),
        "{played}"
    );
    assert_eq!((&played["people"], &played["complete"]), (&json!(3), &json!(true)), "{played}");
    let busy = |played: &Json| {
        let days = played["days"].as_array().unwrap().iter();
        days.map(|day| day["entered"].as_u64().unwrap()).filter(|entered| *entered > 0).collect::<Vec<_>>()
    };
    assert_eq!(busy(&played), [3, 3], "{played}");
    let fired = &played["campaigns"][0];
    assert_eq!((&fired["campaign"], &fired["fired"]), (&json!("Back"), &json!(6)), "{played}");
    assert_eq!(fired["decisions"], json!({"send": 4, "no_address": 2}), "{played}");
    // A draft, and a part of history.
    let draft = "IF event_type = 'cart_abandonment' AND event_time >= now() - 24 hours AND NOT done purchase THEN assign to 'Carts'";
    let from = encode(&(stamp + Span::HOUR.times(2)).to_string());
    let path = format!("/api/segments/Carts/simulate?from={from}");
    let played = server.post(&path, &json!({"rule": draft})).expect(200);
    assert_eq!(
        (&played["entered"], &played["left"], &played["members_at_start"]),
        (&json!(2), &json!(4), &json!(2)),
        "{played}"
    );
    assert_eq!(server.get("/api/segments/Carts").expect(200)["version"], 1, "nothing was defined");
    let told = server.run(&["segment", "simulate", "Carts"]);
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains("6 entered") && told.contains("Back"), "{told}");
    server.post("/api/segments/Nobody/simulate", &Json::Null).problem(404, "not_found");
    let wrong = encode(&now().to_string());
    let path = format!("/api/segments/Carts/simulate?from={wrong}&to={from}");
    server.post(&path, &Json::Null).problem(422, "invalid");
}

#[test]
fn who_leaves_and_enters_by_the_clock_is_forecast() {
    let server = Server::start();
    server.define("Lately", "IF done view in the last 24 hours THEN assign to 'Lately'");
    server.define("Quiet", "IF done view more than 24 hours ago AND not done view in the last 24 hours including new profiles THEN assign to 'Quiet'");
    // They leave in half an hour, in five and a half, and not within a day.
    let minutes = |minutes: i64| now() - Span::from_micros(60_000_000).times(minutes);
    let stamps = [("A", 24 * 60 - 30), ("B", 19 * 60 - 30), ("C", -1)];
    let events: Vec<Json> = stamps[..2].iter().map(|(id, age)| event("view", id, minutes(*age))).collect();
    server.accept(&json!(events));
    server.await_members("Lately", &["A", "B"]);
    server.settle();
    let forecast = server.get("/api/segments/Lately/forecast").expect(200);
    assert_eq!((&forecast["leaving"], &forecast["entering"]), (&json!(2), &json!(0)), "{forecast}");
    assert_eq!(
        (&forecast["hours"][0]["leaving"], &forecast["hours"][5]["leaving"]),
        (&json!(1), &json!(1)),
        "{forecast}"
    );
    assert_eq!(forecast["hours"].as_array().unwrap().len(), 24);
    let forecast = server.get("/api/segments/Quiet/forecast?hours=3").expect(200);
    assert_eq!((&forecast["entering"], &forecast["complete"]), (&json!(1), &json!(true)), "{forecast}");
    let told = server.run(&["segment", "forecast", "Lately"]);
    assert!(String::from_utf8(told.stdout).unwrap().contains("leaving 2"), "the command tells it too");
}

#[test]
fn an_explanation_says_what_is_missing_and_when_it_changes() {
    let server = Server::start();
    let stamp = ago(23);
    server.define("Back", "IF done purchase more than 24 hours ago AND (user.vip = true OR user.age > 40) THEN assign to 'Back'");
    let mut bought = event("purchase", "A", stamp);
    bought["event_id"] = json!("bought");
    bought["traits"] = json!({"age": 20});
    server.accept(&bought);
    server.settle();
    let why = server.get("/api/profiles/A/explain?segment=Back").expect(200);
    assert_eq!((&why["member"], &why["changes_at"]), (&json!(false), &Json::Null), "{why}");
    let missing = why["why_not"]["all_of"].as_array().unwrap();
    assert_eq!(missing.len(), 2, "{why}");
    let due = (stamp + Span::DAY).next().to_string();
    assert_eq!((&missing[0]["wanted"], &missing[0]["changes_at"]), (&json!(true), &json!(due)), "{why}");
    assert_eq!(missing[1]["any_of"].as_array().map(Vec::len), Some(2), "{why}");
    server.accept(&json!({"event_type": "note", "customer_id": "A", "traits": {"vip": true}}));
    server.settle();
    let why = server.get("/api/profiles/A/explain?segment=Back").expect(200);
    assert_eq!(why["changes_at"], due, "they enter when the day is over: {why}");
    let told = server.run(&["segment", "explain", "Back", "A"]);
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains("missing:") && told.contains(&due), "{told}");
    server.define("Buyers", "IF done purchase THEN assign to 'Buyers'");
    server.accept(&{
        let mut event = event("purchase", "B", stamp);
        event["event_id"] = json!("late");
        event
    });
    server.settle();
    let history = server.get("/api/segments/Buyers/history?profile=B").expect(200);
    let entry = &history["changes"][0];
    assert_eq!(
        (&entry["cause"], &entry["event_time"]),
        (&json!("event late"), &json!(stamp.to_string())),
        "{history}"
    );
    assert!(entry["processed_at"].as_str() > entry["event_time"].as_str(), "{history}");
    assert_eq!(server.get("/api/profiles/B/explain?segment=Buyers").expect(200)["why_not"], Json::Null);
}

#[test]
fn values_of_another_kind_are_null_and_counted() {
    let server = Server::start();
    let buy = |id: &str, total: Json| json!({"event_type": "purchase", "customer_id": id, "properties": {"total": total}, "traits": {"age": 30}});
    server.accept(&json!([
        buy("A", json!(50)),
        buy("B", json!("lots")),
        buy("C", json!("70.5")),
        buy("D", Json::Null)
    ]));
    server.accept(&json!({"event_type": "refund", "customer_id": "E", "properties": {"total": "none"}, "traits": {"age": "old"}}));
    server.settle();
    server.define("Dear", "IF done purchase where (total > 10) AND user.age >= 18 THEN assign to 'Dear'");
    server.await_members("Dear", &["A", "C"]);
    let told = server.get("/api/segments/Dear/unexpected").expect(200);
    let rows = told["unexpected"].as_array().unwrap();
    let of =
        |key: &str, name: &str| rows.iter().find(|row| row[key] == name).unwrap_or_else(|| panic!("{told}"));
    let total = of("property", "total");
    assert_eq!(
        (&total["expected"], &total["values"], &total["unexpected"], &total["example"]),
        (&json!("number"), &json!(3), &json!(1), &json!("lots")),
        "{told}"
    );
    let age = of("trait", "age");
    assert_eq!((&age["unexpected"], &age["example"]), (&json!(1), &json!("old")), "{told}");
    assert_eq!(told["total"], 2);
    assert!(server.run(&["segment", "unexpected", "Dear"]).status.success());
}

#[test]
fn the_builders_schema_is_served_and_named_in_the_description() {
    let server = Server::start();
    let answer = server.get("/api/schemas/segment-builder");
    assert_eq!(answer.status, 200);
    let schema = answer.json();
    assert!(schema["$schema"].as_str().is_some_and(|of| of.contains("2020-12")), "{schema}");
    assert!(schema["$defs"]["segment"]["properties"]["condition"].is_object(), "{schema}");
    let description = server.get("/api/openapi.json").expect(200).to_string();
    assert!(description.contains("/api/schemas/segment-builder"));
}

#[test]
fn sql_sees_people_as_they_were() {
    let server = Server::start();
    let at = |id: &str, hours: i64, place: &str| json!({"event_type": "move", "customer_id": id, "timestamp": ago(hours).to_string(), "traits": {"place": place}});
    server.accept(&json!([at("A", 50, "Rome"), at("A", 10, "Oslo"), at("B", 5, "Bonn")]));
    server.settle();
    let then = ago(20).to_string();
    let was = server.sql(&format!(
        "SELECT customer_id, place, move_count FROM customer_data FOR SYSTEM_TIME AS OF TIMESTAMP '{then}'"
    ));
    assert_eq!(was, [json!({"customer_id": "A", "place": "Rome", "move_count": 1})]);
    let moved = server.sql(&format!("SELECT n.customer_id FROM customer_data n JOIN customer_data_at('{then}') p ON p.customer_id = n.customer_id WHERE p.place <> n.place"));
    assert_eq!(moved, [json!({"customer_id": "A"})]);
    let refused = server.post("/api/sql", &json!({"sql": "SELECT 1 FROM customer_data AS OF 'once'"}));
    assert_eq!(refused.status, 422, "{}", refused.text());
    let now = server.sql("SELECT place FROM customer_data ORDER BY customer_id");
    assert_eq!(now, [json!({"place": "Oslo"}), json!({"place": "Bonn"})]);
}
