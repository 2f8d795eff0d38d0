//! Which properties events have had so far, and the SQL functions that read
//! them out of an event's JSON text.
//!
//! In: the properties of every event as it is brought into columns. Out: the
//! columns of `events` beside the fixed ones. The registry is a hint about
//! names and types kept beside the tables; the values are always in the JSON.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, PoisonError, RwLock};

use deltalake::arrow::array::{
    Array, ArrayRef, AsArray, BooleanBuilder, Float64Builder, Int64Builder, StringViewBuilder,
};
use deltalake::arrow::compute::cast;
use deltalake::arrow::datatypes::DataType;
use deltalake::datafusion::common::{DataFusionError, Result, ScalarValue};
use deltalake::datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use signalpost_core::value::{Map, Value};

use crate::table::Table;
use crate::{inside, json};

/// The most property names that become columns; later ones stay readable by
/// `json_text(properties, 'name')`.
const NAMES_MAX: usize = 500;

/// The type of a property's column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PropertyKind {
    /// Only whole numbers were seen: `BIGINT`.
    Int,
    /// Only numbers were seen: `DOUBLE`.
    Float,
    /// Only `true` and `false` were seen: `BOOLEAN`.
    Bool,
    /// Text, or values of several kinds: `VARCHAR`, lists and objects as JSON.
    Text,
}

impl PropertyKind {
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Null => None,
            Value::Bool(_) => Some(Self::Bool),
            Value::Int(_) => Some(Self::Int),
            Value::Float(_) => Some(Self::Float),
            Value::Text(_) | Value::Time(_) | Value::List(_) | Value::Map(_) => Some(Self::Text),
        }
    }

    /// The kind that can hold both; mixing never depends on the order seen.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (a, b) if a == b => a,
            (Self::Int, Self::Float) | (Self::Float, Self::Int) => Self::Float,
            _ => Self::Text,
        }
    }

    /// The kind's name in the registry file.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Float => "float",
            Self::Bool => "bool",
            Self::Text => "text",
        }
    }

    /// Reads back [`PropertyKind::name`].
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Int, Self::Float, Self::Bool, Self::Text].into_iter().find(|kind| kind.name() == name)
    }

    fn arrow(self) -> DataType {
        match self {
            Self::Int => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Bool => DataType::Boolean,
            Self::Text => DataType::Utf8View,
        }
    }

    /// The SQL function that reads a property of this kind.
    pub(crate) fn function(self) -> Arc<ScalarUDF> {
        Arc::new(ScalarUDF::from(ReadJson::new(
            match self {
                Self::Int => "property_int",
                Self::Float => "property_float",
                Self::Bool => "property_bool",
                Self::Text => "property_text",
            },
            self,
            false,
        )))
    }
}

/// `json_text(json, 'a.b')`: the value at a path of any JSON text column.
pub(crate) fn json_text() -> ScalarUDF {
    ScalarUDF::from(ReadJson::new("json_text", PropertyKind::Text, true))
}

/// The property names seen so far, with their kinds.
#[derive(Debug, Default)]
pub(crate) struct Registry(RwLock<BTreeMap<Box<str>, PropertyKind>>);

impl Registry {
    /// A registry that begins with what is known from earlier.
    pub(crate) fn new(known: BTreeMap<Box<str>, PropertyKind>) -> Self {
        Self(RwLock::new(known))
    }

    /// Takes note of the properties of many events at once.
    pub(crate) fn observe<'a>(&self, events: impl Iterator<Item = &'a Map>) {
        let mut seen: BTreeMap<&str, PropertyKind> = BTreeMap::new();
        for properties in events {
            for (name, value) in properties {
                let Some(kind) = PropertyKind::of(value) else { continue };
                if let Some(held) = seen.get_mut(&**name) {
                    *held = held.or(kind);
                } else if seen.len() < 2 * NAMES_MAX {
                    seen.insert(name, kind);
                }
            }
        }
        self.learn(seen);
    }

    /// Takes note of a property that no event may have had yet.
    pub(crate) fn declare(&self, name: &str, kind: PropertyKind) {
        self.learn(BTreeMap::from([(name, kind)]));
    }

    fn learn(&self, seen: BTreeMap<&str, PropertyKind>) {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let fresh = |(name, kind): &(&str, PropertyKind)| match known.get(*name) {
            Some(held) => held.or(*kind) != *held,
            None => known.len() < NAMES_MAX && !is_fixed(name),
        };
        let changes: Vec<_> = seen.into_iter().filter(fresh).collect();
        drop(known);
        if changes.is_empty() {
            return;
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (name, kind) in changes {
            if let Some(held) = known.get_mut(name) {
                *held = held.or(kind);
            } else if known.len() < NAMES_MAX {
                known.insert(name.into(), kind);
            }
        }
    }

    /// All names with their kinds, in alphabetical order.
    pub(crate) fn all(&self) -> BTreeMap<Box<str>, PropertyKind> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Whether `events` has a column of this name of its own.
fn is_fixed(name: &str) -> bool {
    matches!(name, "event_time" | "profile_id" | "raw_customer_id")
        || Table::Events.columns().iter().any(|(column, _)| *column == name)
}

/// A function of a JSON text column and the name of a property.
#[derive(Debug)]
struct ReadJson {
    name: &'static str,
    kind: PropertyKind,
    /// Whether the name may be a path of keys joined by dots.
    path: bool,
    signature: Signature,
}

impl ReadJson {
    fn new(name: &'static str, kind: PropertyKind, path: bool) -> Self {
        Self { name, kind, path, signature: Signature::any(2, Volatility::Immutable) }
    }

    fn read(&self, texts: &dyn Array, name: &str) -> ArrayRef {
        if self.path && inside::goes_into_lists(name) {
            return self.read_inside(texts, name);
        }
        let key = json::escaped(name);
        let texts = texts.as_string_view();
        let raw = texts.iter().map(|text| {
            text.and_then(|text| if self.path { json::find_path(text, name) } else { json::find(text, &key) })
        });
        match self.kind {
            PropertyKind::Int => {
                let mut column = Int64Builder::with_capacity(texts.len());
                raw.for_each(|raw| column.append_option(raw.and_then(|raw| raw.parse().ok())));
                Arc::new(column.finish())
            }
            PropertyKind::Float => {
                let mut column = Float64Builder::with_capacity(texts.len());
                raw.for_each(|raw| column.append_option(raw.and_then(|raw| raw.parse().ok())));
                Arc::new(column.finish())
            }
            PropertyKind::Bool => {
                let mut column = BooleanBuilder::with_capacity(texts.len());
                raw.for_each(|raw| column.append_option(raw.and_then(|raw| raw.parse().ok())));
                Arc::new(column.finish())
            }
            PropertyKind::Text => {
                let mut column = StringViewBuilder::with_capacity(texts.len()).with_deduplicate_strings();
                raw.for_each(|raw| append_text(&mut column, raw));
                Arc::new(column.finish())
            }
        }
    }

    /// The text of what a path into lists leads to.
    fn read_inside(&self, texts: &dyn Array, path: &str) -> ArrayRef {
        let key = json::escaped(path);
        let mut column = StringViewBuilder::with_capacity(texts.len());
        for text in texts.as_string_view() {
            let whole = text.and_then(|text| json::find(text, &key));
            if whole.is_some() {
                append_text(&mut column, whole);
                continue;
            }
            let value = text.and_then(|text| inside::value_at(text, path));
            append_text(&mut column, value.map(|value| value.to_json().to_string()).as_deref());
        }
        Arc::new(column.finish())
    }
}

/// Text without its quotes; null as NULL; anything else as its JSON.
fn append_text(column: &mut StringViewBuilder, raw: Option<&str>) {
    match raw {
        None | Some("null") => column.append_null(),
        Some(raw) => match raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            None => column.append_value(raw),
            Some(text) if !text.contains('\\') => column.append_value(text),
            Some(_) => column.append_option(serde_json::from_str::<String>(raw).ok()),
        },
    }
}

impl PartialEq for ReadJson {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for ReadJson {}

impl Hash for ReadJson {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for ReadJson {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.kind.arrow())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [json, name] = args.args.as_slice() else {
            return Err(DataFusionError::Plan(format!("{} takes a JSON text and a name", self.name)));
        };
        let ColumnarValue::Scalar(
            ScalarValue::Utf8(Some(name))
            | ScalarValue::Utf8View(Some(name))
            | ScalarValue::LargeUtf8(Some(name)),
        ) = name
        else {
            return Err(DataFusionError::Plan(format!(
                "the second argument of {} must be a text literal",
                self.name
            )));
        };
        let is_scalar = matches!(json, ColumnarValue::Scalar(_));
        let texts = cast(&json.to_array(if is_scalar { 1 } else { args.number_rows })?, &DataType::Utf8View)?;
        let column = self.read(&texts, name);
        if is_scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&column, 0)?));
        }
        Ok(ColumnarValue::Array(column))
    }
}

#[cfg(test)]
mod tests;
