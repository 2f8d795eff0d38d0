//! How long one profile takes to be evaluated: a hot path, run for every event
//! and every horizon.

use criterion::{Criterion, criterion_group, criterion_main};
use signalpost_core::segment::{
    ColumnIndex, Columns, Compiled, Row, Schema, Statement, Subject, Summary, parse,
};
use signalpost_core::time::{Span, Timestamp};
use signalpost_core::value::Value;

struct Event {
    timestamp: Timestamp,
    kind: &'static str,
    values: Vec<Value>,
}

impl Row for Event {
    fn timestamp(&self) -> Timestamp {
        self.timestamp
    }
    fn sequence(&self) -> u64 {
        0
    }
    fn event_type(&self) -> &str {
        self.kind
    }
    fn value(&self, column: ColumnIndex) -> &Value {
        self.values.get(column.as_usize()).unwrap_or(&Value::Null)
    }
}

struct Profile(Vec<Event>);

impl Subject for Profile {
    type Row = Event;
    fn rows(&self) -> &[Event] {
        &self.0
    }
    fn summary(&self, kind: &str) -> Option<Summary> {
        let mut of_kind = self.0.iter().filter(|row| row.kind == kind).map(|row| row.timestamp);
        let first = of_kind.next()?;
        Some(Summary { count: 1, first, last: of_kind.next_back().unwrap_or(first) })
    }
    fn attribute(&self, _: &str, _: Timestamp) -> (Value, Timestamp) {
        (Value::Int(30), Timestamp::MAX)
    }
    fn in_segment(&self, _: &str) -> bool {
        false
    }
}

fn compiled(text: &str, columns: &mut Columns) -> Option<Compiled> {
    match parse(text, &Schema::default()) {
        Ok(Statement::Segment(definition)) => Some(definition.compile(columns)),
        _ => None,
    }
}

fn segments(criterion: &mut Criterion) {
    let now = Timestamp::from_micros(1_777_300_000_000_000);
    let cases = [
        (
            "in the window",
            "IF event_type = 'cart_abandonment' AND event_time >= now() - 24 hours THEN assign to 'x'",
        ),
        ("never", "IF event_type = 'refund' AND event_time >= now() - 24 hours THEN assign to 'x'"),
        (
            "by property",
            "IF event_type = 'product_view' AND product_id = 'p3' AND event_time >= now() - 24 hours THEN assign to \
             'x'",
        ),
        ("by traits", "SELECT customer_id FROM customer_data WHERE age BETWEEN 25 AND 35 AND size = 30"),
        (
            "open cart",
            "IF event_type = 'cart_abandonment' AND event_time >= now() - 24 hours AND NOT EXISTS (SELECT 1 FROM \
             events p WHERE p.event_type = 'purchase' AND p.timestamp >= event.timestamp) THEN assign to 'x'",
        ),
        (
            "sum",
            "SELECT customer_id FROM customer_data WHERE (SELECT sum(price) FROM events WHERE event_type = \
             'product_view' AND timestamp >= now() - INTERVAL '90 days') >= 500",
        ),
    ];
    let mut columns = Columns::default();
    let compiled = cases.map(|(name, text)| (name, compiled(text, &mut columns)));
    let rows = (0..20).map(|index| Event {
        timestamp: now - Span::HOUR.times(40 - index * 2),
        kind: if index == 15 { "cart_abandonment" } else { "product_view" },
        values: columns
            .names()
            .map(
                |name| if name == "price" { Value::Float(9.99) } else { format!("p{index}").as_str().into() },
            )
            .collect(),
    });
    let profile = Profile(rows.collect());
    for (name, compiled) in compiled {
        let Some(compiled) = compiled else { continue };
        criterion.bench_function(name, |bencher| bencher.iter(|| compiled.evaluate(&profile, now)));
    }
}

criterion_group!(benches, segments);
criterion_main!(benches);
