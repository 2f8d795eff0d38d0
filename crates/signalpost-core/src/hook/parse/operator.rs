//! Operators: objects whose first name begins with `$`.

use serde_json::{Map as Object, Value as Json};

use super::super::condition::Condition;
use super::super::error::{Error, Fault};
use super::super::expression::Expression;
use super::{At, Reader, kind, list, numbered, object, only, text};
use crate::value::Value;

/// Each operator and the members it may have beside its own.
const OPERATORS: [(&str, &[&str]); 16] = [
    ("$first", &[]),
    ("$concat", &[]),
    ("$join", &["with"]),
    ("$case", &["of", "else"]),
    ("$if", &["then", "else"]),
    ("$each", &["as", "when"]),
    ("$any", &["when"]),
    ("$lower", &[]),
    ("$text", &[]),
    ("$number", &[]),
    ("$sum", &[]),
    ("$product", &[]),
    ("$minus", &[]),
    ("$split", &["by", "at"]),
    ("$entry", &[]),
    ("$literal", &[]),
];

impl Reader {
    /// Reads an object that has a member beginning with `$`.
    pub(super) fn operator(
        &mut self,
        members: &Object<String, Json>,
        at: &At<'_>,
    ) -> Result<Expression, Error> {
        let own = members.keys().find(|name| name.starts_with('$')).map(String::as_str).unwrap_or_default();
        let Some((name, beside)) = OPERATORS.iter().find(|(name, _)| *name == own) else {
            let known = OPERATORS.map(|(name, _)| name).join(", ");
            return Err(at.wrong(Fault::UnknownOperator { name: own.to_owned(), known }));
        };
        let known: Vec<&str> = std::iter::once(*name).chain(beside.iter().copied()).collect();
        only(members, &known, at)?;
        let json = members.get(*name).unwrap_or(&Json::Null);
        let at_own = at.down(name);
        let boxed = |reader: &mut Self| reader.expression(json, &at_own).map(Box::new);
        match *name {
            "$first" => self.several(json, &at_own).map(Expression::First),
            "$concat" => self.several(json, &at_own).map(Expression::Concat),
            "$sum" => self.several(json, &at_own).map(Expression::Sum),
            "$product" => self.several(json, &at_own).map(Expression::Product),
            "$lower" => boxed(self).map(Expression::Lower),
            "$text" => boxed(self).map(Expression::Text),
            "$number" => boxed(self).map(Expression::Number),
            "$literal" => Ok(Expression::Constant(Value::from(json.clone()))),
            "$minus" => self.two(json, &at_own).map(Expression::Minus),
            "$entry" => self.two(json, &at_own).map(Expression::Entry),
            "$join" => {
                let with = members.get("with").map_or(Ok(" "), |json| text(json, &at.down("with")))?.into();
                Ok(Expression::Join { parts: boxed(self)?, with })
            }
            "$split" => {
                let by = members.get("by").ok_or_else(|| at.wrong(Fault::Missing("by")))?;
                let by = text(by, &at.down("by"))?;
                if by.is_empty() {
                    return Err(at.down("by").wrong(Fault::Type { expected: "text", got: "empty text" }));
                }
                let place = |json: &Json| {
                    json.as_i64().ok_or_else(|| at.down("at").wrong(kind("a whole number", json)))
                };
                let at = members.get("at").map(place).transpose()?;
                Ok(Expression::Split { of: boxed(self)?, by: by.into(), at })
            }
            "$case" => {
                let of = boxed(self)?;
                self.case(members, of, at)
            }
            "$if" => {
                let condition = Box::new(self.condition(json, &at_own)?);
                let then = members.get("then").ok_or_else(|| at.wrong(Fault::Missing("then")))?;
                let then = Box::new(self.expression(then, &at.down("then"))?);
                Ok(Expression::If { condition, then, otherwise: self.otherwise(members, at)? })
            }
            // "$each" and "$any"
            _ => {
                let list = boxed(self)?;
                self.through(members, name, list, at)
            }
        }
    }

    fn several(&mut self, json: &Json, at: &At<'_>) -> Result<Vec<Expression>, Error> {
        // A single expression that gives a list stands for its elements.
        if !json.is_array() {
            return self.expression(json, at).map(|expression| vec![expression]);
        }
        numbered(list(json, at)?, at, |json, at| self.expression(json, at))
    }

    fn two(&mut self, json: &Json, at: &At<'_>) -> Result<Box<(Expression, Expression)>, Error> {
        match <[Expression; 2]>::try_from(self.several(json, at)?) {
            Ok([first, second]) => Ok(Box::new((first, second))),
            Err(_) => Err(at.wrong(kind("a list of two", json))),
        }
    }

    fn otherwise(&mut self, members: &Object<String, Json>, at: &At<'_>) -> Result<Box<Expression>, Error> {
        self.member(members, "else", at).map(Box::new)
    }

    fn case(
        &mut self,
        members: &Object<String, Json>,
        of: Box<Expression>,
        at: &At<'_>,
    ) -> Result<Expression, Error> {
        let at_of = at.down("of");
        let cases = members.get("of").ok_or_else(|| at.wrong(Fault::Missing("of")))?;
        let cases = object(cases, &at_of)?
            .iter()
            .map(|(name, json)| Ok((name.as_str().into(), self.expression(json, &at_of.down(name))?)))
            .collect::<Result<_, Error>>()?;
        Ok(Expression::Case { of, cases, otherwise: self.otherwise(members, at)? })
    }

    fn through(
        &mut self,
        members: &Object<String, Json>,
        name: &str,
        list: Box<Expression>,
        at: &At<'_>,
    ) -> Result<Expression, Error> {
        let outside = std::mem::replace(&mut self.in_list, true);
        let when = match members.get("when") {
            None => Condition::always(),
            Some(json) => self.condition(json, &at.down("when"))?,
        };
        let when = Box::new(when);
        let made = if name == "$any" {
            Expression::Any { list, when }
        } else {
            let element = members.get("as").ok_or_else(|| at.wrong(Fault::Missing("as")))?;
            let element = Box::new(self.expression(element, &at.down("as"))?);
            Expression::Each { list, when, element }
        };
        self.in_list = outside;
        Ok(made)
    }
}
