//! The command line: against a server, and against the data folder alone.

use std::path::Path;
use std::process::Output;

use serde_json::{Value as Json, json};

use crate::http::exchange;
use crate::support::{ADMIN, PROGRAM, Server, WRITE, command, now};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What a command printed; it must have gone well.
fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// Runs a command on a folder with no server.
fn on(data: &Path, arguments: &[&str]) -> Output {
    command(data).args(arguments).output().unwrap()
}

#[test]
fn keys_are_made_listed_and_revoked() {
    let server = Server::start();
    let secret = printed(&server.run(&["keys", "create", "--scope", "events:write", "--label", "shop"]))
        .trim()
        .to_owned();
    let event = json!({"event_type": "view", "customer_id": "C1"}).to_string();
    let send = |key: &str| {
        exchange(server.address, "POST", "/api/events", &[("X-Api-Key", key)], event.as_bytes())
            .unwrap()
            .status
    };
    assert_eq!((send(&secret), send(WRITE)), (202, 202));
    let keys: Json = serde_json::from_str(&printed(&server.run(&["--json", "keys", "list"]))).unwrap();
    assert_eq!(keys.as_array().unwrap().len(), 3);
    let listed = printed(&server.run(&["keys", "list"])) + &keys.to_string();
    for hidden in [secret.as_str(), ADMIN, WRITE] {
        assert!(!listed.contains(hidden), "{listed}");
    }
    let id = keys.as_array().unwrap().iter().find(|key| key["label"] == "shop").unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    printed(&server.run(&["keys", "revoke", &id]));
    assert_eq!((send(&secret), send(WRITE)), (401, 202));
    server.ask(ADMIN, "DELETE", &format!("/api/keys/{id}"), &[], b"").problem(404, "not_found");
    let output = server.run(&["keys", "create", "--scope", "everything"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("there is no scope 'everything'"), "{}", text(&output.stderr));
}

#[test]
fn segments_and_templates_are_worked_on_from_the_shell() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("segments.sql");
    std::fs::write(&file, "-- the first\nIF event_type = 'view' THEN assign to 'Viewers'\n\n-- name: Buyers of two\nSELECT customer_id FROM customer_data WHERE orders >= 2\n\nAFTER view WITHOUT purchase WITHIN 1 hour EMIT lost\n").unwrap();
    let file = file.to_str().unwrap();
    assert_eq!(printed(&server.run(&["segment", "apply", file])).lines().count(), 3);
    server.accept(&json!([{"event_type": "view", "customer_id": "C1", "event_id": "v1", "traits": {"first_name": "Ada"}}]));
    server.await_members("Viewers", &["C1"]);
    assert!(printed(&server.run(&["segment", "list"])).contains("Buyers of two"));
    assert!(printed(&server.run(&["segment", "members", "Viewers"])).contains("C1"));
    assert!(printed(&server.run(&["segment", "history", "Viewers"])).contains("entered"));
    assert!(printed(&server.run(&["segment", "explain", "Viewers", "C1"])).starts_with("is a member at "));
    assert!(
        printed(&server.run(&["segment", "preview", "IF event_type = 'view' THEN assign to 'Viewers'"]))
            .contains('1')
    );
    let at = (now() - signalpost_core::time::Span::HOUR).to_string();
    let past: Json = serde_json::from_str(&printed(
        &server.run(&["--json", "segment", "members", "Viewers", "--at", &at]),
    ))
    .unwrap();
    assert_eq!(past, json!([]));
    server.settle();
    printed(&server.run(&["segment", "verify"]));
    let refused = server.run(&["segment", "check", "IF event_type = 'view' THEN\nassing to 'X'"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        text(&refused.stderr).contains('^') && text(&refused.stderr).contains("line 2"),
        "{}",
        text(&refused.stderr)
    );

    let good = folder.path().join("mail.liquid.html");
    std::fs::write(&good, "<p>Hello {{ user.first_name }}</p>").unwrap();
    printed(&server.run(&["template", "apply", "mail", good.to_str().unwrap(), "--subject", "Hi"]));
    assert!(
        printed(&server.run(&["template", "render", "mail", "--profile", "C1"])).contains("<p>Hello Ada</p>")
    );
    let wrong = folder.path().join("wrong.hbs");
    std::fs::write(&wrong, "<p>\n{{#each items}}\n</p>").unwrap();
    let refused = server.run(&["template", "check", wrong.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains('^'), "{}", text(&refused.stderr));
    printed(&server.run(&["recommend", "--profile", "C1"]));
    printed(&server.run(&["delivery", "list"]));
    printed(&server.run(&["quarantine", "list"]));
}

#[test]
fn without_a_server_commands_open_the_folder() {
    let mut server = Server::start();
    server.define("Viewers", "IF event_type = 'view' THEN assign to 'Viewers'");
    server.accept(&json!([{"event_type": "view", "customer_id": "C1", "event_id": "v1"}, {"event_type": "view", "customer_id": "C2", "event_id": "v2"}]));
    server.settle();
    let data = server.data.clone();
    let busy = on(&data, &["segment", "list"]);
    assert_eq!(busy.status.code(), Some(1));
    assert!(
        text(&busy.stderr).contains("SIGNALPOST_URL"),
        "it says how to ask the server: {}",
        text(&busy.stderr)
    );
    server.stop();
    assert!(printed(&on(&data, &["segment", "list"])).contains("Viewers"));
    assert_eq!(printed(&on(&data, &["sql", "SELECT count(*) AS n FROM events", "-o", "csv"])), "n\r\n2\r\n");
    printed(&on(
        &data,
        &[
            "segment",
            "apply",
            "IF event_type = 'view' AND event_time >= now() - 1 hour THEN assign to 'Lately'",
        ],
    ));
    let members: Json =
        serde_json::from_str(&printed(&on(&data, &["--json", "segment", "members", "Lately"]))).unwrap();
    assert_eq!(members.as_array().unwrap().len(), 2, "{members}");
    printed(&on(&data, &["segment", "verify"]));
    printed(&on(&data, &["keys", "create", "--scope", "segments:read"]));
    let again = Server::on(&data, &[]);
    assert_eq!(again.members("Lately"), ["C1", "C2"]);
    assert_eq!(
        again.get("/api/keys").expect(200)["keys"].as_array().unwrap().len(),
        3,
        "the folder's own key is written nowhere"
    );
}

#[test]
fn help_errors_and_exit_codes_are_as_promised() {
    let folder = tempfile::tempdir().unwrap();
    let nothing = folder.path().join("nothing");
    let output = on(&nothing, &["segment", "list"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("signalpost serve"), "{}", text(&output.stderr));
    assert!(!nothing.exists(), "asking makes no folder");
    for wrong in [&["segment", "lst"][..], &["--nothing"], &[], &["sql"]] {
        assert_eq!(on(&nothing, wrong).status.code(), Some(2), "{wrong:?}");
    }
    assert!(printed(&on(&nothing, &["--help"])).contains("serve"));
    assert!(printed(&on(&nothing, &["--version"])).starts_with("signalpost "));
    assert!(printed(&on(&nothing, &["completions", "bash"])).contains("signalpost"));
    assert!(printed(&on(&nothing, &["config", "show"])).contains("body_bytes_max"));
    let output =
        command(&nothing).env("SIGNALPOST_PARTITIONS", "many").args(["config", "check"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("SIGNALPOST_PARTITIONS"), "{}", text(&output.stderr));
    let file = folder.path().join("signalpost.toml");
    std::fs::write(&file, "partitons = 3\n").unwrap();
    let output = on(&nothing, &["--config", file.to_str().unwrap(), "config", "check"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("partitons"), "{}", text(&output.stderr));
    let unreachable = std::process::Command::new(PROGRAM)
        .args(["segment", "list"])
        .env("SIGNALPOST_URL", "http://127.0.0.1:1")
        .env("SIGNALPOST_KEY", "k")
        .output()
        .unwrap();
    assert_eq!(unreachable.status.code(), Some(1));
    assert!(
        text(&unreachable.stderr).contains("cannot reach http://127.0.0.1:1"),
        "{}",
        text(&unreachable.stderr)
    );
}

/// What OpenAPI 3.1 asks of a document that was made piece by piece, and what
/// clients made from it rely on.
#[test]
fn the_description_of_the_api_is_complete() {
    let server = Server::start();
    let api = server.get("/api/openapi.json").expect(200);
    assert!(api["openapi"].as_str().unwrap().starts_with("3.1"), "{}", api["openapi"]);
    let schemes = api["components"]["securitySchemes"].as_object().unwrap();
    let mut ids = std::collections::BTreeSet::new();
    for (path, item) in api["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let place = format!("{method} {path}");
            assert!(
                ids.insert(operation["operationId"].as_str().unwrap().to_owned()),
                "{place}: a second of its name"
            );
            let answers = operation["responses"].as_object().unwrap();
            assert!(answers["default"]["content"]["application/problem+json"].is_object(), "{place}");
            for (status, answer) in answers {
                assert!(
                    answer["description"].as_str().is_some_and(|text| !text.is_empty()),
                    "{place} {status}"
                );
            }
            let named = |name: &str| {
                let parameters = operation["parameters"].as_array().into_iter().flatten();
                parameters.into_iter().any(|parameter| parameter["in"] == "path" && parameter["name"] == name)
            };
            for name in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
                assert!(named(name), "{place}: {name} is not described");
            }
            for keys in operation["security"].as_array().into_iter().flatten() {
                assert!(keys.as_object().unwrap().keys().all(|name| schemes.contains_key(name)), "{place}");
            }
            if path.starts_with("/api/") {
                assert!(operation["security"].is_array(), "{place} asks for a key");
            }
        }
    }
}
