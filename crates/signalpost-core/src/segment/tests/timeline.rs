//! A profile made by hand: events, attributes, segments.

use std::collections::BTreeMap;

use crate::segment::{
    ColumnIndex, Columns, Compiled, Definition, Outcome, Row, Schema, Statement, Subject, Summary, parse,
};
use crate::time::{Span, Timestamp};
use crate::value::Value;

/// An event with its values by column index.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) timestamp: Timestamp,
    pub(super) sequence: u64,
    pub(super) kind: String,
    pub(super) values: Vec<Value>,
}

impl Row for Event {
    fn timestamp(&self) -> Timestamp {
        self.timestamp
    }
    fn sequence(&self) -> u64 {
        self.sequence
    }
    fn event_type(&self) -> &str {
        &self.kind
    }
    fn value(&self, column: ColumnIndex) -> &Value {
        self.values.get(column.as_usize()).unwrap_or(&Value::Null)
    }
}

/// All that ever happens to one profile; cut off at an instant to be a subject.
#[derive(Clone, Debug, Default)]
pub(super) struct Timeline {
    events: Vec<(Timestamp, String, BTreeMap<String, Value>)>,
    attributes: BTreeMap<String, Value>,
    segments: Vec<String>,
}

#[derive(Clone)]
pub(super) struct AsOf {
    rows: Vec<Event>,
    all: Vec<Event>,
    attributes: BTreeMap<String, Value>,
    segments: Vec<String>,
}

impl AsOf {
    /// The same profile with fewer rows; what is known of types stays.
    pub(super) fn keeping(&self, keep: impl Fn(&Event) -> bool) -> Self {
        let rows = self.rows.iter().filter(|row| keep(row)).cloned().collect();
        Self { rows, ..self.clone() }
    }
}

impl Subject for AsOf {
    type Row = Event;
    fn rows(&self) -> &[Event] {
        &self.rows
    }
    fn summary(&self, event_type: &str) -> Option<Summary> {
        let mut of_type = self.all.iter().filter(|row| row.kind == event_type);
        let first = of_type.next()?.timestamp;
        let mut summary = Summary { count: 1, first, last: first };
        for row in of_type {
            summary.count += 1;
            summary.last = row.timestamp;
        }
        Some(summary)
    }
    fn attribute(&self, name: &str, _now: Timestamp) -> (Value, Timestamp) {
        (self.attributes.get(name).cloned().unwrap_or_default(), Timestamp::MAX)
    }
    fn in_segment(&self, name: &str) -> bool {
        self.segments.iter().any(|held| held == name)
    }
}

pub(super) fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("an instant")
}

/// The first instant of the tests' calendar.
pub(super) fn start() -> Timestamp {
    at("2026-04-01T00:00:00Z")
}

/// So many hours after [`start`].
pub(super) fn hour(hours: i64) -> Timestamp {
    start() + Span::HOUR.times(hours)
}

impl Timeline {
    pub(super) fn event(mut self, timestamp: Timestamp, kind: &str, properties: &[(&str, Value)]) -> Self {
        let properties = properties.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        self.events.push((timestamp, kind.to_owned(), properties));
        self
    }

    pub(super) fn attribute(mut self, name: &str, value: Value) -> Self {
        self.attributes.insert(name.to_owned(), value);
        self
    }

    pub(super) fn segment(mut self, name: &str) -> Self {
        self.segments.push(name.to_owned());
        self
    }

    /// What exists at `now`.
    pub(super) fn as_of(&self, now: Timestamp, columns: &Columns) -> AsOf {
        let mut rows: Vec<Event> = self
            .events
            .iter()
            .enumerate()
            .filter(|(_, (timestamp, _, _))| *timestamp <= now)
            .map(|(sequence, (timestamp, kind, properties))| Event {
                timestamp: *timestamp,
                sequence: sequence as u64,
                kind: kind.clone(),
                values: columns
                    .names()
                    .map(|name| properties.get(name).cloned().unwrap_or_default())
                    .collect(),
            })
            .collect();
        rows.sort_by_key(|row| (row.timestamp, row.sequence));
        AsOf { all: rows.clone(), rows, attributes: self.attributes.clone(), segments: self.segments.clone() }
    }
}

pub(super) fn definition(text: &str) -> Definition {
    match parse(text, &Schema::default()) {
        Ok(Statement::Segment(definition)) => definition,
        other => panic!("{text}\n{other:#?}"),
    }
}

pub(super) fn compiled(text: &str) -> (Compiled, Columns) {
    let mut columns = Columns::default();
    let compiled = definition(text).compile(&mut columns);
    (compiled, columns)
}

/// Evaluates a text on a timeline.
pub(super) fn evaluate(text: &str, timeline: &Timeline, now: Timestamp) -> Outcome {
    let (compiled, columns) = compiled(text);
    compiled.evaluate(&timeline.as_of(now, &columns), now)
}

/// Evaluates a condition of the SELECT form.
pub(super) fn holds(condition: &str, timeline: &Timeline, now: Timestamp) -> Option<bool> {
    evaluate(&format!("SELECT customer_id FROM customer_data WHERE {condition}"), timeline, now).value
}
