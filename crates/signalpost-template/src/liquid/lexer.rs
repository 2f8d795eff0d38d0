//! The strict tokens of Liquid markup, as the reference's lexer cuts them.
//!
//! In: the markup of one tag or output. Out: tokens with their places, or the reference's complaint.

use crate::error::Fault;
use crate::error::FaultKind;

/// What a token is; the names are those the reference's messages use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Pipe,
    Dot,
    Colon,
    Comma,
    OpenSquare,
    CloseSquare,
    OpenRound,
    CloseRound,
    Question,
    Dash,
    DotDot,
    Comparison,
    Str,
    Number,
    Id,
    End,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Pipe => "pipe",
            Kind::Dot => "dot",
            Kind::Colon => "colon",
            Kind::Comma => "comma",
            Kind::OpenSquare => "open_square",
            Kind::CloseSquare => "close_square",
            Kind::OpenRound => "open_round",
            Kind::CloseRound => "close_round",
            Kind::Question => "question",
            Kind::Dash => "dash",
            Kind::DotDot => "dotdot",
            Kind::Comparison => "comparison",
            Kind::Str => "string",
            Kind::Number => "number",
            Kind::Id => "id",
            Kind::End => "end_of_string",
        }
    }
}

/// A token: its kind, its text and where it starts in the markup.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token<'s> {
    pub(crate) kind: Kind,
    pub(crate) text: &'s str,
    pub(crate) at: usize,
}

/// A complaint with its place in the markup.
pub(crate) type Complaint = (Fault, usize);

fn special(byte: u8) -> Option<Kind> {
    Some(match byte {
        b'|' => Kind::Pipe,
        b'.' => Kind::Dot,
        b':' => Kind::Colon,
        b',' => Kind::Comma,
        b'[' => Kind::OpenSquare,
        b']' => Kind::CloseSquare,
        b'(' => Kind::OpenRound,
        b')' => Kind::CloseRound,
        b'?' => Kind::Question,
        b'-' => Kind::Dash,
        _ => return None,
    })
}

pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Cuts `markup` into tokens; the last is [`Kind::End`].
pub(crate) fn tokens(markup: &str) -> Result<Vec<Token<'_>>, Complaint> {
    let bytes = markup.as_bytes();
    let mut out: Vec<Token<'_>> = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if is_space(byte) {
            at += 1;
            continue;
        }
        let after_dot = out.last().is_some_and(|t| t.kind == Kind::Dot);
        let (kind, length) = one(markup, at, after_dot).ok_or_else(|| unexpected(markup, at))?;
        out.push(Token { kind, text: markup.get(at..at + length).unwrap_or(""), at });
        at += length;
    }
    out.push(Token { kind: Kind::End, text: "", at: markup.len() });
    Ok(out)
}

fn unexpected(markup: &str, at: usize) -> Complaint {
    let c = markup.get(at..).and_then(|s| s.chars().next()).unwrap_or('\u{fffd}');
    (Fault::new(FaultKind::Syntax, format!("Unexpected character {c}")), at)
}

/// The kind and length of the token at `at`.
pub(crate) fn one(markup: &str, at: usize, after_dot: bool) -> Option<(Kind, usize)> {
    let rest = markup.as_bytes().get(at..)?;
    let (first, second) = (*rest.first()?, rest.get(1).copied().unwrap_or(0));
    match first {
        b'.' if second == b'.' => Some((Kind::DotDot, 2)),
        b'-' if second.is_ascii_digit() => Some((Kind::Number, number_length(rest))),
        b'=' | b'!' => (second == b'=').then_some((Kind::Comparison, 2)),
        b'<' if matches!(second, b'=' | b'>') => Some((Kind::Comparison, 2)),
        b'>' if second == b'=' => Some((Kind::Comparison, 2)),
        b'<' | b'>' => Some((Kind::Comparison, 1)),
        b'0'..=b'9' => Some((Kind::Number, number_length(rest))),
        b'"' | b'\'' => rest.iter().skip(1).position(|b| *b == first).map(|n| (Kind::Str, n + 2)),
        b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
            let length = identifier_length(rest);
            let contains = rest.get(..length) == Some(b"contains") && !after_dot;
            Some((if contains { Kind::Comparison } else { Kind::Id }, length))
        }
        _ => special(first).map(|kind| (kind, 1)),
    }
}

fn digits(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|b| b.is_ascii_digit()).count()
}

fn number_length(bytes: &[u8]) -> usize {
    let sign = usize::from(bytes.first() == Some(&b'-'));
    let whole = sign + digits(bytes.get(sign..).unwrap_or(&[]));
    if bytes.get(whole) == Some(&b'.') {
        let fraction = digits(bytes.get(whole + 1..).unwrap_or(&[]));
        if fraction > 0 {
            return whole + 1 + fraction;
        }
    }
    whole
}

fn identifier_length(bytes: &[u8]) -> usize {
    let length = bytes.iter().take_while(|b| is_word(**b) || **b == b'-').count();
    length + usize::from(bytes.get(length) == Some(&b'?'))
}
