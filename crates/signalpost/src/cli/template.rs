//! `signalpost template …`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use axum::http::Method;
use clap::{Subcommand, ValueEnum};
use serde_json::{Value as Json, json};

use super::client::{Client, encode};
use super::output;

/// Check and render templates.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check a file; errors show line, column and a caret.
    Check {
        /// The file.
        file: PathBuf,
        /// Its language; by its ending (`.hbs` is Handlebars) when not said.
        #[arg(long)]
        language: Option<Language>,
    },
    /// Define a template from a file.
    Apply {
        /// The template's name.
        name: String,
        /// The file of its body.
        file: PathBuf,
        /// Its language; by its ending when not said.
        #[arg(long)]
        language: Option<Language>,
        /// The subject line.
        #[arg(long, default_value = "")]
        subject: String,
        /// The preview text.
        #[arg(long, default_value = "")]
        preheader: String,
    },
    /// Render a template for a person.
    Render {
        /// The template's name.
        name: String,
        /// The person.
        #[arg(long)]
        profile: Option<String>,
        /// Sample data: a JSON file.
        #[arg(long)]
        with: Option<PathBuf>,
    },
    /// List templates.
    List,
}

/// A template language.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Language {
    /// Liquid.
    Liquid,
    /// Handlebars.
    Handlebars,
}

/// The definition of a template in a file, by its ending: `.hbs` is
/// Handlebars, `.mjml` is MJML, everything else Liquid and HTML.
///
/// # Errors
/// When the file cannot be read.
pub fn definition(file: &std::path::Path, language: Option<Language>) -> anyhow::Result<Json> {
    let body = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(definition_of(&file.to_string_lossy(), &body, language))
}

/// As [`definition`], for a body at hand.
pub fn definition_of(file: &str, body: &str, language: Option<Language>) -> Json {
    let handlebars = match language {
        Some(language) => matches!(language, Language::Handlebars),
        None => file.contains(".hbs") || file.contains(".handlebars"),
    };
    json!({
        "language": if handlebars { "handlebars" } else { "liquid" },
        "format": if file.contains(".mjml") { "mjml" } else { "html" },
        "body": body,
    })
}

/// Runs the command.
///
/// # Errors
/// When the API refuses.
pub async fn run(command: Command, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    match command {
        Command::Check { file, language } => {
            let definition = definition(&file, language)?;
            let body = json!({"language": definition["language"], "body": definition["body"]});
            let answer = client.ask(Method::POST, "/api/templates/check", Some(&body)).await?;
            if !answer.is_ok() {
                let problem = answer.json();
                if json {
                    println!("{problem:#}");
                } else {
                    eprintln!("{}", output::cell(&problem["detail"]));
                }
                return Ok(ExitCode::from(1));
            }
            output::object(&answer.json(), json);
        }
        Command::Apply { name, file, language, subject, preheader } => {
            let mut definition = definition(&file, language)?;
            definition["subject"] = json!(subject);
            definition["preheader"] = json!(preheader);
            let applied = client.put(&format!("/api/templates/{}", encode(&name)), &definition).await?;
            println!("{} version {}", output::cell(&applied["name"]), applied["version"]);
        }
        Command::Render { name, profile, with } => {
            let data = match with {
                Some(file) => {
                    let text = std::fs::read_to_string(&file)
                        .with_context(|| format!("cannot read {}", file.display()))?;
                    Some(
                        serde_json::from_str::<Json>(&text)
                            .with_context(|| format!("{} is not JSON", file.display()))?,
                    )
                }
                None => None,
            };
            let mut body = json!({});
            if let Some(profile) = profile {
                body["profile"] = json!(profile);
            }
            if let Some(data) = data {
                body["data"] = data;
            }
            let mail = client.post(&format!("/api/templates/{}/render", encode(&name)), &body).await?;
            if json {
                println!("{mail:#}");
            } else {
                println!("Subject: {}\n\n{}", output::cell(&mail["subject"]), output::cell(&mail["html"]));
            }
        }
        Command::List => {
            let answer = client.get("/api/templates").await?;
            output::list(
                &answer["templates"],
                &[("template", "name"), ("version", "version"), ("since", "at")],
                json,
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}
