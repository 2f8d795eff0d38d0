//! From text to tokens with places: typographic quotes made plain, limits on
//! size and nesting checked before anything recurses.

use sqlparser::dialect::GenericDialect;
use sqlparser::tokenizer::{Token, Tokenizer, Whitespace, Word};

use super::refusal::{Note, Place, Trouble};

/// Longest text taken, in bytes.
pub(super) const TEXT_BYTES_MAX: usize = 64 * 1024;
/// Deepest nesting taken: parentheses, subqueries, NOT, CASE, arithmetic.
pub(super) const NESTING_MAX: usize = 64;

/// The tokens of a text and where each begins; reads forward only.
pub(super) struct Tokens {
    tokens: Vec<(Token, Place)>,
    next: usize,
    end: Place,
}

/// Cuts `text` into tokens; white space and comments are left out.
pub(super) fn lex(text: &str, notes: &mut Vec<Note>) -> Result<Tokens, Trouble> {
    if text.len() > TEXT_BYTES_MAX {
        let message = format!("the text has {} bytes, at most {TEXT_BYTES_MAX} are taken", text.len());
        return Err(Trouble::at(Place { line: 1, column: 1 }, message)
            .hint("keep long lists of values in a trait or a segment of their own"));
    }
    let plain = plain_quotes(text, notes);
    let mut tokens = Vec::new();
    let found = Tokenizer::new(&GenericDialect {}, &plain).tokenize_with_location().map_err(|error| {
        let place = place(error.location.line, error.location.column);
        let hint = if error.message.contains("Unterminated") {
            "close the text with the quote it was opened with; a quote inside is written twice ('')"
        } else {
            "write texts in single quotes ('…') and odd names in double quotes (\"…\")"
        };
        Trouble::at(place, format!("cannot be read: {}", error.message)).hint(hint)
    })?;
    for token in found {
        let place = place(token.span.start.line, token.span.start.column);
        match token.token {
            Token::Whitespace(
                Whitespace::Space
                | Whitespace::Newline
                | Whitespace::Tab
                | Whitespace::SingleLineComment { .. }
                | Whitespace::MultiLineComment(_),
            )
            | Token::EOF => {}
            token => tokens.push((token, place)),
        }
    }
    Ok(Tokens { tokens, next: 0, end: end_of(&plain) })
}

fn place(line: u64, column: u64) -> Place {
    let bounded = |number: u64| usize::try_from(number).unwrap_or(usize::MAX).max(1);
    Place { line: bounded(line), column: bounded(column) }
}

/// The place just after the last character that is not white space.
fn end_of(text: &str) -> Place {
    let text = text.trim_end();
    let last = text.lines().last().unwrap_or_default();
    Place { line: text.lines().count().max(1), column: last.chars().count() + 1 }
}

/// Word processors turn quotes into typographic ones. Outside plain quotes
/// each becomes a plain single quote, so that every place stays the same.
fn plain_quotes(text: &str, notes: &mut Vec<Note>) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut inside: Option<char> = None;
    let mut place = Place { line: 1, column: 1 };
    for letter in text.chars() {
        let typographic = matches!(
            letter,
            '\u{2018}'
                | '\u{2019}'
                | '\u{201a}'
                | '\u{201b}'
                | '\u{201c}'
                | '\u{201d}'
                | '\u{201e}'
                | '\u{201f}'
                | '\u{ab}'
                | '\u{bb}'
        );
        match inside {
            None if typographic => {
                notes.push(Note {
                    line: place.line,
                    column: place.column,
                    message: format!("the typographic quote {letter} was read as '"),
                });
                plain.push('\'');
                inside = Some('\u{2018}');
            }
            None => {
                if matches!(letter, '\'' | '"' | '`') {
                    inside = Some(letter);
                }
                plain.push(letter);
            }
            // A text opened by a typographic quote is closed by any of them;
            // a plain apostrophe inside it is part of the text.
            Some('\u{2018}') if typographic => {
                plain.push('\'');
                inside = None;
            }
            Some('\u{2018}') if letter == '\'' => plain.push_str("''"),
            Some(opened) => {
                if letter == opened {
                    inside = None;
                }
                plain.push(letter);
            }
        }
        if letter == '\n' {
            place = Place { line: place.line + 1, column: 1 };
        } else {
            place.column += 1;
        }
    }
    plain
}

impl Tokens {
    /// The next token, without taking it.
    pub(super) fn peek(&self) -> Option<&Token> {
        self.peek_at(0)
    }

    /// The token `ahead` places further on.
    pub(super) fn peek_at(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.next + ahead).map(|(token, _)| token)
    }

    /// Where the next token begins; after the text when there is none.
    pub(super) fn place(&self) -> Place {
        self.tokens.get(self.next).map_or(self.end, |(_, place)| *place)
    }

    /// Takes the next token.
    pub(super) fn take(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.next).map(|(token, _)| token.clone());
        self.next += usize::from(token.is_some());
        token
    }

    /// Whether the token `ahead` is this unquoted word, in any case.
    pub(super) fn is_word_at(&self, ahead: usize, word: &str) -> bool {
        matches!(self.peek_at(ahead), Some(Token::Word(Word { value, quote_style: None, .. }))
            if value.eq_ignore_ascii_case(word))
    }

    /// Whether the next token is this unquoted word, in any case.
    pub(super) fn is_word(&self, word: &str) -> bool {
        self.is_word_at(0, word)
    }

    /// Takes the next token if it is this word.
    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let is = self.is_word(word);
        self.next += usize::from(is);
        is
    }

    /// Takes the next token if it is this one.
    pub(super) fn take_token(&mut self, token: &Token) -> bool {
        let is = self.peek() == Some(token);
        self.next += usize::from(is);
        is
    }

    /// Takes this word or refuses what stands in its place.
    pub(super) fn expect_word(&mut self, word: &str) -> Result<(), Trouble> {
        if self.take_word(word) { Ok(()) } else { Err(self.unexpected(&word.to_uppercase())) }
    }

    /// Takes this token or refuses what stands in its place.
    pub(super) fn expect_token(&mut self, token: &Token) -> Result<(), Trouble> {
        if self.take_token(token) { Ok(()) } else { Err(self.unexpected(&format!("'{token}'"))) }
    }

    /// Refuses the next token, where `expected` should stand.
    pub(super) fn unexpected(&self, expected: &str) -> Trouble {
        let Some(token) = self.peek() else {
            return Trouble::at(self.end, format!("the text ends where {expected} was expected"));
        };
        let trouble = Trouble::at(self.place(), format!("expected {expected}, found {token}"));
        match hint_for(token) {
            Some(hint) => trouble.hint(hint),
            None => trouble,
        }
    }
}

/// What can be done instead of what is not understood here.
fn hint_for(token: &Token) -> Option<&'static str> {
    let Token::Word(Word { value, quote_style: None, .. }) = token else {
        return match token {
            Token::DoubleEq => Some("equality is written ="),
            Token::Ampersand => Some("write AND"),
            Token::SemiColon => Some("one statement at a time"),
            _ => None,
        };
    };
    Some(match value.to_ascii_uppercase().as_str() {
        "JOIN" | "INNER" | "LEFT" | "RIGHT" | "FULL" | "CROSS" | "NATURAL" => {
            "a join cannot be kept live: use EXISTS (SELECT 1 FROM events e WHERE e.customer_id = \
             customer_data.customer_id AND …), or give the SQL a schedule: \"refresh\": {\"cron\": \"0 3 * * *\"}"
        }
        "OVER" | "WINDOW" | "QUALIFY" => {
            "window functions cannot be kept live: compare an aggregate such as (SELECT count(*) FROM events \
             WHERE …), or give the SQL a schedule: \"refresh\": {\"cron\": \"0 3 * * *\"}"
        }
        "LIMIT" | "OFFSET" | "FETCH" | "TOP" => {
            "whether a person is a member may not depend on other people: leave it out, or give the SQL a \
             schedule: \"refresh\": {\"cron\": \"0 3 * * *\"}"
        }
        "ORDER" => {
            "the members of a segment have no order: leave it out, or, to rank them, write IF top 100 customers by …"
        }
        "UNION" | "INTERSECT" | "EXCEPT" => "join the conditions by OR, AND, AND NOT instead",
        "GROUP" | "HAVING" => {
            "group inside customer_id IN (SELECT customer_id FROM events WHERE … GROUP BY customer_id HAVING …)"
        }
        "WITH" => "write the subquery where it is used",
        _ => return None,
    })
}
