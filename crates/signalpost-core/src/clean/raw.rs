//! An event as it came: the fields it may have, with whatever is in them.
//!
//! In: one JSON value from a deserializer, or fields set by an adapter (the
//! Segment API, a webhook, a file import). Out: [`RawEvent`], which
//! [`super::clean`] judges. Reading never fails on a wrong type: what does not
//! fit is kept aside with a problem, so that the quarantine can show it.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::json::{ValueSeed, keep_last};
use super::problem::{Problem, ProblemCode, Rejection};
use crate::value::{Map, Value, get, map_to_json};

/// What stands in one of an event's own fields.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Field<'a> {
    /// Nothing, or JSON null.
    #[default]
    Absent,
    /// Text, borrowed from the body where it has no escapes.
    Text(Cow<'a, str>),
    /// Anything else.
    Value(Value),
}

impl Field<'_> {
    /// Whether nothing is there.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// The same without a loan.
    pub fn into_owned(self) -> Field<'static> {
        match self {
            Self::Absent => Field::Absent,
            Self::Text(text) => Field::Text(Cow::Owned(text.into_owned())),
            Self::Value(value) => Field::Value(value),
        }
    }

    /// The same as a value.
    pub fn to_value(&self) -> Value {
        match self {
            Self::Absent => Value::Null,
            Self::Text(text) => Value::Text((&**text).into()),
            Self::Value(value) => value.clone(),
        }
    }
}

impl<'a> From<&'a str> for Field<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Field<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<Value> for Field<'_> {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Absent,
            Value::Text(text) => Self::Text(Cow::Owned(text.into())),
            other => Self::Value(other),
        }
    }
}

/// One event as it came.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawEvent<'a> {
    /// `event_type`, required.
    pub event_type: Field<'a>,
    /// `customer_id`; it or `anonymous_id` is required.
    pub customer_id: Field<'a>,
    /// `anonymous_id`.
    pub anonymous_id: Field<'a>,
    /// `timestamp` in any accepted form; absent is receipt time.
    pub timestamp: Field<'a>,
    /// `event_id`; absent is assigned.
    pub event_id: Field<'a>,
    /// `product_id`, text or number.
    pub product_id: Field<'a>,
    /// `sent_at`: the sender's clock when it sent, to correct `timestamp` by.
    pub sent_at: Field<'a>,
    /// `properties`, then every unknown top-level field.
    pub properties: Map,
    /// `traits`.
    pub traits: Map,
    /// `context`.
    pub context: Map,
    /// Fields whose value has the wrong type, as they came.
    pub misfits: Map,
    /// What was found wrong while reading; the event will be rejected for it.
    pub problem: Option<Problem>,
}

impl RawEvent<'_> {
    /// Reads an event from a value, as a webhook or an import row gives it.
    ///
    /// # Errors
    /// When `value` is no object or is nested deeper than `depth_max`.
    pub fn from_value(value: Value, depth_max: usize) -> Result<RawEvent<'static>, Rejection> {
        // Through the same reader as bodies, so that there is one rule only.
        let raw = value.to_json().to_string();
        let mut deserializer = serde_json::Deserializer::from_str(&raw);
        match (EventSeed { depth_max }).deserialize(&mut deserializer) {
            Ok(read) => read.map(RawEvent::into_owned),
            Err(error) => Err(Rejection::new(unreadable(&error), raw)),
        }
    }

    /// The same without a loan.
    pub fn into_owned(self) -> RawEvent<'static> {
        RawEvent {
            event_type: self.event_type.into_owned(),
            customer_id: self.customer_id.into_owned(),
            anonymous_id: self.anonymous_id.into_owned(),
            timestamp: self.timestamp.into_owned(),
            event_id: self.event_id.into_owned(),
            product_id: self.product_id.into_owned(),
            sent_at: self.sent_at.into_owned(),
            properties: self.properties,
            traits: self.traits,
            context: self.context,
            misfits: self.misfits,
            problem: self.problem,
        }
    }

    /// The event as JSON: its values as they came, unknown fields in
    /// `properties`.
    pub fn to_json(&self) -> serde_json::Value {
        let mut json = serde_json::Map::new();
        for (name, field) in [
            ("event_id", &self.event_id),
            ("event_type", &self.event_type),
            ("customer_id", &self.customer_id),
            ("anonymous_id", &self.anonymous_id),
            ("timestamp", &self.timestamp),
            ("sent_at", &self.sent_at),
            ("product_id", &self.product_id),
        ] {
            if !field.is_absent() {
                json.insert(name.to_owned(), field.to_value().to_json());
            }
        }
        for (name, map) in
            [("properties", &self.properties), ("traits", &self.traits), ("context", &self.context)]
        {
            if !map.is_empty() {
                json.insert(name.to_owned(), map_to_json(map));
            }
        }
        for (name, value) in &self.misfits {
            json.insert(name.to_string(), value.to_json());
        }
        serde_json::Value::Object(json)
    }

    /// This event's rejection for `problem`.
    pub fn reject(&self, problem: Problem) -> Rejection {
        Rejection::new(problem, self.to_json().to_string())
    }

    /// This event's rejection for several problems, of which there is one at least.
    pub(super) fn reject_for_all(&self, problems: Vec<Problem>) -> Rejection {
        let mut problems = problems.into_iter();
        let first =
            problems.next().unwrap_or_else(|| Problem::new(ProblemCode::PlanViolation, "", String::new()));
        Rejection { more: problems.collect(), ..self.reject(first) }
    }

    /// Whether its browser asks not to have data sold or shared.
    pub fn is_opted_out(&self) -> bool {
        get(&self.context, super::OPTED_OUT) == Some(&Value::Bool(true))
    }
}

/// The problem of an element that is JSON but cannot be held.
pub(super) fn unreadable(error: &serde_json::Error) -> Problem {
    Problem::new(ProblemCode::Unreadable, "", format!("the event cannot be read: {error}"))
}

/// Reads one event, or the rejection of what stands in its place.
#[derive(Clone, Copy)]
pub(super) struct EventSeed {
    pub(super) depth_max: usize,
}

impl<'de> DeserializeSeed<'de> for EventSeed {
    type Value = Result<RawEvent<'de>, Rejection>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl EventSeed {
    fn not_an_object<'de>(value: &Value) -> Result<RawEvent<'de>, Rejection> {
        let kind = type_name(value);
        let message = format!(
            "expected an event object such as {{\"event_type\":\"…\",\"customer_id\":\"…\"}}, got {kind}"
        );
        let raw = value.to_json().to_string();
        Err(Rejection::new(Problem::new(ProblemCode::NotAnObject, "", message), raw))
    }
}

impl<'de> Visitor<'de> for EventSeed {
    type Value = Result<RawEvent<'de>, Rejection>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event object")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Self::not_an_object(&Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Self::not_an_object(&Value::Bool(value)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Self::not_an_object(&Value::Int(number)))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Self::not_an_object(&serde_json::Value::from(number).into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Self::not_an_object(&Value::Float(number)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Self::not_an_object(&Value::Text(text.into())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
        let too_deep = Cell::new(false);
        let list = ValueSeed { depth_left: self.depth_max, too_deep: &too_deep }.visit_seq(items)?;
        Ok(Self::not_an_object(&list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut reader = EventReader::new(self.depth_max);
        while let Some(name) = entries.next_key_seed(Name)? {
            reader.entry(&name, &mut entries)?;
        }
        Ok(Ok(reader.finish()))
    }
}

/// An event under construction.
pub(super) struct EventReader<'de> {
    pub(super) event: RawEvent<'de>,
    /// Unknown top-level fields, which yield to `properties` of the same name.
    extra: Map,
    too_deep: Cell<bool>,
    depth_max: usize,
}

impl<'de> EventReader<'de> {
    pub(super) fn new(depth_max: usize) -> Self {
        Self { event: RawEvent::default(), extra: Map::new(), too_deep: Cell::new(false), depth_max }
    }

    /// Reads the value of the entry `name`.
    pub(super) fn entry<A: MapAccess<'de>>(&mut self, name: &str, entries: &mut A) -> Result<(), A::Error> {
        let values = ValueSeed { depth_left: self.depth_max.saturating_sub(1), too_deep: &self.too_deep };
        let event = &mut self.event;
        let field = match name {
            "event_type" => &mut event.event_type,
            "customer_id" => &mut event.customer_id,
            "anonymous_id" => &mut event.anonymous_id,
            "timestamp" => &mut event.timestamp,
            "event_id" => &mut event.event_id,
            "product_id" => &mut event.product_id,
            "sent_at" => &mut event.sent_at,
            "properties" | "traits" | "context" => {
                let value = entries.next_value_seed(values)?;
                self.facts(name, value);
                return Ok(());
            }
            _ => return self.unknown(name, entries),
        };
        *field = entries.next_value_seed(FieldSeed(values))?;
        Ok(())
    }

    /// Reads the value of an entry that no field is named after.
    pub(super) fn unknown<A: MapAccess<'de>>(&mut self, name: &str, entries: &mut A) -> Result<(), A::Error> {
        let values = ValueSeed { depth_left: self.depth_max.saturating_sub(1), too_deep: &self.too_deep };
        let value = entries.next_value_seed(values)?;
        self.extra.push((name.into(), value));
        Ok(())
    }

    /// Adds an entry that is read already and that no field is named after.
    pub(super) fn extra(&mut self, name: &str, value: Value) {
        self.extra.push((name.into(), value));
    }

    fn facts(&mut self, name: &str, value: Value) {
        let map = match value {
            Value::Map(map) => map,
            Value::Null => Map::new(),
            // PHP writes an empty object as an empty list.
            Value::List(items) if items.is_empty() => Map::new(),
            other => {
                let message = format!("expected an object, got {}", type_name(&other));
                self.event.problem = Some(Problem::new(ProblemCode::WrongType, name, message));
                self.event.misfits.push((name.into(), other));
                return;
            }
        };
        match name {
            "properties" => self.event.properties = map,
            "traits" => self.event.traits = map,
            _ => self.event.context = map,
        }
    }

    /// The event, with the unknown fields among its properties.
    pub(super) fn finish(self) -> RawEvent<'de> {
        let (mut event, mut extra) = self.finish_apart();
        if !extra.is_empty() {
            // keep_last leaves the value that comes last, so `properties` follow.
            extra.append(&mut event.properties);
            keep_last(&mut extra);
            event.properties = extra;
        }
        event
    }

    /// The event, and the unknown fields.
    pub(super) fn finish_apart(mut self) -> (RawEvent<'de>, Map) {
        if self.too_deep.get() {
            let message =
                format!("nested deeper than {} levels; what lay deeper is not kept", self.depth_max);
            self.event.problem = Some(Problem::new(ProblemCode::TooDeep, "", message));
        }
        (self.event, self.extra)
    }
}

/// What JSON calls the type of `value`, with its article.
pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Int(_) | Value::Float(_) => "a number",
        Value::Text(_) | Value::Time(_) => "text",
        Value::List(_) => "a list",
        Value::Map(_) => "an object",
    }
}

/// Reads a name, borrowed where it has no escapes.
pub(super) struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

/// Reads a field: text by loan, everything else as a value.
struct FieldSeed<'c>(ValueSeed<'c>);

impl<'de> DeserializeSeed<'de> for FieldSeed<'_> {
    type Value = Field<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Field<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for FieldSeed<'_> {
    type Value = Field<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's value")
    }

    fn visit_unit<E>(self) -> Result<Field<'de>, E> {
        Ok(Field::Absent)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Field<'de>, E> {
        Ok(Field::Value(Value::Bool(value)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Field<'de>, E> {
        Ok(Field::Value(Value::Int(number)))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Field<'de>, E> {
        // As text beyond i64, so that an id keeps all its digits.
        Ok(i64::try_from(number)
            .map_or_else(|_| Field::from(number.to_string()), |number| Field::Value(Value::Int(number))))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Field<'de>, E> {
        Ok(Field::Value(Value::Float(number)))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Field<'de>, E> {
        Ok(Field::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Field<'de>, E> {
        Ok(Field::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Field<'de>, A::Error> {
        self.0.visit_seq(items).map(Field::Value)
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Field<'de>, A::Error> {
        self.0.visit_map(entries).map(Field::Value)
    }
}
