//! The tokens inside a Handlebars tag.
//!
//! In: source and a place in it. Out: the next token, in the order in which the reference's lexer tries its rules.

/// A token inside `{{ }}`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    OpenSexpr,
    CloseSexpr,
    CloseRaw,
    CloseUnescaped {
        strip: bool,
    },
    Close {
        strip: bool,
    },
    Equals,
    /// An id: its text, and whether it stood in brackets.
    Id {
        text: String,
        literal: bool,
    },
    Separator(char),
    Text(String),
    Data,
    Bool(bool),
    Undefined,
    Null,
    Number(f64),
    OpenParameters,
    CloseParameters,
    Invalid(char),
    End,
}

fn is_lookahead(c: Option<char>) -> bool {
    match c {
        None => false,
        Some(c) => matches!(c, '=' | '~' | '}' | '/' | '.' | ')' | '|') || c.is_whitespace(),
    }
}

fn is_literal_lookahead(c: Option<char>) -> bool {
    c.is_some_and(|c| matches!(c, '~' | '}' | ')') || c.is_whitespace())
}

fn is_id(c: char) -> bool {
    !(c.is_whitespace()
        || matches!(
            c,
            '!' | '"'
                | '#'
                | '%'
                | '&'
                | '\''
                | '('
                | ')'
                | '*'
                | '+'
                | ','
                | '.'
                | '/'
                | ';'
                | '<'
                | '='
                | '>'
                | '@'
                | '['
                | '\\'
                | ']'
                | '^'
                | '`'
                | '{'
                | '|'
                | '}'
                | '~'
        ))
}

/// The token at `at` (after white space), with its start and end.
pub(crate) fn token(source: &str, at: usize) -> (Token, usize, usize) {
    let rest = source.get(at..).unwrap_or("");
    let trimmed = rest.trim_start();
    let start = at + rest.len() - trimmed.len();
    let (token, length) = one(trimmed);
    (token, start, start + length)
}

fn one(rest: &str) -> (Token, usize) {
    let Some(first) = rest.chars().next() else {
        return (Token::End, 0);
    };
    if let Some(found) = closing(rest) {
        return found;
    }
    let after = rest.chars().nth(1);
    match first {
        '(' => (Token::OpenSexpr, 1),
        ')' => (Token::CloseSexpr, 1),
        '=' => (Token::Equals, 1),
        '@' => (Token::Data, 1),
        '|' => (Token::CloseParameters, 1),
        '.' if after == Some('.') => (Token::Id { text: "..".to_owned(), literal: false }, 2),
        '.' if is_lookahead(after) => (Token::Id { text: ".".to_owned(), literal: false }, 1),
        '.' | '/' => (Token::Separator(first), 1),
        '"' | '\'' => quoted(rest, first),
        '[' => bracketed(rest),
        _ => word(rest, first),
    }
}

fn closing(rest: &str) -> Option<(Token, usize)> {
    for (text, token) in [
        ("}}}}", Token::CloseRaw),
        ("}~}}", Token::CloseUnescaped { strip: true }),
        ("}}}", Token::CloseUnescaped { strip: false }),
        ("~}}", Token::Close { strip: true }),
        ("}}", Token::Close { strip: false }),
    ] {
        if rest.starts_with(text) {
            return Some((token, text.len()));
        }
    }
    None
}

/// A quoted string, in which a backslash only escapes the quote.
fn quoted(rest: &str, quote: char) -> (Token, usize) {
    let mut text = String::new();
    // Where nothing else closes the string, its last escaped quote does.
    let mut fallback = None;
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' && chars.peek().is_some_and(|(_, next)| *next == quote) {
            fallback = Some((text.len(), at + 2));
            text.push(quote);
            chars.next();
        } else if c == quote {
            return (Token::Text(text), at + 1);
        } else {
            text.push(c);
        }
    }
    match fallback {
        Some((length, end)) => {
            text.truncate(length);
            text.push('\\');
            (Token::Text(text), end)
        }
        None => (Token::Invalid(quote), 1),
    }
}

/// A name in brackets, in which a backslash escapes `]` and itself.
fn bracketed(rest: &str) -> (Token, usize) {
    let mut text = String::new();
    // Where nothing else closes the name, its last escaped bracket does.
    let mut fallback = None;
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        match (c, chars.peek().map(|(_, next)| *next)) {
            ('\\', Some(']')) => {
                fallback = Some((text.len(), at + 2));
                text.push(']');
                chars.next();
            }
            (']', _) => return (Token::Id { text, literal: true }, at + 1),
            _ => text.push(c),
        }
    }
    match fallback {
        Some((length, end)) => {
            text.truncate(length);
            (Token::Id { text, literal: true }, end)
        }
        None => (Token::Invalid('['), 1),
    }
}

fn word(rest: &str, first: char) -> (Token, usize) {
    for (text, token) in [
        ("true", Token::Bool(true)),
        ("false", Token::Bool(false)),
        ("undefined", Token::Undefined),
        ("null", Token::Null),
    ] {
        if let Some(after) = rest.strip_prefix(text)
            && is_literal_lookahead(after.chars().next())
        {
            return (token, text.len());
        }
    }
    if let Some(found) = number(rest) {
        return found;
    }
    if let Some(after) = rest.strip_prefix("as") {
        let bar = after.trim_start();
        if bar.len() < after.len() && bar.starts_with('|') {
            return (Token::OpenParameters, rest.len() - bar.len() + 1);
        }
    }
    let length: usize = rest.chars().take_while(|c| is_id(*c)).map(char::len_utf8).sum();
    let text = rest.get(..length).unwrap_or("");
    if length > 0 && is_lookahead(rest.get(length..).and_then(|r| r.chars().next())) {
        return (Token::Id { text: text.to_owned(), literal: false }, length);
    }
    (Token::Invalid(first), first.len_utf8())
}

fn number(rest: &str) -> Option<(Token, usize)> {
    let sign = usize::from(rest.starts_with('-'));
    let digits = |from: usize| rest.bytes().skip(from).take_while(u8::is_ascii_digit).count();
    let whole = digits(sign);
    if whole == 0 {
        return None;
    }
    let mut length = sign + whole;
    if rest.as_bytes().get(length) == Some(&b'.') {
        let fraction = digits(length + 1);
        if fraction > 0 {
            length += 1 + fraction;
        }
    }
    if !is_literal_lookahead(rest.get(length..).and_then(|r| r.chars().next())) {
        return None;
    }
    rest.get(..length)?.parse().ok().map(|n| (Token::Number(n), length))
}
