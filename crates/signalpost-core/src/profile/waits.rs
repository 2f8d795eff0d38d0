//! When segments may change by the clock: what a timer asks, and no more.
//!
//! In: for each segment that was asked, until when its answer holds. Out: which
//! ones are to be asked again at an instant. The nearest instants are kept one
//! by one; beyond [`KEPT_MAX`] the later ones are one instant together, at which
//! all segments are asked.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Segments of which the instant is kept.
pub const KEPT_MAX: usize = 256;
/// How many of them stay when there are more, so that it is seldom.
const KEPT_LEAST: usize = 192;

/// Until when the answers of a profile's segments hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waits {
    /// Segments, by their id in the program, ascending.
    each: Vec<(u32, Timestamp)>,
    /// No other segment changes before this.
    others: Timestamp,
    /// The earliest of them all.
    next: Timestamp,
}

impl Default for Waits {
    fn default() -> Self {
        Self { each: Vec::new(), others: Timestamp::MAX, next: Timestamp::MAX }
    }
}

impl Waits {
    /// As it was written down.
    pub(super) fn of(mut each: Vec<(u32, Timestamp)>, others: Timestamp) -> Self {
        each.sort_unstable_by_key(|(segment, _)| *segment);
        let mut waits = Self { each, others, next: others };
        waits.settle();
        waits
    }

    /// All segments are to be asked at an instant, and none before it.
    pub fn all_at(&mut self, at: Timestamp) {
        self.each.clear();
        self.others = at;
        self.next = at;
    }

    /// A segment's answer holds until then. Call [`Waits::settle`] after the
    /// last one.
    pub(crate) fn set(&mut self, segment: u32, until: Timestamp) {
        match self.each.binary_search_by_key(&segment, |(held, _)| *held) {
            Ok(place) if until == Timestamp::MAX => {
                self.each.remove(place);
            }
            Ok(place) => {
                if let Some((_, held)) = self.each.get_mut(place) {
                    *held = until;
                }
            }
            Err(_) if until == Timestamp::MAX => {}
            Err(place) => self.each.insert(place, (segment, until)),
        }
    }

    /// Works out the earliest instant.
    pub(crate) fn settle(&mut self) {
        if self.each.len() > KEPT_MAX {
            let mut instants: Vec<Timestamp> = self.each.iter().map(|(_, until)| *until).collect();
            let (_, first_left_out, _) = instants.select_nth_unstable(KEPT_LEAST);
            let first_left_out = *first_left_out;
            self.each.retain(|(_, until)| *until < first_left_out);
            self.others = self.others.min(first_left_out);
        }
        let each = self.each.iter().map(|(_, until)| *until);
        self.next = each.fold(self.others, Timestamp::min);
    }

    /// The first instant at which a segment may change by the clock. May be
    /// early, never late.
    pub fn next(&self) -> Timestamp {
        self.next
    }

    /// The instant at which all segments are to be asked.
    pub fn others(&self) -> Timestamp {
        self.others
    }

    /// The instants that are kept one by one, by segment.
    pub fn each(&self) -> &[(u32, Timestamp)] {
        &self.each
    }

    /// The segments whose instant has come.
    pub(crate) fn due(&self, now: Timestamp) -> impl Iterator<Item = u32> {
        let each: &[(u32, Timestamp)] = if self.next <= now { &self.each } else { &[] };
        each.iter().filter(move |(_, until)| *until <= now).map(|(segment, _)| *segment)
    }
}

#[cfg(test)]
mod tests;
