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

impl Compiled {
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
