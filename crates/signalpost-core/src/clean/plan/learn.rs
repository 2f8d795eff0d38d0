//! A tracking plan from sample events.
//!
//! In: clean events, one after the other. Out: a [`Document`] in mode `warn`
//! that each of them follows: the fields of each type, their JSON types, which
//! were always there, which texts were always one of a few or always an address.
//! It is a draft for people to correct, so it leaves out what only chance says,
//! such as the greatest price seen. Memory is bounded by the limits below.

use std::collections::BTreeMap;

use serde_json::{Map as Json, Value as JsonValue, json};

use super::schema::Type;
use super::{Document, EventPlan, Mode, Unplanned};
use crate::clean::email;
use crate::event::Event;
use crate::value::{Map, Value};

/// Types of events beyond these are not learnt.
const TYPES_MAX: usize = 500;
/// Fields of one object beyond these are not learnt: the object is open.
const FIELDS_MAX: usize = 200;
/// Objects and lists deeper than this are learnt as such, not what is in them.
const DEPTH_MAX: usize = 4;
/// A field is required only when at least so many events of the type were seen.
const REQUIRED_EVENTS_MIN: u64 = 20;
/// A text is one of a few only when it was seen so often,
const CHOICE_EVENTS_MIN: u64 = 100;
/// had no more values than this,
const CHOICES_MAX: usize = 8;
/// and each value was short.
const CHOICE_BYTES_MAX: usize = 40;

/// Learns a plan.
#[derive(Debug, Default)]
pub struct Learner {
    types: BTreeMap<Box<str>, Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    events: u64,
    customers: u64,
    devices: u64,
    products: u64,
    properties: Fields,
    traits: Fields,
}

#[derive(Debug, Default)]
struct Fields(BTreeMap<Box<str>, Field>);

/// What was seen in one field.
#[derive(Debug, Default)]
struct Field {
    seen: u64,
    types: u8,
    texts: u64,
    emails: u64,
    date_times: u64,
    /// Each text and how often; `None` once there were too many.
    choices: Option<BTreeMap<Box<str>, u64>>,
    objects: u64,
    fields: Fields,
    item: Option<Box<Field>>,
}

impl Learner {
    /// Takes in one event.
    pub fn observe(&mut self, event: &Event) {
        if self.types.len() >= TYPES_MAX && !self.types.contains_key(&event.event_type) {
            return;
        }
        let seen = self.types.entry(event.event_type.clone()).or_default();
        seen.events += 1;
        seen.customers += u64::from(event.customer_id.is_some());
        seen.devices += u64::from(event.anonymous_id.is_some());
        seen.products += u64::from(event.product_id.is_some());
        seen.properties.observe(&event.properties, 0);
        seen.traits.observe(&event.traits, 0);
    }

    /// How many events of each type were seen.
    pub fn counts(&self) -> impl Iterator<Item = (&str, u64)> {
        self.types.iter().map(|(name, seen)| (&**name, seen.events))
    }

    /// The plan learnt so far.
    pub fn finish(&self) -> Document {
        let plan = |seen: &Seen| EventPlan {
            version: 1,
            mode: None,
            description: Some(format!("learnt from {} events", seen.events)),
            schema: seen.schema(),
        };
        Document {
            version: 1,
            mode: Mode::Warn,
            unplanned: Unplanned::Warn,
            events: self.types.iter().map(|(name, seen)| (name.to_string(), plan(seen))).collect(),
        }
    }
}

impl Seen {
    fn schema(&self) -> JsonValue {
        let always = |count: u64| self.events >= REQUIRED_EVENTS_MIN && count == self.events;
        let mut required = Vec::new();
        for (name, count) in
            [("customer_id", self.customers), ("anonymous_id", self.devices), ("product_id", self.products)]
        {
            if always(count) {
                required.push(json!(name));
            }
        }
        let mut properties = Json::new();
        for (name, fields) in [("properties", &self.properties), ("traits", &self.traits)] {
            if !fields.0.is_empty() {
                properties.insert(name.to_owned(), fields.schema(self.events));
            }
        }
        object(properties, required)
    }
}

fn object(properties: Json<String, JsonValue>, required: Vec<JsonValue>) -> JsonValue {
    let mut schema = Json::new();
    schema.insert("type".to_owned(), json!("object"));
    if !properties.is_empty() {
        schema.insert("properties".to_owned(), JsonValue::Object(properties));
    }
    if !required.is_empty() {
        schema.insert("required".to_owned(), JsonValue::Array(required));
    }
    JsonValue::Object(schema)
}

impl Fields {
    fn observe(&mut self, map: &Map, depth: usize) {
        for (name, value) in map {
            if self.0.len() >= FIELDS_MAX && !self.0.contains_key(name) {
                continue;
            }
            self.0.entry(name.clone()).or_default().observe(value, depth + 1);
        }
    }

    /// `parents` is how many objects could have had these fields.
    fn schema(&self, parents: u64) -> JsonValue {
        let always = |field: &Field| parents >= REQUIRED_EVENTS_MIN && field.seen == parents;
        let required = self.0.iter().filter(|(_, field)| always(field)).map(|(name, _)| json!(name));
        let properties = self.0.iter().map(|(name, field)| (name.to_string(), field.schema()));
        object(properties.collect(), required.collect())
    }
}

impl Field {
    fn observe(&mut self, value: &Value, depth: usize) {
        self.seen += 1;
        self.types |= match value {
            Value::Null => Type::Null as u8,
            Value::Bool(_) => Type::Bool as u8,
            Value::Int(_) => Type::Integer as u8,
            Value::Float(_) => Type::Number as u8,
            Value::Text(_) | Value::Time(_) => Type::Text as u8,
            Value::List(_) => Type::List as u8,
            Value::Map(_) => Type::Object as u8,
        };
        match value {
            Value::Text(text) => self.observe_text(text),
            Value::Time(_) => self.choices = None,
            Value::Map(map) if depth < DEPTH_MAX => {
                self.objects += 1;
                self.fields.observe(map, depth);
            }
            Value::List(items) if depth < DEPTH_MAX => {
                for item in items {
                    self.item.get_or_insert_default().observe(item, depth + 1);
                }
            }
            _ => {}
        }
    }

    fn observe_text(&mut self, text: &str) {
        self.texts += 1;
        self.emails += u64::from(text.contains('@') && email::normalise(text).is_some());
        self.date_times += u64::from(super::schema::is_date_time(text));
        if self.texts == 1 {
            self.choices = Some(BTreeMap::new());
        }
        if let Some(choices) = &mut self.choices {
            if let Some(count) = choices.get_mut(text) {
                *count += 1;
            } else if choices.len() >= CHOICES_MAX || text.len() > CHOICE_BYTES_MAX {
                self.choices = None;
            } else {
                choices.insert(text.into(), 1);
            }
        }
    }

    fn schema(&self) -> JsonValue {
        let mut types = self.types;
        // A number that was whole at times is a number.
        if types & Type::Number as u8 != 0 {
            types &= !(Type::Integer as u8);
        }
        let mut names: Vec<JsonValue> = Type::ALL
            .iter()
            .filter(|(_, kind)| types & *kind as u8 != 0)
            .map(|(name, _)| json!(name))
            .collect();
        let mut schema = Json::new();
        match names.len() {
            1 => schema.insert("type".to_owned(), names.swap_remove(0)),
            _ => schema.insert("type".to_owned(), JsonValue::Array(names)),
        };
        if self.objects > 0
            && !self.fields.0.is_empty()
            && let JsonValue::Object(inner) = self.fields.schema(self.objects)
        {
            schema.extend(inner.into_iter().filter(|(keyword, _)| keyword != "type"));
        }
        if let Some(item) = &self.item {
            schema.insert("items".to_owned(), item.schema());
        }
        if self.texts > 0 && self.texts == self.emails {
            schema.insert("format".to_owned(), json!("email"));
        } else if self.texts > 0 && self.texts == self.date_times {
            schema.insert("format".to_owned(), json!("date-time"));
        } else if types == Type::Text as u8 && self.texts >= CHOICE_EVENTS_MIN {
            let choices = self.choices.iter().flatten();
            let known: Vec<JsonValue> = choices.map(|(text, _)| json!(text)).collect();
            if !known.is_empty() {
                schema.insert("enum".to_owned(), JsonValue::Array(known));
            }
        }
        JsonValue::Object(schema)
    }
}
