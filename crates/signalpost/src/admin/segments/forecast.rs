//! `GET /api/segments/{name}/forecast`: who enters and leaves by the clock alone.
//!
//! The profiles whose timer goes off until then are brought forward, each on a
//! copy, as the clock will bring them if nothing else happens.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use signalpost_core::step::{self, Action};
use signalpost_core::time::{Span, Timestamp};

use super::{blocking, find};
use crate::admin::{Answer, ok, profiles};
use crate::app::App;
use crate::log::Log;
use crate::problem::Problem;
use crate::serve::auth;
use crate::{clock, worker};

/// The furthest that is looked ahead.
const HOURS_MAX: u32 = 24 * 31;
/// The longest a forecast may take.
const TIME_MAX: Duration = Duration::from_secs(30);

/// What is asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    hours: Option<u32>,
}

struct Forecast {
    hours: Vec<(u64, u64)>,
    complete: bool,
}

/// Forecasts who enters and leaves by the clock, hour by hour.
///
/// # Errors
/// 404 and the usual.
#[utoipa::path(get, path = "/api/segments/{name}/forecast", tag = "segments", operation_id = "forecastSegment", params(("name" = String, Path), ("hours" = Option<u32>, Query, description = "24 when absent, 744 at most")), responses((status = 200, description = "{hours: [{from, entering, leaving}], entering, leaving, complete}"), (status = 404)))]
pub async fn forecast(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Answer {
    auth::require(&app, &headers, "segments:read")?;
    find(&app, &name)?;
    let hours = asked.hours.unwrap_or(24).clamp(1, HOURS_MAX);
    let from = app.clock.now();
    let (task_app, task_name) = (Arc::clone(&app), name.clone());
    let until = clock::instant() + TIME_MAX;
    let found = blocking(move || look_ahead(&task_app, &task_name, from, hours, until)).await??;
    let rows: Vec<Json> = (0_i64..)
        .zip(&found.hours)
        .map(|(hour, (entering, leaving))| {
            let start = from + Span::HOUR.times(hour);
            json!({"from": start.to_string(), "entering": entering, "leaving": leaving})
        })
        .collect();
    Ok(ok(&json!({
        "segment": name,
        "from": from.to_string(),
        "hours": rows,
        "entering": found.hours.iter().map(|(entering, _)| entering).sum::<u64>(),
        "leaving": found.hours.iter().map(|(_, leaving)| leaving).sum::<u64>(),
        "complete": found.complete,
    })))
}

fn look_ahead(
    app: &App,
    name: &str,
    from: Timestamp,
    hours: u32,
    until: Instant,
) -> Result<Forecast, Problem> {
    let to = from + Span::HOUR.times(i64::from(hours));
    let mut found = Forecast { hours: vec![(0, 0); hours as usize], complete: true };
    // The program is held no longer than a profile takes: writers wait for it.
    for partition in 0..app.log.partitions() {
        for key in worker::due_until(&*app.store, partition, to, usize::MAX)? {
            if clock::instant() >= until {
                found.complete = false;
                return Ok(found);
            }
            let Some(mut profile) = profiles::load_key(app, &key)? else { continue };
            if profile.key.customer_id().is_none() {
                continue;
            }
            let program = app.program.read().unwrap_or_else(PoisonError::into_inner);
            if profile.program_version != program.version {
                // Its rows may not be those that the newest definitions need.
                found.complete = false;
                continue;
            }
            let mut actions = Vec::new();
            step::advance(&mut profile, &program, to, &mut actions);
            for action in &actions {
                if let Action::Membership(change) = action
                    && change.segment.as_str() == name
                    && change.at >= from
                {
                    count(&mut found.hours, change.at - from, change.entered);
                }
            }
        }
    }
    Ok(found)
}

fn count(hours: &mut [(u64, u64)], after: Span, entered: bool) {
    let hour = usize::try_from(after.as_micros() / Span::HOUR.as_micros()).unwrap_or(usize::MAX);
    let last = hours.len().saturating_sub(1);
    if let Some((entering, leaving)) = hours.get_mut(hour.min(last)) {
        *(if entered { entering } else { leaving }) += 1;
    }
}
