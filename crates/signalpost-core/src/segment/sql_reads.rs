//! Values as the lake's SQL reads them: a property or trait may hold anything,
//! so each is read out of its JSON as the type that its place asks for, and is
//! NULL where it holds another one, as live.
//!
//! | function of the lake | gives |
//! |---|---|
//! | `json_number`, `json_string`, `json_truth`, `json_time` | the value when it is, or reads as, one |
//! | `json_instant`, `json_whole`, `json_shown` | what casts to an instant, a whole number and a text make of it |
//! | `json_value` | the value as JSON, one form for equal values |
//! | `json_order(a, b)` | -1, 0 or 1; NULL where the two do not compare |
//! | `to_json(x)` | a value of SQL as JSON |
//!
//! All but the last two take JSON, and a path into it if need be.

use super::print::quoted;
use super::routine::Routine;
use super::schema::{attribute_type, is_told_by_events};
use super::sql::{Events, Select, Writer, constant, identifier};
use super::sql_calls;
use super::tree::{CastTo, Comparison, Expression, Step, Type};
use crate::value::Value;

impl Writer {
    /// A condition: what is neither true nor false is NULL.
    pub(super) fn truth(&mut self, part: &Expression, select: &mut Select, events: &mut Events) -> String {
        self.read(part, Type::Truth, select, events)
    }

    /// A value as the type that its place asks for; as JSON where that is
    /// unknown.
    pub(super) fn read(
        &mut self,
        part: &Expression,
        wanted: Type,
        select: &mut Select,
        events: &mut Events,
    ) -> String {
        let own = part.type_of();
        match (own, wanted) {
            (Type::Unknown, _) => self.read_unknown(part, wanted, select, events),
            (_, Type::Unknown) => format!("to_json({})", self.expression(part, select, events)),
            (Type::Text, Type::Number) => match part {
                Expression::Literal(text) => {
                    text.as_number().map_or("NULL".to_owned(), |number| constant(&Value::Float(number)))
                }
                _ => format!("json_number(to_json({}))", self.expression(part, select, events)),
            },
            (Type::Text, Type::Time | Type::Wall) => {
                let text = self.expression(part, select, events);
                as_clock(format!("json_time(to_json({text}))"), wanted)
            }
            _ => self.expression(part, select, events),
        }
    }

    fn read_unknown(
        &mut self,
        part: &Expression,
        wanted: Type,
        select: &mut Select,
        events: &mut Events,
    ) -> String {
        match part {
            Expression::Column { .. } | Expression::Attribute(_) | Expression::Path(..) => {
                as_clock(self.out_of_json(reader(wanted), part, select, events), wanted)
            }
            Expression::Coalesce(parts) => {
                let mut text = String::from("(CASE");
                for part in parts {
                    let there = self.read(part, Type::Unknown, select, events);
                    let value = self.read(part, wanted, select, events);
                    text.push_str(&format!(" WHEN {there} IS NOT NULL THEN {value}"));
                }
                text.push_str(" END)");
                text
            }
            Expression::Case { branches, otherwise } => {
                self.case(branches, otherwise.as_deref(), wanted, select, events)
            }
            Expression::Aggregate(aggregate) => self.aggregate(aggregate, wanted, select, events),
            Expression::Call(routine @ (Routine::Greatest | Routine::Least), parts) => {
                let parts: Vec<String> =
                    parts.iter().map(|part| self.read(part, wanted, select, events)).collect();
                sql_calls::call(*routine, &parts)
            }
            other => self.expression(other, select, events),
        }
    }

    pub(super) fn case(
        &mut self,
        branches: &[(Expression, Expression)],
        otherwise: Option<&Expression>,
        wanted: Type,
        select: &mut Select,
        events: &mut Events,
    ) -> String {
        let mut text = String::from("(CASE");
        for (condition, value) in branches {
            let condition = self.truth(condition, select, events);
            let value = self.read(value, wanted, select, events);
            text.push_str(&format!(" WHEN {condition} THEN {value}"));
        }
        if let Some(otherwise) = otherwise {
            text.push_str(&format!(" ELSE {}", self.read(otherwise, wanted, select, events)));
        }
        text.push_str(" END)");
        text
    }

    /// A property, a trait or a value inside of one, read by a function.
    fn out_of_json(
        &mut self,
        function: &str,
        part: &Expression,
        select: &mut Select,
        events: &mut Events,
    ) -> String {
        if let Expression::Attribute(name) = part
            && is_told_by_events(name)
        {
            let column = self.attribute(name, select);
            return match function {
                // A truth, or a list as JSON.
                "json_truth" => column,
                _ => format!("{function}(to_json({column}))"),
            };
        }
        let (json, path) = self.json_and_path(part, select, events);
        if path.is_empty() {
            return format!("{function}({json})");
        }
        format!("{function}({json}, {})", quoted(&path, '\''))
    }

    /// The JSON that a property or trait stands in, and the way to it.
    pub(super) fn json_and_path(
        &mut self,
        part: &Expression,
        select: &mut Select,
        events: &mut Events,
    ) -> (String, String) {
        match part {
            Expression::Path(inner, steps) => {
                let (json, path) = self.json_and_path(inner, select, events);
                let steps: &[Step] = steps;
                let inner_path = sql_calls::path(steps);
                let path = if path.is_empty() { inner_path } else { format!("{path}.{inner_path}") };
                (json, path)
            }
            Expression::Column { name, depth } if part.type_of() == Type::Unknown => {
                (format!("{}.\"properties\"", Self::table_at(*depth, events)), name.to_string())
            }
            Expression::Attribute(name) if !is_told_by_events(name) => {
                (self.trait_json(name, select), String::new())
            }
            other => (self.expression(other, select, events), String::new()),
        }
    }

    /// A trait of a known type, or a computed trait.
    pub(super) fn attribute(&mut self, name: &str, select: &mut Select) -> String {
        if is_told_by_events(name) {
            return format!("{}.{}", self.profile(select), identifier(name));
        }
        format!("{}({})", reader(attribute_type(name)), self.trait_json(name, select))
    }

    /// The column in which a trait stands as JSON.
    fn trait_json(&mut self, name: &str, select: &mut Select) -> String {
        format!("{}.{}", self.profile(select), identifier(&format!("traits.{name}")))
    }

    pub(super) fn compare(
        &mut self,
        comparison: Comparison,
        left: &Expression,
        right: &Expression,
        select: &mut Select,
        events: &mut Events,
    ) -> String {
        let symbol = comparison.symbol();
        match common(left, right) {
            Some((of_left, of_right)) => {
                let left = self.read(left, of_left, select, events);
                format!("({left} {symbol} {})", self.read(right, of_right, select, events))
            }
            None => {
                let left = self.read(left, Type::Unknown, select, events);
                let right = self.read(right, Type::Unknown, select, events);
                format!("(json_order({left}, {right}) {symbol} 0)")
            }
        }
    }

    pub(super) fn between(
        &mut self,
        [value, low, high]: [&Expression; 3],
        negated: bool,
        select: &mut Select,
        events: &mut Events,
    ) -> String {
        let not = if negated { "NOT " } else { "" };
        match (common(value, low), common(value, high)) {
            (Some((a, of_low)), Some((b, of_high))) if a == b => {
                let value = self.read(value, a, select, events);
                let low = self.read(low, of_low, select, events);
                let high = self.read(high, of_high, select, events);
                format!("({value} {not}BETWEEN {low} AND {high})")
            }
            _ => {
                let least = self.compare(Comparison::GreaterOrEqual, value, low, select, events);
                let most = self.compare(Comparison::LessOrEqual, value, high, select, events);
                format!("({not}({least} AND {most}))")
            }
        }
    }

    pub(super) fn in_list(
        &mut self,
        value: &Expression,
        list: &[Expression],
        negated: bool,
        select: &mut Select,
        events: &mut Events,
    ) -> String {
        let not = if negated { "NOT " } else { "" };
        let alike: Vec<_> = list.iter().map(|part| common(value, part)).collect();
        let first = alike.first().copied().flatten();
        if let Some((wanted, _)) = first
            && alike.iter().all(|own| own.is_some_and(|(own, _)| own == wanted))
        {
            let value = self.read(value, wanted, select, events);
            let own = list.iter().zip(&alike);
            let list: Vec<String> = own
                .map(|(part, own)| self.read(part, own.map_or(Type::Unknown, |own| own.1), select, events))
                .collect();
            return format!("({value} {not}IN ({}))", list.join(", "));
        }
        let tests: Vec<String> =
            list.iter().map(|part| self.compare(Comparison::Equal, value, part, select, events)).collect();
        format!("({not}({}))", tests.join(" OR "))
    }

    pub(super) fn cast(
        &mut self,
        value: &Expression,
        to: CastTo,
        select: &mut Select,
        events: &mut Events,
    ) -> String {
        let own = value.type_of();
        match to {
            CastTo::Text if own == Type::Text => self.expression(value, select, events),
            CastTo::Text => self.made_of("json_shown", value, select, events),
            CastTo::Double if own == Type::Truth => "CAST(NULL AS DOUBLE)".to_owned(),
            CastTo::Double => format!("CAST({} AS DOUBLE)", self.read(value, Type::Number, select, events)),
            CastTo::Integer if matches!(own, Type::Number | Type::Truth) => {
                format!("TRY_CAST({} AS BIGINT)", self.expression(value, select, events))
            }
            CastTo::Integer => self.made_of("json_whole", value, select, events),
            CastTo::Timestamp => self.instant(value, select, events),
            CastTo::Date => {
                format!("CAST(CAST({} AS DATE) AS TIMESTAMP)", self.instant(value, select, events))
            }
        }
    }

    /// An instant, or a text in one of the forms that a rule may use for one.
    pub(super) fn instant(&mut self, part: &Expression, select: &mut Select, events: &mut Events) -> String {
        match part.type_of() {
            Type::Time | Type::Wall => self.expression(part, select, events),
            _ => self.made_of("json_instant", part, select, events),
        }
    }

    fn made_of(
        &mut self,
        function: &str,
        part: &Expression,
        select: &mut Select,
        events: &mut Events,
    ) -> String {
        match part {
            Expression::Column { .. } | Expression::Attribute(_) | Expression::Path(..)
                if part.type_of() == Type::Unknown =>
            {
                self.out_of_json(function, part, select, events)
            }
            _ => format!("{function}({})", self.read(part, Type::Unknown, select, events)),
        }
    }
}

/// The types as which two sides are read to be compared; `None` where only
/// their values tell.
fn common(left: &Expression, right: &Expression) -> Option<(Type, Type)> {
    let plain = |side: &Expression| match side {
        Expression::Literal(Value::Text(text)) => {
            let value = Value::Text(text.clone());
            value.as_number().is_none() && value.as_time().is_none()
        }
        _ => false,
    };
    match (left.type_of(), right.type_of()) {
        (Type::Unknown, Type::Unknown) => None,
        (Type::Unknown, Type::Text) => plain(right).then_some((Type::Text, Type::Text)),
        (Type::Text, Type::Unknown) => plain(left).then_some((Type::Text, Type::Text)),
        (Type::Unknown, own) | (own, Type::Unknown) => Some((own, own)),
        (Type::Text, own) | (own, Type::Text) => Some((own, own)),
        own => Some(own),
    }
}

fn reader(wanted: Type) -> &'static str {
    match wanted {
        Type::Number => "json_number",
        Type::Text => "json_string",
        Type::Truth => "json_truth",
        Type::Time | Type::Wall => "json_time",
        Type::Unknown => "json_value",
    }
}

/// What clocks show has no zone in SQL.
fn as_clock(instant: String, wanted: Type) -> String {
    if wanted == Type::Wall { format!("CAST({instant} AS TIMESTAMP)") } else { instant }
}
