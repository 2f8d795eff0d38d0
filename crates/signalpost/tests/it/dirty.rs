//! Values as shops really send them, from outside: each of the shared data set is
//! posted, and what SQL, profiles and the quarantine then show is what its README
//! says it must be.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json, json};
use signalpost_core::time::{Span, Timestamp};

use crate::support::{Server, now};

/// The cases of a file, or a loud word that it is not there.
fn cases(file: &str) -> Option<Vec<Json>> {
    let shared = std::env::var("SIGNALPOST_SHARED")
        .map_or_else(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let path = shared.join("data/dirty").join(file);
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("SKIPPED: {} is absent; set SIGNALPOST_SHARED", path.display());
        return None;
    };
    let cases: Vec<Json> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(!cases.is_empty());
    Some(cases)
}

fn text<'a>(case: &'a Json, name: &str) -> &'a str {
    case[name].as_str().unwrap_or_default()
}

/// Posts an event for each case, those of a source together, by a key of that
/// source. The event's id is the case's.
fn post(
    server: &Server,
    cases: &[Json],
    source: impl Fn(&Json) -> (String, Json),
    event: impl Fn(&Json) -> Json,
) {
    let mut by_source: BTreeMap<String, (Json, Vec<Json>)> = BTreeMap::new();
    for case in cases {
        let (name, settings) = source(case);
        let mut event = event(case);
        let members = event.as_object_mut().unwrap();
        members.insert("event_id".into(), case["id"].clone());
        members.entry("event_type").or_insert_with(|| json!("dirty"));
        members.insert("customer_id".into(), json!(format!("C-{}", text(case, "id"))));
        by_source.entry(name).or_insert_with(|| (settings, Vec::new())).1.push(event);
    }
    for (name, (settings, events)) in by_source {
        server.put(&format!("/api/sources/{name}"), &settings).expect(201);
        let wanted = json!({"scopes": ["events:write"], "source": name});
        let key = server.post("/api/keys", &wanted).expect(201)["key"].as_str().unwrap().to_owned();
        let body = Json::Array(events).to_string();
        server.ask(&key, "POST", "/api/events", &[], body.as_bytes()).expect(202);
    }
    server.settle();
}

/// The rows of a query by their `event_id` or `customer_id`, without `C-`.
fn by_case(server: &Server, query: &str) -> BTreeMap<String, Map<String, Json>> {
    let id = |row: &Map<String, Json>| {
        let id = row.get("event_id").or_else(|| row.get("customer_id")).unwrap().as_str().unwrap();
        id.trim_start_matches("C-").to_owned()
    };
    server
        .sql(query)
        .into_iter()
        .map(|row| row.as_object().unwrap().clone())
        .map(|row| (id(&row), row))
        .collect()
}

/// The ids of what is in quarantine.
fn quarantined(server: &Server) -> BTreeSet<String> {
    let listed = server.get("/api/quarantine?limit=1000").expect(200);
    let rows = listed["quarantined"].as_array().or_else(|| listed["events"].as_array()).unwrap().clone();
    let id = |row: &Json| {
        let raw: Json = serde_json::from_str(row["raw"].as_str().unwrap()).unwrap();
        raw["event_id"].as_str().unwrap().to_owned()
    };
    rows.iter().map(id).collect()
}

/// What an event's own lineage says was wrong with it.
fn remarks(row: &Map<String, Json>) -> String {
    row["problems"].as_str().unwrap_or_default().to_owned()
}

fn same(failures: &[String]) {
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_time_is_read_or_missing_or_in_quarantine() {
    let Some(cases) = cases("timestamps.jsonl") else { return };
    let server = Server::start();
    post(&server, &cases, |_| ("times".into(), json!({})), |case| json!({"timestamp": case["input"]}));
    let rows = by_case(&server, "SELECT event_id, timestamp FROM events");
    let refused = quarantined(&server);
    let mut failures = Vec::new();
    for case in &cases {
        let id = text(case, "id");
        let at = rows.get(id).and_then(|row| Timestamp::parse(row["timestamp"].as_str()?));
        // Missing is the time of receipt; what is a time and cannot be this
        // event's, or is no time at all, is in quarantine.
        let is_missing = at.is_some_and(|at| now() - at < Span::MINUTE && at - now() < Span::MINUTE);
        let nothing = ["", "null", "N/A", "NaN", "Invalid Date", "0000-00-00 00:00:00"];
        let says_nothing = match &case["input"] {
            Json::Null => true,
            Json::Number(number) => number.as_i64() == Some(0),
            input => input.as_str().is_some_and(|input| nothing.contains(&input)),
        };
        let fits = match case["expect"].as_str() {
            Some(expected) => at == Timestamp::parse(expected) && !refused.contains(id),
            None if says_nothing => is_missing && !refused.contains(id),
            None => at.is_none() && refused.contains(id),
        };
        if !fits {
            let kept = if refused.contains(id) { " (quarantined)" } else { "" };
            failures.push(format!("{id} {}: expected {}, got {at:?}{kept}", case["input"], case["expect"]));
        }
    }
    same(&failures);
}

#[test]
fn every_product_id_is_one_form_or_kept_with_a_remark() {
    let Some(cases) = cases("product_ids.jsonl") else { return };
    let server = Server::start();
    let source = |case: &Json| match text(case, "cls") {
        "shopify-numeric" => ("shopify".into(), json!({"product_ids": {"vendor": "shopify"}})),
        _ => ("ids".into(), json!({})),
    };
    post(&server, &cases, source, |case| json!({"product_id": case["input"]}));
    let rows = by_case(
        &server,
        "SELECT event_id, product_id, json_text(context, 'cleaned.problems') AS problems FROM events",
    );
    let mut failures = Vec::new();
    for case in &cases {
        let (id, input) = (text(case, "id"), text(case, "input"));
        let Some(row) = rows.get(id) else {
            failures.push(format!("{id}: an id costs no event"));
            continue;
        };
        let (got, flagged) = (row["product_id"].as_str(), remarks(row).contains("product_id"));
        let fits = match (case["expect"].as_str(), text(case, "cls")) {
            (None, "gtin-bad-check") => got == Some(input) && flagged,
            (None, "excel-exp") => got.is_none() && flagged,
            (None, _) => got.is_none() && !flagged,
            (Some(expected), _) => match expected.strip_prefix("raw:") {
                Some(raw) => got == Some(raw) && flagged,
                None => got == Some(expected) && !flagged,
            },
        };
        if !fits {
            failures.push(format!(
                "{id} {input:?}: expected {}, got {got:?}, {}",
                case["expect"],
                remarks(row)
            ));
        }
    }
    same(&failures);
}

#[test]
fn every_address_and_number_is_one_form_in_the_profile_or_left_out() {
    let server = Server::start();
    for (file, name) in [("emails.jsonl", "email"), ("phones.jsonl", "phone")] {
        let Some(cases) = cases(file) else { return };
        let source = |case: &Json| match case["default_region"].as_str() {
            Some(region) => (format!("phones-{region}"), json!({"phone_region": region})),
            None => ("people".into(), json!({})),
        };
        post(
            &server,
            &cases,
            source,
            |case| json!({"event_type": "identify", "traits": {name: case["input"], "file": file}}),
        );
        let rows =
            by_case(&server, &format!("SELECT customer_id, {name} FROM customer_data WHERE file = '{file}'"));
        let mut failures = Vec::new();
        for case in &cases {
            let id = text(case, "id");
            let in_sql = rows.get(id).map(|row| row[name].clone());
            let profile = server.get(&format!("/api/profiles/C-{id}")).expect(200);
            for (where_, got) in [("SQL", in_sql), ("the profile", Some(profile["traits"][name].clone()))] {
                if got.as_ref() != Some(&case["expect"]) {
                    let (input, expect) = (&case["input"], &case["expect"]);
                    failures.push(format!("{id} {input}: expected {expect}, got {got:?} in {where_}"));
                }
            }
        }
        same(&failures);
    }
}

#[test]
fn every_amount_is_decimal_text_or_kept_with_a_remark() {
    let Some(cases) = cases("money.jsonl") else { return };
    let server = Server::start();
    // The currency is the event's in half of the cases and the source's in the rest.
    let source = |case: &Json| {
        let currency = text(case, "currency");
        (format!("money-{currency}"), json!({"currency": currency}))
    };
    post(&server, &cases, source, |case| {
        let mut properties = json!({"price": case["input"]});
        if text(case, "id").ends_with(['0', '2', '4', '6', '8']) {
            properties["currency"] = case["currency"].clone();
        }
        json!({"properties": properties})
    });
    let rows = by_case(
        &server,
        "SELECT event_id, json_text(properties, 'price') AS price, json_text(context, 'cleaned.problems') AS problems FROM events",
    );
    let mut failures = Vec::new();
    for case in &cases {
        let (id, input) = (text(case, "id"), text(case, "input"));
        let row = &rows[id];
        let (got, flagged) = (row["price"].as_str(), remarks(row).contains("properties.price"));
        let fits = match case["expect"].as_str() {
            Some(expected) => got == Some(expected) && !flagged,
            None if text(case, "cls") == "nan" => got.is_none() && !flagged,
            // No amount can be told: it stays as it came, and says so.
            None => got == Some(input) && flagged,
        };
        if !fits {
            failures.push(format!(
                "{id} {input:?}: expected {}, got {got:?}, {}",
                case["expect"],
                remarks(row)
            ));
        }
    }
    same(&failures);
}

/// Other values of the same kinds: what holds is a rule and no list.
#[test]
fn other_values_of_the_same_kinds_come_out_alike() {
    let server = Server::start();
    let cases = [
        json!({"id": "a", "email": "\u{feff}ANA@Exämple.ORG.", "expect": "ANA@xn--exmple-cua.org"}),
        json!({"id": "b", "email": "<ana@example.org>", "expect": "ana@example.org"}),
        json!({"id": "c", "email": "Undefined", "expect": null}),
        json!({"id": "d", "email": 17, "expect": null}),
        json!({"id": "e", "email": ["ana@example.org"], "expect": null}),
    ];
    post(
        &server,
        &cases,
        |_| ("others".into(), json!({})),
        |case| json!({"traits": {"email": case["email"]}}),
    );
    for case in &cases {
        let profile = server.get(&format!("/api/profiles/C-{}", text(case, "id"))).expect(200);
        assert_eq!(profile["traits"]["email"], case["expect"], "{case}");
    }
    let cases = [
        json!({"id": "f", "phone": 4_155_552_671.0_f64, "price": "１９.９９"}),
        json!({"id": "g", "phone": 4_155_552_671_i64, "price": "2e3"}),
        json!({"id": "h", "phone": "(415) 555\u{2011}2671 ext. 7", "price": "N/A"}),
        json!({"id": "i", "phone": "1.415.555.2671", "price": "ask us"}),
    ];
    let source = |_: &Json| ("us".into(), json!({"phone_region": "US", "currency": "USD"}));
    post(
        &server,
        &cases,
        source,
        |case| json!({"traits": {"phone": case["phone"]}, "properties": {"price": case["price"]}}),
    );
    let prices = by_case(
        &server,
        "SELECT event_id, json_text(properties, 'price') AS price FROM events WHERE event_type = 'dirty'",
    );
    for (id, price) in
        [("f", json!("19.99")), ("g", json!("2000")), ("h", Json::Null), ("i", json!("ask us"))]
    {
        let profile = server.get(&format!("/api/profiles/C-{id}")).expect(200);
        assert_eq!(profile["traits"]["phone"], "+14155552671", "{id}");
        assert_eq!(prices[id]["price"], price, "{id}");
    }
}
