//! Segments that cannot be live get their members from a query, run by a
//! schedule or when somebody asks.
//!
//! In: refreshed segments of the program, and the time. Out: for each run a
//! record of it, and on the log what it changed: the workers, and any replay,
//! take that and never ask the query again. One run of a segment at a time.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use signalpost_core::id::ProfileKey;
use signalpost_core::program::Segment;
use signalpost_core::time::Timestamp;
use signalpost_lake::Limits;
use thiserror::Error;

use crate::app::App;
use crate::history::tables::AppTables;
use crate::log::writer::{Submission, SubmitError};
use crate::log::{Body, Log, Refreshed};
use crate::state::{self, Batch, Store, Table};
use crate::{clock, history, schedule};

/// How often schedules are looked at.
const LOOK: Duration = Duration::from_millis(500);
/// The longest a query may run.
const QUERY_TIME_MAX: Duration = Duration::from_secs(600);
/// The most members a query may find.
const MEMBERS_MAX: usize = 20_000_000;
/// People in one record.
const RECORD_PEOPLE: usize = 1_000;
/// Records put on the log at once.
const RECORDS: usize = 64;
/// Runs kept a segment.
const RUNS_KEPT: u64 = 1_000;

/// How a run came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It is under way.
    Running,
    /// Its result is in force.
    Done,
    /// It failed; members are as they were.
    Failed,
    /// The program stopped before it was done; what was not yet in force is left
    /// to the next one.
    Interrupted,
}

/// One run of a segment's query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// From 1.
    pub number: u64,
    /// The version of the segment that was run.
    pub version: u32,
    /// When it began: what `now()` was.
    pub started_at: Timestamp,
    /// Whether somebody asked for it, rather than the schedule.
    pub asked: bool,
    /// How it came out.
    pub status: Status,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// How many members it found.
    pub members: u64,
    /// How many of them were none before.
    pub entered: u64,
    /// How many are members no longer.
    pub left: u64,
    /// Why it failed.
    pub error: Option<String>,
}

/// Why a segment was not refreshed.
#[derive(Debug, Error)]
pub enum Error {
    /// One run at a time.
    #[error("'{0}' is being refreshed already; see its runs")]
    Overlaps(String),
    /// It is live, or not there.
    #[error("'{0}' is not a segment with a refresh: live segments need none")]
    NotRefreshed(String),
    /// The query failed.
    #[error("the query failed: {0}")]
    Query(#[from] signalpost_lake::Error),
    /// The query does not say who is a member.
    #[error("the query must answer a column customer_id")]
    NoColumn,
    /// The query finds too many.
    #[error("the query finds more than {MEMBERS_MAX} people")]
    TooMany,
    /// The store failed.
    #[error(transparent)]
    State(#[from] state::Error),
    /// The log failed.
    #[error(transparent)]
    Log(#[from] SubmitError),
}

fn prefix(name: &str) -> Vec<u8> {
    let mut key = u32::try_from(name.len()).unwrap_or(u32::MAX).to_be_bytes().to_vec();
    key.extend(name.as_bytes());
    key
}

fn key(name: &str, number: u64) -> Vec<u8> {
    let mut key = prefix(name);
    key.extend(number.to_be_bytes());
    key
}

/// A segment's runs, newest first.
///
/// # Errors
/// When the store fails.
pub fn runs(app: &App, name: &str, limit: usize) -> Result<Vec<Run>, state::Error> {
    let prefix = prefix(name);
    let rows = app.store.scan_back(Table::Runs, &prefix, state::prefix_end(&prefix).as_deref(), limit)?;
    rows.iter().map(|(_, value)| state::decode(Table::Runs, value)).collect()
}

fn save(app: &App, name: &str, run: &Run) -> Result<(), state::Error> {
    let mut batch = Batch::default();
    batch.put(Table::Runs, key(name, run.number), state::encode(run));
    if let Some(old) = run.number.checked_sub(RUNS_KEPT) {
        batch.delete(Table::Runs, key(name, old));
    }
    app.store.commit(batch)
}

/// Holds a segment's turn; gives it back when dropped.
struct Turn {
    app: Arc<App>,
    name: String,
}

impl Turn {
    fn take(app: &Arc<App>, name: &str) -> Option<Self> {
        let mut running = app.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        running.insert(name.to_owned()).then(|| Self { app: Arc::clone(app), name: name.to_owned() })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.app.refreshing.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}

/// What is asked of one run.
struct Task {
    id: u32,
    name: String,
    version: u32,
    sql: String,
}

impl Task {
    fn of(segment: &Segment) -> Option<Self> {
        let refresh = segment.refresh.as_ref()?;
        let (id, version) = (segment.id, segment.version);
        Some(Self { id, name: segment.name.to_string(), version, sql: refresh.sql.to_string() })
    }
}

/// Runs schedules for as long as the program does.
///
/// # Errors
/// When the store fails.
pub fn start(app: &Arc<App>) -> Result<(), state::Error> {
    mark_interrupted(app)?;
    let weak = Arc::downgrade(app);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(LOOK).await;
            let Some(app) = weak.upgrade() else { return };
            if app.partitions.is_stopping() {
                return;
            }
            for task in due(&app) {
                let app = Arc::clone(&app);
                tokio::spawn(async move {
                    let name = task.name.clone();
                    if let Err(error) = run(&app, task, false).await {
                        tracing::warn!(segment = name, %error, "a segment was not refreshed");
                    }
                });
            }
        }
    });
    Ok(())
}

fn mark_interrupted(app: &App) -> Result<(), state::Error> {
    for (key, value) in app.store.scan(Table::Runs, &[], None, usize::MAX)? {
        let run: Run = state::decode(Table::Runs, &value)?;
        if run.status == Status::Running {
            let mut batch = Batch::default();
            batch.put(Table::Runs, key, state::encode(&Run { status: Status::Interrupted, ..run }));
            app.store.commit(batch)?;
        }
    }
    Ok(())
}

/// What is to be run now: a version that never ran, and what the schedule says.
fn due(app: &App) -> Vec<Task> {
    let now = app.clock.now();
    let program = app.program.read().unwrap_or_else(PoisonError::into_inner);
    let refreshed = program.segments.iter().filter(|segment| !segment.is_live());
    refreshed
        .filter(|segment| {
            let running = app.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
            if running.contains(segment.name.as_str()) {
                return false;
            }
            drop(running);
            let last = runs(app, segment.name.as_str(), 1).unwrap_or_default().into_iter().next();
            match last {
                Some(last) if last.version == segment.version && last.status != Status::Interrupted => {
                    next(segment, last.started_at) <= now
                }
                _ => true,
            }
        })
        .filter_map(Task::of)
        .collect()
}

/// When a segment's schedule runs it after an instant.
pub fn next(segment: &Segment, after: Timestamp) -> Timestamp {
    let refresh = segment.refresh.as_ref();
    let cron = refresh.and_then(|refresh| refresh.cron.as_deref().map(|cron| (cron, &*refresh.zone)));
    cron.and_then(|(cron, zone)| schedule::next(cron, zone, after)).unwrap_or(Timestamp::MAX)
}

/// Runs a segment's query now, and answers when its result is in force.
///
/// # Errors
/// When it is being run already, is live, or fails; a failure is recorded too.
pub async fn run_now(app: &Arc<App>, name: &str) -> Result<Run, Error> {
    let task = {
        let program = app.program.read().unwrap_or_else(PoisonError::into_inner);
        program.segment(name).and_then(Task::of)
    };
    run(app, task.ok_or_else(|| Error::NotRefreshed(name.to_owned()))?, true).await
}

async fn run(app: &Arc<App>, task: Task, asked: bool) -> Result<Run, Error> {
    let Some(_turn) = Turn::take(app, &task.name) else { return Err(Error::Overlaps(task.name)) };
    let before = runs(app, &task.name, usize::try_from(RUNS_KEPT).unwrap_or(usize::MAX))?;
    let first = !before.iter().any(|run| run.version == task.version && run.status == Status::Done);
    let began = clock::instant();
    let mut run = Run {
        number: before.first().map_or(1, |last| last.number + 1),
        version: task.version,
        started_at: app.clock.now(),
        asked,
        status: Status::Running,
        duration_ms: 0,
        members: 0,
        entered: 0,
        left: 0,
        error: None,
    };
    save(app, &task.name, &run)?;
    let outcome = carry_out(app, &task, &mut run, first).await;
    run.duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    run.status = if outcome.is_ok() { Status::Done } else { Status::Failed };
    run.error = outcome.as_ref().err().map(ToString::to_string);
    save(app, &task.name, &run)?;
    outcome.map(|()| run)
}

async fn carry_out(app: &Arc<App>, task: &Task, run: &mut Run, first: bool) -> Result<(), Error> {
    history::catch_up_with_log(app).await;
    history::commit_retractions(app).await?;
    let found = query(app, task).await?;
    let held = members(app, task.id)?;
    let entered: Vec<ProfileKey> = found.difference(&held).cloned().collect();
    let entered = known(app, entered)?;
    let left: Vec<ProfileKey> = held.difference(&found).cloned().collect();
    run.entered = entered.len() as u64;
    run.left = left.len() as u64;
    run.members = (held.len() + entered.len() - left.len()) as u64;
    put_on_log(app, task, run.number, first, entered, left).await?;
    let ends = app.ends();
    while !app.has_reached(&ends) && !app.has_failed() && !app.partitions.is_stopping() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

async fn query(app: &App, task: &Task) -> Result<HashSet<ProfileKey>, Error> {
    let tables = AppTables::of_now(app);
    let limits = Limits { rows_max: MEMBERS_MAX, time_max: QUERY_TIME_MAX };
    let rows = app.lake.sql_within(&task.sql, tables.now(), &tables, limits).await?;
    if rows.is_truncated() {
        return Err(Error::TooMany);
    }
    let people = rows.texts("customer_id", |id| ProfileKey::Customer(id.into()))?;
    Ok(people.ok_or(Error::NoColumn)?.into_iter().collect())
}

/// The known members of a segment.
///
/// # Errors
/// When the store fails.
pub fn members(app: &App, segment: u32) -> Result<HashSet<ProfileKey>, state::Error> {
    let mut prefix = segment.to_be_bytes().to_vec();
    prefix.push(b'c');
    let keys =
        app.store.scan_keys(Table::Members, &prefix, state::prefix_end(&prefix).as_deref(), usize::MAX)?;
    Ok(keys.iter().filter_map(|key| ProfileKey::from_bytes(key.get(4..)?)).collect())
}

/// Those whom the program has a profile of.
fn known(app: &App, people: Vec<ProfileKey>) -> Result<Vec<ProfileKey>, state::Error> {
    let mut known = Vec::with_capacity(people.len());
    for person in people {
        if app.store.get(Table::Profiles, &person.place())?.is_some() {
            known.push(person);
        }
    }
    known.sort();
    Ok(known)
}

async fn put_on_log(
    app: &App,
    task: &Task,
    run: u64,
    first: bool,
    entered: Vec<ProfileKey>,
    left: Vec<ProfileKey>,
) -> Result<(), Error> {
    let partitions = app.log.partitions();
    let mut moves: Vec<Vec<(ProfileKey, bool)>> = (0..partitions).map(|_| Vec::new()).collect();
    let all = entered.into_iter().map(|key| (key, true)).chain(left.into_iter().map(|key| (key, false)));
    for (key, member) in all {
        if let Some(own) = moves.get_mut(key.partition(partitions) as usize) {
            own.push((key, member));
        }
    }
    let mut records = Vec::new();
    for (partition, own) in (0..).zip(&moves) {
        for part in own.chunks(RECORD_PEOPLE) {
            let of = |wanted: bool| {
                part.iter().filter(|(_, member)| *member == wanted).map(|(key, _)| key.clone()).collect()
            };
            let result = Refreshed {
                segment: task.name.as_str().into(),
                version: task.version,
                run,
                first,
                entered: of(true),
                left: of(false),
            };
            records.push((partition, Body::Refreshed(Arc::new(result))));
        }
    }
    for part in records.chunks(RECORDS) {
        app.writer.submit(Submission { records: part.to_vec(), ..Submission::default() }).await?;
    }
    Ok(())
}
