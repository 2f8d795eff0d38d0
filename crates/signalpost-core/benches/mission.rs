//! What keeping both segments of the mission costs an event, and what it costs
//! PostgreSQL and DuckDB.
//!
//! In a shop of 100,000 people, of 100 events 80 are views, 12 additions to the
//! cart, 5 page views and 3 abandoned carts; one in 20 tells age and place. Here
//! each goes through the step, with every timer that comes due on the way; the
//! comparison is `benchsuite/segments/compare.py`, which reads what this prints.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use signalpost_core::event::Event;
use signalpost_core::id::{CustomerId, ProfileKey};
use signalpost_core::profile::Profile;
use signalpost_core::program::{Change, Defined, Program};
use signalpost_core::step;
use signalpost_core::time::{Span, Timestamp};
use signalpost_core::value::Value;

const PEOPLE: u64 = 100_000;
const EVENTS: u64 = 1_000_000;
/// Events a second.
const RATE: i64 = 1_000;
const SEGMENTS: [(&str, &str); 2] = [
    (
        "Abandoned Cart Last 24h",
        "IF event_type = 'cart_abandonment' AND event_time >= now() - 24 hours THEN assign to 'Abandoned Cart Last 24h'",
    ),
    (
        "NYC Electronics",
        "SELECT customer_id FROM customer_data WHERE age BETWEEN 25 AND 35 AND location = 'NYC' AND recent_view_category = 'Electronics'",
    ),
];
const CATEGORIES: [&str; 4] = ["Electronics", "Books", "Toys", "Home"];

fn start() -> Timestamp {
    Timestamp::from_micros(1_777_300_000_000_000)
}

fn program() -> Program {
    let mut program = Program::default();
    for (name, text) in SEGMENTS {
        let what = Defined::Segment {
            name: name.into(),
            version: 1,
            text: text.into(),
            traits: vec!["age".into(), "location".into()],
            properties: vec!["category".into()],
        };
        let applied = program.apply(&Change { at: start() - Span::DAY, what });
        assert!(applied.is_ok(), "{applied:?}");
    }
    program
}

/// The `number`th event, and the place of its person.
fn event(number: u64) -> (usize, Event) {
    // SplitMix64's mixing (Steele, Lea, Flood).
    let mut mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^= mixed >> 27;
    let kind = match mixed % 100 {
        0..80 => "product_view",
        80..92 => "add_to_cart",
        92..97 => "page_view",
        _ => "cart_abandonment",
    };
    let person = (mixed >> 8) % PEOPLE;
    let at = start() + Span::from_micros(i64::try_from(number).unwrap_or(0) * (1_000_000 / RATE));
    let category = CATEGORIES.get((mixed >> 40) as usize % CATEGORIES.len()).copied().unwrap_or_default();
    let age = Value::Int(i64::try_from(18 + (mixed >> 50) % 50).unwrap_or(0));
    let place: Value = if mixed >> 60 < 4 { "NYC" } else { "LA" }.into();
    let event = Event {
        event_id: format!("e{number}").as_str().into(),
        event_type: kind.into(),
        customer_id: Some(CustomerId::from(format!("c{person}"))),
        anonymous_id: None,
        timestamp: at,
        received_at: at,
        product_id: Some(format!("p{}", (mixed >> 20) % 5_000).as_str().into()),
        properties: vec![("category".into(), category.into())],
        traits: if (mixed >> 44).is_multiple_of(20) {
            vec![("age".into(), age), ("location".into(), place)]
        } else {
            Vec::new()
        },
        context: Vec::new(),
        source: "bench".into(),
    };
    (usize::try_from(person).unwrap_or(0), event)
}

/// How long this thread has had a processor: on a busy machine it waits for one,
/// which is nobody's cost. As Linux tells it (`sched-stats` of its documentation).
fn spent() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(told.split(' ').next().and_then(|field| field.parse().ok()).unwrap_or(0))
}

/// Time an event, and how many memberships changed.
fn live_through(program: &Program, events: &[(usize, Event)]) -> (Duration, usize) {
    let mut people: Vec<Profile> = (0..PEOPLE)
        .map(|number| {
            let mut profile = Profile::new(ProfileKey::Customer(format!("c{number}").as_str().into()));
            profile.program_version = program.version;
            profile
        })
        .collect();
    let mut changes = 0;
    let begin = spent();
    for ((place, event), sequence) in events.iter().zip(0..) {
        let Some(profile) = people.get_mut(*place) else { continue };
        let mut actions = Vec::new();
        step::advance(profile, program, event.timestamp, &mut actions);
        step::apply(profile, program, event, sequence, event.timestamp, &mut actions);
        changes += black_box(actions).len();
    }
    ((spent() - begin) / u32::try_from(events.len()).unwrap_or(1), changes)
}

#[expect(clippy::print_stdout, reason = "the time is the figure of this benchmark")]
fn mission(_criterion: &mut Criterion) {
    let events: Vec<_> = (0..EVENTS).map(event).collect();
    let (with, without) = (program(), Program::default());
    let mut best = [Duration::MAX; 2];
    let mut changes = 0;
    for _ in 0..5 {
        for (best, program) in best.iter_mut().zip([&with, &without]) {
            let (took, changed) = live_through(program, &events);
            *best = took.min(*best);
            changes = changed.max(changes);
        }
    }
    let [with, without] = best;
    println!("an event with both segments: {} ns ({changes} changes)", with.as_nanos());
    println!("an event with no segment: {} ns", without.as_nanos());
    println!("events a second and core with both: {:.0}", 1.0 / with.as_secs_f64());
}

criterion_group!(benches, mission);
criterion_main!(benches);
