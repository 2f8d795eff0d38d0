//! Rules that rank people, and what conditions expect of values.

use crate::segment::{Expected, Schema, Statement, parse, parse_ranked};

fn sql(text: &str) -> String {
    parse_ranked(text, &Schema::default()).unwrap().unwrap_or_else(|refusal| panic!("{refusal}")).to_sql()
}

#[test]
fn a_rank_is_a_query() {
    let best = sql("IF top 10 % by total_spent THEN assign to 'Best'");
    assert!(
        best.contains("percent_rank() OVER (ORDER BY v DESC)") && best.ends_with("place < 0.1"),
        "{best}"
    );
    let last = sql(
        "if in the bottom 100 customers by sum(total) of purchase in the last 30 days among customers where orders > 0 then assign to 'Last'",
    );
    assert!(last.contains("row_number() OVER (ORDER BY v ASC, customer_id)"), "{last}");
    assert!(last.contains("\"orders\" > 0") && last.ends_with("place <= 100"), "{last}");
}

#[test]
fn a_rank_that_is_none_is_refused_and_other_rules_are_left_alone() {
    let read = |text: &str| parse_ranked(text, &Schema::default());
    for text in [
        "IF orders > 3 THEN assign to 'x'",
        "SELECT 1",
        "IF in_segment('top') THEN assign to 'x'",
        "",
        "IF top > 3 THEN assign to 'x'",
    ] {
        assert!(read(text).is_none(), "{text}");
    }
    for text in [
        "IF top 0 % by orders THEN assign to 'x'",
        "IF top 101 % by orders THEN assign to 'x'",
        "IF top 2.5 customers by orders THEN assign to 'x'",
        "IF top 10 by orders THEN assign to 'x'",
        "IF top 10 % THEN assign to 'x'",
        "IF top 10 % by orders",
        "IF top 10 % by orders among customers THEN assign to 'x'",
    ] {
        assert!(read(text).unwrap().is_err(), "{text}");
    }
}

#[test]
fn a_condition_tells_what_it_expects() {
    let text = "IF done purchase where (total > 10 AND event.items[0].price > 5) AND user.age BETWEEN 3 AND 5 AND user.city = 'Rome' AND sum(weight) of any event > 2 THEN assign to 'x'";
    let Statement::Segment(definition) = parse(text, &Schema::default()).unwrap() else {
        panic!("a segment")
    };
    let told: Vec<_> = definition
        .expectations()
        .into_iter()
        .map(|e| (e.name.to_string(), e.path, e.expected, e.of_events.map(|types| types.join(","))))
        .collect();
    let purchase = || Some("purchase".to_owned());
    assert_eq!(
        told,
        [
            ("age".to_owned(), String::new(), Expected::Number, None),
            ("items".to_owned(), "0.price".to_owned(), Expected::Number, purchase()),
            ("total".to_owned(), String::new(), Expected::Number, purchase()),
            ("weight".to_owned(), String::new(), Expected::Number, Some(String::new())),
        ]
    );
}
