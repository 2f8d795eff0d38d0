//! What an import makes of columns: which field each becomes, what is constant,
//! what type values have, how times are written.
//!
//! In: options of the command line and a mapping file (TOML). Out: [`Mapping`],
//! in which every field's name has been checked.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::Value as Json;
use signalpost_core::clean::DateOrder;

/// What rows become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Kind {
    /// An event a row.
    Events,
    /// What is known of a person, a row each.
    Profiles,
    /// A catalog item a row.
    Catalog,
}

impl Kind {
    /// Its name, as the command line has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Profiles => "profiles",
            Self::Catalog => "catalog",
        }
    }

    /// The fields that a row of this kind has by itself.
    pub fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Events => &[
                "event_type",
                "customer_id",
                "anonymous_id",
                "timestamp",
                "event_id",
                "product_id",
                "sent_at",
                "properties",
                "traits",
                "context",
            ],
            Self::Profiles => &["customer_id", "anonymous_id", "timestamp", "event_id", "traits", "context"],
            Self::Catalog => &[
                "product_id",
                "name",
                "category",
                "brand",
                "price",
                "currency",
                "image_url",
                "url",
                "in_stock",
                "tags",
                "attributes",
            ],
        }
    }

    /// Where columns go that are nobody's field.
    pub fn rest(self) -> Part {
        match self {
            Self::Events => Part::Properties,
            Self::Profiles => Part::Traits,
            Self::Catalog => Part::Top,
        }
    }
}

/// A part of what a row becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The object itself.
    Top,
    /// Its `properties`.
    Properties,
    /// Its `traits`.
    Traits,
    /// Its `context`.
    Context,
}

/// A field a value goes to: `customer_id`, `traits.email`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Field {
    /// In which part.
    pub part: Part,
    /// Under which name there.
    pub name: String,
}

impl Field {
    /// Reads a field's name for a kind of row.
    ///
    /// # Errors
    /// For a name that the kind does not have.
    pub fn parse(text: &str, kind: Kind) -> Result<Self, WrongMapping> {
        let field = |part, name: &str| Ok(Self { part, name: name.to_owned() });
        let parts = [("properties", Part::Properties), ("traits", Part::Traits), ("context", Part::Context)];
        if let Some((before, name)) = text.split_once('.').filter(|(_, name)| !name.is_empty())
            && let Some((_, part)) = parts.iter().find(|(held, _)| *held == before)
            && kind.fields().contains(&before)
        {
            return field(*part, name);
        }
        if kind.fields().contains(&text) {
            return field(Part::Top, text);
        }
        // A typing error in an event's field would silently become a property.
        if kind == Kind::Events || text.is_empty() {
            return Err(WrongMapping(format!(
                "there is no field '{text}': use {}, or properties.NAME, traits.NAME, context.NAME",
                kind.fields().join(", ")
            )));
        }
        field(kind.rest(), text)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = match self.part {
            Part::Top => "",
            Part::Properties => "properties.",
            Part::Traits => "traits.",
            Part::Context => "context.",
        };
        write!(f, "{part}{}", self.name)
    }
}

/// What a column's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Type {
    /// Text, whatever it looks like.
    Text,
    /// A number where it can be read as one, else text.
    Number,
    /// True or false where it can be read so, else text.
    Boolean,
    /// JSON in text.
    Json,
}

/// How times are written that are not understood by themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TimestampForm {
    /// As `strptime` has it: `%d/%m/%Y %H:%M`.
    pub format: Option<String>,
    /// IANA name of the zone of times that name none.
    pub zone: Option<String>,
    /// How `04/05/2024` is meant.
    pub date_order: Option<DateOrder>,
}

impl TimestampForm {
    /// Whether nothing is said: then the server reads times by its own settings.
    pub fn is_unset(&self) -> bool {
        *self == Self::default()
    }
}

/// What becomes of columns that no field takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rest {
    /// They are kept under their own names.
    #[default]
    Keep,
    /// They are left out.
    Drop,
}

/// What an import makes of columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Mapping {
    /// What rows become.
    pub kind: Kind,
    /// Which field takes which column; a column may go to several.
    pub fields: Vec<(Field, String)>,
    /// Fields that are the same in every row.
    pub constants: Vec<(Field, Json)>,
    /// The types that were said, by column.
    pub types: BTreeMap<String, Type>,
    /// How times are written.
    pub timestamp: TimestampForm,
    /// What becomes of other columns.
    pub rest: Rest,
    /// The column that names the visitor of rows that name nobody.
    pub guest: Option<String>,
}

/// Why a mapping makes no sense: a mistake of whoever calls.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WrongMapping(pub String);

/// A mapping file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    fields: toml::Table,
    constants: toml::Table,
    types: BTreeMap<String, Type>,
    timestamp: TimestampForm,
    rest: Rest,
    guest: Option<String>,
}

impl Mapping {
    /// A mapping that takes each column as the field of its name.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            fields: Vec::new(),
            constants: Vec::new(),
            types: BTreeMap::new(),
            timestamp: TimestampForm::default(),
            rest: Rest::Keep,
            guest: None,
        }
    }

    /// Reads a mapping file.
    ///
    /// # Errors
    /// When it is not TOML, or names what there is not.
    pub fn read(kind: Kind, text: &str) -> Result<Self, WrongMapping> {
        let file: File = toml::from_str(text).map_err(|error| WrongMapping(error.to_string()))?;
        let mut mapping = Self::new(kind);
        for (name, value) in flat(file.fields, "") {
            let Json::String(column) = value else {
                return Err(WrongMapping(format!("fields.{name} must be the name of a column, in quotes")));
            };
            mapping.take_field(&name, &column)?;
        }
        for (name, value) in flat(file.constants, "") {
            mapping.constants.push((Field::parse(&name, kind)?, value));
        }
        mapping.types = file.types;
        mapping.timestamp = file.timestamp;
        mapping.rest = file.rest;
        mapping.guest = file.guest;
        Ok(mapping)
    }

    /// Takes one `FIELD=COLUMN` in.
    ///
    /// # Errors
    /// When there is no such field, or no `=`.
    pub fn map(&mut self, text: &str) -> Result<(), WrongMapping> {
        let (name, column) = pair(text, "--map FIELD=COLUMN")?;
        self.take_field(name, column)
    }

    fn take_field(&mut self, name: &str, column: &str) -> Result<(), WrongMapping> {
        let field = Field::parse(name, self.kind)?;
        self.fields.retain(|(held, _)| *held != field);
        self.fields.push((field, column.to_owned()));
        Ok(())
    }

    /// Takes one `FIELD=VALUE` in.
    ///
    /// # Errors
    /// As [`Mapping::map`].
    pub fn set(&mut self, text: &str) -> Result<(), WrongMapping> {
        let (name, value) = pair(text, "--set FIELD=VALUE")?;
        let field = Field::parse(name, self.kind)?;
        self.constants.retain(|(held, _)| *held != field);
        self.constants.push((field, Json::from(value)));
        Ok(())
    }

    /// Whether something gives the field: a column of `columns`, or a constant.
    pub fn gives(&self, name: &str, columns: &[String]) -> bool {
        let is = |field: &Field| field.part == Part::Top && field.name == name;
        self.fields.iter().any(|(field, _)| is(field))
            || self.constants.iter().any(|(field, _)| is(field))
            || columns.iter().any(|column| column == name)
    }
}

fn pair<'a>(text: &'a str, form: &str) -> Result<(&'a str, &'a str), WrongMapping> {
    text.split_once('=')
        .map(|(name, value)| (name.trim(), value.trim()))
        .filter(|(name, value)| !name.is_empty() && !value.is_empty())
        .ok_or_else(|| WrongMapping(format!("'{text}' is not of the form {form}")))
}

/// A table with its inner tables unfolded: `{a: {b: 1}}` is `a.b`.
fn flat(table: toml::Table, before: &str) -> Vec<(String, Json)> {
    let mut entries = Vec::new();
    for (name, value) in table {
        let name = if before.is_empty() { name } else { format!("{before}.{name}") };
        match value {
            toml::Value::Table(inner) => entries.extend(flat(inner, &name)),
            other => entries.push((name, serde_json::to_value(other).unwrap_or_default())),
        }
    }
    entries
}
