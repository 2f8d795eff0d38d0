//! From the builder's JSON to the text's own tree, which names and types are
//! then resolved in as if it had been written.

use serde_json::{Map, Value as Json};

use super::super::clauses::Length;
use super::super::grammar::{boxed, call};
use super::super::operand::{STEPS_MAX, part, unit, zone};
use super::super::refusal::{Place, Trouble};
use super::super::routine::Routine;
use super::super::schema::nearest;
use super::super::syntax::{Kind, Syntax};
use super::super::tree::{CastTo, Comparison, Known, Operator, Step};
use super::super::{duration, print};
use crate::value::Value;

/// Deepest nesting taken.
const NESTING_MAX: usize = 128;
/// Most pieces that a segment may be made of.
const PIECES_MAX: usize = 20_000;

pub(super) type Read<T> = Result<T, Trouble>;

/// An expression by its kind; each kind is read by a function of its own, so
/// that little stands on the stack of each level.
struct Piece<'j> {
    kind: &'j str,
    object: &'j Map<String, Json>,
    json: &'j Json,
    path: &'j str,
}

impl Piece<'_> {
    fn flag(&self, name: &str) -> bool {
        self.object.get(name).and_then(Json::as_bool).unwrap_or(false)
    }
}

/// Reads JSON, and remembers where each piece stands.
#[derive(Default)]
pub(super) struct Reader {
    paths: Vec<String>,
    depth: usize,
}

/// Names of the kinds of expression, for the offer of the nearest.
const KINDS: [&str; 27] = [
    "time",
    "now",
    "today",
    "trait",
    "event",
    "in_segment",
    "plus",
    "minus",
    "not",
    "all",
    "any",
    "compare",
    "between",
    "in",
    "like",
    "matches",
    "is",
    "done",
    "value",
    "math",
    "call",
    "case",
    "cast",
    "truncate",
    "part",
    "at_zone",
    "path",
];

impl Reader {
    /// The path to a piece.
    pub(super) fn path(&self, place: Place) -> String {
        self.paths.get(place.column).cloned().unwrap_or_else(|| "the builder's JSON".to_owned())
    }

    pub(super) fn refused(&mut self, path: &str, message: impl Into<String>) -> Trouble {
        Trouble::at(self.place(path), message)
    }

    /// A place that stands for a path.
    pub(super) fn place(&mut self, path: &str) -> Place {
        self.paths.push(if path.is_empty() { "the top".to_owned() } else { path.to_owned() });
        Place { line: 0, column: self.paths.len() - 1 }
    }

    /// A segment's name and its condition.
    pub(super) fn segment(&mut self, json: &Json) -> Read<(Option<String>, Syntax)> {
        let object = self.object(json, "")?;
        self.only(object, "", &["name", "condition"])?;
        let name = object.get("name").map(|name| self.text(name, "name")).transpose()?;
        if let Some(name) = &name
            && (name.trim().is_empty() || name.chars().count() > 200)
        {
            return Err(self.refused("name", "a name has 1 to 200 characters"));
        }
        let Some(condition) = object.get("condition") else {
            return Err(self
                .refused("", "the condition is missing")
                .hint("{\"name\": \"Buyers\", \"condition\": {\"done\": {\"events\": [\"purchase\"]}}}"));
        };
        Ok((name, self.expression(condition, "condition")?))
    }

    /// A sequence rule as text.
    pub(super) fn sequence(&mut self, json: &Json) -> Read<String> {
        let object = self.object(json, "")?;
        self.only(object, "", &["after", "without", "within", "matching", "emit"])?;
        let mut text = String::new();
        for (word, is_name) in
            [("after", true), ("without", true), ("within", false), ("matching", true), ("emit", true)]
        {
            let Some(value) = object.get(word) else { continue };
            let value = self.text(value, word)?;
            let quoted = if is_name { print::quoted(&value, '"') } else { print::quoted(&value, '\'') };
            text.push_str(&format!("{} {quoted} ", word.to_uppercase()));
        }
        Ok(text)
    }

    pub(super) fn object<'j>(&mut self, json: &'j Json, path: &str) -> Read<&'j Map<String, Json>> {
        match json.as_object() {
            Some(object) => Ok(object),
            None => Err(self.refused(path, "an object was expected here")),
        }
    }

    /// Refuses fields that mean nothing here.
    pub(super) fn only(&mut self, object: &Map<String, Json>, path: &str, known: &[&str]) -> Read<()> {
        let Some(odd) = object.keys().find(|name| !known.contains(&name.as_str())) else { return Ok(()) };
        let trouble = self.refused(path, format!("there is no field '{odd}' here"));
        Err(match nearest(odd, known.iter().copied()) {
            Some(near) => trouble.hint(format!("did you mean '{near}'?")),
            None => trouble.hint(format!("there are {}", known.join(", "))),
        })
    }

    pub(super) fn text(&mut self, json: &Json, path: &str) -> Read<String> {
        match json.as_str() {
            Some(text) => Ok(text.to_owned()),
            None => Err(self.refused(path, "a text was expected here")),
        }
    }

    pub(super) fn items<'j, const N: usize>(&mut self, json: &'j Json, path: &str) -> Read<&'j [Json; N]> {
        let items = json.as_array().and_then(|items| <&[Json; N]>::try_from(items.as_slice()).ok());
        items.ok_or_else(|| self.refused(path, format!("a list of {N} was expected here")))
    }

    pub(super) fn expression(&mut self, json: &Json, path: &str) -> Read<Syntax> {
        if self.depth >= NESTING_MAX || self.paths.len() >= PIECES_MAX {
            return Err(self
                .refused(
                    path,
                    format!("nested more than {NESTING_MAX} deep, or of more than {PIECES_MAX} pieces"),
                )
                .hint("split the condition into segments and join them by in_segment"));
        }
        self.depth += 1;
        let place = self.place(path);
        let kind = self.kind(json, path);
        self.depth -= 1;
        Ok(Syntax { kind: kind?, place })
    }

    fn list(&mut self, json: &Json, path: &str) -> Read<Vec<Syntax>> {
        let Some(items) = json.as_array() else { return Err(self.refused(path, "a list was expected here")) };
        items
            .iter()
            .enumerate()
            .map(|(index, item)| self.expression(item, &format!("{path}[{index}]")))
            .collect()
    }

    fn unknown_kind(&mut self, object: &Map<String, Json>, path: &str) -> Trouble {
        let given = object.keys().next().map_or("", String::as_str);
        let trouble = self.refused(path, format!("'{given}' is no kind of condition or value"));
        match nearest(given, KINDS.into_iter()) {
            Some(near) => trouble.hint(format!("did you mean '{near}'?")),
            None => trouble.hint(format!("there are {}", KINDS.join(", "))),
        }
    }

    /// Refuses fields that a kind does not have.
    fn fields(&mut self, object: &Map<String, Json>, path: &str, kind: &str) -> Read<()> {
        let mut known = vec![kind];
        known.extend(match kind {
            "between" | "in" | "is" => &["negated"][..],
            "like" | "matches" => &["negated", "any_case"],
            "event" => &["outer"],
            "call" => &["of"],
            "case" => &["else"],
            "path" => &["steps"],
            _ => &[],
        });
        self.only(object, path, &known)
    }

    fn kind(&mut self, json: &Json, path: &str) -> Read<Kind> {
        let object = match json {
            Json::Object(object) => object,
            Json::Array(_) => return Err(self.refused(path, "a value or an object was expected here")),
            scalar => return Ok(Kind::Literal(Value::from(scalar.clone()))),
        };
        let Some(kind) = KINDS.into_iter().find(|kind| object.contains_key(*kind)) else {
            return Err(self.unknown_kind(object, path));
        };
        self.fields(object, path, kind)?;
        let inner = format!("{path}.{kind}");
        let Some(json) = object.get(kind) else { return Err(self.refused(path, "nothing is said")) };
        let piece = Piece { kind, object, json, path: &inner };
        match kind {
            "time" => self.read_time(&piece),
            "now" => Ok(call("now", Vec::new())),
            "today" => Ok(call("current_date", Vec::new())),
            "trait" => self.read_trait(&piece),
            "event" => self.read_event(&piece),
            "in_segment" => self.read_in_segment(&piece),
            "not" => self.read_not(&piece),
            "all" | "any" => self.read_all(&piece),
            "done" => self.done(json, &inner),
            "value" => self.value(json, &inner),
            "compare" => self.read_compare(&piece),
            "between" => self.read_between(&piece),
            "in" => self.read_in(&piece),
            "like" | "matches" => self.read_like(&piece),
            "is" => self.read_is(&piece),
            "plus" | "minus" => self.read_plus(&piece),
            "math" => self.read_math(&piece),
            "call" => self.read_call(&piece),
            "case" => self.case(object, json, &inner),
            "cast" => self.read_cast(&piece),
            "truncate" => self.read_truncate(&piece),
            "part" => self.read_part(&piece),
            "at_zone" => self.read_at_zone(&piece),
            _ => self.steps(object, json, &inner),
        }
    }

    fn read_time(&mut self, piece: &Piece<'_>) -> Read<Kind> {
        let path = piece.path;
        let json = piece.json;
        Ok(Kind::Literal(duration::instant(&self.text(json, path)?, self.place(path))?))
    }

    fn read_trait(&mut self, piece: &Piece<'_>) -> Read<Kind> {
        let path = piece.path;
        let json = piece.json;
        Ok(Kind::Name { parts: vec!["user".to_owned(), self.text(json, path)?], quoted: true })
    }

    fn read_event(&mut self, piece: &Piece<'_>) -> Read<Kind> {
        let path = piece.path;
        let json = piece.json;
        let object = piece.object;
        let outer = object.get("outer").map_or(Some(0), Json::as_u64);
        let Some(depth) = outer.and_then(|outer| u8::try_from(outer).ok()) else {
            return Err(self.refused(path, "outer counts the event sets around, from 0"));
        };
        Ok(Kind::Column { name: self.text(json, path)?, depth })
    }

    fn read_in_segment(&mut self, piece: &Piece<'_>) -> Read<Kind> {
        let path = piece.path;
        let json = piece.json;
        let name = Kind::Literal(Value::from(self.text(json, path)?.as_str()));
        Ok(call("in_segment", vec![Syntax { kind: name, place: self.place(path) }]))
    }

    fn read_not(&mut self, piece: &Piece<'_>) -> Read<Kind> {
        let path = piece.path;
        let json = piece.json;
        Ok(Kind::Not(boxed(self.expression(json, path)?)))
    }

    fn read_all(&mut self, piece: &Piece<'_>) -> Read<Kind> {
        let kind = piece.kind;
        let path = piece.path;
        let json = piece.json;
        let parts = self.list(json, path)?;
        Ok(if kind == "all" { Kind::And(parts) } else { Kind::Or(parts) })
    }

    fn read_compare(&mut self, piece: &Piece<'_>) -> Read<Kind> {
        let path = piece.path;
        let json = piece.json;
        let [left, sign, right] = self.items(json, path)?;
        let sign = self.text(sign, path)?;
        let Some(comparison) = comparison(&sign) else {
            return Err(self.refused(path, format!("'{sign}' compares nothing")).hint("= <> < <= > >="));
        };
        Ok(Kind::Compare(comparison, self.at(left, path, 0)?, self.at(right, path, 2)?))
    }

    fn read_between(&mut self, piece: &Piece<'_>) -> Read<Kind> {
        let path = piece.path;
        let json = piece.json;
        let negated = piece.flag("negated");
        let [value, low, high] = self.items(json, path)?;
        let (value, low) = (self.at(value, path, 0)?, self.at(low, path, 1)?);
        Ok(Kind::Between { value, low, high: self.at(high, path, 2)?, negated })
    }

    fn read_in(&mut self, piece: &Piece<'_>) -> Read<Kind> {
        let path = piece.path;
        let json = piece.json;
        let negated = piece.flag("negated");
        let [value, list] = self.items(json, path)?;
        let value = self.at(value, path, 0)?;
        Ok(Kind::InList { value, list: self.list(list, &format!("{path}[1]"))?, negated })
    }

    fn read_like(&mut self, piece: &Piece<'_>) -> Read<Kind> {
        let kind = piece.kind;
        let path = piece.path;
        let json = piece.json;
        let negated = piece.flag("negated");
        let any_case = piece.flag("any_case");
        let [value, pattern] = self.items(json, path)?;
        let (value, pattern) = (self.at(value, path, 0)?, self.text(pattern, path)?);
        Ok(match kind {
            "like" => Kind::Like { value, pattern, negated, any_case },
            _ => Kind::Match { value, pattern, negated, any_case },
        })
    }

    fn read_is(&mut self, piece: &Piece<'_>) -> Read<Kind> {
        let path = piece.path;
        let json = piece.json;
        let negated = piece.flag("negated");
        let [value, what] = self.items(json, path)?;
        let what = match self.text(what, path)?.as_str() {
            "null" => Known::Null,
            "true" => Known::True,
            "false" => Known::False,
            _ => return Err(self.refused(path, "null, true or false was expected here")),
        };
        Ok(Kind::Is { value: self.at(value, path, 0)?, what, negated })
    }

    fn read_plus(&mut self, piece: &Piece<'_>) -> Read<Kind> {
        let kind = piece.kind;
        let path = piece.path;
        let json = piece.json;
        let [instant, length] = self.items(json, path)?;
        let length = match self.length(length, path)? {
            Length::Fixed(span) => Kind::Duration(span),
            Length::Months(months) => Kind::Months(months),
        };
        let operator = if kind == "plus" { Operator::Add } else { Operator::Subtract };
        let length = Syntax { kind: length, place: self.place(path) };
        Ok(Kind::Arithmetic(operator, self.at(instant, path, 0)?, boxed(length)))
    }

    fn read_math(&mut self, piece: &Piece<'_>) -> Read<Kind> {
        let path = piece.path;
        let json = piece.json;
        let [left, sign, right] = self.items(json, path)?;
        let operator = match self.text(sign, path)?.as_str() {
            "+" => Operator::Add,
            "-" => Operator::Subtract,
            "*" => Operator::Multiply,
            "/" => Operator::Divide,
            _ => return Err(self.refused(path, "+, -, * or / was expected here")),
        };
        Ok(Kind::Arithmetic(operator, self.at(left, path, 0)?, self.at(right, path, 2)?))
    }

    fn read_call(&mut self, piece: &Piece<'_>) -> Read<Kind> {
        let path = piece.path;
        let json = piece.json;
        let object = piece.object;
        let name = self.text(json, path)?;
        // Events are counted and summed up by `value`.
        let known = Routine::named(&name).is_some()
            || ["coalesce", "nullif", "lower", "upper", "||", "concat"].contains(&name.as_str());
        if !known {
            let trouble = self.refused(path, format!("there is no function '{name}'"));
            return Err(match nearest(&name, Routine::names()) {
                Some(near) => trouble.hint(format!("did you mean '{near}'?")),
                None => trouble.hint("count, sum, first, last and so on are written as \"value\""),
            });
        }
        let none = Json::Array(Vec::new());
        let arguments = object.get("of").unwrap_or(&none);
        Ok(call(&name, self.list(arguments, &format!("{path}.of"))?))
    }

    fn read_cast(&mut self, piece: &Piece<'_>) -> Read<Kind> {
        let path = piece.path;
        let json = piece.json;
        let [value, to] = self.items(json, path)?;
        let name = self.text(to, path)?;
        let all = [CastTo::Text, CastTo::Double, CastTo::Integer, CastTo::Timestamp, CastTo::Date];
        match all.into_iter().find(|to| print::type_name(*to).eq_ignore_ascii_case(&name)) {
            Some(to) => Ok(Kind::Cast(self.at(value, path, 0)?, to)),
            None => Err(self.refused(path, "varchar, double, bigint, timestamp or date was expected here")),
        }
    }

    fn read_truncate(&mut self, piece: &Piece<'_>) -> Read<Kind> {
        let path = piece.path;
        let json = piece.json;
        let [instant, name] = self.items(json, path)?;
        let (name, place) = (self.text(name, path)?, self.place(path));
        let name = unit(&name, place)?.name();
        let name = Syntax { kind: Kind::Literal(Value::from(name)), place };
        Ok(call("date_trunc", vec![name, *self.at(instant, path, 0)?]))
    }

    fn read_part(&mut self, piece: &Piece<'_>) -> Read<Kind> {
        let path = piece.path;
        let json = piece.json;
        let [instant, name] = self.items(json, path)?;
        let part = part(&self.text(name, path)?, self.place(path))?;
        Ok(Kind::Part(part, self.at(instant, path, 0)?))
    }

    fn read_at_zone(&mut self, piece: &Piece<'_>) -> Read<Kind> {
        let path = piece.path;
        let json = piece.json;
        let [instant, name] = self.items(json, path)?;
        let zone = zone(&self.text(name, path)?, self.place(path))?;
        Ok(Kind::AtZone(self.at(instant, path, 0)?, zone))
    }

    pub(super) fn at(&mut self, json: &Json, path: &str, index: usize) -> Read<Box<Syntax>> {
        self.expression(json, &format!("{path}[{index}]")).map(boxed)
    }

    fn case(&mut self, object: &Map<String, Json>, json: &Json, path: &str) -> Read<Kind> {
        let Some(items) = json.as_array().filter(|items| !items.is_empty()) else {
            return Err(self.refused(path, "a list of [condition, value] was expected here"));
        };
        let mut branches = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let path = format!("{path}[{index}]");
            let [when, then] = self.items(item, &path)?;
            branches.push((*self.at(when, &path, 0)?, *self.at(then, &path, 1)?));
        }
        let otherwise =
            object.get("else").map(|json| self.expression(json, &format!("{path}.else"))).transpose()?;
        Ok(Kind::Case { operand: None, branches, otherwise: otherwise.map(boxed) })
    }

    fn steps(&mut self, object: &Map<String, Json>, json: &Json, path: &str) -> Read<Kind> {
        let steps = object.get("steps").and_then(Json::as_array).filter(|steps| steps.len() <= STEPS_MAX);
        let step = |step: &Json| match step {
            Json::String(each) if each == "*" => Some(Step::Each),
            Json::Number(index) => {
                index.as_u64().and_then(|index| u32::try_from(index).ok()).map(Step::Index)
            }
            other => other.get("key").and_then(Json::as_str).map(|key| Step::Key(key.into())),
        };
        let steps = steps.and_then(|steps| steps.iter().map(step).collect::<Option<Vec<_>>>());
        match steps.filter(|steps| !steps.is_empty()) {
            Some(steps) => Ok(Kind::Path(boxed(self.expression(json, path)?), steps)),
            None => Err(self
                .refused(path, format!("1 to {STEPS_MAX} steps were expected"))
                .hint("\"steps\": [{\"key\": \"items\"}, 0, \"*\"]")),
        }
    }
}

fn comparison(sign: &str) -> Option<Comparison> {
    let all = [
        Comparison::Equal,
        Comparison::NotEqual,
        Comparison::Less,
        Comparison::LessOrEqual,
        Comparison::Greater,
        Comparison::GreaterOrEqual,
    ];
    all.into_iter().find(|comparison| comparison.symbol() == sign)
}
