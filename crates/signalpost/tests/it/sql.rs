//! SQL over everything: fresh, in several formats, and with errors that help.

use serde_json::{Value as Json, json};

use crate::support::{ADMIN, Server, WRITE, now, within};

#[test]
fn an_event_is_in_reach_within_a_second() {
    let server = Server::with(&[("SIGNALPOST_LAKE_COMMIT_SECONDS", "3600")]);
    server.sql("SELECT count(*) FROM events");
    for number in 0..5 {
        let id = format!("fresh-{number}");
        server.accept(&json!({"event_id": id, "event_type": "view", "customer_id": "C1"}));
        let since = now();
        let query = format!("SELECT event_id FROM events WHERE event_id = '{id}'");
        within(std::time::Duration::from_secs(5), "it is there", || {
            (server.sql(&query).len() == 1).then_some(())
        });
        eprintln!("in reach of SQL {} after its 202", now() - since);
        assert!((now() - since).as_micros() < 1_000_000, "{}", now() - since);
    }
}

#[test]
fn rows_come_as_json_csv_parquet_arrow_and_text() {
    let server = Server::start();
    server.accept(&json!([
        {"event_id": "e1", "event_type": "view", "customer_id": "C1", "properties": {"price": 12.5}},
        {"event_id": "e2", "event_type": "buy", "customer_id": "C, \"2\""},
    ]));
    server.settle();
    let query = "SELECT event_id, customer_id, timestamp FROM events ORDER BY event_id";
    let body = json!({"sql": query}).to_string();
    let ask = |accept: &str| {
        let answer = server.ask(ADMIN, "POST", "/api/sql", &[("Accept", accept)], body.as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer
    };
    crate::support::eventually("both are in reach", || (server.sql(query).len() == 2).then_some(()));
    let rows = ask("application/json").json();
    let names: Vec<&Json> =
        rows["columns"].as_array().unwrap().iter().map(|column| &column["name"]).collect();
    assert_eq!(names, ["event_id", "customer_id", "timestamp"]);
    assert_eq!(rows["rows"][1]["customer_id"], "C, \"2\"");
    let csv = ask("text/csv").text();
    assert!(csv.starts_with("event_id,customer_id,timestamp\r\n"), "{csv}");
    assert!(csv.contains("e2,\"C, \"\"2\"\"\","), "{csv}");
    let parquet = ask("application/vnd.apache.parquet");
    assert_eq!((&parquet.body[..4], &parquet.body[parquet.body.len() - 4..]), (&b"PAR1"[..], &b"PAR1"[..]));
    let arrow = ask("application/vnd.apache.arrow.stream");
    assert_eq!(arrow.body[..4], [0xff; 4]);
    assert!(ask("text/plain").text().contains("e1"));
    let command = server.run(&["sql", "SELECT count(*) AS n FROM events", "--output", "csv"]);
    assert_eq!(String::from_utf8_lossy(&command.stdout), "n\r\n2\r\n");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rows.parquet");
    let command = server.run(&["sql", query, "--output", "parquet", "--to", file.to_str().unwrap()]);
    assert!(command.status.success(), "{command:?}");
    assert!(std::fs::read(&file).unwrap().starts_with(b"PAR1"));
    let command = server.run(&["--json", "sql", "SELECT event_type FROM events ORDER BY 1"]);
    let rows: Json = serde_json::from_slice(&command.stdout).unwrap();
    assert_eq!(rows, json!([{"event_type": "buy"}, {"event_type": "view"}]));
    let command = server.run(&["sql", "SELECT event_type FROM events ORDER BY 1"]);
    assert!(String::from_utf8_lossy(&command.stdout).contains("event_type"), "{command:?}");
}

#[test]
fn all_tables_are_there_and_none_can_be_written() {
    let server = Server::start();
    for table in ["events", "customer_data", "segments", "memberships", "deliveries", "catalog", "quarantine"]
    {
        assert_eq!(server.cell(&format!("SELECT count(*) FROM {table}")), 0, "{table}");
    }
    for query in [
        "DROP TABLE events",
        "DELETE FROM events",
        "INSERT INTO catalog VALUES (1)",
        "CREATE TABLE t (a INT)",
        "COPY events TO '/tmp/x.csv'",
        "CREATE EXTERNAL TABLE p STORED AS CSV LOCATION '/etc/passwd'",
        "SELECT 1; SELECT 2",
    ] {
        server.post("/api/sql", &json!({"sql": query})).problem(422, "sql");
    }
    server.post("/api/sql", &json!({"sql": "SELECT * FROM '/etc/passwd'"})).problem(422, "sql");
    server.ask(WRITE, "POST", "/api/sql", &[], br#"{"sql": "SELECT 1"}"#).problem(403, "scope");
}

#[test]
fn a_query_that_cannot_run_says_where_and_why() {
    let server = Server::start();
    server.accept(&json!({"event_type": "view", "customer_id": "C1"}));
    let problem =
        server.post("/api/sql", &json!({"sql": "SELECT event_typ\nFROM events"})).problem(422, "sql");
    assert!(problem["detail"].as_str().unwrap().contains("event_typ"), "{problem}");
    assert_eq!((&problem["line"], &problem["column"]), (&json!(1), &json!(8)), "{problem}");
    assert!(problem["hint"].as_str().is_some_and(|hint| hint.contains("event_type")), "{problem}");
    let problem = server.post("/api/sql", &json!({"sql": "SELECT *\nFROM event"})).problem(422, "sql");
    assert!(problem["hint"].as_str().is_some_and(|hint| hint.contains("events")), "{problem}");
    server.post("/api/sql", &json!({"sql": "SELEC 1"})).problem(422, "sql");
    server.post("/api/sql", &json!({"sql": ""})).problem(422, "sql");
    server.post("/api/sql", &json!({"query": "SELECT 1"})).problem(422, "invalid");
    let command = server.run(&["sql", "SELECT nothing FROM events"]);
    assert_eq!(command.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&command.stderr).contains("nothing"), "{command:?}");
}
