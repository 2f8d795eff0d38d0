//! A profile: what is folded from one person's timeline, and nothing else.
//!
//! In: clean events, one at a time and in any order. Out: traits, computed
//! traits and the rows that live segments read. Every fold here commutes: a
//! late event leaves the same profile as one in time, so that only a change of
//! definitions ever needs the timeline again.

mod attribute;
pub mod fold;
mod record;
mod row;
#[cfg(test)]
mod tests;
pub mod waits;

use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::id::{AnonymousId, ProductId, ProfileKey};
use crate::segment::TypeName;
use crate::time::Timestamp;
use crate::value::Value;

pub use attribute::BUILT_IN;
pub(crate) use attribute::{Behind, behind};
pub use fold::hash;
pub use record::{DecodeError, RECORD_VERSION};
pub use row::ProfileRow;
pub use waits::Waits;

/// A place in a profile's order of events: by time, then by arrival.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct Moment {
    /// When it happened.
    pub timestamp: Timestamp,
    /// The order of arrival in its partition; breaks ties of time. A derived
    /// event's is its [`crate::event::derived_place`].
    pub sequence: u64,
}

/// A trait, and the moment that set it: the latest moment wins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trait {
    /// Its name as the customer's systems write it.
    pub name: Box<str>,
    /// What it is set to; [`Value::Null`] when unset on purpose.
    pub value: Value,
    /// What set it.
    pub set_at: Moment,
}

/// All events of one type, summed up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TypeSummary {
    /// `product_view`, `purchase`, …
    pub event_type: TypeName,
    /// How many.
    pub count: u64,
    /// The earliest.
    pub first: Timestamp,
    /// The latest.
    pub last: Timestamp,
    /// The earliest and the latest that came from outside; derived ones may be
    /// taken back.
    pub outside: Option<(Timestamp, Timestamp)>,
    /// How many on each UTC day of the last [`fold::DAILY_COUNTS_KEPT`] days seen, by day.
    pub daily: Vec<(i64, u32)>,
}

/// What happened to one product in the cart; whichever came last tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CartLine {
    /// The product.
    pub product_id: ProductId,
    /// How many were put in by the latest `add_to_cart`.
    pub quantity: f64,
    /// The latest `add_to_cart`.
    pub added: Option<Moment>,
    /// The latest `remove_from_cart` or purchase of it.
    pub removed: Option<Moment>,
}

/// A derived event that a sequence rule has made, or is about to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Derived {
    /// The rule, by its id in the program.
    pub rule: u32,
    /// The event that started it.
    pub cause: Moment,
    /// The starting event's id, for the derived event's own id.
    pub cause_event_id: Box<str>,
    /// The value that the awaited event must share, when the rule names one.
    pub matching: Value,
    /// The product of the starting event, carried over.
    pub product_id: Option<ProductId>,
    /// When it fires, or fired: the start plus the rule's span.
    pub due: Timestamp,
    /// Whether it has fired.
    pub fired: bool,
}

/// An event that a sequence rule waits for, kept for starts that arrive late.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Awaited {
    /// The rule, by its id in the program.
    pub rule: u32,
    /// The value it shares with what it answers.
    pub matching: Value,
    /// When it happened.
    pub at: Timestamp,
}

/// One segment's state for this profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Membership {
    /// The segment, by its id in the program.
    pub segment: u32,
    /// When the profile entered.
    pub entered_at: Timestamp,
    /// The definition's version at entry.
    pub version: u32,
}

/// A consent decision for a purpose or channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Consent {
    /// `email`, `marketing`, …
    pub purpose: Box<str>,
    /// Given or refused.
    pub granted: bool,
    /// What set it; the latest wins.
    pub set_at: Moment,
}

/// A message that was decided on, kept for frequency caps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contact {
    /// The campaign, by its id in the program.
    pub campaign: u32,
    /// When.
    pub at: Timestamp,
}

/// One person, folded from the timeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Who.
    pub key: ProfileKey,
    /// Devices known to be this person's.
    pub anonymous_ids: Vec<AnonymousId>,
    /// What the customer's systems said of the person.
    pub traits: Vec<Trait>,
    /// Consent by purpose.
    pub consents: Vec<Consent>,
    /// All events by type, in order of first arrival.
    pub types: Vec<TypeSummary>,
    /// The latest viewed product.
    pub last_viewed: Option<(Moment, ProductId)>,
    /// Products viewed, latest first, each once, at most [`fold::VIEWED_KEPT`].
    pub viewed: Vec<(Moment, ProductId)>,
    /// The category of the latest view that told one.
    pub recent_view_category: Option<(Moment, Box<str>)>,
    /// Products that were put into the cart, and what became of them.
    pub cart: Vec<CartLine>,
    /// When the whole cart was last emptied: an order without product lines.
    pub cart_emptied: Option<Moment>,
    /// Hashes of the distinct order ids of purchases, sorted.
    pub orders: Vec<u64>,
    /// Money spent, in millionths of the shop's currency.
    pub spent_micros: i64,
    /// Products bought, latest first, each once, at most [`fold::VIEWED_KEPT`].
    pub purchased: Vec<(Moment, ProductId)>,
    /// Rows that live segments read, ascending.
    pub rows: Vec<ProfileRow>,
    /// Events whose time has not come yet, ascending.
    pub future: Vec<(Moment, Event)>,
    /// Derived events: pending and fired.
    pub derived: Vec<Derived>,
    /// What sequence rules wait for and got.
    pub awaited: Vec<Awaited>,
    /// Segments the profile is in, by id, ascending.
    pub memberships: Vec<Membership>,
    /// Messages decided on lately, oldest first.
    pub contacts: Vec<Contact>,
    /// The program version these caches were made under.
    pub program_version: u64,
    /// Until when its segments' answers hold by the clock.
    pub waits: Waits,
    /// Whether something changed that no evaluation of all segments has seen: a
    /// profile just made, or a consent given outside of events.
    pub unevaluated: bool,
    /// Whether its rows hold those that only explanations show, as they do when
    /// it was folded anew. The next thing that happens to it drops them.
    pub explainable: bool,
    /// The instant a timer is set for; [`Timestamp::MAX`] when none is.
    pub timer: Timestamp,
}

impl Profile {
    /// A person nothing is known of.
    pub fn new(key: ProfileKey) -> Self {
        Self {
            key,
            anonymous_ids: Vec::new(),
            traits: Vec::new(),
            consents: Vec::new(),
            types: Vec::new(),
            last_viewed: None,
            viewed: Vec::new(),
            recent_view_category: None,
            cart: Vec::new(),
            cart_emptied: None,
            orders: Vec::new(),
            spent_micros: 0,
            purchased: Vec::new(),
            rows: Vec::new(),
            future: Vec::new(),
            derived: Vec::new(),
            awaited: Vec::new(),
            memberships: Vec::new(),
            contacts: Vec::new(),
            program_version: 0,
            waits: Waits::default(),
            unevaluated: true,
            explainable: false,
            timer: Timestamp::MAX,
        }
    }

    /// The trait of that name, when set.
    pub fn trait_value(&self, name: &str) -> Option<&Value> {
        self.traits.iter().find(|t| &*t.name == name).map(|t| &t.value).filter(|value| !value.is_null())
    }

    /// All events of a type, summed up.
    pub fn summary(&self, event_type: &str) -> Option<&TypeSummary> {
        self.types.get(self.place_of_type(event_type)?)
    }

    fn place_of_type(&self, event_type: &str) -> Option<usize> {
        let tag = TypeName::tag_of(event_type);
        self.types.iter().position(|held| held.event_type.tag() == tag && *held.event_type == *event_type)
    }

    /// Whether the person is in the segment now.
    pub fn is_member(&self, segment: u32) -> bool {
        self.memberships.binary_search_by_key(&segment, |held| held.segment).is_ok()
    }

    /// Puts the person into a segment, or changes the stay there.
    pub fn enter(&mut self, stay: Membership) {
        match self.memberships.binary_search_by_key(&stay.segment, |held| held.segment) {
            Ok(place) => {
                if let Some(held) = self.memberships.get_mut(place) {
                    *held = stay;
                }
            }
            Err(place) => self.memberships.insert(place, stay),
        }
    }

    /// Takes the person out of a segment.
    pub fn leave(&mut self, segment: u32) {
        if let Ok(place) = self.memberships.binary_search_by_key(&segment, |held| held.segment) {
            self.memberships.remove(place);
        }
    }

    /// The consent for a purpose: `None` when the person never said.
    pub fn consent(&self, purpose: &str) -> Option<bool> {
        self.consents.iter().find(|consent| &*consent.purpose == purpose).map(|consent| consent.granted)
    }

    /// What is in the cart, oldest first.
    pub fn cart_lines(&self) -> impl Iterator<Item = &CartLine> {
        let emptied = self.cart_emptied;
        self.cart.iter().filter(move |line| line.added.is_some() && line.added > line.removed.max(emptied))
    }

    /// The first instant at which anything changes with no new event.
    pub fn next_due(&self) -> Timestamp {
        self.waits.next().min(self.next_event_due())
    }

    /// The first instant at which an event happens that is here already, or is
    /// derived by the clock.
    pub fn next_event_due(&self) -> Timestamp {
        let future = self.future.first().map_or(Timestamp::MAX, |(moment, _)| moment.timestamp);
        let derived = self.derived.iter().filter(|d| !d.fired).map(|d| d.due).min().unwrap_or(Timestamp::MAX);
        future.min(derived)
    }
}
