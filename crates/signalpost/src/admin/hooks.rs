//! `/api/hooks`: which webhooks of other systems are taken, and what they mean.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value as Json, json};
use signalpost_core::hook::known;

use super::{Answer, check_name, json as answer, ok, read};
use crate::app::App;
use crate::collect::hooks::definition::{Error, Hook, describe, with_secrets_of};
use crate::documents::{Document, Kind};
use crate::problem::Problem;
use crate::serve::auth;

fn shown(app: &App, document: &Document) -> Json {
    let settings = describe(&document.json());
    let url = format!("{}/hooks/{}", app.settings.public_url(), crate::cli::client::encode(&document.name));
    json!({"name": document.name, "version": document.version, "at": document.at.to_string(), "url": url, "settings": settings})
}

/// Lists the hooks; secrets are never shown.
///
/// # Errors
/// The usual.
#[utoipa::path(get, path = "/api/hooks", tag = "collect", operation_id = "listHooks", responses((status = 200)))]
pub async fn list(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    auth::require(&app, &headers, "admin")?;
    let hooks: Vec<Json> = app.documents.list(Kind::Hook)?.iter().map(|hook| shown(&app, hook)).collect();
    Ok(ok(&json!({"hooks": hooks})))
}

/// Reads a hook, and the mapping in force for it; secrets are never shown.
///
/// # Errors
/// 404 and the usual.
#[utoipa::path(get, path = "/api/hooks/{name}", tag = "collect", operation_id = "getHook", params(("name" = String, Path)), responses((status = 200), (status = 404)))]
pub async fn get(State(app): State<Arc<App>>, Path(name): Path<String>, headers: HeaderMap) -> Answer {
    auth::require(&app, &headers, "admin")?;
    let document = app.documents.get(Kind::Hook, &name)?.ok_or_else(|| Problem::not_found("hook", &name))?;
    let content = document.json();
    let own = content.get("mapping").filter(|mapping| !mapping.is_null()).cloned();
    let kind = content.get("kind").and_then(Json::as_str).unwrap_or_default();
    let usual = || known::mapping(kind).and_then(|text| serde_json::from_str(text).ok());
    let mapping: Option<Json> = own.or_else(usual);
    let mut shown = shown(&app, &document);
    if let Some(object) = shown.as_object_mut() {
        object.insert("mapping".to_owned(), json!(mapping));
    }
    Ok(ok(&shown))
}

/// Defines a hook: `{"kind": "shopify" | "hubspot" | "salesforce" |
/// "standard_webhooks" | "json", "secret": …, "mapping": {…}}`.
///
/// # Errors
/// 422 naming what is wrong; for the mapping, `at` points into it.
#[utoipa::path(put, path = "/api/hooks/{name}", tag = "collect", operation_id = "putHook", params(("name" = String, Path)), request_body(content = Object), responses((status = 200), (status = 201), (status = 422)))]
pub async fn put(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    auth::require(&app, &headers, "admin")?;
    check_name(&name)?;
    let definition: Json = read(&body)?;
    let before = app.documents.get(Kind::Hook, &name)?;
    let definition = match &before {
        Some(before) => with_secrets_of(definition, &before.json()),
        None => definition,
    };
    Hook::from_json(&name, &definition).map_err(|error| refused(&error))?;
    let document = app.documents.put(Kind::Hook, &name, &definition, app.clock.now())?;
    app.hooks.reload(&app.documents)?;
    let status = if before.is_none() { StatusCode::CREATED } else { StatusCode::OK };
    Ok(answer(status, &shown(&app, &document)))
}

fn refused(error: &Error) -> Problem {
    match error {
        Error::Mapping(inner) => Problem::invalid("mapping", inner.to_string()).with("at", inner.at.clone()),
        Error::Setting { field, .. } => Problem::invalid(field, error.to_string()),
        Error::Settings(_) => Problem::invalid("settings", error.to_string()),
    }
}

/// Ends a hook: its sender is told 404 from now on.
///
/// # Errors
/// 404 and the usual.
#[utoipa::path(delete, path = "/api/hooks/{name}", tag = "collect", operation_id = "deleteHook", params(("name" = String, Path)), responses((status = 200), (status = 404)))]
pub async fn delete(State(app): State<Arc<App>>, Path(name): Path<String>, headers: HeaderMap) -> Answer {
    auth::require(&app, &headers, "admin")?;
    if app.documents.get(Kind::Hook, &name)?.is_none() {
        return Err(Problem::not_found("hook", &name));
    }
    app.documents.delete(Kind::Hook, &name, app.clock.now())?;
    app.hooks.reload(&app.documents)?;
    Ok(ok(&json!({"deleted": name})))
}
