//! Tables that live in the program's state rather than in the lake: given by
//! the caller when a query names them, and brought into columns for that query.

use std::fmt;
use std::sync::Arc;

use deltalake::arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, RecordBatch, RecordBatchOptions,
    StringViewBuilder, TimestampMicrosecondBuilder,
};
use deltalake::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use deltalake::arrow::error::ArrowError;
use signalpost_core::value::Value;

/// Rows in one batch of columns.
const BATCH_ROWS: usize = 8_192;

/// Gives the program's own tables to a query.
pub trait LiveTables: Send + Sync {
    /// The table of that name (`customer_data`, `segments`, `catalog`,
    /// `quarantine`, …), or `None` when there is none. Called only for names
    /// that the query uses. A name given here hides the lake's table of the
    /// same name, except `events`.
    fn table(&self, name: &str) -> Option<LiveTable<'_>>;

    /// The names there are, for error messages.
    fn names(&self) -> Vec<String> {
        Vec::new()
    }
}

/// No tables beside the lake's own.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTables;

impl LiveTables for NoTables {
    fn table(&self, _: &str) -> Option<LiveTable<'_>> {
        None
    }
}

/// The type of a live table's column. A value of another type reads as NULL,
/// except that numbers fit in [`ColumnType::Float`] and everything in
/// [`ColumnType::Text`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// `VARCHAR`; lists and maps as JSON.
    Text,
    /// `BIGINT`.
    Int,
    /// `DOUBLE`.
    Float,
    /// `BOOLEAN`.
    Bool,
    /// `TIMESTAMP` with microseconds, UTC.
    Time,
}

/// Hands out rows: called once with the positions of the columns that the
/// query names, in ascending order, and a function to be called with each row,
/// which holds the values of just those columns.
pub type LiveRows<'a> = Box<dyn FnOnce(&[usize], &mut dyn FnMut(&[Value])) + Send + 'a>;

/// A table given at query time.
pub struct LiveTable<'a> {
    /// All columns, by name.
    pub columns: Vec<(String, ColumnType)>,
    /// Its rows, row by row, so that they are never all in memory twice.
    pub rows: LiveRows<'a>,
}

impl fmt::Debug for LiveTable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveTable").field("columns", &self.columns).finish_non_exhaustive()
    }
}

impl<'a> LiveTable<'a> {
    /// A table of rows that are all there; each row has a value a column.
    pub fn from_rows(columns: Vec<(String, ColumnType)>, rows: Vec<Vec<Value>>) -> Self {
        let give = move |wanted: &[usize], row: &mut dyn FnMut(&[Value])| {
            for values in rows {
                let pick = |place: &usize| values.get(*place).cloned().unwrap_or_default();
                row(&wanted.iter().map(pick).collect::<Vec<_>>());
            }
        };
        Self { columns, rows: Box::new(give) }
    }

    /// Brings the columns that `wanted` picks into Arrow. `wanted` answers the
    /// name under which the query wants a column, if it does.
    pub(crate) fn read(
        self,
        wanted: impl Fn(&str) -> Option<String>,
    ) -> Result<(SchemaRef, Vec<RecordBatch>), ArrowError> {
        let mut picked: Vec<(usize, String, ColumnType)> = Vec::new();
        for (place, (name, kind)) in self.columns.iter().enumerate() {
            if let Some(name) = wanted(name) {
                picked.push((place, name, *kind));
            }
        }
        let fields = picked.iter().map(|(_, name, kind)| Field::new(name, kind.arrow(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let kinds: Vec<ColumnType> = picked.iter().map(|(.., kind)| *kind).collect();
        let places: Vec<usize> = picked.iter().map(|(place, ..)| *place).collect();
        let mut batches = Vec::new();
        let mut failed = None;
        let mut building = Building::new(&kinds);
        (self.rows)(&places, &mut |row| {
            building.add(row);
            if building.rows == BATCH_ROWS {
                match std::mem::replace(&mut building, Building::new(&kinds)).finish(&schema) {
                    Ok(batch) => batches.push(batch),
                    Err(error) => failed = Some(error),
                }
            }
        });
        if let Some(error) = failed {
            return Err(error);
        }
        if building.rows > 0 {
            batches.push(building.finish(&schema)?);
        }
        Ok((schema, batches))
    }
}

impl ColumnType {
    fn arrow(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8View,
            Self::Int => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Bool => DataType::Boolean,
            Self::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        }
    }
}

enum Column {
    Text(StringViewBuilder),
    Int(Int64Builder),
    Float(Float64Builder),
    Bool(BooleanBuilder),
    Time(TimestampMicrosecondBuilder),
}

/// The columns of one batch being filled.
struct Building {
    columns: Vec<Column>,
    rows: usize,
}

impl Building {
    fn new(kinds: &[ColumnType]) -> Self {
        let column = |kind: &ColumnType| match kind {
            ColumnType::Text => Column::Text(StringViewBuilder::new().with_deduplicate_strings()),
            ColumnType::Int => Column::Int(Int64Builder::new()),
            ColumnType::Float => Column::Float(Float64Builder::new()),
            ColumnType::Bool => Column::Bool(BooleanBuilder::new()),
            ColumnType::Time => Column::Time(TimestampMicrosecondBuilder::new().with_timezone("UTC")),
        };
        Self { columns: kinds.iter().map(column).collect(), rows: 0 }
    }

    fn add(&mut self, row: &[Value]) {
        self.rows += 1;
        for (place, column) in self.columns.iter_mut().enumerate() {
            let value = row.get(place).unwrap_or(&Value::Null);
            match (column, value) {
                (Column::Text(column), Value::Null) => column.append_null(),
                (Column::Text(column), Value::Text(text)) => column.append_value(text),
                (Column::Text(column), other) => column.append_value(other.to_string()),
                (Column::Int(column), Value::Int(number)) => column.append_value(*number),
                (Column::Int(column), _) => column.append_null(),
                (Column::Float(column), Value::Int(_) | Value::Float(_)) => {
                    column.append_option(value.as_number())
                }
                (Column::Float(column), _) => column.append_null(),
                (Column::Bool(column), Value::Bool(truth)) => column.append_value(*truth),
                (Column::Bool(column), _) => column.append_null(),
                (Column::Time(column), other) => {
                    column.append_option(other.as_time().map(|at| at.as_micros()))
                }
            }
        }
    }

    fn finish(self, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
        let arrays = self.columns.into_iter().map(|column| -> ArrayRef {
            match column {
                Column::Text(mut column) => Arc::new(column.finish()),
                Column::Int(mut column) => Arc::new(column.finish()),
                Column::Float(mut column) => Arc::new(column.finish()),
                Column::Bool(mut column) => Arc::new(column.finish()),
                Column::Time(mut column) => Arc::new(column.finish()),
            }
        });
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        RecordBatch::try_new_with_options(Arc::clone(schema), arrays.collect(), &options)
    }
}
