//! Keys and their bounds: a rate, pages, an end, a new secret; and where a key
//! may stand.

use serde_json::{Value as Json, json};
use signalpost_core::time::Span;

use crate::http::{Answer, exchange};
use crate::support::{ADMIN, Server, WRITE, command, encode, now, pause};

fn make(server: &Server, bounds: &Json) -> (String, String) {
    let mut wanted = json!({"label": "page", "scopes": ["events:write"]});
    wanted.as_object_mut().unwrap().extend(bounds.as_object().unwrap().clone());
    let made = server.post("/api/keys", &wanted).expect(201);
    (made["id"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned())
}

fn event() -> Json {
    json!({"event_type": "view", "customer_id": "C1"})
}

fn send(server: &Server, key: &str, count: usize) -> Answer {
    let body = Json::Array(vec![event(); count]).to_string();
    server.ask(key, "POST", "/api/events", &[], body.as_bytes())
}

#[test]
fn a_rate_is_held_to_and_the_rest_goes_on() {
    let server = Server::start();
    let (_, key) = make(&server, &json!({"rate": {"per_second": 0.5, "burst": 10}}));
    send(&server, &key, 7).expect(202);
    let over = send(&server, &key, 8);
    over.problem(429, "rate");
    let wait: u64 = over.header("retry-after").parse().unwrap();
    assert!((1..=10).contains(&wait), "{wait}");
    send(&server, &key, 3).expect(202);
    send(&server, &key, 1).problem(429, "rate");
    let call = json!({"event": "Viewed", "userId": "C1"}).to_string();
    let by_library =
        exchange(server.address, "POST", "/v1/track", &[("X-Api-Key", &key)], call.as_bytes()).unwrap();
    by_library.problem(429, "rate");
    send(&server, WRITE, 100).expect(202);
    // An event of a page's image counts too, and is left out like the rest.
    let before = server.get("/api/stats").expect(200)["events"]["accepted"].clone();
    exchange(server.address, "GET", &format!("/p.gif?key={key}&event_type=x&customer_id=C1"), &[], b"")
        .unwrap();
    assert_eq!(server.get("/api/stats").expect(200)["events"]["accepted"], before);
    pause(wait.min(3) * 1_000);
    send(&server, &key, 1).expect(202);
    // A batch larger than the burst goes through once, and is then made up for.
    let (_, key) = make(&server, &json!({"rate": {"per_second": 100.0, "burst": 10}}));
    send(&server, &key, 500).expect(202);
    let over = send(&server, &key, 1);
    over.problem(429, "rate");
    assert!((3..=5).contains(&over.header("retry-after").parse::<u64>().unwrap()));
}

#[test]
fn a_key_of_a_page_is_of_no_use_to_another() {
    let server = Server::start();
    let (_, key) = make(&server, &json!({"allowed_origins": ["https://shop.example"]}));
    let from = |key: &str, origin: &str| {
        let body = event().to_string();
        server.ask(key, "POST", "/api/events", &[("Origin", origin)], body.as_bytes())
    };
    let question = |path: &str, origin: &str| {
        let headers = [("Origin", origin), ("Access-Control-Request-Method", "POST")];
        exchange(server.address, "OPTIONS", path, &headers, b"").unwrap()
    };
    let allowed = from(&key, "https://shop.example");
    allowed.expect(202);
    assert_eq!(allowed.header("access-control-allow-origin"), "*");
    for other in ["https://evil.example", "http://shop.example", "https://shop.example.evil.example", "null"]
    {
        let answer = from(&key, other);
        answer.problem(403, "origin");
        assert_eq!(answer.header("access-control-allow-origin"), "", "the page may not even read it");
    }
    send(&server, &key, 1).expect(202);
    from(WRITE, "https://evil.example").expect(202);
    let call = json!({"event": "Viewed", "userId": "C1", "writeKey": key}).to_string();
    for (origin, status) in [("https://shop.example", 200), ("https://evil.example", 403)] {
        let headers = [("Origin", origin)];
        let answer = exchange(server.address, "POST", "/v1/t", &headers, call.as_bytes()).unwrap();
        assert_eq!(answer.status, status, "{}", answer.text());
    }
    // As long as one key is open to all, a browser's question is answered for it.
    assert_eq!(question("/api/events", "https://evil.example").header("access-control-allow-origin"), "*");
    let keys = server.get("/api/keys").expect(200);
    let first =
        keys["keys"].as_array().unwrap().iter().find(|key| key["label"] == "first write key").unwrap();
    server
        .ask(ADMIN, "DELETE", &format!("/api/keys/{}", first["id"].as_str().unwrap()), &[], b"")
        .expect(200);
    for path in ["/api/events", "/v1/batch"] {
        let yes = question(path, "https://shop.example");
        assert_eq!((yes.status, yes.header("access-control-allow-origin")), (204, "https://shop.example"));
        assert!(yes.header("vary").contains("Origin"));
        let no = question(path, "https://evil.example");
        no.problem(403, "origin");
        assert_eq!(no.header("access-control-allow-origin"), "");
    }
}

#[test]
fn a_key_in_an_address_is_for_the_pixel_alone() {
    let server = Server::start();
    let pixel = |key: &str| {
        let path = format!("/p.gif?key={key}&event_type=open&customer_id=C1&event_id=p{}", key.len());
        assert_eq!(exchange(server.address, "GET", &path, &[], b"").unwrap().status, 200);
    };
    let accepted = || server.get("/api/stats").expect(200)["events"]["accepted"].as_u64().unwrap();
    pixel(WRITE);
    assert_eq!(accepted(), 1);
    // A key that may do more has no place in an address.
    let (_, both) = make(&server, &json!({"scopes": ["events:write", "segments:read"]}));
    pixel(ADMIN);
    pixel(&both);
    assert_eq!(accepted(), 1);
    let body = event().to_string();
    for name in
        ["key", "api_key", "write_key", "writeKey", "access_token", "token", "authorization", "x-api-key"]
    {
        for (method, path, key) in [
            ("POST", "/api/events", WRITE),
            ("POST", "/v1/batch", WRITE),
            ("GET", "/api/segments", ADMIN),
            ("GET", "/api/keys", ADMIN),
            ("GET", "/api/live", ADMIN),
            ("POST", "/api/sql", ADMIN),
        ] {
            let path = format!("{path}?{name}={key}");
            let answer = exchange(server.address, method, &path, &[], body.as_bytes()).unwrap();
            answer.problem(401, "no_key");
        }
    }
    assert_eq!(accepted(), 1);
}

#[test]
fn a_key_ends_and_says_so() {
    let server = Server::start();
    let ends = now() + Span::SECOND.times(2);
    let (id, key) = make(&server, &json!({"expires_at": ends.to_string()}));
    send(&server, &key, 1).expect(202);
    pause(2_200);
    let problem = send(&server, &key, 1).problem(401, "expired_key");
    assert!(problem["detail"].as_str().unwrap().contains(&id), "{problem}");
    for (field, wrong) in [
        ("expires_at", json!({"expires_at": "2020-01-01T00:00:00Z"})),
        ("expires_at", json!({"expires_at": "tomorrow"})),
        ("rate", json!({"rate": {"per_second": -1.0}})),
        ("allowed_origins", json!({"allowed_origins": ["shop.example"]})),
        ("scopes", json!({"scopes": []})),
    ] {
        let mut wanted = json!({"scopes": ["events:write"]});
        wanted.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
        assert_eq!(server.post("/api/keys", &wanted).problem(422, "invalid")["field"], field);
    }
}

#[test]
fn a_key_is_given_a_new_secret_and_its_use_is_remembered() {
    let mut server = Server::start();
    let (id, old) = make(&server, &json!({}));
    let find = |server: &Server| {
        let keys = server.get("/api/keys").expect(200);
        keys["keys"].as_array().unwrap().iter().find(|key| key["id"] == id).unwrap().clone()
    };
    assert!(find(&server)["last_used_at"].is_null());
    send(&server, &old, 1).expect(202);
    let used = find(&server)["last_used_at"].clone();
    assert!(used.as_str().unwrap().ends_with(":00Z"), "kept to the minute: {used}");
    let output = server.run(&["keys", "rotate", &id]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let new = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    for key in [&old, &new] {
        send(&server, key, 1).expect(202);
    }
    let until = find(&server)["previous_secret_until"].as_str().unwrap().to_owned();
    assert!(until > (now() + Span::HOUR.times(23)).to_string(), "a day, when nothing is said: {until}");
    server.stop();
    let server = Server::on(&server.data.clone(), &[]);
    assert!(find(&server)["last_used_at"].is_string());
    send(&server, &old, 1).expect(202);
    let path = format!("/api/keys/{}/rotate", encode(&id));
    let newest = server.post(&path, &json!({"overlap_seconds": 0})).expect(200);
    for (key, status) in [(old.as_str(), 401), (new.as_str(), 401), (newest["key"].as_str().unwrap(), 202)] {
        assert_eq!(send(&server, key, 1).status, status);
    }
    server.post(&path, &json!({"overlap_seconds": 1_000_000_000})).problem(422, "invalid");
    server.post("/api/keys/nobody/rotate", &json!({})).problem(404, "not_found");
    server.ask(ADMIN, "POST", &path, &[], b"").expect(200);
}

fn patch(server: &Server, path: &str, body: &Json) -> Answer {
    server.ask(ADMIN, "PATCH", path, &[], body.to_string().as_bytes())
}

#[test]
fn bounds_of_a_key_are_changed_from_the_next_request_on() {
    let mut server = Server::start();
    let (id, key) = make(&server, &json!({"allowed_origins": ["https://a.example"]}));
    let path = format!("/api/keys/{}", encode(&id));
    let from = |server: &Server, origin: &str| {
        server.ask(&key, "POST", "/api/events", &[("Origin", origin)], event().to_string().as_bytes()).status
    };
    assert_eq!((from(&server, "https://a.example"), from(&server, "https://b.example")), (202, 403));
    let change = json!({"label": "pages", "rate": {"per_second": 0.01, "burst": 3}, "allowed_origins": ["https://B.example:443"]});
    let changed = patch(&server, &path, &change).expect(200);
    assert_eq!(changed["label"], "pages");
    assert_eq!(changed["allowed_origins"], json!(["https://b.example"]));
    assert_eq!(changed["scopes"], json!(["events:write"]), "what is not said stays");
    assert!(changed["last_used_at"].is_string(), "its use is remembered");
    assert_eq!((from(&server, "https://a.example"), from(&server, "https://b.example")), (403, 202));
    send(&server, &key, 2).expect(202);
    send(&server, &key, 1).problem(429, "rate");
    // Another change than the rate's gives no new allowance, and null lifts.
    patch(&server, &path, &json!({"allowed_origins": null})).expect(200);
    send(&server, &key, 1).problem(429, "rate");
    patch(&server, &path, &json!({"rate": null})).expect(200);
    send(&server, &key, 100).expect(202);
    let ends = (now() + Span::HOUR).to_string();
    patch(&server, &path, &json!({"expires_at": ends})).expect(200);
    server.stop();
    let server = Server::on(&server.data.clone(), &[]);
    let keys = server.get("/api/keys").expect(200);
    let kept = keys["keys"].as_array().unwrap().iter().find(|key| key["id"] == id).unwrap().clone();
    assert_eq!(
        (&kept["label"], &kept["expires_at"], &kept["rate"], &kept["allowed_origins"]),
        (&json!("pages"), &json!(ends), &Json::Null, &json!([]))
    );
    for (field, wrong) in [
        ("expires_at", json!({"expires_at": "2020-01-01T00:00:00Z"})),
        ("rate", json!({"rate": {"per_second": 0.0}})),
        ("allowed_origins", json!({"allowed_origins": ["shop.example"]})),
        ("body", json!({"scopes": ["admin"]})),
        ("body", json!({"hash": "00"})),
    ] {
        assert_eq!(patch(&server, &path, &wrong).problem(422, "invalid")["field"], field);
    }
    patch(&server, "/api/keys/nobody", &json!({"label": "x"})).problem(404, "not_found");
    server.ask(&key, "PATCH", &path, &[], b"{}").problem(403, "scope");
}

#[test]
fn keys_and_clients_are_changed_by_command() {
    let server = Server::start();
    let (id, key) = make(&server, &json!({}));
    let run = |arguments: &[&str]| server.run(arguments);
    assert!(run(&["keys", "update", &id, "--rate", "0.01", "--burst", "1"]).status.success());
    send(&server, &key, 1).expect(202);
    send(&server, &key, 1).problem(429, "rate");
    let output = run(&["--json", "keys", "update", &id, "--no-rate", "--origin", "https://a.example"]);
    let changed: Json = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&changed["rate"], &changed["allowed_origins"]), (&Json::Null, &json!(["https://a.example"])));
    assert_eq!(run(&["keys", "update", &id]).status.code(), Some(2), "nothing to change");
    assert_eq!(run(&["keys", "update", "nobody", "--no-rate"]).status.code(), Some(1));
    let wanted = json!({"scopes": ["events:write"], "label": "crm"});
    let client = server.post("/api/oauth/clients", &wanted).expect(201)["id"].as_str().unwrap().to_owned();
    assert!(run(&["oauth", "client", "update", &client, "--label", "CRM"]).status.success());
    assert_eq!(server.get("/api/oauth/clients").expect(200)["clients"][0]["label"], "CRM");
}

#[test]
fn the_first_two_keys_are_made_together() {
    // Ended at any moment of its first start, the next start has both or makes both.
    for wait in [5, 20, 40, 60, 80, 120, 200, 400] {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let mut child = command(&data)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        pause(wait);
        child.kill().unwrap();
        child.wait().unwrap();
        let server = Server::on(&data, &[]);
        assert_eq!(
            server.get("/api/keys").expect(200)["keys"].as_array().unwrap().len(),
            2,
            "after {wait} ms"
        );
        send(&server, WRITE, 1).expect(202);
    }
}
