//! Rows that a changed program needs besides, cut from the timeline.

use std::sync::Arc;

use super::{Action, MembershipCause, drop_shown_rows, evaluate_all};
use crate::event::Event;
use crate::profile::{Moment, Profile, ProfileRow};
use crate::program::{Program, Wanted};
use crate::segment::TypeName;
use crate::time::Timestamp;

/// Cuts the rows that the profile lacks from `timeline`, after the program
/// changed, and evaluates every segment at the instant of the change.
///
/// It comes to the same as [`super::refold`], of which it leaves out what does not
/// depend on segments. `timeline` is in any order, and may leave out whatever is
/// not in `wanted`.
pub fn widen<'a>(
    profile: &mut Profile,
    program: &Program,
    wanted: &Wanted,
    timeline: impl IntoIterator<Item = &'a (Moment, Event)>,
    now: Timestamp,
    actions: &mut Vec<Action>,
) {
    drop_shown_rows(profile, program);
    profile.rows.retain(|row| !wanted.has_type(&row.event_type));
    for (moment, event) in timeline.into_iter().filter(|(_, event)| wanted.has(event)) {
        let waits = || profile.future.iter().any(|(held, _)| held == moment);
        let Some((name, kept)) =
            program.rows.of(&event.event_type).filter(|_| moment.timestamp <= now && !waits())
        else {
            continue;
        };
        let name = name.map_or_else(|| TypeName::from(&*event.event_type), |name| Arc::clone(name).into());
        profile.rows.push(ProfileRow::cut(event, *moment, name, &kept.columns));
    }
    profile.rows.sort_by_key(|row| row.moment);
    profile.program_version = program.version;
    evaluate_all(profile, program, now, &MembershipCause::Definition, actions);
}
