//! The one value model of both languages: what templates read, compute and print.
//!
//! In: the caller's data, borrowed (`serde_json::Value`, or anything that implements [`Properties`]).
//! Out: [`Value`], cheap to clone, borrowing from that data for `'a`.

pub(crate) mod compare;
pub(crate) mod decimal;
pub(crate) mod format;
pub(crate) mod number;

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use num_bigint::BigInt;
use serde_json::{Map, Value as Json};

/// Data that is looked up lazily, property by property, e.g. a profile whose traits are fetched only when named.
pub trait Properties {
    /// The property called `name`, or `None` where there is none.
    fn get(&self, name: &str) -> Option<Value<'_>>;
    /// The names in order, for loops over the object and for printing it whole; empty where they cannot be listed.
    fn names(&self) -> Vec<String> {
        Vec::new()
    }
}

/// What a template computes with. Text, arrays and objects of the caller's data are borrowed, not cloned.
#[derive(Clone)]
pub enum Value<'a> {
    /// Nothing was found (JavaScript's `undefined`); Liquid does not tell it from `Nil`.
    Missing,
    /// `nil`, `null`.
    Nil,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number outside the 64-bit range.
    Big(Arc<BigInt>),
    /// A number with a fraction.
    Float(f64),
    /// Text of the caller's data.
    Str(&'a str),
    /// Text made by the template.
    Text(Arc<str>),
    /// Text that is markup already and is never escaped again.
    Safe(Arc<str>),
    /// An array of the caller's data.
    List(&'a [Json]),
    /// An array made by the template.
    Array(Rc<Vec<Value<'a>>>),
    /// An object of the caller's data.
    Map(&'a Map<String, Json>),
    /// An object made by the template.
    Object(Rc<Vec<(Arc<str>, Value<'a>)>>),
    /// An object of the caller's that answers lazily.
    Lazy(&'a dyn Properties),
    /// `(from..to)`, both ends included.
    Range(i64, i64),
    /// The state of a loop (`forloop`, `tablerowloop`).
    Loop(Rc<LoopState>),
    /// Liquid's `self`: every variable in scope, in a fixed context.
    Scope(usize),
    /// Liquid's literal `empty` inside a condition.
    Empty,
    /// Liquid's literal `blank` inside a condition.
    Blank,
}

/// The live state behind `forloop` and `tablerowloop`.
#[derive(Debug)]
pub struct LoopState {
    pub(crate) name: Arc<str>,
    pub(crate) length: usize,
    pub(crate) index: Cell<usize>,
    pub(crate) parent: Option<Rc<LoopState>>,
    pub(crate) columns: Option<i64>,
    pub(crate) column: Cell<i64>,
    pub(crate) row: Cell<i64>,
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        format::inspect(self, &mut text, usize::MAX);
        f.write_str(&text)
    }
}

impl<'a> From<&'a Json> for Value<'a> {
    fn from(json: &'a Json) -> Self {
        match json {
            Json::Null => Value::Nil,
            Json::Bool(b) => Value::Bool(*b),
            Json::Number(n) => number_of(n),
            Json::String(s) => Value::Str(s),
            Json::Array(items) => Value::List(items),
            Json::Object(map) => Value::Map(map),
        }
    }
}

fn number_of<'a>(n: &serde_json::Number) -> Value<'a> {
    if let Some(i) = n.as_i64() {
        Value::Int(i)
    } else if let Some(u) = n.as_u64() {
        Value::Big(Arc::new(BigInt::from(u)))
    } else {
        Value::Float(n.as_f64().unwrap_or(0.0))
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Value::Str(text)
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Value::Text(Arc::from(text))
    }
}

impl From<bool> for Value<'_> {
    fn from(truth: bool) -> Self {
        Value::Bool(truth)
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Value::Int(number)
    }
}

impl From<f64> for Value<'_> {
    fn from(number: f64) -> Self {
        Value::Float(number)
    }
}

impl<'a> From<Vec<Value<'a>>> for Value<'a> {
    fn from(items: Vec<Value<'a>>) -> Self {
        Value::Array(Rc::new(items))
    }
}

impl<'a> Value<'a> {
    /// Wraps data that answers lazily.
    pub fn lazy(properties: &'a dyn Properties) -> Self {
        Value::Lazy(properties)
    }

    /// An owned copy of a JSON value, for helpers that compute objects.
    pub fn from_json(json: &Json) -> Value<'static> {
        match json {
            Json::Null => Value::Nil,
            Json::Bool(b) => Value::Bool(*b),
            Json::Number(n) => number_of(n),
            Json::String(s) => Value::Text(Arc::from(s.as_str())),
            Json::Array(items) => Value::Array(Rc::new(items.iter().map(Value::from_json).collect())),
            Json::Object(map) => Value::Object(Rc::new(
                map.iter().map(|(k, v)| (Arc::from(k.as_str()), Value::from_json(v))).collect(),
            )),
        }
    }

    /// True for `nil` and for what was not found.
    pub fn is_nil(&self) -> bool {
        matches!(self, Value::Nil | Value::Missing)
    }

    /// The text, where the value is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Str(s) => Some(s),
            Value::Text(s) | Value::Safe(s) => Some(s),
            _ => None,
        }
    }

    /// The whole number, where the value is one of 64 bits.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(i) => Some(*i),
            _ => None,
        }
    }

    /// The number as a float, where the value is a number.
    pub fn as_float(&self) -> Option<f64> {
        match self {
            Value::Int(i) => num_traits::ToPrimitive::to_f64(i),
            Value::Big(b) => num_traits::ToPrimitive::to_f64(b.as_ref()),
            Value::Float(f) => Some(*f),
            _ => None,
        }
    }

    /// Liquid's truth: everything but `nil` and `false`.
    pub fn is_truthy(&self) -> bool {
        !matches!(self, Value::Nil | Value::Missing | Value::Bool(false))
    }

    /// The text that Liquid prints for this value inside text (an array or object as its inspection).
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        format::display(self, &mut out, usize::MAX);
        out
    }

    /// The text that JavaScript prints for this value.
    pub fn to_js_text(&self) -> String {
        let mut out = String::new();
        format::js_display(self, &mut out, usize::MAX);
        out
    }

    /// True for arrays of either origin.
    pub fn is_array(&self) -> bool {
        matches!(self, Value::List(_) | Value::Array(_))
    }

    /// True for objects of any origin.
    pub fn is_object(&self) -> bool {
        matches!(self, Value::Map(_) | Value::Object(_) | Value::Lazy(_))
    }

    /// How many items an array, object, range or loop sequence has.
    pub fn len(&self) -> Option<usize> {
        match self {
            Value::List(items) => Some(items.len()),
            Value::Array(items) => Some(items.len()),
            Value::Map(map) => Some(map.len()),
            Value::Object(entries) => Some(entries.len()),
            Value::Lazy(lazy) => Some(lazy.names().len()),
            Value::Range(from, to) => Some(range_len(*from, *to)),
            _ => None,
        }
    }

    /// True for an array, object or range without items.
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// The item at `index` of an array or range.
    pub fn item(&self, index: usize) -> Option<Value<'a>> {
        match self {
            Value::List(items) => items.get(index).map(Value::from),
            Value::Array(items) => items.get(index).cloned(),
            Value::Range(from, to) => {
                let at = i64::try_from(index).ok().and_then(|i| from.checked_add(i))?;
                (at <= *to).then_some(Value::Int(at))
            }
            _ => None,
        }
    }

    /// The property `name` of an object.
    pub fn property(&self, name: &str) -> Option<Value<'a>> {
        match self {
            Value::Map(map) => entry(map, name).map(Value::from),
            Value::Object(entries) => {
                entries.iter().rev().find(|(k, _)| &**k == name).map(|(_, v)| v.clone())
            }
            Value::Lazy(lazy) => lazy.get(name),
            Value::Loop(state) => state.property(name),
            _ => None,
        }
    }

    /// The entries of an object in order.
    pub fn entries(&self) -> Vec<(Arc<str>, Value<'a>)> {
        match self {
            Value::Map(map) => map.iter().map(|(k, v)| (Arc::from(k.as_str()), Value::from(v))).collect(),
            Value::Object(entries) => entries.as_ref().clone(),
            Value::Lazy(lazy) => lazy
                .names()
                .into_iter()
                .map(|k| {
                    let value = lazy.get(&k).unwrap_or(Value::Nil);
                    (Arc::from(k), value)
                })
                .collect(),
            _ => Vec::new(),
        }
    }
}

/// Looks a name up. Small objects are searched from the start, which is quicker than hashing the name.
pub(crate) fn entry<'j>(map: &'j Map<String, Json>, name: &str) -> Option<&'j Json> {
    if map.len() > 24 {
        return map.get(name);
    }
    map.iter().find(|(key, _)| key.len() == name.len() && key.as_str() == name).map(|(_, value)| value)
}

pub(crate) fn range_len(from: i64, to: i64) -> usize {
    to.checked_sub(from)
        .and_then(|d| d.checked_add(1))
        .map_or(if to < from { 0 } else { usize::MAX }, |n| usize::try_from(n).unwrap_or(0))
}

fn count<'a>(n: usize) -> Value<'a> {
    Value::Int(i64::try_from(n).unwrap_or(i64::MAX))
}

impl LoopState {
    pub(crate) fn new(name: Arc<str>, length: usize, parent: Option<Rc<LoopState>>) -> Self {
        LoopState {
            name,
            length,
            index: Cell::new(0),
            parent,
            columns: None,
            column: Cell::new(1),
            row: Cell::new(1),
        }
    }

    /// Moves to the next item; a table row also moves to the next column.
    pub(crate) fn advance(&self) {
        self.index.set(self.index.get().saturating_add(1));
        if let Some(columns) = self.columns {
            if self.column.get() == columns {
                self.column.set(1);
                self.row.set(self.row.get() + 1);
            } else {
                self.column.set(self.column.get() + 1);
            }
        }
    }

    pub(crate) fn is_last(&self) -> bool {
        self.index.get() + 1 == self.length
    }

    fn property<'a>(&self, name: &str) -> Option<Value<'a>> {
        let index = self.index.get();
        Some(match name {
            "length" => count(self.length),
            "index" => count(index + 1),
            "index0" => count(index),
            "rindex" => Value::Int(signed(self.length) - signed(index)),
            "rindex0" => Value::Int(signed(self.length) - signed(index) - 1),
            "first" => Value::Bool(index == 0),
            "last" => Value::Bool(self.is_last()),
            _ => return self.special_property(name),
        })
    }

    fn special_property<'a>(&self, name: &str) -> Option<Value<'a>> {
        Some(match (name, self.columns) {
            ("name", None) => Value::Text(self.name.clone()),
            ("parentloop", None) => self.parent.clone().map_or(Value::Nil, Value::Loop),
            ("col", Some(_)) => Value::Int(self.column.get()),
            ("col0", Some(_)) => Value::Int(self.column.get() - 1),
            ("row", Some(_)) => Value::Int(self.row.get()),
            ("col_first", Some(_)) => Value::Bool(self.column.get() == 1),
            ("col_last", Some(columns)) => Value::Bool(self.column.get() == columns),
            _ => return None,
        })
    }
}

fn signed(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
