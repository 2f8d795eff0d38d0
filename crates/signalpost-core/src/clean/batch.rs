//! A request body into raw events.
//!
//! In: the bytes of one event object, a list of events, or
//! `{"batch":[…],"sent_at":…}`. Out: one result an element, in order. Bodies
//! that are small and well formed (nearly all) are read in one pass; the others
//! are first cut at their elements, so that a value no program can hold (half a
//! surrogate pair, `1e999`) costs only the element it stands in.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::problem::{BodyError, Problem, ProblemCode, Rejection};
use super::raw::{EventReader, EventSeed, Field, Name, RawEvent, unreadable};
use super::settings::Limits;
use crate::value::Value;

/// So many events have room in a list before it has to grow.
const BATCH_USUAL: usize = 32;

/// What one element of a body turned out to be.
pub type Element<'a> = Result<RawEvent<'a>, Rejection>;

/// Reads a request body into its events.
///
/// # Errors
/// Only when the body as a whole is not JSON or has too many elements; a wrong
/// element is a [`Rejection`] in its place and harms no other.
pub fn parse_batch<'a>(body: &'a [u8], limits: &Limits) -> Result<Vec<Element<'a>>, BodyError> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    if body.len() > limits.event_bytes_max {
        return match std::str::from_utf8(body) {
            Ok(text) => parse_pieces(text, limits),
            Err(_) => parse_mended(body, limits),
        };
    }
    let overflow = Cell::new(false);
    let seed = BodySeed { limits, overflow: &overflow };
    // Known to be UTF-8 as a whole, it need not be asked of every text.
    let read = match std::str::from_utf8(body) {
        Ok(text) => read_whole(serde_json::Deserializer::from_str(text), seed),
        Err(_) => read_whole(serde_json::Deserializer::from_slice(body), seed),
    };
    match read {
        Ok(elements) => Ok(elements),
        Err(_) if overflow.get() => Err(BodyError::TooManyEvents { max: limits.events_max }),
        Err(error) => parse_mended(body, limits).map_err(|again| match again {
            BodyError::Json { .. } => body_error(&error),
            other => other,
        }),
    }
}

fn read_whole<'de, R: serde_json::de::Read<'de>>(
    mut deserializer: serde_json::Deserializer<R>,
    seed: BodySeed<'_>,
) -> Result<Vec<Element<'de>>, serde_json::Error> {
    let elements = seed.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(elements)
}

pub(crate) fn body_error(error: &serde_json::Error) -> BodyError {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let message = text.strip_suffix(&place).unwrap_or(&text).to_owned();
    BodyError::Json { message, line: error.line(), column: error.column() }
}

/// Reads the whole body in one pass.
struct BodySeed<'c> {
    limits: &'c Limits,
    overflow: &'c Cell<bool>,
}

impl<'de> DeserializeSeed<'de> for BodySeed<'_> {
    type Value = Vec<Element<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for BodySeed<'_> {
    type Value = Vec<Element<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event, a list of events or {\"batch\":[…]}")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let seed = EventSeed { depth_max: self.limits.depth_max };
        let mut elements = Vec::with_capacity(items.size_hint().unwrap_or(BATCH_USUAL));
        while let Some(element) = items.next_element_seed(seed)? {
            if elements.len() >= self.limits.events_max {
                self.overflow.set(true);
                return Err(A::Error::custom("too many events"));
            }
            elements.push(element);
        }
        Ok(elements)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut reader = EventReader::new(self.limits.depth_max);
        let mut batch = None;
        while let Some(name) = entries.next_key_seed(Name)? {
            if name == "batch" && reader.event.event_type.is_absent() {
                let seed = BatchSeed { limits: self.limits, overflow: self.overflow };
                batch = Some(entries.next_value_seed(seed)?);
            } else {
                reader.entry(&name, &mut entries)?;
            }
        }
        match batch {
            // An event with a property that happens to be called `batch`.
            Some(batch) if !reader.event.event_type.is_absent() => {
                reader.extra("batch", batch.into_value());
                Ok(vec![Ok(reader.finish())])
            }
            Some(Batch::Events(mut elements)) => {
                share_sent_at(&mut elements, &reader.finish().sent_at);
                Ok(elements)
            }
            Some(Batch::Other(value)) => {
                reader.extra("batch", value);
                Ok(vec![Ok(reader.finish())])
            }
            None => Ok(vec![Ok(reader.finish())]),
        }
    }
}

/// Gives the wrapper's `sent_at` to the events that have none of their own.
fn share_sent_at<'a>(elements: &mut [Element<'a>], sent_at: &Field<'a>) {
    if !sent_at.is_absent() {
        for event in elements.iter_mut().flatten().filter(|event| event.sent_at.is_absent()) {
            event.sent_at = sent_at.clone();
        }
    }
}

/// What stands under `batch`.
enum Batch<'a> {
    Events(Vec<Element<'a>>),
    Other(Value),
}

impl Batch<'_> {
    fn into_value(self) -> Value {
        let elements = match self {
            Self::Other(value) => return value,
            Self::Events(elements) => elements,
        };
        let value = |element: Element<'_>| match element {
            Ok(event) => event.to_json().into(),
            Err(rejection) => {
                serde_json::from_str::<serde_json::Value>(&rejection.raw).unwrap_or_default().into()
            }
        };
        Value::List(elements.into_iter().map(value).collect())
    }
}

/// Reads what stands under `batch`.
struct BatchSeed<'c> {
    limits: &'c Limits,
    overflow: &'c Cell<bool>,
}

impl<'de> DeserializeSeed<'de> for BatchSeed<'_> {
    type Value = Batch<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for BatchSeed<'_> {
    type Value = Batch<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of events")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Batch::Other(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Batch::Other(Value::Bool(value)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Batch::Other(Value::Int(number)))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Batch::Other(serde_json::Value::from(number).into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Batch::Other(Value::Float(number)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Batch::Other(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
        BodySeed { limits: self.limits, overflow: self.overflow }.visit_seq(items).map(Batch::Events)
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Self::Value, A::Error> {
        let element = EventSeed { depth_max: self.limits.depth_max }.visit_map(entries)?;
        let json = element.map_or(serde_json::Value::Null, |event| event.to_json());
        Ok(Batch::Other(json.into()))
    }
}

/// Reads a body whose bytes or escapes are not quite Unicode.
fn parse_mended<'a>(body: &[u8], limits: &Limits) -> Result<Vec<Element<'a>>, BodyError> {
    let text = String::from_utf8_lossy(body);
    let mended = mend_surrogates(&text);
    let elements = parse_pieces(&mended, limits)?;
    Ok(elements.into_iter().map(|element| element.map(RawEvent::into_owned)).collect())
}

/// Cuts the body at its elements and reads each alone.
fn parse_pieces<'a>(text: &'a str, limits: &Limits) -> Result<Vec<Element<'a>>, BodyError> {
    let whole: &'a RawValue = serde_json::from_str(text).map_err(|error| body_error(&error))?;
    let json = whole.get();
    if json.starts_with('[') {
        let list: Vec<&'a RawValue> = serde_json::from_str(json).map_err(|error| body_error(&error))?;
        return read_pieces(&list, limits);
    }
    if json.starts_with('{') {
        let Entries(entries) = serde_json::from_str(json).map_err(|error| body_error(&error))?;
        let at = |name: &str| entries.iter().rfind(|(held, _)| held == name).map(|(_, value)| *value);
        if let (None, Some(batch)) =
            (at("event_type"), at("batch").filter(|batch| batch.get().starts_with('[')))
        {
            let list: Vec<&'a RawValue> =
                serde_json::from_str(batch.get()).map_err(|error| body_error(&error))?;
            let mut elements = read_pieces(&list, limits)?;
            let sent_at =
                at("sent_at").and_then(|json| serde_json::from_str::<serde_json::Value>(json.get()).ok());
            share_sent_at(&mut elements, &sent_at.map_or(Field::Absent, |json| Value::from(json).into()));
            return Ok(elements);
        }
        return read_pieces(&[whole], limits);
    }
    let message = "expected an event, a list of events or {\"batch\":[…]}".to_owned();
    Err(BodyError::Json { message, line: 1, column: 1 })
}

fn read_pieces<'a>(list: &[&'a RawValue], limits: &Limits) -> Result<Vec<Element<'a>>, BodyError> {
    if list.len() > limits.events_max {
        return Err(BodyError::TooManyEvents { max: limits.events_max });
    }
    Ok(list.iter().map(|piece| read_piece(piece.get(), limits)).collect())
}

fn read_piece<'a>(json: &'a str, limits: &Limits) -> Element<'a> {
    if json.len() > limits.event_bytes_max {
        return Err(too_large(json, limits));
    }
    let mut deserializer = serde_json::Deserializer::from_str(json);
    match (EventSeed { depth_max: limits.depth_max }).deserialize(&mut deserializer) {
        Ok(element) => element,
        Err(error) => Err(Rejection::new(unreadable(&error), json.to_owned())),
    }
}

/// The rejection of an event whose JSON is too long.
pub(super) fn too_large(json: &str, limits: &Limits) -> Rejection {
    let message = format!(
        "the event has {} bytes of JSON, at most {} are allowed; leave out what no segment or mail needs",
        json.len(),
        limits.event_bytes_max
    );
    Rejection::new(Problem::new(ProblemCode::TooLarge, "", message), json.to_owned())
}

/// The entries of an object, in order.
pub(super) struct Entries<'a>(pub(super) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> serde::Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;

        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(name) = map.next_key_seed(Name)? {
                    entries.push((name, map.next_value()?));
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(EntriesVisitor)
    }
}

/// `json` with each `\uD800`-`\uDFFF` escape that has no partner as `\uFFFD`:
/// JavaScript writes half a pair when it cuts an emoji in two.
pub(crate) fn mend_surrogates(json: &str) -> Cow<'_, str> {
    let mut mended = String::new();
    let mut copied = 0;
    let mut rest = 0;
    while let Some(found) = json.get(rest..).and_then(|tail| tail.find('\\')) {
        let at = rest + found;
        let unit = |at: usize| {
            let digits = json.get(at..)?.strip_prefix("\\u")?.get(..4)?;
            u32::from_str_radix(digits, 16).ok()
        };
        rest = match unit(at) {
            Some(0xD800..=0xDBFF) if matches!(unit(at + 6), Some(0xDC00..=0xDFFF)) => at + 12,
            Some(0xD800..=0xDFFF) => {
                mended.push_str(json.get(copied..at).unwrap_or_default());
                mended.push_str("\\uFFFD");
                copied = at + 6;
                copied
            }
            // Past the backslash and the one byte it escapes.
            _ => at + 2,
        };
    }
    if copied == 0 {
        return Cow::Borrowed(json);
    }
    mended.push_str(json.get(copied..).unwrap_or_default());
    Cow::Owned(mended)
}
