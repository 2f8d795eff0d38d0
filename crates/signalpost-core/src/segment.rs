//! Segments: rules and SQL turned into typed trees, evaluated on one profile
//! at one instant, each answer with the instant until which it holds.
//!
//! In: text as marketers write it, and a [`Subject`] (one profile's events and
//! attributes). Out: a [`Definition`] or [`SequenceRule`]; an [`Outcome`] (in
//! or out, and until when); an [`Explanation`]; the SQL that gives the same
//! members over the lake.
//!
//! A text is wanted ([`Statement`]), a tree is meant ([`Predicate`]), a
//! [`Compiled`] decides.

mod bounds;
mod builder;
mod calendar;
mod call;
mod clauses;
mod columns;
mod compile;
mod duration;
mod evaluate;
mod expect;
mod explain;
mod function;
mod grammar;
mod group;
mod lex;
mod names;
mod node;
mod operand;
mod phrase;
mod phrase_print;
mod phrase_steps;
mod phrase_text;
mod print;
mod query;
mod rank;
mod refusal;
mod resolve;
mod routine;
mod schema;
mod select;
mod set;
mod sql;
mod sql_calls;
mod sql_reads;
mod statement;
mod subject;
mod syntax;
mod tree;
mod type_name;
mod value_of;

pub use builder::{BUILDER_SCHEMA, parse_builder};
pub use calendar::Zone;
pub use columns::{ColumnIndex, Columns};
pub use compile::{Compiled, Need};
pub use evaluate::Outcome;
pub use expect::{Expectation, Expected};
pub use explain::{EVIDENCE_MAX, Evidence, Explanation, Missing};
pub use rank::{Ranked, Share, parse_ranked};
pub use refusal::{Note, Refusal};
pub use routine::{Part, Routine, Unit};
pub use schema::Schema;
pub(crate) use schema::nearest;
pub(crate) use statement::parse_stored;
pub use statement::{parse, parse_with_notes};
pub use subject::{Row, Subject, Summary};
pub use tree::{Aggregate, CastTo, Comparison, Expression, Function, Known, Operator, Predicate, Step};
pub use type_name::TypeName;
pub use value_of::{as_instant, as_whole, shown};

use crate::id::SegmentName;
use crate::time::Span;

/// What a text says.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    /// Who belongs to a segment.
    Segment(Definition),
    /// When an event is derived from what did not happen.
    Sequence(SequenceRule),
}

/// Who belongs to a segment. `Display` writes the canonical text.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// The name an IF rule gives; a SELECT is named by whoever stores it.
    pub name: Option<SegmentName>,
    /// How it was written, and is printed.
    pub form: Form,
    /// The condition on a profile; members are those for whom it is true.
    pub predicate: Predicate,
}

impl Definition {
    /// The condition that holds for nobody.
    pub fn nobody() -> Self {
        Self { name: None, form: Form::Select, predicate: Expression::truth(false) }
    }

    /// The segments whose members it asks for, each once.
    pub fn segments(&self) -> Vec<Box<str>> {
        fn collect(part: &Expression, into: &mut Vec<Box<str>>) {
            if let Expression::InSegment(name) = part
                && !into.contains(name)
            {
                into.push(name.clone());
            }
            part.each_part(&mut |inner, _| collect(inner, into));
        }
        let mut names = Vec::new();
        collect(&self.predicate, &mut names);
        names
    }
}

/// The two ways to write a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `IF … THEN assign to '…'`.
    Rule,
    /// `SELECT customer_id FROM customer_data WHERE …`.
    Select,
}

/// An event derived by the clock: `AFTER a WITHOUT b WITHIN span EMIT c`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceRule {
    /// The type of the event that starts the wait.
    pub after: String,
    /// The type of the event that ends it with nothing emitted.
    pub without: String,
    /// How long is waited.
    pub within: Span,
    /// A property both events must agree in.
    pub matching: Option<String>,
    /// The type of the event emitted when the wait ends.
    pub emit: String,
}

#[cfg(test)]
mod tests;
