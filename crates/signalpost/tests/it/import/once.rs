//! Every row once: over kills, over repeats, and with years of history.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value as Json, json};

use super::{Files, counts, import, imported, text};
use crate::deliver::campaign;
use crate::support::{ADMIN, PROGRAM, Server, command, pause};

/// Many events, a few of them broken, in two files.
fn many(files: &Files) -> (Vec<String>, u64, u64) {
    let (mut accepted, mut quarantined) = (0, 0);
    let mut names = Vec::new();
    for part in 0..2 {
        let mut rows = "event_type,customer_id,timestamp,n\n".to_owned();
        for number in 0..40_000 {
            match number % 1_000 {
                998 => rows.push_str("view,only two\n"),
                999 => rows.push_str(&format!("view,,2020-01-01,{part}-{number}\n")),
                _ => rows.push_str(&format!("view,C{},2020-01-01T00:00:00Z,{part}-{number}\n", number % 100)),
            }
            if number % 1_000 < 998 { accepted += 1 } else { quarantined += 1 }
        }
        names.push(files.put(&format!("part{part}.csv"), rows));
    }
    (names, accepted, quarantined)
}

/// When imports are killed, in milliseconds: a fast machine is through before
/// the last, a slow one has hardly begun at the first.
const PATIENCE: [u64; 6] = [60, 120, 240, 480, 960, 1_600];

/// Kills imports, then lets one come to its end; how many were really killed.
fn kill_some(mut start: impl FnMut() -> Command, patience: &[u64]) -> usize {
    let mut killed = 0;
    for milliseconds in patience {
        let mut child = start().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        pause(*milliseconds);
        let ended = child.try_wait().unwrap().is_some();
        child.kill().unwrap();
        child.wait().unwrap();
        killed += usize::from(!ended);
    }
    killed
}

#[test]
fn a_killed_import_goes_on_and_every_row_is_there_once() {
    let server = Server::start();
    let files = Files::new();
    let (names, accepted, quarantined) = many(&files);
    let start = || {
        let mut command = Command::new(PROGRAM);
        command.arg("import").args(&names).env("SIGNALPOST_URL", server.url()).env("SIGNALPOST_KEY", ADMIN);
        command
    };
    assert!(kill_some(start, &PATIENCE) > 0, "none was under way when it was to be killed");
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let report = import(&server, &names);
    let all: u64 = counts(&report).iter().sum();
    assert_eq!(all, accepted + quarantined, "{report}");
    server.settle();
    assert_eq!(server.cell("SELECT count(*) FROM events"), accepted);
    assert_eq!(server.get("/api/quarantine?limit=1").expect(200)["total"], quarantined);
    assert_eq!(counts(&import(&server, &names)), [0, 0, 0, accepted + quarantined]);
    let listed = server.get("/api/imports").expect(200);
    let complete = listed["imports"].as_array().unwrap().iter().filter(|import| import["complete"] == true);
    assert_eq!(complete.count(), 2, "{listed}");
}

#[test]
fn without_a_server_the_folder_is_imported_into_also_over_kills() {
    let mut server = Server::start();
    let data = server.data.clone();
    server.settle();
    server.stop();
    let files = Files::new();
    let (names, accepted, quarantined) = many(&files);
    let start = || {
        let mut command = command(&data);
        command.arg("import").args(&names);
        command
    };
    assert!(kill_some(start, &PATIENCE) > 0, "none was under way when it was to be killed");
    let output = command(&data).args(["--json", "import"]).args(&names).output().unwrap();
    let report = imported(&output);
    assert_eq!(counts(&report).iter().sum::<u64>(), accepted + quarantined, "{report}");
    let again = Server::on(&data, &[]);
    again.settle();
    assert_eq!(again.cell("SELECT count(*) FROM events"), accepted);
    assert_eq!(again.get("/api/quarantine?limit=1").expect(200)["total"], quarantined);
    drop(again);
}

#[test]
fn what_was_imported_begins_no_message() {
    let server = Server::start();
    let files = Files::new();
    server.define("Buyers", "IF event_type = 'purchase' THEN assign to 'Buyers'");
    server.define("carts", "AFTER add_to_cart WITHOUT purchase WITHIN 1 hour EMIT cart_abandonment");
    for (name, trigger) in [
        ("entered", json!({"on": "enter", "segment": "Buyers"})),
        ("bought", json!({"on": "event", "event_type": "purchase"})),
        ("left", json!({"on": "event", "event_type": "cart_abandonment"})),
    ] {
        campaign(&server, name, &json!({"kind": "inbox"}), &trigger, &json!({}));
    }
    let history = "event_type,customer_id,timestamp,traits.email\n\
        purchase,C1,2010-12-01T08:26:00Z,c1@example.com\nadd_to_cart,C2,2010-12-01T08:26:00Z,c2@example.com\n";
    assert_eq!(counts(&import(&server, &[&files.put("history.csv", history)])), [2, 0, 0, 0]);
    server.await_members("Buyers", &["C1"]);
    server.settle();
    assert_eq!(server.cell("SELECT count(*) FROM events WHERE event_type = 'cart_abandonment'"), 1);
    assert_eq!(server.get("/api/deliveries").expect(200)["deliveries"], json!([]));
    server.accept(&json!([{"event_type": "purchase", "customer_id": "C2"}]));
    server.settle();
    let deliveries = server.get("/api/deliveries").expect(200);
    assert_eq!(deliveries["deliveries"].as_array().unwrap().len(), 2, "life goes on: {deliveries}");
}

#[test]
fn a_request_sent_again_under_its_key_is_taken_once() {
    let server = Server::start();
    let body = br#"[{"event_type": "view", "customer_id": "C1"}, {"event_type": "view"}]"#;
    let send =
        |key: &str| server.ask(ADMIN, "POST", "/api/events", &[("Idempotency-Key", key)], body).expect(202);
    let told =
        |answer: Json| ["accepted", "duplicates", "quarantined"].map(|name| answer[name].as_u64().unwrap());
    assert_eq!(told(send("one")), [1, 0, 1]);
    assert_eq!(told(send("one")), [0, 2, 0]);
    assert_eq!(told(send("two"))[2], 1);
    server
        .ask(ADMIN, "POST", "/api/events", &[("Idempotency-Key", &"k".repeat(256))], body)
        .problem(422, "invalid");
}

/// The data folder beside the project, or a loud word that it is not there.
fn online_retail() -> Option<PathBuf> {
    let shared = std::env::var("SIGNALPOST_SHARED")
        .map_or_else(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let folder = shared.join("data/online-retail");
    if !folder.join("events.ndjson.gz").is_file() {
        eprintln!(
            "SKIPPED: {} is not there; set SIGNALPOST_SHARED to the folder that holds data/",
            folder.display()
        );
        return None;
    }
    Some(folder)
}

#[test]
fn years_of_history_give_the_answers_that_were_worked_out_elsewhere() {
    let Some(folder) = online_retail() else { return };
    let server = Server::start();
    let file = folder.join("events.ndjson.gz").display().to_string();
    let report = import(&server, &[&file, "--guest", "order_id"]);
    assert_eq!(counts(&report), [541_909, 0, 0, 0]);
    crate::support::within(std::time::Duration::from_secs(300), "everything is worked on", || {
        (server.get("/api/stats").expect(200)["settled"] == true).then_some(())
    });
    let expected = |file: &str| {
        let text = std::fs::read_to_string(folder.join("expected").join(file)).unwrap();
        text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let rows = |sql: &str| {
        let output = server.run(&["sql", sql, "-o", "csv"]);
        text(&output.stdout).lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let types = rows(
        "SELECT event_type, count(*), count(customer_id), count(*) - count(customer_id), count(DISTINCT customer_id) \
         FROM events GROUP BY 1 ORDER BY 1",
    );
    assert_eq!(types, expected("e1_events_by_type.csv"));
    server.define(
        "Bought lately",
        "IF event_type = 'purchase' AND event_time >= now() - 24 hours THEN assign to 'Bought lately'",
    );
    for instant in ["2010-12-23 12:00:00", "2011-06-15 00:00:00", "2011-11-14 18:30:00"] {
        let wanted: Vec<String> = expected("e3_purchased_last_24h.csv")
            .iter()
            .filter_map(|row| Some(row.strip_prefix(instant)?.split(',').nth(1)?.to_owned()))
            .collect();
        let at = format!("{}Z", instant.replace(' ', "T"));
        let answer =
            server.get(&format!("/api/segments/Bought%20lately/members?limit=10000&at={at}")).expect(200);
        let mut members: Vec<String> = answer["members"]
            .as_array()
            .unwrap()
            .iter()
            .map(|member| member["customer_id"].as_str().unwrap().to_owned())
            .collect();
        members.sort();
        assert_eq!(members, wanted);
        assert!(!members.is_empty());
    }
    let verified = server.run(&["segment", "verify"]);
    assert!(verified.status.success(), "{}", text(&verified.stdout));
}
