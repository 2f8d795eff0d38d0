//! From tokens to the text's own tree: operators by precedence, names, calls.
//!
//! Written by hand over sqlparser's tokens rather than over its statements:
//! the grammar here is small, every refusal knows its place, durations such
//! as `24 hours` are read as they stand, and depth is bounded while reading.

use sqlparser::tokenizer::Token;

use super::lex::{NESTING_MAX, Tokens};
use super::refusal::{Place, Trouble};
use super::syntax::{Kind, Syntax};
use super::tree::{Comparison, Known, Operator};
use crate::value::Value;

/// Reads expressions and queries from tokens.
pub(super) struct Grammar {
    pub(super) tokens: Tokens,
    depth: usize,
}

/// What was read, or why it could not be.
pub(super) type Parsed<T> = Result<T, Trouble>;

pub(super) fn boxed(syntax: Syntax) -> Box<Syntax> {
    Box::new(syntax)
}

impl Grammar {
    pub(super) fn new(tokens: Tokens) -> Self {
        Self { tokens, depth: 0 }
    }

    /// Runs `read` one level deeper.
    pub(super) fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= NESTING_MAX {
            return Err(self.too_deep());
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    pub(super) fn too_deep(&self) -> Trouble {
        Trouble::at(self.tokens.place(), format!("nested more than {NESTING_MAX} deep"))
            .hint("split the condition into segments and join them by in_segment('…')")
    }

    /// `a OR b OR …`.
    pub(super) fn expression(&mut self) -> Parsed<Syntax> {
        let place = self.tokens.place();
        let mut parts = vec![self.conjunction()?];
        while self.tokens.take_word("or") {
            parts.push(self.conjunction()?);
        }
        Ok(joined(place, parts, Kind::Or))
    }

    fn conjunction(&mut self) -> Parsed<Syntax> {
        let place = self.tokens.place();
        let mut parts = vec![self.negation()?];
        while self.tokens.take_word("and") {
            parts.push(self.negation()?);
        }
        Ok(joined(place, parts, Kind::And))
    }

    fn negation(&mut self) -> Parsed<Syntax> {
        let place = self.tokens.place();
        if self.tokens.take_word("not") {
            let inner = self.deeper(Self::negation)?;
            return Ok(Syntax { kind: Kind::Not(boxed(inner)), place });
        }
        let value = self.sum()?;
        self.test(value)
    }

    /// What may follow a value: a comparison, IS, IN, BETWEEN, LIKE. None of
    /// these may follow another.
    fn test(&mut self, value: Syntax) -> Parsed<Syntax> {
        let place = value.place;
        if let Some(comparison) = self.comparison() {
            let right = self.sum()?;
            let kind = Kind::Compare(comparison, boxed(value), boxed(right));
            return self.end_of_test(Syntax { kind, place });
        }
        if self.tokens.take_word("is") {
            let negated = self.tokens.take_word("not");
            let what = self.known()?;
            let is = Syntax { kind: Kind::Is { value: boxed(value), what, negated }, place };
            return self.end_of_test(is);
        }
        let negated = self.tokens.is_word("not")
            && ["in", "between", "like", "ilike"].iter().any(|word| self.tokens.is_word_at(1, word))
            && self.tokens.take_word("not");
        if self.tokens.take_word("between") {
            let low = boxed(self.sum()?);
            self.tokens.expect_word("and")?;
            let high = boxed(self.sum()?);
            let kind = Kind::Between { value: boxed(value), low, high, negated };
            return self.end_of_test(Syntax { kind, place });
        }
        if self.tokens.take_word("in") {
            let kind = self.membership(value, negated)?;
            return self.end_of_test(Syntax { kind, place });
        }
        let any_case = self.tokens.is_word("ilike");
        if self.tokens.take_word("like") || self.tokens.take_word("ilike") {
            let pattern = self.text("a pattern in single quotes")?;
            let kind = Kind::Like { value: boxed(value), pattern, negated, any_case };
            return self.end_of_test(Syntax { kind, place });
        }
        Ok(value)
    }

    fn end_of_test(&self, test: Syntax) -> Parsed<Syntax> {
        let follows =
            matches!(
                self.tokens.peek(),
                Some(Token::Eq | Token::Neq | Token::Lt | Token::LtEq | Token::Gt | Token::GtEq)
            ) || ["is", "in", "between", "like", "ilike"].iter().any(|word| self.tokens.is_word(word));
        if follows {
            return Err(self
                .tokens
                .unexpected("AND or OR between two comparisons")
                .hint("compare two values at a time: a < b AND b < c"));
        }
        Ok(test)
    }

    fn comparison(&mut self) -> Option<Comparison> {
        let comparison = match self.tokens.peek()? {
            Token::Eq => Comparison::Equal,
            Token::Neq => Comparison::NotEqual,
            Token::Lt => Comparison::Less,
            Token::LtEq => Comparison::LessOrEqual,
            Token::Gt => Comparison::Greater,
            Token::GtEq => Comparison::GreaterOrEqual,
            _ => return None,
        };
        self.tokens.take();
        Some(comparison)
    }

    fn known(&mut self) -> Parsed<Known> {
        for (word, known) in
            [("null", Known::Null), ("unknown", Known::Null), ("true", Known::True), ("false", Known::False)]
        {
            if self.tokens.take_word(word) {
                return Ok(known);
            }
        }
        Err(self.tokens.unexpected("NULL, TRUE or FALSE"))
    }

    fn membership(&mut self, value: Syntax, negated: bool) -> Parsed<Kind> {
        self.tokens.expect_token(&Token::LParen)?;
        let kind = if self.tokens.is_word("select") {
            let query = Box::new(self.deeper(Self::query)?);
            Kind::InQuery { value: boxed(value), query, negated }
        } else {
            let list = self.deeper(Self::list)?;
            Kind::InList { value: boxed(value), list, negated }
        };
        self.tokens.expect_token(&Token::RParen)?;
        Ok(kind)
    }

    pub(super) fn list(&mut self) -> Parsed<Vec<Syntax>> {
        let mut list = vec![self.expression()?];
        while self.tokens.take_token(&Token::Comma) {
            list.push(self.expression()?);
        }
        Ok(list)
    }

    /// `a + b - c`.
    pub(super) fn sum(&mut self) -> Parsed<Syntax> {
        self.chain(Self::product, &[(Token::Plus, Operator::Add), (Token::Minus, Operator::Subtract)])
    }

    fn product(&mut self) -> Parsed<Syntax> {
        self.chain(Self::cast, &[(Token::Mul, Operator::Multiply), (Token::Div, Operator::Divide)])
    }

    /// Operands joined from the left, at most as many as nesting allows, since
    /// each makes the tree one deeper.
    fn chain(
        &mut self,
        operand: fn(&mut Self) -> Parsed<Syntax>,
        operators: &[(Token, Operator)],
    ) -> Parsed<Syntax> {
        let mut left = operand(self)?;
        for _ in 0..NESTING_MAX {
            let Some((_, operator)) = operators.iter().find(|(token, _)| self.tokens.take_token(token))
            else {
                return Ok(left);
            };
            let right = operand(self)?;
            let place = left.place;
            left = Syntax { kind: Kind::Arithmetic(*operator, boxed(left), boxed(right)), place };
        }
        Err(self.too_deep())
    }

    /// A text in single quotes.
    pub(super) fn text(&mut self, expected: &str) -> Parsed<String> {
        match self.tokens.peek() {
            Some(Token::SingleQuotedString(text)) => {
                let text = text.clone();
                self.tokens.take();
                Ok(text)
            }
            _ => Err(self.tokens.unexpected(expected)),
        }
    }
}

fn joined(place: Place, mut parts: Vec<Syntax>, join: fn(Vec<Syntax>) -> Kind) -> Syntax {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            Syntax { kind: join(parts), place }
        }
        None => Syntax { kind: Kind::Literal(Value::Null), place },
    }
}

/// Words that end an expression or belong to what is not taken here; as names
/// they must be quoted.
pub(super) fn is_reserved(word: &str) -> bool {
    const WORDS: [&str; 56] = [
        "all",
        "and",
        "any",
        "as",
        "asc",
        "between",
        "by",
        "case",
        "cast",
        "cross",
        "current_date",
        "current_timestamp",
        "desc",
        "distinct",
        "else",
        "end",
        "except",
        "exists",
        "false",
        "fetch",
        "filter",
        "for",
        "from",
        "full",
        "group",
        "having",
        "if",
        "ilike",
        "in",
        "inner",
        "intersect",
        "interval",
        "into",
        "is",
        "join",
        "left",
        "like",
        "limit",
        "natural",
        "not",
        "null",
        "offset",
        "on",
        "or",
        "order",
        "outer",
        "over",
        "qualify",
        "right",
        "select",
        "then",
        "true",
        "union",
        "using",
        "when",
        "where",
    ];
    WORDS.binary_search(&word).is_ok()
}
