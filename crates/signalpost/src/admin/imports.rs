//! `/api/imports`: how far files were imported, and their rows that nothing
//! could be made of.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::json;
use signalpost_core::time::Timestamp;

use super::{Answer, ok, read};
use crate::app::App;
use crate::collect::idempotency;
use crate::log::Quarantined;
use crate::log::writer::Submission;
use crate::problem::Problem;
use crate::serve::auth;
use crate::state::{self, Batch, Store, Table};

/// Imports shown in a list.
const LISTED_MAX: usize = 1_000;

/// How far a file was imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Import {
    /// The file's name.
    file: String,
    /// What its rows became: events, profiles, catalog.
    kind: String,
    /// The how-manieth import of it, from 0.
    run: u32,
    /// Rows done with.
    rows: u64,
    /// Those rows' content as a number, hex.
    chain: String,
    /// Whether the file ended there.
    complete: bool,
    accepted: u64,
    duplicates: u64,
    quarantined: u64,
    /// When this was said.
    #[serde(default)]
    updated_at: Timestamp,
}

/// Lists the files that were imported, and how far.
///
/// # Errors
/// The usual.
#[utoipa::path(get, path = "/api/imports", tag = "import", operation_id = "listImports", responses((status = 200, description = "{imports}")))]
pub async fn list(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    auth::require(&app, &headers, "profiles:write")?;
    let rows = app.store.scan(Table::Imports, &[], None, LISTED_MAX)?;
    let mut imports = Vec::with_capacity(rows.len());
    for (id, value) in rows {
        imports.push(shown(&String::from_utf8_lossy(&id), &state::decode(Table::Imports, &value)?));
    }
    Ok(ok(&json!({"imports": imports})))
}

/// How far a file was imported.
///
/// # Errors
/// 404 for one that was not.
#[utoipa::path(get, path = "/api/imports/{id}", tag = "import", operation_id = "getImport",
    params(("id" = String, Path, description = "32 hexadecimal digits, made of the file's beginning and name")),
    responses((status = 200, description = "{id, file, kind, run, rows, chain, complete, accepted, duplicates, quarantined, updated_at}"), (status = 404, description = "Nothing of it was imported")))]
pub async fn get(State(app): State<Arc<App>>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    auth::require(&app, &headers, "profiles:write")?;
    match app.store.get(Table::Imports, id.as_bytes())? {
        Some(value) => Ok(ok(&shown(&id, &state::decode(Table::Imports, &value)?))),
        None => Err(Problem::not_found("import", &id)),
    }
}

/// Keeps how far a file was imported, durably.
///
/// # Errors
/// 422 for an id or a position that makes no sense.
#[utoipa::path(put, path = "/api/imports/{id}", tag = "import", operation_id = "putImport",
    params(("id" = String, Path, description = "32 hexadecimal digits")),
    request_body(content = Object, description = "{file, kind, run, rows, chain, complete, accepted, duplicates, quarantined}"),
    responses((status = 200, description = "The position as kept"), (status = 422, description = "No such id or position")))]
pub async fn put(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    auth::require(&app, &headers, "profiles:write")?;
    if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Problem::invalid("id", "an import's id has 32 hexadecimal digits"));
    }
    let import = Import { updated_at: app.clock.now(), ..read(&body)? };
    let too_long = [&import.file, &import.kind, &import.chain].iter().any(|text| text.len() > 1_024);
    if too_long {
        return Err(Problem::invalid("file", "file, kind and chain have at most 1024 bytes each"));
    }
    let mut batch = Batch::default();
    batch.put(Table::Imports, id.clone().into_bytes(), state::encode(&import));
    app.store.commit(batch)?;
    app.store.sync()?;
    Ok(ok(&shown(&id, &import)))
}

fn shown(id: &str, import: &Import) -> serde_json::Value {
    json!({
        "id": id, "file": import.file, "kind": import.kind, "run": import.run, "rows": import.rows,
        "chain": import.chain, "complete": import.complete, "accepted": import.accepted,
        "duplicates": import.duplicates, "quarantined": import.quarantined,
        "updated_at": import.updated_at.to_string(),
    })
}

#[derive(Deserialize)]
struct Refused {
    /// The file they stood in.
    file: String,
    rows: Vec<RefusedRow>,
}

#[derive(Deserialize)]
struct RefusedRow {
    /// `bad_row` or `bad_item`.
    code: String,
    message: String,
    /// The line it begins on.
    line: u64,
    /// The row as it stood.
    raw: String,
}

/// Puts rows of a file into quarantine that nothing could be made of.
///
/// # Errors
/// 422 for a body of another form, 429 and 503 as for events.
#[utoipa::path(post, path = "/api/imports/refused", tag = "import", operation_id = "postRefusedRows",
    params(("Idempotency-Key" = Option<String>, Header, description = "Rows sent again with this key are not taken again")),
    request_body(content = Object, description = "{file, rows: [{code: bad_row or bad_item, message, line, raw}]}"),
    responses((status = 200, description = "{quarantined, duplicates}"), (status = 422, description = "Of another form"),
        (status = 429, description = "Too much waits; see Retry-After"), (status = 503, description = "Cannot be made durable now")))]
pub async fn refused(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Answer {
    let key = auth::require(&app, &headers, "profiles:write")?;
    let refused: Refused = read(&body)?;
    let received_at = app.clock.now();
    let row = |row: RefusedRow| Quarantined {
        received_at,
        source: key.source.as_str().into(),
        code: if row.code == "bad_item" { "bad_item" } else { "bad_row" }.into(),
        field: "".into(),
        message: format!("{} line {}: {}", refused.file, row.line, row.message).into(),
        raw: row.raw.into(),
        user_agent: "".into(),
    };
    let quarantined: Vec<Quarantined> = refused.rows.into_iter().map(row).collect();
    let reasons: Vec<Box<str>> = quarantined.iter().map(|row| row.code.clone()).collect();
    let request = idempotency(&headers, &key.source)?;
    let submission = Submission { quarantined, request, bytes: body.len(), ..Submission::default() };
    let receipt = app.writer.submit(submission).await?;
    if receipt.quarantined > 0 {
        reasons.iter().for_each(|reason| app.hub.count_refusal(reason));
    }
    Ok(ok(&json!({"quarantined": receipt.quarantined, "duplicates": receipt.duplicates})))
}
