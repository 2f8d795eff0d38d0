//! Chance from a seed: the only source of variety in the simulator.
//!
//! In: a seed and the number of a stream. Out: numbers that are the same on
//! every machine. Only whole-number arithmetic and one exact division are used,
//! so no mathematical library can make two machines differ.

/// The odd number nearest to 2^64 divided by the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A stream of numbers: SplitMix64 (Steele, Lea and Flood, "Fast splittable
/// pseudorandom number generators", OOPSLA 2014; constants of Vigna's
/// splitmix64.c, public domain).
#[derive(Clone, Debug)]
pub(super) struct Chance {
    state: u64,
}

/// The finaliser of SplitMix64. It is a bijection: different numbers never
/// become the same, which is what makes event ids unique without a table.
pub(super) const fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

impl Chance {
    /// Stream number `stream` of `seed`.
    pub(super) const fn new(seed: u64, stream: u64) -> Self {
        Self { state: mix(seed ^ mix(stream.wrapping_add(GOLDEN))) }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        mix(self.state)
    }

    /// A whole number from 0 to `limit - 1`; 0 when `limit` is 0.
    ///
    /// The upper half of a product; the bias, at most `limit / 2^32`, is of no
    /// account here.
    pub(super) fn below(&mut self, limit: u32) -> u32 {
        let upper = self.next() >> 32;
        u32::try_from((upper * u64::from(limit)) >> 32).unwrap_or(0)
    }

    /// A whole number from `low` to `high - 1`; `low` when that is empty.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        let width = u128::from(high.saturating_sub(low).max(0).unsigned_abs());
        let step = (u128::from(self.next()) * width) >> 64;
        low.saturating_add(i64::try_from(step).unwrap_or(0))
    }

    /// A whole number from `low` (at least 1) to `high - 1`, where each doubling
    /// is as likely as the next: short waits are common, long ones occur.
    pub(super) fn spread(&mut self, low: i64, high: i64) -> i64 {
        let low = low.max(1);
        if high <= low {
            return low;
        }
        let doublings = (high / low).ilog2();
        let from = low << self.below(doublings + 1);
        self.between(from, from.saturating_mul(2).min(high))
    }

    /// Whether something with this probability happens; a share that is not a
    /// number never does.
    pub(super) fn happens(&mut self, share: f64) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "53 bits are exact in a double")]
        let unit = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        unit < share
    }

    /// A place in a table of `len` entries; 0 for an empty one.
    pub(super) fn place(&mut self, len: usize) -> usize {
        usize::try_from(self.below(u32::try_from(len).unwrap_or(u32::MAX))).unwrap_or(0)
    }

    /// The place of an entry, drawn by weight; 0 when all weights are 0.
    pub(super) fn weighted(&mut self, weights: &[u32]) -> usize {
        let mut left = self.below(weights.iter().sum());
        for (place, weight) in weights.iter().enumerate() {
            if left < *weight {
                return place;
            }
            left -= weight;
        }
        0
    }
}
