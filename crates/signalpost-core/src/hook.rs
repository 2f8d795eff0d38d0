//! What another system's webhook means: events, catalog items and privacy
//! requests, made from its JSON body and headers by a [`Mapping`].
//!
//! In: a [`Message`], and a mapping, which is data (see `docs/hooks.md`; the
//! ones for the products known here are in `mappings/`). Out: [`Mapped`], or the
//! [`Refusal`] with which the message goes to quarantine. A mapping cannot loop
//! or call anything, and what it may do to one message is bounded by
//! [`WORK_MAX`] and [`OUTPUTS_MAX`], so evaluating it always ends soon.

mod body;
mod condition;
mod error;
mod evaluate;
mod expression;
pub mod known;
mod output;
mod parse;
mod path;
mod scope;

pub use body::read_body;
pub use error::{Error, Fault, Refusal};
pub use output::{Mapped, Output, PrivacyKind, PrivacyRequest};

use std::borrow::Cow;

use crate::value::Value;
use condition::Condition;
use expression::Expression;
use output::{CatalogTemplate, EventTemplate, PrivacyTemplate};
use path::Path;
use scope::{Budget, Scope};

/// The most bytes of a mapping's JSON.
pub const MAPPING_BYTES_MAX: usize = 256 * 1024;
/// The most rules of a mapping.
pub const RULES_MAX: usize = 500;
/// The most expressions of a mapping, all rules together.
pub const EXPRESSIONS_MAX: usize = 20_000;
/// The deepest that expressions stand in each other.
pub const DEPTH_MAX: usize = 32;
/// The most events, items and requests of one message.
pub const OUTPUTS_MAX: usize = 5_000;
/// The most steps that mapping one message may take; a value looked at or
/// copied is one, and so are 32 bytes of text written.
pub const WORK_MAX: usize = 4_000_000;
/// The most messages that one body may hold.
pub const MESSAGES_MAX: usize = 10_000;

/// A mapping that has been checked.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// Where in a body the list stands whose elements are messages of their own.
    split: Option<Path>,
    /// What kind of message it is, for rules to choose by: `$topic`.
    topic: Option<Expression>,
    /// What the sender calls this message in every attempt: `$id`.
    id: Option<Expression>,
    /// When it happened, where an event does not say: `$time`.
    time: Option<Expression>,
    /// Expressions with a name, each seeing those before it: `$let.NAME`.
    lets: Vec<(Box<str>, Expression)>,
    rules: Vec<Rule>,
}

/// What to make of messages of one kind.
#[derive(Clone, Debug)]
struct Rule {
    when: Condition,
    ignore: bool,
    events: Vec<EventTemplate>,
    catalog: Vec<CatalogTemplate>,
    privacy: Vec<PrivacyTemplate>,
}

/// One message as it came.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The hook it came to.
    pub hook: &'a str,
    /// Its body.
    pub body: &'a Value,
    /// The request's headers by lower-case name.
    pub headers: &'a [(Box<str>, Box<str>)],
}

impl Mapping {
    /// Reads a mapping.
    ///
    /// # Errors
    /// [`Error`], which points at the place that cannot be understood.
    pub fn parse(json: &serde_json::Value) -> Result<Self, Error> {
        parse::mapping(json)
    }

    /// The messages of a body: the elements of the list that `split` names, or
    /// the body itself.
    pub fn messages<'a>(&self, body: &'a Value) -> Vec<Cow<'a, Value>> {
        let budget = Budget::new();
        let list = self.split.as_ref().map(|path| path.steps_of(body, &budget));
        match list {
            Some(Ok(Cow::Borrowed(Value::List(items)))) => items.iter().map(Cow::Borrowed).collect(),
            Some(Ok(Cow::Owned(Value::List(items)))) => items.into_iter().map(Cow::Owned).collect(),
            _ => vec![Cow::Borrowed(body)],
        }
    }

    /// What a message means.
    ///
    /// # Errors
    /// When no rule fits, or mapping it would take more than is allowed.
    pub fn apply(&self, message: &Message<'_>) -> Result<Mapped, Refusal> {
        let budget = Budget::new();
        let nothing = Value::Null;
        let start = Scope::start(message, &nothing, &budget);
        let ask = |expression: &Option<Expression>, scope: &Scope<'_>| match expression {
            Some(expression) => expression.evaluate(scope).map(Cow::into_owned),
            None => Ok(Value::Null),
        };
        let topic = ask(&self.topic, &start)?;
        let id = ask(&self.id, &start)?;
        let time = ask(&self.time, &start)?;
        let named = Scope { topic: &topic, id: &id, time: &time, ..start };
        let mut lets = Vec::with_capacity(self.lets.len());
        for (_, expression) in &self.lets {
            let value = expression.evaluate(&Scope { lets: &lets, ..named })?.into_owned();
            lets.push(value);
        }
        let scope = Scope { lets: &lets, ..named };
        for rule in &self.rules {
            if rule.when.holds(&scope)? {
                return output::make(rule, &scope);
            }
        }
        Err(Refusal::no_rule(&topic, self.rules.len()))
    }
}

#[cfg(test)]
mod tests;
