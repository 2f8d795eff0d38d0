//! The log read again from its beginning, into an empty store.

use std::collections::BTreeMap;
use std::sync::Arc;

use signalpost::log::Log;
use signalpost::state::memory::MemoryStore;
use signalpost::state::{self, Store, Table};
use signalpost::worker::{ChangeRow, Erasure, Worker};
use signalpost_core::profile::Profile;
use signalpost_core::time::Timestamp;

use crate::check::{records, rows};
use crate::world::{Failure, World};

/// Replaying the log gives what is, in long steps and in short ones.
pub(crate) fn compare(world: &World) -> Result<(), Failure> {
    for at_once in [usize::MAX, 3] {
        world.tape.give_at_once(at_once);
        compare_once(world)?;
    }
    Ok(())
}

fn compare_once(world: &World) -> Result<(), Failure> {
    let store = Arc::new(MemoryStore::new());
    for partition in 0..world.tape.partitions() {
        let mut worker = Worker::open(partition, Arc::clone(&store), Arc::clone(&world.tape), 1_000)
            .map_err(Failure::stopped)?;
        while worker.step().map_err(Failure::stopped)?.is_some() {}
        let (live, again) = (world.workers[partition as usize].position(), worker.position());
        if live != again {
            return Err(differ(
                &format!("position of {partition}"),
                &format!("{live:?}"),
                &format!("{again:?}"),
            ));
        }
    }
    let (live, again) = (view(&*world.disk)?, view(&*store)?);
    for key in live.keys().chain(again.keys()) {
        let (one, other) = (live.get(key), again.get(key));
        if one != other {
            return Err(differ(key, &format!("{one:?}"), &format!("{other:?}")));
        }
    }
    Ok(())
}

fn differ(what: &str, live: &str, again: &str) -> Failure {
    Failure::new("replaying the log gives what is", format!("{what}:\n  live   {live}\n  replay {again}"))
}

/// All that follows from the log alone. The numbers of changes and of derived
/// events are left out: profiles are brought to a new definition in whatever
/// order there is time for; so are timers, which may go off too early after
/// that (that none goes off too late is a law of its own), and what became of
/// deliveries outside.
fn view<S: Store>(store: &S) -> Result<BTreeMap<String, Vec<String>>, Failure> {
    let mut view: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for table in [Table::Timeline, Table::Members, Table::Forwards, Table::Program] {
        for (key, value) in rows(store, table)? {
            view.entry(format!("{} {key:?}", table.name())).or_default().push(format!("{value:?}"));
        }
    }
    for (key, value) in rows(store, Table::Positions)?.into_iter().filter(|(key, _)| key.len() > 4) {
        let mut erasure: Erasure = state::decode(Table::Positions, &value).map_err(Failure::stopped)?;
        let devices = erasure.devices.iter_mut().filter_map(|(_, reach)| reach.as_mut());
        devices.chain(erasure.done.as_mut()).for_each(|reach| reach.changes = 0);
        view.entry(format!("erasure {key:?}")).or_default().push(format!("{erasure:?}"));
    }
    for (_, bytes) in rows(store, Table::Profiles)? {
        let mut profile = Profile::decode(&bytes).map_err(Failure::stopped)?;
        profile.timer = Timestamp::MAX;
        view.entry(format!("profile {}", profile.key)).or_default().push(format!("{profile:?}"));
    }
    for (_, bytes) in rows(store, Table::History)? {
        let ChangeRow { change, .. } = state::decode(Table::History, &bytes).map_err(Failure::stopped)?;
        let key = format!("history {} {}", change.segment_id, change.profile);
        view.entry(key).or_default().push(format!("{change:?}"));
    }
    for table in [Table::Derived, Table::Identities] {
        let mut values: Vec<_> =
            rows(store, table)?.into_iter().map(|(_, value)| format!("{value:?}")).collect();
        values.sort();
        view.insert(table.name().to_owned(), values);
    }
    for (id, record) in records(store)? {
        view.entry(format!("delivery {id}")).or_default().push(format!("{:?}", record.delivery));
    }
    Ok(view)
}
