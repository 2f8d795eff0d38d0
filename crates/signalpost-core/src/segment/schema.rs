//! The names a text may use: traits and properties that have been seen, and
//! the computed traits every profile has.

use std::collections::BTreeSet;

use super::tree::Type;

/// The names known where a text is read. It decides what a bare name means and
/// offers the nearest name where one is unknown. `Default` knows nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    traits: BTreeSet<Box<str>>,
    properties: BTreeSet<Box<str>>,
    event_types: BTreeSet<Box<str>>,
}

impl Schema {
    /// Makes a trait (or own computed trait) known.
    pub fn add_trait(&mut self, name: &str) {
        self.traits.insert(name.into());
    }

    /// Makes an event property known.
    pub fn add_property(&mut self, name: &str) {
        self.properties.insert(name.into());
    }

    /// Makes an event type known.
    pub fn add_event_type(&mut self, name: &str) {
        self.event_types.insert(name.into());
    }

    /// Whether a profile is known to carry this trait.
    pub fn has_trait(&self, name: &str) -> bool {
        self.traits.contains(name)
    }

    /// Whether an event is known to carry this property.
    pub fn has_property(&self, name: &str) -> bool {
        self.properties.contains(name)
    }

    /// The known trait or property nearest to `name`, when one is near.
    pub fn nearest(&self, name: &str) -> Option<&str> {
        nearest(name, self.traits.iter().chain(&self.properties).map(|known| &**known))
    }

    /// The known event type nearest to `name`; `None` when `name` is known
    /// itself or nothing is near.
    pub fn nearest_event_type(&self, name: &str) -> Option<&str> {
        if self.event_types.contains(name) {
            return None;
        }
        nearest(name, self.event_types.iter().map(|known| &**known))
    }
}

/// The candidate that differs from `name` by the fewest edits, when these are
/// at most a third of its length.
pub(crate) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted: Vec<char> = name.chars().take(64).flat_map(char::to_lowercase).collect();
    let allowed = (wanted.len() / 3).clamp(1, 3);
    candidates
        .map(|candidate| (edits(&wanted, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance, one row at a time.
fn edits(wanted: &[char], candidate: &str) -> usize {
    let mut row: Vec<usize> = (0..=wanted.len()).collect();
    for (line, letter) in candidate.chars().take(64).flat_map(char::to_lowercase).enumerate() {
        let mut diagonal = line;
        let mut left = line + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (held, own) in row.iter_mut().skip(1).zip(wanted) {
            let changed = diagonal + usize::from(*own != letter);
            diagonal = *held;
            left = changed.min(diagonal + 1).min(left + 1);
            *held = left;
        }
    }
    row.last().copied().unwrap_or_default()
}

/// Columns every event has, beside its type and time.
pub(super) const EVENT_FIELDS: [&str; 7] =
    ["event_id", "product_id", "customer_id", "anonymous_id", "received_at", "source", "sequence"];

/// Whether a bare name can only mean a column of an event.
pub(super) fn is_event_name(name: &str) -> bool {
    matches!(name, "event_type" | "event_time" | "timestamp" | "event_id" | "product_id")
}

/// Whether every profile has this attribute without anyone setting it.
pub(super) fn is_computed(name: &str) -> bool {
    const NAMES: [&str; 17] = [
        "first_seen",
        "last_seen",
        "recency_score",
        "last_viewed_product",
        "recent_view_category",
        "cart",
        "orders",
        "total_spent",
        "rfm_recency",
        "rfm_frequency",
        "rfm_monetary",
        "email",
        "customer_id",
        "anonymous_id",
        "anonymous_ids",
        "email_consent",
        "events",
    ];
    NAMES.contains(&name)
        || name.starts_with("cart_")
        || is_time_of_type(name)
        || is_count(name)
        || is_windowed_count(name)
}

/// `first_<event_type>_at`, `last_<event_type>_at`.
fn is_time_of_type(name: &str) -> bool {
    name.strip_prefix("first_")
        .or_else(|| name.strip_prefix("last_"))
        .and_then(|rest| rest.strip_suffix("_at"))
        .is_some_and(|kind| !kind.is_empty())
}

/// `<event_type>_count`.
fn is_count(name: &str) -> bool {
    name.strip_suffix("_count").is_some_and(|kind| !kind.is_empty())
}

/// `<event_type>_count_<N>d`.
fn is_windowed_count(name: &str) -> bool {
    let Some((kind, window)) = name.rsplit_once("_count_") else { return false };
    let days = window.strip_suffix('d').unwrap_or_default();
    !kind.is_empty() && !days.is_empty() && days.bytes().all(|digit| digit.is_ascii_digit())
}

/// Whether a profile has this attribute from its events and its key, rather
/// than from what somebody set.
pub(super) fn is_told_by_events(name: &str) -> bool {
    !matches!(name, "email" | "anonymous_id") && is_computed(name)
}

/// The type of a computed attribute; unknown for a trait.
pub(super) fn attribute_type(name: &str) -> Type {
    match name {
        "first_seen" | "last_seen" => Type::Time,
        "recency_score" | "total_spent" | "rfm_recency" | "rfm_frequency" | "rfm_monetary" | "events"
        | "orders" | "cart_items" => Type::Number,
        "email" | "customer_id" | "anonymous_id" | "last_viewed_product" | "recent_view_category" => {
            Type::Text
        }
        other if is_time_of_type(other) => Type::Time,
        other if is_windowed_count(other) || is_count(other) => Type::Number,
        _ => Type::Unknown,
    }
}
