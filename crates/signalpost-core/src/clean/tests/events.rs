//! Whole events: what is kept, mended, left out and refused.

use proptest::prelude::*;

use super::received_at;
use crate::clean::{
    Clean, Limits, Normalise, ProblemCode, RawEvent, Rejection, Sender, SourceSettings, clean, parse_batch,
};
use crate::event::Event;
use crate::time::Timestamp;
use crate::value::{Value, get, map_to_json};

fn clean_text(json: &str, agent: Option<&str>, source: &SourceSettings) -> Result<Clean, Rejection> {
    let mut elements = parse_batch(json.as_bytes(), &Limits::default()).unwrap();
    elements
        .remove(0)
        .and_then(|raw| clean(raw, received_at(), &Sender::of_agent(agent), source, || "assigned".into()))
}

fn cleaned(json: &str) -> Clean {
    clean_text(json, None, &SourceSettings::default()).unwrap()
}

fn refused(json: &str) -> ProblemCode {
    clean_text(json, None, &SourceSettings::default()).unwrap_err().problem.code
}

fn codes(clean: &Clean) -> Vec<&'static str> {
    clean.problems.iter().map(|problem| problem.code.as_str()).collect()
}

/// A clean event as its own sender would write it.
fn to_raw(event: &Event) -> RawEvent<'static> {
    let json = serde_json::json!({
        "event_id": event.event_id.as_str(),
        "event_type": &*event.event_type,
        "customer_id": event.customer_id.as_ref().map(|id| id.as_str()),
        "anonymous_id": event.anonymous_id.as_ref().map(|id| id.as_str()),
        "timestamp": event.timestamp.to_string(),
        "product_id": event.product_id.as_ref().map(|id| id.as_str()),
        "properties": map_to_json(&event.properties),
        "traits": map_to_json(&event.traits),
        "context": map_to_json(&event.context),
    });
    RawEvent::from_value(json.into(), 64).unwrap()
}

#[test]
fn a_plain_event_passes_unchanged() {
    let clean = cleaned(
        r#"{"event_id":"e1","event_type":"product_view","customer_id":"C123","timestamp":"2024-04-27T14:35:00Z","product_id":"A1X2","properties":{"price":19.5}}"#,
    );
    assert_eq!(codes(&clean), [""; 0]);
    assert!(clean.has_own_id);
    let event = &clean.event;
    assert_eq!((event.event_id.as_str(), &*event.event_type), ("e1", "product_view"));
    assert_eq!(event.customer_id.as_ref().unwrap().as_str(), "C123");
    assert_eq!(event.timestamp, Timestamp::parse("2024-04-27T14:35:00Z").unwrap());
    assert_eq!(event.product_id.as_ref().unwrap().as_str(), "A1X2");
    assert_eq!(get(&event.properties, "price"), Some(&Value::Float(19.5)));
}

#[test]
fn what_is_missing_is_said() {
    assert_eq!(refused(r#"{"customer_id":"c"}"#), ProblemCode::MissingField);
    assert_eq!(refused(r#"{"event_type":" ","customer_id":"c"}"#), ProblemCode::MissingField);
    assert_eq!(refused(r#"{"event_type":5,"customer_id":"c"}"#), ProblemCode::WrongType);
    assert_eq!(refused(r#"{"event_type":"a"}"#), ProblemCode::MissingIdentity);
    assert_eq!(refused(r#"{"event_type":"a","customer_id":"undefined"}"#), ProblemCode::MissingIdentity);
    assert_eq!(refused(r#"{"event_type":"a","customer_id":{"id":1}}"#), ProblemCode::WrongType);
    assert_eq!(refused(r#"{"event_type":"a","customer_id":1e300}"#), ProblemCode::WrongType);
    assert_eq!(
        refused(r#"{"event_type":"a","customer_id":"c","timestamp":"04/05/2024"}"#),
        ProblemCode::AmbiguousTimestamp
    );
    assert_eq!(
        refused(r#"{"event_type":"a","customer_id":"c","timestamp":"9999-12-31T23:59:59Z"}"#),
        ProblemCode::TimestampInFuture
    );
    let long = format!(r#"{{"event_type":"{}","customer_id":"c"}}"#, "é".repeat(101));
    assert_eq!(refused(&long), ProblemCode::TooLong);
}

#[test]
fn numbers_become_ids_without_losing_a_digit() {
    let id = |json: &str| {
        cleaned(&format!(r#"{{"event_type":"a","customer_id":{json}}}"#))
            .event
            .customer_id
            .unwrap()
            .to_string()
    };
    assert_eq!(id("17850"), "17850");
    assert_eq!(id("17850.0"), "17850");
    assert_eq!(id("18446744073709551615"), "18446744073709551615");
    assert_eq!(id("\" c\\u200b1 \""), "c1");
    assert_eq!(id("0"), "0");
}

#[test]
fn a_missing_time_is_the_time_of_receipt() {
    let clean = cleaned(r#"{"event_type":"a","customer_id":"c"}"#);
    assert_eq!((clean.event.timestamp, clean.has_own_id), (received_at(), false));
    assert_eq!(clean.event.event_id.as_str(), "assigned");
    let clean = cleaned(r#"{"event_type":"a","customer_id":"c","timestamp":"N/A"}"#);
    assert_eq!((clean.event.timestamp, codes(&clean)), (received_at(), vec!["no_timestamp"]));
}

#[test]
fn a_wrong_clock_is_corrected_by_sent_at() {
    // Two years behind; the event happened a minute before it was sent.
    let clean = cleaned(
        r#"{"event_type":"a","customer_id":"c","timestamp":"1970-01-01T00:00:10Z","sent_at":"1970-01-01T00:01:10Z"}"#,
    );
    assert_eq!(clean.event.timestamp.to_string(), "2025-01-01T11:59:00Z");
    assert_eq!(get(&clean.event.context, "original_timestamp"), Some(&"1970-01-01T00:00:10Z".into()));
    assert_eq!(codes(&clean), ["clock_corrected"]);
    // Three seconds may be the network.
    let clean = cleaned(
        r#"{"event_type":"a","customer_id":"c","timestamp":"2025-01-01T11:59:00Z","sent_at":"2025-01-01T11:59:57Z"}"#,
    );
    assert_eq!(clean.event.timestamp.to_string(), "2025-01-01T11:59:00Z");
    assert_eq!(codes(&clean), [""; 0]);
    let clean = cleaned(
        r#"{"event_type":"a","customer_id":"c","timestamp":"2024-01-01T11:59:00Z","sent_at":"gibberish"}"#,
    );
    assert_eq!(codes(&clean), ["bad_sent_at"]);
}

#[test]
fn addresses_are_normalised_or_left_out() {
    let clean = cleaned(
        r#"{"event_type":"identify","customer_id":"c","traits":{"email":" Jane@EXAMPLE.com","a":1},"properties":{"email":"jane@","b":2}}"#,
    );
    assert_eq!(get(&clean.event.traits, "email"), Some(&"Jane@example.com".into()));
    assert_eq!(get(&clean.event.properties, "email"), None);
    assert_eq!(codes(&clean), ["bad_email"]);
    assert!(clean.problems[0].message.contains("jane@") && clean.problems[0].field == "properties.email");
}

#[test]
fn amounts_become_numbers_one_can_sum() {
    let clean = cleaned(
        r#"{"event_type":"purchase","customer_id":"c","total":"1.234,50 €","price":"19.99","tax":"1,234","amount":"3 pcs","properties":{"currency":"EUR","revenue":5}}"#,
    );
    let at = |name: &str| get(&clean.event.properties, name).unwrap().to_string();
    assert_eq!(
        [at("total"), at("price"), at("tax"), at("amount"), at("revenue")],
        ["1234.50", "19.99", "1,234", "3 pcs", "5"]
    );
    assert_eq!(codes(&clean), ["bad_amount", "bad_amount"]);
}

#[test]
fn an_unusable_product_id_does_not_cost_the_event() {
    let clean = cleaned(r#"{"event_type":"a","customer_id":"c","product_id":"4.00638E+12"}"#);
    assert_eq!((clean.event.product_id.clone(), codes(&clean)), (None, vec!["bad_product_id"]));
    let clean = cleaned(r#"{"event_type":"a","customer_id":"c","product_id":4006381333931}"#);
    assert_eq!(clean.event.product_id.unwrap().as_str(), "gtin:04006381333931");
}

#[test]
fn automatons_are_refused_where_a_person_should_be() {
    let source = SourceSettings { mark_bots: false, ..SourceSettings::default() };
    let browser = SourceSettings { drop_http_libraries: true, ..source.clone() };
    let open = SourceSettings { filter_bots: false, ..source.clone() };
    let googlebot = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
    let chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36";
    let event = r#"{"event_type":"a","customer_id":"c"}"#;
    let by = |agent: &str, source: &SourceSettings| {
        clean_text(event, Some(agent), source).err().map(|rejection| rejection.problem.code)
    };
    assert_eq!(by(googlebot, &source), Some(ProblemCode::Bot));
    assert_eq!(by(googlebot, &open), None);
    assert_eq!(by(chrome, &browser), None);
    assert_eq!(by("curl/8.5.0", &source), None);
    assert_eq!(by("curl/8.5.0", &browser), Some(ProblemCode::Bot));
    assert_eq!(by("MyShop-Backend/1.0", &source), None);
    let forwarded = |agent: &str| {
        format!(
            r#"{{"event_type":"a","customer_id":"c","context":{{"userAgent":{}}}}}"#,
            serde_json::json!(agent)
        )
    };
    for agent in [googlebot, "python-requests/2.31"] {
        let refused = clean_text(&forwarded(agent), None, &source).unwrap_err();
        assert_eq!(refused.problem.code, ProblemCode::Bot);
    }
    assert!(clean_text(&forwarded(chrome), Some(googlebot), &source).is_ok());
}

#[test]
fn automatons_are_kept_with_a_mark() {
    let source = SourceSettings::default();
    let event = r#"{"event_type":"a","customer_id":"c"}"#;
    let by = |agent: &str| clean_text(event, Some(agent), &source).unwrap().event;
    let marked = by("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)");
    assert_eq!(marked.marked_bot(), Some("crawler"));
    assert_eq!(get(&marked.context, "bot").unwrap().get("rule"), Some(&"says_so".into()));
    assert_eq!(by("curl/8.5.0").marked_bot(), None);
    assert_eq!(by("Thunderbird/140.0").marked_bot(), None);
    let open =
        by("Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)");
    assert!(open.is_machine_open() && open.marked_bot().is_none());
    let off = SourceSettings { filter_bots: false, ..source.clone() };
    assert_eq!(clean_text(event, Some("Googlebot/2.1"), &off).unwrap().event.marked_bot(), None);
}

#[test]
fn each_change_can_be_seen() {
    let source = SourceSettings {
        phone_region: Some("GB".to_owned()),
        normalise: Normalise {
            country: true,
            language: true,
            strip_plus_addresses: true,
            ..Normalise::default()
        },
        ..SourceSettings::default()
    };
    let json = r#"{"event_type":" view ","customer_id":"c","product_id":"a1x2","timestamp":"27 April 2024 14:35",
        "traits":{"email":"Jane+x@EXAMPLE.com","phone":"020 7946 0958","country":"Germany","locale":"pt_br"},
        "properties":{"currency":"€","price":"1.234,50 €","tax":5},
        "context":{"page":{"url":"https://shop.example/a?utm_source=news&utm_campaign=may&gclid=1&b=2"}}}"#;
    let clean = clean_text(json, None, &source).unwrap();
    let seen: Vec<String> = clean
        .changes
        .iter()
        .map(|change| format!("{} {} -> {} ({})", change.field, change.from, change.to, change.rule))
        .collect();
    assert_eq!(
        seen,
        [
            "event_type  view  -> view (text)",
            "product_id a1x2 -> A1X2 (product_id)",
            "timestamp 27 April 2024 14:35 -> 2024-04-27T14:35:00Z (timestamp)",
            "traits.email Jane+x@EXAMPLE.com -> Jane@example.com (email)",
            "traits.phone 020 7946 0958 -> +442079460958 (phone)",
            "traits.country Germany -> DE (country)",
            "traits.locale pt_br -> pt-BR (language)",
            "properties.currency € -> EUR (currency)",
            "properties.price 1.234,50 € -> 1234.50 (amount)",
            "context.page.url https://shop.example/a?utm_source=news&utm_campaign=may&gclid=1&b=2 -> https://shop.example/a?b=2 (url.utm)",
        ]
    );
    let campaign = get(&clean.event.context, "campaign").unwrap();
    assert_eq!(campaign.get("source"), Some(&"news".into()));
    assert_eq!(campaign.get("name"), Some(&"may".into()));
    // With the settings as they come, names stay names and unclear numbers stay.
    let plain = cleaned(
        r#"{"event_type":"a","customer_id":"c","traits":{"country":"Germany","phone":"020 7946 0958","mobile":"+1 415 555 2671"}}"#,
    );
    let at = |name: &str| get(&plain.event.traits, name).unwrap().to_string();
    assert_eq!([at("country"), at("phone"), at("mobile")], ["Germany", "020 7946 0958", "+14155552671"]);
    let wrong =
        cleaned(r#"{"event_type":"a","customer_id":"c","traits":{"phone":"+999 123456","country":null}}"#);
    assert_eq!((get(&wrong.event.traits, "phone"), codes(&wrong)), (None, vec!["bad_phone"]));
    assert_eq!(get(&wrong.event.traits, "country"), Some(&Value::Null));
}

#[test]
fn a_fingerprint_sees_content_only() {
    let print = |json: &str| cleaned(json).fingerprint();
    let base = print(r#"{"event_type":"a","customer_id":"c","properties":{"x":1}}"#);
    assert_eq!(
        base,
        print(
            r#"{"event_type":"a","customer_id":"c","properties":{"x":1},"event_id":"e","timestamp":"2024-04-27"}"#
        )
    );
    assert_eq!(base, print(r#"{"event_type":"a","customer_id":"c","x":1}"#));
    for other in [
        r#"{"event_type":"b","customer_id":"c","properties":{"x":1}}"#,
        r#"{"event_type":"a","anonymous_id":"c","properties":{"x":1}}"#,
        r#"{"event_type":"a","customer_id":"c","properties":{"x":"1"}}"#,
        r#"{"event_type":"a","customer_id":"c","traits":{"x":1}}"#,
        r#"{"event_type":"a","customer_id":"c","product_id":"p","properties":{"x":1}}"#,
    ] {
        assert_ne!(base, print(other), "{other}");
    }
    // Written to disk, so fixed for ever.
    assert_eq!(format!("{base:032x}"), FIXED_FINGERPRINT);
}

const FIXED_FINGERPRINT: &str = "13f767998890050c3978508c2a40db8a";

proptest! {
    #[test]
    fn cleaning_a_clean_event_changes_nothing(
        customer in "[ a-zA-Z0-9\u{200b}ä-ü@.]{1,12}",
        product in proptest::option::of("[0-9A-Za-z%. -]{0,15}"),
        time in proptest::option::of(946_684_800_i64..1_735_689_600),
        phone in "[+0-9 ()-]{0,16}",
        url in "(HTTPS?|https)://[a-zA-Z]{1,5}\\.Example/[a-z%0-9]{0,4}\\?(utm_source|gclid|q)=[a-z+%0-9]{0,5}(#[a-z]{0,3})?",
        currency in "(eur|\\$|EUR|x{0,2})",
        email in "[a-zA-Z+.]{1,8}@[a-zA-Zäöü]{1,8}\\.(com|DE)",
        extra in "[a-z]{1,5}",
    ) {
        let json = serde_json::json!({
            "event_type": "view", "customer_id": customer, "anonymous_id": "a", "product_id": product,
            "timestamp": time, "traits": {"email": email, "phone": phone, "country": extra, "language": extra},
            "url": url, "currency": currency, "context": {"page": {"url": url, "referrer": url}}, "zz": extra,
        });
        let source = SourceSettings {
            normalise: Normalise { country: true, language: true, ..Normalise::default() },
            ..SourceSettings::default()
        };
        let first = clean_text(&json.to_string(), None, &source).unwrap();
        let second =
            clean(to_raw(&first.event), received_at(), &Sender::default(), &source, || "other".into()).unwrap();
        prop_assert_eq!(second.fingerprint(), first.fingerprint());
        prop_assert_eq!(second.event, first.event);
    }
}

#[test]
fn a_refusal_of_mail_is_no_address() {
    let clean =
        cleaned(r#"{"event_type":"consent","customer_id":"C1","properties":{"email":false,"sms":false}}"#);
    assert_eq!(codes(&clean), [""; 0]);
    assert_eq!(get(&clean.event.properties, "email"), Some(&Value::Bool(false)));
    let clean = cleaned(r#"{"event_type":"identify","customer_id":"C1","traits":{"email":false}}"#);
    assert_eq!(codes(&clean), ["bad_email"]);
}
