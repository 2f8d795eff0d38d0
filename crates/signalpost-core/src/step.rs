//! The step: `(profile, input, now) → (profile', actions)`.
//!
//! In: one event, or the clock. Out: the changed profile and the list of what
//! the outside must do. Nothing is fetched and nothing is sent here; the same
//! inputs in the same order give the same profile and the same actions.

mod evaluate;
mod play;
mod sequence;
mod subject;
#[cfg(test)]
mod tests;
mod widen;

use std::sync::Arc;

use crate::campaign::{self, Campaign, Cause, Delivery, Trigger};
use crate::event::Event;
use crate::id::{AnonymousId, CustomerId, EventId, ProfileKey, SegmentName};
use crate::profile::{Moment, Profile, ProfileRow};
use crate::program::{Program, Segment};
use crate::segment::TypeName;
use crate::time::{Span, Timestamp};

use evaluate::Reason;

use serde::{Deserialize, Serialize};

pub use play::play;
pub use subject::ProfileSubject;
pub use widen::widen;

/// Why a membership began or ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MembershipCause {
    /// An event arrived.
    Event(EventId),
    /// Time passed.
    Clock,
    /// The segment was defined, changed or removed.
    Definition,
    /// Two profiles became one.
    Merge,
    /// A run of the segment's query.
    Refresh {
        /// Its number, from 1.
        run: u64,
        /// Whether it is the first of the segment's version, which describes who
        /// is in as a definition does.
        first: bool,
    },
    /// The person was forgotten, as they asked.
    Erasure,
}

/// A membership began or ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MembershipChange {
    /// Whose.
    pub profile: ProfileKey,
    /// The segment's number.
    pub segment_id: u32,
    /// The segment's name.
    pub segment: SegmentName,
    /// The version of its definition.
    pub version: u32,
    /// `true` for an entry, `false` for an exit.
    pub entered: bool,
    /// The exact instant.
    pub at: Timestamp,
    /// Why.
    pub cause: MembershipCause,
}

/// What the outside must do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Record and publish a change of membership.
    Membership(MembershipChange),
    /// Record a decision, and deliver when it says so.
    Deliver(Delivery),
    /// A derived event came to be; it is in the profile already.
    Derive(Event),
    /// A derived event no longer holds: what it waited for came late.
    Retract(EventId),
    /// This device is now known to be this person's: bring its history.
    Link {
        /// The device.
        anonymous_id: AnonymousId,
        /// The person.
        customer_id: CustomerId,
    },
}

/// Takes in one event at `now`, which is not before any earlier input.
///
/// The caller has advanced the profile to `now` first. An event that does not
/// [count](Event::counts) changes nothing.
pub fn apply(
    profile: &mut Profile,
    program: &Program,
    event: &Event,
    sequence: u64,
    now: Timestamp,
    actions: &mut Vec<Action>,
) {
    if !event.counts() {
        return;
    }
    drop_shown_rows(profile, program);
    if let (Some(id), Some(customer_id)) = (&event.anonymous_id, profile.key.customer_id())
        && !profile.anonymous_ids.contains(id)
    {
        actions.push(Action::Link { anonymous_id: id.clone(), customer_id: customer_id.clone() });
        profile.anonymous_ids.push(id.clone());
    }
    let moment = Moment { timestamp: event.timestamp, sequence };
    if event.timestamp > now {
        let index = profile.future.partition_point(|(held, _)| *held < moment);
        profile.future.insert(index, (moment, event.clone()));
        // Somebody who is only known by what is yet to come is there already.
        if profile.unevaluated {
            let cause = MembershipCause::Event(event.event_id.clone());
            evaluate_all(profile, program, now, &cause, actions);
        }
        return;
    }
    let before = actions.len();
    take_in(profile, program, event, moment, now, actions);
    // A start that arrives late may be due already.
    let derived = sequence::fire(profile, program, now, actions);
    let reason = Reason::Event(event);
    let happened = || std::iter::once(event).chain(&derived);
    if has_retracted(actions, before) {
        evaluate::all(profile, program, now, reason, actions);
    } else {
        evaluate::touched(profile, program, now, reason, happened(), actions);
    }
    // What follows at once from history is history too.
    if !event.is_imported() {
        for happened in happened() {
            on_event(profile, program, happened, now, actions);
        }
    }
}

/// Brings the profile forward to `now`: everything due until then happens at
/// its own instant, in order.
pub fn advance(profile: &mut Profile, program: &Program, now: Timestamp, actions: &mut Vec<Action>) {
    drop_shown_rows(profile, program);
    while profile.next_due() <= now {
        let due = profile.next_due();
        let before = actions.len();
        let mut happened = Vec::new();
        while profile.future.first().is_some_and(|(moment, _)| moment.timestamp <= due) {
            let (moment, event) = profile.future.remove(0);
            take_in(profile, program, &event, moment, due, actions);
            happened.push(event);
        }
        happened.extend(sequence::fire(profile, program, due, actions));
        let reason = happened.last().map_or(Reason::Cause(&MembershipCause::Clock), Reason::Event);
        if has_retracted(actions, before) {
            evaluate::all(profile, program, due, reason, actions);
        } else {
            evaluate::touched(profile, program, due, reason, happened.iter(), actions);
        }
        for event in happened.iter().filter(|event| !event.is_imported()) {
            on_event(profile, program, event, due, actions);
        }
    }
}

/// Whether an action from `before` on takes a derived event back.
fn has_retracted(actions: &[Action], before: usize) -> bool {
    actions.iter().skip(before).any(|action| matches!(action, Action::Retract(_)))
}

/// Evaluates every segment, for no event.
fn evaluate_all(
    profile: &mut Profile,
    program: &Program,
    now: Timestamp,
    cause: &MembershipCause,
    actions: &mut Vec<Action>,
) {
    evaluate::all(profile, program, now, Reason::Cause(cause), actions);
}

/// Makes the profile's caches anew from its timeline, after the program
/// changed, and evaluates every segment at the instant of the change.
///
/// `timeline` is every event of the profile, in any order. Derived events are
/// made anew too; only what differs from before becomes an action.
///
/// The profile can then be explained: until something else happens to it, it
/// also holds the rows that explanations name and evaluation does without.
pub fn refold(
    profile: &mut Profile,
    program: &Program,
    timeline: impl IntoIterator<Item = (Moment, Event)>,
    now: Timestamp,
    actions: &mut Vec<Action>,
) {
    let known = sequence::fired_ids(profile, program);
    let mut fresh = Profile::new(profile.key.clone());
    fresh.anonymous_ids = std::mem::take(&mut profile.anonymous_ids);
    fresh.memberships = std::mem::take(&mut profile.memberships);
    fresh.contacts = std::mem::take(&mut profile.contacts);
    fresh.consents = std::mem::take(&mut profile.consents);
    fresh.timer = profile.timer;
    fresh.explainable = true;
    *profile = fresh;
    take_in_all(profile, program, timeline, now, &known, actions);
    profile.program_version = program.version;
    evaluate_all(profile, program, now, &MembershipCause::Definition, actions);
}

/// Evaluates every segment after the program changed, for a profile that lacks
/// nothing: see [`Program::lacking`].
pub fn redefined(profile: &mut Profile, program: &Program, now: Timestamp, actions: &mut Vec<Action>) {
    drop_shown_rows(profile, program);
    profile.program_version = program.version;
    evaluate_all(profile, program, now, &MembershipCause::Definition, actions);
}

/// Takes over the history of a device that is now known to be this person's.
///
/// `fired` names the derived events the device's profile had made already.
pub fn adopt(
    profile: &mut Profile,
    program: &Program,
    history: impl IntoIterator<Item = (Moment, Event)>,
    fired: &[EventId],
    now: Timestamp,
    actions: &mut Vec<Action>,
) {
    drop_shown_rows(profile, program);
    let mut known = sequence::fired_ids(profile, program);
    known.extend_from_slice(fired);
    take_in_all(profile, program, history, now, &known, actions);
    evaluate_all(profile, program, now, &MembershipCause::Merge, actions);
}

/// Moves the profile into or out of a segment whose members come from runs of a
/// query, and judges the segments that ask for it.
///
/// Nothing happens when it is so already, or the segment is live.
pub fn refreshed(
    profile: &mut Profile,
    program: &Program,
    segment: &Segment,
    member: bool,
    cause: &MembershipCause,
    now: Timestamp,
    actions: &mut Vec<Action>,
) {
    if segment.is_live() || profile.is_member(segment.id) == member {
        return;
    }
    drop_shown_rows(profile, program);
    evaluate::moved(profile, program, segment, member, now, cause, actions);
}

/// The ids of the derived events a profile has made so far.
pub fn fired(profile: &Profile, program: &Program) -> Vec<EventId> {
    sequence::fired_ids(profile, program)
}

/// Ends every membership of a profile that is about to become another's, or to be
/// forgotten.
pub fn dissolve(
    profile: &mut Profile,
    program: &Program,
    cause: &MembershipCause,
    now: Timestamp,
    actions: &mut Vec<Action>,
) {
    for held in std::mem::take(&mut profile.memberships) {
        actions.push(Action::Membership(MembershipChange {
            profile: profile.key.clone(),
            segment_id: held.segment,
            segment: program.segment_name(held.segment),
            version: held.version,
            entered: false,
            at: now,
            cause: cause.clone(),
        }));
    }
}

/// Folds many events at once; of the derived events only those that are not
/// in `known` become actions, and those of `known` that no longer hold are
/// taken back.
fn take_in_all(
    profile: &mut Profile,
    program: &Program,
    timeline: impl IntoIterator<Item = (Moment, Event)>,
    now: Timestamp,
    known: &[EventId],
    actions: &mut Vec<Action>,
) {
    let mut made = Vec::new();
    for (moment, event) in timeline.into_iter().filter(|(_, event)| event.counts()) {
        if moment.timestamp > now {
            let index = profile.future.partition_point(|(held, _)| *held < moment);
            profile.future.insert(index, (moment, event));
        } else {
            take_in(profile, program, &event, moment, now, &mut made);
        }
    }
    // What was made along the way is judged by how it ends, below.
    made.clear();
    let before = sequence::fired_ids(profile, program);
    for event in sequence::fire(profile, program, now, &mut made) {
        if !known.contains(&event.event_id) && !before.contains(&event.event_id) {
            actions.push(Action::Derive(event));
        }
    }
    let after = sequence::fired_ids(profile, program);
    actions.extend(known.iter().filter(|id| !after.contains(id)).cloned().map(Action::Retract));
}

/// Folds one event whose time has come, and keeps what segments need of it.
fn take_in(
    profile: &mut Profile,
    program: &Program,
    event: &Event,
    moment: Moment,
    now: Timestamp,
    actions: &mut Vec<Action>,
) {
    profile.fold(event, moment);
    insert_row(profile, program, event, moment, now);
    sequence::observe(profile, program, event, moment, actions);
}

/// Keeps what segments need of an event, and drops what none can see any more.
fn insert_row(profile: &mut Profile, program: &Program, event: &Event, moment: Moment, now: Timestamp) {
    let Some((name, kept)) = program.rows.of(&event.event_type) else { return };
    if kept.latest.is_some() && !profile.explainable {
        return;
    }
    let name = name.map_or_else(|| TypeName::from(&*event.event_type), |name| Arc::clone(name).into());
    let row = ProfileRow::cut(event, moment, name, &kept.columns);
    let index = profile.rows.partition_point(|held| held.moment < moment);
    profile.rows.insert(index, row);
    if let Some(latest) = kept.latest {
        let mut alike = (0..).zip(&profile.rows).filter(|(_, row)| *row.event_type == *event.event_type);
        let oldest = alike.next().map(|(index, _)| index);
        if let (Some(oldest), true) = (oldest, alike.count() >= latest) {
            profile.rows.remove(oldest);
        }
    }
    prune(profile, program, now);
}

/// Drops the rows that only explanations show.
fn drop_shown_rows(profile: &mut Profile, program: &Program) {
    if std::mem::take(&mut profile.explainable) {
        profile
            .rows
            .retain(|row| program.rows.of(&row.event_type).is_some_and(|(_, kept)| kept.latest.is_none()));
    }
}

/// Drops rows that no segment can see any more: the oldest at once, those
/// behind others as often as the rows have doubled, so that the cost is spread.
fn prune(profile: &mut Profile, program: &Program, now: Timestamp) {
    let outlived = |row: &ProfileRow| {
        program.rows.of(&row.event_type).is_none_or(|(_, kept)| {
            kept.lookback.is_some_and(|span| row.moment.timestamp < now - span - Span::SECOND)
        })
    };
    let count = profile.rows.len();
    if count > 8 && count.is_power_of_two() {
        profile.rows.retain(|row| !outlived(row));
    } else if count > 8 {
        let oldest = profile.rows.iter().take_while(|row| outlived(row)).count();
        profile.rows.drain(..oldest);
    }
}

fn on_event(
    profile: &mut Profile,
    program: &Program,
    event: &Event,
    now: Timestamp,
    actions: &mut Vec<Action>,
) {
    for (id, campaign) in &program.campaigns {
        if matches!(&campaign.trigger, Trigger::Event { event_type } if *event_type == event.event_type) {
            let key = format!("event {}", event.event_id);
            deliver(profile, program, *id, campaign, &key, Some(event), now, actions);
        }
    }
}

/// Decides a scheduled or one-time message to this person, at `now`.
pub fn scheduled(
    profile: &mut Profile,
    program: &Program,
    campaign_id: u32,
    campaign: &Campaign,
    now: Timestamp,
    actions: &mut Vec<Action>,
) {
    let key = format!("schedule {now}");
    deliver(profile, program, campaign_id, campaign, &key, None, now, actions);
}

#[expect(clippy::too_many_arguments, reason = "the decision needs all of them and holds none")]
fn deliver(
    profile: &mut Profile,
    program: &Program,
    campaign_id: u32,
    campaign: &Campaign,
    key: &str,
    event: Option<&Event>,
    now: Timestamp,
    actions: &mut Vec<Action>,
) {
    let in_audience = campaign
        .audience
        .as_ref()
        .is_none_or(|name| program.segment(name).is_some_and(|segment| profile.is_member(segment.id)));
    // A visitor nobody knows has no address; deciding on each would only fill the record.
    if !campaign.active || !in_audience || profile.key.customer_id().is_none() {
        return;
    }
    let cause = Cause {
        key,
        event_id: event.map(|event| event.event_id.as_str()),
        caused_at: event.map_or(now, |event| event.received_at),
    };
    actions.push(Action::Deliver(campaign::decide(profile, campaign_id, campaign, &cause, now)));
}
