//! The smallest pieces of an expression: numbers, lengths of time, names,
//! calls, CASE, casts.

use sqlparser::tokenizer::{Token, Word};

use super::calendar::Zone;
use super::duration;
use super::grammar::{Grammar, Parsed, boxed, is_reserved};
use super::refusal::{Place, Trouble};
use super::routine::{Part, Unit};
use super::syntax::{Call, Kind, Order, Syntax};
use super::tree::{CastTo, Step};
use crate::value::Value;

/// Most steps into an object or list.
pub(super) const STEPS_MAX: usize = 16;

/// A length of time from a text: of fixed length, or of whole months.
fn length(text: &str, place: Place) -> Parsed<Kind> {
    if let Some((amount, unit)) = text.trim().split_once(' ')
        && let Some(months) = duration::months(amount, unit.trim(), place)?
    {
        return Ok(Kind::Months(months));
    }
    Ok(Kind::Duration(duration::from_text(text, place)?))
}

/// The zone of this name.
pub(super) fn zone(name: &str, place: Place) -> Parsed<Zone> {
    Zone::named(name).ok_or_else(|| {
        let trouble = Trouble::at(place, format!("there is no time zone '{name}'"));
        match Zone::nearest(name) {
            Some(near) => trouble.hint(format!("did you mean '{near}'?")),
            None => trouble.hint("a name of the IANA database, such as 'Europe/Berlin'"),
        }
    })
}

/// The unit of the calendar of this name.
pub(super) fn unit(name: &str, place: Place) -> Parsed<Unit> {
    Unit::named(name).ok_or_else(|| {
        let names = Unit::ALL.map(Unit::name).join(", ");
        Trouble::at(place, format!("'{name}' is not a unit of the calendar"))
            .hint(format!("there are {names}"))
    })
}

/// The part of an instant of this name.
pub(super) fn part(name: &str, place: Place) -> Parsed<Part> {
    Part::named(name).ok_or_else(|| {
        let names = Part::ALL.map(Part::name).join(", ");
        Trouble::at(place, format!("'{name}' is not a part of an instant")).hint(format!("there are {names}"))
    })
}

impl Grammar {
    /// `x::type`, `x AT TIME ZONE '…'`.
    pub(super) fn cast(&mut self) -> Parsed<Syntax> {
        let mut value = self.operand()?;
        for _ in 0..4 {
            if self.tokens.take_token(&Token::DoubleColon) {
                value = self.cast_to(value)?;
            } else if self.tokens.is_word("at") && self.tokens.is_word_at(1, "time") {
                value = self.at_zone(value)?;
            } else {
                return Ok(value);
            }
        }
        Err(self.too_deep())
    }

    fn at_zone(&mut self, value: Syntax) -> Parsed<Syntax> {
        for word in ["at", "time", "zone"] {
            self.tokens.expect_word(word)?;
        }
        let zone = self.zone()?;
        let place = value.place;
        Ok(Syntax { kind: Kind::AtZone(boxed(value), zone), place })
    }

    /// The name of a time zone in single quotes.
    pub(super) fn zone(&mut self) -> Parsed<Zone> {
        let place = self.tokens.place();
        let name = self.text("a time zone in single quotes, such as 'Europe/Berlin'")?;
        zone(&name, place)
    }

    fn cast_to(&mut self, value: Syntax) -> Parsed<Syntax> {
        let place = value.place;
        if self.tokens.take_word("interval") {
            let Kind::Literal(Value::Text(text)) = &value.kind else {
                return Err(Trouble::at(place, "only a text such as '7 days' can become an interval"));
            };
            return Ok(Syntax { kind: length(text, place)?, place });
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

    pub(super) fn operand(&mut self) -> Parsed<Syntax> {
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
            self.outside_phrases(|own| own.deeper(Self::expression))?
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
            let kind = match duration::months(text, &unit, place)? {
                Some(months) => Kind::Months(months),
                None => Kind::Duration(duration::from_parts(text, &unit, place)?),
            };
            return Ok(Syntax { kind, place });
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
            "extract" if self.tokens.peek_at(1) == Some(&Token::LParen) => self.extract(place),
            "done" if self.begins_phrase(1) => self.done(false, place),
            "has" if self.tokens.is_word_at(1, "done") && self.begins_phrase(2) => self.done(false, place),
            "has" if self.tokens.is_word_at(1, "not") && self.tokens.is_word_at(2, "done") => {
                self.done(false, place)
            }
            "left" | "right" if self.tokens.peek_at(1) == Some(&Token::LParen) => self.call(&lower, place),
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
        let kind = match self.tokens.peek() {
            Some(Token::Word(Word { value, quote_style: None, .. })) if duration::is_unit(value) => {
                let unit = value.clone();
                self.tokens.take();
                match duration::months(&amount, &unit, place)? {
                    Some(months) => Kind::Months(months),
                    None => Kind::Duration(duration::from_parts(&amount, &unit, place)?),
                }
            }
            _ => length(&amount, place)?,
        };
        let kind = match kind {
            Kind::Duration(span) if negative => Kind::Duration(span.times(-1)),
            Kind::Months(months) if negative => Kind::Months(-months),
            other => other,
        };
        Ok(Syntax { kind, place })
    }

    fn case(&mut self, place: Place) -> Parsed<Syntax> {
        self.tokens.expect_word("case")?;
        let operand = if self.tokens.is_word("when") { None } else { Some(boxed(self.expression()?)) };
        let mut branches = Vec::new();
        while self.tokens.take_word("when") {
            let outside = std::mem::replace(&mut self.in_case, true);
            let condition = self.expression();
            self.in_case = outside;
            let condition = condition?;
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

    /// `extract(part FROM instant)`.
    fn extract(&mut self, place: Place) -> Parsed<Syntax> {
        self.tokens.take();
        self.tokens.expect_token(&Token::LParen)?;
        let at = self.tokens.place();
        let name = match self.tokens.take() {
            Some(Token::Word(Word { value, .. }) | Token::SingleQuotedString(value)) => value,
            _ => return Err(Trouble::at(at, "extract needs a part").hint("extract(hour FROM timestamp)")),
        };
        let part = part(&name, at)?;
        self.tokens.expect_word("from")?;
        let instant = boxed(self.deeper(Self::expression)?);
        self.tokens.expect_token(&Token::RParen)?;
        Ok(Syntax { kind: Kind::Part(part, instant), place })
    }

    /// `a`, `a.b`, and what lies within: `a.b.c`, `a.b[0].c`, `a[*].b`.
    pub(super) fn name(&mut self, place: Place) -> Parsed<Syntax> {
        let mut parts = Vec::new();
        let mut quoted = false;
        let mut steps = Vec::new();
        loop {
            let Some(Token::Word(word)) = self.tokens.peek() else {
                return Err(self.tokens.unexpected("a name"));
            };
            let value = word.value.clone();
            if parts.len() < 2 && steps.is_empty() {
                quoted = word.quote_style.is_some();
                parts.push(value);
            } else {
                steps.push(Step::Key(value.into()));
            }
            self.tokens.take();
            while self.tokens.take_token(&Token::LBracket) {
                steps.push(self.index()?);
            }
            if steps.len() > STEPS_MAX {
                return Err(Trouble::at(place, format!("more than {STEPS_MAX} steps into an object")));
            }
            if !self.tokens.take_token(&Token::Period) {
                break;
            }
        }
        let name = Syntax { kind: Kind::Name { parts, quoted }, place };
        if steps.is_empty() {
            return Ok(name);
        }
        Ok(Syntax { kind: Kind::Path(boxed(name), steps), place })
    }

    /// `0]` or `*]`.
    fn index(&mut self) -> Parsed<Step> {
        let refused = self.tokens.unexpected("a place from 0, or *").hint("items[0].sku, items[*].sku");
        let step = match self.tokens.take() {
            Some(Token::Mul) => Step::Each,
            Some(Token::Number(text, _)) => Step::Index(text.parse().map_err(|_| refused)?),
            _ => return Err(refused),
        };
        self.tokens.expect_token(&Token::RBracket)?;
        Ok(step)
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
        if self.tokens.is_word("of") {
            return self.value_of(call, place);
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
