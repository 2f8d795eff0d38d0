//! What cleaning changed in an event, so that each normalisation can be seen:
//! the field, its value before and after, and the rule.

use serde::{Deserialize, Serialize};

use super::problem::Problem;
use crate::value::Value;

/// One value that cleaning changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The field, `traits.email` for a nested one.
    pub field: String,
    /// The value as it came.
    pub from: Value,
    /// The value as it is kept; null when it was left out.
    pub to: Value,
    /// The rule, as named in the documentation: `email`, `url.utm`, …
    pub rule: String,
}

/// What is said about an event while it is cleaned.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) problems: Vec<Problem>,
    pub(super) changes: Vec<Change>,
}

impl Notes {
    /// Notes that `field` became `to`.
    pub(super) fn change(&mut self, field: impl Into<String>, from: Value, to: Value, rule: &str) {
        self.changes.push(Change { field: field.into(), from, to, rule: rule.to_owned() });
    }
}
