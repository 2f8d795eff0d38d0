//! The running program: every part, put together once.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;

use anyhow::Context;
use serde_json::json;
use signalpost_core::catalog::Catalog;
use signalpost_core::clean::SourceSettings;
use signalpost_core::program::Program;
use signalpost_core::recommend::Model;
use signalpost_core::time::Span;
use signalpost_lake::Lake;

use crate::clock::Clock;
use crate::collect::hooks::Hooks;
use crate::collect::intake::Intake;
use crate::content::Content;
use crate::deliver::inbox::Inbox;
use crate::documents::{Documents, Kind};
use crate::hub::Hub;
use crate::keys::{Keys, NewKey, secret};
use crate::log::Log;
use crate::log::embedded::{self, EmbeddedLog};
use crate::log::writer::Writer;
use crate::oauth::OAuth;
use crate::partition::Partitions;
use crate::settings::Settings;
use crate::state::fjall::FjallStore;

/// The store and the log of this build.
pub type AppStore = FjallStore;
/// See [`AppStore`].
pub type AppLog = EmbeddedLog;

/// Every part of the running program.
pub struct App {
    /// What it was started with.
    pub settings: Settings,
    /// The time.
    pub clock: Clock,
    /// What was accepted.
    pub log: Arc<AppLog>,
    /// What was folded and defined.
    pub store: Arc<AppStore>,
    /// The way onto the log.
    pub writer: Writer,
    /// Definitions.
    pub documents: Arc<Documents<AppStore>>,
    /// Access keys.
    pub keys: Keys<AppStore>,
    /// OAuth clients and their tokens.
    pub oauth: OAuth<AppStore>,
    /// Live messages and counts.
    pub hub: Arc<Hub>,
    /// What requests share while their events are cleaned.
    pub intake: Intake,
    /// History and SQL.
    pub lake: Lake,
    /// Held by the simulation under way: one at a time.
    pub simulating: Arc<tokio::sync::Mutex<()>>,
    /// Segments whose query is being run.
    pub refreshing: Mutex<std::collections::BTreeSet<String>>,
    /// What has been compared with the lake's SQL.
    pub verification: crate::verification::Verification,
    /// Columns of known people, for SQL.
    pub roster: crate::history::roster::Roster,
    /// The workers.
    pub partitions: Arc<Partitions>,
    /// How far SQL sees each partition's log: the next record's offset.
    pub fed: Vec<AtomicU64>,
    /// What is defined now, for checks and answers; each worker has its own.
    pub program: RwLock<Program>,
    /// One definition at a time.
    pub defining: Arc<tokio::sync::Mutex<()>>,
    /// Sources by name.
    pub sources: RwLock<std::collections::HashMap<String, Arc<SourceSettings>>>,
    /// Webhooks of other systems.
    pub hooks: Hooks,
    /// Templates, recommendations, composition.
    pub content: Arc<Content>,
    /// Products.
    pub catalog: Arc<RwLock<Catalog>>,
    /// What goes with what.
    pub model: Arc<Mutex<Model>>,
    /// Whether the model stands where it stood before the start.
    pub model_restored: AtomicBool,
    /// Derived events to be taken back in the lake with its next commit.
    pub retracted: crate::history::Retracted,
    /// The built-in inbox.
    pub inbox: Inbox,
    /// The keys made at the first start: admin, write.
    pub first_keys: Option<(String, String)>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("data", &self.settings.data).finish_non_exhaustive()
    }
}

impl App {
    /// Opens the data folder and starts every part but the HTTP server.
    ///
    /// # Errors
    /// When the folder is in use, damaged or cannot be written.
    pub async fn start(settings: Settings, clock: Clock) -> anyhow::Result<Arc<Self>> {
        let data = settings.data.clone();
        std::fs::create_dir_all(&data).with_context(|| format!("cannot create {}", data.display()))?;
        let log = Arc::new(open_log(&data.join("log"), &settings)?);
        let store = Arc::new(open_store(&data.join("state"))?);
        clock.advance_to(log.latest());
        let partitions = Partitions::new(log.partitions());
        let waker = Arc::clone(&partitions);
        let (writer, writer_thread) = Writer::start(Arc::clone(&log), clock.clone(), move || waker.wake())?;
        let documents = Arc::new(Documents::new(Arc::clone(&store)));
        let keys = Keys::load(Arc::clone(&documents), Kind::Key)?;
        let oauth = OAuth::load(&documents, &settings)?;
        let first_keys = first_keys(&keys, &settings, &clock)?;
        let lake =
            Lake::open(&data.join("lake"), lake_settings(&settings)).await.context("cannot open the lake")?;
        let catalog = Arc::new(RwLock::new(load_catalog(&documents)?));
        let model = Arc::new(Mutex::new(Model::new(signalpost_core::recommend::Settings::default())));
        let hub = Arc::new(Hub::default());
        let inbox = Inbox::new(data.join("mail")).context("cannot open the inbox")?;
        let content = Arc::new(Content::new(
            Arc::clone(&store),
            Arc::clone(&documents),
            Arc::clone(&catalog),
            Arc::clone(&model),
            clock.clone(),
            &settings,
            inbox.clone(),
        ));
        let sources = load_sources(&documents)?;
        let hooks = Hooks::load(&documents)?;
        let intake = Intake::load(&documents, &settings)?;
        let program = crate::define::newest_program(&store, &log)?;
        let app = Arc::new(Self {
            inbox,
            retracted: Default::default(),
            settings,
            clock,
            log,
            store,
            writer,
            documents,
            keys,
            oauth,
            hub,
            intake,
            lake,
            simulating: Arc::default(),
            refreshing: Mutex::default(),
            verification: Default::default(),
            roster: Default::default(),
            fed: partitions.gauges().iter().map(|_| AtomicU64::new(0)).collect(),
            partitions,
            program: RwLock::new(program),
            defining: Arc::default(),
            sources: RwLock::new(sources),
            hooks,
            content,
            catalog,
            model,
            model_restored: AtomicBool::new(false),
            first_keys,
            threads: Mutex::new(vec![writer_thread]),
        });
        // Before the workers publish anything: rows of one stream come in order.
        crate::history::catch_up(&app)?;
        app.start_workers()?;
        app.start_background()?;
        Ok(app)
    }

    /// What goes on beside the path.
    fn start_background(self: &Arc<Self>) -> anyhow::Result<()> {
        crate::history::start(self)?;
        crate::deliver::outbox::start(self)?;
        crate::refresh::start(self)?;
        crate::verification::start(self);
        crate::keys::last_used::start(self);
        crate::privacy::erasure::start(self);
        crate::retention::start(self);
        Ok(())
    }

    fn start_workers(self: &Arc<Self>) -> anyhow::Result<()> {
        let publish: Arc<dyn crate::partition::Publish> = Arc::new(crate::history::Publisher::new(self));
        let cache = self.settings.cached_profiles / self.log.partitions().max(1) as usize;
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for partition in 0..self.log.partitions() {
            threads.push(self.partitions.start(
                partition,
                Arc::clone(&self.store),
                Arc::clone(&self.log),
                cache,
                self.writer.clone(),
                Arc::clone(&publish),
            )?);
        }
        let timekeeper = self.partitions.start_timekeeper(
            Arc::clone(&self.log),
            self.clock.clone(),
            self.writer.clone(),
        )?;
        threads.push(timekeeper);
        Ok(())
    }

    /// The settings of a source; the defaults for one not defined.
    pub fn source(&self, name: &str) -> Arc<SourceSettings> {
        let known = self.sources.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        known.unwrap_or_else(|| {
            let source = Arc::new(SourceSettings { id: name.into(), ..SourceSettings::default() });
            let mut sources = self.sources.write().unwrap_or_else(PoisonError::into_inner);
            // Names are those of keys and hooks: there are few.
            Arc::clone(sources.entry(name.to_owned()).or_insert(source))
        })
    }

    /// Reads the sources anew after one was defined.
    ///
    /// # Errors
    /// When the store fails.
    pub fn reload_sources(&self) -> anyhow::Result<()> {
        *self.sources.write().unwrap_or_else(PoisonError::into_inner) = load_sources(&self.documents)?;
        Ok(())
    }

    /// How many records wait for the workers.
    pub fn lag(&self) -> u64 {
        (0_u32..)
            .zip(self.partitions.gauges())
            .map(|(partition, gauge)| {
                self.log.end(partition).saturating_sub(gauge.offset.load(Ordering::Acquire))
            })
            .sum()
    }

    /// Whether everything accepted so far has been processed and is in SQL's
    /// reach, and nothing is due or being brought up to date.
    pub fn is_settled(&self) -> bool {
        let now = self.clock.now().as_micros();
        self.has_reached(&self.ends())
            && self.partitions.gauges().iter().all(|gauge| {
                !gauge.backfilling.load(Ordering::Acquire) && gauge.next_due.load(Ordering::Acquire) > now
            })
    }

    /// Where the log of each partition ends now.
    pub fn ends(&self) -> Vec<u64> {
        (0..self.log.partitions()).map(|partition| self.log.end(partition)).collect()
    }

    /// Whether the workers have taken, and SQL sees, everything before `ends`.
    pub fn has_reached(&self, ends: &[u64]) -> bool {
        self.partitions.gauges().iter().zip(&self.fed).zip(ends).all(|((gauge, fed), end)| {
            gauge.offset.load(Ordering::Acquire) >= *end && fed.load(Ordering::Acquire) >= *end
        })
    }

    /// Whether a worker has stopped for good.
    pub fn has_failed(&self) -> bool {
        self.partitions.gauges().iter().any(|gauge| gauge.failed.load(Ordering::Acquire))
    }

    /// Stops the workers and makes everything durable.
    pub async fn stop(&self) {
        self.partitions.stop();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        // The writer's thread ends with its last handle, so it is not waited for.
        for thread in threads.into_iter().skip(1) {
            drop(tokio::task::spawn_blocking(move || thread.join()).await);
        }
        if let Err(error) = crate::history::commit_lake(self).await {
            tracing::warn!(%error, "the lake's tail was not committed; it is read from the log at the next start");
        }
        crate::history::save_model(self);
        if let Err(error) = crate::keys::last_used::save(self) {
            tracing::warn!(%error, "when keys were last used was not written down");
        }
        if let Err(error) = crate::state::Store::sync(&*self.store) {
            tracing::warn!(%error, "the store was not synced; the log makes it good at the next start");
        }
    }
}

fn lake_settings(settings: &Settings) -> signalpost_lake::Settings {
    signalpost_lake::Settings {
        memory_limit_bytes: settings.sql_memory_bytes,
        on_thread_start: crate::priority::yield_to_collecting,
        ..Default::default()
    }
}

fn open_log(folder: &Path, settings: &Settings) -> anyhow::Result<EmbeddedLog> {
    let own = embedded::Settings {
        partitions: settings.partitions,
        min_free_bytes: settings.min_free_bytes,
        remembered: Span::DAY.times(i64::from(settings.dedup_days)),
        ..embedded::Settings::default()
    };
    EmbeddedLog::open(folder, &own).with_context(|| format!("cannot open the log in {}", folder.display()))
}

/// The engine starts threads of its own here, which are to yield.
fn open_store(folder: &Path) -> anyhow::Result<FjallStore> {
    crate::priority::yielding(|| FjallStore::open(folder))
        .context("no thread can be started")?
        .context("cannot open the store")
}

/// The first start's two keys, in one commit: a start that was cut short has
/// made both or none.
fn first_keys(
    keys: &Keys<AppStore>,
    settings: &Settings,
    clock: &Clock,
) -> anyhow::Result<Option<(String, String)>> {
    if !keys.is_empty() {
        return Ok(None);
    }
    let admin = settings.admin_key.clone().unwrap_or_else(secret::new_key);
    let write = settings.write_key.clone().unwrap_or_else(secret::new_key);
    let both = vec![
        (admin.clone(), NewKey::of_scope("first admin key", "admin")),
        (write.clone(), NewKey::of_scope("first write key", "events:write")),
    ];
    keys.insert(both, clock.now())?;
    Ok(Some((admin, write)))
}

fn load_catalog(documents: &Documents<AppStore>) -> anyhow::Result<Catalog> {
    let mut catalog = Catalog::default();
    for document in documents.list(Kind::Item)? {
        match signalpost_core::catalog::Item::from_json(&document.json()) {
            Ok(item) => {
                catalog.upsert(item);
            }
            Err(problem) => tracing::warn!(item = document.name, ?problem, "a catalog item is left out"),
        }
    }
    Ok(catalog)
}

fn load_sources(
    documents: &Documents<AppStore>,
) -> anyhow::Result<std::collections::HashMap<String, Arc<SourceSettings>>> {
    let mut sources = std::collections::HashMap::new();
    for document in documents.list(Kind::Source)? {
        let mut settings = document.json();
        if let Some(object) = settings.as_object_mut() {
            object.insert("id".into(), json!(document.name));
        }
        let settings: SourceSettings =
            serde_json::from_value(settings).with_context(|| format!("source {}", document.name))?;
        sources.insert(document.name, Arc::new(settings));
    }
    Ok(sources)
}

/// The program as partition 0 has it: all partitions have the same.
pub(crate) fn load_program(store: &AppStore) -> anyhow::Result<Program> {
    let mut program = Program::default();
    let rows =
        crate::state::scan_prefix(store, crate::state::Table::Program, &0_u32.to_be_bytes(), usize::MAX)?;
    for (_, value) in rows {
        let change = crate::state::decode(crate::state::Table::Program, &value)?;
        if let Err(error) = program.apply(&change) {
            tracing::error!(%error, "a definition is no longer understood and is left out");
        }
    }
    Ok(program)
}

/// Whether a folder already holds an installation.
pub fn is_initialised(data: &Path) -> bool {
    data.join("state").is_dir()
}
