//! Values against a compiled schema.

use std::cmp::Ordering;

use super::{Format, Node, Numbers, Texts, Type, Violation};
use crate::clean::email;
use crate::clean::problem::excerpt;
use crate::clean::raw::type_name;
use crate::event::Event;
use crate::value::{Map, Value};

/// So many differences are listed; who has more has read enough.
const VIOLATIONS_MAX: usize = 20;

pub(super) fn value(node: &Node, value: &Value) -> Vec<Violation> {
    let mut out = Vec::new();
    check(node, value, &At::Root, &mut out);
    out
}

/// An event as the object of its fields, without making one.
pub(super) fn event(node: &Node, event: &Event) -> Vec<Violation> {
    let mut out = Vec::new();
    if !(node.any_of.is_empty()
        && node.one_of.is_empty()
        && node.all_of.is_empty()
        && node.not.is_none()
        && node.allowed.is_none()
        && node.properties_min.is_none()
        && node.properties_max.is_none()
        && node.additional.is_none())
    {
        // Rare at the top: worth an object of its own.
        check(node, &object(event), &At::Root, &mut out);
        return out;
    }
    if node.never || (node.types != 0 && node.types & Type::Object as u8 == 0) {
        check(node, &Value::Map(Map::new()), &At::Root, &mut out);
        return out;
    }
    for name in &node.required {
        if !has(event, name) {
            out.push(missing(&At::Name(&At::Root, name)));
        }
    }
    for (name, inner) in &node.properties {
        let at = At::Name(&At::Root, name);
        match map(event, name) {
            Some(map) if map.is_empty() && !node.required.contains(name) => {}
            Some(map) => check_map(inner, map, &at, &mut out),
            None if has(event, name) => check(inner, &event.column(name), &at, &mut out),
            None => {}
        }
    }
    out
}

fn map<'a>(event: &'a Event, name: &str) -> Option<&'a Map> {
    match name {
        "properties" => Some(&event.properties),
        "traits" => Some(&event.traits),
        "context" => Some(&event.context),
        _ => None,
    }
}

fn has(event: &Event, name: &str) -> bool {
    match name {
        "event_type" | "timestamp" | "properties" | "traits" | "context" => true,
        "customer_id" => event.customer_id.is_some(),
        "anonymous_id" => event.anonymous_id.is_some(),
        "product_id" => event.product_id.is_some(),
        _ => false,
    }
}

fn object(event: &Event) -> Value {
    let names = crate::clean::plan::OWN_FIELDS.iter().map(|(name, _)| *name);
    let entry = |name: &str| match map(event, name) {
        Some(map) => Value::Map(map.clone()),
        None => event.column(name),
    };
    Value::Map(names.filter(|name| has(event, name)).map(|name| (name.into(), entry(name))).collect())
}

/// Where a value stands; a path is written only when something differs.
enum At<'a> {
    Root,
    Name(&'a At<'a>, &'a str),
    Item(&'a At<'a>, usize),
}

impl At<'_> {
    fn write(&self, out: &mut String) {
        match self {
            Self::Root => {}
            Self::Name(before, name) => {
                before.write(out);
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(name);
            }
            Self::Item(before, place) => {
                before.write(out);
                out.push_str(&format!("[{place}]"));
            }
        }
    }

    fn path(&self) -> String {
        let mut path = String::new();
        self.write(&mut path);
        path
    }
}

fn missing(at: &At<'_>) -> Violation {
    Violation { path: at.path(), expected: "a value".to_owned(), got: "nothing".to_owned() }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Map(_) | Value::List(_) | Value::Null => type_name(value).to_owned(),
        Value::Text(text) => format!("text {:?}", excerpt(text)),
        other => format!("{} {}", type_name(other).trim_start_matches("a "), excerpt(&other.to_string())),
    }
}

fn differs(out: &mut Vec<Violation>, at: &At<'_>, expected: impl Into<String>, value: &Value) {
    if out.len() < VIOLATIONS_MAX {
        out.push(Violation { path: at.path(), expected: expected.into(), got: shown(value) });
    }
}

fn types_of(value: &Value) -> u8 {
    match value {
        Value::Null => Type::Null as u8,
        Value::Bool(_) => Type::Bool as u8,
        Value::Int(_) => Type::Integer as u8 | Type::Number as u8,
        Value::Float(number) if number.fract() == 0.0 => Type::Integer as u8 | Type::Number as u8,
        Value::Float(_) => Type::Number as u8,
        Value::Text(_) | Value::Time(_) => Type::Text as u8,
        Value::List(_) => Type::List as u8,
        Value::Map(_) => Type::Object as u8,
    }
}

fn named(types: u8) -> String {
    let names: Vec<&str> =
        Type::ALL.iter().filter(|(_, kind)| types & *kind as u8 != 0).map(|(name, _)| *name).collect();
    names.join(" or ")
}

/// Equal as JSON Schema has it: `1` is `1.0`, and the order of names is nothing.
fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Int(_) | Value::Float(_), Value::Int(_) | Value::Float(_)) => {
            a.compare(b) == Some(Ordering::Equal)
        }
        (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Map(a), Value::Map(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(name, value)| crate::value::get(b, name).is_some_and(|other| equal(value, other)))
        }
        _ => a == b,
    }
}

fn check(node: &Node, value: &Value, at: &At<'_>, out: &mut Vec<Violation>) {
    if out.len() >= VIOLATIONS_MAX {
        return;
    }
    if let Value::Map(map) = value {
        check_map(node, map, at, out);
        return;
    }
    if !general(node, value, at, out) {
        return;
    }
    match value {
        Value::Int(_) | Value::Float(_) => {
            if let (Some(bounds), Some(number)) = (&node.numbers, value.as_number()) {
                check_number(bounds, number, value, at, out);
            }
        }
        Value::Text(text) => {
            if let Some(bounds) = &node.texts {
                check_text(bounds, text, value, at, out);
            }
        }
        Value::List(items) => check_list(node, items, value, at, out),
        _ => {}
    }
}

/// What any value is held to; `false` when nothing more need be said of it.
fn general(node: &Node, value: &Value, at: &At<'_>, out: &mut Vec<Violation>) -> bool {
    if node.never {
        differs(out, at, "no value here", value);
        return false;
    }
    if node.types != 0 && node.types & types_of(value) == 0 {
        differs(out, at, named(node.types), value);
        return false;
    }
    if let Some(allowed) = &node.allowed
        && !allowed.iter().any(|held| equal(held, value))
    {
        let shown: Vec<String> = allowed.iter().take(8).map(|held| held.to_json().to_string()).collect();
        differs(out, at, format!("one of {}", shown.join(", ")), value);
    }
    combined(node, value, at, out);
    true
}

fn combined(node: &Node, value: &Value, at: &At<'_>, out: &mut Vec<Violation>) {
    let fits = |inner: &Node| {
        let mut found = Vec::new();
        check(inner, value, at, &mut found);
        found.is_empty()
    };
    for inner in &node.all_of {
        check(inner, value, at, out);
    }
    if !node.any_of.is_empty() && !node.any_of.iter().any(fits) {
        differs(out, at, "a value that fits one of the forms in anyOf", value);
    }
    if !node.one_of.is_empty() && node.one_of.iter().filter(|inner| fits(inner)).count() != 1 {
        differs(out, at, "a value that fits exactly one of the forms in oneOf", value);
    }
    if node.not.as_ref().is_some_and(|inner| fits(inner)) {
        differs(out, at, "a value that does not fit the form in not", value);
    }
}

fn check_map(node: &Node, map: &Map, at: &At<'_>, out: &mut Vec<Violation>) {
    let plain = !node.never
        && (node.types == 0 || node.types & Type::Object as u8 != 0)
        && node.allowed.is_none()
        && node.all_of.is_empty()
        && node.any_of.is_empty()
        && node.one_of.is_empty()
        && node.not.is_none();
    // The value itself is asked for by rare keywords only.
    if !plain && !general(node, &Value::Map(map.clone()), at, out) {
        return;
    }
    let size = map.len();
    if node.properties_min.is_some_and(|least| size < least)
        || node.properties_max.is_some_and(|most| size > most)
    {
        let expected = bounds("names", node.properties_min, node.properties_max);
        out.push(Violation { path: at.path(), expected, got: format!("{size}") });
    }
    for name in &node.required {
        if !map.iter().any(|(held, _)| held == name) && out.len() < VIOLATIONS_MAX {
            out.push(missing(&At::Name(at, name)));
        }
    }
    for (name, value) in map {
        let inner = node.properties.iter().find(|(held, _)| held == name).map(|(_, inner)| inner);
        if let Some(inner) = inner.or(node.additional.as_deref()) {
            check(inner, value, &At::Name(at, name), out);
        }
    }
}

fn check_list(node: &Node, items: &[Value], value: &Value, at: &At<'_>, out: &mut Vec<Violation>) {
    let size = items.len();
    if node.items_min.is_some_and(|least| size < least) || node.items_max.is_some_and(|most| size > most) {
        differs(out, at, bounds("items", node.items_min, node.items_max), value);
    }
    if let Some(inner) = &node.items {
        for (place, item) in items.iter().enumerate() {
            check(inner, item, &At::Item(at, place), out);
        }
    }
}

fn bounds(what: &str, least: Option<usize>, most: Option<usize>) -> String {
    match (least, most) {
        (Some(least), Some(most)) => format!("{least} to {most} {what}"),
        (Some(least), None) => format!("at least {least} {what}"),
        (None, Some(most)) => format!("at most {most} {what}"),
        (None, None) => what.to_owned(),
    }
}

fn check_number(bounds: &Numbers, number: f64, value: &Value, at: &At<'_>, out: &mut Vec<Violation>) {
    // 19.99 is 1999 hundredths, although no binary fraction is.
    let is_multiple = |step: f64| {
        let parts = number / step;
        (parts - parts.round()).abs() <= 1e-9 * parts.abs().max(1.0)
    };
    // Words are made only for what differs.
    let mut hold = |bound: Option<f64>, fits: &dyn Fn(f64) -> bool, expected: &str| {
        if let Some(bound) = bound.filter(|bound| !fits(*bound)) {
            differs(out, at, format!("{expected} {bound}"), value);
        }
    };
    hold(bounds.minimum, &|bound| number >= bound, "a number of at least");
    hold(bounds.maximum, &|bound| number <= bound, "a number of at most");
    hold(bounds.above, &|bound| number > bound, "a number above");
    hold(bounds.below, &|bound| number < bound, "a number below");
    hold(bounds.multiple_of, &is_multiple, "a multiple of");
}

fn check_text(bounds: &Texts, text: &str, value: &Value, at: &At<'_>, out: &mut Vec<Violation>) {
    if bounds.chars_min.is_some() || bounds.chars_max.is_some() {
        let size = text.chars().count();
        if bounds.chars_min.is_some_and(|least| size < least)
            || bounds.chars_max.is_some_and(|most| size > most)
        {
            differs(out, at, self::bounds("characters", bounds.chars_min, bounds.chars_max), value);
        }
    }
    if let Some(pattern) = &bounds.pattern
        && !pattern.is_match(text)
    {
        differs(out, at, format!("text like {}", pattern.as_str()), value);
    }
    if let Some(format) = bounds.format
        && !is_of(format, text)
    {
        differs(out, at, format!("text in the form {}", format.name()), value);
    }
}

pub(in crate::clean::plan) fn is_date_time(text: &str) -> bool {
    text.contains('T') && crate::time::Timestamp::parse(text).is_some()
}

fn is_of(format: Format, text: &str) -> bool {
    match format {
        Format::DateTime => is_date_time(text),
        Format::Date => text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok(),
        Format::Email => email::normalise(text).is_some(),
        Format::Uri => url::Url::parse(text).is_ok(),
    }
}
