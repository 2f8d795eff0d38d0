//! Lives through arbitrary events under arbitrary segments and sequence rules;
//! at every instant the members are those that a fold of everything known by
//! then leaves, and a profile is what its record says.
//!
//! Lines of text up to an empty one are definitions; each four bytes behind it
//! are an event: what, how late, with which value, and after which pause.

#![no_main]

use libfuzzer_sys::fuzz_target;
use signalpost_core::event::Event;
use signalpost_core::id::{CustomerId, ProfileKey};
use signalpost_core::profile::{Moment, Profile};
use signalpost_core::program::{Change, Defined, Program};
use signalpost_core::segment::{Schema, Statement, parse};
use signalpost_core::step;
use signalpost_core::time::{Span, Timestamp};
use signalpost_core::value::Value;

const DEFINITIONS_MAX: usize = 6;
const EVENTS_MAX: usize = 24;
const TYPES: [&str; 4] = ["view", "add_to_cart", "purchase", "left_cart"];
const TRAITS: [&str; 3] = ["tier", "born", "tags"];
const PROPERTIES: [&str; 4] = ["price", "category", "items", "note"];

/// 2026-10-24T00:00:00Z, a day before clocks in Europe go back.
fn start() -> Timestamp {
    Timestamp::from_micros(1_792_800_000_000_000)
}

fn define(program: &mut Program, number: usize, text: &str) {
    let mut schema = Schema::default();
    TRAITS.iter().for_each(|name| schema.add_trait(name));
    PROPERTIES.iter().for_each(|name| schema.add_property(name));
    let name = format!("s{number}");
    let what = match parse(text, &schema) {
        Ok(Statement::Segment(definition)) if program.check(&name, &definition).is_ok() => Defined::Segment {
            name: name.as_str().into(),
            version: 1,
            text: text.into(),
            traits: TRAITS.iter().map(|name| (*name).into()).collect(),
            properties: PROPERTIES.iter().map(|name| (*name).into()).collect(),
        },
        Ok(Statement::Sequence(_)) => Defined::Sequence { text: text.into() },
        _ => return,
    };
    program.apply(&Change { at: start(), what }).unwrap_or_else(|error| panic!("{text}: {error}"));
}

fn value(byte: u8) -> Value {
    match byte % 8 {
        0 => Value::Null,
        1 => Value::Bool(byte & 8 == 0),
        2 => Value::Float(f64::from(byte) / 7.0),
        3 => "Toys".into(),
        4 => "2026-10-25T00:30:00Z".into(),
        5 => "17".into(),
        _ => Value::Int(i64::from(byte) - 100),
    }
}

fn event(number: u64, bytes: [u8; 4], now: Timestamp) -> Event {
    let [kind, late, held, _] = bytes;
    let late = Span::from_micros(i64::from(late).pow(3) * 7_919_000 - 40_000_000);
    let late = if kind & 0x40 == 0 { Span::ZERO } else { late };
    Event {
        event_id: format!("e{number}").as_str().into(),
        event_type: TYPES[usize::from(kind % 4)].into(),
        customer_id: Some(CustomerId::from("c1")),
        anonymous_id: None,
        timestamp: now - late,
        received_at: now,
        product_id: (kind & 4 == 0).then(|| format!("p{}", held % 3).as_str().into()),
        properties: vec![
            (PROPERTIES[usize::from(kind >> 3 & 3)].into(), value(held)),
            ("price".into(), value(held.rotate_left(3))),
        ],
        traits: if kind & 0x80 == 0 {
            Vec::new()
        } else {
            vec![(TRAITS[usize::from(held % 3)].into(), value(held.rotate_left(5)))]
        },
        context: Vec::new(),
        source: "fuzz".into(),
    }
}

fn members(profile: &Profile) -> Vec<u32> {
    profile.memberships.iter().map(|held| held.segment).collect()
}

fn check(live: &mut Profile, program: &Program, timeline: &[(Moment, Event)], now: Timestamp) {
    assert!(live.next_due() > now);
    let read = Profile::decode(&live.encode());
    assert_eq!(read.as_ref(), Ok(&*live));
    let mut anew = Profile::new(live.key.clone());
    step::refold(&mut anew, program, timeline.to_vec(), now, &mut Vec::new());
    assert_eq!(members(live), members(&anew), "at {now}");
}

fuzz_target!(|bytes: &[u8]| {
    let end = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap_or(bytes.len());
    let Ok(text) = std::str::from_utf8(&bytes[..end]) else { return };
    let mut program = Program::default();
    for (number, line) in text.lines().take(DEFINITIONS_MAX).enumerate() {
        define(&mut program, number, line);
    }
    if program.segments.is_empty() {
        return;
    }
    let mut live = Profile::new(ProfileKey::Customer("c1".into()));
    live.program_version = program.version;
    let mut timeline: Vec<(Moment, Event)> = Vec::new();
    let mut now = start();
    let inputs = bytes.get(end + 2..).unwrap_or_default().chunks_exact(4).take(EVENTS_MAX);
    for (bytes, sequence) in inputs.filter_map(|chunk| <[u8; 4]>::try_from(chunk).ok()).zip(1..) {
        let mut told = Vec::new();
        let pause = Span::from_micros(i64::from(bytes[3]).pow(3) * 20_000_000);
        // Where something is due on the way, that very instant is looked at.
        let next = now + pause;
        let due = live.next_due();
        if due <= next && !timeline.is_empty() {
            step::advance(&mut live, &program, due, &mut told);
            check(&mut live, &program, &timeline, due);
        }
        now = next;
        step::advance(&mut live, &program, now, &mut told);
        let event = event(sequence, bytes, now);
        timeline.push((Moment { timestamp: event.timestamp, sequence }, event.clone()));
        step::apply(&mut live, &program, &event, sequence, now, &mut told);
        check(&mut live, &program, &timeline, now);
    }
});
