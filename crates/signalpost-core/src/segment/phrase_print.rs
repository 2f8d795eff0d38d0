//! Conditions on events as phrases, where a rule's text has a phrase for them.

use super::clauses::{Clauses, Length, Window};
use super::print::{Hold, Site, literal, name, quoted};
use super::routine::Unit;
use super::tree::{Aggregate, Comparison, Expression, Function};
use super::{Form, duration, phrase_steps};
use crate::value::Value;

impl Site {
    /// `part` as a phrase; `None` where it has none.
    pub(super) fn phrase(self, part: &Expression) -> Option<String> {
        if self.form != Form::Rule || self.subqueries > 0 || self.in_phrase {
            return None;
        }
        match part {
            Expression::Exists(filter) => Some(format!("done {}", self.events(filter, "", false)?)),
            Expression::Compare(comparison, left, right) => {
                let (Expression::Aggregate(aggregate), Expression::Literal(Value::Int(count))) =
                    (&**left, &**right)
                else {
                    return None;
                };
                let counts = aggregate.function == Function::Count && aggregate.argument.is_none();
                let times = times(*comparison, *count).filter(|_| counts)?;
                Some(format!("done {}", self.events(&aggregate.filter, &times, false)?))
            }
            Expression::Aggregate(aggregate) => self.value(aggregate),
            _ => None,
        }
    }

    fn value(self, aggregate: &Aggregate) -> Option<String> {
        let events = self.events(&aggregate.filter, "", true)?;
        let argument = aggregate.argument.as_ref();
        if argument.is_some_and(|argument| argument.escapes(0)) {
            return None;
        }
        let mut text = self.in_phrase().aggregate_head(aggregate.function, argument);
        text.push_str(" of ");
        text.push_str(&events);
        Some(text)
    }

    fn in_phrase(self) -> Self {
        Self { in_phrase: true, ..self }
    }

    /// The types, what else must be true, how often, and the window.
    fn events(self, filter: &Expression, times: &str, is_value: bool) -> Option<String> {
        if filter.escapes(0) {
            return None;
        }
        let clauses = Clauses::of(filter);
        if clauses.filter() != *filter {
            return None;
        }
        let (steps, mut rest) = phrase_steps::of(&clauses);
        // What has no words stands among the conditions.
        let window = window(&clauses.window, is_value).unwrap_or_else(|| {
            let mut conditions = clauses.window.bounds();
            conditions.append(&mut rest);
            rest = conditions;
            String::new()
        });
        let mut text = types(&clauses.types);
        text.push_str(&self.condition(&rest));
        for (step, negated) in &steps.then {
            text.push_str(if *negated { " without " } else { " then " });
            text.push_str(&types(&step.types));
            text.push_str(&self.condition(&step.rest));
            if let Some(span) = step.within {
                text.push_str(&format!(" within {}", duration::print(span)));
            }
        }
        if let Some(property) = &steps.matching {
            text.push_str(&format!(" matching {}", name(property)));
        }
        text.push_str(times);
        text.push_str(&window);
        Some(text)
    }

    fn condition(self, rest: &[Expression]) -> String {
        if rest.is_empty() {
            return String::new();
        }
        let mut text = String::from(" where (");
        let all = Expression::all(rest.iter().cloned());
        self.in_phrase().write(&mut text, &all, Hold::Or);
        text.push(')');
        text
    }
}

fn types(types: &[Box<str>]) -> String {
    let plain = |kind: &str| {
        let shown = name(kind);
        if shown == kind { shown } else { quoted(kind, '\'') }
    };
    match types {
        [] => "any event".to_owned(),
        [only] => plain(only),
        several => {
            let several: Vec<String> = several.iter().map(|kind| plain(kind)).collect();
            format!("any of ({})", several.join(", "))
        }
    }
}

fn times(comparison: Comparison, count: i64) -> Option<String> {
    let words = match comparison {
        Comparison::GreaterOrEqual => "at least",
        Comparison::LessOrEqual => "at most",
        Comparison::Equal => "exactly",
        Comparison::Greater => "more than",
        Comparison::Less => "fewer than",
        Comparison::NotEqual => return None,
    };
    let unit = if count == 1 { "time" } else { "times" };
    (count >= 0).then(|| format!(" {words} {count} {unit}"))
}

fn window(window: &Window, is_value: bool) -> Option<String> {
    let length = |length: &Length| match length {
        Length::Fixed(span) => duration::print(*span),
        Length::Months(months) => duration::print_months(*months),
    };
    let instant = |instant: &Expression| match instant {
        Expression::Literal(value) => Some(literal(value)),
        _ => None,
    };
    let (text, zone) = match window {
        Window::Always => (String::new(), &None),
        Window::Last(span) => (format!(" in the last {}", length(span)), &None),
        Window::Ago(span) => (format!(" more than {} ago", length(span)), &None),
        Window::Since(from) => (format!(" since {}", instant(from)?), &None),
        Window::Before(until) => (format!(" before {}", instant(until)?), &None),
        // Beside a value BETWEEN compares the value.
        Window::Between(..) if is_value => return None,
        Window::Between(low, high) => (format!(" between {} and {}", instant(low)?, instant(high)?), &None),
        Window::Calendar(Unit::Day, 0, zone) => (" today".to_owned(), zone),
        Window::Calendar(Unit::Day, -1, zone) => (" yesterday".to_owned(), zone),
        Window::Calendar(unit, 0, zone) => (format!(" this {}", unit.name()), zone),
        Window::Calendar(unit, -1, zone) => (format!(" last {}", unit.name()), zone),
        Window::Calendar(..) => return None,
        Window::Days(days, zone) => (format!(" in the last {days} whole days"), zone),
    };
    match zone {
        Some(zone) => Some(format!("{text} in zone {}", quoted(zone.name(), '\''))),
        None => Some(text),
    }
}
