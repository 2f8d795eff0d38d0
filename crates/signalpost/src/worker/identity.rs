//! Devices become people: the anonymous history counts afterwards.
//!
//! The person's partition asks the device's partition (`Link`); that one leaves
//! a pointer, gives its timeline back (`Adopt`), and from then on passes the
//! device's events over (`Forward`).

use signalpost_core::event::Event;
use signalpost_core::id::{AnonymousId, CustomerId, EventId, ProfileKey};
use signalpost_core::profile::{Moment, Profile};
use signalpost_core::step::{self, MembershipCause};
use signalpost_core::time::Timestamp;

use super::effect::IdentityRow;
use super::timeline::timeline_key;
use super::{Error, Worker};
use crate::log::{Log, Message};
use crate::state::{self, Store, Table};

/// Events in one message of adoption at most.
const ADOPT_EVENTS_MAX: usize = 500;

impl<S: Store, L: Log> Worker<S, L> {
    /// Whose the device is, when it was linked.
    pub(super) fn forward_of(&self, id: &AnonymousId) -> Result<Option<CustomerId>, Error> {
        if let Some(customer) = self.fresh_forwards.get(id) {
            return Ok(Some(customer.clone()));
        }
        Ok(self.owners_of(id)?.into_iter().next())
    }

    /// Whose the device is and was, the latest first, as the store has it.
    pub(super) fn owners_of(&self, id: &AnonymousId) -> Result<Vec<CustomerId>, Error> {
        let Some(bytes) = self.store.get(Table::Forwards, id.as_str().as_bytes())? else {
            return Ok(Vec::new());
        };
        // The latest alone when there was no other.
        let mut owners: Vec<CustomerId> = vec![state::decode(Table::Forwards, &bytes)?];
        if let Ok((_, earlier)) = state::decode::<(CustomerId, Vec<CustomerId>)>(Table::Forwards, &bytes) {
            owners.extend(earlier);
        }
        Ok(owners)
    }

    /// Sets whose the device is and was, the latest first.
    pub(super) fn set_owners(&mut self, id: &AnonymousId, owners: &[CustomerId]) {
        let key = id.as_str().as_bytes().to_vec();
        match owners {
            [] => self.batch.delete(Table::Forwards, key),
            [owner] => self.batch.put(Table::Forwards, key, state::encode(owner)),
            [owner, earlier @ ..] => {
                self.batch.put(Table::Forwards, key, state::encode(&(owner, earlier)));
            }
        }
    }

    pub(super) fn take_message(&mut self, message: &Message) -> Result<(), Error> {
        match message {
            Message::Link { anonymous_id, customer_id } => self.give_up_device(anonymous_id, customer_id),
            Message::Adopt { customer_id, events, fired } => self.adopt(customer_id, events, fired),
            Message::Forward { customer_id, event } => {
                self.apply_event(&ProfileKey::Customer(customer_id.clone()), event)
            }
            Message::Release { anonymous_id, customer_id, erasure } => {
                self.release_device(anonymous_id, customer_id, *erasure)
            }
            Message::Released { erasure, anonymous_id, reach, .. } => {
                self.take_released(*erasure, anonymous_id, *reach)
            }
        }
    }

    /// The device's profile ends; its events go to the person.
    fn give_up_device(&mut self, anonymous_id: &AnonymousId, customer_id: &CustomerId) -> Result<(), Error> {
        let mut owners = self.owners_of(anonymous_id)?;
        owners.retain(|owner| owner != customer_id);
        owners.insert(0, customer_id.clone());
        self.set_owners(anonymous_id, &owners);
        self.fresh_forwards.insert(anonymous_id.clone(), customer_id.clone());
        self.record_identity(IdentityRow {
            anonymous_id: anonymous_id.clone(),
            customer_id: customer_id.clone(),
            linked_at: self.position.now,
        });
        let key = ProfileKey::Anonymous(anonymous_id.clone());
        // What automatons did stands in a timeline without a profile.
        let fired = match self.load_existing(&key)? {
            Some(profile) => self.dissolve(profile, &MembershipCause::Merge)?,
            None => Vec::new(),
        };
        let timeline = self.timeline(&key)?;
        for (moment, _) in &timeline {
            self.batch.delete(Table::Timeline, timeline_key(&key, *moment));
        }
        let events: Vec<Event> = timeline.into_iter().map(|(_, event)| event).collect();
        let chunks = events.chunks(ADOPT_EVENTS_MAX).count().max(1);
        for (index, chunk) in events.chunks(ADOPT_EVENTS_MAX).enumerate() {
            // What the device's rules had made is judged when all of it is there.
            let fired = if index + 1 == chunks { fired.clone() } else { Vec::new() };
            self.relay(Message::Adopt { customer_id: customer_id.clone(), events: chunk.to_vec(), fired });
        }
        Ok(())
    }

    /// Ends a profile; tells the derived events that its rules had made.
    pub(super) fn dissolve(
        &mut self,
        mut profile: Box<Profile>,
        cause: &MembershipCause,
    ) -> Result<Vec<EventId>, Error> {
        let fired = step::fired(&profile, &self.program);
        let mut actions = Vec::new();
        step::dissolve(&mut profile, &self.program, cause, self.position.now, &mut actions);
        self.perform(actions)?;
        self.set_timer(&mut profile, Timestamp::MAX);
        self.profiles.forget(&profile.key);
        self.position.count_profile(&profile.key, -1);
        self.batch.delete(Table::Profiles, profile.key.place());
        Ok(fired)
    }

    fn adopt(&mut self, customer_id: &CustomerId, events: &[Event], fired: &[EventId]) -> Result<(), Error> {
        let key = ProfileKey::Customer(customer_id.clone());
        let mut profile = self.load(&key)?;
        let mut history = Vec::with_capacity(events.len());
        for event in events {
            let moment = Moment { timestamp: event.timestamp, sequence: self.position.next_sequence() };
            self.batch.put(Table::Timeline, timeline_key(&key, moment), state::encode(event));
            history.push((moment, event.clone()));
        }
        let mut actions = Vec::new();
        step::adopt(&mut profile, &self.program, history, fired, self.position.now, &mut actions);
        self.keep(profile);
        self.perform(actions)
    }
}
