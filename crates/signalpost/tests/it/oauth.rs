//! OAuth 2.0 client credentials, as a client sees them.

use serde_json::{Value as Json, json};

use crate::http::{Answer, exchange};
use crate::support::{ADMIN, Server, WRITE, free_port};

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
const GRANT: &str = "grant_type=client_credentials";

fn client(server: &Server, scopes: &[&str]) -> (String, String) {
    let made = server
        .post("/api/oauth/clients", &json!({"label": "crm", "scopes": scopes, "source": "crm"}))
        .expect(201);
    (made["id"].as_str().unwrap().to_owned(), made["client_secret"].as_str().unwrap().to_owned())
}

fn ask(server: &Server, headers: &[(&str, &str)], body: &str) -> Answer {
    exchange(server.address, "POST", "/oauth/token", headers, body.as_bytes()).unwrap()
}

fn basic(id: &str, secret: &str) -> String {
    use base64::Engine;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}")))
}

fn token(server: &Server, (id, secret): &(String, String)) -> String {
    let answer = ask(server, &[FORM, ("Authorization", &basic(id, secret))], GRANT).expect(200);
    answer["access_token"].as_str().unwrap().to_owned()
}

/// The answer to an error, as RFC 6749 has it.
fn refused(answer: &Answer, status: u16, code: &str) {
    let body = answer.expect(status);
    assert_eq!(body["error"], code, "{body}");
    assert!(!body["error_description"].as_str().unwrap().is_empty());
    assert_eq!((answer.header("cache-control"), answer.header("pragma")), ("no-store", "no-cache"));
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("www-authenticate").starts_with("Basic realm="), status == 401);
}

#[test]
fn a_client_gets_a_token_and_works_with_it() {
    let server = Server::start();
    let (id, secret) = client(&server, &["events:write", "segments:read"]);
    let by_header = ask(&server, &[FORM, ("Authorization", &basic(&id, &secret))], GRANT);
    assert_eq!((by_header.header("cache-control"), by_header.header("pragma")), ("no-store", "no-cache"));
    let answer = by_header.expect(200);
    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("Bearer"), &json!(600)));
    assert_eq!(answer["scope"], "events:write segments:read");
    let in_body = format!("{GRANT}&client_id={id}&client_secret={secret}&scope=events%3Awrite");
    let less = ask(&server, &[("Content-Type", "application/x-www-form-urlencoded;charset=UTF-8")], &in_body);
    assert_eq!(less.expect(200)["scope"], "events:write");

    let token = answer["access_token"].as_str().unwrap();
    let event = json!({"event_type": "view", "customer_id": "C1", "event_id": "t1"}).to_string();
    server.ask(token, "POST", "/api/events", &[], event.as_bytes()).expect(202);
    let call = json!({"event": "Viewed", "userId": "C2", "messageId": "t2"}).to_string();
    for header in [("X-Api-Key", token.to_owned()), ("Authorization", basic(token, ""))] {
        let headers = [(header.0, header.1.as_str())];
        exchange(server.address, "POST", "/v1/track", &headers, call.as_bytes()).unwrap().expect(200);
    }
    server.ask(token, "GET", "/api/segments", &[], b"").expect(200);
    let more = server.ask(token, "GET", "/api/keys", &[], b"");
    more.problem(403, "scope");
    assert!(more.header("www-authenticate").contains("insufficient_scope"));
    let less = less.json()["access_token"].as_str().unwrap().to_owned();
    server.ask(&less, "GET", "/api/segments", &[], b"").problem(403, "scope");
    // Neither the client's secret nor its id is a key.
    for wrong in [&secret, &id, &format!("{id}_{secret}")] {
        server.ask(wrong, "POST", "/api/events", &[], event.as_bytes()).problem(401, "wrong_key");
    }
}

#[test]
fn what_is_wrong_is_said_as_the_rfc_has_it() {
    let server = Server::start();
    let (id, secret) = client(&server, &["events:write"]);
    let good = basic(&id, &secret);
    let with = |body: &str| ask(&server, &[FORM, ("Authorization", &good)], body);
    refused(&with(""), 400, "invalid_request");
    refused(&with("scope=events%3Awrite"), 400, "invalid_request");
    refused(&with(&format!("{GRANT}&{GRANT}")), 400, "invalid_request");
    refused(&with(&format!("{GRANT}&client_secret={secret}")), 400, "invalid_request");
    refused(&with("grant_type=password&username=a&password=b"), 400, "unsupported_grant_type");
    refused(&with(&format!("{GRANT}&scope=admin")), 400, "invalid_scope");
    refused(&with(&format!("{GRANT}&scope=nothing")), 400, "invalid_scope");
    refused(&with(&format!("{GRANT}&pad={}", "x".repeat(9_000))), 413, "invalid_request");
    refused(&ask(&server, &[("Authorization", &good)], GRANT), 400, "invalid_request");
    let json = ask(&server, &[("Content-Type", "application/json"), ("Authorization", &good)], "{}");
    refused(&json, 400, "invalid_request");
    refused(&ask(&server, &[FORM, ("Authorization", &basic(&id, "guess"))], GRANT), 401, "invalid_client");
    refused(
        &ask(&server, &[FORM, ("Authorization", &basic("nobody", &secret))], GRANT),
        401,
        "invalid_client",
    );
    refused(
        &ask(&server, &[FORM, ("Authorization", &format!("Bearer {ADMIN}"))], GRANT),
        401,
        "invalid_client",
    );
    refused(&ask(&server, &[FORM], GRANT), 401, "invalid_client");
    // In the address nothing proves anybody.
    let path = format!("/oauth/token?client_id={id}&client_secret={secret}");
    refused(
        &exchange(server.address, "POST", &path, &[FORM], GRANT.as_bytes()).unwrap(),
        401,
        "invalid_client",
    );
    server.ask(ADMIN, "GET", "/oauth/token", &[], b"").problem(405, "method");
}

#[test]
fn what_others_need_to_prove_a_token_is_published() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("SIGNALPOST_PUBLIC_URL", "https://signalpost.example/")];
    let listen = format!("127.0.0.1:{}", free_port());
    let server = Server::try_on(&folder.path().join("data"), &listen, &settings).unwrap();
    let open = |path: &str| exchange(server.address, "GET", path, &[], b"").unwrap().expect(200);
    let about = open("/.well-known/oauth-authorization-server");
    assert_eq!(about["issuer"], "https://signalpost.example");
    assert_eq!(about["token_endpoint"], "https://signalpost.example/oauth/token");
    assert_eq!(about["jwks_uri"], "https://signalpost.example/.well-known/jwks.json");
    assert_eq!(about["grant_types_supported"], json!(["client_credentials"]));
    assert_eq!(about["response_types_supported"], json!([]));
    let token = token(&server, &client(&server, &["events:write"]));
    let keys = open("/.well-known/jwks.json");
    let key = &keys["keys"][0];
    assert_eq!(
        (&key["kty"], &key["alg"], &key["use"], &key["e"]),
        (&json!("RSA"), &json!("RS256"), &json!("sig"), &json!("AQAB"))
    );
    assert!(key.get("d").is_none(), "the private half is nobody's");
    // A reader that knows nothing of us proves the token by what is published.
    let public = jsonwebtoken::DecodingKey::from_rsa_components(
        key["n"].as_str().unwrap(),
        key["e"].as_str().unwrap(),
    )
    .unwrap();
    let mut wanted = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
    wanted.set_audience(&["https://signalpost.example"]);
    wanted.set_issuer(&["https://signalpost.example"]);
    let proved = jsonwebtoken::decode::<Json>(&token, &public, &wanted).unwrap();
    assert_eq!(
        (proved.header.typ.as_deref(), proved.header.kid.as_deref()),
        (Some("at+jwt"), key["kid"].as_str())
    );
    assert_eq!(proved.claims["scope"], "events:write");
}

#[test]
fn a_revoked_client_is_out_at_once_and_a_restart_changes_nothing() {
    let mut server = Server::start();
    let (kept, ended) = (client(&server, &["events:write"]), client(&server, &["events:write"]));
    let tokens = [token(&server, &kept), token(&server, &ended)];
    let event = json!({"event_type": "view", "customer_id": "C1"}).to_string();
    let send = |server: &Server, token: &str| server.ask(token, "POST", "/api/events", &[], event.as_bytes());
    tokens.iter().for_each(|token| drop(send(&server, token).expect(202)));
    server.ask(ADMIN, "DELETE", &format!("/api/oauth/clients/{}", ended.0), &[], b"").expect(200);
    let answer = send(&server, &tokens[1]);
    answer.problem(401, "invalid_token");
    assert!(answer.header("www-authenticate").contains("error=\"invalid_token\""));
    refused(
        &ask(&server, &[FORM, ("Authorization", &basic(&ended.0, &ended.1))], GRANT),
        401,
        "invalid_client",
    );
    let listen = server.address.to_string();
    server.kill();
    let server = Server::try_on(&server.data.clone(), &listen, &[]).unwrap();
    send(&server, &tokens[0]).expect(202);
    send(&server, &tokens[1]).problem(401, "invalid_token");
    for forged in
        [format!("{}x", tokens[0]), format!("eyJ.{}.c", "a".repeat(6_000)), "eyJ.eyJ.eyJ".to_owned()]
    {
        send(&server, &forged).problem(401, "invalid_token");
    }
    drop(send(&server, WRITE).expect(202));
}

#[test]
fn clients_and_signing_keys_are_worked_on_from_the_shell() {
    let server = Server::start();
    let run = |arguments: &[&str]| {
        let output = server.run(&[&["--json"], arguments].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Json>(&output.stdout).unwrap()
    };
    let made =
        run(&["oauth", "client", "create", "--scope", "events:write", "--label", "crm", "--source", "crm"]);
    let text = |made: &Json, name: &str| made[name].as_str().unwrap().to_owned();
    let (id, old) = (text(&made, "id"), text(&made, "client_secret"));
    let first = token(&server, &(id.clone(), old.clone()));
    let new = text(&run(&["oauth", "client", "rotate", &id, "--overlap-seconds", "3600"]), "client_secret");
    token(&server, &(id.clone(), old.clone()));
    token(&server, &(id.clone(), new.clone()));
    run(&["oauth", "client", "rotate", &id, "--overlap-seconds", "0"]);
    refused(&ask(&server, &[FORM, ("Authorization", &basic(&id, &new))], GRANT), 401, "invalid_client");
    let listed = run(&["oauth", "client", "list"]);
    assert_eq!((&listed[0]["id"], &listed[0]["source"]), (&json!(id), &json!("crm")));
    assert!(listed[0]["last_used_at"].is_string());
    assert!(!listed.to_string().contains(&old), "no secret is listed");
    let alive = |token: &str| server.ask(token, "POST", "/api/events", &[], b"[]").status;
    run(&["oauth", "rotate"]);
    assert_eq!(alive(&first), 202);
    let keys =
        |server: &Server| server.get("/.well-known/jwks.json").expect(200)["keys"].as_array().unwrap().len();
    assert_eq!(keys(&server), 2);
    run(&["oauth", "rotate", "--at-once"]);
    assert_eq!((alive(&first), keys(&server)), (401, 1));
    run(&["oauth", "client", "revoke", &id]);
    assert_eq!(run(&["oauth", "client", "list"]), json!([]));
    assert_eq!(server.run(&["oauth", "client", "revoke", &id]).status.code(), Some(1));
}
