//! Reads arbitrary mappings and bodies, and maps one by the other; and arbitrary
//! bodies by the mappings that come with the program.
//!
//! A mapping that is understood always ends, within its bounds, in the same way;
//! what it makes can be cleaned.

#![no_main]

use libfuzzer_sys::fuzz_target;
use signalpost_core::clean::{Sender, SourceSettings, clean};
use signalpost_core::hook::{Mapping, Message, OUTPUTS_MAX, Output, known, read_body};
use signalpost_core::time::Timestamp;

/// The first byte chooses a topic, the rest is a mapping and a body with a zero byte between.
const TOPICS: [&str; 8] = [
    "orders/create", "carts/update", "checkouts/create", "customers/update", "products/update", "refunds/create",
    "customers/redact", "orders/paid",
];

fuzz_target!(|input: &[u8]| {
    let Some((first, rest)) = input.split_first() else { return };
    let topic = TOPICS[usize::from(*first) % TOPICS.len()];
    let at = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
    let (mapping, body) = rest.split_at(at);
    let Ok(body) = read_body(body.strip_prefix(b"\0").unwrap_or(mapping)) else { return };
    if let Ok(json) = serde_json::from_slice(mapping) {
        match Mapping::parse(&json) {
            Ok(mapping) => map(&mapping, topic, &body),
            Err(error) => assert!(json.pointer(&error.at).is_some(), "{error}"),
        }
    }
    for (_, text) in known::MAPPINGS {
        map(&Mapping::parse(&serde_json::from_str(text).unwrap()).unwrap(), topic, &body);
    }
});

fn map(mapping: &Mapping, topic: &str, body: &signalpost_core::value::Value) {
    let headers = [("x-shopify-topic".into(), topic.into()), ("x-shopify-webhook-id".into(), "w".into())];
    let source = SourceSettings::default();
    let received_at = Timestamp::from_micros(1_800_000_000_000_000);
    for body in mapping.messages(body) {
        let message = Message { hook: "fuzz", body: &body, headers: &headers };
        let made = mapping.apply(&message);
        assert_eq!(made, mapping.apply(&message));
        let Ok(mapped) = made else { continue };
        assert!(mapped.outputs.len() <= OUTPUTS_MAX);
        for (output, at) in mapped.outputs {
            assert!(at.starts_with("/rules/"));
            if let Output::Event(event) = output
                && let Err(rejection) = clean(*event, received_at, &Sender::default(), &source, || "assigned".into())
            {
                assert!(!rejection.problem.message.is_empty());
            }
        }
    }
}
