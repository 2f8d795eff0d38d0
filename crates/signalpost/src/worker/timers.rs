//! When profiles are to be looked at again: the nearest timers in memory, all
//! of them in the store.
//!
//! However many profiles wait for something, memory and the time to open stay
//! the same. Time moves forward, so the nearest are all that is ever asked for;
//! when they have gone off, the next ones are read.

use std::collections::BTreeSet;

use signalpost_core::id::ProfileKey;
use signalpost_core::time::Timestamp;

use super::timeline::{read_sortable, sortable};
use crate::state::{Error, Store, Table, prefix_end};

/// Timers read from the store at once.
#[cfg(not(test))]
const READ_TIMERS: usize = 8_192;
#[cfg(test)]
const READ_TIMERS: usize = 4;
/// With so many in memory, the later ones are left to the store again.
const HELD_TIMERS_MAX: usize = 4 * READ_TIMERS;

/// When, and the key of which profile.
type Timer = (Timestamp, Vec<u8>);

/// The timers of one partition.
#[derive(Debug)]
pub(super) struct Timers {
    partition: u32,
    /// Every timer before `behind`.
    nearest: BTreeSet<Timer>,
    /// The first timer that is only in the store; `None` when none is.
    behind: Option<Timer>,
}

impl Timers {
    /// The timers of `partition` as the store has them.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) fn open<S: Store>(store: &S, partition: u32) -> Result<Self, Error> {
        let mut timers =
            Self { partition, nearest: BTreeSet::new(), behind: Some((Timestamp::MIN, Vec::new())) };
        timers.read_on(store)?;
        Ok(timers)
    }

    /// The earliest instant at which a timer may go off.
    pub(super) fn next_due(&self) -> Timestamp {
        let first = self.nearest.first().or(self.behind.as_ref());
        first.map_or(Timestamp::MAX, |(due, _)| *due)
    }

    /// Whether the nearest timer must be read first: see [`Timers::read_on`].
    pub(super) fn is_behind(&self) -> bool {
        self.nearest.is_empty() && self.behind.is_some()
    }

    /// Reads the next timers from the store, which must hold every change made
    /// to timers so far.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) fn read_on<S: Store>(&mut self, store: &S) -> Result<(), Error> {
        let Some((due, profile)) = self.behind.take() else { return Ok(()) };
        let prefix = self.partition.to_be_bytes();
        let from = timer_key(self.partition, due, &profile);
        let keys = store.scan_keys(Table::Timers, &from, prefix_end(&prefix).as_deref(), READ_TIMERS + 1)?;
        let more = keys.len() > READ_TIMERS;
        self.nearest.extend(keys.iter().filter_map(|key| read_timer_key(key)));
        self.behind = if more { self.nearest.pop_last() } else { None };
        Ok(())
    }

    /// Sets a timer. The store must be told too.
    pub(super) fn insert(&mut self, due: Timestamp, profile: Vec<u8>) {
        let timer = (due, profile);
        if self.behind.as_ref().is_some_and(|behind| timer >= *behind) {
            return;
        }
        self.nearest.insert(timer);
        if self.nearest.len() > HELD_TIMERS_MAX {
            let middle = self.nearest.iter().nth(HELD_TIMERS_MAX / 2).cloned();
            if let Some(middle) = middle {
                drop(self.nearest.split_off(&middle));
                self.behind = Some(middle);
            }
        }
    }

    /// Takes a timer away. The store must be told too.
    pub(super) fn remove(&mut self, due: Timestamp, profile: Vec<u8>) {
        self.nearest.remove(&(due, profile));
    }

    /// Takes the nearest timer out, if it is in memory.
    pub(super) fn pop(&mut self) -> Option<Timer> {
        self.nearest.pop_first()
    }
}

/// The profiles of a partition whose timer goes off until `until`, at most
/// `limit`, the nearest first.
///
/// # Errors
/// When the store fails.
pub fn due_until<S: Store + ?Sized>(
    store: &S,
    partition: u32,
    until: Timestamp,
    limit: usize,
) -> Result<Vec<ProfileKey>, Error> {
    let from = partition.to_be_bytes();
    let to = timer_key(partition, until.next(), &[]);
    let keys = store.scan_keys(Table::Timers, &from, Some(&to), limit)?;
    let timers = keys.iter().filter_map(|key| read_timer_key(key));
    Ok(timers.filter_map(|(_, profile)| ProfileKey::from_bytes(&profile)).collect())
}

/// Where a timer stands: by partition, by time, then by profile.
pub(super) fn timer_key(partition: u32, due: Timestamp, profile: &[u8]) -> Vec<u8> {
    let mut bytes = partition.to_be_bytes().to_vec();
    bytes.extend(sortable(due));
    bytes.extend(profile);
    bytes
}

fn read_timer_key(bytes: &[u8]) -> Option<Timer> {
    let (time, profile) = bytes.get(4..)?.split_at_checked(8)?;
    Some((read_sortable(time)?, profile.to_vec()))
}

#[cfg(test)]
mod tests;
