//! One case as data: what is defined, what comes in, and when members are
//! asked for. Kept in a file, it is replayed for ever.

use serde::{Deserialize, Serialize};
use serde_json::{Map as Json, Value as Any};
use signalpost_core::event::Event;
use signalpost_core::time::Timestamp;
use signalpost_core::value::{Map, Value};

/// All that happens to a small group of people.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Case {
    /// Segments, in the order they are defined.
    pub(crate) segments: Vec<Wanted>,
    /// Sequence rules, all there from the beginning.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) sequences: Vec<String>,
    /// What comes in, in the order of its arrival.
    pub(crate) inputs: Vec<Input>,
    /// The instants at which members are asked for, ascending.
    pub(crate) asks: Vec<String>,
}

/// A segment that is wanted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Wanted {
    pub(crate) name: String,
    pub(crate) text: String,
    /// Before which input it is defined: 0 when there from the beginning.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) after_inputs: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// One thing that comes in.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) struct Input {
    /// When it comes in.
    pub(crate) at: String,
    /// A person to be forgotten, or else an event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) erase: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) event: Option<Happened>,
}

/// An event as its sender tells it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Happened {
    pub(crate) id: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) customer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) device: Option<String>,
    pub(crate) time: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) product: Option<String>,
    #[serde(default, skip_serializing_if = "Json::is_empty")]
    pub(crate) properties: Json<String, Any>,
    #[serde(default, skip_serializing_if = "Json::is_empty")]
    pub(crate) traits: Json<String, Any>,
}

pub(crate) fn instant(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap_or_else(|| panic!("{text} is no instant"))
}

fn map(json: &Json<String, Any>) -> Map {
    json.iter().map(|(name, value)| (name.as_str().into(), Value::from(value.clone()))).collect()
}

impl Happened {
    /// The event as the step takes it.
    pub(crate) fn event(&self, received_at: Timestamp) -> Event {
        Event {
            event_id: self.id.as_str().into(),
            event_type: self.kind.as_str().into(),
            customer_id: self.customer.as_deref().map(Into::into),
            anonymous_id: self.device.as_deref().map(Into::into),
            timestamp: instant(&self.time),
            received_at,
            product_id: self.product.as_deref().map(Into::into),
            properties: map(&self.properties),
            traits: map(&self.traits),
            context: Map::new(),
            source: "test".into(),
        }
    }
}
