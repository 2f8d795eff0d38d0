//! What texts say: canonical forms, names, refusals.

use super::timeline::definition;
use crate::segment::{Schema, SequenceRule, Statement, parse, parse_with_notes};
use crate::time::Span;

fn canonical(text: &str) -> String {
    canonical_with(text, &Schema::default())
}

fn canonical_with(text: &str, schema: &Schema) -> String {
    match parse(text, schema) {
        Ok(statement) => statement.to_string(),
        Err(refusal) => panic!("{text}\n{refusal}"),
    }
}

#[test]
fn both_forms_of_the_mission_are_read_word_for_word() {
    let rule = "IF event_type = 'cart_abandonment' AND event_time >= now() - 24 hours THEN assign to \
                'Abandoned Cart Last 24h'";
    assert_eq!(
        canonical(rule),
        "IF event_type = 'cart_abandonment' AND timestamp >= now() - 24 hours THEN assign to \
         'Abandoned Cart Last 24h'"
    );
    assert_eq!(definition(rule).name, Some("Abandoned Cart Last 24h".into()));
    let select = "SELECT customer_id FROM customer_data WHERE age BETWEEN 25 AND 35 AND location = 'NYC' AND \
                  recent_view_category = 'Electronics'";
    assert_eq!(canonical(select), select);
    assert_eq!(definition(select).name, None);
}

#[test]
fn case_of_keywords_and_kinds_of_quotes_do_not_matter() {
    let expected =
        canonical("IF event_type = 'a' AND event_time >= now() - 24 hours THEN assign to 'It''s me'");
    for text in [
        "if EVENT_TYPE = 'a' and Event_Time >= NOW() - 24 HOURS then ASSIGN TO 'It''s me';",
        "IF event_type = \u{2018}a\u{2019} AND event_time >= now() - 24 hours THEN assign to \u{201c}It's me\u{201d}",
        "IF event_type = 'a' -- a remark\n AND event_time >= now() - INTERVAL '24 hours' THEN assign to segment 'It''s me'",
        "IF event_type = 'a' AND event_time >= now() - INTERVAL 24 HOUR THEN assign to \"It's me\"",
        "IF event_type = 'a' AND event_time >= current_timestamp - '1 day'::interval THEN assign to 'It''s me'",
        "IF (event_type = 'a') AND (now() - interval '24' hour <= event.event_time) THEN assign to 'It''s me'",
    ] {
        let shown = canonical(text).replace("now() - 24 hours <= timestamp", "timestamp >= now() - 24 hours");
        assert_eq!(shown, expected, "{text}");
    }
    let text = "IF event_type = \u{2018}a\u{2019} THEN assign to 'x'";
    let Ok((_, notes)) = parse_with_notes(text, &Schema::default()) else { panic!("{text}") };
    assert_eq!(notes.len(), 1);
    assert_eq!((notes[0].line, notes[0].column), (1, 17));
    // Inside plain quotes they are part of the text.
    assert!(canonical("IF event_type = 'a\u{2019}b' THEN assign to 'x'").contains("'a\u{2019}b'"));
}

#[test]
fn conditions_are_grouped_by_event() {
    let cases = [
        (
            "event_type = 'a' AND user.age > 3 AND color = 'red'",
            "event_type = 'a' AND event.color = 'red' AND user.age > 3",
        ),
        ("event_type = 'a' AND NOT (event_type = 'b')", "event_type = 'a' AND NOT event_type = 'b'"),
        ("event_type = 'a' OR total_spent > 5", "event_type = 'a' OR total_spent > 5"),
        ("NOT event.color = 'red'", "NOT event.color = 'red'"),
        (
            "event_type = 'a' AND EXISTS (SELECT 1 FROM events WHERE event_type = 'b')",
            "event_type = 'a' AND done b",
        ),
    ];
    for (condition, expected) in cases {
        let text = format!("IF {condition} THEN assign to 'x'");
        assert_eq!(canonical(&text), format!("IF {expected} THEN assign to 'x'"));
    }
}

#[test]
fn bare_names_find_their_side() {
    let mut schema = Schema::default();
    schema.add_trait("city");
    schema.add_trait("both");
    schema.add_property("both");
    schema.add_property("color");
    schema.add_property("cart_size");
    let cases = [
        ("city = 'x'", "user.city = 'x'"),
        ("both = 1", "user.both = 1"),
        ("color = 'x'", "event.color = 'x'"),
        ("unknown = 1", "user.unknown = 1"),
        ("unknown = 1 AND event_type = 'a'", "event.unknown = 1 AND event_type = 'a'"),
        (
            "unknown = 1 AND (event_type = 'a' OR city = 'x')",
            "event.unknown = 1 AND (event_type = 'a' OR user.city = 'x')",
        ),
        ("city = 'x' AND event_type = 'a'", "user.city = 'x' AND event_type = 'a'"),
        ("purchase_count_30d > 2", "purchase_count_30d > 2"),
        ("first_purchase_at < now() - 7 days", "first_purchase_at < now() - 7 days"),
        (
            "purchase_count > 2 AND last_seen > now() - 7 days",
            "purchase_count > 2 AND last_seen > now() - 7 days",
        ),
        ("cart_size = 1", "event.cart_size = 1"),
        ("cart_value = 1", "user.cart_value = 1"),
        ("customer_id = 'c1'", "customer_id = 'c1'"),
        (
            "customer.city = 'x' AND traits.a = 1 AND customer_data.b = 2",
            "user.city = 'x' AND user.a = 1 AND user.b = 2",
        ),
        ("properties.a = 1 AND events.b = 2", "event.a = 1 AND event.b = 2"),
        ("event.\"odd name\" = 1", "event.\"odd name\" = 1"),
        ("event.productName = 1", "event.\"productName\" = 1"),
    ];
    for (condition, expected) in cases {
        let text = format!("IF {condition} THEN assign to 'x'");
        assert_eq!(
            canonical_with(&text, &schema),
            format!("IF {expected} THEN assign to 'x'"),
            "{condition}"
        );
    }
    let text = "SELECT c.customer_id FROM customer_data c WHERE c.a = 1 AND EXISTS (SELECT 1 FROM events AS v WHERE \
                v.customer_id = c.customer_id AND v.b = c.d AND color = city AND e = 1)";
    assert_eq!(
        canonical_with(text, &schema),
        "SELECT customer_id FROM customer_data WHERE a = 1 AND EXISTS (SELECT 1 FROM events e WHERE e.b = \
         customer_data.d AND e.color = customer_data.city AND e.e = 1)"
    );
}

#[test]
fn sequence_rules() {
    let text = "after add_to_cart WITHOUT purchase within 1 hour EMIT cart_abandonment";
    let rule = SequenceRule {
        after: "add_to_cart".into(),
        without: "purchase".into(),
        within: Span::HOUR,
        matching: None,
        emit: "cart_abandonment".into(),
    };
    assert_eq!(parse(text, &Schema::default()), Ok(Statement::Sequence(rule.clone())));
    let text =
        "AFTER add_to_cart WITHOUT purchase WITHIN 60 minutes MATCHING product_id EMIT cart_abandonment";
    let matching = SequenceRule { matching: Some("product_id".into()), ..rule };
    assert_eq!(parse(text, &Schema::default()), Ok(Statement::Sequence(matching.clone())));
    assert_eq!(
        matching.to_string(),
        "AFTER add_to_cart WITHOUT purchase WITHIN 1 hour MATCHING product_id EMIT cart_abandonment"
    );
    assert_eq!(
        canonical("AFTER 'Product Added' WITHOUT \"Order Completed\" WITHIN INTERVAL '90 min' EMIT x"),
        "AFTER 'Product Added' WITHOUT 'Order Completed' WITHIN 90 minutes EMIT x"
    );
}

#[test]
fn misspelt_event_types_are_remarked_on() {
    let mut schema = Schema::default();
    schema.add_event_type("purchase");
    let text = "IF event_type = 'purchse' THEN assign to 'x'";
    let Ok((_, notes)) = parse_with_notes(text, &schema) else { panic!("{text}") };
    assert!(notes[0].message.contains("'purchase'"), "{notes:?}");
    let text = "IF event_type = 'purchase' THEN assign to 'x'";
    assert_eq!(parse_with_notes(text, &schema).map(|(_, notes)| notes), Ok(Vec::new()));
}

/// Text, line and column of the refusal, a piece of its message, a piece of
/// its hint.
const REFUSED: &[(&str, usize, usize, &str, &str)] = &[
    ("", 1, 1, "the text ends", "IF event_type"),
    ("DELETE FROM events", 1, 1, "found DELETE", "SELECT customer_id"),
    ("IF event_type = 'a' THEN assign to", 1, 35, "the text ends", ""),
    ("IF event_type = 'a' assign to 'x'", 1, 21, "expected AND, OR or THEN, found assign", ""),
    ("IF event_type = 'a", 1, 17, "Unterminated", "close the text"),
    ("IF event_type == 'a' THEN assign to 'x'", 1, 15, "found ==", "equality is written ="),
    ("IF event_type THEN assign to 'x'", 1, 4, "a condition was expected", "age >= 18"),
    ("IF event_time >= 24 hours THEN assign to 'x'", 1, 4, "a length of time can only be compared", "now()"),
    ("IF now() - event_time >= 1 month THEN assign to 'x'", 1, 4, "no fixed length", "now() - 3 months"),
    ("IF event_time >= now() - 7 THEN assign to 'x'", 1, 26, "a number cannot be taken", "7 days"),
    ("IF event_time >= 'soon' THEN assign to 'x'", 1, 4, "'soon' is not an instant", "2026-04-27"),
    ("IF event_type = 'a' THEN assign to ''", 1, 36, "1 to 200 characters", ""),
    ("IF event_type = 'a'\n AND\n  evnt.x = 1 THEN assign to 'x'", 3, 3, "evnt is neither", "event.x"),
    ("IF 1 < 2 < 3 THEN assign to 'x'", 1, 10, "between two comparisons", "a < b AND b < c"),
    ("IF a.b.c = 1 THEN assign to 'x'", 1, 4, "a is neither a table nor an alias", "event.…"),
    ("IF event.a[x] = 1 THEN assign to 'x'", 1, 12, "expected a place from 0", "items[0]"),
    ("IF last_seen + 1 month = 3 THEN assign to 'x'", 1, 4, "an instant is compared with a number", "7 days"),
    (
        "IF age = 3 AND (age > 2) = 1 THEN assign to 'x'",
        1,
        17,
        "a condition is compared with a number",
        "IS TRUE",
    ),
    (
        "IF event_time > now() AT TIME ZONE 'Europe/Berln' THEN assign to 'x'",
        1,
        36,
        "no time zone 'Europe/Berln'",
        "'Europe/Berlin'",
    ),
    (
        "IF event_time > now() AT TIME ZONE 'Europe/Berlin' THEN assign to 'x'",
        1,
        4,
        "what the clocks of a time zone show",
        "on both sides",
    ),
    ("IF event.name ~ '(' THEN assign to 'x'", 1, 17, "not a regular expression: unclosed group", "regex"),
    ("IF event.name ~ '(a{1000}){1000}' THEN assign to 'x'", 1, 17, "too much memory", "LIKE"),
    ("IF length(3) = 1 THEN assign to 'x'", 1, 11, "length takes a text", "CAST"),
    ("IF left(event.a) = 'x' THEN assign to 'x'", 1, 4, "left takes 2 values, not 1", ""),
    ("IF date_trunc('dy', event_time) = '2026-01-01' THEN assign to 'x'", 1, 15, "'dy' is not a unit", "day"),
    ("IF lenght(event.a) = 1 THEN assign to 'x'", 1, 4, "lenght", "did you mean length?"),
    (
        "IF count(*) > 3 THEN assign to 'x'",
        1,
        4,
        "needs the events it runs over",
        "SELECT count(…) FROM events",
    ),
    ("IF event_type = 'a' THEN assign to 'x' ; IF", 1, 42, "the end of the text", ""),
    ("SELECT customer_id FROM customer_data WHERE age > 1 LIMIT 5", 1, 53, "found LIMIT", "other people"),
    (
        "SELECT customer_id FROM customer_data c JOIN events e ON TRUE",
        1,
        41,
        "found JOIN",
        "a join cannot be kept live",
    ),
    ("SELECT customer_id FROM customer_data, events", 1, 38, "found ,", "a join cannot be kept live"),
    (
        "SELECT customer_id, age FROM customer_data",
        1,
        8,
        "select customer_id and nothing else",
        "SELECT customer_id",
    ),
    ("SELECT * FROM customer_data", 1, 8, "select customer_id and nothing else", ""),
    ("SELECT customer_id FROM orders", 1, 25, "orders is not a table", "FROM customer_data"),
    (
        "SELECT customer_id FROM customer_data WHERE random() < 0.5",
        1,
        45,
        "another answer each time",
        "holdout",
    ),
    ("SELECT customer_id FROM customer_data WHERE lowr(name) = 'x'", 1, 45, "lowr", "did you mean lower?"),
    (
        "SELECT customer_id FROM customer_data WHERE event_type = 'x'",
        1,
        45,
        "event_type is a column of events",
        "EXISTS",
    ),
    (
        "SELECT customer_id FROM customer_data WHERE age > (SELECT age FROM events)",
        1,
        59,
        "a value for each event",
        "last(age)",
    ),
    (
        "SELECT customer_id FROM customer_data WHERE 1 = (SELECT count(*) OVER () FROM events)",
        1,
        66,
        "found OVER",
        "window functions",
    ),
    (
        "SELECT customer_id FROM customer_data WHERE email IN (SELECT product_id FROM events)",
        1,
        45,
        "only customer_id",
        "EXISTS",
    ),
    (
        "SELECT customer_id FROM events GROUP BY product_id",
        1,
        41,
        "only be grouped by customer_id",
        "count(distinct",
    ),
    (
        "SELECT customer_id FROM events GROUP BY customer_id HAVING product_id = 'x'",
        1,
        60,
        "one value of all",
        "last(product_id)",
    ),
    (
        "SELECT customer_id FROM customer_data WHERE EXISTS (SELECT 1 FROM memberships)",
        1,
        67,
        "over events",
        "in_segment",
    ),
    (
        "SELECT customer_id FROM customer_data WHERE age > 'old' AND total_spent > 'much'",
        1,
        61,
        "a number is compared with the text 'much'",
        "",
    ),
    ("SELECT customer_id FROM customer_data ORDER BY age", 1, 48, "ORDER BY", "leave it out"),
    (
        "SELECT customer_id FROM customer_data UNION SELECT customer_id FROM events",
        1,
        39,
        "found UNION",
        "OR, AND",
    ),
    ("AFTER a WITHOUT b WITHIN 0 hours EMIT c", 1, 26, "more than nothing", "1 hour"),
    ("AFTER a WITHOUT b WITHIN 1 hour EMIT a", 1, 38, "for ever", "another type"),
    ("AFTER a WITHOUT b EMIT c", 1, 19, "expected WITHIN, found EMIT", ""),
];

#[test]
fn refusals_say_where_and_how_to_mend() {
    for (text, line, column, message, hint) in REFUSED {
        let refusal = match parse(text, &Schema::default()) {
            Err(refusal) => refusal,
            Ok(statement) => panic!("{text}\nwas taken as\n{statement}"),
        };
        assert_eq!((refusal.line, refusal.column), (*line, *column), "{text}\n{refusal}");
        assert!(refusal.message.contains(message), "{text}\n{refusal}");
        assert!(refusal.hint.as_deref().unwrap_or_default().contains(hint), "{text}\n{refusal}");
    }
}

#[test]
fn remarks_are_made_on_what_is_taken_all_the_same() {
    let mut schema = Schema::default();
    schema.add_trait("location");
    schema.add_property("category");
    let notes = |condition: &str| {
        let text = format!("IF {condition} THEN assign to 'x'");
        let (_, notes) = parse_with_notes(&text, &schema).expect(condition);
        notes.into_iter().map(|note| note.message).collect::<Vec<_>>()
    };
    assert!(notes("user.locaton = 'x'")[0].contains("did you mean 'location'?"));
    assert!(
        notes("event_type = 'a' AND categry = 'x' AND event_time > now() - 1 day")[0].contains("'category'")
    );
    assert_eq!(
        notes("location = 'x' AND email_consent AND first_seen < now() - 3 days"),
        Vec::<String>::new()
    );
    let kept = notes("done view where category = 'x'");
    assert!(kept.len() == 1 && kept[0].contains("all events of type 'view' are kept for ever"), "{kept:?}");
    assert_eq!(notes("done view where category = 'x' in the last 30 days"), Vec::<String>::new());
    assert_eq!(notes("done view at least 3 times"), Vec::<String>::new(), "counted, not kept");
}

#[test]
fn bad_input_is_refused_and_never_overflows() {
    let refused = |text: &str| parse(text, &Schema::default()).expect_err("refused").to_string();
    let of = |condition: String| format!("IF {condition} THEN assign to 'x'");
    let parentheses = of(format!("{}a = 1{}", "(".repeat(10_000), ")".repeat(10_000)));
    assert!(refused(&parentheses).contains("nested more than 64 deep"));
    let phrases = of(format!("{}a{}", "done a where (".repeat(3_000), ")".repeat(3_000)));
    assert!(refused(&phrases).contains("nested more than 64 deep"));
    let casts = of(format!("a{} = 1", "::text".repeat(5_000)));
    assert!(refused(&casts).contains("nested"));
    let zones = of(format!("now(){} > now()", " AT TIME ZONE 'UTC'".repeat(3_000)));
    assert!(refused(&zones).contains("nested"));
    let joined = of(format!("a{} = 'x'", " || a".repeat(9_000)));
    assert!(refused(&joined).contains("nested"));
    let steps = of(format!("event{} = 1", ".a".repeat(9_000)));
    assert!(refused(&steps).contains("more than 16 steps"));
    let follows = of(format!("done a{}", " then a".repeat(3_000)));
    assert!(refused(&follows).contains("at most 8 events in a row"));
    let long = of(format!("a = '{}'", "x".repeat(100 * 1024)));
    assert!(refused(&long).contains("at most 65536 are taken"));
    let whens = of(format!("CASE {} END = 1", "WHEN a THEN 1 ".repeat(4_000)));
    assert!(parse(&whens, &Schema::default()).is_ok(), "long, not deep");
    // As deep as is taken, through all that is done with a segment.
    for text in [
        of(format!("{}a = 1{}", "NOT (b = 1 OR c = 2 AND ".repeat(31), ")".repeat(31))),
        of(format!("{}done a{}", "done a where (x = 1 AND ".repeat(20), ")".repeat(20))),
        of(format!("{}a{} = 1", "coalesce(1, 1 + ".repeat(60), ")".repeat(60))),
    ] {
        let Ok(Statement::Segment(definition)) = parse(&text, &Schema::default()) else { panic!("{text}") };
        assert_eq!(definition.to_string(), canonical(&definition.to_string()));
        assert!(!definition.to_sql().is_empty());
        let json = Statement::Segment(definition.clone()).to_builder();
        let again = crate::segment::parse_builder(&json, &Schema::default()).map(|(statement, _)| statement);
        assert_eq!(again, Ok(Statement::Segment(definition)));
    }
}

#[test]
fn a_refusal_shows_the_place() {
    let text = "IF event_type = 'a' AND\n  evnt.x = 1 THEN assign to 'x'";
    let refusal = parse(text, &Schema::default()).expect_err("refused");
    assert_eq!(
        refusal.to_string(),
        "evnt is neither a table nor an alias here (line 2, column 3)\n    evnt.x = 1 THEN assign to 'x'\n    ^\n\
         hint: did you mean event.x?"
    );
}

#[test]
fn size_and_nesting_are_bounded() {
    let nested = |depth: usize, open: &str, close: &str| {
        let condition = format!("{}a = 1{}", open.repeat(depth), close.repeat(depth));
        parse(&format!("SELECT customer_id FROM customer_data WHERE {condition}"), &Schema::default())
    };
    assert!(nested(64, "(", ")").is_ok());
    assert!(nested(65, "(", ")").is_err());
    assert!(nested(64, "NOT ", "").is_ok());
    for (open, close) in
        [("(", ")"), ("NOT ", ""), ("- ", ""), ("CASE WHEN ", " THEN TRUE END"), ("lower(", ")")]
    {
        let refusal = nested(2000, open, close).expect_err(open);
        assert!(refusal.message.contains("nested more than 64 deep"), "{refusal}");
    }
    let exists = "EXISTS (SELECT 1 FROM events WHERE ";
    assert!(nested(60, exists, ")").is_ok());
    assert!(nested(70, exists, ")").is_err());
    let sum = format!("SELECT customer_id FROM customer_data WHERE 1 = {}1", "1 + ".repeat(5000));
    assert!(parse(&sum, &Schema::default()).is_err());
    // A long list and a long row of conditions are not deep.
    let list = format!("SELECT customer_id FROM customer_data WHERE a IN ({}1)", "1,".repeat(20_000));
    assert!(parse(&list, &Schema::default()).is_ok());
    let row = format!("SELECT customer_id FROM customer_data WHERE {}a = 1", "a = 1 AND ".repeat(5_000));
    assert!(parse(&row, &Schema::default()).is_ok());
    assert!(parse(&" ".repeat(64 * 1024 + 1), &Schema::default()).is_err());
}

#[test]
fn the_words_that_need_quotes_are_in_order() {
    for word in ["all", "and", "where", "then", "between", "select"] {
        assert!(crate::segment::grammar::is_reserved(word), "{word}");
    }
    assert!(!crate::segment::grammar::is_reserved("age"));
}

#[test]
fn the_lake_is_asked_by_profile() {
    let rule = "IF event_type = 'cart_abandonment' AND event_time >= now() - 24 hours THEN assign to 'x'";
    assert_eq!(
        definition(rule).to_sql(),
        "SELECT c.\"profile_id\", c.\"customer_id\" FROM customer_data c LEFT JOIN (SELECT \
         e1.\"profile_id\" AS \"profile_id\", count(*) AS v FROM events e1 WHERE e1.\"timestamp\" <= now() AND \
         (e1.\"event_type\" = 'cart_abandonment') AND (e1.\"timestamp\" >= (now() - INTERVAL '24 hours')) GROUP BY \
         e1.\"profile_id\") s2 ON s2.\"profile_id\" = c.\"profile_id\" WHERE (s2.v IS NOT NULL)"
    );
    let traits = "SELECT customer_id FROM customer_data WHERE age BETWEEN 25 AND 35 AND location = 'NYC'";
    assert_eq!(
        definition(traits).to_sql(),
        "SELECT c.\"profile_id\", c.\"customer_id\" FROM customer_data c WHERE \
         ((json_number(c.\"traits.age\") BETWEEN 25 AND 35) AND (json_string(c.\"traits.location\") = 'NYC'))"
    );
}
