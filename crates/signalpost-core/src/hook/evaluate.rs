//! Expressions over a message.
//!
//! Nothing here fails for what a message lacks: what is not there is null, and
//! null is left out. Only the budget ends an evaluation early.

use std::borrow::Cow;

use super::condition::Condition;
use super::error::Refusal;
use super::expression::{Expression, is_there, scalar};
use super::scope::Scope;
use crate::value::{Map, Value, set};

/// Micro-units in one unit: arithmetic is exact to six places.
const MICROS: f64 = 1_000_000.0;

type Made<'s> = Result<Cow<'s, Value>, Refusal>;

const fn nothing<'s>() -> Cow<'s, Value> {
    Cow::Owned(Value::Null)
}

impl Expression {
    /// The value for the message of `scope`.
    pub(super) fn evaluate<'s>(&'s self, scope: &Scope<'s>) -> Made<'s> {
        scope.budget.spend(1)?;
        match self {
            Self::Constant(value) => Ok(Cow::Borrowed(value)),
            Self::Path(path) => path.evaluate(scope),
            Self::First(choices) => first(choices, scope),
            Self::Concat(parts) => concat(parts, scope),
            Self::Join { parts, with } => join(parts, with, scope),
            Self::Case { of, cases, otherwise } => {
                let of = of.evaluate(scope)?;
                let key = scalar(&of);
                let case = cases.iter().find(|(name, _)| key.as_deref() == Some(&**name));
                case.map_or(&**otherwise, |(_, value)| value).evaluate(scope)
            }
            Self::If { condition, then, otherwise } => {
                if condition.holds(scope)? {
                    then.evaluate(scope)
                } else {
                    otherwise.evaluate(scope)
                }
            }
            Self::Each { list, when, element } => through(list, when, element, scope),
            Self::Any { list, when } => {
                let mut found = false;
                each(list.evaluate(scope)?.as_ref(), scope, &mut |inner| {
                    found = when.holds(inner)?;
                    Ok(!found)
                })?;
                Ok(Cow::Owned(Value::Bool(found)))
            }
            Self::Lower(of) => text_of(of, scope, |text| text.to_lowercase()),
            Self::Text(of) => text_of(of, scope, str::to_owned),
            Self::Number(of) => Ok(Cow::Owned(number(of.evaluate(scope)?.as_ref()))),
            Self::Sum(parts) => sum(parts, scope),
            Self::Product(parts) => product(parts, scope),
            Self::Minus(parts) => {
                let less = micros(parts.1.evaluate(scope)?.as_ref()).unwrap_or(0);
                let whole = micros(parts.0.evaluate(scope)?.as_ref());
                Ok(from_micros(whole.and_then(|whole| whole.checked_sub(less))))
            }
            Self::Split { of, by, at } => split(of, by, *at, scope),
            Self::Entry(parts) => entry(&parts.0, &parts.1, scope),
            Self::List(parts) => listed(parts, scope),
            Self::Object(members) => object(members, scope).map(|map| Cow::Owned(Value::Map(map))),
        }
    }
}

/// Goes through a list until `see` says no. Null is an empty list, anything else
/// a list of one: some senders write one element without its list.
pub(super) fn each(
    list: &Value,
    scope: &Scope<'_>,
    see: &mut dyn FnMut(&Scope<'_>) -> Result<bool, Refusal>,
) -> Result<(), Refusal> {
    let items = match list {
        Value::Null => &[],
        Value::List(items) => &**items,
        single => std::slice::from_ref(single),
    };
    for (index, item) in items.iter().enumerate() {
        if !see(&Scope { item, index, ..*scope })? {
            break;
        }
    }
    Ok(())
}

/// The members that are there, later ones in the place of earlier ones.
pub(super) fn object(members: &[(Box<str>, Expression)], scope: &Scope<'_>) -> Result<Map, Refusal> {
    let mut map = Map::new();
    for (name, expression) in members {
        let value = expression.evaluate(scope)?;
        if !is_there(&value) {
            continue;
        }
        match scope.budget.own(value)? {
            Value::Map(spread) if &**name == "..." => {
                scope.budget.spend(spread.len().saturating_mul(map.len()) / 8)?;
                for (name, value) in spread {
                    set(&mut map, &name, value);
                }
            }
            _ if &**name == "..." => {}
            // An object of which nothing was there says nothing.
            Value::Map(inner) if inner.is_empty() => {}
            value => set(&mut map, name, value),
        }
    }
    Ok(map)
}

fn through<'s>(list: &'s Expression, when: &Condition, element: &Expression, scope: &Scope<'s>) -> Made<'s> {
    let mut made = Vec::new();
    each(list.evaluate(scope)?.as_ref(), scope, &mut |inner| {
        if when.holds(inner)? {
            let value = inner.budget.own(element.evaluate(inner)?)?;
            if is_there(&value) {
                made.push(value);
            }
        }
        Ok(true)
    })?;
    Ok(Cow::Owned(Value::List(made)))
}

fn listed<'s>(parts: &'s [Expression], scope: &Scope<'s>) -> Made<'s> {
    let mut list = Vec::new();
    for part in parts {
        let value = scope.budget.own(part.evaluate(scope)?)?;
        if is_there(&value) {
            list.push(value);
        }
    }
    Ok(Cow::Owned(Value::List(list)))
}

fn entry<'s>(name: &'s Expression, value: &'s Expression, scope: &Scope<'s>) -> Made<'s> {
    let name = name.evaluate(scope)?;
    let value = value.evaluate(scope)?;
    let Some(name) = scalar(&name).filter(|_| is_there(&value)) else { return Ok(nothing()) };
    let value = scope.budget.own(value)?;
    Ok(Cow::Owned(Value::Map(vec![(name.trim().into(), value)])))
}

fn first<'s>(choices: &'s [Expression], scope: &Scope<'s>) -> Made<'s> {
    for choice in choices {
        let value = choice.evaluate(scope)?;
        if is_there(&value) {
            return Ok(value);
        }
    }
    Ok(nothing())
}

fn written<'s>(text: String, scope: &Scope<'s>) -> Made<'s> {
    scope.budget.spend(text.len() / 32)?;
    Ok(Cow::Owned(Value::Text(text.into())))
}

fn concat<'s>(parts: &'s [Expression], scope: &Scope<'s>) -> Made<'s> {
    let mut text = String::new();
    for part in parts {
        let value = part.evaluate(scope)?;
        match scalar(&value) {
            Some(part) => text.push_str(&part),
            // Blank text of the mapping itself is meant.
            None => match (part, value.as_text()) {
                (Expression::Constant(_), Some(blank)) => text.push_str(blank),
                _ => return Ok(nothing()),
            },
        }
    }
    written(text, scope)
}

fn join<'s>(parts: &'s Expression, with: &str, scope: &Scope<'s>) -> Made<'s> {
    let list = parts.evaluate(scope)?;
    let mut text = String::new();
    each(&list, scope, &mut |inner| {
        if let Some(part) = scalar(inner.item) {
            if !text.is_empty() {
                text.push_str(with);
            }
            text.push_str(part.trim());
        }
        Ok(true)
    })?;
    if text.is_empty() { Ok(nothing()) } else { written(text, scope) }
}

fn text_of<'s>(of: &'s Expression, scope: &Scope<'s>, change: impl Fn(&str) -> String) -> Made<'s> {
    let value = of.evaluate(scope)?;
    match scalar(&value).map(|text| change(&text)) {
        Some(text) => written(text, scope),
        None => Ok(nothing()),
    }
}

fn split<'s>(of: &'s Expression, by: &str, at: Option<i64>, scope: &Scope<'s>) -> Made<'s> {
    let value = of.evaluate(scope)?;
    let Some(text) = scalar(&value) else { return Ok(nothing()) };
    let parts: Vec<&str> = text.split(by).map(str::trim).filter(|part| !part.is_empty()).collect();
    scope.budget.spend(parts.len())?;
    let Some(at) = at else {
        scope.budget.spend(text.len() / 32)?;
        return Ok(Cow::Owned(Value::List(parts.into_iter().map(Value::from).collect())));
    };
    let place = usize::try_from(at)
        .ok()
        .or_else(|| parts.len().checked_sub(usize::try_from(at.unsigned_abs()).ok()?));
    match place.and_then(|place| parts.get(place)) {
        Some(part) => written((*part).to_owned(), scope),
        None => Ok(nothing()),
    }
}

/// The number that a value is, or that text reads as.
fn number(value: &Value) -> Value {
    match value {
        Value::Int(_) | Value::Float(_) => value.clone(),
        Value::Text(text) => match text.trim().parse() {
            Ok(whole) => Value::Int(whole),
            Err(_) => value.as_number().map_or(Value::Null, Value::Float),
        },
        _ => Value::Null,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "held to what a float holds exactly")]
fn micros(value: &Value) -> Option<i128> {
    /// 2^63: no amount of money comes near.
    const MOST: f64 = 9_223_372_036_854_775_808.0;
    let number = value.as_number().filter(|number| number.abs() < MOST)?;
    Some((number * MICROS).round() as i128)
}

#[expect(clippy::cast_precision_loss, reason = "amounts are far below what a float holds exactly")]
fn from_micros<'s>(micros: Option<i128>) -> Cow<'s, Value> {
    let Some(micros) = micros else { return nothing() };
    let whole = (micros % 1_000_000 == 0).then(|| i64::try_from(micros / 1_000_000).ok()).flatten();
    Cow::Owned(whole.map_or(Value::Float(micros as f64 / MICROS), Value::Int))
}

fn sum<'s>(parts: &'s [Expression], scope: &Scope<'s>) -> Made<'s> {
    let mut total: Option<i128> = Some(0);
    for part in parts {
        each(part.evaluate(scope)?.as_ref(), scope, &mut |inner| {
            inner.budget.spend(1)?;
            total = total.and_then(|total| total.checked_add(micros(inner.item).unwrap_or(0)));
            Ok(true)
        })?;
    }
    Ok(from_micros(total))
}

fn product<'s>(parts: &'s [Expression], scope: &Scope<'s>) -> Made<'s> {
    let mut total: i128 = 1_000_000;
    for part in parts {
        let factor = micros(part.evaluate(scope)?.as_ref());
        match factor.and_then(|factor| total.checked_mul(factor)) {
            Some(product) => total = product / 1_000_000,
            None => return Ok(nothing()),
        }
    }
    Ok(from_micros(Some(total)))
}
