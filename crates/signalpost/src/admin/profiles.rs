//! `/api/profiles`: one person, and why they are where they are.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};
use signalpost_core::event::Event;
use signalpost_core::id::{AnonymousId, CustomerId, ProfileKey};
use signalpost_core::profile::{BUILT_IN, Moment, Profile};
use signalpost_core::program::{Program, Segment};
use signalpost_core::segment::{Evidence, Explanation, Missing};
use signalpost_core::step::{Action, ProfileSubject};
use signalpost_core::time::{Span, Timestamp};

use super::segments::membership::refreshed_at;
use super::{Answer, instant, ok, read};
use crate::app::App;
use crate::history::event_json;
use crate::log::writer::Submission;
use crate::log::{Body, Log};
use crate::problem::Problem;
use crate::serve::auth;
use crate::state::{self, Store, Table};
use crate::worker::read_timeline;

/// Events of a timeline shown at most.
const TIMELINE_MAX: usize = 500;
/// How far an explanation looks ahead for the next change.
const AHEAD: Span = Span::DAY.times(400);
/// Profiles a search looks at, at most.
const SEARCH_MAX: usize = 200_000;

/// The key a path names: `anonymous:ID`, else a customer's.
pub fn key_of(id: &str) -> ProfileKey {
    match id.strip_prefix("anonymous:") {
        Some(anonymous) => ProfileKey::Anonymous(AnonymousId::from(anonymous)),
        None => ProfileKey::Customer(CustomerId::from(id)),
    }
}

/// The stored profile; a linked device's is the person's.
pub fn load(app: &App, id: &str) -> Result<Profile, Problem> {
    let mut key = key_of(id);
    if let ProfileKey::Anonymous(anonymous) = &key
        && let Some(bytes) = app.store.get(Table::Forwards, anonymous.as_str().as_bytes())?
    {
        key = ProfileKey::Customer(state::decode(Table::Forwards, &bytes)?);
    }
    load_key(app, &key)?.ok_or_else(|| Problem::not_found("profile", id))
}

/// The stored profile of a key.
pub fn load_key(app: &App, key: &ProfileKey) -> Result<Option<Profile>, Problem> {
    let Some(bytes) = app.store.get(Table::Profiles, &key.place())? else { return Ok(None) };
    let profile = Profile::decode(&bytes).map_err(|error| state::Error::Damaged {
        table: Table::Profiles.name(),
        reason: error.to_string(),
    })?;
    Ok(Some(profile))
}

/// Finds profiles by id or e-mail.
///
/// # Errors
/// The usual.
#[utoipa::path(get, path = "/api/profiles", tag = "profiles", operation_id = "findProfiles", params(("query" = Option<String>, Query), ("limit" = Option<usize>, Query)), responses((status = 200)))]
pub async fn find(
    State(app): State<Arc<App>>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Answer {
    auth::require(&app, &headers, "profiles:read")?;
    let text = query.get("query").map(|text| text.trim().to_owned()).unwrap_or_default();
    let limit = query.get("limit").and_then(|text| text.parse().ok()).unwrap_or(20).clamp(1, 1_000);
    let found =
        tokio::task::spawn_blocking(move || search(&app, &text, limit)).await.map_err(|error| {
            Problem::new(axum::http::StatusCode::INTERNAL_SERVER_ERROR, "internal", error.to_string())
        })??;
    Ok(ok(&json!({"profiles": found})))
}

fn search(app: &App, text: &str, limit: usize) -> Result<Vec<Json>, Problem> {
    let mut found = Vec::new();
    if let Some(profile) = load_key(app, &key_of(text))? {
        found.push(summary(&profile));
    }
    let exact = text;
    let text = text.to_lowercase();
    let mut from = Vec::new();
    let mut seen = 0;
    while found.len() < limit && seen < SEARCH_MAX {
        // Known people first: their keys begin with c, anonymous ones with a.
        let rows =
            app.store.scan(Table::Profiles, if from.is_empty() { b"c" } else { &from }, None, 2_000)?;
        seen += rows.len();
        for (_, value) in &rows {
            let Ok(profile) = Profile::decode(value) else { continue };
            let email =
                profile.trait_value("email").and_then(|v| v.as_text()).unwrap_or_default().to_lowercase();
            let id = profile.key.to_string().to_lowercase();
            if (text.is_empty() || id.contains(&text) || email.contains(&text))
                && profile.key.to_string() != exact
                && found.len() < limit
            {
                found.push(summary(&profile));
            }
        }
        match rows.last() {
            Some((key, _)) if rows.len() == 2_000 => {
                from.clone_from(key);
                from.push(0);
            }
            _ => break,
        }
    }
    Ok(found)
}

fn summary(profile: &Profile) -> Json {
    json!({
        "id": profile.key.to_string(),
        "customer_id": profile.key.customer_id().map(CustomerId::as_str),
        "email": profile.trait_value("email").map(|value| value.to_json()),
        "last_seen": profile.last_seen().map(|at| at.to_string()),
    })
}

/// Shows a profile and its timeline.
///
/// # Errors
/// 404 and the usual.
#[utoipa::path(get, path = "/api/profiles/{id}", tag = "profiles", operation_id = "getProfile", params(("id" = String, Path, description = "A customer_id, or anonymous:ID")), responses((status = 200), (status = 404)))]
pub async fn get(State(app): State<Arc<App>>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    auth::require(&app, &headers, "profiles:read")?;
    let profile = load(&app, &id)?;
    let timeline = read_timeline(&*app.store, &profile.key)?;
    let rows: Vec<Json> =
        timeline.iter().rev().take(TIMELINE_MAX).map(|(_, event)| event_json(event)).collect();
    let mut shown = description(&app, &profile);
    if let Some(shown) = shown.as_object_mut() {
        shown.insert("timeline".to_owned(), json!(rows));
        shown.insert("timeline_total".to_owned(), json!(timeline.len()));
    }
    Ok(ok(&shown))
}

/// What is known of a profile, but for its timeline.
pub(crate) fn description(app: &App, profile: &Profile) -> Json {
    let now = app.clock.now();
    let mut computed = Map::new();
    for (name, _) in BUILT_IN {
        computed.insert((*name).into(), profile.attribute(name, now).0.to_json());
    }
    let mut traits = Map::new();
    for held in profile.traits.iter().filter(|held| !held.value.is_null()) {
        traits.insert(held.name.to_string(), held.value.to_json());
    }
    let consents: Map<String, Json> = profile
        .consents
        .iter()
        .map(|consent| (consent.purpose.to_string(), Json::Bool(consent.granted)))
        .collect();
    let cart: Vec<Json> = profile
        .cart_lines()
        .map(|line| json!({"product_id": line.product_id.as_str(), "quantity": line.quantity}))
        .collect();
    json!({
        "id": profile.key.to_string(),
        "customer_id": profile.key.customer_id().map(CustomerId::as_str),
        "anonymous_ids": profile.anonymous_ids.iter().map(AnonymousId::as_str).collect::<Vec<_>>(),
        "traits": traits,
        "computed": computed,
        "consents": consents,
        "cart": cart,
        "segments": segments_of(app, profile),
    })
}

fn segments_of(app: &App, profile: &Profile) -> Vec<Json> {
    let program = app.program.read().unwrap_or_else(PoisonError::into_inner);
    profile
        .memberships
        .iter()
        .filter_map(|held| {
            let segment = program.segment_by_id(held.segment)?;
            Some(json!({"name": segment.name.as_str(), "entered_at": held.entered_at.to_string(), "version": held.version}))
        })
        .collect()
}

/// Lists the segments a profile is in, now or at an instant.
///
/// # Errors
/// 404 and the usual.
#[utoipa::path(get, path = "/api/profiles/{id}/segments", tag = "profiles", operation_id = "profileSegments", params(("id" = String, Path), ("at" = Option<String>, Query)), responses((status = 200), (status = 404)))]
pub async fn segments(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Answer {
    auth::require(&app, &headers, "profiles:read")?;
    let profile = load(&app, &id)?;
    let Some(at) = query.get("at") else { return Ok(ok(&json!({"segments": segments_of(&app, &profile)}))) };
    let at = instant("at", at)?;
    let past = at_instant(&app, &profile.key, at)?;
    let program = app.program.read().unwrap_or_else(PoisonError::into_inner);
    let names: Vec<Json> = past
        .memberships
        .iter()
        .filter_map(|held| program.segment_by_id(held.segment))
        .map(|segment| json!({"name": segment.name.as_str()}))
        .collect();
    Ok(ok(&json!({"segments": names, "at": at.to_string()})))
}

/// The profile as its timeline has it at an instant.
fn at_instant(app: &App, key: &ProfileKey, at: Timestamp) -> Result<Profile, Problem> {
    let program = app.program.read().unwrap_or_else(PoisonError::into_inner);
    let timeline: Vec<(Moment, Event)> = read_timeline(&*app.store, key)?;
    let mut profile = Profile::new(key.clone());
    profile.memberships = refreshed_at(app, &program, key, at)?;
    let past = timeline.into_iter().filter(|(moment, _)| moment.timestamp <= at);
    signalpost_core::step::refold(&mut profile, &program, past, at, &mut Vec::new());
    Ok(profile)
}

/// Tells why a person is, or is not, in a segment.
///
/// # Errors
/// 404 and the usual.
#[utoipa::path(get, path = "/api/profiles/{id}/explain", tag = "profiles", operation_id = "explain", params(("id" = String, Path), ("segment" = String, Query), ("at" = Option<String>, Query)), responses((status = 200), (status = 404)))]
pub async fn explain(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Answer {
    auth::require(&app, &headers, "profiles:read")?;
    let name = query.get("segment").ok_or_else(|| Problem::invalid("segment", "say which: ?segment=NAME"))?;
    let key = load(&app, &id)?.key;
    let at = query.get("at").map(|text| instant("at", text)).transpose()?.unwrap_or_else(|| app.clock.now());
    let timeline = read_timeline(&*app.store, &key)?;
    let profile = at_instant(&app, &key, at)?;
    let program = app.program.read().unwrap_or_else(PoisonError::into_inner);
    let segment = program.segment(name).ok_or_else(|| Problem::not_found("segment", name))?;
    if !segment.is_live() {
        return refreshed_explanation(&app, &profile, segment, at);
    }
    let subject = ProfileSubject { profile: &profile, program: &program };
    let explanation = segment.compiled.explain(&subject, at);
    let outcome = segment.compiled.evaluate(&subject, at);
    Ok(ok(&json!({
        "segment": name,
        "member": outcome.value == Some(true),
        "value": outcome.value,
        "horizon": horizon(outcome.horizon),
        "at": at.to_string(),
        "changes_at": changes_at(&profile, &program, segment.id, at).map(|at| at.to_string()),
        "why_not": segment.compiled.missing(&subject, at).as_ref().map(missing_json),
        "tree": explanation_json(&explanation, &timeline),
    })))
}

/// When the profile enters or leaves the segment if nothing else happens; `None`
/// when it does not within [`AHEAD`].
fn changes_at(profile: &Profile, program: &Program, segment: u32, at: Timestamp) -> Option<Timestamp> {
    let mut later = profile.clone();
    let mut actions = Vec::new();
    signalpost_core::step::advance(&mut later, program, at + AHEAD, &mut actions);
    actions.iter().find_map(|action| match action {
        Action::Membership(change) if change.segment_id == segment => Some(change.at),
        _ => None,
    })
}

/// A refreshed segment is explained by its runs: each leaf is what a query saw.
fn refreshed_explanation(app: &App, profile: &Profile, segment: &Segment, at: Timestamp) -> Answer {
    let held = profile.memberships.iter().find(|held| held.segment == segment.id);
    let last = crate::refresh::runs(app, segment.name.as_str(), 1)?.into_iter().next();
    let after = last.as_ref().map_or(segment.since, |run| run.started_at).max(at);
    let next = Some(crate::refresh::next(segment, after)).filter(|next| *next < Timestamp::MAX);
    let next = next.map(|at| at.to_string());
    Ok(ok(&json!({
        "segment": segment.name.as_str(),
        "member": held.is_some(),
        "value": held.is_some(),
        "horizon": next,
        "at": at.to_string(),
        "changes_at": null,
        "why_not": null,
        "entered_at": held.map(|held| held.entered_at.to_string()),
        "tree": {
            "text": segment.sql(),
            "value": held.is_some(),
            "horizon": next,
            "changes_at": null,
            "last_run": last.map(|run| json!({"run": run.number, "started_at": run.started_at.to_string()})),
            "events": [],
            "parts": [],
        },
    })))
}

/// What keeps somebody out: a condition, or all or any of several.
fn missing_json(missing: &Missing) -> Json {
    let each = |parts: &[Missing]| parts.iter().map(missing_json).collect::<Vec<_>>();
    match missing {
        Missing::Condition { condition, wanted, value, changes_at } => json!({
            "condition": condition,
            "wanted": wanted,
            "value": value.to_json(),
            "changes_at": changes_at.map(|at| at.to_string()),
        }),
        Missing::All(parts) => json!({"all_of": each(parts)}),
        Missing::Any(parts) => json!({"any_of": each(parts)}),
    }
}

fn horizon(at: Timestamp) -> Json {
    if at == Timestamp::MAX { Json::Null } else { Json::String(at.to_string()) }
}

/// The tree of conditions; the events behind one are named from the timeline.
fn explanation_json(explanation: &Explanation, timeline: &[(Moment, Event)]) -> Json {
    let id_of = |evidence: &Evidence| {
        let moment = Moment { timestamp: evidence.timestamp, sequence: evidence.sequence };
        timeline.iter().find(|(held, _)| *held == moment).map(|(_, event)| event.event_id.as_str().to_owned())
    };
    let events: Vec<Json> = explanation
        .events
        .iter()
        .map(|evidence| {
            json!({
                "event_id": id_of(evidence),
                "event_type": evidence.event_type,
                "timestamp": evidence.timestamp.to_string(),
            })
        })
        .collect();
    json!({
        "text": explanation.condition,
        "value": explanation.value.to_json(),
        "horizon": horizon(explanation.horizon),
        "changes_at": explanation.changes_at.map(|at| at.to_string()),
        "events": events,
        "parts": explanation.parts.iter().map(|part| explanation_json(part, timeline)).collect::<Vec<_>>(),
    })
}

#[derive(Deserialize)]
struct ConsentChange {
    purpose: String,
    granted: bool,
}

/// Sets a consent by hand.
///
/// # Errors
/// The usual.
#[utoipa::path(put, path = "/api/profiles/{id}/consent", tag = "profiles", operation_id = "putConsent", params(("id" = String, Path)), request_body(content = Object, description = "{\"purpose\": \"email\", \"granted\": false}"), responses((status = 200)))]
pub async fn consent(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    auth::require(&app, &headers, "profiles:write")?;
    let change: ConsentChange = read(&body)?;
    let profile = load(&app, &id)?.key;
    set_consent(&app, profile, &change.purpose, change.granted).await?;
    Ok(ok(&json!({"purpose": change.purpose, "granted": change.granted})))
}

/// Puts a consent decision on the log.
///
/// # Errors
/// When it cannot be made durable.
pub async fn set_consent(
    app: &App,
    profile: ProfileKey,
    purpose: &str,
    granted: bool,
) -> Result<(), Problem> {
    let partition = profile.partition(app.log.partitions());
    let body = Body::Consent { profile, purpose: purpose.into(), granted };
    app.writer.submit(Submission { records: vec![(partition, body)], ..Submission::default() }).await?;
    Ok(())
}
