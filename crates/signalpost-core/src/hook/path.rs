//! Paths: `$.line_items[0].sku`, `$item.price`, `$header.x-shopify-topic`.
//!
//! In: text that begins with `$`. Out: where to begin and which steps to take.
//! A step that leads nowhere gives null, since real bodies lack whatever they
//! can lack.

use std::borrow::Cow;

use super::error::{Fault, Refusal};
use super::expression::scalar;
use super::scope::{Budget, Scope};
use crate::value::Value;

/// The most steps of a path.
const STEPS_MAX: usize = 32;

/// A place in a message.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Path {
    root: Root,
    steps: Vec<Step>,
}

/// Where a path begins.
#[derive(Clone, Debug, PartialEq)]
enum Root {
    /// `$`: the message's body.
    Body,
    /// `$item`: the element of the list that is gone through.
    Item,
    /// `$index`: its place in the list, from 0.
    Index,
    /// `$topic`.
    Topic,
    /// `$id`.
    Id,
    /// `$time`.
    Time,
    /// `$hook`: the hook's name.
    Hook,
    /// `$header.NAME`.
    Header(Box<str>),
    /// `$let.NAME`, by its place.
    Let(usize),
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    /// `.name`, `["name"]`
    Name(Box<str>),
    /// `[0]`, `[-1]`
    At(i64),
    /// `[*]`: every element.
    Every,
    /// `[name=gift]`: the first element whose `name` is that text.
    Where(Box<str>, Box<str>),
}

impl Path {
    /// Reads a path. `lets` are the names defined so far.
    pub(super) fn parse(text: &str, lets: &[Box<str>], in_list: bool) -> Result<Self, Fault> {
        let wrong = |why| Fault::Path { path: crate::clean::problem::excerpt(text), why };
        let rest = text.strip_prefix('$').ok_or_else(|| wrong("it does not begin with $"))?;
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (root, rest) = rest.split_at(end);
        let mut steps = steps(rest).map_err(wrong)?;
        let mut name_after = || match steps.first() {
            Some(Step::Name(name)) => {
                let name = name.clone();
                steps.remove(0);
                Ok(name)
            }
            _ => Err(wrong("a name must follow, as in $header.x-event or $let.person")),
        };
        let root = match root {
            "" => Root::Body,
            "item" | "index" if !in_list => return Err(Fault::NoItem),
            "item" => Root::Item,
            "index" => Root::Index,
            "topic" => Root::Topic,
            "id" => Root::Id,
            "time" => Root::Time,
            "hook" => Root::Hook,
            "header" => Root::Header(name_after()?.to_ascii_lowercase().into()),
            "let" => {
                let name = name_after()?;
                let place = lets.iter().position(|held| *held == name);
                Root::Let(place.ok_or_else(|| Fault::UnknownLet(name.into()))?)
            }
            _ => {
                return Err(wrong(
                    "it begins with none of $, $item, $index, $topic, $id, $time, $hook, $header and $let",
                ));
            }
        };
        Ok(Self { root, steps })
    }

    /// Whether this is only a walk from the body.
    pub(super) fn is_from_body(&self) -> bool {
        self.root == Root::Body
    }

    /// What stands there.
    pub(super) fn evaluate<'s>(&self, scope: &Scope<'s>) -> Result<Cow<'s, Value>, Refusal> {
        let root = match &self.root {
            Root::Body => Cow::Borrowed(scope.message.body),
            Root::Item => Cow::Borrowed(scope.item),
            Root::Index => Cow::Owned(Value::Int(i64::try_from(scope.index).unwrap_or(i64::MAX))),
            Root::Topic => Cow::Borrowed(scope.topic),
            Root::Id => Cow::Borrowed(scope.id),
            Root::Time => Cow::Borrowed(scope.time),
            Root::Hook => Cow::Owned(Value::from(scope.message.hook)),
            Root::Header(name) => {
                let held = scope.message.headers.iter().find(|(held, _)| held == name);
                Cow::Owned(held.map_or(Value::Null, |(_, value)| Value::from(&**value)))
            }
            Root::Let(place) => scope.lets.get(*place).map_or(Cow::Owned(Value::Null), Cow::Borrowed),
        };
        match root {
            Cow::Borrowed(value) => walk(value, &self.steps, scope.budget),
            Cow::Owned(value) => Ok(Cow::Owned(walk(&value, &self.steps, scope.budget)?.into_owned())),
        }
    }

    /// The same steps from `body`.
    pub(super) fn steps_of<'a>(&self, body: &'a Value, budget: &Budget) -> Result<Cow<'a, Value>, Refusal> {
        walk(body, &self.steps, budget)
    }
}

fn walk<'a>(from: &'a Value, steps: &[Step], budget: &Budget) -> Result<Cow<'a, Value>, Refusal> {
    let mut value = from;
    for (at, step) in steps.iter().enumerate() {
        budget.spend(1)?;
        let next = match (step, value) {
            (Step::Name(name), Value::Map(map)) => {
                budget.spend(map.len() / 8)?;
                crate::value::get(map, name)
            }
            (Step::At(place), Value::List(items)) => usize::try_from(*place)
                .ok()
                .or_else(|| items.len().checked_sub(usize::try_from(place.unsigned_abs()).ok()?))
                .and_then(|place| items.get(place)),
            (Step::Where(name, wanted), Value::List(items)) => {
                budget.spend(items.len())?;
                items
                    .iter()
                    .find(|item| item.get(name).and_then(scalar).is_some_and(|held| *held == **wanted))
            }
            (Step::Every, Value::List(items)) => {
                let rest = steps.get(at + 1..).unwrap_or_default();
                return every(items, rest, budget).map(Cow::Owned);
            }
            _ => None,
        };
        match next {
            Some(next) => value = next,
            None => return Ok(Cow::Owned(Value::Null)),
        }
    }
    Ok(Cow::Borrowed(value))
}

/// What each element leads to; what leads nowhere is left out, and lists of
/// lists become one.
fn every(items: &[Value], rest: &[Step], budget: &Budget) -> Result<Value, Refusal> {
    let deeper = rest.contains(&Step::Every);
    let mut found = Vec::new();
    for item in items {
        let value = walk(item, rest, budget)?;
        if value.is_null() {
            continue;
        }
        let value = budget.own(value)?;
        match value {
            Value::List(inner) if deeper => found.extend(inner),
            value => found.push(value),
        }
    }
    Ok(Value::List(found))
}

/// Reads the steps behind the root.
fn steps(mut rest: &str) -> Result<Vec<Step>, &'static str> {
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if steps.len() >= STEPS_MAX {
            return Err("it has more than 32 steps");
        }
        let step;
        (step, rest) = match rest.strip_prefix('.') {
            Some(after) => named(after)?,
            None => bracketed(rest.strip_prefix('[').ok_or("a . or [ must follow")?)?,
        };
        steps.push(step);
    }
    Ok(steps)
}

fn named(rest: &str) -> Result<(Step, &str), &'static str> {
    let end = rest.find(['.', '[']).unwrap_or(rest.len());
    let (name, rest) = rest.split_at(end);
    if name.is_empty() {
        return Err("a name is missing behind the point");
    }
    Ok((Step::Name(name.into()), rest))
}

fn bracketed(rest: &str) -> Result<(Step, &str), &'static str> {
    if let Some(quoted) = rest.strip_prefix('"') {
        let (name, rest) = quoted.split_once("\"]").ok_or("a quoted name must end with \"]")?;
        return Ok((Step::Name(name.into()), rest));
    }
    let (inside, rest) = rest.split_once(']').ok_or("the bracket does not end")?;
    if inside == "*" {
        return Ok((Step::Every, rest));
    }
    if let Some((name, value)) = inside.split_once('=') {
        return Ok((Step::Where(name.trim().into(), value.trim().into()), rest));
    }
    let place = inside.parse().map_err(|_| "brackets hold a number, *, name=value or a quoted name")?;
    Ok((Step::At(place), rest))
}
