//! Clients that mean no good, or speak badly: they are refused, and nobody else
//! notices.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::http::{Answer, exchange, read_answer};
use crate::support::{Server, WRITE};

/// The answer to these bytes.
fn raw(address: SocketAddr, bytes: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(bytes).unwrap();
    read_answer(stream).unwrap()
}

#[test]
fn requests_that_two_servers_could_read_differently_are_refused() {
    let server = Server::start();
    let event = r#"{"event_type":"view","customer_id":"C1"}"#;
    let post = |lines: &str, body: &str| {
        let head =
            format!("POST /api/events HTTP/1.1\r\nHost: a\r\nX-Api-Key: {WRITE}\r\n{lines}\r\n\r\n{body}");
        raw(server.address, head.as_bytes())
    };
    let length = event.len();
    let chunked = format!("{length:x}\r\n{event}\r\n0\r\n\r\n");
    post(&format!("Content-Length: {length}"), event).expect(202);
    post("Transfer-Encoding: chunked", &chunked).expect(202);
    for (lines, body) in [
        (format!("Content-Length: {length}\r\nTransfer-Encoding: chunked"), chunked.as_str()),
        (format!("Transfer-Encoding: chunked\r\nContent-Length: {length}"), &chunked),
        (format!("Content-Length: {length}\r\nContent-Length: {length}"), event),
        (format!("Content-Length: {length}\r\nContent-Length: 5"), event),
        (format!("Content-Length: {length}, {length}"), event),
        (format!("Content-Length: +{length}"), event),
        ("Transfer-Encoding: xchunked".into(), &chunked),
        (format!("Content-Length : {length}"), event),
        (format!("Content-Length: {length}\nX: y"), event),
    ] {
        let answer = post(&lines, body);
        answer.problem(400, "bad_request");
        assert_eq!(answer.header("connection"), "close", "{lines}");
    }
    raw(server.address, b"GET /healthz HTTP/1.1\r\n\r\n").problem(400, "bad_request");
    raw(server.address, b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").problem(400, "bad_request");
    raw(server.address, b"GET /healthz HTTP/1.1\nHost: a\n\n").problem(400, "bad_request");
    raw(server.address, b"GET /healthz HTTP/1.0\r\n\r\n").expect(200);
    // The same event twice: accepted, and left out as a repeat.
    let counted = &server.get("/api/stats").expect(200)["events"];
    assert_eq!(
        (&counted["received"], &counted["duplicates"]),
        (&2.into(), &1.into()),
        "nothing refused was taken"
    );
}

#[test]
fn what_is_smuggled_behind_a_good_request_is_not_served() {
    let server = Server::start();
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let good = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    let bad = "GET /metrics HTTP/1.1\nHost: a\n\n";
    stream.write_all(format!("{good}{bad}{good}").as_bytes()).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    let statuses: Vec<&str> = said.split("HTTP/1.1 ").skip(1).filter_map(|rest| rest.get(..3)).collect();
    assert_eq!(statuses, ["200", "400"], "{said}");
}

#[test]
fn heads_too_large_are_told_so() {
    let server = Server::start();
    let long = "y".repeat(30_000);
    let ok = exchange(server.address, "GET", "/healthz", &[("X", &long)], b"").unwrap();
    ok.expect(200);
    for size in [40_000, 200_000, 900_000] {
        let long = "y".repeat(size);
        exchange(server.address, "GET", "/healthz", &[("X", &long)], b"")
            .unwrap()
            .problem(431, "headers_too_large");
    }
    let many: Vec<(String, String)> = (0..150).map(|number| (format!("X-{number}"), "y".into())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    exchange(server.address, "GET", "/healthz", &many, b"").unwrap().problem(431, "headers_too_large");
}

#[test]
fn a_thousand_half_sent_requests_are_closed_while_others_go_on() {
    let server = Server::start();
    let head = format!("POST /api/events HTTP/1.1\r\nHost: a\r\nX-Api-Key: {WRITE}\r\n");
    let kinds = [
        String::new(),
        "GET / HT".into(),
        head.clone(),
        format!("{head}Content-Length: 100\r\n\r\n{{\"event"),
        format!("{head}Transfer-Encoding: chunked\r\n\r\n64\r\n{{\"event"),
    ];
    let started = Instant::now();
    let mut held: Vec<TcpStream> = (0..1_000)
        .map(|number| {
            let mut stream = TcpStream::connect(server.address).unwrap();
            stream.write_all(kinds[number % kinds.len()].as_bytes()).unwrap();
            stream
        })
        .collect();
    let until = Instant::now() + Duration::from_secs(10);
    others_go_on(&server, started);
    for stream in &mut held {
        let said = said_until_closed(stream, until);
        let said = String::from_utf8_lossy(&said);
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 408"), "{said}");
    }
}

/// Until six seconds after `started`, others are answered as ever.
fn others_go_on(server: &Server, started: Instant) {
    let (mut others, mut slowest) = (0, Duration::ZERO);
    while started.elapsed() < Duration::from_secs(6) {
        let asked = Instant::now();
        server.events(r#"{"event_type":"view","customer_id":"C1"}"#).expect(202);
        slowest = slowest.max(asked.elapsed());
        others += 1;
    }
    assert!(others > 50 && slowest < Duration::from_secs(2), "{others} others, the slowest in {slowest:?}");
}

/// What the server says before it hangs up, which it does by `until`.
fn said_until_closed(stream: &mut TcpStream, until: Instant) -> Vec<u8> {
    let (mut said, mut space) = (Vec::new(), [0; 4096]);
    loop {
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(50));
        stream.set_read_timeout(Some(left)).unwrap();
        match stream.read(&mut space) {
            Ok(0) => return said,
            Ok(count) => said.extend_from_slice(&space[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return said,
            Err(error) => panic!("not closed in time: {error}; it said {said:?}"),
        }
        assert!(Instant::now() < until, "not closed in time; it said {said:?}");
    }
}

/// A frame of HTTP/2 (RFC 9113, 4.1) that says it has `length` bytes.
fn frame(length: u8, kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

#[test]
fn connections_of_http_2_that_stop_in_the_middle_are_closed_while_others_go_on() {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let server = Server::start();
    // POST, http, / by their places in HPACK's table; then :authority a.
    let fields = [&[0x83, 0x86, 0x84][..], &[0x41, 1, b'a']].concat();
    let settings = frame(0, 4, 0, 0, &[]);
    let kinds = [
        PREFACE[..9].to_vec(),
        PREFACE.to_vec(),
        [PREFACE, &settings, &[0, 0]].concat(),
        // A head of which 3 bytes of 50 have come, one that is to go on, a body of which 2 of 100 have.
        [PREFACE, &settings, &frame(50, 1, 4, 1, &fields[..3])].concat(),
        [PREFACE, &settings, &frame(6, 1, 0, 1, &fields)].concat(),
        [PREFACE, &settings, &frame(6, 1, 4, 1, &fields), &frame(100, 0, 0, 1, b"{\"")].concat(),
    ];
    let started = Instant::now();
    let mut held: Vec<TcpStream> = (0..300)
        .map(|number| {
            let mut stream = TcpStream::connect(server.address).unwrap();
            stream.write_all(&kinds[number % kinds.len()]).unwrap();
            stream
        })
        .collect();
    let until = Instant::now() + Duration::from_secs(10);
    others_go_on(&server, started);
    for stream in &mut held {
        said_until_closed(stream, until);
    }
}

#[test]
fn a_connection_may_rest_between_requests_and_a_slow_body_may_come() {
    let server = Server::start();
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let ask = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    for rest in [0, 9] {
        std::thread::sleep(Duration::from_secs(rest));
        stream.write_all(ask.as_bytes()).unwrap();
        let mut space = [0; 1024];
        let count = stream.read(&mut space).unwrap();
        assert!(space[..count].starts_with(b"HTTP/1.1 200"), "after {rest} s");
    }
    let event = r#"{"event_type":"view","customer_id":"C1"}"#;
    let head = format!(
        "POST /api/events HTTP/1.1\r\nHost: a\r\nX-Api-Key: {WRITE}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        event.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    for part in event.as_bytes().chunks(14) {
        std::thread::sleep(Duration::from_secs(3));
        stream.write_all(part).unwrap();
    }
    read_answer(stream).unwrap().expect(202);
}
