//! Filters over arrays: selecting, sorting, joining; and the few that ask any value.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

use num_traits::Signed as _;

use super::{owned, text};
use crate::error::Fault;
use crate::machine::Machine;
use crate::value::compare::{self, class_name};
use crate::value::number::{self, Arithmetic, Number};
use crate::value::{Value, format};

type Answer<'a> = Result<Value<'a>, Fault>;

/// What `item[property]` gives in Ruby.
enum Indexed<'a> {
    Value(Value<'a>),
    /// The item takes no such key: an error that names the property.
    WrongKey,
    /// The item cannot be indexed at all.
    NoIndex,
}

fn index<'a>(machine: &Machine<'a>, item: &Value<'a>, key: &Value<'a>) -> Indexed<'a> {
    match item {
        Value::Str(_) | Value::Text(_) | Value::Safe(_) => index_text(item.as_str().unwrap_or(""), key),
        Value::List(_) | Value::Array(_) => match key {
            Value::Int(i) => Indexed::Value(machine.item_at(item, *i).unwrap_or(Value::Nil)),
            Value::Float(f) => {
                let whole = number::to_i(&Value::Float(*f)).unwrap_or(0);
                Indexed::Value(machine.item_at(item, whole).unwrap_or(Value::Nil))
            }
            _ => Indexed::WrongKey,
        },
        Value::Int(n) => match key {
            Value::Int(_) | Value::Float(_) => {
                let bit = number::to_i(key).unwrap_or(0);
                Indexed::Value(Value::Int(if bit < 0 { 0 } else { shifted(*n, bit) & 1 }))
            }
            Value::Range(from, to) if to >= from => {
                let bits =
                    u32::try_from(to.saturating_sub(*from).saturating_add(1).clamp(0, 62)).unwrap_or(0);
                Indexed::Value(Value::Int(shifted(*n, *from) & ((1_i64 << bits) - 1)))
            }
            Value::Range(from, _) => Indexed::Value(Value::Int(shifted(*n, *from))),
            // A bit beyond all others is that of the sign.
            Value::Big(bit) => Indexed::Value(Value::Int(i64::from(*n < 0 && !bit.is_negative()))),
            _ => Indexed::WrongKey,
        },
        Value::Big(n) => match key {
            Value::Int(_) | Value::Float(_) => {
                let bit = u64::try_from(number::to_i(key).unwrap_or(0)).is_ok_and(|bit| n.bit(bit));
                Indexed::Value(Value::Int(i64::from(bit)))
            }
            _ => Indexed::WrongKey,
        },
        Value::Map(_) | Value::Object(_) | Value::Lazy(_) | Value::Loop(_) => {
            Indexed::Value(key.as_str().and_then(|k| item.property(k)).unwrap_or(Value::Nil))
        }
        Value::Scope(context) => Indexed::Value(
            key.as_str().and_then(|k| machine.scope_variable(*context, k)).unwrap_or(Value::Nil),
        ),
        _ => Indexed::NoIndex,
    }
}

fn shifted(number: i64, by: i64) -> i64 {
    number >> u32::try_from(by.clamp(0, 63)).unwrap_or(0)
}

/// A place that may count from the end.
fn from_end(text: &str, at: i64) -> i64 {
    if at < 0 { at.saturating_add(i64::try_from(text.chars().count()).unwrap_or(i64::MAX)) } else { at }
}

fn index_text<'a>(whole: &str, key: &Value<'a>) -> Indexed<'a> {
    match key {
        Value::Str(_) | Value::Text(_) | Value::Safe(_) => {
            let found = key.as_str().is_some_and(|k| whole.contains(k));
            Indexed::Value(if found { key.clone() } else { Value::Nil })
        }
        Value::Int(_) | Value::Float(_) => {
            let at = from_end(whole, number::to_i(key).unwrap_or(0));
            let found = usize::try_from(at).ok().and_then(|n| whole.chars().nth(n));
            Indexed::Value(found.map_or(Value::Nil, |c| owned(c.to_string())))
        }
        Value::Range(from, to) => {
            let (from, to) = (from_end(whole, *from), from_end(whole, *to));
            let length = usize::try_from(to.saturating_sub(from).saturating_add(1)).unwrap_or(0);
            match usize::try_from(from) {
                Ok(from) if from <= whole.chars().count() => {
                    Indexed::Value(owned(whole.chars().skip(from).take(length).collect::<String>()))
                }
                _ => Indexed::Value(Value::Nil),
            }
        }
        _ => Indexed::WrongKey,
    }
}

fn property_error<T>(property: &Value<'_>) -> Result<T, Fault> {
    Err(Fault::argument(format!("cannot select the property '{}'", text(property))))
}

/// The items that a filter over arrays sees: arrays flattened, one value as one item, nil as none.
pub(crate) fn items<'a>(machine: &mut Machine<'a>, input: &Value<'a>) -> Result<Vec<Value<'a>>, Fault> {
    match input {
        Value::List(_) | Value::Array(_) => {
            let mut out = Vec::new();
            let mut stack = vec![(input.clone(), 0usize)];
            while let Some((array, at)) = stack.pop() {
                let Some(item) = array.item(at) else {
                    continue;
                };
                machine.charge(1)?;
                stack.push((array, at + 1));
                if item.is_array() {
                    if stack.len() > 10_000 {
                        return Err(Fault::argument("arrays nested too deep"));
                    }
                    stack.push((item, 0));
                } else {
                    out.push(item);
                }
            }
            Ok(out)
        }
        Value::Range(..) => {
            let length = input.len().unwrap_or(0);
            machine.charge(length)?;
            Ok((0..length).filter_map(|i| input.item(i)).collect())
        }
        Value::Nil | Value::Missing => Ok(Vec::new()),
        one => Ok(vec![one.clone()]),
    }
}

pub(crate) fn join<'a>(machine: &mut Machine<'a>, input: Value<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let glue = arguments.first().map_or(" ".into(), text);
    let mut out = String::new();
    for (i, item) in items(machine, &input)?.iter().enumerate() {
        if i > 0 {
            out.push_str(&glue);
        }
        let before = out.len();
        format::display(item, &mut out, usize::MAX);
        machine.charge_bytes(out.len() - before + glue.len())?;
    }
    Ok(owned(out))
}

/// A merge sort that bears any order, even a contradictory one, and stops at the first complaint.
fn sorted<'a>(
    mut list: Vec<Value<'a>>,
    order: &mut dyn FnMut(&Value<'a>, &Value<'a>) -> Result<Ordering, Fault>,
) -> Result<Vec<Value<'a>>, Fault> {
    let mut width = 1;
    while width < list.len() {
        let mut merged = Vec::with_capacity(list.len());
        for run in list.chunks(2 * width) {
            let (left, right) = run.split_at(width.min(run.len()));
            let (mut l, mut r) = (left.iter().peekable(), right.iter().peekable());
            loop {
                let take_right = match (l.peek(), r.peek()) {
                    (Some(a), Some(b)) => order(a, b)? == Ordering::Greater,
                    (None, Some(_)) => true,
                    (Some(_), None) => false,
                    (None, None) => break,
                };
                merged.extend(if take_right { r.next() } else { l.next() }.cloned());
            }
        }
        list = merged;
        width *= 2;
    }
    Ok(list)
}

fn nil_safe_order(a: &Value<'_>, b: &Value<'_>) -> Result<Ordering, Fault> {
    match compare::order(a, b) {
        Some(order) => Ok(order),
        None if a.is_nil() => Ok(Ordering::Greater),
        None if b.is_nil() => Ok(Ordering::Less),
        None => Err(Fault::argument("cannot sort values of incompatible types")),
    }
}

fn natural_order(a: &Value<'_>, b: &Value<'_>) -> Ordering {
    match (a.is_nil(), b.is_nil()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => text(a).to_ascii_lowercase().cmp(&text(b).to_ascii_lowercase()),
    }
}

/// How two sort keys are compared.
type Order = fn(&Value<'_>, &Value<'_>) -> Result<Ordering, Fault>;

fn sort_by<'a>(
    machine: &mut Machine<'a>,
    input: &Value<'a>,
    arguments: &[Value<'a>],
    order: Order,
) -> Answer<'a> {
    let list = items(machine, input)?;
    machine.charge(list.len().saturating_mul(8))?;
    let property = arguments.first().filter(|p| !p.is_nil());
    let Some(property) = property else {
        return Ok(Value::from(sorted(list, &mut |a, b| order(a, b))?));
    };
    if list.iter().any(|item| matches!(index(machine, item, property), Indexed::NoIndex)) {
        return Ok(Value::Nil);
    }
    let mut keyed = Vec::with_capacity(list.len());
    let single = list.len() == 1;
    for item in list {
        match index(machine, &item, property) {
            Indexed::Value(key) => keyed.push(Value::from(vec![key, item])),
            // With one item nothing is compared, so nothing complains.
            Indexed::WrongKey if single => keyed.push(Value::from(vec![Value::Nil, item])),
            Indexed::WrongKey => return property_error(property),
            Indexed::NoIndex => return Ok(Value::Nil),
        }
    }
    let part = |pair: &Value<'a>, i: usize| pair.item(i).unwrap_or(Value::Nil);
    let pairs = sorted(keyed, &mut |a, b| order(&part(a, 0), &part(b, 0)))?;
    Ok(Value::from(pairs.iter().map(|pair| part(pair, 1)).collect::<Vec<_>>()))
}

pub(crate) fn sort<'a>(machine: &mut Machine<'a>, input: Value<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    sort_by(machine, &input, arguments, nil_safe_order)
}

pub(crate) fn sort_natural<'a>(
    machine: &mut Machine<'a>,
    input: Value<'a>,
    arguments: &[Value<'a>],
) -> Answer<'a> {
    sort_by(machine, &input, arguments, |a, b| Ok(natural_order(a, b)))
}

/// Which items have the property, or have it with the value asked for; `None` where an item has no properties.
fn matches<'a>(
    machine: &mut Machine<'a>,
    list: &[Value<'a>],
    arguments: &[Value<'a>],
    first_only: bool,
) -> Result<Option<Vec<bool>>, Fault> {
    let nil = Value::Nil;
    let property = arguments.first().unwrap_or(&nil);
    let target = arguments.get(1).filter(|t| !t.is_nil());
    let mut found = Vec::with_capacity(list.len());
    for item in list {
        match index(machine, item, property) {
            Indexed::Value(value) => {
                let hit = target.map_or(value.is_truthy(), |t| compare::equal(&value, t));
                found.push(hit);
                if hit && first_only {
                    break;
                }
            }
            Indexed::WrongKey => return property_error(property),
            Indexed::NoIndex => return Ok(None),
        }
    }
    Ok(Some(found))
}

fn selected<'a>(
    machine: &mut Machine<'a>,
    input: &Value<'a>,
    arguments: &[Value<'a>],
    keep: bool,
) -> Answer<'a> {
    let list = items(machine, input)?;
    let Some(found) = matches(machine, &list, arguments, false)? else {
        return Ok(Value::Nil);
    };
    let kept = list.into_iter().zip(found).filter(|(_, hit)| *hit == keep).map(|(item, _)| item);
    Ok(Value::from(kept.collect::<Vec<_>>()))
}

pub(crate) fn filter_where<'a>(
    machine: &mut Machine<'a>,
    input: Value<'a>,
    arguments: &[Value<'a>],
) -> Answer<'a> {
    selected(machine, &input, arguments, true)
}

pub(crate) fn reject<'a>(machine: &mut Machine<'a>, input: Value<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    selected(machine, &input, arguments, false)
}

/// The place of the first item that matches; the outer `None` where an item has no properties.
fn first_match<'a>(
    machine: &mut Machine<'a>,
    input: &Value<'a>,
    arguments: &[Value<'a>],
) -> Result<Option<Option<(usize, Value<'a>)>>, Fault> {
    let list = items(machine, input)?;
    let Some(found) = matches(machine, &list, arguments, true)? else {
        return Ok(None);
    };
    let at = found.iter().position(|hit| *hit);
    Ok(Some(at.and_then(|i| list.get(i).map(|item| (i, item.clone())))))
}

pub(crate) fn has<'a>(machine: &mut Machine<'a>, input: Value<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    Ok(first_match(machine, &input, arguments)?.map_or(Value::Nil, |found| Value::Bool(found.is_some())))
}

pub(crate) fn find<'a>(machine: &mut Machine<'a>, input: Value<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    Ok(first_match(machine, &input, arguments)?.flatten().map_or(Value::Nil, |(_, item)| item))
}

pub(crate) fn find_index<'a>(
    machine: &mut Machine<'a>,
    input: Value<'a>,
    arguments: &[Value<'a>],
) -> Answer<'a> {
    let found = first_match(machine, &input, arguments)?.flatten();
    Ok(found.map_or(Value::Nil, |(i, _)| Value::Int(i64::try_from(i).unwrap_or(i64::MAX))))
}

/// A key under which values that Ruby's `eql?` takes for the same meet.
fn identity(value: &Value<'_>) -> String {
    let mut key = String::from(class_name(value));
    key.push(':');
    format::inspect(value, &mut key, 1 << 20);
    key
}

pub(crate) fn uniq<'a>(machine: &mut Machine<'a>, input: Value<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let list = items(machine, &input)?;
    if list.len() < 2 {
        // Ruby looks at nothing where there is nothing to compare.
        return Ok(Value::from(list));
    }
    let property = arguments.first().filter(|p| !p.is_nil());
    let mut seen = HashSet::new();
    let mut out = Vec::new();
    for item in list {
        let key = match property {
            None => item.clone(),
            Some(property) => match index(machine, &item, property) {
                Indexed::Value(value) => value,
                Indexed::WrongKey => return property_error(property),
                Indexed::NoIndex => return Ok(Value::Nil),
            },
        };
        let identity = identity(&key);
        machine.charge(1 + identity.len() / 64)?;
        if seen.insert(identity) {
            out.push(item);
        }
    }
    Ok(Value::from(out))
}

pub(crate) fn reverse<'a>(machine: &mut Machine<'a>, input: Value<'a>, _: &[Value<'a>]) -> Answer<'a> {
    let mut list = items(machine, &input)?;
    list.reverse();
    Ok(Value::from(list))
}

pub(crate) fn map<'a>(machine: &mut Machine<'a>, input: Value<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let nil = Value::Nil;
    let property = arguments.first().unwrap_or(&nil);
    let list = items(machine, &input)?;
    if property.as_str() == Some("to_liquid") {
        return Ok(Value::from(list));
    }
    let mut out = Vec::with_capacity(list.len());
    for item in list {
        out.push(match index(machine, &item, property) {
            Indexed::Value(value) => value,
            Indexed::WrongKey => return property_error(property),
            Indexed::NoIndex => Value::Nil,
        });
    }
    Ok(Value::from(out))
}

pub(crate) fn compact<'a>(
    machine: &mut Machine<'a>,
    input: Value<'a>,
    arguments: &[Value<'a>],
) -> Answer<'a> {
    let mut list = items(machine, &input)?;
    let Some(property) = arguments.first().filter(|p| !p.is_nil()) else {
        list.retain(|item| !item.is_nil());
        return Ok(Value::from(list));
    };
    let mut out = Vec::with_capacity(list.len());
    for item in list {
        match index(machine, &item, property) {
            Indexed::Value(value) if value.is_nil() => {}
            Indexed::Value(_) => out.push(item),
            Indexed::WrongKey => return property_error(property),
            Indexed::NoIndex => return Ok(Value::Nil),
        }
    }
    Ok(Value::from(out))
}

pub(crate) fn concat<'a>(machine: &mut Machine<'a>, input: Value<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let other = arguments.first().filter(|a| a.is_array());
    let Some(other) = other else {
        return Err(Fault::argument("concat filter requires an array argument"));
    };
    let mut list = items(machine, &input)?;
    let length = other.len().unwrap_or(0);
    machine.charge(length)?;
    list.extend((0..length).filter_map(|i| other.item(i)));
    Ok(Value::from(list))
}

pub(crate) fn first<'a>(machine: &mut Machine<'a>, input: Value<'a>, _: &[Value<'a>]) -> Answer<'a> {
    Ok(machine.first_of(&input).unwrap_or(Value::Nil))
}

pub(crate) fn last<'a>(machine: &mut Machine<'a>, input: Value<'a>, _: &[Value<'a>]) -> Answer<'a> {
    Ok(machine.last_of(&input).unwrap_or(Value::Nil))
}

pub(crate) fn size<'a>(machine: &mut Machine<'a>, input: Value<'a>, _: &[Value<'a>]) -> Answer<'a> {
    Ok(machine.size_of(&input).unwrap_or(Value::Int(0)))
}

pub(crate) fn sum<'a>(machine: &mut Machine<'a>, input: Value<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let list = items(machine, &input)?;
    let property = arguments.first().filter(|p| !p.is_nil());
    let mut values = Vec::with_capacity(list.len());
    for item in list {
        values.push(match property {
            None => item,
            Some(property) => match index(machine, &item, property) {
                Indexed::Value(value) => value,
                Indexed::WrongKey => return property_error(property),
                Indexed::NoIndex => Value::Int(0),
            },
        });
    }
    let mut total = Number::Small(0);
    for value in items(machine, &Value::from(values))? {
        total = number::apply(&total, &number::number(&value), Arithmetic::Plus)?;
    }
    total.into_value()
}

pub(crate) fn default<'a>(_: &mut Machine<'a>, input: Value<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let is_options = |v: &&Value<'a>| v.is_object();
    let options = arguments.get(1).filter(is_options);
    let allow_false = options.and_then(|o| o.property("allow_false")).is_some_and(|v| v.is_truthy());
    let absent = if allow_false { input.is_nil() } else { !input.is_truthy() };
    let empty = match &input {
        Value::Range(..) => false,
        other => other.as_str() == Some("") || other.is_empty(),
    };
    if absent || empty {
        return Ok(arguments.first().cloned().unwrap_or(Value::Text(Arc::from(""))));
    }
    Ok(input)
}
