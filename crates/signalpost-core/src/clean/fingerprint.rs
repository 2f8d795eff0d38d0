//! One number for an event's content, to tell a retry from a second event.
//!
//! Everything counts but the ids and times a retry may change: `event_id`,
//! `timestamp`, `sent_at`, `received_at`. XXH3 with 128 bits: its value is
//! fixed by specification, so it may be written to disk.

use xxhash_rust::xxh3::xxh3_128;

use super::{CLEANED, MARKED_BOT};
use crate::event::Event;
use crate::value::{Map, Value};

/// The key under which `clean` keeps the time as the sender's clock had it.
pub const ORIGINAL_TIMESTAMP: &str = "original_timestamp";

/// What cleaning itself says of an event: a copy that comes later, or comes
/// written otherwise, may be judged otherwise.
const NOT_CONTENT: [&str; 3] = [ORIGINAL_TIMESTAMP, MARKED_BOT, CLEANED];

/// The fingerprint of an event's content.
pub fn fingerprint(event: &Event) -> u128 {
    let mut bytes = Vec::with_capacity(512);
    let optional = |bytes: &mut Vec<u8>, text: Option<&str>| match text {
        Some(text) => put_text(bytes, b't', text),
        None => bytes.push(b'-'),
    };
    put_text(&mut bytes, b't', event.source.as_str());
    put_text(&mut bytes, b't', &event.event_type);
    optional(&mut bytes, event.customer_id.as_ref().map(|id| id.as_str()));
    optional(&mut bytes, event.anonymous_id.as_ref().map(|id| id.as_str()));
    optional(&mut bytes, event.product_id.as_ref().map(|id| id.as_str()));
    for map in [&event.properties, &event.traits, &event.context] {
        put_map(&mut bytes, map, &NOT_CONTENT);
    }
    xxh3_128(&bytes)
}

/// A kind and a length before each text, so that no two contents look alike.
fn put_text(bytes: &mut Vec<u8>, kind: u8, text: &str) {
    bytes.push(kind);
    bytes.extend_from_slice(&text.len().to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
}

fn put_map(bytes: &mut Vec<u8>, map: &Map, without: &[&str]) {
    bytes.push(b'{');
    for (name, value) in map.iter().filter(|(name, _)| !without.contains(&&**name)) {
        put_text(bytes, b'n', name);
        put_value(bytes, value);
    }
    bytes.push(b'}');
}

fn put_value(bytes: &mut Vec<u8>, value: &Value) {
    let mut put = |kind: u8, content: &[u8]| {
        bytes.push(kind);
        bytes.extend_from_slice(content);
    };
    match value {
        Value::Null => put(b'-', &[]),
        Value::Bool(truth) => put(b'b', &[u8::from(*truth)]),
        Value::Int(number) => put(b'i', &number.to_le_bytes()),
        Value::Float(number) => put(b'f', &number.to_bits().to_le_bytes()),
        Value::Time(instant) => put(b'@', &instant.as_micros().to_le_bytes()),
        Value::Text(text) => put_text(bytes, b't', text),
        Value::List(items) => {
            bytes.push(b'[');
            items.iter().for_each(|item| put_value(bytes, item));
            bytes.push(b']');
        }
        Value::Map(map) => put_map(bytes, map, &[]),
    }
}
