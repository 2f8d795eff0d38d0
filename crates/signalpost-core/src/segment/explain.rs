//! Why a profile is in a segment or not: each condition, its value, until
//! when, and the events behind it.

use std::ops::ControlFlow;

use super::Form;
use super::compile::{Compiled, part};
use super::evaluate::Scene;
use super::node::{Node, Set};
use super::print;
use super::subject::{Row, Subject};
use super::tree::Expression;
use crate::time::Timestamp;
use crate::value::Value;

/// Horizons looked past at most, to find when a value changes.
const LOOKS_MAX: usize = 32;

/// Most events named for one condition.
pub const EVIDENCE_MAX: usize = 20;

/// A condition or value, what it came to, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The condition in its canonical form.
    pub condition: String,
    /// What it came to: true, false or null; for a value within a condition
    /// the value.
    pub value: Value,
    /// Until when that holds if no event comes; [`Timestamp::MAX`]: always.
    pub horizon: Timestamp,
    /// When the value changes if no event comes: the horizon, but for those that
    /// came early. `None`: never, as far as was looked.
    pub changes_at: Option<Timestamp>,
    /// The latest events that satisfy it, newest first, at most
    /// [`EVIDENCE_MAX`]; empty where it is not about events.
    pub events: Vec<Evidence>,
    /// The conditions and values it is made of.
    pub parts: Vec<Self>,
}

/// An event that satisfies a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// When it happened.
    pub timestamp: Timestamp,
    /// Its place among events of the same instant.
    pub sequence: u64,
    /// What was done.
    pub event_type: Box<str>,
}

/// What would have to be otherwise for a condition to hold.
#[derive(Clone, Debug, PartialEq)]
pub enum Missing {
    /// This condition.
    Condition {
        /// In its canonical form.
        condition: String,
        /// What it would have to be.
        wanted: bool,
        /// What it is.
        value: Value,
        /// When that changes if no event comes.
        changes_at: Option<Timestamp>,
    },
    /// All of these.
    All(Vec<Self>),
    /// One of these.
    Any(Vec<Self>),
}

impl Compiled {
    /// What keeps `subject` out at `now`; `None` when nothing does.
    pub fn missing<S: Subject>(&self, subject: &S, now: Timestamp) -> Option<Missing> {
        let definition = self.definition();
        self.missing_of(&definition.predicate, true, definition.form, subject, now)
    }

    fn missing_of<S: Subject>(
        &self,
        expression: &Expression,
        wanted: bool,
        form: Form,
        subject: &S,
        now: Timestamp,
    ) -> Option<Missing> {
        let (value, changes_at) = self.value_and_change(expression, subject, now);
        if value == Value::Bool(wanted) {
            return None;
        }
        let each = |parts: &[Expression]| {
            parts.iter().filter_map(|part| self.missing_of(part, wanted, form, subject, now)).collect()
        };
        Some(match (expression, wanted) {
            (Expression::Not(inner), _) => return self.missing_of(inner, !wanted, form, subject, now),
            (Expression::And(parts), true) | (Expression::Or(parts), false) => Missing::All(each(parts)),
            (Expression::Or(parts), true) | (Expression::And(parts), false) => Missing::Any(each(parts)),
            _ => {
                let condition = print::expression(expression, form);
                Missing::Condition { condition, wanted, value, changes_at }
            }
        })
    }

    /// What a part comes to at `now`, and when that changes if no event comes.
    fn value_and_change<S: Subject>(
        &self,
        expression: &Expression,
        subject: &S,
        now: Timestamp,
    ) -> (Value, Option<Timestamp>) {
        let node = part(expression, &self.columns);
        let at = |now| {
            let scene = Scene { subject, now };
            let scalar = scene.scalar(&node, None);
            (scalar.value.clone().into_owned(), scalar.moving, scalar.horizon)
        };
        let (value, moving, mut horizon) = at(now);
        for _ in 0..LOOKS_MAX {
            if moving || horizon == Timestamp::MAX {
                break;
            }
            let (later, _, next) = at(horizon);
            if later != value {
                return (value, Some(horizon));
            }
            horizon = next.max(horizon.next());
        }
        (value, None)
    }

    /// Evaluates at `now` and says how each part of the condition came out.
    pub fn explain<S: Subject>(&self, subject: &S, now: Timestamp) -> Explanation {
        let definition = self.definition();
        self.explain_part(&definition.predicate, definition.form, subject, now)
    }

    fn explain_part<S: Subject>(
        &self,
        expression: &Expression,
        form: Form,
        subject: &S,
        now: Timestamp,
    ) -> Explanation {
        let node = part(expression, &self.columns);
        let scene = Scene { subject, now };
        let scalar = scene.scalar(&node, None);
        let mut parts = Vec::new();
        expression.each_part(&mut |inner, in_set| {
            // Conditions inside a set are about one event, not the profile.
            let told =
                !in_set && !matches!(inner, Expression::Literal(_) | Expression::Now | Expression::Today);
            if told && !matches!(expression, Expression::Shift(..)) {
                parts.push(self.explain_part(inner, form, subject, now));
            }
        });
        Explanation {
            condition: print::expression(expression, form),
            value: scalar.value.clone().into_owned(),
            horizon: scalar.horizon,
            changes_at: self.value_and_change(expression, subject, now).1,
            events: evidence(&scene, &node),
            parts,
        }
    }
}

fn evidence<S: Subject>(scene: &Scene<'_, S>, node: &Node) -> Vec<Evidence> {
    let sets: Vec<&Set> = match node {
        Node::Exists(set) => vec![set],
        Node::Aggregate(aggregate) => vec![&aggregate.2],
        // An `Exists` of alternatives is one of several sets.
        Node::Or(parts) => parts
            .iter()
            .filter_map(|part| match part {
                Node::Exists(set) => Some(&**set),
                _ => None,
            })
            .collect(),
        _ => return Vec::new(),
    };
    let scene = Scene { subject: scene.subject, now: scene.now };
    let mut events = Vec::new();
    for set in sets {
        let mut left = EVIDENCE_MAX;
        let _horizon = scene.scan(set, None, true, &mut |frame, _| {
            events.push(Evidence {
                timestamp: frame.row.timestamp(),
                sequence: frame.row.sequence(),
                event_type: frame.row.event_type().into(),
            });
            left -= 1;
            if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
    }
    events.sort_by_key(|event| std::cmp::Reverse((event.timestamp, event.sequence)));
    events.dedup();
    events.truncate(EVIDENCE_MAX);
    events
}
