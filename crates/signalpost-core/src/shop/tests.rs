//! What a run promises, checked on the requests as they are sent, by code that
//! knows nothing of how they were made.

mod recount;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use proptest::prelude::*;
use serde_json::Value as Json;

use super::{Dirt, Fault, Request, Settings, Shop, Truth};
use crate::time::{Span, Timestamp};
use recount::check_recount;

const HOUR: i64 = Span::HOUR.as_micros();

fn start() -> Timestamp {
    Timestamp::parse("2026-03-02T00:00:00Z").unwrap()
}

fn small(seed: u64) -> Settings {
    Settings { visitors: 150, ..Settings::new(seed, start()) }
}

fn run(settings: Settings) -> (Shop, Vec<Request>) {
    let shop = Shop::new(settings);
    let requests = shop.requests().collect();
    (shop, requests)
}

fn is_accepted(request: &Request) -> bool {
    matches!(request.truth, Truth::Clean | Truth::Late)
}

fn text<'a>(body: &'a Json, field: &str) -> &'a str {
    body[field].as_str().unwrap_or("")
}

/// Reads an instant in any form a good sender uses; microseconds.
fn instant(value: &Json) -> Option<i64> {
    match value {
        Json::Number(number) if number.as_i64()? < 100_000_000_000 => Some(number.as_i64()? * 1_000_000),
        Json::Number(number) => Some(number.as_i64()? * 1_000),
        Json::String(text) => Timestamp::parse(text).map(Timestamp::as_micros),
        _ => None,
    }
}

/// The true time of an event by the rule of the Segment specification: what
/// the receiver's clock shows, less the time that passed on the sender's.
fn event_time(request: &Request) -> i64 {
    let told = instant(&request.body["timestamp"]).unwrap();
    match instant(&request.body["sent_at"]) {
        Some(sent) => request.at.as_micros() - (sent - told),
        None => told,
    }
}

/// Cents of one piece, and pieces.
fn price(body: &Json) -> (i64, i64) {
    let properties = &body["properties"];
    let cents = (properties["price"].as_f64().unwrap() * 100.0).round();
    (format!("{cents:.0}").parse().unwrap(), properties["quantity"].as_i64().unwrap_or(1))
}

/// Which customer each device belongs to.
fn owners(requests: &[Request]) -> HashMap<String, String> {
    let accepted = requests.iter().filter(|request| is_accepted(request));
    accepted
        .filter(|request| request.body["customer_id"].is_string() && request.body["anonymous_id"].is_string())
        .map(|request| {
            (text(&request.body, "anonymous_id").to_owned(), text(&request.body, "customer_id").to_owned())
        })
        .collect()
}

fn person(body: &Json, owners: &HashMap<String, String>) -> String {
    let device = text(body, "anonymous_id");
    match text(body, "customer_id") {
        "" => owners.get(device).cloned().unwrap_or_else(|| device.to_owned()),
        customer => customer.to_owned(),
    }
}

/// Order of sending, ids, and that a duplicate repeats what was sent before.
fn check_sending(shop: &Shop, requests: &[Request]) {
    let mut originals: HashMap<&str, &Request> = HashMap::new();
    let mut last = shop.settings.start;
    for request in requests {
        assert!(last <= request.at && request.at < shop.end(), "sent at {} after {last}", request.at);
        last = request.at;
        let id = text(&request.body, "event_id");
        match &request.truth {
            Truth::DuplicateOf(original) => {
                let first = originals[original.as_str()];
                assert_eq!(id, original.as_str());
                assert_eq!(first.body.to_string(), request.body.to_string());
                assert!(is_accepted(first) && first.at < request.at);
            }
            _ => assert!(originals.insert(id, request).is_none(), "{id} is used twice"),
        }
    }
}

/// Accepted events obey the contract, and happened when their truth says.
fn check_accepted(request: &Request) {
    let body = &request.body;
    assert!(!text(body, "event_type").is_empty());
    assert!(!text(body, "customer_id").is_empty() || !text(body, "anonymous_id").is_empty());
    assert!(body["properties"].is_object() && body["context"].is_object());
    assert_eq!(text(&body["context"], "user_agent"), request.user_agent);
    let age = request.at.as_micros() - event_time(request);
    match request.truth {
        Truth::Late => assert!((5 * HOUR / 60..48 * HOUR).contains(&age), "{age} late"),
        _ => assert!((0..3_000_000).contains(&age), "{age} not at once"),
    }
    let raw_age = request.at.as_micros() - instant(&body["timestamp"]).unwrap();
    assert!(raw_age > -6 * HOUR, "no clock is so far ahead");
    assert!(raw_age >= 0 || body["sent_at"] != Json::Null, "ahead, and nothing to correct it by");
}

/// A broken event has the fault it is called by, and is ahead of time only
/// when that is its fault.
fn check_broken(request: &Request, fault: Fault) {
    let body = &request.body;
    let found = match fault {
        Fault::MissingEventType => body.get("event_type").is_none(),
        Fault::MissingIdentity => body.get("customer_id").is_none() && body.get("anonymous_id").is_none(),
        Fault::UnreadableTimestamp => instant(&body["timestamp"]).is_none(),
        Fault::WrongType => !body["properties"].is_object(),
        Fault::TimestampTooOld => {
            (1..31 * 24 * HOUR).contains(&instant(&body["timestamp"]).unwrap())
                && body.get("sent_at").is_none()
        }
        Fault::TimestampAhead => event_time(request) > request.at.as_micros() + 600 * 24 * HOUR,
    };
    assert!(found, "{fault:?} is not in {body}");
}

/// Carts make sense: what is bought or taken out was put in by that person
/// before, and orders are placed well inside or well outside the hour.
fn check_carts(requests: &[Request]) {
    let owners = owners(requests);
    let mut events: Vec<(i64, usize, &Json)> = requests
        .iter()
        .enumerate()
        .filter(|(_, request)| is_accepted(request))
        .map(|(place, request)| (event_time(request), place, &request.body))
        .collect();
    events.sort_by_key(|(time, place, _)| (*time, *place));
    let mut carts: HashMap<(String, String), i64> = HashMap::new();
    let mut added: HashMap<String, Vec<i64>> = HashMap::new();
    for (time, _, body) in events {
        let person = person(body, &owners);
        let line = (person.clone(), text(body, "product_id").to_owned());
        let quantity = body["properties"]["quantity"].as_i64().unwrap_or(0);
        match text(body, "event_type") {
            "add_to_cart" => {
                added.entry(person).or_default().push(time);
                carts.insert(line, quantity);
            }
            "remove_from_cart" => assert_eq!(carts.remove(&line), Some(quantity), "{body}"),
            "purchase" => {
                assert_eq!(carts.remove(&line), Some(quantity), "{body}");
                for added in &added[&person] {
                    let minutes = (time - added) / (HOUR / 60);
                    assert!(!(46..=74).contains(&minutes), "bought {minutes} minutes later");
                }
            }
            _ => {}
        }
    }
}

fn check(settings: Settings) -> Vec<Request> {
    let (shop, requests) = run(settings);
    check_sending(&shop, &requests);
    for request in &requests {
        match request.truth {
            Truth::Clean | Truth::Late | Truth::Bot => check_accepted(request),
            Truth::Broken(fault) => check_broken(request, fault),
            Truth::DuplicateOf(_) => {}
        }
    }
    check_carts(&requests);
    check_recount(&shop, &requests);
    requests
}

#[test]
fn a_default_run_keeps_every_promise() {
    let requests = check(Settings::new(1, start()));
    assert!((60_000..=120_000).contains(&requests.len()), "{} requests", requests.len());
    let share = |truth: &str| {
        let count = requests.iter().filter(|request| request.truth.name() == truth).count();
        count as f64 / requests.len() as f64
    };
    let shares = ["clean", "late", "duplicate", "bot", "broken"].map(share);
    let bounds = [(0.8, 0.95), (0.01, 0.06), (0.01, 0.03), (0.03, 0.08), (0.005, 0.02)];
    for (share, (low, high)) in shares.into_iter().zip(bounds) {
        assert!((low..high).contains(&share), "{shares:?}");
    }
    let faults: BTreeSet<Fault> = requests
        .iter()
        .filter_map(|request| if let Truth::Broken(fault) = request.truth { Some(fault) } else { None })
        .collect();
    assert_eq!(faults.len(), Fault::ALL.len());
}

#[test]
fn people_buy_as_in_a_real_shop() {
    for seed in 1..=3 {
        let shop = Shop::new(Settings::new(seed, start()));
        let expected = shop.expected();
        let ratio = |part: &str, whole: &str| {
            expected.by_event_type(part) as f64 / expected.by_event_type(whole) as f64
        };
        let (carted, bought) = (ratio("add_to_cart", "product_view"), ratio("purchase", "add_to_cart"));
        assert!((0.05..0.15).contains(&carted), "seed {seed}: view to cart {carted}");
        assert!((0.25..0.6).contains(&bought), "seed {seed}: cart to purchase {bought}");
        assert!(expected.young_nyc_electronics >= 5, "seed {seed}: {}", expected.young_nyc_electronics);
        assert!(expected.cart_abandonments > 500 && expected.people_abandoned_last_day > 20);
        for name in [
            "identify",
            "page_view",
            "search",
            "remove_from_cart",
            "checkout_started",
            "return",
            "email_open",
            "email_click",
            "newsletter_signup",
        ] {
            assert!(expected.by_event_type(name) > 10, "seed {seed}: {name}");
        }
        assert_eq!(
            expected.accepted()
                + expected.by_truth("bot")
                + expected.by_truth("broken")
                + expected.by_truth("duplicate"),
            expected.requests
        );
        assert_eq!(expected.people(), expected.known_people + expected.anonymous_people);
    }
}

#[test]
fn same_seed_same_bytes_and_another_seed_others() {
    let bytes = |seed| run(small(seed)).1.iter().map(|r| format!("{r:?}")).collect::<String>();
    assert_eq!(bytes(7), bytes(7));
    assert_ne!(bytes(7), bytes(8));
}

#[test]
fn senders_differ_in_how_they_write() {
    let (_, requests) = run(Settings::new(3, start()));
    let mut forms = BTreeSet::new();
    let (mut corrected, mut late_without_sent_at, mut bad_emails) = (0, 0, 0);
    for request in requests.iter().filter(|request| is_accepted(request)) {
        let told = &request.body["timestamp"];
        forms.insert(match told {
            Json::String(text) if text.ends_with('Z') => "utc",
            Json::String(_) => "offset",
            number if number.as_i64() > Some(100_000_000_000) => "millis",
            _ => "seconds",
        });
        corrected += u32::from(event_time(request).abs_diff(instant(told).unwrap()) > 60_000_000);
        let no_sent_at = request.body.get("sent_at").is_none();
        late_without_sent_at += u32::from(request.truth == Truth::Late && no_sent_at);
        if let Some(email) = request.body["traits"]["email"].as_str() {
            bad_emails += u32::from(email.trim().to_lowercase() != email);
        }
    }
    let mut of_customer: HashMap<String, u32> = HashMap::new();
    for customer in owners(&requests).into_values() {
        *of_customer.entry(customer).or_default() += 1;
    }
    let devices = of_customer.values().filter(|count| **count > 1).count();
    assert_eq!(forms.len(), 4);
    assert!(
        corrected > 500 && late_without_sent_at > 200 && bad_emails > 50 && devices > 50,
        "{corrected} {late_without_sent_at} {bad_emails} {devices}"
    );
}

#[test]
fn crawlers_say_so_and_people_do_not() {
    let (_, requests) = run(Settings::new(4, start()));
    for request in &requests {
        let name = request.user_agent.to_lowercase();
        let says_so = name.contains("bot") || name.contains("python-requests");
        assert_eq!(says_so, request.truth == Truth::Bot, "{name}");
    }
}

#[test]
fn the_catalog_is_whole_and_events_agree_with_it() {
    let (shop, requests) = run(small(5));
    let items: HashMap<&str, _> = shop.catalog().iter().map(|item| (item.id.as_str(), item)).collect();
    let mut categories: BTreeMap<&str, u32> = BTreeMap::new();
    for item in shop.catalog() {
        *categories.entry(item.category).or_default() += 1;
        assert_eq!(item.price, format!("{}.{:02}", item.price_cents / 100, item.price_cents % 100));
        assert!(item.price_cents > 0 && !item.tags.is_empty() && !item.name.is_empty());
        assert_eq!(item.to_json()["price"], item.price);
    }
    assert_eq!((items.len(), categories.len()), (120, 8));
    assert_eq!(categories.get("Electronics"), Some(&15));
    assert!(shop.catalog().iter().any(|item| !item.in_stock));
    for (place, item) in shop.catalog().iter().enumerate() {
        for partner in &item.goes_with {
            assert!(*partner != place && shop.catalog()[*partner].goes_with.contains(&place));
        }
    }
    for request in requests.iter().filter(|request| is_accepted(request)) {
        let Some(id) = request.body["product_id"].as_str() else { continue };
        let item = items[id];
        assert_eq!(price(&request.body).0, item.price_cents);
        assert_eq!(text(&request.body["properties"], "category"), item.category);
        assert!(item.in_stock || text(&request.body, "event_type") == "product_view");
    }
}

#[test]
fn things_that_go_together_are_bought_together() {
    let (shop, requests) = run(Settings::new(6, start()));
    let places: HashMap<&str, usize> =
        shop.catalog().iter().enumerate().map(|(place, item)| (item.id.as_str(), place)).collect();
    let mut orders: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for request in requests.iter().filter(|r| is_accepted(r) && text(&r.body, "event_type") == "purchase") {
        let order = text(&request.body["properties"], "order_id");
        orders.entry(order).or_default().push(places[text(&request.body, "product_id")]);
    }
    let (mut together, mut pairs) = (0, 0);
    for lines in orders.values() {
        for (place, first) in lines.iter().enumerate() {
            for second in &lines[place + 1..] {
                pairs += 1;
                together += u32::from(shop.catalog()[*first].goes_with.contains(second));
            }
        }
    }
    // By chance it would be about one pair in seventy.
    assert!(pairs > 200 && together * 5 > pairs, "{together} of {pairs}");
}

#[test]
fn a_run_without_dirt_is_clean_and_one_without_visitors_empty() {
    let none = Dirt {
        duplicate_share: 0.0,
        bot_share: 0.0,
        offline_share: 0.0,
        skewed_share: 0.0,
        broken_share: f64::NAN,
        email_share: 0.0,
    };
    let requests = check(Settings { dirt: none, ..small(9) });
    assert!(!requests.is_empty() && requests.iter().all(|request| request.truth == Truth::Clean));
    assert_eq!(run(Settings { visitors: 0, ..small(9) }).1, []);
    assert!(!run(Settings { days: 0, ..small(9) }).1.is_empty());
}

#[test]
fn dirt_does_not_change_what_people_do() {
    let quiet = Dirt { duplicate_share: 0.0, bot_share: 0.0, broken_share: 0.0, ..Dirt::default() };
    let accepted = |settings| -> Vec<Json> {
        run(settings).1.into_iter().filter(is_accepted).map(|request| request.body).collect()
    };
    assert_eq!(accepted(small(10)), accepted(Settings { dirt: quiet, ..small(10) }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Whatever the settings, the laws hold and the sums agree.
    #[test]
    fn every_run_keeps_the_laws(
        seed: u64,
        visitors in 0_u32..60,
        days in 0_u32..20,
        offset_micros in 0_i64..1_000_000_000_000,
        anonymous_share in 0.0..=1.0,
        shares in prop::array::uniform6(0.0..=1.0),
    ) {
        let [duplicate_share, bot_share, offline_share, skewed_share, broken_share, email_share] = shares;
        let dirt = Dirt { duplicate_share, bot_share, offline_share, skewed_share, broken_share, email_share };
        let start = start() + Span::from_micros(offset_micros);
        check(Settings { seed, visitors, days, start, anonymous_share, dirt });
    }
}
