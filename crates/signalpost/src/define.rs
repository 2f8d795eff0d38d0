//! Definitions take effect: checked, kept as documents, put on the log of
//! every partition, and in force when this returns.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use serde_json::json;
use signalpost_core::campaign::Campaign;
use signalpost_core::id::SegmentName;
use signalpost_core::program::{Change, Defined, Program};
use signalpost_core::segment::{self, Definition, Note, Refusal, Schema, Statement};

use crate::app::App;
use crate::documents::{Document, Kind};
use crate::log::writer::Submission;
use crate::log::{Body, Log};
use crate::problem::Problem;

/// How long an answer waits for the workers to take a definition up.
const WAIT: Duration = Duration::from_secs(5);
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

/// Reads the program as the workers have it, and once more when they have taken
/// what is on the log now. Until then nothing new is defined: it would be
/// checked against definitions that are not the newest.
///
/// # Errors
/// When the store fails.
pub async fn reload(app: &Arc<App>) -> anyhow::Result<()> {
    let catching_up = Arc::clone(&app.defining).lock_owned().await;
    read_program(app)?;
    let ends = app.ends();
    if has_taken(app, &ends) {
        return Ok(());
    }
    let app = Arc::clone(app);
    tokio::spawn(async move {
        let _catching_up = catching_up;
        while !has_taken(&app, &ends) && !app.has_failed() && !app.partitions.is_stopping() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        if let Err(error) = read_program(&app) {
            tracing::error!(%error, "the newest definitions could not be read");
        }
    });
    Ok(())
}

fn has_taken(app: &App, ends: &[u64]) -> bool {
    app.partitions.gauges().iter().zip(ends).all(|(gauge, end)| gauge.offset.load(Ordering::Acquire) >= *end)
}

fn read_program(app: &App) -> anyhow::Result<()> {
    *app.program.write().unwrap_or_else(PoisonError::into_inner) = crate::app::load_program(&app.store)?;
    Ok(())
}

/// A program of the sequence rules in force and of one segment more.
///
/// # Errors
/// When a text is refused.
pub fn candidate(app: &App, name: &str, text: &str) -> Result<Program, Problem> {
    let (_, traits, properties) = schema(app);
    let mut program = Program::default();
    let mut apply = |what| {
        program
            .apply(&Change { at: app.clock.now(), what })
            .map_err(|error| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "refused", error.to_string()))
    };
    for document in app.documents.list(Kind::Sequence)? {
        let text = document.json().get("text").and_then(|text| text.as_str()).unwrap_or_default().to_owned();
        apply(Defined::Sequence { text })?;
    }
    // Segments that the text may name come first.
    for document in app.documents.list(Kind::Segment)?.into_iter().filter(|document| document.name != name) {
        let text = document.json().get("text").and_then(|text| text.as_str()).unwrap_or_default().to_owned();
        let (traits, properties) = (traits.clone(), properties.clone());
        apply(Defined::Segment {
            name: document.name.as_str().into(),
            version: document.version,
            text,
            traits,
            properties,
        })?;
    }
    apply(Defined::Segment { name: name.into(), version: 0, text: text.to_owned(), traits, properties })?;
    Ok(program)
}
