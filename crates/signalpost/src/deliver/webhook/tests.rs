//! What a receiver sees, and what becomes of what it answers.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use signalpost_core::campaign::DeliveryId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER_KEY: &str = "whsec_c2lnbmFscG9zdCBzaWduYWxwb3N0IHNpZ25hbA==";

fn now() -> Timestamp {
    Timestamp::parse("2026-01-01T00:00:07.9Z").unwrap()
}

fn message() -> Message {
    Message {
        id: DeliveryId(0xabc),
        campaign: "Back in stock".into(),
        customer_id: "c-1".into(),
        to: "ada@example.com".into(),
        to_name: "Ada".into(),
        subject: "Zoë, it is back".into(),
        preheader: "Size 38".into(),
        html: "<p>Hi</p>".into(),
        text: "Hi".into(),
        unsubscribe_url: "https://example.com/u/1".into(),
        data: json!({ "segments": ["vip"], "email": "someone@else.example" }),
        decided_at: "2026-01-01T00:00:00Z".into(),
    }
}

fn settings(value: Value) -> Settings {
    serde_json::from_value(value).unwrap()
}

/// Answers one request a connection with each of `answers` (an empty one hangs
/// up), then hands over the requests as they came.
async fn receiver(answers: Vec<String>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook?token=qwertz", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        let mut requests = Vec::new();
        for answer in answers {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            loop {
                let read = socket.read(&mut buffer).await.unwrap();
                request.extend_from_slice(&buffer[..read]);
                let text = String::from_utf8_lossy(&request).into_owned();
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                let length = header(head, "content-length").parse::<usize>().unwrap();
                if body.len() >= length {
                    requests.push(text);
                    break;
                }
            }
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
        requests
    });
    (url, task)
}

fn header(head: &str, name: &str) -> String {
    let line = head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    });
    line.unwrap_or_default()
}

fn answer(head: &str, body: &str) -> String {
    format!("HTTP/1.1 {head}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

async fn outcome_of(answer: String) -> Outcome {
    let (url, task) = receiver(vec![answer]).await;
    let webhook = Webhook::new(settings(json!({
        "url": url, "secret": KEY, "allow_private_addresses": true, "timeout_seconds": 2,
        "headers": { "Authorization": "Bearer t0ps3cret" },
    })))
    .unwrap();
    let outcome = webhook.send(&message(), now()).await;
    task.await.unwrap();
    outcome
}

#[tokio::test]
async fn a_receiver_gets_a_signed_post_with_the_delivery_as_its_id() {
    let (url, task) = receiver(vec![answer("200 OK", "thanks"), answer("202 Accepted", "")]).await;
    let webhook = Webhook::new(settings(json!({
        "url": url, "secret": format!("{KEY} {OTHER_KEY}"), "allow_private_addresses": true,
        "headers": { "X-Shop": "blue" },
    })))
    .unwrap();
    assert_eq!(webhook.send(&message(), now()).await, Outcome::Accepted { answer: "200 OK: thanks".into() });
    let later = Timestamp::parse("2026-01-01T01:00:00Z").unwrap();
    assert_eq!(webhook.send(&message(), later).await, Outcome::Accepted { answer: "202 Accepted".into() });
    let requests = task.await.unwrap();
    let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /hook?token=qwertz HTTP/1.1\r\n"), "{head}");
    let id = "d00000000000000000000000000000abc";
    assert_eq!(header(head, "webhook-id"), id);
    assert_eq!(header(head, "webhook-timestamp"), "1767225607");
    assert_eq!(header(head, "content-type"), "application/json");
    assert_eq!(header(head, "x-shop"), "blue");
    let both: Vec<String> = [KEY, OTHER_KEY]
        .iter()
        .map(|key| sign::Signer::new(&(*key).into()).unwrap().sign(id, 1_767_225_607, body))
        .collect();
    assert_eq!(header(head, "webhook-signature"), both.join(" "));
    assert_eq!(
        serde_json::from_str::<Value>(body).unwrap(),
        json!({
            "type": "campaign.message",
            "timestamp": "2026-01-01T00:00:00Z",
            "data": {
                "delivery_id": id, "campaign": "Back in stock", "customer_id": "c-1",
                "email": "ada@example.com", "name": "Ada", "subject": "Zoë, it is back",
                "preheader": "Size 38", "html": "<p>Hi</p>", "text": "Hi",
                "unsubscribe_url": "https://example.com/u/1", "segments": ["vip"],
            },
        })
    );
    let (second_head, second_body) = requests[1].split_once("\r\n\r\n").unwrap();
    assert_eq!(second_body, body);
    assert_eq!(header(second_head, "webhook-id"), id);
    assert_eq!(header(second_head, "webhook-timestamp"), "1767229200");
    assert_ne!(header(second_head, "webhook-signature"), header(head, "webhook-signature"));
}

#[tokio::test]
async fn statuses_become_outcomes() {
    let retry = |reason: &str, seconds: Option<u64>| Outcome::Retry {
        reason: reason.into(),
        after: seconds.map(Duration::from_secs),
    };
    let cases = [
        ("204 No Content", Outcome::Accepted { answer: "204 No Content".into() }),
        ("408 Request Timeout", retry("408 Request Timeout", None)),
        ("425 Too Early", retry("425 Too Early", None)),
        ("429 Too Many Requests\r\nRetry-After: 120", retry("429 Too Many Requests", Some(120))),
        (
            "503 Service Unavailable\r\nRetry-After: Thu, 01 Jan 2026 00:01:07 GMT",
            retry("503 Service Unavailable", Some(59)),
        ),
        ("500 Internal Server Error", retry("500 Internal Server Error", None)),
        ("410 Gone", Outcome::Refused { reason: "410 Gone".into() }),
        ("400 Bad Request", Outcome::Refused { reason: "400 Bad Request".into() }),
        ("404 Not Found", Outcome::Refused { reason: "404 Not Found".into() }),
    ];
    for (status, expected) in cases {
        let found = match outcome_of(answer(status, "")).await {
            Outcome::Retry { reason, after } => {
                Outcome::Retry { reason, after: after.map(|after| Duration::from_secs(after.as_secs())) }
            }
            other => other,
        };
        assert_eq!(found, expected, "{status}");
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let outcome = outcome_of(answer("302 Found\r\nLocation: http://127.0.0.1:1/", "")).await;
    assert!(
        matches!(&outcome, Outcome::Refused { reason } if reason.contains("redirects are not followed")),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn answers_are_cut_and_hold_no_secrets() {
    let echo = format!("you sent Bearer t0ps3cret and {KEY}\u{7}and t0ps3cret qwertz {}", "x".repeat(5_000));
    let Outcome::Refused { reason } = outcome_of(answer("400 Bad Request", &echo)).await else {
        panic!("expected a refusal");
    };
    assert!(reason.starts_with("400 Bad Request: you sent ••• and ••• and ••• ••• xxx"), "{reason}");
    assert!(reason.len() <= ANSWER_BYTES_MAX + 20, "{}", reason.len());
}

#[tokio::test]
async fn breaks_and_silence_are_tried_again_without_naming_the_url() {
    let broken = outcome_of(String::new()).await;
    let closed = Webhook::new(settings(json!({
        "url": "http://127.0.0.1:1/?token=qwertz", "allow_private_addresses": true,
    })))
    .unwrap();
    let refused = closed.send(&message(), now()).await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let slow = Webhook::new(settings(json!({
        "url": format!("http://{}/?token=qwertz", silent.local_addr().unwrap()),
        "allow_private_addresses": true, "timeout_seconds": 1,
    })))
    .unwrap();
    let late = slow.send(&message(), now()).await;
    for outcome in [broken, refused, late] {
        let Outcome::Retry { reason, after: None } = outcome else { panic!("{outcome:?}") };
        assert!(!reason.contains("qwertz") && !reason.is_empty(), "{reason}");
    }
}

#[tokio::test]
async fn names_of_private_addresses_are_not_reached() {
    let webhook = Webhook::new(settings(json!({ "url": "https://localhost:1/" }))).unwrap();
    let outcome = webhook.send(&message(), now()).await;
    assert!(
        matches!(&outcome, Outcome::Retry { reason, .. } if reason.contains("only private addresses")),
        "{outcome:?}"
    );
}

#[test]
fn settings_that_cannot_work_say_why() {
    let cases = [
        (json!({ "url": "example.com/x" }), "webhook.url is not a URL"),
        (json!({ "url": "http://example.com/x" }), "use https://"),
        (json!({ "url": "file:///etc/passwd", "allow_private_addresses": true }), "begins with file://"),
        (json!({ "url": "https://a:b@example.com/" }), "webhook.headers.Authorization"),
        (json!({ "url": "https://10.0.0.1/" }), "private address 10.0.0.1"),
        (json!({ "url": "https://[::ffff:127.0.0.1]/" }), "private address"),
        (json!({ "url": "https://0x7f.1/" }), "private address 127.0.0.1"),
        (json!({ "url": "https://e.com/", "secret": "" }), "webhook.secret is empty"),
        (json!({ "url": "https://e.com/", "secret": format!("{KEY} hunter2") }), "number 2 is not whsec_"),
        (json!({ "url": "https://e.com/", "headers": { "Webhook-Id": "1" } }), "written by Signalpost"),
        (json!({ "url": "https://e.com/", "headers": { "A": "b\r\nc" } }), "line break"),
        (json!({ "url": "https://e.com/", "headers": { "A b": "c" } }), "not a header name"),
        (json!({ "url": "https://e.com/", "timeout_seconds": 0 }), "from 1 to 300"),
    ];
    for (value, expected) in cases {
        let error = Webhook::new(settings(value.clone())).unwrap_err().to_string();
        assert!(error.contains(expected), "{value}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    assert!(serde_json::from_value::<Settings>(json!({ "url": "https://e.com/", "secrte": "" })).is_err());
}

#[test]
fn secrets_are_not_shown() {
    let settings = settings(json!({
        "url": "https://example.com/hook?token=qwertz", "secret": KEY,
        "headers": { "Authorization": "Bearer t0ps3cret" },
    }));
    assert_eq!(
        settings.describe(),
        json!({
            "url": "https://example.com/hook?•••", "secret": "•••",
            "headers": { "Authorization": "•••" }, "timeout_seconds": 10,
            "allow_private_addresses": false,
        })
    );
    let shown = format!("{settings:?} {:?}", Webhook::new(settings.clone()).unwrap());
    for secret in ["qwertz", "t0ps3cret", "MfKQ9r8GKYqr"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn masked_secrets_are_kept_for_the_same_receiver_only() {
    let before = settings(json!({
        "url": "https://example.com/hook?token=qwertz", "secret": KEY, "headers": { "A": "b0b0" },
    }));
    let shown = before.describe();
    assert_eq!(settings(shown.clone()).with_secrets_of(&before), before);
    let mut renewed = shown.clone();
    renewed["secret"] = OTHER_KEY.into();
    let renewed = settings(renewed).with_secrets_of(&before);
    assert_eq!(renewed.secret, Some(OTHER_KEY.into()));
    assert_eq!(renewed.headers, before.headers);
    for url in ["https://evil.example/hook", "https://example.com:444/hook", "https://evil.example/hook?•••"]
    {
        let mut moved = shown.clone();
        moved["url"] = url.into();
        let moved = settings(moved).with_secrets_of(&before);
        assert!(moved.secret.as_ref().unwrap().is_mask() && moved.headers["A"].is_mask());
        let error = Webhook::new(moved).unwrap_err().to_string();
        assert!(error.contains("is masked"), "{error}");
    }
}

#[test]
fn addresses_are_public_or_not() {
    let private = [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.0.1",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fc00::1",
        "fe80::1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2001:db8::1",
        "2002:7f00:1::",
        "ff02::1",
    ];
    for ip in private {
        assert!(!address::is_public(ip.parse().unwrap()), "{ip}");
    }
    for ip in
        ["1.1.1.1", "100.128.0.1", "172.32.0.1", "2606:4700::1111", "64:ff9b::101:101", "::ffff:1.1.1.1"]
    {
        assert!(address::is_public(ip.parse().unwrap()), "{ip}");
    }
}

#[test]
fn retry_after_is_read_in_every_form() {
    let now = Timestamp::parse("1994-11-06T08:49:00Z").unwrap();
    let seconds = |text| retry_after::read(text, now).map(|after| after.as_secs());
    assert_eq!(seconds(" 30 "), Some(30));
    assert_eq!(seconds("Sun, 06 Nov 1994 08:49:37 GMT"), Some(37));
    assert_eq!(seconds("Sunday, 06-Nov-94 08:49:37 GMT"), Some(37));
    assert_eq!(seconds("Sun Nov  6 08:49:37 1994"), Some(37));
    assert_eq!(seconds("Sun, 06 Nov 1994 08:00:00 GMT"), Some(0));
    assert_eq!(seconds("soon"), None);
    assert_eq!(seconds("-5"), None);
}

#[test]
fn signatures_are_those_of_the_published_library() {
    let shared = std::env::var_os("SIGNALPOST_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    );
    let path = shared.join("fixtures/webhook-signatures/vectors.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("SKIPPED: no signature vectors at {}", path.display());
        return;
    };
    let vectors: Vec<Value> = serde_json::from_str(&text).unwrap();
    let mut checked = 0;
    for vector in &vectors {
        if vector["scheme"] != "standard-webhooks" || vector["mutation"] != "none" {
            continue;
        }
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let headers = &vector["headers"];
        let body = String::from_utf8(STANDARD.decode(text(&vector["body_base64"])).unwrap()).unwrap();
        let signer = sign::Signer::new(&text(&vector["secret"]).into()).unwrap();
        let timestamp = text(&headers["webhook-timestamp"]).parse().unwrap();
        let signature = signer.sign(&text(&headers["webhook-id"]), timestamp, &body);
        assert_eq!(signature, text(&headers["webhook-signature"]));
        checked += 1;
    }
    assert!(checked > 0, "no vector of Standard Webhooks in {}", path.display());
}
