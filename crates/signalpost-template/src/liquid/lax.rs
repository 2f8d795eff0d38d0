//! The scans that the reference's lax parser does with regular expressions, by hand and in linear time.
//!
//! In: markup. Out: fragments, attributes, filters and conditions found in it; what does not fit is skipped.

use super::lexer::{is_space, is_word};

/// Where a fragment lies in the markup.
pub(crate) type Range = (usize, usize);

fn byte(text: &str, at: usize) -> u8 {
    text.as_bytes().get(at).copied().unwrap_or(0)
}

pub(crate) fn cut(text: &str, (from, to): Range) -> &str {
    text.get(from..to).unwrap_or("")
}

pub(crate) fn skip_spaces(text: &str, from: usize) -> usize {
    let mut at = from;
    while at < text.len() && is_space(byte(text, at)) {
        at += 1;
    }
    at
}

/// The end of the quoted string at `at`.
pub(crate) fn quoted_end(text: &str, at: usize) -> Option<usize> {
    let quote = byte(text, at);
    if quote != b'"' && quote != b'\'' {
        return None;
    }
    let rest = text.as_bytes().get(at + 1..)?;
    rest.iter().position(|b| *b == quote).map(|i| at + 2 + i)
}

/// The end of the `QuotedFragment` at `at`: a quoted string, or a run without spaces, commas, bars and stray quotes.
pub(crate) fn fragment_end(text: &str, at: usize) -> Option<usize> {
    if let Some(end) = quoted_end(text, at) {
        return Some(end);
    }
    let mut end = at;
    while end < text.len() {
        match byte(text, end) {
            b'"' | b'\'' => match quoted_end(text, end) {
                Some(after) => end = after,
                None => break,
            },
            b',' | b'|' => break,
            b if is_space(b) => break,
            _ => end += 1,
        }
    }
    (end > at).then_some(end)
}

/// The first fragment at or after `from`.
pub(crate) fn find_fragment(text: &str, from: usize) -> Option<Range> {
    let mut at = from;
    let mut unclosed = [usize::MAX; 2];
    while at < text.len() {
        let quote = usize::from(byte(text, at) == b'\'');
        let known_open =
            matches!(byte(text, at), b'"' | b'\'') && unclosed.get(quote).is_some_and(|u| at >= *u);
        if !known_open {
            if let Some(end) = fragment_end(text, at) {
                return Some((at, end));
            }
            if matches!(byte(text, at), b'"' | b'\'')
                && let Some(slot) = unclosed.get_mut(quote)
            {
                *slot = at;
            }
        }
        at += 1;
    }
    None
}

/// One or more fragments without anything between (`QuotedFragment+`).
pub(crate) fn fragments_end(text: &str, at: usize) -> Option<usize> {
    let mut end = fragment_end(text, at)?;
    while let Some(next) = fragment_end(text, end) {
        end = next;
    }
    Some(end)
}

/// `key: value` pairs anywhere in the markup (`TagAttributes`).
pub(crate) fn attributes(text: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        if !is_word(byte(text, at)) {
            at += 1;
            continue;
        }
        let mut end = at + 1;
        while is_word(byte(text, end)) || byte(text, end) == b'-' {
            end += 1;
        }
        match attribute_value(text, end) {
            Some(value) => {
                found.push((cut(text, (at, end)), cut(text, value)));
                at = value.1;
            }
            // The key may be any tail of this word, but then the same colon is missing.
            None => at = end,
        }
    }
    found
}

/// The value after `key`, where a colon and a fragment follow.
fn attribute_value(text: &str, after_key: usize) -> Option<Range> {
    let colon = skip_spaces(text, after_key);
    if byte(text, colon) != b':' {
        return None;
    }
    let from = skip_spaces(text, colon + 1);
    fragment_end(text, from).map(|end| (from, end))
}

/// A filter of a lax output: its name and its arguments.
#[derive(Debug)]
pub(crate) struct Filter<'s> {
    pub(crate) name: &'s str,
    pub(crate) arguments: Vec<Argument<'s>>,
}

/// An argument, with its keyword where it has one.
#[derive(Debug)]
pub(crate) struct Argument<'s> {
    pub(crate) keyword: Option<&'s str>,
    pub(crate) value: &'s str,
}

/// The name and the filters of a lax output.
pub(crate) fn output(markup: &str) -> Option<(&str, Vec<Filter<'_>>)> {
    let name = find_fragment(markup, 0)?;
    let mut filters = Vec::new();
    if let Some(bar) = markup.get(name.1..).and_then(|rest| rest.find('|')) {
        let mut at = skip_spaces(markup, name.1 + bar + 1);
        while at < markup.len() {
            let end = filter_end(markup, at);
            if end == at {
                at += 1;
                continue;
            }
            filters.extend(filter(cut(markup, (at, end))));
            at = end;
        }
    }
    Some((cut(markup, name), filters))
}

/// The reference's `FilterParser`: spaces, fragments and commas in any order.
fn filter_end(text: &str, from: usize) -> usize {
    let mut at = from;
    while at < text.len() {
        match byte(text, at) {
            b',' => at += 1,
            b if is_space(b) => at += 1,
            _ => match fragment_end(text, at) {
                Some(end) => at = end,
                None => break,
            },
        }
    }
    at
}

fn filter(text: &str) -> Option<Filter<'_>> {
    let start = text.bytes().position(is_word)?;
    let length = text.bytes().skip(start).take_while(|b| is_word(*b)).count();
    let name = cut(text, (start, start + length));
    let mut arguments = Vec::new();
    let mut at = 0;
    while at < text.len() {
        if !matches!(byte(text, at), b':' | b',') {
            at += 1;
            continue;
        }
        match argument(text, skip_spaces(text, at + 1)) {
            Some((found, end)) => {
                arguments.push(found);
                at = end;
            }
            None => at += 1,
        }
    }
    Some(Filter { name, arguments })
}

/// An argument at `at`: `word: fragment`, or a fragment.
fn argument(text: &str, at: usize) -> Option<(Argument<'_>, usize)> {
    let mut end = at;
    while is_word(byte(text, end)) {
        end += 1;
    }
    if end > at
        && let Some(value) = attribute_value(text, end)
    {
        let keyword = Some(cut(text, (at, end)));
        return Some((Argument { keyword, value: cut(text, value) }, value.1));
    }
    let end = fragment_end(text, at)?;
    let whole = cut(text, (at, end));
    // A fragment may be `key:value` itself.
    let key: usize = whole.bytes().take_while(|b| is_word(*b) || *b == b'-').count();
    if key > 0
        && let Some(value) = attribute_value(whole, key)
        && value.1 == whole.len()
    {
        return Some((Argument { keyword: Some(cut(whole, (0, key))), value: cut(whole, value) }, end));
    }
    Some((Argument { keyword: None, value: whole }, end))
}

/// One comparison of a lax condition: left, operator, right.
#[derive(Debug)]
pub(crate) struct Comparison<'s> {
    pub(crate) left: &'s str,
    pub(crate) operator: Option<&'s str>,
    pub(crate) right: Option<&'s str>,
}

fn is_operator(b: u8) -> bool {
    matches!(b, b'=' | b'!' | b'<' | b'>' | b'_') || b.is_ascii_lowercase()
}

/// Reads one comparison: the first fragment, then an operator and another fragment where they are.
pub(crate) fn comparison(text: &str) -> Option<Comparison<'_>> {
    let left = find_fragment(text, 0)?;
    let from = skip_spaces(text, left.1);
    let mut end = from;
    while is_operator(byte(text, end)) {
        end += 1;
    }
    let right_from = skip_spaces(text, end);
    let right = fragment_end(text, right_from).map(|to| cut(text, (right_from, to)));
    Some(Comparison { left: cut(text, left), operator: (end > from).then(|| cut(text, (from, end))), right })
}

fn boundary(text: &str, at: usize) -> bool {
    let before = at > 0 && is_word(byte(text, at - 1));
    before != (at < text.len() && is_word(byte(text, at)))
}

/// The end of `and` or `or` at `at` (with one space on either side), where one stands there as a word.
fn conjunction(text: &str, at: usize) -> Option<usize> {
    if !boundary(text, at) {
        return None;
    }
    let starts = if is_space(byte(text, at)) { [at + 1, at] } else { [at, at] };
    for start in starts {
        let rest = text.get(start..).unwrap_or("");
        let end = if rest.starts_with("and") {
            start + 3
        } else if rest.starts_with("or") {
            start + 2
        } else {
            continue;
        };
        if is_space(byte(text, end)) && boundary(text, end + 1) {
            return Some(end + 1);
        }
        if boundary(text, end) {
            return Some(end);
        }
    }
    None
}

/// Cuts a lax condition into comparisons and conjunctions, in order.
pub(crate) fn expressions_and_operators(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        if let Some(end) = conjunction(text, at) {
            found.push(cut(text, (at, end)));
            at = end;
            continue;
        }
        match operand_end(text, at) {
            Some(end) => {
                found.push(cut(text, (at, end)));
                at = end;
            }
            None => at += text.get(at..).and_then(|s| s.chars().next()).map_or(1, char::len_utf8),
        }
    }
    found
}

/// The end of everything up to the next conjunction.
fn operand_end(text: &str, from: usize) -> Option<usize> {
    let mut at = from;
    let mut end = None;
    while at < text.len() {
        let start = skip_spaces(text, at);
        if start >= text.len() || conjunction(text, start).is_some() {
            break;
        }
        let stop = fragment_end(text, start).unwrap_or_else(|| {
            let rest = text.get(start..).unwrap_or("");
            start + rest.bytes().take_while(|b| !is_space(*b)).count()
        });
        at = skip_spaces(text, stop);
        end = Some(at);
    }
    end
}
