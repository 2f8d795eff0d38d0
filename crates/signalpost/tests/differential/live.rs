//! The live side: profiles that the core's step brings forward, input by
//! input, and by the clock where nothing comes in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use signalpost_core::event::Event;
use signalpost_core::id::{AnonymousId, CustomerId, EventId, ProfileKey};
use signalpost_core::profile::{Moment, Profile};
use signalpost_core::program::{Change, Defined, Program};
use signalpost_core::step::{self, Action, MembershipCause, MembershipChange};
use signalpost_core::time::Timestamp;

use crate::case::Happened;
use crate::language::{PROPERTIES, TRAITS};

/// What the lake must be told of.
#[derive(Debug)]
pub(crate) enum Told {
    Event(Arc<Event>),
    Derived(Arc<Event>),
    Retracted(EventId),
    Linked(AnonymousId, CustomerId, Timestamp),
}

/// All profiles, as one partition's worker holds them.
#[derive(Debug, Default)]
pub(crate) struct Live {
    pub(crate) program: Program,
    pub(crate) profiles: BTreeMap<ProfileKey, Profile>,
    timelines: BTreeMap<ProfileKey, Vec<(Moment, Event)>>,
    owners: BTreeMap<AnonymousId, CustomerId>,
    seen: BTreeSet<String>,
    sequence: u64,
    pub(crate) told: Vec<Told>,
    pub(crate) changes: Vec<MembershipChange>,
}

impl Live {
    pub(crate) fn new(sequences: &[String]) -> Self {
        let mut live = Self::default();
        for text in sequences {
            let what = Defined::Sequence { text: text.clone() };
            live.program.apply(&Change { at: Timestamp::MIN, what }).unwrap();
        }
        live
    }

    /// Defines a segment; everybody is folded anew.
    pub(crate) fn define(&mut self, name: &str, text: &str, now: Timestamp) -> Result<(), String> {
        let what = Defined::Segment {
            name: name.into(),
            version: 1,
            text: text.into(),
            traits: TRAITS.iter().map(|name| (*name).into()).collect(),
            properties: PROPERTIES.iter().map(|name| (*name).into()).collect(),
        };
        self.program.apply(&Change { at: now, what }).map_err(|error| error.to_string())?;
        for key in self.profiles.keys().cloned().collect::<Vec<_>>() {
            let mut actions = Vec::new();
            if let Some(profile) = self.profiles.get_mut(&key) {
                let timeline = self.timelines.get(&key).cloned().unwrap_or_default();
                step::refold(profile, &self.program, timeline, now, &mut actions);
            }
            self.perform(actions, now);
        }
        Ok(())
    }

    /// The instant at which something is due next.
    pub(crate) fn next_due(&self) -> Timestamp {
        self.profiles.values().map(Profile::next_due).min().unwrap_or(Timestamp::MAX)
    }

    /// Lets everything happen that is due until `now`, in order.
    pub(crate) fn advance(&mut self, now: Timestamp) {
        while let Some(key) = self.due(now) {
            let mut actions = Vec::new();
            let due = match self.profiles.get_mut(&key) {
                Some(profile) => {
                    let due = profile.next_due();
                    step::advance(profile, &self.program, due, &mut actions);
                    due
                }
                None => now,
            };
            self.perform(actions, due);
        }
    }

    fn due(&self, now: Timestamp) -> Option<ProfileKey> {
        let due = self.profiles.values().filter(|profile| profile.next_due() <= now);
        due.min_by_key(|profile| profile.next_due()).map(|profile| profile.key.clone())
    }

    /// An event comes in; one that came before is left out.
    pub(crate) fn take(&mut self, happened: &Happened, now: Timestamp) {
        if !self.seen.insert(happened.id.clone()) {
            return;
        }
        let event = happened.event(now);
        self.told.push(Told::Event(Arc::new(event.clone())));
        let Some(mut key) = event.profile_key() else { return };
        if let ProfileKey::Anonymous(id) = &key
            && let Some(owner) = self.owners.get(id)
        {
            key = ProfileKey::Customer(owner.clone());
        }
        self.sequence += 1;
        let sequence = self.sequence;
        let moment = Moment { timestamp: event.timestamp, sequence };
        self.timelines.entry(key.clone()).or_default().push((moment, event.clone()));
        let mut actions = Vec::new();
        let profile = profile_of(&mut self.profiles, &self.program, key);
        // As the store keeps it between two steps.
        *profile = Profile::decode(&profile.encode()).unwrap();
        step::apply(profile, &self.program, &event, sequence, now, &mut actions);
        self.perform(actions, now);
    }

    /// Forgets a person and their devices; answers which these were.
    pub(crate) fn erase(&mut self, customer: &str, now: Timestamp) -> Vec<String> {
        let key = ProfileKey::Customer(customer.into());
        let mut exits = Vec::new();
        if let Some(mut left) = self.profiles.remove(&key) {
            step::dissolve(&mut left, &self.program, &MembershipCause::Erasure, now, &mut exits);
        }
        self.timelines.remove(&key);
        let ended = exits.iter().filter(|action| match action {
            Action::Membership(exit) => !exit.entered && exit.cause == MembershipCause::Erasure,
            _ => false,
        });
        let open = self.changes.iter().filter(|change| change.profile == key);
        let open = open.map(|change| if change.entered { 1 } else { -1 }).sum::<i32>();
        assert_eq!(usize::try_from(open), Ok(ended.count()), "an erasure ends the stays of {customer}");
        self.changes.retain(|change| change.profile != key);
        let theirs = |owner: &CustomerId| owner.as_str() == customer;
        let devices = self.owners.iter().filter(|(_, owner)| theirs(owner));
        let devices: Vec<String> = devices.map(|(device, _)| device.to_string()).collect();
        self.owners.retain(|_, owner| owner.as_str() != customer);
        devices
    }

    fn perform(&mut self, actions: Vec<Action>, now: Timestamp) {
        // A link goes by the log: what else its event did comes first.
        let is_link = |action: &Action| matches!(action, Action::Link { .. });
        let (links, own): (Vec<_>, Vec<_>) = actions.into_iter().partition(is_link);
        for action in own.into_iter().chain(links) {
            match action {
                Action::Membership(change) => self.changes.push(change),
                Action::Derive(event) => self.told.push(Told::Derived(Arc::new(event))),
                Action::Retract(id) => self.told.push(Told::Retracted(id)),
                Action::Link { anonymous_id, customer_id } => self.link(&anonymous_id, &customer_id, now),
                Action::Deliver(_) => {}
            }
        }
    }

    /// The device's history becomes the person's.
    fn link(&mut self, device: &AnonymousId, customer: &CustomerId, now: Timestamp) {
        if self.owners.contains_key(device) {
            return;
        }
        self.owners.insert(device.clone(), customer.clone());
        self.told.push(Told::Linked(device.clone(), customer.clone(), now));
        let key = ProfileKey::Anonymous(device.clone());
        let Some(mut left) = self.profiles.remove(&key) else { return };
        let fired = step::fired(&left, &self.program);
        let mut actions = Vec::new();
        step::dissolve(&mut left, &self.program, &MembershipCause::Merge, now, &mut actions);
        let owner = ProfileKey::Customer(customer.clone());
        let mut history = Vec::new();
        for (moment, event) in self.timelines.remove(&key).unwrap_or_default() {
            self.sequence += 1;
            history.push((Moment { sequence: self.sequence, ..moment }, event));
        }
        self.timelines.entry(owner.clone()).or_default().extend(history.iter().cloned());
        let profile = profile_of(&mut self.profiles, &self.program, owner);
        step::adopt(profile, &self.program, history, &fired, now, &mut actions);
        self.perform(actions, now);
    }

    /// Known people in the segment of that name.
    pub(crate) fn members(&self, name: &str) -> BTreeSet<String> {
        let Some(segment) = self.program.segment(name) else { return BTreeSet::new() };
        let members = self.profiles.values().filter(|profile| profile.is_member(segment.id));
        members.filter_map(|profile| profile.key.customer_id()).map(ToString::to_string).collect()
    }

    /// Every known person, folded anew in order from what has come in by now.
    pub(crate) fn folded(&self, now: Timestamp) -> Vec<Profile> {
        let known = self.timelines.iter().filter(|(key, _)| key.customer_id().is_some());
        let fold = |(key, timeline): (&ProfileKey, &Vec<(Moment, Event)>)| {
            let mut timeline = timeline.clone();
            timeline.sort_by_key(|(moment, _)| *moment);
            let mut profile = Profile::new(key.clone());
            step::refold(&mut profile, &self.program, timeline, now, &mut Vec::new());
            profile
        };
        known.map(fold).collect()
    }
}

fn profile_of<'a>(
    profiles: &'a mut BTreeMap<ProfileKey, Profile>,
    program: &Program,
    key: ProfileKey,
) -> &'a mut Profile {
    profiles.entry(key.clone()).or_insert_with(|| {
        let mut profile = Profile::new(key);
        profile.program_version = program.version;
        profile
    })
}
