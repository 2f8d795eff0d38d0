//! JSON Schema over the value model: compiled once, checked without making JSON.
//!
//! In: a schema as JSON, then values. Out: [`Violation`]s. Known keywords of
//! draft 2020-12: `type`, `enum`, `const`, `properties`, `required`,
//! `additionalProperties`, `minProperties`, `maxProperties`, `items`,
//! `minItems`, `maxItems`, `minimum`, `maximum`, `exclusiveMinimum`,
//! `exclusiveMaximum`, `multipleOf`, `minLength`, `maxLength`, `pattern`,
//! `format` (`date-time`, `date`, `email`, `uri`), `anyOf`, `oneOf`, `allOf`,
//! `not`, `$ref` to `#/$defs/…`, `true` and `false`, and annotations. The crate
//! jsonschema knows all of it, but works on JSON, which an event no longer is,
//! and would change how most of the lake's crates are built.

mod check;
mod compile;

pub(super) use check::is_date_time;

use regex::Regex;

use crate::event::Event;
use crate::value::Value;

/// One way in which a value differs from its schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The field: `properties.items[2].price`; empty for the whole event.
    pub path: String,
    /// What the schema expects.
    pub expected: String,
    /// What came.
    pub got: String,
}

/// Why a schema cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Where, as a JSON pointer; empty for the whole schema.
    pub at: String,
    /// What is wrong and what is expected.
    pub message: String,
}

/// A type of JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `null`
    Null = 1,
    /// `boolean`
    Bool = 2,
    /// `integer`: a number without a fraction.
    Integer = 4,
    /// `number`
    Number = 8,
    /// `string`
    Text = 16,
    /// `array`
    List = 32,
    /// `object`
    Object = 64,
}

impl Type {
    /// Every type, with its name in JSON Schema.
    pub const ALL: [(&'static str, Self); 7] = [
        ("null", Self::Null),
        ("boolean", Self::Bool),
        ("integer", Self::Integer),
        ("number", Self::Number),
        ("string", Self::Text),
        ("array", Self::List),
        ("object", Self::Object),
    ];
}

/// A compiled schema.
#[derive(Debug)]
pub struct Schema(Node);

impl Schema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// When it is malformed, too large, refers to itself, or uses a keyword that
    /// this program does not know.
    pub fn compile(json: &serde_json::Value) -> Result<Self, Refusal> {
        compile::compile(json).map(Self)
    }

    /// What in `value` differs, at most twenty things.
    pub fn check(&self, value: &Value) -> Vec<Violation> {
        check::value(&self.0, value)
    }

    /// What in an event differs, read as the object of its fields.
    pub fn check_event(&self, event: &Event) -> Vec<Violation> {
        check::event(&self.0, event)
    }
}

/// One level of a compiled schema. Absent bounds are at their extremes, so that
/// most checks are one comparison.
#[derive(Debug, Default)]
struct Node {
    /// `false`: nothing is allowed.
    never: bool,
    /// A set of [`Type`]s; 0 allows all.
    types: u8,
    allowed: Option<Vec<Value>>,
    required: Vec<Box<str>>,
    properties: Vec<(Box<str>, Node)>,
    additional: Option<Box<Node>>,
    properties_min: Option<usize>,
    properties_max: Option<usize>,
    items: Option<Box<Node>>,
    items_min: Option<usize>,
    items_max: Option<usize>,
    numbers: Option<Box<Numbers>>,
    texts: Option<Box<Texts>>,
    all_of: Vec<Node>,
    any_of: Vec<Node>,
    one_of: Vec<Node>,
    not: Option<Box<Node>>,
}

/// Bounds of numbers.
#[derive(Debug, Default)]
struct Numbers {
    minimum: Option<f64>,
    maximum: Option<f64>,
    above: Option<f64>,
    below: Option<f64>,
    multiple_of: Option<f64>,
}

/// Bounds of texts, in characters.
#[derive(Debug, Default)]
struct Texts {
    chars_min: Option<usize>,
    chars_max: Option<usize>,
    pattern: Option<Regex>,
    format: Option<Format>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    DateTime,
    Date,
    Email,
    Uri,
}

impl Format {
    const ALL: [(&'static str, Self); 4] =
        [("date-time", Self::DateTime), ("date", Self::Date), ("email", Self::Email), ("uri", Self::Uri)];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, format)| *format == self).map_or("", |(name, _)| name)
    }
}
