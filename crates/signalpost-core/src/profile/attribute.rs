//! A profile's attributes as rules, SQL and templates name them: its traits,
//! and the computed traits that every profile has.
//!
//! Each answer comes with the first instant at which it may change by the
//! clock alone.

use super::fold::{CART, PURCHASES, UNSUBSCRIBE, VIEWS};
use super::{Moment, Profile};
use crate::time::{Span, Timestamp};
use crate::value::Value;

/// The computed traits every profile has, and what each tells.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("customer_id", "The customer's own key; null for an anonymous profile"),
    ("first_seen", "Time of the earliest event"),
    ("last_seen", "Time of the latest event"),
    ("recency_score", "current_date minus the date of the latest event, in days"),
    ("events", "Number of events"),
    ("last_viewed_product", "Product of the latest view"),
    ("recent_view_category", "Category of the latest view that told one"),
    ("cart_items", "Number of products in the cart"),
    ("orders", "Number of distinct orders"),
    ("total_spent", "Sum of all purchases"),
    ("rfm_recency", "Whole days since the latest purchase"),
    ("rfm_frequency", "Number of distinct orders"),
    ("rfm_monetary", "Sum of all purchases"),
    ("email_consent", "Whether e-mail was consented to; null when never said"),
];

/// The events that change a computed trait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behind<'a> {
    /// None.
    Nothing,
    /// Those of every type.
    EveryType,
    /// Those of these types.
    Types(&'static [&'static str]),
    /// Those of this type.
    Type(&'a str),
}

/// The events that change what [`Profile::attribute`] says of a name. One that
/// sets a trait of the name changes it too, and so does a consent.
pub(crate) fn behind(name: &str) -> Behind<'_> {
    match name {
        "customer_id" => Behind::Nothing,
        "first_seen" | "last_seen" | "recency_score" | "events" | "anonymous_ids" => Behind::EveryType,
        "last_viewed_product" | "recent_view_category" => Behind::Types(VIEWS),
        "cart" | "cart_items" => Behind::Types(CART),
        "orders" | "total_spent" | "rfm_recency" | "rfm_frequency" | "rfm_monetary" => {
            Behind::Types(PURCHASES)
        }
        "email_consent" => Behind::Types(&[UNSUBSCRIBE]),
        other => match named_type(other) {
            Some((event_type, _)) => Behind::Type(event_type),
            None => Behind::Nothing,
        },
    }
}

/// What a name such as `<type>_count` tells of an event type.
#[derive(Clone, Copy)]
enum OfType {
    Count,
    CountOfDays(i64),
    First,
    Last,
}

/// `<type>_count`, `<type>_count_<N>d`, `first_<type>_at`, `last_<type>_at`.
fn named_type(name: &str) -> Option<(&str, OfType)> {
    if let Some(event_type) = name.strip_suffix("_count") {
        return Some((event_type, OfType::Count));
    }
    let of_time = |prefix| name.strip_prefix(prefix).and_then(|rest: &str| rest.strip_suffix("_at"));
    if let Some(event_type) = of_time("last_") {
        return Some((event_type, OfType::Last));
    }
    if let Some(event_type) = of_time("first_") {
        return Some((event_type, OfType::First));
    }
    let (event_type, days) = name.rsplit_once("_count_")?;
    let days = days.strip_suffix('d')?.parse().ok().filter(|days| (1..=90).contains(days))?;
    Some((event_type, OfType::CountOfDays(days)))
}

impl Profile {
    /// The value of a trait or computed trait at `now`, and the first later
    /// instant at which it may differ with no new event.
    ///
    /// A trait set by the customer's systems wins over a computed trait of the
    /// same name, save `customer_id`.
    pub fn attribute(&self, name: &str, now: Timestamp) -> (Value, Timestamp) {
        if name != "customer_id"
            && let Some(value) = self.trait_value(name)
        {
            // Both are texts to whoever asks, whatever was set.
            let is_lost = matches!(name, "email" | "anonymous_id") && value.as_text().is_none();
            return (if is_lost { Value::Null } else { value.clone() }, Timestamp::MAX);
        }
        self.computed(name, now)
    }

    fn computed(&self, name: &str, now: Timestamp) -> (Value, Timestamp) {
        let constant = |value| (value, Timestamp::MAX);
        match name {
            "customer_id" => constant(self.key.customer_id().map_or(Value::Null, |id| id.as_str().into())),
            "first_seen" => constant(time(self.types.iter().map(|s| s.first).min())),
            "last_seen" => constant(time(self.last_seen())),
            "recency_score" => days_between_dates(self.last_seen(), now),
            "events" => constant(count(self.types.iter().map(|s| s.count).sum())),
            "last_viewed_product" => {
                constant(self.last_viewed.as_ref().map_or(Value::Null, |(_, id)| id.as_str().into()))
            }
            "recent_view_category" => constant(
                self.recent_view_category
                    .as_ref()
                    .map_or(Value::Null, |(_, category)| Value::Text(category.clone())),
            ),
            "cart" => {
                constant(Value::List(self.cart_lines().map(|line| line.product_id.as_str().into()).collect()))
            }
            "anonymous_ids" => {
                constant(Value::List(self.anonymous_ids.iter().map(|id| id.as_str().into()).collect()))
            }
            "cart_items" => constant(count(self.cart_lines().count() as u64)),
            "orders" | "rfm_frequency" => constant(count(self.orders.len() as u64)),
            "total_spent" | "rfm_monetary" => constant(money(self.spent_micros)),
            "rfm_recency" => whole_days_since(self.last_purchase(), now),
            "email_consent" => constant(self.consent("email").map_or(Value::Null, Value::Bool)),
            other => self.by_event_type(other, now),
        }
    }

    fn by_event_type(&self, name: &str, now: Timestamp) -> (Value, Timestamp) {
        let constant = |value| (value, Timestamp::MAX);
        let Some((event_type, told)) = named_type(name) else { return constant(Value::Null) };
        let summary = self.summary(event_type);
        match told {
            OfType::Count => constant(count(summary.map_or(0, |s| s.count))),
            OfType::Last => constant(time(summary.map(|s| s.last))),
            OfType::First => constant(time(summary.map(|s| s.first))),
            OfType::CountOfDays(days) => self.counted_days(event_type, days, now),
        }
    }

    /// Events of a type on the last `days` UTC days, today included.
    fn counted_days(&self, event_type: &str, days: i64, now: Timestamp) -> (Value, Timestamp) {
        let Some(summary) = self.summary(event_type) else { return (count(0), Timestamp::MAX) };
        let first = now.day() - days + 1;
        let in_window = || summary.daily.iter().filter(|(day, _)| *day >= first);
        let total = in_window().map(|(_, events)| u64::from(*events)).sum();
        let leaves = in_window().map(|(day, _)| midnight(day + days)).next().unwrap_or(Timestamp::MAX);
        (count(total), leaves)
    }

    /// The time of the latest event.
    pub fn last_seen(&self) -> Option<Timestamp> {
        self.types.iter().map(|summary| summary.last).max()
    }

    fn last_purchase(&self) -> Option<Timestamp> {
        PURCHASES.iter().filter_map(|t| self.summary(t)).map(|summary| summary.last).max()
    }

    /// The moment of the latest view, for ordering what was viewed.
    pub fn last_viewed_at(&self) -> Option<Moment> {
        self.last_viewed.as_ref().map(|(moment, _)| *moment)
    }
}

fn count(number: u64) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

fn time(instant: Option<Timestamp>) -> Value {
    instant.map_or(Value::Null, Value::Time)
}

/// Micro-units as a number: the nearest double to the exact decimal.
#[expect(clippy::cast_precision_loss, reason = "the nearest double is what SQL compares with")]
fn money(micros: i64) -> Value {
    Value::Float(micros as f64 / 1_000_000.0)
}

fn midnight(day: i64) -> Timestamp {
    Timestamp::from_micros(0) + Span::DAY.times(day)
}

fn days_between_dates(from: Option<Timestamp>, now: Timestamp) -> (Value, Timestamp) {
    match from {
        Some(from) => (Value::Int(now.day() - from.day()), midnight(now.day() + 1)),
        None => (Value::Null, Timestamp::MAX),
    }
}

fn whole_days_since(from: Option<Timestamp>, now: Timestamp) -> (Value, Timestamp) {
    match from {
        Some(from) => {
            let days = (now - from).as_micros().div_euclid(Span::DAY.as_micros());
            (Value::Int(days), from + Span::DAY.times(days + 1))
        }
        None => (Value::Null, Timestamp::MAX),
    }
}
