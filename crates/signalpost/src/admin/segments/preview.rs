//! `POST /api/segments/preview`: whom a text would hold, before it is defined.
//!
//! The answer comes from columns: the segment's SQL over the lake, its tail and
//! the roster. What cannot be asked so (another instant, SQL that fails on the
//! values there are) is judged from the timelines, one by one.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use serde_json::{Value as Json, json};
use signalpost_core::id::ProfileKey;
use signalpost_core::program::Program;
use signalpost_core::segment::{Definition, Statement};
use signalpost_core::time::Timestamp;
use signalpost_lake::Limits;

use super::membership::members_at;
use super::{Sent, blocking, read_sent};
use crate::admin::{Answer, Page, instant, ok, sql};
use crate::app::App;
use crate::define;
use crate::history::tables::AppTables;
use crate::problem::Problem;
use crate::serve::auth;
use crate::{clock, history, refresh};

/// Limits of a preview's query.
const LIMITS: Limits = Limits { rows_max: 20_000_000, time_max: Duration::from_secs(60) };
/// Names in a sample at most.
const SAMPLE_MAX: usize = 50;

/// The found, and how.
struct Found {
    /// Each once.
    people: Vec<ProfileKey>,
    at: Timestamp,
    judged_by: &'static str,
}

/// Shows whom a text would hold, and the difference to the version in force.
///
/// # Errors
/// 422 when refused.
#[utoipa::path(post, path = "/api/segments/preview", tag = "segments", operation_id = "previewSegment", params(("at" = Option<String>, Query, description = "RFC 3339; now when absent"), ("limit" = Option<usize>, Query, description = "names in each sample, 50 at most")), request_body(content = Object), responses((status = 200, description = "{count, sample, entering, leaving, staying, at, judged_by, took_ms}"), (status = 422)))]
pub async fn preview(
    State(app): State<Arc<App>>,
    Query(page): Query<Page>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    auth::require(&app, &headers, "segments:read")?;
    let began = clock::instant();
    let Sent { name, text, refresh } = read_sent(&app, &body)?;
    let at = page.at.as_deref().map(|text| instant("at", text)).transpose()?;
    let (name, found) = match define::refreshed(&app, name.as_deref().unwrap_or_default(), &text, refresh)? {
        Some(query) => {
            if at.is_some() {
                return Err(Problem::invalid("at", "what is refreshed can only be previewed as of now"));
            }
            let sql = query.refresh.sql.to_string();
            let failed = |error: signalpost_lake::Error| sql::problem(&error);
            let mut found = ask(&app, &sql, None).await.map_err(failed)?;
            found.people.sort_unstable();
            found.people.dedup();
            (query.name.or(name), found)
        }
        None => live(&app, name, &text, at).await?,
    };
    let current = match name.as_deref().and_then(|name| super::segment_id(&app, name)) {
        Some(segment) => refresh::members(&app, segment)?,
        None => HashSet::new(),
    };
    let sample = page.limit().min(SAMPLE_MAX);
    let part = |people: Vec<&ProfileKey>| json!({"count": people.len(), "sample": first(people, sample)});
    let (staying, entering): (Vec<_>, Vec<_>) = found.people.iter().partition(|key| current.contains(*key));
    let stay: HashSet<&ProfileKey> = staying.iter().copied().collect();
    let leaving: Vec<&ProfileKey> = current.iter().filter(|key| !stay.contains(*key)).collect();
    Ok(ok(&json!({
        "count": found.people.len(),
        "sample": first(found.people.iter().collect(), sample),
        "added": entering.len(),
        "removed": leaving.len(),
        "entering": part(entering),
        "leaving": part(leaving),
        "staying": part(staying),
        "at": found.at.to_string(),
        "judged_by": found.judged_by,
        "took_ms": u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    })))
}

/// The first of them by name.
fn first(mut people: Vec<&ProfileKey>, count: usize) -> Json {
    if people.len() > count {
        people.select_nth_unstable(count);
        people.truncate(count);
    }
    people.sort_unstable();
    people.iter().filter_map(|key| key.customer_id().map(ToString::to_string)).collect()
}

/// Whom a live segment would hold, and its name.
async fn live(
    app: &Arc<App>,
    name: Option<String>,
    text: &str,
    at: Option<Timestamp>,
) -> Result<(Option<String>, Found), Problem> {
    let statement = define::read(app, name.as_deref().unwrap_or_default(), text)?;
    let Statement::Segment(definition) = statement else {
        return Err(Problem::invalid("rule", "a sequence rule has no members; preview a segment"));
    };
    let name = name.or_else(|| definition.name.as_ref().map(ToString::to_string));
    let label = name.clone().unwrap_or_else(|| "preview".into());
    define::remarks(app, &label, &definition)?;
    if at.is_none() {
        match from_columns(app, &definition).await {
            Ok(found) => return Ok((name, found)),
            Err(error) => tracing::info!(%error, "a preview is judged from the timelines"),
        }
    }
    let at = at.unwrap_or_else(|| app.clock.now());
    let draft = {
        let program = app.program.read().unwrap_or_else(PoisonError::into_inner);
        program.draft(&label, definition, at)
    };
    let task_app = Arc::clone(app);
    let people = blocking(move || members_at(&task_app, &draft, &label, at)).await??;
    Ok((name, Found { people, at, judged_by: "timelines" }))
}

async fn from_columns(app: &App, definition: &Definition) -> Result<Found, signalpost_lake::Error> {
    history::commit_retractions(app).await?;
    let asked = {
        let program = app.program.read().unwrap_or_else(PoisonError::into_inner);
        asked_segments(&program, definition)
    };
    ask(app, &definition.to_sql(), Some(asked)).await
}

/// The segments whose members a definition asks for, by number.
fn asked_segments(program: &Program, definition: &Definition) -> Vec<(Box<str>, u32)> {
    let held = |name: Box<str>| program.segment(&name).map(|segment| (name, segment.id));
    definition.segments().into_iter().filter_map(held).collect()
}

/// Runs a query for `customer_id`.
async fn ask(
    app: &App,
    sql: &str,
    asked: Option<Vec<(Box<str>, u32)>>,
) -> Result<Found, signalpost_lake::Error> {
    let tables = AppTables::of_now(app).with_members_of(asked);
    let rows = app.lake.sql_within(sql, tables.now(), &tables, LIMITS).await?;
    let people = rows.texts("customer_id", |id| ProfileKey::Customer(id.into()))?.unwrap_or_default();
    Ok(Found { people, at: tables.now(), judged_by: "lake" })
}
