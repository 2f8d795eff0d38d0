//! A person is forgotten.
//!
//! The person's devices stand in other partitions, and what they did may be on
//! its way. So each device's partition is asked first to forget whose it was
//! (`Release`); its answer (`Released`) comes behind everything it passed on.
//! When all have answered, the person's own partition forgets the rest, at that
//! instant: whatever comes later is a stranger's.
//!
//! In: the record that asks for it. Out: a state without the person, exits of
//! memberships with their cause, and the erasure's own record, by which the rest
//! of the program (see [`crate::privacy`]) erases what stands elsewhere.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use signalpost_core::id::{AnonymousId, CustomerId, ProfileKey};
use signalpost_core::step::MembershipCause;

use super::effect::{history_prefix, sequenced};
use super::{Error, Worker};
use crate::log::{Log, Message, Reach};
use crate::state::{self, Store, Table};

/// How far an erasure is. It goes when everything is erased.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// Who is forgotten.
    pub customer_id: CustomerId,
    /// The privacy request that asks for it.
    pub request: Box<str>,
    /// The person's devices, and up to where each was the person's, when it has
    /// answered.
    pub devices: Vec<(AnonymousId, Option<Reach>)>,
    /// When the partition's state had forgotten the person.
    pub done: Option<Reach>,
}

/// Where an erasure stands, beside its partition's position.
pub fn erasure_key(partition: u32, number: u64) -> Vec<u8> {
    sequenced(partition, number)
}

/// The erasures of a partition that are not through, by number.
///
/// # Errors
/// When the store fails or a record is damaged.
pub fn erasures<S: Store + ?Sized>(store: &S, partition: u32) -> Result<Vec<(u64, Erasure)>, state::Error> {
    let rows = store.scan(
        Table::Positions,
        &erasure_key(partition, 0),
        Some(&erasure_key(partition, u64::MAX)),
        usize::MAX,
    )?;
    let number = |key: &[u8]| key.get(4..)?.try_into().ok().map(u64::from_be_bytes);
    let read = |(key, value): (Vec<u8>, Vec<u8>)| {
        Ok((number(&key).unwrap_or_default(), state::decode(Table::Positions, &value)?))
    };
    rows.into_iter().map(read).collect()
}

impl<S: Store, L: Log> Worker<S, L> {
    pub(super) fn take_erase(&mut self, customer_id: &CustomerId, request: &str) -> Result<(), Error> {
        let number = self.position.next_sequence();
        let (customer_id, request) = (customer_id.clone(), request.into());
        self.go_on_erasing(number, Erasure { customer_id, request, devices: Vec::new(), done: None })
    }

    /// A device's partition has answered.
    pub(super) fn take_released(
        &mut self,
        number: u64,
        device: &AnonymousId,
        reach: Reach,
    ) -> Result<(), Error> {
        let Some(bytes) = self.store.get(Table::Positions, &erasure_key(self.partition, number))? else {
            return Ok(());
        };
        let mut erasure: Erasure = state::decode(Table::Positions, &bytes)?;
        if erasure.done.is_some() {
            return Ok(());
        }
        if let Some((_, held)) = erasure.devices.iter_mut().find(|(held, _)| held == device) {
            *held = Some(reach);
        }
        self.go_on_erasing(number, erasure)
    }

    /// Asks the devices that have not been asked; forgets the person when all
    /// have answered.
    fn go_on_erasing(&mut self, number: u64, mut erasure: Erasure) -> Result<(), Error> {
        if erasure.devices.iter().all(|(_, reach)| reach.is_some()) {
            let key = ProfileKey::Customer(erasure.customer_id.clone());
            let profile = self.load_existing(&key)?;
            let asked: HashSet<AnonymousId> = erasure.devices.iter().map(|(id, _)| id.clone()).collect();
            let known = profile.iter().flat_map(|profile| &profile.anonymous_ids);
            let fresh: Vec<AnonymousId> = known.filter(|id| !asked.contains(*id)).cloned().collect();
            match profile {
                Some(profile) if !fresh.is_empty() => self.keep(profile),
                Some(profile) => drop(self.dissolve(profile, &MembershipCause::Erasure)?),
                None => {}
            }
            for anonymous_id in &fresh {
                let (anonymous_id, customer_id) = (anonymous_id.clone(), erasure.customer_id.clone());
                self.relay(Message::Release { anonymous_id, customer_id, erasure: number });
            }
            if fresh.is_empty() {
                self.forget_past(&key)?;
                erasure.done = Some(self.reach());
            }
            erasure.devices.extend(fresh.into_iter().map(|id| (id, None)));
        }
        self.batch.put(Table::Positions, erasure_key(self.partition, number), state::encode(&erasure));
        Ok(())
    }

    /// The device is no longer the person's: it is whose it was before, or a
    /// stranger's.
    pub(super) fn release_device(
        &mut self,
        device: &AnonymousId,
        customer_id: &CustomerId,
        erasure: u64,
    ) -> Result<(), Error> {
        let mut owners = self.owners_of(device)?;
        if owners.contains(customer_id) {
            // The memberships it had before it was anybody's.
            self.forget_past(&ProfileKey::Anonymous(device.clone()))?;
            owners.retain(|owner| owner != customer_id);
            self.set_owners(device, &owners);
        }
        let reach = self.reach();
        let (customer_id, anonymous_id) = (customer_id.clone(), device.clone());
        self.relay(Message::Released { customer_id, erasure, anonymous_id, reach });
        Ok(())
    }

    /// The record in hand.
    fn reach(&self) -> Reach {
        let (offset, changes) = (self.position.offset, self.position.changes);
        Reach { partition: self.partition, offset, changes, at: self.position.now }
    }

    /// Takes out the timeline and the history of memberships, with what the
    /// record in hand has added to it. What is committed is told all the same.
    fn forget_past(&mut self, key: &ProfileKey) -> Result<(), Error> {
        self.forgets = true;
        let prefix = key.place();
        let end = state::prefix_end(&prefix);
        for row in self.store.scan_keys(Table::Timeline, &prefix, end.as_deref(), usize::MAX)? {
            self.batch.delete(Table::Timeline, row);
        }
        for segment in 0..=self.program.last_id() {
            let prefix = history_prefix(segment, key);
            let end = state::prefix_end(&prefix);
            let mut rows = self.store.scan_keys(Table::History, &prefix, end.as_deref(), usize::MAX)?;
            let fresh = self
                .batch
                .writes
                .iter()
                .filter(|(table, row, _)| *table == Table::History && row.starts_with(&prefix));
            rows.extend(fresh.map(|(_, row, _)| row.clone()));
            for row in rows {
                let sequence = row.get(prefix.len()..).unwrap_or_default();
                self.batch.delete(Table::Changes, [&self.partition.to_be_bytes(), sequence].concat());
                self.batch.delete(Table::History, row);
            }
        }
        Ok(())
    }
}
