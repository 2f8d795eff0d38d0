//! `/api/quarantine`: what was refused; to be seen, replayed or dropped.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use futures::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use signalpost_core::clean::{Limits, SourceSettings, parse_batch};
use signalpost_core::time::Timestamp;

use super::{Answer, ok, read, with};
use crate::app::App;
use crate::collect::Request;
use crate::collect::hooks::{self, envelope::Envelope};
use crate::log::writer::Receipt;
use crate::log::{Log, QuarantineId, Quarantined};
use crate::problem::Problem;
use crate::serve::auth;

/// Rows looked through at once.
const CHUNK: usize = 2_000;
/// Events replayed at once.
const TOGETHER: usize = 256;
/// Groups that are told apart.
const GROUPS_MAX: usize = 1_000;
/// Events of a group that are shown.
const SAMPLES: usize = 3;

#[derive(Deserialize)]
struct Chosen {
    /// Which ones; all of `reason` or `group`, or all, when empty.
    #[serde(default)]
    ids: Vec<QuarantineId>,
    reason: Option<String>,
    /// A group, as [`groups`] names it: `plan_violation/properties.price`.
    group: Option<String>,
    /// Only of this source.
    source: Option<String>,
    /// All of them.
    #[serde(default)]
    all: bool,
    /// Judge bots as people this time: they were marked wrongly.
    #[serde(default)]
    keep_bots: bool,
}

/// Lists what is in quarantine, newest last.
///
/// # Errors
/// The usual.
#[utoipa::path(get, path = "/api/quarantine", tag = "quarantine", operation_id = "listQuarantine", params(("limit" = Option<usize>, Query), ("reason" = Option<String>, Query), ("group" = Option<String>, Query), ("source" = Option<String>, Query), ("from" = Option<u64>, Query)), responses((status = 200)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Answer {
    auth::require(&app, &headers, "profiles:read")?;
    let limit = query.get("limit").and_then(|text| text.parse().ok()).unwrap_or(100).clamp(1, 10_000);
    let from = query.get("from").and_then(|text| text.parse().ok()).unwrap_or(0);
    let said = |name: &str| query.get(name).filter(|text| !text.is_empty());
    let (reason, group, source) = (said("reason"), said("group"), said("source"));
    let mut rows = Vec::new();
    each(&app, from, &mut |id, row| {
        if reason.is_none_or(|reason| **reason == *row.code)
            && group.is_none_or(|group| *group == group_of(row))
            && source.is_none_or(|source| **source == *row.source)
        {
            rows.push(to_json(id, row));
        }
        rows.len() < limit
    })?;
    Ok(ok(&json!({"quarantined": rows, "total": app.log.quarantine_len()})))
}

fn to_json(id: QuarantineId, row: &Quarantined) -> Json {
    json!({
        "id": id, "received_at": row.received_at.to_string(), "source": row.source, "code": row.code,
        "field": row.field, "message": row.message, "raw": row.raw,
    })
}

/// The group of a refused event: why, and in which field. Places in lists are one.
fn group_of(row: &Quarantined) -> String {
    let mut group = format!("{}/", row.code);
    let mut in_brackets = false;
    for letter in row.field.chars() {
        match letter {
            '[' => in_brackets = true,
            ']' => in_brackets = false,
            _ if in_brackets => continue,
            _ => {}
        }
        group.push(letter);
    }
    group
}

/// Refused events that have their reason and field in common.
#[derive(Debug)]
struct Grouped {
    events: u64,
    sources: BTreeMap<Box<str>, u64>,
    first: Timestamp,
    last: Timestamp,
    samples: Vec<Json>,
}

/// Lists what is in quarantine by reason and field, the most frequent first,
/// with a few samples of each.
///
/// # Errors
/// The usual.
#[utoipa::path(get, path = "/api/quarantine/groups", tag = "quarantine", operation_id = "quarantineGroups", params(("source" = Option<String>, Query)), responses((status = 200, description = "{groups: [{group, code, field, events, sources, first_at, last_at, samples}], total}")))]
pub async fn groups(
    State(app): State<Arc<App>>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Answer {
    auth::require(&app, &headers, "profiles:read")?;
    let source = query.get("source").filter(|source| !source.is_empty());
    let mut groups: BTreeMap<String, Grouped> = BTreeMap::new();
    each(&app, 0, &mut |id, row| {
        if source.is_none_or(|source| **source == *row.source) {
            let name = group_of(row);
            // Senders name the fields, so there may be any number of them.
            let known = groups.len() < GROUPS_MAX || groups.contains_key(&name);
            let group = groups.entry(if known { name } else { "…".to_owned() }).or_insert_with(|| Grouped {
                events: 0,
                sources: BTreeMap::new(),
                first: row.received_at,
                last: row.received_at,
                samples: Vec::new(),
            });
            group.events += 1;
            *group.sources.entry(row.source.clone()).or_default() += 1;
            group.first = group.first.min(row.received_at);
            group.last = group.last.max(row.received_at);
            if group.samples.len() < SAMPLES {
                group.samples.push(to_json(id, row));
            }
        }
        true
    })?;
    let mut groups: Vec<(String, Grouped)> = groups.into_iter().collect();
    groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.events));
    let groups: Vec<Json> = groups
        .into_iter()
        .map(|(name, group)| {
            let (code, field) = name.split_once('/').unwrap_or((&name, ""));
            json!({
                "group": name, "code": code, "field": field, "events": group.events, "sources": group.sources,
                "first_at": group.first.to_string(), "last_at": group.last.to_string(), "samples": group.samples,
            })
        })
        .collect();
    Ok(ok(&json!({"groups": groups, "total": app.log.quarantine_len()})))
}

/// Calls `see` with each quarantined event until it says no.
fn each(
    app: &App,
    from: QuarantineId,
    see: &mut dyn FnMut(QuarantineId, &Quarantined) -> bool,
) -> Result<(), Problem> {
    let mut from = from;
    loop {
        let rows = app.log.quarantined(from, CHUNK)?;
        for (id, row) in &rows {
            from = id + 1;
            if !see(*id, row) {
                return Ok(());
            }
        }
        if rows.len() < CHUNK {
            return Ok(());
        }
    }
}

fn chosen(app: &App, chosen: &Chosen) -> Result<Vec<(QuarantineId, Quarantined)>, Problem> {
    let said = chosen.reason.is_some() || chosen.group.is_some() || chosen.source.is_some();
    if chosen.ids.is_empty() && !said && !chosen.all {
        return Err(Problem::invalid(
            "ids",
            "say which: {\"ids\": [...]}, {\"reason\": \"bot\"}, {\"group\": \"bot/user_agent\"}, {\"source\": \"web\"} or {\"all\": true}",
        ));
    }
    let mut rows = Vec::new();
    each(app, 0, &mut |id, row| {
        let by_id = chosen.ids.is_empty() || chosen.ids.contains(&id);
        let by_reason = chosen.reason.as_ref().is_none_or(|reason| **reason == *row.code);
        let by_group = chosen.group.as_ref().is_none_or(|group| *group == group_of(row));
        let by_source = chosen.source.as_ref().is_none_or(|source| **source == *row.source);
        if by_id && by_reason && by_group && by_source {
            rows.push((id, row.clone()));
        }
        true
    })?;
    Ok(rows)
}

/// Sends quarantined events through cleaning again, under the rules of now.
/// Those still refused stay, under a new number. Each event is replayed once,
/// however often and by however many it is asked for: what is gone when its turn
/// comes is counted as `gone`.
///
/// # Errors
/// The usual.
#[utoipa::path(post, path = "/api/quarantine/replay", tag = "quarantine", operation_id = "replayQuarantine", request_body(content = Object, description = "{\"ids\": [...]}, {\"reason\": \"...\"}, {\"group\": \"...\"}, {\"source\": \"...\"} or {\"all\": true}; {\"keep_bots\": true} lets bots through"), responses((status = 200, description = "{accepted, duplicates, refused}")))]
pub async fn replay(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Answer {
    auth::require(&app, &headers, "admin")?;
    let wanted: Chosen = read(&body)?;
    let rows = chosen(&app, &wanted)?;
    // Several at once, in order, so that they share their syncs.
    let replayed = stream::iter(
        rows.into_iter().map(|(id, row)| replay_one(Arc::clone(&app), id, row, wanted.keep_bots)),
    );
    let receipts: Vec<Receipt> = replayed.buffered(TOGETHER).try_collect().await?;
    let sum = |count: fn(&Receipt) -> usize| receipts.iter().map(count).sum::<usize>();
    let answer = json!({
        "accepted": sum(|receipt| receipt.accepted),
        "duplicates": sum(|receipt| receipt.duplicates),
        "refused": sum(|receipt| receipt.quarantined),
    });
    let nothing = |receipt: &&Receipt| receipt.accepted + receipt.duplicates + receipt.quarantined == 0;
    let gone = receipts.iter().filter(nothing).count();
    Ok(ok(&if gone > 0 { with(answer, "gone", gone) } else { answer }))
}

/// Sends one quarantined event through cleaning, and lets go of it in the same
/// commit.
async fn replay_one(
    app: Arc<App>,
    id: QuarantineId,
    row: Quarantined,
    keep_bots: bool,
) -> Result<Receipt, Problem> {
    // Rows of files that nothing could be made of are no events now either.
    if matches!(&*row.code, "bad_row" | "bad_item") {
        return Ok(Receipt { quarantined: 1, ..Receipt::default() });
    }
    if let Some(envelope) = Envelope::read(&row.raw) {
        return hooks::replay(&app, id, &row, &envelope).await;
    }
    let source = app.source(&row.source);
    let filter_bots = source.filter_bots && !keep_bots;
    let source = Arc::new(SourceSettings { filter_bots, ..(*source).clone() });
    let elements = parse_batch(row.raw.as_bytes(), &Limits::default()).unwrap_or_default();
    if elements.is_empty() {
        return Ok(Receipt { quarantined: 1, ..Receipt::default() });
    }
    let request =
        Request { plan: app.intake.plan(), ..Request::new(row.received_at, &row.user_agent, source) };
    let sorted = crate::collect::sort(elements, &request).releasing(id);
    Ok(crate::collect::submit(&app, sorted, row.raw.len()).await?.receipt)
}

/// Drops quarantined events for good.
///
/// # Errors
/// The usual.
#[utoipa::path(post, path = "/api/quarantine/drop", tag = "quarantine", operation_id = "dropQuarantine", request_body(content = Object), responses((status = 200)))]
pub async fn discard(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Answer {
    auth::require(&app, &headers, "admin")?;
    let request: Chosen = read(&body)?;
    let released: Vec<QuarantineId> = chosen(&app, &request)?.into_iter().map(|(id, _)| id).collect();
    let dropped = released.len();
    app.writer.submit(crate::log::writer::Submission { released, ..Default::default() }).await?;
    Ok(ok(&json!({"dropped": dropped})))
}
