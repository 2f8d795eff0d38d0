//! Definitions change: every profile is brought up to date, a slice at a time.
//!
//! A profile that is touched before its slice comes is brought up to date
//! then; either way it is evaluated at the instant of the change.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use signalpost_core::campaign::Trigger;
use signalpost_core::id::ProfileKey;
use signalpost_core::profile::Profile;
use signalpost_core::program::{Change, Defined, Program};
use signalpost_core::step;
use signalpost_core::time::Timestamp;

use super::effect::{member_key, sequenced};
use super::position::Position;
use super::timeline::{Timeline, read_timelines};
use super::{Error, Worker};
use crate::log::Log;
use crate::schedule;
use crate::state::{self, Store, Table};

/// Profiles brought up to date in a step, at least.
const SLICE_PROFILES: usize = 250;
/// Profiles brought up to date for each record that waits: a record whose profile
/// has not had its turn costs as much as several that have it in order.
const SLICE_PROFILES_A_RECORD: usize = 2;
/// Records a step takes at most meanwhile.
pub(super) const RECORDS_MAX: usize = 1_024;
/// Programs kept for profiles that have not been brought to them yet. With so
/// many, the next change waits.
const EARLIER_MAX: usize = 8;

/// How far the profiles have been brought to the newest definitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backfill {
    /// The first change of the program that is being applied, from 1.
    pub since: u64,
    /// The last one.
    pub change: u64,
    /// Profiles that are done with.
    pub done: u64,
    /// Profiles there are.
    pub total: u64,
}

fn is_of_campaign(change: &Change) -> bool {
    matches!(change.what, Defined::Campaign(_) | Defined::CampaignRemoved { .. })
}

/// The changes of the program a partition has taken.
fn changes<S: Store>(store: &S, partition: u32) -> Result<Vec<Change>, Error> {
    let rows = state::scan_prefix(store, Table::Program, &partition.to_be_bytes(), usize::MAX)?;
    Ok(rows
        .iter()
        .map(|(_, value)| state::decode(Table::Program, value))
        .collect::<Result<_, state::Error>>()?)
}

fn load_program(changes: &[Change]) -> Program {
    let mut program = Program::default();
    for change in changes {
        if let Err(error) = program.apply(change) {
            // It was applied when it was made; a parser that has since grown
            // stricter must not take the server down.
            tracing::error!(%error, "a definition is no longer understood and is left out");
        }
    }
    program
}

/// The program a partition left off with, and before it those that a backfill
/// under way may not have brought everybody to: more of them than needed do no
/// harm.
pub(super) fn load_programs<S: Store>(
    store: &S,
    partition: u32,
    position: &Position,
) -> Result<(Vec<Program>, Program), Error> {
    let changes = changes(store, partition)?;
    let mut earlier = Vec::new();
    if position.backfill.is_some() {
        // A campaign's change waits for the backfill before it.
        let alone =
            changes.iter().rev().take(EARLIER_MAX).take_while(|change| !is_of_campaign(change)).count();
        let first = changes.len() - alone;
        earlier.extend((first..changes.len()).filter_map(|end| changes.get(..end)).map(load_program));
    }
    Ok((earlier, load_program(&changes)))
}

impl<S: Store, L: Log> Worker<S, L> {
    /// How far the backfill is; of the latest one when none is under way.
    pub fn backfill(&self) -> Backfill {
        let total = self.position.known + self.position.anonymous;
        Backfill { done: self.backfill.done.min(total), total, ..self.backfill }
    }

    /// Counts, after a start, what an interrupted backfill had done.
    pub(super) fn resume_backfill(&mut self) -> Result<(), Error> {
        self.backfill.change = self.position.program;
        // Where it began is not written down; this is not later.
        self.backfill.since = self.position.program.saturating_sub(EARLIER_MAX as u64);
        if let Some(cursor) = &self.position.backfill {
            for (from, to) in self.places() {
                let to = cursor.min(&to);
                let mut done = 0;
                if from < *to {
                    self.store.visit(Table::Profiles, &from, Some(to), &mut |_, _| {
                        done += 1;
                        ControlFlow::Continue(())
                    })?;
                }
                self.backfill.done += done;
            }
        }
        Ok(())
    }

    /// Takes a change of the program. While an earlier one is still being
    /// applied, its program is kept: each profile sees one change at a time, each
    /// at its instant, whenever its turn comes.
    pub(super) fn define(&mut self, change: &Arc<Change>) -> Result<(), Error> {
        self.commit_batch()?;
        if is_of_campaign(change) || self.earlier.len() >= EARLIER_MAX {
            self.finish_backfill()?;
        }
        let since = if self.is_backfilling() { self.backfill.since } else { self.position.program + 1 };
        let held = if self.is_backfilling() {
            let again = load_program(&changes(&*self.store, self.partition)?);
            Some(std::mem::replace(&mut self.program, again))
        } else {
            None
        };
        // It takes effect where it stands on the log: profiles have been
        // brought past the instant at which it was asked for.
        let change = Change { at: self.position.now, what: change.what.clone() };
        let before = self.program.version;
        if let Err(error) = self.program.apply(&change) {
            // It was checked when it was made; a record that cannot be applied
            // changes nothing, here and on every replay.
            tracing::error!(%error, "a definition on the log cannot be applied");
            self.program = held.unwrap_or_else(|| std::mem::take(&mut self.program));
            return Ok(());
        }
        self.position.program += 1;
        let key = sequenced(self.partition, self.position.program);
        self.batch.put(Table::Program, key, state::encode(&change));
        self.next_scheduled = self.find_next_scheduled();
        if self.program.version != before {
            self.position.backfill = Some(Vec::new());
            self.backfill = Backfill { since, change: self.position.program, done: 0, total: 0 };
            self.earlier.extend(held);
        }
        Ok(())
    }

    /// Brings all profiles up to date. Called between two records.
    pub(super) fn finish_backfill(&mut self) -> Result<(), Error> {
        self.commit_batch()?;
        while self.is_backfilling() {
            self.backfill_slice(RECORDS_MAX)?;
            self.commit_batch()?;
        }
        Ok(())
    }

    /// Brings the next profiles up to date, while so many records wait.
    pub(super) fn backfill_slice(&mut self, records: usize) -> Result<(), Error> {
        let limit = SLICE_PROFILES.max(SLICE_PROFILES_A_RECORD * records);
        let Some(cursor) = self.position.backfill.clone() else { return Ok(()) };
        let Some((from, to)) = self.places().into_iter().find(|(_, to)| cursor < *to) else {
            self.position.backfill = None;
            self.earlier.clear();
            return Ok(());
        };
        let rows = self.store.scan(Table::Profiles, &from.max(cursor), Some(&to), limit)?;
        let mut profiles = Vec::with_capacity(rows.len());
        for (place, bytes) in &rows {
            let Some(key) = ProfileKey::from_place(place) else { continue };
            let profile = self.read(bytes)?;
            self.backfill.done += 1;
            if profile.program_version < self.program.version {
                // Everything is committed: what is in memory is the same.
                self.profiles.forget(&key);
                profiles.push((place.as_slice(), profile));
            }
        }
        let versions: BTreeSet<u64> = profiles.iter().map(|(_, profile)| profile.program_version).collect();
        for version in versions {
            let these = profiles.extract_if(.., |(_, profile)| profile.program_version == version).collect();
            self.bring_all_up_to_date(these)?;
        }
        let next = rows.last().filter(|_| rows.len() == limit).map(|(place, _)| [place, &[0][..]].concat());
        self.position.backfill = Some(next.unwrap_or(to));
        Ok(())
    }

    /// Brings profiles up to date that were made under the same program.
    fn bring_all_up_to_date(&mut self, profiles: Vec<(&[u8], Box<Profile>)>) -> Result<(), Error> {
        let held = profiles.first().map_or(0, |(_, profile)| profile.program_version);
        let timelines = match self.reading(held) {
            Some(reading) => {
                let places: Vec<&[u8]> = profiles.iter().map(|(place, _)| *place).collect();
                read_timelines(&*self.store, &places, &reading)?
            }
            None => Vec::new(),
        };
        let timelines = timelines.into_iter().chain(std::iter::repeat_with(Timeline::new));
        for ((_, profile), timeline) in profiles.into_iter().zip(timelines) {
            let profile = self.bring_up_to_date(profile, timeline)?;
            self.keep(profile);
        }
        Ok(())
    }

    /// Where the profiles of this partition stand.
    fn places(&self) -> [(Vec<u8>, Vec<u8>); 2] {
        ProfileKey::places(self.partition, self.log.partitions())
    }

    /// The next instant a scheduled or one-time campaign runs.
    pub(super) fn find_next_scheduled(&self) -> Timestamp {
        let after = self.position.scheduled.max(self.program.campaigns_changed_at);
        let next =
            self.program.campaigns.iter().filter(|(_, campaign)| campaign.active).map(|(_, campaign)| {
                match &campaign.trigger {
                    Trigger::Schedule { cron, time_zone } => {
                        schedule::next(cron, time_zone, after).unwrap_or(Timestamp::MAX)
                    }
                    Trigger::Once { at } if !self.position.ran_once(&campaign.name) => {
                        (*at).max(after.next())
                    }
                    _ => Timestamp::MAX,
                }
            });
        next.min().unwrap_or(Timestamp::MAX)
    }

    /// Decides the messages of every campaign that runs at `at`.
    pub(super) fn run_schedules(&mut self, at: Timestamp) -> Result<(), Error> {
        // The audience is read from the store.
        self.commit_batch()?;
        let after = self.position.scheduled.max(self.program.campaigns_changed_at);
        let due: Vec<_> = self
            .program
            .campaigns
            .iter()
            .filter(|(_, campaign)| match &campaign.trigger {
                Trigger::Schedule { cron, time_zone } => schedule::next(cron, time_zone, after) == Some(at),
                Trigger::Once { at: once } => {
                    !self.position.ran_once(&campaign.name) && (*once).max(after.next()) == at
                }
                _ => false,
            })
            .cloned()
            .collect();
        self.position.now = self.position.now.max(at);
        for (id, campaign) in due {
            if matches!(campaign.trigger, Trigger::Once { .. }) {
                self.position.once.push(campaign.name.clone());
            }
            for key in self.audience(campaign.audience.as_deref())? {
                let Some(mut profile) = self.load_existing(&key)? else { continue };
                let mut actions = Vec::new();
                step::advance(&mut profile, &self.program, at, &mut actions);
                step::scheduled(&mut profile, &self.program, id, &campaign, at, &mut actions);
                self.keep(profile);
                self.perform(actions)?;
            }
        }
        self.position.scheduled = at;
        self.next_scheduled = self.find_next_scheduled();
        Ok(())
    }

    /// The profiles of this partition a campaign speaks to.
    fn audience(&self, segment: Option<&str>) -> Result<Vec<ProfileKey>, Error> {
        match segment {
            Some(name) => {
                let Some(id) = self.program.segment(name).map(|segment| segment.id) else {
                    return Ok(Vec::new());
                };
                let prefix = member_key(id, &ProfileKey::Customer("".into()));
                let prefix = prefix.get(..4).unwrap_or_default().to_vec();
                let rows = state::scan_prefix(&*self.store, Table::Members, &prefix, usize::MAX)?;
                let partitions = self.log.partitions();
                let keys = rows.iter().filter_map(|(key, _)| ProfileKey::from_bytes(key.get(4..)?));
                Ok(keys.filter(|key| key.partition(partitions) == self.partition).collect())
            }
            None => {
                let mut keys = Vec::new();
                for (from, to) in self.places() {
                    self.store.visit(Table::Profiles, &from, Some(&to), &mut |place, _| {
                        keys.extend(ProfileKey::from_place(place));
                        ControlFlow::Continue(())
                    })?;
                }
                Ok(keys)
            }
        }
    }
}
