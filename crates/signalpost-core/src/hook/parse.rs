//! A mapping's JSON into a [`Mapping`]. Every name is checked here, so that a
//! slip is found when the mapping is set and not when a message comes.

use serde_json::{Map as Object, Value as Json};

use super::condition::{Condition, Test};
use super::error::{Error, Fault};
use super::expression::Expression;
use super::output::{CatalogChange, CatalogTemplate, EventTemplate, PrivacyKind, PrivacyTemplate};
use super::path::Path;
use super::{DEPTH_MAX, EXPRESSIONS_MAX, MAPPING_BYTES_MAX, Mapping, RULES_MAX, Rule};
use crate::value::Value;

mod operator;

/// A place in the mapping, as a list of steps back to its top.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    above: Option<&'a At<'a>>,
    step: &'a str,
    depth: usize,
}

impl<'a> At<'a> {
    pub(super) const TOP: At<'static> = At { above: None, step: "", depth: 0 };

    pub(super) fn down(&'a self, step: &'a str) -> At<'a> {
        At { above: Some(self), step, depth: self.depth + 1 }
    }

    pub(super) fn pointer(&self) -> String {
        match self.above {
            None => String::new(),
            Some(above) => {
                format!("{}/{}", above.pointer(), self.step.replace('~', "~0").replace('/', "~1"))
            }
        }
    }

    pub(super) fn wrong(&self, fault: Fault) -> Error {
        Error { at: self.pointer(), fault }
    }
}

/// What is known while reading.
pub(super) struct Reader {
    lets: Vec<Box<str>>,
    expressions: usize,
    /// Whether `$item` means something here.
    in_list: bool,
}

pub(super) fn mapping(json: &Json) -> Result<Mapping, Error> {
    let top = At::TOP;
    if json.to_string().len() > MAPPING_BYTES_MAX {
        return Err(top.wrong(Fault::TooLarge));
    }
    let members = object(json, &top)?;
    only(members, &["split", "topic", "id", "time", "let", "rules"], &top)?;
    let mut reader = Reader { lets: Vec::new(), expressions: 0, in_list: false };
    let split = match members.get("split") {
        None => None,
        Some(json) => {
            let at = top.down("split");
            let path = reader.path(text(json, &at)?, &at)?;
            if !path.is_from_body() {
                let path = text(json, &at)?.to_owned();
                return Err(at.wrong(Fault::Path { path, why: "split begins with $ alone" }));
            }
            Some(path)
        }
    };
    let mut named = |name: &'static str| {
        members.get(name).map(|json| reader.expression(json, &top.down(name))).transpose()
    };
    let (topic, id, time) = (named("topic")?, named("id")?, named("time")?);
    let mut lets = Vec::new();
    if let Some(json) = members.get("let") {
        let at = top.down("let");
        for (name, json) in object(json, &at)? {
            let expression = reader.expression(json, &at.down(name))?;
            reader.lets.push(name.as_str().into());
            lets.push((name.as_str().into(), expression));
        }
    }
    let at = top.down("rules");
    let list = list(members.get("rules").ok_or_else(|| top.wrong(Fault::Missing("rules")))?, &at)?;
    if list.len() > RULES_MAX {
        return Err(at.wrong(Fault::TooManyRules));
    }
    let rules = numbered(list, &at, |json, at| reader.rule(json, at))?;
    Ok(Mapping { split, topic, id, time, lets, rules })
}

impl Reader {
    fn rule(&mut self, json: &Json, at: &At<'_>) -> Result<Rule, Error> {
        let members = object(json, at)?;
        only(members, &["when", "ignore", "events", "catalog", "privacy", "note"], at)?;
        let when = self.when(members, at)?;
        let ignore = match members.get("ignore") {
            None => false,
            Some(Json::Bool(ignore)) => *ignore,
            Some(other) => return Err(at.down("ignore").wrong(kind("true or false", other))),
        };
        let templates = |name: &'static str| match members.get(name) {
            None => Ok(&[][..]),
            Some(json) => list(json, &at.down(name)),
        };
        let events = templates("events")?;
        let events = numbered(events, &at.down("events"), |json, at| self.event(json, at))?;
        let catalog = templates("catalog")?;
        let catalog = numbered(catalog, &at.down("catalog"), |json, at| self.catalog(json, at))?;
        let privacy = templates("privacy")?;
        let privacy = numbered(privacy, &at.down("privacy"), |json, at| self.privacy(json, at))?;
        if !ignore && events.is_empty() && catalog.is_empty() && privacy.is_empty() {
            return Err(at.wrong(Fault::Nothing));
        }
        Ok(Rule { when, ignore, events, catalog, privacy })
    }

    fn event(&mut self, json: &Json, at: &At<'_>) -> Result<EventTemplate, Error> {
        const FIELDS: [&str; 12] = [
            "note",
            "when",
            "each",
            "event_type",
            "customer_id",
            "anonymous_id",
            "timestamp",
            "event_id",
            "product_id",
            "properties",
            "traits",
            "context",
        ];
        let members = object(json, at)?;
        only(members, &FIELDS, at)?;
        if !members.contains_key("event_type") {
            return Err(at.wrong(Fault::Missing("event_type")));
        }
        let each = self.each(members, at)?;
        let outside = std::mem::replace(&mut self.in_list, each.is_some());
        let when = self.when(members, at)?;
        let mut field = |name: &'static str| self.member(members, name, at);
        let template = EventTemplate {
            at: at.pointer().into(),
            when,
            each,
            event_type: field("event_type")?,
            customer_id: field("customer_id")?,
            anonymous_id: field("anonymous_id")?,
            timestamp: field("timestamp")?,
            event_id: field("event_id")?,
            product_id: field("product_id")?,
            properties: field("properties")?,
            traits: field("traits")?,
            context: field("context")?,
        };
        self.in_list = outside;
        Ok(template)
    }

    fn catalog(&mut self, json: &Json, at: &At<'_>) -> Result<CatalogTemplate, Error> {
        let members = object(json, at)?;
        only(members, &["note", "when", "each", "upsert", "remove"], at)?;
        let each = self.each(members, at)?;
        let outside = std::mem::replace(&mut self.in_list, each.is_some());
        let when = self.when(members, at)?;
        let change = match (members.get("upsert"), members.get("remove")) {
            (Some(json), None) => CatalogChange::Upsert(self.expression(json, &at.down("upsert"))?),
            (None, Some(json)) => CatalogChange::Remove(self.expression(json, &at.down("remove"))?),
            _ => return Err(at.wrong(Fault::Missing("either upsert or remove"))),
        };
        self.in_list = outside;
        Ok(CatalogTemplate { at: at.pointer().into(), when, each, change })
    }

    fn privacy(&mut self, json: &Json, at: &At<'_>) -> Result<PrivacyTemplate, Error> {
        let members = object(json, at)?;
        only(members, &["note", "when", "kind", "customer_id", "email", "phone", "details"], at)?;
        let name = members.get("kind").ok_or_else(|| at.wrong(Fault::Missing("kind")))?;
        let name = text(name, &at.down("kind"))?;
        let kind = PrivacyKind::ALL.iter().find(|(held, _)| *held == name);
        let (_, kind) = kind.ok_or_else(|| {
            at.down("kind").wrong(Fault::UnknownMember {
                name: name.to_owned(),
                known: PrivacyKind::ALL.map(|(name, _)| name).join(", "),
            })
        })?;
        Ok(PrivacyTemplate {
            at: at.pointer().into(),
            when: self.when(members, at)?,
            kind: *kind,
            customer_id: self.member(members, "customer_id", at)?,
            email: self.member(members, "email", at)?,
            phone: self.member(members, "phone", at)?,
            details: self.member(members, "details", at)?,
        })
    }

    /// A member that may be absent: then it makes nothing.
    fn member(
        &mut self,
        members: &Object<String, Json>,
        name: &str,
        at: &At<'_>,
    ) -> Result<Expression, Error> {
        match members.get(name) {
            None => Ok(Expression::Constant(Value::Null)),
            Some(json) => self.expression(json, &at.down(name)),
        }
    }

    fn each(&mut self, members: &Object<String, Json>, at: &At<'_>) -> Result<Option<Expression>, Error> {
        members.get("each").map(|json| self.expression(json, &at.down("each"))).transpose()
    }

    fn when(&mut self, members: &Object<String, Json>, at: &At<'_>) -> Result<Condition, Error> {
        match members.get("when") {
            None => Ok(Condition::always()),
            Some(json) => self.condition(json, &at.down("when")),
        }
    }

    /// `{path: test, …}`, or a list of such of which one must hold.
    pub(super) fn condition(&mut self, json: &Json, at: &At<'_>) -> Result<Condition, Error> {
        let one = |reader: &mut Self, json: &Json, at: &At<'_>| {
            object(json, at)?
                .iter()
                .map(|(path, test)| {
                    reader.count(at)?;
                    let at = at.down(path);
                    Ok((reader.path(path, &at)?, self::test(test, &at)?))
                })
                .collect::<Result<Vec<_>, Error>>()
        };
        let alternatives = match json {
            Json::Array(list) => numbered(list, at, |json, at| one(self, json, at))?,
            json => vec![one(self, json, at)?],
        };
        Ok(Condition(alternatives))
    }

    pub(super) fn path(&self, text: &str, at: &At<'_>) -> Result<Path, Error> {
        Path::parse(text, &self.lets, self.in_list).map_err(|fault| at.wrong(fault))
    }

    /// Counts one expression more.
    fn count(&mut self, at: &At<'_>) -> Result<(), Error> {
        self.expressions += 1;
        if self.expressions > EXPRESSIONS_MAX {
            return Err(at.wrong(Fault::TooManyExpressions));
        }
        // The rule and its template stand four levels deep themselves.
        if at.depth > DEPTH_MAX + 4 { Err(at.wrong(Fault::TooDeep)) } else { Ok(()) }
    }

    pub(super) fn expression(&mut self, json: &Json, at: &At<'_>) -> Result<Expression, Error> {
        self.count(at)?;
        match json {
            Json::String(text) if text.starts_with("$$") => {
                Ok(Expression::Constant(Value::from(text.strip_prefix('$').unwrap_or(text))))
            }
            Json::String(text) if text.starts_with('$') => self.path(text, at).map(Expression::Path),
            Json::Array(items) => {
                numbered(items, at, |json, at| self.expression(json, at)).map(Expression::List)
            }
            Json::Object(members) if members.keys().any(|name| name.starts_with('$')) => {
                self.operator(members, at)
            }
            Json::Object(members) => members
                .iter()
                .map(|(name, json)| Ok((name.as_str().into(), self.expression(json, &at.down(name))?)))
                .collect::<Result<_, Error>>()
                .map(Expression::Object),
            constant => Ok(Expression::Constant(Value::from(constant.clone()))),
        }
    }
}

fn test(json: &Json, at: &At<'_>) -> Result<Test, Error> {
    let constant = |json: &Json, at: &At<'_>| match json {
        Json::Array(_) | Json::Object(_) => Err(at.wrong(kind("text, a number, true, false or null", json))),
        constant => Ok(Value::from(constant.clone())),
    };
    let number = |json: &Json, at: &At<'_>| match json {
        Json::Number(_) => Ok(Value::from(json.clone())),
        other => Err(at.wrong(kind("a number", other))),
    };
    match json {
        Json::Array(list) => Ok(Test::In(numbered(list, at, constant)?)),
        Json::Object(members) => {
            let mut members = members.iter();
            let (Some((name, value)), None) = (members.next(), members.next()) else {
                return Err(at.wrong(Fault::Type {
                    expected: "one test, such as {\"exists\": true}",
                    got: "several or none",
                }));
            };
            let at = at.down(name);
            match (name.as_str(), value) {
                ("exists", Json::Bool(wanted)) => Ok(Test::Exists(*wanted)),
                ("exists", other) => Err(at.wrong(kind("true or false", other))),
                ("begins", value) => Ok(Test::Begins(text(value, &at)?.into())),
                ("above", value) => number(value, &at).map(Test::Above),
                ("below", value) => number(value, &at).map(Test::Below),
                ("not", value) if at.depth <= DEPTH_MAX => Ok(Test::Not(Box::new(test(value, &at)?))),
                ("not", _) => Err(at.wrong(Fault::TooDeep)),
                _ => Err(at.wrong(Fault::UnknownTest(name.clone()))),
            }
        }
        single => Ok(Test::In(vec![constant(single, at)?])),
    }
}

/// Reads each element of a list at its own place.
pub(super) fn numbered<T>(
    list: &[Json],
    at: &At<'_>,
    mut read: impl FnMut(&Json, &At<'_>) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    list.iter().enumerate().map(|(place, json)| read(json, &at.down(&place.to_string()))).collect()
}

pub(super) fn object<'j>(json: &'j Json, at: &At<'_>) -> Result<&'j Object<String, Json>, Error> {
    json.as_object().ok_or_else(|| at.wrong(kind("an object", json)))
}

pub(super) fn list<'j>(json: &'j Json, at: &At<'_>) -> Result<&'j [Json], Error> {
    json.as_array().map(Vec::as_slice).ok_or_else(|| at.wrong(kind("a list", json)))
}

pub(super) fn text<'j>(json: &'j Json, at: &At<'_>) -> Result<&'j str, Error> {
    json.as_str().ok_or_else(|| at.wrong(kind("text", json)))
}

pub(super) fn kind(expected: &'static str, json: &Json) -> Fault {
    let got = match json {
        Json::Null => "null",
        Json::Bool(_) => "a truth value",
        Json::Number(_) => "a number",
        Json::String(_) => "text",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    };
    Fault::Type { expected, got }
}

/// That there is no member but these.
pub(super) fn only(members: &Object<String, Json>, known: &[&str], at: &At<'_>) -> Result<(), Error> {
    match members.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(at.wrong(Fault::UnknownMember { name: name.clone(), known: known.join(", ") })),
    }
}
