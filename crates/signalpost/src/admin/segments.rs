//! `/api/segments`: who belongs to what, now and at any instant.

#![expect(clippy::indexing_slicing, reason = "indexing JSON by name gives null where there is nothing")]

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value as Json, json};
use signalpost_core::id::ProfileKey;
use signalpost_core::profile::Profile;
use signalpost_core::program::Program;
use signalpost_core::segment::{Form, Statement};
use signalpost_core::step;
use signalpost_core::time::Timestamp;

use super::{Answer, Page, check_name, instant, json as answer, ok};
use crate::app::App;
use crate::define;
use crate::documents::{Document, Kind};
use crate::history::change_json;
use crate::problem::Problem;
use crate::serve::auth;
use crate::state::{self, Store, Table};
use crate::worker::{ChangeRow, history_prefix, read_timeline};

/// Rows read at once while members are counted.
const CHUNK: usize = 4_096;

/// The text of a definition's body: `{"rule":…}`, `{"sql":…}`, `{"builder":…}`, or
/// plain text.
fn text_of(app: &App, body: &Bytes) -> Result<(Option<String>, String), Problem> {
    let Ok(value) = serde_json::from_slice::<Json>(body) else {
        let text = std::str::from_utf8(body)
            .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "not_text", "the body is not UTF-8"))?;
        return Ok((None, text.to_owned()));
    };
    let field = |name: &str| value.get(name).and_then(Json::as_str).map(str::to_owned);
    if let Some(builder) = value.get("builder").filter(|builder| !builder.is_null()) {
        return Ok((field("name"), define::text_of_builder(app, builder)?));
    }
    let text = field("rule").or_else(|| field("sql")).or_else(|| field("text"));
    text.map(|text| (field("name"), text)).ok_or_else(|| {
        Problem::invalid(
            "rule",
            "send {\"rule\": \"IF …\"}, {\"sql\": \"SELECT …\"} or {\"builder\": {…}}, or the text itself",
        )
    })
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
    Ok(json!({
        "name": document.name,
        "version": document.version,
        "rule": text,
        "sql": held.map(|segment| segment.definition.to_sql()),
        "builder": held.map(|segment| segment.definition.to_builder()),
        "form": held.map(|segment| match segment.definition.form { Form::Rule => "rule", Form::Select => "sql" }),
        "live": held.is_some(),
        "since": document.at.to_string(),
        "members": known,
        "anonymous_members": anonymous,
    }))
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
#[utoipa::path(put, path = "/api/segments/{name}", tag = "segments", operation_id = "putSegment", params(("name" = String, Path)), request_body(content = Object, description = "{\"rule\": \"IF ...\"}, {\"sql\": \"SELECT ...\"} or {\"builder\": {...}}"), responses((status = 200), (status = 201), (status = 422, description = "Refused: line, column, hint")))]
pub async fn put(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    auth::require(&app, &headers, "segments:write")?;
    check_name(&name)?;
    let (_, text) = text_of(&app, &body)?;
    let (document, is_new) = define::put_rule(&app, &name, &text).await?;
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
    let (name, text) = text_of(&app, &body)?;
    let name = name.unwrap_or_default();
    let (statement, notes) = define::read_with_notes(&app, &name, &text)?;
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

/// Shows whom a text would hold, and the difference to the version in force.
///
/// # Errors
/// 422 when refused.
#[utoipa::path(post, path = "/api/segments/preview", tag = "segments", operation_id = "previewSegment", request_body(content = Object), responses((status = 200), (status = 422)))]
pub async fn preview(
    State(app): State<Arc<App>>,
    Query(page): Query<Page>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    auth::require(&app, &headers, "segments:read")?;
    let (name, text) = text_of(&app, &body)?;
    let statement = define::read(&app, name.as_deref().unwrap_or_default(), &text)?;
    let Statement::Segment(definition) = statement else {
        return Err(Problem::invalid("rule", "a sequence rule has no members; preview a segment"));
    };
    let name =
        name.or_else(|| definition.name.map(|name| name.to_string())).unwrap_or_else(|| "preview".into());
    let at =
        page.at.as_deref().map(|text| instant("at", text)).transpose()?.unwrap_or_else(|| app.clock.now());
    let program = define::candidate(&app, &name, &text)?;
    let task_app = Arc::clone(&app);
    let task_name = name.clone();
    let found = blocking(move || members_at(&task_app, &program, &task_name, at)).await??;
    let current: std::collections::HashSet<Vec<u8>> = {
        let program = app.program.read().unwrap_or_else(PoisonError::into_inner);
        match program.segment(&name) {
            Some(segment) => {
                let rows =
                    state::scan_prefix(&*app.store, Table::Members, &segment.id.to_be_bytes(), usize::MAX)?;
                rows.into_iter()
                    .filter_map(|(key, _)| key.get(4..).map(<[u8]>::to_vec))
                    .filter(|key| key.first() == Some(&b'c'))
                    .collect()
            }
            None => std::collections::HashSet::new(),
        }
    };
    let kept = found.iter().filter(|key| current.contains(&key.to_bytes())).count();
    let sample: Vec<_> = found
        .iter()
        .filter_map(ProfileKey::customer_id)
        .take(page.limit().min(50))
        .map(ToString::to_string)
        .collect();
    Ok(ok(&json!({
        "count": found.len(),
        "sample": sample,
        "added": found.len() - kept,
        "removed": current.len() - kept,
        "at": at.to_string(),
    })))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", error.to_string()))
}

/// Known people who are in the segment at `at`: judged from the timelines, as
/// far as they reach by then, so that late events count where they belong.
///
/// # Errors
/// When the store fails.
pub fn members_at(
    app: &App,
    program: &Program,
    name: &str,
    at: Timestamp,
) -> Result<Vec<ProfileKey>, Problem> {
    let Some(wanted) = program.segment(name).map(|segment| segment.id) else { return Ok(Vec::new()) };
    let mut members = Vec::new();
    let mut from = b"c".to_vec();
    loop {
        let rows = app.store.scan(Table::Profiles, &from, Some(b"d"), CHUNK)?;
        for key in rows.iter().filter_map(|(key, _)| ProfileKey::from_bytes(key)) {
            let timeline = read_timeline(&*app.store, &key)?;
            let mut profile = Profile::new(key);
            let past = timeline.into_iter().filter(|(moment, _)| moment.timestamp <= at);
            step::refold(&mut profile, program, past, at, &mut Vec::new());
            if profile.is_member(wanted) {
                members.push(profile.key);
            }
        }
        match rows.last() {
            Some((key, _)) if rows.len() == CHUNK => {
                from.clone_from(key);
                from.push(0);
            }
            _ => return Ok(members),
        }
    }
}

/// Lists the members, now or at an instant.
///
/// # Errors
/// 404 and the usual.
#[utoipa::path(get, path = "/api/segments/{name}/members", tag = "segments", operation_id = "listMembers", params(("name" = String, Path), ("at" = Option<String>, Query, description = "RFC 3339; now when absent"), ("limit" = Option<usize>, Query), ("cursor" = Option<String>, Query)), responses((status = 200), (status = 404)))]
pub async fn members(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Query(page): Query<Page>,
    headers: HeaderMap,
) -> Answer {
    auth::require(&app, &headers, "segments:read")?;
    let document = find(&app, &name)?;
    if let Some(at) = &page.at {
        let at = instant("at", at)?;
        let text = document.json().get("text").and_then(Json::as_str).unwrap_or_default().to_owned();
        let program = define::candidate(&app, &name, &text)?;
        let segment = segment_id(&app, &name);
        let task_app = Arc::clone(&app);
        let found = blocking(move || members_at(&task_app, &program, &name, at)).await??;
        let mut rows = Vec::with_capacity(found.len());
        for key in &found {
            rows.push(member_at(&app, segment, key, at)?);
        }
        return Ok(ok(&json!({"members": rows, "next": null, "at": at.to_string()})));
    }
    let Some(segment) = segment_id(&app, &name) else { return Ok(ok(&json!({"members": [], "next": null}))) };
    let mut from = segment.to_be_bytes().to_vec();
    // Known people only: anonymous visitors have no customer_id to be listed by.
    from.push(b'c');
    let end = state::prefix_end(&from);
    if let Some(cursor) = &page.cursor {
        from.extend(cursor.as_bytes());
        from.push(0);
    }
    let rows = app.store.scan(Table::Members, &from, end.as_deref(), page.limit())?;
    let mut members = Vec::with_capacity(rows.len());
    for (key, value) in &rows {
        let Some(profile) = key.get(4..).and_then(ProfileKey::from_bytes) else { continue };
        let (entered_at, version): (Timestamp, u32) = state::decode(Table::Members, value)?;
        members.push(json!({
            "customer_id": profile.customer_id().map(ToString::to_string),
            "profile": profile.to_string(),
            "entered_at": entered_at.to_string(),
            "version": version,
        }));
    }
    let next =
        if rows.len() == page.limit() { members.last().map(|row| row["customer_id"].clone()) } else { None };
    Ok(ok(&json!({"members": members, "next": next})))
}

fn segment_id(app: &App, name: &str) -> Option<u32> {
    let program = app.program.read().unwrap_or_else(PoisonError::into_inner);
    program.segment(name).map(|segment| segment.id)
}

/// A member at an instant, with the entry that the history knows.
fn member_at(app: &App, segment: Option<u32>, key: &ProfileKey, at: Timestamp) -> Result<Json, Problem> {
    let mut entry = None;
    if let Some(segment) = segment {
        for (_, value) in
            state::scan_prefix(&*app.store, Table::History, &history_prefix(segment, key), usize::MAX)?
        {
            let ChangeRow { change } = state::decode(Table::History, &value)?;
            if change.at <= at {
                entry = change.entered.then_some((change.at, change.version));
            }
        }
    }
    Ok(json!({
        "customer_id": key.customer_id().map(ToString::to_string),
        "profile": key.to_string(),
        "entered_at": entry.map(|(at, _)| at.to_string()),
        "version": entry.map(|(_, version)| version),
    }))
}

/// Lists the changes of membership, newest first.
///
/// # Errors
/// 404 and the usual.
#[utoipa::path(get, path = "/api/segments/{name}/history", tag = "segments", operation_id = "segmentHistory", params(("name" = String, Path), ("limit" = Option<usize>, Query), ("profile" = Option<String>, Query)), responses((status = 200), (status = 404)))]
pub async fn history(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Answer {
    auth::require(&app, &headers, "segments:read")?;
    find(&app, &name)?;
    let limit = query.get("limit").and_then(|text| text.parse().ok()).unwrap_or(100).clamp(1, 10_000);
    let Some(segment) = segment_id(&app, &name) else { return Ok(ok(&json!({"changes": []}))) };
    let prefix = match query.get("profile") {
        Some(id) => history_prefix(segment, &super::profiles::key_of(id)),
        None => segment.to_be_bytes().to_vec(),
    };
    let mut changes = Vec::new();
    for (_, value) in state::scan_prefix(&*app.store, Table::History, &prefix, usize::MAX)? {
        let row: ChangeRow = state::decode(Table::History, &value)?;
        changes.push(row.change);
    }
    changes.sort_by_key(|change| std::cmp::Reverse(change.at));
    let rows: Vec<Json> = changes.iter().take(limit).map(change_json).collect();
    Ok(ok(&json!({"changes": rows, "total": changes.len()})))
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
/// 404, 409 when the program has not caught up, and the usual.
#[utoipa::path(post, path = "/api/segments/{name}/verify", tag = "segments", operation_id = "verifySegment", params(("name" = String, Path)), responses((status = 200, description = "{segment, live, lake, missing, surplus, equal}"), (status = 404)))]
pub async fn verify(State(app): State<Arc<App>>, Path(name): Path<String>, headers: HeaderMap) -> Answer {
    auth::require(&app, &headers, "segments:read")?;
    find(&app, &name)?;
    let (segment, sql) = {
        let program = app.program.read().unwrap_or_else(PoisonError::into_inner);
        let segment = program.segment(&name).ok_or_else(|| Problem::not_found("live segment", &name))?;
        (segment.id, segment.definition.to_sql())
    };
    crate::history::catch_up_with_log(&app).await;
    crate::history::commit_lake(&app).await.map_err(|error| super::sql::problem(&error))?;
    let now = app.clock.now();
    let tables = crate::history::tables::AppTables::new(&app, now);
    let rows = app.lake.sql(&sql, now, &tables).await.map_err(|error| super::sql::problem(&error))?;
    let rows = rows.to_json_rows().map_err(|error| super::sql::problem(&error))?;
    let lake: std::collections::BTreeSet<String> = rows
        .iter()
        .filter_map(|row| row.get("customer_id").and_then(Json::as_str).map(str::to_owned))
        .collect();
    let mut prefix = segment.to_be_bytes().to_vec();
    prefix.push(b'c');
    let held = state::scan_prefix(&*app.store, Table::Members, &prefix, usize::MAX)?;
    let live: std::collections::BTreeSet<String> = held
        .iter()
        .filter_map(|(key, _)| ProfileKey::from_bytes(key.get(4..)?)?.customer_id().map(ToString::to_string))
        .collect();
    let missing: Vec<_> = lake.difference(&live).take(100).collect();
    let surplus: Vec<_> = live.difference(&lake).take(100).collect();
    Ok(ok(&json!({
        "segment": name,
        "at": now.to_string(),
        "live": live.len(),
        "lake": lake.len(),
        "missing": missing,
        "surplus": surplus,
        "equal": live == lake,
    })))
}
