//! A clean event: what every step after `clean` reads, and its form on the log.

use serde::{Deserialize, Serialize};

use crate::id::{AnonymousId, CustomerId, EventId, ProductId, ProfileKey, SourceId};
use crate::profile::hash;
use crate::time::Timestamp;
use crate::value::{Map, Value, get};

/// One thing a person did, after cleaning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Unique over at least seven days; the sender's, or assigned on receipt.
    pub event_id: EventId,
    /// What was done: `product_view`, `add_to_cart`, `purchase`, …
    pub event_type: Box<str>,
    /// Who did it, when known. At least one of the two identities is there.
    pub customer_id: Option<CustomerId>,
    /// The device or browser, when told.
    pub anonymous_id: Option<AnonymousId>,
    /// When it happened, corrected for the sender's clock.
    pub timestamp: Timestamp,
    /// When Signalpost accepted it; never before an earlier record of its log.
    pub received_at: Timestamp,
    /// The catalog item it is about, in its normal form.
    pub product_id: Option<ProductId>,
    /// Facts about the event.
    pub properties: Map,
    /// Facts about the person, to be kept on the profile.
    pub traits: Map,
    /// Facts about the circumstances: user agent, page, campaign, address.
    pub context: Map,
    /// Where it came from.
    pub source: SourceId,
}

/// Where a derived event stands among the events of its instant: behind all that
/// came from outside, whose places are the order of their arrival, and beside
/// other derived ones by a digest of its id. When it was derived says nothing,
/// since what it follows from may come late. Fits a signed number.
pub fn derived_place(id: &EventId) -> u64 {
    (1 << 62) | (hash(id.as_str().as_bytes()) >> 2)
}

impl Event {
    /// The profile this event belongs to: the customer, else the device.
    /// `None` for an event that `clean` would have quarantined.
    pub fn profile_key(&self) -> Option<ProfileKey> {
        match (&self.customer_id, &self.anonymous_id) {
            (Some(id), _) => Some(ProfileKey::Customer(id.clone())),
            (None, Some(id)) => Some(ProfileKey::Anonymous(id.clone())),
            (None, None) => None,
        }
    }

    /// The kind of automaton this event was marked with (see
    /// [`crate::clean::SourceSettings::mark_bots`]); `None` for people.
    pub fn marked_bot(&self) -> Option<&str> {
        get(&self.context, crate::clean::MARKED_BOT)?.get("kind")?.as_text()
    }

    /// Whether profiles, segments and recommendations take it in: what an
    /// automaton did stands in the timeline alone.
    pub fn counts(&self) -> bool {
        self.marked_bot().is_none()
    }

    /// Whether a mail service fetched this, perhaps with no person behind it.
    pub fn is_machine_open(&self) -> bool {
        matches!(get(&self.context, crate::clean::MACHINE_OPEN), Some(Value::Bool(true)))
    }

    /// Whether it was imported: history, that begins no message.
    pub fn is_imported(&self) -> bool {
        get(&self.context, crate::clean::IMPORTED).is_some()
    }

    /// The value of a column of `events`: one of the event's own fields, else
    /// the property of that name, else [`Value::Null`].
    ///
    /// `event_time` is another name for `timestamp`.
    pub fn column(&self, name: &str) -> Value {
        let text = |text: &str| Value::Text(text.into());
        match name {
            "event_id" => text(self.event_id.as_str()),
            "event_type" => text(&self.event_type),
            "customer_id" => self.customer_id.as_ref().map_or(Value::Null, |id| text(id.as_str())),
            "anonymous_id" => self.anonymous_id.as_ref().map_or(Value::Null, |id| text(id.as_str())),
            "timestamp" | "event_time" => Value::Time(self.timestamp),
            "received_at" => Value::Time(self.received_at),
            "product_id" => self.product_id.as_ref().map_or(Value::Null, |id| text(id.as_str())),
            "source" => text(self.source.as_str()),
            property => get(&self.properties, property).cloned().unwrap_or_default(),
        }
    }
}
