//! From counts to a short list for one person.
//!
//! In: a request and the catalog. Out: at most `limit` different products that
//! may be shown, best first, each with its reason.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap, HashSet};

use super::products::Index;
use super::{Model, Strategy, Together};
use crate::catalog::{Catalog, Item};
use crate::id::ProductId;
use crate::time::Timestamp;

/// Of each list of a request, this many products (the first) are looked up.
const SEEDS_MAX: usize = 10;

/// The mix of [`Strategy::Auto`]: in turn, until the list is full. What one can
/// not give, the next ones do.
const MIX: [Strategy; 5] =
    [Strategy::CoPurchase, Strategy::CoView, Strategy::CoPurchase, Strategy::CoView, Strategy::Trending];

/// Who the list is for, and what may be on it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// How to choose.
    pub strategy: Strategy,
    /// What the person viewed, latest first.
    pub viewed: &'a [ProductId],
    /// What is in the cart: never recommended.
    pub cart: &'a [ProductId],
    /// What the person bought, latest first: never recommended.
    pub purchased: &'a [ProductId],
    /// What else must not be recommended.
    pub exclude: &'a [ProductId],
    /// Only this category of the catalog; capitals do not matter.
    pub category: Option<&'a str>,
    /// Leave out what cannot be bought now. Default `true`.
    pub in_stock_only: bool,
    /// The most products wanted. Default 4.
    pub limit: usize,
}

impl Default for Request<'_> {
    fn default() -> Self {
        Self {
            strategy: Strategy::Auto,
            viewed: &[],
            cart: &[],
            purchased: &[],
            exclude: &[],
            category: None,
            in_stock_only: true,
            limit: 4,
        }
    }
}

/// One product on the list.
#[derive(Clone, Debug, PartialEq)]
pub struct Recommendation {
    /// The product.
    pub product_id: ProductId,
    /// How strongly, in the measure of its strategy: baskets shared (co-purchase,
    /// co-view), decayed weight (trending), orders (best sellers), 1 for the latest
    /// view and less for earlier ones. Scores of two strategies do not compare.
    pub score: f64,
    /// Why, in words a customer may read: `bought together with Red Kettle`.
    pub reason: String,
    /// Which strategy chose it; never [`Strategy::Auto`].
    pub strategy: Strategy,
}

impl Model {
    /// Products for one person.
    ///
    /// Never on the list: what is in the cart, was bought, is excluded, is there
    /// already, or (while the catalog has any items) is out of stock or not in the
    /// catalog. A category is known only to the catalog, so with an empty catalog
    /// a request for one gets nothing.
    pub fn recommend(&self, request: &Request<'_>, catalog: &Catalog, now: Timestamp) -> Vec<Recommendation> {
        let mut list = List::new(request, catalog);
        match request.strategy {
            Strategy::Auto => {
                let mut sources: Vec<(Strategy, Source<'_>)> =
                    [Strategy::CoPurchase, Strategy::CoView, Strategy::Trending]
                        .map(|strategy| (strategy, self.source(strategy, request, catalog, now)))
                        .into();
                list.mix(&mut sources);
                for strategy in [Strategy::RecentlyViewed, Strategy::BestSellers] {
                    list.fill(self.source(strategy, request, catalog, now));
                }
                list.fill(whole_range(request, catalog));
            }
            strategy => list.fill(self.source(strategy, request, catalog, now)),
        }
        list.chosen
    }

    /// All candidates of one strategy, best first.
    fn source<'a>(
        &'a self,
        strategy: Strategy,
        request: &Request<'a>,
        catalog: &'a Catalog,
        now: Timestamp,
    ) -> Source<'a> {
        let Request { viewed, cart, purchased, .. } = *request;
        match strategy {
            Strategy::CoPurchase => {
                let seeds = [&[cart, purchased][..], &[viewed]];
                self.together(Together::Bought, &seeds, catalog)
            }
            Strategy::CoView => {
                let seeds = [&[viewed][..], &[cart, purchased]];
                self.together(Together::Viewed, &seeds, catalog)
            }
            Strategy::Trending => {
                let describe = move |heat| {
                    candidate(self.trend.score(heat, now), "popular right now", Strategy::Trending)
                };
                match request.category {
                    None => Box::new(
                        self.trend.ranked(&self.products).map(move |(id, heat)| (id, describe(heat))),
                    ),
                    Some(name) => self.leaders(name, catalog, |index| self.trend.heat(index), describe),
                }
            }
            Strategy::BestSellers | Strategy::Auto => {
                let describe = |orders| candidate(orders as f64, "a best seller", Strategy::BestSellers);
                match request.category {
                    None => Box::new(
                        self.bought.ranked(&self.products).map(move |(id, orders)| (id, describe(orders))),
                    ),
                    Some(name) => self.leaders(name, catalog, |index| self.bought.baskets(index), describe),
                }
            }
            Strategy::RecentlyViewed => Box::new(viewed.iter().zip(1u32..).map(|(id, place)| {
                (id, candidate(1.0 / f64::from(place), "you looked at this", Strategy::RecentlyViewed))
            })),
        }
    }

    /// The partners of a person's products, by the number of baskets shared with
    /// all of them; seeds come from the first group of lists that is not empty.
    fn together<'a>(
        &'a self,
        kind: Together,
        groups: &[&[&'a [ProductId]]],
        catalog: &'a Catalog,
    ) -> Source<'a> {
        let group = groups.iter().find(|group| group.iter().any(|list| !list.is_empty()));
        let seeds = group.into_iter().copied().flatten().flat_map(|list| list.iter().take(SEEDS_MAX));
        let mut seen = HashSet::new();
        let mut sums: HashMap<Index, Shared<'a>> = HashMap::new();
        for seed in seeds {
            let Some(index) = self.products.find(seed).filter(|index| seen.insert(*index)) else { continue };
            for (other, count) in self.counts(kind).pairs.of(index) {
                let shared = sums.entry(other).or_insert(Shared { baskets: 0, most: 0, seed });
                shared.baskets += u64::from(count);
                if count > shared.most {
                    (shared.most, shared.seed) = (count, seed);
                }
            }
        }
        let (verb, strategy) = match kind {
            Together::Bought => ("bought", Strategy::CoPurchase),
            Together::Viewed => ("viewed", Strategy::CoView),
        };
        let ranked = sums
            .into_iter()
            .filter(|(index, _)| !seen.contains(index))
            .filter_map(|(index, shared)| {
                Some(Ranked { key: shared.baskets, id: self.products.id(index)?, with: shared })
            })
            .collect();
        Box::new(descending(ranked).map(move |ranked| {
            let seed = ranked.with.seed;
            let name = catalog.get(seed).map_or(seed.as_str(), |item| &item.name);
            let reason = format!("{verb} together with {name}");
            (ranked.id, Candidate { score: ranked.key as f64, reason: reason.into(), strategy })
        }))
    }

    /// The products of a category, best first. Only its own are ranked, so that
    /// a small one does not cost a walk over everything.
    fn leaders<'a, K: Copy + Ord + 'a>(
        &'a self,
        category: &str,
        catalog: &'a Catalog,
        key: impl Fn(Index) -> Option<K>,
        describe: impl Fn(K) -> Candidate + 'a,
    ) -> Source<'a> {
        let ranked = catalog
            .in_category(category)
            .filter_map(|item| {
                let key = key(self.products.find(&item.product_id)?)?;
                Some(Ranked { key, id: &item.product_id, with: () })
            })
            .collect();
        Box::new(descending(ranked).map(move |ranked| (ranked.id, describe(ranked.key))))
    }
}

/// What a product shares with a person's products.
struct Shared<'a> {
    baskets: u64,
    most: u32,
    seed: &'a ProductId,
}

/// A product that may be put on the list.
struct Candidate {
    score: f64,
    reason: std::borrow::Cow<'static, str>,
    strategy: Strategy,
}

type Source<'a> = Box<dyn Iterator<Item = (&'a ProductId, Candidate)> + 'a>;

fn candidate(score: f64, reason: &'static str, strategy: Strategy) -> Candidate {
    Candidate { score, reason: reason.into(), strategy }
}

/// Anything the catalog has, in order of the ids, when nothing is known.
fn whole_range<'a>(request: &Request<'_>, catalog: &'a Catalog) -> Source<'a> {
    let describe =
        |item: &'a Item| (&item.product_id, candidate(0.0, "from our range", Strategy::BestSellers));
    match request.category {
        Some(category) => Box::new(catalog.in_category(category).map(describe)),
        None => Box::new(catalog.items().map(describe)),
    }
}

/// A product and what it is ranked by; the greatest is the best, and of equals
/// the one whose id comes first.
struct Ranked<'a, K, W> {
    key: K,
    id: &'a ProductId,
    with: W,
}

impl<K: Ord, W> Ord for Ranked<'_, K, W> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key).then_with(|| other.id.cmp(self.id))
    }
}

impl<K: Ord, W> PartialOrd for Ranked<'_, K, W> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: Ord, W> PartialEq for Ranked<'_, K, W> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<K: Ord, W> Eq for Ranked<'_, K, W> {}

/// Best first, sorting only as much as is asked for.
fn descending<'a, K: Ord + 'a, W: 'a>(
    ranked: Vec<Ranked<'a, K, W>>,
) -> impl Iterator<Item = Ranked<'a, K, W>> {
    let mut heap = BinaryHeap::from(ranked);
    std::iter::from_fn(move || heap.pop())
}

/// The list while it fills.
struct List<'a> {
    request: &'a Request<'a>,
    catalog: &'a Catalog,
    /// What is on the list or must not be.
    barred: HashSet<&'a ProductId>,
    chosen: Vec<Recommendation>,
}

impl<'a> List<'a> {
    fn new(request: &'a Request<'a>, catalog: &'a Catalog) -> Self {
        let barred = [request.cart, request.purchased, request.exclude].into_iter().flatten().collect();
        Self { request, catalog, barred, chosen: Vec::new() }
    }

    fn is_full(&self) -> bool {
        self.chosen.len() >= self.request.limit
    }

    /// Whether the catalog lets this product be shown.
    fn may_show(&self, id: &ProductId) -> bool {
        match self.catalog.get(id) {
            Some(item) => {
                (item.in_stock || !self.request.in_stock_only)
                    && self.request.category.is_none_or(|category| item.is_in(category))
            }
            None => self.catalog.is_empty() && self.request.category.is_none(),
        }
    }

    /// Takes the next product of `source` that may be shown.
    fn take(&mut self, source: &mut Source<'a>) -> bool {
        let next = source.find(|(id, _)| !self.barred.contains(id) && self.may_show(id));
        let Some((id, candidate)) = next else { return false };
        self.barred.insert(id);
        self.chosen.push(Recommendation {
            product_id: id.clone(),
            score: candidate.score,
            reason: candidate.reason.into_owned(),
            strategy: candidate.strategy,
        });
        true
    }

    fn fill(&mut self, mut source: Source<'a>) {
        while !self.is_full() && self.take(&mut source) {}
    }

    /// Takes from the sources in the order of [`MIX`], over and over, until the
    /// list is full or they are empty.
    fn mix(&mut self, sources: &mut [(Strategy, Source<'a>)]) {
        loop {
            let before = self.chosen.len();
            for turn in MIX {
                let source = sources.iter_mut().find(|(strategy, _)| *strategy == turn);
                if self.is_full() {
                    return;
                }
                if let Some((_, source)) = source {
                    self.take(source);
                }
            }
            if self.chosen.len() == before {
                return;
            }
        }
    }
}
