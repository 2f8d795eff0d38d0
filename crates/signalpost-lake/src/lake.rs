//! The lake as the rest of the program holds it: one cheap handle to push,
//! commit, compact and query.
//!
//! One lock guards what a query reads: the file list and the tail of every
//! table. A commit writes files and the table's log outside of it and then, in
//! one step under it, takes the new file list and forgets the rows that are now
//! in it: so a query sees every row exactly once, whenever it begins.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use deltalake::datafusion::prelude::{SessionContext, ident};
use signalpost_core::event::{Event, derived_place};

use crate::delta::{Delta, Files};
use crate::error::Error;
use crate::identity::{IdentityRow, Links};
use crate::live::KeptColumns;
use crate::property::{PropertyKind, Registry};
use crate::row::{DeliveryRow, MembershipRow, Row};
use crate::scan::Snapshot;
use crate::sql::Engine;
use crate::table::Table;
use crate::tail::Tail;

mod catalog;
mod commit;
mod compact;
mod erase;

pub use erase::{Reach, Subject};

/// What a user may tune.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The memory that all queries and compactions together may use for
    /// sorting, grouping and joining; beyond it they spill to disk or fail.
    /// 512 MiB unless told.
    pub memory_limit_bytes: usize,
    /// How many threads run queries. As many as there are cores unless told.
    pub target_partitions: usize,
    /// The most rows a query may answer with; more are cut off and
    /// [`crate::Rows::is_truncated`] says so. 1,000,000 unless told.
    pub query_rows_max: usize,
    /// The longest a query may run. 60 s unless told.
    pub query_time_max: Duration,
    /// The most that queries may spill to disk. 8 GiB unless told.
    pub spill_bytes_max: u64,
    /// How long files and log entries of old versions stay for other readers,
    /// in hours. Taken when the tables are created. 6 unless told.
    pub retention_hours: u32,
    /// Compaction merges files of like size once there are this many. 8 unless
    /// told, never below 2.
    pub compact_files_min: usize,
    /// Compaction makes files of about this size, and does not touch those of
    /// half of it and above. 32 MiB unless told: it is gathered in memory
    /// before it is written.
    pub target_file_bytes: u64,
    /// Called by each of the lake's threads when it starts, for instance to
    /// lower its priority. Does nothing unless told.
    pub on_thread_start: fn(),
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            memory_limit_bytes: 512 << 20,
            target_partitions: std::thread::available_parallelism().map_or(2, usize::from),
            query_rows_max: 1_000_000,
            query_time_max: Duration::from_secs(60),
            spill_bytes_max: 8 << 30,
            retention_hours: 6,
            compact_files_min: 8,
            target_file_bytes: 32 << 20,
            on_thread_start: || {},
        }
    }
}

/// What one commit moved from memory to disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// Rows, over all tables.
    pub rows: usize,
    /// Bytes of Parquet.
    pub bytes: u64,
}

/// What one compaction did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Files that were merged.
    pub files_merged: usize,
    /// Files they were merged into.
    pub files_written: usize,
    /// Files no longer needed that were deleted.
    pub files_deleted: usize,
}

/// The rows of all tables that come from one place on the log.
#[derive(Clone, Debug, Default)]
pub struct Pushed {
    /// For `events`.
    pub events: Vec<Arc<Event>>,
    /// For `memberships`.
    pub memberships: Vec<MembershipRow>,
    /// For `deliveries`.
    pub deliveries: Vec<DeliveryRow>,
    /// For `identities`.
    pub identities: Vec<IdentityRow>,
}

/// The event lake. A handle: clones share everything.
#[derive(Clone, Debug)]
pub struct Lake(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    settings: Settings,
    tables: [Delta; 4],
    visible: Mutex<Visible>,
    links: Arc<RwLock<Links>>,
    properties: Registry,
    kept_columns: KeptColumns,
    engine: Engine,
    /// Held over a whole commit: one at a time.
    committing: tokio::sync::Mutex<()>,
    /// Held over a whole compaction: one at a time.
    compacting: tokio::sync::Mutex<[Upkeep; 4]>,
}

/// The versions of a table at which it was last looked after.
#[derive(Clone, Copy, Debug, Default)]
struct Upkeep {
    /// Its log was summed up.
    checkpointed: u64,
    /// Unused files were deleted.
    vacuumed: u64,
}

/// What a query reads.
#[derive(Debug)]
struct Visible {
    files: [Arc<Files>; 4],
    committed: [HashMap<u32, u64>; 4],
    events: Tail<Arc<Event>>,
    memberships: Tail<MembershipRow>,
    deliveries: Tail<DeliveryRow>,
    identities: Tail<IdentityRow>,
}

/// A row that has a tail.
trait Tailed: Row {
    fn tail(visible: &mut Visible) -> &mut Tail<Self>;
}

macro_rules! tailed {
    ($($row:ty => $field:ident),*) => {
        $(impl Tailed for $row {
            fn tail(visible: &mut Visible) -> &mut Tail<Self> {
                &mut visible.$field
            }
        })*
    };
}
tailed!(Arc<Event> => events, MembershipRow => memberships, DeliveryRow => deliveries, IdentityRow => identities);

impl Lake {
    /// Opens the lake in `folder`, creating the folder and its tables when
    /// absent. Only one process may hold a lake open for writing.
    ///
    /// # Errors
    /// [`Error::Disk`], [`Error::Table`] or [`Error::Schema`] when the folder
    /// or a table in it cannot be used.
    pub async fn open(folder: &Path, settings: Settings) -> Result<Self, Error> {
        tokio::fs::create_dir_all(folder).await.map_err(Error::disk(folder))?;
        let folder = tokio::fs::canonicalize(folder).await.map_err(Error::disk(folder))?;
        let known = catalog::read(&folder).await?;
        let open = |table: Table| Delta::open(table, folder.join(table.name()), settings.retention_hours);
        let tables = [
            open(Table::Events).await?,
            open(Table::Memberships).await?,
            open(Table::Deliveries).await?,
            open(Table::Identities).await?,
        ];
        let mut files: [Arc<Files>; 4] = Default::default();
        let mut committed: [HashMap<u32, u64>; 4] = Default::default();
        for ((delta, files), committed) in tables.iter().zip(&mut files).zip(&mut committed) {
            let locked = delta.lock().await;
            *files = Arc::new(locked.files()?);
            for stream in &known.streams {
                if let Some(offset) = locked.committed(*stream).await? {
                    committed.insert(*stream, offset);
                }
            }
        }
        let [events, memberships, deliveries, identities] = committed.clone();
        let visible = Visible {
            files,
            committed,
            events: Tail::after(events),
            memberships: Tail::after(memberships),
            deliveries: Tail::after(deliveries),
            identities: Tail::after(identities),
        };
        let engine = Engine::new(&settings, &folder).await?;
        let shared = Shared {
            folder,
            settings,
            tables,
            visible: Mutex::new(visible),
            links: Arc::default(),
            properties: Registry::new(known.properties),
            kept_columns: KeptColumns::default(),
            engine,
            committing: tokio::sync::Mutex::default(),
            compacting: tokio::sync::Mutex::default(),
        };
        let lake = Self(Arc::new(shared));
        lake.load_links().await?;
        Ok(lake)
    }

    /// The highest log offset of `stream` whose rows `table` holds on disk;
    /// `None` when it holds none of that stream.
    pub fn committed(&self, table: Table, stream: u32) -> Option<u64> {
        self.visible().committed.get(table.index())?.get(&stream).copied()
    }

    /// Adds all rows that come from one place on the log, in one step: a query
    /// or a commit sees all of them or none.
    ///
    /// The offsets of a stream only grow: rows of an offset that was pushed
    /// before, or is on disk, are ignored. An offset without rows counts too:
    /// the next commit of the table carries it.
    pub fn push(&self, stream: u32, offset: u64, rows: Pushed) {
        let mut visible = self.visible();
        let links: Vec<_> = rows.identities.clone();
        if visible.identities.push(stream, offset, rows.identities) && !links.is_empty() {
            let mut held = self.0.links.write().unwrap_or_else(PoisonError::into_inner);
            for link in links {
                held.add(&link.anonymous_id, &link.customer_id, link.linked_at.as_micros());
            }
        }
        visible.memberships.push(stream, offset, rows.memberships);
        visible.deliveries.push(stream, offset, rows.deliveries);
        visible.events.push(stream, offset, rows.events);
    }

    /// Adds events, visible to SQL at once. As [`Lake::push`], for this table
    /// alone. Push the events of an offset last: the offset committed for
    /// events then vouches for the other tables too.
    pub fn push_events(&self, stream: u32, offset: u64, events: Vec<Arc<Event>>) {
        self.visible().events.push(stream, offset, events);
    }

    /// Adds a derived event, which stands behind the others of its instant. As
    /// [`Lake::push_events`].
    pub fn push_derived(&self, stream: u32, offset: u64, event: Arc<Event>) {
        let place = derived_place(&event.event_id);
        self.visible().events.push_to(stream, offset, place, [event]);
    }

    /// Adds events that each have an offset of their own, ascending, and then
    /// notes that the stream has reached `reached`. As [`Lake::push_events`].
    pub fn push_events_each(&self, stream: u32, events: Vec<(u64, Arc<Event>)>, reached: u64) {
        let mut visible = self.visible();
        for (offset, event) in events {
            visible.events.push(stream, offset, [event]);
        }
        visible.events.push(stream, reached, []);
    }

    /// Adds membership changes. As [`Lake::push`], for this table alone.
    pub fn push_memberships(&self, stream: u32, offset: u64, rows: Vec<MembershipRow>) {
        self.visible().memberships.push(stream, offset, rows);
    }

    /// Adds delivery attempts. As [`Lake::push`], for this table alone.
    pub fn push_deliveries(&self, stream: u32, offset: u64, rows: Vec<DeliveryRow>) {
        self.visible().deliveries.push(stream, offset, rows);
    }

    /// Adds identity links. As [`Lake::push`], for this table alone.
    pub fn push_identities(&self, stream: u32, offset: u64, rows: Vec<IdentityRow>) {
        let mut visible = self.visible();
        let links = rows.clone();
        if visible.identities.push(stream, offset, rows) {
            let mut held = self.0.links.write().unwrap_or_else(PoisonError::into_inner);
            for link in links {
                held.add(&link.anonymous_id, &link.customer_id, link.linked_at.as_micros());
            }
        }
    }

    /// Rows in memory that no commit has taken yet.
    pub fn pending_rows(&self) -> usize {
        let visible = self.visible();
        visible.events.rows()
            + visible.memberships.rows()
            + visible.deliveries.rows()
            + visible.identities.rows()
    }

    /// The property names that are columns of `events`, with their kinds.
    pub fn properties(&self) -> BTreeMap<Box<str>, PropertyKind> {
        self.0.properties.all()
    }

    /// Makes a column of a property before any event had it: NULL until then.
    pub fn declare_property(&self, name: &str, kind: PropertyKind) {
        self.0.properties.declare(name, kind);
    }

    /// The table as it is now: for one query, all tables from one instant.
    pub(crate) fn snapshots(&self, tables: &BTreeSet<Table>) -> Result<Vec<(Table, Snapshot)>, Error> {
        let mut visible = self.visible();
        let files = visible.files.clone();
        let wanted = |table: Table| tables.contains(&table);
        let events = wanted(Table::Events).then(|| visible.events.seal());
        let memberships = wanted(Table::Memberships).then(|| visible.memberships.seal());
        let deliveries = wanted(Table::Deliveries).then(|| visible.deliveries.seal());
        let identities = wanted(Table::Identities).then(|| visible.identities.seal());
        drop(visible);
        let properties = &self.0.properties;
        let tails = [
            (Table::Events, events.map(|tail| tail.batches(properties))),
            (Table::Memberships, memberships.map(|tail| tail.batches(properties))),
            (Table::Deliveries, deliveries.map(|tail| tail.batches(properties))),
            (Table::Identities, identities.map(|tail| tail.batches(properties))),
        ];
        let mut snapshots = Vec::new();
        for ((table, tail), files) in tails.into_iter().zip(files) {
            if let (Some(tail), Some(delta)) = (tail, self.delta(table)) {
                snapshots.push((table, Snapshot::new(table, &delta.folder, files, tail?)));
            }
        }
        Ok(snapshots)
    }

    pub(crate) fn links(&self) -> &Arc<RwLock<Links>> {
        &self.0.links
    }

    /// Whether any device was linked to a customer.
    pub(crate) fn has_links(&self) -> bool {
        self.0.links.read().unwrap_or_else(PoisonError::into_inner).count() > 0
    }

    pub(crate) fn kept_columns(&self) -> &KeptColumns {
        &self.0.kept_columns
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    fn visible(&self) -> MutexGuard<'_, Visible> {
        self.0.visible.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn delta(&self, table: Table) -> Option<&Delta> {
        self.0.tables.get(table.index())
    }

    fn files(&self, table: Table) -> Arc<Files> {
        self.visible().files.get(table.index()).cloned().unwrap_or_default()
    }

    async fn load_links(&self) -> Result<(), Error> {
        let snapshots = self.snapshots(&BTreeSet::from([Table::Identities]))?;
        let context = SessionContext::new_with_state(self.0.engine.state());
        let read =
            |source| Error::table(Table::Identities, "read it")(deltalake::DeltaTableError::from(source));
        for (_, snapshot) in snapshots {
            let rows = context.read_table(Arc::new(snapshot)).map_err(read)?;
            let order = ["log_partition", "log_offset"].map(|name| ident(name).sort(true, true));
            let batches = rows.sort(order.to_vec()).map_err(read)?.collect().await.map_err(read)?;
            let mut links = self.0.links.write().unwrap_or_else(PoisonError::into_inner);
            for batch in &batches {
                if links.add_batch(batch).is_none() {
                    tracing::warn!("identity links of an unknown form were left out");
                }
            }
        }
        Ok(())
    }
}
