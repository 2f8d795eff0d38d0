//! Verification: a segment's live members are compared with those its SQL finds
//! in the lake, on request and, a few segments at a time, for as long as the
//! program runs.
//!
//! In: a segment. Out: the people on whom the two disagree. Ingest goes on
//! meanwhile: the query is asked at an instant, memberships are read once the
//! workers have passed it, and what changed since is undone. People of whom a
//! record came in between are left out: the two may have seen them differently.

mod judge;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use signalpost_core::id::ProfileKey;
use signalpost_core::program::Segment;
use signalpost_core::time::Timestamp;
use signalpost_lake::Limits;
use thiserror::Error;

use crate::app::App;
use crate::history::tables::AppTables;
use crate::{clock, define, history, log, refresh, state};

/// Limits of a comparison's query.
const LIMITS: Limits = Limits { rows_max: 20_000_000, time_max: Duration::from_secs(120) };
/// Segments compared in a row in the background.
const SAMPLE: usize = 3;
/// In the background the program is left alone this many times as long as the
/// queries could have kept every core busy: they cost under 1 %.
const REST: u32 = 100;
/// The longest a comparison in the background waits for the workers.
const PATIENCE: Duration = Duration::from_secs(5);
/// People who differ are looked at again after this: a message between
/// partitions, or an event being taken back, may have been on its way.
const AGAIN: Duration = Duration::from_secs(1);

/// What a comparison found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// The instant at which both were asked.
    pub at: Timestamp,
    /// The version of the segment.
    pub version: u32,
    /// How many live members there are.
    pub live: usize,
    /// How many the SQL finds.
    pub lake: usize,
    /// Those the SQL finds who are not members.
    pub missing: BTreeSet<ProfileKey>,
    /// Members the SQL does not find.
    pub surplus: BTreeSet<ProfileKey>,
    /// How long the query took.
    pub took: Duration,
}

impl Comparison {
    /// On how many people the two disagree.
    pub fn differences(&self) -> usize {
        self.missing.len() + self.surplus.len()
    }
}

/// The latest comparison of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// When.
    pub at: Timestamp,
    /// Of which version.
    pub version: u32,
    /// How many live members there were.
    pub members: usize,
    /// On how many people live and SQL disagreed.
    pub differences: usize,
}

/// Why nothing was compared.
#[derive(Debug, Error)]
pub enum Error {
    /// The workers did not get there in time.
    #[error(
        "the program has not caught up with its log yet; ask again later, or see signalpost_log_lag_records"
    )]
    Behind,
    /// It is being applied to everybody, was changed meanwhile, or is gone.
    #[error("the segment is being changed; ask again when its backfill is done")]
    Changing,
    /// The query failed.
    #[error("the query failed: {0}")]
    Query(#[from] signalpost_lake::Error),
    /// The store failed.
    #[error(transparent)]
    State(#[from] state::Error),
    /// The log failed.
    #[error(transparent)]
    Log(#[from] log::Error),
}

/// What has been compared since the start.
#[derive(Debug, Default)]
pub struct Verification {
    verdicts: Mutex<BTreeMap<String, Verdict>>,
    /// Comparisons made.
    pub runs: AtomicU64,
    /// Comparisons that could not be made.
    pub failures: AtomicU64,
    /// When the latest was made, in seconds since 1970; 0 when none was.
    pub latest_seconds: AtomicU64,
}

impl Verification {
    fn verdicts(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Verdict>> {
        self.verdicts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The latest comparison of this version of a segment.
    pub fn of(&self, segment: &Segment) -> Option<Verdict> {
        let held = self.verdicts().get(segment.name.as_str()).copied();
        held.filter(|verdict| verdict.version == segment.version)
    }

    /// On how many people live and SQL disagreed when each segment was last
    /// compared, all together.
    pub fn differences(&self) -> u64 {
        self.verdicts().values().map(|verdict| verdict.differences as u64).sum()
    }

    fn note(&self, segment: &str, found: &Comparison) {
        let (at, version) = (found.at, found.version);
        let verdict = Verdict { at, version, members: found.live, differences: found.differences() };
        self.verdicts().insert(segment.to_owned(), verdict);
        self.runs.fetch_add(1, Ordering::Relaxed);
        let seconds = u64::try_from(at.as_micros() / 1_000_000).unwrap_or_default();
        self.latest_seconds.store(seconds, Ordering::Relaxed);
    }

    fn forget_all_but(&self, names: &[String]) {
        self.verdicts().retain(|name, _| names.contains(name));
    }
}

/// Compares a segment as it is now, and keeps the verdict where it is live: one
/// that is refreshed differs between its runs. Waits at most `patience` for the
/// workers, each time.
///
/// # Errors
/// When nothing can be compared now.
pub async fn verify(app: &App, name: &str, patience: Duration) -> Result<Comparison, Error> {
    let found = confirmed(app, name, patience).await;
    match &found {
        Ok((found, true)) => {
            app.verification.note(name, found);
            if found.differences() > 0 {
                let (missing, surplus) = (found.missing.len(), found.surplus.len());
                tracing::error!(segment = name, missing, surplus, "live members differ from the lake's SQL");
            }
        }
        Ok((_, false)) => {}
        Err(_) => {
            app.verification.failures.fetch_add(1, Ordering::Relaxed);
        }
    }
    found.map(|(found, _)| found)
}

/// Compares, and once more when some differ: only who differs both times does.
/// Also whether the segment is live.
async fn confirmed(app: &App, name: &str, patience: Duration) -> Result<(Comparison, bool), Error> {
    let asked = Asked::of(app, name)?;
    let first = compare(app, &asked, patience).await?;
    if first.differences() == 0 || !asked.live {
        return Ok((first, asked.live));
    }
    tokio::time::sleep(AGAIN).await;
    let mut second = compare(app, &asked, patience).await?;
    second.missing.retain(|person| first.missing.contains(person));
    second.surplus.retain(|person| first.surplus.contains(person));
    second.took += first.took;
    Ok((second, true))
}

/// What is asked of a comparison.
struct Asked {
    name: String,
    id: u32,
    version: u32,
    sql: String,
    live: bool,
}

impl Asked {
    /// The segment as it is defined now, once it is in force for everybody.
    fn of(app: &App, name: &str) -> Result<Self, Error> {
        let program = app.program.read().unwrap_or_else(PoisonError::into_inner);
        let segment = program.segment(name).ok_or(Error::Changing)?;
        if define::backfill(app, segment).is_some() {
            return Err(Error::Changing);
        }
        let (name, live) = (segment.name.to_string(), segment.is_live());
        Ok(Self { name, id: segment.id, version: segment.version, sql: segment.sql(), live })
    }

    fn is_still(&self, app: &App) -> bool {
        Self::of(app, &self.name).is_ok_and(|now| now.id == self.id && now.version == self.version)
    }
}

async fn compare(app: &App, asked: &Asked, patience: Duration) -> Result<Comparison, Error> {
    let taken = app.ends();
    passed(app, app.clock.now(), patience).await?;
    history::commit_retractions(app).await?;
    let tables = AppTables::of_now(app);
    let (at, began) = (tables.now(), clock::instant());
    let rows = app.lake.sql_within(&asked.sql, at, &tables, LIMITS).await?;
    let people = rows.texts("customer_id", |id| ProfileKey::Customer(id.into()))?;
    let lake: HashSet<ProfileKey> = people.into_iter().flatten().collect();
    let took = began.elapsed();
    passed(app, at, patience).await?;
    let live = refresh::members(app, asked.id)?;
    let mut found = Comparison {
        at,
        version: asked.version,
        live: live.len(),
        lake: lake.len(),
        missing: lake.difference(&live).cloned().collect(),
        surplus: live.difference(&lake).cloned().collect(),
        took,
    };
    judge::leave_out_later_changes(app, asked.id, &mut found)?;
    judge::leave_out_spoken_of(app, &taken, &mut found)?;
    judge::leave_out_erased(app, &mut found)?;
    if asked.is_still(app) { Ok(found) } else { Err(Error::Changing) }
}

/// Waits until the workers have taken, and SQL sees, what is on the log now, and
/// all that was due until `at` has happened.
async fn passed(app: &App, at: Timestamp, patience: Duration) -> Result<(), Error> {
    let (ends, started) = (app.ends(), clock::instant());
    let is_past = || {
        let gauges = app.partitions.gauges().iter();
        app.has_reached(&ends)
            && gauges.into_iter().all(|gauge| gauge.next_due.load(Ordering::Acquire) > at.as_micros())
    };
    while !is_past() {
        if started.elapsed() > patience || app.has_failed() || app.partitions.is_stopping() {
            return Err(Error::Behind);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// Compares in the background for as long as the program runs, unless that is
/// switched off.
pub fn start(app: &Arc<App>) {
    let interval = Duration::from_secs(app.settings.segment_verify_seconds);
    if interval.is_zero() {
        return;
    }
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let cores = u32::try_from(cores).unwrap_or(1);
    let weak = Arc::downgrade(app);
    tokio::spawn(async move {
        let mut latest = String::new();
        let mut pause = interval;
        loop {
            tokio::time::sleep(pause).await;
            let Some(app) = weak.upgrade() else { return };
            if app.partitions.is_stopping() {
                return;
            }
            let mut busy = Duration::ZERO;
            for name in next(&app, &latest) {
                match verify(&app, &name, PATIENCE).await {
                    Ok(found) => busy += found.took,
                    Err(error) => {
                        tracing::debug!(segment = name, %error, "a segment was not compared with the lake's SQL");
                    }
                }
                latest = name;
            }
            pause = interval.max(busy * cores * REST);
        }
    });
}

/// The names of the live segments whose turn it is, after that of `latest`.
fn next(app: &App, latest: &str) -> Vec<String> {
    let mut names: Vec<String> = {
        let program = app.program.read().unwrap_or_else(PoisonError::into_inner);
        program.segments.iter().filter(|held| held.is_live()).map(|held| held.name.to_string()).collect()
    };
    app.verification.forget_all_but(&names);
    names.sort_unstable();
    let begin = names.partition_point(|name| name.as_str() <= latest);
    names.rotate_left(begin);
    names.truncate(SAMPLE);
    names
}
