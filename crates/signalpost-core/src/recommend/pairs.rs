//! How often two products stand in one basket.
//!
//! In: pairs of product indices, counted up and down. Out: a product's partners
//! with their counts. Counts are exact until the stated number of distinct pairs
//! is passed; then the rarest go (see [`Pairs::make_room`]).

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::products::{Index, Products};

/// Of `max` pairs, this many parts in four stay when room is made.
const KEPT_QUARTERS: usize = 3;
/// Into how many parts pairs of one count are divided when only some must go.
const PARTS: usize = 1 << 16;

/// A hasher for indices, which no outsider chooses: one multiplication.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct IndexHasher(u64);

impl Hasher for IndexHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        let product = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = product ^ (product >> 32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

type Partners = HashMap<Index, u32, BuildHasherDefault<IndexHasher>>;

/// The counts. Each pair is held from both of its sides: about 28 bytes a pair.
#[derive(Clone, Debug, Default)]
pub(super) struct Pairs {
    partners: Vec<Partners>,
    distinct: usize,
    dropped: u64,
}

impl Pairs {
    /// One more basket has `one` beside each of `others`, which it is not one of.
    pub(super) fn add_all(&mut self, one: Index, others: &[Index]) {
        let last = others.iter().copied().fold(one, Index::max);
        make_place(&mut self.partners, last);
        // The one side is found once; the other sides are elsewhere each.
        let Some(partners) = self.partners.get_mut(one as usize) else { return };
        let mut partners = std::mem::take(partners);
        for other in others {
            self.distinct += usize::from(bump(&mut partners, *other, 1));
        }
        if let Some(place) = self.partners.get_mut(one as usize) {
            *place = partners;
        }
        for other in others {
            if let Some(partners) = self.partners.get_mut(*other as usize) {
                bump(partners, one, 1);
            }
        }
    }

    /// `count` more baskets have both.
    pub(super) fn put(&mut self, one: Index, other: Index, count: u32) {
        if one == other || count == 0 {
            return;
        }
        make_place(&mut self.partners, one.max(other));
        if let Some(partners) = self.partners.get_mut(one as usize) {
            self.distinct += usize::from(bump(partners, other, count));
        }
        if let Some(partners) = self.partners.get_mut(other as usize) {
            bump(partners, one, count);
        }
    }

    /// One basket less has `one` beside each of `others`. A pair already dropped
    /// stays away.
    pub(super) fn subtract_all(&mut self, one: Index, others: &[Index]) {
        for other in others {
            self.distinct -= usize::from(lower(&mut self.partners, one, *other));
            lower(&mut self.partners, *other, one);
        }
    }

    /// The products that share a basket with `seed`, in no order, and in how
    /// many baskets.
    pub(super) fn of(&self, seed: Index) -> impl Iterator<Item = (Index, u32)> + '_ {
        self.partners.get(seed as usize).into_iter().flatten().map(|(other, count)| (*other, *count))
    }

    /// How many distinct pairs are held.
    pub(super) fn distinct(&self) -> usize {
        self.distinct
    }

    /// How many pairs were ever dropped to make room; 0 means all counts are
    /// exact.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Restores what [`Pairs::dropped`] said when these counts were written.
    pub(super) fn set_dropped(&mut self, dropped: u64) {
        self.dropped = dropped;
    }

    /// Drops the rarest pairs when more than `max` are held, down to three
    /// quarters of it, so that the work is paid for by the quarter that must
    /// come before it is due again.
    ///
    /// All pairs below some count go; of those with just that count, the ones
    /// whose ids mix to the smallest numbers go, as many as needed (and up to
    /// one part in 65,536 more). Which those are does not depend on the order of
    /// arrival. A dropped pair that comes again starts at 1, so counts are then
    /// lower bounds.
    pub(super) fn make_room(&mut self, max: usize, products: &Products) {
        if self.distinct <= max {
            return;
        }
        let excess = self.distinct - max / 4 * KEPT_QUARTERS;
        let (count, part) = self.cut(excess, products);
        let before = self.distinct;
        let mut sides = 0;
        for (one, partners) in (0..).zip(&mut self.partners) {
            partners.retain(|other, held| {
                *held > count || (*held == count && part_of(products, one, *other) > part)
            });
            partners.shrink_to_fit();
            sides += partners.len();
        }
        self.distinct = sides / 2;
        self.dropped += (before - self.distinct) as u64;
    }

    /// The count, and the part among pairs with that count, up to which (both
    /// inclusive) pairs must go so that `excess` of them go.
    fn cut(&self, excess: usize, products: &Products) -> (u32, usize) {
        let each = || {
            (0..).zip(&self.partners).flat_map(|(one, partners)| {
                partners
                    .iter()
                    .filter(move |(other, _)| one < **other)
                    .map(move |(other, n)| (one, *other, *n))
            })
        };
        let mut by_count = std::collections::BTreeMap::<u32, usize>::new();
        for (_, _, held) in each() {
            *by_count.entry(held).or_default() += 1;
        }
        let mut below = 0;
        let mut cut = 0;
        for (count, pairs) in by_count {
            cut = count;
            if below + pairs >= excess {
                break;
            }
            below += pairs;
        }
        let mut by_part = vec![0usize; PARTS];
        for (one, other, _) in each().filter(|(_, _, held)| *held == cut) {
            if let Some(pairs) = by_part.get_mut(part_of(products, one, other)) {
                *pairs += 1;
            }
        }
        for (part, pairs) in by_part.into_iter().enumerate() {
            below += pairs;
            if below >= excess {
                return (cut, part);
            }
        }
        (cut, PARTS)
    }
}

fn make_place(all: &mut Vec<Partners>, index: Index) {
    let place = index as usize;
    if all.len() <= place {
        all.resize_with(place + 1, Partners::default);
    }
}

/// Whether the pair is new.
fn bump(partners: &mut Partners, other: Index, count: u32) -> bool {
    let held = partners.entry(other).or_insert(0);
    *held = held.saturating_add(count);
    *held == count
}

/// Whether the pair is gone now and was there before.
fn lower(all: &mut [Partners], one: Index, other: Index) -> bool {
    let Some(partners) = all.get_mut(one as usize) else { return false };
    match partners.get_mut(&other) {
        Some(held) if *held > 1 => {
            *held -= 1;
            false
        }
        Some(_) => partners.remove(&other).is_some(),
        None => false,
    }
}

/// The part of [`PARTS`] a pair falls into, the same from both of its sides.
fn part_of(products: &Products, one: Index, other: Index) -> usize {
    let (one, other) = (products.mix(one), products.mix(other));
    let both = (u64::from(one.min(other)) << 32) | u64::from(one.max(other));
    let mixed = (both ^ (both >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 48) as usize
}
