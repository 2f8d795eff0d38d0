//! Liquid expressions: literals, ranges and paths, read strictly from tokens or laxly from text.
//!
//! In: tokens ([`Parser`]) or a fragment of markup ([`lax`]). Out: [`Expr`]. Brackets within brackets are bounded,
//! so the recursion here is too.

use std::sync::Arc;

use num_bigint::BigInt;

use super::lexer::{Complaint, Kind, Token, is_space, is_word, tokens};
use crate::error::{Fault, FaultKind};
use crate::value::number;

/// How deep brackets and ranges may nest.
const DEPTH: usize = 64;

/// A Liquid expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expr {
    Nil,
    Bool(bool),
    Int(i64),
    Big(Arc<BigInt>),
    Float(f64),
    Text(Arc<str>),
    Range(Box<Expr>, Box<Expr>),
    Path(Box<Expr>, Vec<Step>),
    /// The path's root is the plain name of a variable.
    Name(Arc<str>),
    Empty,
    Blank,
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    Dot(Arc<str>),
    Bracket(Expr),
}

impl Expr {
    /// True for what is looked up, not written out.
    pub(crate) fn is_lookup(&self) -> bool {
        match self {
            Expr::Path(..) => true,
            Expr::Range(a, b) => a.is_lookup() || b.is_lookup(),
            _ => false,
        }
    }

    fn variable(name: &str) -> Expr {
        Expr::Path(Box::new(Expr::Name(Arc::from(name))), Vec::new())
    }
}

fn literal(word: &str) -> Option<Expr> {
    Some(match word {
        "nil" | "null" | "" => Expr::Nil,
        "true" => Expr::Bool(true),
        "false" => Expr::Bool(false),
        "blank" | "empty" => Expr::Text(Arc::from("")),
        _ => return None,
    })
}

fn integer(text: &str) -> Expr {
    match text.parse::<i64>() {
        Ok(small) => Expr::Int(small),
        Err(_) => text.parse::<BigInt>().map_or(Expr::Int(0), |b| Expr::Big(Arc::new(b))),
    }
}

/// Where the brackets at the root of a path are an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Roots {
    Any,
    NoBare,
}

/// Reads expressions from tokens.
#[derive(Debug)]
pub(crate) struct Parser<'s> {
    tokens: Vec<Token<'s>>,
    at: usize,
    roots: Roots,
}

const END: Token<'static> = Token { kind: Kind::End, text: "", at: 0 };

impl<'s> Parser<'s> {
    pub(crate) fn new(markup: &'s str, roots: Roots) -> Result<Self, Complaint> {
        Ok(Parser { tokens: tokens(markup)?, at: 0, roots })
    }

    fn token(&self, ahead: usize) -> Token<'s> {
        self.tokens.get(self.at + ahead).or(self.tokens.last()).copied().unwrap_or(END)
    }

    pub(crate) fn look(&self, kind: Kind) -> bool {
        self.token(0).kind == kind
    }

    pub(crate) fn look_ahead(&self, kind: Kind) -> bool {
        self.token(1).kind == kind
    }

    fn fail<T>(&self, message: String) -> Result<T, Complaint> {
        Err((Fault::new(FaultKind::Syntax, message), self.token(0).at))
    }

    pub(crate) fn complain<T>(&self, message: &str) -> Result<T, Complaint> {
        self.fail(message.to_owned())
    }

    /// Takes the next token, whatever it is.
    pub(crate) fn take(&mut self) -> Token<'s> {
        let token = self.token(0);
        self.at += 1;
        token
    }

    pub(crate) fn consume(&mut self, kind: Kind) -> Result<&'s str, Complaint> {
        let token = self.token(0);
        if token.kind != kind {
            return self.fail(format!("Expected {} but found {}", kind.name(), token.kind.name()));
        }
        self.at += 1;
        Ok(token.text)
    }

    pub(crate) fn consume_if(&mut self, kind: Kind) -> Option<&'s str> {
        if self.look(kind) { Some(self.take().text) } else { None }
    }

    pub(crate) fn id_if(&mut self, word: &str) -> bool {
        let token = self.token(0);
        let found = token.kind == Kind::Id && token.text == word;
        if found {
            self.at += 1;
        }
        found
    }

    /// The source of what was read since token `from`, without white space between tokens.
    pub(crate) fn mark(&self) -> usize {
        self.at
    }

    pub(crate) fn text_since(&self, from: usize) -> String {
        self.tokens.get(from..self.at).unwrap_or(&[]).iter().map(|t| t.text).collect()
    }

    pub(crate) fn expression(&mut self) -> Result<Expr, Complaint> {
        self.expression_within(DEPTH)
    }

    /// An expression of a condition, where `blank` and `empty` are questions.
    pub(crate) fn condition(&mut self) -> Result<Expr, Complaint> {
        let token = self.token(0);
        let plain = token.kind == Kind::Id && !matches!(self.token(1).kind, Kind::Dot | Kind::OpenSquare);
        match token.text {
            "blank" if plain => {
                self.at += 1;
                Ok(Expr::Blank)
            }
            "empty" if plain => {
                self.at += 1;
                Ok(Expr::Empty)
            }
            _ => self.expression(),
        }
    }

    fn expression_within(&mut self, depth: usize) -> Result<Expr, Complaint> {
        if depth == 0 {
            return self.fail("Nesting too deep".to_owned());
        }
        let token = self.token(0);
        match token.kind {
            Kind::Id => {
                self.at += 1;
                let steps = self.steps(depth)?;
                if steps.is_empty() {
                    return Ok(literal(token.text).unwrap_or_else(|| Expr::variable(token.text)));
                }
                Ok(Expr::Path(Box::new(Expr::Name(Arc::from(token.text))), steps))
            }
            Kind::OpenSquare if self.roots == Roots::NoBare => {
                self.fail("Bare bracket access is not allowed. Use self['...'] instead".to_owned())
            }
            Kind::OpenSquare => {
                let root = self.bracket(depth)?;
                Ok(Expr::Path(Box::new(root), self.steps(depth)?))
            }
            Kind::Str => {
                self.at += 1;
                Ok(Expr::Text(Arc::from(token.text.get(1..token.text.len() - 1).unwrap_or(""))))
            }
            Kind::Number => {
                self.at += 1;
                Ok(lax_number(token.text).unwrap_or(Expr::Nil))
            }
            Kind::OpenRound => self.range(depth),
            Kind::End => self.fail("[:end_of_string] is not a valid expression".to_owned()),
            kind => self.fail(format!("[:{}, \"{}\"] is not a valid expression", kind.name(), token.text)),
        }
    }

    fn range(&mut self, depth: usize) -> Result<Expr, Complaint> {
        self.consume(Kind::OpenRound)?;
        let first = self.expression_within(depth - 1)?;
        self.consume(Kind::DotDot)?;
        let last = self.expression_within(depth - 1)?;
        self.consume(Kind::CloseRound)?;
        let at = self.token(0).at;
        range_of(first, last).map_err(|fault| (fault, at))
    }

    fn bracket(&mut self, depth: usize) -> Result<Expr, Complaint> {
        self.consume(Kind::OpenSquare)?;
        let inner = self.expression_within(depth - 1)?;
        self.consume(Kind::CloseSquare)?;
        Ok(inner)
    }

    fn steps(&mut self, depth: usize) -> Result<Vec<Step>, Complaint> {
        let mut steps = Vec::new();
        loop {
            if self.look(Kind::OpenSquare) {
                steps.push(Step::Bracket(self.bracket(depth)?));
            } else if self.consume_if(Kind::Dot).is_some() {
                steps.push(Step::Dot(Arc::from(self.consume(Kind::Id)?)));
            } else {
                return Ok(steps);
            }
        }
    }
}

/// A range whose fixed ends are known to be numbers; truth values have none.
fn range_of(first: Expr, last: Expr) -> Result<Expr, Fault> {
    if !first.is_lookup() && !last.is_lookup() {
        for end in [&first, &last] {
            if let Expr::Bool(b) = end {
                return Err(Fault::new(
                    FaultKind::Syntax,
                    format!("Invalid expression type '{b}' in range expression"),
                ));
            }
            if let Expr::Range(..) = end {
                return Err(Fault::new(FaultKind::Syntax, "Invalid expression type in range expression"));
            }
        }
    }
    Ok(Expr::Range(Box::new(first), Box::new(last)))
}

/// Reads an expression from text as the reference's lax parser does: anything is an expression.
pub(crate) fn lax(markup: &str) -> Result<Expr, Fault> {
    lax_within(markup, DEPTH)
}

/// The same for a condition.
pub(crate) fn lax_condition(markup: &str) -> Result<Expr, Fault> {
    match markup {
        "blank" => Ok(Expr::Blank),
        "empty" => Ok(Expr::Empty),
        _ => lax(markup),
    }
}

pub(crate) fn strip(text: &str) -> &str {
    text.trim_matches(|c: char| c == '\0' || u8::try_from(c).is_ok_and(is_space))
}

fn lax_within(markup: &str, depth: usize) -> Result<Expr, Fault> {
    if depth == 0 {
        return Err(Fault::new(FaultKind::Syntax, "Nesting too deep"));
    }
    let markup = strip(markup);
    for quote in ['"', '\''] {
        if markup.starts_with(quote) && markup.ends_with(quote) {
            return Ok(Expr::Text(Arc::from(markup.get(1..markup.len().max(2) - 1).unwrap_or(""))));
        }
    }
    if let Some(found) = literal(markup) {
        return Ok(found);
    }
    if let Some((first, last)) = range_ends(markup) {
        return range_of(lax_within(first, depth - 1)?, lax_within(last, depth - 1)?);
    }
    if let Some(found) = lax_number(markup) {
        return Ok(found);
    }
    lax_path(markup, depth)
}

/// The ends of `(a..b)`, where the text is one.
fn range_ends(markup: &str) -> Option<(&str, &str)> {
    let inner = markup.strip_prefix('(')?.strip_suffix(')')?;
    let inner = inner.trim_matches(|c: char| u8::try_from(c).is_ok_and(is_space));
    let head: usize = inner.bytes().take_while(|b| !is_space(*b)).count();
    // The first end takes as much as it can: the last `..` of the first word, or one right after it.
    let word = inner.get(..head)?;
    let (first, last) = match word.rfind("..").filter(|i| *i > 0) {
        Some(dots) => (word.get(..dots)?, inner.get(dots + 2..)?),
        None => (word, inner.get(head..)?.trim_start().strip_prefix("..")?),
    };
    let last = last.trim();
    (!first.is_empty() && !last.is_empty() && !last.bytes().any(is_space)).then_some((first, last))
}

/// A number as the lax parser reads it: `1`, `-1.5`, `1.2.3` (1.2), `1.` (1.0).
fn lax_number(markup: &str) -> Option<Expr> {
    let unsigned = markup.strip_prefix('-').unwrap_or(markup);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if !unsigned.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return None;
    }
    let Some(dot) = markup.find('.') else {
        return Some(integer(markup));
    };
    let fraction = markup.get(dot + 1..)?;
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
    let end = if digits == 0 { dot } else { dot + 1 + digits };
    markup.get(..end)?.parse().ok().map(Expr::Float)
}

/// A path as the lax parser scans it: bracketed parts and words; everything between is skipped.
fn lax_path(markup: &str, depth: usize) -> Result<Expr, Fault> {
    let mut parts = scan_parts(markup).into_iter();
    let root = match parts.next() {
        // Nothing to look up: not nil itself, but a look-up that finds nothing.
        None => return Ok(Expr::Path(Box::new(Expr::Nil), Vec::new())),
        Some(first) => match bracketed(first) {
            Some(inner) => lax_within(inner, depth - 1)?,
            None => Expr::Name(Arc::from(first)),
        },
    };
    let mut steps = Vec::new();
    for part in parts {
        steps.push(match bracketed(part) {
            Some(inner) => Step::Bracket(lax_within(inner, depth - 1)?),
            None => Step::Dot(Arc::from(part)),
        });
    }
    Ok(Expr::Path(Box::new(root), steps))
}

fn bracketed(part: &str) -> Option<&str> {
    part.strip_prefix('[')?.strip_suffix(']')
}

/// The reference's `VariableParser`: balanced brackets, or words with `-` and a final `?`.
fn scan_parts(markup: &str) -> Vec<&str> {
    let bytes = markup.as_bytes();
    let closes = closing_brackets(bytes);
    let mut parts = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let length = match closes.binary_search_by_key(&at, |(open, _)| *open) {
            Ok(found) if byte == b'[' => closes.get(found).map_or(0, |(_, close)| close + 1 - at),
            _ => word(bytes, at),
        };
        if length > 0 {
            parts.push(markup.get(at..at + length).unwrap_or(""));
        }
        at += length.max(1);
    }
    parts
}

/// The pairs of balanced brackets, by opening bracket.
fn closing_brackets(bytes: &[u8]) -> Vec<(usize, usize)> {
    let mut open = Vec::new();
    let mut pairs = Vec::new();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'[' => open.push(at),
            b']' => pairs.extend(open.pop().map(|from| (from, at))),
            _ => {}
        }
    }
    pairs.sort_unstable();
    pairs
}

fn word(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or(&[]);
    let length = rest.iter().take_while(|b| is_word(**b) || **b == b'-').count();
    if length > 0 && rest.get(length) == Some(&b'?') { length + 1 } else { length }
}

/// The whole number that a fixed end of a range stands for.
pub(crate) fn range_end(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Nil => Some(0),
        Expr::Int(i) => Some(*i),
        Expr::Float(f) => number::to_i(&crate::value::Value::Float(*f)),
        Expr::Text(s) => number::to_i(&crate::value::Value::Str(s)),
        _ => None,
    }
}
