//! Properties as JSON text: writing them, and finding one value in them
//! without reading the rest.
//!
//! [`find`] relies on its input being well-formed JSON, which [`write_map`]
//! made; on other text it answers `None` or a wrong slice, never panics.

use std::io::Write as _;

use signalpost_core::value::{Map, Value};

/// Appends `map` as a JSON object without white space.
pub(crate) fn write_map(map: &Map, into: &mut Vec<u8>) {
    into.push(b'{');
    for (place, (name, value)) in map.iter().enumerate() {
        if place > 0 {
            into.push(b',');
        }
        write_text(name, into);
        into.push(b':');
        write_value(value, into);
    }
    into.push(b'}');
}

/// Appends `value` as JSON; an instant as RFC 3339 text, NaN as null.
pub(crate) fn write_value(value: &Value, into: &mut Vec<u8>) {
    match value {
        Value::Null => into.extend_from_slice(b"null"),
        Value::Bool(true) => into.extend_from_slice(b"true"),
        Value::Bool(false) => into.extend_from_slice(b"false"),
        Value::Int(number) => write_display(number, into),
        Value::Float(number) => match serde_json::Number::from_f64(*number) {
            Some(number) => write_display(&number, into),
            None => into.extend_from_slice(b"null"),
        },
        Value::Text(text) => write_text(text, into),
        Value::Time(instant) => write_text(&instant.to_string(), into),
        Value::List(items) => {
            into.push(b'[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    into.push(b',');
                }
                write_value(item, into);
            }
            into.push(b']');
        }
        Value::Map(map) => write_map(map, into),
    }
}

/// Writing to memory cannot fail, so the results below carry nothing.
fn write_display(value: &impl std::fmt::Display, into: &mut Vec<u8>) {
    write!(into, "{value}").unwrap_or_default();
}

fn write_text(text: &str, into: &mut Vec<u8>) {
    serde_json::to_writer(into, text).unwrap_or_default();
}

/// The name as it stands between the quotes of a JSON object's key.
pub(crate) fn escaped(name: &str) -> String {
    let mut quoted = Vec::with_capacity(name.len() + 2);
    write_text(name, &mut quoted);
    let inner = quoted.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or_default();
    String::from_utf8_lossy(inner).into_owned()
}

/// The raw JSON of the value at `key` (already [`escaped`]) of the object
/// `json`; `None` when the object has no such key.
pub(crate) fn find<'a>(json: &'a str, key: &str) -> Option<&'a str> {
    let bytes = json.as_bytes();
    let mut at = after_space(bytes, 0);
    if bytes.get(at) != Some(&b'{') {
        return None;
    }
    loop {
        at = after_space(bytes, at + 1);
        if bytes.get(at) != Some(&b'"') {
            return None;
        }
        let end = text_end(bytes, at)?;
        let found = bytes.get(at + 1..end - 1) == Some(key.as_bytes());
        at = after_space(bytes, end);
        if bytes.get(at) != Some(&b':') {
            return None;
        }
        let start = after_space(bytes, at + 1);
        let end = value_end(bytes, start)?;
        if found {
            return json.get(start..end);
        }
        at = after_space(bytes, end);
        if bytes.get(at) != Some(&b',') {
            return None;
        }
    }
}

/// The value at a path of keys joined by dots, trying the whole path as one
/// key first.
pub(crate) fn find_path<'a>(json: &'a str, path: &str) -> Option<&'a str> {
    if let Some(value) = find(json, &escaped(path)) {
        return Some(value);
    }
    let (first, rest) = path.split_once('.')?;
    find_path(find(json, &escaped(first))?, rest)
}

fn after_space(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
}

/// The place after the closing quote of the text whose opening quote is at `at`.
fn text_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// The place after the value that begins at `at`.
fn value_end(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at)? {
        b'"' => text_end(bytes, at),
        b'{' | b'[' => {
            let (mut at, mut depth) = (at, 0_usize);
            loop {
                match bytes.get(at)? {
                    b'"' => {
                        at = text_end(bytes, at)?;
                        continue;
                    }
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => depth -= 1,
                    _ => {}
                }
                at += 1;
                if depth == 0 {
                    return Some(at);
                }
            }
        }
        _ => {
            let rest = bytes.get(at..)?;
            let length = rest.iter().position(|byte| matches!(byte, b',' | b'}' | b']' | b' ' | b'\n'));
            Some(at + length.unwrap_or(rest.len()))
        }
    }
}

#[cfg(test)]
mod tests;
