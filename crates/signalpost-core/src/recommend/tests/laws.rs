//! Laws that hold for any events in any order.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
// `Strategy` is the name of ours, so proptest's gets another here.
use proptest::strategy::Strategy as Generator;

use super::Strategy;
use super::*;

/// Events of three people over some sessions, some in orders.
fn some_events() -> impl Generator<Value = Vec<Event>> {
    let one = (
        select(vec!["ann", "bob", "cid"]),
        0i64..400,
        select(vec!["product_view", "add_to_cart", "purchase", "page"]),
        select(vec!["A", "B", "C", "D", "E", "F", "G"]),
        proptest::option::of(select(vec!["1", "2", "3"])),
    );
    vec(one, 0..60).prop_map(|events| {
        let events = events.into_iter().map(|(person, minute, kind, product, order)| {
            let event = event(person, minute, kind, product);
            match order {
                Some(order) => in_order(event, order),
                None => event,
            }
        });
        events.collect::<Vec<_>>()
    })
}

/// Pairs by sorting and cutting everything at the end: the definition, slowly.
fn pairs_plainly(events: &[Event], kind: Together, max: usize) -> BTreeMap<(String, String), u64> {
    let mut by_key: BTreeMap<String, Vec<(Timestamp, String)>> = BTreeMap::new();
    for event in events {
        let order = order_of(event);
        let key = match (kind, &*event.event_type) {
            (Together::Bought, "purchase") => order
                .map_or_else(|| format!("person {:?}", event.customer_id), |order| format!("order {order}")),
            (Together::Viewed, "product_view") => format!("person {:?}", event.customer_id),
            _ => continue,
        };
        let product = event.product_id.as_ref().unwrap().to_string();
        by_key.entry(key).or_default().push((event.timestamp, product));
    }
    let mut pairs = BTreeMap::new();
    for (key, mut lines) in by_key {
        lines.sort();
        let gap = match kind {
            _ if key.starts_with("order") => Span::from_micros(i64::MAX),
            Together::Bought => Span::HOUR,
            Together::Viewed => Span::MINUTE.times(30),
        };
        for basket in lines.chunk_by(|earlier, later| later.0 - earlier.0 <= gap) {
            let products: BTreeSet<_> = basket.iter().map(|(_, product)| product).collect();
            if products.len() > max {
                continue;
            }
            for one in &products {
                for other in products.iter().filter(|other| other != &one) {
                    *pairs.entry(((*one).clone(), (*other).clone())).or_default() += 1;
                }
            }
        }
    }
    pairs
}

fn pairs_of(model: &Model, kind: Together) -> BTreeMap<(String, String), u64> {
    let mut pairs = BTreeMap::new();
    for seed in ["A", "B", "C", "D", "E", "F", "G"] {
        for (other, count) in model.co_occurrence(&seed.into(), kind, usize::MAX) {
            pairs.insert((seed.to_owned(), other.to_string()), count);
        }
    }
    pairs
}

fn small_baskets(max: usize) -> Settings {
    Settings { basket_max: max, session_max: max, half_life: Span::HOUR, ..Settings::default() }
}

fn some_catalog() -> impl Generator<Value = Catalog> {
    vec((select(vec!["A", "B", "C", "D", "E", "X"]), any::<bool>(), select(vec!["toys", "garden"])), 0..9)
        .prop_map(|items| {
            let item = |(id, in_stock, category)| json!({"product_id": id, "in_stock": in_stock, "category": category});
            catalog(items.into_iter().map(item).collect())
        })
}

fn some_ids() -> impl Generator<Value = Vec<ProductId>> {
    vec(select(vec!["A", "B", "C", "D", "E", "F", "Z"]).prop_map(ProductId::from), 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_order_of_arrival_does_not_matter(events in some_events(), max in 2usize..6, swaps in vec((any::<Index>(), any::<Index>()), 60)) {
        let mut first = Model::new(small_baskets(max));
        feed(&mut first, &events);
        let mut shuffled = events.clone();
        if !shuffled.is_empty() {
            for (one, other) in swaps {
                let (one, other) = (one.index(shuffled.len()), other.index(shuffled.len()));
                shuffled.swap(one, other);
            }
        }
        let mut second = Model::new(small_baskets(max));
        feed(&mut second, &shuffled);
        prop_assert!(first.to_bytes().unwrap() == second.to_bytes().unwrap(), "the models differ");
        prop_assert_eq!(first.trending(at(500), 9), second.trending(at(500), 9));
        let viewed = ids(&["A", "B"]);
        for strategy in Strategy::ALL {
            let request = Request { strategy, viewed: &viewed, limit: 5, ..Request::default() };
            let list = first.recommend(&request, &Catalog::new(), at(500));
            prop_assert_eq!(list, second.recommend(&request, &Catalog::new(), at(500)));
        }
    }

    /// Rankings are put in order when somebody asks: asking often and asking
    /// once must come to the same.
    #[test]
    fn asking_on_the_way_changes_nothing(events in some_events(), max in 2usize..6) {
        let mut asked = Model::new(small_baskets(max));
        let told = |model: &Model| {
            let most = [Together::Bought, Together::Viewed].map(|kind| model.most(kind, 99));
            (most, model.trending(at(500), 99))
        };
        for (event, earlier) in events.iter().zip(1..) {
            feed(&mut asked, std::slice::from_ref(event));
            let mut fresh = Model::new(small_baskets(max));
            feed(&mut fresh, &events[..earlier]);
            prop_assert_eq!(told(&asked), told(&fresh));
            prop_assert_eq!(told(&asked.clone()), told(&fresh));
        }
    }

    #[test]
    fn counts_are_those_of_the_definition(events in some_events(), max in 2usize..6) {
        let mut model = Model::new(small_baskets(max));
        feed(&mut model, &events);
        for kind in [Together::Bought, Together::Viewed] {
            prop_assert_eq!(pairs_of(&model, kind), pairs_plainly(&events, kind, max));
        }
        let size = model.size();
        prop_assert_eq!(size.bought_pairs * 2, pairs_of(&model, Together::Bought).len());
        prop_assert_eq!(size.viewed_pairs * 2, pairs_of(&model, Together::Viewed).len());
    }

    #[test]
    fn trends_are_the_decayed_sum(events in some_events(), later in 400i64..3_000) {
        let mut model = Model::new(small_baskets(9));
        feed(&mut model, &events);
        let mut sums = BTreeMap::<String, f64>::new();
        for event in &events {
            let weight = match &*event.event_type { "product_view" => 1.0, "add_to_cart" => 3.0, "purchase" => 5.0, _ => continue };
            let age = (at(later) - event.timestamp).as_micros() as f64 / Span::HOUR.as_micros() as f64;
            *sums.entry(event.product_id.as_ref().unwrap().to_string()).or_default() += weight * (-age).exp2();
        }
        let trending = model.trending(at(later), 99);
        prop_assert_eq!(trending.len(), sums.len());
        for (id, score) in &trending {
            let plain = sums[id.as_str()];
            prop_assert!((score - plain).abs() <= plain * 1e-5, "{} {} {}", id, score, plain);
        }
        prop_assert!(trending.is_sorted_by(|one, other| one.1 > other.1 || (one.1 == other.1 && one.0 < other.0)));
    }

    #[test]
    fn lists_keep_what_they_promise(
        events in some_events(), catalog in some_catalog(), viewed in some_ids(), cart in some_ids(),
        purchased in some_ids(), exclude in some_ids(), category in proptest::option::of(Just("Toys")),
        in_stock_only: bool, limit in 0usize..8, strategy in select(&Strategy::ALL[..]),
    ) {
        let mut model = Model::new(small_baskets(9));
        feed(&mut model, &events);
        let request = Request {
            strategy, viewed: &viewed, cart: &cart, purchased: &purchased, exclude: &exclude, category, in_stock_only, limit,
        };
        let list = model.recommend(&request, &catalog, at(400));
        prop_assert_eq!(&list, &model.clone().recommend(&request, &catalog, at(400)), "twice the same");
        prop_assert!(list.len() <= limit);
        let distinct: BTreeSet<_> = list.iter().map(|one| &one.product_id).collect();
        prop_assert_eq!(distinct.len(), list.len(), "duplicates");
        let may_show = |id: &ProductId| {
            let barred = [&cart, &purchased, &exclude].into_iter().any(|ids| ids.contains(id));
            !barred && match catalog.get(id) {
                Some(item) => (item.in_stock || !in_stock_only) && category.is_none_or(|_| item.category.as_deref() == Some("toys")),
                None => catalog.is_empty() && category.is_none(),
            }
        };
        for one in &list {
            prop_assert!(may_show(&one.product_id), "{:?}", one);
            prop_assert!(one.strategy != Strategy::Auto && !one.reason.is_empty());
            prop_assert!(strategy == Strategy::Auto || one.strategy == strategy);
        }
        if strategy == Strategy::Auto {
            let possible = catalog.items().filter(|item| may_show(&item.product_id)).count();
            prop_assert!(list.len() >= possible.min(limit), "a fuller list was possible");
        }
    }

    #[test]
    fn a_model_read_back_goes_on_as_if_nothing_had_happened(events in some_events(), cut in any::<Index>(), max in 2usize..6) {
        let cut = cut.index(events.len() + 1);
        let mut straight = Model::new(small_baskets(max));
        feed(&mut straight, &events);
        let mut first = Model::new(small_baskets(max));
        feed(&mut first, &events[..cut]);
        let mut second = Model::from_bytes(small_baskets(max), &first.to_bytes().unwrap()).unwrap();
        feed(&mut second, &events[cut..]);
        prop_assert!(straight.to_bytes().unwrap() == second.to_bytes().unwrap(), "the models differ");
        prop_assert_eq!(straight.size(), second.size());
        prop_assert_eq!(straight.trending(at(500), 9), second.trending(at(500), 9));
    }

    #[test]
    fn damaged_bytes_never_panic(events in some_events(), flips in vec((any::<Index>(), any::<u8>()), 1..9)) {
        let mut model = Model::new(small_baskets(9));
        feed(&mut model, &events);
        let mut bytes = model.to_bytes().unwrap();
        for (place, byte) in flips {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Ok(mut read) = Model::from_bytes(small_baskets(9), &bytes) {
            feed(&mut read, &events);
            read.recommend(&Request::default(), &Catalog::new(), at(0));
        }
    }
}
