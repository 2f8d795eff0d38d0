//! SQL functions that read a value out of JSON as the type its place asks for,
//! with the meaning that live segments give to it: what is of another type is
//! NULL.
//!
//! | function | gives |
//! |---|---|
//! | `json_number(json)` | a number, or what a text reads as; `DOUBLE` |
//! | `json_string(json)`, `json_truth(json)` | a text, a truth |
//! | `json_time(json)`, `json_instant(json)` | an instant: RFC 3339; a date alone too |
//! | `json_whole(json)`, `json_shown(json)` | what casts to a whole number and to a text give |
//! | `json_value(json)` | the value as JSON, one form for equal values |
//! | `json_order(a, b)` | -1, 0 or 1; NULL where the two do not compare |
//! | `to_json(x)` | a value of SQL as JSON |
//!
//! Those of one value also take a path: `json_number(properties, 'a.b')`.

use std::borrow::Cow;
use std::sync::Arc;

use deltalake::arrow::array::{
    Array, ArrayRef, AsArray, BooleanBuilder, Float64Builder, Int64Builder, StringViewArray,
    StringViewBuilder, TimestampMicrosecondBuilder,
};
use deltalake::arrow::compute::cast;
use deltalake::arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType};
use deltalake::datafusion::common::{DataFusionError, Result, ScalarValue};
use deltalake::datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};
use signalpost_core::segment::{as_instant, as_whole, shown};
use signalpost_core::time::Timestamp;
use signalpost_core::value::Value;

use crate::{inside, json};

/// All functions of this file.
pub(crate) fn functions() -> impl Iterator<Item = ScalarUDF> {
    let of_one = ScalarUDF::from;
    let readers = READERS.iter().map(|(name, gives)| Read { name, gives: *gives, signature: one_or_two() });
    let order = Order { signature: Signature::any(2, Volatility::Immutable) };
    let to_json = ToJson { signature: Signature::any(1, Volatility::Immutable) };
    readers.map(of_one).chain([ScalarUDF::from(order), ScalarUDF::from(to_json)])
}

const READERS: [(&str, Gives); 8] = [
    ("json_number", Gives::Number),
    ("json_string", Gives::String),
    ("json_truth", Gives::Truth),
    ("json_time", Gives::Time),
    ("json_instant", Gives::Instant),
    ("json_whole", Gives::Whole),
    ("json_shown", Gives::Shown),
    ("json_value", Gives::Value),
];

fn one_or_two() -> Signature {
    let counts = vec![TypeSignature::Any(1), TypeSignature::Any(2)];
    Signature::one_of(counts, Volatility::Immutable)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Gives {
    Number,
    String,
    Truth,
    Time,
    Instant,
    Whole,
    Shown,
    Value,
}

/// Reads one value.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Read {
    name: &'static str,
    gives: Gives,
    signature: Signature,
}

impl ScalarUDFImpl for Read {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.gives {
            Gives::Number => DataType::Float64,
            Gives::Truth => DataType::Boolean,
            Gives::Whole => DataType::Int64,
            Gives::Time | Gives::Instant => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Gives::String | Gives::Shown | Gives::Value => DataType::Utf8View,
        })
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let path = match arguments.args.get(1) {
            Some(ColumnarValue::Scalar(path)) => path.try_as_str().flatten().map(Path::new),
            Some(ColumnarValue::Array(_)) => {
                return Err(DataFusionError::Plan(format!(
                    "the path of {} must be a text literal",
                    self.name
                )));
            }
            None => None,
        };
        let Some(first) = arguments.args.first() else {
            return Err(DataFusionError::Plan(format!("{} takes a JSON text", self.name)));
        };
        answer(first, arguments.number_rows, |texts| {
            let raw = texts.iter().map(|text| match &path {
                Some(path) => path.find(text?),
                None => text.map(Cow::Borrowed),
            });
            self.gives.column(raw.map(|raw| raw.filter(|raw| raw != "null")), texts.len())
        })
    }
}

/// Applies a function of texts to an argument, which may be one for all rows.
fn answer(
    argument: &ColumnarValue,
    rows: usize,
    function: impl Fn(&StringViewArray) -> ArrayRef,
) -> Result<ColumnarValue> {
    let is_scalar = matches!(argument, ColumnarValue::Scalar(_));
    let texts = cast(&argument.to_array(if is_scalar { 1 } else { rows })?, &DataType::Utf8View)?;
    let column = function(texts.as_string_view());
    if is_scalar {
        return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&column, 0)?));
    }
    Ok(ColumnarValue::Array(column))
}

/// A way into a JSON object: keys joined by dots, which may also be one key.
struct Path<'p> {
    path: &'p str,
    key: String,
    into_lists: bool,
}

impl<'p> Path<'p> {
    fn new(path: &'p str) -> Self {
        Self { path, key: json::escaped(path), into_lists: inside::goes_into_lists(path) }
    }

    fn find<'t>(&self, text: &'t str) -> Option<Cow<'t, str>> {
        if let Some(whole) = json::find(text, &self.key) {
            return Some(Cow::Borrowed(whole));
        }
        if self.into_lists {
            return inside::value_at(text, self.path).map(|value| Cow::Owned(value.to_json().to_string()));
        }
        if self.path.is_empty() {
            return Some(Cow::Borrowed(text));
        }
        json::find_path(text, self.path).map(Cow::Borrowed)
    }
}

impl Gives {
    fn column<'t>(self, raw: impl Iterator<Item = Option<Cow<'t, str>>>, rows: usize) -> ArrayRef {
        macro_rules! collect {
            ($builder:expr, $read:expr) => {{
                let mut column = $builder;
                raw.for_each(|raw| column.append_option(raw.as_deref().and_then($read)));
                Arc::new(column.finish())
            }};
        }
        let texts = || StringViewBuilder::with_capacity(rows).with_deduplicate_strings();
        let times = || TimestampMicrosecondBuilder::with_capacity(rows).with_timezone("UTC");
        match self {
            Self::Number => collect!(Float64Builder::with_capacity(rows), number),
            Self::Truth => collect!(BooleanBuilder::with_capacity(rows), |raw: &str| raw.parse().ok()),
            Self::Whole => collect!(Int64Builder::with_capacity(rows), |raw: &str| as_whole(&value(raw)?)),
            Self::String => collect!(texts(), string),
            Self::Shown => collect!(texts(), |raw: &str| shown(&value(raw)?)),
            Self::Value => collect!(texts(), |raw: &str| Some(one_form(raw).into_owned())),
            Self::Time => collect!(times(), |raw: &str| Some(Timestamp::parse(&string(raw)?)?.as_micros())),
            Self::Instant => collect!(times(), |raw: &str| Some(as_instant(&value(raw)?)?.as_micros())),
        }
    }
}

fn value(raw: &str) -> Option<Value> {
    Some(Value::from(serde_json::from_str::<serde_json::Value>(raw).ok()?))
}

fn number(raw: &str) -> Option<f64> {
    match raw.as_bytes().first()? {
        b'"' => Value::from(&*string(raw)?).as_number(),
        b'-' | b'0'..=b'9' => raw.parse().ok(),
        _ => None,
    }
}

fn string(raw: &str) -> Option<Cow<'_, str>> {
    let text = raw.strip_prefix('"')?.strip_suffix('"')?;
    if text.contains('\\') {
        return serde_json::from_str::<String>(raw).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(text))
}

/// The same JSON for numbers that are equal.
fn one_form(raw: &str) -> Cow<'_, str> {
    let is_number = matches!(raw.as_bytes().first(), Some(b'-' | b'0'..=b'9'));
    if is_number
        && raw.contains(['.', 'e', 'E'])
        && let Some(text) = value(raw).and_then(|value| shown(&value))
    {
        return Cow::Owned(text);
    }
    Cow::Borrowed(raw)
}

/// `json_order(a, b)`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Order {
    signature: Signature,
}

impl ScalarUDFImpl for Order {
    fn name(&self) -> &'static str {
        "json_order"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let sides = ColumnarValue::values_to_arrays(&arguments.args)?;
        let [left, right] = sides.as_slice() else {
            return Err(DataFusionError::Plan("json_order takes two JSON texts".into()));
        };
        let (left, right) = (cast(left, &DataType::Utf8View)?, cast(right, &DataType::Utf8View)?);
        let mut orders = Int64Builder::with_capacity(left.len());
        for (left, right) in left.as_string_view().iter().zip(right.as_string_view()) {
            let order = left.and_then(value).zip(right.and_then(value));
            let order = order.and_then(|(left, right)| left.compare(&right));
            orders.append_option(order.map(|order| order as i64));
        }
        Ok(ColumnarValue::Array(Arc::new(orders.finish())))
    }
}

/// `to_json(x)`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct ToJson {
    signature: Signature,
}

impl ScalarUDFImpl for ToJson {
    fn name(&self) -> &'static str {
        "to_json"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = ColumnarValue::values_to_arrays(&arguments.args)?;
        let Some(column) = columns.first() else {
            return Err(DataFusionError::Plan("to_json takes a value".into()));
        };
        let mut texts = StringViewBuilder::with_capacity(column.len());
        let mut put = |value: Option<Value>| {
            texts.append_option(value.map(|value| match value {
                Value::Float(_) => shown(&value).unwrap_or_default(),
                other => other.to_json().to_string(),
            }));
        };
        match column.data_type() {
            DataType::Boolean => column.as_boolean().iter().for_each(|truth| put(truth.map(Value::Bool))),
            DataType::Timestamp(..) => {
                let times = cast(column, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
                let times = times.as_primitive::<TimestampMicrosecondType>();
                times.iter().for_each(|at| put(at.map(|at| Value::Time(Timestamp::from_micros(at)))));
            }
            kind if kind.is_integer() => {
                let numbers = cast(column, &DataType::Int64)?;
                numbers.as_primitive::<Int64Type>().iter().for_each(|number| put(number.map(Value::Int)));
            }
            kind if kind.is_numeric() => {
                let numbers = cast(column, &DataType::Float64)?;
                numbers.as_primitive::<Float64Type>().iter().for_each(|number| put(number.map(Value::Float)));
            }
            _ => {
                let held = cast(column, &DataType::Utf8View)?;
                held.as_string_view().iter().for_each(|text| put(text.map(Value::from)));
            }
        }
        Ok(ColumnarValue::Array(Arc::new(texts.finish())))
    }
}

#[cfg(test)]
mod tests;
