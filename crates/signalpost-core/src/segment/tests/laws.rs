//! Laws that hold for every condition and every timeline.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::brute::brute;
use super::timeline::{AsOf, Timeline, at, definition, start};
use crate::segment::{
    Columns, Compiled, Definition, Form, Outcome, Schema, Statement, Subject, parse, parse_builder,
};
use crate::time::{Span, Timestamp};
use crate::value::Value;

/// Instants that meet exactly, or miss each other by a microsecond.
fn offset() -> impl Strategy<Value = Span> {
    (0_i64..6, -1_i64..=1).prop_map(|(hours, micros)| Span::HOUR.times(hours) + Span::from_micros(micros))
}

fn length() -> impl Strategy<Value = String> {
    (0_i64..5, 0_i64..=1).prop_map(|(hours, micros)| {
        if micros == 0 {
            format!("{hours} hours")
        } else {
            format!("{} microseconds", Span::HOUR.times(hours).as_micros() + micros)
        }
    })
}

fn zone() -> impl Strategy<Value = &'static str> {
    // Clocks turn at 01:00 UTC, at midnight, and (until 2011) over midnight.
    select(vec!["Europe/Berlin", "Asia/Beirut", "America/St_Johns", "UTC"])
}

/// An instant that a calendar gives.
fn local() -> impl Strategy<Value = String> {
    let now = prop_oneof![
        3 => Just("now()".to_owned()),
        1 => length().prop_map(|w| format!("(now() - {w})")),
        1 => Just("(now() - 1 month)".to_owned()),
    ];
    (now, zone(), select(vec!["hour", "day", "month"]), -1..=1, 0..4).prop_map(
        |(now, zone, unit, days, form)| {
            let wall = format!("{now} AT TIME ZONE '{zone}'");
            match form {
                0 => format!("({wall} + {} hours) AT TIME ZONE '{zone}'", days * 3),
                1 => format!("date_trunc('{unit}', {now})"),
                _ => format!("(date_trunc('{unit}', {wall}) + {days} days) AT TIME ZONE '{zone}'"),
            }
        },
    )
}

fn comparison() -> impl Strategy<Value = &'static str> {
    select(vec!["=", "<>", "<", "<=", ">", ">="])
}

/// A condition on the event called `alias`.
fn of_event(alias: &'static str, depth: u32) -> BoxedStrategy<String> {
    let kind = select(vec!["a", "b", "c"]);
    let atom = prop_oneof![
        3 => kind.clone().prop_map(move |kind| format!("{alias}.event_type = '{kind}'")),
        1 => kind.clone().prop_map(move |kind| format!("{alias}.event_type <> '{kind}'")),
        1 => kind.prop_map(move |kind| format!("{alias}.event_type IN ('c', '{kind}')")),
        2 => (comparison(), 0..3).prop_map(move |(op, x)| format!("{alias}.x {op} {x}")),
        1 => Just(format!("{alias}.x IS NULL")),
        1 => comparison().prop_map(move |op| format!("{alias}.x {op} customer_data.k")),
        4 => (comparison(), length()).prop_map(move |(op, w)| format!("{alias}.timestamp {op} now() - {w}")),
        1 => (length(), length())
            .prop_map(move |(a, b)| format!("{alias}.timestamp BETWEEN now() - {a} AND now() - {b}")),
        1 => (comparison(), length()).prop_map(move |(op, w)| format!("{alias}.timestamp + {w} {op} now()")),
        1 => (comparison(), length()).prop_map(move |(op, w)| format!("now() - {alias}.timestamp {op} {w}")),
        1 => comparison().prop_map(move |op| format!("{alias}.timestamp {op} current_date")),
        1 => Just(format!("CAST({alias}.timestamp AS DATE) = current_date")),
        1 => comparison().prop_map(move |op| format!("{alias}.timestamp {op} customer_data.seen_at")),
        1 => comparison().prop_map(move |op| {
            format!("{alias}.timestamp {op} (SELECT max(z.timestamp) FROM events z WHERE z.event_type = 'b')")
        }),
        3 => (comparison(), local()).prop_map(move |(op, at)| format!("{alias}.timestamp {op} {at}")),
        1 => (local(), local()).prop_map(move |(a, b)| format!("{alias}.timestamp BETWEEN {a} AND {b}")),
        1 => (zone(), comparison(), 0..24).prop_map(move |(zone, op, hour)| {
            format!("extract(hour FROM {alias}.timestamp AT TIME ZONE '{zone}') {op} {hour}")
        }),
        1 => (zone(), zone()).prop_map(move |(a, b)| format!(
            "days_between({alias}.timestamp AT TIME ZONE '{a}', now() AT TIME ZONE '{b}') = 0"
        )),
        1 => length().prop_map(move |w| format!("greatest({alias}.timestamp, user.seen_at) < now() - {w}")),
        1 => (length(), length()).prop_map(move |(a, b)| format!(
            "greatest({alias}.timestamp + {a}, now() - {b}) = {alias}.timestamp + {a}"
        )),
        1 => (length(), length()).prop_map(move |(a, b)| {
            format!("{alias}.timestamp IN (now() - {a}, now() - {b})")
        }),
    ];
    if depth == 0 {
        return atom.boxed();
    }
    let inner = of_event(alias, depth - 1);
    let nested = nested(alias, depth - 1);
    prop_oneof![
        2 => atom,
        3 => vec(inner.clone(), 2..4).prop_map(|parts| format!("({})", parts.join(" AND "))),
        1 => vec(inner.clone(), 2..3).prop_map(|parts| format!("({})", parts.join(" OR "))),
        1 => inner.prop_map(|part| format!("NOT ({part})")),
        1 => nested,
    ]
    .boxed()
}

/// A subquery that looks at the event around it.
fn nested(outer: &'static str, depth: u32) -> BoxedStrategy<String> {
    if outer == "p" {
        return Just("TRUE".to_owned()).boxed();
    }
    let bound = (comparison(), length())
        .prop_map(move |(op, w)| format!("p.timestamp {op} {outer}.timestamp + {w} AND p.event_type = 'b'"));
    (bound, of_event("p", depth), any::<bool>())
        .prop_map(|(bound, more, not)| {
            let not = if not { "NOT " } else { "" };
            format!("{not}EXISTS (SELECT 1 FROM events p WHERE {bound} AND {more})")
        })
        .boxed()
}

fn of_profile(depth: u32) -> BoxedStrategy<String> {
    let event = || of_event("e", 2);
    let aggregate = select(vec![
        "count(*)",
        "count(x)",
        "count(DISTINCT x)",
        "sum(x)",
        "avg(x)",
        "min(x)",
        "max(x)",
        "first(x)",
        "last(x)",
        "sum(CASE WHEN timestamp > now() - 2 hours THEN x ELSE 1 END)",
    ]);
    let times = select(vec!["min", "max", "first", "last"]);
    let atom = prop_oneof![
        1 => (comparison(), 0..3).prop_map(|(op, x)| format!("customer_data.k {op} {x}")),
        1 => Just("user.missing = 1".to_owned()),
        2 => (comparison(), length()).prop_map(|(op, w)| format!("user.seen_at {op} now() - {w}")),
        1 => Just("user.seen_at >= current_date".to_owned()),
        5 => event().prop_map(|condition| format!("EXISTS (SELECT 1 FROM events e WHERE {condition})")),
        3 => (aggregate, event(), comparison(), 0..4)
            .prop_map(|(f, condition, op, n)| format!("(SELECT {f} FROM events e WHERE {condition}) {op} {n}")),
        2 => (times, event(), comparison(), length()).prop_map(|(f, condition, op, w)| {
            format!("(SELECT {f}(timestamp) FROM events e WHERE {condition}) {op} now() - {w}")
        }),
        2 => (event(), 1..4).prop_map(|(condition, n)| {
            format!(
                "customer_id IN (SELECT customer_id FROM events e WHERE {condition} GROUP BY customer_id HAVING \
                 count(*) >= {n})"
            )
        }),
        1 => (event(), 0..3).prop_map(|(condition, x)| {
            format!("coalesce((SELECT last(x) FROM events e WHERE {condition}), user.k, 2) = {x}")
        }),
    ];
    if depth == 0 {
        return atom.boxed();
    }
    let inner = of_profile(depth - 1);
    prop_oneof![
        3 => atom,
        2 => vec(inner.clone(), 2..3).prop_map(|parts| format!("({})", parts.join(" AND "))),
        1 => vec(inner.clone(), 2..3).prop_map(|parts| format!("({})", parts.join(" OR "))),
        1 => inner.clone().prop_map(|part| format!("NOT ({part})")),
        1 => (inner.clone(), inner)
            .prop_map(|(a, b)| format!("CASE WHEN {a} THEN {b} ELSE user.missing = 1 END")),
    ]
    .boxed()
}

/// What marketers say of events.
fn phrase() -> impl Strategy<Value = String> {
    let deed = || {
        let kind = select(vec!["a", "'b'", "any event", "any of (a, c)"]);
        let filter = prop_oneof![
            2 => Just(String::new()),
            1 => of_event("event", 1).prop_map(|condition| format!(" where ({condition})")),
            1 => (comparison(), 0..3).prop_map(|(op, x)| format!(" where event.x {op} {x}")),
        ];
        (kind, filter).prop_map(|(kind, filter)| format!("{kind}{filter}"))
    };
    let lasting = || (1_i64..5).prop_map(|hours| format!("{hours} hours"));
    let zoned = (select(vec!["today", "yesterday", "this month", "in the last 2 whole days"]), zone())
        .prop_map(|(window, zone)| format!("{window} in zone '{zone}'"));
    let window = prop_oneof![
        2 => Just(String::new()),
        2 => lasting().prop_map(|w| format!(" in the last {w}")),
        1 => lasting().prop_map(|w| format!(" more than {w} ago")),
        1 => Just(" since '2026-03-28 22:30:00'".to_owned()),
        1 => Just(" before '2026-10-25'".to_owned()),
        1 => Just(" in the last 1 month".to_owned()),
        2 => zoned.prop_map(|window| format!(" {window}")),
    ];
    let times = prop_oneof![
        2 => Just(String::new()),
        1 => (select(vec!["at least", "at most", "exactly", "more than", "fewer than"]), 0..3)
            .prop_map(|(form, count)| format!(" {form} {count} times")),
    ];
    let follows = prop_oneof![
        3 => Just(String::new()),
        1 => (lasting(), any::<bool>()).prop_map(|(w, matching)| {
            format!(" then b within {w}{}", if matching { " matching x" } else { "" })
        }),
        1 => lasting().prop_map(|w| format!(" then c then b where event.x = 1 without a within {w} matching x")),
        1 => lasting().prop_map(|w| format!(" without b where event.x > 0 within {w}")),
    ];
    let value = select(vec!["sum(x)", "count(*)", "count(distinct x)", "last(x)", "max(x)"]);
    prop_oneof![
        6 => (any::<bool>(), deed(), follows, times, window.clone()).prop_map(|(not, deed, follows, times, window)| {
            let not = if not { "NOT " } else { "" };
            format!("{not}done {deed}{follows}{times}{window}")
        }),
        3 => (value, select(vec!["a", "any event where (event.x > 0)", "any of (a, c)"]), window, comparison(), 0..4)
            .prop_map(|(value, deed, window, op, x)| format!("{value} of {deed}{window} {op} {x}")),
        1 => (1..3, any::<bool>(), zone()).prop_map(|(days, today, zone)| {
            let today = if today { " including today" } else { "" };
            format!("done a every day for {days} days{today} in zone '{zone}'")
        }),
        1 => lasting().prop_map(|w| format!("not done b in the last {w} excluding new profiles")),
    ]
}

/// A segment in either form.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        of_profile(2)
            .prop_map(|condition| format!("SELECT customer_id FROM customer_data WHERE {condition}")),
        of_event("event", 2).prop_map(|condition| format!("IF {condition} THEN assign to 'x'")),
        (vec(phrase(), 1..3), any::<bool>()).prop_map(|(parts, all)| {
            format!("IF {} THEN assign to 'x'", parts.join(if all { " AND " } else { " OR " }))
        }),
        (of_event("event", 1), phrase()).prop_map(|(a, b)| format!("IF {a} AND {b} THEN assign to 'x'")),
        (of_event("event", 1), of_profile(1), of_event("event", 1))
            .prop_map(|(a, b, c)| { format!("IF {a} AND ({b} OR {c}) THEN assign to 'x'") }),
    ]
}

/// Timelines near midnight, so that `current_date` turns in their midst.
fn timeline() -> impl Strategy<Value = (Timeline, Timestamp)> {
    let event = (offset(), select(vec!["a", "b", "c"]), proptest::option::of(0_i64..3));
    let seen = proptest::option::of(offset());
    (vec(event, 0..7), proptest::option::of(0_i64..3), seen, evening()).prop_map(
        |(events, k, seen, evening)| {
            let mut timeline = Timeline::default()
                .attribute("k", k.map_or(Value::Null, Value::Int))
                .attribute("seen_at", seen.map_or(Value::Null, |seen| Value::Time(evening + seen)));
            for (at, kind, x) in events {
                let x = x.map_or(Value::Null, Value::Int);
                timeline = timeline.event(evening + at, kind, &[("x", x)]);
            }
            (timeline, evening)
        },
    )
}

/// Three hours before a midnight: any one, or one of a night in which clocks
/// are put forward or back.
fn evening() -> impl Strategy<Value = Timestamp> {
    select(vec![
        start() + Span::HOUR.times(21),
        at("2026-03-28T21:00:00Z"),
        at("2026-10-24T21:00:00Z"),
        at("2010-11-06T21:00:00Z"),
    ])
}

/// Every instant after `now` at which something could change, a microsecond
/// before and a microsecond after.
fn instants(evening: Timestamp, now: Timestamp) -> Vec<Timestamp> {
    let mut instants = vec![now.next()];
    for halves in 0..28 {
        for micros in -4..=4 {
            instants.push(evening + Span::MINUTE.times(halves * 30) + Span::from_micros(micros));
        }
    }
    instants.push(evening + Span::MINUTE.times(331));
    instants.push(evening + Span::DAY.times(3));
    instants.retain(|instant| *instant > now);
    instants.sort_unstable();
    instants
}

/// What of `subject` the needs of a segment ask for.
fn needed(compiled: &Compiled, subject: &AsOf, now: Timestamp) -> AsOf {
    subject.keeping(|row| {
        compiled.needs().iter().any(|need| {
            need.latest.is_none()
                && need.event_type.as_deref().is_none_or(|kind| kind == row.kind)
                && need.lookback.is_none_or(|lookback| row.timestamp >= now - lookback)
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn answers_hold_until_their_horizon(text in text(), (timeline, evening) in timeline(), now in offset()) {
        let now = evening + now;
        let definition = definition(&text);
        let mut columns = Columns::default();
        columns.intern("x");
        let compiled = definition.compile(&mut columns);
        let subject = timeline.as_of(now, &columns);
        let outcome = compiled.evaluate(&subject, now);
        prop_assert_eq!(outcome.value, brute(&definition.predicate, &subject, now), "{} at {}", &text, now);
        prop_assert!(outcome.horizon > now, "{} at {}", text, now);
        let enough = needed(&compiled, &subject, now);
        let enough = compiled.evaluate(&enough, now);
        prop_assert_eq!(enough.value, outcome.value, "needs of {}", text);
        let (member, member_until) = compiled.is_member(&subject, now);
        prop_assert_eq!(member, outcome.is_member(), "{} at {}", text, now);
        prop_assert!(member_until > now, "{} at {}", text, now);
        // With fewer rows a horizon may be later, yet not too late.
        let outcome = Outcome { horizon: outcome.horizon.max(enough.horizon), ..outcome };
        for later in instants(evening, now) {
            let value = brute(&definition.predicate, &subject, later);
            if later < outcome.horizon {
                prop_assert_eq!(value, outcome.value, "{} at {} until {}: {}", text, now, outcome.horizon, later);
            }
            if later < member_until {
                prop_assert_eq!(value == Some(true), member, "{} at {} until {}: {}", text, now, member_until, later);
            }
            prop_assert_eq!(compiled.evaluate(&subject, later).value, value, "{} at {}", &text, later);
        }
    }

    #[test]
    fn what_is_printed_reads_back(text in text()) {
        let first = definition(&text);
        let printed = first.to_string();
        prop_assert_eq!(&definition(&printed), &first, "{}\n{}", text, printed);
        prop_assert_eq!(definition(&printed).to_string(), printed);
        // Each form says the same condition.
        let other = Definition { form: Form::Select, name: None, ..first.clone() };
        prop_assert_eq!(&definition(&other.to_string()), &other, "{}\n{}", &text, other);
        let other = Definition { form: Form::Rule, name: Some("x".into()), ..first };
        prop_assert_eq!(&definition(&other.to_string()), &other, "{}\n{}", &text, other);
    }

    #[test]
    fn the_builder_says_the_same(text in text()) {
        let first = Statement::Segment(definition(&text));
        let json = first.to_builder();
        let again = parse_builder(&json, &Schema::default());
        prop_assert_eq!(again.map(|(statement, _)| statement), Ok(first), "{}\n{:#}", &text, &json);
        let problem = super::builder::problem_with(&json);
        prop_assert!(problem.is_none(), "{}\n{:#}\n{:?}", text, json, problem);
    }

    #[test]
    fn explanations_agree_with_answers(text in text(), (timeline, evening) in timeline(), now in offset()) {
        let now = evening + now;
        let mut columns = Columns::default();
        columns.intern("x");
        let compiled = definition(&text).compile(&mut columns);
        let subject = timeline.as_of(now, &columns);
        let told = compiled.explain(&subject, now);
        let outcome = Outcome {
            value: match told.value { Value::Bool(value) => Some(value), _ => None },
            horizon: told.horizon,
        };
        prop_assert_eq!(compiled.evaluate(&subject, now), outcome, "{}", text);
    }

    #[test]
    fn sql_for_the_lake_is_sql(text in text()) {
        use sqlparser::{dialect::GenericDialect, parser::Parser};
        let sql = definition(&text).to_sql();
        let parsed = Parser::parse_sql(&GenericDialect {}, &sql);
        prop_assert!(parsed.is_ok(), "{}\n{}\n{:?}", text, sql, parsed.err());
    }

    #[test]
    fn arbitrary_text_is_taken_or_refused(
        text in prop_oneof![
            "\\PC{0,80}",
            "(IF|SELECT|AFTER)[ -~\\n]{0,80}",
            vec(select(WORDS.to_vec()), 0..40).prop_map(|words| words.join(" ")),
            (text(), any::<prop::sample::Index>(), any::<prop::sample::Index>()).prop_map(|(text, a, b)| {
                let letters: Vec<char> = text.chars().collect();
                let (a, b) = (a.index(letters.len()), b.index(letters.len()));
                letters[a.min(b)..].iter().collect()
            }),
        ]
    ) {
        match parse(&text, &Schema::default()) {
            Ok(Statement::Segment(definition)) => {
                let mut columns = Columns::default();
                let compiled = definition.compile(&mut columns);
                let subject = Timeline::default().as_of(start(), &columns);
                prop_assert!(subject.rows().is_empty());
                compiled.evaluate(&subject, start());
                let printed = definition.to_string();
                let again = parse(&printed, &Schema::default());
                prop_assert_eq!(again, Ok(Statement::Segment(definition)), "{}\n{}", text, printed);
            }
            Ok(sequence) => {
                let printed = sequence.to_string();
                prop_assert_eq!(parse(&printed, &Schema::default()), Ok(sequence));
            }
            Err(refusal) => {
                let lines = text.lines().count().max(1);
                prop_assert!(refusal.line >= 1 && refusal.line <= lines, "{}", refusal);
                prop_assert!(refusal.column >= 1);
            }
        }
    }
}

const WORDS: [&str; 62] = [
    "IF",
    "SELECT",
    "customer_id",
    "FROM",
    "customer_data",
    "events",
    "WHERE",
    "AND",
    "OR",
    "NOT",
    "(",
    ")",
    "THEN",
    "assign",
    "to",
    "'x'",
    "event_type",
    "timestamp",
    "=",
    ">=",
    "<",
    "now()",
    "-",
    "+",
    "*",
    "/",
    "24",
    "hours",
    "1.5",
    "EXISTS",
    "IN",
    "BETWEEN",
    "LIKE",
    "IS",
    "NULL",
    "TRUE",
    "CASE",
    "WHEN",
    "ELSE",
    "END",
    "CAST",
    "AS",
    "TEXT",
    "::",
    ".",
    ",",
    "e",
    "count",
    "count(*)",
    "sum(x)",
    "GROUP",
    "BY",
    "HAVING",
    "ORDER",
    "LIMIT",
    "1",
    "in_segment('a')",
    "INTERVAL",
    "'1 day'",
    "current_date",
    "\"Q\"",
    "age",
];
