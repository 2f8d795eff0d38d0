//! A query, from its text to its rows.
//!
//! In: SQL text, the instant that `now()` is, the program's own tables. The
//! text is parsed and held to reading ([`statement`]), the tables it names are
//! brought together as of one instant ([`tables`]), and DataFusion plans and
//! runs it on the lake's own threads and memory. Out: [`Rows`], or an error that
//! says where and what to do ([`explain`]).

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use deltalake::arrow::array::RecordBatch;
use deltalake::arrow::temporal_conversions::timestamp_us_to_datetime;
use deltalake::datafusion::catalog::MemoryCatalogProviderList;
use deltalake::datafusion::common::{DataFusionError, TableReference};
use deltalake::datafusion::execution::context::SQLOptions;
use deltalake::datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use deltalake::datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use deltalake::datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use deltalake::datafusion::execution::session_state::SessionStateBuilder;
use deltalake::datafusion::execution::{SendableRecordBatchStream, SessionState};
use deltalake::datafusion::optimizer::{Optimizer, OptimizerRule};
use deltalake::datafusion::physical_plan::execute_stream;
use deltalake::datafusion::prelude::SessionConfig;
use futures::TryStreamExt;
use signalpost_core::time::Timestamp;
use tokio::runtime::{Builder, Handle, Runtime, RuntimeFlavor};

use crate::error::{Error, SqlError};
use crate::inside;
use crate::lake::{Lake, Settings};
use crate::live::LiveTables;
use crate::property;
use crate::rows::Rows;
use crate::{value, zone};

mod explain;
mod past;
mod statement;
mod tables;

use statement::Query;

/// How much a query may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most rows; more are cut off.
    pub rows_max: usize,
    /// The longest it may run.
    pub time_max: Duration,
}

impl Lake {
    /// Runs a read-only SQL query over `events`, `memberships`, `deliveries`,
    /// `identities` and the given live tables, all as of one instant.
    ///
    /// `now()`, `current_timestamp` and `current_date` are `now`; the time zone
    /// is UTC. Every property of an event is a column of `events`.
    ///
    /// # Errors
    /// [`Error::Sql`] for a query that is refused or wrong, [`Error::TimedOut`]
    /// and [`Error::Memory`] for one that takes too much.
    pub async fn sql(&self, sql: &str, now: Timestamp, tables: &dyn LiveTables) -> Result<Rows, Error> {
        let Settings { query_rows_max, query_time_max, .. } = *self.settings();
        self.sql_within(sql, now, tables, Limits { rows_max: query_rows_max, time_max: query_time_max }).await
    }

    /// As [`Lake::sql`], with limits of its own.
    ///
    /// # Errors
    /// As [`Lake::sql`].
    pub async fn sql_within(
        &self,
        sql: &str,
        now: Timestamp,
        tables: &dyn LiveTables,
        limits: Limits,
    ) -> Result<Rows, Error> {
        let engine = self.engine();
        let sql = &past::named(sql)?;
        let query = Query::parse(sql, &engine.base)?;
        let state = engine.state_at(now);
        let lake_tables = query.lake_tables(tables);
        let lake = self.clone();
        let snapshots = engine.run(async move { lake.snapshots(&lake_tables) }).await??;
        off_the_reactor(|| tables::register(&state, self, &query, snapshots, tables))?;
        let plan =
            state.statement_to_plan(query.statement).await.map_err(|error| explain::error(error, sql))?;
        let reading =
            SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        reading.verify_plan(&plan).map_err(|_| statement::refused(sql))?;
        let run = async move {
            let plan = state.create_physical_plan(&plan).await?;
            let schema = plan.schema();
            let stream = execute_stream(plan, state.task_ctx())?;
            let (batches, truncated) = collect(stream, limits.rows_max).await?;
            Ok::<_, DataFusionError>(Rows::new(schema, batches, truncated))
        };
        match engine.run(async move { tokio::time::timeout(limits.time_max, run).await }).await? {
            Ok(rows) => rows.map_err(|error| explain::error(error, sql)),
            Err(_) => Err(Error::TimedOut { seconds: limits.time_max.as_secs_f64() }),
        }
    }
}

/// Takes batches until `rows_max` rows; answers whether there were more.
async fn collect(
    mut stream: SendableRecordBatchStream,
    rows_max: usize,
) -> Result<(Vec<RecordBatch>, bool), DataFusionError> {
    let mut batches = Vec::new();
    let mut room = rows_max;
    while let Some(batch) = stream.try_next().await? {
        if batch.num_rows() > room {
            batches.push(batch.slice(0, room));
            return Ok((batches, true));
        }
        room -= batch.num_rows();
        batches.push(batch);
    }
    Ok((batches, false))
}

/// Runs long work that borrows, letting other tasks of this thread move on.
fn off_the_reactor<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

/// The threads, memory and functions that all queries share.
#[derive(Debug)]
pub(crate) struct Engine {
    /// Apart from the threads that serve requests. `None` only while dropping.
    workers: Option<Runtime>,
    base: SessionState,
}

impl Engine {
    /// Makes the engine of the lake in `folder`, which gets a `spill` folder.
    pub(crate) async fn new(settings: &Settings, folder: &Path) -> Result<Self, Error> {
        let spill = folder.join("spill");
        if let Err(error) = tokio::fs::remove_dir_all(&spill).await
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(Error::disk(spill)(error));
        }
        tokio::fs::create_dir_all(&spill).await.map_err(Error::disk(&spill))?;
        let threads = settings.target_partitions.max(1);
        let workers = Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("lake")
            .on_thread_start(settings.on_thread_start)
            .enable_all()
            .build()
            .map_err(Error::disk(folder))?;
        let failed = |error| explain::error(error, "");
        let runtime = runtime(settings, &spill).map_err(failed)?;
        let base = SessionStateBuilder::new_with_default_features()
            .with_config(config(settings, threads))
            .with_optimizer_rules(optimizer_rules())
            .with_runtime_env(runtime)
            .build();
        Ok(Self { workers: Some(workers), base: with_own_functions(base) })
    }

    /// Runs work on the lake's threads; dropping the future stops it.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Error> {
        let Some(workers) = &self.workers else { return Err(Error::Closed) };
        let mut task = StopOnDrop(workers.spawn(work));
        (&mut task.0).await.map_err(|_| Error::Closed)
    }

    /// A session without tables, for work that is not a query.
    pub(crate) fn state(&self) -> SessionState {
        self.base.clone()
    }

    /// A session without tables in which `now()` is `now`.
    fn state_at(&self, now: Timestamp) -> SessionState {
        let mut props = self.base.execution_props().clone();
        props.query_execution_start_time =
            timestamp_us_to_datetime(now.as_micros()).map(|instant| instant.and_utc());
        SessionStateBuilder::new_from_existing(self.base.clone())
            .with_config(self.base.config().clone().with_create_default_catalog_and_schema(true))
            .with_catalog_list(Arc::new(MemoryCatalogProviderList::new()))
            .with_execution_props(props)
            .build()
    }
}

impl Drop for Engine {
    /// A runtime may not be dropped by one of another runtime's threads.
    fn drop(&mut self) {
        if let Some(workers) = self.workers.take() {
            workers.shutdown_background();
        }
    }
}

struct StopOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for StopOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn runtime(settings: &Settings, spill: &Path) -> Result<Arc<RuntimeEnv>, DataFusionError> {
    let pool = FairSpillPool::new(settings.memory_limit_bytes);
    let consumers_named = std::num::NonZeroUsize::MIN.saturating_add(4);
    let disk = DiskManagerBuilder::default()
        .with_mode(DiskManagerMode::Directories(vec![spill.to_owned()]))
        .with_max_temp_directory_size(settings.spill_bytes_max);
    RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(TrackConsumersPool::new(pool, consumers_named)))
        .with_disk_manager_builder(disk)
        .build_arc()
}

fn config(settings: &Settings, threads: usize) -> SessionConfig {
    let mut config = SessionConfig::new().with_target_partitions(threads).with_information_schema(false);
    let options = config.options_mut();
    options.execution.time_zone = Some("UTC".to_owned());
    // What a sort keeps free to merge its spilled parts: a share of a small pool.
    let reserve = options.execution.sort_spill_reservation_bytes;
    options.execution.sort_spill_reservation_bytes =
        reserve.min(settings.memory_limit_bytes / (16 * threads));
    options.sql_parser.collect_spans = true;
    options.execution.parquet.pushdown_filters = true;
    // A join with everybody would look each event's person up in its table while
    // the event is read, and again when it joins, and leave nothing out.
    options.optimizer.enable_join_dynamic_filter_pushdown = false;
    config
}

/// DataFusion's rules but one. `eliminate_duplicated_expr` drops a sort key that
/// earlier keys determine, and takes the number of a `row_number()` for unique
/// even after a join has repeated it: `ORDER BY seed_rank, rank` then loses
/// `rank`. Without the rule a query sorts by one key more at most.
fn optimizer_rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    Optimizer::new().rules.into_iter().filter(|rule| rule.name() != "eliminate_duplicated_expr").collect()
}

fn with_own_functions(state: SessionState) -> SessionState {
    let context = deltalake::datafusion::prelude::SessionContext::new_with_state(state);
    context.register_udf(property::json_text());
    context.register_udf(inside::json_length());
    context.register_udf(inside::json_contains());
    value::functions().chain(zone::functions()).for_each(|function| context.register_udf(function));
    context.state()
}

/// The plain name of a table, when it has no schema or the default one.
fn plain_name(reference: &TableReference) -> Option<&str> {
    match reference.schema() {
        None | Some("public") => Some(reference.table()),
        Some(_) => None,
    }
}

/// An error about the query's text without a place in it.
fn wrong(message: impl Into<String>) -> Error {
    Error::Sql(SqlError::new(message))
}
