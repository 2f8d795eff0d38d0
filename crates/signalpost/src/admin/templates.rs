//! `/api/templates`: what is written to people.

#![expect(clippy::indexing_slicing, reason = "indexing JSON by name gives null where there is nothing")]

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use signalpost_template::{CompileOptions, Language, PartialSources, RenderOptions, Template};

use super::{Answer, check_name, json as answer, ok, read};
use crate::app::App;
use crate::content::template::{Definition, LanguageName, MailTemplate, TemplateError};
use crate::documents::{Document, Kind};
use crate::problem::Problem;
use crate::serve::auth;

fn refused(error: &TemplateError) -> Problem {
    let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "template", error.to_string());
    match error.position() {
        Some((line, column)) => problem.with("line", line).with("column", column),
        None => problem,
    }
}

fn shown(document: &Document) -> Json {
    json!({"name": document.name, "version": document.version, "at": document.at.to_string(), "definition": document.json()})
}

/// Lists the templates.
///
/// # Errors
/// The usual.
#[utoipa::path(get, path = "/api/templates", tag = "content", operation_id = "listTemplates", responses((status = 200)))]
pub async fn list(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    auth::require(&app, &headers, "content:read")?;
    let templates: Vec<Json> = app.documents.list(Kind::Template)?.iter().map(shown).collect();
    Ok(ok(&json!({"templates": templates})))
}

/// Defines a template; each change is a new version.
///
/// # Errors
/// 422 with line and column when it does not compile.
#[utoipa::path(put, path = "/api/templates/{name}", tag = "content", operation_id = "putTemplate", params(("name" = String, Path)), request_body(content = Object, description = "{language, format, subject, preheader, body, text}"), responses((status = 200), (status = 201), (status = 422)))]
pub async fn put(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    auth::require(&app, &headers, "content:write")?;
    check_name(&name)?;
    let definition: Definition = read(&body)?;
    let compiled = MailTemplate::compile(&name, &definition).map_err(|error| refused(&error))?;
    let content =
        serde_json::to_value(&definition).map_err(|error| Problem::invalid("body", error.to_string()))?;
    let document = app.documents.put(Kind::Template, &name, &content, app.clock.now())?;
    let status = if document.version == 1 { StatusCode::CREATED } else { StatusCode::OK };
    let mut shown = shown(&document);
    shown["reads"] = json!(compiled.names());
    Ok(answer(status, &shown))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RenderRequest {
    /// For this person's data.
    profile: Option<String>,
    /// Or for this data.
    data: Option<Json>,
    /// The recommendation strategy.
    recommend: Option<String>,
}

/// Renders a stored template for a profile, or for sample data.
///
/// # Errors
/// 404, and 422 when it fails.
#[utoipa::path(post, path = "/api/templates/{name}/render", tag = "content", operation_id = "renderTemplate", params(("name" = String, Path)), request_body(content = Object, description = "{\"profile\": ID} or {\"data\": {...}}"), responses((status = 200), (status = 404), (status = 422)))]
pub async fn render(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    auth::require(&app, &headers, "content:read")?;
    let request: RenderRequest = read(&body)?;
    if app.documents.get(Kind::Template, &name)?.is_none() {
        return Err(Problem::not_found("template", &name));
    }
    let data = match (&request.profile, request.data) {
        (Some(id), _) => {
            let profile = super::profiles::load(&app, id)?;
            app.content.data(&profile, request.recommend.as_deref(), Json::Null, "")
        }
        (None, Some(data)) => data,
        (None, None) => {
            return Err(Problem::invalid("profile", "say for whom: {\"profile\": ID} or {\"data\": {...}}"));
        }
    };
    let mail = tokio::task::spawn_blocking(move || {
        let template = app.content.template(&name)?;
        app.content.render(&template, &data)
    })
    .await
    .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", error.to_string()))?
    .map_err(|error| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "template", error))?;
    Ok(ok(&json!({
        "subject": mail.subject, "preheader": mail.preheader, "html": mail.html, "text": mail.text, "undefined": mail.undefined,
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckRequest {
    #[serde(default)]
    language: LanguageName,
    body: String,
    #[serde(default)]
    data: Json,
    #[serde(default)]
    partials: HashMap<String, String>,
    /// Whether to render it too.
    #[serde(default)]
    render: bool,
    /// Whether Liquid escapes HTML; not by default here, since this checks the language.
    #[serde(default)]
    auto_escape: bool,
}

/// Checks a template, and renders it when asked.
///
/// # Errors
/// 422 with the problems, for a template that must be refused.
#[utoipa::path(post, path = "/api/templates/check", tag = "content", operation_id = "checkTemplate", request_body(content = Object, description = "{language, body, data, partials, render}"), responses((status = 200, description = "{output, problems}"), (status = 422)))]
pub async fn check(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Answer {
    auth::require(&app, &headers, "content:read")?;
    let request: CheckRequest = read(&body)?;
    let now = app.clock.now();
    tokio::task::spawn_blocking(move || check_now(request, now))
        .await
        .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", error.to_string()))?
}

fn check_now(request: CheckRequest, now: signalpost_core::time::Timestamp) -> Answer {
    let language: Language = request.language.into();
    let options = CompileOptions { auto_escape: request.auto_escape, ..CompileOptions::default() };
    let partials = PartialSources::new(language, request.partials, &options);
    let problem = |error: &signalpost_template::Error| json!({"line": error.line, "column": error.column, "message": error.message, "hint": error.hint, "text": error.to_string()});
    let refused = |error: &signalpost_template::Error| {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "template", error.to_string())
            .with("line", error.line)
            .with("column", error.column)
            .with("output", Json::Null)
            .with("problems", json!([problem(error)]))
    };
    let template =
        Template::compile(language, "template", &request.body, &options).map_err(|error| refused(&error))?;
    if !request.render {
        return Ok(ok(&json!({"output": null, "problems": [], "reads": template.names()})));
    }
    let now = now.to_jiff().unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let render_options = RenderOptions { partials: Some(&partials), ..RenderOptions::at(now) };
    let rendered = template.render(&request.data, &render_options).map_err(|error| refused(&error))?;
    let problems: Vec<Json> = rendered.problems.iter().map(problem).collect();
    Ok(ok(&json!({
        "output": rendered.text,
        "problems": problems,
        "undefined": rendered.undefined.iter().map(|(path, count)| json!({"path": path, "count": count})).collect::<Vec<_>>(),
        "reads": template.names(),
    })))
}
