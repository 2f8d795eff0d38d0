//! From a typed tree to the form that is evaluated: columns by index, event
//! sets with their types and time bounds taken out, and what rows they need.

use std::sync::Arc;

use super::Definition;
use super::bounds::{
    self, Bounds, is_not_before_now, like_pattern, own_types, time_bounds, type_test, types_in,
};
use super::columns::{ColumnIndex, Columns};
use super::explain::EVIDENCE_MAX;
use super::node::{Bound, Node, Set};
use super::routine::Routine;
use super::tree::{Aggregate, CastTo, Comparison, Expression, Function, Predicate, Type};
use super::type_name::TypeName;
use crate::time::Span;
use crate::value::Value;

/// Event rows that evaluations must be given, or that explanations show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// Of this type; all types when `None`.
    pub event_type: Option<Arc<str>>,
    /// The columns that are read of them.
    pub columns: Vec<ColumnIndex>,
    /// How far back from now; for ever when `None`.
    pub lookback: Option<Span>,
    /// Only so many of the latest of the type, which an explanation names:
    /// evaluation itself reads none of them. All, for evaluation, when `None`.
    pub latest: Option<usize>,
}

/// What an answer depends on besides time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reads {
    /// Whether events of every type count.
    pub(crate) every_type: bool,
    /// The types whose events count.
    pub(crate) types: Vec<Box<str>>,
}

/// A definition made ready to be evaluated.
#[derive(Clone, Debug)]
pub struct Compiled {
    pub(super) root: Node,
    pub(super) definition: Definition,
    /// Names and indexes of the columns read, for explanations.
    pub(super) columns: Vec<(Box<str>, ColumnIndex)>,
    needs: Vec<Need>,
    reads: Reads,
    attributes: Vec<Box<str>>,
    segments: Vec<Box<str>>,
}

impl Compiled {
    /// Which event rows evaluation must be given, one entry a type.
    pub fn needs(&self) -> &[Need] {
        &self.needs
    }

    /// The events that are read, as rows or summed up; attributes not counted.
    pub(crate) fn reads(&self) -> &Reads {
        &self.reads
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
            reads: compiler.reads,
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

/// An event set that is being compiled.
struct Open {
    columns: Vec<ColumnIndex>,
    lookback: Option<Span>,
}

#[derive(Default)]
struct Compiler {
    open: Vec<Open>,
    needs: Vec<Need>,
    reads: Reads,
    attributes: Vec<Box<str>>,
    segments: Vec<Box<str>>,
    columns: Vec<(Box<str>, ColumnIndex)>,
}

/// What is asked of an event set.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// Whether it has any event.
    Existence,
    /// How many it has, or the times of the first and last.
    Sums,
    /// Something of its events.
    Events,
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
                let sides = (
                    self.node_as(left, right.type_of(), intern),
                    self.node_as(right, left.type_of(), intern),
                );
                Node::Compare(*comparison, Box::new(sides))
            }
            Expression::Exists(filter) => self.exists(filter, intern),
            Expression::Aggregate(aggregate) => self.aggregate(aggregate, intern),
            other => self.longer(other, intern),
        }
    }

    fn longer(&mut self, expression: &Expression, intern: Intern<'_>) -> Node {
        match expression {
            Expression::Between { value, low, high, negated } => {
                let value = self.node_as(value, low.type_of(), intern);
                let parts = [value, self.node(low, intern), self.node(high, intern)];
                Node::Between { parts: Box::new(parts), negated: *negated }
            }
            Expression::In { value, list, negated } => {
                if let Some((depth, types)) = types_in(value, list) {
                    return Node::TypeIs { types, negated: *negated, level: self.level(depth) };
                }
                let of_first = list.first().map_or(Type::Unknown, Expression::type_of);
                let value = Box::new(self.node_as(value, of_first, intern));
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
                let sides = [left, right].map(|side| self.node_as(side, Type::Number, intern));
                Node::Arithmetic(*operator, Box::new(sides.into()))
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
            Expression::Match { value, pattern, negated, any_case } => Node::Match {
                value: self.boxed(value, intern),
                pattern: bounds::regular_expression(pattern, *any_case).ok().map(Box::new),
                negated: *negated,
            },
            Expression::Call(routine, parts) => {
                let parts = parts.iter().enumerate();
                let parts = parts.map(|(place, part)| self.node_as(part, routine.wants(place), intern));
                Node::Call(*routine, parts.collect())
            }
            Expression::ToWall(inner, zone) => Node::ToWall(self.boxed(inner, intern), zone.clone()),
            Expression::FromWall(inner, zone) => Node::FromWall(self.boxed(inner, intern), zone.clone()),
            Expression::ShiftMonths(inner, months) => Node::ShiftMonths(self.boxed(inner, intern), *months),
            Expression::Path(inner, steps) => {
                Node::Path(self.boxed(inner, intern), steps.clone().into_boxed_slice())
            }
            // The others are met in `node`.
            _ => Node::Constant(Value::Null),
        }
    }

    /// Compiles what stands where a value of the type `wanted` is asked for. The
    /// least or greatest of values of no known type is that of those which are
    /// of that type.
    fn node_as(&mut self, expression: &Expression, wanted: Type, intern: Intern<'_>) -> Node {
        if expression.type_of() != Type::Unknown {
            return self.node(expression, intern);
        }
        match expression {
            Expression::Aggregate(aggregate)
                if matches!(aggregate.function, Function::Minimum | Function::Maximum) =>
            {
                let mut node = self.aggregate(aggregate, intern);
                if let Node::Aggregate(parts) = &mut node {
                    parts.1 = parts.1.take().map(|argument| only(argument, wanted));
                }
                node
            }
            Expression::Call(routine @ (Routine::Greatest | Routine::Least), parts) => {
                let parts = parts.iter().map(|part| only(self.node_as(part, wanted, intern), wanted));
                Node::Call(*routine, parts.collect())
            }
            Expression::Coalesce(parts) => {
                Node::Coalesce(parts.iter().map(|part| self.node_as(part, wanted, intern)).collect())
            }
            other => self.node(other, intern),
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
        let (_, set) = self.set(filter, None, Asked::Existence, intern);
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
        let asked = if summable { Asked::Sums } else { Asked::Events };
        let (argument, set) = self.set(&aggregate.filter, aggregate.argument.as_ref(), asked, intern);
        Node::Aggregate(Box::new((aggregate.function, argument, set)))
    }

    /// Compiles a set and what is taken of its events.
    fn set(
        &mut self,
        filter: &Expression,
        argument: Option<&Expression>,
        asked: Asked,
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
                    let steps = !bounds::is_moving(&instant);
                    let goes_back = if steps { bounds::goes_back(&instant) } else { None };
                    Bound { instant: own.node(&instant, intern), inclusive, goes_back }
                })
                .collect()
        };
        let lower = compiled(self, lower);
        let upper = compiled(self, upper);
        let rest: Box<[Node]> = rest.iter().map(|part| self.node(part, intern)).collect();
        let argument = argument.map(|argument| self.node(argument, intern));
        let open = self.open.pop();
        let typed = asked != Asked::Events && types.is_some() && upper.is_empty() && rest.is_empty();
        let from_summary = typed && lower.is_empty();
        let by_latest = typed && !from_summary && asked == Asked::Existence;
        match &types {
            Some(types) => types.iter().for_each(|kind| remember(&mut self.reads.types, kind)),
            None => self.reads.every_type = true,
        }
        // Explanations name no events of sets within sets.
        let unseen = from_summary || (by_latest && level > 0);
        if let (false, Some(open)) = (unseen, open) {
            let kinds: Vec<Option<Arc<str>>> = match &types {
                Some(types) => types.iter().map(|kind| Some(Arc::from(&**kind))).collect(),
                None => vec![None],
            };
            for event_type in kinds {
                self.need(event_type, &open, by_latest.then_some(EVIDENCE_MAX));
            }
        }
        let types = types.map(|types| types.iter().map(|kind| TypeName::from(&**kind)).collect());
        (argument, Set { types, lower, upper, rest, level, from_summary, by_latest })
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
            // Clocks may be put forward or back by as much as a day.
            Expression::ToWall(inner, _) | Expression::FromWall(inner, _) => {
                self.distance(inner)? + Span::DAY
            }
            Expression::Call(Routine::Truncate(unit), parts) => {
                self.distance(parts.first()?)? + bounds::longest(*unit)
            }
            Expression::ShiftMonths(inner, months) => {
                self.distance(inner)? + Span::DAY.times(i64::from((-months).max(0)) * 31 + 4)
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

    fn need(&mut self, event_type: Option<Arc<str>>, open: &Open, latest: Option<usize>) {
        let Some(held) = self.needs.iter_mut().find(|need| need.event_type == event_type) else {
            let columns = open.columns.clone();
            self.needs.push(Need { event_type, columns, lookback: open.lookback, latest });
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
        held.latest = held.latest.zip(latest).map(|(held, new)| held.max(new));
    }
}

/// The value where it is of that type, else null.
fn only(value: Node, wanted: Type) -> Node {
    match wanted {
        Type::Number => Node::Cast(Box::new(value), CastTo::Double),
        Type::Text => Node::Text(Box::new(value)),
        _ => value,
    }
}

fn remember(names: &mut Vec<Box<str>>, name: &str) {
    if !names.iter().any(|held| &**held == name) {
        names.push(name.into());
    }
}
