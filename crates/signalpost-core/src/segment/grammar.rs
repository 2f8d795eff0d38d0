//! From tokens to the text's own tree: operators by precedence, names, calls.
//!
//! Written by hand over sqlparser's tokens rather than over its statements:
//! the grammar here is small, every refusal knows its place, durations such
//! as `24 hours` are read as they stand, and depth is bounded while reading.

use sqlparser::tokenizer::{Token, Word};

use super::duration;
use super::lex::{NESTING_MAX, Tokens};
use super::refusal::{Place, Trouble};
use super::syntax::{Call, Kind, Order, Query, Syntax};
use super::tree::{CastTo, Comparison, Known, Operator};
use crate::value::Value;

/// Reads expressions and queries from tokens.
pub(super) struct Grammar {
    pub(super) tokens: Tokens,
    depth: usize,
}

type Parsed<T> = Result<T, Trouble>;

fn boxed(syntax: Syntax) -> Box<Syntax> {
    Box::new(syntax)
}

impl Grammar {
    pub(super) fn new(tokens: Tokens) -> Self {
        Self { tokens, depth: 0 }
    }

    /// Runs `read` one level deeper.
    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= NESTING_MAX {
            return Err(self.too_deep());
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    fn too_deep(&self) -> Trouble {
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

    fn list(&mut self) -> Parsed<Vec<Syntax>> {
        let mut list = vec![self.expression()?];
        while self.tokens.take_token(&Token::Comma) {
            list.push(self.expression()?);
        }
        Ok(list)
    }

    /// `a + b - c`.
    fn sum(&mut self) -> Parsed<Syntax> {
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

    /// `x::type`.
    fn cast(&mut self) -> Parsed<Syntax> {
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

    fn type_name(&mut self) -> Parsed<CastTo> {
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
    fn name(&mut self, place: Place) -> Parsed<Syntax> {
        let mut parts = Vec::new();
        let mut quoted = false;
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
    fn order(&mut self) -> Parsed<Option<Order>> {
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

    fn table(&mut self) -> Parsed<(String, Place, Option<String>)> {
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
                "a join cannot be kept live: use EXISTS (SELECT 1 FROM events e WHERE …), or a scheduled refresh",
            ));
        }
        Ok((table, place, alias))
    }

    /// `LIMIT 1`; any other number is refused.
    fn limit(&mut self) -> Parsed<Option<Place>> {
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
