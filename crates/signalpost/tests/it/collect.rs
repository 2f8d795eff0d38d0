//! Events come in: the forms they come in, and what becomes of bodies no
//! program should have sent.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use signalpost_core::time::Span;

use crate::http::{exchange, read_answer};
use crate::support::{ADMIN, Server, WRITE, eventually, now};

fn view(id: &str) -> Json {
    json!({"event_id": id, "event_type": "product_view", "customer_id": "C1", "product_id": "A1X2"})
}

fn counts(answer: &Json) -> (u64, u64, u64) {
    let count = |name: &str| answer[name].as_u64().unwrap_or_else(|| panic!("no {name} in {answer}"));
    (count("accepted"), count("duplicates"), count("quarantined"))
}

#[test]
fn events_come_singly_in_lists_and_in_batches() {
    let server = Server::start();
    // The mission's own example, word for word.
    let example = r#"{
  "event_type": "product_view",
  "customer_id": "C123",
  "product_id": "A1X2",
  "timestamp": "2024-04-27T14:35:00Z"
}"#;
    let first = server.events(example);
    assert_eq!(first.header("content-type"), "application/json");
    assert_eq!(first.expect(202), json!({"accepted": 1, "duplicates": 0, "quarantined": 0, "errors": []}));
    let list = json!([view("e1"), view("e2")]).to_string();
    assert_eq!(counts(&server.events(&list).expect(202)), (2, 0, 0));
    let batch = json!({"batch": [view("e2"), view("e3"), view("e3")]}).to_string();
    assert_eq!(counts(&server.events(&batch).expect(202)), (1, 2, 0));
    assert_eq!(counts(&server.events("[]").expect(202)), (0, 0, 0));
    let rows = eventually("four events are in SQL's reach", || {
        let rows = server.sql("SELECT event_id, customer_id, product_id, CAST(timestamp AS VARCHAR) AS at FROM events ORDER BY event_id");
        (rows.len() == 4).then_some(rows)
    });
    let shown = rows.iter().find(|row| row["customer_id"] == "C123").unwrap();
    assert_eq!(shown["product_id"], "A1X2");
    assert!(shown["at"].as_str().unwrap().starts_with("2024-04-27T14:35:00"), "{shown}");
}

#[test]
fn bodies_come_compressed() {
    let server = Server::start();
    let body = |number: u32| {
        json!([view(&format!("a{number}")), view(&format!("b{number}"))]).to_string().into_bytes()
    };
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&body(1)).unwrap();
    let mut brotli = Vec::new();
    brotli::BrotliCompress(
        &mut body(2).as_slice(),
        &mut brotli,
        &brotli::enc::BrotliEncoderParams::default(),
    )
    .unwrap();
    let zstd = zstd::stream::encode_all(body(3).as_slice(), 3).unwrap();
    let send = |encoding: &str, bytes: &[u8]| {
        server.ask(WRITE, "POST", "/api/events", &[("Content-Encoding", encoding)], bytes)
    };
    let gzip = gzip.finish().unwrap();
    for (encoding, bytes) in [("gzip", &gzip), ("br", &brotli), ("zstd", &zstd)] {
        assert_eq!(counts(&send(encoding, bytes).expect(202)), (2, 0, 0), "{encoding}");
    }
    send("compress", &gzip).problem(415, "unknown_encoding");
    for encoding in ["gzip", "br", "zstd"] {
        send(encoding, b"this is none of them").problem(400, "bad_encoding");
    }
    send("gzip", &gzip[..gzip.len() / 2]).problem(400, "bad_encoding");
}

#[test]
fn only_keys_that_may_write_may_write() {
    let server = Server::start();
    let body = view("e1").to_string();
    let nobody = exchange(server.address, "POST", "/api/events", &[], body.as_bytes()).unwrap();
    nobody.problem(401, "no_key");
    assert!(nobody.header("www-authenticate").starts_with("Bearer"));
    server.ask("guess", "POST", "/api/events", &[], body.as_bytes()).problem(401, "wrong_key");
    let problem = server.ask(WRITE, "GET", "/api/segments", &[], b"").problem(403, "scope");
    assert_eq!(problem["scope"], "segments:read");
    let made = server.post("/api/keys", &json!({"label": "reader", "scopes": ["segments:read"]})).expect(201);
    let reader = made["key"].as_str().unwrap();
    server.ask(reader, "POST", "/api/events", &[], body.as_bytes()).problem(403, "scope");
    let by_header =
        exchange(server.address, "POST", "/api/events", &[("X-Api-Key", WRITE)], body.as_bytes()).unwrap();
    assert_eq!(counts(&by_header.expect(202)), (1, 0, 0));
    server.ask(ADMIN, "POST", "/api/events", &[], body.as_bytes()).expect(202);
}

#[test]
fn a_wrong_event_harms_no_neighbour() {
    let server = Server::start();
    let later = now() + Span::DAY.times(10);
    let body = json!([
        view("e1"),
        {"customer_id": "C1"},
        view("e2"),
        {"event_type": "view"},
        {"event_type": "view", "customer_id": "C1", "timestamp": "04/05/2024"},
        {"event_type": "view", "customer_id": "C1", "timestamp": "1969-07-20T20:17:00Z"},
        {"event_type": "view", "customer_id": "C1", "timestamp": later.to_string()},
        17,
        view("e3"),
    ]);
    let answer = server.events(&body.to_string()).expect(202);
    assert_eq!(counts(&answer), (3, 0, 6));
    let errors: Vec<(u64, &str, &str)> = answer["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| (e["index"].as_u64().unwrap(), e["code"].as_str().unwrap(), e["field"].as_str().unwrap()))
        .collect();
    let wanted = [
        (1, "missing_field", "event_type"),
        (3, "missing_identity", "customer_id"),
        (4, "ambiguous_timestamp", "timestamp"),
        (5, "timestamp_too_old", "timestamp"),
        (6, "timestamp_in_future", "timestamp"),
        (7, "not_an_object", ""),
    ];
    assert_eq!(errors, wanted);
    assert!(answer["errors"].as_array().unwrap().iter().all(|e| !e["message"].as_str().unwrap().is_empty()));
    let held = server.get("/api/quarantine").expect(200);
    assert_eq!(held["total"], 6);
    assert_eq!(held["quarantined"][3]["raw"].as_str().unwrap().matches("1969").count(), 1);
}

#[test]
fn what_cannot_be_read_is_refused_with_its_place() {
    let server = Server::start();
    let problem =
        server.events("[{\"event_type\": \"view\",\n  \"customer_id\": C1}]").problem(400, "not_json");
    assert_eq!((&problem["line"], &problem["column"]), (&json!(2), &json!(18)), "{problem}");
    for body in ["", "{", "[1,", "{\"event_type\":\"view\"", "\u{0}", "nonsense", "[}", "\"text\" 1"] {
        server.events(body).problem(400, "not_json");
    }
    let deep = format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
    let bomb = format!(
        "[{},{{\"event_type\":\"x\",\"customer_id\":\"C1\",\"properties\":{deep}}},{}]",
        view("e1"),
        view("e2")
    );
    let answer = server.events(&bomb).expect(202);
    assert_eq!((counts(&answer), &answer["errors"][0]["code"]), ((2, 0, 1), &json!("too_large")));
    let deep = format!("{}1{}", "[".repeat(1_000), "]".repeat(1_000));
    let bomb = format!(
        "[{},{{\"event_type\":\"x\",\"customer_id\":\"C1\",\"properties\":{{\"a\":{deep}}}}},{}]",
        view("e3"),
        view("e4")
    );
    let answer = server.events(&bomb).expect(202);
    assert_eq!((counts(&answer), &answer["errors"][0]["code"]), ((2, 0, 1), &json!("too_deep")));
    server.events(&"[".repeat(1_000_000)).problem(400, "not_json");
    let broken = b"[{\"event_id\":\"u1\",\"event_type\":\"view\",\"customer_id\":\"C1\",\"properties\":{\"name\":\"caf\xe9 \xff\"}},{\"event_id\":\"u2\",\"event_type\":\"view\",\"customer_id\":\"C1\",\"properties\":{\"name\":\"\\ud83d\"}}]";
    let answer = server.ask(WRITE, "POST", "/api/events", &[], broken).expect(202);
    assert_eq!(counts(&answer), (2, 0, 0), "{answer}");
    server.get("/healthz").expect(200);
}

#[test]
fn bodies_too_large_are_refused_and_told_so() {
    let server = Server::start();
    let large = format!("[{}]", vec![view("e1").to_string(); 130_000].join(","));
    assert!(large.len() > 10_000_000);
    let problem = server.events(&large).problem(413, "too_large");
    assert_eq!(problem["limit_bytes"], 8 << 20);
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let zeros = vec![b' '; 1 << 20];
    for _ in 0..200 {
        bomb.write_all(&zeros).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    server
        .ask(WRITE, "POST", "/api/events", &[("Content-Encoding", "gzip")], &bomb)
        .problem(413, "too_large");
    let many = format!("[{}]", vec!["1"; 10_001].join(","));
    let problem = server.events(&many).problem(413, "too_many_events");
    assert_eq!(problem["limit_events"], 10_000);
    server.get("/readyz").expect(200);
    assert_eq!(server.get("/api/quarantine").expect(200)["total"], 0);
}

/// The time until a connection on which this was sent, and no more, is closed,
/// and the status of the answer, when there was one.
fn time_to_close(address: SocketAddr, sent: &str) -> (Duration, Option<u16>) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(12))).unwrap();
    stream.write_all(sent.as_bytes()).unwrap();
    let started = Instant::now();
    let answer = read_answer(stream.try_clone().unwrap());
    drop(stream.read(&mut [0; 1]));
    (started.elapsed(), answer.ok().map(|answer| answer.status))
}

#[test]
fn half_sent_requests_are_closed_in_time() {
    let server = Server::with(&[("SIGNALPOST_REQUEST_SECONDS_MAX", "2")]);
    let head = format!("POST /api/events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {WRITE}\r\n");
    let body = format!("{head}Content-Length: 100\r\n\r\n{{\"event");
    let cases = ["", "P", "PRI * HTTP/2", "GET / HT", head.as_str(), body.as_str()];
    let address = server.address;
    std::thread::scope(|scope| {
        let waits: Vec<_> =
            cases.iter().map(|sent| (sent, scope.spawn(move || time_to_close(address, sent)))).collect();
        for (sent, wait) in waits {
            let (time, status) = wait.join().unwrap();
            assert!(time < Duration::from_secs(8), "{sent:?} was held for {time:?}");
            assert!(status.is_none_or(|status| status == 408), "{sent:?}: {status:?}");
        }
    });
    server.get("/healthz").expect(200);
}

#[test]
fn a_pixel_takes_an_event() {
    let server = Server::start();
    let path =
        format!("/p.gif?key={WRITE}&event_type=email_open&customer_id=C7&campaign=Cart%20mail&event_id=p1");
    for path in [path.as_str(), "/p.gif?key=wrong&event_type=x&customer_id=C7", "/p.gif"] {
        let answer = exchange(server.address, "GET", path, &[], b"").unwrap();
        assert_eq!((answer.status, answer.header("content-type")), (200, "image/gif"));
        assert!(answer.header("cache-control").contains("no-store"));
        assert_eq!((answer.body.len(), &answer.body[..6]), (43, &b"GIF89a"[..]));
    }
    let row = eventually("the pixel's event is in SQL's reach", || {
        server.sql("SELECT event_id, event_type, customer_id, properties FROM events").into_iter().next()
    });
    assert_eq!((&row["event_type"], &row["customer_id"]), (&json!("email_open"), &json!("C7")));
    assert!(row["properties"].to_string().contains("Cart mail"), "{row}");
    assert_eq!(server.cell("SELECT count(*) FROM events"), 1);
}

#[test]
fn whoever_runs_it_can_look_in() {
    let server = Server::start();
    server.accept(&json!([view("e1"), view("e2")]));
    server.events(&json!([view("e2"), {"event_type": "view"}]).to_string()).expect(202);
    let open = |path: &str| exchange(server.address, "GET", path, &[], b"").unwrap();
    assert_eq!(open("/healthz").expect(200), json!({"status": "ok"}));
    assert_eq!(open("/readyz").expect(200)["status"], "ready");
    let metrics = open("/metrics");
    assert_eq!(metrics.header("content-type"), "text/plain; version=0.0.4");
    for line in [
        "signalpost_collect_received_events_total 4",
        "signalpost_collect_accepted_events_total 2",
        "signalpost_clean_duplicate_events_total 1",
        "signalpost_clean_quarantined_events_total 1",
        "# TYPE signalpost_log_lag_records gauge",
    ] {
        assert!(metrics.text().lines().any(|held| held == line), "no {line:?} in\n{}", metrics.text());
    }
    let described = open("/api/openapi.json").expect(200);
    assert!(described["paths"]["/api/events"]["post"]["responses"]["202"].is_object());
    let printed = server.run(&["openapi"]);
    assert_eq!(serde_json::from_slice::<Json>(&printed.stdout).unwrap(), described);
    assert!(open("/").text().contains("<html"));
    open("/nowhere").problem(404, "not_found");
    server.ask(ADMIN, "DELETE", "/api/events", &[], b"").problem(405, "method");
    server.get("/api/catalog?limit=many").problem(400, "bad_request");
}

#[test]
fn http_2_without_tls_is_spoken_too() {
    let server = Server::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = reqwest::Client::builder().http2_prior_knowledge().no_proxy().build().unwrap();
        let sends = (0..50).map(|number| {
            let body = view(&format!("h{number}")).to_string();
            client.post(format!("{}/api/events", server.url())).bearer_auth(WRITE).body(body).send()
        });
        for answer in futures::future::join_all(sends).await {
            let answer = answer.unwrap();
            assert_eq!((answer.status().as_u16(), answer.version()), (202, reqwest::Version::HTTP_2));
        }
    });
    server.settle();
    eventually("all are there", || (server.cell("SELECT count(*) FROM events") == 50).then_some(()));
}
