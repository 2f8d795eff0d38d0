//! Products in order of some key, while the keys change all the time.
//!
//! In: word that a product's key may be another now; the keys when an order is
//! asked for. Out: products from the highest key down, ties by the bytes of
//! the id. Keys change with every event and orders are asked for with a mail,
//! so a change is only noted, and put in its place when somebody asks.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::products::{Index, Products};
use crate::id::ProductId;

/// How many places are read at a time while a ranking is walked.
const STRIDE: usize = 32;

/// Where a product stands.
type Place<K> = (Reverse<K>, ProductId, Index);

/// The order. A product without a key is not in it.
#[derive(Debug)]
pub(super) struct Ranking<K>(Mutex<Order<K>>);

#[derive(Clone, Debug)]
struct Order<K> {
    places: BTreeSet<Place<K>>,
    /// Of each product the key it stands under, and whether it is in `moved`.
    held: Vec<(Option<K>, bool)>,
    /// Products whose key may have changed since.
    moved: Vec<Index>,
}

impl<K: Copy + Ord> Ranking<K> {
    /// Notes that a product's key may have changed.
    pub(super) fn touch(&mut self, index: Index) {
        let order = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        let place = index as usize;
        if order.held.len() <= place {
            order.held.resize(place + 1, (None, false));
        }
        if let Some((_, moved)) = order.held.get_mut(place)
            && !*moved
        {
            *moved = true;
            order.moved.push(index);
        }
    }

    /// From the highest key down. `key` tells a product's key of now.
    pub(super) fn iter<'a, F: Fn(Index) -> Option<K>>(
        &'a self,
        products: &'a Products,
        key: F,
    ) -> impl Iterator<Item = (&'a ProductId, K)> + use<'a, K, F> {
        self.order().settle(products, key);
        let mut ahead: Vec<Place<K>> = Vec::new();
        let mut last: Option<Place<K>> = None;
        std::iter::from_fn(move || {
            if ahead.is_empty() {
                let from = last.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
                ahead.extend(self.order().places.range((from, Bound::Unbounded)).take(STRIDE).cloned());
                ahead.reverse();
            }
            let place = ahead.pop()?;
            let (Reverse(key), _, index) = place;
            last = Some(place);
            Some((products.id(index)?, key))
        })
    }

    fn order(&self) -> MutexGuard<'_, Order<K>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Copy + Ord> Order<K> {
    /// Puts every product that moved in its place.
    fn settle(&mut self, products: &Products, key: impl Fn(Index) -> Option<K>) {
        for index in std::mem::take(&mut self.moved) {
            let Some(id) = products.id(index) else { continue };
            let Some((held, moved)) = self.held.get_mut(index as usize) else { continue };
            *moved = false;
            let key = key(index);
            if *held == key {
                continue;
            }
            if let Some(earlier) = std::mem::replace(held, key) {
                self.places.remove(&(Reverse(earlier), id.clone(), index));
            }
            if let Some(key) = key {
                self.places.insert((Reverse(key), id.clone(), index));
            }
        }
    }
}

impl<K> Default for Ranking<K> {
    fn default() -> Self {
        Self(Mutex::new(Order { places: BTreeSet::new(), held: Vec::new(), moved: Vec::new() }))
    }
}

impl<K: Copy + Ord> Clone for Ranking<K> {
    fn clone(&self) -> Self {
        Self(Mutex::new(self.order().clone()))
    }
}
