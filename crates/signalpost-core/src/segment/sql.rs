//! The SQL that gives a segment's members over the lake, at `now()`.
//!
//! In: a definition. Out: one statement in DataFusion's dialect over
//! `events(profile_id, customer_id, event_type, timestamp, product_id,
//! log_offset, properties)`, `customer_data(profile_id, customer_id, computed
//! trait…, "traits.<name>"…)`, where properties and traits are JSON,
//! and, for `in_segment`, `memberships(profile_id, segment, entered_at, exited_at)`,
//! giving a row `profile_id, customer_id` a member.
//!
//! Every event set becomes a grouped derived table joined on `profile_id`, so
//! that it may stand under OR, NOT and CASE, and no row of `customer_data` is
//! ever joined to two; only a set that looks at the event around it stays a
//! correlated subquery.

use super::Definition;
use super::duration;
use super::print::{known, literal, quoted};
use super::routine::Routine;
use super::sql_calls;
use super::tree::{Aggregate, Expression, Function, Known, Operator, Type};
use crate::time::Span;
use crate::value::Value;

impl Definition {
    /// The statement whose rows are the members at `now()`.
    ///
    /// It speaks of `profile_id`, so that people not yet known count too; sums
    /// are decimals of six places and divisions are of doubles, as live.
    pub fn to_sql(&self) -> String {
        self.select(None)
    }

    /// As [`Definition::to_sql`], with a value of each member as the column `v`.
    pub(super) fn to_sql_with_value(&self, value: &Expression) -> String {
        self.select(Some(value))
    }

    fn select(&self, value: Option<&Expression>) -> String {
        let mut writer = Writer::default();
        let mut select = Select::new("c");
        let condition = writer.truth(&self.predicate, &mut select, &mut Vec::new());
        let value = value.map(|value| match value.type_of() {
            // Ranks are of numbers, unless the value says otherwise.
            Type::Unknown => writer.read(value, Type::Number, &mut select, &mut Vec::new()),
            _ => writer.expression(value, &mut select, &mut Vec::new()),
        });
        let value = value.map(|value| format!(", {value} AS v")).unwrap_or_default();
        let joins = select.joins.concat();
        format!(
            "SELECT c.\"profile_id\", c.\"customer_id\"{value} FROM customer_data c{joins} WHERE {condition}"
        )
    }
}

/// Gives out names of derived tables.
#[derive(Default)]
pub(super) struct Writer {
    tables: usize,
}

/// A SELECT being written: the row it is about and what is joined to it.
pub(super) struct Select {
    /// The table its rows come from.
    row: String,
    /// The table of the profile's attributes; `None` until one is asked for.
    profile: Option<String>,
    joins: Vec<String>,
}

impl Select {
    fn new(row: &str) -> Self {
        Self { row: row.to_owned(), profile: Some(row.to_owned()), joins: Vec::new() }
    }

    fn of_events(row: &str) -> Self {
        Self { row: row.to_owned(), profile: None, joins: Vec::new() }
    }
}

/// Tables of the events in sight, outermost first.
pub(super) type Events = Vec<String>;

pub(super) fn identifier(name: &str) -> String {
    quoted(name, '"')
}

impl Writer {
    fn table(&mut self, letter: char) -> String {
        self.tables += 1;
        format!("{letter}{}", self.tables)
    }

    /// The table of the events `depth` sets outward.
    pub(super) fn table_at(depth: u8, events: &Events) -> &str {
        let level = events.len().checked_sub(usize::from(depth) + 1);
        level.and_then(|level| events.get(level)).map_or("e", |table| table)
    }

    /// An expression by its own type; see [`Writer::read`] for what has none.
    pub(super) fn expression(
        &mut self,
        part: &Expression,
        select: &mut Select,
        events: &mut Events,
    ) -> String {
        match part {
            Expression::Literal(value) => constant(value),
            Expression::Now => "now()".to_owned(),
            Expression::Today => "CAST(current_date() AS TIMESTAMP)".to_owned(),
            Expression::Attribute(name) => self.attribute(name, select),
            Expression::Column { name, depth } => match part.type_of() {
                Type::Unknown => self.read(part, Type::Text, select, events),
                _ => format!("{}.{}", Self::table_at(*depth, events), identifier(name)),
            },
            Expression::InSegment(name) => self.in_segment(name, select),
            Expression::Shift(instant, span) => {
                let instant = self.instant(instant, select, events);
                let sign = if span.as_micros() < 0 { '-' } else { '+' };
                let length = Span::from_micros(span.as_micros().saturating_abs());
                format!("({instant} {sign} INTERVAL '{}')", duration::print(length))
            }
            Expression::Not(inner) => format!("(NOT {})", self.truth(inner, select, events)),
            Expression::And(parts) => self.joined(parts, " AND ", select, events),
            Expression::Or(parts) => self.joined(parts, " OR ", select, events),
            Expression::Compare(comparison, left, right) => {
                self.compare(*comparison, left, right, select, events)
            }
            Expression::Arithmetic(operator, left, right) => {
                let left = self.read(left, Type::Number, select, events);
                let right = self.read(right, Type::Number, select, events);
                match operator {
                    Operator::Divide => {
                        format!("(CAST({left} AS DOUBLE) / NULLIF(CAST({right} AS DOUBLE), 0))")
                    }
                    _ => format!("({left} {} {right})", operator.symbol()),
                }
            }
            Expression::Exists(filter) => self.exists(filter, select, events),
            Expression::Aggregate(aggregate) => self.aggregate(aggregate, Type::Unknown, select, events),
            other => self.longer(other, select, events),
        }
    }

    fn longer(&mut self, part: &Expression, select: &mut Select, events: &mut Events) -> String {
        let not = |negated: bool| if negated { " NOT" } else { "" };
        match part {
            Expression::Between { value, low, high, negated } => {
                self.between([value, low, high], *negated, select, events)
            }
            Expression::In { value, list, negated } => self.in_list(value, list, *negated, select, events),
            Expression::Like { value, pattern, negated, any_case } => {
                let value = self.read(value, Type::Text, select, events);
                let like = if *any_case { "ILIKE" } else { "LIKE" };
                format!("({value}{} {like} {})", not(*negated), quoted(pattern, '\''))
            }
            Expression::Is { value, what, negated } => {
                let wanted = if *what == Known::Null { Type::Unknown } else { Type::Truth };
                let value = match value.type_of() {
                    Type::Unknown => self.read(value, wanted, select, events),
                    _ => self.expression(value, select, events),
                };
                format!("({value} IS{} {})", not(*negated), known(*what))
            }
            Expression::Coalesce(parts) => match part.type_of() {
                Type::Unknown => self.read(part, Type::Text, select, events),
                own => {
                    let parts: Vec<String> =
                        parts.iter().map(|part| self.read(part, own, select, events)).collect();
                    format!("coalesce({})", parts.join(", "))
                }
            },
            Expression::Case { branches, otherwise } => {
                self.case(branches, otherwise.as_deref(), part.type_of(), select, events)
            }
            Expression::Lower(text) => format!("lower({})", self.read(text, Type::Text, select, events)),
            Expression::Upper(text) => format!("upper({})", self.read(text, Type::Text, select, events)),
            Expression::Cast(value, to) => self.cast(value, *to, select, events),
            other => self.made(other, select, events),
        }
    }

    /// Values made by functions, patterns, zones and paths.
    fn made(&mut self, part: &Expression, select: &mut Select, events: &mut Events) -> String {
        match part {
            Expression::Match { value, pattern, negated, any_case } => {
                let value = self.read(value, Type::Text, select, events);
                let sign = if *negated { "!~" } else { "~" };
                let star = if *any_case { "*" } else { "" };
                format!("({value} {sign}{star} {})", quoted(pattern, '\''))
            }
            Expression::Call(routine @ (Routine::ListLength | Routine::ListContains), parts) => {
                let Some(list) = parts.first() else { return "NULL".to_owned() };
                let (list, path) = self.json_and_path(list, select, events);
                let path = quoted(&path, '\'');
                match parts.get(1) {
                    Some(wanted) if *routine == Routine::ListContains => {
                        let wanted = self.expression(wanted, select, events);
                        format!("json_contains({list}, {path}, {wanted})")
                    }
                    _ => format!("json_length({list}, {path})"),
                }
            }
            Expression::Call(routine, parts) => {
                let values = parts.iter().enumerate().map(|(place, part)| match routine.wants(place) {
                    Type::Time => self.instant(part, select, events),
                    Type::Unknown if part.type_of() != Type::Unknown => self.expression(part, select, events),
                    wanted => self.read(part, wanted, select, events),
                });
                sql_calls::call(*routine, &values.collect::<Vec<_>>())
            }
            Expression::ToWall(inner, zone) => {
                sql_calls::to_wall(&self.instant(inner, select, events), zone.name())
            }
            Expression::FromWall(inner, zone) => {
                sql_calls::from_wall(&self.instant(inner, select, events), zone.name())
            }
            Expression::ShiftMonths(instant, months) => {
                let instant = self.instant(instant, select, events);
                let sign = if *months < 0 { '-' } else { '+' };
                format!("({instant} {sign} INTERVAL '{} months')", months.saturating_abs())
            }
            Expression::Path(..) => self.read(part, Type::Text, select, events),
            // The others are met in `expression`.
            _ => "NULL".to_owned(),
        }
    }

    fn joined(
        &mut self,
        parts: &[Expression],
        between: &str,
        select: &mut Select,
        events: &mut Events,
    ) -> String {
        let parts: Vec<String> = parts.iter().map(|part| self.truth(part, select, events)).collect();
        format!("({})", parts.join(between))
    }

    /// The table of the profile's attributes, joined when it is first needed.
    pub(super) fn profile(&mut self, select: &mut Select) -> String {
        if let Some(profile) = &select.profile {
            return profile.clone();
        }
        let table = self.table('c');
        select.joins.push(format!(
            " LEFT JOIN customer_data {table} ON {table}.\"profile_id\" = {}.\"profile_id\"",
            select.row
        ));
        select.profile = Some(table.clone());
        table
    }

    fn in_segment(&mut self, name: &str, select: &mut Select) -> String {
        let table = self.table('m');
        select.joins.push(format!(
            " LEFT JOIN (SELECT DISTINCT \"profile_id\" FROM memberships WHERE \"segment\" = {} AND \
             \"entered_at\" <= now() AND (\"exited_at\" IS NULL OR \"exited_at\" > now())) {table} ON \
             {table}.\"profile_id\" = {}.\"profile_id\"",
            quoted(name, '\''),
            select.row
        ));
        format!("({table}.\"profile_id\" IS NOT NULL)")
    }

    fn exists(&mut self, filter: &Expression, select: &mut Select, events: &mut Events) -> String {
        let set = EventSet { filter, argument: None };
        if set.looks_outward() {
            let (from, _) = self.source(&set, events, Some(&select.row));
            return format!("EXISTS (SELECT 1 {from})");
        }
        let (from, row) = self.source(&set, events, None);
        let table = self.join(&format!("count(*) AS v {from}"), &row, select);
        format!("({table}.v IS NOT NULL)")
    }

    /// An aggregate; what it takes of events is read as `wanted` where it has
    /// no type of its own.
    pub(super) fn aggregate(
        &mut self,
        aggregate: &Aggregate,
        wanted: Type,
        select: &mut Select,
        events: &mut Events,
    ) -> String {
        let set = EventSet { filter: &aggregate.filter, argument: aggregate.argument.as_ref() };
        let counts = matches!(aggregate.function, Function::Count | Function::CountDistinct);
        if set.looks_outward() {
            let outer = select.row.clone();
            let (value, from, _) = self.value(aggregate, wanted, &set, events, Some(&outer));
            return format!("(SELECT {value} {from})");
        }
        let (value, from, row) = self.value(aggregate, wanted, &set, events, None);
        let table = self.join(&format!("{value} AS v {from}"), &row, select);
        if counts { format!("coalesce({table}.v, 0)") } else { format!("{table}.v") }
    }

    /// Joins a derived table of one row a profile and gives its name.
    fn join(&mut self, value_and_from: &str, row: &str, select: &mut Select) -> String {
        let table = self.table('s');
        select.joins.push(format!(
            " LEFT JOIN (SELECT {row}.\"profile_id\" AS \"profile_id\", {value_and_from} GROUP BY \
             {row}.\"profile_id\") {table} ON {table}.\"profile_id\" = {}.\"profile_id\"",
            select.row
        ));
        table
    }

    /// `FROM events … WHERE …` of a set, and the name of its row.
    fn source(&mut self, set: &EventSet<'_>, events: &mut Events, outer: Option<&str>) -> (String, String) {
        let row = self.table('e');
        let mut select = Select::of_events(&row);
        events.push(row.clone());
        let from = self.write_source(set, &mut select, events, outer);
        events.pop();
        (from, row)
    }

    fn write_source(
        &mut self,
        set: &EventSet<'_>,
        select: &mut Select,
        events: &mut Events,
        outer: Option<&str>,
    ) -> String {
        let row = select.row.clone();
        let mut conditions = Vec::new();
        if let Some(outer) = outer {
            conditions.push(format!("{row}.\"profile_id\" = {outer}.\"profile_id\""));
        }
        conditions.push(format!("{row}.\"timestamp\" <= now()"));
        for part in set.filter.conjuncts() {
            conditions.push(self.truth(part, select, events));
        }
        format!("FROM events {row}{} WHERE {}", select.joins.concat(), conditions.join(" AND "))
    }

    /// An aggregate's value, its FROM and its row's name.
    fn value(
        &mut self,
        aggregate: &Aggregate,
        wanted: Type,
        set: &EventSet<'_>,
        events: &mut Events,
        outer: Option<&str>,
    ) -> (String, String, String) {
        let row = self.table('e');
        let mut select = Select::of_events(&row);
        events.push(row.clone());
        let wanted = match aggregate.function {
            Function::Sum | Function::Average => Type::Number,
            _ => wanted,
        };
        let argument = set.argument.map(|argument| match argument.type_of() {
            Type::Unknown => self.read(argument, wanted, &mut select, events),
            Type::Text if wanted == Type::Number => self.read(argument, wanted, &mut select, events),
            _ => self.expression(argument, &mut select, events),
        });
        let from = self.write_source(set, &mut select, events, outer);
        events.pop();
        let Some(x) = argument else { return ("count(*)".to_owned(), from, row) };
        let sum = format!("sum(CAST({x} AS DECIMAL(38, 6)))");
        // Events of one instant stand in the order they were accepted in.
        let order = format!("ORDER BY {row}.\"timestamp\", {row}.\"log_offset\"");
        let value = match aggregate.function {
            Function::Count => format!("count({x})"),
            Function::CountDistinct => format!("count(DISTINCT {x})"),
            Function::Sum => format!("CAST({sum} AS DOUBLE)"),
            Function::Average => format!("CAST({sum} * 1000000 AS DOUBLE) / (count({x}) * 1000000)"),
            Function::Minimum => format!("min({x})"),
            Function::Maximum => format!("max({x})"),
            Function::First => format!("first_value({x} {order})"),
            Function::Last => format!("last_value({x} {order})"),
        };
        (value, from, row)
    }
}

/// A set of events as the tree has it.
struct EventSet<'a> {
    filter: &'a Expression,
    argument: Option<&'a Expression>,
}

impl EventSet<'_> {
    /// Whether it reads an event of a set around it.
    fn looks_outward(&self) -> bool {
        self.filter.escapes(0) || self.argument.is_some_and(|argument| argument.escapes(0))
    }
}

pub(super) fn constant(value: &Value) -> String {
    match value {
        // DataFusion reads a plain decimal as a double too; the cast says so
        // for whole values and exponents alike.
        Value::Float(number) => format!("CAST({number:?} AS DOUBLE)"),
        other => literal(other),
    }
}
