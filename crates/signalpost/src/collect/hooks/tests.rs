//! Who may call a hook, and what a hook's definition may say.

mod soap;

use axum::http::{HeaderMap, HeaderName};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};
use signalpost_core::time::Timestamp;

use super::definition::{Hook, describe, with_secrets_of};
use super::envelope::Envelope;
use super::verify::Request;

fn hook(definition: &Json) -> Hook {
    Hook::from_json("test", definition).unwrap_or_else(|error| panic!("{definition}: {error}"))
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    pairs.iter().map(pair).collect()
}

/// What a request is refused with; `None` when it is taken.
fn refusal(hook: &Hook, headers: &HeaderMap, body: &[u8], now_seconds: i64) -> Option<String> {
    let now = Timestamp::from_micros(now_seconds * 1_000_000);
    let request =
        Request { method: "POST", path: "/hooks/test", headers, body, public_url: "https://a.example", now };
    hook.verify(&request).err().map(|problem| {
        assert_eq!(problem.status(), 401);
        problem.to_json()["code"].as_str().unwrap().to_owned()
    })
}

#[test]
fn signatures_are_judged_as_the_vendors_own_libraries_do() {
    let shared = std::env::var_os("SIGNALPOST_SHARED").map_or_else(
        || std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        std::path::PathBuf::from,
    );
    let path = shared.join("fixtures/webhook-signatures/vectors.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("SKIPPED: no signature vectors at {}", path.display());
        return;
    };
    let vectors: Vec<Json> = serde_json::from_str(&text).unwrap();
    let mut checked = 0;
    for vector in &vectors {
        let (scheme, mutation) = (vector["scheme"].as_str().unwrap(), vector["mutation"].as_str().unwrap());
        let kind = match scheme {
            "shopify" => "shopify",
            "standard-webhooks" => "standard_webhooks",
            _ => "hubspot",
        };
        let mut definition = json!({"kind": kind, "secret": vector["secret"]});
        if kind == "hubspot" {
            definition["older_signatures"] = json!(true);
        }
        let given: Vec<(&str, &str)> = vector["headers"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
            .collect();
        let url = vector["url"].as_str().unwrap_or("https://signalpost.example/hooks/x");
        let path = url.strip_prefix("https://signalpost.example").unwrap();
        let body = STANDARD.decode(vector["body_base64"].as_str().unwrap()).unwrap();
        let request = Request {
            method: vector["method"].as_str().unwrap(),
            path,
            headers: &headers(&given),
            body: &body,
            public_url: "https://signalpost.example",
            now: Timestamp::from_micros(vector["now_ms"].as_i64().unwrap_or_default() * 1_000),
        };
        let is_valid = hook(&definition).verify(&request).is_ok();
        assert_eq!(is_valid, vector["library_says_valid"], "{scheme} {mutation}");
        checked += 1;
    }
    assert!(checked >= 41, "only {checked} vectors in {}", path.display());
}

#[test]
fn old_signatures_of_hubspot_are_taken_only_where_asked_for() {
    let hook = hook(&json!({"kind": "hubspot", "secret": "s"}));
    let given = headers(&[("x-hubspot-signature", "00"), ("x-hubspot-signature-version", "v1")]);
    assert_eq!(refusal(&hook, &given, b"[]", 0).as_deref(), Some("no_signature"));
}

#[test]
fn a_hubspot_address_is_what_the_outside_calls() {
    use crate::signature::{Algorithm, hmac};
    let signed = |uri: &str| {
        let parts: [&[u8]; 4] = [b"POST", uri.as_bytes(), b"[]", b"1000"];
        STANDARD.encode(hmac(Algorithm::Sha256, b"s", &parts))
    };
    let asks = |definition: Json, public_url: &str, path: &str, more: &[(&str, &str)], uri: &str| {
        let signature = signed(uri);
        let mut all =
            vec![("x-hubspot-signature-v3", signature.as_str()), ("x-hubspot-request-timestamp", "1000")];
        all.extend_from_slice(more);
        let headers = headers(&all);
        let now = Timestamp::from_micros(1_000_000);
        hook(&definition)
            .verify(&Request { method: "POST", path, headers: &headers, body: b"[]", public_url, now })
            .is_ok()
    };
    let plain = || json!({"kind": "hubspot", "secret": "s"});
    assert!(asks(
        plain(),
        "https://a.example",
        "/hooks/test?x=1%2C2",
        &[],
        "https://a.example/hooks/test?x=1,2"
    ));
    assert!(asks(plain(), "", "/hooks/test", &[("host", "b.example")], "https://b.example/hooks/test"));
    let proxied = [("host", "inner:80"), ("x-forwarded-host", "c.example"), ("x-forwarded-proto", "https")];
    assert!(asks(plain(), "", "/hooks/test", &proxied, "https://c.example/hooks/test"));
    let set = json!({"kind": "hubspot", "secret": "s", "url": "https://d.example/in"});
    assert!(asks(set, "https://a.example", "/hooks/test?q=1", &[], "https://d.example/in?q=1"));
    assert!(!asks(plain(), "https://a.example", "/hooks/test", &[], "https://evil.example/hooks/test"));
}

#[test]
fn a_generic_sender_signs_in_its_own_way() {
    use crate::signature::{Algorithm, hmac};
    let hex = |code: Vec<u8>| code.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let github = hook(
        &json!({"kind": "json", "hmac": {"header": "X-Hub-Signature-256", "secret": "new old", "prefix": "sha256="}}),
    );
    let right = format!("sha256={}", hex(hmac(Algorithm::Sha256, b"old", &[b"{}"])));
    assert_eq!(refusal(&github, &headers(&[("x-hub-signature-256", &right)]), b"{}", 0), None);
    assert_eq!(
        refusal(&github, &headers(&[("x-hub-signature-256", &right)]), b"{ }", 0).as_deref(),
        Some("wrong_signature")
    );
    assert_eq!(refusal(&github, &headers(&[]), b"{}", 0).as_deref(), Some("no_signature"));

    let slack =
        hook(&json!({"kind": "json", "hmac": {"header": "X-Slack-Signature", "secret": "s", "prefix": "v0=",
        "timestamp_header": "X-Slack-Request-Timestamp", "signs": "v0:{timestamp}:{body}"}}));
    let right = format!("v0={}", hex(hmac(Algorithm::Sha256, b"s", &[b"v0:1000:{}"])));
    let given = headers(&[("x-slack-signature", &right), ("x-slack-request-timestamp", "1000")]);
    assert_eq!(refusal(&slack, &given, b"{}", 1_100), None);
    assert_eq!(refusal(&slack, &given, b"{}", 1_301).as_deref(), Some("old_timestamp"));
    let moved = headers(&[("x-slack-signature", &right), ("x-slack-request-timestamp", "1200")]);
    assert_eq!(refusal(&slack, &moved, b"{}", 1_301).as_deref(), Some("wrong_signature"));
}

#[test]
fn a_shared_secret_comes_in_a_header() {
    let plain = hook(&json!({"kind": "json", "secret": "open sesame2"}));
    let basic = format!("Basic {}", STANDARD.encode("any:sesame2"));
    for given in
        [("authorization", "Bearer sesame2"), ("x-api-key", "open"), ("authorization", basic.as_str())]
    {
        assert_eq!(refusal(&plain, &headers(&[given]), b"{}", 0), None, "{given:?}");
    }
    for given in
        [("authorization", "Bearer sesame"), ("authorization", "Bearer "), ("authorization", "Basic Og==")]
    {
        assert!(refusal(&plain, &headers(&[given]), b"{}", 0).is_some(), "{given:?}");
    }
    let named = hook(&json!({"kind": "salesforce", "secret": "s3cret", "header": "X-Flow"}));
    assert_eq!(refusal(&named, &headers(&[("x-flow", "s3cret")]), b"{}", 0), None);
    assert!(refusal(&named, &headers(&[("authorization", "Bearer s3cret")]), b"{}", 0).is_some());
    assert!(hook(&json!({"kind": "json"})).wants_key());
    assert!(!plain.wants_key());
}

#[test]
fn a_definition_that_cannot_work_is_refused() {
    for (definition, expected) in [
        (json!({}), "kind"),
        (json!({"kind": "fax"}), "unknown variant `fax`"),
        (json!({"kind": "shopify"}), "missing field `secret`"),
        (json!({"kind": "shopify", "secret": " "}), "secret is empty"),
        (json!({"kind": "shopify", "secret": "•••"}), "secret is masked"),
        (json!({"kind": "shopify", "secret": "s", "sekret": 1}), "unknown field `sekret`"),
        (json!({"kind": "shopify", "secret": "s", "source": ""}), "source must be the name"),
        (json!({"kind": "standard_webhooks", "secret": "abc"}), "secret must be whsec_"),
        (json!({"kind": "hubspot", "secret": "s", "url": "a.example"}), "url must begin with https://"),
        (json!({"kind": "salesforce"}), "organization_id is missing"),
        (json!({"kind": "salesforce", "organization_id": "short"}), "organization_id must have 15 or 18"),
        (json!({"kind": "json", "hmac": {"header": "a b", "secret": "s"}}), "hmac.header is no header name"),
        (
            json!({"kind": "json", "hmac": {"header": "a", "secret": "s", "signs": "x"}}),
            "hmac.signs must contain {body}",
        ),
        (
            json!({"kind": "json", "hmac": {"header": "a", "secret": "s", "signs": "{body}", "timestamp_header": "t"}}),
            "must contain {timestamp}",
        ),
        (json!({"kind": "json", "mapping": {"rules": [{}]}}), "mapping/rules/0: the rule makes nothing"),
    ] {
        let said = Hook::from_json("test", &definition).unwrap_err().to_string();
        assert!(said.contains(expected), "{definition}\n said: {said}");
        assert!(!said.contains("sesame"), "{said}");
    }
}

#[test]
fn secrets_go_in_and_never_come_out() {
    let definition = json!({"kind": "json", "secret": "sesame", "hmac": {"header": "x", "secret": "sesame2"}, "mapping": null});
    let shown = describe(&definition);
    assert!(!shown.to_string().contains("sesame"), "{shown}");
    assert!(!format!("{:?}", hook(&definition)).contains("sesame"));
    // A form that sends back what it was shown changes nothing.
    assert_eq!(with_secrets_of(shown.clone(), &definition), definition);
    let mut other = shown;
    other["kind"] = json!("shopify");
    assert_eq!(with_secrets_of(other.clone(), &definition), other);
}

#[test]
fn headers_with_secrets_stay_out_of_sight() {
    let hook = hook(&json!({"kind": "salesforce", "secret": "s", "header": "X-Flow"}));
    let given = headers(&[
        ("authorization", "Bearer s"),
        ("x-flow", "s"),
        ("cookie", "a=b"),
        ("x-shopify-hmac-sha256", "s"),
        ("x-api-key", "s"),
        ("host", "h"),
        ("x-event", "created"),
        ("idempotency-key", "i"),
    ]);
    let mut shown: Vec<String> =
        hook.shown_headers(&given).iter().map(|(name, _)| name.to_string()).collect();
    shown.sort();
    assert_eq!(shown, ["idempotency-key", "x-event"]);
}

#[test]
fn what_is_kept_of_a_message_is_read_back() {
    let body = signalpost_core::hook::read_body(br#"{"a":[1,null]}"#).unwrap();
    let headers = [("x-event".into(), "e".into())];
    let message = signalpost_core::hook::Message { hook: "shop", body: &body, headers: &headers };
    let kept = Envelope::of_message(&message, Some(vec![2, 5]));
    assert_eq!(Envelope::read(&kept.write()), Some(kept.clone()));
    assert_eq!(kept.value(), body);
    let text = Envelope::of_text("shop", &headers, "{\"half");
    assert_eq!(Envelope::read(&text.write()), Some(text));
    // Nothing that came as an event can pass for one.
    for event in ["{\"hook\":\"shop\"}", "\"hook shop\\n{}\"", "[]"] {
        assert_eq!(Envelope::read(event), None);
    }
}
