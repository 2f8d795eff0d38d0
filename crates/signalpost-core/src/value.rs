//! The one value model of rules, SQL and templates, and its one comparison.
//!
//! In: JSON from events, traits and the catalog. Out: values that compare the
//! way SQL compares them, so that a live predicate and the same predicate over
//! the lake never disagree.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Named values in the order they were written.
pub type Map = Vec<(Box<str>, Value)>;

/// A value of a property, a trait or an expression.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// Absent or unknown.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction, or too large for [`Value::Int`].
    Float(f64),
    /// Text.
    Text(Box<str>),
    /// An instant. Never comes from JSON; computed traits and event times do.
    Time(Timestamp),
    /// Values in order.
    List(Vec<Value>),
    /// Named values.
    Map(Map),
}

impl Value {
    /// Text, when this is text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, when this is one or is text that reads as one.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "SQL compares BIGINT with DOUBLE so too")]
            Self::Int(number) => Some(*number as f64),
            Self::Float(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok().filter(|n: &f64| n.is_finite()),
            _ => None,
        }
    }

    /// The instant, when this is one or is RFC 3339 text.
    pub fn as_time(&self) -> Option<Timestamp> {
        match self {
            Self::Time(instant) => Some(*instant),
            Self::Text(text) => Timestamp::parse(text),
            _ => None,
        }
    }

    /// Whether this is [`Value::Null`].
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Compares as SQL does; `None` where SQL's answer is NULL (either side is
    /// null, or the two cannot be compared).
    ///
    /// Numbers compare by size, text by bytes, instants by time. A number and
    /// text compare as numbers when the text reads as one; an instant and text
    /// compare as instants.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        use Value::{Bool, Float, Int, Text, Time};
        match (self, other) {
            (Bool(a), Bool(b)) => Some(a.cmp(b)),
            (Int(a), Int(b)) => Some(a.cmp(b)),
            (Text(a), Text(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
            (Int(_) | Float(_), Int(_) | Float(_) | Text(_)) | (Text(_), Int(_) | Float(_)) => {
                self.as_number()?.partial_cmp(&other.as_number()?)
            }
            (Time(a), Time(b)) => Some(a.cmp(b)),
            (Time(a), Text(_)) => Some(a.cmp(&other.as_time()?)),
            (Text(_), Time(b)) => Some(self.as_time()?.cmp(b)),
            _ => None,
        }
    }

    /// The value at `key`, when this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(map) => get(map, key),
            _ => None,
        }
    }

    /// The value as JSON; instants become RFC 3339 text.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match self {
            Self::Null => Json::Null,
            Self::Bool(b) => Json::Bool(*b),
            Self::Int(n) => Json::from(*n),
            Self::Float(n) => serde_json::Number::from_f64(*n).map_or(Json::Null, Json::Number),
            Self::Text(text) => Json::String(text.to_string()),
            Self::Time(instant) => Json::String(instant.to_string()),
            Self::List(items) => Json::Array(items.iter().map(Self::to_json).collect()),
            Self::Map(map) => map_to_json(map),
        }
    }
}

/// The value at `key`, when `map` has it.
pub fn get<'a>(map: &'a Map, key: &str) -> Option<&'a Value> {
    map.iter().find(|(name, _)| &**name == key).map(|(_, value)| value)
}

/// Puts `value` at `key`, in place when the key is already there.
pub fn set(map: &mut Map, key: &str, value: Value) {
    match map.iter_mut().find(|(name, _)| &**name == key) {
        Some((_, held)) => *held = value,
        None => map.push((key.into(), value)),
    }
}

/// The map as a JSON object.
pub fn map_to_json(map: &Map) -> serde_json::Value {
    serde_json::Value::Object(map.iter().map(|(name, value)| (name.to_string(), value.to_json())).collect())
}

impl From<serde_json::Value> for Value {
    fn from(json: serde_json::Value) -> Self {
        use serde_json::Value as Json;
        match json {
            Json::Null => Self::Null,
            Json::Bool(b) => Self::Bool(b),
            Json::Number(n) => {
                n.as_i64().map_or_else(|| Self::Float(n.as_f64().unwrap_or(f64::NAN)), Self::Int)
            }
            Json::String(text) => Self::Text(text.into()),
            Json::Array(items) => Self::List(items.into_iter().map(Self::from).collect()),
            Json::Object(map) => {
                Self::Map(map.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
            }
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Time(instant) => write!(f, "{instant}"),
            other => write!(f, "{}", other.to_json()),
        }
    }
}
