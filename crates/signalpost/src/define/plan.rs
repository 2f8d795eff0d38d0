//! The tracking plan as documents: one a type of event, so that each has its own
//! versions, and one for what holds for all of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::{Value as Json, json};
use signalpost_core::clean::plan::{Document as PlanDocument, Error, EventPlan, Plan};

use crate::app::{App, AppStore};
use crate::documents::{Documents, Kind};
use crate::problem::Problem;

/// The name of the document with what holds for all types.
const SHARED: &str = "tracking_plan";
/// Types of events that can be planned.
pub const TYPES_MAX: usize = 2_000;

/// What an import of a plan changed.
#[derive(Clone, Debug, Default)]
pub struct Imported {
    /// Types that are new or differ.
    pub changed: Vec<String>,
    /// Types that the plan no longer has.
    pub removed: Vec<String>,
}

/// Reads the plan.
///
/// # Errors
/// When the store fails, or holds a plan that cannot be read.
pub fn load(documents: &Documents<AppStore>) -> anyhow::Result<Plan> {
    let shared = documents.get(Kind::Meta, SHARED)?;
    let mut plan: PlanDocument =
        shared.map(|shared| serde_json::from_value(shared.json())).transpose()?.unwrap_or_default();
    plan.version = shared_version(documents)?;
    for document in documents.list(Kind::Plan)? {
        let mut planned: EventPlan = serde_json::from_value(document.json())?;
        planned.version = document.version;
        plan.events.insert(document.name, planned);
    }
    Ok(Plan::compile(plan)?)
}

/// How often what holds for all types was set, from 1.
fn shared_version(documents: &Documents<AppStore>) -> anyhow::Result<u32> {
    Ok(documents.versions(Kind::Meta, SHARED)?.last().map_or(1, |shared| shared.version))
}

/// Plans one type. `true` when it is new.
///
/// # Errors
/// 422 with the place in the schema that cannot be understood.
pub async fn put(app: &Arc<App>, event_type: &str, planned: &EventPlan) -> Result<(u32, bool), Problem> {
    let _one = app.defining.lock().await;
    let alone = PlanDocument {
        events: BTreeMap::from([(event_type.to_owned(), planned.clone())]),
        ..PlanDocument::default()
    };
    Plan::compile(alone).map_err(|error| refused(&error))?;
    let is_new = app.documents.get(Kind::Plan, event_type)?.is_none();
    if is_new && app.intake.plan().document().events.len() >= TYPES_MAX {
        return Err(Problem::invalid(
            "event_type",
            format!("the plan has {TYPES_MAX} types, which is the most"),
        ));
    }
    let document = app.documents.put(Kind::Plan, event_type, &content(planned), app.clock.now())?;
    take_effect(app)?;
    Ok((document.version, is_new))
}

/// Takes one type out of the plan. `false` when it is not there.
///
/// # Errors
/// When the store fails.
pub async fn remove(app: &Arc<App>, event_type: &str) -> Result<bool, Problem> {
    let _one = app.defining.lock().await;
    if app.documents.get(Kind::Plan, event_type)?.is_none() {
        return Ok(false);
    }
    app.documents.delete(Kind::Plan, event_type, app.clock.now())?;
    take_effect(app)?;
    Ok(true)
}

/// Makes the plan this one. A type that is the same keeps its version.
///
/// # Errors
/// 422 when it cannot be understood: then nothing of it is taken.
pub async fn import(app: &Arc<App>, plan: &PlanDocument) -> Result<Imported, Problem> {
    let _one = app.defining.lock().await;
    if plan.events.len() > TYPES_MAX {
        return Err(Problem::invalid(
            "events",
            format!("{} types; at most {TYPES_MAX} are planned", plan.events.len()),
        ));
    }
    Plan::compile(plan.clone()).map_err(|error| refused(&error))?;
    let held = app.intake.plan();
    let held = held.document();
    let now = app.clock.now();
    let mut imported = Imported::default();
    let changed: Vec<(String, Json)> = plan
        .events
        .iter()
        .filter(|(name, planned)| held.events.get(*name).map(content) != Some(content(planned)))
        .map(|(name, planned)| (name.clone(), content(planned)))
        .collect();
    app.documents.put_all(Kind::Plan, &changed, now)?;
    imported.changed = changed.into_iter().map(|(name, _)| name).collect();
    for name in held.events.keys().filter(|name| !plan.events.contains_key(*name)) {
        app.documents.delete(Kind::Plan, name, now)?;
        imported.removed.push(name.clone());
    }
    if (held.mode, held.unplanned) != (plan.mode, plan.unplanned) {
        app.documents.put(
            Kind::Meta,
            SHARED,
            &json!({"mode": plan.mode, "unplanned": plan.unplanned}),
            now,
        )?;
    }
    take_effect(app)?;
    Ok(imported)
}

/// What is kept of a type: its version is the document's.
fn content(planned: &EventPlan) -> Json {
    let kept = EventPlan { version: 1, ..planned.clone() };
    let mut content = json!(kept);
    if let Some(content) = content.as_object_mut() {
        content.remove("version");
    }
    content
}

fn take_effect(app: &App) -> Result<(), Problem> {
    let plan = load(&app.documents).map_err(|error| Problem::invalid("plan", error.to_string()))?;
    app.intake.set_plan(plan);
    Ok(())
}

/// A plan that cannot be understood, as a problem document.
pub fn refused(error: &Error) -> Problem {
    let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "refused", error.to_string());
    match error {
        Error::Document { .. } => problem,
        Error::Schema { event_type, at, .. } => {
            problem.with("event_type", event_type.clone()).with("pointer", at.clone())
        }
    }
}
