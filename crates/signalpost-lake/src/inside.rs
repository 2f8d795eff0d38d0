//! SQL functions that look inside lists and objects held as JSON text, with the
//! meaning that live segments give to the same paths.
//!
//! A path is keys, places in a list from 0, and `*` for every value of a list,
//! joined by dots: `items.0.sku`, `items.*.sku`.
//!
//! | function | gives |
//! |---|---|
//! | `json_length(json, path)` | how many values the list has; NULL when it is no list |
//! | `json_contains(json, path, value)` | whether the list has the value; NULL when it is no list |

use std::cmp::Ordering;
use std::sync::Arc;

use deltalake::arrow::array::{ArrayRef, AsArray, BooleanBuilder, Int64Builder};
use deltalake::arrow::compute::cast;
use deltalake::arrow::datatypes::DataType;
use deltalake::datafusion::common::{DataFusionError, Result, ScalarValue};
use deltalake::datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use signalpost_core::time::Timestamp;
use signalpost_core::value::Value;

/// Whether only this file can follow the path: it goes into a list.
pub(crate) fn goes_into_lists(path: &str) -> bool {
    path.split('.').any(|step| step == "*" || step.parse::<usize>().is_ok())
}

/// The value at a path inside a JSON text; `None` where it leads nowhere or the
/// text is no JSON.
pub(crate) fn value_at(json: &str, path: &str) -> Option<Value> {
    let value: serde_json::Value = serde_json::from_str(json).ok()?;
    let steps: Vec<&str> = path.split('.').filter(|step| !step.is_empty()).collect();
    follow(&Value::from(value), &steps)
}

fn follow(value: &Value, steps: &[&str]) -> Option<Value> {
    let Some((step, rest)) = steps.split_first() else {
        return Some(value.clone()).filter(|value| *value != Value::Null);
    };
    match value {
        Value::Map(_) => follow(value.get(step)?, rest),
        Value::List(items) if *step == "*" => {
            Some(Value::List(items.iter().filter_map(|item| follow(item, rest)).collect()))
        }
        Value::List(items) => follow(items.get(step.parse::<usize>().ok()?)?, rest),
        _ => None,
    }
}

/// `json_length(json, path)`.
pub(crate) fn json_length() -> ScalarUDF {
    ScalarUDF::from(OfList { name: "json_length", signature: Signature::any(2, Volatility::Immutable) })
}

/// `json_contains(json, path, value)`.
pub(crate) fn json_contains() -> ScalarUDF {
    ScalarUDF::from(OfList { name: "json_contains", signature: Signature::any(3, Volatility::Immutable) })
}

/// A function of a list inside a JSON text column.
#[derive(Debug, PartialEq, Eq, Hash)]
struct OfList {
    name: &'static str,
    signature: Signature,
}

impl ScalarUDFImpl for OfList {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(if arguments.len() > 2 { DataType::Boolean } else { DataType::Int64 })
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = arguments.number_rows;
        let (Some(json), Some(path)) = (arguments.args.first(), arguments.args.get(1)) else {
            return Err(DataFusionError::Plan(format!("{} takes a JSON text and a path", self.name)));
        };
        let ColumnarValue::Scalar(path) = path else {
            return Err(DataFusionError::Plan(format!("the path of {} must be a text literal", self.name)));
        };
        let path = path.try_as_str().flatten().unwrap_or_default();
        let texts = cast(&json.to_array(rows)?, &DataType::Utf8View)?;
        let lists = texts.as_string_view().iter().map(|text| match value_at(text?, path) {
            Some(Value::List(items)) => Some(items),
            _ => None,
        });
        let column: ArrayRef = match arguments.args.get(2) {
            None => {
                let mut lengths = Int64Builder::with_capacity(rows);
                let length = |items: Vec<Value>| i64::try_from(items.len()).unwrap_or(i64::MAX);
                lists.for_each(|items| lengths.append_option(items.map(length)));
                Arc::new(lengths.finish())
            }
            Some(wanted) => {
                let wanted = wanted.to_array(rows)?;
                let mut held = BooleanBuilder::with_capacity(rows);
                for (row, items) in lists.enumerate() {
                    let wanted = value_of(&ScalarValue::try_from_array(&wanted, row)?);
                    let has = |items: Vec<Value>| {
                        let wanted = wanted.as_ref()?;
                        Some(items.iter().any(|item| item.compare(wanted) == Some(Ordering::Equal)))
                    };
                    held.append_option(items.and_then(has));
                }
                Arc::new(held.finish())
            }
        };
        Ok(ColumnarValue::Array(column))
    }
}

/// A value of SQL in the form that live segments compare; `None` for NULL and
/// for what JSON has no form of.
fn value_of(scalar: &ScalarValue) -> Option<Value> {
    if scalar.is_null() {
        return None;
    }
    if let Some(text) = scalar.try_as_str() {
        return text.map(Value::from);
    }
    match scalar {
        ScalarValue::Boolean(truth) => truth.map(Value::Bool),
        ScalarValue::TimestampMicrosecond(at, _) => at.map(|at| Value::Time(Timestamp::from_micros(at))),
        number if number.data_type().is_integer() => match number.cast_to(&DataType::Int64) {
            Ok(ScalarValue::Int64(whole)) => whole.map(Value::Int),
            _ => None,
        },
        number => match number.cast_to(&DataType::Float64) {
            Ok(ScalarValue::Float64(number)) => number.map(Value::Float),
            _ => None,
        },
    }
}
