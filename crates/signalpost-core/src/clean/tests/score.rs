//! How surely an automaton did it, and which rates no person reaches.

use proptest::prelude::*;

use super::received_at;
use crate::clean::bot::explain;
use crate::clean::score::{Evidence, Rates, Reason, score};
use crate::time::{Span, Timestamp};
use crate::value::{Map, Value};

fn context(json: &str) -> Map {
    match Value::from(serde_json::from_str::<serde_json::Value>(json).unwrap()) {
        Value::Map(map) => map,
        other => panic!("{other}"),
    }
}

/// The points and the reasons' names.
fn judged(json: &str, agent: &str, too_fast: bool, data_centre: bool) -> String {
    let verdict = explain(agent);
    let score = score(&context(json), Evidence { agent: Some(&verdict), too_fast, data_centre });
    let reasons: Vec<&str> = score.reasons.iter().map(|(reason, _)| reason.as_str()).collect();
    format!("{} {}", score.points, reasons.join(" "))
}

#[test]
fn every_reason_counts_and_is_named() {
    let chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36";
    let usual = r#"{"locale":"de-DE","screen":{"width":1920,"height":1080},"webdriver":false}"#;
    assert_eq!(judged(usual, chrome, false, false), "0 ");
    assert_eq!(judged(usual, chrome, false, true), "40 data_centre");
    assert_eq!(judged(usual, chrome, true, true), "100 rate data_centre");
    assert_eq!(judged(r#"{"webdriver":true}"#, chrome, false, false), "100 webdriver");
    assert_eq!(
        judged(r#"{"screen":{"width":0,"height":0},"languages":[]}"#, chrome, false, false),
        "50 no_screen no_language"
    );
    assert_eq!(judged("{}", "Googlebot/2.1 (+http://www.google.com/bot.html)", false, false), "100 agent");
    assert_eq!(judged("{}", "MyShop-Backend/1.0", false, false), "40 unnamed_agent");
    assert_eq!(judged("{}", "Mozilla/5.0", false, false), "20 machine_open");
    assert!(score(&context(r#"{"webdriver":true}"#), Evidence::default()).is_automaton());
    assert!(!score(&Map::new(), Evidence { data_centre: true, ..Evidence::default() }).is_automaton());
    assert_eq!(
        score(&Map::new(), Evidence { too_fast: true, ..Evidence::default() }).reasons,
        [(Reason::Rate, 60)]
    );
}

#[test]
fn a_rate_beyond_a_person_is_seen() {
    let mut rates = Rates::new(Span::SECOND.times(10), 1_000);
    let at = |tenth: i64| received_at() + Span::MILLISECOND.times(100 * tenth);
    let fast: Vec<bool> = (0..40).map(|tenth| rates.observe(7, at(tenth)) > 30).collect();
    assert_eq!(fast.iter().filter(|too_fast| **too_fast).count(), 10);
    assert!((0..400).all(|second| rates.observe(8, at(10 * second)) <= 30), "one a second is no hurry");
    // A batch sent after hours offline: its events have times of their own.
    assert!((0..100).all(|minute| rates.observe(9, received_at() - Span::MINUTE.times(minute)) <= 30));
}

#[test]
fn many_others_do_not_hide_one_who_is_too_fast() {
    let mut rates = Rates::new(Span::SECOND.times(10), 1_000);
    let others =
        |event: u64| (1..=50).map(move |other| (event * 50 + other).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut last = 0;
    for event in 0..200 {
        last = rates.observe(7, received_at());
        for other in others(event) {
            rates.observe(other, received_at());
        }
    }
    assert!(last > 150, "{last} of 200 events were counted among 10,000 others");
}

proptest! {
    #[test]
    fn nobody_is_counted_for_more_than_they_sent(events in proptest::collection::vec((0_u64..40, -1_000_000_i64..1_000_000), 0..300)) {
        let mut rates = Rates::new(Span::SECOND, 16);
        let mut sent = std::collections::HashMap::new();
        for (identity, micros) in events {
            let sent = sent.entry(identity).or_insert(0);
            *sent += 1;
            prop_assert!((1..=*sent).contains(&rates.observe(identity, Timestamp::from_micros(micros))));
        }
    }
}
