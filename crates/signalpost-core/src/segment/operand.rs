//! The smallest pieces of an expression: numbers, lengths of time, names,
//! calls, CASE, casts.

use sqlparser::tokenizer::{Token, Word};

use super::duration;
use super::grammar::{Grammar, Parsed, boxed, is_reserved};
use super::refusal::{Place, Trouble};
use super::syntax::{Call, Kind, Order, Syntax};
use super::tree::CastTo;
use crate::value::Value;

impl Grammar {
    /// `x::type`.
    pub(super) fn cast(&mut self) -> Parsed<Syntax> {
        let mut value = self.operand()?;
        for _ in 0..4 {
            if !self.tokens.take_token(&Token::DoubleColon) {
                return Ok(value);
            }
            value = self.cast_to(value)?;
        }
        Err(self.too_deep())
    }

    fn cast_to(&mut self, value: Syntax) -> Parsed<Syntax> {
        let place = value.place;
        if self.tokens.take_word("interval") {
            let Kind::Literal(Value::Text(text)) = &value.kind else {
                return Err(Trouble::at(place, "only a text such as '7 days' can become an interval"));
            };
            let span = duration::from_text(text, place)?;
            return Ok(Syntax { kind: Kind::Duration(span), place });
        }
        let to = self.type_name()?;
        Ok(Syntax { kind: Kind::Cast(boxed(value), to), place })
    }

    pub(super) fn type_name(&mut self) -> Parsed<CastTo> {
        let trouble = self.tokens.unexpected("TEXT, DOUBLE, BIGINT, TIMESTAMP or DATE").hint(
            "only these casts are exact; money is compared and summed as exact decimals without any cast",
        );
        let Some(Token::Word(Word { value, quote_style: None, .. })) = self.tokens.take() else {
            return Err(trouble);
        };
        let to = match value.to_ascii_lowercase().as_str() {
            "text" | "varchar" | "string" => CastTo::Text,
            "double" => {
                self.tokens.take_word("precision");
                CastTo::Double
            }
            "int" | "integer" | "bigint" => CastTo::Integer,
            "timestamp" | "timestamptz" => CastTo::Timestamp,
            "date" => CastTo::Date,
            _ => return Err(trouble),
        };
        Ok(to)
    }

    fn operand(&mut self) -> Parsed<Syntax> {
        let place = self.tokens.place();
        match self.tokens.peek() {
            Some(Token::LParen) => self.parenthesis(place),
            Some(Token::Minus) => {
                self.tokens.take();
                let inner = self.deeper(Self::operand)?;
                Ok(Syntax { kind: Kind::Negative(boxed(inner)), place })
            }
            Some(Token::Plus) => {
                self.tokens.take();
                self.deeper(Self::operand)
            }
            Some(Token::Number(text, _)) => {
                let text = text.clone();
                self.tokens.take();
                self.number(&text, place)
            }
            Some(Token::SingleQuotedString(text)) => {
                let kind = Kind::Literal(Value::from(text.as_str()));
                self.tokens.take();
                Ok(Syntax { kind, place })
            }
            Some(Token::Word(word)) => {
                let word = word.clone();
                self.word(word, place)
            }
            _ => Err(self.tokens.unexpected("a value, a name or a condition")),
        }
    }

    fn parenthesis(&mut self, place: Place) -> Parsed<Syntax> {
        self.tokens.expect_token(&Token::LParen)?;
        let inner = if self.tokens.is_word("select") {
            let query = self.deeper(Self::query)?;
            Syntax { kind: Kind::Query(Box::new(query)), place }
        } else {
            self.deeper(Self::expression)?
        };
        self.tokens.expect_token(&Token::RParen)?;
        Ok(inner)
    }

    /// A number, or a duration when a unit follows: `24 hours`.
    fn number(&mut self, text: &str, place: Place) -> Parsed<Syntax> {
        if let Some(Token::Word(Word { value, quote_style: None, .. })) = self.tokens.peek()
            && duration::is_unit(value)
        {
            let unit = value.clone();
            self.tokens.take();
            let span = duration::from_parts(text, &unit, place)?;
            return Ok(Syntax { kind: Kind::Duration(span), place });
        }
        let value = text.parse().map(Value::Int).or_else(|_| text.parse().map(Value::Float));
        match value {
            Ok(Value::Float(number)) if !number.is_finite() => {
                Err(Trouble::at(place, format!("the number {text} is too large")))
            }
            Ok(value) => Ok(Syntax { kind: Kind::Literal(value), place }),
            Err(_) => Err(Trouble::at(place, format!("{text} is not a number"))),
        }
    }

    fn word(&mut self, word: Word, place: Place) -> Parsed<Syntax> {
        let lower = word.value.to_ascii_lowercase();
        if word.quote_style.is_some() {
            return self.name(place);
        }
        let constant = |kind| Ok(Syntax { kind, place });
        match lower.as_str() {
            "null" | "true" | "false" => {
                self.tokens.take();
                constant(Kind::Literal(match lower.as_str() {
                    "null" => Value::Null,
                    other => Value::Bool(other == "true"),
                }))
            }
            "case" => self.deeper(|own| own.case(place)),
            "cast" if self.tokens.peek_at(1) == Some(&Token::LParen) => {
                self.tokens.take();
                self.tokens.take();
                let value = self.deeper(Self::expression)?;
                self.tokens.expect_word("as")?;
                let cast = self.cast_to(value)?;
                self.tokens.expect_token(&Token::RParen)?;
                Ok(cast)
            }
            "exists" if self.tokens.peek_at(1) == Some(&Token::LParen) => {
                self.tokens.take();
                self.tokens.take();
                let query = self.deeper(Self::query)?;
                self.tokens.expect_token(&Token::RParen)?;
                constant(Kind::Exists(Box::new(query)))
            }
            "interval" => self.interval(place),
            "timestamp" | "date" if matches!(self.tokens.peek_at(1), Some(Token::SingleQuotedString(_))) => {
                self.tokens.take();
                let text = self.text("an instant in single quotes")?;
                constant(Kind::Literal(duration::instant(&text, place)?))
            }
            "current_timestamp" | "current_date" => self.call(&lower, place),
            "select" => {
                Err(self.tokens.unexpected("a value or a name").hint("put a subquery in parentheses"))
            }
            reserved if is_reserved(reserved) => {
                Err(self.tokens.unexpected("a value, a name or a condition"))
            }
            _ if self.tokens.peek_at(1) == Some(&Token::LParen) => self.call(&lower, place),
            _ => self.name(place),
        }
    }

    fn interval(&mut self, place: Place) -> Parsed<Syntax> {
        self.tokens.expect_word("interval")?;
        let negative = self.tokens.take_token(&Token::Minus);
        let amount = match self.tokens.take() {
            Some(Token::SingleQuotedString(text) | Token::Number(text, _)) => text,
            _ => return Err(Trouble::at(place, "INTERVAL needs an amount").hint("INTERVAL '24 hours'")),
        };
        let span = match self.tokens.peek() {
            Some(Token::Word(Word { value, quote_style: None, .. })) if duration::is_unit(value) => {
                let unit = value.clone();
                self.tokens.take();
                duration::from_parts(&amount, &unit, place)?
            }
            _ => duration::from_text(&amount, place)?,
        };
        let span = if negative { span.times(-1) } else { span };
        Ok(Syntax { kind: Kind::Duration(span), place })
    }

    fn case(&mut self, place: Place) -> Parsed<Syntax> {
        self.tokens.expect_word("case")?;
        let operand = if self.tokens.is_word("when") { None } else { Some(boxed(self.expression()?)) };
        let mut branches = Vec::new();
        while self.tokens.take_word("when") {
            let condition = self.expression()?;
            self.tokens.expect_word("then")?;
            branches.push((condition, self.expression()?));
        }
        if branches.is_empty() {
            return Err(self.tokens.unexpected("WHEN"));
        }
        let otherwise = if self.tokens.take_word("else") { Some(boxed(self.expression()?)) } else { None };
        self.tokens.expect_word("end")?;
        Ok(Syntax { kind: Kind::Case { operand, branches, otherwise }, place })
    }

    /// `a`, `a.b`.
    pub(super) fn name(&mut self, place: Place) -> Parsed<Syntax> {
        let mut parts = Vec::new();
        let mut quoted;
        loop {
            let Some(Token::Word(word)) = self.tokens.peek() else {
                return Err(self.tokens.unexpected("a name"));
            };
            quoted = word.quote_style.is_some();
            parts.push(word.value.clone());
            self.tokens.take();
            if !self.tokens.take_token(&Token::Period) {
                break;
            }
        }
        if parts.len() > 2 {
            return Err(Trouble::at(place, format!("{} has too many parts", parts.join("."))).hint(
                "a name is a column or table.column; a value inside an object cannot be named: send it as a \
                 property of its own",
            ));
        }
        Ok(Syntax { kind: Kind::Name { parts, quoted }, place })
    }

    fn call(&mut self, name: &str, place: Place) -> Parsed<Syntax> {
        self.tokens.take();
        let mut call = Call { name: name.to_owned(), distinct: false, arguments: Vec::new(), order: None };
        if self.tokens.take_token(&Token::LParen) {
            call.distinct = self.tokens.take_word("distinct");
            if self.tokens.peek() == Some(&Token::Mul) {
                let star = Syntax { kind: Kind::Star, place: self.tokens.place() };
                self.tokens.take();
                call.arguments.push(star);
            } else if self.tokens.peek() != Some(&Token::RParen) {
                call.arguments = self.deeper(Self::list)?;
            }
            call.order = self.order()?;
            self.tokens.expect_token(&Token::RParen)?;
        }
        if self.tokens.is_word("over") || self.tokens.is_word("filter") {
            let trouble = self.tokens.unexpected("an operator");
            return Err(if self.tokens.is_word("filter") {
                trouble.hint("put the condition into the subquery's WHERE")
            } else {
                trouble
            });
        }
        Ok(Syntax { kind: Kind::Call(call), place })
    }

    /// `ORDER BY x [ASC|DESC]`, where it stands.
    pub(super) fn order(&mut self) -> Parsed<Option<Order>> {
        if !(self.tokens.is_word("order") && self.tokens.is_word_at(1, "by")) {
            return Ok(None);
        }
        self.tokens.take();
        self.tokens.take();
        let by = boxed(self.deeper(Self::sum)?);
        let descending = self.tokens.take_word("desc");
        if !descending {
            self.tokens.take_word("asc");
        }
        Ok(Some(Order { by, descending }))
    }
}
