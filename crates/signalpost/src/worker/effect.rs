//! Actions of the step, as rows of the batch.

use serde::{Deserialize, Serialize};
use signalpost_core::campaign::{Decision, Delivery, DeliveryId};
use signalpost_core::event::Event;
use signalpost_core::id::{AnonymousId, CustomerId, EventId, ProfileKey};
use signalpost_core::step::{Action, MembershipChange};
use signalpost_core::time::Timestamp;

use super::timeline::{read_sortable, sortable};
use super::{Error, Worker};
use crate::deliver::{DeliveryRecord, Status};
use crate::log::{Log, Message};
use crate::state::{self, Store, Table};

/// A change of membership as it stands in the store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChangeRow {
    /// What changed.
    pub change: MembershipChange,
    /// When it was worked out: the time of the record that brought it about.
    pub processed_at: Timestamp,
}

/// A derived event, or one taken back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum DerivedRow {
    /// It came to be.
    Made(Event),
    /// It no longer holds.
    TakenBack(EventId),
}

/// A device and its person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IdentityRow {
    /// The device.
    pub anonymous_id: AnonymousId,
    /// The person.
    pub customer_id: CustomerId,
    /// From when on the device's events are the person's at once.
    pub linked_at: Timestamp,
}

/// A key of `partition` and `sequence`, which sorts so.
pub(super) fn sequenced(partition: u32, sequence: u64) -> Vec<u8> {
    let mut key = partition.to_be_bytes().to_vec();
    key.extend(sequence.to_be_bytes());
    key
}

/// Where a decision stands in the order of time.
pub fn delivery_log_key(at: Timestamp, id: DeliveryId) -> Vec<u8> {
    let mut key = sortable(at).to_vec();
    key.extend(id.0.to_be_bytes());
    key
}

/// Where a waiting delivery stands: by its next attempt.
pub fn outbox_key(at: Timestamp, id: DeliveryId) -> Vec<u8> {
    delivery_log_key(at, id)
}

/// Reads back what [`outbox_key`] and [`delivery_log_key`] wrote.
pub fn read_outbox_key(key: &[u8]) -> Option<(Timestamp, DeliveryId)> {
    let (at, id) = key.split_at_checked(8)?;
    Some((read_sortable(at)?, DeliveryId(u128::from_be_bytes(id.try_into().ok()?))))
}

/// Where a member stands: by segment, then by profile.
pub(super) fn member_key(segment: u32, profile: &ProfileKey) -> Vec<u8> {
    let mut key = segment.to_be_bytes().to_vec();
    key.extend(profile.to_bytes());
    key
}

/// Where the history of a segment and a profile begins.
pub fn history_prefix(segment: u32, profile: &ProfileKey) -> Vec<u8> {
    let bytes = profile.to_bytes();
    let mut key = segment.to_be_bytes().to_vec();
    key.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    key.extend(bytes);
    key
}

impl<S: Store, L: Log> Worker<S, L> {
    pub(super) fn perform_one(&mut self, action: Action) -> Result<(), Error> {
        match action {
            Action::Membership(change) => self.record_change(change),
            Action::Deliver(delivery) => return self.record_delivery(delivery),
            Action::Derive(event) => self.record_derived(DerivedRow::Made(event)),
            Action::Retract(id) => self.record_derived(DerivedRow::TakenBack(id)),
            Action::Link { anonymous_id, customer_id } => {
                self.relay(Message::Link { anonymous_id, customer_id });
            }
        }
        Ok(())
    }

    fn record_change(&mut self, change: MembershipChange) {
        self.position.changes += 1;
        let sequence = self.position.changes;
        let member = member_key(change.segment_id, &change.profile);
        if change.entered {
            self.batch.put(Table::Members, member, state::encode(&(change.at, change.version)));
        } else {
            self.batch.delete(Table::Members, member);
        }
        let mut history = history_prefix(change.segment_id, &change.profile);
        history.extend(sequence.to_be_bytes());
        let bytes =
            state::encode(&ChangeRow { processed_at: self.taking.max(change.at), change: change.clone() });
        self.batch.put(Table::History, history, bytes.clone());
        self.batch.put(Table::Changes, sequenced(self.partition, sequence), bytes);
        self.published.changes.push((sequence, change));
    }

    fn record_derived(&mut self, row: DerivedRow) {
        self.position.derived += 1;
        let sequence = self.position.derived;
        self.batch.put(Table::Derived, sequenced(self.partition, sequence), state::encode(&row));
        self.published.derived.push((sequence, row));
    }

    pub(super) fn record_identity(&mut self, row: IdentityRow) {
        self.position.identities += 1;
        let sequence = self.position.identities;
        self.batch.put(Table::Identities, sequenced(self.partition, sequence), state::encode(&row));
        self.published.identities.push((sequence, row));
    }

    /// Records a decision once: its id is derived from its cause, so a second
    /// one for the same cause is the same delivery, and the first one counts.
    fn record_delivery(&mut self, delivery: Delivery) -> Result<(), Error> {
        let key = delivery.id.0.to_be_bytes().to_vec();
        if self.store.get(Table::Deliveries, &key)?.is_some() || !self.fresh_deliveries.insert(delivery.id) {
            return Ok(());
        }
        let at = delivery.decided_at;
        let status = match delivery.decision {
            Decision::Send => Status::Pending,
            _ => Status::Suppressed,
        };
        if status == Status::Pending {
            self.batch.put(Table::Outbox, outbox_key(at, delivery.id), Vec::new());
        }
        self.batch.put(Table::DeliveryLog, delivery_log_key(at, delivery.id), Vec::new());
        let record = DeliveryRecord::new(delivery.clone(), status);
        self.batch.put(Table::Deliveries, key, state::encode(&record));
        self.published.deliveries.push(delivery);
        Ok(())
    }

    /// Puts a message for another partition into the relay.
    pub(super) fn relay(&mut self, message: Message) {
        self.position.relayed += 1;
        let key = sequenced(self.partition, self.position.relayed);
        self.batch.put(Table::Relay, key, state::encode(&message));
        self.published.relayed = true;
    }
}
