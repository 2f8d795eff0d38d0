//! Membership and horizons on timelines made by hand.

use super::timeline::{Timeline, at, compiled, evaluate, holds, hour, start};
use crate::segment::{Columns, Need, Outcome, Schema, Statement, parse};
use crate::time::{Span, Timestamp};
use crate::value::Value;

const ABANDONED: &str = "IF event_type = 'cart_abandonment' AND event_time >= now() - 24 hours THEN assign to \
                         'Abandoned Cart Last 24h'";
const NYC: &str = "SELECT customer_id FROM customer_data WHERE age BETWEEN 25 AND 35 AND location = 'NYC' AND \
                   recent_view_category = 'Electronics'";

fn micros(count: i64) -> Span {
    Span::from_micros(count)
}

/// Evaluates an IF rule's condition.
fn rule(condition: &str, timeline: &Timeline, now: Timestamp) -> Outcome {
    evaluate(&format!("IF {condition} THEN assign to 'x'"), timeline, now)
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
fn strict_and_upper_bounds_have_their_own_ends() {
    let timeline = Timeline::default().event(hour(10), "a", &[]);
    let cases = [
        // condition, now, value, horizon
        ("timestamp > now() - 24 hours", hour(33), true, hour(34)),
        ("timestamp > now() - 24 hours", hour(34), false, Timestamp::MAX),
        ("timestamp <= now() - 1 hour", hour(10), false, hour(11)),
        ("timestamp <= now() - 1 hour", hour(11), true, Timestamp::MAX),
        ("timestamp < now() - 1 hour", hour(11), false, hour(11).next()),
        ("timestamp BETWEEN now() - 2 hours AND now() - 1 hour", hour(10), false, hour(11)),
        ("timestamp BETWEEN now() - 2 hours AND now() - 1 hour", hour(11), true, hour(12).next()),
        ("timestamp + 24 hours >= now()", hour(20), true, hour(34).next()),
        ("now() - timestamp <= 24 hours", hour(20), true, hour(34).next()),
        ("timestamp >= current_date", hour(12), true, hour(24)),
        ("timestamp >= current_date", hour(24), false, Timestamp::MAX),
        ("CAST(timestamp AS DATE) = current_date", hour(12), true, hour(24)),
        ("timestamp >= '2026-04-01 10:00:00'", hour(12), true, Timestamp::MAX),
        ("timestamp > '2026-04-01T10:00:00Z'", hour(12), false, Timestamp::MAX),
        ("timestamp = now() - 1 hour", hour(10), false, hour(11)),
        ("timestamp = now() - 1 hour", hour(11), true, hour(11).next()),
        ("NOT (timestamp >= now() - 1 hour)", hour(10), false, hour(11).next()),
    ];
    for (condition, now, value, horizon) in cases {
        let outcome = rule(&format!("event_type = 'a' AND {condition}"), &timeline, now);
        let expected = if condition.starts_with("NOT") { rule(condition, &timeline, now) } else { outcome };
        assert_eq!(expected, Outcome { value: Some(value), horizon }, "{condition} at {now}");
    }
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

#[test]
fn truth_has_three_values() {
    let person = Timeline::default()
        .attribute("age", Value::Int(30))
        .attribute("vip", Value::Bool(true))
        .attribute("city", "b".into());
    let cases = [
        ("missing = 1", None),
        ("missing = 1 AND age = 31", Some(false)),
        ("missing = 1 AND age = 30", None),
        ("missing = 1 OR age = 30", Some(true)),
        ("missing = 1 OR age = 31", None),
        ("NOT missing = 1", None),
        ("missing IS NULL", Some(true)),
        ("missing IS NOT NULL", Some(false)),
        ("(missing = 1) IS TRUE", Some(false)),
        ("(missing = 1) IS NOT TRUE", Some(true)),
        ("(age = 31) IS FALSE", Some(true)),
        ("age IN (1, NULL)", None),
        ("age IN (30, NULL)", Some(true)),
        ("age NOT IN (1, NULL)", None),
        ("age NOT IN (1, 2)", Some(true)),
        ("age IN ('7', '30')", Some(true)),
        ("city IN ('c', 'a', 'b')", Some(true)),
        ("city NOT IN ('c', 'a', 'b')", Some(false)),
        ("city IN ('c', 'a')", Some(false)),
        ("city IN ('c', 'a', NULL)", None),
        ("missing IN ('c', 'a')", None),
        ("age BETWEEN missing AND 20", Some(false)),
        ("age BETWEEN missing AND 40", None),
        ("age NOT BETWEEN 10 AND 20", Some(true)),
        ("coalesce(missing, age) = 30", Some(true)),
        ("CASE WHEN missing = 1 THEN 1 WHEN age > 20 THEN 2 END = 2", Some(true)),
        ("CASE age WHEN 30 THEN TRUE ELSE FALSE END", Some(true)),
        ("nullif(age, 30) IS NULL", Some(true)),
        ("vip", Some(true)),
        ("age", None),
        ("age / 0 = 1", None),
        ("age / 4 = 7.5", Some(true)),
        ("-age + 31 * 2 = 32", Some(true)),
        ("age::text = '30'", Some(true)),
        ("CAST('30' AS BIGINT) = age", Some(true)),
        ("in_segment('VIP')", Some(true)),
        ("in_segment('other')", Some(false)),
    ];
    let person = person.segment("VIP");
    for (condition, value) in cases {
        assert_eq!(holds(condition, &person, start()), value, "{condition}");
    }
}

#[test]
fn patterns_follow_sql() {
    let cases = [
        ("Ann Arbor", "Ann%", true),
        ("Ann Arbor", "%Arb%", true),
        ("Ann Arbor", "ann%", false),
        ("Ann", "A_n", true),
        ("Ann", "A_", false),
        ("", "%", true),
        ("50%", "50\\%", true),
        ("50x", "50\\%", false),
        ("aaab", "%a_b", true),
        ("héllo", "h_llo", true),
    ];
    for (text, pattern, fits) in cases {
        let person = Timeline::default().attribute("name", text.into());
        assert_eq!(
            holds(&format!("name LIKE '{pattern}'"), &person, start()),
            Some(fits),
            "{text} {pattern}"
        );
        assert_eq!(holds(&format!("name NOT LIKE '{pattern}'"), &person, start()), Some(!fits));
    }
    let person = Timeline::default().attribute("name", "ANN".into());
    assert_eq!(holds("name ILIKE 'a%n'", &person, start()), Some(true));
    assert_eq!(holds("lower(name) = 'ann'", &person, start()), Some(true));
}

#[test]
fn the_conditions_of_a_conjunction_speak_of_one_event() {
    let red = |kind: &str| (kind.to_owned(), "red");
    let (view, color) = red("view");
    let timeline = Timeline::default()
        .event(hour(1), &view, &[("color", "blue".into()), ("price", Value::Int(5))])
        .event(hour(2), "cart", &[("color", color.into()), ("price", Value::Int(50))])
        .attribute("vip", Value::Bool(false));
    let cases = [
        ("event_type = 'view' AND color = 'blue'", true),
        ("event_type = 'view' AND color = 'red'", false),
        ("event_type = 'view' AND (color = 'red' OR price < 10)", true),
        ("event_type = 'view' AND (color = 'red' OR user.vip)", false),
        ("(event_type = 'view' AND color = 'red') OR (event_type = 'cart' AND color = 'red')", true),
        ("event_type = 'view' AND NOT (event_type = 'cart')", false),
        ("event_type = 'view' AND NOT (event_type = 'purchase')", true),
        ("event_type <> 'view' AND price = 5", false),
        ("event_type IN ('view', 'cart') AND price > 10 AND user.vip = false", true),
        ("event_type = 'cart' AND user.vip", false),
        ("event.color LIKE 'b%'", true),
        ("event_type = 'view' AND missing IS NULL", true),
    ];
    for (condition, value) in cases {
        assert_eq!(rule(condition, &timeline, hour(3)).value, Some(value), "{condition}");
    }
}

#[test]
fn subqueries_over_events() {
    let item =
        |product: &str, price: f64| [("product_id", Value::from(product)), ("price", Value::Float(price))];
    let timeline = Timeline::default()
        .event(hour(1), "view", &item("p1", 0.1))
        .event(hour(2), "view", &item("p2", 0.2))
        .event(hour(2), "view", &item("p1", 0.3))
        .event(hour(5), "purchase", &item("p2", 499.4))
        .attribute("home", "p2".into());
    let cases = [
        ("(SELECT count(*) FROM events WHERE event_type = 'view') = 3", true),
        ("(SELECT count(DISTINCT product_id) FROM events e WHERE e.event_type = 'view') = 2", true),
        ("(SELECT sum(price) FROM events) = 500", true),
        ("(SELECT sum(price * 10) FROM events WHERE event_type = 'view') = 6", true),
        ("(SELECT avg(price) FROM events WHERE event_type = 'view') = 0.2", true),
        ("(SELECT min(price) FROM events) = 0.1 AND (SELECT max(price) FROM events) > 499", true),
        ("(SELECT last(product_id) FROM events WHERE event_type = 'view') = 'p1'", true),
        ("(SELECT first(product_id) FROM events WHERE event_type = 'view') = 'p1'", true),
        ("(SELECT last_value(price ORDER BY timestamp) FROM events) = 499.4", true),
        ("(SELECT first_value(price ORDER BY timestamp DESC) FROM events) = 499.4", true),
        ("(SELECT product_id FROM events ORDER BY timestamp DESC LIMIT 1) = home", true),
        ("(SELECT sum(price) FROM events WHERE event_type = 'x') IS NULL", true),
        ("(SELECT count(*) FROM events WHERE event_type = 'x') = 0", true),
        (
            "EXISTS (SELECT 1 FROM events e WHERE e.customer_id = customer_data.customer_id AND e.product_id = customer_data.home)",
            true,
        ),
        ("NOT EXISTS (SELECT * FROM events WHERE event_type = 'refund')", true),
        (
            "customer_id IN (SELECT customer_id FROM events WHERE event_type = 'view' GROUP BY customer_id HAVING count(*) >= 3)",
            true,
        ),
        (
            "customer_id NOT IN (SELECT customer_id FROM events WHERE event_type = 'view' GROUP BY customer_id HAVING count(*) > 3)",
            true,
        ),
        ("customer_id IN (SELECT customer_id FROM events WHERE price > 1000)", false),
        (
            "EXISTS (SELECT 1 FROM events WHERE timestamp > (SELECT max(timestamp) FROM events WHERE event_type = 'view'))",
            true,
        ),
        ("(SELECT max(timestamp) FROM events WHERE event_type = 'view') < now() - 3 hours", true),
    ];
    for (condition, value) in cases {
        assert_eq!(holds(condition, &timeline, hour(6)), Some(value), "{condition}");
    }
    let members = "SELECT DISTINCT customer_id FROM events WHERE event_type = 'view' GROUP BY customer_id HAVING \
                   sum(price) >= 0.6";
    assert_eq!(evaluate(members, &timeline, hour(6)).value, Some(true));
}

#[test]
fn a_cart_without_a_later_purchase() {
    let open = "SELECT customer_id FROM events c WHERE c.event_type = 'add_to_cart' AND c.timestamp >= now() - \
                INTERVAL '24 hours' AND NOT EXISTS (SELECT 1 FROM events p WHERE p.customer_id = c.customer_id \
                AND p.event_type = 'purchase' AND p.timestamp >= c.timestamp)";
    let timeline = Timeline::default()
        .event(hour(1), "purchase", &[])
        .event(hour(2), "add_to_cart", &[])
        .event(hour(4), "purchase", &[])
        .event(hour(5), "add_to_cart", &[]);
    let member = |now| evaluate(open, &timeline, now);
    assert_eq!(member(hour(3)), Outcome { value: Some(true), horizon: hour(26).next() });
    assert_eq!(member(hour(4)).value, Some(false));
    assert_eq!(member(hour(5)), Outcome { value: Some(true), horizon: hour(29).next() });
    let (compiled, _) = compiled(open);
    // Of the purchases the latest one tells, which the profile knows.
    let need = Need {
        event_type: Some("add_to_cart".into()),
        columns: Vec::new(),
        lookback: Some(Span::DAY),
        latest: None,
    };
    assert_eq!(compiled.needs(), [need]);
}

#[test]
fn the_same_in_the_if_form() {
    let text = "IF event_type = 'add_to_cart' AND timestamp >= now() - 24 hours AND NOT EXISTS (SELECT 1 FROM \
                events p WHERE p.event_type = 'purchase' AND p.timestamp >= event.timestamp AND p.product_id = \
                event.product_id) THEN assign to 'open'";
    let product = |id: &str| [("product_id", Value::from(id))];
    let timeline = Timeline::default()
        .event(hour(2), "add_to_cart", &product("a"))
        .event(hour(3), "purchase", &product("b"))
        .event(hour(4), "purchase", &product("a"));
    assert_eq!(evaluate(text, &timeline, hour(3)).value, Some(true));
    assert_eq!(evaluate(text, &timeline, hour(4)).value, Some(false));
}

#[test]
fn counts_and_times_of_a_type_need_no_rows() {
    let text = "SELECT customer_id FROM customer_data WHERE EXISTS (SELECT 1 FROM events WHERE event_type = 'a') \
                AND (SELECT count(*) FROM events WHERE event_type IN ('a', 'b')) = 3 AND (SELECT max(timestamp) \
                FROM events WHERE event_type = 'b') > now() - 2 hours AND NOT EXISTS (SELECT 1 FROM events WHERE \
                event_type = 'c' AND timestamp <= now())";
    let (compiled, columns) = compiled(text);
    assert_eq!(compiled.needs(), []);
    assert!(columns.is_empty());
    let timeline =
        Timeline::default().event(hour(1), "a", &[]).event(hour(2), "b", &[]).event(hour(3), "b", &[]);
    assert_eq!(evaluate(text, &timeline, hour(4)), Outcome { value: Some(true), horizon: hour(5) });
}

#[test]
fn needs_say_types_columns_and_lookback() {
    let text = "IF event_type = 'a' AND color = 'red' AND timestamp > now() - 2 days OR event_type = 'a' AND size \
                = 1 AND timestamp > now() - 3 days OR event.price > user.limit AND in_segment('VIP') THEN assign \
                to 'x'";
    let (compiled, columns) = compiled(text);
    let column = |name: &str| columns.find(name).expect("a column");
    let first = Need {
        event_type: Some("a".into()),
        columns: vec![column("color"), column("size")],
        lookback: Some(Span::DAY.times(3)),
        latest: None,
    };
    let second = Need { event_type: None, columns: vec![column("price")], lookback: None, latest: None };
    assert_eq!(compiled.needs(), [first, second]);
    assert_eq!(compiled.attributes().collect::<Vec<_>>(), ["limit"]);
    assert!(compiled.mentions_segment("VIP") && !compiled.mentions_segment("vip"));
}

#[test]
fn sums_of_prices_are_exact() {
    let prices = |count: usize, price: f64| {
        (0..count).fold(Timeline::default(), |timeline, index| {
            timeline.event(hour(index as i64), "purchase", &[("price", Value::Float(price))])
        })
    };
    // Ten times 0.1 is not 1 in doubles.
    let sum = |bound: &str| format!("(SELECT sum(price) FROM events WHERE event_type = 'purchase') {bound}");
    assert_eq!(holds(&sum("= 1"), &prices(10, 0.1), hour(20)), Some(true));
    assert_eq!(holds(&sum(">= 500"), &prices(100, 4.999_999), hour(200)), Some(false));
    assert_eq!(holds(&sum("= 0.3"), &prices(3, 0.1), hour(20)), Some(true));
    assert_eq!(holds(&sum("= 0.000003"), &prices(3, 0.000_000_5), hour(20)), Some(true), "half rounds away");
    assert_eq!(holds(&sum("= 30000000000.3"), &prices(3, 10_000_000_000.1), hour(20)), Some(true));
}

#[test]
fn an_attribute_brings_its_horizon() {
    use crate::segment::{Subject, Summary};
    struct Ages;
    impl Subject for Ages {
        type Row = super::timeline::Event;
        fn rows(&self) -> &[super::timeline::Event] {
            &[]
        }
        fn summary(&self, _: &str) -> Option<Summary> {
            None
        }
        fn attribute(&self, name: &str, now: Timestamp) -> (Value, Timestamp) {
            match name {
                "recency_score" => (Value::Int(7), now + Span::HOUR),
                _ => (Value::Time(hour(0)), Timestamp::MAX),
            }
        }
        fn in_segment(&self, _: &str) -> bool {
            false
        }
    }
    let outcome = |condition: &str| {
        let text = format!("SELECT customer_id FROM customer_data WHERE {condition}");
        let Ok(Statement::Segment(definition)) = parse(&text, &Schema::default()) else { panic!("{text}") };
        definition.compile(&mut Columns::default()).evaluate(&Ages, hour(5))
    };
    assert_eq!(outcome("recency_score >= 7"), Outcome { value: Some(true), horizon: hour(6) });
    assert_eq!(outcome("now() - last_seen > 7 days").horizon, (hour(0) + Span::DAY.times(7)).next());
    assert_eq!(outcome("last_seen >= now() - 7 days").horizon, (hour(0) + Span::DAY.times(7)).next());
    assert_eq!(outcome("email = 'x' AND recency_score = 1").value, Some(false));
}

#[test]
fn an_explanation_names_each_condition_and_its_events() {
    let timeline = Timeline::default()
        .event(hour(10), "cart_abandonment", &[])
        .event(hour(12), "cart_abandonment", &[])
        .attribute("age", Value::Int(17));
    let text = "IF event_type = 'cart_abandonment' AND event_time >= now() - 24 hours AND user.age >= 18 THEN \
                assign to 'x'";
    let (compiled, columns) = compiled(text);
    let told = compiled.explain(&timeline.as_of(hour(14), &columns), hour(14));
    assert_eq!(told.value, Value::Bool(false));
    let [window, age] = told.parts.as_slice() else { panic!("{told:#?}") };
    assert_eq!(window.condition, "event_type = 'cart_abandonment' AND timestamp >= now() - 24 hours");
    assert_eq!((&window.value, window.horizon), (&Value::Bool(true), hour(36).next()));
    assert_eq!(window.events.iter().map(|event| event.timestamp).collect::<Vec<_>>(), [hour(12), hour(10)]);
    assert_eq!((age.condition.as_str(), &age.value), ("user.age >= 18", &Value::Bool(false)));
    assert_eq!(age.parts.first().map(|part| &part.value), Some(&Value::Int(17)));
    assert_eq!(at("2026-04-01T00:00:00Z"), start());
}

#[test]
fn it_is_said_what_keeps_somebody_out_and_when_that_changes() {
    use crate::segment::Missing;
    let text = "IF done purchase more than 24 hours ago AND (user.age > 18 OR user.vip = true) AND NOT done refund in the last 2 hours THEN assign to 'x'";
    let timeline = Timeline::default()
        .event(hour(10), "purchase", &[])
        .event(hour(11), "refund", &[])
        .attribute("age", Value::Int(12));
    let (compiled, columns) = compiled(text);
    let subject = timeline.as_of(hour(12), &columns);
    let missing = compiled.missing(&subject, hour(12)).expect("out");
    let Missing::All(parts) = missing else { panic!("{missing:?}") };
    let told: Vec<_> = parts
        .iter()
        .map(|part| match part {
            Missing::Condition { wanted, changes_at, .. } => format!("{wanted} {changes_at:?}"),
            Missing::Any(parts) => format!("one of {}", parts.len()),
            Missing::All(parts) => format!("all of {}", parts.len()),
        })
        .collect();
    let told_at = |at: Timestamp| format!("{:?}", Some(at));
    assert_eq!(
        told,
        [
            format!("true {}", told_at(hour(34).next())),
            "one of 2".to_owned(),
            format!("false {}", told_at(hour(13).next())),
        ]
    );
    let ready = timeline.attribute("vip", Value::Bool(true));
    assert_eq!(compiled.missing(&ready.as_of(hour(40), &columns), hour(40)), None);
}
