//! What cleaning writes into an event: the marks of automatons, the wish for
//! privacy, and what was changed.

use super::received_at;
use crate::clean::{Clean, Limits, Rejection, Sender, SourceSettings, clean, parse_batch};
use crate::value::{Value, get};

const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36";

fn cleaned(json: &str, sender: &Sender<'_>, source: &SourceSettings) -> Result<Clean, Rejection> {
    let mut elements = parse_batch(json.as_bytes(), &Limits::default()).unwrap();
    clean(elements.remove(0).unwrap(), received_at(), sender, source, || "assigned".into())
}

/// What `context.bot` says, as JSON.
fn mark(json: &str, sender: &Sender<'_>) -> String {
    let event = cleaned(json, sender, &SourceSettings::default()).unwrap().event;
    assert_eq!(event.counts(), get(&event.context, "bot").is_none());
    get(&event.context, "bot").map(Value::to_string).unwrap_or_default()
}

#[test]
fn a_driven_browser_is_marked_with_every_reason() {
    let person = Sender::of_agent(Some(CHROME));
    let plain = r#"{"event_type":"view","anonymous_id":"a"}"#;
    assert_eq!(mark(plain, &person), "");
    let driven = r#"{"event_type":"view","anonymous_id":"a","context":{"webdriver":true,"screen":{"width":0,"height":0}}}"#;
    assert_eq!(
        mark(driven, &person),
        r#"{"kind":"automation","points":100,"reasons":["webdriver","no_screen"]}"#
    );
    let too_fast = |identity: &str, _| identity == "a";
    let hasty = Sender { too_fast: Some(&too_fast), ..person.clone() };
    assert_eq!(mark(plain, &hasty), r#"{"kind":"automation","points":60,"reasons":["rate"]}"#);
    assert_eq!(mark(r#"{"event_type":"view","anonymous_id":"b"}"#, &hasty), "");
    // A data centre alone is no proof: companies' networks leave there too.
    let hosted = Sender { data_centre: true, ..person };
    assert_eq!(mark(plain, &hosted), "");
    let both = Sender { data_centre: true, ..hasty.clone() };
    assert_eq!(mark(plain, &both), r#"{"kind":"automation","points":100,"reasons":["rate","data_centre"]}"#);
    // What a shop's server sends is many people's, and it stands in a data centre.
    let server = Sender { agent: Sender::of_agent(Some("python-requests/2.31")).agent, ..both.clone() };
    assert_eq!(mark(plain, &server), "");
    // Nor does a server have to say what it is; where people are expected that helps nobody.
    let silent = Sender { agent: Sender::of_agent(Some(" ")).agent, ..both.clone() };
    assert_eq!(mark(plain, &silent), "");
    let pages = SourceSettings { drop_http_libraries: true, ..SourceSettings::default() };
    assert!(!cleaned(plain, &silent, &pages).unwrap().event.counts());
    let passed_on = format!(
        r#"{{"event_type":"view","anonymous_id":"a","context":{{"user_agent":{}}}}}"#,
        serde_json::json!(CHROME)
    );
    assert_eq!(mark(&passed_on, &both), "");
}

#[test]
fn a_source_may_have_automatons_quarantined_for_any_reason() {
    let source = SourceSettings { mark_bots: false, ..SourceSettings::default() };
    let driven = r#"{"event_type":"view","anonymous_id":"a","context":{"webdriver":true}}"#;
    let rejection = cleaned(driven, &Sender::of_agent(Some(CHROME)), &source).unwrap_err();
    assert_eq!(rejection.problem.to_string(), "bot in user_agent: an automaton did it: webdriver");
    let open = SourceSettings { filter_bots: false, ..source };
    assert!(cleaned(driven, &Sender::of_agent(Some(CHROME)), &open).unwrap().event.counts());
}

#[test]
fn a_browser_that_opts_out_flags_the_event() {
    let sender = Sender { opted_out: true, ..Sender::default() };
    let event = r#"{"event_type":"view","customer_id":"c","context":{"gpc":false}}"#;
    let flagged = cleaned(event, &sender, &SourceSettings::default()).unwrap().event;
    assert_eq!(get(&flagged.context, "gpc"), Some(&Value::Bool(true)));
    let not = cleaned(event, &Sender::default(), &SourceSettings::default()).unwrap().event;
    assert_eq!(get(&not.context, "gpc"), Some(&Value::Bool(false)));
}

#[test]
fn what_was_changed_stands_in_the_event_within_bounds() {
    let json = r#"{"event_type":"identify","customer_id":"c","traits":{"email":" Jane@EXAMPLE.com","phone":"+1 (415) 555-2671"},"properties":{"email":"jane@"}}"#;
    let kept = |lineage_bytes| {
        let source = SourceSettings { lineage_bytes, ..SourceSettings::default() };
        let clean = cleaned(json, &Sender::default(), &source).unwrap();
        let kept = get(&clean.event.context, "cleaned").map_or(serde_json::Value::Null, Value::to_json);
        (kept, clean.fingerprint())
    };
    let (all, print) = kept(2_048);
    let rules: Vec<_> = all["changes"].as_array().unwrap().iter().map(|change| &change["rule"]).collect();
    assert_eq!(rules, ["email", "phone", "email"]);
    assert_eq!(all["changes"][0]["from"], " Jane@EXAMPLE.com");
    assert_eq!(all["changes"][0]["to"], "Jane@example.com");
    assert_eq!(all["problems"][0]["code"], "bad_email");
    let (some, _) = kept(150);
    assert_eq!((some["changes"].as_array().unwrap().len(), &some["left_out"]), (2, &2.into()));
    let (none, same) = kept(0);
    assert_eq!((none, same), (serde_json::Value::Null, print), "it is no content");
}
