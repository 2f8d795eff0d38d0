//! Membership and horizons on timelines made by hand.

use super::timeline::{Timeline, at, compiled, evaluate, holds, hour, start};
use crate::segment::Outcome;
use crate::time::{Span, Timestamp};
use crate::value::Value;

const ABANDONED: &str = "IF event_type = 'cart_abandonment' AND event_time >= now() - 24 hours THEN assign to \
                         'Abandoned Cart Last 24h'";
const NYC: &str = "SELECT customer_id FROM customer_data WHERE age BETWEEN 25 AND 35 AND location = 'NYC' AND \
                   recent_view_category = 'Electronics'";

fn micros(count: i64) -> Span {
    Span::from_micros(count)
}

#[test]
fn a_window_ends_at_its_exact_microsecond() {
    let timeline = Timeline::default().event(hour(10), "cart_abandonment", &[]);
    let end = hour(34);
    let member = Outcome { value: Some(true), horizon: end.next() };
    for now in [hour(10), hour(20), end] {
        assert_eq!(evaluate(ABANDONED, &timeline, now), member, "{now}");
    }
    let out = Outcome { value: Some(false), horizon: Timestamp::MAX };
    assert_eq!(evaluate(ABANDONED, &timeline, end.next()), out);
    assert_eq!(evaluate(ABANDONED, &timeline, hour(10) - micros(1)), out, "not yet happened");
}

#[test]
fn the_latest_event_carries_the_window() {
    let timeline = Timeline::default()
        .event(hour(10), "cart_abandonment", &[])
        .event(hour(12), "cart_abandonment", &[])
        .event(hour(13), "purchase", &[]);
    let outcome = evaluate(ABANDONED, &timeline, hour(14));
    assert_eq!(outcome, Outcome { value: Some(true), horizon: hour(36).next() });
}

#[test]
fn the_select_form_tests_attributes() {
    let person = |age: i64, place: &str| {
        Timeline::default()
            .attribute("age", Value::Int(age))
            .attribute("location", place.into())
            .attribute("recent_view_category", "Electronics".into())
    };
    for (age, place, member) in
        [(25, "NYC", true), (35, "NYC", true), (24, "NYC", false), (36, "NYC", false), (30, "LA", false)]
    {
        let outcome = evaluate(NYC, &person(age, place), start());
        assert_eq!(outcome, Outcome { value: Some(member), horizon: Timestamp::MAX }, "{age} {place}");
    }
    assert_eq!(evaluate(NYC, &Timeline::default(), start()).value, None, "absent attributes");
}
