//! What a person may like next.
//!
//! In: clean events, in any order; then a request (what the person viewed, has
//! in the cart, bought) and the catalog. Out: products, each with a score and a
//! reason in words.
//!
//! The model is counts and nothing else, so every recommendation can be checked
//! by hand: which products were bought in one order, viewed in one session,
//! wanted lately, bought most. As long as no limit of [`Settings`] is passed, the
//! model after a set of events is the same whatever order they came in, to the
//! byte of [`Model::to_bytes`]. An event must be observed once: the model does
//! not look for duplicates, the log has.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use crate::catalog;
use crate::event::Event;
use crate::id::{ProductId, ProfileKey};
use crate::time::Timestamp;
use crate::value::{Value, get};

mod baskets;
mod choose;
mod pairs;
mod products;
mod ranking;
mod settings;
mod snapshot;
mod trend;

pub use choose::{Recommendation, Request};
pub use settings::{ProductFilter, Settings, Weights};
pub use snapshot::SnapshotError;

use baskets::{Baskets, Counts, Limits};
use products::{Index, Products};
use trend::Trend;

/// How products are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// Bought in one order with what is in the cart, else with what was bought,
    /// else with what was viewed.
    CoPurchase,
    /// Viewed in one session with what was viewed, else with what is in the cart,
    /// else with what was bought.
    CoView,
    /// Viewed, wanted and bought most of late.
    Trending,
    /// What the person looked at, latest first.
    RecentlyViewed,
    /// In most orders of all time.
    BestSellers,
    /// A mix of the others, with fall-backs down to the catalog itself: empty only
    /// when no product at all may be shown.
    #[default]
    Auto,
}

impl Strategy {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::CoPurchase, Self::CoView, Self::Trending, Self::RecentlyViewed, Self::BestSellers, Self::Auto];

    /// Its name in settings and in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CoPurchase => "co_purchase",
            Self::CoView => "co_view",
            Self::Trending => "trending",
            Self::RecentlyViewed => "recently_viewed",
            Self::BestSellers => "best_sellers",
            Self::Auto => "auto",
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A strategy that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no strategy `{name}`: use co_purchase, co_view, trending, recently_viewed, best_sellers or auto"
)]
pub struct UnknownStrategy {
    /// What was asked for.
    pub name: String,
}

impl FromStr for Strategy {
    type Err = UnknownStrategy;

    fn from_str(name: &str) -> Result<Self, UnknownStrategy> {
        let found = Self::ALL.into_iter().find(|strategy| strategy.name() == name);
        found.ok_or_else(|| UnknownStrategy { name: name.to_owned() })
    }
}

/// What two products have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Together {
    /// They were in one order.
    Bought,
    /// They were viewed in one session.
    Viewed,
}

/// How much the model holds, and whether a limit has been passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Distinct products seen.
    pub products: usize,
    /// Distinct pairs bought together.
    pub bought_pairs: usize,
    /// Distinct pairs viewed together.
    pub viewed_pairs: usize,
    /// Orders and sessions still open for late events.
    pub baskets: usize,
    /// Pairs dropped because there were too many; 0 means every count is exact.
    pub dropped_pairs: u64,
    /// Products of events not taken because there were too many products.
    pub refused_products: u64,
}

/// The counts recommendations are made from.
#[derive(Clone, Debug)]
pub struct Model {
    settings: Settings,
    products: Products,
    /// Baskets by order id: what one order holds, whenever its lines come.
    orders: Baskets,
    /// Baskets of purchases without an order id, by profile.
    purchases: Baskets,
    /// Baskets of views, by profile.
    sessions: Baskets,
    bought: Counts,
    viewed: Counts,
    trend: Trend,
    refused_products: u64,
    /// The bytes of the key in hand, in the same memory for every event.
    key: Vec<u8>,
}

/// What an event teaches about each of its products.
struct Lesson<'a> {
    event: &'a Event,
    profile: &'a ProfileKey,
    viewed: bool,
    bought: bool,
    weight: u32,
    /// The order a purchase belongs to.
    order: Option<Cow<'a, str>>,
}

impl Model {
    /// A model that has seen nothing.
    pub fn new(settings: Settings) -> Self {
        Self {
            trend: Trend::new(settings.half_life),
            settings,
            products: Products::default(),
            orders: Baskets::default(),
            purchases: Baskets::default(),
            sessions: Baskets::default(),
            bought: Counts::default(),
            viewed: Counts::default(),
            refused_products: 0,
            key: Vec::new(),
        }
    }

    /// What the model was made with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Learns from an event. `profile` is whose it is now: after a merge the known
    /// person, which the event itself may not name.
    ///
    /// The products are the event's `product_id` and those in a `products` or
    /// `items` list of its properties. A purchase belongs to the order its
    /// `order_id` property names; without one, to the person's other purchases
    /// less than [`Settings::purchase_gap`] away.
    pub fn observe(&mut self, event: &Event, profile: &ProfileKey) {
        let named = |names: &[Box<str>]| names.contains(&event.event_type);
        let viewed = named(&self.settings.view_types);
        let bought = named(&self.settings.purchase_types);
        let mut weight = 0;
        let weights = self.settings.weights;
        for (is_one, own) in [
            (viewed, weights.view),
            (named(&self.settings.cart_types), weights.cart),
            (bought, weights.purchase),
        ] {
            weight += if is_one { own } else { 0 };
        }
        if !viewed && !bought && weight == 0 {
            return;
        }
        let lesson =
            Lesson { event, profile, viewed, bought, weight, order: order_of(event).filter(|_| bought) };
        if let Some(id) = &event.product_id {
            self.learn(&lesson, id);
        }
        // One more than a basket may hold: it is then known to be oversized.
        let list_max = self.settings.basket_max.saturating_add(1);
        for id in listed_products(event, list_max) {
            if event.product_id.as_ref() != Some(&id) {
                self.learn(&lesson, &id);
            }
        }
    }

    /// Learns of one product of an event.
    fn learn(&mut self, lesson: &Lesson<'_>, id: &ProductId) {
        if !self.settings.filter.allows(id) {
            return;
        }
        let Some(index) = self.products.intern(id, self.settings.products_max) else {
            self.refused_products += 1;
            return;
        };
        let at = lesson.event.timestamp;
        self.trend.observe(index, at, lesson.weight);
        let mut key = std::mem::take(&mut self.key);
        key.clear();
        lesson.profile.write_bytes(&mut key);
        if lesson.viewed {
            self.view(index, at, &key);
        }
        if lesson.bought {
            self.buy(index, at, &key, lesson.order.as_deref());
        }
        self.key = key;
    }

    fn view(&mut self, index: Index, at: Timestamp, profile: &[u8]) {
        let limits = Limits {
            gap: self.settings.session_gap,
            products_max: self.settings.session_max,
            baskets_max: self.settings.baskets_max,
        };
        self.sessions.insert(profile, at, index, limits, &mut self.viewed);
        self.viewed.pairs.make_room(self.settings.pairs_max, &self.products);
    }

    fn buy(&mut self, index: Index, at: Timestamp, profile: &[u8], order: Option<&str>) {
        let mut limits = Limits {
            gap: self.settings.purchase_gap,
            products_max: self.settings.basket_max,
            baskets_max: self.settings.baskets_max,
        };
        let (baskets, key) = match order {
            Some(order) => {
                limits.gap = crate::time::Span::from_micros(i64::MAX);
                (&mut self.orders, order.as_bytes())
            }
            None => (&mut self.purchases, profile),
        };
        baskets.insert(key, at, index, limits, &mut self.bought);
        self.bought.pairs.make_room(self.settings.pairs_max, &self.products);
    }

    /// Forgets whose sessions and purchases were whose, as an erasure asks. Counts
    /// over all people stay: nobody can be found in them.
    pub fn forget(&mut self, profile: &ProfileKey) {
        let key = profile.to_bytes();
        self.sessions.forget(&key);
        self.purchases.forget(&key);
    }

    /// The products most often together with `seed`: at most `limit`, each with
    /// the number of baskets that hold both; ties by the bytes of the id.
    pub fn co_occurrence(&self, seed: &ProductId, kind: Together, limit: usize) -> Vec<(ProductId, u64)> {
        let Some(seed) = self.products.find(seed) else { return Vec::new() };
        let mut partners: Vec<_> = self
            .counts(kind)
            .pairs
            .of(seed)
            .filter_map(|(other, count)| Some((self.products.id(other)?, u64::from(count))))
            .collect();
        let by_count = |one: &(&ProductId, u64), other: &(&ProductId, u64)| {
            other.1.cmp(&one.1).then_with(|| one.0.cmp(other.0))
        };
        if limit < partners.len() {
            partners.select_nth_unstable_by(limit, by_count);
            partners.truncate(limit);
        }
        partners.sort_unstable_by(by_count);
        partners.into_iter().map(|(id, count)| (id.clone(), count)).collect()
    }

    /// The products in most baskets (orders, or sessions), at most `limit`, each
    /// with their number; ties by the bytes of the id.
    pub fn most(&self, kind: Together, limit: usize) -> Vec<(ProductId, u64)> {
        let ranked = self.counts(kind).ranked(&self.products).take(limit);
        ranked.map(|(id, count)| (id.clone(), count)).collect()
    }

    /// The products wanted most of late, at most `limit`, each with its decayed
    /// weight at `now`; ties by the bytes of the id.
    ///
    /// `now` should not lie before the newest event: events after it are not
    /// taken out, they weigh more.
    pub fn trending(&self, now: Timestamp, limit: usize) -> Vec<(ProductId, f64)> {
        let ranked = self.trend.ranked(&self.products).take(limit);
        ranked.map(|(id, heat)| (id.clone(), self.trend.score(heat, now))).collect()
    }

    /// How much the model holds.
    pub fn size(&self) -> Size {
        Size {
            products: self.products.ids().len(),
            bought_pairs: self.bought.pairs.distinct(),
            viewed_pairs: self.viewed.pairs.distinct(),
            baskets: self.orders.count() + self.purchases.count() + self.sessions.count(),
            dropped_pairs: self.bought.pairs.dropped() + self.viewed.pairs.dropped(),
            refused_products: self.refused_products,
        }
    }

    fn counts(&self, kind: Together) -> &Counts {
        match kind {
            Together::Bought => &self.bought,
            Together::Viewed => &self.viewed,
        }
    }
}

/// The order a purchase belongs to; numbers are read as their digits.
fn order_of(event: &Event) -> Option<Cow<'_, str>> {
    match get(&event.properties, "order_id")? {
        Value::Text(text) => Some(text.trim()).filter(|text| !text.is_empty()).map(Cow::Borrowed),
        Value::Int(number) => Some(Cow::Owned(number.to_string())),
        _ => None,
    }
}

/// The products in the first `lines_max` lines an event lists in its
/// properties, in their normal form.
fn listed_products(event: &Event, lines_max: usize) -> impl Iterator<Item = ProductId> + '_ {
    let list = ["products", "items"].into_iter().find_map(|name| match get(&event.properties, name) {
        Some(Value::List(list)) => Some(list),
        _ => None,
    });
    list.into_iter().flatten().take(lines_max).filter_map(|line| {
        let id = match line {
            Value::Map(map) => ["product_id", "id", "sku"].into_iter().find_map(|name| get(map, name)),
            other => Some(other),
        };
        match id {
            Some(Value::Text(text)) => catalog::product_id(text),
            Some(Value::Int(number)) => catalog::product_id(&number.to_string()),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests;
