//! What kinds of values a condition expects of properties and traits: a value of
//! another kind is null to it, as a failed cast is in SQL.

use super::Definition;
use super::bounds::own_types;
use super::tree::{Aggregate, Expression, Function, Step, Type};

/// The kinds that may be expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Expected {
    /// A number, or text that reads as one.
    Number,
    /// An instant, or text that reads as one.
    Time,
    /// True or false.
    Truth,
}

impl Expected {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Time => "instant",
            Self::Truth => "boolean",
        }
    }
}

/// A value that must be of a kind to be more than null.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expectation {
    /// The property or trait.
    pub name: Box<str>,
    /// Where in it, `a.0.b`; empty for the whole value.
    pub path: String,
    /// What is expected.
    pub expected: Expected,
    /// Of which events; all when empty. `None` for a trait.
    pub of_events: Option<Vec<Box<str>>>,
}

impl Definition {
    /// What is expected of properties and traits, each once.
    pub fn expectations(&self) -> Vec<Expectation> {
        let mut found = Vec::new();
        visit(&self.predicate, &[], &mut found);
        found.sort();
        found.dedup();
        found
    }
}

/// Visits a part whose event sets in sight are of these types, outermost first.
fn visit(part: &Expression, types: &[Vec<Box<str>>], found: &mut Vec<Expectation>) {
    let mut compared = |left: &Expression, right: &Expression| {
        for (side, other) in [(left, right), (right, left)] {
            if let Some(expected) = kind_of(other) {
                found.extend(expectation(side, expected, types));
            }
        }
    };
    match part {
        Expression::Compare(_, left, right) => compared(left, right),
        Expression::Arithmetic(_, left, right) => {
            for side in [left, right] {
                found.extend(expectation(side, Expected::Number, types));
            }
        }
        Expression::Between { value, low, high, .. } => {
            compared(value, low);
            compared(value, high);
        }
        Expression::In { value, list, .. } => list.iter().for_each(|one| compared(value, one)),
        Expression::Aggregate(aggregate) => {
            let Aggregate { function, argument, filter } = &**aggregate;
            let within = deeper(filter, types);
            if let (Function::Sum | Function::Average, Some(argument)) = (function, argument) {
                found.extend(expectation(argument, Expected::Number, &within));
            }
        }
        _ => {}
    }
    part.each_part(&mut |inner, in_set| {
        let set = match part {
            Expression::Exists(filter) => Some(&**filter),
            Expression::Aggregate(aggregate) => Some(&aggregate.filter),
            _ => None,
        };
        match set.filter(|_| in_set) {
            Some(filter) => visit(inner, &deeper(filter, types), found),
            None => visit(inner, types, found),
        }
    });
}

/// The sets in sight, with that of `filter` innermost.
fn deeper(filter: &Expression, types: &[Vec<Box<str>>]) -> Vec<Vec<Box<str>>> {
    let own = filter.conjuncts().iter().find_map(own_types).unwrap_or_default();
    types.iter().cloned().chain(std::iter::once(own)).collect()
}

fn kind_of(other: &Expression) -> Option<Expected> {
    match other.type_of() {
        Type::Number => Some(Expected::Number),
        Type::Time | Type::Wall => Some(Expected::Time),
        Type::Truth => Some(Expected::Truth),
        Type::Text | Type::Unknown => None,
    }
}

fn expectation(side: &Expression, expected: Expected, types: &[Vec<Box<str>>]) -> Option<Expectation> {
    let (value, steps): (&Expression, &[Step]) = match side {
        Expression::Path(inner, steps) => (inner, steps),
        other => (other, &[]),
    };
    // Values known by type alone are what they are.
    if value.type_of() != Type::Unknown || steps.contains(&Step::Each) {
        return None;
    }
    let path = super::sql_calls::path(steps);
    match value {
        Expression::Attribute(name) => {
            Some(Expectation { name: name.clone(), path, expected, of_events: None })
        }
        Expression::Column { name, depth } => {
            let level = types.len().checked_sub(usize::from(*depth) + 1)?;
            let of_events = Some(types.get(level)?.clone());
            Some(Expectation { name: name.clone(), path, expected, of_events })
        }
        _ => None,
    }
}
