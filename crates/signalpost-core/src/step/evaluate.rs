//! Membership: who enters and who leaves, after an event or by the clock.
//!
//! In: a profile whose folds are done, and what happened. Out: its memberships
//! and its horizon, and an action for each entry and exit. An event mostly
//! concerns few segments; the answers of the others hold until the horizon
//! they gave when they were last asked.

use super::{Action, MembershipCause, MembershipChange, ProfileSubject, deliver};
use crate::campaign::Trigger;
use crate::event::Event;
use crate::profile::{Membership, Profile};
use crate::program::{Program, Segment};
use crate::time::Timestamp;

/// Passes over the segments at most this often, where some ask in a circle.
const PASSES_MAX: usize = 4;

/// Whether every segment's answer is known and holds at `now`, save for what
/// has happened since, and none asks for its own members.
pub(super) fn is_current(profile: &Profile, program: &Program, now: Timestamp) -> bool {
    !profile.unevaluated
        && profile.program_version == program.version
        && profile.horizon > now
        && !program.readers.are_circular()
}

/// Evaluates at `now` the segments that `event`, folded in just now and with
/// nothing derived from it, can move the profile into or out of. The profile
/// must be current but for it.
pub(super) fn touched(
    profile: &mut Profile,
    program: &Program,
    now: Timestamp,
    cause: &MembershipCause,
    event: &Event,
    actions: &mut Vec<Action>,
) {
    let places = program.readers.of(event);
    let segments = places.iter().filter_map(|place| program.segments.get(*place));
    // Of those not asked, none changes before the horizon so far.
    let horizon = profile.horizon;
    in_order(profile, program, segments, horizon, now, cause, Some(event), actions);
}

/// Evaluates every segment at `now`, and records entries and exits.
pub(super) fn all(
    profile: &mut Profile,
    program: &Program,
    now: Timestamp,
    cause: &MembershipCause,
    event: Option<&Event>,
    actions: &mut Vec<Action>,
) {
    if program.readers.are_circular() {
        together(profile, program, now, cause, event, actions);
    } else {
        let segments = program.readers.order().iter().filter_map(|place| program.segments.get(*place));
        in_order(profile, program, segments, Timestamp::MAX, now, cause, event, actions);
    }
    profile.unevaluated = false;
    leave_removed(profile, program, now, actions);
}

/// Moves the profile into or out of one segment that is not live, and judges
/// all that are: some may ask for it.
pub(super) fn moved(
    profile: &mut Profile,
    program: &Program,
    segment: &Segment,
    member: bool,
    now: Timestamp,
    cause: &MembershipCause,
    actions: &mut Vec<Action>,
) {
    set_member(profile, segment, member, now);
    switch(profile, program, segment, member, now, cause, None, actions);
    all(profile, program, now, cause, None, actions);
}

fn set_member(profile: &mut Profile, segment: &Segment, member: bool, now: Timestamp) {
    if member {
        let fresh = Membership { segment: segment.id, entered_at: now, version: segment.version };
        profile.memberships.push(fresh);
    } else {
        profile.memberships.retain(|held| held.segment != segment.id);
    }
}

/// Evaluates segments, each after those whose members it asks for.
#[expect(clippy::too_many_arguments, reason = "one place moves members; a struct would only rename them")]
fn in_order<'a>(
    profile: &mut Profile,
    program: &Program,
    segments: impl Iterator<Item = &'a Segment>,
    mut horizon: Timestamp,
    now: Timestamp,
    cause: &MembershipCause,
    event: Option<&Event>,
    actions: &mut Vec<Action>,
) {
    let mut changed = Vec::new();
    for segment in segments.filter(|segment| segment.is_live()) {
        let outcome = segment.compiled.evaluate(&ProfileSubject { profile, program }, now);
        horizon = horizon.min(outcome.horizon);
        let member = outcome.is_member();
        if member == profile.is_member(segment.id) {
            continue;
        }
        changed.push((segment, member));
        set_member(profile, segment, member, now);
    }
    // The horizon is always later than now, or a faulty predicate could hold
    // the clock for ever.
    profile.horizon = horizon.max(now.next());
    changed.sort_unstable_by_key(|(segment, _)| segment.id);
    // Told once all have moved: a campaign may ask for its audience.
    for (segment, member) in changed {
        switch(profile, program, segment, member, now, cause, event, actions);
    }
}

/// Evaluates all segments where some ask for their own members, until nothing
/// changes.
fn together(
    profile: &mut Profile,
    program: &Program,
    now: Timestamp,
    cause: &MembershipCause,
    event: Option<&Event>,
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
                profile.memberships.push(held(segment).cloned().unwrap_or(fresh));
            } else {
                profile.memberships.retain(|held| held.segment != segment.id);
            }
        }
        if !changed {
            break;
        }
    }
    // The horizon is always later than now, or a faulty predicate could hold
    // the clock for ever.
    profile.horizon = horizon.max(now.next());
    // Told once all segments are judged: one that names another may have gone
    // back and forth on the way.
    for segment in &program.segments {
        let member = profile.is_member(segment.id);
        if member != held(segment).is_some() {
            switch(profile, program, segment, member, now, cause, event, actions);
        }
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "one place tells of a membership; a struct would only rename them"
)]
fn switch(
    profile: &mut Profile,
    program: &Program,
    segment: &Segment,
    member: bool,
    now: Timestamp,
    cause: &MembershipCause,
    event: Option<&Event>,
    actions: &mut Vec<Action>,
) {
    actions.push(Action::Membership(MembershipChange {
        profile: profile.key.clone(),
        segment_id: segment.id,
        segment: segment.name.clone(),
        version: segment.version,
        entered: member,
        at: now,
        cause: cause.clone(),
    }));
    // A new definition describes who is in, and an import what was: neither is a
    // reason to write to them.
    let describes =
        matches!(cause, MembershipCause::Definition | MembershipCause::Refresh { first: true, .. });
    if describes || event.is_some_and(Event::is_imported) {
        return;
    }
    let word = if member { "entered" } else { "left" };
    let key = format!("{word} {} at {now}", segment.name);
    for (id, campaign) in &program.campaigns {
        let wanted = match &campaign.trigger {
            Trigger::Enter { segment: name } => member && **name == *segment.name.as_str(),
            Trigger::Exit { segment: name } => !member && **name == *segment.name.as_str(),
            _ => false,
        };
        if wanted {
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
