//! Cuts a Liquid document into text, tags and outputs, and tags into name and markup.
//!
//! In: source text. Out: [`Chunk`]s in order, as the reference's tokenizer gives them (also for broken input).

use super::lexer::{is_space, is_word};

/// A piece of a document: its text and where it starts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunk<'s> {
    pub(crate) text: &'s str,
    pub(crate) at: usize,
}

/// Gives the chunks of a document, or the lines of a `liquid` tag.
#[derive(Debug)]
pub(crate) struct Chunks<'s> {
    source: &'s str,
    at: usize,
    end: usize,
    /// Lines of a `liquid` tag, each a tag without delimiters.
    pub(crate) lines: bool,
    done: bool,
    /// No `%}` (or `}`) is left after this place, so that unclosed delimiters are not searched again and again.
    no_tag_end_from: usize,
}

impl<'s> Chunks<'s> {
    pub(crate) fn document(source: &'s str) -> Self {
        Chunks { source, at: 0, end: source.len(), lines: false, done: false, no_tag_end_from: usize::MAX }
    }

    /// The lines of `source[at..end]`.
    pub(crate) fn lines(source: &'s str, at: usize, end: usize) -> Self {
        Chunks { source, at, end, lines: true, done: at >= end, no_tag_end_from: usize::MAX }
    }

    pub(crate) fn shift(&mut self) -> Option<Chunk<'s>> {
        if self.done || (!self.lines && self.at >= self.end) {
            return None;
        }
        let from = self.at;
        self.at = if self.lines { self.line_end(from) } else { self.chunk_end(from) };
        let stop = if self.lines && self.at <= self.end { self.at } else { self.at.min(self.end) };
        let chunk = Chunk { text: self.source.get(from..stop).unwrap_or(""), at: from };
        if self.lines {
            self.at += 1;
            self.done = self.at > self.end;
        }
        Some(chunk)
    }

    fn line_end(&self, from: usize) -> usize {
        let rest = self.source.get(from..self.end).unwrap_or("");
        rest.find('\n').map_or(self.end, |i| from + i)
    }

    fn chunk_end(&mut self, from: usize) -> usize {
        let bytes = self.source.as_bytes();
        match (bytes.get(from), bytes.get(from + 1)) {
            (Some(b'{'), Some(b'%')) => self.tag_end(from).unwrap_or(from + 2),
            (Some(b'{'), Some(b'{')) => self.variable_end(from),
            _ => {
                let mut at = from;
                loop {
                    let rest = bytes.get(at..).unwrap_or(&[]);
                    match rest.iter().position(|b| *b == b'{') {
                        Some(i) if matches!(rest.get(i + 1), Some(b'{' | b'%')) => return at + i,
                        Some(i) => at += i + 1,
                        None => return self.end,
                    }
                }
            }
        }
    }

    /// The end of the tag that starts at `from`, after its `%}`.
    fn tag_end(&mut self, from: usize) -> Option<usize> {
        if from + 2 >= self.no_tag_end_from {
            return None;
        }
        match self.source.get(from + 2..).and_then(|rest| rest.find("%}")) {
            Some(i) => Some(from + 2 + i + 2),
            None => {
                self.no_tag_end_from = from + 2;
                None
            }
        }
    }

    /// The end of an output: `}}`, or where the reference stops on broken input.
    fn variable_end(&mut self, from: usize) -> usize {
        let bytes = self.source.as_bytes();
        let mut at = from + 2;
        loop {
            let rest = bytes.get(at..).unwrap_or(&[]);
            let Some(i) = rest.iter().position(|b| matches!(b, b'{' | b'}')) else {
                // Nothing closes it: the token is `{{` and the document ends.
                self.end = from + 2;
                return from + 2;
            };
            let (byte, next) = (rest.get(i), rest.get(i + 1));
            match (byte, next) {
                (Some(b'}'), None) => return at + i + 1,
                (_, None) => {
                    self.end = from + 2;
                    return from + 2;
                }
                (Some(b'}'), Some(b'}')) => return at + i + 2,
                (Some(b'}'), _) => return at + i + 1,
                (_, Some(b'%')) => return self.tag_end(at + i).unwrap_or(self.end),
                _ => at += i + 1,
            }
        }
    }
}

/// A tag cut into its parts; places are in the document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tag<'s> {
    pub(crate) name: &'s str,
    pub(crate) name_at: usize,
    pub(crate) markup: &'s str,
    pub(crate) markup_at: usize,
}

fn name_length(bytes: &[u8]) -> usize {
    if bytes.first() == Some(&b'#') { 1 } else { bytes.iter().take_while(|b| is_word(**b)).count() }
}

fn spaces(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|b| is_space(**b)).count()
}

/// Cuts `{%- name markup -%}`.
pub(crate) fn full_tag<'s>(chunk: Chunk<'s>) -> Option<Tag<'s>> {
    let inner = chunk.text.strip_prefix("{%")?.strip_suffix("%}")?;
    let inner_at = chunk.at + 2;
    let dash = usize::from(inner.starts_with('-'));
    // With `{%-%}` the one dash is the left one.
    let closing = usize::from(inner.len() > dash && inner.ends_with('-'));
    let body = inner.get(dash..inner.len() - closing)?;
    line_tag(body, inner_at + dash)
}

/// Cuts `name markup`, a line of a `liquid` tag or the inside of a tag.
pub(crate) fn line_tag(body: &str, body_at: usize) -> Option<Tag<'_>> {
    let bytes = body.as_bytes();
    let lead = spaces(bytes);
    let length = name_length(bytes.get(lead..)?);
    if length == 0 {
        return None;
    }
    let after = lead + length;
    let gap = spaces(bytes.get(after..)?);
    Some(Tag {
        name: body.get(lead..after)?,
        name_at: body_at + lead,
        markup: body.get(after + gap..)?,
        markup_at: body_at + after + gap,
    })
}

/// The last tag in a chunk that may have text before it (inside `raw`): what stands before it, and its name.
pub(crate) fn possibly_invalid_tag(chunk: &str) -> Option<(&str, &str)> {
    if !chunk.ends_with("%}") {
        return None;
    }
    let mut end = chunk.len();
    while let Some(open) = chunk.get(..end)?.rfind("{%") {
        let after = chunk.get(open + 2..)?;
        let after = after.strip_prefix('-').unwrap_or(after);
        let trimmed = after.trim_start_matches(|c: char| u8::try_from(c).is_ok_and(is_space));
        let length = trimmed.bytes().take_while(|b| is_word(*b)).count();
        if length > 0 {
            return Some((chunk.get(..open)?, trimmed.get(..length)?));
        }
        end = open;
    }
    None
}
