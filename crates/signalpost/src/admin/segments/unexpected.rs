//! `GET /api/segments/{name}/unexpected`: values of another kind than a segment
//! expects. They are null to it, as a failed cast is in SQL; here they are counted.
//!
//! Counted when asked for, over the lake and the roster: it costs events nothing,
//! and what is erased counts no longer.

use std::sync::{Arc, PoisonError};

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde_json::{Value as Json, json};
use signalpost_core::segment::{Expectation, Expected};
use signalpost_lake::{Error, LiveTables};

use super::find;
use crate::admin::{Answer, ok, sql};
use crate::app::App;
use crate::history::tables::AppTables;
use crate::problem::Problem;
use crate::serve::auth;

fn quoted(text: &str, quote: char) -> String {
    format!("{quote}{}{quote}", text.replace(quote, &format!("{quote}{quote}")))
}

/// Counts, for each property and trait the segment expects a kind of, the values
/// that are of another and count as null.
///
/// # Errors
/// 404 and the usual.
#[utoipa::path(get, path = "/api/segments/{name}/unexpected", tag = "segments", operation_id = "unexpectedValues", params(("name" = String, Path)), responses((status = 200, description = "{unexpected: [{property|trait, path, expected, events, values, unexpected, example}]}"), (status = 404)))]
pub async fn list(State(app): State<Arc<App>>, Path(name): Path<String>, headers: HeaderMap) -> Answer {
    auth::require(&app, &headers, "segments:read")?;
    find(&app, &name)?;
    let expectations = {
        let program = app.program.read().unwrap_or_else(PoisonError::into_inner);
        let segment = program.segment(&name).ok_or_else(|| Problem::not_found("segment", &name))?;
        segment.definition.expectations()
    };
    let tables = AppTables::of_now(&app);
    let mut rows = Vec::new();
    for expectation in &expectations {
        rows.push(count(&app, &tables, expectation).await.map_err(|error| sql::problem(&error))?);
    }
    let total: u64 = rows.iter().filter_map(|row| row["unexpected"].as_u64()).sum();
    Ok(ok(&json!({"segment": name, "unexpected": rows, "total": total})))
}

async fn count(app: &App, tables: &AppTables<'_>, wanted: &Expectation) -> Result<Json, Error> {
    let mut row = json!({
        (if wanted.of_events.is_some() { "property" } else { "trait" }): wanted.name,
        "path": wanted.path,
        "expected": wanted.expected.name(),
        "events": wanted.of_events,
        "values": 0,
        "unexpected": 0,
        "example": null,
    });
    let Some(query) = query(tables, wanted) else { return Ok(row) };
    let found = app.lake.sql(&query, tables.now(), tables).await?.to_json_rows()?;
    if let (Some(row), Some(found)) = (row.as_object_mut(), found.into_iter().next()) {
        row.extend(found);
    }
    Ok(row)
}

/// The query that counts; `None` where nobody has such a trait.
fn query(tables: &AppTables<'_>, wanted: &Expectation) -> Option<String> {
    let (table, value) = match &wanted.of_events {
        Some(types) => {
            let path = [&*wanted.name, &wanted.path].into_iter().filter(|part| !part.is_empty());
            // A key with a dot in it is no path; its column is read as text.
            let path = path.collect::<Vec<_>>().join(".");
            let value = if wanted.name.contains('.') {
                format!("CAST({} AS VARCHAR)", quoted(&wanted.name, '"'))
            } else {
                format!("json_text(properties, {})", quoted(&path, '\''))
            };
            let types: Vec<String> = types.iter().map(|name| quoted(name, '\'')).collect();
            let filter = if types.is_empty() {
                String::new()
            } else {
                format!(" WHERE event_type IN ({})", types.join(", "))
            };
            (format!("events{filter}"), value)
        }
        None => {
            let held = tables.table("customer_data")?;
            held.columns.iter().find(|(name, _)| **name == *wanted.name)?;
            let column = quoted(&wanted.name, '"');
            let value = if wanted.path.is_empty() {
                format!("CAST({column} AS VARCHAR)")
            } else {
                format!("json_text({column}, {})", quoted(&wanted.path, '\''))
            };
            ("customer_data".to_owned(), value)
        }
    };
    let cast = match wanted.expected {
        Expected::Number => "TRY_CAST(value AS DOUBLE)",
        Expected::Time => "TRY_CAST(value AS TIMESTAMP)",
        Expected::Truth => "TRY_CAST(value AS BOOLEAN)",
    };
    let wrong = format!("value IS NOT NULL AND {cast} IS NULL");
    Some(format!(
        "SELECT count(value) AS \"values\", count(CASE WHEN {wrong} THEN 1 END) AS \"unexpected\", \
         min(CASE WHEN {wrong} THEN left(value, 100) END) AS \"example\" FROM (SELECT {value} AS value FROM {table})"
    ))
}
