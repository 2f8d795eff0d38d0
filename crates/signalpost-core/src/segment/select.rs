//! From tokens to a query's own tree: SELECT, FROM, WHERE, GROUP BY, HAVING.

use sqlparser::tokenizer::Token;

use super::grammar::{Grammar, Parsed, is_reserved};
use super::refusal::Place;
use super::syntax::{Kind, Query, Syntax};

impl Grammar {
    /// `SELECT … FROM …`.
    pub(super) fn query(&mut self) -> Parsed<Query> {
        let place = self.tokens.place();
        self.tokens.expect_word("select")?;
        self.tokens.take_word("distinct");
        let mut items = Vec::new();
        loop {
            let item = self.tokens.place();
            if self.tokens.take_token(&Token::Mul) {
                items.push(Syntax { kind: Kind::Star, place: item });
            } else {
                items.push(self.expression()?);
                if self.tokens.take_word("as") {
                    self.name(item)?;
                }
            }
            if !self.tokens.take_token(&Token::Comma) {
                break;
            }
        }
        self.tokens.expect_word("from")?;
        let (table, table_place, alias) = self.table()?;
        let filter = if self.tokens.take_word("where") { Some(self.expression()?) } else { None };
        let mut group = Vec::new();
        if self.tokens.take_word("group") {
            self.tokens.expect_word("by")?;
            group = self.list()?;
        }
        let having = if self.tokens.take_word("having") { Some(self.expression()?) } else { None };
        let order = self.order()?;
        let limit = self.limit()?;
        Ok(Query { items, table, table_place, alias, filter, group, having, order, limit, place })
    }

    pub(super) fn table(&mut self) -> Parsed<(String, Place, Option<String>)> {
        let place = self.tokens.place();
        let Some(Token::Word(word)) = self.tokens.peek() else {
            return Err(self.tokens.unexpected("a table").hint("events or customer_data"));
        };
        let table =
            if word.quote_style.is_none() { word.value.to_ascii_lowercase() } else { word.value.clone() };
        self.tokens.take();
        let named = self.tokens.take_word("as");
        let alias = match self.tokens.peek() {
            Some(Token::Word(word))
                if named || word.quote_style.is_some() || !is_reserved(&word.value.to_ascii_lowercase()) =>
            {
                let alias = word.value.to_ascii_lowercase();
                self.tokens.take();
                Some(alias)
            }
            _ => None,
        };
        if self.tokens.peek() == Some(&Token::Comma) {
            return Err(self.tokens.unexpected("WHERE").hint(
                "a join cannot be kept live: use EXISTS (SELECT 1 FROM events e WHERE …), or give the SQL a schedule: \"refresh\": {\"cron\": \"0 3 * * *\"}",
            ));
        }
        Ok((table, place, alias))
    }

    /// `LIMIT 1`; any other number is refused.
    pub(super) fn limit(&mut self) -> Parsed<Option<Place>> {
        let place = self.tokens.place();
        let refused = self.tokens.unexpected("the end of the query");
        if !self.tokens.take_word("limit") {
            return Ok(None);
        }
        match self.tokens.take() {
            Some(Token::Number(one, _)) if one == "1" => Ok(Some(place)),
            _ => Err(refused),
        }
    }
}
