//! Nothing refused is lost: it is kept with its reason, mended and replayed.

use serde_json::{Value as Json, json};
use signalpost::clock::Clock;
use signalpost::log::embedded::{EmbeddedLog, Settings};
use signalpost::log::{Group, Log, Quarantined};
use signalpost_core::time::Span;

use crate::support::{Server, WRITE, eventually};

const BOT: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";

fn total(server: &Server) -> Json {
    server.get("/api/quarantine").expect(200)["total"].clone()
}

#[test]
fn what_was_refused_is_seen_replayed_and_dropped() {
    let server = Server::start();
    server.put("/api/sources/default", &json!({"mark_bots": false})).expect(201);
    let day =
        json!({"event_id": "q1", "event_type": "view", "customer_id": "C1", "timestamp": "04/05/2024 10:00"});
    let answer = server
        .events(&json!([day, {"event_type": "view"}, {"event_type": 7, "customer_id": "C1"}]).to_string())
        .expect(202);
    assert_eq!(answer["quarantined"], 3);
    let bot = json!({"event_id": "b1", "event_type": "view", "customer_id": "C2"}).to_string();
    let answer = server.ask(WRITE, "POST", "/api/events", &[("User-Agent", BOT)], bot.as_bytes()).expect(202);
    assert_eq!((&answer["accepted"], &answer["errors"][0]["code"]), (&json!(0), &json!("bot")));
    let listed = server.get("/api/quarantine?reason=ambiguous_timestamp").expect(200);
    assert_eq!(
        (&listed["total"], listed["quarantined"].as_array().unwrap().len()),
        (&json!(4), 1),
        "{listed}"
    );
    let held = &listed["quarantined"][0];
    let raw: Json = serde_json::from_str(held["raw"].as_str().unwrap()).unwrap();
    assert_eq!((&raw, &held["field"], &held["source"]), (&day, &json!("timestamp"), &json!("default")));
    assert_eq!(server.cell("SELECT count(*) FROM quarantine WHERE code = 'bot'"), 1);

    let replay = |body: &Json| server.post("/api/quarantine/replay", body).expect(200);
    assert_eq!(
        replay(&json!({"reason": "ambiguous_timestamp"})),
        json!({"accepted": 0, "duplicates": 0, "refused": 1})
    );
    assert_eq!(total(&server), 4, "what is refused again stays");
    assert!(matches!(
        server.put("/api/sources/default", &json!({"date_order": "day_first", "mark_bots": false})).status,
        200 | 201
    ));
    assert_eq!(
        replay(&json!({"reason": "ambiguous_timestamp"})),
        json!({"accepted": 1, "duplicates": 0, "refused": 0})
    );
    assert_eq!(
        replay(&json!({"reason": "bot", "keep_bots": true})),
        json!({"accepted": 1, "duplicates": 0, "refused": 0})
    );
    assert_eq!(total(&server), 2);
    let rows = eventually("both are in SQL's reach", || {
        let rows =
            server.sql("SELECT event_id, CAST(timestamp AS VARCHAR) AS at FROM events ORDER BY event_id");
        (rows.len() == 2).then_some(rows)
    });
    assert!(rows[1]["at"].as_str().unwrap().starts_with("2024-05-04T10:00:00"), "{rows:?}");

    server.post("/api/quarantine/drop", &json!({})).problem(422, "invalid");
    let listed = server.run(&["--json", "quarantine", "list"]);
    let listed: Json = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed}");
    let first = listed[0]["id"].to_string();
    assert!(server.run(&["quarantine", "drop", &first]).status.success());
    assert_eq!(total(&server), 1);
    assert_eq!(server.post("/api/quarantine/drop", &json!({"all": true})).expect(200), json!({"dropped": 1}));
    assert_eq!(total(&server), 0);
    assert_eq!(server.cell("SELECT count(*) FROM quarantine"), 0);
}

#[test]
fn a_source_decides_how_its_events_are_cleaned() {
    let server = Server::start();
    server.put("/api/sources/shop", &json!({"date_ordr": "day_first"})).problem(422, "invalid");
    server
        .put("/api/sources/shop", &json!({"date_order": "month_first", "time_zone": "America/New_York"}))
        .expect(201);
    let made = server
        .post("/api/keys", &json!({"label": "shop", "scopes": ["events:write"], "source": "shop"}))
        .expect(201);
    let key = made["key"].as_str().unwrap();
    let body =
        json!({"event_id": "s1", "event_type": "view", "customer_id": "C1", "timestamp": "04/05/2024 10:00"})
            .to_string();
    assert_eq!(server.ask(key, "POST", "/api/events", &[], body.as_bytes()).expect(202)["accepted"], 1);
    let row = eventually("it is in SQL's reach", || {
        server.sql("SELECT source, CAST(timestamp AS VARCHAR) AS at FROM events").into_iter().next()
    });
    assert_eq!(row["source"], "shop");
    assert!(row["at"].as_str().unwrap().starts_with("2024-04-05T14:00:00"), "{row}");
}

#[test]
fn what_was_refused_is_kept_for_the_time_that_is_set() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let refused = |days: i64| Quarantined {
        received_at: Clock::system().now() - Span::DAY.times(days),
        source: "default".into(),
        code: "missing_field".into(),
        field: "event_type".into(),
        message: days.to_string().into(),
        raw: "{}".into(),
        user_agent: "".into(),
    };
    let held = Group { quarantined: [95, 91, 40, 0].map(refused).into(), ..Group::default() };
    EmbeddedLog::open(&data.join("log"), &Settings::default()).unwrap().append(held).unwrap();
    let left = |settings: &[(&str, &str)], wanted: &[&str]| {
        let server = Server::on(&data, settings);
        eventually("the older ones go", || {
            let listed = server.get("/api/quarantine").expect(200);
            let left: Vec<&str> = listed["quarantined"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| row["message"].as_str().unwrap())
                .collect();
            (left == wanted).then_some(())
        });
    };
    left(&[], &["95", "91", "40", "0"]);
    left(&[("SIGNALPOST_QUARANTINE_DAYS", "90")], &["40", "0"]);
    left(&[("SIGNALPOST_QUARANTINE_DAYS", "30")], &["0"]);
}
