//! From the typed tree to the builder's JSON.

use serde_json::{Map, Value as Json, json};

use super::super::clauses::{Clauses, Length, Window};
use super::super::duration;
use super::super::phrase_steps;
use super::super::print::{known, type_name};
use super::super::routine::Routine;
use super::super::tree::{Aggregate, Comparison, Expression, Function, Step};
use crate::time::Span;
use crate::value::Value;

/// An expression as JSON. What it is made of is written first, so that nothing
/// large stands on the stack of each level.
pub(super) fn expression(part: &Expression) -> Json {
    match part {
        Expression::Exists(filter) => return done(filter, None),
        Expression::Aggregate(aggregate) => return value(aggregate),
        Expression::Compare(comparison, left, right) => {
            if let Some(done) = counted(*comparison, left, right) {
                return done;
            }
        }
        _ => {}
    }
    let mut inner = Vec::new();
    part.each_part(&mut |part, _| inner.push(expression(part)));
    shape(part, inner)
}

/// The JSON of an expression whose parts are written already.
fn shape(part: &Expression, mut inner: Vec<Json>) -> Json {
    match part {
        Expression::Literal(Value::Time(instant)) => json!({"time": instant.to_string()}),
        Expression::Literal(value) => value.to_json(),
        Expression::Now => json!({"now": true}),
        Expression::Today => json!({"today": true}),
        Expression::Attribute(name) => json!({"trait": name}),
        Expression::Column { name, depth: 0 } => json!({"event": name}),
        Expression::Column { name, depth } => json!({"event": name, "outer": depth}),
        Expression::InSegment(name) => json!({"in_segment": name}),
        Expression::Shift(_, span) => moved(inner, span.as_micros() < 0, length(*span)),
        Expression::ShiftMonths(_, months) => {
            moved(inner, *months < 0, duration::print_months(months.saturating_abs()))
        }
        Expression::Not(_) => json!({"not": inner.pop()}),
        Expression::And(_) => json!({"all": inner}),
        Expression::Or(_) => json!({"any": inner}),
        Expression::Compare(comparison, ..) => {
            inner.insert(1, comparison.symbol().into());
            json!({"compare": inner})
        }
        Expression::Between { negated, .. } => flagged(json!({"between": inner}), *negated, false),
        Expression::In { negated, .. } => {
            let list = inner.split_off(1);
            inner.push(list.into());
            flagged(json!({"in": inner}), *negated, false)
        }
        Expression::Like { pattern, negated, any_case, .. } => {
            inner.push((&**pattern).into());
            flagged(json!({"like": inner}), *negated, *any_case)
        }
        Expression::Match { pattern, negated, any_case, .. } => {
            inner.push((&**pattern).into());
            flagged(json!({"matches": inner}), *negated, *any_case)
        }
        Expression::Is { what, negated, .. } => {
            inner.push(known(*what).to_lowercase().into());
            flagged(json!({"is": inner}), *negated, false)
        }
        other => made(other, inner),
    }
}

fn made(part: &Expression, mut inner: Vec<Json>) -> Json {
    match part {
        Expression::Arithmetic(operator, ..) => {
            inner.insert(1, operator.symbol().into());
            json!({"math": inner})
        }
        Expression::Coalesce(_) => json!({"call": "coalesce", "of": inner}),
        Expression::Case { otherwise, .. } => {
            let otherwise = if otherwise.is_some() { inner.pop() } else { None };
            let branches: Vec<&[Json]> = inner.chunks(2).collect();
            match otherwise {
                Some(otherwise) => json!({"case": branches, "else": otherwise}),
                None => json!({"case": branches}),
            }
        }
        Expression::Lower(_) => json!({"call": "lower", "of": inner}),
        Expression::Upper(_) => json!({"call": "upper", "of": inner}),
        Expression::Cast(_, to) => named("cast", inner, &type_name(*to).to_lowercase()),
        Expression::Call(Routine::Truncate(unit), _) => named("truncate", inner, unit.name()),
        Expression::Call(Routine::Part(part), _) => named("part", inner, part.name()),
        Expression::Call(Routine::Concat, _) => json!({"call": "||", "of": inner}),
        Expression::Call(routine, _) => json!({"call": routine.name(), "of": inner}),
        Expression::ToWall(_, zone) | Expression::FromWall(_, zone) => named("at_zone", inner, zone.name()),
        Expression::Path(_, steps) => {
            let steps = steps.iter().map(|step| match step {
                Step::Key(key) => json!({"key": key}),
                Step::Index(index) => json!(index),
                Step::Each => json!("*"),
            });
            json!({"path": inner.pop(), "steps": steps.collect::<Vec<_>>()})
        }
        // The others are met before.
        _ => Json::Null,
    }
}

fn named(kind: &str, mut inner: Vec<Json>, name: &str) -> Json {
    inner.push(name.into());
    json!({ kind: inner })
}

fn done(filter: &Expression, times: Option<(&'static str, i64)>) -> Json {
    let mut done = events(filter);
    if let Some((words, count)) = times {
        done.insert("times".to_owned(), json!({ words: count }));
    }
    prune(&mut done);
    json!({"done": done})
}

fn all(parts: &[Expression]) -> Vec<Json> {
    parts.iter().map(expression).collect()
}

fn length(span: Span) -> String {
    duration::print(Span::from_micros(span.as_micros().saturating_abs()))
}

fn moved(mut inner: Vec<Json>, back: bool, length: String) -> Json {
    inner.push(length.into());
    if back { json!({"minus": inner}) } else { json!({"plus": inner}) }
}

fn flagged(mut json: Json, negated: bool, any_case: bool) -> Json {
    if let Some(object) = json.as_object_mut() {
        for (name, is) in [("negated", negated), ("any_case", any_case)] {
            if is {
                object.insert(name.to_owned(), true.into());
            }
        }
    }
    json
}

/// `done` so many times.
fn counted(comparison: Comparison, left: &Expression, right: &Expression) -> Option<Json> {
    let (Expression::Aggregate(aggregate), Expression::Literal(Value::Int(count))) = (left, right) else {
        return None;
    };
    if aggregate.function != Function::Count || aggregate.argument.is_some() || *count < 0 {
        return None;
    }
    times(comparison).map(|words| done(&aggregate.filter, Some((words, *count))))
}

/// The words for a comparison with a number of times.
pub(super) fn times(comparison: Comparison) -> Option<&'static str> {
    Some(match comparison {
        Comparison::GreaterOrEqual => "at_least",
        Comparison::LessOrEqual => "at_most",
        Comparison::Equal => "exactly",
        Comparison::Greater => "more_than",
        Comparison::Less => "fewer_than",
        Comparison::NotEqual => return None,
    })
}

fn value(aggregate: &Aggregate) -> Json {
    let mut value = events(&aggregate.filter);
    let name = match aggregate.function {
        Function::Count => "count",
        Function::CountDistinct => "count_distinct",
        Function::Sum => "sum",
        Function::Average => "avg",
        Function::Minimum => "min",
        Function::Maximum => "max",
        Function::First => "first",
        Function::Last => "last",
    };
    value.insert("function".to_owned(), name.into());
    if let Some(argument) = &aggregate.argument {
        value.insert("of".to_owned(), expression(argument));
    }
    prune(&mut value);
    json!({"value": value})
}

/// Which events: `events`, `where`, `then`, `matching`, `window`.
fn events(filter: &Expression) -> Map<String, Json> {
    let clauses = Clauses::of(filter);
    let (steps, rest) = phrase_steps::of(&clauses);
    let mut json = Map::new();
    json.insert("events".to_owned(), json!(clauses.types));
    json.insert("where".to_owned(), condition(&rest));
    let then: Vec<Json> = steps
        .then
        .iter()
        .map(|(step, negated)| {
            let mut then = Map::new();
            then.insert("events".to_owned(), json!(step.types));
            then.insert("where".to_owned(), condition(&step.rest));
            then.insert("within".to_owned(), step.within.map_or(Json::Null, |span| length(span).into()));
            if *negated {
                then.insert("without".to_owned(), true.into());
            }
            prune(&mut then);
            Json::Object(then)
        })
        .collect();
    json.insert("then".to_owned(), if then.is_empty() { Json::Null } else { Json::Array(then) });
    json.insert("matching".to_owned(), json!(steps.matching));
    json.insert("window".to_owned(), window(&clauses.window));
    json
}

fn condition(rest: &[Expression]) -> Json {
    match rest {
        [] => Json::Null,
        [only] => expression(only),
        several => json!({"all": all(several)}),
    }
}

fn window(window: &Window) -> Json {
    let said = |length: &Length| match length {
        Length::Fixed(span) => duration::print(*span),
        Length::Months(months) => duration::print_months(*months),
    };
    let (mut json, zone) = match window {
        Window::Always => return Json::Null,
        Window::Last(span) => (json!({"last": said(span)}), &None),
        Window::Ago(span) => (json!({"ago": said(span)}), &None),
        Window::Since(from) => (json!({"since": expression(from)}), &None),
        Window::Before(until) => (json!({"before": expression(until)}), &None),
        Window::Between(low, high) => (json!({"between": [expression(low), expression(high)]}), &None),
        Window::Calendar(unit, offset, zone) => (json!({"calendar": unit.name(), "offset": offset}), zone),
        Window::Days(days, zone) => (json!({"whole_days": days}), zone),
    };
    if let (Some(zone), Some(object)) = (zone, json.as_object_mut()) {
        object.insert("zone".to_owned(), zone.name().into());
    }
    json
}

/// Leaves out what says nothing.
fn prune(json: &mut Map<String, Json>) {
    json.retain(|name, value| {
        let empty = name == "events" && value.as_array().is_some_and(Vec::is_empty);
        !empty && !value.is_null()
    });
}
