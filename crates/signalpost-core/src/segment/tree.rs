//! The typed tree of a segment: what the grammar and the names have been
//! turned into, and what printing, compiling and SQL start from.

use super::calendar::Zone;
use super::routine::Routine;
use crate::time::Span;
use crate::value::Value;

/// A condition on a profile. [`Expression`] of kind truth; printed by `Display`
/// in its canonical form.
pub type Predicate = Expression;

/// An expression over a profile, and over one event inside [`EventSet`]s.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// A constant.
    Literal(Value),
    /// The instant of evaluation: `now()`.
    Now,
    /// Midnight (UTC) of the day of evaluation: `current_date`.
    Today,
    /// A trait or computed trait of the profile.
    Attribute(Box<str>),
    /// A column of an event: of the innermost event set at depth 0, of the one
    /// around it at 1, and so on. `event_type` and `timestamp` are columns too.
    Column {
        /// The column's name; `event_time` has become `timestamp`.
        name: Box<str>,
        /// How many event sets outward.
        depth: u8,
    },
    /// Whether the profile is in the segment of this name.
    InSegment(Box<str>),
    /// An instant moved by a span, which may be negative.
    Shift(Box<Self>, Span),
    /// `NOT x`.
    Not(Box<Self>),
    /// All of them; two or more, none of them an `And` itself.
    And(Vec<Self>),
    /// Any of them; two or more, none of them an `Or` itself.
    Or(Vec<Self>),
    /// A comparison.
    Compare(Comparison, Box<Self>, Box<Self>),
    /// `value [NOT] BETWEEN low AND high`.
    Between {
        /// What is tested.
        value: Box<Self>,
        /// The least that passes.
        low: Box<Self>,
        /// The greatest that passes.
        high: Box<Self>,
        /// `NOT BETWEEN`.
        negated: bool,
    },
    /// `value [NOT] IN (…)`.
    In {
        /// What is tested.
        value: Box<Self>,
        /// What it may equal.
        list: Vec<Self>,
        /// `NOT IN`.
        negated: bool,
    },
    /// `value [NOT] LIKE pattern`; `%` any text, `_` any character, `\` takes
    /// the next character as it is.
    Like {
        /// The text tested.
        value: Box<Self>,
        /// The pattern.
        pattern: Box<str>,
        /// `NOT LIKE`.
        negated: bool,
        /// `ILIKE`: without regard to case.
        any_case: bool,
    },
    /// `value [NOT] ~ pattern`: whether a regular expression is found in it.
    Match {
        /// The text tested.
        value: Box<Self>,
        /// The regular expression, which is known to be one.
        pattern: Box<str>,
        /// `!~`.
        negated: bool,
        /// `~*`: without regard to case.
        any_case: bool,
    },
    /// `value IS [NOT] NULL | TRUE | FALSE`.
    Is {
        /// What is tested.
        value: Box<Self>,
        /// What it must be.
        what: Known,
        /// `IS NOT`.
        negated: bool,
    },
    /// Arithmetic on numbers. Division is never whole-number division.
    Arithmetic(Operator, Box<Self>, Box<Self>),
    /// The first that is not null.
    Coalesce(Vec<Self>),
    /// `CASE WHEN condition THEN value … ELSE otherwise END`.
    Case {
        /// Conditions and what they give, in order.
        branches: Vec<(Self, Self)>,
        /// What is given when none holds; null when absent.
        otherwise: Option<Box<Self>>,
    },
    /// `lower(x)`.
    Lower(Box<Self>),
    /// `upper(x)`.
    Upper(Box<Self>),
    /// `CAST(x AS …)`.
    Cast(Box<Self>, CastTo),
    /// A function of values.
    Call(Routine, Vec<Self>),
    /// What the clocks of a zone show at an instant: `x AT TIME ZONE '…'`.
    ToWall(Box<Self>, Zone),
    /// The instant at which the clocks of a zone show a time: `x AT TIME ZONE
    /// '…'` of such a time.
    FromWall(Box<Self>, Zone),
    /// An instant moved by months of the calendar, which may be negative.
    ShiftMonths(Box<Self>, i32),
    /// A value inside an object or list: `x.a.b`, `x[0]`, `x[*]`.
    Path(Box<Self>, Vec<Step>),
    /// Whether the profile has an event that satisfies the condition.
    Exists(Box<Self>),
    /// One value from all events that satisfy a condition.
    Aggregate(Box<Aggregate>),
}

/// One value from all events of the profile that satisfy `filter`.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// What is made of them.
    pub function: Function,
    /// The value taken from each event; `None` is `count(*)`.
    pub argument: Option<Expression>,
    /// Which events are taken.
    pub filter: Expression,
}

/// A step into an object or list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Into an object, by name.
    Key(Box<str>),
    /// Into a list, from 0.
    Index(u32),
    /// Into every value of a list: what follows gives a list.
    Each,
}

/// The aggregate functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// How many (that are not null).
    Count,
    /// How many different values.
    CountDistinct,
    /// Their sum, as exact decimals of six places.
    Sum,
    /// Their mean.
    Average,
    /// The least.
    Minimum,
    /// The greatest.
    Maximum,
    /// That of the earliest event.
    First,
    /// That of the latest event.
    Last,
}

/// The comparison operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// What `IS` may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// `IS NULL`.
    Null,
    /// `IS TRUE`.
    True,
    /// `IS FALSE`.
    False,
}

/// The arithmetic operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
}

/// The types a value may be cast to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CastTo {
    /// Text.
    Text,
    /// A number with a fraction.
    Double,
    /// A whole number; a fraction is cut off.
    Integer,
    /// An instant.
    Timestamp,
    /// Midnight of an instant's day.
    Date,
}

/// What is known of an expression's type without looking at data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Unknown,
    Truth,
    Number,
    Text,
    /// An instant.
    Time,
    /// What clocks show.
    Wall,
}

impl Comparison {
    /// The operator as SQL writes it.
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    /// The operator with its sides exchanged: `a < b` is `b > a`.
    pub const fn mirrored(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            same => same,
        }
    }
}

impl Operator {
    /// The operator as SQL writes it.
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
        }
    }
}

impl Expression {
    /// A constant truth.
    pub fn truth(value: bool) -> Self {
        Self::Literal(Value::Bool(value))
    }

    /// All of `parts`, flattened; constant truths are dropped.
    pub fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut flat = Vec::new();
        for part in parts {
            match part {
                Self::And(inner) => flat.extend(inner),
                Self::Literal(Value::Bool(true)) => {}
                other => flat.push(other),
            }
        }
        if flat.len() > 1 { Self::And(flat) } else { flat.pop().unwrap_or(Self::truth(true)) }
    }

    /// Any of `parts`, flattened.
    pub fn any(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut flat = Vec::new();
        for part in parts {
            match part {
                Self::Or(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        if flat.len() > 1 { Self::Or(flat) } else { flat.pop().unwrap_or(Self::truth(false)) }
    }

    /// The parts of a conjunction; the expression itself when it is none.
    pub fn conjuncts(&self) -> &[Self] {
        match self {
            Self::And(parts) => parts,
            Self::Literal(Value::Bool(true)) => &[],
            other => std::slice::from_ref(other),
        }
    }

    /// Calls `visit` on each direct part; `true` says that it lies inside a
    /// new event set, where columns of this level are one deeper.
    pub fn each_part<'a>(&'a self, visit: &mut dyn FnMut(&'a Self, bool)) {
        match self {
            Self::Literal(_)
            | Self::Now
            | Self::Today
            | Self::Attribute(_)
            | Self::Column { .. }
            | Self::InSegment(_) => {}
            Self::Shift(inner, _)
            | Self::Not(inner)
            | Self::Lower(inner)
            | Self::Upper(inner)
            | Self::Cast(inner, _)
            | Self::ToWall(inner, _)
            | Self::FromWall(inner, _)
            | Self::ShiftMonths(inner, _)
            | Self::Path(inner, _)
            | Self::Match { value: inner, .. }
            | Self::Like { value: inner, .. }
            | Self::Is { value: inner, .. } => visit(inner, false),
            Self::And(parts) | Self::Or(parts) | Self::Coalesce(parts) | Self::Call(_, parts) => {
                parts.iter().for_each(|part| visit(part, false));
            }
            Self::Compare(_, left, right) | Self::Arithmetic(_, left, right) => {
                visit(left, false);
                visit(right, false);
            }
            Self::Between { value, low, high, .. } => {
                visit(value, false);
                visit(low, false);
                visit(high, false);
            }
            Self::In { value, list, .. } => {
                visit(value, false);
                list.iter().for_each(|part| visit(part, false));
            }
            Self::Case { branches, otherwise } => {
                for (condition, value) in branches {
                    visit(condition, false);
                    visit(value, false);
                }
                if let Some(otherwise) = otherwise {
                    visit(otherwise, false);
                }
            }
            Self::Exists(filter) => visit(filter, true),
            Self::Aggregate(aggregate) => {
                if let Some(argument) = &aggregate.argument {
                    visit(argument, true);
                }
                visit(&aggregate.filter, true);
            }
        }
    }

    /// Whether any part reads a column of the event set `level` sets outward
    /// of this expression.
    pub(super) fn reads_event(&self, level: u8) -> bool {
        if let Self::Column { depth, .. } = self {
            return *depth == level;
        }
        let mut found = false;
        self.each_part(&mut |part, inside| {
            found = found || part.reads_event(level.saturating_add(u8::from(inside)));
        });
        found
    }

    /// Whether a column lies more than `level` sets outward.
    pub(super) fn escapes(&self, level: u8) -> bool {
        if let Self::Column { depth, .. } = self {
            return *depth > level;
        }
        let mut found = false;
        self.each_part(&mut |part, inside| {
            found = found || part.escapes(level.saturating_add(u8::from(inside)));
        });
        found
    }

    /// The type, as far as the text alone tells.
    pub(super) fn type_of(&self) -> Type {
        match self {
            Self::Literal(value) => match value {
                Value::Bool(_) => Type::Truth,
                Value::Int(_) | Value::Float(_) => Type::Number,
                Value::Text(_) => Type::Text,
                Value::Time(_) => Type::Time,
                _ => Type::Unknown,
            },
            Self::Now | Self::Today | Self::FromWall(..) => Type::Time,
            Self::ToWall(..) => Type::Wall,
            // Moving and cutting off keep to the same clocks.
            Self::Shift(inner, _) | Self::ShiftMonths(inner, _) | Self::Cast(inner, CastTo::Date) => {
                if inner.type_of() == Type::Wall { Type::Wall } else { Type::Time }
            }
            Self::Cast(_, CastTo::Timestamp) => Type::Time,
            Self::Attribute(name) => super::schema::attribute_type(name),
            Self::Column { name, .. } => match &**name {
                "timestamp" | "received_at" => Type::Time,
                "event_type" | "event_id" | "product_id" | "customer_id" | "anonymous_id" | "source" => {
                    Type::Text
                }
                _ => Type::Unknown,
            },
            Self::InSegment(_)
            | Self::Not(_)
            | Self::And(_)
            | Self::Or(_)
            | Self::Compare(..)
            | Self::Between { .. }
            | Self::In { .. }
            | Self::Like { .. }
            | Self::Match { .. }
            | Self::Is { .. }
            | Self::Exists(_) => Type::Truth,
            Self::Path(..) => Type::Unknown,
            Self::Call(Routine::Truncate(_), parts)
                if parts.first().is_some_and(|part| part.type_of() == Type::Unknown) =>
            {
                Type::Time
            }
            Self::Call(routine, parts) => routine.gives().unwrap_or_else(|| common_type(parts.iter())),
            Self::Arithmetic(..) | Self::Cast(_, CastTo::Double | CastTo::Integer) => Type::Number,
            Self::Lower(_) | Self::Upper(_) | Self::Cast(_, CastTo::Text) => Type::Text,
            Self::Coalesce(parts) => common_type(parts.iter()),
            Self::Case { branches, otherwise } => {
                common_type(branches.iter().map(|(_, value)| value).chain(otherwise.as_deref()))
            }
            Self::Aggregate(aggregate) => match (aggregate.function, &aggregate.argument) {
                (
                    Function::Minimum | Function::Maximum | Function::First | Function::Last,
                    Some(argument),
                ) => argument.type_of(),
                _ => Type::Number,
            },
        }
    }
}

/// The type all of `parts` share; unknown where they differ.
fn common_type<'a>(parts: impl Iterator<Item = &'a Expression>) -> Type {
    let mut common = None;
    for part in parts.filter(|part| !matches!(part, Expression::Literal(Value::Null))) {
        let own = part.type_of();
        match common {
            None => common = Some(own),
            Some(held) if held == own => {}
            Some(_) => return Type::Unknown,
        }
    }
    common.unwrap_or(Type::Unknown)
}
