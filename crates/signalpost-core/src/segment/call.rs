//! Evaluation of functions of values, of time zones, and of paths into
//! objects and lists.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::calendar::{self, Zone};
use super::evaluate::{Outer, Scalar, Scene};
use super::node::Node;
use super::routine::{Part, Routine, Unit};
use super::subject::Subject;
use super::tree::{Comparison, Step};
use super::value_of;
use crate::time::{Span, Timestamp};
use crate::value::Value;

impl<'a, S: Subject> Scene<'a, S> {
    pub(super) fn call(
        &self,
        routine: Routine,
        parts: &'a [Node],
        frame: Outer<'_, 'a, S::Row>,
    ) -> Scalar<'a> {
        match (routine, parts) {
            (Routine::Truncate(unit), [inner]) => self.truncated(unit, self.scalar(inner, frame)),
            (Routine::Part(part), [inner]) => self.part(part, self.scalar(inner, frame)),
            (Routine::Greatest, _) => self.extreme(Comparison::Greater, parts, frame),
            (Routine::Least, _) => self.extreme(Comparison::Less, parts, frame),
            _ => {
                let mut horizon = Timestamp::MAX;
                let values: Vec<Cow<'a, Value>> = parts
                    .iter()
                    .map(|part| {
                        let scalar = self.scalar(part, frame);
                        // What is made of a moving instant is only good now.
                        horizon = horizon.min(if scalar.moving { self.now.next() } else { scalar.horizon });
                        scalar.value
                    })
                    .collect();
                Scalar::owned(apply(routine, &values).unwrap_or_default(), horizon)
            }
        }
    }

    fn truncated(&self, unit: Unit, inner: Scalar<'a>) -> Scalar<'a> {
        let instant = value_of::as_instant(&inner.value);
        let Some((at, (start, next))) = instant.and_then(|at| Some((at, calendar::truncate(unit, at)?)))
        else {
            return Scalar::owned(Value::Null, inner.horizon);
        };
        let turns = if inner.moving { self.now + (next - at) } else { Timestamp::MAX };
        Scalar::owned(Value::Time(start), inner.horizon.min(turns))
    }

    fn part(&self, part: Part, inner: Scalar<'a>) -> Scalar<'a> {
        let instant = value_of::as_instant(&inner.value);
        let Some((at, (number, unit))) = instant.and_then(|at| Some((at, calendar::part(part, at)?))) else {
            return Scalar::owned(Value::Null, inner.horizon);
        };
        let next = match part {
            Part::Second => {
                let micros = Span::SECOND.as_micros();
                Timestamp::from_micros(at.as_micros() - at.as_micros().rem_euclid(micros) + micros)
            }
            _ => calendar::truncate(unit, at).map_or(at.next(), |(_, next)| next),
        };
        let turns = if inner.moving { self.now + (next - at) } else { Timestamp::MAX };
        Scalar::owned(Value::Int(number), inner.horizon.min(turns))
    }

    /// The greatest or least that is not null.
    fn extreme(&self, wanted: Comparison, parts: &'a [Node], frame: Outer<'_, 'a, S::Row>) -> Scalar<'a> {
        let mut horizon = Timestamp::MAX;
        let mut best: Option<Scalar<'a>> = None;
        for part in parts {
            let scalar = self.scalar(part, frame);
            horizon = horizon.min(scalar.horizon);
            if scalar.value.is_null() {
                continue;
            }
            let better = best.as_ref().is_none_or(|held| {
                let truth = self.compare(wanted, &scalar, held);
                horizon = horizon.min(truth.horizon);
                truth.value == Some(true)
            });
            if better {
                best = Some(scalar);
            }
        }
        match best {
            Some(scalar) => Scalar { horizon, ..scalar },
            None => Scalar::owned(Value::Null, horizon),
        }
    }

    pub(super) fn to_wall(&self, inner: Scalar<'a>, zone: &Zone) -> Scalar<'a> {
        let Some(at) = value_of::as_instant(&inner.value) else {
            return Scalar::owned(Value::Null, inner.horizon);
        };
        let wall = zone.wall(at).map_or(Value::Null, Value::Time);
        let turns = if inner.moving { self.now + (zone.turns_after(at) - at) } else { Timestamp::MAX };
        Scalar { value: Cow::Owned(wall), moving: inner.moving, horizon: inner.horizon.min(turns) }
    }

    pub(super) fn shown_at(&self, inner: Scalar<'a>, zone: &Zone) -> Scalar<'a> {
        let instant = value_of::as_instant(&inner.value).and_then(|wall| zone.instant(wall));
        let Some((at, never_shown)) = instant else { return Scalar::owned(Value::Null, inner.horizon) };
        let turns = match (inner.moving, never_shown) {
            (false, _) => Timestamp::MAX,
            (true, Some(left)) => self.now + left,
            (true, None) => self.now + (zone.turns_after(at) - at),
        };
        let value = Cow::Owned(Value::Time(at));
        Scalar { value, moving: inner.moving, horizon: inner.horizon.min(turns) }
    }

    pub(super) fn months_later(&self, inner: Scalar<'a>, months: i32) -> Scalar<'a> {
        let Some(at) = value_of::as_instant(&inner.value) else {
            return Scalar::owned(Value::Null, inner.horizon);
        };
        let moved = calendar::shift_months(at, months).map_or(Value::Null, Value::Time);
        // It moves with now until the day turns: then a month may be shorter.
        let next = Timestamp::from_micros(0) + Span::DAY.times(at.day() + 1);
        let turns = if inner.moving { self.now + (next - at) } else { Timestamp::MAX };
        Scalar { value: Cow::Owned(moved), moving: inner.moving, horizon: inner.horizon.min(turns) }
    }
}

/// The value at the end of a path; null where it leads nowhere.
pub(super) fn follow(value: &Value, steps: &[Step]) -> Value {
    let Some((first, rest)) = steps.split_first() else { return value.clone() };
    let next = match (first, value) {
        (Step::Key(key), Value::Map(_)) => value.get(key),
        (Step::Index(index), Value::List(items)) => {
            usize::try_from(*index).ok().and_then(|index| items.get(index))
        }
        (Step::Each, Value::List(items)) => {
            let inner = items.iter().map(|item| follow(item, rest)).filter(|value| !value.is_null());
            return Value::List(inner.collect());
        }
        _ => None,
    };
    next.map_or(Value::Null, |next| follow(next, rest))
}

/// What a function gives for values; `None` is null.
fn apply(routine: Routine, values: &[Cow<'_, Value>]) -> Option<Value> {
    let value = |place: usize| values.get(place).map(|value| &**value);
    let text = |place: usize| value(place)?.as_text();
    let number = |place: usize| value(place)?.as_number();
    let whole = |place: usize| value_of::whole(number(place)?);
    let instant = |place: usize| value_of::as_instant(value(place)?);
    let count = |count: usize| i64::try_from(count).ok().map(Value::Int);
    match routine {
        Routine::Length => count(text(0)?.chars().count()),
        Routine::Trim => Some(text(0)?.trim_matches(' ').into()),
        Routine::TrimStart => Some(text(0)?.trim_start_matches(' ').into()),
        Routine::TrimEnd => Some(text(0)?.trim_end_matches(' ').into()),
        Routine::Left => Some(ends(text(0)?, whole(1)?, true).into()),
        Routine::Right => Some(ends(text(0)?, whole(1)?, false).into()),
        Routine::Substring => {
            let length = if values.len() > 2 { Some(whole(2)?) } else { None };
            substring(text(0)?, whole(1)?, length).map(Value::from)
        }
        Routine::Replace => Some(replaced(text(0)?, text(1)?, text(2)?)),
        Routine::Concat => Some(format!("{}{}", text(0)?, text(1)?).as_str().into()),
        Routine::StartsWith => Some(Value::Bool(text(0)?.starts_with(text(1)?))),
        Routine::EndsWith => Some(Value::Bool(text(0)?.ends_with(text(1)?))),
        Routine::Contains => Some(Value::Bool(text(0)?.contains(text(1)?))),
        Routine::Position => {
            let (held, wanted) = (text(0)?, text(1)?);
            match held.split_once(wanted) {
                Some((before, _)) => count(before.chars().count() + 1),
                None => Some(Value::Int(0)),
            }
        }
        Routine::SplitPart => piece(text(0)?, text(1)?, whole(2)?).map(Value::from),
        Routine::Absolute => match value(0)? {
            Value::Int(number) => Some(Value::Int(number.checked_abs()?)),
            other => finite(other.as_number()?.abs()),
        },
        Routine::Round => round(value(0)?, if values.len() > 1 { whole(1)? } else { 0 }),
        Routine::Floor => finite(number(0)?.floor()),
        Routine::Ceiling => finite(number(0)?.ceil()),
        Routine::Modulo => match (value(0)?, value(1)?) {
            (Value::Int(a), Value::Int(b)) => a.checked_rem(*b).map(Value::Int),
            (a, b) => finite(a.as_number()? % b.as_number()?),
        },
        Routine::DaysBetween => Some(Value::Int(instant(1)?.day() - instant(0)?.day())),
        Routine::DaysUntilAnniversary => {
            calendar::days_until_anniversary(instant(0)?, instant(1)?).map(Value::Int)
        }
        Routine::ListLength => match value(0)? {
            Value::List(items) => count(items.len()),
            _ => None,
        },
        Routine::ListContains => match (value(0)?, value(1)?) {
            (_, Value::Null) => None,
            (Value::List(items), wanted) => {
                Some(Value::Bool(items.iter().any(|item| item.compare(wanted) == Some(Ordering::Equal))))
            }
            _ => None,
        },
        Routine::Greatest | Routine::Least | Routine::Truncate(_) | Routine::Part(_) => None,
    }
}

fn finite(number: f64) -> Option<Value> {
    number.is_finite().then_some(Value::Float(number))
}

fn round(value: &Value, digits: i64) -> Option<Value> {
    if let (Value::Int(_), true) = (value, digits >= 0) {
        return Some(value.clone());
    }
    let scale = 10_f64.powi(i32::try_from(digits.clamp(-18, 18)).ok()?);
    finite((value.as_number()? * scale).round() / scale)
}

/// The first or last characters; all but so many at the other end when
/// `count` is negative.
fn ends(text: &str, count: i64, first: bool) -> &str {
    let letters = text.chars().count();
    let asked = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    let kept = if count < 0 { letters.saturating_sub(asked) } else { asked.min(letters) };
    let cut = if first { kept } else { letters - kept };
    let at = text.char_indices().nth(cut).map_or(text.len(), |(at, _)| at);
    let (head, tail) = text.split_at_checked(at).unwrap_or((text, ""));
    if first { head } else { tail }
}

/// From the character at `start` (from 1) on, `length` of them. Places before
/// the first count towards the length, as in SQL.
fn substring(text: &str, start: i64, length: Option<i64>) -> Option<&str> {
    let end = match length {
        Some(length) if length < 0 => return None,
        Some(length) => start.saturating_add(length),
        None => i64::MAX,
    };
    let skipped = start.max(1) - 1;
    let taken = end.saturating_sub(skipped + 1).max(0);
    let rest = if skipped == 0 { text } else { ends(text, -skipped, false) };
    Some(ends(rest, taken, true))
}

/// Longest text that replacing may give, in bytes; longer ones are null.
const REPLACED_BYTES_MAX: usize = 64 * 1024;

fn replaced(text: &str, wanted: &str, by: &str) -> Value {
    let places = text.matches(wanted).count();
    if text.len().saturating_add(places.saturating_mul(by.len())) > REPLACED_BYTES_MAX {
        return Value::Null;
    }
    text.replace(wanted, by).as_str().into()
}

fn piece<'t>(text: &'t str, separator: &str, number: i64) -> Option<&'t str> {
    let place = usize::try_from(number.unsigned_abs()).ok()?.checked_sub(1)?;
    if separator.is_empty() {
        return Some(if place == 0 { text } else { "" });
    }
    let found = if number < 0 { text.rsplit(separator).nth(place) } else { text.split(separator).nth(place) };
    Some(found.unwrap_or_default())
}
