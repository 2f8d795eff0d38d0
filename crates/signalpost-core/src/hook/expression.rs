//! The expressions of a mapping.

use super::condition::Condition;
use super::path::Path;
use crate::value::Value;

/// One value to be made.
#[derive(Clone, Debug)]
pub(super) enum Expression {
    /// Itself.
    Constant(Value),
    /// What stands there.
    Path(Path),
    /// The first that is there.
    First(Vec<Expression>),
    /// Texts one after the other; nothing when one is not there.
    Concat(Vec<Expression>),
    /// The texts that are there, with another between them.
    Join { parts: Box<Expression>, with: Box<str> },
    /// By what a value is.
    Case { of: Box<Expression>, cases: Vec<(Box<str>, Expression)>, otherwise: Box<Expression> },
    /// By a condition.
    If { condition: Box<Condition>, then: Box<Expression>, otherwise: Box<Expression> },
    /// A list, element by element.
    Each { list: Box<Expression>, when: Box<Condition>, element: Box<Expression> },
    /// Whether a condition holds for some element of a list.
    Any { list: Box<Expression>, when: Box<Condition> },
    /// Text in small letters.
    Lower(Box<Expression>),
    /// A number, of text too.
    Number(Box<Expression>),
    /// Text, of a number too.
    Text(Box<Expression>),
    /// The sum of numbers, or of a list's.
    Sum(Vec<Expression>),
    /// The product of numbers; nothing when one is not there.
    Product(Vec<Expression>),
    /// The first less the second.
    Minus(Box<(Expression, Expression)>),
    /// Text into its parts, or one of them.
    Split { of: Box<Expression>, by: Box<str>, at: Option<i64> },
    /// An object of one member whose name is made too.
    Entry(Box<(Expression, Expression)>),
    /// A list of what is there.
    List(Vec<Expression>),
    /// An object of what is there; `...` puts another's members in.
    Object(Vec<(Box<str>, Expression)>),
}

/// A single value as text; `None` for what is not there, and for lists and objects.
pub(super) fn scalar(value: &Value) -> Option<std::borrow::Cow<'_, str>> {
    match value {
        Value::Null | Value::List(_) | Value::Map(_) => None,
        Value::Text(text) if text.trim().is_empty() => None,
        Value::Text(text) => Some((&**text).into()),
        other => Some(other.to_string().into()),
    }
}

/// Whether something is there: not null, nor blank text.
pub(super) fn is_there(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Text(text) => !text.trim().is_empty(),
        _ => true,
    }
}
