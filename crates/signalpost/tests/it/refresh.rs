//! Segments that cannot be live: their members come from runs of a query, by
//! schedule and on demand, and are members like any other.

use serde_json::{Value as Json, json};

use crate::support::{Server, encode, eventually, pause};

fn buy(id: &str, total: u32) -> Json {
    json!({"event_type": "purchase", "customer_id": id, "properties": {"total": total}})
}

fn runs(server: &Server, name: &str) -> Vec<Json> {
    let answer = server.get(&format!("/api/segments/{}/runs", encode(name))).expect(200);
    answer["runs"].as_array().unwrap().clone()
}

fn await_run(server: &Server, name: &str, count: usize) -> Json {
    eventually("the query has run", || {
        let runs = runs(server, name);
        (runs.len() >= count && runs[0]["status"] != "running").then(|| runs[0].clone())
    })
}

const BEST: &str = "SELECT customer_id FROM (SELECT customer_id, ntile(2) OVER (ORDER BY total_spent DESC) AS half FROM customer_data) WHERE half = 1";

#[test]
fn a_query_that_cannot_be_live_is_run_and_its_members_are_members() {
    let server = Server::start();
    server.accept(&json!([buy("A", 10), buy("B", 200), buy("C", 300), buy("D", 20)]));
    server.settle();
    let refused = server.put("/api/segments/Best", &json!({"sql": BEST})).problem(422, "refused");
    assert!(refused["hint"].as_str().unwrap_or_default().contains("refresh"), "the offer is made: {refused}");
    let schedule = json!({"cron": "0 3 * * *", "zone": "Europe/Berlin"});
    let put = server.put("/api/segments/Best", &json!({"sql": BEST, "refresh": schedule})).expect(201);
    assert_eq!((&put["live"], &put["refresh"]["zone"]), (&json!(false), &json!("Europe/Berlin")), "{put}");
    assert!(put["refresh"]["next"].is_string(), "{put}");
    server.define("Best and new", "IF in_segment('Best') AND done purchase THEN assign to 'Best and new'");
    server.await_members("Best", &["B", "C"]);
    server.await_members("Best and new", &["B", "C"]);
    let first = await_run(&server, "Best", 1);
    assert_eq!(
        (&first["status"], &first["members"], &first["entered"], &first["left"], &first["cause"]),
        (&json!("done"), &json!(2), &json!(2), &json!(0), &json!("schedule")),
        "{first}"
    );
    // No event moves its members, the next run does.
    server.accept(&buy("D", 5_000));
    server.settle();
    assert_eq!(server.members("Best"), ["B", "C"]);
    let run = server.post("/api/segments/Best/refresh", &Json::Null).expect(200);
    assert_eq!(
        (&run["entered"], &run["left"], &run["cause"]),
        (&json!(1), &json!(1), &json!("asked")),
        "{run}"
    );
    assert_eq!(server.members("Best"), ["C", "D"], "it is in force when the answer comes");
    server.await_members("Best and new", &["C", "D"]);
    let history = server.get("/api/segments/Best/history?profile=D").expect(200);
    assert_eq!(history["changes"][0]["cause"], "refresh 2", "{history}");
    assert!(history["changes"][0]["processed_at"].is_string(), "{history}");
    let verdict = server.post("/api/segments/Best/verify", &Json::Null).expect(200);
    assert_eq!(verdict["equal"], true, "{verdict}");
    let why = server.get("/api/profiles/D/explain?segment=Best").expect(200);
    assert_eq!((&why["member"], &why["tree"]["last_run"]["run"]), (&json!(true), &json!(2)), "{why}");
    let before = run["started_at"].as_str().unwrap();
    let then = server.get(&format!("/api/segments/Best/members?at={}", encode(before))).expect(200);
    let then: Vec<_> =
        then["members"].as_array().unwrap().iter().map(|row| row["customer_id"].clone()).collect();
    assert_eq!(then, [json!("B"), json!("C")], "a run moves people when it is done");
    let live = server.post("/api/segments/Best%20and%20new/refresh", &Json::Null);
    assert_eq!(live.status, 409, "{}", live.text());
}

#[test]
fn a_rank_in_words_is_a_refreshed_segment() {
    let server = Server::start();
    let people: Vec<Json> = (0..20).map(|number| buy(&format!("c{number:02}"), 10 * number)).collect();
    server.accept(&json!(people));
    server.settle();
    let rule = "IF top 10 % by total_spent THEN assign to 'Big'";
    let checked = server.post("/api/segments/check", &json!({"rule": rule})).expect(200);
    assert_eq!((&checked["kind"], &checked["name"]), (&json!("refreshed"), &json!("Big")), "{checked}");
    let preview = server.post("/api/segments/preview", &json!({"rule": rule})).expect(200);
    assert_eq!((&preview["count"], &preview["sample"]), (&json!(2), &json!(["c18", "c19"])), "{preview}");
    let put = server.put("/api/segments/Big", &json!({"rule": rule})).expect(201);
    assert_eq!(put["refresh"]["cron"], "0 3 * * *", "every night when nothing is said");
    server.await_members("Big", &["c18", "c19"]);
    let few = "IF bottom 3 customers by sum(total) of purchase among customers where orders > 0 THEN assign to 'Few'";
    server.put("/api/segments/Few", &json!({"rule": few, "refresh": {"cron": "*/1 * * * * *"}})).expect(201);
    server.await_members("Few", &["c00", "c01", "c02"]);
    server.accept(&buy("c00", 9_000));
    server.await_members("Few", &["c01", "c02", "c03"]);
    // Its members stay where they are when it becomes live.
    let live = "SELECT customer_id FROM customer_data WHERE total_spent < 35";
    server.put("/api/segments/Few", &json!({"sql": live})).expect(200);
    server.await_members("Few", &["c01", "c02", "c03"]);
    server.settle();
    let history = server.get("/api/segments/Few/history?profile=c01").expect(200);
    assert_eq!(history["total"], 1, "{history}");
}

#[test]
fn what_cannot_be_run_is_refused_and_what_fails_is_recorded() {
    let server = Server::start();
    let put = |body: Json| server.put("/api/segments/X", &body);
    let nightly = json!({"cron": "0 3 * * *"});
    let sql = |sql: &str| json!({"sql": sql, "refresh": nightly});
    put(json!({"sql": BEST, "refresh": {"cron": "0 3 * *"}})).problem(422, "invalid");
    put(json!({"sql": BEST, "refresh": {"cron": "0 3 * * *", "zone": "Mars/Base"}})).problem(422, "invalid");
    put(json!({"sql": BEST, "refresh": {"every": "day"}})).problem(422, "invalid");
    put(json!({"rule": "IF done purchase THEN assign to 'X'", "refresh": nightly})).problem(422, "invalid");
    for text in ["SELECT customer_id FROM nowhere", "SELECT FROM", "SELECT total_spent FROM customer_data"] {
        assert_eq!(put(sql(text)).status, 422, "{text}");
    }
    put(sql("DELETE FROM events")).problem(422, "invalid");
    let divided = "SELECT customer_id FROM customer_data WHERE events / (orders - orders) > 1";
    server.accept(&buy("A", 1));
    server.settle();
    put(sql(divided)).expect(201);
    let run = await_run(&server, "X", 1);
    assert_eq!(run["status"], "failed", "{run}");
    assert!(run["error"].as_str().is_some_and(|error| error.to_lowercase().contains("zero")), "{run}");
    let shown = server.get("/api/segments/X").expect(200);
    assert_eq!(shown["refresh"]["last_run"]["status"], "failed", "{shown}");
}

#[test]
fn members_and_runs_outlive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut server = Server::on(&data, &[]);
    server.accept(&json!([buy("A", 10), buy("B", 200)]));
    server.settle();
    server.put("/api/segments/Best", &json!({"sql": BEST, "refresh": {"cron": "0 3 1 1 *"}})).expect(201);
    server.await_members("Best", &["B"]);
    await_run(&server, "Best", 1);
    server.kill();
    let server = Server::on(&data, &[]);
    server.settle();
    assert_eq!(server.members("Best"), ["B"]);
    pause(1_200);
    assert_eq!(runs(&server, "Best").len(), 1, "what has run is not run again before its time");
    assert_eq!(server.get("/api/segments/Best").expect(200)["live"], false);
}

#[test]
fn the_command_knows_schedules_and_runs() {
    let server = Server::start();
    server.accept(&json!([buy("A", 10), buy("B", 200)]));
    server.settle();
    let applied = server.run(&[
        "segment",
        "apply",
        BEST,
        "--name",
        "Best",
        "--refresh",
        "0 3 * * *",
        "--zone",
        "Europe/Berlin",
        "--wait",
    ]);
    assert!(applied.status.success(), "{applied:?}");
    await_run(&server, "Best", 1);
    let refreshed = server.run(&["--json", "segment", "refresh", "Best"]);
    let run: Json =
        serde_json::from_slice(&refreshed.stdout).unwrap_or_else(|error| panic!("{error}: {refreshed:?}"));
    assert_eq!((&run["status"], &run["entered"]), (&json!("done"), &json!(0)), "{run}");
    let listed = server.run(&["--json", "segment", "runs", "Best"]);
    let listed: Json = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed.as_array().map(Vec::len), Some(2), "{listed}");
    assert_eq!(server.run(&["segment", "refresh", "Nobody"]).status.code(), Some(1));
}
