//! Definitions take effect: checked, kept as documents, put on the log of
//! every partition, and in force when this returns.

pub mod plan;

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use serde_json::json;
use signalpost_core::campaign::Campaign;
use signalpost_core::id::SegmentName;
use signalpost_core::program::{Change, Defined, Program, Refresh, Segment};
use signalpost_core::segment::{self, Definition, Note, Refusal, Schema, Statement};

use crate::app::{App, AppLog, AppStore};
use crate::documents::{Document, Kind};
use crate::history::tables::AppTables;
use crate::log::writer::Submission;
use crate::log::{Body, Log};
use crate::problem::Problem;
use crate::schedule;
use crate::worker::{Backfill, Position};

/// How long an answer waits for a definition to be in force for everybody; it is
/// durable before that, and larger states are brought up to date behind it.
const WAIT: Duration = Duration::from_millis(500);
/// Records read at once in search of definitions.
const READ_RECORDS: usize = 4_096;
/// Profiles looked at to learn which traits there are.
const SAMPLED: usize = 2_000;

/// The names known now: traits of profiles, properties of events.
pub fn schema(app: &App) -> (Schema, Vec<Box<str>>, Vec<Box<str>>) {
    let traits = known_traits(app);
    let properties: Vec<Box<str>> = app.lake.properties().into_keys().collect();
    let mut schema = Schema::default();
    traits.iter().for_each(|name| schema.add_trait(name));
    properties.iter().for_each(|name| schema.add_property(name));
    (schema, traits, properties)
}

fn known_traits(app: &App) -> Vec<Box<str>> {
    use crate::state::{Store, Table};
    let rows = app.store.scan(Table::Profiles, b"c", Some(b"d"), SAMPLED).unwrap_or_default();
    let profiles = rows.iter().filter_map(|(_, value)| signalpost_core::profile::Profile::decode(value).ok());
    let mut names: Vec<Box<str>> =
        profiles.flat_map(|profile| profile.traits.into_iter().map(|t| t.name)).collect();
    names.sort();
    names.dedup();
    names
}

/// A refusal as a problem document.
pub fn refused(refusal: &Refusal) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "refused", refusal.message.clone())
        .with("line", refusal.line)
        .with("column", refusal.column)
        .with("hint", refusal.hint.clone())
        .with("snippet", refusal.to_string())
}

/// What a definition's text says, with the name it is stored under.
///
/// # Errors
/// When the text is refused, or names another segment than it is stored under.
pub fn read(app: &App, name: &str, text: &str) -> Result<Statement, Problem> {
    read_with_notes(app, name, text).map(|(statement, _)| statement)
}

/// As [`read`], with remarks on what was taken all the same.
///
/// # Errors
/// As [`read`].
pub fn read_with_notes(app: &App, name: &str, text: &str) -> Result<(Statement, Vec<Note>), Problem> {
    let (statement, notes) =
        segment::parse_with_notes(text, &schema(app).0).map_err(|refusal| refused(&refusal))?;
    if let Statement::Segment(Definition { name: Some(own), .. }) = &statement
        && !name.is_empty()
        && own.as_str() != name
    {
        let detail =
            format!("the rule assigns to '{own}', but is stored as '{name}'; use the same name in both");
        return Err(Problem::invalid("rule", detail).with("line", 1).with("column", 1));
    }
    Ok((statement, notes))
}

/// What is to be said of a segment among the others: it names some that are not
/// there.
///
/// # Errors
/// When it would be decided by itself.
pub fn remarks(app: &App, name: &str, definition: &Definition) -> Result<Vec<String>, Problem> {
    let program = app.program.read().unwrap_or_else(PoisonError::into_inner);
    program
        .check(name, definition)
        .map_err(|error| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "circle", error.to_string()))
}

/// The text of a segment or a sequence rule that was put together in the builder.
///
/// # Errors
/// When it is refused.
pub fn text_of_builder(app: &App, builder: &serde_json::Value) -> Result<String, Problem> {
    let read = segment::parse_builder(builder, &schema(app).0);
    read.map(|(statement, _)| statement.to_string()).map_err(|refusal| refused(&refusal))
}

/// Defines a segment or a sequence rule. `true` when it is new.
///
/// # Errors
/// When it is refused, or cannot be made durable.
pub async fn put_rule(app: &Arc<App>, name: &str, text: &str) -> Result<(Document, bool), Problem> {
    let statement = read(app, name, text)?;
    let _one = app.defining.lock().await;
    let now = app.clock.now();
    match statement {
        Statement::Segment(definition) => {
            remarks(app, name, &definition)?;
            let is_new = app.documents.get(Kind::Segment, name)?.is_none();
            let document = app.documents.put(Kind::Segment, name, &json!({"text": text}), now)?;
            let (_, traits, properties) = schema(app);
            let what = Defined::Segment {
                name: SegmentName::from(name),
                version: document.version,
                text: text.to_owned(),
                traits,
                properties,
            };
            take_effect(app, what).await?;
            Ok((document, is_new))
        }
        Statement::Sequence(rule) => {
            let canonical = rule.to_string();
            let name = if name.is_empty() { canonical.as_str() } else { name };
            let is_new = app.documents.get(Kind::Sequence, name)?.is_none();
            let document = app.documents.put(Kind::Sequence, name, &json!({"text": text}), now)?;
            take_effect(app, Defined::Sequence { text: text.to_owned() }).await?;
            Ok((document, is_new))
        }
    }
}

/// When a refreshed segment's query is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// A cron expression; only when asked where there is none.
    pub cron: Option<String>,
    /// The IANA zone whose clocks it means.
    pub zone: String,
}

impl Schedule {
    /// Reads a schedule; the zone is UTC where none is said.
    ///
    /// # Errors
    /// When the expression or the zone is none.
    pub fn read(cron: Option<String>, zone: Option<String>) -> Result<Self, Problem> {
        let zone = zone.unwrap_or_else(|| "UTC".into());
        jiff::tz::TimeZone::get(&zone).map_err(|error| {
            Problem::invalid("refresh.zone", format!("{error}; write it as Europe/Berlin"))
        })?;
        if let Some(cron) = &cron {
            schedule::parse(cron).map_err(|error| {
                Problem::invalid("refresh.cron", format!("{error}; every night at three is '0 3 * * *'"))
            })?;
        }
        Ok(Self { cron, zone })
    }
}

/// A segment whose members a query finds.
#[derive(Clone, Debug)]
pub struct RefreshedSegment {
    /// The name its text gives it.
    pub name: Option<String>,
    /// The query and its schedule.
    pub refresh: Refresh,
}

/// What a text means that is not to be kept live; `None` for one that is: it
/// ranks nobody and has no schedule. A rank without a schedule is taken every
/// night at three, UTC.
///
/// # Errors
/// When it is refused, or named otherwise than it is stored.
pub fn refreshed(
    app: &App,
    name: &str,
    text: &str,
    schedule: Option<Schedule>,
) -> Result<Option<RefreshedSegment>, Problem> {
    let ranked =
        segment::parse_ranked(text, &schema(app).0).transpose().map_err(|refusal| refused(&refusal))?;
    let nightly = || Schedule { cron: Some("0 3 * * *".into()), zone: "UTC".into() };
    let (own, sql, schedule) = match (ranked, schedule) {
        (None, None) => return Ok(None),
        (Some(ranked), schedule) => {
            (Some(ranked.name.to_string()), ranked.to_sql(), schedule.unwrap_or_else(nightly))
        }
        (None, Some(schedule)) => (None, text.trim().trim_end_matches(';').to_owned(), schedule),
    };
    let begins = |word: &str| sql.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    if !begins("select") && !begins("with") {
        let detail =
            "only a query is refreshed by schedule: SELECT customer_id FROM …; a rule is live without one";
        return Err(Problem::invalid("refresh", detail));
    }
    if let Some(own) = &own
        && !name.is_empty()
        && own != name
    {
        let detail =
            format!("the rule assigns to '{own}', but is stored as '{name}'; use the same name in both");
        return Err(Problem::invalid("rule", detail).with("line", 1).with("column", 1));
    }
    let refresh = Refresh {
        text: text.into(),
        sql: sql.into(),
        cron: schedule.cron.map(String::into_boxed_str),
        zone: schedule.zone.into(),
    };
    Ok(Some(RefreshedSegment { name: own, refresh }))
}

/// A refusal, with the offer of a schedule where the text is a query that can be
/// run by one.
pub async fn with_offer(app: &App, text: &str, refusal: Problem) -> Problem {
    let nightly = || Schedule { cron: Some("0 3 * * *".into()), zone: "UTC".into() };
    let Ok(Some(query)) = refreshed(app, "", text, Some(nightly())) else { return refusal };
    if check_query(app, &query).await.is_err() {
        return refusal;
    }
    let hint = "this query cannot be kept live, but it can be run by a schedule: send it with \"refresh\": {\"cron\": \"0 3 * * *\", \"zone\": \"UTC\"}";
    refusal.with("hint", hint).with("offer", json!({"refresh": {"cron": "0 3 * * *", "zone": "UTC"}}))
}

/// Checks that a query can be run and answers `customer_id`.
///
/// # Errors
/// When it cannot, or does not.
pub async fn check_query(app: &App, segment: &RefreshedSegment) -> Result<(), Problem> {
    let tables = AppTables::of_now(app);
    // Nothing is read: the plan of a LIMIT 0 is empty.
    let probe = format!("SELECT * FROM ({}\n) LIMIT 0", segment.refresh.sql);
    let failed = |error: signalpost_lake::Error| crate::admin::sql::problem(&error);
    let rows = app.lake.sql(&probe, tables.now(), &tables).await.map_err(failed)?;
    if rows.columns().iter().any(|(name, _)| name == "customer_id") {
        return Ok(());
    }
    let detail = "the query must answer a column customer_id: those whose id it holds are the members";
    Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "refused", detail))
}

/// Defines a segment whose members a query finds. `true` when it is new.
///
/// # Errors
/// When it is refused, or cannot be made durable.
pub async fn put_refreshed(
    app: &Arc<App>,
    name: &str,
    segment: RefreshedSegment,
) -> Result<(Document, bool), Problem> {
    check_query(app, &segment).await?;
    let _one = app.defining.lock().await;
    let refresh = segment.refresh;
    let is_new = app.documents.get(Kind::Segment, name)?.is_none();
    let content = json!({"text": refresh.text, "refresh": {"cron": refresh.cron, "zone": refresh.zone}});
    let document = app.documents.put(Kind::Segment, name, &content, app.clock.now())?;
    let what = Defined::Refreshed { name: SegmentName::from(name), version: document.version, refresh };
    take_effect(app, what).await?;
    Ok((document, is_new))
}

/// Takes a segment away. `false` when there is none of that name.
///
/// # Errors
/// When it cannot be made durable.
pub async fn remove_segment(app: &Arc<App>, name: &str) -> Result<bool, Problem> {
    let _one = app.defining.lock().await;
    if app.documents.get(Kind::Segment, name)?.is_none() {
        return Ok(false);
    }
    app.documents.delete(Kind::Segment, name, app.clock.now())?;
    take_effect(app, Defined::SegmentRemoved { name: SegmentName::from(name) }).await?;
    Ok(true)
}

/// Defines a campaign. `true` when it is new.
///
/// # Errors
/// When it cannot be made durable.
pub async fn put_campaign(
    app: &Arc<App>,
    campaign: Campaign,
    definition: &serde_json::Value,
) -> Result<(Document, bool), Problem> {
    let _one = app.defining.lock().await;
    let is_new = app.documents.get(Kind::Campaign, &campaign.name)?.is_none();
    let document = app.documents.put(Kind::Campaign, &campaign.name, definition, app.clock.now())?;
    take_effect(app, Defined::Campaign(campaign)).await?;
    Ok((document, is_new))
}

/// Takes a campaign away. `false` when there is none of that name.
///
/// # Errors
/// When it cannot be made durable.
pub async fn remove_campaign(app: &Arc<App>, name: &str) -> Result<bool, Problem> {
    let _one = app.defining.lock().await;
    if app.documents.get(Kind::Campaign, name)?.is_none() {
        return Ok(false);
    }
    app.documents.delete(Kind::Campaign, name, app.clock.now())?;
    take_effect(app, Defined::CampaignRemoved { name: name.into() }).await?;
    Ok(true)
}

/// Puts a change on every partition's log, and waits until it is in force.
async fn take_effect(app: &Arc<App>, what: Defined) -> Result<(), Problem> {
    let change = Change { at: app.clock.now(), what };
    let wanted = {
        let mut program = app.program.write().unwrap_or_else(PoisonError::into_inner);
        program
            .apply(&change)
            .map_err(|error| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "refused", error.to_string()))?;
        program.changes
    };
    let change = Arc::new(change);
    let records =
        (0..app.log.partitions()).map(|partition| (partition, Body::Define(Arc::clone(&change)))).collect();
    app.writer.submit(Submission { records, ..Submission::default() }).await?;
    wait_for(app, wanted).await;
    Ok(())
}

/// Waits until every partition has taken `wanted` changes and brought its
/// profiles up to date; gives up after a while, since large states take long.
async fn wait_for(app: &App, wanted: u64) {
    let started = crate::clock::instant();
    let in_force = || {
        app.partitions.gauges().iter().all(|gauge| {
            gauge.program.load(Ordering::Acquire) >= wanted && !gauge.backfilling.load(Ordering::Acquire)
        })
    };
    while !in_force() && started.elapsed() < WAIT && !app.has_failed() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Reads the program as the worker of partition 0 last left it, and the
/// definitions that wait on its log: what is defined from now on is checked
/// against the newest, however much the workers have still to do.
///
/// Called before the workers start.
///
/// # Errors
/// When the store or the log fails.
pub fn newest_program(store: &AppStore, log: &AppLog) -> anyhow::Result<Program> {
    let mut program = crate::app::load_program(store)?;
    let mut offset = Position::load(store, 0)?.offset;
    loop {
        let records = log.read(0, offset, READ_RECORDS)?;
        let Some((last, _)) = records.last() else { return Ok(program) };
        offset = last + 1;
        for (_, record) in &records {
            if let Body::Define(change) = &record.body
                && let Err(error) = program.apply(change)
            {
                tracing::error!(%error, "a definition on the log cannot be applied");
            }
        }
    }
}

/// How far a version of a segment has come to everybody: `None` when it is in
/// force.
pub fn backfill(app: &App, segment: &Segment) -> Option<Backfill> {
    let mut all = Backfill { change: segment.change, ..Backfill::default() };
    let mut waits = false;
    for gauge in app.partitions.gauges() {
        let own = *gauge.backfill.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = gauge.program.load(Ordering::Acquire) >= segment.change;
        // What came before it was in force already.
        let under_way = taken && own.since <= segment.change && gauge.backfilling.load(Ordering::Acquire);
        waits |= !taken || under_way;
        all.total += own.total;
        all.done += if !taken {
            0
        } else if under_way {
            own.done
        } else {
            own.total
        };
    }
    waits.then_some(all)
}
