//! What must hold of people who were forgotten, and of nobody else.

use std::collections::BTreeSet;

use signalpost::log::{Body, Log};
use signalpost::state::{self, Table};
use signalpost::worker::{ChangeRow, erasures};
use signalpost_core::event::Event;
use signalpost_core::id::{AnonymousId, CustomerId, ProfileKey};

use crate::check::rows;
use crate::world::{Failure, World};

/// The ids of the events that may be gone: of people who were forgotten, and of
/// devices that were theirs.
pub(crate) fn forgotten(world: &World) -> Result<BTreeSet<String>, Failure> {
    let mut events = Vec::new();
    let mut people: BTreeSet<CustomerId> = BTreeSet::new();
    for partition in 0..world.partitions() {
        let end = usize::try_from(world.tape.log.end(partition)).unwrap();
        for (_, record) in world.tape.log.read(partition, 0, end).map_err(Failure::stopped)? {
            match &record.body {
                Body::Event(event) => events.push(event.clone()),
                Body::Erase { customer_id, .. } => drop(people.insert(customer_id.clone())),
                _ => {}
            }
        }
    }
    let is_theirs = |event: &Event| event.customer_id.as_ref().is_some_and(|id| people.contains(id));
    let devices =
        events.iter().filter(|event| is_theirs(event)).filter_map(|event| event.anonymous_id.clone());
    let devices: BTreeSet<AnonymousId> = devices.collect();
    let on_theirs = |event: &Event| {
        event.customer_id.is_none() && event.anonymous_id.as_ref().is_some_and(|id| devices.contains(id))
    };
    let gone = events.iter().filter(|event| is_theirs(event) || on_theirs(event));
    Ok(gone.map(|event| event.event_id.to_string()).collect())
}

/// Whoever asked is forgotten: nothing is left of what came before.
pub(crate) fn hold(world: &World) -> Result<(), Failure> {
    for partition in 0..world.partitions() {
        for (_, erasure) in erasures(&*world.disk, partition).map_err(Failure::stopped)? {
            let Some(done) = erasure.done else {
                return Err(Failure::new("an erasure comes to its end", format!("{erasure:?}")));
            };
            for (_, bytes) in rows(&*world.disk, Table::Timeline)? {
                let event: Event = state::decode(Table::Timeline, &bytes).map_err(Failure::stopped)?;
                if event.customer_id.as_ref() == Some(&erasure.customer_id) && event.received_at < done.at {
                    return Err(Failure::new("a forgotten event is gone", format!("{event:?}, {erasure:?}")));
                }
            }
            let key = ProfileKey::Customer(erasure.customer_id.clone());
            for table in [Table::Changes, Table::History] {
                for (_, bytes) in rows(&*world.disk, table)? {
                    let row: ChangeRow = state::decode(table, &bytes).map_err(Failure::stopped)?;
                    if row.change.profile == key && row.processed_at < done.at {
                        return Err(Failure::new("a forgotten membership is gone", format!("{row:?}")));
                    }
                }
            }
        }
    }
    Ok(())
}
