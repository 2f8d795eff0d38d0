//! Tables as they were: `customer_data FOR SYSTEM_TIME AS OF TIMESTAMP '…'`, or
//! `customer_data_at('…')`.
//!
//! In: a query's text. Out: the same with each such table named
//! `"customer_data@…"`, which whoever gives live tables knows by that name.
//! SQL engines differ in this clause, so it is read here, before the parser.

use deltalake::datafusion::sql::sqlparser::dialect::GenericDialect;
use deltalake::datafusion::sql::sqlparser::keywords::{Keyword, RESERVED_FOR_TABLE_ALIAS};
use deltalake::datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer, Word};
use signalpost_core::time::Timestamp;

use crate::error::{Error, SqlError};

/// The table that has a past.
const TABLE: &str = "customer_data";
/// The function that gives it.
const FUNCTION: &str = "customer_data_at";

/// A query with its tables of the past named by their instant.
pub(super) fn named(sql: &str) -> Result<String, Error> {
    let lower = sql.to_ascii_lowercase();
    if !lower.contains(FUNCTION) && !lower.contains("of") {
        return Ok(sql.to_owned());
    }
    // What cannot be read is for the parser to refuse.
    let Ok(tokens) = Tokenizer::new(&GenericDialect {}, sql).tokenize() else { return Ok(sql.to_owned()) };
    let mut text = String::with_capacity(sql.len() + 32);
    let mut place = 0;
    let mut changed = false;
    while let Some(token) = tokens.get(place) {
        match past_table(&tokens, place) {
            Some((instant, end)) => {
                let at = read(instant)?;
                text.push_str(&format!("\"{TABLE}@{at}\""));
                if !has_alias(&tokens, end) {
                    text.push_str(&format!(" AS {TABLE}"));
                }
                place = end;
                changed = true;
            }
            None => {
                text.push_str(&token.to_string());
                place += 1;
            }
        }
    }
    Ok(if changed { text } else { sql.to_owned() })
}

/// The instant of a table of the past that begins at `place`, and where it ends.
fn past_table(tokens: &[Token], place: usize) -> Option<(&str, usize)> {
    let Token::Word(Word { value, .. }) = tokens.get(place)? else { return None };
    let mut reading = Reading { tokens, place: place + 1 };
    if value.eq_ignore_ascii_case(FUNCTION) {
        reading.take(&Token::LParen)?;
        reading.word(Keyword::TIMESTAMP);
        let instant = reading.text()?;
        reading.take(&Token::RParen)?;
        return Some((instant, reading.place));
    }
    if !value.eq_ignore_ascii_case(TABLE) {
        return None;
    }
    if reading.word(Keyword::FOR) && !(reading.word(Keyword::SYSTEM_TIME)) {
        return None;
    }
    if !(reading.word(Keyword::AS) && reading.word(Keyword::OF)) {
        return None;
    }
    reading.word(Keyword::TIMESTAMP);
    let instant = reading.text()?;
    Some((instant, reading.place))
}

fn has_alias(tokens: &[Token], place: usize) -> bool {
    let mut reading = Reading { tokens, place };
    match reading.next() {
        Some(Token::Word(word)) => {
            word.keyword == Keyword::AS
                || word.quote_style.is_some()
                || !RESERVED_FOR_TABLE_ALIAS.contains(&word.keyword)
        }
        _ => false,
    }
}

struct Reading<'t> {
    tokens: &'t [Token],
    place: usize,
}

impl<'t> Reading<'t> {
    /// The next token that is not blank.
    fn next(&mut self) -> Option<&'t Token> {
        while let Some(token) = self.tokens.get(self.place) {
            self.place += 1;
            if !matches!(token, Token::Whitespace(_)) {
                return Some(token);
            }
        }
        None
    }

    fn take(&mut self, wanted: &Token) -> Option<()> {
        (self.next()? == wanted).then_some(())
    }

    /// Takes a keyword, if it is next.
    fn word(&mut self, wanted: Keyword) -> bool {
        let before = self.place;
        let found = matches!(self.next(), Some(Token::Word(word)) if word.keyword == wanted);
        if !found {
            self.place = before;
        }
        found
    }

    fn text(&mut self) -> Option<&'t str> {
        match self.next()? {
            Token::SingleQuotedString(text) => Some(text),
            _ => None,
        }
    }
}

/// An instant: RFC 3339, or a date, with a time of day or without, in UTC.
fn read(text: &str) -> Result<Timestamp, Error> {
    let text = text.trim();
    let day = || Timestamp::parse(&format!("{text}T00:00:00Z"));
    let time = || Timestamp::parse(&format!("{}Z", text.replacen(' ', "T", 1)));
    Timestamp::parse(text).or_else(day).or_else(time).ok_or_else(|| {
        SqlError {
            message: format!("'{text}' is not an instant"),
            at: None,
            hint: Some("AS OF TIMESTAMP '2026-04-10T12:00:00Z'".into()),
        }
        .into()
    })
}

#[cfg(test)]
mod tests;
