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

/// An expression as JSON.
pub(super) fn expression(part: &Expression) -> Json {
    match part {
        Expression::Literal(Value::Time(instant)) => json!({"time": instant.to_string()}),
        Expression::Literal(value) => value.to_json(),
        Expression::Now => json!({"now": true}),
        Expression::Today => json!({"today": true}),
        Expression::Attribute(name) => json!({"trait": name}),
        Expression::Column { name, depth: 0 } => json!({"event": name}),
        Expression::Column { name, depth } => json!({"event": name, "outer": depth}),
        Expression::InSegment(name) => json!({"in_segment": name}),
        Expression::Shift(inner, span) => moved(inner, span.as_micros() < 0, length(*span)),
        Expression::ShiftMonths(inner, months) => {
            moved(inner, *months < 0, duration::print_months(months.saturating_abs()))
        }
        Expression::Not(inner) => json!({"not": expression(inner)}),
        Expression::And(parts) => json!({"all": all(parts)}),
        Expression::Or(parts) => json!({"any": all(parts)}),
        Expression::Compare(comparison, left, right) => match counted(*comparison, left, right) {
            Some(done) => done,
            None => json!({"compare": [expression(left), comparison.symbol(), expression(right)]}),
        },
        Expression::Between { value, low, high, negated } => flagged(
            json!({"between": [expression(value), expression(low), expression(high)]}),
            *negated,
            false,
        ),
        Expression::In { value, list, negated } => {
            flagged(json!({"in": [expression(value), all(list)]}), *negated, false)
        }
        Expression::Like { value, pattern, negated, any_case } => {
            flagged(json!({"like": [expression(value), pattern]}), *negated, *any_case)
        }
        Expression::Match { value, pattern, negated, any_case } => {
            flagged(json!({"matches": [expression(value), pattern]}), *negated, *any_case)
        }
        Expression::Is { value, what, negated } => {
            flagged(json!({"is": [expression(value), known(*what).to_lowercase()]}), *negated, false)
        }
        Expression::Exists(filter) => {
            let mut done = events(filter);
            prune(&mut done);
            json!({"done": done})
        }
        Expression::Aggregate(aggregate) => value(aggregate),
        other => longer(other),
    }
}

fn longer(part: &Expression) -> Json {
    match part {
        Expression::Arithmetic(operator, left, right) => {
            json!({"math": [expression(left), operator.symbol(), expression(right)]})
        }
        Expression::Coalesce(parts) => json!({"call": "coalesce", "of": all(parts)}),
        Expression::Case { branches, otherwise } => {
            let branches: Vec<Json> =
                branches.iter().map(|(when, then)| json!([expression(when), expression(then)])).collect();
            match otherwise {
                Some(otherwise) => json!({"case": branches, "else": expression(otherwise)}),
                None => json!({"case": branches}),
            }
        }
        Expression::Lower(text) => json!({"call": "lower", "of": [expression(text)]}),
        Expression::Upper(text) => json!({"call": "upper", "of": [expression(text)]}),
        Expression::Cast(value, to) => json!({"cast": [expression(value), type_name(*to).to_lowercase()]}),
        Expression::Call(Routine::Truncate(unit), parts) => {
            json!({"truncate": [parts.first().map(expression), unit.name()]})
        }
        Expression::Call(Routine::Part(part), parts) => {
            json!({"part": [parts.first().map(expression), part.name()]})
        }
        Expression::Call(Routine::Concat, parts) => json!({"call": "||", "of": all(parts)}),
        Expression::Call(routine, parts) => json!({"call": routine.name(), "of": all(parts)}),
        Expression::ToWall(inner, zone) | Expression::FromWall(inner, zone) => {
            json!({"at_zone": [expression(inner), zone.name()]})
        }
        Expression::Path(inner, steps) => {
            let steps = steps.iter().map(|step| match step {
                Step::Key(key) => json!({"key": key}),
                Step::Index(index) => json!(index),
                Step::Each => json!("*"),
            });
            json!({"path": expression(inner), "steps": steps.collect::<Vec<_>>()})
        }
        // The others are met in `expression`.
        _ => Json::Null,
    }
}

fn all(parts: &[Expression]) -> Vec<Json> {
    parts.iter().map(expression).collect()
}

fn length(span: Span) -> String {
    duration::print(Span::from_micros(span.as_micros().saturating_abs()))
}

fn moved(inner: &Expression, back: bool, length: String) -> Json {
    let inner = expression(inner);
    if back { json!({"minus": [inner, length]}) } else { json!({"plus": [inner, length]}) }
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
    let words = times(comparison)?;
    let mut done = events(&aggregate.filter);
    done.insert("times".to_owned(), json!({ words: count }));
    prune(&mut done);
    Some(json!({"done": done}))
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
