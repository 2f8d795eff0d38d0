//! The tracking plan: planned by file or by type, held to, learnt from traffic;
//! and what the debugger says of events on their way.

use std::process::Output;

use serde_json::{Value as Json, json};

use crate::http::exchange;
use crate::support::{ADMIN, Server, eventually};

fn schema() -> Json {
    json!({"type": "object", "required": ["customer_id"], "properties": {"properties": {
        "required": ["price"],
        "properties": {"price": {"type": "number", "exclusiveMinimum": 0}, "quantity": {"type": "integer"}}}}})
}

fn purchase(id: &str, price: Json) -> Json {
    json!({"event_id": id, "event_type": "purchase", "customer_id": "C1", "properties": {"price": price, "quantity": 1.5}})
}

fn printed(output: &Output) -> Json {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_type_is_planned_in_versions_and_events_are_held_to_it() {
    let server = Server::start();
    let made = server.put("/api/plan/purchase", &schema()).expect(201);
    assert_eq!((&made["version"], &made["event_type"]), (&json!(1), &json!("purchase")));
    let problem = server
        .put("/api/plan/purchase", &json!({"properties": {"x": {"typ": "string"}}}))
        .problem(422, "refused");
    assert_eq!(problem["pointer"], "/properties/x/typ");
    // Warned of: kept, with the remark in the event.
    server.accept(&purchase("w1", json!("free")));
    eventually("the event tells what differs", || {
        let seen = server.get("/api/profiles/C1/timeline");
        (seen.status == 200).then(|| {
            let fields: Vec<Json> = seen.json()["events"][0]["problems"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|p| p["code"] == "plan_violation")
                .map(|p| p["field"].clone())
                .collect();
            assert_eq!(fields, ["properties.price", "properties.quantity"]);
        })
    });
    let strict = json!({"schema": schema(), "mode": "strict", "description": "something was bought"});
    assert_eq!(server.put("/api/plan/purchase", &strict).expect(200)["version"], 2);
    let told = server
        .events(
            &json!([purchase("s1", json!("free")), {"event_type": "dance", "customer_id": "C1"}]).to_string(),
        )
        .expect(202);
    assert_eq!((&told["accepted"], &told["quarantined"]), (&json!(1), &json!(1)));
    let errors: Vec<(&Json, &Json)> =
        told["errors"].as_array().unwrap().iter().map(|e| (&e["index"], &e["field"])).collect();
    assert_eq!(errors, [(&json!(0), &json!("properties.price")), (&json!(0), &json!("properties.quantity"))]);
    let versions = server.get("/api/plan/purchase/versions").expect(200);
    assert_eq!(versions["versions"].as_array().unwrap().len(), 2);
    server.settle();
    let listed = server.get("/api/plan").expect(200);
    let types: Vec<(&Json, &Json, &Json, &Json)> = listed["types"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| (&t["event_type"], &t["planned"], &t["events_30d"], &t["differing"]))
        .collect();
    assert_eq!(
        types,
        [
            (&json!("dance"), &json!(false), &json!(1), &json!(0)),
            (&json!("purchase"), &json!(true), &json!(1), &json!(1))
        ]
    );
    // A source may be let through, or held to more.
    server.put("/api/sources/default", &json!({"plan": "warn", "unplanned": "strict"})).expect(201);
    let told = server
        .events(
            &json!([purchase("s2", json!("free")), {"event_type": "dance", "customer_id": "C1"}]).to_string(),
        )
        .expect(202);
    assert_eq!((&told["accepted"], &told["errors"][0]["code"]), (&json!(1), &json!("unplanned_event")));
    assert_eq!(server.ask(ADMIN, "DELETE", "/api/plan/purchase", &[], b"").status, 204);
    server.get("/api/plan/purchase").problem(404, "not_found");
}

#[test]
fn what_the_plan_refused_is_grouped_and_replayed_once() {
    let server = Server::start();
    server.put("/api/plan/purchase", &json!({"schema": schema(), "mode": "strict"})).expect(201);
    // Without ids of their own: nothing but the quarantine could know them again.
    let bought = |n: u32| json!({"event_type": "purchase", "customer_id": "C1", "price": format!("free {n}"), "items": [{"sku": 1}]});
    let many: Json = (0..40).map(bought).collect();
    assert_eq!(server.events(&many.to_string()).expect(202)["quarantined"], 40);
    server.events(&json!({"event_type": "purchase"}).to_string()).expect(202);
    let groups = server.get("/api/quarantine/groups").expect(200);
    let first = &groups["groups"][0];
    assert_eq!(
        (&first["group"], &first["events"], &groups["total"]),
        (&json!("plan_violation/properties.price"), &json!(40), &json!(41))
    );
    assert_eq!((first["samples"].as_array().unwrap().len(), &first["sources"]), (3, &json!({"default": 40})));
    let listed = printed(&server.run(&["--json", "quarantine", "groups"]));
    assert_eq!(listed[1]["code"], "missing_identity");
    let listed =
        printed(&server.run(&["--json", "quarantine", "list", "--group", "plan_violation/properties.price"]));
    assert_eq!(listed.as_array().unwrap().len(), 40);
    // The plan is changed; ten ask for the replay at once.
    server
        .put(
            "/api/plan/purchase",
            &json!({"properties": {"properties": {"properties": {"price": {"type": "string"}}}}}),
        )
        .expect(200);
    let address = server.address;
    let accepted: u64 = std::thread::scope(|scope| {
        let ask = move || {
            let body = json!({"group": "plan_violation/properties.price"}).to_string();
            let headers = [("X-Api-Key", ADMIN)];
            let answer = exchange(address, "POST", "/api/quarantine/replay", &headers, body.as_bytes());
            answer.unwrap().expect(200)["accepted"].as_u64().unwrap()
        };
        let asked: Vec<_> = (0..10).map(|_| scope.spawn(ask)).collect();
        asked.into_iter().map(|asked| asked.join().unwrap()).sum()
    });
    assert_eq!(accepted, 40);
    server.settle();
    assert_eq!(server.cell("SELECT count(*) FROM events"), 40);
    assert_eq!(server.get("/api/quarantine").expect(200)["total"], 1);
}

#[test]
fn a_plan_goes_through_files_and_is_learnt_from_traffic() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let events: Json = (0..150)
        .map(|n| json!({"event_id": format!("l{n}"), "event_type": "view", "customer_id": format!("C{n}"), "price": n, "channel": if n % 2 == 0 { "web" } else { "app" }}))
        .collect();
    server.accept(&events);
    server.settle();
    assert!(server.run(&["plan", "learn", "-o", &file("learnt.json")]).status.success());
    let learnt: Json = serde_json::from_str(&std::fs::read_to_string(file("learnt.json")).unwrap()).unwrap();
    let properties = &learnt["events"]["view"]["schema"]["properties"]["properties"]["properties"];
    assert_eq!(properties["channel"], json!({"type": "string", "enum": ["app", "web"]}));
    assert_eq!(
        printed(&server.run(&["--json", "plan", "import", &file("learnt.json")])),
        json!({"changed": ["view"], "removed": []})
    );
    assert_eq!(
        printed(&server.run(&["--json", "plan", "import", &file("learnt.json")])),
        json!({"changed": [], "removed": []})
    );
    assert!(server.run(&["plan", "export", &file("again.json")]).status.success());
    let again: Json = serde_json::from_str(&std::fs::read_to_string(file("again.json")).unwrap()).unwrap();
    assert_eq!((&again["events"], &again["unplanned"]), (&learnt["events"], &json!("warn")));
    let checked = printed(&server.run(&["--json", "plan", "check"]));
    assert_eq!(
        checked,
        json!([{"event_type": "view", "planned": true, "checked": 150, "differing": 0, "violations": []}])
    );
    server.accept(&json!({"event_type": "view", "customer_id": "C1", "price": "x", "channel": "fax"}));
    server.settle();
    let output = server.run(&["--json", "plan", "check", &file("learnt.json")]);
    assert_eq!(output.status.code(), Some(1), "what differs fails the check");
    let checked: Json = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&checked[0]["differing"], checked[0]["violations"].as_array().unwrap().len()),
        (&json!(1), 2)
    );
    let shown = printed(&server.run(&["plan", "show", "view"]));
    assert_eq!((&shown["version"], &shown["description"]), (&json!(1), &json!("learnt from 150 events")));
    let listed = printed(&server.run(&["--json", "plan", "list"]));
    assert_eq!((&listed[0]["event_type"], &listed[0]["events_30d"]), (&json!("view"), &json!(151)));
    std::fs::write(file("empty.json"), "{}").unwrap();
    assert_eq!(
        printed(&server.run(&["--json", "plan", "import", &file("empty.json")])),
        json!({"changed": [], "removed": ["view"]})
    );
}

#[test]
fn the_plan_outlives_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::on(&folder.path().join("data"), &[]);
    server.put("/api/plan/purchase", &json!({"schema": schema(), "mode": "strict"})).expect(201);
    server.kill();
    let server = Server::on(&folder.path().join("data"), &[]);
    assert_eq!(server.events(&purchase("s1", json!("free")).to_string()).expect(202)["quarantined"], 1);
}

#[test]
fn each_stage_of_an_events_way_can_be_seen() {
    let server = Server::start();
    let mended = json!({"event_id": "d1", "event_type": "identify", "customer_id": "C1", "timestamp": 1_714_228_500,
        "traits": {"email": "Jane@EXAMPLE.com"}});
    server.accept(&mended);
    server.events(&json!([mended, {"event_type": "view"}]).to_string()).expect(202);
    let late = json!({"event_id": "d2", "event_type": "view", "customer_id": "C1", "timestamp": "2024-04-27T10:00:00Z", "sent_at": "2024-04-27T10:00:01Z"});
    server.accept(&late);
    let told = server.get("/api/debug/events?source=default").expect(200);
    let outcomes: Vec<&str> =
        told["events"].as_array().unwrap().iter().map(|e| e["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["accepted", "quarantined", "duplicate", "accepted"], "newest first: {told}");
    let stages = |place: usize| -> Vec<&str> {
        told["events"][place]["stages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| s["stage"].as_str().unwrap())
            .collect()
    };
    assert_eq!(stages(0), ["received", "corrected", "normalised", "accepted"]);
    assert_eq!(stages(1), ["received", "quarantined"]);
    assert_eq!(stages(3), ["received", "normalised", "accepted"]);
    let first = &told["events"][3];
    let changes = first["stages"][1]["changes"].as_array().unwrap();
    assert_eq!(
        (&changes[1]["from"], &changes[1]["to"], &changes[1]["rule"]),
        (&json!("Jane@EXAMPLE.com"), &json!("Jane@example.com"), &json!("email"))
    );
    let raw: Json = serde_json::from_str(first["raw"].as_str().unwrap()).unwrap();
    assert_eq!(raw, mended);
    let times: Vec<u64> =
        first["stages"].as_array().unwrap().iter().map(|s| s["after_us"].as_u64().unwrap()).collect();
    assert!(times.is_sorted() && times[2] > 0, "{times:?}");
    assert_eq!(told["events"][1]["problems"][0]["code"], "missing_identity");
    assert_eq!(server.get("/api/debug/events?source=other").expect(200)["events"], json!([]));
    assert_eq!(printed(&server.run(&["--json", "debug", "--limit", "2"])).as_array().unwrap().len(), 2);
    // The raw value is in the timeline too.
    let seen = eventually("both are worked on", || {
        let seen = server.get("/api/profiles/C1/timeline");
        (seen.status == 200 && seen.json()["total"] == 2).then(|| seen.json())
    });
    let identify = seen["events"].as_array().unwrap().iter().find(|e| e["event_type"] == "identify").unwrap();
    assert_eq!(identify["changes"][1]["from"], "Jane@EXAMPLE.com");
    assert_eq!(identify["context"], json!({}));
}

#[test]
fn a_busy_source_is_followed_by_samples() {
    let server = Server::start();
    let many: Json =
        (0..5_000).map(|n| json!({"event_type": "view", "customer_id": format!("C{n}")})).collect();
    server.accept(&many);
    let told = server.get("/api/debug/events?limit=200").expect(200);
    let count = told["events"].as_array().unwrap().len();
    assert!((50..=100).contains(&count), "{count}");
}
