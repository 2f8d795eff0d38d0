//! What can be wrong with a mapping, and why a message could not be mapped.
//! Both point into the mapping by JSON Pointer (RFC 6901).

use thiserror::Error;

use super::{DEPTH_MAX, EXPRESSIONS_MAX, OUTPUTS_MAX, RULES_MAX, WORK_MAX};
use crate::clean::ProblemCode;
use crate::value::Value;

/// A mapping that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}: {fault}", if at.is_empty() { "the mapping" } else { at })]
pub struct Error {
    /// Where: `/rules/2/events/0/customer_id`; empty for the whole.
    pub at: String,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with a place of a mapping.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// Another kind of JSON is needed.
    #[error("expected {expected}, got {got}")]
    Type {
        /// What belongs there.
        expected: &'static str,
        /// What stands there.
        got: &'static str,
    },
    /// A member that is needed is absent.
    #[error("'{0}' is missing")]
    Missing(&'static str),
    /// A member nobody reads.
    #[error("'{name}' is not known here; there are {known}")]
    UnknownMember {
        /// The member.
        name: String,
        /// What there is.
        known: String,
    },
    /// An operator nobody knows.
    #[error("there is no operator '{name}'; there are {known}")]
    UnknownOperator {
        /// The operator.
        name: String,
        /// What there is.
        known: String,
    },
    /// A path that cannot be read.
    #[error(
        "'{path}' is not a path: {why}. Write $.order.items[0].sku, and $$ for a text that begins with $"
    )]
    Path {
        /// The path.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A name in `let` that is not there, or stands further down.
    #[error("there is no '{0}' in 'let' before this")]
    UnknownLet(String),
    /// `$item` where nothing is gone through.
    #[error("$item and $index stand only inside 'each', '$each' and '$any'")]
    NoItem,
    /// A rule that makes nothing.
    #[error("the rule makes nothing: give it 'events', 'catalog', 'privacy', or \"ignore\": true")]
    Nothing,
    /// Too many rules.
    #[error("there are more than {RULES_MAX} rules")]
    TooManyRules,
    /// Too many expressions.
    #[error("there are more than {EXPRESSIONS_MAX} expressions")]
    TooManyExpressions,
    /// Expressions nested too deep.
    #[error("expressions stand in each other deeper than {DEPTH_MAX} levels")]
    TooDeep,
    /// Too much text.
    #[error("the mapping has more than {} bytes of JSON", super::MAPPING_BYTES_MAX)]
    TooLarge,
    /// A condition that tests nothing.
    #[error("'{0}' is no test; there are exists, not, above, below and begins")]
    UnknownTest(String),
}

/// Why a message could not be mapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// As quarantine counts it.
    pub code: ProblemCode,
    /// Where in the mapping; empty when it is about the whole of it.
    pub at: String,
    /// What was expected, what came, and what to do.
    pub message: String,
}

impl Refusal {
    pub(super) fn no_rule(topic: &Value, rules: usize) -> Self {
        let topic = match topic {
            Value::Null => "a message without a topic".to_owned(),
            topic => format!("the topic '{}'", crate::clean::problem::excerpt(&topic.to_string())),
        };
        let message = format!(
            "none of the mapping's {rules} rules fits {topic}; add a rule (with \"ignore\": true when it is not wanted) and replay"
        );
        Self { code: ProblemCode::Unmapped, at: "/rules".to_owned(), message }
    }

    pub(super) fn too_much_work() -> Self {
        let message = format!(
            "mapping this message takes more than {WORK_MAX} steps; map less of it, or have it sent in parts"
        );
        Self { code: ProblemCode::TooLarge, at: String::new(), message }
    }

    pub(super) fn too_many(at: &str) -> Self {
        let message = format!("this message makes more than {OUTPUTS_MAX} events; have it sent in parts");
        Self { code: ProblemCode::TooLarge, at: at.to_owned(), message }
    }
}
