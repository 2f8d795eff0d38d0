//! The answer to a query, and its forms: JSON rows, CSV, a text table,
//! Parquet, Arrow.

use std::sync::Arc;

use deltalake::arrow::array::{Array, AsArray, RecordBatch};
use deltalake::arrow::compute::cast;
use deltalake::arrow::datatypes::{
    DataType, Field, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Schema, SchemaRef, TimeUnit, TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use deltalake::arrow::error::ArrowError;
use deltalake::arrow::ipc::writer::StreamWriter;
use deltalake::arrow::util::display::{ArrayFormatter, FormatOptions};
use deltalake::parquet::arrow::ArrowWriter;
use deltalake::parquet::basic::{Compression, ZstdLevel};
use deltalake::parquet::file::properties::WriterProperties;
use serde_json::{Map, Number, Value};
use signalpost_core::time::Timestamp;

use crate::error::Error;

/// The rows a query answered with.
#[derive(Clone, Debug)]
pub struct Rows {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    truncated: bool,
}

impl Rows {
    pub(crate) fn new(schema: SchemaRef, batches: Vec<RecordBatch>, truncated: bool) -> Self {
        Self { schema, batches, truncated }
    }

    /// The columns' names and SQL types, in order.
    pub fn columns(&self) -> Vec<(String, String)> {
        let column = |field: &Arc<Field>| (field.name().clone(), type_name(field.data_type()));
        self.schema.fields().iter().map(column).collect()
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the query had more rows than its limit.
    pub fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// Calls `row` with the cells of each row as JSON: whole numbers, decimals
    /// and floats as numbers, instants as RFC 3339 UTC, lists and structs as
    /// such, anything else as text.
    ///
    /// # Errors
    /// [`Error::Columns`] when a column's type cannot be shown.
    pub fn each(&self, mut row: impl FnMut(Vec<Value>)) -> Result<(), Error> {
        for batch in &self.batches {
            let columns = batch.columns().iter().map(|column| cells(column.as_ref()));
            let mut columns: Vec<_> =
                columns.collect::<Result<Vec<_>, _>>()?.into_iter().map(Vec::into_iter).collect();
            for _ in 0..batch.num_rows() {
                row(columns.iter_mut().map(|cells| cells.next().unwrap_or_default()).collect());
            }
        }
        Ok(())
    }

    /// What `make` makes of the texts of a column, in order, those that are there;
    /// `None` when there is no such column.
    ///
    /// # Errors
    /// [`Error::Columns`] when the column has no form as text.
    pub fn texts<T>(&self, column: &str, mut make: impl FnMut(&str) -> T) -> Result<Option<Vec<T>>, Error> {
        let Ok(place) = self.schema.index_of(column) else { return Ok(None) };
        let mut texts = Vec::with_capacity(self.len());
        for batch in &self.batches {
            let column = cast(batch.column(place), &DataType::Utf8View)?;
            texts.extend(column.as_string_view().iter().flatten().map(&mut make));
        }
        Ok(Some(texts))
    }

    /// One JSON object a row, by column name.
    ///
    /// # Errors
    /// As [`Rows::each`].
    pub fn to_json_rows(&self) -> Result<Vec<Map<String, Value>>, Error> {
        let names: Vec<&String> = self.schema.fields().iter().map(|field| field.name()).collect();
        let mut rows = Vec::with_capacity(self.len());
        self.each(|cells| rows.push(names.iter().map(|name| (*name).clone()).zip(cells).collect()))?;
        Ok(rows)
    }

    /// CSV (RFC 4180) with a header; NULL is the empty field.
    ///
    /// # Errors
    /// As [`Rows::each`].
    pub fn to_csv(&self) -> Result<String, Error> {
        let mut csv = String::new();
        let names = self.schema.fields().iter().map(|field| field.name().clone());
        csv_line(names, &mut csv);
        self.each(|cells| csv_line(cells.into_iter().map(text), &mut csv))?;
        Ok(csv)
    }

    /// A table for a terminal: columns padded with blanks, numbers to the right.
    ///
    /// # Errors
    /// As [`Rows::each`].
    pub fn to_table_text(&self) -> Result<String, Error> {
        let header: Vec<String> = self.schema.fields().iter().map(|field| field.name().clone()).collect();
        let numeric: Vec<bool> =
            self.schema.fields().iter().map(|field| field.data_type().is_numeric()).collect();
        let mut lines = vec![header];
        self.each(|cells| {
            lines.push(cells.into_iter().map(|cell| text(cell).replace(['\n', '\r', '\t'], " ")).collect())
        })?;
        let width = |place: usize| {
            lines.iter().filter_map(|line| line.get(place)).map(|cell| cell.chars().count()).max()
        };
        let widths: Vec<usize> = (0..numeric.len()).map(|place| width(place).unwrap_or(0)).collect();
        let rule = widths.iter().map(|width| "─".repeat(*width)).collect();
        lines.insert(1, rule);
        let mut table = String::new();
        for line in lines {
            let cells = line.iter().zip(&widths).zip(&numeric).map(|((cell, width), numeric)| {
                if *numeric { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
            });
            table.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
            table.push('\n');
        }
        Ok(table)
    }

    /// A Parquet file with zstd compression.
    ///
    /// # Errors
    /// [`Error::Format`] when a column's type has no Parquet form.
    pub fn to_parquet(&self) -> Result<Vec<u8>, Error> {
        let failed = |source| Error::Format { format: "parquet", source: Box::new(source) };
        let (schema, batches) = self.portable()?;
        let level = ZstdLevel::try_new(3).unwrap_or_default();
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
        let mut writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties)).map_err(failed)?;
        for batch in &batches {
            writer.write(batch).map_err(failed)?;
        }
        writer.into_inner().map_err(failed)
    }

    /// An Arrow IPC stream.
    ///
    /// # Errors
    /// [`Error::Format`] when the stream cannot be written.
    pub fn to_arrow_ipc(&self) -> Result<Vec<u8>, Error> {
        let failed = |source| Error::Format { format: "arrow", source: Box::new(source) };
        let (schema, batches) = self.portable()?;
        let mut writer = StreamWriter::try_new(Vec::new(), &schema).map_err(failed)?;
        for batch in &batches {
            writer.write(batch).map_err(failed)?;
        }
        writer.into_inner().map_err(failed)
    }

    /// The rows without string views, which many readers do not know yet.
    fn portable(&self) -> Result<(SchemaRef, Vec<RecordBatch>), Error> {
        let kind = |field: &Field| match field.data_type() {
            DataType::Utf8View => DataType::Utf8,
            DataType::BinaryView => DataType::Binary,
            other => other.clone(),
        };
        let fields =
            self.schema.fields().iter().map(|field| field.as_ref().clone().with_data_type(kind(field)));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let batch = |batch: &RecordBatch| {
            let columns = batch.columns().iter().zip(schema.fields());
            let columns = columns.map(|(column, field)| cast(column, field.data_type()));
            RecordBatch::try_new(Arc::clone(&schema), columns.collect::<Result<_, _>>()?)
        };
        let batches = self.batches.iter().map(batch).collect::<Result<_, ArrowError>>()?;
        Ok((schema, batches))
    }
}

/// The SQL name of a type.
fn type_name(kind: &DataType) -> String {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "VARCHAR".into(),
        DataType::Int64 => "BIGINT".into(),
        DataType::Int32 => "INTEGER".into(),
        DataType::Int16 => "SMALLINT".into(),
        DataType::Int8 => "TINYINT".into(),
        DataType::UInt64 => "BIGINT UNSIGNED".into(),
        DataType::Float64 => "DOUBLE".into(),
        DataType::Float32 => "REAL".into(),
        DataType::Boolean => "BOOLEAN".into(),
        DataType::Date32 | DataType::Date64 => "DATE".into(),
        DataType::Timestamp(..) => "TIMESTAMP".into(),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => format!("DECIMAL({precision},{scale})"),
        DataType::Dictionary(_, inner) => type_name(inner),
        other => other.to_string().to_uppercase(),
    }
}

/// A column's cells as JSON.
fn cells(column: &dyn Array) -> Result<Vec<Value>, ArrowError> {
    macro_rules! numbers {
        ($kind:ty) => {
            Ok(column.as_primitive::<$kind>().iter().map(|n| n.map_or(Value::Null, Value::from)).collect())
        };
    }
    match column.data_type() {
        DataType::Null => Ok(vec![Value::Null; column.len()]),
        DataType::Boolean => Ok(column.as_boolean().iter().map(Value::from).collect()),
        DataType::Int8 => numbers!(Int8Type),
        DataType::Int16 => numbers!(Int16Type),
        DataType::Int32 => numbers!(Int32Type),
        DataType::Int64 => numbers!(Int64Type),
        DataType::UInt8 => numbers!(UInt8Type),
        DataType::UInt16 => numbers!(UInt16Type),
        DataType::UInt32 => numbers!(UInt32Type),
        DataType::UInt64 => numbers!(UInt64Type),
        DataType::Float32 => numbers!(Float32Type),
        DataType::Float64 => numbers!(Float64Type),
        DataType::Float16 => {
            Ok(column.as_primitive::<Float16Type>().iter().map(|n| Value::from(n.map(f32::from))).collect())
        }
        DataType::Utf8View => Ok(column.as_string_view().iter().map(Value::from).collect()),
        DataType::Utf8 => Ok(column.as_string::<i32>().iter().map(Value::from).collect()),
        DataType::Timestamp(_, zone) => {
            let micros = cast(
                &column.slice(0, column.len()),
                &DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
            )?;
            let instant = |at: i64| Value::String(Timestamp::from_micros(at).to_string());
            Ok(micros
                .as_primitive::<TimestampMicrosecondType>()
                .iter()
                .map(|at| at.map_or(Value::Null, instant))
                .collect())
        }
        DataType::Dictionary(_, inner) => cells(cast(&column.slice(0, column.len()), inner)?.as_ref()),
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) | DataType::Struct(_) => {
            nested(column)
        }
        kind => formatted(column, kind.is_numeric()),
    }
}

fn nested(column: &dyn Array) -> Result<Vec<Value>, ArrowError> {
    if let Some(column) = column.as_struct_opt() {
        let fields =
            column.columns().iter().map(|field| cells(field.as_ref())).collect::<Result<Vec<_>, _>>()?;
        let mut fields: Vec<_> = fields.into_iter().map(Vec::into_iter).collect();
        let mut rows = Vec::with_capacity(column.len());
        for place in 0..column.len() {
            let values = fields.iter_mut().map(|cells| cells.next().unwrap_or_default());
            let row: Map<_, _> = column.column_names().into_iter().map(str::to_owned).zip(values).collect();
            rows.push(if column.is_null(place) { Value::Null } else { Value::Object(row) });
        }
        return Ok(rows);
    }
    let lists = cast(&column.slice(0, column.len()), &list_of(column.data_type()))?;
    let lists = lists.as_list::<i64>();
    let list = |list: Option<Arc<dyn Array>>| match list {
        None => Ok(Value::Null),
        Some(list) => cells(list.as_ref()).map(Value::Array),
    };
    lists.iter().map(list).collect()
}

fn list_of(kind: &DataType) -> DataType {
    match kind {
        DataType::List(field) | DataType::FixedSizeList(field, _) => DataType::LargeList(Arc::clone(field)),
        other => other.clone(),
    }
}

/// Types without a JSON form of their own, as Arrow prints them; decimals are
/// printed and read back as numbers.
fn formatted(column: &dyn Array, numeric: bool) -> Result<Vec<Value>, ArrowError> {
    let options = FormatOptions::default();
    let printer = ArrayFormatter::try_new(column, &options)?;
    let cell = |place: usize| {
        if column.is_null(place) {
            return Value::Null;
        }
        let text = printer.value(place).to_string();
        let number = || text.parse().ok().and_then(Number::from_f64).map(Value::Number);
        if let Some(number) = numeric.then(number).flatten() { number } else { Value::String(text) }
    };
    Ok((0..column.len()).map(cell).collect())
}

fn text(cell: Value) -> String {
    match cell {
        Value::Null => String::new(),
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn csv_line(cells: impl Iterator<Item = String>, csv: &mut String) {
    for (place, cell) in cells.enumerate() {
        if place > 0 {
            csv.push(',');
        }
        if cell.contains(['"', ',', '\n', '\r']) {
            csv.push('"');
            csv.push_str(&cell.replace('"', "\"\""));
            csv.push('"');
        } else {
            csv.push_str(&cell);
        }
    }
    csv.push_str("\r\n");
}

#[cfg(test)]
mod tests;
