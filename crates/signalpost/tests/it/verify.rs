//! Verification: live members are compared with the lake's SQL in the
//! background and on request, while events go on.

use serde_json::{Value as Json, json};
use signalpost::state::fjall::FjallStore;
use signalpost::state::{Batch, Store, Table};

use crate::support::{Server, encode, eventually};

/// Segments of one kind each: by the clock, by events, by traits.
const SEGMENTS: [(&str, &str); 3] = [
    ("Lately", "IF event_type = 'view' AND event_time >= now() - 1 second THEN assign to 'Lately'"),
    ("Often", "IF done view at least 2 times THEN assign to 'Often'"),
    ("Grown", "SELECT customer_id FROM customer_data WHERE age >= 18"),
];

const EVERY_SECOND: (&str, &str) = ("SIGNALPOST_SEGMENT_VERIFY_SECONDS", "1");

fn metric(server: &Server, name: &str) -> u64 {
    let text = server.get("/metrics").text();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {text}"))
}

fn verified(server: &Server, segment: &str) -> Json {
    server.get(&format!("/api/segments/{}", encode(segment))).expect(200)["verified"].clone()
}

fn define(server: &Server) {
    for (name, rule) in SEGMENTS {
        server.put(&format!("/api/segments/{name}"), &json!({"rule": rule})).expect(201);
    }
}

fn views(round: u32, people: std::ops::Range<u32>) -> Json {
    let view = |number: u32| {
        json!({"event_type": "view", "event_id": format!("{round}-{number}"), "customer_id": format!("c{number}"), "anonymous_id": format!("a{number}"),
            "traits": {"age": number % 40}})
    };
    people.map(view).collect()
}

#[test]
fn segments_are_compared_in_the_background_while_events_go_on() {
    let server = Server::with(&[EVERY_SECOND]);
    define(&server);
    assert_eq!(verified(&server, "Often"), Json::Null, "nothing has been compared yet");
    let mut round = 0;
    let names = SEGMENTS.map(|(name, _)| name);
    eventually("every segment was compared", || {
        round += 1;
        server.accept(&views(round, 20 * round % 300..20 * round % 300 + 40));
        // As asked by hand, too: events come, and are due, all the time.
        let verdict = server.post("/api/segments/Lately/verify", &Json::Null).expect(200);
        assert_eq!((&verdict["equal"], &verdict["differences"]), (&json!(true), &json!(0)), "{verdict}");
        names.iter().all(|name| verified(&server, name)["at"].is_string()).then_some(())
    });
    for name in names {
        let verdict = verified(&server, name);
        assert_eq!(verdict["differences"], 0, "{name}: {verdict}");
    }
    assert!(metric(&server, "signalpost_segment_verify_runs_total") >= 4);
    assert!(metric(&server, "signalpost_segment_verify_last_timestamp_seconds") > 1_700_000_000);
    assert_eq!(metric(&server, "signalpost_segment_verify_differences"), 0);
    let listed = server.run(&["--json", "segment", "verify", "--all"]);
    assert!(listed.status.success(), "{listed:?}");
    let listed: Json = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed.as_array().map(Vec::len), Some(3), "{listed}");
    assert_eq!(server.run(&["segment", "verify", "--all", "Often"]).status.code(), Some(2));
}

#[test]
fn a_member_that_was_lost_is_found_and_told_of_without_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut server = Server::on(&data, &[]);
    define(&server);
    server.accept(&views(1, 0..20));
    server.accept(&views(2, 0..20));
    server.settle();
    assert_eq!(server.members("Often").len(), 20);
    server.stop();
    lose_a_member(&data, "c7");
    let server = Server::on(&data, &[EVERY_SECOND]);
    let verdict = eventually("the lost member was found", || {
        let verdict = verified(&server, "Often");
        (verdict["differences"] == 1).then_some(verdict)
    });
    assert_eq!(verdict["members"], 19, "{verdict}");
    eventually("the others were compared", || verified(&server, "Grown")["at"].is_string().then_some(()));
    assert_eq!(metric(&server, "signalpost_segment_verify_differences"), 1);
    let asked = server.post("/api/segments/Often/verify", &Json::Null).expect(200);
    assert_eq!((&asked["missing"], &asked["surplus"]), (&json!(["c7"]), &json!([])), "{asked}");
    assert_eq!(server.run(&["segment", "verify"]).status.code(), Some(1));
    let said = server.complaints();
    assert!(said.contains("live members differ"), "{said}");
    assert!(!said.contains("c7"), "no name is logged: {said}");
}

#[test]
fn no_segment_is_compared_where_that_is_switched_off() {
    let server = Server::with(&[("SIGNALPOST_SEGMENT_VERIFY_SECONDS", "0")]);
    define(&server);
    crate::support::pause(2_000);
    assert_eq!(metric(&server, "signalpost_segment_verify_runs_total"), 0);
}

/// Takes somebody out of the one segment that everybody is in by events.
fn lose_a_member(data: &std::path::Path, customer_id: &str) {
    let store = FjallStore::open(&data.join("state")).unwrap();
    let end = format!("c{customer_id}");
    let keys = store.scan_keys(Table::Members, &[], None, usize::MAX).unwrap();
    // The segments are numbered as they were defined: `Often` is the second.
    let key = keys.into_iter().find(|key| key[..4] == 2_u32.to_be_bytes() && key.ends_with(end.as_bytes()));
    let mut batch = Batch::default();
    batch.delete(Table::Members, key.unwrap());
    store.commit(batch).unwrap();
    store.sync().unwrap();
}
