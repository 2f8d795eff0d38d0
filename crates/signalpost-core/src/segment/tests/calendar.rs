//! Days, months and time zones: each ends at its exact instant.

use super::timeline::{Timeline, at, evaluate, holds};
use crate::segment::Outcome;
use crate::time::Timestamp;

/// The instants at which a rule's value changes, found by going from horizon
/// to horizon, each with the value from then on.
fn changes(condition: &str, timeline: &Timeline, from: Timestamp) -> Vec<(String, bool)> {
    let text = format!("IF {condition} THEN assign to 'x'");
    let mut changes: Vec<(String, bool)> = Vec::new();
    let mut now = from;
    for _ in 0..100 {
        let Outcome { value, horizon } = evaluate(&text, timeline, now);
        let value = value == Some(true);
        if changes.last().is_none_or(|(_, held)| *held != value) {
            changes.push((now.to_string(), value));
        }
        if horizon == Timestamp::MAX {
            return changes;
        }
        now = horizon;
    }
    panic!("{condition} never comes to rest: {changes:?}");
}

fn told(changes: &[(&str, bool)]) -> Vec<(String, bool)> {
    changes.iter().map(|(at, value)| ((*at).to_owned(), *value)).collect()
}

const YESTERDAY: &str = "event_type = 'a' AND timestamp >= (date_trunc('day', now() AT TIME ZONE 'Europe/Berlin') - \
                         INTERVAL '1 day') AT TIME ZONE 'Europe/Berlin' AND timestamp < date_trunc('day', now(), \
                         'Europe/Berlin')";

#[test]
fn yesterday_in_berlin_ends_at_its_midnight_when_clocks_turn() {
    // Clocks went forward on 29 March 2026 at 01:00 UTC: that day had 23 hours.
    let event = Timeline::default().event(at("2026-03-28T12:00:00Z"), "a", &[]);
    let expected = told(&[
        ("2026-03-28T13:00:00Z", false),
        ("2026-03-28T23:00:00Z", true),
        ("2026-03-29T22:00:00Z", false),
    ]);
    assert_eq!(changes(YESTERDAY, &event, at("2026-03-28T13:00:00Z")), expected);
    // And back on 25 October: that day had 25.
    let event = Timeline::default().event(at("2026-10-24T12:00:00Z"), "a", &[]);
    let expected = told(&[
        ("2026-10-24T13:00:00Z", false),
        ("2026-10-24T22:00:00Z", true),
        ("2026-10-25T23:00:00Z", false),
    ]);
    assert_eq!(changes(YESTERDAY, &event, at("2026-10-24T13:00:00Z")), expected);
}

#[test]
fn windows_of_fixed_length_take_no_heed_of_clocks() {
    let event = Timeline::default().event(at("2026-03-28T12:00:00Z"), "a", &[]);
    for (window, end) in [
        ("10 minutes", "2026-03-28T12:10:00.000001Z"),
        ("24 hours", "2026-03-29T12:00:00.000001Z"),
        ("30 days", "2026-04-27T12:00:00.000001Z"),
    ] {
        let condition = format!("event_type = 'a' AND timestamp >= now() - {window}");
        let expected = told(&[("2026-03-28T12:00:00Z", true), (end, false)]);
        assert_eq!(changes(&condition, &event, at("2026-03-28T12:00:00Z")), expected);
    }
}

#[test]
fn months_are_those_of_the_calendar() {
    let event = Timeline::default().event(at("2026-01-31T12:00:00Z"), "a", &[]);
    // 28 February at noon is the first instant one month after 31 January.
    let expected = told(&[("2026-01-31T12:00:00Z", true), ("2026-03-01T00:00:00Z", false)]);
    let condition = "event_type = 'a' AND timestamp >= now() - 1 month";
    assert_eq!(changes(condition, &event, at("2026-01-31T12:00:00Z")), expected);
    let expected = told(&[("2026-01-31T12:00:00Z", true), ("2026-02-28T12:00:00.000001Z", false)]);
    let condition = "event_type = 'a' AND timestamp + 1 month >= now()";
    assert_eq!(changes(condition, &event, at("2026-01-31T12:00:00Z")), expected);
    let expected = told(&[("2026-01-31T12:00:00Z", true), ("2026-02-01T00:00:00Z", false)]);
    let condition = "event_type = 'a' AND timestamp >= date_trunc('month', now())";
    assert_eq!(changes(condition, &event, at("2026-01-31T12:00:00Z")), expected);
}

#[test]
fn an_anniversary_is_kept_in_every_year() {
    let born = |date: &str| Timeline::default().attribute("born", date.into());
    let days = |date: &str, now: &str| {
        (0..366).find(|days| {
            let condition = format!("days_until_anniversary(born) = {days}");
            holds(&condition, &born(date), at(now)) == Some(true)
        })
    };
    assert_eq!(days("1990-05-03", "2026-05-03T23:59:59Z"), Some(0));
    assert_eq!(days("1990-05-03", "2026-05-04T00:00:00Z"), Some(364));
    assert_eq!(days("1990-05-03", "2026-04-26T10:00:00Z"), Some(7));
    assert_eq!(days("1992-02-29", "2028-02-22T10:00:00Z"), Some(7));
    assert_eq!(days("1992-02-29", "2026-02-21T10:00:00Z"), Some(7));
    assert_eq!(days("1992-02-29", "2027-03-01T10:00:00Z"), Some(365));
    assert_eq!(days("soon", "2026-03-01T10:00:00Z"), None);
    let condition = "days_until_anniversary(user.born, now() AT TIME ZONE 'Europe/Berlin') = 7";
    let expected = told(&[
        ("2026-03-20T00:00:00Z", false),
        ("2026-03-22T23:00:00Z", true),
        ("2026-03-23T23:00:00Z", false),
    ]);
    let found =
        changes_until(condition, &born("1990-03-30"), at("2026-03-20T00:00:00Z"), at("2026-04-02T00:00:00Z"));
    assert_eq!(found, expected);
}

/// Like [`changes`], for conditions that go on changing for ever.
fn changes_until(
    condition: &str,
    timeline: &Timeline,
    mut now: Timestamp,
    end: Timestamp,
) -> Vec<(String, bool)> {
    let text = format!("IF {condition} THEN assign to 'x'");
    let mut changes: Vec<(String, bool)> = Vec::new();
    while now < end {
        let Outcome { value, horizon } = evaluate(&text, timeline, now);
        let value = value == Some(true);
        if changes.last().is_none_or(|(_, held)| *held != value) {
            changes.push((now.to_string(), value));
        }
        now = horizon;
    }
    changes
}

#[test]
fn parts_of_the_calendar_and_local_constants() {
    let event = Timeline::default().event(at("2026-03-01T23:30:00Z"), "a", &[]);
    let now = at("2026-03-05T10:00:00Z");
    let cases = [
        ("extract(hour FROM event_time) = 23", true),
        ("extract(hour FROM event_time AT TIME ZONE 'Europe/Berlin') = 0", true),
        ("extract(dow FROM event_time) = 0", true),
        ("date_part('dow', event_time AT TIME ZONE 'Europe/Berlin') = 1", true),
        ("extract(year FROM event_time) = 2026 AND extract(quarter FROM event_time) = 1", true),
        ("extract(month FROM event_time) = 3 AND extract(day FROM event_time) = 1", true),
        ("extract(doy FROM event_time) = 60 AND extract(week FROM event_time) = 9", true),
        ("extract(minute FROM event_time) = 30 AND extract(second FROM event_time) = 0", true),
        ("event_time = '2026-03-02 00:30:00' AT TIME ZONE 'Europe/Berlin'", true),
        ("event_time > TIMESTAMP '2026-03-02 00:30:00' AT TIME ZONE 'Europe/Berlin'", false),
        ("date_trunc('week', event_time) = '2026-02-23'", true),
        ("date_trunc('quarter', event_time) = '2026-01-01'", true),
        ("CAST(event_time AT TIME ZONE 'Europe/Berlin' AS DATE) = '2026-03-02'", true),
        ("days_between(event_time, now()) = 4", true),
        (
            "days_between(event_time AT TIME ZONE 'Europe/Berlin', now() AT TIME ZONE 'Europe/Berlin') = 3",
            true,
        ),
    ];
    for (condition, value) in cases {
        let text = format!("IF {condition} THEN assign to 'x'");
        assert_eq!(evaluate(&text, &event, now).value, Some(value), "{condition}");
    }
}
