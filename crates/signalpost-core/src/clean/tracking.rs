//! The HTTP tracking API that Segment published and many client libraries
//! speak, brought to our own events.
//!
//! In: which call it is and the request's body. Out: one [`RawEvent`] a message,
//! in order, as [`super::parse_batch`] gives them, and the write key when the
//! body carries it.
//!
//! | message | event |
//! |---|---|
//! | `messageId` | `event_id` |
//! | `userId`, `anonymousId` | `customer_id`, `anonymous_id` |
//! | `timestamp`, else `originalTimestamp` | `timestamp` |
//! | `sentAt`, of the message or of the batch | `sent_at` |
//! | `track` | its `event` as `event_type`; the names of the e-commerce specification in our own form (`Product Viewed` is `product_view`) |
//! | `page`, `screen` | `page_view`, `screen_view`, with `name` and `category` as properties |
//! | `identify` | `identify`, with its traits |
//! | `group` | `group`, with `group_id` and the group's traits as properties |
//! | `alias` | `alias`: the `previousId` is the person's anonymous id from then on |
//! | `context`, of the batch and of the message | `context`, the message's own first |
//!
//! Specification: <https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/>.

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

use super::batch::{Element, Entries, body_error, mend_surrogates, too_large};
use super::json::keep_last;
use super::problem::{BodyError, Problem, ProblemCode, Rejection};
use super::raw::{EventReader, Field, Name, RawEvent, unreadable};
use super::settings::Limits;
use crate::value::{Map, Value, get, set};

/// What a request says, by its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Who somebody is.
    Identify,
    /// What somebody did.
    Track,
    /// A page somebody saw.
    Page,
    /// An app's screen somebody saw.
    Screen,
    /// To which group somebody belongs.
    Group,
    /// Two ids that are one person.
    Alias,
    /// Several messages, each of which names its call.
    Batch,
}

impl Call {
    /// The call of a path's last part: its name, or the short form of browsers.
    pub fn of_path(name: &str) -> Option<Self> {
        Some(match name {
            "identify" | "i" => Self::Identify,
            "track" | "t" => Self::Track,
            "page" | "p" => Self::Page,
            "screen" | "s" => Self::Screen,
            "group" | "g" => Self::Group,
            "alias" | "a" => Self::Alias,
            "batch" | "b" | "import" => Self::Batch,
            _ => return None,
        })
    }
}

/// What a request's body holds.
#[derive(Debug)]
pub struct Messages {
    /// One result a message, in order.
    pub elements: Vec<Element<'static>>,
    /// The body's `writeKey`: browsers cannot set a header on every request.
    pub write_key: Option<String>,
}

/// Reads the body of a call.
///
/// # Errors
/// When the body is not JSON, or holds more messages than allowed.
pub fn parse(call: Call, body: &[u8], limits: &Limits) -> Result<Messages, BodyError> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    let text = String::from_utf8_lossy(body);
    let text = mend_surrogates(&text);
    let whole: &RawValue = serde_json::from_str(&text).map_err(|error| body_error(&error))?;
    let json = whole.get();
    let list = if json.starts_with('[') { Some(whole) } else { None };
    let entries = match list {
        Some(_) => Entries(Vec::new()),
        None if json.starts_with('{') => serde_json::from_str(json).map_err(|error| body_error(&error))?,
        None => {
            let message = "expected a message, or {\"batch\":[…]} of messages".to_owned();
            return Err(BodyError::Json { message, line: 1, column: 1 });
        }
    };
    let at = |name: &str| entries.0.iter().rfind(|(held, _)| held == name).map(|(_, value)| *value);
    let batch = list.or_else(|| at("batch").filter(|batch| batch.get().starts_with('[')));
    let write_key = at("writeKey").and_then(|json| serde_json::from_str(json.get()).ok());
    let Some(batch) = batch else {
        let single = if call == Call::Batch { None } else { Some(call) };
        return Ok(Messages { elements: vec![message(json, single, &Shared::default(), limits)], write_key });
    };
    let pieces: Vec<&RawValue> = serde_json::from_str(batch.get()).map_err(|error| body_error(&error))?;
    if pieces.len() > limits.events_max {
        return Err(BodyError::TooManyEvents { max: limits.events_max });
    }
    let value =
        |name: &str| at(name).and_then(|json| serde_json::from_str::<serde_json::Value>(json.get()).ok());
    let shared = Shared {
        context: value("context").map(Value::from).and_then(into_map).unwrap_or_default(),
        sent_at: value("sentAt").map_or(Field::Absent, |json| Value::from(json).into()),
    };
    let elements = pieces.iter().map(|piece| message(piece.get(), None, &shared, limits)).collect();
    Ok(Messages { elements, write_key })
}

/// What a batch says for all of its messages.
#[derive(Default)]
struct Shared {
    context: Map,
    sent_at: Field<'static>,
}

/// Reads one message; without a `call` it must name its own.
fn message(json: &str, call: Option<Call>, shared: &Shared, limits: &Limits) -> Element<'static> {
    if json.len() > limits.event_bytes_max {
        return Err(too_large(json, limits));
    }
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let (event, extra) = match deserializer.deserialize_map(Message { depth_max: limits.depth_max }) {
        Ok(read) => read,
        Err(error) if json.starts_with('{') => {
            return Err(Rejection::new(unreadable(&error), json.to_owned()));
        }
        Err(_) => {
            let text = "expected a message such as {\"type\":\"track\",\"event\":\"…\",\"userId\":\"…\"}";
            let problem = Problem::new(ProblemCode::NotAnObject, "", text.to_owned());
            return Err(Rejection::new(problem, json.to_owned()));
        }
    };
    let named = get(&extra, "type").and_then(Value::as_text);
    let Some(call) = call.or_else(|| named.and_then(Call::of_path)).filter(|call| *call != Call::Batch)
    else {
        let message = "expected identify, track, page, screen, group or alias".to_owned();
        let problem = Problem::new(ProblemCode::MissingField, "type", message);
        return Err(Rejection::new(problem, json.to_owned()));
    };
    Ok(translate(event, extra, call, shared))
}

/// Fields of a message that are not facts about what was done.
const OUT_OF_BAND: [&str; 6] = ["integrations", "channel", "_metadata", "version", "writeKey", "type"];

fn translate(mut event: RawEvent<'static>, mut extra: Map, call: Call, shared: &Shared) -> RawEvent<'static> {
    let mut take = |name: &str| {
        let place = extra.iter().rposition(|(held, _)| &**held == name);
        place.map_or(Value::Null, |place| extra.remove(place).1)
    };
    event.event_id = field(take("messageId"));
    event.customer_id = field(take("userId"));
    event.anonymous_id = field(take("anonymousId"));
    let original = field(take("originalTimestamp"));
    if event.timestamp.is_absent() {
        event.timestamp = original;
    }
    let sent_at = field(take("sentAt"));
    event.sent_at = if sent_at.is_absent() { shared.sent_at.clone() } else { sent_at };
    match call {
        Call::Track | Call::Batch => {
            let name = take("event");
            let own = name.as_text().and_then(own_name);
            if let (Some(_), Some(text)) = (own, name.as_text()) {
                set(&mut event.context, "event", Value::from(text));
            }
            event.event_type = own.map_or_else(|| Field::from(name), Field::from);
        }
        Call::Page => event.event_type = "page_view".into(),
        Call::Screen => event.event_type = "screen_view".into(),
        Call::Identify => event.event_type = "identify".into(),
        Call::Group => {
            event.event_type = "group".into();
            let group = take("groupId");
            let mut properties = std::mem::take(&mut event.traits);
            properties.append(&mut event.properties);
            keep_last(&mut properties);
            event.properties = properties;
            set(&mut event.properties, "group_id", group);
        }
        Call::Alias => {
            event.event_type = "alias".into();
            let previous = field(take("previousId"));
            if !previous.is_absent() && previous != event.customer_id {
                event.anonymous_id = previous;
            }
        }
    }
    let mut apart = Map::new();
    for (name, value) in extra {
        if !OUT_OF_BAND.contains(&&*name) {
            apart.push((name, value));
        }
    }
    apart.append(&mut event.properties);
    keep_last(&mut apart);
    event.properties = apart;
    if let Some(product) = ["product_id", "productId"].iter().find_map(|name| get(&event.properties, name)) {
        event.product_id = field(product.clone());
    }
    if call == Call::Identify
        && event.traits.is_empty()
        && let Some(Value::Map(traits)) = get(&event.context, "traits")
    {
        event.traits.clone_from(traits);
    }
    for (name, value) in &shared.context {
        if get(&event.context, name).is_none() {
            event.context.push((name.clone(), value.clone()));
        }
    }
    event
}

/// A field of ours; libraries send empty texts for what they do not know.
fn field(value: Value) -> Field<'static> {
    match value {
        Value::Text(text) if text.trim().is_empty() => Field::Absent,
        other => Field::from(other),
    }
}

fn into_map(value: Value) -> Option<Map> {
    match value {
        Value::Map(map) => Some(map),
        _ => None,
    }
}

/// Our name of an event of the e-commerce specification
/// (<https://segment.com/docs/connections/spec/ecommerce/v2/>).
fn own_name(name: &str) -> Option<&'static str> {
    Some(match name.trim() {
        "Product Viewed" => "product_view",
        "Product Added" => "add_to_cart",
        "Product Removed" => "remove_from_cart",
        "Order Completed" => "purchase",
        "Checkout Started" => "checkout",
        "Order Refunded" => "refund",
        "Products Searched" => "search",
        "Cart Viewed" => "cart_view",
        "Product List Viewed" => "product_list_view",
        "Product Clicked" => "product_click",
        "Promotion Viewed" => "promotion_view",
        "Promotion Clicked" => "promotion_click",
        "Product Added to Wishlist" => "add_to_wishlist",
        "Product Removed from Wishlist" => "remove_from_wishlist",
        _ => return None,
    })
}

/// Reads a message's entries, ours into the event and the rest apart.
struct Message {
    depth_max: usize,
}

impl<'de> Visitor<'de> for Message {
    type Value = (RawEvent<'static>, Map);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut reader = EventReader::new(self.depth_max);
        while let Some(name) = entries.next_key_seed(Name)? {
            // Our own names mean nothing in this language.
            match &*name {
                "timestamp" | "properties" | "traits" | "context" => reader.entry(&name, &mut entries)?,
                _ => reader.unknown(&name, &mut entries)?,
            }
        }
        let (event, extra) = reader.finish_apart();
        Ok((event.into_owned(), extra))
    }
}

#[cfg(test)]
mod tests;
