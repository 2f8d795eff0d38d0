//! The text's own tree: what was written and where, before names and types
//! are looked at.

use super::calendar::Zone;
use super::phrase::Phrase;
use super::refusal::Place;
use super::routine::Part;
use super::tree::{CastTo, Comparison, Known, Operator, Step};
use crate::time::Span;
use crate::value::Value;

/// A piece of the text.
#[derive(Clone, Debug)]
pub(super) struct Syntax {
    pub(super) kind: Kind,
    pub(super) place: Place,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Literal(Value),
    Duration(Span),
    /// Months of the calendar.
    Months(i32),
    /// `a` or `a.b`, with whether the last part was quoted.
    Name {
        parts: Vec<String>,
        quoted: bool,
    },
    /// A column of an event, by the builder.
    Column {
        name: String,
        depth: u8,
    },
    Star,
    Call(Call),
    Not(Box<Syntax>),
    And(Vec<Syntax>),
    Or(Vec<Syntax>),
    Compare(Comparison, Box<Syntax>, Box<Syntax>),
    Between {
        value: Box<Syntax>,
        low: Box<Syntax>,
        high: Box<Syntax>,
        negated: bool,
    },
    InList {
        value: Box<Syntax>,
        list: Vec<Syntax>,
        negated: bool,
    },
    InQuery {
        value: Box<Syntax>,
        query: Box<Query>,
        negated: bool,
    },
    Like {
        value: Box<Syntax>,
        pattern: String,
        negated: bool,
        any_case: bool,
    },
    Match {
        value: Box<Syntax>,
        pattern: String,
        negated: bool,
        any_case: bool,
    },
    Is {
        value: Box<Syntax>,
        what: Known,
        negated: bool,
    },
    Arithmetic(Operator, Box<Syntax>, Box<Syntax>),
    Negative(Box<Syntax>),
    Case {
        operand: Option<Box<Syntax>>,
        branches: Vec<(Syntax, Syntax)>,
        otherwise: Option<Box<Syntax>>,
    },
    Cast(Box<Syntax>, CastTo),
    AtZone(Box<Syntax>, Zone),
    Part(Part, Box<Syntax>),
    Path(Box<Syntax>, Vec<Step>),
    /// `done …`, `sum(x) of …`.
    Phrase(Box<Phrase>),
    Exists(Box<Query>),
    Query(Box<Query>),
}

/// A function and what stands in its parentheses.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// In lower case.
    pub(super) name: String,
    pub(super) distinct: bool,
    pub(super) arguments: Vec<Syntax>,
    /// `ORDER BY x [DESC]` inside the parentheses.
    pub(super) order: Option<Order>,
}

#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) by: Box<Syntax>,
    pub(super) descending: bool,
}

/// `SELECT … FROM … WHERE … GROUP BY … HAVING … ORDER BY … LIMIT 1`.
#[derive(Clone, Debug)]
pub(super) struct Query {
    pub(super) items: Vec<Syntax>,
    /// In lower case unless quoted.
    pub(super) table: String,
    pub(super) table_place: Place,
    pub(super) alias: Option<String>,
    pub(super) filter: Option<Syntax>,
    pub(super) group: Vec<Syntax>,
    pub(super) having: Option<Syntax>,
    pub(super) order: Option<Order>,
    /// Whether `LIMIT 1` stood at the end, and where.
    pub(super) limit: Option<Place>,
    pub(super) place: Place,
}
