//! A row's form as the server takes it: an event, a person's traits or an item.
//!
//! In: a mapping, the columns of a file, the types of their values; then rows.
//! Out: each row's JSON, appended to a request's body.

pub mod cell;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::csv::Record;
use super::mapping::{Field, Kind, Mapping, Part, Rest};
use super::times::Times;
use cell::Cell;

/// Names of columns that rows bring with them are remembered up to this many.
const NAMES_MAX: usize = 10_000;
/// What the visitor of a row that names nobody is called, before its own name.
const GUEST: &str = "guest:";

/// What is done with a column's value.
#[derive(Clone, Debug, PartialEq)]
struct Action {
    part: Part,
    /// `"name":`
    key: Arc<str>,
    cell: Cell,
    /// The constant that this value stands in for.
    constant: Option<usize>,
    names_somebody: bool,
    is_event_id: bool,
}

/// Makes rows into JSON.
#[derive(Debug)]
pub struct Shape {
    kind: Kind,
    mapping: Mapping,
    times: Option<Times>,
    /// By column, for rows whose columns are known.
    columns: Vec<Arc<[Action]>>,
    guest_column: Option<usize>,
    /// By name, for rows that bring their own.
    names: HashMap<String, Arc<[Action]>>,
    /// Mapped columns that lie inside others: `user.id`.
    inside: Vec<(Vec<String>, Arc<[Action]>)>,
    constants: Vec<(Part, String)>,
    row: Row,
}

/// The row being made.
#[derive(Debug, Default)]
struct Row {
    top: Vec<u8>,
    properties: Vec<u8>,
    traits: Vec<u8>,
    context: Vec<u8>,
    given: Vec<bool>,
    names_somebody: bool,
    has_event_id: bool,
    guest: Option<String>,
}

impl Shape {
    /// A shape for a file with these columns and types; `None` for rows that
    /// bring their own.
    ///
    /// # Errors
    /// When a time zone is unknown, or a mapped column is not there.
    pub fn new(
        mapping: &Mapping,
        columns: Option<&[String]>,
        cells: &[Cell],
    ) -> Result<Self, super::WrongMapping> {
        let times = Times::new(&mapping.timestamp)?;
        let mut shape = Self {
            kind: mapping.kind,
            times,
            columns: Vec::new(),
            guest_column: None,
            names: HashMap::new(),
            inside: Vec::new(),
            constants: Vec::new(),
            row: Row::default(),
            mapping: mapping.clone(),
        };
        for (field, value) in &mapping.constants {
            shape.constants.push((field.part, format!("{}{value}", key(&field.name))));
        }
        if mapping.kind == Kind::Profiles {
            shape.constants.push((Part::Top, r#""event_type":"identify""#.to_owned()));
        }
        if let Some(columns) = columns {
            let place = |name: &str| columns.iter().position(|column| column == name);
            shape.guest_column = mapping.guest.as_deref().and_then(place);
            for (name, cell) in columns.iter().zip(cells.iter().copied().chain(std::iter::repeat(Cell::Json)))
            {
                let actions = shape.actions(name, cell);
                shape.columns.push(actions.into());
            }
        }
        for (field, column) in &mapping.fields {
            let path: Vec<String> = column.split('.').map(str::to_owned).collect();
            if path.len() > 1 {
                let action = shape.action(field, shape.said(column, Cell::Json));
                shape.inside.push((path, vec![action].into()));
            }
        }
        Ok(shape)
    }

    /// The type that was said for a column, else another.
    fn said(&self, column: &str, otherwise: Cell) -> Cell {
        self.mapping.types.get(column).map_or(otherwise, |said| Cell::Typed(*said))
    }

    /// What is done with a column of this name.
    fn actions(&self, name: &str, cell: Cell) -> Vec<Action> {
        let cell = self.said(name, cell);
        let mapped = self.mapping.fields.iter().filter(|(_, column)| column == name);
        let mut actions: Vec<Action> = mapped.map(|(field, _)| self.action(field, cell)).collect();
        if !actions.is_empty() {
            return actions;
        }
        let is_given = |field: &Field| self.mapping.fields.iter().any(|(held, _)| held == field);
        match Field::parse(name, self.kind) {
            Ok(field) if !is_given(&field) => actions.push(self.action(&field, cell)),
            // Its name is a field's that another column was mapped to.
            Ok(_) => {}
            Err(_) if self.mapping.rest == Rest::Keep => {
                let field = Field { part: self.kind.rest(), name: name.to_owned() };
                if !is_given(&field) {
                    actions.push(self.action(&field, cell));
                }
            }
            Err(_) => {}
        }
        if self.mapping.rest == Rest::Drop {
            actions.retain(|action| {
                action.part == Part::Top && self.kind.fields().iter().any(|name| *action.key == *key(name))
            });
        }
        actions
    }

    fn action(&self, field: &Field, cell: Cell) -> Action {
        let top = field.part == Part::Top;
        let is = |names: &[&str]| top && names.contains(&field.name.as_str());
        let cell = if is(&["timestamp", "sent_at"]) && self.times.is_some() {
            Cell::Time
        } else if is(&["properties", "traits", "context"]) && self.kind != Kind::Catalog {
            Cell::Object
        } else if is(&[
            "event_type",
            "customer_id",
            "anonymous_id",
            "event_id",
            "product_id",
            "timestamp",
            "sent_at",
        ]) || is(&["name", "category", "brand", "currency", "image_url", "url"])
            && self.kind == Kind::Catalog
        {
            // Digits of an identity are not a number, nor are those of a time.
            cell.as_written()
        } else {
            cell
        };
        Action {
            part: field.part,
            key: key(&field.name).into(),
            cell,
            constant: self.mapping.constants.iter().position(|(held, _)| held == field),
            names_somebody: is(&["customer_id", "anonymous_id"]),
            is_event_id: is(&["event_id"]),
        }
    }

    /// Appends a row's JSON. `event_id` is taken where the row has none;
    /// `origin` says where the row stood.
    ///
    /// # Errors
    /// What is wrong with the row, when nothing can be made of it; nothing is
    /// appended then.
    pub fn write(
        &mut self,
        record: &Record,
        event_id: &str,
        origin: &str,
        into: &mut Vec<u8>,
    ) -> Result<(), String> {
        self.row.clear(self.constants.len());
        if self.columns.is_empty() || record.is_empty() {
            self.take_object(record)?;
        } else {
            self.take_fields(record)?;
        }
        self.finish(event_id, origin);
        self.row.write(into);
        Ok(())
    }

    fn take_fields(&mut self, record: &Record) -> Result<(), String> {
        let texts = record.texts().map_err(|error| not_utf8(&record.raw, error))?;
        for (place, (text, actions)) in texts.zip(&self.columns).enumerate() {
            if text.is_empty() {
                continue;
            }
            if self.guest_column == Some(place) {
                self.row.guest = Some(text.clone().into_owned());
            }
            for action in &**actions {
                self.row.put(action, |value| action.cell.write_text(&text, self.times.as_ref(), value));
            }
        }
        Ok(())
    }

    fn take_object(&mut self, record: &Record) -> Result<(), String> {
        let text = std::str::from_utf8(&record.raw).map_err(|error| not_utf8(&record.raw, error))?;
        let Entries(entries) =
            serde_json::from_str(text).map_err(|error| format!("no JSON object: {error}"))?;
        for (name, value) in &entries {
            let json = value.get();
            if json == "null" {
                continue;
            }
            let actions = self.actions_by_name(name);
            for action in &*actions {
                self.row.put(action, |value| action.cell.write_json(json, self.times.as_ref(), value));
            }
            if self.mapping.guest.as_deref() == Some(&**name) {
                self.row.guest = Some(cell::plain(json));
            }
            for (path, actions) in &self.inside {
                let found = path
                    .split_first()
                    .filter(|(first, _)| *first == name)
                    .and_then(|(_, rest)| cell::find(json, rest));
                if let (Some(found), true) = (found, entries.iter().all(|(name, _)| *name != path.join(".")))
                {
                    for action in &**actions {
                        self.row
                            .put(action, |value| action.cell.write_json(&found, self.times.as_ref(), value));
                    }
                }
            }
        }
        Ok(())
    }

    fn actions_by_name(&mut self, name: &str) -> Arc<[Action]> {
        if let Some(actions) = self.names.get(name) {
            return Arc::clone(actions);
        }
        let actions: Arc<[Action]> = self.actions(name, Cell::Json).into();
        if self.names.len() < NAMES_MAX {
            self.names.insert(name.to_owned(), Arc::clone(&actions));
        }
        actions
    }

    /// What the row does not say itself.
    fn finish(&mut self, event_id: &str, origin: &str) {
        let row = &mut self.row;
        for (place, (part, text)) in self.constants.iter().enumerate() {
            if row.given.get(place) != Some(&true) {
                separate(row.part(*part)).extend_from_slice(text.as_bytes());
            }
        }
        if self.kind == Kind::Catalog {
            return;
        }
        if !row.has_event_id {
            put_text(&mut row.top, r#""event_id":"#, event_id);
        }
        if let (Some(guest), false) = (&row.guest, row.names_somebody) {
            put_text(&mut row.top, r#""anonymous_id":"#, &format!("{GUEST}{guest}"));
        }
        put_text(&mut row.context, r#""import":"#, origin);
    }
}

impl Row {
    fn clear(&mut self, constants: usize) {
        for part in [Part::Top, Part::Properties, Part::Traits, Part::Context] {
            self.part(part).clear();
        }
        self.given.clear();
        self.given.resize(constants, false);
        self.names_somebody = false;
        self.has_event_id = false;
        self.guest = None;
    }

    fn part(&mut self, part: Part) -> &mut Vec<u8> {
        match part {
            Part::Top => &mut self.top,
            Part::Properties => &mut self.properties,
            Part::Traits => &mut self.traits,
            Part::Context => &mut self.context,
        }
    }

    /// Puts a value in; `write` says whether there is one.
    fn put(&mut self, action: &Action, write: impl FnOnce(&mut Vec<u8>) -> bool) {
        let merged = match (action.cell, &*action.key) {
            (Cell::Object, r#""properties":"#) => Some(Part::Properties),
            (Cell::Object, r#""traits":"#) => Some(Part::Traits),
            (Cell::Object, r#""context":"#) => Some(Part::Context),
            _ => None,
        };
        let part = self.part(merged.unwrap_or(action.part));
        let before = part.len();
        separate(part);
        if merged.is_none() {
            part.extend_from_slice(action.key.as_bytes());
        }
        if !write(part) {
            part.truncate(before);
            return;
        }
        self.names_somebody |= action.names_somebody;
        self.has_event_id |= action.is_event_id;
        if let Some(given) = action.constant.and_then(|place| self.given.get_mut(place)) {
            *given = true;
        }
    }

    fn write(&self, into: &mut Vec<u8>) {
        into.push(b'{');
        into.extend_from_slice(&self.top);
        for (key, part) in [
            (&br#""properties":{"#[..], &self.properties),
            (br#""traits":{"#, &self.traits),
            (br#""context":{"#, &self.context),
        ] {
            if !part.is_empty() {
                if into.last() != Some(&b'{') {
                    into.push(b',');
                }
                into.extend_from_slice(key);
                into.extend_from_slice(part);
                into.push(b'}');
            }
        }
        into.push(b'}');
    }
}

fn separate(part: &mut Vec<u8>) -> &mut Vec<u8> {
    if !part.is_empty() {
        part.push(b',');
    }
    part
}

fn put_text(part: &mut Vec<u8>, key: &str, text: &str) {
    separate(part).extend_from_slice(key.as_bytes());
    cell::write_quoted(text, part);
}

/// `"name":`
fn key(name: &str) -> String {
    let mut key = Vec::new();
    cell::write_quoted(name, &mut key);
    key.push(b':');
    String::from_utf8(key).unwrap_or_default()
}

fn not_utf8(raw: &[u8], error: std::str::Utf8Error) -> String {
    let byte = raw.get(error.valid_up_to()).copied().unwrap_or_default();
    format!(
        "byte {} (0x{byte:02X}) is not UTF-8; if the file is in another encoding, say --encoding",
        error.valid_up_to() + 1
    )
}

/// An object's entries, in order.
struct Entries<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

/// A name, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Objects;

        impl<'de> Visitor<'de> for Objects {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::with_capacity(16);
                while let Some(Name(name)) = map.next_key()? {
                    entries.push((name, map.next_value()?));
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(Objects)
    }
}
