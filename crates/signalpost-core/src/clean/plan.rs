//! The tracking plan: what each type of event has to look like.
//!
//! In: a plan as JSON ([`Document`]: a JSON Schema a type, versions, how strict),
//! then clean events. Out: [`Outcome`]: which fields differ, what was expected
//! and what came. A plan is compiled once; checking an event of the usual size
//! takes well under a microsecond, because the schemas run over the event's own
//! values and no JSON is made. [`Learner`] makes a plan from sample events.
//!
//! The schemas speak the part of JSON Schema 2020-12 listed in [`schema`]; a
//! keyword beyond it is refused, never ignored.

pub mod learn;
pub mod schema;

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

pub use learn::Learner;
use schema::{Schema, Type, Violation};

use super::problem::{Problem, ProblemCode};
use super::settings::{PlanMode, SourceSettings};
use crate::event::Event;

/// What happens to an event that differs from the plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It is kept with a remark.
    #[default]
    Warn,
    /// It is quarantined.
    Strict,
}

/// What happens to an event whose type the plan does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unplanned {
    /// Nothing.
    #[default]
    Allow,
    /// It is kept with a remark.
    Warn,
    /// It is quarantined.
    Strict,
}

/// A plan as it stands in a file: what is imported and exported.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Counts up with each change of the plan. Default 1.
    #[serde(default = "first")]
    pub version: u32,
    /// How strict the plan is where a type does not say. Default `warn`.
    #[serde(default)]
    pub mode: Mode,
    /// What becomes of types the plan does not have. Default `allow`.
    #[serde(default)]
    pub unplanned: Unplanned,
    /// The types of events, by name.
    #[serde(default)]
    pub events: BTreeMap<String, EventPlan>,
}

/// What is planned for one type of event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventPlan {
    /// Counts up with each change of this type's schema. Default 1.
    #[serde(default = "first")]
    pub version: u32,
    /// How strict this type is; else as the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// What the event means, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The JSON Schema of the event: an object with `event_type`, `customer_id`,
    /// `anonymous_id`, `product_id`, `properties`, `traits` and `context`.
    pub schema: serde_json::Value,
}

fn first() -> u32 {
    1
}

/// Why a plan cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is no plan.
    #[error("not a tracking plan: {message}")]
    Document {
        /// What the parser met, with line and column.
        message: String,
    },
    /// A schema is wrong or says what this program does not know.
    #[error("the schema of {event_type} at {at}: {message}")]
    Schema {
        /// The type of event.
        event_type: String,
        /// Where in the schema, as a JSON pointer.
        at: String,
        /// What is wrong and what is expected.
        message: String,
    },
}

/// A compiled plan. By default one that plans nothing.
#[derive(Debug, Default)]
pub struct Plan {
    document: Document,
    events: HashMap<Box<str>, Planned>,
}

#[derive(Debug)]
struct Planned {
    version: u32,
    mode: Mode,
    schema: Schema,
}

/// What a plan says of an event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// The version of the type's schema; `None` where the plan lacks the type.
    pub version: Option<u32>,
    /// Whether the event is to be quarantined.
    pub rejected: bool,
    /// What differs, as remarks for the event. Empty when it follows the plan.
    pub problems: Vec<Problem>,
}

impl Plan {
    /// Reads and compiles a plan.
    ///
    /// # Errors
    /// When the text is no plan, or a schema in it cannot be compiled.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        let document: Document =
            serde_json::from_str(text).map_err(|error| Error::Document { message: error.to_string() })?;
        Self::compile(document)
    }

    /// Compiles a plan.
    ///
    /// # Errors
    /// When a schema cannot be compiled.
    pub fn compile(document: Document) -> Result<Self, Error> {
        let mut events = HashMap::with_capacity(document.events.len());
        for (event_type, plan) in &document.events {
            let schema = Schema::compile(&plan.schema).map_err(|refusal| Error::Schema {
                event_type: event_type.clone(),
                at: refusal.at,
                message: refusal.message,
            })?;
            let mode = plan.mode.unwrap_or(document.mode);
            events.insert(event_type.as_str().into(), Planned { version: plan.version, mode, schema });
        }
        Ok(Self { document, events })
    }

    /// The plan as it stands in a file.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// The plan as the text of a file, which [`Plan::from_json`] reads back.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(&self.document).unwrap_or_default()
    }

    /// Whether an event of this type from this source can be rejected.
    pub(super) fn may_reject(&self, event_type: &str, source: &SourceSettings) -> bool {
        match (source.plan, self.events.get(event_type)) {
            (PlanMode::Off | PlanMode::Warn, Some(_)) | (PlanMode::Off, None) => false,
            (PlanMode::Strict, Some(_)) => true,
            (PlanMode::AsPlanned, Some(planned)) => planned.mode == Mode::Strict,
            (_, None) => source.unplanned.unwrap_or(self.document.unplanned) == Unplanned::Strict,
        }
    }

    /// Holds a clean event against the plan, as strictly as its source wants.
    pub fn check_for(&self, event: &Event, source: &SourceSettings) -> Outcome {
        let strict = match source.plan {
            PlanMode::Off => return Outcome::default(),
            PlanMode::AsPlanned => None,
            PlanMode::Warn => Some(false),
            PlanMode::Strict => Some(true),
        };
        if !self.events.contains_key(&event.event_type) {
            return self.unplanned(event, source.unplanned.unwrap_or(self.document.unplanned));
        }
        let outcome = self.check(event);
        let rejected = strict.unwrap_or(outcome.rejected) && !outcome.problems.is_empty();
        Outcome { rejected, ..outcome }
    }

    /// Holds a clean event against the plan.
    pub fn check(&self, event: &Event) -> Outcome {
        let Some(planned) = self.events.get(&event.event_type) else {
            return self.unplanned(event, self.document.unplanned);
        };
        let violations = planned.schema.check_event(event);
        if violations.is_empty() {
            return Outcome { version: Some(planned.version), ..Outcome::default() };
        }
        let problem = |violation: Violation| {
            let Violation { path, expected, got } = violation;
            let message = format!(
                "the plan (version {} of {}) expects {expected}, got {got}",
                planned.version, event.event_type
            );
            Problem::new(ProblemCode::PlanViolation, path, message)
        };
        Outcome {
            version: Some(planned.version),
            rejected: planned.mode == Mode::Strict,
            problems: violations.into_iter().map(problem).collect(),
        }
    }

    fn unplanned(&self, event: &Event, unplanned: Unplanned) -> Outcome {
        if unplanned == Unplanned::Allow {
            return Outcome::default();
        }
        let message = format!(
            "the plan (version {}) has no event type {:?}; add it, or send one it has",
            self.document.version, event.event_type
        );
        Outcome {
            version: None,
            rejected: unplanned == Unplanned::Strict,
            problems: vec![Problem::new(ProblemCode::UnplannedEvent, "event_type", message)],
        }
    }
}

/// The types of an event's own fields, for [`schema`] and [`learn`].
pub(super) const OWN_FIELDS: [(&str, Type); 8] = [
    ("event_type", Type::Text),
    ("customer_id", Type::Text),
    ("anonymous_id", Type::Text),
    ("product_id", Type::Text),
    ("timestamp", Type::Text),
    ("properties", Type::Object),
    ("traits", Type::Object),
    ("context", Type::Object),
];
