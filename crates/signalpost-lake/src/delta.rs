//! A Delta table in a folder: opening, appending with offsets, replacing small
//! files by large ones, and what a query needs to know of a version.
//!
//! The one owner of a table calls [`Delta::lock`] around every change, so that
//! versions are seen in order. Everything is synced to disk before it is
//! acknowledged: the log may be trimmed once its rows are here.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use deltalake::arrow::array::RecordBatch;
use deltalake::arrow::compute::cast;
use deltalake::arrow::datatypes::SchemaRef;
use deltalake::datafusion::execution::SendableRecordBatchStream;
use deltalake::kernel::transaction::{CommitBuilder, CommitProperties};
use deltalake::kernel::{Action, Add, StructField, Transaction};
use deltalake::operations::vacuum::VacuumMode;
use deltalake::parquet::basic::{Compression, Encoding, ZstdLevel};
use deltalake::parquet::file::properties::{EnabledStatistics, WriterProperties};
use deltalake::parquet::schema::types::ColumnPath;
use deltalake::protocol::{DeltaOperation, SaveMode};
use deltalake::writer::{DeltaWriter, RecordBatchWriter};
use deltalake::{DeltaTable, DeltaTableBuilder, DeltaTableError, TableProperty};
use futures::TryStreamExt;
use signalpost_core::time::Timestamp;
use tokio::sync::{Mutex, MutexGuard};

use crate::error::Error;
use crate::table::{Kind, Table};

/// Rows in one row group: what one thread reads at a time, and the finest
/// grain at which Parquet's own statistics prune. A merge holds one of each
/// file that it reads.
const ROW_GROUP_ROWS: usize = 65_536;
/// Bytes of a page and of a dictionary. A merge holds one of each for every
/// column of every file, unpacked.
const PAGE_BYTES: usize = 256 << 10;
/// The lightest there is: a row is written anew several times as files are
/// merged, on the machine that also takes the events in.
const ZSTD_LEVEL: i32 = 1;

/// The name under which a log partition's offset is kept in a table's log.
pub(crate) fn app_id(stream: u32) -> String {
    format!("log-{stream}")
}

/// One data file of a table version.
#[derive(Clone, Debug)]
pub(crate) struct File {
    /// Relative to the table's folder.
    pub(crate) path: String,
    pub(crate) bytes: u64,
    pub(crate) rows: usize,
    /// Earliest and latest instant in the table's time column.
    pub(crate) bounds: Option<(i64, i64)>,
}

/// The data files of one table version.
#[derive(Debug, Default)]
pub(crate) struct Files {
    pub(crate) version: u64,
    pub(crate) files: Vec<File>,
}

/// A table on disk.
#[derive(Debug)]
pub(crate) struct Delta {
    pub(crate) table: Table,
    pub(crate) folder: PathBuf,
    state: Mutex<DeltaTable>,
}

impl Delta {
    /// Opens the table in `folder`, creating it when absent.
    pub(crate) async fn open(table: Table, folder: PathBuf, retention_hours: u32) -> Result<Self, Error> {
        let fresh = !tokio::fs::try_exists(folder.join("_delta_log")).await.unwrap_or(false);
        if !fresh {
            drop_torn_commit(&folder).await?;
        }
        let failed = Error::table(table, "open it");
        let url = deltalake::ensure_table_uri(folder.to_string_lossy()).map_err(&failed)?;
        let builder = DeltaTableBuilder::from_url(url).map_err(&failed)?;
        let state = if fresh {
            create(table, builder.build().map_err(&failed)?, retention_hours).await?
        } else {
            builder.load().await.map_err(&failed)?
        };
        let state = with_all_columns(table, state).await?;
        Ok(Self { table, folder, state: Mutex::new(state) })
    }

    /// Takes the right to change the table.
    pub(crate) async fn lock(&self) -> Locked<'_> {
        Locked { delta: self, state: self.state.lock().await }
    }
}

/// A table that no one else changes meanwhile.
pub(crate) struct Locked<'a> {
    delta: &'a Delta,
    state: MutexGuard<'a, DeltaTable>,
}

impl Locked<'_> {
    /// The files of the version held.
    pub(crate) fn files(&self) -> Result<Files, Error> {
        let failed = Error::table(self.delta.table, "list its files");
        let snapshot = self.state.snapshot().map_err(&failed)?;
        let column = self.delta.table.time_column();
        let file = |view: deltalake::kernel::LogicalFileView| File {
            path: view.path().into_owned(),
            bytes: u64::try_from(view.size()).unwrap_or(0),
            rows: view.num_records().unwrap_or(0),
            bounds: view.stats().and_then(|stats| bounds(&stats, column)),
        };
        Ok(Files { version: snapshot.version(), files: snapshot.log_data().iter().map(file).collect() })
    }

    /// The offset committed for a log partition.
    pub(crate) async fn committed(&self, stream: u32) -> Result<Option<u64>, Error> {
        let failed = Error::table(self.delta.table, "read its offsets");
        let snapshot = self.state.snapshot().map_err(&failed)?;
        let log = self.state.log_store();
        let version = snapshot.transaction_version(log.as_ref(), app_id(stream)).await.map_err(&failed)?;
        Ok(version.map(i64::cast_unsigned))
    }

    /// Appends rows and raises the offsets, in one commit. Answers the bytes
    /// written. When it fails the table may or may not hold the rows: see
    /// [`Locked::reload`].
    pub(crate) async fn append(
        &mut self,
        batches: Vec<RecordBatch>,
        offsets: &HashMap<u32, u64>,
    ) -> Result<u64, Error> {
        let failed = Error::table(self.delta.table, "append rows");
        let mut writer = self.writer()?;
        for batch in batches {
            let batch = for_disk(&batch, writer.arrow_schema())?;
            writer.write(batch).await.map_err(&failed)?;
        }
        let adds = writer.flush().await.map_err(&failed)?;
        let bytes = adds.iter().map(|add| u64::try_from(add.size).unwrap_or(0)).sum();
        let transactions =
            offsets.iter().map(|(stream, offset)| Transaction::new(app_id(*stream), offset.cast_signed()));
        let properties = CommitProperties::default()
            .with_application_transactions(transactions.collect())
            .with_cleanup_expired_logs(Some(false));
        let operation = DeltaOperation::Write { mode: SaveMode::Append, partition_by: None, predicate: None };
        self.sync_files(&adds).await?;
        self.commit(adds.into_iter().map(Action::Add).collect(), properties, operation).await?;
        Ok(bytes)
    }

    /// Reads the table's newest version, for when the outcome of a commit is
    /// not known.
    pub(crate) async fn reload(&mut self) -> Result<(), Error> {
        self.state.update_state().await.map_err(Error::table(self.delta.table, "read its newest version"))
    }

    /// Puts `adds` in the place of `old`: by `operation`, which tells readers
    /// whether the rows are still the same.
    pub(crate) async fn replace(
        &mut self,
        old: &[File],
        adds: Vec<Add>,
        operation: DeltaOperation,
    ) -> Result<(), Error> {
        let failed = Error::table(self.delta.table, "replace files");
        let data_change = operation.changes_data();
        self.sync_files(&adds).await?;
        let old: HashSet<&str> = old.iter().map(|file| file.path.as_str()).collect();
        let snapshot = self.state.snapshot().map_err(&failed)?;
        let held = snapshot.log_data();
        let views = held.iter().filter(|view| old.contains(view.path().as_ref()));
        let mut actions: Vec<Action> =
            views.map(|view| Action::Remove(view.remove_action(data_change))).collect();
        if actions.len() != old.len() {
            let gone = DeltaTableError::generic("files to be merged are no longer in the table");
            return Err(failed(gone));
        }
        actions.extend(adds.into_iter().map(|add| Action::Add(Add { data_change, ..add })));
        self.commit(actions, CommitProperties::default(), operation).await
    }

    /// Deletes files that no version within the retention needs, and those
    /// that a crash left behind.
    pub(crate) async fn vacuum(&mut self) -> Result<usize, Error> {
        let failed = Error::table(self.delta.table, "delete unused files");
        let vacuum = self.state.clone().vacuum().with_mode(VacuumMode::Full);
        let (state, metrics) = vacuum.await.map_err(&failed)?;
        *self.state = state;
        Ok(metrics.files_deleted.len())
    }

    /// Sums up the log so far, so that opening need not read it from its start.
    pub(crate) async fn checkpoint(&self) -> Result<(), Error> {
        let checkpoint = deltalake::checkpoints::create_checkpoint(&self.state, None);
        checkpoint.await.map_err(Error::table(self.delta.table, "write a checkpoint"))
    }

    async fn commit(
        &mut self,
        actions: Vec<Action>,
        properties: CommitProperties,
        operation: DeltaOperation,
    ) -> Result<(), Error> {
        let failed = Error::table(self.delta.table, "commit");
        let snapshot = self.state.snapshot().map_err(&failed)?;
        let log = self.state.log_store();
        let builder = CommitBuilder::from(properties).with_actions(actions);
        let done = builder.build(Some(snapshot), Arc::clone(&log), operation).await.map_err(&failed)?;
        let folder = self.delta.folder.join("_delta_log");
        sync(folder.join(format!("{:020}.json", done.version()))).await?;
        sync(folder).await?;
        self.state.state = Some(done.snapshot());
        Ok(())
    }

    /// A writer of new data files of this table.
    pub(crate) fn writer(&self) -> Result<RecordBatchWriter, Error> {
        let failed = Error::table(self.delta.table, "begin a file");
        Ok(RecordBatchWriter::for_table(&self.state)
            .map_err(&failed)?
            .with_writer_properties(writer_properties(self.delta.table)))
    }

    async fn sync_files(&self, adds: &[Add]) -> Result<(), Error> {
        for add in adds {
            sync(self.delta.folder.join(&add.path)).await?;
        }
        sync(self.delta.folder.clone()).await
    }
}

/// Writes all rows of a stream to new data files of about `target` bytes.
pub(crate) async fn write_stream(
    table: Table,
    writer: RecordBatchWriter,
    mut rows: SendableRecordBatchStream,
    target: u64,
) -> Result<Vec<Add>, Error> {
    let failed = Error::table(table, "write merged files");
    let mut writer = writer.with_target_file_size(target);
    let read = |source| Error::table(table, "read small files")(DeltaTableError::from(source));
    while let Some(batch) = rows.try_next().await.map_err(read)? {
        let batch = for_disk(&batch, writer.arrow_schema())?;
        writer.write(batch).await.map_err(&failed)?;
    }
    writer.flush().await.map_err(&failed)
}

/// The batch in the table's own types: string views become plain text.
fn for_disk(batch: &RecordBatch, schema: SchemaRef) -> Result<RecordBatch, Error> {
    let columns = batch.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| cast(column, field.data_type())).collect::<Result<_, _>>()?;
    Ok(RecordBatch::try_new(schema, columns)?)
}

async fn create(table: Table, unborn: DeltaTable, retention_hours: u32) -> Result<DeltaTable, Error> {
    let retention = format!("interval {retention_hours} hours");
    unborn
        .create()
        .with_table_name(table.name())
        .with_columns(table.delta_fields())
        .with_configuration_property(TableProperty::DeletedFileRetentionDuration, Some(retention.clone()))
        .with_configuration_property(TableProperty::LogRetentionDuration, Some(retention))
        .with_configuration_property(TableProperty::DataSkippingStatsColumns, Some(table.time_column()))
        .await
        .map_err(Error::table(table, "create it"))
}

/// The table with the columns of this version. One that lacks the last few was
/// written by an earlier version and gets them: they are NULL in its files.
async fn with_all_columns(table: Table, state: DeltaTable) -> Result<DeltaTable, Error> {
    let schema = state.snapshot().map_err(Error::table(table, "read its schema"))?.schema();
    let found: Vec<&str> = schema.fields().map(|field| field.name().as_str()).collect();
    let expected: Vec<&str> = table.columns().iter().map(|(name, _)| *name).collect();
    if found == expected {
        return Ok(state);
    }
    if !found.is_empty() && expected.starts_with(&found) {
        let new: Vec<StructField> = table.delta_fields().into_iter().skip(found.len()).collect();
        tracing::info!(%table, columns = new.len(), "adding columns of this version");
        return state.add_columns().with_fields(new).await.map_err(Error::table(table, "add columns"));
    }
    Err(Error::Schema { table, found: found.join(", "), expected: expected.join(", ") })
}

/// How each column is written. Text that is read as a whole or not at all gets
/// no statistics: they would be as long as the text. A dictionary is only tried
/// where values come again.
fn writer_properties(table: Table) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL).unwrap_or_default()))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_data_page_size_limit(PAGE_BYTES)
        .set_dictionary_page_size_limit(PAGE_BYTES)
        .set_created_by("signalpost".to_owned());
    for (name, kind) in table.columns() {
        let column = || ColumnPath::from(*name);
        match (kind, *name) {
            (Kind::Text, "properties" | "traits" | "context" | "detail") => {
                properties = properties.set_column_statistics_enabled(column(), EnabledStatistics::None);
            }
            (Kind::Text, "event_id" | "delivery_id") => {
                properties = properties.set_column_dictionary_enabled(column(), false);
            }
            (Kind::Time, _) | (Kind::Long, "log_offset" | "sequence") => {
                properties = properties
                    .set_column_dictionary_enabled(column(), false)
                    .set_column_encoding(column(), Encoding::DELTA_BINARY_PACKED);
            }
            _ => {}
        }
    }
    properties.build()
}

/// The bounds of a time column in a file's statistics, which the Delta
/// protocol allows to be cut to milliseconds.
fn bounds(stats: &str, column: &str) -> Option<(i64, i64)> {
    let stats: serde_json::Value = serde_json::from_str(stats).ok()?;
    let bound = |which: &str| Timestamp::parse(stats.get(which)?.get(column)?.as_str()?);
    Some((bound("minValues")?.as_micros(), bound("maxValues")?.as_micros().saturating_add(999)))
}

/// A power cut can leave the newest commit as an empty file: it was never
/// acknowledged, and its rows come again from the log.
async fn drop_torn_commit(folder: &Path) -> Result<(), Error> {
    let log = folder.join("_delta_log");
    let mut entries = tokio::fs::read_dir(&log).await.map_err(Error::disk(&log))?;
    while let Some(entry) = entries.next_entry().await.map_err(Error::disk(&log))? {
        let path = entry.path();
        let is_commit = path.extension().is_some_and(|extension| extension == "json");
        if is_commit && entry.metadata().await.map_err(Error::disk(&path))?.len() == 0 {
            tracing::warn!(path = %path.display(), "removing a commit that a power cut left empty");
            tokio::fs::remove_file(&path).await.map_err(Error::disk(&path))?;
        }
    }
    Ok(())
}

/// Makes a file, or the names in a folder, survive a power cut.
pub(crate) async fn sync(path: PathBuf) -> Result<(), Error> {
    let file = tokio::fs::File::open(&path).await.map_err(Error::disk(&path))?;
    file.sync_all().await.map_err(Error::disk(&path))
}
