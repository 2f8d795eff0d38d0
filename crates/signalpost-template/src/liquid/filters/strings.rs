//! Filters that cut and join text, with the rules of Ruby's `String`.

use std::sync::Arc;

use num_bigint::BigInt;
use num_traits::ToPrimitive;

use super::{owned, part, text};
use crate::error::{Fault, FaultKind};
use crate::machine::Machine;
use crate::value::{Value, number};

type Answer<'a> = Result<Value<'a>, Fault>;

fn argument<'v, 'a>(arguments: &'v [Value<'a>], index: usize) -> &'v Value<'a> {
    arguments.get(index).unwrap_or(&Value::Nil)
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{0b}' | '\u{0c}' | '\0')
}

pub(crate) fn append<'a>(machine: &mut Machine<'a>, input: Value<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let (head, tail) = (text(&input), text(argument(arguments, 0)));
    machine.charge_bytes(head.len() + tail.len())?;
    Ok(owned([&*head, &*tail].concat()))
}

pub(crate) fn prepend<'a>(
    machine: &mut Machine<'a>,
    input: Value<'a>,
    arguments: &[Value<'a>],
) -> Answer<'a> {
    let (tail, head) = (text(&input), text(argument(arguments, 0)));
    machine.charge_bytes(head.len() + tail.len())?;
    Ok(owned([&*head, &*tail].concat()))
}

pub(crate) fn downcase<'a>(machine: &mut Machine<'a>, input: Value<'a>, _: &[Value<'a>]) -> Answer<'a> {
    let text = text(&input);
    machine.charge_bytes(text.len())?;
    Ok(owned(text.to_lowercase()))
}

pub(crate) fn upcase<'a>(machine: &mut Machine<'a>, input: Value<'a>, _: &[Value<'a>]) -> Answer<'a> {
    let text = text(&input);
    machine.charge_bytes(text.len())?;
    Ok(owned(text.to_uppercase()))
}

pub(crate) fn capitalize<'a>(machine: &mut Machine<'a>, input: Value<'a>, _: &[Value<'a>]) -> Answer<'a> {
    let text = text(&input);
    machine.charge_bytes(text.len())?;
    let mut rest = text.chars();
    let mut out = String::with_capacity(text.len());
    if let Some(first) = rest.next() {
        out.extend(first.to_uppercase());
    }
    out.push_str(&rest.as_str().to_lowercase());
    Ok(owned(out))
}

pub(crate) fn strip<'a>(_: &mut Machine<'a>, input: Value<'a>, _: &[Value<'a>]) -> Answer<'a> {
    Ok(part(&input, |t| t.trim_matches(is_blank)))
}

pub(crate) fn lstrip<'a>(_: &mut Machine<'a>, input: Value<'a>, _: &[Value<'a>]) -> Answer<'a> {
    Ok(part(&input, |t| t.trim_start_matches(is_blank)))
}

pub(crate) fn rstrip<'a>(_: &mut Machine<'a>, input: Value<'a>, _: &[Value<'a>]) -> Answer<'a> {
    Ok(part(&input, |t| t.trim_end_matches(is_blank)))
}

/// The first byte and the length of a slice in units, as Ruby's `slice(offset, length)`; `None` outside.
fn bounds(offset: &BigInt, length: &BigInt, size: usize) -> Option<(usize, usize)> {
    let size = BigInt::from(size);
    let start = if *offset < BigInt::ZERO { offset + &size } else { offset.clone() };
    if start < BigInt::ZERO || start > size || *length < BigInt::ZERO {
        return None;
    }
    let length = length.clone().min(&size - &start);
    Some((start.to_usize()?, length.to_usize()?))
}

pub(crate) fn slice<'a>(machine: &mut Machine<'a>, input: Value<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let offset = number::integer(argument(arguments, 0))?;
    let length = match argument(arguments, 1) {
        Value::Nil | Value::Missing | Value::Bool(false) => BigInt::from(1),
        given => number::integer(given)?,
    };
    if input.is_array() {
        let found = bounds(&offset, &length, input.len().unwrap_or(0));
        let items: Vec<Value<'a>> =
            found.map_or(Vec::new(), |(start, n)| (start..start + n).filter_map(|i| input.item(i)).collect());
        machine.charge(items.len())?;
        return Ok(Value::from(items));
    }
    let whole = text(&input);
    machine.charge_bytes(whole.len())?;
    let Some((start, n)) = bounds(&offset, &length, whole.chars().count()) else {
        return Ok(Value::Str(""));
    };
    Ok(part(&input, |t| characters(t, start, n)))
}

/// `n` characters from the `start`-th.
fn characters(text: &str, start: usize, n: usize) -> &str {
    let at = |i: usize| text.char_indices().nth(i).map_or(text.len(), |(b, _)| b);
    text.get(at(start)..at(start + n)).unwrap_or("")
}

pub(crate) fn truncate<'a>(
    machine: &mut Machine<'a>,
    input: Value<'a>,
    arguments: &[Value<'a>],
) -> Answer<'a> {
    if input.is_nil() {
        return Ok(Value::Nil);
    }
    let length = match arguments.first() {
        Some(given) => number::integer(given)?,
        None => BigInt::from(50),
    };
    let ellipsis = arguments.get(1).map_or("...".into(), text);
    let whole = text(&input);
    machine.charge_bytes(whole.len())?;
    if BigInt::from(whole.chars().count()) <= length {
        return Ok(owned(whole));
    }
    let kept = (length - BigInt::from(ellipsis.chars().count())).to_usize().unwrap_or(0);
    Ok(owned([characters(&whole, 0, kept), &ellipsis].concat()))
}

pub(crate) fn truncatewords<'a>(
    machine: &mut Machine<'a>,
    input: Value<'a>,
    arguments: &[Value<'a>],
) -> Answer<'a> {
    if input.is_nil() {
        return Ok(Value::Nil);
    }
    let words = match arguments.first() {
        Some(given) => number::integer(given)?.max(BigInt::from(1)),
        None => BigInt::from(15),
    };
    let ellipsis = arguments.get(1).map_or("...".into(), text);
    let whole = text(&input);
    machine.charge_bytes(whole.len())?;
    let words = words.to_usize().unwrap_or(usize::MAX);
    let mut rest = whole.split(|c: char| c != '\0' && is_blank(c)).filter(|w| !w.is_empty());
    let kept: Vec<&str> = rest.by_ref().take(words).collect();
    // Ruby's split leaves an empty last part where white space follows the last word it counts.
    let trailing =
        kept.len() == words && rest.next().is_none() && whole.ends_with(|c| c != '\0' && is_blank(c));
    let more = kept.len() == words
        && whole.split(|c: char| c != '\0' && is_blank(c)).filter(|w| !w.is_empty()).count() > words;
    if !more && !trailing {
        return Ok(owned(whole));
    }
    Ok(owned([kept.join(" ").as_str(), &ellipsis].concat()))
}

pub(crate) fn split<'a>(machine: &mut Machine<'a>, input: Value<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let pattern = text(argument(arguments, 0)).into_owned();
    let whole = text(&input);
    machine.charge_bytes(whole.len())?;
    let mut parts: Vec<Value<'a>> = match &input {
        Value::Str(s) => split_text(s, &pattern).into_iter().map(Value::Str).collect(),
        _ => split_text(&whole, &pattern).into_iter().map(|p| Value::Text(Arc::from(p))).collect(),
    };
    while parts.last().is_some_and(|p| p.as_str() == Some("")) {
        parts.pop();
    }
    machine.charge(parts.len())?;
    Ok(Value::from(parts))
}

fn split_text<'t>(text: &'t str, pattern: &str) -> Vec<&'t str> {
    match pattern {
        " " => text.split(|c: char| c != '\0' && is_blank(c)).filter(|w| !w.is_empty()).collect(),
        "" => text.char_indices().map(|(i, c)| text.get(i..i + c.len_utf8()).unwrap_or("")).collect(),
        _ => text.split(pattern).collect(),
    }
}

/// Appends a replacement, with the back-references that Ruby's `gsub` knows for a plain pattern.
fn substitute(out: &mut String, template: &str, whole: &str, found: (usize, usize)) -> Result<(), Fault> {
    let mut rest = template;
    while let Some(slash) = rest.find('\\') {
        out.push_str(rest.get(..slash).unwrap_or(""));
        let after = rest.get(slash + 1..).unwrap_or("");
        let Some(next) = after.chars().next() else {
            out.push('\\');
            return Ok(());
        };
        let mut used = next.len_utf8();
        match next {
            '0' | '&' => out.push_str(whole.get(found.0..found.1).unwrap_or("")),
            '1'..='9' | '+' => {}
            '`' => out.push_str(whole.get(..found.0).unwrap_or("")),
            '\'' => out.push_str(whole.get(found.1..).unwrap_or("")),
            '\\' => out.push('\\'),
            'k' if after.starts_with("k<") && after.contains('>') => {
                return Err(Fault::new(FaultKind::Internal, "internal"));
            }
            _ => {
                out.push('\\');
                used = 0;
            }
        }
        rest = after.get(used..).unwrap_or("");
    }
    out.push_str(rest);
    Ok(())
}

/// Replaces the first occurrence, or all of them.
fn replaced<'a>(
    machine: &mut Machine<'a>,
    input: &Value<'a>,
    pattern: &str,
    with: &str,
    all: bool,
) -> Answer<'a> {
    let whole = text(input);
    machine.charge_bytes(whole.len())?;
    let mut out = String::with_capacity(whole.len());
    let mut from = 0;
    let mut changed = false;
    while let Some(i) = whole.get(from..).and_then(|rest| rest.find(pattern)) {
        let found = (from + i, from + i + pattern.len());
        out.push_str(whole.get(from..found.0).unwrap_or(""));
        let before = out.len();
        substitute(&mut out, with, &whole, found)?;
        machine.charge_bytes(out.len() - before + 1)?;
        changed = true;
        from = found.1;
        if !all {
            break;
        }
        if pattern.is_empty() {
            let Some(c) = whole.get(from..).and_then(|rest| rest.chars().next()) else {
                return Ok(owned(out));
            };
            out.push(c);
            from += c.len_utf8();
        }
    }
    if !changed {
        return Ok(input.as_str().map_or_else(|| owned(&*whole), |_| input.clone()));
    }
    out.push_str(whole.get(from..).unwrap_or(""));
    Ok(owned(out))
}

pub(crate) fn replace<'a>(
    machine: &mut Machine<'a>,
    input: Value<'a>,
    arguments: &[Value<'a>],
) -> Answer<'a> {
    let (pattern, with) = (text(argument(arguments, 0)), text(argument(arguments, 1)));
    replaced(machine, &input, &pattern, &with, true)
}

pub(crate) fn replace_first<'a>(
    machine: &mut Machine<'a>,
    input: Value<'a>,
    arguments: &[Value<'a>],
) -> Answer<'a> {
    let (pattern, with) = (text(argument(arguments, 0)), text(argument(arguments, 1)));
    replaced(machine, &input, &pattern, &with, false)
}

pub(crate) fn replace_last<'a>(
    machine: &mut Machine<'a>,
    input: Value<'a>,
    arguments: &[Value<'a>],
) -> Answer<'a> {
    let (pattern, with) = (text(argument(arguments, 0)), text(argument(arguments, 1)));
    let whole = text(&input);
    machine.charge_bytes(whole.len() + with.len())?;
    let Some(at) = whole.rfind(&*pattern) else {
        return Ok(owned(whole));
    };
    let (head, tail) = (whole.get(..at).unwrap_or(""), whole.get(at + pattern.len()..).unwrap_or(""));
    Ok(owned([head, &with, tail].concat()))
}

pub(crate) fn remove<'a>(machine: &mut Machine<'a>, input: Value<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let pattern = text(argument(arguments, 0));
    replaced(machine, &input, &pattern, "", true)
}

pub(crate) fn remove_first<'a>(
    machine: &mut Machine<'a>,
    input: Value<'a>,
    arguments: &[Value<'a>],
) -> Answer<'a> {
    let pattern = text(argument(arguments, 0));
    replaced(machine, &input, &pattern, "", false)
}

pub(crate) fn remove_last<'a>(
    machine: &mut Machine<'a>,
    input: Value<'a>,
    arguments: &[Value<'a>],
) -> Answer<'a> {
    replace_last(machine, input, &[argument(arguments, 0).clone(), Value::Str("")])
}
