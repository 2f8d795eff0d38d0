//! Filters that encode, decode and escape text.

use std::borrow::Cow;
use std::sync::Arc;

use super::{owned, text};
use crate::error::Fault;
use crate::machine::Machine;
use crate::machine::escape::{is_plain, liquid_escape, liquid_escape_once};
use crate::value::Value;

type Answer<'a> = Result<Value<'a>, Fault>;

/// The input's text, its length charged.
fn charged<'v, 'a>(machine: &mut Machine<'a>, input: &'v Value<'a>) -> Result<Cow<'v, str>, Fault> {
    let text = text(input);
    machine.charge_bytes(text.len())?;
    Ok(text)
}

pub(crate) fn raw<'a>(_: &mut Machine<'a>, input: Value<'a>, _: &[Value<'a>]) -> Answer<'a> {
    Ok(Value::Safe(Arc::from(&*text(&input))))
}

/// Text that automatic escaping leaves alone where it is on.
fn escaped<'a>(machine: &Machine<'a>, text: String) -> Value<'a> {
    if machine.auto_escape() { Value::Safe(Arc::from(text)) } else { owned(text) }
}

pub(crate) fn escape<'a>(machine: &mut Machine<'a>, input: Value<'a>, _: &[Value<'a>]) -> Answer<'a> {
    if input.is_nil() {
        return Ok(Value::Nil);
    }
    let whole = charged(machine, &input)?;
    if !machine.auto_escape() && input.as_str().is_some_and(is_plain) {
        drop(whole);
        return Ok(input);
    }
    let mut out = String::with_capacity(whole.len() + 16);
    liquid_escape(&whole, &mut out);
    Ok(escaped(machine, out))
}

pub(crate) fn escape_once<'a>(machine: &mut Machine<'a>, input: Value<'a>, _: &[Value<'a>]) -> Answer<'a> {
    let whole = charged(machine, &input)?;
    let mut out = String::with_capacity(whole.len() + 16);
    liquid_escape_once(&whole, &mut out);
    Ok(escaped(machine, out))
}

pub(crate) fn url_encode<'a>(machine: &mut Machine<'a>, input: Value<'a>, _: &[Value<'a>]) -> Answer<'a> {
    if input.is_nil() {
        return Ok(Value::Nil);
    }
    let whole = charged(machine, &input)?;
    let mut out = String::with_capacity(whole.len() + 16);
    for byte in whole.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            _ => {
                out.push('%');
                for half in [byte >> 4, byte & 15] {
                    out.push(char::from_digit(u32::from(half), 16).unwrap_or('0').to_ascii_uppercase());
                }
            }
        }
    }
    Ok(owned(out))
}

pub(crate) fn url_decode<'a>(machine: &mut Machine<'a>, input: Value<'a>, _: &[Value<'a>]) -> Answer<'a> {
    if input.is_nil() {
        return Ok(Value::Nil);
    }
    let whole = charged(machine, &input)?;
    let bytes = whole.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let hex = |i: usize| bytes.get(at + i).and_then(|b| char::from(*b).to_digit(16));
        match (byte, hex(1), hex(2)) {
            (b'+', _, _) => out.push(b' '),
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high * 16 + low).unwrap_or(0));
                at += 2;
            }
            _ => out.push(*byte),
        }
        at += 1;
    }
    match String::from_utf8(out) {
        Ok(text) => Ok(owned(text)),
        Err(_) => Err(Fault::argument("invalid byte sequence in UTF-8")),
    }
}

fn alphabet(url_safe: bool) -> &'static [u8; 64] {
    if url_safe {
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    } else {
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    }
}

/// Base64 with padding (RFC 4648, sections 4 and 5).
fn encode(bytes: &[u8], url_safe: bool) -> String {
    let letters = alphabet(url_safe);
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |i: usize| u32::from(group.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            if place > group.len() {
                out.push('=');
            } else {
                let letter = letters.get((bits >> (18 - 6 * place) & 63) as usize);
                out.push(char::from(letter.copied().unwrap_or(b'=')));
            }
        }
    }
    out
}

/// Strict decoding: right padding, no strange letters, no stray bits.
fn decode(text: &str, url_safe: bool) -> Option<Vec<u8>> {
    let letters = alphabet(url_safe);
    let mut padded = text.to_owned();
    if url_safe && !text.ends_with('=') {
        while !padded.len().is_multiple_of(4) {
            padded.push('=');
        }
        // The reference's URL-safe reader takes the plain alphabet too.
        padded = padded.replace('+', "-").replace('/', "_");
    }
    if !padded.len().is_multiple_of(4) {
        return None;
    }
    let body = padded.trim_end_matches('=');
    if padded.len() - body.len() > 2 {
        return None;
    }
    let mut out = Vec::with_capacity(body.len() / 4 * 3 + 2);
    let (mut bits, mut count) = (0u32, 0u32);
    for byte in body.bytes() {
        let value = letters.iter().position(|l| *l == byte)?;
        bits = (bits << 6 | u32::try_from(value).ok()?) & 0xff_ffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    (bits & ((1 << count) - 1) == 0).then_some(out)
}

fn decoded<'a>(bytes: Option<Vec<u8>>, filter: &str) -> Answer<'a> {
    match bytes {
        Some(bytes) => Ok(owned(String::from_utf8_lossy(&bytes))),
        None => Err(Fault::argument(format!("invalid base64 provided to {filter}"))),
    }
}

pub(crate) fn base64_encode<'a>(machine: &mut Machine<'a>, input: Value<'a>, _: &[Value<'a>]) -> Answer<'a> {
    Ok(owned(encode(charged(machine, &input)?.as_bytes(), false)))
}

pub(crate) fn base64_url_safe_encode<'a>(
    machine: &mut Machine<'a>,
    input: Value<'a>,
    _: &[Value<'a>],
) -> Answer<'a> {
    Ok(owned(encode(charged(machine, &input)?.as_bytes(), true)))
}

pub(crate) fn base64_decode<'a>(machine: &mut Machine<'a>, input: Value<'a>, _: &[Value<'a>]) -> Answer<'a> {
    decoded(decode(&charged(machine, &input)?, false), "base64_decode")
}

pub(crate) fn base64_url_safe_decode<'a>(
    machine: &mut Machine<'a>,
    input: Value<'a>,
    _: &[Value<'a>],
) -> Answer<'a> {
    decoded(decode(&charged(machine, &input)?, true), "base64_url_safe_decode")
}

/// Cuts out everything from one of `pairs`' openings to its ending.
fn without(text: &str, pairs: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut open: Vec<(&str, &str)> = pairs.to_vec();
    while let Some(at) = rest.find('<') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let mut end = None;
        if let Some(pair) = open.iter().position(|(start, _)| from.starts_with(start))
            && let Some((start, stop)) = open.get(pair).copied()
        {
            end = from.get(start.len()..).and_then(|r| r.find(stop)).map(|i| start.len() + i + stop.len());
            if end.is_none() {
                // Nothing ends it from here on, so nothing ends a later one either.
                open.remove(pair);
            }
        }
        match end {
            Some(end) => rest = from.get(end..).unwrap_or(""),
            None => {
                out.push('<');
                rest = from.get(1..).unwrap_or("");
            }
        }
    }
    out.push_str(rest);
    out
}

pub(crate) fn strip_html<'a>(machine: &mut Machine<'a>, input: Value<'a>, _: &[Value<'a>]) -> Answer<'a> {
    let whole = charged(machine, &input)?;
    if !whole.contains('<') {
        return Ok(match &input {
            Value::Str(_) | Value::Text(_) => input.clone(),
            _ => owned(&*whole),
        });
    }
    let blocks = without(&whole, &[("<script", "</script>"), ("<!--", "-->"), ("<style", "</style>")]);
    Ok(owned(without(&blocks, &[("<", ">")])))
}

pub(crate) fn strip_newlines<'a>(machine: &mut Machine<'a>, input: Value<'a>, _: &[Value<'a>]) -> Answer<'a> {
    Ok(owned(charged(machine, &input)?.replace("\r\n", "").replace('\n', "")))
}

pub(crate) fn newline_to_br<'a>(machine: &mut Machine<'a>, input: Value<'a>, _: &[Value<'a>]) -> Answer<'a> {
    let whole = charged(machine, &input)?.replace("\r\n", "\n");
    let out = whole.replace('\n', "<br />\n");
    machine.charge_bytes(out.len())?;
    Ok(owned(out))
}
