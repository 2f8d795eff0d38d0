//! Clients and the network before the server: requests are lost, late, twice;
//! answers are lost; a client sends again until it has one.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};
use signalpost_core::time::{Span, Timestamp};

use crate::chance::Chance;

const CUSTOMERS: usize = 6;
const DEVICES: usize = 7;
const PRODUCTS: [&str; 4] = ["A1", "B2", "C3", "D4"];

#[derive(Debug)]
struct Request {
    body: String,
    next_try: Timestamp,
}

/// All clients, and what they know.
#[derive(Debug, Default)]
pub(crate) struct People {
    events: u64,
    requests: u64,
    /// Requests without an answer, by number.
    waiting: BTreeMap<u64, Request>,
    /// Copies under way: when they arrive, the request's number, its body.
    in_flight: Vec<(Timestamp, u64, String)>,
    /// Events sent, to be sent again by mistake.
    sent: Vec<Json>,
    /// Ids of the events that were acknowledged.
    pub(crate) acknowledged: BTreeSet<String>,
    /// Refused events that were acknowledged.
    pub(crate) refused: u64,
}

impl People {
    pub(crate) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty() || !self.in_flight.is_empty()
    }

    pub(crate) fn events_sent(&self) -> u64 {
        self.events
    }

    /// Somebody sends a request of some events.
    pub(crate) fn send(&mut self, chance: &mut Chance, now: Timestamp) {
        let mut events = Vec::new();
        for _ in 0..=chance.below(5) {
            if !self.sent.is_empty() && chance.percent(8) {
                events.push(chance.pick(&self.sent).clone());
                continue;
            }
            self.events += 1;
            let event = event(chance, self.events, now);
            self.sent.push(event.clone());
            events.push(event);
        }
        self.requests += 1;
        let body = Json::Array(events).to_string();
        for _ in 0..*chance.pick(&[0, 1, 1, 1, 1, 1, 1, 1, 2]) {
            self.in_flight.push((now + delay(chance), self.requests, body.clone()));
        }
        let next_try = now + Span::SECOND.times(1 + i64::try_from(chance.below(60)).unwrap());
        self.waiting.insert(self.requests, Request { body, next_try });
    }

    /// Whoever has waited long enough sends again.
    pub(crate) fn send_again(&mut self, chance: &mut Chance, now: Timestamp) {
        for (number, request) in self.waiting.iter_mut().filter(|(_, request)| request.next_try <= now) {
            request.next_try = now + Span::MINUTE;
            self.in_flight.push((now + delay(chance), *number, request.body.clone()));
        }
    }

    /// Requests that have arrived, at most `limit`.
    pub(crate) fn arrived(&mut self, now: Timestamp, limit: usize) -> Vec<(u64, String)> {
        let mut arrived = Vec::new();
        self.in_flight.retain(|(at, number, body)| {
            let taken = *at <= now && arrived.len() < limit;
            if taken {
                arrived.push((*number, body.clone()));
            }
            !taken
        });
        arrived
    }

    /// A request has its answer; the first one counts.
    pub(crate) fn answered(&mut self, number: u64, ids: &[String], refused: u64) {
        if self.waiting.remove(&number).is_some() {
            self.acknowledged.extend(ids.iter().cloned());
            self.refused += refused;
        }
    }
}

fn delay(chance: &mut Chance) -> Span {
    let bound = *chance.pick(&[1, 10, 100, 1_000, 1_000, 3_000, 60_000, 100_000_000]);
    Span::MILLISECOND.times(i64::try_from(chance.below(bound)).unwrap())
}

/// An event: in time, late or ahead of its time, of a person, a device or both.
fn event(chance: &mut Chance, number: u64, now: Timestamp) -> Json {
    let kind = *chance.pick(&[
        "product_view",
        "product_view",
        "product_view",
        "add_to_cart",
        "add_to_cart",
        "add_to_cart",
        "remove_from_cart",
        "purchase",
        "purchase",
        "page_view",
        "identify",
        "unsubscribe",
        "cart_abandonment",
    ]);
    let mut event = json!({"event_id": format!("e{number}"), "event_type": kind});
    let customer = chance.below(CUSTOMERS);
    match chance.below(100) {
        0..45 => event["customer_id"] = json!(format!("c{customer}")),
        45..75 => event["anonymous_id"] = json!(format!("d{}", chance.below(DEVICES))),
        75..97 => {
            // Most devices have one person, some have two.
            let device = if chance.percent(90) { customer } else { chance.below(DEVICES) };
            event["customer_id"] = json!(format!("c{customer}"));
            event["anonymous_id"] = json!(format!("d{device}"));
        }
        _ => {}
    }
    let seconds = i64::try_from(chance.below(60)).unwrap();
    let at = match chance.below(20) {
        0..11 => now,
        11..13 => now - Span::SECOND.times(seconds),
        13..15 => now - Span::MINUTE.times(seconds * 3),
        15..17 => now - Span::HOUR.times(seconds),
        17 => now + Span::SECOND.times(seconds),
        18 => now + Span::MINUTE.times(seconds * 10),
        // Many things happen at one instant.
        _ => Timestamp::from_micros(now.as_micros().div_euclid(3_600_000_000) * 3_600_000_000),
    };
    event["timestamp"] = json!(at.to_string());
    event["product_id"] = json!(chance.pick(&PRODUCTS));
    event["properties"] = match kind {
        "product_view" => json!({"category": chance.pick(&["Shoes", "Hats"]), "price": 10}),
        "purchase" if chance.percent(30) => {
            json!({"order_id": format!("o{}", chance.below(20)), "total": 30})
        }
        "purchase" => json!({"order_id": format!("o{number}"), "total": 10 * chance.below(9)}),
        "add_to_cart" => json!({"quantity": 1 + chance.below(3)}),
        _ => json!({}),
    };
    if kind == "purchase" && chance.percent(40) {
        event.as_object_mut().unwrap().shift_remove("product_id");
    }
    if kind == "identify" || chance.percent(25) {
        event["traits"] = traits(chance, customer);
    }
    event
}

fn traits(chance: &mut Chance, customer: usize) -> Json {
    let mut traits = json!({"email": format!("c{customer}@post.shop")});
    if chance.percent(50) {
        traits["age"] = json!(20 + chance.below(20));
        traits["location"] = json!(chance.pick(&["NYC", "Rome"]));
    }
    if chance.percent(15) {
        traits["consent"] = json!({"email": chance.percent(70)});
    }
    traits
}
