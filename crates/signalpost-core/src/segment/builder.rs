//! The builder's form of a segment: JSON that a page can show as blocks.
//!
//! In: JSON, as [`BUILDER_SCHEMA`] describes it. Out: the same statement that
//! text gives, checked by the same rules; a refusal says where in the JSON.

mod events;
mod read;
mod schema;
mod write;

use serde_json::Value as Json;

use super::refusal::{Note, Refusal, Trouble};
use super::resolve::{Resolver, Scope};
use super::schema::Schema;
use super::{Definition, Form, SequenceRule, Statement};
use crate::id::SegmentName;
pub use schema::BUILDER_SCHEMA;

/// Reads a segment or a sequence rule in the builder's form.
///
/// `{"name": "Buyers", "condition": {"done": {"events": ["purchase"]}}}` is a
/// segment, `{"after": …, "without": …, "within": "1 hour", "emit": …}` a
/// sequence rule. A segment without a name is one of the SELECT form.
///
/// # Errors
/// The first thing that is not understood, with the path to it in the message;
/// line and column are 1.
pub fn parse_builder(json: &Json, schema: &Schema) -> Result<(Statement, Vec<Note>), Refusal> {
    let mut reader = read::Reader::default();
    let mut notes = Vec::new();
    let statement = statement(json, schema, &mut reader, &mut notes).map_err(|trouble| {
        let path = reader.path(trouble.place);
        Refusal {
            line: 1,
            column: 1,
            message: format!("{} (at {path})", trouble.message),
            hint: trouble.hint,
            source_line: String::new(),
        }
    })?;
    if let Statement::Segment(definition) = &statement {
        notes.extend(super::statement::kept_for_ever(definition));
    }
    for note in &mut notes {
        (note.line, note.column) = (1, 1);
    }
    Ok((statement, notes))
}

fn statement(
    json: &Json,
    schema: &Schema,
    reader: &mut read::Reader,
    notes: &mut Vec<Note>,
) -> Result<Statement, Trouble> {
    if json.get("after").is_some() {
        // The text is the one place that knows what such a rule may say.
        let text = reader.sequence(json)?;
        return super::parse(&text, schema)
            .map_err(|refusal| reader.refused("", refusal.message).hint(refusal.hint.unwrap_or_default()));
    }
    let (name, condition) = reader.segment(json)?;
    let mut resolver = Resolver {
        schema,
        scopes: vec![Scope::Profile(None)],
        notes,
        beside_event: false,
        grouped: None,
        strict: true,
        aggregates: 0,
    };
    let predicate = resolver.truth(&condition)?;
    let form = if name.is_some() { Form::Rule } else { Form::Select };
    Ok(Statement::Segment(Definition { name: name.map(SegmentName::from), form, predicate }))
}

impl Statement {
    /// The statement in the builder's form.
    pub fn to_builder(&self) -> Json {
        match self {
            Self::Segment(definition) => definition.to_builder(),
            Self::Sequence(rule) => rule.to_builder(),
        }
    }
}

impl Definition {
    /// The segment in the builder's form.
    pub fn to_builder(&self) -> Json {
        let mut json = serde_json::Map::new();
        if let Some(name) = &self.name {
            json.insert("name".to_owned(), name.as_str().into());
        }
        json.insert("condition".to_owned(), write::expression(&self.predicate));
        Json::Object(json)
    }
}

impl SequenceRule {
    /// The rule in the builder's form.
    pub fn to_builder(&self) -> Json {
        let mut json = serde_json::json!({
            "after": self.after,
            "without": self.without,
            "within": super::duration::print(self.within),
            "emit": self.emit,
        });
        if let (Some(property), Some(object)) = (&self.matching, json.as_object_mut()) {
            object.insert("matching".to_owned(), property.as_str().into());
        }
        json
    }
}
