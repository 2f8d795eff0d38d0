//! One table as a query sees it: the Parquet files of one table version and
//! the rows in memory that were not in it yet.
//!
//! The files are read by DataFusion's own Parquet source, with the row counts
//! and time bounds of the Delta log, so that files outside a query's time
//! range are never opened.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use deltalake::arrow::array::RecordBatch;
use deltalake::arrow::datatypes::{Schema, SchemaRef};
use deltalake::datafusion::catalog::{Session, TableProvider};
use deltalake::datafusion::common::stats::Precision;
use deltalake::datafusion::common::{ColumnStatistics, Result, ScalarValue, Statistics};
use deltalake::datafusion::config::TableParquetOptions;
use deltalake::datafusion::datasource::listing::PartitionedFile;
use deltalake::datafusion::datasource::memory::MemorySourceConfig;
use deltalake::datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use deltalake::datafusion::datasource::source::DataSourceExec;
use deltalake::datafusion::execution::object_store::ObjectStoreUrl;
use deltalake::datafusion::logical_expr::{Expr, TableType};
use deltalake::datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use deltalake::datafusion::physical_plan::ExecutionPlan;
use deltalake::datafusion::physical_plan::empty::EmptyExec;
use deltalake::datafusion::physical_plan::expressions::col;
use deltalake::datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use deltalake::datafusion::physical_plan::union::UnionExec;

use crate::delta::{File, Files};
use crate::table::Table;

/// A table at one instant.
#[derive(Debug)]
pub(crate) struct Snapshot {
    table: Table,
    schema: SchemaRef,
    /// The table's folder as an object store path: absolute, without the
    /// leading slash.
    root: String,
    files: Arc<Files>,
    tail: Vec<RecordBatch>,
}

impl Snapshot {
    /// The rows of `files` below `folder`, and those of `tail`.
    pub(crate) fn new(table: Table, folder: &Path, files: Arc<Files>, tail: Vec<RecordBatch>) -> Self {
        let root = folder.to_string_lossy().trim_matches('/').to_owned();
        Self { table, schema: table.schema(), root, files, tail }
    }

    fn statistics(&self, files: &[File]) -> Statistics {
        let mut all = Statistics::new_unknown(&self.schema);
        all.num_rows = Precision::Exact(files.iter().map(|file| file.rows).sum());
        all.total_byte_size =
            Precision::Inexact(files.iter().map(|file| usize::try_from(file.bytes).unwrap_or(0)).sum());
        let bounds = |file: &File| file.bounds;
        let known: Option<Vec<(i64, i64)>> = files.iter().map(bounds).collect();
        let earliest = known.as_ref().and_then(|known| known.iter().map(|bounds| bounds.0).min());
        let latest = known.as_ref().and_then(|known| known.iter().map(|bounds| bounds.1).max());
        let place = self.schema.index_of(self.table.time_column()).ok();
        if let (Some(earliest), Some(latest), Some(place)) = (earliest, latest, place)
            && let Some(column) = all.column_statistics.get_mut(place)
        {
            let scalar = |at| ScalarValue::TimestampMicrosecond(Some(at), Some("UTC".into()));
            *column = ColumnStatistics {
                min_value: Precision::Inexact(scalar(earliest)),
                max_value: Precision::Inexact(scalar(latest)),
                ..ColumnStatistics::new_unknown()
            };
        }
        all
    }

    fn scan_files(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let groups = FileGroup::new(self.parts().collect()).split_files(state.config().target_partitions());
        let scan = self
            .source(state, groups)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(scan))
    }

    /// The rows of all files as one stream sorted by time, given that each file
    /// is: they are read side by side, so that memory grows with the number of
    /// files and not with their size. Out of files that are not quite sorted
    /// comes a stream that is not quite sorted.
    pub(crate) fn merged(&self, state: &dyn Session) -> Result<Arc<dyn ExecutionPlan>> {
        let time = PhysicalSortExpr::new_default(col(self.table.time_column(), &self.schema)?);
        let order = LexOrdering::from([time]);
        let groups = self.parts().map(|part| FileGroup::new(vec![part])).collect();
        let scan = self.source(state, groups).with_output_ordering(vec![order.clone()]).build();
        let files = DataSourceExec::from_data_source(scan);
        Ok(Arc::new(SortPreservingMergeExec::new(order, files)))
    }

    fn parts(&self) -> impl Iterator<Item = PartitionedFile> {
        self.files.files.iter().map(|file| {
            let statistics = self.statistics(std::slice::from_ref(file));
            PartitionedFile::new(format!("{}/{}", self.root, file.path), file.bytes)
                .with_statistics(Arc::new(statistics))
        })
    }

    fn source(&self, state: &dyn Session, groups: Vec<FileGroup>) -> FileScanConfigBuilder {
        let options = TableParquetOptions {
            global: state.config_options().execution.parquet.clone(),
            ..TableParquetOptions::default()
        };
        let source = ParquetSource::new(Arc::clone(&self.schema)).with_table_parquet_options(options);
        FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), Arc::new(source))
            .with_file_groups(groups)
            .with_statistics(self.statistics(&self.files.files))
    }
}

#[async_trait]
impl TableProvider for Snapshot {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut parts: Vec<Arc<dyn ExecutionPlan>> = Vec::new();
        if !self.files.files.is_empty() {
            parts.push(self.scan_files(state, projection, limit)?);
        }
        if !self.tail.is_empty() {
            let batches = std::slice::from_ref(&self.tail);
            parts.push(MemorySourceConfig::try_new_exec(
                batches,
                Arc::clone(&self.schema),
                projection.cloned(),
            )?);
        }
        match parts.len() {
            0 => {
                let schema = match projection {
                    Some(places) => self.schema.project(places)?,
                    None => Schema::clone(&self.schema),
                };
                Ok(Arc::new(EmptyExec::new(Arc::new(schema))))
            }
            1 => Ok(parts.remove(0)),
            _ => UnionExec::try_new(parts),
        }
    }
}
