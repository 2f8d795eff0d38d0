//! `/api/plan`: the tracking plan, what it makes of the events there are, and
//! plans learnt from them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use signalpost_core::clean::plan::{Document, EventPlan, Learner, Plan};
use signalpost_core::event::Event;
use signalpost_core::time::{Span, Timestamp};
use signalpost_core::value::{Map, Value};

use super::sql::problem;
use super::{Answer, check_name, json as answer, ok, read, with};
use crate::app::App;
use crate::define::plan;
use crate::documents::Kind;
use crate::history::tables::AppTables;
use crate::problem::Problem;
use crate::serve::auth;

/// Events of one type that are looked at to learn or check, unless told.
const EVENTS_OF_TYPE: u32 = 1_000;
/// The most that can be asked for.
const EVENTS_OF_TYPE_MAX: u32 = 20_000;
/// Events looked at in all.
const EVENTS_MAX: u32 = 200_000;
/// Violations of one type that are shown.
const SHOWN: usize = 5;

/// Shows the plan, as it stands in a file, and the types of events there are:
/// planned or not, how many came in the last 30 days, how many differ.
///
/// # Errors
/// The usual.
#[utoipa::path(get, path = "/api/plan", tag = "plan", operation_id = "getPlan", responses((status = 200, description = "{plan, types: [{event_type, planned, version, mode, events_30d, last_seen, differing}]}")))]
pub async fn list(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    auth::require(&app, &headers, "segments:read")?;
    let held = app.intake.plan();
    let plan = held.document();
    let seen = seen_types(&app).await?;
    let names: BTreeSet<&String> = plan.events.keys().chain(seen.keys()).collect();
    let types = names.into_iter().map(|name| {
        let planned = plan.events.get(name);
        let (events, last_seen) = seen.get(name).cloned().unwrap_or_else(|| (json!(0), Json::Null));
        json!({
            "event_type": name,
            "planned": planned.is_some(),
            "version": planned.map(|planned| planned.version),
            "mode": planned.map(|planned| planned.mode.unwrap_or(plan.mode)),
            "events_30d": events,
            "last_seen": last_seen,
            "differing": app.hub.differing(name),
        })
    });
    let types: Vec<Json> = types.collect();
    Ok(ok(&json!({"plan": plan, "types": types})))
}

/// How many events of each type came in the last 30 days, and when the last did.
async fn seen_types(app: &App) -> Result<BTreeMap<String, (Json, Json)>, Problem> {
    let since = app.clock.now() - Span::DAY.times(30);
    let query = format!(
        "SELECT event_type, count(*) AS events, max(timestamp) AS last_seen FROM events_all \
         WHERE timestamp >= '{since}' GROUP BY event_type ORDER BY events DESC LIMIT {}",
        plan::TYPES_MAX
    );
    let seen = rows(app, &query).await?.into_iter().filter_map(|mut row| {
        let name = row.get("event_type")?.as_str()?.to_owned();
        Some((name, (row.remove("events")?, row.remove("last_seen")?)))
    });
    Ok(seen.collect())
}

/// Makes the plan the one in the body; types that it lacks are taken out.
///
/// # Errors
/// 422 with the place in the schema that cannot be understood.
#[utoipa::path(put, path = "/api/plan", tag = "plan", operation_id = "putPlan", request_body(content = Object, description = "{version, mode, unplanned, events: {TYPE: {schema, mode, description}}}"), responses((status = 200), (status = 422)))]
pub async fn import(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Answer {
    auth::require(&app, &headers, "admin")?;
    let wanted: Document = read(&body)?;
    wanted.events.keys().try_for_each(|name| check_name(name))?;
    let imported = plan::import(&app, &wanted).await?;
    Ok(ok(
        &json!({"changed": imported.changed, "removed": imported.removed, "plan": app.intake.plan().document()}),
    ))
}

/// Shows what is planned for a type of event.
///
/// # Errors
/// 404 and the usual.
#[utoipa::path(get, path = "/api/plan/{event_type}", tag = "plan", operation_id = "getEventPlan", params(("event_type" = String, Path)), responses((status = 200), (status = 404)))]
pub async fn get(State(app): State<Arc<App>>, Path(name): Path<String>, headers: HeaderMap) -> Answer {
    auth::require(&app, &headers, "segments:read")?;
    let held = app.intake.plan();
    let planned =
        held.document().events.get(&name).ok_or_else(|| Problem::not_found("planned event type", &name))?;
    Ok(ok(&shown(&name, planned)))
}

fn shown(name: &str, planned: &EventPlan) -> Json {
    with(json!(planned), "event_type", name)
}

/// Plans a type of event: the body is a JSON Schema, or `{"schema": …}` with a
/// `mode` (`warn`, `strict`) and a `description`. Each change is a new version.
///
/// # Errors
/// 422 with the place in the schema that cannot be understood.
#[utoipa::path(put, path = "/api/plan/{event_type}", tag = "plan", operation_id = "putEventPlan", params(("event_type" = String, Path)), request_body(content = Object), responses((status = 200), (status = 201), (status = 422)))]
pub async fn put(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    auth::require(&app, &headers, "admin")?;
    check_name(&name)?;
    let body: Json = read(&body)?;
    // JSON Schema knows no keyword `schema`.
    let wrapped = if body.get("schema").is_some() { body } else { json!({"schema": body}) };
    let planned: EventPlan =
        serde_json::from_value(wrapped).map_err(|error| Problem::invalid("body", error.to_string()))?;
    let (version, is_new) = plan::put(&app, &name, &planned).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(answer(status, &shown(&name, &EventPlan { version, ..planned })))
}

/// Takes a type of event out of the plan.
///
/// # Errors
/// 404 and the usual.
#[utoipa::path(delete, path = "/api/plan/{event_type}", tag = "plan", operation_id = "deleteEventPlan", params(("event_type" = String, Path)), responses((status = 204), (status = 404)))]
pub async fn delete(State(app): State<Arc<App>>, Path(name): Path<String>, headers: HeaderMap) -> Answer {
    auth::require(&app, &headers, "admin")?;
    if plan::remove(&app, &name).await? {
        return Ok(answer(StatusCode::NO_CONTENT, &Json::Null));
    }
    Err(Problem::not_found("planned event type", &name))
}

/// Lists every version of what is planned for a type, oldest first.
///
/// # Errors
/// 404 and the usual.
#[utoipa::path(get, path = "/api/plan/{event_type}/versions", tag = "plan", operation_id = "eventPlanVersions", params(("event_type" = String, Path)), responses((status = 200), (status = 404)))]
pub async fn versions(State(app): State<Arc<App>>, Path(name): Path<String>, headers: HeaderMap) -> Answer {
    auth::require(&app, &headers, "segments:read")?;
    let documents = app.documents.versions(Kind::Plan, &name)?;
    if documents.is_empty() {
        return Err(Problem::not_found("planned event type", &name));
    }
    let versions: Vec<Json> = documents
        .iter()
        .map(|document| {
            json!({"version": document.version, "at": document.at.to_string(), "deleted": document.content.is_none(), "planned": document.json()})
        })
        .collect();
    Ok(ok(&json!({"event_type": name, "versions": versions})))
}

/// Which events are looked at.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Sample {
    /// Of the last so many days. Default 30.
    days: Option<u32>,
    /// At most so many of each type, the newest. Default 1,000.
    events: Option<u32>,
    /// Only of this type.
    event_type: Option<String>,
    /// For a check: the plan; else the one in force.
    plan: Option<Document>,
}

/// Learns a plan from the newest events of each type: a draft to be corrected.
///
/// # Errors
/// The usual.
#[utoipa::path(post, path = "/api/plan-learn", tag = "plan", operation_id = "learnPlan", request_body(content = Object, description = "{days, events, event_type}: which events, of each type the newest"), responses((status = 200, description = "{plan, events: {TYPE: how many}}")))]
pub async fn learn(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Answer {
    auth::require(&app, &headers, "profiles:read")?;
    let sample: Sample = read(&body)?;
    let mut learner = Learner::default();
    for event in sampled(&app, &sample).await? {
        learner.observe(&event);
    }
    let counts: BTreeMap<&str, u64> = learner.counts().collect();
    Ok(ok(&json!({"plan": learner.finish(), "events": counts})))
}

/// Holds the newest events of each type against a plan.
///
/// # Errors
/// 422 when the plan cannot be understood.
#[utoipa::path(post, path = "/api/plan-check", tag = "plan", operation_id = "checkPlan", request_body(content = Object, description = "{plan, days, events, event_type}: the plan (else the one in force), and which events"), responses((status = 200, description = "{types: [{event_type, planned, checked, differing, violations}]}"), (status = 422)))]
pub async fn check(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Answer {
    auth::require(&app, &headers, "profiles:read")?;
    let mut sample: Sample = read(&body)?;
    let plan = match sample.plan.take() {
        Some(document) => Arc::new(Plan::compile(document).map_err(|error| plan::refused(&error))?),
        None => app.intake.plan(),
    };
    let mut found: BTreeMap<Box<str>, Checked> = BTreeMap::new();
    for event in sampled(&app, &sample).await? {
        let checked = found.entry(event.event_type.clone()).or_default();
        let outcome = plan.check(&event);
        checked.events += 1;
        checked.planned = plan.document().events.contains_key(&*event.event_type);
        if outcome.problems.is_empty() {
            continue;
        }
        checked.differing += 1;
        for problem in outcome.problems {
            let known = checked.violations.len() < 200 || checked.violations.contains_key(&problem.field);
            let (count, shown) = match known {
                true => checked.violations.entry(problem.field).or_default(),
                false => continue,
            };
            *count += 1;
            if shown.is_none() {
                *shown = Some(json!({"event_id": event.event_id.as_str(), "message": problem.message}));
            }
        }
    }
    let types: Vec<Json> = found.into_iter().map(|(name, checked)| checked.to_json(&name)).collect();
    Ok(ok(&json!({"types": types})))
}

/// What a check found of one type.
#[derive(Debug, Default)]
struct Checked {
    planned: bool,
    events: u64,
    differing: u64,
    /// How often each field differs, and the first time.
    violations: BTreeMap<String, (u64, Option<Json>)>,
}

impl Checked {
    fn to_json(&self, event_type: &str) -> Json {
        let mut violations: Vec<(&String, &(u64, Option<Json>))> = self.violations.iter().collect();
        violations.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        let violations: Vec<Json> = violations
            .into_iter()
            .take(SHOWN)
            .map(|(field, (count, first))| json!({"field": field, "events": count, "first": first}))
            .collect();
        json!({"event_type": event_type, "planned": self.planned, "checked": self.events, "differing": self.differing, "violations": violations})
    }
}

async fn rows(app: &App, query: &str) -> Result<Vec<serde_json::Map<String, Json>>, Problem> {
    let now = app.clock.now();
    let tables = AppTables::new(app, now);
    let found = app.lake.sql(query, now, &tables).await.map_err(|error| problem(&error))?;
    found.to_json_rows().map_err(|error| problem(&error))
}

/// The newest events of each type, as cleaning left them.
async fn sampled(app: &App, sample: &Sample) -> Result<Vec<Event>, Problem> {
    let since = app.clock.now() - Span::DAY.times(i64::from(sample.days.unwrap_or(30)));
    let each = sample.events.unwrap_or(EVENTS_OF_TYPE).clamp(1, EVENTS_OF_TYPE_MAX);
    let only =
        sample.event_type.as_deref().map(|name| format!(" AND event_type = '{}'", name.replace('\'', "''")));
    let columns = "event_id, event_type, raw_customer_id, anonymous_id, product_id, source, timestamp, properties, traits, context";
    let query = format!(
        "SELECT {columns} FROM (SELECT {columns}, row_number() OVER (PARTITION BY event_type ORDER BY timestamp DESC) AS newest \
         FROM events WHERE timestamp >= '{since}'{}) WHERE newest <= {each} LIMIT {EVENTS_MAX}",
        only.unwrap_or_default()
    );
    Ok(rows(app, &query).await?.iter().map(event_of).collect())
}

/// An event out of its row.
fn event_of(row: &serde_json::Map<String, Json>) -> Event {
    let text = |name: &str| row.get(name).and_then(Json::as_str);
    let map = |name: &str| -> Map {
        let json = text(name).and_then(|text| serde_json::from_str::<Json>(text).ok());
        match json.map(Value::from) {
            Some(Value::Map(map)) => map,
            _ => Map::new(),
        }
    };
    let timestamp = text("timestamp").and_then(Timestamp::parse).unwrap_or_default();
    Event {
        event_id: text("event_id").unwrap_or_default().into(),
        event_type: text("event_type").unwrap_or_default().into(),
        customer_id: text("raw_customer_id").map(Into::into),
        anonymous_id: text("anonymous_id").map(Into::into),
        timestamp,
        received_at: timestamp,
        product_id: text("product_id").map(Into::into),
        properties: map("properties"),
        traits: map("traits"),
        context: map("context"),
        source: text("source").unwrap_or_default().into(),
    }
}
