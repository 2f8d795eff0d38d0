//! Who is in a segment, now and at any instant, and how that changed.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use serde_json::{Value as Json, json};
use signalpost_core::id::ProfileKey;
use signalpost_core::profile::{Membership, Profile};
use signalpost_core::program::Program;
use signalpost_core::step::{self, MembershipCause};
use signalpost_core::time::Timestamp;

use super::{CHUNK, blocking, find, segment_id};
use crate::admin::{Answer, Page, instant, ok, profiles};
use crate::app::App;
use crate::history::change_json;
use crate::problem::Problem;
use crate::serve::auth;
use crate::state::{self, Store, Table};
use crate::worker::{ChangeRow, history_prefix, read_timeline};

/// Calls `see` with the key of every known person, in no order.
pub(super) fn each_person(
    app: &App,
    see: &mut dyn FnMut(ProfileKey) -> Result<bool, Problem>,
) -> Result<(), Problem> {
    let mut from = b"c".to_vec();
    loop {
        let keys = app.store.scan_keys(Table::Profiles, &from, Some(b"d"), CHUNK)?;
        for key in keys.iter().filter_map(|key| ProfileKey::from_place(key)) {
            if !see(key)? {
                return Ok(());
            }
        }
        match keys.last() {
            Some(key) if keys.len() == CHUNK => {
                from.clone_from(key);
                from.push(0);
            }
            _ => return Ok(()),
        }
    }
}

/// The memberships at `at` that no timeline tells: those of segments whose
/// members come from runs of a query.
///
/// # Errors
/// When the store fails.
pub(in crate::admin) fn refreshed_at(
    app: &App,
    program: &Program,
    key: &ProfileKey,
    at: Timestamp,
) -> Result<Vec<Membership>, Problem> {
    let mut held = Vec::new();
    for segment in program.segments.iter().filter(|segment| !segment.is_live()) {
        if let Some((entered_at, version)) = entry_at(app, segment.id, key, at)? {
            held.push(Membership { segment: segment.id, entered_at, version });
        }
    }
    Ok(held)
}

/// Since when, and by which version, somebody was a member at `at`, as the
/// history has it.
fn entry_at(
    app: &App,
    segment: u32,
    key: &ProfileKey,
    at: Timestamp,
) -> Result<Option<(Timestamp, u32)>, Problem> {
    let mut entry = None;
    for (_, value) in
        state::scan_prefix(&*app.store, Table::History, &history_prefix(segment, key), usize::MAX)?
    {
        let ChangeRow { change, .. } = state::decode(Table::History, &value)?;
        if change.at <= at {
            entry = change.entered.then_some((change.at, change.version));
        }
    }
    Ok(entry)
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
    each_person(app, &mut |key| {
        let timeline = read_timeline(&*app.store, &key)?;
        let mut profile = Profile::new(key);
        profile.memberships = refreshed_at(app, program, &profile.key, at)?;
        let past = timeline.into_iter().filter(|(moment, _)| moment.timestamp <= at);
        step::refold(&mut profile, program, past, at, &mut Vec::new());
        if profile.is_member(wanted) {
            members.push(profile.key);
        }
        Ok(true)
    })?;
    members.sort_unstable();
    Ok(members)
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
    find(&app, &name)?;
    let Some(segment) = segment_id(&app, &name) else { return Ok(ok(&json!({"members": [], "next": null}))) };
    if let Some(at) = &page.at {
        return then(&app, &name, segment, instant("at", at)?).await;
    }
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

/// The members at an instant.
async fn then(app: &Arc<App>, name: &str, segment: u32, at: Timestamp) -> Answer {
    let draft = {
        let program = app.program.read().unwrap_or_else(PoisonError::into_inner);
        let live = program.segment(name).filter(|held| held.is_live());
        live.map(|held| program.draft(name, held.definition.clone(), app.clock.now()))
    };
    let (task_app, name) = (Arc::clone(app), name.to_owned());
    let rows = blocking(move || -> Result<Vec<Json>, Problem> {
        let mut rows = Vec::new();
        let mut add = |key: &ProfileKey, entry: Option<(Timestamp, u32)>| {
            rows.push(json!({
                "customer_id": key.customer_id().map(ToString::to_string),
                "profile": key.to_string(),
                "entered_at": entry.map(|(at, _)| at.to_string()),
                "version": entry.map(|(_, version)| version),
            }));
        };
        match draft {
            Some(draft) => {
                for key in members_at(&task_app, &draft, &name, at)? {
                    add(&key, entry_at(&task_app, segment, &key, at)?);
                }
            }
            None => {
                let mut members = Vec::new();
                each_person(&task_app, &mut |key| {
                    if let Some(entry) = entry_at(&task_app, segment, &key, at)? {
                        members.push((key, entry));
                    }
                    Ok(true)
                })?;
                members.sort_unstable();
                members.iter().for_each(|(key, entry)| add(key, Some(*entry)));
            }
        }
        Ok(rows)
    })
    .await??;
    Ok(ok(&json!({"members": rows, "next": null, "at": at.to_string()})))
}

/// Lists the changes of membership, newest first: each with the version, the
/// instant, when it was worked out, its cause and the event behind it.
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
        Some(id) => history_prefix(segment, &profiles::key_of(id)),
        None => segment.to_be_bytes().to_vec(),
    };
    let mut changes: Vec<ChangeRow> = Vec::new();
    for (_, value) in state::scan_prefix(&*app.store, Table::History, &prefix, usize::MAX)? {
        changes.push(state::decode(Table::History, &value)?);
    }
    let total = changes.len();
    // Of one instant, the later one of a profile stands later in the store.
    changes.reverse();
    changes.sort_by_key(|row| std::cmp::Reverse(row.change.at));
    changes.truncate(limit);
    let mut rows = Vec::with_capacity(changes.len());
    for row in &changes {
        rows.push(history_row(&app, row)?);
    }
    Ok(ok(&json!({"changes": rows, "total": total})))
}

fn history_row(app: &App, row: &ChangeRow) -> Result<Json, Problem> {
    let mut shown = change_json(&row.change);
    let mut event_time = None;
    if let MembershipCause::Event(id) = &row.change.cause {
        // Known from the timeline, unless it was derived or is no longer there.
        let timeline = read_timeline(&*app.store, &row.change.profile)?;
        event_time = timeline.iter().find(|(_, event)| event.event_id == *id).map(|(at, _)| at.timestamp);
    }
    if let Some(object) = shown.as_object_mut() {
        object.insert("processed_at".into(), json!(row.processed_at.to_string()));
        object.insert("event_time".into(), json!(event_time.map(|at| at.to_string())));
    }
    Ok(shown)
}
