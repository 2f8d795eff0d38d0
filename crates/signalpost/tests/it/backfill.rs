//! Definitions come to everybody behind the answer, while events go on.

use serde_json::{Value as Json, json};
use signalpost_core::time::Span;

use crate::support::{Server, encode, now, within};

/// People with four events each.
const PEOPLE: usize = 6_000;

fn fill(server: &Server) {
    let stamp = now() - Span::HOUR;
    for start in (0..PEOPLE).step_by(500) {
        let people = start..start + 500;
        let events: Vec<Json> = people
            .flat_map(|person| {
                (0..4).map(move |number| {
                    json!({"event_type": "view", "customer_id": format!("p{person:05}"), "event_id": format!("{person}-{number}"), "timestamp": (stamp + Span::SECOND.times(number)).to_string()})
                })
            })
            .collect();
        server.accept(&json!(events));
    }
    server.settle();
}

fn shown(server: &Server, name: &str) -> Json {
    server.get(&format!("/api/segments/{}", encode(name))).expect(200)
}

fn await_backfill(server: &Server, name: &str) {
    within(std::time::Duration::from_secs(60), "everybody is judged", || {
        shown(server, name)["backfill"].is_null().then_some(())
    });
}

#[test]
fn a_definition_is_answered_at_once_and_nobody_enters_twice_or_is_left_out() {
    let server = Server::start();
    fill(&server);
    let began = std::time::Instant::now();
    server.define("Viewers", "IF done view at least 3 times in the last 30 days THEN assign to 'Viewers'");
    let answered = began.elapsed();
    // Events come while it is under way: of people it has judged, and of others.
    for number in 0..20 {
        let events: Vec<Json> = (0..50)
            .map(|person| json!({"event_type": "view", "customer_id": format!("p{:05}", person * 120 + number), "event_id": format!("again-{number}-{person}")}))
            .collect();
        server.accept(&json!(events));
        let state = shown(&server, "Viewers");
        if !state["backfill"].is_null() {
            let (done, total) = (&state["backfill"]["done"], &state["backfill"]["total"]);
            assert!(
                done.as_u64() <= total.as_u64() && state["backfill"]["started_at"].is_string(),
                "{state}"
            );
        }
    }
    await_backfill(&server, "Viewers");
    server.settle();
    assert_eq!(server.members("Viewers").len(), PEOPLE);
    let history = server.get("/api/segments/Viewers/history?limit=10000").expect(200);
    assert_eq!(history["total"], PEOPLE, "each entered once");
    let verdict = server.post("/api/segments/Viewers/verify", &Json::Null).expect(200);
    assert_eq!(verdict["equal"], true, "{verdict}");
    eprintln!("a definition over {PEOPLE} people was answered in {answered:?}");
    // A change keeps those who stay.
    server.define("Viewers", "IF done view at least 4 times in the last 20 days THEN assign to 'Viewers'");
    await_backfill(&server, "Viewers");
    let history = server.get("/api/segments/Viewers/history?limit=1").expect(200);
    assert_eq!(history["total"], PEOPLE, "nobody left and came again");
    let applied = server.run(&[
        "--json",
        "segment",
        "apply",
        "--wait",
        "--name",
        "Five",
        "IF done view at least 5 times THEN assign to 'Five'",
    ]);
    let applied: Json =
        serde_json::from_slice(&applied.stdout).unwrap_or_else(|error| panic!("{error}: {applied:?}"));
    assert_eq!((&applied["backfill"], &applied["members"]), (&Json::Null, &json!(1_000)), "{applied}");
}

#[test]
fn a_definition_does_not_wait_for_the_one_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut server = Server::on(&data, &[]);
    fill(&server);
    server.define("Viewers", "IF done view at least 3 times in the last 30 days THEN assign to 'Viewers'");
    server.define("Any", "IF done view THEN assign to 'Any'");
    server.define("Viewers", "IF done view at least 2 times in the last 30 days THEN assign to 'Viewers'");
    server.define("None", "IF done view at least 900 times THEN assign to 'None'");
    // Broken off in the middle, it is taken up where it was.
    server.kill();
    let server = Server::on(&data, &[]);
    for name in ["Viewers", "Any", "None"] {
        await_backfill(&server, name);
    }
    server.settle();
    for (name, members) in [("Viewers", PEOPLE), ("Any", PEOPLE), ("None", 0)] {
        assert_eq!(server.members(name).len(), members, "{name}");
        let path = format!("/api/segments/{name}");
        let history = server.get(&format!("{path}/history?limit=1")).expect(200);
        assert_eq!(history["total"], members, "{name}: each entered once");
        let verdict = server.post(&format!("{path}/verify"), &Json::Null).expect(200);
        assert_eq!(verdict["equal"], true, "{verdict}");
    }
    let first = server.get("/api/segments/Viewers/history?limit=1").expect(200)["changes"][0].clone();
    assert_eq!(first["version"], 1, "they entered by the version that let them in: {first}");
}

#[test]
fn a_backfill_that_a_crash_breaks_off_is_finished() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut server = Server::on(&data, &[]);
    fill(&server);
    server.define("Viewers", "IF done view at least 3 times in the last 30 days THEN assign to 'Viewers'");
    server.kill();
    let server = Server::on(&data, &[]);
    await_backfill(&server, "Viewers");
    server.settle();
    assert_eq!(server.members("Viewers").len(), PEOPLE);
    let history = server.get("/api/segments/Viewers/history?limit=1").expect(200);
    assert_eq!(history["total"], PEOPLE, "each entered once");
}
