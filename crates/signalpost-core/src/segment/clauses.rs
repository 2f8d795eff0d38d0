//! A condition on events in the parts that people speak of: which types, in
//! which window of time, and what else.
//!
//! In: the condition of an event set, or the parts. Out: the parts, or the
//! condition; going there and back gives the same.

use super::calendar::Zone;
use super::function::truncated;
use super::routine::{Routine, Unit};
use super::tree::{Comparison, Expression};
use crate::time::Span;
use crate::value::Value;

/// When events happened, seen from now.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Window {
    /// At any time.
    Always,
    /// Not longer ago than this.
    Last(Length),
    /// Longer ago than this.
    Ago(Length),
    /// At an instant or later.
    Since(Expression),
    /// Before an instant.
    Before(Expression),
    /// From an instant to another, both included.
    Between(Expression, Expression),
    /// In the unit of the calendar that now lies in (0), or in one before it.
    Calendar(Unit, i32, Option<Zone>),
    /// In so many whole days before today.
    Days(u16, Option<Zone>),
}

/// A length of time: fixed, or of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    Fixed(Span),
    Months(i32),
}

/// The parts of an event set's condition.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Clauses {
    /// The types; any when empty.
    pub(super) types: Vec<Box<str>>,
    pub(super) window: Window,
    /// What else must be true of the event.
    pub(super) rest: Vec<Expression>,
}

impl Clauses {
    /// The parts of a condition. What is no type and no window is the rest.
    pub(super) fn of(filter: &Expression) -> Self {
        let conjuncts = filter.conjuncts();
        let (types, left) = match conjuncts.split_first() {
            Some((first, left)) => match types_of(first) {
                Some(types) => (types, left),
                None => (Vec::new(), conjuncts),
            },
            None => (Vec::new(), conjuncts),
        };
        // A window stands as one condition, or as two in a row.
        for count in [2, 1] {
            if let Some((bounds, rest)) = left.split_at_checked(count)
                && let Some(window) = window_of(bounds)
            {
                return Self { types, window, rest: rest.to_vec() };
            }
        }
        Self { types, window: Window::Always, rest: left.to_vec() }
    }

    /// The condition these are the parts of.
    pub(super) fn filter(&self) -> Expression {
        let types = match self.types.as_slice() {
            [] => None,
            [only] => Some(equals("event_type", Value::Text(only.clone()))),
            several => Some(Expression::In {
                value: Box::new(column("event_type", 0)),
                list: several.iter().map(|kind| Expression::Literal(Value::Text(kind.clone()))).collect(),
                negated: false,
            }),
        };
        Expression::all(types.into_iter().chain(self.window.bounds()).chain(self.rest.iter().cloned()))
    }
}

pub(super) fn column(name: &str, depth: u8) -> Expression {
    Expression::Column { name: name.into(), depth }
}

pub(super) fn compare(comparison: Comparison, left: Expression, right: Expression) -> Expression {
    Expression::Compare(comparison, Box::new(left), Box::new(right))
}

fn equals(name: &str, value: Value) -> Expression {
    compare(Comparison::Equal, column(name, 0), Expression::Literal(value))
}

fn types_of(part: &Expression) -> Option<Vec<Box<str>>> {
    let text = |part: &Expression| match part {
        Expression::Literal(Value::Text(kind)) => Some(kind.clone()),
        _ => None,
    };
    let is_type = |part: &Expression| *part == column("event_type", 0);
    match part {
        Expression::Compare(Comparison::Equal, left, right) if is_type(left) => Some(vec![text(right)?]),
        Expression::In { value, list, negated: false } if is_type(value) && list.len() > 1 => {
            list.iter().map(text).collect()
        }
        _ => None,
    }
}

impl Length {
    /// Now, so much earlier.
    pub(super) fn ago(self) -> Expression {
        match self {
            Self::Fixed(span) => Expression::Shift(Box::new(Expression::Now), span.times(-1)),
            Self::Months(months) => Expression::ShiftMonths(Box::new(Expression::Now), -months),
        }
    }

    fn of(instant: &Expression) -> Option<Self> {
        match instant {
            Expression::Shift(inner, span) if **inner == Expression::Now && span.as_micros() < 0 => {
                Some(Self::Fixed(span.times(-1)))
            }
            Expression::ShiftMonths(inner, months) if **inner == Expression::Now && *months < 0 => {
                Some(Self::Months(-months))
            }
            _ => None,
        }
    }
}

impl Window {
    /// The conditions on an event's time.
    pub(super) fn bounds(&self) -> Vec<Expression> {
        let time = || column("timestamp", 0);
        let from = |instant| compare(Comparison::GreaterOrEqual, time(), instant);
        let until = |instant| compare(Comparison::Less, time(), instant);
        match self {
            Self::Always => Vec::new(),
            Self::Last(length) => vec![from(length.ago())],
            Self::Ago(length) => vec![until(length.ago())],
            Self::Since(instant) => vec![from(instant.clone())],
            Self::Before(instant) => vec![until(instant.clone())],
            Self::Between(low, high) => vec![Expression::Between {
                value: Box::new(time()),
                low: Box::new(low.clone()),
                high: Box::new(high.clone()),
                negated: false,
            }],
            Self::Calendar(unit, 0, zone) => vec![from(start(*unit, 0, zone.as_ref()))],
            Self::Calendar(unit, offset, zone) => {
                let zone = zone.as_ref();
                vec![from(start(*unit, *offset, zone)), until(start(*unit, offset + 1, zone))]
            }
            Self::Days(days, zone) => {
                let zone = zone.as_ref();
                vec![from(start(Unit::Day, -i32::from(*days), zone)), until(start(Unit::Day, 0, zone))]
            }
        }
    }
}

fn window_of(bounds: &[Expression]) -> Option<Window> {
    let time = column("timestamp", 0);
    let constant = |instant: &Expression| matches!(instant, Expression::Literal(Value::Time(_)));
    let window = match bounds {
        [Expression::Between { low, high, .. }] if constant(low) && constant(high) => {
            Window::Between((**low).clone(), (**high).clone())
        }
        [Expression::Compare(comparison, left, instant), rest @ ..] if **left == time => {
            match (comparison, Length::of(instant), unit_of(instant), rest) {
                (Comparison::GreaterOrEqual, Some(length), _, []) => Window::Last(length),
                (Comparison::Less, Some(length), _, []) => Window::Ago(length),
                (Comparison::GreaterOrEqual, _, _, []) if constant(instant) => {
                    Window::Since((**instant).clone())
                }
                (Comparison::Less, _, _, []) if constant(instant) => Window::Before((**instant).clone()),
                (Comparison::GreaterOrEqual, _, Some((unit, offset, zone)), _) => {
                    let whole_days = offset < -1 && unit == Unit::Day;
                    match u16::try_from(-offset).ok().filter(|_| whole_days) {
                        Some(days) => Window::Days(days, zone),
                        None => Window::Calendar(unit, offset, zone),
                    }
                }
                _ => return None,
            }
        }
        _ => return None,
    };
    // Only what reads back to the very same conditions is such a window.
    (window.bounds() == bounds).then_some(window)
}

/// The beginning of the unit `offset` units from the one that now lies in.
pub(super) fn start(unit: Unit, offset: i32, zone: Option<&Zone>) -> Expression {
    let now = match zone {
        Some(zone) => Expression::ToWall(Box::new(Expression::Now), zone.clone()),
        None => Expression::Now,
    };
    let begins = truncated(unit, now);
    let moved = match (offset, months_in(unit)) {
        (0, _) => begins,
        (_, Some(months)) => Expression::ShiftMonths(Box::new(begins), offset * months),
        (_, None) => Expression::Shift(Box::new(begins), length(unit).times(i64::from(offset))),
    };
    match zone {
        Some(zone) => Expression::FromWall(Box::new(moved), zone.clone()),
        None => moved,
    }
}

/// The unit and how many units from now, of what [`start`] made.
fn unit_of(instant: &Expression) -> Option<(Unit, i32, Option<Zone>)> {
    let (inner, zone) = match instant {
        Expression::FromWall(inner, zone) => (&**inner, Some(zone.clone())),
        other => (other, None),
    };
    let (begins, moved) = match inner {
        Expression::Shift(begins, span) => (&**begins, Length::Fixed(*span)),
        Expression::ShiftMonths(begins, months) => (&**begins, Length::Months(*months)),
        other => (other, Length::Months(0)),
    };
    let Expression::Call(Routine::Truncate(unit), _) = begins else { return None };
    let offset = match moved {
        Length::Months(months) => months / months_in(*unit).unwrap_or(1),
        Length::Fixed(span) => i32::try_from(span.as_micros() / length(*unit).as_micros()).ok()?,
    };
    (start(*unit, offset, zone.as_ref()) == *instant).then_some((*unit, offset, zone))
}

fn months_in(unit: Unit) -> Option<i32> {
    match unit {
        Unit::Month => Some(1),
        Unit::Quarter => Some(3),
        Unit::Year => Some(12),
        _ => None,
    }
}

fn length(unit: Unit) -> Span {
    match unit {
        Unit::Minute => Span::MINUTE,
        Unit::Hour => Span::HOUR,
        Unit::Week => Span::DAY.times(7),
        _ => Span::DAY,
    }
}
