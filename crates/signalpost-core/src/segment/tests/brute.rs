//! A second evaluator that only knows how to look at everything: no windows,
//! no indexes, no horizons.

use std::cmp::Ordering;

use super::timeline::{AsOf, Event};
use crate::segment::{
    Aggregate, CastTo, ColumnIndex, Comparison, Expression, Function, Known, Part, Routine, Row, Subject,
    Unit,
};
use crate::time::{Span, Timestamp};
use crate::value::Value;

/// The condition's value, with the events of `subject` and no others.
pub(super) fn brute(expression: &Expression, subject: &AsOf, now: Timestamp) -> Option<bool> {
    truth(&Brute { subject, now }.value(expression, &[]))
}

fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        _ => None,
    }
}

fn of_truth(value: Option<bool>) -> Value {
    value.map_or(Value::Null, Value::Bool)
}

struct Brute<'a> {
    subject: &'a AsOf,
    now: Timestamp,
}

impl<'a> Brute<'a> {
    /// `events` are those in sight, innermost last.
    fn value(&self, expression: &Expression, events: &[&'a Event]) -> Value {
        let value = |part: &Expression| self.value(part, events);
        match expression {
            Expression::Literal(literal) => literal.clone(),
            Expression::Now => Value::Time(self.now),
            Expression::Today => Value::Time(midnight(self.now)),
            Expression::Attribute(name) => self.subject.attribute(name, self.now).0,
            Expression::InSegment(name) => Value::Bool(self.subject.in_segment(name)),
            Expression::Column { name, depth } => {
                column(name, events[events.len() - 1 - usize::from(*depth)])
            }
            Expression::Not(inner) => of_truth(truth(&value(inner)).map(|value| !value)),
            Expression::And(parts) => {
                let parts: Vec<_> = parts.iter().map(|part| truth(&value(part))).collect();
                all_of(&parts)
            }
            Expression::Or(parts) => {
                let parts: Vec<_> =
                    parts.iter().map(|part| truth(&value(part)).map(|value| !value)).collect();
                of_truth(truth(&all_of(&parts)).map(|value| !value))
            }
            Expression::Compare(comparison, left, right) => compare(*comparison, &value(left), &value(right)),
            Expression::Between { value: tested, low, high, negated } => {
                let tested = value(tested);
                let both = all_of(&[
                    truth(&compare(Comparison::GreaterOrEqual, &tested, &value(low))),
                    truth(&compare(Comparison::LessOrEqual, &tested, &value(high))),
                ]);
                of_truth(truth(&both).map(|value| value != *negated))
            }
            Expression::In { value: tested, list, negated } => {
                let tested = value(tested);
                let equal: Vec<_> = list
                    .iter()
                    .map(|part| truth(&compare(Comparison::NotEqual, &tested, &value(part))))
                    .collect();
                of_truth(truth(&all_of(&equal)).map(|none| none == *negated))
            }
            Expression::Is { value: tested, what, negated } => {
                let tested = value(tested);
                let is = match what {
                    Known::Null => tested.is_null(),
                    Known::True => tested == Value::Bool(true),
                    Known::False => tested == Value::Bool(false),
                };
                Value::Bool(is != *negated)
            }
            Expression::Coalesce(parts) => {
                parts.iter().map(value).find(|value| !value.is_null()).unwrap_or_default()
            }
            Expression::Case { branches, otherwise } => branches
                .iter()
                .find(|(condition, _)| truth(&value(condition)) == Some(true))
                .map_or_else(|| otherwise.as_deref().map_or(Value::Null, value), |(_, result)| value(result)),
            Expression::Cast(inner, CastTo::Date) => {
                value(inner).as_time().map_or(Value::Null, |instant| Value::Time(midnight(instant)))
            }
            Expression::Call(routine, parts) => calendar(*routine, parts.iter().map(value).collect()),
            Expression::Shift(inner, _)
            | Expression::ToWall(inner, _)
            | Expression::FromWall(inner, _)
            | Expression::ShiftMonths(inner, _) => match value(inner) {
                Value::Time(at) => Value::Time(moved(expression, at)),
                _ => Value::Null,
            },
            Expression::Exists(filter) => Value::Bool(!self.matching(filter, events).is_empty()),
            Expression::Aggregate(aggregate) => self.aggregate(aggregate, events),
            other => panic!("not met in these tests: {other:?}"),
        }
    }

    fn matching(&self, filter: &Expression, events: &[&'a Event]) -> Vec<Vec<&'a Event>> {
        let rows = self.subject.rows().iter().map(|row| [events, &[row]].concat());
        rows.filter(|events| truth(&self.value(filter, events)) == Some(true)).collect()
    }

    fn aggregate(&self, aggregate: &Aggregate, events: &[&'a Event]) -> Value {
        let rows = self.matching(&aggregate.filter, events);
        let Some(argument) = &aggregate.argument else { return Value::Int(rows.len() as i64) };
        let all: Vec<Value> = rows.iter().map(|events| self.value(argument, events)).collect();
        let known: Vec<Value> = all.iter().filter(|value| !value.is_null()).cloned().collect();
        let total = || known.iter().filter_map(Value::as_number).sum::<f64>();
        let by = |a: &&Value, b: &&Value| a.compare(b).unwrap_or(Ordering::Equal);
        match aggregate.function {
            Function::Count => Value::Int(known.len() as i64),
            Function::CountDistinct => {
                let mut different: Vec<Value> = Vec::new();
                for value in known {
                    if !different.contains(&value) {
                        different.push(value);
                    }
                }
                Value::Int(different.len() as i64)
            }
            Function::Sum | Function::Average if known.is_empty() => Value::Null,
            Function::Sum => Value::Float(total()),
            Function::Average => Value::Float(total() / known.len() as f64),
            Function::Minimum => known.iter().min_by(by).cloned().unwrap_or_default(),
            Function::Maximum => known.iter().max_by(by).cloned().unwrap_or_default(),
            Function::First => all.first().cloned().unwrap_or_default(),
            Function::Last => all.last().cloned().unwrap_or_default(),
        }
    }
}

fn all_of(parts: &[Option<bool>]) -> Value {
    if parts.contains(&Some(false)) {
        Value::Bool(false)
    } else if parts.contains(&None) {
        Value::Null
    } else {
        Value::Bool(true)
    }
}

fn compare(comparison: Comparison, left: &Value, right: &Value) -> Value {
    let Some(order) = left.compare(right) else { return Value::Null };
    Value::Bool(match comparison {
        Comparison::Equal => order == Ordering::Equal,
        Comparison::NotEqual => order != Ordering::Equal,
        Comparison::Less => order == Ordering::Less,
        Comparison::LessOrEqual => order != Ordering::Greater,
        Comparison::Greater => order == Ordering::Greater,
        Comparison::GreaterOrEqual => order != Ordering::Less,
    })
}

/// The tests intern `x` first.
fn first_column() -> ColumnIndex {
    crate::segment::Columns::default().intern("x")
}

fn column(name: &str, event: &Event) -> Value {
    match name {
        "timestamp" => Value::Time(event.timestamp()),
        "event_type" => event.event_type().into(),
        "x" => event.value(first_column()).clone(),
        other => panic!("no column {other}"),
    }
}

fn jiff(at: Timestamp) -> jiff::Timestamp {
    at.to_jiff().expect("in range")
}

fn datetime(at: Timestamp) -> jiff::civil::DateTime {
    jiff(at).to_zoned(jiff::tz::TimeZone::UTC).datetime()
}

fn utc(shown: jiff::civil::DateTime) -> Timestamp {
    let zoned = shown.to_zoned(jiff::tz::TimeZone::UTC).expect("in range");
    Timestamp::from_micros(zoned.timestamp().as_microsecond())
}

/// What an instant becomes by a zone's clocks, or by months.
fn moved(expression: &Expression, at: Timestamp) -> Timestamp {
    match expression {
        Expression::Shift(_, span) => at + *span,
        Expression::ToWall(_, zone) => utc(jiff(at).in_tz(zone.name()).expect("a zone").datetime()),
        Expression::FromWall(_, zone) => {
            let zoned = datetime(at).in_tz(zone.name()).expect("a zone");
            Timestamp::from_micros(zoned.timestamp().as_microsecond())
        }
        Expression::ShiftMonths(_, months) => utc(datetime(at) + jiff::Span::new().months(*months)),
        other => panic!("not met in these tests: {other:?}"),
    }
}

fn calendar(routine: Routine, values: Vec<Value>) -> Value {
    if let Routine::Greatest = routine {
        let by = |a: &Value, b: &Value| a.compare(b).unwrap_or(Ordering::Equal);
        return values.into_iter().filter(|value| !value.is_null()).max_by(by).unwrap_or_default();
    }
    let shown: Vec<_> = values.iter().filter_map(Value::as_time).map(datetime).collect();
    if shown.len() < values.len() {
        return Value::Null;
    }
    let date = shown[0].date();
    match routine {
        Routine::Truncate(Unit::Hour) => Value::Time(utc(date.at(shown[0].hour(), 0, 0, 0))),
        Routine::Truncate(Unit::Day) => Value::Time(utc(date.at(0, 0, 0, 0))),
        Routine::Truncate(Unit::Month) => Value::Time(utc(date.first_of_month().at(0, 0, 0, 0))),
        Routine::Part(Part::Hour) => Value::Int(shown[0].hour().into()),
        Routine::Part(Part::Day) => Value::Int(date.day().into()),
        Routine::DaysBetween => Value::Int(date.until(shown[1].date()).expect("in range").get_days().into()),
        other => panic!("not met in these tests: {other:?}"),
    }
}

fn midnight(instant: Timestamp) -> Timestamp {
    Timestamp::from_micros(instant.day() * Span::DAY.as_micros())
}
