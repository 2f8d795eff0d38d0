//! Which of those who differ were only looked at, at two different moments.

use std::collections::HashSet;

use signalpost_core::id::ProfileKey;
use signalpost_core::step::MembershipChange;
use signalpost_core::time::Timestamp;

use super::{Comparison, Error};
use crate::app::App;
use crate::log::{Body, Log};
use crate::privacy::erasure;
use crate::state::{self, Store, Table};
use crate::worker::{ChangeRow, history_prefix};

/// Changes of one person looked at. Whoever moved more often since the instant
/// of a comparison is left to the next one.
const CHANGES_MAX: usize = 1_000;
/// Records read at once.
const READ_RECORDS: usize = 4_096;

/// Leaves out those who agreed at the instant of the comparison and have moved
/// since.
pub(super) fn leave_out_later_changes(
    app: &App,
    segment: u32,
    found: &mut Comparison,
) -> Result<(), state::Error> {
    let mut moved = HashSet::new();
    for (people, is_member) in [(&found.missing, false), (&found.surplus, true)] {
        for person in people {
            let prefix = history_prefix(segment, person);
            let end = state::prefix_end(&prefix);
            let rows = app.store.scan_back(Table::History, &prefix, end.as_deref(), CHANGES_MAX)?;
            let changes: Result<Vec<ChangeRow>, _> =
                rows.iter().map(|(_, value)| state::decode(Table::History, value)).collect();
            let changes: Vec<MembershipChange> = changes?.into_iter().map(|row| row.change).collect();
            if was_member(&changes, is_member, found.at) != is_member {
                moved.insert(person.clone());
            }
        }
    }
    forget(found, &moved);
    Ok(())
}

/// Whether somebody was a member at an instant: as now, with the later of the
/// changes undone. Newest first.
fn was_member(changes: &[MembershipChange], is_member: bool, at: Timestamp) -> bool {
    let undone = changes.iter().take_while(|change| change.at > at).last();
    undone.map_or(is_member, |first| !first.entered)
}

/// Leaves out those of whom the log speaks from `taken` on.
pub(super) fn leave_out_spoken_of(app: &App, taken: &[u64], found: &mut Comparison) -> Result<(), Error> {
    if found.differences() == 0 {
        return Ok(());
    }
    let mut spoken_of = HashSet::new();
    for (partition, from) in (0_u32..).zip(taken) {
        let (mut offset, end) = (*from, app.log.end(partition));
        while offset < end {
            let records = app.log.read(partition, offset, READ_RECORDS)?;
            let Some((last, _)) = records.last() else { break };
            offset = last + 1;
            for (_, record) in &records {
                spoken_of.extend(
                    whom(&record.body)
                        .filter(|person| found.missing.contains(person) || found.surplus.contains(person)),
                );
            }
        }
    }
    forget(found, &spoken_of);
    Ok(())
}

/// Leaves out those who are forgotten already and whose rows are not yet out of
/// the lake.
pub(super) fn leave_out_erased(app: &App, found: &mut Comparison) -> Result<(), Error> {
    let erased = erasure::under_way(app)?.into_iter();
    forget(found, &erased.map(|(.., erasure)| ProfileKey::Customer(erasure.customer_id)).collect());
    Ok(())
}

/// Of whom a record speaks.
fn whom(body: &Body) -> impl Iterator<Item = ProfileKey> {
    let (one, many) = match body {
        Body::Event(event) => (event.profile_key(), None),
        Body::Relayed { message, .. } => (Some(message.profile_key()), None),
        Body::Consent { profile, .. } => (Some(profile.clone()), None),
        Body::Erase { customer_id, .. } => (Some(ProfileKey::Customer(customer_id.clone())), None),
        Body::Refreshed(result) => (None, Some(result)),
        Body::Tick | Body::Define(_) => (None, None),
    };
    let many = many.into_iter().flat_map(|result| result.entered.iter().chain(&result.left).cloned());
    one.into_iter().chain(many.collect::<Vec<_>>())
}

fn forget(found: &mut Comparison, people: &HashSet<ProfileKey>) {
    found.missing.retain(|person| !people.contains(person));
    found.surplus.retain(|person| !people.contains(person));
}

#[cfg(test)]
mod tests;
