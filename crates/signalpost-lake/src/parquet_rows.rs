//! The rows of a Parquet file that somebody else wrote, as JSON lines.
//!
//! In: a file on the disk or in a bucket. Out: a few thousand rows at a time,
//! so that memory holds the compressed columns of one row group and one batch,
//! however long the file is.

use std::fmt;
use std::path::Path;
use std::pin::Pin;

use deltalake::arrow::array::RecordBatch;
use deltalake::arrow::json::WriterBuilder;
use deltalake::arrow::json::writer::LineDelimited;
use deltalake::parquet::arrow::ParquetRecordBatchStreamBuilder;
use deltalake::parquet::arrow::async_reader::AsyncFileReader;
use deltalake::parquet::errors::ParquetError;
use futures::{Stream, StreamExt};

use crate::error::Error;

/// Rows read at once.
const BATCH_ROWS: usize = 1_024;

/// A Parquet file being read.
pub struct ParquetRows {
    columns: Vec<String>,
    rows: u64,
    batches: Pin<Box<dyn Stream<Item = Result<RecordBatch, ParquetError>> + Send>>,
}

impl fmt::Debug for ParquetRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParquetRows").field("columns", &self.columns).field("rows", &self.rows).finish()
    }
}

impl ParquetRows {
    /// Opens a file on the disk.
    ///
    /// # Errors
    /// [`Error::Disk`] when it cannot be opened, [`Error::NotParquet`] when it is
    /// none or is cut off.
    pub async fn open(path: &Path) -> Result<Self, Error> {
        let file = tokio::fs::File::open(path).await.map_err(Error::disk(path))?;
        Self::read(file).await
    }

    pub(crate) async fn read(reader: impl AsyncFileReader + Unpin + 'static) -> Result<Self, Error> {
        let builder = ParquetRecordBatchStreamBuilder::new(reader).await.map_err(unreadable)?;
        let columns = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
        let rows = builder.metadata().file_metadata().num_rows().unsigned_abs();
        let batches = builder.with_batch_size(BATCH_ROWS).build().map_err(unreadable)?;
        Ok(Self { columns, rows, batches: Box::pin(batches) })
    }

    /// The names of the columns, in order.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// How many rows the file says it has.
    pub fn len(&self) -> u64 {
        self.rows
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The next rows, a JSON object a line without what is null; `None` at the
    /// end. Instants are RFC 3339, binary values hexadecimal digits.
    ///
    /// # Errors
    /// [`Error::NotParquet`] where the file is damaged, [`Error::Columns`] for a
    /// column that JSON cannot hold.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let Some(batch) = self.batches.next().await.transpose().map_err(unreadable)? else { return Ok(None) };
        let mut writer = WriterBuilder::new().build::<_, LineDelimited>(Vec::new());
        writer.write(&batch)?;
        writer.finish()?;
        Ok(Some(writer.into_inner()))
    }
}

fn unreadable(source: ParquetError) -> Error {
    Error::NotParquet { source: Box::new(source) }
}
