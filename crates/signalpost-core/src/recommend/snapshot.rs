//! The model as bytes, so that a start need not read the whole log again.
//!
//! In: a model. Out: one version byte, then postcard. Products stand in order of
//! their ids and everything else in order of the products, so two models that
//! know the same give the same bytes. Settings are not in it: a model is read
//! back under the settings of the day, and half-life, gaps, event types and
//! filter must then be those it was made with, or it must be built again from
//! the log.

use serde::{Deserialize, Serialize};

use super::baskets::{Basket, Baskets, Counts};
use super::products::{Index, Products};
use super::trend::Periods;
use super::{Model, Settings};
use crate::id::ProductId;
use crate::time::Timestamp;

/// The first byte of what [`Model::to_bytes`] writes.
const VERSION: u8 = 1;

/// Why bytes are not a model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Written by a version this one cannot read.
    #[error(
        "the recommendation model was written in form {found}, and this version reads form {VERSION}: build it again from the log"
    )]
    Version {
        /// The form found.
        found: u8,
    },
    /// Cut short or damaged.
    #[error("the recommendation model cannot be read ({reason}): build it again from the log")]
    Damaged {
        /// What was wrong.
        reason: String,
    },
}

/// Version 1. Golden bytes are in the tests; a change needs version 2.
#[derive(Serialize, Deserialize)]
struct Snapshot {
    half_life_micros: i64,
    products: Vec<ProductId>,
    orders: Vec<WrittenBaskets>,
    purchases: Vec<WrittenBaskets>,
    sessions: Vec<WrittenBaskets>,
    bought: WrittenCounts,
    viewed: WrittenCounts,
    trend: Vec<Periods>,
    refused_products: u64,
}

#[derive(Serialize, Deserialize)]
struct WrittenBaskets {
    key: Vec<u8>,
    baskets: Vec<WrittenBasket>,
}

#[derive(Serialize, Deserialize)]
struct WrittenBasket {
    first: Timestamp,
    last: Timestamp,
    products: Vec<Index>,
    oversized: bool,
}

#[derive(Serialize, Deserialize)]
struct WrittenCounts {
    baskets: Vec<(Index, u64)>,
    /// For each product its partners with a greater index.
    pairs: Vec<Vec<(Index, u32)>>,
    dropped: u64,
}

impl Model {
    /// The model as bytes. For what it needs beside them see the module.
    ///
    /// # Errors
    /// [`SnapshotError::Damaged`] when it cannot be encoded, which only a lack of
    /// memory causes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, SnapshotError> {
        let mut sorted: Vec<(&ProductId, Index)> = self.products.ids().iter().zip(0..).collect();
        sorted.sort_unstable();
        let mut places: Vec<Index> = vec![0; sorted.len()];
        for ((_, index), place) in sorted.iter().zip(0..) {
            if let Some(held) = places.get_mut(*index as usize) {
                *held = place;
            }
        }
        let place = |index: Index| places.get(index as usize).copied().unwrap_or(index);
        let counts = |counts: &Counts| {
            let mut baskets: Vec<_> = counts.by_index().map(|(i, n)| (place(i), n)).collect();
            baskets.sort_unstable();
            let pairs = sorted.iter().map(|(_, one)| {
                let mut partners: Vec<_> =
                    counts.pairs.of(*one).map(|(other, n)| (place(other), n)).collect();
                partners.retain(|(other, _)| *other > place(*one));
                partners.sort_unstable();
                partners
            });
            WrittenCounts { baskets, pairs: pairs.collect(), dropped: counts.pairs.dropped() }
        };
        let snapshot = Snapshot {
            half_life_micros: self.settings.half_life.as_micros(),
            products: sorted.iter().map(|(id, _)| (*id).clone()).collect(),
            orders: written(&self.orders, place),
            purchases: written(&self.purchases, place),
            sessions: written(&self.sessions, place),
            bought: counts(&self.bought),
            viewed: counts(&self.viewed),
            trend: sorted
                .iter()
                .map(|(_, index)| self.trend.periods().get(*index as usize).cloned().unwrap_or_default())
                .collect(),
            refused_products: self.refused_products,
        };
        let bytes = postcard::to_extend(&snapshot, vec![VERSION]);
        bytes.map_err(|error| SnapshotError::Damaged { reason: error.to_string() })
    }

    /// Reads back what [`Model::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`SnapshotError`] when the bytes are of another version, damaged, or made
    /// with another half-life.
    pub fn from_bytes(settings: Settings, bytes: &[u8]) -> Result<Self, SnapshotError> {
        let damaged = |reason: &str| SnapshotError::Damaged { reason: reason.to_owned() };
        let (version, body) = bytes.split_first().ok_or_else(|| damaged("it is empty"))?;
        if *version != VERSION {
            return Err(SnapshotError::Version { found: *version });
        }
        let snapshot: Snapshot = postcard::from_bytes(body).map_err(|error| damaged(&error.to_string()))?;
        if snapshot.half_life_micros != settings.half_life.as_micros() {
            return Err(damaged("it was made with another half-life"));
        }
        let mut model = Self::new(settings);
        for id in &snapshot.products {
            model.products.intern(id, usize::MAX);
        }
        if model.products.ids().len() != snapshot.products.len() {
            return Err(damaged("a product is in it twice"));
        }
        restore(&mut model.orders, snapshot.orders, &model.products);
        restore(&mut model.purchases, snapshot.purchases, &model.products);
        restore(&mut model.sessions, snapshot.sessions, &model.products);
        restore_counts(&mut model.bought, snapshot.bought, &model.products);
        restore_counts(&mut model.viewed, snapshot.viewed, &model.products);
        for (index, periods) in (0..).zip(snapshot.trend) {
            if model.products.id(index).is_none() {
                return Err(damaged("a trend has no product"));
            }
            for (period, sum) in periods {
                model.trend.put(index, period, sum);
            }
        }
        model.refused_products = snapshot.refused_products;
        Ok(model)
    }
}

fn written(baskets: &Baskets, place: impl Fn(Index) -> Index) -> Vec<WrittenBaskets> {
    let basket = |basket: &Basket| {
        let mut products: Vec<Index> = basket.products.iter().map(|index| place(*index)).collect();
        products.sort_unstable();
        WrittenBasket { first: basket.first, last: basket.last, products, oversized: basket.oversized }
    };
    let mut all: Vec<_> = baskets
        .iter()
        .map(|(key, baskets)| WrittenBaskets {
            key: key.into(),
            baskets: baskets.iter().map(basket).collect(),
        })
        .collect();
    all.sort_unstable_by(|one, other| one.key.cmp(&other.key));
    all
}

/// A damaged index is left out here: it would make the counts grow to reach it.
fn restore(baskets: &mut Baskets, written: Vec<WrittenBaskets>, products: &Products) {
    for WrittenBaskets { key, baskets: of_key } in written {
        let of_key = of_key.into_iter().map(|basket| Basket {
            first: basket.first,
            last: basket.last,
            products: basket.products.into_iter().filter(|index| products.id(*index).is_some()).collect(),
            oversized: basket.oversized,
        });
        baskets.put(key.into(), of_key.collect());
    }
}

fn restore_counts(counts: &mut Counts, written: WrittenCounts, products: &Products) {
    for (index, baskets) in written.baskets {
        if products.id(index).is_some() {
            counts.set_baskets(index, baskets);
        }
    }
    for (one, partners) in (0..).zip(written.pairs) {
        for (other, count) in partners.into_iter().filter(|(other, _)| products.id(*other).is_some()) {
            counts.pairs.put(one, other, count);
        }
    }
    counts.pairs.set_dropped(written.dropped);
}
