//! Plays a person's history under a program that was not in force then.
//!
//! In: the timeline and two instants. Out: every action the step would have
//! taken between them, had each event come when it happened.

use super::{Action, advance, apply, refold};
use crate::event::Event;
use crate::profile::{Moment, Profile};
use crate::program::Program;
use crate::time::Timestamp;

/// Plays `timeline`, which is ascending, from `from` until `to`, both included.
///
/// `profile` is the person as nobody: its caches are made here, its consents and
/// contacts are what it starts with. What is in force at `from` is where the
/// play begins and no action.
pub fn play(
    profile: &mut Profile,
    program: &Program,
    timeline: Vec<(Moment, Event)>,
    from: Timestamp,
    to: Timestamp,
) -> Vec<Action> {
    let began = timeline.partition_point(|(moment, _)| moment.timestamp <= from);
    let mut timeline = timeline.into_iter();
    refold(profile, program, timeline.by_ref().take(began), from, &mut Vec::new());
    let mut actions = Vec::new();
    for (moment, event) in timeline.take_while(|(moment, _)| moment.timestamp <= to) {
        advance(profile, program, moment.timestamp, &mut actions);
        apply(profile, program, &event, moment.sequence, moment.timestamp, &mut actions);
    }
    advance(profile, program, to, &mut actions);
    actions
}
