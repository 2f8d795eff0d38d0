//! A partition's worker: the one owner of its profiles.
//!
//! In: records of the log, in order. Out: one atomic batch a step, holding new
//! state, the position on the log and every effect; then, after the batch,
//! what the rest of the program may hear of it.
//!
//! `clock → due profiles → record → profile → actions → batch`.

mod backfill;
mod effect;
mod erasure;
mod identity;
mod position;
mod profiles;
mod timeline;
mod timers;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use signalpost_core::campaign::{Delivery, DeliveryId};
use signalpost_core::event::Event;
use signalpost_core::id::{AnonymousId, CustomerId, ProfileKey};
use signalpost_core::profile::Moment;
use signalpost_core::program::Program;
use signalpost_core::step::{self, Action, MembershipCause, MembershipChange};
use signalpost_core::time::Timestamp;
use thiserror::Error;

use crate::log::{self, Body, Log, Message, Record, Refreshed};
use crate::state::{self, Batch, Store, Table};

pub use backfill::Backfill;
pub use effect::{
    ChangeRow, DerivedRow, IdentityRow, delivery_log_key, history_prefix, outbox_key, read_outbox_key,
};
pub use erasure::{Erasure, erasure_key, erasures};
pub use position::Position;
pub use timeline::{read_timeline, sortable, timeline_key};
pub use timers::due_until;

/// Records a step takes at most.
pub const STEP_RECORDS_MAX: usize = 4_096;

/// Why a worker stopped.
#[derive(Debug, Error)]
pub enum Error {
    /// The log failed.
    #[error(transparent)]
    Log(#[from] log::Error),
    /// The store failed.
    #[error(transparent)]
    State(#[from] state::Error),
    /// A profile's record is damaged.
    #[error("profile record of partition {partition} is damaged: {reason}")]
    Profile {
        /// Which partition.
        partition: u32,
        /// What is wrong.
        reason: String,
    },
}

/// What others may hear of, once it is committed.
#[derive(Debug, Default)]
pub struct Published {
    /// Records processed.
    pub records: usize,
    /// Changes of membership, each with its sequence in the partition.
    pub changes: Vec<(u64, MembershipChange)>,
    /// Derived events and retractions, each with its sequence.
    pub derived: Vec<(u64, DerivedRow)>,
    /// Links between devices and people, each with its sequence.
    pub identities: Vec<(u64, IdentityRow)>,
    /// Decisions on messages.
    pub deliveries: Vec<Delivery>,
    /// Messages for other partitions wait in the relay.
    pub relayed: bool,
}

/// The worker of one partition.
#[derive(Debug)]
pub struct Worker<S, L> {
    partition: u32,
    store: Arc<S>,
    log: Arc<L>,
    program: Program,
    /// Programs before it that some profiles have not been brought to yet, the
    /// oldest first.
    earlier: Vec<Program>,
    position: Position,
    profiles: profiles::Profiles,
    timers: timers::Timers,
    /// When a scheduled or one-time campaign runs next.
    next_scheduled: Timestamp,
    backfill: Backfill,
    /// The time of the record being taken.
    taking: Timestamp,
    /// Devices linked in the batch being made.
    fresh_forwards: HashMap<AnonymousId, CustomerId>,
    /// Deliveries decided in the batch being made.
    fresh_deliveries: HashSet<DeliveryId>,
    /// Whether the batch being made forgets what must not be read any more.
    forgets: bool,
    batch: Batch,
    published: Published,
}

impl<S: Store, L: Log> Worker<S, L> {
    /// Takes up a partition where its state left off.
    ///
    /// # Errors
    /// When the store fails, or holds a damaged record.
    pub fn open(partition: u32, store: Arc<S>, log: Arc<L>, cache_profiles: usize) -> Result<Self, Error> {
        let position = Position::load(&*store, partition)?;
        let (earlier, program) = backfill::load_programs(&*store, partition, &position)?;
        let timers = timers::Timers::open(&*store, partition)?;
        let mut worker = Self {
            partition,
            store,
            log,
            program,
            earlier,
            position,
            profiles: profiles::Profiles::new(cache_profiles),
            timers,
            next_scheduled: Timestamp::MAX,
            backfill: Backfill::default(),
            taking: Timestamp::MIN,
            fresh_forwards: HashMap::new(),
            fresh_deliveries: HashSet::new(),
            forgets: false,
            batch: Batch::default(),
            published: Published::default(),
        };
        worker.next_scheduled = worker.find_next_scheduled();
        worker.resume_backfill()?;
        Ok(worker)
    }

    /// The partition's program.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Where it stands.
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// The instant at which something is due next, with no new record.
    pub fn next_due(&self) -> Timestamp {
        self.timers.next_due().min(self.next_scheduled)
    }

    /// How many records wait to be taken.
    pub fn waiting(&self) -> u64 {
        self.log.end(self.partition).saturating_sub(self.position.offset)
    }

    /// Whether profiles still wait to be brought to the newest definitions.
    pub fn is_backfilling(&self) -> bool {
        self.position.backfill.is_some()
    }

    /// Takes the next records, or a slice of the backfill when there are none;
    /// commits, and tells what happened. `None` when there is nothing to do.
    ///
    /// # Errors
    /// When the log or the store fails: the worker must then be opened anew.
    pub fn step(&mut self) -> Result<Option<Published>, Error> {
        let limit = if self.is_backfilling() { backfill::RECORDS_MAX } else { STEP_RECORDS_MAX };
        let records = self.log.read(self.partition, self.position.offset, limit)?;
        if records.is_empty() && !self.is_backfilling() {
            return Ok(None);
        }
        if self.is_backfilling() {
            self.backfill_slice(records.len())?;
            self.commit()?;
        }
        for (offset, record) in records {
            self.take(&record)?;
            self.position.offset = offset + 1;
            self.published.records += 1;
            if self.forgets {
                self.commit_batch()?;
            }
        }
        self.commit()?;
        Ok(Some(std::mem::take(&mut self.published)))
    }

    fn take(&mut self, record: &Record) -> Result<(), Error> {
        self.taking = record.at;
        self.advance_to(record.at)?;
        match &record.body {
            Body::Tick => {}
            Body::Event(event) => self.take_event(event)?,
            Body::Define(change) => self.define(change)?,
            Body::Relayed { from, sequence, message } => {
                if !matches!(message, Message::Adopt { .. } | Message::Forward { .. }) {
                    // The timeline is read from the store, so what this batch
                    // holds of it must be there. Nothing of this record is done yet.
                    self.commit_batch()?;
                }
                if self.position.is_new(*from, *sequence) {
                    self.take_message(message)?;
                }
            }
            Body::Consent { profile, purpose, granted } => self.take_consent(profile, purpose, *granted)?,
            Body::Refreshed(result) => self.take_refreshed(result)?,
            Body::Erase { customer_id, request } => {
                self.commit_batch()?;
                self.take_erase(customer_id, request)?;
            }
        }
        Ok(())
    }

    /// Lets everything happen that is due until `now`.
    fn advance_to(&mut self, now: Timestamp) -> Result<(), Error> {
        loop {
            let timer = self.timers.next_due();
            let scheduled = self.next_scheduled;
            if scheduled <= now && scheduled <= timer {
                if self.is_backfilling() {
                    // The audience is that of the newest definitions, and
                    // under them something may be due sooner.
                    self.finish_backfill()?;
                    continue;
                }
                self.run_schedules(scheduled)?;
            } else if timer <= now && self.timers.is_behind() {
                self.commit_batch()?;
                self.timers.read_on(&*self.store)?;
            } else if timer <= now {
                self.fire_timer(now.min(scheduled))?;
            } else {
                break;
            }
        }
        self.position.now = self.position.now.max(now);
        Ok(())
    }

    fn fire_timer(&mut self, until: Timestamp) -> Result<(), Error> {
        let Some((due, bytes)) = self.timers.pop() else { return Ok(()) };
        let Some(key) = ProfileKey::from_bytes(&bytes) else { return Ok(()) };
        self.profiles.note_timer(bytes, due, Timestamp::MAX);
        let Some(mut profile) = self.load_existing(&key)? else { return Ok(()) };
        profile.timer = Timestamp::MAX;
        let mut actions = Vec::new();
        step::advance(&mut profile, &self.program, until.max(due), &mut actions);
        self.keep(profile);
        self.perform(actions)
    }

    fn take_event(&mut self, event: &Arc<Event>) -> Result<(), Error> {
        let Some(key) = event.profile_key() else { return Ok(()) };
        // A device whose profile is at hand has not been linked.
        if let ProfileKey::Anonymous(id) = &key
            && !self.profiles.holds(&key)
            && let Some(customer_id) = self.forward_of(id)?
        {
            self.relay(Message::Forward { customer_id, event: (**event).clone() });
            return Ok(());
        }
        self.apply_event(&key, event)
    }

    /// Applies an event to the profile `key`, which may not be the one the
    /// event names: a linked device's events belong to the person.
    fn apply_event(&mut self, key: &ProfileKey, event: &Event) -> Result<(), Error> {
        let sequence = self.position.next_sequence();
        let moment = Moment { timestamp: event.timestamp, sequence };
        self.batch.put(Table::Timeline, timeline_key(key, moment), state::encode(event));
        if !event.counts() {
            // It stands in the timeline to be seen; it makes nobody a profile.
            return Ok(());
        }
        let mut profile = self.load(key)?;
        let mut actions = Vec::new();
        step::apply(&mut profile, &self.program, event, sequence, self.position.now, &mut actions);
        self.keep(profile);
        self.perform(actions)
    }

    fn take_consent(&mut self, key: &ProfileKey, purpose: &str, granted: bool) -> Result<(), Error> {
        let mut profile = self.load(key)?;
        let moment = Moment { timestamp: self.position.now, sequence: self.position.next_sequence() };
        profile.set_consent(purpose, granted, moment);
        self.keep(profile);
        Ok(())
    }

    /// Moves those whom a run of a query found to be members, or none any more.
    fn take_refreshed(&mut self, result: &Refreshed) -> Result<(), Error> {
        let cause = MembershipCause::Refresh { run: result.run, first: result.first };
        let entered = result.entered.iter().map(|key| (key, true));
        for (key, member) in entered.chain(result.left.iter().map(|key| (key, false))) {
            let Some(mut profile) = self.load_existing(key)? else { continue };
            let segment = self.program.segment(result.segment.as_str());
            let mut actions = Vec::new();
            if let Some(segment) = segment.filter(|segment| segment.version == result.version) {
                let now = self.position.now;
                step::refreshed(&mut profile, &self.program, segment, member, &cause, now, &mut actions);
            }
            self.keep(profile);
            self.perform(actions)?;
        }
        Ok(())
    }

    fn perform(&mut self, actions: Vec<Action>) -> Result<(), Error> {
        for action in actions {
            self.perform_one(action)?;
        }
        Ok(())
    }

    /// Writes the batch: state, position and effects together.
    fn commit(&mut self) -> Result<(), Error> {
        self.commit_batch()?;
        self.profiles.shrink();
        Ok(())
    }

    /// Writes what has been done so far. Only called between two records (or
    /// before anything of the record in hand is done), so that a crash behind
    /// it takes the record up whole.
    fn commit_batch(&mut self) -> Result<(), Error> {
        let batch = &mut self.batch;
        self.profiles.commit_changed(|profile| {
            batch.put(Table::Profiles, profile.key.place(), profile.encode());
        });
        for (key, before, after) in self.profiles.take_timers() {
            if before != Timestamp::MAX {
                self.batch.delete(Table::Timers, timers::timer_key(self.partition, before, &key));
            }
            if after != Timestamp::MAX {
                self.batch.put(Table::Timers, timers::timer_key(self.partition, after, &key), Vec::new());
            }
        }
        self.position.save(self.partition, &mut self.batch);
        // The next is likely to be as large.
        let next = Batch::with_capacity(self.batch.writes.len());
        self.store.commit(std::mem::replace(&mut self.batch, next))?;
        self.fresh_forwards.clear();
        self.fresh_deliveries.clear();
        self.forgets = false;
        Ok(())
    }
}
