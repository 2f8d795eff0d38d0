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

#[test]
fn consent_comes_by_event_and_the_browser_may_refuse_for_the_person() {
    let mut profile = Profile::new(ProfileKey::Customer("c1".into()));
    let decisions = vec![
        ("analytics".into(), Value::Bool(true)),
        ("email".into(), Value::Bool(false)),
        ("note".into(), "yes".into()),
    ];
    let (late, moment) = event(1, "consent", 20, None, decisions);
    profile.fold(&late, moment);
    // An older decision that comes afterwards changes nothing.
    let (early, moment) = event(2, "consent", 10, None, vec![("analytics".into(), Value::Bool(false))]);
    profile.fold(&early, moment);
    assert_eq!(profile.consent("analytics"), Some(true));
    assert_eq!(profile.consent("email"), Some(false));
    assert_eq!(profile.consent("note"), None);

    // Whoever may send events may refuse mail for somebody, and never ask for it.
    let (forged, moment) = event(4, "consent", 40, None, vec![("email".into(), Value::Bool(true))]);
    profile.fold(&forged, moment);
    assert_eq!(profile.consent("email"), Some(false));
    // Nor may anybody make a profile grow without end.
    for number in 0..20 {
        let name = |place: usize| format!("p{number}-{place}").as_str().into();
        let many = (0..40).map(|place| (name(place), Value::Bool(true))).collect();
        let (event, moment) = event(100 + number, "consent", 50, None, many);
        profile.fold(&event, moment);
    }
    assert!(profile.consents.len() <= 64, "{} purposes are held", profile.consents.len());

    let (mut view, moment) = event(3, "page_view", 30, None, Map::new());
    view.context.push(("gpc".into(), Value::Bool(true)));
    profile.fold(&view, moment);
    assert_eq!(profile.consent("sale_and_sharing"), Some(false));
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
    fn records_read_back(profile in any_profile()) {
        let bytes = profile.encode();
        prop_assert_eq!(Profile::decode(&bytes), Ok(profile));
        for cut in 0..bytes.len() {
            prop_assert!(Profile::decode(&bytes[..cut]).is_err(), "cut at {}", cut);
        }
    }

    #[test]
    fn damage_is_told(profile in any_profile(), place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = profile.encode();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        // Whatever it reads as, it must not panic nor ask for all the memory.
        let _told = Profile::decode(&bytes);
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-1e9..1e9).prop_map(Value::Float),
        "[a-zé]{0,6}".prop_map(|text| Value::Text(text.into())),
        any::<i64>().prop_map(|at| Value::Time(Timestamp::from_micros(at))),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::List),
            prop::collection::vec(("[a-z]{1,3}".prop_map(Into::into), inner), 0..3).prop_map(Value::Map),
        ]
    })
}

fn any_moment() -> impl Strategy<Value = Moment> {
    (any::<i64>(), any::<u64>())
        .prop_map(|(at, sequence)| Moment { timestamp: Timestamp::from_micros(at), sequence })
}

/// A profile folded from some events, with every other field filled as well.
fn any_profile() -> impl Strategy<Value = Profile> {
    let events = prop::collection::vec((0_usize..6, any::<i32>(), 0_usize..3, any_value()), 0..12);
    let rows = prop::collection::vec((0_usize..6, any_moment(), any_value(), any::<u16>()), 0..6);
    let numbers = (any::<u32>(), any::<u64>(), any::<i64>(), any::<bool>());
    (events, rows, any_moment(), any_value(), numbers).prop_map(|(events, rows, moment, value, numbers)| {
        let types = ["product_view", "add_to_cart", "purchase", "identify", "unsubscribe", "é"];
        let (small, large, at, truth) = numbers;
        let key = if truth { ProfileKey::Customer("c1".into()) } else { ProfileKey::Anonymous("a1".into()) };
        let mut profile = Profile::new(key);
        for ((kind, at, product, value), index) in events.into_iter().zip(0..) {
            let product = ["A", "B"].get(product).copied();
            let properties = vec![("category".into(), "Toys".into()), ("quantity".into(), value.clone())];
            let (mut event, moment) = event(index, types[kind], at.into(), product, properties);
            event.traits.push(("fond_of".into(), value));
            event.anonymous_id = truth.then(|| format!("a{index}").into());
            profile.fold(&event, moment);
            profile.future.push((moment, event));
        }
        for (kind, moment, value, column) in rows {
            let values = vec![(crate::segment::ColumnIndex::from_number(column), value)];
            profile.rows.push(ProfileRow { moment, event_type: types[kind].into(), values });
        }
        let due = Timestamp::from_micros(at);
        profile.derived.push(Derived {
            rule: small,
            cause: moment,
            cause_event_id: "e".into(),
            matching: value.clone(),
            product_id: truth.then(|| "A".into()),
            due,
            fired: truth,
        });
        profile.awaited.push(Awaited { rule: small, matching: value, at: due });
        profile.memberships.push(Membership { segment: small, entered_at: due, version: small });
        profile.contacts.push(Contact { campaign: small, at: due });
        profile.cart_emptied = truth.then_some(moment);
        profile.spent_micros = at;
        profile.program_version = large;
        profile.waits.all_at(if truth { Timestamp::MAX } else { due });
        profile.waits.set(small, due);
        profile.waits.set(7, Timestamp::from_micros(at / 2));
        profile.waits.settle();
        profile.timer = if truth { due } else { Timestamp::MAX };
        profile.unevaluated = truth;
        profile.explainable = !truth;
        profile
    })
}

/// The bytes of a small profile, in form 3. They may never change: what is on
/// disk must be read. A new form gets a new number and its own golden bytes.
#[test]
fn the_written_form_is_golden() {
    let mut profile = profile_of(&[
        event(1, "product_view", 10, Some("A"), vec![("category".into(), "Toys".into())]),
        event(2, "add_to_cart", 20, Some("A"), vec![("quantity".into(), Value::Int(2))]),
        event(3, "purchase", 30, Some("B"), vec![("total".into(), Value::Float(9.5))]),
    ]);
    profile.rows.push(ProfileRow {
        moment: Moment { timestamp: Timestamp::from_micros(20_000_000), sequence: 2 },
        event_type: "add_to_cart".into(),
        values: vec![(crate::segment::ColumnIndex::from_number(3), Value::Int(2))],
    });
    profile.memberships.push(Membership {
        segment: 7,
        entered_at: Timestamp::from_micros(20_000_000),
        version: 1,
    });
    profile.waits.set(7, Timestamp::from_micros(25_000_000));
    profile.waits.set(9, Timestamp::from_micros(40_000_000));
    profile.waits.settle();
    let bytes = profile.encode();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, GOLDEN);
    assert_eq!(Profile::decode(&bytes), Ok(profile.clone()));
    // Form 2 knew one instant for all segments.
    profile.waits = Waits::default();
    assert_eq!(Profile::decode(&bytes_of(GOLDEN_2)), Ok(profile));
}

fn bytes_of(hex: &str) -> Vec<u8> {
    let digits: Vec<char> = hex.chars().collect();
    let pairs = digits.chunks(2).map(|pair| pair.iter().collect::<String>());
    pairs.map(|pair| u8::from_str_radix(&pair, 16).unwrap()).collect()
}

const GOLDEN: &str = "\
    030002633100030c70726f647563745f766965770180dac409000100000100010b6164645f746f5f63617274\
    0180dac409000100000100010870757263686173650180dac409000100000100010103616765033c00060001\
    ffb38913030141010000014101000004546f79730201410100000000000000400180dac40902000142000001\
    80dac409020001e9bb39b5077d8e08c0d587090100000142000101ffd9c40901010303040000000107000100\
    0000020780ade204028087a70e010000";

const GOLDEN_2: &str = "\
    020002633100030c70726f647563745f766965770180dac409000100000100010b6164645f746f5f63617274\
    0180dac409000100000100010870757263686173650180dac409000100000100010103616765033c00060001\
    ffb38913030141010000014101000004546f79730201410100000000000000400180dac40902000142000001\
    80dac409020001e9bb39b5077d8e08c0d587090100000142000101ffd9c40901010303040000000107000100\
    0000010000";

#[test]
fn records_of_other_versions_are_refused_in_words() {
    let told = |bytes: &[u8]| Profile::decode(bytes).unwrap_err().to_string();
    assert!(told(&[RECORD_VERSION + 1, 0]).contains("upgrade Signalpost"));
    assert!(told(&[1, 0]).contains("start with an empty data folder"));
    assert!(told(&[]).contains("it is empty"));
    let mut longer = Profile::new(ProfileKey::Customer("c1".into())).encode();
    longer.push(0);
    assert!(told(&longer).contains("something follows it"));
}
