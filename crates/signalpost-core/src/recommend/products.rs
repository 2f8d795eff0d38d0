//! Product ids as small numbers, so that millions of pairs fit in memory.
//!
//! In: product ids. Out: an index for each, given in the order they first come
//! and never shown outside, and a mix of the id's bytes that depends on nothing
//! but the id.

use std::collections::HashMap;

use crate::id::ProductId;

/// A product's place in [`Products`].
pub(super) type Index = u32;

/// The ids seen so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Products {
    ids: Vec<ProductId>,
    mixes: Vec<u32>,
    index: HashMap<ProductId, Index>,
}

impl Products {
    /// The index of `id`, given now when it is new. `None` when `max` ids are
    /// held and this is not one of them.
    pub(super) fn intern(&mut self, id: &ProductId, max: usize) -> Option<Index> {
        if let Some(index) = self.index.get(id) {
            return Some(*index);
        }
        if self.ids.len() >= max {
            return None;
        }
        let index = Index::try_from(self.ids.len()).ok()?;
        self.ids.push(id.clone());
        self.mixes.push(mix(id.as_str()));
        self.index.insert(id.clone(), index);
        Some(index)
    }

    /// The index of `id`, when it was seen.
    pub(super) fn find(&self, id: &ProductId) -> Option<Index> {
        self.index.get(id).copied()
    }

    /// The id at `index`.
    pub(super) fn id(&self, index: Index) -> Option<&ProductId> {
        self.ids.get(index as usize)
    }

    /// A number made of the id's bytes alone: the same on every machine and in
    /// every order of arrival.
    pub(super) fn mix(&self, index: Index) -> u32 {
        self.mixes.get(index as usize).copied().unwrap_or(0)
    }

    /// All ids in the order of their indices.
    pub(super) fn ids(&self) -> &[ProductId] {
        &self.ids
    }
}

/// FNV-1a (Fowler, Noll, Vo), 32 bits.
fn mix(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
