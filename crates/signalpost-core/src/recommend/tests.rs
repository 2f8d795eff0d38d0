//! Recommendations through the public interface: by hand, against a plain second
//! implementation, under random orders of arrival, and on real data.

mod laws;
mod real;

use serde_json::json;

use super::*;
use crate::catalog::{Catalog, Item};
use crate::time::Span;

/// An event of `person` at `minute` about `product`.
fn event(person: &str, minute: i64, event_type: &str, product: &str) -> Event {
    Event {
        event_id: format!("{person}/{minute}/{event_type}/{product}").into(),
        event_type: event_type.into(),
        customer_id: Some(person.into()),
        anonymous_id: None,
        timestamp: at(minute),
        received_at: at(minute),
        product_id: Some(product.into()),
        properties: Vec::new(),
        traits: Vec::new(),
        context: Vec::new(),
        source: "test".into(),
    }
}

fn at(minute: i64) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000) + Span::MINUTE.times(minute)
}

fn in_order(mut event: Event, order: &str) -> Event {
    event.properties.push(("order_id".into(), Value::from(order)));
    event
}

fn feed(model: &mut Model, events: &[Event]) {
    for event in events {
        model.observe(event, &event.profile_key().unwrap());
    }
}

fn learnt(events: &[Event]) -> Model {
    let mut model = Model::new(Settings::default());
    feed(&mut model, events);
    model
}

/// `A 3, B 1`
fn shown<N: fmt::Display>(list: &[(ProductId, N)]) -> String {
    let lines: Vec<_> = list.iter().map(|(id, number)| format!("{id} {number}")).collect();
    lines.join(", ")
}

fn ids(texts: &[&str]) -> Vec<ProductId> {
    texts.iter().map(|text| ProductId::from(*text)).collect()
}

fn catalog(items: serde_json::Value) -> Catalog {
    items.as_array().unwrap().iter().map(|item| Item::from_json(item).unwrap()).collect()
}

/// `A co_purchase, B trending`
fn chosen(model: &Model, request: &Request<'_>, catalog: &Catalog) -> String {
    let list = model.recommend(request, catalog, at(0));
    list.iter().map(|one| format!("{} {}", one.product_id, one.strategy)).collect::<Vec<_>>().join(", ")
}

/// Three orders: A+B+C, A+B, C alone twice; D is only viewed, with A.
fn small_shop() -> Vec<Event> {
    let mut events = Vec::new();
    for (order, products) in [("1", "ABC"), ("2", "AB"), ("3", "C"), ("4", "C")] {
        for product in products.chars() {
            events.push(in_order(event("ann", -90, "purchase", &product.to_string()), order));
        }
    }
    events.push(event("bob", -60, "product_view", "A"));
    events.push(event("bob", -40, "product_view", "D"));
    events
}

#[test]
fn orders_are_baskets_whoever_and_whenever() {
    let model = learnt(&small_shop());
    assert_eq!(shown(&model.co_occurrence(&"A".into(), Together::Bought, 9)), "B 2, C 1");
    assert_eq!(shown(&model.co_occurrence(&"A".into(), Together::Bought, 1)), "B 2");
    assert_eq!(shown(&model.co_occurrence(&"A".into(), Together::Viewed, 9)), "D 1");
    assert_eq!(shown(&model.co_occurrence(&"Z".into(), Together::Viewed, 9)), "");
    assert_eq!(shown(&model.most(Together::Bought, 9)), "C 3, A 2, B 2");
    let size = model.size();
    assert_eq!((size.products, size.bought_pairs, size.viewed_pairs, size.baskets), (4, 3, 1, 5));
}

#[test]
fn an_event_may_list_its_products() {
    let mut order = in_order(event("ann", 0, "purchase", "a"), "1");
    order.product_id = None;
    let lines =
        json!([{"product_id": "a1 ", "quantity": 2}, {"sku": 7}, "b2", {"name": "no id"}, null, "b2"]);
    order.properties.push(("products".into(), Value::from(lines)));
    let model = learnt(&[order]);
    assert_eq!(shown(&model.most(Together::Bought, 9)), "7 1, A1 1, B2 1");
}

#[test]
fn a_late_event_joins_two_sessions_into_one() {
    let view = |minute, product: &str| event("ann", minute, "product_view", product);
    let mut model = learnt(&[view(0, "A"), view(31, "B"), view(31, "A")]);
    assert_eq!(shown(&model.co_occurrence(&"A".into(), Together::Viewed, 9)), "B 1");
    assert_eq!(shown(&model.most(Together::Viewed, 9)), "A 2, B 1");
    feed(&mut model, &[view(15, "C")]);
    assert_eq!(shown(&model.co_occurrence(&"A".into(), Together::Viewed, 9)), "B 1, C 1");
    assert_eq!(shown(&model.most(Together::Viewed, 9)), "A 1, B 1, C 1");
    feed(&mut model, &[view(61, "D"), view(92, "E")]);
    assert_eq!(shown(&model.co_occurrence(&"A".into(), Together::Viewed, 9)), "B 1, C 1, D 1");
    assert_eq!(shown(&model.co_occurrence(&"E".into(), Together::Viewed, 9)), "");
}

#[test]
fn purchases_without_an_order_are_one_basket_within_an_hour() {
    let buy = |person: &str, minute, product: &str| event(person, minute, "purchase", product);
    let model = learnt(&[buy("ann", 0, "A"), buy("ann", 60, "B"), buy("ann", 121, "C"), buy("bob", 0, "D")]);
    assert_eq!(shown(&model.co_occurrence(&"B".into(), Together::Bought, 9)), "A 1");
    assert_eq!(shown(&model.co_occurrence(&"D".into(), Together::Bought, 9)), "");
}

#[test]
fn a_basket_past_its_size_counts_nothing_at_all() {
    let settings = Settings { basket_max: 3, ..Settings::default() };
    let lines: Vec<_> =
        ["A", "B", "C", "D", "E"].map(|product| in_order(event("ann", 0, "purchase", product), "1")).into();
    let mut model = Model::new(settings);
    feed(&mut model, &lines[..3]);
    assert_eq!(model.size().bought_pairs, 3);
    feed(&mut model, &lines[3..]);
    assert_eq!(model.size().bought_pairs, 0);
    assert_eq!(shown(&model.most(Together::Bought, 9)), "");
}

#[test]
fn trends_halve_in_a_half_life() {
    let day = 24 * 60;
    let model = learnt(&[
        event("ann", 0, "product_view", "VIEWED"),
        event("ann", 0, "add_to_cart", "WANTED"),
        event("ann", 0, "purchase", "BOUGHT"),
        event("ann", -day, "purchase", "YESTERDAY"),
        event("ann", -2 * day, "page", "NOTHING"),
    ]);
    let scores = |minute| -> Vec<(String, f64)> {
        let list = model.trending(at(minute), 9).into_iter();
        list.map(|(id, score)| (id.to_string(), (score * 1e4).round() / 1e4)).collect()
    };
    let now = [("BOUGHT", 5.0), ("WANTED", 3.0), ("YESTERDAY", 2.5), ("VIEWED", 1.0)];
    assert_eq!(scores(0), now.map(|(id, score)| (id.to_owned(), score)));
    assert_eq!(scores(day), now.map(|(id, score)| (id.to_owned(), score / 2.0)));
    assert_eq!(scores(day / 2)[0].1, 3.5355, "5 / sqrt 2");
}

#[test]
fn each_strategy_says_why() {
    let model = learnt(&small_shop());
    let shop =
        catalog(json!([{"product_id": "A", "name": "Red Kettle"}, {"product_id": "B"}, {"product_id": "D"}]));
    let (viewed, cart) = (ids(&["A", "B"]), ids(&["A"]));
    let reason = |strategy, viewed: &[ProductId], cart: &[ProductId]| {
        let list = model.recommend(
            &Request { strategy, viewed, cart, limit: 1, ..Request::default() },
            &shop,
            at(0),
        );
        list.first().map(|one| format!("{}: {} ({})", one.product_id, one.reason, one.score))
    };
    let said = |text: &str| Some(text.to_owned());
    assert_eq!(reason(Strategy::CoPurchase, &[], &cart), said("B: bought together with Red Kettle (2)"));
    assert_eq!(
        reason(Strategy::CoPurchase, &viewed[..1], &[]),
        said("B: bought together with Red Kettle (2)")
    );
    assert_eq!(reason(Strategy::CoView, &viewed, &[]), said("D: viewed together with Red Kettle (1)"));
    assert_eq!(reason(Strategy::CoView, &[], &cart), said("D: viewed together with Red Kettle (1)"));
    assert_eq!(reason(Strategy::RecentlyViewed, &viewed, &cart), said("B: you looked at this (0.5)"));
    assert_eq!(reason(Strategy::BestSellers, &viewed, &cart), said("B: a best seller (2)"));
    assert_eq!(reason(Strategy::CoView, &[], &[]), None);
    let trending = reason(Strategy::Trending, &[], &[]).unwrap();
    assert!(trending.starts_with("A: popular right now (10."), "{trending}");
}

#[test]
fn auto_mixes_and_never_leaves_a_mail_empty() {
    let model = learnt(&small_shop());
    let shop = catalog(json!([
        {"product_id": "A"}, {"product_id": "B"}, {"product_id": "C"}, {"product_id": "D"},
        {"product_id": "X", "category": "Toys"}, {"product_id": "Y", "in_stock": false}
    ]));
    let (viewed, cart) = (ids(&["A"]), ids(&["A"]));
    let request = Request { viewed: &viewed, cart: &cart, limit: 9, ..Request::default() };
    assert_eq!(chosen(&model, &request, &shop), "B co_purchase, D co_view, C co_purchase, X best_sellers");
    assert_eq!(chosen(&model, &request, &Catalog::new()), "B co_purchase, D co_view, C co_purchase");

    let toys = Request { category: Some("toys"), ..request };
    assert_eq!(chosen(&model, &toys, &shop), "X best_sellers");
    assert_eq!(chosen(&model, &toys, &Catalog::new()), "");
    let all = Request { in_stock_only: false, limit: 2, ..Request::default() };
    assert_eq!(chosen(&Model::new(Settings::default()), &all, &shop), "A best_sellers, B best_sellers");
    assert_eq!(chosen(&model, &Request { limit: 2, ..Request::default() }, &shop), "C trending, A trending");
    assert_eq!(chosen(&model, &Request { limit: 0, ..request }, &shop), "");
}

#[test]
fn a_category_ranks_only_its_own() {
    let model = learnt(&small_shop());
    let shop = catalog(json!([
        {"product_id": "A", "category": "Kitchen"}, {"product_id": "B", "category": "Garden"},
        {"product_id": "C", "category": "garden"}, {"product_id": "E", "category": "garden"}
    ]));
    for (strategy, expected) in [
        (Strategy::BestSellers, "C best_sellers, B best_sellers"),
        (Strategy::Trending, "C trending, B trending"),
        (Strategy::Auto, "C trending, B trending, E best_sellers"),
    ] {
        let request = Request { strategy, category: Some("Garden"), ..Request::default() };
        assert_eq!(chosen(&model, &request, &shop), expected);
    }
}

#[test]
fn an_erased_person_joins_nothing_any_more() {
    let mut model = learnt(&small_shop());
    let baskets = model.size().baskets;
    model.forget(&ProfileKey::Customer("bob".into()));
    model.forget(&ProfileKey::Customer("nobody".into()));
    assert_eq!(model.size().baskets, baskets - 1);
    assert_eq!(shown(&model.co_occurrence(&"A".into(), Together::Viewed, 9)), "D 1", "counts stay");
    feed(&mut model, &[event("bob", -39, "product_view", "E")]);
    assert_eq!(shown(&model.co_occurrence(&"E".into(), Together::Viewed, 9)), "");
}

#[test]
fn strategies_have_names() {
    for strategy in Strategy::ALL {
        assert_eq!(strategy.to_string().parse(), Ok(strategy));
    }
    let problem = "copurchase".parse::<Strategy>().unwrap_err().to_string();
    assert!(problem.contains("`copurchase`") && problem.contains("co_purchase"), "{problem}");
}

#[test]
fn past_its_limits_the_model_drops_the_rarest_and_stays_bounded() {
    let settings = Settings { pairs_max: 200, baskets_max: 20, products_max: 90, ..Settings::default() };
    let mut model = Model::new(settings);
    for order in 0..300 {
        // The pair A+B is in every order; the rest is different every time.
        for product in
            ["A".to_owned(), "B".to_owned(), format!("P{}", order % 97), format!("P{}", order % 89)]
        {
            let line = in_order(event("ann", order, "purchase", &product), &order.to_string());
            model.observe(&line, &line.profile_key().unwrap());
        }
    }
    let size = model.size();
    assert!(size.bought_pairs <= 200 && size.baskets <= 20 && size.products == 90, "{size:?}");
    assert!(size.dropped_pairs > 0 && size.refused_products > 0, "{size:?}");
    assert_eq!(shown(&model.co_occurrence(&"A".into(), Together::Bought, 1)), "B 300");
}

/// The bytes of a small model, in form 1. They may never change: what is on disk
/// must be read. A new form gets a new number and its own golden bytes.
#[test]
fn the_written_form_is_golden() {
    let model = learnt(&small_shop());
    let bytes = model.to_bytes().unwrap();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, GOLDEN);
    let read = Model::from_bytes(Settings::default(), &bytes).unwrap();
    assert_eq!(read.to_bytes().unwrap(), bytes);
}

const GOLDEN: &str = "\
    018080bbdd83050401410142014301440401310180a886e4da88850680a886e4da888506030001020001320180\
    a886e4da88850680a886e4da8885060200010001330180a886e4da88850680a886e4da88850601020001340180\
    a886e4da88850680a886e4da88850601020000010463626f620180f0d498e888850680a08991f1888506020003\
    0003000201020203040201020201010201000000020001030104010301000000000401b6b302fda5a8a00101b6\
    b3028c97c6910101b6b302d2a2a9da0101b6b3029fb3f40e00";

#[test]
fn bytes_that_are_no_model_are_refused_in_words() {
    let bytes = learnt(&small_shop()).to_bytes().unwrap();
    let refused =
        |settings: Settings, bytes: &[u8]| Model::from_bytes(settings, bytes).unwrap_err().to_string();
    assert!(refused(Settings::default(), &[]).contains("it is empty"));
    assert!(refused(Settings::default(), &[9, 1]).contains("form 9"));
    let other = Settings { half_life: Span::HOUR, ..Settings::default() };
    assert!(refused(other, &bytes).contains("another half-life"));
    for cut in 1..bytes.len() {
        assert!(refused(Settings::default(), &bytes[..cut]).contains("build it again"), "cut at {cut}");
    }
}
