//! What must hold, whatever happened.

use std::collections::{BTreeMap, BTreeSet};

use signalpost::deliver::{DeliveryRecord, Status};
use signalpost::log::Log;
use signalpost::state::{self, Row, Store, Table};
use signalpost::worker::{ChangeRow, read_outbox_key, read_timeline};
use signalpost_core::campaign::{Decision, DeliveryId};
use signalpost_core::event::Event;
use signalpost_core::id::ProfileKey;
use signalpost_core::profile::Profile;
use signalpost_core::step::{self, MembershipCause, MembershipChange};

use crate::world::{Failure, World};
use crate::{erasure, replay};

/// Holds whenever all that is on the log has been taken.
pub(crate) fn settled(world: &World) -> Result<(), Failure> {
    events(world)?;
    erasure::hold(world)?;
    relays(world)?;
    let mut members = BTreeSet::new();
    for (key, bytes) in rows(&*world.disk, Table::Profiles)? {
        let profile = Profile::decode(&bytes).map_err(Failure::stopped)?;
        if profile.key.place() != key {
            return Err(Failure::new("a profile stands under its key", format!("{:?}", profile.key)));
        }
        fold(world, &profile)?;
        timer(world, &profile)?;
        members.extend(profile.memberships.iter().map(|held| (held.segment, profile.key.clone())));
    }
    memberships(world, &members)?;
    deliveries(world)
}

/// Holds at the end of a run.
pub(crate) fn finished(world: &World) -> Result<(), Failure> {
    for record in records(&*world.disk)?.values() {
        if matches!(record.status, Status::Pending | Status::Sending) {
            return Err(Failure::new("every delivery comes to its end", format!("{record:?}")));
        }
    }
    replay::compare(world)
}

pub(crate) fn rows<S: Store>(store: &S, table: Table) -> Result<Vec<Row>, Failure> {
    store.scan(table, &[], None, usize::MAX).map_err(Failure::stopped)
}

/// Nothing acknowledged is lost, and nothing is there twice.
fn events(world: &World) -> Result<(), Failure> {
    let mut seen = BTreeSet::new();
    for (_, bytes) in rows(&*world.disk, Table::Timeline)? {
        let event: Event = state::decode(Table::Timeline, &bytes).map_err(Failure::stopped)?;
        if !seen.insert(event.event_id.to_string()) {
            return Err(Failure::new("an event is there once", format!("{} is there twice", event.event_id)));
        }
    }
    let forgotten = erasure::forgotten(world)?;
    let is_lost = |id: &&String| !seen.contains(*id) && !forgotten.contains(*id);
    if let Some(lost) = world.people.acknowledged.iter().find(is_lost) {
        return Err(Failure::new("an acknowledged event is there", format!("{lost} is lost")));
    }
    if world.tape.quarantine_len() < world.people.refused {
        return Err(Failure::new("an acknowledged refusal is in quarantine", "one is lost"));
    }
    Ok(())
}

/// Every message between partitions was taken, once and in order.
fn relays(world: &World) -> Result<(), Failure> {
    for (from, sender) in (0_u32..).zip(&world.workers) {
        let taken = world.workers.iter().flat_map(|worker| &worker.position().taken);
        let last =
            taken.filter(|(partition, _)| *partition == from).map(|(_, last)| *last).max().unwrap_or(0);
        if last != sender.position().relayed {
            let seen = format!("{last} of {} messages from {from} are taken", sender.position().relayed);
            return Err(Failure::new("a message between partitions is taken once", seen));
        }
    }
    Ok(())
}

/// A profile is the fold of its timeline, its memberships with it.
fn fold(world: &World, profile: &Profile) -> Result<(), Failure> {
    let worker = &world.workers[profile.key.partition(world.partitions()) as usize];
    let timeline = read_timeline(&*world.disk, &profile.key).map_err(Failure::stopped)?;
    let mut fresh = profile.clone();
    let mut actions = Vec::new();
    step::refold(&mut fresh, worker.program(), timeline, worker.position().now, &mut actions);
    if let Some(action) = actions.first() {
        let seen = format!("folding {} anew at {} does {action:?}", profile.key, worker.position().now);
        return Err(Failure::new("membership is the fold of the timeline", seen));
    }
    let (held, folded) = (caches(profile), caches(&fresh));
    match held.iter().zip(&folded).find(|(held, folded)| held != folded) {
        Some((held, folded)) => {
            let seen = format!("{}: held {held}, folded anew {folded}", profile.key);
            Err(Failure::new("a profile is the fold of its timeline", seen))
        }
        None => Ok(()),
    }
}

/// What a profile holds, without the order in which it came.
fn caches(profile: &Profile) -> Vec<String> {
    let mut profile = profile.clone();
    profile.types.sort_by(|a, b| a.event_type.cmp(&b.event_type));
    profile.types.iter_mut().for_each(|held| held.daily.retain(|(_, count)| *count > 0));
    profile.traits.sort_by(|a, b| a.name.cmp(&b.name));
    profile.cart.sort_by(|a, b| a.product_id.cmp(&b.product_id));
    profile.derived.sort_by_key(|held| (held.rule, held.cause));
    let mut members: Vec<u32> = profile.memberships.iter().map(|held| held.segment).collect();
    members.sort_unstable();
    vec![
        format!("types {:?}", profile.types),
        format!("traits {:?}", profile.traits),
        format!("last viewed {:?}", profile.last_viewed),
        format!("viewed {:?}", profile.viewed),
        format!("category {:?}", profile.recent_view_category),
        format!("cart {:?}, emptied {:?}", profile.cart, profile.cart_emptied),
        format!("orders {:?}, spent {}", profile.orders, profile.spent_micros),
        format!("purchased {:?}", profile.purchased),
        format!("future {:?}", profile.future),
        format!("derived {:?}", profile.derived),
        format!("members {members:?}"),
    ]
}

/// Something due has a timer that goes off in time.
fn timer(world: &World, profile: &Profile) -> Result<(), Failure> {
    let worker = &world.workers[profile.key.partition(world.partitions()) as usize];
    let due = profile.next_due();
    if profile.timer > due || profile.timer < worker.next_due() || due <= worker.position().now {
        let seen = format!(
            "{} is due at {due}, its timer is set for {}, the worker's for {}, and it is {}",
            profile.key,
            profile.timer,
            worker.next_due(),
            worker.position().now
        );
        return Err(Failure::new("a timer goes off in time", seen));
    }
    Ok(())
}

/// History alternates, and its end is what profiles and the table of members say.
fn memberships(world: &World, members: &BTreeSet<(u32, ProfileKey)>) -> Result<(), Failure> {
    let mut last: BTreeMap<(u32, ProfileKey), MembershipChange> = BTreeMap::new();
    // Segment, profile, sequence: one profile's changes of one segment in order.
    for (_, bytes) in rows(&*world.disk, Table::History)? {
        let ChangeRow { change, .. } = state::decode(Table::History, &bytes).map_err(Failure::stopped)?;
        let key = (change.segment_id, change.profile.clone());
        let before = last.get(&key);
        if before.is_some_and(|before| before.entered) == change.entered {
            return Err(Failure::new("entries and exits alternate", format!("{before:?}, then {change:?}")));
        }
        if before.is_some_and(|before| before.at > change.at) {
            return Err(Failure::new("history goes forward", format!("{before:?}, then {change:?}")));
        }
        let by_event = matches!(change.cause, MembershipCause::Event(_));
        if by_event && before.is_some_and(|before| before.at == change.at && before.cause == change.cause) {
            let seen = format!("{before:?}, then {change:?}");
            return Err(Failure::new("one event changes a membership once", seen));
        }
        last.insert(key, change);
    }
    let told: BTreeSet<_> =
        last.into_iter().filter(|(_, change)| change.entered).map(|(key, _)| key).collect();
    if told != *members {
        let seen = format!("profiles: {members:?}, history: {told:?}");
        return Err(Failure::new("history ends with what is", seen));
    }
    let table = rows(&*world.disk, Table::Members)?.into_iter().map(|(key, _)| {
        let (segment, profile) = key.split_at(4);
        (u32::from_be_bytes(segment.try_into().unwrap()), ProfileKey::from_bytes(profile).unwrap())
    });
    let table: BTreeSet<_> = table.collect();
    if table != *members {
        let seen = format!("profiles: {members:?}, table: {table:?}");
        return Err(Failure::new("the table of members is what profiles say", seen));
    }
    Ok(())
}

pub(crate) fn records<S: Store>(store: &S) -> Result<BTreeMap<DeliveryId, DeliveryRecord>, Failure> {
    let mut records = BTreeMap::new();
    for (_, bytes) in rows(store, Table::Deliveries)? {
        let record: DeliveryRecord = state::decode(Table::Deliveries, &bytes).map_err(Failure::stopped)?;
        records.insert(record.delivery.id, record);
    }
    Ok(records)
}

/// A decision has one record, and a message goes out once.
fn deliveries(world: &World) -> Result<(), Failure> {
    let records = records(&*world.disk)?;
    let mut decided = BTreeSet::new();
    for (key, _) in rows(&*world.disk, Table::DeliveryLog)? {
        let (at, id) = read_outbox_key(&key).ok_or_else(|| Failure::stopped("a key cannot be read"))?;
        if !decided.insert(id) || records.get(&id).is_none_or(|record| record.delivery.decided_at != at) {
            let seen = format!("{id} at {at}: {:?}", records.get(&id));
            return Err(Failure::new("a decision has one record", seen));
        }
    }
    if decided.len() != records.len() {
        return Err(Failure::new("a decision has one record", "one is not in the order of time"));
    }
    let mut waiting = BTreeSet::new();
    for (key, _) in rows(&*world.disk, Table::Outbox)? {
        let (at, id) = read_outbox_key(&key).ok_or_else(|| Failure::stopped("a key cannot be read"))?;
        let waits = |record: &DeliveryRecord| matches!(record.status, Status::Pending | Status::Sending);
        if !waiting.insert(id) || !records.get(&id).is_some_and(waits) {
            let seen = format!("{id} at {at}: {:?}", records.get(&id));
            return Err(Failure::new("what waits, waits once", seen));
        }
    }
    for (id, record) in &records {
        if record.status == Status::Pending && !waiting.contains(id) {
            return Err(Failure::new("what waits, waits once", format!("{record:?} does not")));
        }
        outside(world, *id, record)?;
    }
    let mut received = world.post.hook.received().into_keys().chain(world.post.mail.received().into_keys());
    match received.find(|id| !records.contains_key(id)) {
        Some(id) => Err(Failure::new("nothing goes out undecided", id.to_string())),
        None => Ok(()),
    }
}

/// What the receiver of one delivery saw.
fn outside(world: &World, id: DeliveryId, record: &DeliveryRecord) -> Result<(), Failure> {
    let (hook, mail) = (world.post.hook.count(id), world.post.mail.count(id));
    if mail > 1 {
        return Err(Failure::new("a mail goes out once", format!("{mail} times: {record:?}")));
    }
    if hook + mail > 0 && record.delivery.decision != Decision::Send {
        return Err(Failure::new("nothing goes out undecided", format!("{record:?}")));
    }
    if hook + mail == 0 && record.status == Status::Sent {
        return Err(Failure::new("what is called sent, was", format!("{record:?}")));
    }
    if mail == 1 && !matches!(record.status, Status::Sent | Status::InDoubt | Status::Sending) {
        return Err(Failure::new("a mail that went out is not sent again", format!("{record:?}")));
    }
    Ok(())
}
