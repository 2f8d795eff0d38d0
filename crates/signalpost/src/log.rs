//! The log: what was accepted, in order, durable before it is acknowledged.
//!
//! Records stand in partitions, chosen by profile. Time stands on the log too
//! (each record has its time, and ticks carry nothing else), so that reading it
//! again gives the same state.

pub mod dedup;
pub mod embedded;
mod identities;
pub mod memory;
pub mod writer;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use signalpost_core::event::Event;
use signalpost_core::id::{AnonymousId, CustomerId, EventId, ProfileKey, SegmentName};
use signalpost_core::program::Change;
use signalpost_core::time::Timestamp;
use thiserror::Error;

/// One record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// When it was appended; never before an earlier record of its partition.
    pub at: Timestamp,
    /// What it says.
    pub body: Body,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Body {
    /// A clean event.
    Event(Arc<Event>),
    /// Time has passed, and something is due.
    Tick,
    /// A definition was made or changed; the same record stands on every partition.
    Define(Arc<Change>),
    /// From another partition's worker, exactly once.
    Relayed {
        /// The partition it comes from.
        from: u32,
        /// Its number there: from 1, without gaps.
        sequence: u64,
        /// What it says.
        message: Message,
    },
    /// A person's consent was set by hand or by a link in a mail.
    Consent {
        /// Whose.
        profile: ProfileKey,
        /// For what.
        purpose: Box<str>,
        /// Given or refused.
        granted: bool,
    },
    /// What a run of a segment's query found to be otherwise.
    Refreshed(Arc<Refreshed>),
    /// A person is to be forgotten.
    Erase {
        /// Who.
        customer_id: CustomerId,
        /// The privacy request that asks for it.
        request: Box<str>,
    },
}

/// A part of what a run of a segment's query changed: for one partition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refreshed {
    /// The segment.
    pub segment: SegmentName,
    /// The version that was run; nothing changes when another is in force.
    pub version: u32,
    /// The run's number.
    pub run: u64,
    /// Whether this version had never run before.
    pub first: bool,
    /// Who is a member now.
    pub entered: Vec<ProfileKey>,
    /// Who is none any more.
    pub left: Vec<ProfileKey>,
}

/// What one partition's worker tells another's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Message {
    /// This device is this person's from now on.
    Link {
        /// The device.
        anonymous_id: AnonymousId,
        /// The person.
        customer_id: CustomerId,
    },
    /// A device's history, to be counted as the person's.
    Adopt {
        /// The person.
        customer_id: CustomerId,
        /// The events.
        events: Vec<Event>,
        /// Derived events the device's profile had made.
        fired: Vec<EventId>,
    },
    /// An event of a linked device.
    Forward {
        /// The person.
        customer_id: CustomerId,
        /// The event.
        event: Event,
    },
    /// Whose the device was is to be forgotten: it is a stranger's again.
    Release {
        /// The device.
        anonymous_id: AnonymousId,
        /// The person.
        customer_id: CustomerId,
        /// The erasure's number in the person's partition.
        erasure: u64,
    },
    /// The device is a stranger's: everything it passed on is here.
    Released {
        /// The person.
        customer_id: CustomerId,
        /// The erasure's number.
        erasure: u64,
        /// The device.
        anonymous_id: AnonymousId,
        /// Up to where what the device did was the person's.
        reach: Reach,
    },
}

/// Up to where an identity is erased, on its own partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// The partition.
    pub partition: u32,
    /// The record there.
    pub offset: u64,
    /// The last change of membership.
    pub changes: u64,
    /// The record's time.
    pub at: Timestamp,
}

impl Message {
    /// The profile it concerns, which chooses its partition.
    pub fn profile_key(&self) -> ProfileKey {
        match self {
            Self::Link { anonymous_id, .. } | Self::Release { anonymous_id, .. } => {
                ProfileKey::Anonymous(anonymous_id.clone())
            }
            Self::Adopt { customer_id, .. }
            | Self::Forward { customer_id, .. }
            | Self::Released { customer_id, .. } => ProfileKey::Customer(customer_id.clone()),
        }
    }
}

/// An event that was refused, with the reason, kept to be mended and replayed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quarantined {
    /// When it came.
    pub received_at: Timestamp,
    /// Where it came from.
    pub source: Box<str>,
    /// Why it was refused: `missing_field`, `bot`, …
    pub code: Box<str>,
    /// The field at fault.
    pub field: Box<str>,
    /// The reason, for people.
    pub message: Box<str>,
    /// The event as it came, JSON.
    pub raw: Box<str>,
    /// The sender's user agent.
    pub user_agent: Box<str>,
}

/// Names a quarantined event: sorts by time of receipt.
pub type QuarantineId = u64;

/// A record on its way to the log.
#[derive(Clone, Debug)]
pub struct Appended {
    /// Where it goes.
    pub partition: u32,
    /// What it says.
    pub record: Arc<Record>,
    /// The event's bytes from [`encode_event`], when somebody has made them
    /// already: requests do, side by side, and spare the one writer the work.
    pub encoded: Option<Vec<u8>>,
}

impl Appended {
    /// A record whose bytes nobody has made yet.
    pub fn new(partition: u32, record: Arc<Record>) -> Self {
        Self { partition, record, encoded: None }
    }
}

/// An event's bytes on the log. Whatever they say of `received_at`, the
/// record's time stands for it.
pub fn encode_event(event: &Event) -> Vec<u8> {
    // Only maps without a known length could fail, and an event holds none.
    postcard::to_extend(event, Vec::with_capacity(384)).unwrap_or_default()
}

/// What one group commit makes durable, together or not at all.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// Records by partition, in order.
    pub records: Vec<Appended>,
    /// Identities of events seen, with the time a repeat is judged by.
    pub seen: Vec<(u128, Timestamp)>,
    /// Events refused.
    pub quarantined: Vec<Quarantined>,
    /// Quarantined events that are done with: replayed or dropped.
    pub released: Vec<QuarantineId>,
}

/// Why the log failed.
#[derive(Debug, Error)]
pub enum Error {
    /// Another process has the folder.
    #[error("the log is in use: does a server run on this folder?")]
    InUse,
    /// Nothing can be made durable now; what was acknowledged is safe.
    #[error("the log cannot make events durable: {reason}")]
    Unavailable {
        /// Why.
        reason: String,
    },
    /// A record that was acknowledged cannot be read.
    #[error(
        "SP001: the log is damaged in partition {partition} at offset {offset}: {reason}. Nothing behind it was applied; restore the folder from a backup, or see docs/errors/SP001.md"
    )]
    Damaged {
        /// Which partition.
        partition: u32,
        /// The first offset that cannot be read.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
}

/// Where the log is kept. The embedded one stands in a folder; a broker's
/// client will be another; the simulator has one that crashes.
pub trait Log: Send + Sync + 'static {
    /// How many partitions; fixed when the log is made.
    fn partitions(&self) -> u32;

    /// Makes a group durable, then returns.
    ///
    /// # Errors
    /// When it cannot be made durable; nothing of it is then readable.
    fn append(&self, group: Group) -> Result<(), Error>;

    /// Records of a partition from `offset` on, about `limit` of them: groups
    /// may be read whole.
    ///
    /// # Errors
    /// When the log is damaged there.
    fn read(&self, partition: u32, offset: u64, limit: usize) -> Result<Vec<(u64, Arc<Record>)>, Error>;

    /// The offset the partition's next record will get.
    fn end(&self, partition: u32) -> u64;

    /// May forget records older than `before` that stand below what each
    /// partition's readers still need.
    ///
    /// # Errors
    /// When the disk fails.
    fn trim(&self, needed: &[u64], before: Timestamp) -> Result<(), Error>;

    /// When the identity was last seen, within the time such things are kept.
    ///
    /// # Errors
    /// When the disk fails.
    fn seen(&self, identity: u128) -> Result<Option<Timestamp>, Error>;

    /// The latest time on the log, so that time never goes back over a restart.
    fn latest(&self) -> Timestamp;

    /// Quarantined events from `from` on, at most `limit`.
    ///
    /// # Errors
    /// When the disk fails.
    fn quarantined(
        &self,
        from: QuarantineId,
        limit: usize,
    ) -> Result<Vec<(QuarantineId, Quarantined)>, Error>;

    /// Whether an event is still in quarantine.
    ///
    /// # Errors
    /// When that cannot be told now.
    fn holds_quarantined(&self, id: QuarantineId) -> Result<bool, Error> {
        Ok(self.quarantined(id, 1)?.first().is_some_and(|(first, _)| *first == id))
    }

    /// How many events are in quarantine.
    fn quarantine_len(&self) -> u64;
}
