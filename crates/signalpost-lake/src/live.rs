//! Tables that live in the program's state rather than in the lake: given by
//! the caller when a query names them, and brought into columns for that query.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use deltalake::arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, RecordBatch, RecordBatchOptions,
    StringViewBuilder, TimestampMicrosecondBuilder,
};
use deltalake::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use deltalake::arrow::error::ArrowError;
use signalpost_core::value::Value;

use crate::json;

/// Rows in one batch of columns.
const BATCH_ROWS: usize = 8_192;
/// Columns kept in Arrow; those not asked for longest go first.
const KEPT_MAX: usize = 8;

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
    /// `VARCHAR` with every value as JSON, so that its type is not lost. Left out
    /// of `*`: only a query that names it has it.
    Json,
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

/// Hands out whole columns: called once with the positions of the columns that
/// the query names, in ascending order. All are equally long.
pub type LiveColumns<'a> = Box<dyn FnOnce(&[usize]) -> Vec<LiveColumn> + Send + 'a>;

/// A column with its type; the values are shared with whoever holds them.
pub type LiveColumn = (ColumnType, Arc<Vec<Value>>);

/// What is in a table given at query time.
pub enum LiveData<'a> {
    /// Row by row, so that they are never all in memory twice.
    Rows(LiveRows<'a>),
    /// Column by column, whose types stand only then.
    Columns(LiveColumns<'a>),
}

impl fmt::Debug for LiveData<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rows(_) => "Rows",
            Self::Columns(_) => "Columns",
        })
    }
}

/// A table given at query time.
pub struct LiveTable<'a> {
    /// All columns, by name.
    pub columns: Vec<(String, ColumnType)>,
    /// What is in it.
    pub data: LiveData<'a>,
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
        Self { columns, data: LiveData::Rows(Box::new(give)) }
    }

    /// Brings the columns that `wanted` picks into Arrow. `wanted` answers the
    /// name under which the query wants a column, if it does.
    pub(crate) fn read(
        self,
        wanted: impl Fn(&str) -> Option<String>,
        kept: &KeptColumns,
    ) -> Result<(SchemaRef, Vec<RecordBatch>), ArrowError> {
        let mut picked: Vec<(usize, String, ColumnType)> = Vec::new();
        for (place, (name, kind)) in self.columns.iter().enumerate() {
            if let Some(name) = wanted(name) {
                picked.push((place, name, *kind));
            }
        }
        let places: Vec<usize> = picked.iter().map(|(place, ..)| *place).collect();
        let give = match self.data {
            LiveData::Rows(give) => give,
            LiveData::Columns(give) => {
                let names = picked.into_iter().map(|(_, name, _)| name).collect();
                return read_columns(names, &give(&places), kept);
            }
        };
        let fields = picked.iter().map(|(_, name, kind)| Field::new(name, kind.arrow(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let kinds: Vec<ColumnType> = picked.iter().map(|(.., kind)| *kind).collect();
        let mut batches = Vec::new();
        let mut failed = None;
        let mut building = Building::new(&kinds);
        give(&places, &mut |row| {
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

/// Brings whole columns into Arrow.
fn read_columns(
    names: Vec<String>,
    columns: &[LiveColumn],
    kept: &KeptColumns,
) -> Result<(SchemaRef, Vec<RecordBatch>), ArrowError> {
    let fields = names.iter().zip(columns).map(|(name, (kind, _))| Field::new(name, kind.arrow(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let rows = columns.iter().map(|(_, values)| values.len()).min().unwrap_or(0);
    let mut parts: Vec<_> = columns.iter().map(|column| kept.parts(column).into_iter()).collect();
    let mut batches = Vec::new();
    for start in (0..rows).step_by(BATCH_ROWS) {
        let arrays: Vec<ArrayRef> = parts.iter_mut().filter_map(Iterator::next).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(BATCH_ROWS.min(rows - start)));
        batches.push(RecordBatch::try_new_with_options(Arc::clone(&schema), arrays, &options)?);
    }
    Ok((schema, batches))
}

/// Columns in Arrow, for as long as whoever gave their values holds these
/// unchanged: most of what is asked of people is asked again.
#[derive(Debug, Default)]
pub(crate) struct KeptColumns(Mutex<Vec<Kept>>);

/// A column's values and type, and what was made of them, a part a batch.
/// Values that somebody keeps a weak reference to are never changed in place.
type Kept = (Weak<Vec<Value>>, ColumnType, Vec<ArrayRef>);

impl KeptColumns {
    /// The column in parts of [`BATCH_ROWS`].
    fn parts(&self, (kind, values): &LiveColumn) -> Vec<ArrayRef> {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kept = lock();
        kept.retain(|(held, ..)| held.strong_count() > 0);
        let same = |(held, own, _): &Kept| std::ptr::eq(held.as_ptr(), Arc::as_ptr(values)) && own == kind;
        if let Some(place) = kept.iter().position(same) {
            let found = kept.remove(place);
            let parts = found.2.clone();
            kept.insert(0, found);
            return parts;
        }
        drop(kept);
        let parts: Vec<ArrayRef> = values.chunks(BATCH_ROWS).map(|part| kind.array(part)).collect();
        // What nobody else holds will not be asked for again.
        if Arc::strong_count(values) > 1 {
            let mut kept = lock();
            kept.insert(0, (Arc::downgrade(values), *kind, parts.clone()));
            kept.truncate(KEPT_MAX);
        }
        parts
    }
}

impl ColumnType {
    fn array(self, values: &[Value]) -> ArrayRef {
        let mut column = self.builder();
        values.iter().for_each(|value| column.add(value));
        column.finish()
    }

    fn builder(self) -> Column {
        match self {
            Self::Text => Column::Text(StringViewBuilder::new().with_deduplicate_strings()),
            Self::Json => Column::Json(StringViewBuilder::new().with_deduplicate_strings(), Vec::new()),
            Self::Int => Column::Int(Int64Builder::new()),
            Self::Float => Column::Float(Float64Builder::new()),
            Self::Bool => Column::Bool(BooleanBuilder::new()),
            Self::Time => Column::Time(TimestampMicrosecondBuilder::new().with_timezone("UTC")),
        }
    }

    fn arrow(self) -> DataType {
        match self {
            Self::Text | Self::Json => DataType::Utf8View,
            Self::Int => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Bool => DataType::Boolean,
            Self::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        }
    }
}

enum Column {
    Text(StringViewBuilder),
    /// With room in which a cell is written.
    Json(StringViewBuilder, Vec<u8>),
    Int(Int64Builder),
    Float(Float64Builder),
    Bool(BooleanBuilder),
    Time(TimestampMicrosecondBuilder),
}

impl Column {
    fn add(&mut self, value: &Value) {
        match (self, value) {
            (Self::Text(column) | Self::Json(column, _), Value::Null) => column.append_null(),
            (Self::Json(column, room), value) => {
                room.clear();
                json::write_value(value, room);
                column.append_value(String::from_utf8_lossy(room));
            }
            (Self::Text(column), Value::Text(text)) => column.append_value(text),
            (Self::Text(column), other) => column.append_value(other.to_string()),
            (Self::Int(column), Value::Int(number)) => column.append_value(*number),
            (Self::Int(column), _) => column.append_null(),
            (Self::Float(column), Value::Int(_) | Value::Float(_)) => column.append_option(value.as_number()),
            (Self::Float(column), _) => column.append_null(),
            (Self::Bool(column), Value::Bool(truth)) => column.append_value(*truth),
            (Self::Bool(column), _) => column.append_null(),
            (Self::Time(column), other) => column.append_option(other.as_time().map(|at| at.as_micros())),
        }
    }

    fn finish(self) -> ArrayRef {
        match self {
            Self::Text(mut column) | Self::Json(mut column, _) => Arc::new(column.finish()),
            Self::Int(mut column) => Arc::new(column.finish()),
            Self::Float(mut column) => Arc::new(column.finish()),
            Self::Bool(mut column) => Arc::new(column.finish()),
            Self::Time(mut column) => Arc::new(column.finish()),
        }
    }
}

/// The columns of one batch being filled.
struct Building {
    columns: Vec<Column>,
    rows: usize,
}

impl Building {
    fn new(kinds: &[ColumnType]) -> Self {
        Self { columns: kinds.iter().map(|kind| kind.builder()).collect(), rows: 0 }
    }

    fn add(&mut self, row: &[Value]) {
        self.rows += 1;
        for (place, column) in self.columns.iter_mut().enumerate() {
            column.add(row.get(place).unwrap_or(&Value::Null));
        }
    }

    fn finish(self, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
        let arrays = self.columns.into_iter().map(Column::finish);
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        RecordBatch::try_new_with_options(Arc::clone(schema), arrays.collect(), &options)
    }
}

#[cfg(test)]
mod tests;
