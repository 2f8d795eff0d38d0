//! `POST /api/sql`: read-only SQL over everything.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use serde::Deserialize;
use serde_json::json;
use signalpost_lake::Error;

use super::{Answer, ok, read};
use crate::app::App;
use crate::history::tables::AppTables;
use crate::problem::Problem;
use crate::serve::auth;

#[derive(Deserialize)]
struct Query {
    sql: String,
    at: Option<String>,
}

/// Runs a query. Rows as JSON objects, or CSV, Parquet or Arrow by `Accept`.
///
/// # Errors
/// 422 for a query that is refused or fails.
#[utoipa::path(post, path = "/api/sql", tag = "sql", operation_id = "sql", request_body(content = Object, description = "{\"sql\": \"SELECT ...\"}"), responses((status = 200, description = "{columns, rows}"), (status = 422)))]
pub async fn run(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Answer {
    auth::require(&app, &headers, "profiles:read")?;
    let query: Query = read(&body)?;
    let tables = match &query.at {
        Some(at) => AppTables::new(&app, super::instant("at", at)?),
        None => AppTables::of_now(&app),
    };
    let rows = app.lake.sql(&query.sql, tables.now(), &tables).await.map_err(|error| problem(&error))?;
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let typed = |kind: &'static str, bytes: Vec<u8>| {
        (StatusCode::OK, [(header::CONTENT_TYPE, kind)], bytes).into_response()
    };
    let failed = |error: Error| problem(&error);
    if accept.contains("text/csv") {
        return Ok(typed("text/csv", rows.to_csv().map_err(failed)?.into_bytes()));
    }
    if accept.contains("parquet") {
        return Ok(typed("application/vnd.apache.parquet", rows.to_parquet().map_err(failed)?));
    }
    if accept.contains("arrow") {
        return Ok(typed("application/vnd.apache.arrow.stream", rows.to_arrow_ipc().map_err(failed)?));
    }
    if accept.contains("text/plain") {
        return Ok(typed("text/plain; charset=utf-8", rows.to_table_text().map_err(failed)?.into_bytes()));
    }
    let columns: Vec<_> =
        rows.columns().iter().map(|(name, kind)| json!({"name": name, "type": kind})).collect();
    Ok(ok(
        &json!({"columns": columns, "rows": rows.to_json_rows().map_err(failed)?, "truncated": rows.is_truncated()}),
    ))
}

/// A failed query as a problem document.
pub fn problem(error: &Error) -> Problem {
    let document = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "sql", error.to_string());
    match error {
        Error::Sql(sql) => {
            let document = document.with("hint", sql.hint.clone());
            match sql.at {
                Some(at) => document.with("line", at.line).with("column", at.column),
                None => document,
            }
        }
        _ => document,
    }
}
