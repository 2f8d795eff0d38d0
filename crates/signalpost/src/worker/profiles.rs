//! Profiles in memory, bounded.

use std::collections::HashMap;
use std::num::NonZeroUsize;

use lru::LruCache;
use signalpost_core::id::ProfileKey;
use signalpost_core::profile::Profile;
use signalpost_core::program::{Lacking, Program};
use signalpost_core::step;
use signalpost_core::time::Timestamp;

use super::timeline::{Reading, Timeline, read_timeline, read_timelines};
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
        let Some(bytes) = self.store.get(Table::Profiles, &key.place())? else { return Ok(None) };
        let profile = self.read(&bytes)?;
        self.up_to_date(profile).map(Some)
    }

    /// The profile of a record.
    pub(super) fn read(&self, bytes: &[u8]) -> Result<Box<Profile>, Error> {
        let profile = Profile::decode(bytes)
            .map_err(|error| Error::Profile { partition: self.partition, reason: error.to_string() })?;
        Ok(Box::new(profile))
    }

    fn up_to_date(&mut self, profile: Box<Profile>) -> Result<Box<Profile>, Error> {
        let timeline = match self.reading(profile.program_version) {
            Some(reading) => {
                let place = profile.key.place();
                let mut timelines = read_timelines(&*self.store, &[&place], &reading)?;
                timelines.pop().unwrap_or_default()
            }
            None => Timeline::new(),
        };
        self.bring_up_to_date(profile, timeline)
    }

    /// What is read of the timeline of a profile that was made under `version`;
    /// `None` when nothing is.
    pub(super) fn reading(&self, version: u64) -> Option<Reading> {
        let mut reading = None;
        let mut held = version;
        for program in self.programs_after(version) {
            reading = Reading::with(reading, program.lacking(held));
            held = program.version;
        }
        reading
    }

    fn programs_after(&self, version: u64) -> impl Iterator<Item = &Program> {
        let programs = self.earlier.iter().chain(std::iter::once(&self.program));
        programs.filter(move |program| program.version > version)
    }

    /// Brings the profile through each change of definitions since it was made,
    /// at the instant of each. `timeline` is what [`Worker::reading`] says.
    pub(super) fn bring_up_to_date(
        &mut self,
        mut profile: Box<Profile>,
        timeline: Timeline,
    ) -> Result<Box<Profile>, Error> {
        let mut actions = Vec::new();
        let mut programs = self.programs_after(profile.program_version).peekable();
        while let Some(program) = programs.next() {
            let at = program.changed_at;
            match program.lacking(profile.program_version) {
                Lacking::Nothing => step::redefined(&mut profile, program, at, &mut actions),
                Lacking::Rows(wanted) => {
                    step::widen(&mut profile, program, &wanted, &timeline, at, &mut actions);
                }
                Lacking::Everything => {
                    step::refold(&mut profile, program, timeline.iter().cloned(), at, &mut actions);
                }
            }
            let until = programs.peek().map_or(self.position.now, |next| next.changed_at);
            step::advance(&mut profile, program, until, &mut actions);
        }
        drop(programs);
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
    pub(super) fn timeline(&self, key: &ProfileKey) -> Result<Timeline, Error> {
        Ok(read_timeline(&*self.store, key)?)
    }
}
