//! The form of a condition that is evaluated: columns by index, event sets with
//! their types and time bounds taken out.

use regex::Regex;

use super::calendar::Zone;
use super::columns::ColumnIndex;
use super::routine::Routine;
use super::subject::Row;
use super::tree::{CastTo, Comparison, Function, Known, Operator, Step};
use super::type_name::TypeName;
use crate::time::Span;
use crate::value::Value;

/// What is evaluated. Event rows are told apart by level: how many event sets
/// stand around the one they come from.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Constant(Value),
    Now,
    Today,
    Attribute(Box<str>),
    Column {
        index: ColumnIndex,
        level: u8,
    },
    Timestamp {
        level: u8,
    },
    EventType {
        level: u8,
    },
    TypeIs {
        types: Box<[Box<str>]>,
        negated: bool,
        level: u8,
    },
    InSegment(Box<str>),
    Shift(Box<Node>, Span),
    Not(Box<Node>),
    And(Box<[Node]>),
    Or(Box<[Node]>),
    Compare(Comparison, Box<(Node, Node)>),
    Between {
        parts: Box<[Node; 3]>,
        negated: bool,
    },
    In {
        value: Box<Node>,
        list: Box<[Node]>,
        /// The list again, in order, when it is all constant texts.
        texts: Option<Box<[Box<str>]>>,
        negated: bool,
    },
    Like {
        value: Box<Node>,
        pattern: Box<[LikePart]>,
        negated: bool,
        any_case: bool,
    },
    /// A pattern that is none, which no text has, stands as `None`.
    Match {
        value: Box<Node>,
        pattern: Option<Box<Regex>>,
        negated: bool,
    },
    Is {
        value: Box<Node>,
        what: Known,
        negated: bool,
    },
    Arithmetic(Operator, Box<(Node, Node)>),
    Coalesce(Box<[Node]>),
    Case {
        branches: Box<[(Node, Node)]>,
        otherwise: Box<Node>,
    },
    /// A text as it is; null where it is none.
    Text(Box<Node>),
    Lower(Box<Node>),
    Upper(Box<Node>),
    Cast(Box<Node>, CastTo),
    Call(Routine, Box<[Node]>),
    ToWall(Box<Node>, Zone),
    FromWall(Box<Node>, Zone),
    ShiftMonths(Box<Node>, i32),
    Path(Box<Node>, Box<[Step]>),
    Exists(Box<Set>),
    Aggregate(Box<(Function, Option<Node>, Set)>),
}

/// A piece of a LIKE pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LikePart {
    /// `%`.
    AnyText,
    /// `_`.
    AnyLetter,
    Letter(char),
}

/// A set of events of the profile.
#[derive(Clone, Debug)]
pub(super) struct Set {
    /// Types of its events; all types when `None`.
    pub(super) types: Option<Box<[TypeName]>>,
    /// Not before any of these.
    pub(super) lower: Box<[Bound]>,
    /// Not after any of these.
    pub(super) upper: Box<[Bound]>,
    /// What else must be true.
    pub(super) rest: Box<[Node]>,
    /// Its events' level.
    pub(super) level: u8,
    /// Whether the summary of its types says all that is asked.
    pub(super) from_summary: bool,
    /// Whether the latest event of its types alone tells if there is any: only
    /// existence is asked, and all bounds are lower ones.
    pub(super) by_latest: bool,
}

impl Set {
    /// Whether the row's type is one of the set's.
    pub(super) fn is_of_type<R: Row>(&self, row: &R) -> bool {
        let same = |own: &TypeName| own.tag() == row.type_tag() && **own == *row.event_type();
        self.types.as_ref().is_none_or(|types| types.iter().any(same))
    }
}

/// An instant that bounds a set.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    pub(super) instant: Node,
    /// Whether an event at the very instant is in.
    pub(super) inclusive: bool,
    /// By how much it may ever go back; unknown when `None`. Midnight never does.
    pub(super) goes_back: Option<Span>,
}
