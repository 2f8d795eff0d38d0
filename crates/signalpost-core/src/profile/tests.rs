//! What a profile tells of its timeline, whatever the order of arrival.

use proptest::prelude::*;

use super::*;
use crate::id::{CustomerId, EventId};
use crate::time::Span;
use crate::value::Map;

fn event(index: u64, event_type: &str, at: i64, product: Option<&str>, properties: Map) -> (Event, Moment) {
    let timestamp = Timestamp::from_micros(0) + Span::SECOND.times(at);
    let event = Event {
        event_id: EventId::from(format!("e{index}")),
        event_type: event_type.into(),
        customer_id: Some(CustomerId::from("c1")),
        anonymous_id: None,
        timestamp,
        received_at: timestamp,
        product_id: product.map(Into::into),
        properties,
        traits: vec![("age".into(), Value::Int(at))],
        context: Map::new(),
        source: "test".into(),
    };
    (event, Moment { timestamp, sequence: index })
}

fn profile_of(events: &[(Event, Moment)]) -> Profile {
    let mut profile = Profile::new(ProfileKey::Customer("c1".into()));
    for (event, moment) in events {
        profile.fold(event, *moment);
    }
    profile
}

#[test]
fn traits_and_cart_tell_the_latest() {
    let price = || vec![("unit_price".into(), Value::Float(2.55)), ("quantity".into(), Value::Int(6))];
    let profile = profile_of(&[
        event(1, "product_view", 10, Some("A"), vec![("category".into(), "Electronics".into())]),
        event(2, "add_to_cart", 20, Some("A"), Map::new()),
        event(3, "add_to_cart", 21, Some("B"), Map::new()),
        event(4, "purchase", 30, Some("A"), price()),
    ]);
    let now = Timestamp::from_micros(0) + Span::DAY.times(2);
    let tell = |name: &str| profile.attribute(name, now);
    assert_eq!(tell("age").0, Value::Int(30));
    assert_eq!(tell("last_viewed_product").0, "A".into());
    assert_eq!(tell("recent_view_category").0, "Electronics".into());
    assert_eq!(tell("orders").0, Value::Int(1));
    assert_eq!(tell("total_spent").0, Value::Float(15.3));
    assert_eq!(tell("recency_score"), (Value::Int(2), now + Span::DAY));
    assert_eq!(
        tell("rfm_recency"),
        (Value::Int(1), Timestamp::from_micros(0) + Span::DAY.times(2) + Span::SECOND.times(30))
    );
    let cart: Vec<_> = profile.cart_lines().map(|line| line.product_id.as_str()).collect();
    assert_eq!(cart, ["B"]);
}

#[test]
fn daily_counts_leave_at_midnight() {
    let profile = profile_of(&[event(1, "purchase", 10, None, Map::new())]);
    let noon = Timestamp::from_micros(0) + Span::HOUR.times(12);
    let (count, horizon) = profile.attribute("purchase_count_7d", noon);
    assert_eq!((count, horizon), (Value::Int(1), Timestamp::from_micros(0) + Span::DAY.times(7)));
    assert_eq!(profile.attribute("purchase_count_7d", horizon).0, Value::Int(0));
}

proptest! {
    #[test]
    fn order_of_arrival_does_not_matter(
        kinds in prop::collection::vec((0_usize..5, 0_i64..40, 0_usize..4), 1..40),
        seed in any::<u64>(),
    ) {
        let types = ["product_view", "add_to_cart", "remove_from_cart", "purchase", "identify"];
        let products = [Some("A"), Some("B"), Some("C"), None];
        let mut events: Vec<_> = (0_u64..).zip(&kinds).map(|(index, (kind, at, product))| {
            event(index, types[*kind], *at, products[*product], vec![("price".into(), Value::Float(1.25))])
        }).collect();
        let now = Timestamp::from_micros(0) + Span::DAY;
        let view = |profile: &Profile| {
            let mut lines: Vec<_> = profile.cart_lines().map(|l| (l.product_id.clone(), l.added)).collect();
            lines.sort();
            let told: Vec<_> = BUILT_IN.iter().map(|(name, _)| profile.attribute(name, now)).collect();
            (lines, told, profile.attribute("age", now), profile.viewed.clone(), profile.purchased.clone())
        };
        let straight = view(&profile_of(&events));
        let mut state = seed;
        for index in (1..events.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            events.swap(index, usize::try_from(state >> 33).unwrap() % (index + 1));
        }
        prop_assert_eq!(straight, view(&profile_of(&events)));
    }

    #[test]
    fn records_read_back(at in 0_i64..1_000_000, product in "[A-Z]{1,6}") {
        let profile = profile_of(&[event(1, "product_view", at, Some(&product), Map::new())]);
        prop_assert_eq!(Profile::decode(&profile.encode()), Ok(profile));
    }
}
