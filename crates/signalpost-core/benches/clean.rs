//! What single questions of the cleaning stage cost: the kind of a user agent
//! (at most 4 µs; agents seen lately are remembered, so each is asked in a text
//! of its own), a tracking plan over the usual event (below 3 µs), and what plan
//! and marks add to cleaning a request's events.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use signalpost_core::clean::bot::{classify, prepare};
use signalpost_core::clean::phone;
use signalpost_core::clean::plan::Plan;
use signalpost_core::clean::{Limits, PlanMode, Sender, SourceSettings, clean, clean_by_plan, parse_batch};
use signalpost_core::id::EventId;
use signalpost_core::time::Timestamp;

/// One of each kind, so that no answer is that of the agent before.
const AGENTS: [&str; 12] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 15; SM-S938B Build/AP3A.240905.015; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/150.0.0.0 Mobile Safari/537.36 Instagram 400.0.0.1 Android (35/15; 480dpi; 1080x2340; samsung; SM-S938B)",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/150.0.0.0 Safari/537.36",
    "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 6.1; WOW64; Trident/7.0; .NET CLR 2.0.50727; Microsoft Outlook 16.0.5)",
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
    "Shop/88 CFNetwork/3826.600.41 Darwin/26.6.0",
    "curl/8.5.0",
    "MyShop-Backend/1.0",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "Nokia6120c/3.83; Profile/MIDP-2.0 Configuration/CLDC-1.1",
];

const PLAN: &str = r#"{"events": {"product_view": {"schema": {
    "type": "object",
    "required": ["customer_id", "product_id"],
    "properties": {
        "customer_id": {"type": "string", "minLength": 1},
        "product_id": {"type": "string", "pattern": "^[A-Z0-9-]+$"},
        "properties": {
            "type": "object",
            "required": ["category", "price"],
            "properties": {
                "category": {"type": "string", "enum": ["Electronics", "Books", "Toys"]},
                "price": {"type": "number", "exclusiveMinimum": 0, "multipleOf": 0.01},
                "quantity": {"type": "integer", "minimum": 1}
            },
            "additionalProperties": false
        }
    }
}}}}"#;

fn agents(criterion: &mut Criterion) {
    /// More than are remembered, so that each is judged anew.
    const VERSIONS: usize = 1_000;
    assert!(prepare());
    let mut group = criterion.benchmark_group("agent");
    group.throughput(Throughput::Elements(AGENTS.len() as u64));
    let versions: Vec<[String; 12]> =
        (0..VERSIONS).map(|version| AGENTS.map(|agent| format!("{agent} {version}"))).collect();
    let mut next = versions.iter().cycle();
    group.bench_function("12 agents of different kinds, never seen before", |bencher| {
        bencher.iter(|| {
            for agent in next.next().into_iter().flatten() {
                black_box(classify(black_box(agent)));
            }
        });
    });
    group.bench_function("12 agents of different kinds, seen lately", |bencher| {
        bencher.iter(|| {
            for agent in AGENTS {
                black_box(classify(black_box(agent)));
            }
        });
    });
    group.finish();
}

const MISSION: &str = r#"{"event_type":"product_view","customer_id":"C123","timestamp":"2024-04-27T14:35:00Z","product_id":"A1X2","properties":{"category":"Electronics","price":19.99,"quantity":1}}"#;

fn received_at() -> Timestamp {
    Timestamp::from_micros(1_777_300_000_000_000)
}

/// The mission's event in a batch of 100, with and without plan and marks.
fn batches(criterion: &mut Criterion) {
    let body = format!("[{}]", [MISSION; 100].join(","));
    let Ok(plan) = Plan::from_json(PLAN) else { return };
    let nothing = Plan::default();
    let all = SourceSettings { plan: PlanMode::Strict, ..SourceSettings::default() };
    let none = SourceSettings { filter_bots: false, plan: PlanMode::Off, ..SourceSettings::default() };
    let mut group = criterion.benchmark_group("batch of 100");
    group.throughput(Throughput::Elements(100));
    for (name, plan, source) in [("no plan, no marks", &nothing, &none), ("plan and marks", &plan, &all)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let sender = Sender::of_agent(AGENTS.first().copied());
                let elements = parse_batch(black_box(body.as_bytes()), &Limits::default());
                for element in elements.unwrap_or_default() {
                    let clean = element.and_then(|raw| {
                        clean_by_plan(raw, received_at(), &sender, source, plan, || EventId::from("x"))
                    });
                    black_box(clean.is_ok());
                }
            });
        });
    }
    group.finish();
}

fn plans(criterion: &mut Criterion) {
    let at = received_at();
    let json = MISSION;
    let source = SourceSettings::default();
    let parsed = parse_batch(json.as_bytes(), &Limits::default()).unwrap_or_default();
    let cleaned = parsed
        .into_iter()
        .filter_map(|element| {
            clean(element.ok()?, at, &Sender::default(), &source, || EventId::from("x")).ok()
        })
        .next();
    let (Some(cleaned), Ok(plan)) = (cleaned, Plan::from_json(PLAN)) else { return };
    assert!(plan.check(&cleaned.event).problems.is_empty());
    criterion.bench_function("plan: a product view that follows it", |bencher| {
        bencher.iter(|| plan.check(black_box(&cleaned.event)));
    });
    criterion.bench_function("phone: +1 (415) 555-2671", |bencher| {
        bencher.iter(|| phone::normalise(black_box("+1 (415) 555-2671"), None));
    });
}

criterion_group!(benches, agents, plans, batches);
criterion_main!(benches);
