//! The sums a shop expects of its run, counted again from the requests alone.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value as Json;

use super::super::{Expected, Request, Shop, Truth};
use super::{HOUR, event_time, is_accepted, owners, person, price, text};
use crate::time::Span;

type Counts = BTreeMap<(String, String), u64>;

/// Counts by truth and type, and broken ones by reason.
fn recount_names(requests: &[Request]) -> (Counts, BTreeMap<&'static str, u64>) {
    let mut counts = BTreeMap::new();
    let mut faults = BTreeMap::new();
    for request in requests {
        let truth = match &request.truth {
            Truth::Clean => "clean",
            Truth::Late => "late",
            Truth::DuplicateOf(_) => "duplicate",
            Truth::Bot => "bot",
            Truth::Broken(fault) => {
                *faults.entry(fault.code()).or_default() += 1;
                "broken"
            }
        };
        *counts.entry((truth.to_owned(), text(&request.body, "event_type").to_owned())).or_default() += 1;
    }
    (counts, faults)
}

/// Abandoned carts: all, those begun late, people in the last day.
fn recount_abandonments(shop: &Shop, requests: &[Request]) -> (u64, u64, u64) {
    let owners = owners(requests);
    let mut purchases: HashMap<String, Vec<i64>> = HashMap::new();
    let accepted = || requests.iter().filter(|request| is_accepted(request));
    for request in accepted().filter(|request| text(&request.body, "event_type") == "purchase") {
        purchases.entry(person(&request.body, &owners)).or_default().push(event_time(request));
    }
    let (mut all, mut late, mut recent) = (0, 0, BTreeSet::new());
    for request in accepted().filter(|request| text(&request.body, "event_type") == "add_to_cart") {
        let person = person(&request.body, &owners);
        let added = event_time(request);
        let bought = purchases
            .get(&person)
            .is_some_and(|times| times.iter().any(|bought| (added..added + HOUR).contains(bought)));
        if !bought {
            all += 1;
            late += u64::from(request.truth == Truth::Late);
            if added + HOUR >= (shop.end() - Span::DAY).as_micros() {
                recent.insert(person);
            }
        }
    }
    (all, late, recent.len() as u64)
}

/// The mission's own segment, at the end of the run.
fn recount_segment(requests: &[Request]) -> u64 {
    let owners = owners(requests);
    let mut traits: BTreeMap<String, Json> = BTreeMap::new();
    let mut views: BTreeMap<String, (i64, String)> = BTreeMap::new();
    for request in requests.iter().filter(|request| is_accepted(request)) {
        let body = &request.body;
        let person = person(body, &owners);
        match text(body, "event_type") {
            "identify" => drop(traits.insert(person, body["traits"].clone())),
            "product_view" => {
                let view = (event_time(request), text(&body["properties"], "category").to_owned());
                let last = views.entry(person).or_insert_with(|| view.clone());
                if last.0 <= view.0 {
                    *last = view;
                }
            }
            _ => {}
        }
    }
    let is_member = |(person, traits): &(&String, &Json)| {
        (25..=35).contains(&traits["age"].as_i64().unwrap())
            && traits["location"] == "NYC"
            && views.get(*person).is_some_and(|(_, category)| category == "Electronics")
    };
    traits.iter().filter(is_member).count() as u64
}

/// Holds what the shop expects against what is counted here.
pub(super) fn check_recount(shop: &Shop, requests: &[Request]) {
    let Expected {
        requests: total,
        counts,
        faults,
        known_people,
        anonymous_people,
        orders,
        revenue_cents,
        returned_cents,
        cart_abandonments,
        late_cart_abandonments,
        people_abandoned_last_day,
        young_nyc_electronics,
    } = shop.expected();
    assert_eq!(total, requests.len() as u64);
    let counts: BTreeMap<(String, String), u64> = counts
        .into_iter()
        .map(|((truth, name), count)| ((truth.to_owned(), name.to_owned()), count))
        .collect();
    assert_eq!((counts, faults), recount_names(requests));

    let owners = owners(requests);
    let accepted: Vec<&Request> = requests.iter().filter(|request| is_accepted(request)).collect();
    let people: BTreeSet<String> = accepted.iter().map(|request| person(&request.body, &owners)).collect();
    let known = people.iter().filter(|person| person.starts_with("C-")).count() as u64;
    assert_eq!((known_people, anonymous_people), (known, people.len() as u64 - known));

    let of_type = |name: &'static str| accepted.iter().filter(move |r| text(&r.body, "event_type") == name);
    let sum = |name| of_type(name).map(|r| price(&r.body)).map(|(cents, pieces)| cents * pieces).sum::<i64>();
    assert_eq!((revenue_cents, returned_cents), (sum("purchase"), sum("return")));
    let ids: BTreeSet<&str> = of_type("purchase").map(|r| text(&r.body["properties"], "order_id")).collect();
    assert_eq!(orders, ids.len() as u64);

    let abandoned = (cart_abandonments, late_cart_abandonments, people_abandoned_last_day);
    assert_eq!(abandoned, recount_abandonments(shop, requests));
    assert_eq!(young_nyc_electronics, recount_segment(requests));
}
