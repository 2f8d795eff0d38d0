//! From tokens to the text's own tree: operators by precedence, names, calls.
//!
//! Written by hand over sqlparser's tokens rather than over its statements:
//! the grammar here is small, every refusal knows its place, durations such
//! as `24 hours` are read as they stand, and depth is bounded while reading.

use sqlparser::tokenizer::Token;

use super::bounds::regular_expression;
use super::lex::{NESTING_MAX, Tokens};
use super::refusal::{Place, Trouble};
use super::syntax::{Call, Kind, Syntax};
use super::tree::{Comparison, Known, Operator};
use crate::value::Value;

/// Reads expressions and queries from tokens.
pub(super) struct Grammar {
    pub(super) tokens: Tokens,
    depth: usize,
    /// Whether what is read is the condition of a phrase about events, after
    /// which a window may stand.
    pub(super) in_phrase: bool,
    /// Whether what is read is a condition of CASE, which THEN ends.
    pub(super) in_case: bool,
}

/// What was read, or why it could not be.
pub(super) type Parsed<T> = Result<T, Trouble>;

pub(super) fn boxed(syntax: Syntax) -> Box<Syntax> {
    Box::new(syntax)
}

impl Grammar {
    pub(super) fn new(tokens: Tokens) -> Self {
        Self { tokens, depth: 0, in_phrase: false, in_case: false }
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

    pub(super) fn negation(&mut self) -> Parsed<Syntax> {
        let place = self.tokens.place();
        if self.tokens.is_word("not") && self.tokens.is_word_at(1, "done") && self.begins_phrase(2) {
            self.tokens.take();
            return self.done(true, place);
        }
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
        if let Some((negated, any_case)) = self.matching() {
            return self.pattern_test(value, negated, any_case);
        }
        if let Some(comparison) = self.comparison() {
            if comparison == Comparison::Equal
                && self.tokens.is_word("any")
                && self.tokens.peek_at(1) == Some(&Token::LParen)
            {
                let test = self.any_of_list(value)?;
                return self.end_of_test(test);
            }
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
        if self.in_phrase && self.begins_window() {
            return Ok(value);
        }
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

    /// `~`, `~*`, `!~`, `!~*`, `MATCHES`: whether it is negated, and whether
    /// case does not matter.
    fn matching(&mut self) -> Option<(bool, bool)> {
        if self.tokens.is_word("matches")
            && matches!(self.tokens.peek_at(1), Some(Token::SingleQuotedString(_)))
        {
            self.tokens.take();
            return Some((false, false));
        }
        let found = match self.tokens.peek()? {
            Token::Tilde => (false, false),
            Token::TildeAsterisk => (false, true),
            Token::ExclamationMarkTilde => (true, false),
            Token::ExclamationMarkTildeAsterisk => (true, true),
            _ => return None,
        };
        self.tokens.take();
        Some(found)
    }

    fn pattern_test(&mut self, value: Syntax, negated: bool, any_case: bool) -> Parsed<Syntax> {
        let (place, at) = (value.place, self.tokens.place());
        let pattern = self.text("a regular expression in single quotes")?;
        check_pattern(&pattern, any_case, at)?;
        let kind = Kind::Match { value: boxed(value), pattern, negated, any_case };
        self.end_of_test(Syntax { kind, place })
    }

    /// `value = ANY(list)`.
    fn any_of_list(&mut self, value: Syntax) -> Parsed<Syntax> {
        let place = value.place;
        self.tokens.expect_word("any")?;
        self.tokens.expect_token(&Token::LParen)?;
        let list = self.deeper(Self::expression)?;
        self.tokens.expect_token(&Token::RParen)?;
        Ok(Syntax { kind: call("list_contains", vec![list, value]), place })
    }

    fn end_of_test(&self, test: Syntax) -> Parsed<Syntax> {
        let follows =
            matches!(
                self.tokens.peek(),
                Some(Token::Eq | Token::Neq | Token::Lt | Token::LtEq | Token::Gt | Token::GtEq)
            ) || ["is", "in", "between", "like", "ilike"].iter().any(|word| self.tokens.is_word(word));
        // `in the last …` and `between … and …` may end a phrase about events.
        let window = self.in_phrase && (self.tokens.is_word("between") || self.begins_window());
        if follows && !window {
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

    /// `a + b - c || d`.
    pub(super) fn sum(&mut self) -> Parsed<Syntax> {
        self.chain(
            Self::product,
            &[
                (Token::Plus, Join::By(Operator::Add)),
                (Token::Minus, Join::By(Operator::Subtract)),
                (Token::StringConcat, Join::Call("||")),
            ],
        )
    }

    fn product(&mut self) -> Parsed<Syntax> {
        self.chain(
            Self::cast,
            &[
                (Token::Mul, Join::By(Operator::Multiply)),
                (Token::Div, Join::By(Operator::Divide)),
                (Token::Mod, Join::Call("mod")),
            ],
        )
    }

    /// Operands joined from the left, at most as many as nesting allows, since
    /// each makes the tree one deeper.
    fn chain(
        &mut self,
        operand: fn(&mut Self) -> Parsed<Syntax>,
        operators: &[(Token, Join)],
    ) -> Parsed<Syntax> {
        let mut left = operand(self)?;
        for _ in 0..NESTING_MAX {
            let Some((_, join)) = operators.iter().find(|(token, _)| self.tokens.take_token(token)) else {
                return Ok(left);
            };
            let right = operand(self)?;
            let place = left.place;
            let kind = match join {
                Join::By(operator) => Kind::Arithmetic(*operator, boxed(left), boxed(right)),
                Join::Call(name) => call(name, vec![left, right]),
            };
            left = Syntax { kind, place };
        }
        Err(self.too_deep())
    }

    /// Whether a window such as `in the last 7 days` begins here.
    pub(super) fn begins_window(&self) -> bool {
        self.tokens.is_word("in") && ["the", "zone"].iter().any(|word| self.tokens.is_word_at(1, word))
    }

    /// Reads what stands in parentheses, where no window of a phrase around
    /// them can begin.
    pub(super) fn outside_phrases<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        let outside = (self.in_phrase, self.in_case);
        (self.in_phrase, self.in_case) = (false, false);
        let result = read(self);
        (self.in_phrase, self.in_case) = outside;
        result
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

/// What stands between two operands.
enum Join {
    By(Operator),
    Call(&'static str),
}

/// A call with nothing but values in its parentheses.
pub(super) fn call(name: &str, arguments: Vec<Syntax>) -> Kind {
    Kind::Call(Call { name: name.to_owned(), distinct: false, arguments, order: None })
}

/// Refuses what is no regular expression, or one that takes too much memory.
pub(super) fn check_pattern(pattern: &str, any_case: bool, place: Place) -> Parsed<()> {
    match regular_expression(pattern, any_case) {
        Ok(_) => Ok(()),
        Err(regex::Error::CompiledTooBig(_)) => {
            Err(Trouble::at(place, "the regular expression takes too much memory")
                .hint("repeat fewer times, or use LIKE '%…%'"))
        }
        Err(error) => {
            let said = error.to_string();
            let why = said.lines().last().unwrap_or_default().trim_start_matches("error: ");
            Err(Trouble::at(place, format!("'{pattern}' is not a regular expression: {why}"))
                .hint("the forms of Rust's regex are taken: no look-around and no back-references"))
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
