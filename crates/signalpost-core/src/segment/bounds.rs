//! What a condition on events says about their type and time, so that a set
//! of events is found by its type and by binary search.

use regex::{Regex, RegexBuilder};

use super::node::LikePart;
use super::routine::{Routine, Unit};
use super::tree::{Comparison, Expression};
use crate::time::Span;
use crate::value::Value;

/// `event_type = 'x'` or `<>`, either way round: its set's depth and the type.
pub(super) fn type_test(
    comparison: Comparison,
    left: &Expression,
    right: &Expression,
) -> Option<(u8, Box<str>)> {
    if !matches!(comparison, Comparison::Equal | Comparison::NotEqual) {
        return None;
    }
    match (left, right) {
        (Expression::Column { name, depth }, Expression::Literal(Value::Text(kind)))
        | (Expression::Literal(Value::Text(kind)), Expression::Column { name, depth })
            if &**name == "event_type" =>
        {
            Some((*depth, kind.clone()))
        }
        _ => None,
    }
}

/// `event_type IN ('x', 'y')`: its set's depth and the types.
pub(super) fn types_in(value: &Expression, list: &[Expression]) -> Option<(u8, Box<[Box<str>]>)> {
    let Expression::Column { name, depth } = value else { return None };
    if &**name != "event_type" {
        return None;
    }
    let types = list.iter().map(|part| match part {
        Expression::Literal(Value::Text(kind)) => Some(kind.clone()),
        _ => None,
    });
    Some((*depth, types.collect::<Option<_>>()?))
}

/// The types a condition restricts its own set to, when that is all it says.
pub(super) fn own_types(part: &Expression) -> Option<Vec<Box<str>>> {
    match part {
        Expression::Compare(Comparison::Equal, left, right) => type_test(Comparison::Equal, left, right)
            .filter(|(depth, _)| *depth == 0)
            .map(|(_, kind)| vec![kind]),
        Expression::In { value, list, negated: false } => {
            let (depth, types) = types_in(value, list)?;
            let mut types = types.into_vec();
            types.sort();
            types.dedup();
            (depth == 0).then_some(types)
        }
        _ => None,
    }
}

/// Instants that bound a set, and whether an event at the very instant is in.
pub(super) type Bounds = Vec<(Expression, bool)>;

/// Takes bounds on the set's own timestamp out of a condition; `false` when it
/// is no such condition.
pub(super) fn time_bounds(part: &Expression, lower: &mut Bounds, upper: &mut Bounds) -> bool {
    match part {
        Expression::Compare(comparison, left, right) => {
            if let Some(instant) = bound(left, right) {
                push_bound(*comparison, instant, lower, upper)
            } else if let Some(instant) = bound(right, left) {
                push_bound(comparison.mirrored(), instant, lower, upper)
            } else {
                false
            }
        }
        Expression::Between { value, low, high, negated: false } => {
            let (Some(low), Some(high)) = (bound(value, low), bound(value, high)) else { return false };
            lower.push((low, true));
            upper.push((high, true));
            true
        }
        _ => false,
    }
}

fn push_bound(comparison: Comparison, instant: Expression, lower: &mut Bounds, upper: &mut Bounds) -> bool {
    match comparison {
        Comparison::Greater => lower.push((instant, false)),
        Comparison::GreaterOrEqual => lower.push((instant, true)),
        Comparison::Less => upper.push((instant, false)),
        Comparison::LessOrEqual => upper.push((instant, true)),
        Comparison::Equal => {
            lower.push((instant.clone(), true));
            upper.push((instant, true));
        }
        Comparison::NotEqual => return false,
    }
    true
}

/// When `column` is the set's own timestamp, perhaps moved: the instant it is
/// compared with, moved back by as much.
fn bound(column: &Expression, instant: &Expression) -> Option<Expression> {
    let (column, moved) = match column {
        Expression::Shift(inner, span) => (&**inner, *span),
        other => (other, Span::ZERO),
    };
    if !matches!(column, Expression::Column { name, depth: 0 } if &**name == "timestamp")
        || instant.reads_event(0)
    {
        return None;
    }
    if moved == Span::ZERO {
        return Some(instant.clone());
    }
    Some(match instant {
        Expression::Shift(inner, span) => Expression::Shift(inner.clone(), *span + moved.times(-1)),
        other => Expression::Shift(Box::new(other.clone()), moved.times(-1)),
    })
}

pub(super) fn is_not_before_now(instant: &Expression) -> bool {
    match instant {
        Expression::Now => true,
        Expression::Shift(inner, span) => **inner == Expression::Now && span.as_micros() >= 0,
        _ => false,
    }
}

pub(super) fn like_pattern(pattern: &str, any_case: bool) -> Box<[LikePart]> {
    let mut parts = Vec::new();
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '%' => {
                if parts.last() != Some(&LikePart::AnyText) {
                    parts.push(LikePart::AnyText);
                }
            }
            '_' => parts.push(LikePart::AnyLetter),
            letter => {
                let literal = if letter == '\\' { letters.next().unwrap_or(letter) } else { letter };
                if any_case {
                    parts.extend(literal.to_lowercase().map(LikePart::Letter));
                } else {
                    parts.push(LikePart::Letter(literal));
                }
            }
        }
    }
    parts.into_boxed_slice()
}

/// By how much an instant may ever go back as time goes on: by nothing for
/// midnight. `None` when the text does not tell.
pub(super) fn goes_back(instant: &Expression) -> Option<Span> {
    match instant {
        Expression::Now | Expression::Today => Some(Span::ZERO),
        Expression::Shift(inner, _) => goes_back(inner),
        // 31 March and 28 March are both a month after 28 February.
        Expression::ShiftMonths(inner, _) => {
            let whole_days =
                matches!(&**inner, Expression::Today | Expression::Call(Routine::Truncate(_), _));
            let back = goes_back(inner)?;
            Some(if whole_days { back } else { back + Span::DAY.times(4) })
        }
        Expression::Call(Routine::Truncate(unit), parts) => match parts.as_slice() {
            [Expression::ToWall(inner, zone)]
                if matches!(**inner, Expression::Now | Expression::Today)
                    && !matches!(unit, Unit::Minute | Unit::Hour)
                    && zone.days_go_forward() =>
            {
                Some(Span::ZERO)
            }
            [inner] => match goes_back(inner)? {
                Span::ZERO => Some(Span::ZERO),
                back => Some(back + longest(*unit)),
            },
            _ => None,
        },
        Expression::ToWall(inner, _) => Some(goes_back(inner)? + Span::DAY),
        // Only times shown twice, or never, go back, and by less than a day.
        Expression::FromWall(inner, _) => {
            let back = goes_back(inner)?;
            let whole_days = match &**inner {
                Expression::Shift(_, span) => span.as_micros() % Span::DAY.as_micros() == 0,
                Expression::Call(..) | Expression::ShiftMonths(..) => true,
                _ => false,
            };
            Some(if whole_days && back == Span::ZERO { back } else { back + Span::DAY })
        }
        _ => None,
    }
}

/// Whether an instant is now, moved: it goes with the clock and has no steps.
pub(super) fn is_moving(instant: &Expression) -> bool {
    match instant {
        Expression::Now => true,
        Expression::Shift(inner, _) => **inner == Expression::Now,
        _ => false,
    }
}

/// The longest a unit of the calendar can be.
pub(super) fn longest(unit: Unit) -> Span {
    match unit {
        Unit::Minute => Span::MINUTE,
        Unit::Hour => Span::HOUR,
        Unit::Day => Span::DAY,
        Unit::Week => Span::DAY.times(7),
        Unit::Month => Span::DAY.times(31),
        Unit::Quarter => Span::DAY.times(92),
        Unit::Year => Span::DAY.times(366),
    }
}

/// Most memory that a regular expression may take, in bytes.
const PATTERN_BYTES_MAX: usize = 256 * 1024;

/// Reads a regular expression. Searching takes time linear in the text.
pub(super) fn regular_expression(pattern: &str, any_case: bool) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern)
        .case_insensitive(any_case)
        .size_limit(PATTERN_BYTES_MAX)
        .dfa_size_limit(PATTERN_BYTES_MAX)
        .build()
}

/// The texts of a list in order, when it holds nothing else.
pub(super) fn sorted_texts(list: &[Expression]) -> Option<Box<[Box<str>]>> {
    let texts = list.iter().map(|part| match part {
        Expression::Literal(Value::Text(text)) => Some(text.clone()),
        _ => None,
    });
    let mut texts: Vec<Box<str>> = texts.collect::<Option<_>>()?;
    texts.sort_unstable();
    Some(texts.into_boxed_slice())
}
