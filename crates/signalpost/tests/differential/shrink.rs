//! A failing case made small: whatever can be left out and leaves the failure
//! is left out.

use signalpost_core::segment::{Definition, Expression, Schema, Statement, parse};

use crate::case::Case;
use crate::judge::{Difference, judge};
use crate::language::{PROPERTIES, TRAITS};

/// Whether the case still fails, for the same reason.
async fn fails(case: &Case, as_before: &Difference) -> bool {
    let verdict = judge(case).await;
    verdict.refused.is_empty()
        && verdict.differences.iter().any(|found| found.error.is_some() == as_before.error.is_some())
}

/// The smallest case found that fails as `case` does.
pub(crate) async fn shrink(case: &Case, difference: &Difference) -> Case {
    let mut small = case.clone();
    small.asks = vec![difference.at.clone()];
    keep_named(&mut small, &difference.segment);
    if !fails(&small, difference).await {
        small.segments.clone_from(&case.segments);
        if !fails(&small, difference).await {
            return case.clone();
        }
    }
    loop {
        let before = size(&small);
        inputs(&mut small, difference).await;
        texts(&mut small, difference).await;
        lists(&mut small, difference).await;
        values(&mut small, difference).await;
        if size(&small) >= before {
            return small;
        }
    }
}

fn size(case: &Case) -> usize {
    serde_json::to_string(case).unwrap().len()
}

/// Keeps the segment and those it asks for.
fn keep_named(case: &mut Case, name: &str) {
    let mut kept = vec![name.to_owned()];
    for wanted in case.segments.iter().rev() {
        if kept.contains(&wanted.name) {
            let named = case.segments.iter().map(|other| &other.name);
            kept.extend(
                named.filter(|other| wanted.text.contains(&format!("in_segment('{other}')"))).cloned(),
            );
        }
    }
    case.segments.retain(|wanted| kept.contains(&wanted.name));
}

async fn try_to(case: &mut Case, difference: &Difference, change: impl FnOnce(&mut Case)) -> bool {
    let mut smaller = case.clone();
    change(&mut smaller);
    let better = fails(&smaller, difference).await;
    if better {
        *case = smaller;
    }
    better
}

/// Leaves out inputs: halves, quarters, and one by one.
async fn inputs(case: &mut Case, difference: &Difference) {
    let mut step = case.inputs.len().div_ceil(2).max(1);
    loop {
        let mut from = 0;
        while from < case.inputs.len() {
            let until = (from + step).min(case.inputs.len());
            let gone = move |case: &mut Case| {
                case.inputs.drain(from..until);
                for wanted in &mut case.segments {
                    let before = until.min(wanted.after_inputs.max(from)) - from;
                    wanted.after_inputs -= before.min(wanted.after_inputs);
                }
            };
            if !try_to(case, difference, gone).await {
                from = until;
            }
        }
        if step == 1 {
            return;
        }
        step = step.div_ceil(2).min(step - 1);
    }
}

/// Leaves out rules and segments.
async fn lists(case: &mut Case, difference: &Difference) {
    for place in (0..case.sequences.len()).rev() {
        try_to(case, difference, |case| drop(case.sequences.remove(place))).await;
    }
    for place in (0..case.segments.len()).rev() {
        try_to(case, difference, |case| drop(case.segments.remove(place))).await;
    }
    for place in 0..case.segments.len() {
        try_to(case, difference, |case| case.segments[place].after_inputs = 0).await;
    }
}

/// Leaves out properties, traits and other parts of events.
async fn values(case: &mut Case, difference: &Difference) {
    for place in 0..case.inputs.len() {
        let Some(event) = case.inputs[place].event.clone() else { continue };
        for name in event.properties.keys() {
            let gone = |case: &mut Case| {
                case.inputs[place].event.as_mut().unwrap().properties.shift_remove(name);
            };
            try_to(case, difference, gone).await;
        }
        for name in event.traits.keys() {
            let gone = |case: &mut Case| {
                case.inputs[place].event.as_mut().unwrap().traits.shift_remove(name);
            };
            try_to(case, difference, gone).await;
        }
        if event.product.is_some() {
            try_to(case, difference, |case| case.inputs[place].event.as_mut().unwrap().product = None).await;
        }
        if event.customer.is_some() && event.device.is_some() {
            try_to(case, difference, |case| case.inputs[place].event.as_mut().unwrap().device = None).await;
        }
    }
}

/// Puts parts of conditions in the place of the whole.
async fn texts(case: &mut Case, difference: &Difference) {
    for place in 0..case.segments.len() {
        let mut number = 0;
        loop {
            let Some(definition) = parsed(&case.segments[place].text) else { break };
            let mut left = number;
            let Some(predicate) = simpler(&definition.predicate, &mut left) else { break };
            let text = Definition { predicate, ..definition }.to_string();
            let shorter = text.len() < case.segments[place].text.len() + 40;
            if !shorter || !try_to(case, difference, |case| case.segments[place].text = text).await {
                number += 1;
            }
            if number > 400 {
                break;
            }
        }
    }
}

fn parsed(text: &str) -> Option<Definition> {
    let mut schema = Schema::default();
    TRAITS.iter().for_each(|name| schema.add_trait(name));
    PROPERTIES.iter().for_each(|name| schema.add_property(name));
    match parse(text, &schema) {
        Ok(Statement::Segment(definition)) => Some(definition),
        _ => None,
    }
}

/// The tree with one part made simpler: the `number`th way to do so.
fn simpler(part: &Expression, number: &mut usize) -> Option<Expression> {
    let mut pick = |candidate: Expression| {
        if *number == 0 {
            return Some(candidate);
        }
        *number -= 1;
        None
    };
    match part {
        Expression::And(parts) | Expression::Or(parts) => {
            for gone in 0..parts.len() {
                let mut rest = parts.clone();
                rest.remove(gone);
                let rest = match part {
                    Expression::And(_) => Expression::all(rest),
                    _ => Expression::any(rest),
                };
                if let Some(found) = pick(rest) {
                    return Some(found);
                }
            }
        }
        Expression::Not(inner) => {
            if let Some(found) = pick((**inner).clone()) {
                return Some(found);
            }
        }
        Expression::Is { value, .. } => {
            if let Some(found) = pick((**value).clone()) {
                return Some(found);
            }
        }
        Expression::Case { branches, otherwise } => {
            let all = branches.iter().flat_map(|(a, b)| [a, b]).chain(otherwise.as_deref());
            for candidate in all {
                if let Some(found) = pick(candidate.clone()) {
                    return Some(found);
                }
            }
        }
        _ => {}
    }
    inside(part, number)
}

/// As [`simpler`], in one of the parts.
fn inside(part: &Expression, number: &mut usize) -> Option<Expression> {
    let rebuilt = |parts: &[Expression], number: &mut usize| {
        parts.iter().enumerate().find_map(|(place, inner)| {
            let inner = simpler(inner, number)?;
            let mut parts = parts.to_vec();
            parts[place] = inner;
            Some(parts)
        })
    };
    match part {
        Expression::And(parts) => rebuilt(parts, number).map(Expression::And),
        Expression::Or(parts) => rebuilt(parts, number).map(Expression::Or),
        Expression::Not(inner) => simpler(inner, number).map(|inner| Expression::Not(Box::new(inner))),
        Expression::Exists(filter) => {
            simpler(filter, number).map(|filter| Expression::Exists(Box::new(filter)))
        }
        Expression::Is { value, what, negated } => simpler(value, number).map(|value| Expression::Is {
            value: Box::new(value),
            what: *what,
            negated: *negated,
        }),
        Expression::Compare(comparison, left, right) => {
            if let Some(left) = simpler(left, number) {
                return Some(Expression::Compare(*comparison, Box::new(left), right.clone()));
            }
            let right = simpler(right, number)?;
            Some(Expression::Compare(*comparison, left.clone(), Box::new(right)))
        }
        Expression::Aggregate(aggregate) => {
            let filter = simpler(&aggregate.filter, number)?;
            let mut aggregate = aggregate.clone();
            aggregate.filter = filter;
            Some(Expression::Aggregate(aggregate))
        }
        _ => None,
    }
}
