//! The tracking API: what a message becomes, and what is refused.

use serde_json::{Value as Json, json};

use super::*;

fn read(call: Call, body: &Json) -> Vec<Json> {
    let messages = parse(call, body.to_string().as_bytes(), &Limits::default()).unwrap();
    messages.elements.into_iter().map(|element| element.unwrap().to_json()).collect()
}

#[test]
fn a_track_call_becomes_an_event_and_keeps_properties_that_are_named_like_its_fields() {
    let events = read(
        Call::Track,
        &json!({"type": "track", "event": "Plan Chosen", "userId": "u-1", "anonymousId": "", "messageId": "m-1",
            "timestamp": "2026-03-01T12:34:56.789Z", "sentAt": "2026-03-01T12:34:57Z", "integrations": {"All": true},
            "properties": {"type": "yearly", "event": "x", "userId": 7, "plan": "gold"}}),
    );
    assert_eq!(
        events,
        [json!({"event_id": "m-1", "event_type": "Plan Chosen", "customer_id": "u-1",
            "timestamp": "2026-03-01T12:34:56.789Z", "sent_at": "2026-03-01T12:34:57Z",
            "properties": {"type": "yearly", "event": "x", "userId": 7, "plan": "gold"}})]
    );
}

#[test]
fn names_of_the_commerce_specification_become_our_own_and_the_product_is_known() {
    let events = read(
        Call::Track,
        &json!({"event": "Product Viewed", "anonymousId": "a-1", "properties": {"product_id": "A1X2", "price": 19.9}}),
    );
    assert_eq!(
        events,
        [json!({"event_type": "product_view", "anonymous_id": "a-1", "product_id": "A1X2",
            "properties": {"product_id": "A1X2", "price": 19.9}, "context": {"event": "Product Viewed"}})]
    );
}

#[test]
fn each_message_of_a_batch_names_its_call_and_has_the_batch_for_a_fallback() {
    let events = read(
        Call::Batch,
        &json!({"sentAt": "S", "writeKey": "k", "context": {"ip": "::1", "locale": "de"}, "batch": [
            {"type": "identify", "userId": "u", "traits": {"age": 31}, "context": {"locale": "en"}},
            {"type": "page", "userId": "u", "name": "Home", "category": "Landing", "sentAt": "own"},
            {"type": "screen", "userId": "u", "name": "Start"},
            {"type": "group", "userId": "u", "groupId": "g", "traits": {"plan": "gold"}},
            {"type": "alias", "userId": "u", "previousId": "anon-1"}]}),
    );
    let context = json!({"ip": "::1", "locale": "de"});
    assert_eq!(
        events,
        [
            json!({"event_type": "identify", "customer_id": "u", "sent_at": "S", "traits": {"age": 31},
                "context": {"locale": "en", "ip": "::1"}}),
            json!({"event_type": "page_view", "customer_id": "u", "sent_at": "own",
                "properties": {"name": "Home", "category": "Landing"}, "context": context}),
            json!({"event_type": "screen_view", "customer_id": "u", "sent_at": "S",
                "properties": {"name": "Start"}, "context": context}),
            json!({"event_type": "group", "customer_id": "u", "sent_at": "S",
                "properties": {"group_id": "g", "plan": "gold"}, "context": context}),
            json!({"event_type": "alias", "customer_id": "u", "anonymous_id": "anon-1", "sent_at": "S",
                "context": context}),
        ]
    );
}

#[test]
fn a_wrong_message_leaves_its_neighbours_alone() {
    let deep = "[".repeat(5_000) + &"]".repeat(5_000);
    let body = format!(
        r#"{{"batch":[1,{{"type":"dance","userId":"u"}},{{"type":"track","event":"a","userId":"u","properties":{{"x":{deep}}}}},{{"type":"track","event":"b","userId":"u"}}]}}"#
    );
    let messages = parse(Call::Batch, body.as_bytes(), &Limits::default()).unwrap();
    let codes: Vec<_> = messages
        .elements
        .iter()
        .map(|element| match element {
            Ok(event) => event.problem.as_ref().map_or("", |problem| problem.code.as_str()),
            Err(rejection) => rejection.problem.code.as_str(),
        })
        .collect();
    assert_eq!(codes, ["not_an_object", "missing_field", "too_deep", ""]);
}

#[test]
fn what_is_no_message_is_refused_as_a_whole() {
    for body in ["", "7", "{", "\"x\"", "{\"batch\":[}"] {
        assert!(matches!(
            parse(Call::Batch, body.as_bytes(), &Limits::default()),
            Err(BodyError::Json { .. })
        ));
    }
    let limits = Limits { events_max: 1, ..Limits::default() };
    let body = br#"{"batch":[{},{}]}"#;
    assert!(matches!(parse(Call::Batch, body, &limits), Err(BodyError::TooManyEvents { max: 1 })));
}

#[test]
fn the_write_key_of_a_body_is_told() {
    let body = br#"{"type":"track","event":"a","userId":"u","writeKey":"wk"}"#;
    let messages = parse(Call::Track, body, &Limits::default()).unwrap();
    assert_eq!(messages.write_key.as_deref(), Some("wk"));
    let text = format!("{:?}", messages.elements);
    assert!(!text.contains("wk"), "a key is never kept with the event");
}
