//! The client against servers whose behaviour is known: it must count what they
//! counted, wait as long as they stall, and tell what went wrong.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::body::{Customers, RequestWriter};
use super::scenario::{Ratio, Wanted, ratios_beside};
use super::wire::{Answer, read_reply};
use super::yardstick::Yardstick;
use super::{
    Clocks, Error, Load, Report, Target, bare_server, cpu_seconds, resident_bytes, run, run_waiting,
};

#[expect(clippy::disallowed_methods, reason = "the load client measures real time, tests included")]
const CLOCKS: Clocks = Clocks { wall_micros: || 1_714_228_500_123_456, instant: Instant::now };

fn target(address: SocketAddr) -> Target {
    Target { address, path: "/api/events".to_owned(), key: "wk_test".to_owned() }
}

fn load(millis: u64) -> Load {
    Load {
        connections: 8,
        duration: Duration::from_millis(millis),
        warm_up: Duration::ZERO,
        rate: None,
        batch: 1,
        profiles: 1_000,
        zipf: false,
        named: true,
        user_agent: "",
        seed: 7,
    }
}

/// Serves `app` on a runtime with a single thread, so that a handler that blocks
/// stalls the whole server.
async fn serve_on_one_thread(app: Router) -> SocketAddr {
    let (sender, address) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            sender.send(listener.local_addr().unwrap()).unwrap();
            axum::serve(listener, app).await.unwrap();
        });
    });
    address.await.unwrap()
}

/// A server that answers nothing for 200 ms when request number `at` comes.
async fn stalling_server(at: u64) -> SocketAddr {
    let seen = Arc::new(AtomicU64::new(0));
    let handler = move |State(seen): State<Arc<AtomicU64>>| async move {
        if seen.fetch_add(1, Ordering::Relaxed) == at {
            let (_sender, never) = mpsc::channel::<()>();
            never.recv_timeout(Duration::from_millis(200)).unwrap_err();
        }
        (StatusCode::ACCEPTED, r#"{"accepted":1}"#)
    };
    serve_on_one_thread(Router::new().route("/api/events", post(handler)).with_state(seen)).await
}

#[tokio::test]
async fn every_answer_is_counted_as_the_server_counted_it() {
    for (batch, rate) in [(1, None), (20, None), (1, Some(2_000.0)), (3, Some(500.0))] {
        let server = bare_server().await.unwrap();
        let load = Load { batch, rate, warm_up: Duration::from_millis(100), ..load(300) };
        let report = run(&target(server.address), &load, CLOCKS).await.unwrap();
        let requests = server.counts.requests.load(Ordering::Relaxed);
        let events = server.counts.events.load(Ordering::Relaxed);
        assert!(report.requests > 0 && report.warm_up_requests > 0, "{report}");
        assert_eq!(report.requests + report.warm_up_requests, requests);
        assert_eq!(report.events + report.warm_up_events, events);
        assert_eq!(events, requests * batch as u64);
        assert_eq!(report.latency.len(), report.requests);
        assert!(report.flawless(), "{report}");
    }
}

#[tokio::test]
async fn the_open_loop_sends_what_is_due_and_no_more() {
    let server = bare_server().await.unwrap();
    let load = Load { rate: Some(1_000.0), warm_up: Duration::from_millis(200), ..load(500) };
    let report = run(&target(server.address), &load, CLOCKS).await.unwrap();
    assert_eq!(report.requests, 500);
    assert_eq!(report.warm_up_requests, 200);
}

#[tokio::test]
async fn a_stall_of_the_server_shows_in_the_open_loop() {
    let open = Load { rate: Some(1_000.0), ..load(1_000) };
    let report = run(&target(stalling_server(300).await), &open, CLOCKS).await.unwrap();
    // 200 of the 1,000 requests were due while nothing was answered; a loop that
    // measured from the sending would show the stall in eight, one a connection.
    assert_eq!(report.requests, 1_000);
    assert!(report.latency_ms(0.99) > 150.0, "{report}");
    assert!(report.latency_ms(0.90) > 50.0, "{report}");
    assert!(report.latency.max() >= 200_000, "{report}");
}

#[tokio::test]
async fn refusals_are_told_by_status_and_are_no_events() {
    let counter = Arc::new(AtomicU64::new(0));
    let handler = move |State(counter): State<Arc<AtomicU64>>| async move {
        match counter.fetch_add(1, Ordering::Relaxed) % 4 {
            0 => (StatusCode::TOO_MANY_REQUESTS, "slow down"),
            1 => (StatusCode::ACCEPTED, r#"{"accepted":7,"duplicates":3}"#),
            _ => (StatusCode::ACCEPTED, r#"{"accepted":10}"#),
        }
    };
    let app = Router::new().route("/api/events", post(handler)).with_state(Arc::clone(&counter));
    let address = serve_on_one_thread(app).await;
    let load = Load { batch: 10, rate: Some(400.0), ..load(200) };
    let report = run(&target(address), &load, CLOCKS).await.unwrap();
    assert_eq!(report.requests, 80);
    assert_eq!(report.errors_by_status.into_iter().collect::<Vec<_>>(), [(429, 20)]);
    assert_eq!(report.events, 20 * 7 + 40 * 10);
    assert_eq!(report.events_refused, 20 * 10 + 20 * 3);
    assert_eq!(report.latency.len(), 60);
}

/// A server that ends each connection after one answer, announced or not.
async fn fickle_server(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut bytes = vec![0; 4_096];
                if stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    stream.shutdown().await.unwrap();
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn a_connection_that_ends_is_opened_again() {
    let load = Load { rate: Some(200.0), ..load(300) };
    let polite = fickle_server("HTTP/1.1 202 Accepted\r\nconnection: close\r\n\r\n{\"accepted\":1}").await;
    let report = run(&target(polite), &load, CLOCKS).await.unwrap();
    assert_eq!((report.requests, report.events, report.io_errors), (60, 60, 0));

    let silent = fickle_server("").await;
    let report = run(&target(silent), &load, CLOCKS).await.unwrap();
    assert_eq!((report.requests, report.io_errors), (0, 60));
    assert!(!report.flawless());
}

#[tokio::test]
async fn what_is_never_answered_is_counted_with_the_time_it_waited() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mute = target(listener.local_addr().unwrap());
    let grace = Duration::from_millis(200);
    let closed = run_waiting(&mute, &load(100), CLOCKS, grace).await.unwrap();
    assert_eq!((closed.requests, closed.unanswered, closed.latency.len()), (0, 8, 8));
    // Of the hundred that were due, eight were sent and the others never could be.
    let open = Load { rate: Some(1_000.0), ..load(100) };
    let open = run_waiting(&mute, &open, CLOCKS, grace).await.unwrap();
    assert_eq!((open.requests, open.unanswered, open.latency.len()), (0, 100, 100));
    assert!(open.latency.min() >= 199_000 && open.latency.max() >= 299_000, "{open}");
    assert!(!open.flawless());
}

#[tokio::test]
async fn a_load_nobody_waits_for_ends() {
    let server = bare_server().await.unwrap();
    let answered = || server.counts.requests.load(Ordering::Relaxed);
    let pause = |millis| tokio::time::sleep(Duration::from_millis(millis));
    let (target, load) = (target(server.address), load(60_000));
    tokio::select! {
        report = run(&target, &load, CLOCKS) => panic!("{report:?}"),
        () = pause(200) => assert!(answered() > 0),
    }
    pause(300).await;
    let then = answered();
    pause(200).await;
    assert_eq!(answered(), then);
}

#[test]
fn a_program_that_is_no_yardstick_is_told() {
    let wrong = Yardstick::spawn(Path::new("/bin/echo")).unwrap_err();
    let Error::Start { source, .. } = wrong else { panic!("{wrong}") };
    let said = source.to_string();
    assert!(
        said.contains("expected an address, it printed \"bench-yardstick --listen 127.0.0.1:0"),
        "{said}"
    );
}

#[tokio::test]
async fn a_load_that_cannot_be_run_says_why() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = target(listener.local_addr().unwrap());
    drop(listener);
    assert!(matches!(run(&nobody, &load(100), CLOCKS).await, Err(Error::Connect { .. })));
    let said = |wrong: Load| async move {
        let nobody = target(SocketAddr::from(([127, 0, 0, 1], 9)));
        run(&nobody, &wrong, CLOCKS).await.unwrap_err().to_string()
    };
    assert_eq!(
        said(Load { rate: Some(-1.0), ..load(1) }).await,
        "rate is -1, expected 0.001 to 10,000,000 requests a second"
    );
    assert_eq!(said(Load { connections: 0, ..load(1) }).await, "connections is 0, expected at least 1");
    assert!(said(Load { connections: 2_000_000_000, ..load(1) }).await.contains("ulimit -n 2000000064"));
}

#[tokio::test]
async fn ours_and_the_yardstick_are_measured_side_by_side() {
    let (ours, bare) = (bare_server().await.unwrap(), bare_server().await.unwrap());
    let pid = std::process::id();
    let duration = Duration::from_millis(100);
    let ratios = ratios_beside(&target(ours.address), pid, bare.address, pid, duration, CLOCKS, async || {})
        .await
        .unwrap();
    assert_eq!(ratios.len(), 7);
    for Ratio { name, ours, yardstick, ratio, failures, .. } in &ratios {
        // The client is a thread of this process too, and what it used is gone
        // from the sum over threads when it ends.
        if !name.contains("accepting") {
            assert!(*ours > 0.0, "{name}");
            assert_eq!(ours / yardstick.unwrap(), ratio.unwrap(), "{name}");
        }
        assert_eq!(*failures, 0, "{name}");
    }
    assert!(ours.counts.requests.load(Ordering::Relaxed) > 0);
    assert!(bare.counts.requests.load(Ordering::Relaxed) > 0);
}

#[test]
fn a_mark_is_reached_only_without_failures() {
    let ratio = Ratio {
        name: "speed",
        ours: 50.0,
        yardstick: Some(100.0),
        ratio: Some(0.5),
        wanted: Some(Wanted::RatioAtLeast(0.5)),
        failures: 0,
    };
    assert_eq!(ratio.reached(), Some(true));
    assert_eq!(
        ratio.to_string(),
        "speed: ours 50.00, bare handler 100.00, ratio 0.50, wanted ratio at least 0.5: reached"
    );
    let beyond = Ratio { wanted: Some(Wanted::OursAtLeast(101.0)), ..ratio };
    assert!(beyond.to_string().contains("missed (the bare handler too"), "{beyond}");
    assert_eq!(Ratio { failures: 1, ..ratio }.reached(), Some(false));
    assert_eq!(Ratio { wanted: Some(Wanted::OursAtLeast(51.0)), ..ratio }.reached(), Some(false));
    assert_eq!(Ratio { wanted: Some(Wanted::OursAtMost(51.0)), ..ratio }.reached(), Some(true));
    assert_eq!(Ratio { wanted: None, ..ratio }.reached(), None);
}

/// Runs `load` against a server that keeps every body, and gives their events.
async fn events_sent(load: &Load) -> (Report, Vec<serde_json::Value>) {
    let bodies = Arc::new(Mutex::new(Vec::<Bytes>::new()));
    let handler = async |State(bodies): State<Arc<Mutex<Vec<Bytes>>>>, body: Bytes| {
        bodies.lock().unwrap().push(body);
        (StatusCode::ACCEPTED, "{}")
    };
    let app = Router::new().route("/api/events", post(handler)).with_state(Arc::clone(&bodies));
    let report = run(&target(serve_on_one_thread(app).await), load, CLOCKS).await.unwrap();
    let bodies = bodies.lock().unwrap();
    let events = bodies.iter().flat_map(|body| match serde_json::from_slice(body).unwrap() {
        serde_json::Value::Array(events) => events,
        event => vec![event],
    });
    (report, events.collect())
}

#[tokio::test]
async fn events_have_the_missions_shape_and_ids_of_their_own() {
    for batch in [1, 50] {
        let load = Load { batch, rate: Some(1_000.0), ..load(400) };
        let (report, events) = events_sent(&load).await;
        assert_eq!(report.events, events.len() as u64);
        let mut ids = HashSet::new();
        let mut kinds = HashMap::<String, usize>::new();
        for event in &events {
            assert!(ids.insert(event["event_id"].as_str().unwrap().to_owned()), "twice: {event}");
            assert_eq!(event["timestamp"], "2024-04-27T14:35:00.123Z");
            let customer: u64 =
                event["customer_id"].as_str().unwrap().trim_start_matches('c').parse().unwrap();
            assert!(customer < 1_000);
            assert!(event["properties"]["category"].is_string());
            let kind = event["event_type"].as_str().unwrap();
            if kind != "page_view" {
                assert!(event["product_id"].as_str().unwrap().starts_with("SP-"));
                assert!(event["properties"]["price"].as_f64().unwrap() >= 4.99);
            }
            *kinds.entry(kind.to_owned()).or_default() += 1;
        }
        let share = |kind: &str| kinds[kind] as f64 / events.len() as f64;
        for (kind, wanted) in
            [("product_view", 0.8), ("add_to_cart", 0.12), ("page_view", 0.05), ("purchase", 0.03)]
        {
            assert!((share(kind) - wanted).abs() < 0.06, "{kind}: {}", share(kind));
        }
    }
}

#[test]
fn the_same_seed_writes_the_same_requests_and_another_does_not() {
    let written = |seed| {
        let address = SocketAddr::from(([127, 0, 0, 1], 80));
        let mut writer =
            RequestWriter::new(&target(address), &Load { seed, batch: 5, ..load(1) }, CLOCKS.wall_micros);
        let mut request = Vec::new();
        writer.write(&mut request);
        writer.write(&mut request);
        String::from_utf8(request).unwrap()
    };
    assert_eq!(written(1), written(1));
    assert_ne!(written(1), written(2));
    let request = written(1);
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("\r\nauthorization: Bearer wk_test\r\n"), "{head}");
    let length = head.rsplit_once("content-length:").unwrap().1.trim();
    assert_eq!(length, body.len().to_string());
}

#[test]
fn zipf_customers_are_few_and_busy_and_within_bounds() {
    const DRAWS: usize = 200_000;
    let mut random = SmallRng::seed_from_u64(1);
    let mut shares = |zipf| {
        let customers = Customers::new(10_000, zipf);
        let mut counts = vec![0_usize; 10_000];
        for _ in 0..DRAWS {
            counts[usize::try_from(customers.draw(&mut random)).unwrap()] += 1;
        }
        counts.sort_unstable_by(|left, right| right.cmp(left));
        counts.iter().take(100).sum::<usize>() as f64 / DRAWS as f64
    };
    // The busiest hundredth does ln(101)/ln(10,001) of it all.
    assert!((shares(true) - 0.501).abs() < 0.01);
    assert!(shares(false) < 0.03);
}

#[test]
fn a_process_tells_its_time_and_memory() {
    let pid = std::process::id();
    let before = cpu_seconds(pid).unwrap();
    let mut sum = 0_u64;
    while cpu_seconds(pid).unwrap() < before + 0.05 {
        sum = sum.wrapping_add(1);
    }
    assert!(resident_bytes(pid).unwrap() > 500_000, "{sum}");
    assert_eq!(cpu_seconds(u32::MAX), None);
    assert_eq!(resident_bytes(u32::MAX), None);
}

/// Every reply is read the same however its bytes arrive: nothing while it is
/// not whole, then all of it.
fn check_reply(reply: &str, wanted: (u16, Option<u64>, bool)) {
    let (status, accepted, close) = wanted;
    for length in 0..reply.len() {
        assert_eq!(read_reply(&reply.as_bytes()[..length], false).unwrap(), None, "{length} of {reply:?}");
    }
    let answer = Answer { status, accepted, close, length: reply.len() };
    assert_eq!(read_reply(reply.as_bytes(), false).unwrap(), Some(answer), "{reply:?}");
    let more = format!("{reply}HTTP/1.1 200 OK\r\n");
    assert_eq!(read_reply(more.as_bytes(), false).unwrap(), Some(answer), "more after {reply:?}");
}

#[test]
fn replies_are_read_in_every_framing() {
    check_reply(
        "HTTP/1.1 202 Accepted\r\ndate: x\r\nContent-Length: 14\r\n\r\n{\"accepted\":1}",
        (202, Some(1), false),
    );
    check_reply("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n", (204, None, true));
    check_reply("HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", (200, None, true));
    check_reply(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10;x=y\r\n{\"accepted\": 12}\r\n0\r\n\r\n",
        (200, Some(12), false),
    );
    check_reply(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nchecksum: 1\r\n\r\n",
        (200, None, false),
    );
    check_reply(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\nno",
        (503, None, false),
    );
    let to_close = b"HTTP/1.1 200 OK\r\n\r\nall there is";
    assert_eq!(read_reply(to_close, false).unwrap(), None);
    assert_eq!(read_reply(to_close, true).unwrap().map(|answer| answer.length), Some(to_close.len()));
    for wrong in [
        "SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/1.1 2x2 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
    ] {
        assert!(read_reply(wrong.as_bytes(), false).is_err(), "{wrong:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_break_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..200), ended: bool) {
        let reply = [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".as_slice(), &bytes].concat();
        for input in [bytes.as_slice(), reply.as_slice()] {
            if let Ok(Some(answer)) = read_reply(input, ended) {
                prop_assert!(answer.length <= input.len());
            }
        }
    }
}
