//! Liquid's paths and comparisons: variables, properties, items, and the questions `size`, `first` and `last`.

use std::rc::Rc;
use std::sync::Arc;

use serde_json::Value as Json;

use super::Machine;
use crate::code::{Code, Comparison, Index, Path, Root, Segment};
use crate::error::Fault;
use crate::names;
use crate::value::compare::{self, class_name};
use crate::value::{Value, entry, format};

impl<'a> Machine<'a> {
    pub(crate) fn path(&mut self, code: &Code, at: Index) {
        let Some(path) = code.paths.get(at as usize) else {
            return;
        };
        if let Some(found) = self.in_data(path) {
            self.stack.push(Value::from(found));
            return;
        }
        let base = self.stack.len().saturating_sub(path.dynamic);
        let value = self.follow(path, base);
        self.stack.truncate(base);
        if path.reported && matches!(value, Value::Missing) {
            self.report_undefined(|| path_text(path));
        }
        self.stack.push(value);
    }

    /// The value of a path of plain keys through the caller's JSON, without making values on the way: what most
    /// paths are. `None` where it is anything else, or nothing.
    fn in_data(&self, path: &Path) -> Option<&'a Json> {
        let (Root::Name(name), Some(context)) = (&path.root, self.contexts.last()) else {
            return None;
        };
        self.owe(context.width() / 16);
        let mut keys = path.segments.iter().map(|segment| match segment {
            Segment::Key(key) => Some(key),
            _ => None,
        });
        let mut found = match (context.own(name), &context.data) {
            (Some(Value::Map(map)), _) => entry(map, keys.next()??)?,
            (None, Value::Map(data)) => entry(data, name)?,
            _ => return None,
        };
        for key in keys {
            found = entry(found.as_object()?, key?)?;
        }
        Some(found)
    }

    fn follow(&self, path: &Path, base: usize) -> Value<'a> {
        let mut dynamic = base;
        let root = match &path.root {
            Root::Name(name) => self.variable(name),
            Root::Dynamic => {
                dynamic += 1;
                self.stack.get(base).and_then(|key| key.as_str().and_then(|k| self.variable(k)))
            }
        };
        let mut value = root.unwrap_or(Value::Missing);
        for segment in &path.segments {
            let next = match segment {
                Segment::Key(key) => self.property_of(&value, key),
                Segment::Command(key) => self.property_of(&value, key).or_else(|| self.command(&value, key)),
                Segment::Index(i) => self.item_at(&value, *i),
                Segment::Dynamic => {
                    dynamic += 1;
                    self.stack.get(dynamic - 1).and_then(|key| match key {
                        Value::Int(i) => self.item_at(&value, *i),
                        key => key.as_str().and_then(|k| self.property_of(&value, k)),
                    })
                }
            };
            match next {
                Some(found) => value = found,
                None => return Value::Missing,
            }
        }
        value
    }

    fn variable(&self, name: &str) -> Option<Value<'a>> {
        let context = self.contexts.len().checked_sub(1)?;
        let around = self.contexts.get(context)?;
        self.owe(around.width() / 16);
        let found = around.find(name);
        if found.is_none() && name == "self" {
            return Some(Value::Scope(context));
        }
        found
    }

    /// A variable of a given context, for `self`.
    pub(crate) fn scope_variable(&self, context: usize, name: &str) -> Option<Value<'a>> {
        self.contexts.get(context)?.find(name)
    }

    pub(crate) fn property_of(&self, value: &Value<'a>, key: &str) -> Option<Value<'a>> {
        match value {
            Value::Scope(context) => self.scope_variable(*context, key),
            Value::Loop(_) => Some(value.property(key).unwrap_or(Value::Nil)),
            other => other.property(key),
        }
    }

    /// The item of an array at a place that may count from the end.
    pub(crate) fn item_at(&self, value: &Value<'a>, at: i64) -> Option<Value<'a>> {
        if !value.is_array() {
            return None;
        }
        let length = i64::try_from(value.len()?).ok()?;
        let at = if at < 0 { at.checked_add(length)? } else { at };
        value.item(usize::try_from(at).ok()?)
    }

    fn command(&self, value: &Value<'a>, key: &str) -> Option<Value<'a>> {
        match key {
            "first" => self.first_of(value),
            "last" => self.last_of(value),
            _ => self.size_of(value),
        }
    }

    pub(crate) fn first_of(&self, value: &Value<'a>) -> Option<Value<'a>> {
        match value {
            Value::List(_) | Value::Array(_) => Some(value.item(0).unwrap_or(Value::Nil)),
            // Ruby gives the ends of a range even where nothing lies between them.
            Value::Range(from, _) => Some(Value::Int(*from)),
            Value::Map(map) => {
                let (key, item) = map.iter().next()?;
                Some(Value::Array(Rc::new(vec![Value::Str(key), Value::from(item)])))
            }
            Value::Object(_) | Value::Lazy(_) => {
                let (key, item) = value.entries().into_iter().next()?;
                Some(Value::Array(Rc::new(vec![Value::Text(key), item])))
            }
            _ => {
                let text = value.as_str()?;
                let letter: String = text.chars().take(1).collect();
                Some(Value::from(letter))
            }
        }
    }

    pub(crate) fn last_of(&self, value: &Value<'a>) -> Option<Value<'a>> {
        match value {
            Value::List(_) | Value::Array(_) => {
                let length = value.len()?;
                Some(length.checked_sub(1).and_then(|i| value.item(i)).unwrap_or(Value::Nil))
            }
            Value::Range(_, to) => Some(Value::Int(*to)),
            _ => Some(Value::from(value.as_str()?.chars().next_back().map_or(String::new(), String::from))),
        }
    }

    pub(crate) fn size_of(&self, value: &Value<'a>) -> Option<Value<'a>> {
        let size = match value {
            // Ruby's `Integer#size` is the width of the machine's word.
            Value::Int(_) => 8,
            // That of a big one, as many bytes as it needs.
            Value::Big(b) => usize::try_from(b.bits().div_ceil(8)).unwrap_or(8),
            other => match other.as_str() {
                Some(text) => {
                    self.owe(text.len() / 16);
                    text.chars().count()
                }
                None => other.len()?,
            },
        };
        Some(Value::Int(i64::try_from(size).unwrap_or(i64::MAX)))
    }

    pub(crate) fn compare(&mut self, how: Comparison) -> Result<(), Fault> {
        let (right, left) = (self.pop(), self.pop());
        self.charge(cost(&left, &right, how))?;
        let truth = match how {
            Comparison::Equal => equal(&left, &right),
            Comparison::NotEqual => !equal(&left, &right),
            Comparison::Contains => self.contains(&left, &right),
            _ => ordered(&left, &right, how)?,
        };
        self.stack.push(Value::Bool(truth));
        Ok(())
    }

    fn contains(&self, left: &Value<'a>, right: &Value<'a>) -> bool {
        if !right.is_truthy() || !left.is_truthy() {
            return false;
        }
        match left {
            Value::Map(_) | Value::Object(_) | Value::Lazy(_) => {
                right.as_str().is_some_and(|k| left.property(k).is_some())
            }
            Value::List(_) | Value::Array(_) => (0..left.len().unwrap_or(0))
                .any(|i| left.item(i).is_some_and(|item| compare::equal(&item, right))),
            Value::Range(from, to) => {
                let at_least =
                    compare::numbers(&Value::Int(*from), right).is_some_and(std::cmp::Ordering::is_le);
                at_least && compare::numbers(right, &Value::Int(*to)).is_some_and(std::cmp::Ordering::is_le)
            }
            _ => left.as_str().is_some_and(|text| {
                let mut needle = String::new();
                format::display(right, &mut needle, 1 << 20);
                text.contains(&needle)
            }),
        }
    }
}

/// About how many steps a comparison takes beside its own.
fn cost(left: &Value<'_>, right: &Value<'_>, how: Comparison) -> usize {
    let text = |v: &Value<'_>| v.as_str().map_or(0, |t| t.len() / 16);
    let literal = |v: &Value<'_>| matches!(v, Value::Empty | Value::Blank);
    let large = |v: &Value<'_>| v.as_str().is_some() || v.is_array() || v.is_object();
    if literal(left) || literal(right) {
        text(left).max(text(right))
    } else if how == Comparison::Contains {
        if left.is_array() { compare::weight(left) } else { text(left) }
    } else if large(left) && large(right) {
        compare::weight(left).min(compare::weight(right))
    } else {
        0
    }
}

/// The words for a path, as the template has it.
fn path_text(path: &Path) -> String {
    let mut text = match &path.root {
        Root::Name(name) => name.to_string(),
        Root::Dynamic => "[…]".to_owned(),
    };
    for segment in &path.segments {
        match segment {
            Segment::Key(key) | Segment::Command(key) => names::append(&mut text, key),
            Segment::Index(i) => text.push_str(&format!("[{i}]")),
            Segment::Dynamic => text.push_str("[…]"),
        }
    }
    text
}

fn equal(left: &Value<'_>, right: &Value<'_>) -> bool {
    match (left, right) {
        (Value::Empty | Value::Blank, value) => literal_holds(left, value),
        (value, Value::Empty | Value::Blank) => literal_holds(right, value),
        _ => compare::equal(left, right),
    }
}

/// Whether a value is `empty` or `blank`.
fn literal_holds(literal: &Value<'_>, value: &Value<'_>) -> bool {
    let blank = matches!(literal, Value::Blank);
    match value {
        Value::Nil | Value::Missing | Value::Bool(false) => blank,
        Value::Range(..) => false,
        other => match other.as_str() {
            Some(text) if blank => text.chars().all(|c| c.is_ascii_whitespace() || c == '\u{0b}'),
            Some(text) => text.is_empty(),
            None => other.is_empty(),
        },
    }
}

/// `<` and its like: numbers with numbers, text with text; other types never, unless they complain.
fn ordered(left: &Value<'_>, right: &Value<'_>, how: Comparison) -> Result<bool, Fault> {
    let comparable = |v: &Value<'_>| compare::is_number(v) || v.as_str().is_some();
    if !comparable(left) || !comparable(right) {
        return Ok(false);
    }
    let same_kind = compare::is_number(left) == compare::is_number(right);
    let order = if same_kind { compare::order(left, right) } else { None };
    let Some(order) = order else {
        if same_kind {
            return Ok(false);
        }
        // Ruby shows small numbers themselves, and the class of big ones.
        let small = compare::is_number(right) && !matches!(right, Value::Big(_));
        let shown: Arc<str> = if small { Arc::from(right.to_text()) } else { Arc::from(class_name(right)) };
        return Err(Fault::argument(format!("comparison of {} with {shown} failed", class_name(left))));
    };
    Ok(match how {
        Comparison::Less => order.is_lt(),
        Comparison::LessOrEqual => order.is_le(),
        Comparison::Greater => order.is_gt(),
        _ => order.is_ge(),
    })
}
