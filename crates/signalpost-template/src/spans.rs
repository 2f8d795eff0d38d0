//! Token spans of a template for an editor's highlighting; broken templates give spans as far as they go.
//!
//! In: source. Out: [`Span`]s in order, which never overlap; text outside of tags has none.

use crate::handlebars::lexer::{Token, token};
use crate::liquid::lexer::{self, Kind};
use crate::liquid::source::{Chunk, Chunks, full_tag};
use crate::template::Language;

/// What a span holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// `{{`, `%}` and the like.
    Delimiter,
    /// A tag, a helper of the language, a word of the grammar.
    Keyword,
    /// A name of a variable, property or helper.
    Name,
    /// The name of a filter.
    Filter,
    /// Quoted text.
    Text,
    /// A number.
    Number,
    /// A comparison or a sign.
    Operator,
    /// A comment.
    Comment,
}

/// A piece of a template: bytes `start..end` of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
    /// What it holds.
    pub kind: SpanKind,
}

/// The spans of a template.
pub fn spans(language: Language, source: &str) -> Vec<Span> {
    let mut spans = match language {
        Language::Liquid => liquid(source),
        Language::Handlebars => mustache(source),
    };
    spans.retain(|s| s.end > s.start);
    spans
}

fn span(start: usize, end: usize, kind: SpanKind) -> Span {
    Span { start, end, kind }
}

fn liquid(source: &str) -> Vec<Span> {
    let mut out = Vec::new();
    let mut chunks = Chunks::document(source);
    let mut hidden: Option<&str> = None;
    while let Some(chunk) = chunks.shift() {
        let tag = full_tag(chunk);
        if let Some(end) = hidden {
            if tag.is_none_or(|t| t.name != end) {
                if end != "endraw" {
                    out.push(span(chunk.at, chunk.at + chunk.text.len(), SpanKind::Comment));
                }
                continue;
            }
            hidden = None;
        }
        match tag {
            Some(tag) => {
                hidden = match tag.name {
                    "comment" => Some("endcomment"),
                    "doc" => Some("enddoc"),
                    "raw" => Some("endraw"),
                    _ => None,
                };
                out.push(span(chunk.at, tag.name_at.min(chunk.at + 3), SpanKind::Delimiter));
                let name_end = tag.name_at + tag.name.len();
                let markup_end = tag.markup_at + tag.markup.len();
                if tag.name == "#" {
                    out.push(span(tag.name_at, markup_end, SpanKind::Comment));
                } else {
                    out.push(span(tag.name_at, name_end, SpanKind::Keyword));
                    markup(tag.markup, tag.markup_at, true, &mut out);
                }
                out.push(span(markup_end, chunk.at + chunk.text.len(), SpanKind::Delimiter));
            }
            None if chunk.text.starts_with("{{") => variable(chunk, &mut out),
            None => {}
        }
    }
    out
}

fn variable(chunk: Chunk<'_>, out: &mut Vec<Span>) {
    let inner = chunk.text.trim_start_matches("{{").trim_start_matches('-');
    let start = chunk.text.len() - inner.len();
    let body = inner.trim_end_matches("}}").trim_end_matches('-');
    out.push(span(chunk.at, chunk.at + start, SpanKind::Delimiter));
    markup(body, chunk.at + start, false, out);
    out.push(span(chunk.at + start + body.len(), chunk.at + chunk.text.len(), SpanKind::Delimiter));
}

/// The tokens of Liquid markup.
fn markup(text: &str, base: usize, in_tag: bool, out: &mut Vec<Span>) {
    let mut at = 0;
    let (mut after_pipe, mut after_dot) = (false, false);
    while at < text.len() {
        let Some((kind, length)) = lexer::one(text, at, after_dot) else {
            at += text.get(at..).and_then(|t| t.chars().next()).map_or(1, char::len_utf8);
            continue;
        };
        let word = text.get(at..at + length).unwrap_or("");
        let found = match kind {
            Kind::Str => SpanKind::Text,
            Kind::Number => SpanKind::Number,
            Kind::Id if after_pipe => SpanKind::Filter,
            Kind::Id if !after_dot && is_word(word, in_tag) => SpanKind::Keyword,
            Kind::Id => SpanKind::Name,
            _ => SpanKind::Operator,
        };
        out.push(span(base + at, base + at + length, found));
        (after_pipe, after_dot) = (kind == Kind::Pipe, kind == Kind::Dot);
        at += length;
    }
}

fn is_word(word: &str, in_tag: bool) -> bool {
    match word {
        "true" | "false" | "nil" | "null" | "empty" | "blank" => true,
        "and" | "or" | "in" | "reversed" | "limit" | "offset" | "cols" | "with" | "for" | "as" => in_tag,
        _ => false,
    }
}

fn mustache(source: &str) -> Vec<Span> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(found) = source.get(at..).and_then(|rest| rest.find("{{")) {
        let start = at + found;
        let rest = source.get(start..).unwrap_or("");
        let signs = rest.len() - rest.trim_start_matches(['{', '~', '#', '/', '^', '>', '&', '*', '!']).len();
        let opener = rest.get(..signs).unwrap_or("");
        if opener.contains('!') {
            let close = if rest.contains("--}}") && rest.contains("{{!--") { "--}}" } else { "}}" };
            let end = rest.find(close).map_or(source.len(), |i| start + i + close.len());
            out.push(span(start, end, SpanKind::Comment));
            at = end;
            continue;
        }
        out.push(span(start, start + signs, SpanKind::Delimiter));
        at = tag_tokens(source, start + signs, &mut out);
    }
    out
}

/// The tokens of a Handlebars tag; gives the place after it.
fn tag_tokens(source: &str, from: usize, out: &mut Vec<Span>) -> usize {
    let mut at = from;
    let mut first = true;
    loop {
        let (found, start, end) = token(source, at);
        let kind = match &found {
            Token::End => return source.len(),
            Token::Close { .. } | Token::CloseUnescaped { .. } | Token::CloseRaw => {
                out.push(span(start, end, SpanKind::Delimiter));
                return end;
            }
            Token::Text(_) => SpanKind::Text,
            Token::Number(_) => SpanKind::Number,
            Token::Bool(_) | Token::Null | Token::Undefined | Token::OpenParameters => SpanKind::Keyword,
            Token::Id { text, literal: false } if first && is_helper(text) => SpanKind::Keyword,
            Token::Id { text, literal: false } if text == "this" => SpanKind::Keyword,
            Token::Id { .. } | Token::Data => SpanKind::Name,
            _ => SpanKind::Operator,
        };
        out.push(span(start, end, kind));
        first = matches!(found, Token::OpenSexpr)
            || matches!(&found, Token::Id { text, .. } if first && text == "else");
        at = end.max(at + 1);
    }
}

fn is_helper(name: &str) -> bool {
    name == "else" || name == "inline" || crate::handlebars::HELPERS.iter().any(|(helper, _)| *helper == name)
}
