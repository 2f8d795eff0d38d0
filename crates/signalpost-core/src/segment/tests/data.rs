//! Real data with answers computed elsewhere: each segment's members at each
//! instant must be exactly those expected.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use flate2::read::GzDecoder;

use super::timeline::{Event, definition};
use crate::segment::{Columns, Compiled, Subject, Summary, duration};
use crate::time::Timestamp;
use crate::value::Value;

/// A customer's rows in order; the subject is those up to an instant.
struct History {
    rows: Vec<Event>,
}

struct Until<'a>(&'a [Event]);

impl Subject for Until<'_> {
    type Row = Event;
    fn rows(&self) -> &[Event] {
        self.0
    }
    fn summary(&self, event_type: &str) -> Option<Summary> {
        let mut of_type = self.0.iter().filter(|row| row.kind == event_type).map(|row| row.timestamp);
        let first = of_type.next()?;
        let (count, last) = of_type.fold((1, first), |(count, _), at| (count + 1, at));
        Some(Summary { count, first, last })
    }
    fn attribute(&self, _: &str, _: Timestamp) -> (Value, Timestamp) {
        (Value::Null, Timestamp::MAX)
    }
    fn in_segment(&self, _: &str) -> bool {
        false
    }
}

impl History {
    fn until(&self, now: Timestamp) -> Until<'_> {
        Until(&self.rows[..self.rows.partition_point(|row| row.timestamp <= now)])
    }

    /// Membership at `end`, found by waking only at events and horizons.
    fn driven(&self, compiled: &Compiled, end: Timestamp) -> bool {
        let mut member = false;
        let mut next = self.rows.first().map_or(Timestamp::MAX, |row| row.timestamp);
        while next <= end {
            let now = next;
            let outcome = compiled.evaluate(&self.until(now), now);
            member = outcome.is_member();
            let seen = self.rows.partition_point(|row| row.timestamp <= now);
            let event = self.rows.get(seen).map_or(Timestamp::MAX, |row| row.timestamp);
            next = event.min(outcome.horizon);
        }
        member
    }
}

#[expect(clippy::disallowed_methods, reason = "where test data lies is told by the environment")]
fn shared(name: &str) -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let root = std::env::var("SIGNALPOST_SHARED").map_or(beside, PathBuf::from);
    let folder = root.join("data").join(name);
    if folder.join("events.ndjson.gz").exists() {
        return Some(folder);
    }
    eprintln!(
        "SKIPPED: {} is absent, so no segment was compared with its expected members",
        folder.display()
    );
    None
}

fn histories(folder: &std::path::Path, columns: &Columns) -> BTreeMap<String, History> {
    let file = fs::File::open(folder.join("events.ndjson.gz")).expect("the events");
    let mut histories: BTreeMap<String, History> = BTreeMap::new();
    for (sequence, line) in BufReader::new(GzDecoder::new(file)).lines().enumerate() {
        let event: serde_json::Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
        let text = |name: &str| event[name].as_str().map(str::to_owned);
        let Some(customer) = text("customer_id") else { continue };
        let values = columns.names().map(|name| Value::from(event[name].clone())).collect();
        let timestamp = Timestamp::parse(&text("timestamp").expect("a timestamp")).expect("an instant");
        let kind = text("event_type").expect("a type");
        let row = Event { timestamp, sequence: sequence as u64, kind, values };
        histories.entry(customer).or_insert_with(|| History { rows: Vec::new() }).rows.push(row);
    }
    for history in histories.values_mut() {
        history.rows.sort_by_key(|row| (row.timestamp, row.sequence));
    }
    histories
}

/// The members expected at each instant: rows of a file whose `segment`
/// column, where there is one, is `segment`.
fn expected(folder: &std::path::Path, file: &str, segment: &str) -> BTreeMap<Timestamp, BTreeSet<String>> {
    let text = fs::read_to_string(folder.join("expected").join(file)).expect(file);
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let column = |name: &str| header.iter().position(|held| *held == name);
    let mut members: BTreeMap<Timestamp, BTreeSet<String>> = BTreeMap::new();
    for line in lines {
        let cells: Vec<&str> = line.split(',').collect();
        if column("segment").is_some_and(|at| cells[at] != segment) {
            continue;
        }
        let as_of = column("as_of").map_or("2011-12-01", |at| cells[at]);
        let as_of = duration::read_instant(as_of).expect("an instant");
        let customer = cells[column("customer_id").expect("customers")].to_owned();
        members.entry(as_of).or_default().insert(customer);
    }
    members
}

/// Compares segments with expected members; gives how many were compared.
fn check(name: &str, segments: &[(&str, &str, &str)]) -> Option<Vec<usize>> {
    let folder = shared(name)?;
    let mut columns = Columns::default();
    let compiled: Vec<Compiled> =
        segments.iter().map(|(_, _, text)| definition(text).compile(&mut columns)).collect();
    let histories = histories(&folder, &columns);
    let mut counts = Vec::new();
    for ((file, segment, text), compiled) in segments.iter().zip(&compiled) {
        for (as_of, expected) in expected(&folder, file, segment) {
            let found: BTreeSet<String> = histories
                .iter()
                .filter(|(_, history)| compiled.evaluate(&history.until(as_of), as_of).is_member())
                .map(|(customer, _)| customer.clone())
                .collect();
            assert_eq!(found, expected, "{text} at {as_of}");
            // Walking from wake to wake is slow: every eighth customer is.
            for (customer, history) in histories.iter().step_by(8) {
                let driven = history.driven(compiled, as_of);
                assert_eq!(driven, expected.contains(customer), "{text} driven to {as_of}: {customer}");
            }
            counts.push(found.len());
        }
    }
    Some(counts)
}

#[test]
fn retail_segments_have_the_expected_members() {
    let counts = check(
        "online-retail",
        &[
            (
                "e3_purchased_last_24h.csv",
                "",
                "IF event_type = 'purchase' AND event_time >= now() - 24 hours THEN assign to 'E3'",
            ),
            (
                "e4_lapsed.csv",
                "",
                "IF event_type = 'purchase' AND event_time >= now() - 90 days AND NOT (event_type = 'purchase' AND \
                 event_time >= now() - 30 days) THEN assign to 'E4'",
            ),
            (
                "e5_germany_multi.csv",
                "",
                "SELECT customer_id FROM customer_data c WHERE (SELECT last(country) FROM events e WHERE \
                 e.customer_id = c.customer_id) = 'Germany' AND customer_id IN (SELECT customer_id FROM events \
                 WHERE event_type = 'purchase' AND timestamp >= now() - INTERVAL '90 days' GROUP BY customer_id \
                 HAVING count(DISTINCT order_id) >= 2 AND sum(quantity * unit_price) >= 500)",
            ),
        ],
    );
    assert!(counts.is_none_or(|counts| counts == [16, 42, 93, 875, 914, 885, 32]));
}

#[test]
fn visitor_segments_have_the_expected_members() {
    let open = |window: &str| {
        format!(
            "IF event_type = 'add_to_cart' AND event_time >= now() - {window} AND NOT EXISTS (SELECT 1 FROM events \
             p WHERE p.event_type = 'purchase' AND p.timestamp >= event.timestamp) THEN assign to 'open'"
        )
    };
    let confirmed = "SELECT customer_id FROM events c WHERE c.event_type = 'add_to_cart' AND c.timestamp + 24 hours \
                     <= now() AND NOT EXISTS (SELECT 1 FROM events p WHERE p.customer_id = c.customer_id AND \
                     p.event_type = 'purchase' AND p.timestamp >= c.timestamp AND p.timestamp < c.timestamp + \
                     INTERVAL '24 hours')";
    let confirmed_lately = format!("{confirmed} AND c.timestamp >= now() - INTERVAL '7 days'");
    let browsers = "SELECT customer_id FROM customer_data WHERE (SELECT count(DISTINCT product_id) FROM events WHERE \
                    event_type = 'product_view' AND timestamp >= now() - INTERVAL '7 days') >= 3 AND NOT EXISTS \
                    (SELECT 1 FROM events WHERE event_type = 'purchase')";
    let abandonment = "e3_abandonment_members.csv";
    let counts = check(
        "retailrocket-sample",
        &[
            (abandonment, "A1_open_last_24h", &open("24 hours")),
            (abandonment, "A2_confirmed_ever", confirmed),
            (abandonment, "A3_confirmed_7d", &confirmed_lately),
            (abandonment, "A4_open_last_7d", &open("7 days")),
            ("e4_browsers.csv", "", browsers),
        ],
    );
    let Some(counts) = counts else { return };
    assert_eq!(counts[..12], [4, 4, 3, 36, 48, 106, 5, 4, 6, 8, 8, 9]);
}
