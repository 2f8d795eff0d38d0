//! Products in order of some key, kept in order while the keys change.
//!
//! In: a product and its new key. Out: products from the highest key down, ties
//! by the bytes of the id.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::products::Index;
use crate::id::ProductId;

/// The order. A product without a key is not in it.
#[derive(Clone, Debug)]
pub(super) struct Ranking<K> {
    keys: Vec<Option<K>>,
    order: BTreeSet<(Reverse<K>, ProductId)>,
}

impl<K: Copy + Ord> Ranking<K> {
    /// The key of a product.
    pub(super) fn get(&self, index: Index) -> Option<K> {
        self.keys.get(index as usize).copied().flatten()
    }

    /// Gives a product a key, or takes it out.
    pub(super) fn set(&mut self, index: Index, id: &ProductId, key: Option<K>) {
        let place = index as usize;
        if self.keys.len() <= place {
            self.keys.resize(place + 1, None);
        }
        let Some(held) = self.keys.get_mut(place) else { return };
        if *held == key {
            return;
        }
        let earlier = std::mem::replace(held, key);
        if let Some(earlier) = earlier {
            self.order.remove(&(Reverse(earlier), id.clone()));
        }
        if let Some(key) = key {
            self.order.insert((Reverse(key), id.clone()));
        }
    }

    /// From the highest key down.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&ProductId, K)> {
        self.order.iter().map(|(Reverse(key), id)| (id, *key))
    }

    /// Each product that has a key, in order of its index.
    pub(super) fn by_index(&self) -> impl Iterator<Item = (Index, K)> + '_ {
        (0..).zip(&self.keys).filter_map(|(index, key)| Some((index, (*key)?)))
    }
}

impl<K> Default for Ranking<K> {
    fn default() -> Self {
        Self { keys: Vec::new(), order: BTreeSet::new() }
    }
}
