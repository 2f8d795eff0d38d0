//! What follows an event, in the parts that people speak of: `then b within 2
//! hours`, `without c`.
//!
//! In: the rest of an event set's condition. Out: the steps it ends with, and
//! what is left of the rest.

use super::clauses::{Clauses, Length, Window, column, compare};
use super::tree::{Comparison, Expression};
use crate::time::Span;

/// Steps in order, each with whether it must not be.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Steps {
    pub(super) then: Vec<(Step, bool)>,
    /// The property that all agree in.
    pub(super) matching: Option<Box<str>>,
}

/// An event that follows.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    pub(super) types: Vec<Box<str>>,
    pub(super) rest: Vec<Expression>,
    pub(super) within: Option<Span>,
}

/// The steps that a set's condition ends with, and what else it says.
pub(super) fn of(clauses: &Clauses) -> (Steps, Vec<Expression>) {
    let none = || (Steps::default(), clauses.rest.clone());
    let Some((last, before)) = clauses.rest.split_last() else { return none() };
    let Some(found) = step(last) else { return none() };
    let mut before = before.to_vec();
    if found.negated
        && let Some(span) = found.step.within
        && before.pop() != Some(over(span))
    {
        return none();
    }
    if found.negated && found.steps.then.is_empty() && ends_itself(&clauses.types, &found.step) {
        return none();
    }
    let mut then = vec![(found.step, found.negated)];
    let matching = found.matching;
    if !found.steps.then.is_empty() && (found.steps.matching != matching || found.negated) {
        return none();
    }
    then.extend(found.steps.then);
    // The text says at most so many, and reads WHERE before what follows.
    if then.len() > 8 || before.iter().any(|part| step(part).is_some()) {
        return none();
    }
    (Steps { then, matching }, before)
}

/// That the wait for what must not come is over.
fn over(span: Span) -> Expression {
    compare(Comparison::LessOrEqual, column("timestamp", 0), Length::Fixed(span).ago())
}

/// Whether an event would be what must not follow it, which a text may not say.
fn ends_itself(types: &[Box<str>], step: &Step) -> bool {
    step.rest.is_empty() && (step.types.is_empty() || step.types.iter().any(|kind| types.contains(kind)))
}

struct Found {
    step: Step,
    negated: bool,
    matching: Option<Box<str>>,
    /// Those after it.
    steps: Steps,
}

/// A set whose events come after the event around it.
fn step(part: &Expression) -> Option<Found> {
    let (filter, negated) = match part {
        Expression::Exists(filter) => (filter, false),
        Expression::Not(inner) => match &**inner {
            Expression::Exists(filter) => (filter, true),
            _ => return None,
        },
        _ => return None,
    };
    let clauses = Clauses::of(filter);
    if clauses.window != Window::Always || clauses.filter() != **filter {
        return None;
    }
    let (begins, ends) = if negated {
        (Comparison::GreaterOrEqual, Comparison::Less)
    } else {
        (Comparison::Greater, Comparison::LessOrEqual)
    };
    let time = |depth| column("timestamp", depth);
    let (first, mut rest) = clauses.rest.split_first()?;
    if *first != compare(begins, time(0), time(1)) {
        return None;
    }
    let mut within = None;
    if let Some((Expression::Compare(comparison, left, right), after)) = rest.split_first()
        && (*comparison, &**left) == (ends, &time(0))
        && let Expression::Shift(from, span) = &**right
        && **from == time(1)
        && span.as_micros() > 0
    {
        within = Some(*span);
        rest = after;
    }
    let mut matching = None;
    if let Some((Expression::Compare(Comparison::Equal, left, right), after)) = rest.split_first()
        && let (Expression::Column { name, depth: 0 }, Expression::Column { name: outer, depth: 1 }) =
            (&**left, &**right)
        && name == outer
    {
        matching = Some(name.clone());
        rest = after;
    }
    let inner = Clauses { types: clauses.types, window: Window::Always, rest: rest.to_vec() };
    let (steps, rest) = if negated { (Steps::default(), inner.rest.clone()) } else { of(&inner) };
    // A step's own condition speaks of its own event alone.
    if rest.iter().any(|part| part.escapes(0)) {
        return None;
    }
    let step = Step { types: inner.types, rest, within };
    Some(Found { step, negated, matching, steps })
}
