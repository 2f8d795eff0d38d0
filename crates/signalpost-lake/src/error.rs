//! What can go wrong in the lake, and what to do about it.

use std::fmt;
use std::path::PathBuf;

use deltalake::DeltaTableError;
use deltalake::arrow::error::ArrowError;

use crate::table::Table;

/// Why the lake could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder cannot be read or written.
    #[error("cannot use {path}: check that it exists and that this user may write to it")]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// A table's log or files could not be read or written.
    #[error("table {table}: cannot {doing}")]
    Table {
        /// The table.
        table: Table,
        /// What was tried.
        doing: &'static str,
        /// What the Delta library said.
        #[source]
        source: Box<DeltaTableError>,
    },
    /// The table on disk has other columns than this version writes.
    #[error(
        "table {table} has the columns ({found}), expected ({expected}); was it written by another version?"
    )]
    Schema {
        /// The table.
        table: Table,
        /// Columns on disk.
        found: String,
        /// Columns this version writes.
        expected: String,
    },
    /// Rows could not be brought into columns.
    #[error("cannot arrange rows in columns")]
    Columns(#[from] ArrowError),
    /// The query was refused or failed.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// The query ran longer than its limit.
    #[error("the query ran longer than {seconds} s; narrow its time range or raise the limit")]
    TimedOut {
        /// The limit.
        seconds: f64,
    },
    /// The query needs more memory than the lake may use.
    #[error(
        "the query needs more memory than is allowed: {message}; select fewer columns or rows, or raise the limit"
    )]
    Memory {
        /// What DataFusion said.
        message: String,
    },
    /// The result could not be written in the asked format.
    #[error("cannot write the result as {format}")]
    Format {
        /// `parquet`, `arrow`.
        format: &'static str,
        /// What the writer said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file that was to be read is no Parquet, or is damaged.
    #[error("this is no Parquet file, or it is cut off or damaged")]
    NotParquet {
        /// What the reader said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An object store refused, or cannot be reached.
    #[error("cannot read {place} ({reason}); check the name, AWS_ENDPOINT_URL, AWS_REGION and the AWS_ keys")]
    Bucket {
        /// The object or folder, as `s3://bucket/key`.
        place: String,
        /// What the store said.
        reason: String,
    },
    /// A worker thread stopped before it answered.
    #[error("the lake is shutting down")]
    Closed,
}

impl Error {
    /// Makes an error out of one of the Delta library, for `map_err`.
    pub(crate) fn table(table: Table, doing: &'static str) -> impl Fn(DeltaTableError) -> Self {
        move |source| Self::Table { table, doing, source: Box::new(source) }
    }

    /// Makes an error out of one of the disk, for `map_err`.
    pub(crate) fn disk(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Disk { path, source }
    }
}

/// A place in a query's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Counted from 1.
    pub line: u64,
    /// Characters from the start of the line, counted from 1.
    pub column: u64,
}

/// Why a query was refused or failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlError {
    /// What is wrong, in one sentence.
    pub message: String,
    /// Where, when known.
    pub at: Option<Position>,
    /// How to mend it, when known.
    pub hint: Option<String>,
}

impl SqlError {
    /// An error without place or hint.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), at: None, hint: None }
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(Position { line, column }) = self.at {
            write!(f, " (line {line}, column {column})")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for SqlError {}
