//! Canonical text: what a definition prints reads back to the same definition.

use std::fmt::{self, Write as _};

use super::grammar::is_reserved;
use super::group::ungrouped;
use super::routine::Routine;
use super::schema::{EVENT_FIELDS, is_event_name};
use super::tree::{Aggregate, CastTo, Expression, Function, Known, Operator, Step};
use super::{Definition, Form, SequenceRule, Statement, duration};
use crate::time::Span;
use crate::value::Value;

/// How tightly an expression holds together, loosest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Hold {
    Or,
    And,
    Not,
    Test,
    Sum,
    Product,
    Zone,
    Operand,
}

/// Where an expression is printed: how names there must be qualified.
#[derive(Clone, Copy)]
pub(super) struct Site {
    pub(super) form: Form,
    /// Event sets around it that are written as subqueries.
    pub(super) subqueries: u8,
    /// Whether it is inside of a phrase about events.
    pub(super) in_phrase: bool,
}

/// Writes `expression` as it stands at the top of a text of this form.
pub(super) fn expression(expression: &Expression, form: Form) -> String {
    let raw;
    let shown = if form == Form::Rule {
        raw = ungrouped(expression);
        &raw
    } else {
        expression
    };
    let mut text = String::new();
    Site { form, subqueries: 0, in_phrase: false }.write(&mut text, shown, Hold::Or);
    text
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&expression(self, Form::Select))
    }
}

impl fmt::Display for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let condition = expression(&self.predicate, self.form);
        match self.form {
            Form::Rule => {
                let name = self.name.as_ref().map_or("", |name| name.as_str());
                write!(f, "IF {condition} THEN assign to {}", quoted(name, '\''))
            }
            Form::Select if self.predicate == Expression::truth(true) => {
                f.write_str("SELECT customer_id FROM customer_data")
            }
            Form::Select => write!(f, "SELECT customer_id FROM customer_data WHERE {condition}"),
        }
    }
}

impl fmt::Display for SequenceRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |name: &str| if is_plain(name) { name.to_owned() } else { quoted(name, '\'') };
        write!(f, "AFTER {} WITHOUT {}", name(&self.after), name(&self.without))?;
        write!(f, " WITHIN {}", duration::print(self.within))?;
        if let Some(property) = &self.matching {
            write!(f, " MATCHING {}", name(property))?;
        }
        write!(f, " EMIT {}", name(&self.emit))
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Segment(definition) => fmt::Display::fmt(definition, f),
            Self::Sequence(rule) => fmt::Display::fmt(rule, f),
        }
    }
}

/// `text` in quotes, those inside written twice.
pub(super) fn quoted(text: &str, quote: char) -> String {
    let doubled = format!("{quote}{quote}");
    format!("{quote}{}{quote}", text.replace(quote, &doubled))
}

/// Whether a name can stand without quotes and keep its meaning.
fn is_plain(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|first| first.is_ascii_lowercase() || first == '_')
        && letters.all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
        && !is_reserved(name)
        && !duration::is_unit(name)
        && !["matching", "emit", "within", "without"].contains(&name)
}

pub(super) fn name(name: &str) -> String {
    // An unquoted name of this shape would be read in lower case.
    if is_plain(name) { name.to_owned() } else { quoted(name, '"') }
}

/// A constant as SQL writes it.
pub(super) fn literal(value: &Value) -> String {
    match value {
        Value::Text(text) => quoted(text, '\''),
        Value::Time(instant) => format!("TIMESTAMP '{instant}'"),
        Value::Float(number) => format!("{number:?}"),
        Value::Bool(true) => "TRUE".to_owned(),
        Value::Bool(false) => "FALSE".to_owned(),
        Value::Int(number) => number.to_string(),
        Value::Null | Value::List(_) | Value::Map(_) => "NULL".to_owned(),
    }
}

/// The name of a type in a cast.
pub(super) fn type_name(to: CastTo) -> &'static str {
    match to {
        CastTo::Text => "VARCHAR",
        CastTo::Double => "DOUBLE",
        CastTo::Integer => "BIGINT",
        CastTo::Timestamp => "TIMESTAMP",
        CastTo::Date => "DATE",
    }
}

fn hold(expression: &Expression) -> Hold {
    match expression {
        Expression::Or(_) => Hold::Or,
        Expression::And(_) => Hold::And,
        Expression::Not(_) => Hold::Not,
        Expression::Compare(..)
        | Expression::Between { .. }
        | Expression::In { .. }
        | Expression::Like { .. }
        | Expression::Is { .. } => Hold::Test,
        // As a phrase it may end in words that would go on.
        Expression::Match { .. } | Expression::Exists(_) => Hold::Test,
        Expression::Shift(..)
        | Expression::ShiftMonths(..)
        | Expression::Call(Routine::Concat, _)
        | Expression::Arithmetic(Operator::Add | Operator::Subtract, ..) => Hold::Sum,
        Expression::Arithmetic(Operator::Multiply | Operator::Divide, ..) => Hold::Product,
        // `a AT TIME ZONE 'x'` may be followed by another.
        Expression::ToWall(..) | Expression::FromWall(..) => Hold::Zone,
        _ => Hold::Operand,
    }
}

impl Site {
    /// Writes a part where at least `needed` must hold it together.
    pub(super) fn write(self, out: &mut String, part: &Expression, needed: Hold) {
        let bare = hold(part) >= needed;
        if !bare {
            out.push('(');
        }
        self.write_bare(out, part);
        if !bare {
            out.push(')');
        }
    }

    fn write_bare(self, out: &mut String, part: &Expression) {
        if let Some(phrase) = self.phrase(part) {
            out.push_str(&phrase);
            return;
        }
        match part {
            Expression::Literal(value) => out.push_str(&literal(value)),
            Expression::Now => out.push_str("now()"),
            Expression::Today => out.push_str("current_date"),
            Expression::Attribute(attribute) => self.write_attribute(out, attribute),
            Expression::Column { name, depth } => self.write_column(out, name, *depth),
            Expression::InSegment(segment) => {
                out.push_str("in_segment(");
                out.push_str(&quoted(segment, '\''));
                out.push(')');
            }
            Expression::Shift(instant, span) => {
                self.write(out, instant, Hold::Sum);
                let back = span.as_micros() < 0;
                out.push_str(if back { " - " } else { " + " });
                let length = if back { Span::from_micros(span.as_micros().saturating_neg()) } else { *span };
                out.push_str(&duration::print(length));
            }
            Expression::Not(inner) => {
                out.push_str("NOT ");
                self.write(out, inner, Hold::Test);
            }
            Expression::And(parts) => self.write_joined(out, parts, " AND ", Hold::Not),
            Expression::Or(parts) => self.write_joined(out, parts, " OR ", Hold::And),
            Expression::Compare(comparison, left, right) => {
                self.write(out, left, Hold::Sum);
                out.push(' ');
                out.push_str(comparison.symbol());
                out.push(' ');
                self.write(out, right, Hold::Sum);
            }
            Expression::Arithmetic(operator, left, right) => {
                let (own, tighter) = match operator {
                    Operator::Add | Operator::Subtract => (Hold::Sum, Hold::Product),
                    Operator::Multiply | Operator::Divide => (Hold::Product, Hold::Zone),
                };
                self.write(out, left, own);
                out.push(' ');
                out.push_str(operator.symbol());
                out.push(' ');
                self.write(out, right, tighter);
            }
            Expression::Exists(filter) => self.write_subquery(out, "EXISTS (SELECT 1", filter),
            Expression::Aggregate(aggregate) => self.write_aggregate(out, aggregate),
            other => self.write_longer(out, other),
        }
    }

    fn write_longer(self, out: &mut String, part: &Expression) {
        match part {
            Expression::Between { value, low, high, negated } => {
                self.write(out, value, Hold::Sum);
                out.push_str(if *negated { " NOT BETWEEN " } else { " BETWEEN " });
                self.write(out, low, Hold::Sum);
                out.push_str(" AND ");
                self.write(out, high, Hold::Sum);
            }
            Expression::In { value, list, negated } => {
                self.write(out, value, Hold::Sum);
                out.push_str(if *negated { " NOT IN (" } else { " IN (" });
                self.write_joined(out, list, ", ", Hold::Or);
                out.push(')');
            }
            Expression::Like { value, pattern, negated, any_case } => {
                self.write(out, value, Hold::Sum);
                out.push_str(if *negated { " NOT" } else { "" });
                out.push_str(if *any_case { " ILIKE " } else { " LIKE " });
                out.push_str(&quoted(pattern, '\''));
            }
            Expression::Is { value, what, negated } => {
                self.write(out, value, Hold::Sum);
                out.push_str(if *negated { " IS NOT " } else { " IS " });
                out.push_str(known(*what));
            }
            Expression::Match { value, pattern, negated, any_case } => {
                self.write(out, value, Hold::Sum);
                out.push_str(if *negated { " !~" } else { " ~" });
                out.push_str(if *any_case { "* " } else { " " });
                out.push_str(&quoted(pattern, '\''));
            }
            Expression::Coalesce(parts) => {
                out.push_str("coalesce(");
                self.write_joined(out, parts, ", ", Hold::Or);
                out.push(')');
            }
            Expression::Case { branches, otherwise } => {
                out.push_str("CASE");
                for (condition, value) in branches {
                    out.push_str(" WHEN ");
                    self.write(out, condition, Hold::Or);
                    out.push_str(" THEN ");
                    self.write(out, value, Hold::Or);
                }
                if let Some(otherwise) = otherwise {
                    out.push_str(" ELSE ");
                    self.write(out, otherwise, Hold::Or);
                }
                out.push_str(" END");
            }
            Expression::Lower(text) => self.write_call(out, "lower(", text, ")"),
            Expression::Upper(text) => self.write_call(out, "upper(", text, ")"),
            Expression::Cast(value, to) => {
                self.write_call(out, "CAST(", value, &format!(" AS {})", type_name(*to)));
            }
            other => self.write_made(out, other),
        }
    }

    fn write_made(self, out: &mut String, part: &Expression) {
        match part {
            Expression::Call(Routine::Truncate(unit), parts) => {
                out.push_str(&format!("date_trunc('{}', ", unit.name()));
                self.write_joined(out, parts, ", ", Hold::Or);
                out.push(')');
            }
            Expression::Call(Routine::Part(part), parts) => {
                out.push_str(&format!("extract({} FROM ", part.name()));
                self.write_joined(out, parts, ", ", Hold::Or);
                out.push(')');
            }
            Expression::Call(Routine::Concat, parts) => {
                for (index, part) in parts.iter().enumerate() {
                    out.push_str(if index > 0 { " || " } else { "" });
                    self.write(out, part, if index > 0 { Hold::Product } else { Hold::Sum });
                }
            }
            Expression::Call(routine, parts) => {
                out.push_str(routine.name());
                out.push('(');
                self.write_joined(out, parts, ", ", Hold::Or);
                out.push(')');
            }
            Expression::ToWall(inner, zone) | Expression::FromWall(inner, zone) => {
                self.write(out, inner, Hold::Operand);
                out.push_str(" AT TIME ZONE ");
                out.push_str(&quoted(zone.name(), '\''));
            }
            Expression::ShiftMonths(instant, months) => {
                self.write(out, instant, Hold::Sum);
                out.push_str(if *months < 0 { " - " } else { " + " });
                out.push_str(&duration::print_months(months.saturating_abs()));
            }
            Expression::Path(inner, steps) => {
                match &**inner {
                    // A bare name before a point would be read as a table.
                    Expression::Attribute(attribute) => self.write_qualified(out, attribute),
                    Expression::Column { name: column, depth } => {
                        self.write_event_column(out, column, *depth)
                    }
                    other => self.write(out, other, Hold::Operand),
                }
                for step in steps {
                    match step {
                        Step::Key(key) => out.push_str(&format!(".{}", name(key))),
                        Step::Index(index) => out.push_str(&format!("[{index}]")),
                        Step::Each => out.push_str("[*]"),
                    }
                }
            }
            _ => {}
        }
    }

    fn write_call(self, out: &mut String, open: &str, inner: &Expression, close: &str) {
        out.push_str(open);
        self.write(out, inner, Hold::Or);
        out.push_str(close);
    }

    fn write_joined(self, out: &mut String, parts: &[Expression], between: &str, needed: Hold) {
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                out.push_str(between);
            }
            self.write(out, part, needed);
        }
    }

    fn write_attribute(self, out: &mut String, attribute: &str) {
        let bare = self.subqueries == 0
            && !self.in_phrase
            && match self.form {
                Form::Rule => super::schema::is_computed(attribute) && !attribute.starts_with("cart_"),
                Form::Select => !is_event_name(attribute),
            };
        if bare {
            out.push_str(&name(attribute));
        } else {
            self.write_qualified(out, attribute);
        }
    }

    fn write_qualified(self, out: &mut String, attribute: &str) {
        out.push_str(if self.form == Form::Rule { "user." } else { "customer_data." });
        out.push_str(&name(attribute));
    }

    fn write_column(self, out: &mut String, column: &str, depth: u8) {
        if depth == 0 && (is_event_name(column) || (self.subqueries > 0 && EVENT_FIELDS.contains(&column))) {
            out.push_str(column);
            return;
        }
        self.write_event_column(out, column, depth);
    }

    fn write_event_column(self, out: &mut String, column: &str, depth: u8) {
        match self.subqueries.checked_sub(depth + 1) {
            Some(level) => out.push_str(&alias(level)),
            None => out.push_str("event"),
        }
        out.push('.');
        out.push_str(&name(column));
    }

    fn write_subquery(self, out: &mut String, head: &str, filter: &Expression) {
        out.push_str(head);
        out.push_str(" FROM events ");
        out.push_str(&alias(self.subqueries));
        if *filter != Expression::truth(true) {
            out.push_str(" WHERE ");
            self.inside().write(out, filter, Hold::Or);
        }
        out.push(')');
    }

    fn inside(self) -> Self {
        Self { subqueries: self.subqueries.saturating_add(1), ..self }
    }

    fn write_aggregate(self, out: &mut String, aggregate: &Aggregate) {
        let head = self.inside().aggregate_head(aggregate.function, aggregate.argument.as_ref());
        self.write_subquery(out, &format!("(SELECT {head}"), &aggregate.filter);
    }

    /// `sum(x)`, where `x` is of the event.
    pub(super) fn aggregate_head(self, function: Function, argument: Option<&Expression>) -> String {
        let name = match function {
            Function::Count | Function::CountDistinct => "count",
            Function::Sum => "sum",
            Function::Average => "avg",
            Function::Minimum => "min",
            Function::Maximum => "max",
            Function::First => "first",
            Function::Last => "last",
        };
        let distinct = if function == Function::CountDistinct { "DISTINCT " } else { "" };
        let mut head = format!("{name}({distinct}");
        match argument {
            Some(argument) => self.write(&mut head, argument, Hold::Or),
            None => head.push('*'),
        }
        head.push(')');
        head
    }
}

pub(super) fn known(what: Known) -> &'static str {
    match what {
        Known::Null => "NULL",
        Known::True => "TRUE",
        Known::False => "FALSE",
    }
}

/// The name of the event set at this level of nesting.
fn alias(level: u8) -> String {
    let mut alias = String::from("e");
    if level > 0 {
        // Writing to a string cannot fail.
        let _infallible = write!(alias, "{}", u16::from(level) + 1);
    }
    alias
}
