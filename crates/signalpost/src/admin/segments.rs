//! `/api/segments`: what is defined. Who belongs, who would, and why is in the
//! modules below.

#![expect(clippy::indexing_slicing, reason = "indexing JSON by name gives null where there is nothing")]

pub mod forecast;
pub mod membership;
pub mod preview;
pub mod refresh;
pub mod simulate;
pub mod unexpected;

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use signalpost_core::id::ProfileKey;
use signalpost_core::program::Segment;
use signalpost_core::segment::{BUILDER_SCHEMA, Form, Statement};
use signalpost_core::time::Timestamp;

use super::{Answer, check_name, json as answer, ok};
use crate::app::App;
use crate::define::{self, Schedule};
use crate::documents::{Document, Kind};
use crate::problem::Problem;
use crate::serve::auth;
use crate::state::{self, Store, Table};
use crate::verification::{self, Verdict};

/// Rows read at once while members are counted.
const CHUNK: usize = 4_096;
/// People shown on whom live and SQL disagree.
const DIFFERENCES_SHOWN: usize = 100;

/// A definition as it is sent: `{"rule":…}`, `{"sql":…}`, `{"builder":…}`, or
/// plain text.
struct Sent {
    name: Option<String>,
    text: String,
    refresh: Option<Schedule>,
}

/// The schedule of a segment that is not live.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SentSchedule {
    /// Five fields, or six with seconds first; only when asked where absent.
    cron: Option<String>,
    /// IANA; UTC where absent.
    zone: Option<String>,
}

fn read_sent(app: &App, body: &Bytes) -> Result<Sent, Problem> {
    let Ok(value) = serde_json::from_slice::<Json>(body) else {
        let text = std::str::from_utf8(body)
            .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "not_text", "the body is not UTF-8"))?;
        return Ok(Sent { name: None, text: text.to_owned(), refresh: None });
    };
    let field = |name: &str| value.get(name).and_then(Json::as_str).map(str::to_owned);
    let name = field("name");
    if let Some(builder) = value.get("builder").filter(|builder| !builder.is_null()) {
        return Ok(Sent { name, text: define::text_of_builder(app, builder)?, refresh: None });
    }
    let refresh = match value.get("refresh").filter(|refresh| !refresh.is_null()) {
        Some(refresh) => {
            let sent = SentSchedule::deserialize(refresh)
                .map_err(|error| Problem::invalid("refresh", error.to_string()))?;
            Some(Schedule::read(sent.cron, sent.zone)?)
        }
        None => None,
    };
    let text = field("rule").or_else(|| field("sql")).or_else(|| field("text"));
    text.map(|text| Sent { name, text, refresh }).ok_or_else(|| {
        Problem::invalid(
            "rule",
            "send {\"rule\": \"IF …\"}, {\"sql\": \"SELECT …\"} or {\"builder\": {…}}, or the text itself",
        )
    })
}

/// The JSON Schema of the builder's form.
///
/// # Errors
/// None.
#[utoipa::path(get, path = "/api/schemas/segment-builder", tag = "segments", operation_id = "segmentBuilderSchema", security(()), responses((status = 200, description = "JSON Schema 2020-12 of {\"builder\": ...}", content_type = "application/schema+json")))]
pub async fn builder_schema() -> Answer {
    Ok(([(header::CONTENT_TYPE, "application/schema+json")], BUILDER_SCHEMA).into_response())
}

/// Lists the segments.
///
/// # Errors
/// 401 and 403.
#[utoipa::path(get, path = "/api/segments", tag = "segments", operation_id = "listSegments", responses((status = 200, description = "{segments: [...]}")))]
pub async fn list(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    auth::require(&app, &headers, "segments:read")?;
    let mut segments = Vec::new();
    for document in app.documents.list(Kind::Segment)? {
        segments.push(describe(&app, &document)?);
    }
    let sequences: Vec<Json> = app
        .documents
        .list(Kind::Sequence)?
        .iter()
        .map(|document| json!({"name": document.name, "version": document.version, "rule": document.json()["text"]}))
        .collect();
    Ok(ok(&json!({"segments": segments, "sequences": sequences})))
}

fn describe(app: &App, document: &Document) -> Result<Json, Problem> {
    let content = document.json();
    let text = content.get("text").and_then(Json::as_str).unwrap_or_default();
    let program = app.program.read().unwrap_or_else(PoisonError::into_inner);
    let held = program.segment(&document.name);
    let (known, anonymous) = match held {
        Some(segment) => count_members(app, segment.id)?,
        None => (0, 0),
    };
    let live = held.filter(|segment| segment.is_live());
    Ok(json!({
        "name": document.name,
        "version": document.version,
        "rule": text,
        "sql": held.map(Segment::sql),
        "builder": live.map(|segment| segment.definition.to_builder()),
        "form": held.map(|segment| match segment.definition.form { Form::Rule => "rule", Form::Select => "sql" }),
        "live": live.is_some(),
        "refresh": held.map(|segment| refresh::describe(app, segment)).transpose()?,
        "since": document.at.to_string(),
        "members": known,
        "anonymous_members": anonymous,
        "backfill": held.and_then(|segment| backfill(app, segment, document.at)),
        "verified": live.and_then(|segment| app.verification.of(segment)).map(verified),
    }))
}

/// When a segment was last compared with the lake's SQL, and what came out.
fn verified(verdict: Verdict) -> Json {
    let (at, members) = (verdict.at.to_string(), verdict.members);
    json!({"at": at, "members": members, "differences": verdict.differences})
}

/// How far a version has come, for those that are not in force for everybody.
fn backfill(app: &App, segment: &Segment, started_at: Timestamp) -> Option<Json> {
    let backfill = define::backfill(app, segment)?;
    Some(json!({"done": backfill.done, "total": backfill.total, "started_at": started_at.to_string()}))
}

/// Members that are known people, and those that are not.
pub fn count_members(app: &App, segment: u32) -> Result<(u64, u64), Problem> {
    let mut from = segment.to_be_bytes().to_vec();
    let end = state::prefix_end(&from);
    let (mut known, mut anonymous) = (0, 0);
    loop {
        let rows = app.store.scan(Table::Members, &from, end.as_deref(), CHUNK)?;
        for (key, _) in &rows {
            if key.get(4) == Some(&b'c') { known += 1 } else { anonymous += 1 }
        }
        match rows.last() {
            Some((key, _)) if rows.len() == CHUNK => {
                from.clone_from(key);
                from.push(0);
            }
            _ => return Ok((known, anonymous)),
        }
    }
}

fn find(app: &App, name: &str) -> Result<Document, Problem> {
    app.documents.get(Kind::Segment, name)?.ok_or_else(|| Problem::not_found("segment", name))
}

/// Shows one segment.
///
/// # Errors
/// 404 and the usual.
#[utoipa::path(get, path = "/api/segments/{name}", tag = "segments", operation_id = "getSegment", params(("name" = String, Path)), responses((status = 200), (status = 404)))]
pub async fn get(State(app): State<Arc<App>>, Path(name): Path<String>, headers: HeaderMap) -> Answer {
    auth::require(&app, &headers, "segments:read")?;
    let document = find(&app, &name)?;
    Ok(ok(&describe(&app, &document)?))
}

/// Defines a segment: each change is a new version.
///
/// # Errors
/// 422 when refused, with line, column and hint.
#[utoipa::path(put, path = "/api/segments/{name}", tag = "segments", operation_id = "putSegment", params(("name" = String, Path)), request_body(content = Object, description = "{\"rule\": \"IF ...\"}, {\"sql\": \"SELECT ...\"} or {\"builder\": {...}} (its JSON Schema: /api/schemas/segment-builder); with \"refresh\": {\"cron\", \"zone\"} the SQL is run by schedule"), responses((status = 200), (status = 201), (status = 422, description = "Refused: line, column, hint")))]
pub async fn put(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    auth::require(&app, &headers, "segments:write")?;
    check_name(&name)?;
    let sent = read_sent(&app, &body)?;
    let (document, is_new) = match define::refreshed(&app, &name, &sent.text, sent.refresh)? {
        Some(refresh) => define::put_refreshed(&app, &name, refresh).await?,
        None => match define::put_rule(&app, &name, &sent.text).await {
            Ok(defined) => defined,
            Err(refusal) => return Err(define::with_offer(&app, &sent.text, refusal).await),
        },
    };
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(answer(status, &describe(&app, &document)?))
}

/// Takes a segment away; its members leave it.
///
/// # Errors
/// 404 and the usual.
#[utoipa::path(delete, path = "/api/segments/{name}", tag = "segments", operation_id = "deleteSegment", params(("name" = String, Path)), responses((status = 204), (status = 404)))]
pub async fn delete(State(app): State<Arc<App>>, Path(name): Path<String>, headers: HeaderMap) -> Answer {
    auth::require(&app, &headers, "segments:write")?;
    if define::remove_segment(&app, &name).await? {
        Ok(answer(StatusCode::NO_CONTENT, &Json::Null))
    } else {
        Err(Problem::not_found("segment", &name))
    }
}

/// Checks a text without defining anything.
///
/// # Errors
/// 422 when refused.
#[utoipa::path(post, path = "/api/segments/check", tag = "segments", operation_id = "checkSegment", request_body(content = Object), responses((status = 200), (status = 422)))]
pub async fn check(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Answer {
    auth::require(&app, &headers, "segments:read")?;
    let Sent { name, text, refresh } = read_sent(&app, &body)?;
    let name = name.unwrap_or_default();
    if let Some(refresh) = define::refreshed(&app, &name, &text, refresh)? {
        define::check_query(&app, &refresh).await?;
        let own = refresh.name;
        return Ok(ok(&json!({
            "kind": "refreshed", "name": own, "text": text, "sql": refresh.refresh.sql, "notes": [],
        })));
    }
    let (statement, notes) = match define::read_with_notes(&app, &name, &text) {
        Ok(read) => read,
        Err(refusal) => return Err(define::with_offer(&app, &text, refusal).await),
    };
    let mut notes: Vec<Json> = notes
        .iter()
        .map(|note| json!({"line": note.line, "column": note.column, "message": note.message}))
        .collect();
    if let Statement::Segment(definition) = &statement {
        let own = definition.name.as_ref().map_or(name.as_str(), |name| name.as_str());
        let remarks = define::remarks(&app, own, definition)?;
        notes.extend(remarks.into_iter().map(|message| json!({"line": 1, "column": 1, "message": message})));
    }
    let builder = statement.to_builder();
    Ok(ok(&match statement {
        Statement::Segment(definition) => json!({
            "kind": "segment",
            "name": definition.name.as_ref().map(|name| name.as_str()),
            "text": definition.to_string(),
            "sql": definition.to_sql(),
            "builder": builder,
            "notes": notes,
        }),
        Statement::Sequence(rule) => {
            let text = rule.to_string();
            json!({"kind": "sequence", "text": text, "emits": rule.emit, "builder": builder, "notes": notes})
        }
    }))
}

/// Lists the versions of a segment's definition.
///
/// # Errors
/// 404 and the usual.
#[utoipa::path(get, path = "/api/segments/{name}/versions", tag = "segments", operation_id = "segmentVersions", params(("name" = String, Path)), responses((status = 200), (status = 404)))]
pub async fn versions(State(app): State<Arc<App>>, Path(name): Path<String>, headers: HeaderMap) -> Answer {
    auth::require(&app, &headers, "segments:read")?;
    find(&app, &name)?;
    let versions: Vec<Json> = app
        .documents
        .versions(Kind::Segment, &name)?
        .iter()
        .map(|document| json!({"version": document.version, "at": document.at.to_string(), "rule": document.json()["text"]}))
        .collect();
    Ok(ok(&json!({"versions": versions})))
}

/// Compares the live members with what the segment's SQL finds in the lake.
///
/// # Errors
/// 404, 409 when the program has not caught up or the segment is being changed,
/// and the usual.
#[utoipa::path(post, path = "/api/segments/{name}/verify", tag = "segments", operation_id = "verifySegment", params(("name" = String, Path)), responses((status = 200, description = "{segment, at, live, lake, missing, surplus, differences, equal}"), (status = 404), (status = 409, description = "Not caught up with the log, or the segment is being changed")))]
pub async fn verify(State(app): State<Arc<App>>, Path(name): Path<String>, headers: HeaderMap) -> Answer {
    auth::require(&app, &headers, "segments:read")?;
    find(&app, &name)?;
    let patience = Duration::from_secs(app.settings.request_seconds_max) / 3;
    let found = verification::verify(&app, &name, patience).await.map_err(not_verified)?;
    let ids = |people: &BTreeSet<ProfileKey>| -> Vec<String> {
        let ids = people.iter().filter_map(ProfileKey::customer_id);
        ids.take(DIFFERENCES_SHOWN).map(ToString::to_string).collect()
    };
    Ok(ok(&json!({
        "segment": name,
        "at": found.at.to_string(),
        "live": found.live,
        "lake": found.lake,
        "missing": ids(&found.missing),
        "surplus": ids(&found.surplus),
        "differences": found.differences(),
        "equal": found.differences() == 0,
    })))
}

fn not_verified(error: verification::Error) -> Problem {
    use verification::Error;
    match error {
        Error::Behind | Error::Changing => {
            Problem::new(StatusCode::CONFLICT, "not_comparable", error.to_string()).retry_after(1)
        }
        Error::Query(error) => super::sql::problem(&error),
        Error::State(error) => error.into(),
        Error::Log(error) => error.into(),
    }
}

fn segment_id(app: &App, name: &str) -> Option<u32> {
    let program = app.program.read().unwrap_or_else(PoisonError::into_inner);
    program.segment(name).map(|segment| segment.id)
}

/// Runs work that takes long and waits for nothing.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", error.to_string()))
}
