//! Evaluation of a compiled condition on one profile at one instant.
//!
//! Every answer carries its horizon: until then it stays the same if no event
//! comes. A horizon may be early, never late. `now()` is the one value that
//! moves by itself; it is followed through sums and comparisons, so that a
//! window ends at the exact microsecond.

use std::borrow::Cow;
use std::cmp::Ordering;

use regex::Regex;

use super::call;
use super::columns::ColumnIndex;
use super::compile::Compiled;
use super::node::Node;
use super::subject::{Row, Subject};
use super::tree::{Comparison, Known};
use super::value_of;
use crate::time::{Span, Timestamp};
use crate::value::Value;

/// Whether a profile is in, and until when that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// SQL's three values; members are those with `Some(true)`.
    pub value: Option<bool>,
    /// The first later instant at which `value` could change with no new
    /// event; [`Timestamp::MAX`] when it never does.
    pub horizon: Timestamp,
}

impl Outcome {
    /// Whether the profile is a member.
    pub fn is_member(&self) -> bool {
        self.value == Some(true)
    }
}

impl Compiled {
    /// Evaluates the condition on `subject` at `now`.
    pub fn evaluate<S: Subject>(&self, subject: &S, now: Timestamp) -> Outcome {
        let truth = Scene { subject, now }.truth(&self.root, None);
        Outcome { value: truth.value, horizon: truth.horizon }
    }

    /// Whether `subject` is a member at `now`, and until when that holds if no
    /// event comes. As [`Compiled::evaluate`], but quicker, and the horizon may
    /// be later: what is not true need not be known to be false.
    pub fn is_member<S: Subject>(&self, subject: &S, now: Timestamp) -> (bool, Timestamp) {
        let truth = Scene { subject, now }.holds(&self.root);
        (truth.value == Some(true), truth.horizon)
    }
}

/// One evaluation: whom it is about, and when.
pub(super) struct Scene<'a, S> {
    pub(super) subject: &'a S,
    pub(super) now: Timestamp,
}

/// An event row in sight, and the rows of the sets around its own.
pub(super) struct Frame<'f, 'a, R> {
    pub(super) level: u8,
    pub(super) row: &'a R,
    pub(super) outer: Outer<'f, 'a, R>,
}

pub(super) type Outer<'f, 'a, R> = Option<&'f Frame<'f, 'a, R>>;

/// True, false or null, and until when.
#[derive(Clone, Copy)]
pub(super) struct Truth {
    pub(super) value: Option<bool>,
    pub(super) horizon: Timestamp,
}

/// A value, and until when.
pub(super) struct Scalar<'a> {
    pub(super) value: Cow<'a, Value>,
    /// Whether it is an instant that moves on as now does.
    pub(super) moving: bool,
    pub(super) horizon: Timestamp,
}

/// An instant, null or not, and until when.
#[derive(Clone, Copy)]
pub(super) struct Instant {
    pub(super) at: Option<Timestamp>,
    pub(super) moving: bool,
    pub(super) horizon: Timestamp,
}

impl Truth {
    pub(super) fn always(value: Option<bool>) -> Self {
        Self { value, horizon: Timestamp::MAX }
    }

    fn not(self) -> Self {
        Self { value: self.value.map(|value| !value), ..self }
    }

    fn negated_if(self, negated: bool) -> Self {
        if negated { self.not() } else { self }
    }
}

impl<'a> Scalar<'a> {
    pub(super) fn owned(value: Value, horizon: Timestamp) -> Self {
        Self { value: Cow::Owned(value), moving: false, horizon }
    }

    fn borrowed(value: &'a Value) -> Self {
        Self { value: Cow::Borrowed(value), moving: false, horizon: Timestamp::MAX }
    }
}

/// Three-valued AND (`decides` false) or OR (`decides` true) of what comes:
/// the first part that decides ends it and lends its horizon.
fn combined(parts: impl Iterator<Item = Truth>, decides: bool) -> Truth {
    let mut all = Truth::always(Some(!decides));
    for part in parts {
        match part.value {
            Some(value) if value == decides => return part,
            Some(_) => {}
            None => all.value = None,
        }
        all.horizon = all.horizon.min(part.horizon);
    }
    all
}

impl<'a, S: Subject> Scene<'a, S> {
    /// Whether a condition is true: what is null need not be told from what is
    /// false, so that the first part of an AND that is not true ends it.
    fn holds(&self, node: &'a Node) -> Truth {
        match node {
            Node::And(parts) => {
                let mut horizon = Timestamp::MAX;
                for part in parts {
                    let truth = self.holds(part);
                    if truth.value != Some(true) {
                        return truth;
                    }
                    horizon = horizon.min(truth.horizon);
                }
                Truth { value: Some(true), horizon }
            }
            Node::Or(parts) => combined(parts.iter().map(|part| self.holds(part)), true),
            other => self.truth(other, None),
        }
    }

    pub(super) fn truth(&self, node: &'a Node, frame: Outer<'_, 'a, S::Row>) -> Truth {
        match node {
            Node::TypeIs { types, negated, level } => {
                let kind = row_at(frame, *level).map(Row::event_type);
                Truth::always(kind.map(|kind| types.iter().any(|own| &**own == kind) != *negated))
            }
            Node::Compare(comparison, sides) => {
                let held = (self.held(&sides.0, frame), self.held(&sides.1, frame));
                if let (Some(left), Some(right)) = held {
                    return Truth::always(left.compare(right).map(|order| holds(*comparison, order)));
                }
                let left = self.scalar(&sides.0, frame);
                let right = self.scalar(&sides.1, frame);
                self.compare(*comparison, &left, &right)
            }
            Node::And(parts) => combined(parts.iter().map(|part| self.truth(part, frame)), false),
            Node::Or(parts) => combined(parts.iter().map(|part| self.truth(part, frame)), true),
            Node::Not(inner) => self.truth(inner, frame).not(),
            Node::Exists(set) => self.exists(set, frame),
            Node::InSegment(name) => Truth::always(Some(self.subject.in_segment(name))),
            Node::Between { parts, negated } => {
                let [value, low, high] = &**parts;
                let value = self.scalar(value, frame);
                let sides = [(low, Comparison::GreaterOrEqual), (high, Comparison::LessOrEqual)];
                let tests = sides
                    .into_iter()
                    .map(|(side, comparison)| self.compare(comparison, &value, &self.scalar(side, frame)));
                combined(tests, false).negated_if(*negated)
            }
            Node::In { value, list, texts, negated } => {
                let value = self.scalar(value, frame);
                if let (Some(texts), Some(text)) = (texts, value.value.as_text()) {
                    let found = texts.binary_search_by(|held| (**held).cmp(text)).is_ok();
                    return Truth { value: Some(found != *negated), horizon: value.horizon };
                }
                let tests = list
                    .iter()
                    .map(|part| self.compare(Comparison::Equal, &value, &self.scalar(part, frame)));
                combined(tests, true).negated_if(*negated)
            }
            Node::Like { value, pattern, negated, any_case } => {
                let text = self.scalar(value, frame);
                let matched = text.value.as_text().map(|text| value_of::like(text, pattern, *any_case));
                Truth { value: matched, horizon: text.horizon }.negated_if(*negated)
            }
            Node::Match { value, pattern, negated } => {
                self.matched(value, pattern.as_deref(), *negated, frame)
            }
            Node::Is { value, what: Known::Null, negated } => {
                let value = self.scalar(value, frame);
                Truth { value: Some(value.value.is_null() != *negated), horizon: value.horizon }
            }
            Node::Is { value, what, negated } => {
                let truth = self.truth(value, frame);
                let is = truth.value == Some(*what == Known::True);
                Truth { value: Some(is != *negated), horizon: truth.horizon }
            }
            other => {
                let scalar = self.scalar(other, frame);
                let value = match *scalar.value {
                    Value::Bool(value) => Some(value),
                    _ => None,
                };
                Truth { value, horizon: scalar.horizon }
            }
        }
    }

    pub(super) fn scalar(&self, node: &'a Node, frame: Outer<'_, 'a, S::Row>) -> Scalar<'a> {
        match node {
            Node::Constant(value) => Scalar::borrowed(value),
            Node::Column { index, level } => match row_at(frame, *level) {
                Some(row) if *index != ColumnIndex::NONE => Scalar::borrowed(row.value(*index)),
                _ => Scalar::owned(Value::Null, Timestamp::MAX),
            },
            Node::Attribute(name) => {
                let (value, horizon) = self.subject.attribute(name, self.now);
                Scalar::owned(value, horizon)
            }
            Node::Timestamp { level } => {
                let value = row_at(frame, *level).map_or(Value::Null, |row| Value::Time(row.timestamp()));
                Scalar::owned(value, Timestamp::MAX)
            }
            Node::EventType { level } => {
                let value = row_at(frame, *level).map_or(Value::Null, |row| row.event_type().into());
                Scalar::owned(value, Timestamp::MAX)
            }
            Node::Now => {
                Scalar { value: Cow::Owned(Value::Time(self.now)), moving: true, horizon: Timestamp::MAX }
            }
            Node::Today => value_of::midnight(self.now, self.now),
            Node::Shift(inner, span) => self.shifted(self.scalar(inner, frame), *span),
            Node::Arithmetic(operator, sides) => {
                let left = self.scalar(&sides.0, frame);
                let right = self.scalar(&sides.1, frame);
                let value = value_of::arithmetic(*operator, &left.value, &right.value);
                Scalar::owned(value, left.horizon.min(right.horizon))
            }
            Node::Coalesce(parts) => {
                let mut horizon = Timestamp::MAX;
                for part in parts {
                    let mut scalar = self.scalar(part, frame);
                    horizon = horizon.min(scalar.horizon);
                    if !scalar.value.is_null() {
                        scalar.horizon = horizon;
                        return scalar;
                    }
                }
                Scalar::owned(Value::Null, horizon)
            }
            Node::Case { branches, otherwise } => self.case(branches, otherwise, frame),
            Node::Text(text) => self.mapped(text, frame, |value| value.as_text().map(str::to_owned)),
            Node::Lower(text) => self.mapped(text, frame, |value| value.as_text().map(str::to_lowercase)),
            Node::Upper(text) => self.mapped(text, frame, |value| value.as_text().map(str::to_uppercase)),
            Node::Cast(inner, to) => value_of::cast(self.scalar(inner, frame), *to, self.now),
            Node::Call(..)
            | Node::ToWall(..)
            | Node::FromWall(..)
            | Node::ShiftMonths(..)
            | Node::Path(..) => self.made(node, frame),
            Node::Aggregate(parts) => {
                let (function, argument, set) = &**parts;
                self.aggregate(*function, argument.as_ref(), set, frame)
            }
            truth => {
                let truth = self.truth(truth, frame);
                Scalar::owned(truth.value.map_or(Value::Null, Value::Bool), truth.horizon)
            }
        }
    }

    /// Apart from the others, so that the quick ones stay quick.
    #[inline(never)]
    fn matched(
        &self,
        value: &'a Node,
        pattern: Option<&Regex>,
        negated: bool,
        frame: Outer<'_, 'a, S::Row>,
    ) -> Truth {
        let text = self.scalar(value, frame);
        let found = text.value.as_text().zip(pattern);
        let value = found.map(|(text, pattern)| pattern.is_match(text) != negated);
        Truth { value, horizon: text.horizon }
    }

    /// Values made by functions, zones and paths; apart from the others too.
    #[inline(never)]
    fn made(&self, node: &'a Node, frame: Outer<'_, 'a, S::Row>) -> Scalar<'a> {
        match node {
            Node::Call(routine, parts) => self.call(*routine, parts, frame),
            Node::ToWall(inner, zone) => self.to_wall(self.scalar(inner, frame), zone),
            Node::FromWall(inner, zone) => self.shown_at(self.scalar(inner, frame), zone),
            Node::ShiftMonths(inner, months) => self.months_later(self.scalar(inner, frame), *months),
            Node::Path(inner, steps) => {
                let inner = self.scalar(inner, frame);
                Scalar::owned(call::follow(&inner.value, steps), inner.horizon)
            }
            _ => Scalar::owned(Value::Null, Timestamp::MAX),
        }
    }

    /// The value of a constant or column, where it lies.
    pub(super) fn held(&self, node: &'a Node, frame: Outer<'_, 'a, S::Row>) -> Option<&'a Value> {
        match node {
            Node::Constant(value) => Some(value),
            Node::Column { index, level } if *index != ColumnIndex::NONE => {
                row_at(frame, *level).map(|row| row.value(*index))
            }
            _ => None,
        }
    }

    /// The instant a node comes to, without making a value of it.
    pub(super) fn instant(&self, node: &'a Node, frame: Outer<'_, 'a, S::Row>) -> Instant {
        let always = |at| Instant { at, moving: false, horizon: Timestamp::MAX };
        match node {
            Node::Now => Instant { moving: true, ..always(Some(self.now)) },
            Node::Timestamp { level } => always(row_at(frame, *level).map(Row::timestamp)),
            Node::Shift(inner, span) => {
                let inner = self.instant(inner, frame);
                Instant { at: inner.at.map(|at| at + *span), ..inner }
            }
            other => {
                let scalar = self.scalar(other, frame);
                Instant { at: scalar.value.as_time(), moving: scalar.moving, horizon: scalar.horizon }
            }
        }
    }

    fn shifted(&self, instant: Scalar<'a>, span: Span) -> Scalar<'a> {
        let value = value_of::as_instant(&instant.value).map_or(Value::Null, |time| Value::Time(time + span));
        Scalar { value: Cow::Owned(value), ..instant }
    }

    fn mapped(
        &self,
        node: &'a Node,
        frame: Outer<'_, 'a, S::Row>,
        map: impl Fn(&Value) -> Option<String>,
    ) -> Scalar<'a> {
        let inner = self.scalar(node, frame);
        let value = map(&inner.value).map_or(Value::Null, |text| Value::Text(text.into()));
        Scalar::owned(value, inner.horizon)
    }

    fn case(
        &self,
        branches: &'a [(Node, Node)],
        otherwise: &'a Node,
        frame: Outer<'_, 'a, S::Row>,
    ) -> Scalar<'a> {
        let mut horizon = Timestamp::MAX;
        for (condition, value) in branches {
            let truth = self.truth(condition, frame);
            horizon = horizon.min(truth.horizon);
            if truth.value == Some(true) {
                let scalar = self.scalar(value, frame);
                return Scalar { horizon: horizon.min(scalar.horizon), ..scalar };
            }
        }
        let scalar = self.scalar(otherwise, frame);
        Scalar { horizon: horizon.min(scalar.horizon), ..scalar }
    }

    /// Compares two values, one of which may move with now.
    pub(super) fn compare(&self, comparison: Comparison, left: &Scalar<'_>, right: &Scalar<'_>) -> Truth {
        let horizon = left.horizon.min(right.horizon);
        if left.moving == right.moving {
            let value = left.value.compare(&right.value).map(|order| holds(comparison, order));
            return Truth { value, horizon };
        }
        let (fixed, moving, comparison) =
            if right.moving { (left, right, comparison) } else { (right, left, comparison.mirrored()) };
        match (fixed.value.as_time(), moving.value.as_time()) {
            (Some(fixed), Some(moving)) => {
                let truth = self.overtaken(comparison, fixed, moving);
                Truth { horizon: horizon.min(truth.horizon), ..truth }
            }
            _ => Truth { value: None, horizon },
        }
    }

    /// Compares a fixed instant with one that moves on as now does. The fixed
    /// one is first greater, then equal for a microsecond, then less.
    fn overtaken(&self, comparison: Comparison, fixed: Timestamp, moving: Timestamp) -> Truth {
        let ahead = fixed - moving;
        let order = fixed.cmp(&moving);
        let value = holds(comparison, order);
        let meets = self.now + ahead;
        let changes_at = |order| holds(comparison, order) != value;
        let horizon = match order {
            Ordering::Greater if changes_at(Ordering::Equal) => meets,
            Ordering::Greater | Ordering::Equal if changes_at(Ordering::Less) => meets.next(),
            _ => Timestamp::MAX,
        };
        Truth { value: Some(value), horizon }
    }
}

fn row_at<'a, R>(mut frame: Outer<'_, 'a, R>, level: u8) -> Option<&'a R> {
    while let Some(held) = frame {
        if held.level == level {
            return Some(held.row);
        }
        frame = held.outer;
    }
    None
}

fn holds(comparison: Comparison, order: Ordering) -> bool {
    match comparison {
        Comparison::Equal => order.is_eq(),
        Comparison::NotEqual => order.is_ne(),
        Comparison::Less => order.is_lt(),
        Comparison::LessOrEqual => order.is_le(),
        Comparison::Greater => order.is_gt(),
        Comparison::GreaterOrEqual => order.is_ge(),
    }
}
