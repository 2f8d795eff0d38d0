//! Reads mail that [`crate::deliver::smtp::build()`] wrote. In: RFC 5322 bytes.
//! Out: headers, HTML and text, decoded. Mail of others is read as far as it
//! goes: what is not understood stays as it is.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Parts within parts that are followed.
const DEPTH_MAX: u32 = 4;

/// Base64 as mail writers leave it, with or without padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A mail, decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mail {
    /// Headers in order.
    pub headers: Vec<(String, String)>,
    /// The first HTML part.
    pub html: String,
    /// The first text part.
    pub text: String,
}

/// Reads a whole mail. Line ends in the bodies come out as `\n`.
pub fn read(bytes: &[u8]) -> Mail {
    let mut mail = Mail { headers: headers(bytes), ..Mail::default() };
    part(bytes, &mut mail, DEPTH_MAX);
    mail
}

/// Reads the headers at the start of a mail or part, unfolded and decoded
/// (RFC 2047).
pub fn headers(bytes: &[u8]) -> Vec<(String, String)> {
    let (head, _) = split(bytes);
    let head = String::from_utf8_lossy(head).replace("\r\n ", " ").replace("\r\n\t", " ");
    head.split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_owned(), words(value.trim())))
        .collect()
}

/// Head and body; the empty line between belongs to neither.
fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    match find(bytes, b"\r\n\r\n").and_then(|at| bytes.split_at_checked(at)) {
        Some((head, rest)) => (head, rest.get(4..).unwrap_or_default()),
        None => (bytes, &[]),
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn part(bytes: &[u8], mail: &mut Mail, depth: u32) {
    let (_, body) = split(bytes);
    let headers = headers(bytes);
    let header = |name: &str| {
        let found = headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value.as_str())
    };
    let kind = header("Content-Type");
    let lower = kind.to_ascii_lowercase();
    if lower.starts_with("multipart/") {
        if let Some(boundary) = parameter(kind, "boundary").filter(|_| depth > 0) {
            for inner in parts(body, &boundary) {
                part(inner, mail, depth - 1);
            }
        }
        return;
    }
    let slot = if lower.starts_with("text/html") { &mut mail.html } else { &mut mail.text };
    if slot.is_empty() && (lower.is_empty() || lower.starts_with("text/")) {
        let decoded = decode(body, header("Content-Transfer-Encoding"));
        *slot = String::from_utf8_lossy(&decoded).replace("\r\n", "\n");
    }
}

fn parameter(header: &str, name: &str) -> Option<String> {
    header.split(';').skip(1).find_map(|parameter| {
        let (key, value) = parameter.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"').to_owned())
    })
}

/// The parts between lines of `--boundary`, without the line end before it.
fn parts<'a>(body: &'a [u8], boundary: &str) -> Vec<&'a [u8]> {
    let delimiter = format!("--{boundary}");
    let mut parts = Vec::new();
    let (mut start, mut at) = (None, 0);
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(delimiter.as_bytes()) {
            if let Some(inner) = start.and_then(|start: usize| body.get(start..at)) {
                parts.push(inner.strip_suffix(b"\r\n").unwrap_or(inner));
            }
            let last = line.get(delimiter.len()..).is_some_and(|rest| rest.starts_with(b"--"));
            start = if last { None } else { Some(at + line.len()) };
        }
        at += line.len();
    }
    parts
}

fn decode(body: &[u8], encoding: &str) -> Vec<u8> {
    match encoding.trim().to_ascii_lowercase().as_str() {
        "base64" => {
            let dense: Vec<u8> = body.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
            LENIENT.decode(&dense).unwrap_or(dense)
        }
        "quoted-printable" => quoted_printable(body),
        _ => body.to_vec(),
    }
}

/// RFC 2045 §6.7; a stray `=` stays.
fn quoted_printable(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        match (first, tail) {
            (b'=', [b'\r', b'\n', after @ ..]) => rest = after,
            (b'=', [high, low, after @ ..]) => match hex(*high, *low) {
                Some(byte) => {
                    out.push(byte);
                    rest = after;
                }
                None => out.push(b'='),
            },
            (byte, _) => out.push(*byte),
        }
    }
    out
}

fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? * 16 + digit(low)?)
}

/// Decodes RFC 2047 words; white space between two of them is not text.
fn words(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    let mut after_word = false;
    while let Some((plain, tail)) = rest.split_once("=?") {
        let Some((word, after)) = word(tail) else {
            out.push_str(plain);
            out.push_str("=?");
            (rest, after_word) = (tail, false);
            continue;
        };
        if !(after_word && plain.trim().is_empty()) {
            out.push_str(plain);
        }
        out.push_str(&word);
        (rest, after_word) = (after, true);
    }
    out.push_str(rest);
    out
}

/// `utf-8?B?…?=` and what follows it.
fn word(text: &str) -> Option<(String, &str)> {
    let (charset, rest) = text.split_once('?')?;
    let (encoding, rest) = rest.split_once('?')?;
    let (content, after) = rest.split_once("?=")?;
    if !charset.eq_ignore_ascii_case("utf-8") && !charset.eq_ignore_ascii_case("us-ascii") {
        return None;
    }
    let bytes = match encoding {
        "B" | "b" => LENIENT.decode(content).ok()?,
        "Q" | "q" => quoted_printable(content.replace('_', " ").as_bytes()),
        _ => return None,
    };
    Some((String::from_utf8_lossy(&bytes).into_owned(), after))
}
