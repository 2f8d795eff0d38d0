//! Event sets: which rows are in, until when, and what is made of them.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::ControlFlow;

use super::evaluate::{Frame, Outer, Scalar, Scene, Truth};
use super::node::{Bound, Node, Set};
use super::subject::{Row, Subject, Summary};
use super::tree::Function;
use super::value_of::{self, MICRO};
use crate::time::{Span, Timestamp};
use crate::value::Value;

/// Takes a row that is in, and until when it is.
pub(super) type Visit<'v, 'a, R> = dyn FnMut(&Frame<'_, 'a, R>, Timestamp) -> ControlFlow<()> + 'v;

/// The rows a set's time bounds leave, and how the bounds move.
struct Window<'a, R> {
    inside: &'a [R],
    /// Rows after the window that the moving upper bound will reach.
    later: &'a [R],
    /// A row leaves when it is older than this; `None`: never.
    leaves_after: Option<Span>,
    /// A later row comes in when it is this old.
    enters_after: Span,
    /// Until when the bounds themselves hold.
    horizon: Timestamp,
    /// Until when bounds that only move forward leave the rows inside alone.
    stays_until: Timestamp,
}

/// Bounds of one side, each as the outermost instant still inside.
#[derive(Default)]
struct Side {
    fixed: Option<Timestamp>,
    moving: Option<Timestamp>,
    /// When a bound that moves by steps, and how far back is known, moves next.
    steps_at: Option<Timestamp>,
    /// The most by which such a bound may ever go back.
    goes_back: Span,
}

impl Side {
    /// When a lower bound, now at `from`, may let in what lies before it, of
    /// which `latest` is the latest. What lies further back than the bound
    /// ever goes never comes in again.
    fn lets_in(&self, from: Timestamp, latest: Option<Timestamp>) -> Timestamp {
        let near = latest.is_some_and(|latest| latest >= from - self.goes_back);
        if near { self.steps_at.unwrap_or(Timestamp::MAX) } else { Timestamp::MAX }
    }
}

impl<'a, S: Subject> Scene<'a, S> {
    pub(super) fn exists(&self, set: &'a Set, frame: Outer<'_, 'a, S::Row>) -> Truth {
        if set.from_summary {
            return Truth::always(Some(self.summary(set).is_some()));
        }
        if set.by_latest {
            return self.latest_is_inside(set, frame);
        }
        let mut found = None;
        // The newest row stays longest.
        let horizon = self.scan(set, frame, true, &mut |_, until| {
            found = Some(until);
            ControlFlow::Break(())
        });
        match found {
            // Rows passed over cannot make it false.
            Some(until) => Truth { value: Some(true), horizon: until },
            None => Truth { value: Some(false), horizon },
        }
    }

    /// Whether the latest event of a set's types is not before its lower bounds.
    fn latest_is_inside(&self, set: &'a Set, frame: Outer<'_, 'a, S::Row>) -> Truth {
        let mut horizon = Timestamp::MAX;
        let outside = |horizon| Truth { value: Some(false), horizon };
        let Some(lower) = self.side(&set.lower, frame, true, &mut horizon) else { return outside(horizon) };
        let from = lower.fixed.max(lower.moving).unwrap_or(Timestamp::MIN);
        let Some(last) = self.summary(set).map(|summary| summary.last) else { return outside(horizon) };
        if last < from {
            return outside(horizon.min(lower.lets_in(from, Some(last))));
        }
        let leaves = lower.moving.map_or(Timestamp::MAX, |from| (last + (self.now - from)).next());
        let steps = lower.steps_at.unwrap_or(Timestamp::MAX);
        Truth { value: Some(true), horizon: horizon.min(leaves).min(steps) }
    }

    /// Visits the rows of a set with the instant until which each stays in.
    /// Returns until when no other row comes in and the bounds hold; a visit
    /// is told no later an instant than the bounds hold.
    pub(super) fn scan(
        &self,
        set: &'a Set,
        frame: Outer<'_, 'a, S::Row>,
        newest_first: bool,
        visit: &mut Visit<'_, 'a, S::Row>,
    ) -> Timestamp {
        let window = self.window(set, frame);
        let mut horizon = window.horizon;
        let of_type = |row: &S::Row| set.is_of_type(row);
        if let Some(row) = window.later.iter().find(|row| of_type(row)) {
            horizon = horizon.min(row.timestamp() + window.enters_after);
        }
        let mut each = |row: &'a S::Row| {
            if !of_type(row) {
                return ControlFlow::Continue(());
            }
            let frame = Frame { level: set.level, row, outer: frame };
            let mut until = window.horizon.min(window.stays_until);
            for part in &set.rest {
                let truth = self.truth(part, Some(&frame));
                if truth.value != Some(true) {
                    horizon = horizon.min(truth.horizon);
                    return ControlFlow::Continue(());
                }
                until = until.min(truth.horizon);
            }
            if let Some(age) = window.leaves_after {
                until = until.min((row.timestamp() + age).next());
            }
            visit(&frame, until)
        };
        let _stopped_early = if newest_first {
            window.inside.iter().rev().try_for_each(&mut each)
        } else {
            window.inside.iter().try_for_each(&mut each)
        };
        horizon
    }

    fn window(&self, set: &'a Set, frame: Outer<'_, 'a, S::Row>) -> Window<'a, S::Row> {
        let rows = self.subject.rows();
        let empty = |horizon| Window {
            inside: &[],
            later: &[],
            leaves_after: None,
            enters_after: Span::ZERO,
            horizon,
            stays_until: Timestamp::MAX,
        };
        let mut horizon = Timestamp::MAX;
        let Some(lower) = self.side(&set.lower, frame, true, &mut horizon) else { return empty(horizon) };
        let Some(upper) = self.side(&set.upper, frame, false, &mut horizon) else { return empty(horizon) };
        let from = lower.fixed.max(lower.moving);
        let start = from.map_or(0, |from| rows.partition_point(|row| row.timestamp() < from));
        let of_type = |row: &&S::Row| set.is_of_type(*row);
        if lower.goes_back > Span::ZERO {
            let before = rows.get(..start).and_then(|before| before.iter().rev().find(of_type));
            horizon = horizon.min(lower.lets_in(from.unwrap_or(Timestamp::MIN), before.map(Row::timestamp)));
        }
        let rows = rows.get(start..).unwrap_or_default();
        let last = upper.fixed.unwrap_or(Timestamp::MAX).min(upper.moving.unwrap_or(Timestamp::MAX));
        let end = if last == Timestamp::MAX {
            rows.len()
        } else {
            rows.partition_point(|row| row.timestamp() <= last)
        };
        let (inside, later) = rows.split_at_checked(end).unwrap_or((rows, &[]));
        let mut stays_until = lower.steps_at.unwrap_or(Timestamp::MAX);
        if let Some(steps_at) = upper.steps_at {
            if later.iter().any(|row| of_type(&row)) {
                horizon = horizon.min(steps_at);
            }
            if upper.goes_back > Span::ZERO {
                stays_until = stays_until.min(steps_at);
            }
        }
        let reachable = match (upper.moving, upper.fixed) {
            (None, _) => 0,
            (Some(_), None) => later.len(),
            (Some(_), Some(fixed)) => later.partition_point(|row| row.timestamp() <= fixed),
        };
        Window {
            inside,
            later: later.get(..reachable).unwrap_or_default(),
            leaves_after: lower.moving.map(|from| self.now - from),
            enters_after: upper.moving.map_or(Span::ZERO, |to| self.now - to),
            horizon,
            stays_until,
        }
    }

    /// The tightest of a side's bounds; `None` when one is null, so that no
    /// event is inside.
    fn side(
        &self,
        bounds: &'a [Bound],
        frame: Outer<'_, 'a, S::Row>,
        lower: bool,
        horizon: &mut Timestamp,
    ) -> Option<Side> {
        let mut side = Side::default();
        for bound in bounds {
            let found = self.instant(&bound.instant, frame);
            match bound.goes_back {
                Some(back) if found.at.is_some() => {
                    let held = side.steps_at.unwrap_or(Timestamp::MAX);
                    side.steps_at = Some(held.min(found.horizon));
                    side.goes_back = side.goes_back.max(back);
                }
                _ => *horizon = (*horizon).min(found.horizon),
            }
            let instant = found.at?;
            let step = Span::from_micros(if lower { 1 } else { -1 });
            let instant = if bound.inclusive { instant } else { instant + step };
            let held = if found.moving { &mut side.moving } else { &mut side.fixed };
            *held =
                Some(held.map_or(instant, |held| if lower { held.max(instant) } else { held.min(instant) }));
        }
        Some(side)
    }

    /// The events of a set's types together; `None` when there are none.
    fn summary(&self, set: &Set) -> Option<Summary> {
        let types = set.types.as_deref().unwrap_or_default();
        let all = types.iter().filter_map(|kind| self.subject.summary(kind)).filter(|own| own.count > 0);
        all.reduce(|a, b| Summary {
            count: a.count + b.count,
            first: a.first.min(b.first),
            last: a.last.max(b.last),
        })
    }

    pub(super) fn aggregate(
        &self,
        function: Function,
        argument: Option<&'a Node>,
        set: &'a Set,
        frame: Outer<'_, 'a, S::Row>,
    ) -> Scalar<'a> {
        if set.from_summary {
            let summary = self.summary(set);
            let value = match function {
                Function::Count => count_value(summary.map_or(0, |summary| summary.count)),
                Function::Minimum | Function::First => summary.map_or(Value::Null, |s| Value::Time(s.first)),
                _ => summary.map_or(Value::Null, |s| Value::Time(s.last)),
            };
            return Scalar::owned(value, Timestamp::MAX);
        }
        let mut fold = Fold::new(function);
        let mut until = Timestamp::MAX;
        let horizon = self.scan(set, frame, function == Function::Last, &mut |frame, row_until| {
            until = until.min(row_until);
            let Some(argument) = argument else {
                fold.count += 1;
                return ControlFlow::Continue(());
            };
            if let Some(value) = self.held(argument, Some(frame)) {
                return fold.take(Cow::Borrowed(value));
            }
            let scalar = self.scalar(argument, Some(frame));
            // A value that moves with now is only good for this instant.
            until = until.min(if scalar.moving { self.now.next() } else { scalar.horizon });
            fold.take(scalar.value)
        });
        Scalar { value: fold.result(), moving: false, horizon: horizon.min(until) }
    }
}

/// An aggregate on its way.
struct Fold<'a> {
    function: Function,
    count: u64,
    total: i128,
    held: Option<Cow<'a, Value>>,
    distinct: Vec<Cow<'a, Value>>,
}

impl<'a> Fold<'a> {
    fn new(function: Function) -> Self {
        Self { function, count: 0, total: 0, held: None, distinct: Vec::new() }
    }

    fn take(&mut self, value: Cow<'a, Value>) -> ControlFlow<()> {
        match self.function {
            // The first and last count even when they are null.
            Function::First | Function::Last => {
                self.held = Some(value);
                return ControlFlow::Break(());
            }
            _ if value.is_null() => {}
            Function::Count => self.count += 1,
            Function::CountDistinct => self.distinct.push(value),
            Function::Sum | Function::Average => {
                if let Some(millionths) = value_of::millionths(&value) {
                    self.count += 1;
                    self.total = self.total.saturating_add(millionths);
                }
            }
            Function::Minimum => self.keep(value, Ordering::Less),
            Function::Maximum => self.keep(value, Ordering::Greater),
        }
        ControlFlow::Continue(())
    }

    fn keep(&mut self, value: Cow<'a, Value>, wanted: Ordering) {
        let better = self.held.as_ref().is_none_or(|held| value.compare(held) == Some(wanted));
        if better {
            self.held = Some(value);
        }
    }

    fn result(mut self) -> Cow<'a, Value> {
        match self.function {
            Function::Count => Cow::Owned(count_value(self.count)),
            Function::CountDistinct => Cow::Owned(count_value(value_of::count_distinct(&mut self.distinct))),
            Function::Sum | Function::Average if self.count == 0 => Cow::Owned(Value::Null),
            Function::Sum => Cow::Owned(value_of::from_millionths(self.total)),
            #[expect(clippy::cast_precision_loss, reason = "a mean is a double, as in SQL")]
            Function::Average => Cow::Owned(Value::Float(self.total as f64 / (MICRO * self.count as f64))),
            _ => self.held.unwrap_or(Cow::Owned(Value::Null)),
        }
    }
}

fn count_value(count: u64) -> Value {
    Value::Int(i64::try_from(count).unwrap_or(i64::MAX))
}
