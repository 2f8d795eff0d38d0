//! Profiles in memory, bounded; and the keys their records stand under.

use std::collections::HashMap;
use std::num::NonZeroUsize;

use lru::LruCache;
use signalpost_core::id::ProfileKey;
use signalpost_core::profile::{Moment, Profile};
use signalpost_core::program::Program;
use signalpost_core::step;
use signalpost_core::time::Timestamp;

use super::{Error, Worker};
use crate::log::Log;
use crate::state::{Store, Table};

/// The cache: changed profiles stand apart until the batch's commit.
#[derive(Debug)]
pub(super) struct Profiles {
    cache: LruCache<ProfileKey, Box<Profile>>,
    changed: HashMap<ProfileKey, Box<Profile>>,
    timers: HashMap<Vec<u8>, (Timestamp, Timestamp)>,
    capacity: usize,
}

impl Profiles {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            cache: LruCache::unbounded(),
            changed: HashMap::default(),
            timers: HashMap::default(),
            capacity: capacity.max(1),
        }
    }

    /// Whether the profile is in memory.
    pub(super) fn holds(&self, key: &ProfileKey) -> bool {
        self.changed.contains_key(key) || self.cache.contains(key)
    }

    fn take(&mut self, key: &ProfileKey) -> Option<Box<Profile>> {
        self.changed.remove(key).or_else(|| self.cache.pop(key))
    }

    fn put(&mut self, profile: Box<Profile>) {
        self.changed.insert(profile.key.clone(), profile);
    }

    pub(super) fn forget(&mut self, key: &ProfileKey) {
        self.cache.pop(key);
        self.changed.remove(key);
    }

    pub(super) fn note_timer(&mut self, key: Vec<u8>, before: Timestamp, after: Timestamp) {
        self.timers.entry(key).and_modify(|(_, held)| *held = after).or_insert((before, after));
    }

    pub(super) fn take_timers(&mut self) -> impl Iterator<Item = (Vec<u8>, Timestamp, Timestamp)> {
        let timers = std::mem::take(&mut self.timers);
        timers
            .into_iter()
            .filter(|(_, (before, after))| before != after)
            .map(|(key, (before, after))| (key, before, after))
    }

    /// Shows every changed profile to `write`; from then on it is cached.
    pub(super) fn commit_changed(&mut self, mut write: impl FnMut(&Profile)) {
        for (key, profile) in self.changed.drain() {
            write(&profile);
            self.cache.put(key, profile);
        }
    }

    /// Lets the least used go; everything is committed.
    pub(super) fn shrink(&mut self) {
        let capacity = NonZeroUsize::new(self.capacity).unwrap_or(NonZeroUsize::MIN);
        while self.cache.len() > capacity.get() {
            self.cache.pop_lru();
        }
    }
}

impl<S: Store, L: Log> Worker<S, L> {
    /// The profile, brought to the newest definitions; a new one when unknown.
    pub(super) fn load(&mut self, key: &ProfileKey) -> Result<Box<Profile>, Error> {
        match self.load_existing(key)? {
            Some(profile) => Ok(profile),
            None => {
                self.position.count_profile(key, 1);
                let mut profile = Box::new(Profile::new(key.clone()));
                profile.program_version = self.program.version;
                Ok(profile)
            }
        }
    }

    pub(super) fn load_existing(&mut self, key: &ProfileKey) -> Result<Option<Box<Profile>>, Error> {
        if let Some(profile) = self.profiles.take(key) {
            return self.up_to_date(profile).map(Some);
        }
        let Some(bytes) = self.store.get(Table::Profiles, &key.to_bytes())? else { return Ok(None) };
        self.read(&bytes).map(Some)
    }

    /// The profile, of which the store has these bytes unless it is in memory.
    pub(super) fn load_scanned(&mut self, key: &ProfileKey, bytes: &[u8]) -> Result<Box<Profile>, Error> {
        match self.profiles.take(key) {
            Some(profile) => self.up_to_date(profile),
            None => self.read(bytes),
        }
    }

    fn read(&mut self, bytes: &[u8]) -> Result<Box<Profile>, Error> {
        let profile = Profile::decode(bytes)
            .map_err(|error| Error::Profile { partition: self.partition, reason: error.to_string() })?;
        self.up_to_date(Box::new(profile))
    }

    /// Brings the profile through each change of definitions since it was folded,
    /// at the instant of each.
    fn up_to_date(&mut self, mut profile: Box<Profile>) -> Result<Box<Profile>, Error> {
        if profile.program_version == self.program.version {
            return Ok(profile);
        }
        let mut actions = Vec::new();
        let held = profile.program_version;
        let programs = self.earlier.iter().chain(std::iter::once(&self.program));
        let programs: Vec<&Program> = programs.filter(|program| program.version > held).collect();
        let mut programs = programs.iter().peekable();
        while let Some(program) = programs.next() {
            if profile.program_version >= program.rows_since {
                step::redefined(&mut profile, program, program.changed_at, &mut actions);
            } else {
                let timeline = self.timeline(&profile.key)?;
                step::refold(&mut profile, program, timeline, program.changed_at, &mut actions);
            }
            let until = programs.peek().map_or(self.position.now, |next| next.changed_at);
            step::advance(&mut profile, program, until, &mut actions);
        }
        self.perform(actions)?;
        Ok(profile)
    }

    /// Keeps a changed profile, with its timer set for what is due next.
    pub(super) fn keep(&mut self, mut profile: Box<Profile>) {
        let due = profile.next_due();
        // A timer that goes off too early only looks and is set again: that
        // is cheaper than moving it with every event.
        if due < profile.timer {
            self.set_timer(&mut profile, due);
        }
        self.profiles.put(profile);
    }

    pub(super) fn set_timer(&mut self, profile: &mut Profile, due: Timestamp) {
        let key = profile.key.to_bytes();
        if profile.timer != Timestamp::MAX {
            self.timers.remove(profile.timer, key.clone());
        }
        if due != Timestamp::MAX {
            self.timers.insert(due, key.clone());
        }
        self.profiles.note_timer(key, profile.timer, due);
        profile.timer = due;
    }

    /// Every event of a profile, ascending.
    pub(super) fn timeline(
        &self,
        key: &ProfileKey,
    ) -> Result<Vec<(Moment, signalpost_core::event::Event)>, Error> {
        Ok(read_timeline(&*self.store, key)?)
    }
}

/// Every event of a profile, ascending by time and arrival.
///
/// # Errors
/// When the store fails or a record is damaged.
pub fn read_timeline<S: Store + ?Sized>(
    store: &S,
    key: &ProfileKey,
) -> Result<Vec<(Moment, signalpost_core::event::Event)>, crate::state::Error> {
    let prefix = timeline_prefix(key);
    let rows = crate::state::scan_prefix(store, Table::Timeline, &prefix, usize::MAX)?;
    rows.into_iter()
        .map(|(row_key, value)| {
            let moment = row_key.get(prefix.len()..).and_then(read_moment).unwrap_or_default();
            Ok((moment, crate::state::decode(Table::Timeline, &value)?))
        })
        .collect()
}

/// The prefix of a profile's timeline: its key's length, then its key.
pub fn timeline_prefix(key: &ProfileKey) -> Vec<u8> {
    let key = key.to_bytes();
    let mut prefix = u32::try_from(key.len()).unwrap_or(u32::MAX).to_be_bytes().to_vec();
    prefix.extend(key);
    prefix
}

/// Where one event of a profile stands.
pub fn timeline_key(key: &ProfileKey, moment: Moment) -> Vec<u8> {
    let mut bytes = timeline_prefix(key);
    bytes.extend(sortable(moment.timestamp));
    bytes.extend(moment.sequence.to_be_bytes());
    bytes
}

fn read_moment(bytes: &[u8]) -> Option<Moment> {
    let (time, sequence) = bytes.split_at_checked(8)?;
    Some(Moment { timestamp: read_sortable(time)?, sequence: u64::from_be_bytes(sequence.try_into().ok()?) })
}

/// An instant as bytes that sort as instants do.
pub fn sortable(instant: Timestamp) -> [u8; 8] {
    (instant.as_micros().cast_unsigned() ^ (1 << 63)).to_be_bytes()
}

/// Reads back what [`sortable`] wrote.
pub(super) fn read_sortable(bytes: &[u8]) -> Option<Timestamp> {
    let bytes: [u8; 8] = bytes.try_into().ok()?;
    Some(Timestamp::from_micros((u64::from_be_bytes(bytes) ^ (1 << 63)).cast_signed()))
}
