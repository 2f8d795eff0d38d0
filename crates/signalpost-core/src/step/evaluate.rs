//! Membership: who enters and who leaves, after an event or by the clock.
//!
//! In: a profile whose folds are done, and what happened. Out: its memberships
//! and its horizon, and an action for each entry and exit. An event mostly
//! concerns few segments, and so does the clock; the answers of the others hold
//! until the horizon they gave when they were last asked.

use super::{Action, MembershipCause, MembershipChange, ProfileSubject, deliver};
use crate::campaign::Trigger;
use crate::event::Event;
use crate::profile::{Membership, Profile};
use crate::program::{Program, Segment};
use crate::time::Timestamp;

/// Passes over the segments at most this often, where some ask in a circle.
const PASSES_MAX: usize = 4;

/// Why memberships change.
#[derive(Clone, Copy)]
pub(super) enum Reason<'a> {
    /// By an event, which campaigns are told of.
    Event(&'a Event),
    /// Otherwise.
    Cause(&'a MembershipCause),
}

impl<'a> Reason<'a> {
    fn cause(self) -> MembershipCause {
        match self {
            Self::Event(event) => MembershipCause::Event(event.event_id.clone()),
            Self::Cause(cause) => cause.clone(),
        }
    }

    fn event(self) -> Option<&'a Event> {
        match self {
            Self::Event(event) => Some(event),
            Self::Cause(_) => None,
        }
    }
}

/// Whether every segment's answer is known and holds at `now`, save for what
/// has happened since and for those whose instant has come, and none asks for
/// its own members.
fn is_current(profile: &Profile, program: &Program, now: Timestamp) -> bool {
    !profile.unevaluated
        && profile.program_version == program.version
        && profile.waits.others() > now
        && !program.readers.are_circular()
}

/// Evaluates at `now` the segments that events folded in just now can move the
/// profile into or out of, and those whose instant has come.
///
/// `happened` are these events, with what was derived from them.
pub(super) fn touched<'e>(
    profile: &mut Profile,
    program: &Program,
    now: Timestamp,
    reason: Reason<'_>,
    happened: impl Iterator<Item = &'e Event>,
    actions: &mut Vec<Action>,
) {
    let due: Option<Vec<usize>> = profile.waits.due(now).map(|id| program.place_of(id)).collect();
    match due {
        Some(due) if is_current(profile, program, now) => {
            let places = program.readers.of(happened, due.into_iter());
            in_order(profile, program, &places, now, reason, actions);
        }
        _ => all(profile, program, now, reason, actions),
    }
}

/// Evaluates every segment at `now`, and records entries and exits.
pub(super) fn all(
    profile: &mut Profile,
    program: &Program,
    now: Timestamp,
    reason: Reason<'_>,
    actions: &mut Vec<Action>,
) {
    profile.waits.all_at(Timestamp::MAX);
    if program.readers.are_circular() {
        together(profile, program, now, reason, actions);
    } else {
        in_order(profile, program, program.readers.order(), now, reason, actions);
    }
    profile.unevaluated = false;
    leave_removed(profile, program, now, actions);
}

/// Moves the profile into or out of one segment that is not live, and judges
/// those that ask for it.
pub(super) fn moved(
    profile: &mut Profile,
    program: &Program,
    segment: &Segment,
    member: bool,
    now: Timestamp,
    cause: &MembershipCause,
    actions: &mut Vec<Action>,
) {
    let reason = Reason::Cause(cause);
    set_member(profile, segment, member, now);
    switch(profile, program, segment, member, now, reason, actions);
    match program.place_of(segment.id) {
        Some(place) if is_current(profile, program, now) && profile.waits.next() > now => {
            in_order(profile, program, program.readers.askers_of(place), now, reason, actions);
        }
        _ => all(profile, program, now, reason, actions),
    }
}

fn set_member(profile: &mut Profile, segment: &Segment, member: bool, now: Timestamp) {
    if member {
        profile.enter(Membership { segment: segment.id, entered_at: now, version: segment.version });
    } else {
        profile.leave(segment.id);
    }
}

/// Evaluates segments, each after those whose members it asks for.
fn in_order(
    profile: &mut Profile,
    program: &Program,
    places: &[usize],
    now: Timestamp,
    reason: Reason<'_>,
    actions: &mut Vec<Action>,
) {
    let mut changed = Vec::new();
    let segments = places.iter().filter_map(|place| program.segments.get(*place));
    for segment in segments.filter(|segment| segment.is_live()) {
        let (member, until) = segment.compiled.is_member(&ProfileSubject { profile, program }, now);
        // Always later than now, or a faulty predicate could hold the clock for
        // ever.
        profile.waits.set(segment.id, until.max(now.next()));
        if member == profile.is_member(segment.id) {
            continue;
        }
        changed.push((segment, member));
        set_member(profile, segment, member, now);
    }
    profile.waits.settle();
    changed.sort_unstable_by_key(|(segment, _)| segment.id);
    // Told once all have moved: a campaign may ask for its audience.
    for (segment, member) in changed {
        switch(profile, program, segment, member, now, reason, actions);
    }
}

/// Evaluates all segments where some ask for their own members, until nothing
/// changes.
fn together(
    profile: &mut Profile,
    program: &Program,
    now: Timestamp,
    reason: Reason<'_>,
    actions: &mut Vec<Action>,
) {
    let before = profile.memberships.clone();
    let held = |segment: &Segment| before.iter().find(|held| held.segment == segment.id);
    let mut horizon = Timestamp::MAX;
    for pass in 0..PASSES_MAX {
        let mut changed = false;
        for segment in program.segments.iter().filter(|segment| segment.is_live()) {
            let outcome = segment.compiled.evaluate(&ProfileSubject { profile, program }, now);
            if pass == 0 || outcome.horizon > now {
                horizon = horizon.min(outcome.horizon);
            }
            let member = outcome.value == Some(true);
            if member == profile.is_member(segment.id) {
                continue;
            }
            changed = true;
            if member {
                let fresh = Membership { segment: segment.id, entered_at: now, version: segment.version };
                profile.enter(held(segment).cloned().unwrap_or(fresh));
            } else {
                profile.leave(segment.id);
            }
        }
        if !changed {
            break;
        }
    }
    // Later than now, as in [`in_order`].
    profile.waits.all_at(horizon.max(now.next()));
    // Told once all segments are judged: one that names another may have gone
    // back and forth on the way.
    for segment in &program.segments {
        let member = profile.is_member(segment.id);
        if member != held(segment).is_some() {
            switch(profile, program, segment, member, now, reason, actions);
        }
    }
}

fn switch(
    profile: &mut Profile,
    program: &Program,
    segment: &Segment,
    member: bool,
    now: Timestamp,
    reason: Reason<'_>,
    actions: &mut Vec<Action>,
) {
    let (cause, event) = (reason.cause(), reason.event());
    // A new definition describes who is in, and an import what was: neither is a
    // reason to write to them.
    let describes =
        matches!(cause, MembershipCause::Definition | MembershipCause::Refresh { first: true, .. });
    actions.push(Action::Membership(MembershipChange {
        profile: profile.key.clone(),
        segment_id: segment.id,
        segment: segment.name.clone(),
        version: segment.version,
        entered: member,
        at: now,
        cause,
    }));
    if describes || event.is_some_and(Event::is_imported) {
        return;
    }
    for (id, campaign) in &program.campaigns {
        let wanted = match &campaign.trigger {
            Trigger::Enter { segment: name } => member && **name == *segment.name.as_str(),
            Trigger::Exit { segment: name } => !member && **name == *segment.name.as_str(),
            _ => false,
        };
        if wanted {
            let word = if member { "entered" } else { "left" };
            let key = format!("{word} {} at {now}", segment.name);
            deliver(profile, program, *id, campaign, &key, event, now, actions);
        }
    }
}

/// Ends memberships of segments that are no longer defined.
fn leave_removed(profile: &mut Profile, program: &Program, now: Timestamp, actions: &mut Vec<Action>) {
    let key = profile.key.clone();
    profile.memberships.retain(|held| {
        let defined = program.segment_by_id(held.segment).is_some();
        if !defined {
            actions.push(Action::Membership(MembershipChange {
                profile: key.clone(),
                segment_id: held.segment,
                segment: program.segment_name(held.segment),
                version: held.version,
                entered: false,
                at: now,
                cause: MembershipCause::Definition,
            }));
        }
        defined
    });
}
