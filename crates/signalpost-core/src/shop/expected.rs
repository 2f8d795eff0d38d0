//! The sums a right pipeline comes to.
//!
//! In: the records of a whole run. Out: [`Expected`]. Times are the true ones:
//! what `timestamp` says, corrected by `sent_at` where the clock is wrong, and
//! to whole seconds where the device tells no more.

use std::collections::{BTreeMap, BTreeSet};

use super::Shop;
use super::body::order_id;
use super::people::{CITIES, Visitor};
use super::record::{Act, Mark, Record};
use super::schedule::{DAY_MS, HOUR_MS, span_ms};
use super::traffic::Traffic;

/// What is known of a run at [`Shop::end`].
///
/// *Accepted* means truth `clean` or `late`; duplicates, bots and broken events
/// count in [`Expected::counts`] only. *Person* means: a customer with all
/// devices an accepted event links to them (an event that carries both ids),
/// events from before the link included; and each other device by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// All requests.
    pub requests: u64,
    /// Requests by truth ([`super::Truth::name`]) and `event_type`, which is
    /// empty where a broken event has none.
    pub counts: BTreeMap<(&'static str, &'static str), u64>,
    /// Broken requests by reason ([`super::Fault::code`]).
    pub faults: BTreeMap<&'static str, u64>,
    /// Persons with a `customer_id`.
    pub known_people: u64,
    /// Devices that no accepted event links to a customer.
    pub anonymous_people: u64,
    /// Different `order_id` among accepted purchases.
    pub orders: u64,
    /// The sum of `price` times `quantity` over accepted purchases, in cents.
    pub revenue_cents: i64,
    /// The same over accepted returns; not subtracted from the revenue.
    pub returned_cents: i64,
    /// Firings of `AFTER add_to_cart WITHOUT purchase WITHIN 1 hour`: accepted
    /// `add_to_cart` events at a time *t* whose person has no accepted
    /// `purchase` with *t* ≤ time < *t* + 1 h. Each `add_to_cart` counts for
    /// itself, so that a cart of three things abandoned fires three times; the
    /// derived event's time is *t* + 1 h. No purchase lies between 45 and 75
    /// minutes after an `add_to_cart` of its person, and none arrives late.
    pub cart_abandonments: u64,
    /// How many of these started from a late `add_to_cart`, whose hour was over
    /// before it arrived or ends soon after.
    pub late_cart_abandonments: u64,
    /// People with such a firing in the 24 hours before the end, that instant
    /// included: the segment `IF event_type = 'cart_abandonment' AND event_time
    /// >= now() - 24 hours`.
    pub people_abandoned_last_day: u64,
    /// Known people with age from 25 to 35 and location NYC whose last accepted
    /// `product_view` by time is in Electronics: the segment `age BETWEEN 25
    /// AND 35 AND location = 'NYC' AND recent_view_category = 'Electronics'`.
    pub young_nyc_electronics: u64,
}

impl Expected {
    /// Requests of one truth.
    pub fn by_truth(&self, truth: &str) -> u64 {
        self.sum(|(name, _)| name == truth)
    }

    /// Accepted events of one type.
    pub fn by_event_type(&self, event_type: &str) -> u64 {
        self.sum(|(truth, name)| matches!(truth, "clean" | "late") && name == event_type)
    }

    /// All accepted events.
    pub fn accepted(&self) -> u64 {
        self.by_truth("clean") + self.by_truth("late")
    }

    /// Known and anonymous people.
    pub fn people(&self) -> u64 {
        self.known_people + self.anonymous_people
    }

    fn sum(&self, wanted: impl Fn((&str, &str)) -> bool) -> u64 {
        self.counts.iter().filter(|((truth, name), _)| wanted((truth, name))).map(|(_, count)| count).sum()
    }
}

/// Visitor, and the device; `None` for the customer's id.
type Identity = (u32, Option<u8>);

/// What the end of the run is needed for.
#[derive(Default)]
struct Ledger {
    customers: BTreeSet<u32>,
    linked: BTreeSet<(u32, u8)>,
    devices: BTreeSet<(u32, u8)>,
    orders: BTreeSet<String>,
    /// Who, when, whether it came late.
    adds: Vec<(Identity, i64, bool)>,
    purchases: Vec<(Identity, i64)>,
    /// Who; when, and the product.
    views: BTreeMap<Identity, (i64, usize)>,
}

/// Counts a whole run.
pub(super) fn count(mut traffic: Traffic<'_>, shop: &Shop) -> Expected {
    let mut expected = Expected::default();
    let mut ledger = Ledger::default();
    for record in traffic.by_ref() {
        expected.requests += 1;
        let (truth, event_type) = names(&record);
        *expected.counts.entry((truth, event_type)).or_default() += 1;
        match record.mark {
            Mark::Broken(fault) => *expected.faults.entry(fault.code()).or_default() += 1,
            Mark::Clean | Mark::Late => ledger.enter(&record, shop, &mut expected),
            Mark::Duplicate | Mark::Bot => {}
        }
    }
    ledger.close(&traffic, shop, &mut expected);
    expected
}

fn names(record: &Record) -> (&'static str, &'static str) {
    let event_type = record.act.event_type();
    match record.mark {
        Mark::Clean => ("clean", event_type),
        Mark::Late => ("late", event_type),
        Mark::Duplicate => ("duplicate", event_type),
        Mark::Bot => ("bot", event_type),
        Mark::Broken(super::Fault::MissingEventType) => ("broken", ""),
        Mark::Broken(_) => ("broken", event_type),
    }
}

impl Ledger {
    /// Takes down an accepted event.
    fn enter(&mut self, record: &Record, shop: &Shop, expected: &mut Expected) {
        let device = (record.sender, record.device);
        if record.named {
            self.customers.insert(record.sender);
        }
        if !record.act.is_mail() {
            self.devices.insert(device);
            if record.named {
                self.linked.insert(device);
            }
        }
        let identity = (record.sender, (!record.named).then_some(record.device));
        match record.act {
            Act::AddToCart(_) => self.adds.push((identity, record.time, record.mark == Mark::Late)),
            Act::Purchase(order, line) => {
                self.orders.insert(order_id(record.sender, order));
                self.purchases.push((identity, record.time));
                expected.revenue_cents += shop.catalog.cents(line.product) * i64::from(line.quantity);
            }
            Act::Return(_, line) => {
                expected.returned_cents += shop.catalog.cents(line.product) * i64::from(line.quantity);
            }
            Act::ProductView(product) => self.view(identity, record.time, product),
            _ => {}
        }
    }

    fn view(&mut self, identity: Identity, time: i64, product: usize) {
        let last = self.views.entry(identity).or_insert((time, product));
        if last.0 <= time {
            *last = (time, product);
        }
    }

    /// The person an identity turned out to be.
    fn person(&self, (visitor, device): Identity) -> Identity {
        (visitor, device.filter(|device| !self.linked.contains(&(visitor, *device))))
    }

    fn close(mut self, traffic: &Traffic<'_>, shop: &Shop, expected: &mut Expected) {
        expected.known_people = count_of(self.customers.len());
        expected.anonymous_people = count_of(self.devices.difference(&self.linked).count());
        expected.orders = count_of(self.orders.len());
        self.abandonments(span_ms(&shop.settings).1, expected);
        for (identity, (time, product)) in std::mem::take(&mut self.views) {
            self.view(self.person(identity), time, product);
        }
        let is_member = |(visitor, device): &Identity, product: usize| {
            let electronics =
                shop.catalog.items.get(product).is_some_and(|item| item.category == "Electronics");
            device.is_none() && electronics && traffic.visitor(*visitor).is_some_and(is_young_in_nyc)
        };
        let members = self.views.iter().filter(|(identity, (_, product))| is_member(identity, *product));
        expected.young_nyc_electronics = count_of(members.count());
    }

    fn abandonments(&self, end: i64, expected: &mut Expected) {
        let purchases: BTreeSet<(Identity, i64)> =
            self.purchases.iter().map(|(identity, time)| (self.person(*identity), *time)).collect();
        let mut recent = BTreeSet::new();
        for (identity, time, is_late) in &self.adds {
            let person = self.person(*identity);
            let fires = time + HOUR_MS;
            if purchases.range((person, *time)..(person, fires)).next().is_some() {
                continue;
            }
            expected.cart_abandonments += 1;
            expected.late_cart_abandonments += u64::from(*is_late);
            if fires >= end - DAY_MS {
                recent.insert(person);
            }
        }
        expected.people_abandoned_last_day = count_of(recent.len());
    }
}

fn is_young_in_nyc(visitor: &Visitor) -> bool {
    (25..=35).contains(&visitor.age)
        && CITIES.iter().any(|city| city.name == "NYC" && city.name == visitor.city.name)
}

fn count_of(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
