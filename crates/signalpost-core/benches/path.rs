//! What the core's part of an event's way costs: from the bytes of a request
//! to a clean event, to the changed profile, to its record, to what is learnt
//! for recommendations.
//!
//! The traffic is that of `signalpost bench`: of 100 events, 80 product views,
//! 12 additions to the cart, 5 page views and 3 purchases, by customers drawn
//! by Zipf's law, about 5,000 products, under the same ten segments.

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use signalpost_core::clean::fingerprint::fingerprint;
use signalpost_core::clean::{Limits, Sender, SourceSettings, clean, parse_batch};
use signalpost_core::event::Event;
use signalpost_core::id::{EventId, ProfileKey};
use signalpost_core::profile::Profile;
use signalpost_core::program::{Change, Defined, Program};
use signalpost_core::recommend::{Model, Settings};
use signalpost_core::step;
use signalpost_core::time::{Span, Timestamp};

const CATEGORIES: [&str; 8] =
    ["Electronics", "Home & Garden", "Toys", "Books", "Beauty", "Sports", "Fashion", "Groceries"];
const PRODUCTS: u64 = 5_000;
const CUSTOMERS: u64 = 100_000;
const BROWSER: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36";

const SEGMENTS: [(&str, &str); 10] = [
    (
        "Viewed lately",
        "IF event_type = 'product_view' AND event_time >= now() - 1 hours THEN assign to 'Viewed lately'",
    ),
    ("Carts", "IF event_type = 'add_to_cart' AND event_time >= now() - 24 hours THEN assign to 'Carts'"),
    ("Buyers", "IF event_type = 'purchase' THEN assign to 'Buyers'"),
    ("Electronics", "SELECT customer_id FROM customer_data WHERE recent_view_category = 'Electronics'"),
    ("Busy", "SELECT customer_id FROM customer_data WHERE events >= 10"),
    ("Spenders", "SELECT customer_id FROM customer_data WHERE total_spent >= 100"),
    ("New", "SELECT customer_id FROM customer_data WHERE first_seen >= now() - INTERVAL '7 days'"),
    (
        "Cart no purchase",
        "SELECT customer_id FROM customer_data WHERE add_to_cart_count > 0 AND purchase_count = 0",
    ),
    (
        "Two carts",
        "SELECT customer_id FROM customer_data WHERE customer_id IN (SELECT customer_id FROM events WHERE event_type = 'add_to_cart' GROUP BY customer_id HAVING count(*) >= 2)",
    ),
    (
        "Page only",
        "SELECT customer_id FROM customer_data WHERE NOT EXISTS (SELECT 1 FROM events WHERE event_type = 'product_view')",
    ),
];

fn start() -> Timestamp {
    Timestamp::from_micros(1_777_300_000_000_000)
}

/// Requests as `signalpost bench` makes them, from a seed.
struct Traffic {
    state: u64,
    written: u64,
}

impl Traffic {
    fn new(seed: u64) -> Self {
        Self { state: seed, written: 0 }
    }

    /// `SplitMix64` (Steele, Lea, Flood).
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A customer's number, by Zipf's law with exponent 1.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 up to the customers + 1")]
    fn customer(&mut self) -> u64 {
        let unit = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        let rank = (unit * (CUSTOMERS as f64 + 1.0).ln()).exp() as u64;
        (rank.clamp(1, CUSTOMERS) - 1) * 2_654_435_761 % CUSTOMERS
    }

    /// The next event's JSON, by `customer`, at `at`.
    fn write(&mut self, out: &mut String, customer: u64, at: Timestamp) {
        let dice = self.next();
        let product = (dice >> 8) % PRODUCTS;
        let category = CATEGORIES.get((product % 8) as usize).copied().unwrap_or_default();
        let kind = match (dice >> 32) % 100 {
            0..80 => "product_view",
            80..92 => "add_to_cart",
            92..97 => "page_view",
            _ => "purchase",
        };
        let id = self.written;
        self.written += 1;
        let cents = 499 + product * 37 % 49_500;
        let product_id = if kind == "page_view" {
            String::new()
        } else {
            format!("\",\"product_id\":\"SP-{}", 1_000 + product)
        };
        let facts = match kind {
            "page_view" => format!(",\"url\":\"https://shop.example/c/{}\"", product % 8),
            "purchase" => {
                format!(",\"price\":{}.{:02},\"quantity\":{}", cents / 100, cents % 100, 1 + (dice >> 24) % 3)
            }
            _ => format!(",\"price\":{}.{:02}", cents / 100, cents % 100),
        };
        let written = write!(
            out,
            "{{\"event_type\":\"{kind}\",\"customer_id\":\"c{customer}{product_id}\",\"timestamp\":\"{at}\",\"event_id\":\"b62f1c0-7-{id}\",\"properties\":{{\"category\":\"{category}\"{facts}}}}}"
        );
        assert!(written.is_ok());
    }

    fn body(&mut self, events: usize) -> String {
        let mut body = String::from("[");
        for index in 0..events {
            body.push_str(if index == 0 { "" } else { "," });
            let customer = self.customer();
            self.write(&mut body, customer, start());
        }
        body.push(']');
        body
    }

    /// Clean events, `apart` from one another.
    fn events(&mut self, count: usize, apart: Span, customer: Option<u64>) -> Vec<Event> {
        let source = SourceSettings::default();
        let mut events = Vec::with_capacity(count);
        let mut at = start();
        for _ in 0..count {
            let mut body = String::new();
            let whose = customer.unwrap_or_else(|| self.customer());
            self.write(&mut body, whose, at);
            let parsed = parse_batch(body.as_bytes(), &Limits::default()).unwrap_or_default();
            let cleaned = parsed.into_iter().filter_map(|element| {
                clean(element.ok()?, at, &Sender::default(), &source, || EventId::from("x")).ok()
            });
            events.extend(cleaned.map(|clean| clean.event));
            at = at + apart;
        }
        events
    }
}

fn program() -> Program {
    let mut program = Program::default();
    for (name, text) in SEGMENTS {
        let what = Defined::Segment {
            name: name.into(),
            version: 1,
            text: text.into(),
            traits: Vec::new(),
            properties: Vec::new(),
        };
        assert!(program.apply(&Change { at: start() - Span::DAY, what }).is_ok());
    }
    program
}

/// A profile that has seen `events`, each at its own time.
fn profile_of(events: &[Event], program: &Program) -> Profile {
    let key = events.first().and_then(Event::profile_key).unwrap_or(ProfileKey::Customer("c".into()));
    let mut profile = Profile::new(key);
    profile.program_version = program.version;
    for (event, sequence) in events.iter().zip(0..) {
        take(&mut profile, program, event, sequence);
    }
    profile
}

fn take(profile: &mut Profile, program: &Program, event: &Event, sequence: u64) {
    let mut actions = Vec::new();
    step::advance(profile, program, event.timestamp, &mut actions);
    step::apply(profile, program, event, sequence, event.timestamp, &mut actions);
    black_box(actions);
}

fn cleaning(criterion: &mut Criterion) {
    let body = Traffic::new(1).body(100);
    let source = SourceSettings::default();
    let limits = Limits::default();
    let mut group = criterion.benchmark_group("clean");
    group.throughput(Throughput::Elements(100));
    group.bench_function("parse 100 events", |bencher| {
        bencher.iter(|| parse_batch(black_box(body.as_bytes()), &limits));
    });
    for (name, agent) in [("no agent", ""), ("a browser", BROWSER)] {
        group.bench_function(format!("parse and clean 100 events, {name}"), |bencher| {
            bencher.iter(|| {
                let sender = Sender::of_agent(Some(agent));
                let elements = parse_batch(black_box(body.as_bytes()), &limits).unwrap_or_default();
                for element in elements {
                    let cleaned = element
                        .and_then(|raw| clean(raw, start(), &sender, &source, || EventId::from("assigned")));
                    black_box(cleaned.is_ok());
                }
            });
        });
    }
    let events = Traffic::new(1).events(100, Span::MILLISECOND, None);
    group.bench_function("fingerprint 100 events", |bencher| {
        bencher.iter(|| events.iter().fold(0, |all, event| all ^ fingerprint(event)));
    });
    group.finish();
}

#[expect(clippy::print_stdout, reason = "a record's bytes are a figure of this benchmark")]
fn stepping(criterion: &mut Criterion) {
    /// Events applied one after the other to one clone of the profile.
    const TAKEN: usize = 20;
    let program = program();
    let mut group = criterion.benchmark_group("step");
    for size in [20, 2_000] {
        let events = Traffic::new(2).events(size + TAKEN, Span::MILLISECOND.times(400), Some(7));
        let (before, next) = events.split_at(size);
        let profile = profile_of(before, &program);
        let record = profile.encode();
        println!("a profile of {size} events is a record of {} bytes", record.len());
        group.throughput(Throughput::Elements(TAKEN as u64));
        group.bench_function(format!("apply {TAKEN} events to a profile of {size}"), |bencher| {
            bencher.iter_batched_ref(
                || profile.clone(),
                |profile| {
                    for (event, sequence) in next.iter().zip(1_000_000..) {
                        take(profile, &program, event, sequence);
                    }
                },
                BatchSize::SmallInput,
            );
        });
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("encode a profile of {size}"), |bencher| {
            bencher.iter(|| profile.encode())
        });
        group.bench_function(format!("decode a profile of {size}"), |bencher| {
            bencher.iter(|| Profile::decode(black_box(&record)));
        });
    }
    group.finish();
}

fn learning(criterion: &mut Criterion) {
    const EVENTS: usize = 300_000;
    // 30,000 events a second.
    let events = Traffic::new(3).events(EVENTS, Span::from_micros(33), None);
    let keyed: Vec<(Event, ProfileKey)> =
        events.into_iter().filter_map(|event| event.profile_key().map(|key| (event, key))).collect();
    let mut group = criterion.benchmark_group("recommend");
    group.sample_size(10);
    group.throughput(Throughput::Elements(EVENTS as u64));
    group.bench_function("observe 300,000 events", |bencher| {
        bencher.iter_batched_ref(
            || Model::new(Settings::default()),
            |model| keyed.iter().for_each(|(event, key)| model.observe(event, key)),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, cleaning, stepping, learning);
criterion_main!(benches);
