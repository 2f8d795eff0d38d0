//! What the conditions of an IF rule mean: the event conditions of a
//! conjunction together speak of one event.
//!
//! In: a tree whose columns of depth 0 at the top belong to no event set yet.
//! Out: the same condition with every such column inside an `Exists`.

use super::tree::Expression;

/// Gathers event conditions into event sets.
///
/// A conjunction's event conditions become one `Exists`; alternatives become
/// an `Exists` each; `NOT` of event conditions means that no event satisfies
/// them. Conditions on the profile stand beside.
pub(super) fn grouped(raw: &Expression) -> Expression {
    if !raw.reads_event(0) {
        return raw.clone();
    }
    match raw {
        Expression::And(parts) => conjunction(parts),
        Expression::Or(parts) => Expression::any(parts.iter().map(grouped)),
        Expression::Not(inner) if !is_set(inner) => Expression::Not(Box::new(grouped(inner))),
        other => Expression::Exists(Box::new(within(other))),
    }
}

fn conjunction(parts: &[Expression]) -> Expression {
    let of_event = |part: &Expression| part.reads_event(0) && !is_negation(part);
    let set = Expression::all(parts.iter().filter(|part| of_event(part)).map(within));
    let mut set = Some(Expression::Exists(Box::new(set)));
    let any = parts.iter().any(of_event);
    let mut out = Vec::with_capacity(parts.len());
    for part in parts {
        if of_event(part) {
            // The one set stands where its first condition stood.
            out.extend(set.take().filter(|_| any));
        } else {
            out.push(grouped(part));
        }
    }
    Expression::all(out)
}

/// A condition inside a set: a `NOT` of event conditions there still means
/// that no event satisfies them.
fn within(part: &Expression) -> Expression {
    match part {
        Expression::And(parts) => Expression::all(parts.iter().map(within)),
        Expression::Or(parts) => Expression::any(parts.iter().map(within)),
        other if is_negation(other) && other.reads_event(0) => grouped(other),
        other => other.clone(),
    }
}

fn is_set(expression: &Expression) -> bool {
    matches!(expression, Expression::Exists(_))
}

/// A `NOT` over conditions; `NOT EXISTS` is a condition of its own.
fn is_negation(expression: &Expression) -> bool {
    matches!(expression, Expression::Not(inner) if !is_set(inner))
}

/// The shortest tree that [`grouped`] turns into `full`: sets are opened
/// where the rule's own grouping puts them back.
pub(super) fn ungrouped(full: &Expression) -> Expression {
    let opened = open(full);
    if grouped(&opened) == *full { opened } else { full.clone() }
}

fn open(full: &Expression) -> Expression {
    match full {
        Expression::Exists(filter) => (**filter).clone(),
        Expression::And(parts) => {
            let mut first = true;
            Expression::all(parts.iter().map(|part| match part {
                Expression::Exists(filter) if std::mem::take(&mut first) => (**filter).clone(),
                Expression::Exists(_) => part.clone(),
                other => open(other),
            }))
        }
        Expression::Or(parts) => Expression::any(parts.iter().map(open)),
        Expression::Not(inner) => Expression::Not(Box::new(open(inner))),
        other => other.clone(),
    }
}
