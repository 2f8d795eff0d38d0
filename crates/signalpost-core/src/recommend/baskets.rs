//! Which products stand together, whatever order the events come in.
//!
//! In: a key (an order, or a person), an instant and a product. Out: changes of
//! [`Counts`].
//!
//! Events of one key whose instants are no further apart than the gap form one
//! basket, as a chain. An event that comes late may so join two baskets into
//! one: what the two counted apart is then put right. The counts are therefore
//! always those of the baskets that all events seen so far form.

use std::collections::HashMap;

use super::pairs::Pairs;
use super::products::{Index, Products};
use super::ranking::Ranking;
use crate::id::ProductId;
use crate::time::{Span, Timestamp};

/// What baskets are counted into.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    /// In how many baskets two products stand together.
    pub(super) pairs: Pairs,
    /// In how many baskets each product stands, by index.
    baskets: Vec<u64>,
    ranking: Ranking<u64>,
}

impl Counts {
    /// In how many baskets a product stands; `None` for none.
    pub(super) fn baskets(&self, product: Index) -> Option<u64> {
        self.baskets.get(product as usize).copied().filter(|baskets| *baskets > 0)
    }

    /// Sets in how many baskets a product stands.
    pub(super) fn set_baskets(&mut self, product: Index, baskets: u64) {
        let place = product as usize;
        if self.baskets.len() <= place {
            self.baskets.resize(place + 1, 0);
        }
        if let Some(held) = self.baskets.get_mut(place) {
            *held = baskets;
        }
        self.ranking.touch(product);
    }

    /// Products by their number of baskets, highest first.
    pub(super) fn ranked<'a>(
        &'a self,
        products: &'a Products,
    ) -> impl Iterator<Item = (&'a ProductId, u64)> + use<'a> {
        self.ranking.iter(products, |product| self.baskets(product))
    }

    /// Each product that stands in a basket, in order of its index, and in how
    /// many.
    pub(super) fn by_index(&self) -> impl Iterator<Item = (Index, u64)> + '_ {
        (0..).zip(&self.baskets).map(|(index, baskets)| (index, *baskets)).filter(|(_, baskets)| *baskets > 0)
    }

    /// A product's number of baskets goes up.
    fn enter(&mut self, product: Index) {
        self.set_baskets(product, self.baskets(product).unwrap_or(0).saturating_add(1));
    }

    /// A product's number of baskets goes down.
    fn leave(&mut self, product: Index) {
        self.set_baskets(product, self.baskets(product).unwrap_or(0).saturating_sub(1));
    }

    /// A whole basket no longer counts.
    fn withdraw(&mut self, basket: &[Index]) {
        for (place, one) in basket.iter().enumerate() {
            self.leave(*one);
            self.pairs.subtract_all(*one, basket.get(place + 1..).unwrap_or_default());
        }
    }
}

/// One basket of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Basket {
    /// Its earliest instant.
    pub(super) first: Timestamp,
    /// Its latest instant.
    pub(super) last: Timestamp,
    /// Its distinct products, sorted; empty when there were too many.
    pub(super) products: Vec<Index>,
    /// Whether it had more products than a basket may: then it counts nothing.
    pub(super) oversized: bool,
}

/// How far apart, how large and how many baskets may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// The longest silence within a basket.
    pub(super) gap: Span,
    /// The most distinct products of a basket that counts.
    pub(super) products_max: usize,
    /// The most baskets remembered.
    pub(super) baskets_max: usize,
}

/// The baskets still open for late events.
#[derive(Clone, Debug, Default)]
pub(super) struct Baskets {
    /// Each key's baskets, earliest first, further apart than the gap.
    by_key: HashMap<Box<[u8]>, Vec<Basket>>,
    count: usize,
}

impl Baskets {
    /// Puts a product into the basket of `key` at `at`.
    ///
    /// Work: at most `products_max` pairs, or a quarter of its square when two
    /// baskets become one or one becomes too large.
    pub(super) fn insert(
        &mut self,
        key: &[u8],
        at: Timestamp,
        product: Index,
        limits: Limits,
        counts: &mut Counts,
    ) {
        if self.count >= limits.baskets_max {
            self.forget_oldest(limits.baskets_max);
        }
        let baskets = match self.by_key.get_mut(key) {
            Some(baskets) => baskets,
            None => self.by_key.entry(key.into()).or_default(),
        };
        // Those that end before this instant, gap included, stay apart; of the
        // rest, those that begin within the gap after it are its own.
        let from = baskets.partition_point(|basket| at - basket.last > limits.gap);
        let to = baskets.partition_point(|basket| basket.first - at <= limits.gap);
        if let (1, Some(basket)) = (to.saturating_sub(from), baskets.get_mut(from)) {
            basket.first = basket.first.min(at);
            basket.last = basket.last.max(at);
            add(basket, product, limits.products_max, counts);
            return;
        }
        let mut joined = baskets.drain(from..to.max(from));
        let mut basket =
            joined.next().unwrap_or(Basket { first: at, last: at, products: Vec::new(), oversized: false });
        let mut fewer = 0;
        for other in joined {
            fewer += 1;
            basket = join(basket, other, limits.products_max, counts);
        }
        if from == to {
            self.count += 1;
        }
        self.count = self.count.saturating_sub(fewer);
        basket.first = basket.first.min(at);
        basket.last = basket.last.max(at);
        add(&mut basket, product, limits.products_max, counts);
        // Most keys have one basket: room for more of them would lie idle.
        baskets.reserve_exact(1);
        baskets.insert(from, basket);
    }

    /// Forgets which baskets a key has; what they counted stays counted.
    pub(super) fn forget(&mut self, key: &[u8]) {
        if let Some(baskets) = self.by_key.remove(key) {
            self.count -= baskets.len();
        }
    }

    /// How many are remembered.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Each key's baskets, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &[Basket])> {
        self.by_key.iter().map(|(key, baskets)| (&**key, baskets.as_slice()))
    }

    /// Puts back the baskets of a key; nothing is counted.
    pub(super) fn put(&mut self, key: Box<[u8]>, baskets: Vec<Basket>) {
        self.count += baskets.len();
        if let Some(earlier) = self.by_key.insert(key, baskets) {
            self.count -= earlier.len();
        }
    }

    /// Forgets the quarter of all baskets that has been still the longest. What
    /// they counted stays counted; an event that comes later still for one of
    /// them begins a new basket.
    fn forget_oldest(&mut self, max: usize) {
        let mut lasts: Vec<Timestamp> = self.by_key.values().flatten().map(|basket| basket.last).collect();
        let place = (max / 4).min(lasts.len().saturating_sub(1));
        if lasts.is_empty() {
            return;
        }
        let (_, cut, _) = lasts.select_nth_unstable(place);
        let cut = *cut;
        self.by_key.retain(|_, baskets| {
            baskets.retain(|basket| basket.last > cut);
            !baskets.is_empty()
        });
        self.count = self.by_key.values().map(Vec::len).sum();
    }
}

/// Puts one product into a basket.
fn add(basket: &mut Basket, product: Index, max: usize, counts: &mut Counts) {
    if basket.oversized {
        return;
    }
    let Err(place) = basket.products.binary_search(&product) else { return };
    if basket.products.len() >= max {
        counts.withdraw(&basket.products);
        basket.products = Vec::new();
        basket.oversized = true;
        return;
    }
    counts.enter(product);
    counts.pairs.add_all(product, &basket.products);
    basket.products.insert(place, product);
}

/// Makes two baskets of one key one.
fn join(one: Basket, other: Basket, max: usize, counts: &mut Counts) -> Basket {
    let (first, last) = (one.first.min(other.first), one.last.max(other.last));
    let (common, only_other): (Vec<Index>, Vec<Index>) =
        other.products.iter().partition(|product| one.products.binary_search(product).is_ok());
    if one.oversized || other.oversized || one.products.len() + only_other.len() > max {
        counts.withdraw(&one.products);
        counts.withdraw(&other.products);
        return Basket { first, last, products: Vec::new(), oversized: true };
    }
    // What both had was counted twice; what only one had now meets what only the
    // other had.
    counts.withdraw(&common);
    let only_one = one.products.iter().filter(|product| other.products.binary_search(product).is_err());
    for product in only_one {
        counts.pairs.add_all(*product, &only_other);
    }
    let mut all = one.products;
    all.extend(only_other);
    all.sort_unstable();
    Basket { first, last, products: all, oversized: false }
}
