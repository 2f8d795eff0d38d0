//! Reads and cleans arbitrary request bodies, as our own API and as the tracking
//! API take them.
//!
//! Every element ends as a clean event or as a refusal that keeps what came,
//! and a clean event reads back from its bytes on the log.

#![no_main]

use libfuzzer_sys::fuzz_target;
use signalpost_core::clean::batch::Element;
use signalpost_core::clean::tracking::{self, Call};
use signalpost_core::clean::{Limits, Sender, SourceSettings, clean, parse_batch};
use signalpost_core::event::Event;
use signalpost_core::time::Timestamp;

fuzz_target!(|body: &[u8]| {
    let limits = Limits { events_max: 1_000, ..Limits::default() };
    if let Ok(elements) = parse_batch(body, &limits) {
        judge(elements);
    }
    for call in [Call::Batch, Call::Track, Call::Identify, Call::Group, Call::Alias] {
        if let Ok(messages) = tracking::parse(call, body, &limits) {
            judge(messages.elements);
        }
    }
});

fn judge(elements: Vec<Element<'_>>) {
    let source = SourceSettings::default();
    let received_at = Timestamp::from_micros(1_800_000_000_000_000);
    assert!(elements.len() <= 1_000);
    for element in elements {
        match element.and_then(|raw| clean(raw, received_at, &Sender::of_agent(Some("fuzz")), &source, || "assigned".into())) {
            Ok(clean) => {
                assert!(clean.event.profile_key().is_some(), "an event without anybody was accepted");
                let bytes = postcard::to_stdvec(&clean.event).unwrap();
                assert_eq!(postcard::from_bytes::<Event>(&bytes).unwrap().event_id, clean.event.event_id);
            }
            Err(rejection) => assert!(!rejection.problem.message.is_empty()),
        }
    }
}
