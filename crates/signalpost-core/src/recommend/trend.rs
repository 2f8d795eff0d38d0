//! How much each product is looked at and bought now.
//!
//! In: events with a weight and an instant, in any order. Out: for each product
//! the sum of `weight × 2^-(age / half-life)`.
//!
//! Decay halves everything in one half-life, so time is cut into periods of that
//! length. Within a period an event adds a whole number, its weight grown by its
//! place in the period; sums of whole numbers do not depend on their order. Across
//! periods each sum counts half as much as the next. And since all products decay
//! alike, their order never changes by itself: it is kept, not computed.

use super::products::{Index, Products};
use super::ranking::Ranking;
use crate::id::ProductId;
use crate::time::{Span, Timestamp};

/// Weights are counted in units of 2^-24: finer than any mail will show, and a
/// period still holds a hundred thousand million events of a product.
const FRACTION_BITS: i32 = 24;
/// 2^24.
const FRACTION: f64 = 16_777_216.0;
/// Periods older than this before a product's newest weigh less than one part
/// in 2^64 each, and are forgotten.
const PERIODS_MAX: i64 = 64;

/// A product's trend at no particular instant: `mantissa × 2^exponent`, with the
/// mantissa in 1..2 as the bits of a float, which sort as the number does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Heat {
    exponent: i64,
    mantissa: u64,
}

/// The sums of one product: (period, sum), oldest first.
pub(super) type Periods = Vec<(i64, u64)>;

/// All products' trends.
#[derive(Clone, Debug)]
pub(super) struct Trend {
    half_life_micros: i64,
    periods: Vec<Periods>,
    ranking: Ranking<Heat>,
}

impl Trend {
    /// No trend yet. A half-life below one second is taken as one second.
    pub(super) fn new(half_life: Span) -> Self {
        let half_life_micros = half_life.as_micros().max(Span::SECOND.as_micros());
        Self { half_life_micros, periods: Vec::new(), ranking: Ranking::default() }
    }

    /// Counts an event of `weight` at `at`.
    pub(super) fn observe(&mut self, index: Index, at: Timestamp, weight: u32) {
        if weight == 0 {
            return;
        }
        let (period, part) = self.place(at);
        let grown = f64::from(weight) * part.exp2() * FRACTION;
        #[expect(clippy::cast_possible_truncation, reason = "a float cast to u64 is held at the limits")]
        #[expect(clippy::cast_sign_loss, reason = "weights are not negative")]
        let amount = grown.round() as u64;
        self.put(index, period, amount);
    }

    /// Adds `amount`, in units of 2^-24, to a period of a product.
    pub(super) fn put(&mut self, index: Index, period: i64, amount: u64) {
        let place = index as usize;
        if self.periods.len() <= place {
            self.periods.resize_with(place + 1, Periods::new);
        }
        let Some(periods) = self.periods.get_mut(place) else { return };
        match periods.binary_search_by_key(&period, |(own, _)| *own) {
            Ok(found) => {
                if let Some((_, sum)) = periods.get_mut(found) {
                    *sum = sum.saturating_add(amount);
                }
            }
            Err(missing) => periods.insert(missing, (period, amount)),
        }
        let newest = periods.last().map_or(period, |(newest, _)| *newest);
        periods.retain(|(own, _)| *own > newest - PERIODS_MAX);
        self.ranking.touch(index);
    }

    /// Products by their trend, highest first. The time does not change the
    /// order, only the scores.
    pub(super) fn ranked<'a>(
        &'a self,
        products: &'a Products,
    ) -> impl Iterator<Item = (&'a ProductId, Heat)> + use<'a> {
        self.ranking.iter(products, |index| self.heat(index))
    }

    /// A product's trend; `None` when it has none.
    pub(super) fn heat(&self, index: Index) -> Option<Heat> {
        self.periods.get(index as usize).and_then(|periods| heat(periods))
    }

    /// The weighted, decayed sum at `now`.
    pub(super) fn score(&self, heat: Heat, now: Timestamp) -> f64 {
        let (period, part) = self.place(now);
        let exponent = heat.exponent.saturating_sub(period).saturating_sub(i64::from(FRACTION_BITS));
        f64::from_bits(heat.mantissa) * (exponent as f64 - part).exp2()
    }

    /// The sums of each product, by index.
    pub(super) fn periods(&self) -> &[Periods] {
        &self.periods
    }

    /// The period an instant is in, and how far into it (0..1).
    fn place(&self, at: Timestamp) -> (i64, f64) {
        let micros = at.as_micros();
        let part = micros.rem_euclid(self.half_life_micros) as f64 / self.half_life_micros as f64;
        (micros.div_euclid(self.half_life_micros), part)
    }
}

/// Adds the periods up, oldest first, so that the same sums give the same bits.
fn heat(periods: &[(i64, u64)]) -> Option<Heat> {
    let (newest, _) = periods.last()?;
    let sum: f64 = periods.iter().map(|(period, sum)| *sum as f64 * ((period - newest) as f64).exp2()).sum();
    if sum < 1.0 {
        return None;
    }
    // The two parts of an IEEE 754 double: 11 bits of exponent, 52 of mantissa.
    let bits = sum.to_bits();
    let exponent = i64::try_from((bits >> 52) & 0x7ff).ok()? - 1023;
    let mantissa = (bits & ((1 << 52) - 1)) | (1023 << 52);
    Some(Heat { exponent: newest.saturating_add(exponent), mantissa })
}
