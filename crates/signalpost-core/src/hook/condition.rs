//! Conditions: which rule fits, which element counts.

use std::cmp::Ordering;

use super::error::Refusal;
use super::expression::{is_there, scalar};
use super::path::Path;
use super::scope::Scope;
use crate::value::Value;

/// Holds when one of its alternatives does, each of which holds when all its
/// tests do.
#[derive(Clone, Debug, Default)]
pub(super) struct Condition(pub(super) Vec<Vec<(Path, Test)>>);

/// What is asked of a value.
#[derive(Clone, Debug)]
pub(super) enum Test {
    /// It is one of these.
    In(Vec<Value>),
    /// It is there, or is not.
    Exists(bool),
    /// Its text begins so.
    Begins(Box<str>),
    /// It is a number above this.
    Above(Value),
    /// It is a number below this.
    Below(Value),
    /// The opposite.
    Not(Box<Test>),
}

impl Condition {
    /// One that always holds.
    pub(super) fn always() -> Self {
        Self(vec![Vec::new()])
    }

    pub(super) fn holds(&self, scope: &Scope<'_>) -> Result<bool, Refusal> {
        for tests in &self.0 {
            let mut all = true;
            for (path, test) in tests {
                scope.budget.spend(1)?;
                if !test.holds(path.evaluate(scope)?.as_ref()) {
                    all = false;
                    break;
                }
            }
            if all {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Test {
    fn holds(&self, value: &Value) -> bool {
        let compared = |with: &Value| match value {
            Value::Int(_) | Value::Float(_) | Value::Text(_) if value.as_number().is_some() => {
                value.compare(with)
            }
            _ => None,
        };
        match self {
            Self::In(wanted) => wanted.iter().any(|wanted| is_equal(value, wanted)),
            Self::Exists(wanted) => is_there(value) == *wanted,
            Self::Begins(start) => scalar(value).is_some_and(|text| text.starts_with(&**start)),
            Self::Above(than) => compared(than) == Some(Ordering::Greater),
            Self::Below(than) => compared(than) == Some(Ordering::Less),
            Self::Not(test) => !test.holds(value),
        }
    }
}

/// Null equals null here: a rule may ask for it.
fn is_equal(value: &Value, wanted: &Value) -> bool {
    match (value, wanted) {
        (Value::Null, Value::Null) => true,
        _ => value.compare(wanted) == Some(Ordering::Equal),
    }
}
