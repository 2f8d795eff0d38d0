//! The functions of a segment's language that take values and give a value:
//! their names, what they take, and what they give.
//!
//! Functions of the clock and of events are kinds of
//! [`Expression`](super::Expression) of their own.

use super::tree::Type;

/// A function of values: the same values always give the same answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routine {
    /// How many characters a text has.
    Length,
    /// A text without spaces at both ends.
    Trim,
    /// A text without spaces at its beginning.
    TrimStart,
    /// A text without spaces at its end.
    TrimEnd,
    /// The first characters of a text; all but the last ones when negative.
    Left,
    /// The last characters of a text; all but the first ones when negative.
    Right,
    /// The part of a text from a place (from 1) on, perhaps of a length.
    Substring,
    /// A text with each place of another text replaced by a third.
    Replace,
    /// Two texts joined.
    Concat,
    /// Whether a text begins with another.
    StartsWith,
    /// Whether a text ends with another.
    EndsWith,
    /// Whether a text holds another.
    Contains,
    /// Where in a text another begins, from 1; 0 when nowhere.
    Position,
    /// The piece of this number, from 1, of a text cut at a separator; from
    /// the end when negative.
    SplitPart,
    /// A number without its sign.
    Absolute,
    /// A number to so many digits after the point, half away from zero.
    Round,
    /// The greatest whole number that is not greater.
    Floor,
    /// The least whole number that is not less.
    Ceiling,
    /// What whole division leaves, with the sign of the first number.
    Modulo,
    /// The greatest that is not null.
    Greatest,
    /// The least that is not null.
    Least,
    /// The beginning of the calendar unit that an instant lies in.
    Truncate(Unit),
    /// One number of an instant's calendar form.
    Part(Part),
    /// Calendar days from the first instant's day to the second's.
    DaysBetween,
    /// Days from a day to the next anniversary of a date; 0 on the day itself.
    /// 29 February is kept on 28 February in a year that has none.
    DaysUntilAnniversary,
    /// How many values a list has.
    ListLength,
    /// Whether a list has a value.
    ListContains,
}

/// A unit of the calendar. A week begins on Monday.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// 60 seconds.
    Minute,
    /// 60 minutes.
    Hour,
    /// From midnight to midnight.
    Day,
    /// From Monday.
    Week,
    /// From the first of the month.
    Month,
    /// From the first of January, April, July or October.
    Quarter,
    /// From the first of January.
    Year,
}

/// A number of an instant's calendar form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The year.
    Year,
    /// 1 to 4.
    Quarter,
    /// 1 to 12.
    Month,
    /// The week of ISO 8601, 1 to 53.
    Week,
    /// The day of the month, from 1.
    Day,
    /// The day of the week: Sunday is 0.
    DayOfWeek,
    /// The day of the year, from 1.
    DayOfYear,
    /// 0 to 23.
    Hour,
    /// 0 to 59.
    Minute,
    /// 0 to 59, whole.
    Second,
}

/// The name of a function in the text, and what it is.
const NAMES: [(&str, Routine); 36] = [
    ("length", Routine::Length),
    ("char_length", Routine::Length),
    ("character_length", Routine::Length),
    ("trim", Routine::Trim),
    ("btrim", Routine::Trim),
    ("ltrim", Routine::TrimStart),
    ("rtrim", Routine::TrimEnd),
    ("left", Routine::Left),
    ("right", Routine::Right),
    ("substring", Routine::Substring),
    ("substr", Routine::Substring),
    ("replace", Routine::Replace),
    ("starts_with", Routine::StartsWith),
    ("ends_with", Routine::EndsWith),
    ("contains", Routine::Contains),
    ("strpos", Routine::Position),
    ("split_part", Routine::SplitPart),
    ("abs", Routine::Absolute),
    ("round", Routine::Round),
    ("floor", Routine::Floor),
    ("ceil", Routine::Ceiling),
    ("ceiling", Routine::Ceiling),
    ("mod", Routine::Modulo),
    ("greatest", Routine::Greatest),
    ("least", Routine::Least),
    ("days_between", Routine::DaysBetween),
    ("days_until_anniversary", Routine::DaysUntilAnniversary),
    ("list_length", Routine::ListLength),
    ("array_length", Routine::ListLength),
    ("cardinality", Routine::ListLength),
    ("list_contains", Routine::ListContains),
    ("array_contains", Routine::ListContains),
    ("array_has", Routine::ListContains),
    // Written with a unit or a part, which `Grammar` and `query` read.
    ("date_trunc", Routine::Truncate(Unit::Day)),
    ("date_part", Routine::Part(Part::Day)),
    ("extract", Routine::Part(Part::Day)),
];

impl Routine {
    /// The names by which functions of values are called.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }

    /// The function of this name, in lower case; `date_trunc` and `extract`
    /// take more than values and are not among them.
    pub(super) fn named(name: &str) -> Option<Self> {
        let found = NAMES.iter().find(|(held, _)| *held == name).map(|(_, routine)| *routine)?;
        (!matches!(found, Self::Truncate(_) | Self::Part(_))).then_some(found)
    }

    /// The name it is printed by.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Truncate(_) => "date_trunc",
            Self::Part(_) => "date_part",
            Self::Concat => "concat",
            own => NAMES.iter().find(|(_, held)| *held == own).map_or("", |(name, _)| name),
        }
    }

    /// The least and the greatest number of values it takes.
    pub(super) fn takes(self) -> (usize, usize) {
        match self {
            Self::Length | Self::Trim | Self::TrimStart | Self::TrimEnd => (1, 1),
            Self::Absolute | Self::Floor | Self::Ceiling | Self::ListLength => (1, 1),
            Self::Truncate(_) | Self::Part(_) => (1, 1),
            Self::Round => (1, 2),
            Self::Substring => (2, 3),
            Self::Replace | Self::SplitPart => (3, 3),
            Self::Greatest | Self::Least => (1, 64),
            Self::DaysUntilAnniversary => (1, 2),
            Self::Left
            | Self::Right
            | Self::Concat
            | Self::StartsWith
            | Self::EndsWith
            | Self::Contains
            | Self::Position
            | Self::Modulo
            | Self::DaysBetween
            | Self::ListContains => (2, 2),
        }
    }

    /// The type its value of this place, from 0, must have; any when unknown.
    pub(super) fn wants(self, place: usize) -> Type {
        match (self, place) {
            (
                Self::Length
                | Self::Trim
                | Self::TrimStart
                | Self::TrimEnd
                | Self::Replace
                | Self::Concat
                | Self::StartsWith
                | Self::EndsWith
                | Self::Contains
                | Self::Position,
                _,
            )
            | (Self::Left | Self::Right | Self::Substring, 0)
            | (Self::SplitPart, 0 | 1) => Type::Text,
            (Self::Left | Self::Right | Self::Substring | Self::SplitPart, _)
            | (Self::Absolute | Self::Round | Self::Floor | Self::Ceiling | Self::Modulo, _) => Type::Number,
            (Self::Truncate(_) | Self::Part(_) | Self::DaysBetween | Self::DaysUntilAnniversary, _) => {
                Type::Time
            }
            (Self::Greatest | Self::Least | Self::ListLength | Self::ListContains, _) => Type::Unknown,
        }
    }

    /// The type it gives; `None` where that is the type it is given.
    pub(super) fn gives(self) -> Option<Type> {
        match self {
            Self::Trim
            | Self::TrimStart
            | Self::TrimEnd
            | Self::Left
            | Self::Right
            | Self::Substring
            | Self::Replace
            | Self::Concat
            | Self::SplitPart => Some(Type::Text),
            Self::StartsWith | Self::EndsWith | Self::Contains | Self::ListContains => Some(Type::Truth),
            Self::Length
            | Self::Position
            | Self::Absolute
            | Self::Round
            | Self::Floor
            | Self::Ceiling
            | Self::Modulo
            | Self::Part(_)
            | Self::DaysBetween
            | Self::DaysUntilAnniversary
            | Self::ListLength => Some(Type::Number),
            Self::Greatest | Self::Least | Self::Truncate(_) => None,
        }
    }
}

impl Unit {
    /// All of them, shortest first.
    pub(super) const ALL: [Self; 7] =
        [Self::Minute, Self::Hour, Self::Day, Self::Week, Self::Month, Self::Quarter, Self::Year];

    /// The unit of this name, in any case.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|unit| unit.name().eq_ignore_ascii_case(name))
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }
}

impl Part {
    /// All of them, longest first.
    pub(super) const ALL: [Self; 10] = [
        Self::Year,
        Self::Quarter,
        Self::Month,
        Self::Week,
        Self::Day,
        Self::DayOfWeek,
        Self::DayOfYear,
        Self::Hour,
        Self::Minute,
        Self::Second,
    ];

    /// The part of this name, in any case.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.name().eq_ignore_ascii_case(name))
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Year => "year",
            Self::Quarter => "quarter",
            Self::Month => "month",
            Self::Week => "week",
            Self::Day => "day",
            Self::DayOfWeek => "dow",
            Self::DayOfYear => "doy",
            Self::Hour => "hour",
            Self::Minute => "minute",
            Self::Second => "second",
        }
    }
}
