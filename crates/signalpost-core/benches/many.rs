//! What many live segments cost an event.
//!
//! A shop with fifty types of events and 1,000 segments of ten kinds spread
//! over them: windows, counts, sums, sequences, funnels, traits, calendars. An
//! event touches 20 of them. Ten segments, one of each kind, stand over a shop
//! of one type of event, so that an event touches all ten: were the other 980
//! free, an event would cost twice as much under 1,000. The same people do as
//! much under both, with every timer that comes due on the way; the ratio of the
//! two is printed, and so is the cost of one event that touches 20 of 1,000.

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

const TYPES: u64 = 50;
const PEOPLE: u64 = 200;
const EVENTS: u64 = 20_000;

fn start() -> Timestamp {
    Timestamp::from_micros(1_777_300_000_000_000)
}

/// The text of the segment of a number: each type of event is asked for by 20
/// of 1,000.
fn text(number: u64) -> String {
    let (kind, of, other) =
        (number % 10, format!("t{}", number / 10 % TYPES), format!("t{}", (number / 10 + 1) % TYPES));
    let (hours, least) = (1 + number / 10 % 72, number / 500);
    let condition = match kind {
        0 => format!("event_type = '{of}' AND event_time >= now() - {hours} hours"),
        1 => format!("done {of} at least 3 times in the last {hours} days"),
        2 => format!(
            "event_type = '{of}' AND event.price > {} AND event_time >= now() - {hours} hours",
            10 + least
        ),
        3 => format!("sum(price) of {of} in the last 30 days >= {}", 50 + least),
        4 => format!("done {of} then {other} within {hours} hours"),
        5 => format!("done {of} without {other} within {hours} hours in the last 7 days"),
        6 => format!("user.tier = {} AND done {of}", least % 5),
        7 => format!("done {of} yesterday in zone 'Europe/Berlin'"),
        8 => format!("count(distinct product_id) of {of} in the last 14 days >= 2"),
        _ => format!(
            "not done {of} in the last {hours} days including new profiles AND user.tier = {}",
            least % 5
        ),
    };
    format!("IF {condition} THEN assign to 's{number}'")
}

fn program(segments: u64) -> Program {
    let mut program = Program::default();
    // Ten are of ten kinds; 1,000 are a hundred times as many of each.
    for number in 0..segments {
        let what = Defined::Segment {
            name: format!("s{number}").as_str().into(),
            version: 1,
            text: text(number),
            traits: vec!["tier".into()],
            properties: vec!["price".into()],
        };
        let applied = program.apply(&Change { at: start() - Span::DAY, what });
        assert!(applied.is_ok(), "{applied:?}");
    }
    program
}

/// What a person does as the `number`th thing, in a shop of so many types.
fn event(number: u64, types: u64) -> Event {
    // SplitMix64's mixing (Steele, Lea, Flood).
    let mut mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^= mixed >> 27;
    let at = start() + Span::SECOND.times(i64::try_from(number).unwrap_or(0) * 30);
    Event {
        event_id: format!("e{number}").as_str().into(),
        event_type: format!("t{}", mixed % types).as_str().into(),
        customer_id: Some(CustomerId::from(format!("c{}", (mixed >> 8) % PEOPLE))),
        anonymous_id: None,
        timestamp: at,
        received_at: at,
        product_id: Some(format!("p{}", (mixed >> 20) % 40).as_str().into()),
        properties: vec![("price".into(), Value::Int(i64::try_from((mixed >> 30) % 60).unwrap_or(0)))],
        traits: if number.is_multiple_of(20) { vec![("tier".into(), Value::Int(2))] } else { Vec::new() },
        context: Vec::new(),
        source: "bench".into(),
    }
}

/// Where the event's person stands: behind the `c` of their id is the place.
fn place_of(event: &Event) -> Option<usize> {
    event.customer_id.as_ref()?.as_str().get(1..)?.parse().ok()
}

/// People under a program, each with a timer, as the worker holds them.
struct Shop<'p> {
    program: &'p Program,
    people: Vec<Profile>,
    changes: usize,
}

impl<'p> Shop<'p> {
    fn new(program: &'p Program) -> Self {
        let people = (0..PEOPLE).map(|number| {
            let mut profile = Profile::new(ProfileKey::Customer(format!("c{number}").as_str().into()));
            profile.program_version = program.version;
            profile
        });
        Self { program, people: people.collect(), changes: 0 }
    }

    fn take(&mut self, event: &Event, sequence: u64) {
        let mut actions = Vec::new();
        if let Some(profile) = place_of(event).and_then(|place| self.people.get_mut(place)) {
            step::advance(profile, self.program, event.timestamp, &mut actions);
            step::apply(profile, self.program, event, sequence, event.timestamp, &mut actions);
        }
        self.changes += black_box(actions).len();
    }
}

/// How long this thread has had a processor: on a busy machine it waits for one,
/// which is nobody's cost. As Linux tells it (`sched-stats` of its documentation).
fn spent() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(told.split(' ').next().and_then(|field| field.parse().ok()).unwrap_or(0))
}

/// Time an event, timers included, and how many memberships changed.
fn live_through(program: &Program, events: &[Event]) -> (Duration, usize) {
    let mut shop = Shop::new(program);
    let (warm, counted) = events.split_at(events.len() / 4);
    warm.iter().zip(0..).for_each(|(event, sequence)| shop.take(event, sequence));
    shop.changes = 0;
    let begin = spent();
    counted.iter().zip(EVENTS..).for_each(|(event, sequence)| shop.take(event, sequence));
    ((spent() - begin) / u32::try_from(counted.len()).unwrap_or(1), shop.changes)
}

/// Time that one event takes of a person whose state is not in the processor's
/// nearest caches.
fn touching(profile: &Profile, program: &Program, event: &Event) -> Duration {
    let round = || {
        let mut people = vec![profile.clone(); 200];
        let begin = spent();
        for profile in &mut people {
            let mut actions = Vec::new();
            step::apply(profile, program, event, EVENTS, event.timestamp, &mut actions);
            black_box(actions);
        }
        (spent() - begin) / 200
    };
    (0..50).map(|_| round()).min().unwrap_or_default()
}

#[expect(clippy::print_stdout, reason = "the ratio is the figure of this benchmark")]
fn many(_criterion: &mut Criterion) {
    let events: Vec<Event> = (0..EVENTS).map(|number| event(number, TYPES)).collect();
    let of_one_type: Vec<Event> = (0..EVENTS).map(|number| event(number, 1)).collect();
    let (ten, thousand) = (program(10), program(1_000));
    let mut best = [Duration::MAX; 2];
    let mut changes = [0; 2];
    for _ in 0..5 {
        let shops = [(&ten, &of_one_type), (&thousand, &events)];
        for (place, (program, events)) in shops.into_iter().enumerate() {
            let (took, changed) = live_through(program, events);
            if let (Some(best), Some(changes)) = (best.get_mut(place), changes.get_mut(place)) {
                *best = took.min(*best);
                *changes = changed;
            }
        }
    }
    let [few, lot] = best;
    println!("an event under 10 segments, timers included: {few:?} ({} changes)", changes[0]);
    println!("an event under 1,000 segments, timers included: {lot:?} ({} changes)", changes[1]);
    println!("ratio {:.1} (goal: below 3)", lot.as_secs_f64() / few.as_secs_f64());

    let mut shop = Shop::new(&thousand);
    events.iter().zip(0..).for_each(|(event, sequence)| shop.take(event, sequence));
    let next = Event { timestamp: start() + Span::SECOND.times(30 * 20_000), ..event(EVENTS, TYPES) };
    let Some(mut profile) = place_of(&next).map(|place| shop.people.swap_remove(place)) else { return };
    step::advance(&mut profile, &thousand, next.timestamp, &mut Vec::new());
    println!(
        "an event that touches 20 of 1,000 segments: {:?} (goal: below 20 µs)",
        touching(&profile, &thousand, &next)
    );
}

criterion_group!(benches, many);
criterion_main!(benches);
