//! From a typed tree to the form that is evaluated: columns by index, event
//! sets with their types and time bounds taken out, and what rows they need.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::Definition;
use super::bounds::{
    self, Bounds, is_not_before_now, like_pattern, own_types, time_bounds, type_test, types_in,
};
use super::tree::{Aggregate, CastTo, Comparison, Expression, Function, Known, Operator, Predicate};
use crate::time::Span;
use crate::value::Value;

/// The place of an event's column in the rows given to evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ColumnIndex(u16);

impl ColumnIndex {
    /// What is given when there is no room for another column; always null.
    pub(super) const NONE: Self = Self(u16::MAX);

    /// The index, from 0.
    pub const fn as_usize(self) -> usize {
        self.0 as usize
    }
}

/// Names of event columns by index. It only grows, and all segments of a
/// program share it, so that a row can hold its values by index.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    names: Vec<Box<str>>,
    index: HashMap<Box<str>, ColumnIndex>,
}

impl Columns {
    /// The index of a name, given out when it is new. At most 65,535 names.
    pub fn intern(&mut self, name: &str) -> ColumnIndex {
        if let Some(index) = self.index.get(name) {
            return *index;
        }
        let index = match u16::try_from(self.names.len()) {
            Ok(next) if next < u16::MAX => ColumnIndex(next),
            _ => return ColumnIndex::NONE,
        };
        self.names.push(name.into());
        self.index.insert(name.into(), index);
        index
    }

    /// The name at an index.
    pub fn name(&self, index: ColumnIndex) -> Option<&str> {
        self.names.get(index.as_usize()).map(|name| &**name)
    }

    /// The index of a name that has one.
    pub fn find(&self, name: &str) -> Option<ColumnIndex> {
        self.index.get(name).copied()
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The names in the order of their indexes.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }
}

/// Event rows an evaluation must be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// Of this type; all types when `None`.
    pub event_type: Option<Box<str>>,
    /// The columns that are read of them.
    pub columns: Vec<ColumnIndex>,
    /// How far back from now; for ever when `None`.
    pub lookback: Option<Span>,
}

/// A definition made ready to be evaluated.
#[derive(Clone, Debug)]
pub struct Compiled {
    pub(super) root: Node,
    pub(super) definition: Definition,
    /// Names and indexes of the columns read, for explanations.
    pub(super) columns: Vec<(Box<str>, ColumnIndex)>,
    needs: Vec<Need>,
    attributes: Vec<Box<str>>,
    segments: Vec<Box<str>>,
}

impl Compiled {
    /// Which event rows evaluation must be given, one entry a type.
    pub fn needs(&self) -> &[Need] {
        &self.needs
    }

    /// The attributes that are read.
    pub fn attributes(&self) -> impl Iterator<Item = &str> {
        self.attributes.iter().map(|name| &**name)
    }

    /// The segments whose membership is asked for.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().map(|name| &**name)
    }

    /// Whether membership of this segment is asked for.
    pub fn mentions_segment(&self, name: &str) -> bool {
        self.segments.iter().any(|held| &**held == name)
    }

    /// What was compiled.
    pub fn definition(&self) -> &Definition {
        &self.definition
    }
}

impl Definition {
    /// Makes the definition ready to be evaluated.
    pub fn compile(&self, columns: &mut Columns) -> Compiled {
        let mut compiler = Compiler::default();
        let root = compiler.node(&self.predicate, &mut |name| columns.intern(name));
        Compiled {
            root,
            definition: self.clone(),
            columns: compiler.columns,
            needs: compiler.needs,
            attributes: compiler.attributes,
            segments: compiler.segments,
        }
    }
}

/// The node of a part of a compiled definition, for explanations.
pub(super) fn part(predicate: &Predicate, columns: &[(Box<str>, ColumnIndex)]) -> Node {
    let mut find = |name: &str| {
        columns.iter().find(|(held, _)| &**held == name).map_or(ColumnIndex::NONE, |(_, index)| *index)
    };
    Compiler::default().node(predicate, &mut find)
}

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
    Lower(Box<Node>),
    Upper(Box<Node>),
    Cast(Box<Node>, CastTo),
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
    pub(super) types: Option<Box<[Box<str>]>>,
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
}

/// An instant that bounds a set.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    pub(super) instant: Node,
    /// Whether an event at the very instant is in.
    pub(super) inclusive: bool,
    /// Whether it changes by steps that are never backward, as midnight does.
    pub(super) forward_only: bool,
}

/// An event set that is being compiled.
struct Open {
    columns: Vec<ColumnIndex>,
    lookback: Option<Span>,
}

#[derive(Default)]
struct Compiler {
    open: Vec<Open>,
    needs: Vec<Need>,
    attributes: Vec<Box<str>>,
    segments: Vec<Box<str>>,
    columns: Vec<(Box<str>, ColumnIndex)>,
}

type Intern<'a> = &'a mut dyn FnMut(&str) -> ColumnIndex;

impl Compiler {
    fn node(&mut self, expression: &Expression, intern: Intern<'_>) -> Node {
        match expression {
            Expression::Literal(value) => Node::Constant(value.clone()),
            Expression::Now => Node::Now,
            Expression::Today => Node::Today,
            Expression::Attribute(name) => {
                remember(&mut self.attributes, name);
                Node::Attribute(name.clone())
            }
            Expression::InSegment(name) => {
                remember(&mut self.segments, name);
                Node::InSegment(name.clone())
            }
            Expression::Column { name, depth } => self.column(name, *depth, intern),
            Expression::Shift(instant, span) => Node::Shift(self.boxed(instant, intern), *span),
            Expression::Not(inner) => Node::Not(self.boxed(inner, intern)),
            Expression::And(parts) => Node::And(self.all(parts, intern)),
            Expression::Or(parts) => Node::Or(self.all(parts, intern)),
            Expression::Compare(comparison, left, right) => {
                if let Some((depth, kind)) = type_test(*comparison, left, right) {
                    let negated = *comparison == Comparison::NotEqual;
                    return Node::TypeIs { types: [kind].into(), negated, level: self.level(depth) };
                }
                Node::Compare(*comparison, Box::new((self.node(left, intern), self.node(right, intern))))
            }
            Expression::Exists(filter) => self.exists(filter, intern),
            Expression::Aggregate(aggregate) => self.aggregate(aggregate, intern),
            other => self.longer(other, intern),
        }
    }

    fn longer(&mut self, expression: &Expression, intern: Intern<'_>) -> Node {
        match expression {
            Expression::Between { value, low, high, negated } => {
                let parts = [value, low, high].map(|part| self.node(part, intern));
                Node::Between { parts: Box::new(parts), negated: *negated }
            }
            Expression::In { value, list, negated } => {
                if let Some((depth, types)) = types_in(value, list) {
                    return Node::TypeIs { types, negated: *negated, level: self.level(depth) };
                }
                let value = self.boxed(value, intern);
                Node::In {
                    value,
                    list: self.all(list, intern),
                    texts: bounds::sorted_texts(list),
                    negated: *negated,
                }
            }
            Expression::Like { value, pattern, negated, any_case } => Node::Like {
                value: self.boxed(value, intern),
                pattern: like_pattern(pattern, *any_case),
                negated: *negated,
                any_case: *any_case,
            },
            Expression::Is { value, what, negated } => {
                Node::Is { value: self.boxed(value, intern), what: *what, negated: *negated }
            }
            Expression::Arithmetic(operator, left, right) => {
                Node::Arithmetic(*operator, Box::new((self.node(left, intern), self.node(right, intern))))
            }
            Expression::Coalesce(parts) => Node::Coalesce(self.all(parts, intern)),
            Expression::Case { branches, otherwise } => Node::Case {
                branches: branches
                    .iter()
                    .map(|(condition, value)| (self.node(condition, intern), self.node(value, intern)))
                    .collect(),
                otherwise: Box::new(
                    otherwise.as_ref().map_or(Node::Constant(Value::Null), |value| self.node(value, intern)),
                ),
            },
            Expression::Lower(text) => Node::Lower(self.boxed(text, intern)),
            Expression::Upper(text) => Node::Upper(self.boxed(text, intern)),
            Expression::Cast(value, to) => Node::Cast(self.boxed(value, intern), *to),
            // The others are met in `node`.
            _ => Node::Constant(Value::Null),
        }
    }

    fn boxed(&mut self, expression: &Expression, intern: Intern<'_>) -> Box<Node> {
        Box::new(self.node(expression, intern))
    }

    fn all(&mut self, expressions: &[Expression], intern: Intern<'_>) -> Box<[Node]> {
        expressions.iter().map(|part| self.node(part, intern)).collect()
    }

    /// The level of the event set `depth` sets outward of here.
    fn level(&self, depth: u8) -> u8 {
        let open = u8::try_from(self.open.len()).unwrap_or(u8::MAX);
        open.saturating_sub(depth.saturating_add(1))
    }

    fn column(&mut self, name: &str, depth: u8, intern: Intern<'_>) -> Node {
        let level = self.level(depth);
        match name {
            "timestamp" => Node::Timestamp { level },
            "event_type" => Node::EventType { level },
            _ => {
                let index = intern(name);
                if !self.columns.iter().any(|(held, _)| &**held == name) {
                    self.columns.push((name.into(), index));
                }
                if let Some(open) = self.open.get_mut(usize::from(level))
                    && !open.columns.contains(&index)
                {
                    open.columns.push(index);
                }
                Node::Column { index, level }
            }
        }
    }

    /// An event that satisfies one of several conditions is one that satisfies
    /// the first, or one that satisfies the second, …: each finds its own
    /// types and window.
    fn exists(&mut self, filter: &Expression, intern: Intern<'_>) -> Node {
        if let Expression::Or(parts) = filter {
            return Node::Or(parts.iter().map(|part| self.exists(part, intern)).collect());
        }
        let (_, set) = self.set(filter, None, true, intern);
        Node::Exists(Box::new(set))
    }

    fn aggregate(&mut self, aggregate: &Aggregate, intern: Intern<'_>) -> Node {
        let of_time = matches!(&aggregate.argument,
            Some(Expression::Column { name, depth: 0 }) if &**name == "timestamp");
        let summable = match aggregate.function {
            Function::Count => of_time || aggregate.argument.is_none(),
            Function::Minimum | Function::Maximum | Function::First | Function::Last => of_time,
            Function::CountDistinct | Function::Sum | Function::Average => false,
        };
        let (argument, set) = self.set(&aggregate.filter, aggregate.argument.as_ref(), summable, intern);
        Node::Aggregate(Box::new((aggregate.function, argument, set)))
    }

    /// Compiles a set and what is taken of its events. `summable` says that
    /// counts and times are all that is asked of it.
    fn set(
        &mut self,
        filter: &Expression,
        argument: Option<&Expression>,
        summable: bool,
        intern: Intern<'_>,
    ) -> (Option<Node>, Set) {
        let mut types: Option<Vec<Box<str>>> = None;
        let mut lower = Vec::new();
        let mut upper = Vec::new();
        let mut rest = Vec::new();
        for part in filter.conjuncts() {
            if let (None, Some(own)) = (&types, own_types(part)) {
                types = Some(own);
            } else if !time_bounds(part, &mut lower, &mut upper) {
                rest.push(part);
            }
        }
        let level = u8::try_from(self.open.len()).unwrap_or(u8::MAX);
        let lookback = lower.iter().filter_map(|(instant, _)| self.distance(instant)).min();
        // Conditions such as timestamp <= now() always hold.
        upper.retain(|(instant, inclusive)| !(*inclusive && is_not_before_now(instant)));
        self.open.push(Open { columns: Vec::new(), lookback });
        let mut compiled = |own: &mut Self, bounds: Bounds| -> Box<[Bound]> {
            bounds
                .into_iter()
                .map(|(instant, inclusive)| {
                    let forward_only = bounds::is_forward_only(&instant);
                    Bound { instant: own.node(&instant, intern), inclusive, forward_only }
                })
                .collect()
        };
        let lower = compiled(self, lower);
        let upper = compiled(self, upper);
        let rest: Box<[Node]> = rest.iter().map(|part| self.node(part, intern)).collect();
        let argument = argument.map(|argument| self.node(argument, intern));
        let open = self.open.pop();
        let from_summary =
            summable && types.is_some() && lower.is_empty() && upper.is_empty() && rest.is_empty();
        if let (false, Some(open)) = (from_summary, open) {
            let kinds: Vec<Option<Box<str>>> = match &types {
                Some(types) => types.iter().cloned().map(Some).collect(),
                None => vec![None],
            };
            for event_type in kinds {
                self.need(event_type, &open);
            }
        }
        let types = types.map(Vec::into_boxed_slice);
        (argument, Set { types, lower, upper, rest, level, from_summary })
    }

    /// How far before now an instant can lie at most, where the text tells.
    fn distance(&self, instant: &Expression) -> Option<Span> {
        let distance = match instant {
            Expression::Now => Span::ZERO,
            Expression::Today => Span::DAY,
            Expression::Shift(inner, span) => {
                let inner = self.distance(inner)?;
                Span::from_micros(inner.as_micros().saturating_sub(span.as_micros()))
            }
            // Inside the bound of a set that is not open yet, depth 1 is the
            // innermost open set.
            Expression::Column { name, depth } if &**name == "timestamp" && *depth > 0 => {
                let index = self.open.len().checked_sub(usize::from(*depth))?;
                self.open.get(index)?.lookback?
            }
            _ => return None,
        };
        Some(distance.max(Span::ZERO))
    }

    fn need(&mut self, event_type: Option<Box<str>>, open: &Open) {
        let Some(held) = self.needs.iter_mut().find(|need| need.event_type == event_type) else {
            self.needs.push(Need { event_type, columns: open.columns.clone(), lookback: open.lookback });
            return;
        };
        for column in &open.columns {
            if !held.columns.contains(column) {
                held.columns.push(*column);
            }
        }
        held.lookback = match (held.lookback, open.lookback) {
            (Some(held), Some(new)) => Some(held.max(new)),
            _ => None,
        };
    }
}

fn remember(names: &mut Vec<Box<str>>, name: &str) {
    if !names.iter().any(|held| &**held == name) {
        names.push(name.into());
    }
}
