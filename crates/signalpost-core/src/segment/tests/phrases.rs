//! Phrases about events: what they mean, how they are printed, what is refused.

use super::timeline::{Timeline, at, definition, evaluate, hour};
use crate::segment::{Outcome, Schema, parse, parse_with_notes};
use crate::time::{Span, Timestamp};
use crate::value::Value;

fn rule(condition: &str) -> String {
    format!("IF {condition} THEN assign to 'x'")
}

fn printed(condition: &str) -> String {
    let text = definition(&rule(condition)).to_string();
    let text = text.trim_start_matches("IF ").trim_end_matches(" THEN assign to 'x'");
    text.to_owned()
}

fn shopper() -> Timeline {
    let of = |product: &str, price: i64| [("product_id", Value::from(product)), ("price", Value::Int(price))];
    Timeline::default()
        .event(hour(1), "view", &of("p1", 5))
        .event(hour(2), "view", &of("p2", 50))
        .event(hour(3), "cart", &of("p1", 5))
        .event(hour(5), "purchase", &of("p2", 50))
        .event(hour(30), "view", &of("p3", 7))
        .attribute("vip", Value::Bool(true))
        .attribute("first_seen", Value::Time(hour(1)))
}

#[test]
fn phrases_mean_sets_of_events() {
    let cases = [
        ("done purchase", true),
        ("has done purchase and user.vip", true),
        ("not done refund", true),
        ("has not done purchase", false),
        ("not has done purchase", false),
        ("done 'purchase' in the last 24 hours", false),
        ("done purchase in the last 26 hours", true),
        ("done purchase more than 1 day ago", true),
        ("done view at least 3 times", true),
        ("done view at least 3 times in the last 28 hours", false),
        ("done view in the last 30 hours exactly 3 times", true),
        ("done view more than 3 times", false),
        ("done view fewer than 4 times and done view at most 3 times", true),
        ("done refund at most 2 times", true),
        ("done view where price > 10", true),
        ("done view where price > 10 in the last 20 hours", false),
        ("done view where (price > 10 or price < 6) exactly 2 times", true),
        ("done view where product_id in ('p1', 'p3') at least 2 times in the last 2 days", true),
        ("done any of (refund, purchase) since '2026-04-01'", true),
        ("done any event before '2026-04-01 02:00:00'", true),
        ("done any event at least 6 times", false),
        ("done view between '2026-04-01 01:30:00' and '2026-04-01 02:30:00' exactly 1 time", true),
        ("sum(price) of view = 62", true),
        ("sum(price) of view where (price > 6) in the last 1 day >= 7", true),
        ("sum(price) of any of (view, purchase) between 100 and 200", true),
        ("count(distinct product_id) of any event >= 3", true),
        ("last(product_id) of view = 'p3' and first(product_id) of view = 'p1'", true),
        ("max(price) of view - min(price) of view = 45", true),
        ("max(timestamp) of purchase < now() - 24 hours", true),
        ("done view then purchase", true),
        ("done view then purchase within 3 hours", true),
        ("done view then purchase within 2 hours", false),
        ("done view then cart then purchase within 2 hours", true),
        ("done view then purchase matching product_id", true),
        ("done view where price < 10 then purchase matching product_id", false),
        ("done view then cart then purchase matching product_id", false),
        ("done cart without purchase", false),
        ("done cart without purchase matching product_id", true),
        ("done cart without purchase within 1 hour", true),
        ("done cart without purchase within 3 hours", false),
        ("done view without purchase", true),
        ("done view then cart without purchase matching product_id", true),
        ("done view every day for 1 day", true),
        ("done view every day for 2 days including today", true),
        ("done view every day for 2 days", false),
        ("done view yesterday and done view today", true),
        ("done purchase this month and not done purchase last month", true),
        ("done purchase today in zone 'America/New_York'", false),
        ("done view in the last 1 whole day exactly 2 times", true),
        ("done view in the last 3 months", true),
        ("not done view in the last 1 hour including new profiles", false),
        ("not done purchase in the last 24 hours excluding new profiles", true),
        ("not done purchase in the last 30 days excluding new profiles", false),
        ("not done refund in the last 30 days excluding new profiles", false),
        ("not done refund in the last 30 days including new profiles", true),
        ("event_type = 'view' and event.price = 7 and done purchase", true),
        ("CASE WHEN done purchase THEN 'buyer' ELSE 'other' END = 'buyer'", true),
    ];
    for (condition, value) in cases {
        let outcome = evaluate(&rule(condition), &shopper(), hour(30));
        assert_eq!(outcome.value, Some(value), "{condition}\n{}", printed(condition));
        assert_eq!(definition(&rule(&printed(condition))), definition(&rule(condition)), "{condition}");
    }
}

#[test]
fn phrases_are_printed_as_phrases() {
    let cases = [
        "done purchase",
        "done purchase in the last 30 days",
        "done purchase where (event.price > 10) at least 3 times in the last 30 days",
        "done any of (view, 'Order Completed') more than 7 days ago",
        "done any event since TIMESTAMP '2026-04-01T00:00:00Z'",
        "sum(event.price) of purchase in the last 3 months >= 500",
        "count(DISTINCT product_id) of view this week in zone 'Europe/Berlin' > 3",
        "done view yesterday in zone 'Europe/Berlin'",
        "done view then cart where (event.price > 3) within 2 hours then purchase matching product_id in the last 7 days",
        "done cart without purchase within 1 hour matching product_id",
        "done purchase where (user.vip AND event.price > user.most) exactly 1 time",
        "count(DISTINCT date_trunc('day', timestamp AT TIME ZONE 'Europe/Berlin')) of open in the last 7 whole days in zone 'Europe/Berlin' = 7",
    ];
    for text in cases {
        // The first condition on events stands open in a rule.
        let text = format!("event_type = 'z' AND {text}");
        assert_eq!(printed(&text), text);
    }
    assert_eq!(
        printed("done open every day for 7 days in zone 'europe/berlin'"),
        "count(DISTINCT date_trunc('day', timestamp AT TIME ZONE 'Europe/Berlin')) of open in the last 7 whole days \
         in zone 'Europe/Berlin' = 7"
    );
    assert_eq!(
        printed("done purchase in the last 1 day"),
        "event_type = 'purchase' AND timestamp >= now() - 24 hours"
    );
}

#[test]
fn a_name_that_begins_like_a_phrase_is_a_name() {
    for (condition, shown) in [
        ("done = 1", "user.done = 1"),
        ("done", "user.done"),
        ("done in (1, 2)", "user.done IN (1, 2)"),
        ("has = 1 and not done", "user.has = 1 AND NOT user.done"),
        ("today = 1 and event_type = 'a'", "event.today = 1 AND event_type = 'a'"),
    ] {
        assert_eq!(printed(condition), shown);
    }
}

#[test]
fn a_streak_ends_and_begins_at_midnight() {
    let mut timeline = Timeline::default();
    for day in 0..3 {
        timeline = timeline.event(hour(10) + Span::DAY.times(day), "open", &[]);
    }
    let streak = rule("done open every day for 3 days");
    let value = |now: &str| evaluate(&streak, &timeline, at(now)).value;
    assert_eq!(value("2026-04-03T23:59:59.999999Z"), Some(false));
    assert_eq!(value("2026-04-04T00:00:00Z"), Some(true));
    assert_eq!(value("2026-04-04T23:59:59.999999Z"), Some(true));
    assert_eq!(value("2026-04-05T00:00:00Z"), Some(false));
    let until = Outcome { value: Some(true), horizon: at("2026-04-05T00:00:00Z") };
    assert_eq!(evaluate(&streak, &timeline, at("2026-04-04T00:00:00Z")), until);
}

#[test]
fn a_funnel_closes_when_the_wait_is_over() {
    let timeline = Timeline::default().event(hour(1), "cart", &[]);
    let open = rule("done cart without purchase within 1 hour in the last 24 hours");
    let outcome = |now: Timestamp| evaluate(&open, &timeline, now);
    assert_eq!(outcome(hour(1)), Outcome { value: Some(false), horizon: hour(2) });
    assert_eq!(outcome(hour(2)), Outcome { value: Some(true), horizon: hour(25).next() });
    assert_eq!(outcome(hour(25).next()).value, Some(false));
}

#[test]
fn young_profiles_are_asked_about() {
    let notes = |condition: &str| {
        let (_, notes) = parse_with_notes(&rule(condition), &Schema::default()).expect(condition);
        notes.len()
    };
    assert_eq!(notes("not done purchase in the last 30 days"), 1);
    assert_eq!(notes("not done purchase in the last 30 days including new profiles"), 0);
    assert_eq!(notes("not done purchase in the last 30 days excluding new profiles"), 0);
    assert_eq!(notes("not done purchase"), 0);
}

#[test]
fn refusals_of_phrases_say_where() {
    let cases = [
        ("done purchase at least many times", "many", "how many times", "at least 3 times"),
        ("done purchase in the last week", "week", "length of time", "30 days"),
        ("done purchase today in the last 3 days", "in the", "said twice", ""),
        ("done purchase in zone 'Europe/Berlin'", " THEN", "only needed where days are counted", "yesterday"),
        ("done purchase yesterday in zone 'Berlin'", "'Berlin", "no time zone 'Berlin'", "'Europe/Berlin'"),
        ("done purchase excluding new profiles", " THEN", "not done lately", "not done purchase in the last"),
        ("done a without a", "without", "the event itself", "another event type"),
        ("done purchase matching product_id", "product_id", "a property of the events", ""),
        ("done any of ()", ")", "an event type", "any of (purchase, refund)"),
        ("done purchase where (price > 10", "THEN", "expected ')'", ""),
        ("done a then b within 1 month", "1 month", "no fixed length", "30 days"),
        ("done a every day for 400 days", "every", "1 to 366", ""),
        ("sum(price) of purchase > 'much'", "sum", "a number is compared", ""),
    ];
    for (condition, place, message, hint) in cases {
        let text = rule(condition);
        let refusal = parse(&text, &Schema::default()).expect_err(condition);
        assert!(refusal.message.contains(message), "{condition}\n{refusal}");
        assert!(refusal.hint.as_deref().unwrap_or_default().contains(hint), "{condition}\n{refusal}");
        let column = text.find(place).expect(place) + if place.starts_with(' ') { 2 } else { 1 };
        assert_eq!((refusal.line, refusal.column), (1, column), "{condition}\n{refusal}");
    }
}
