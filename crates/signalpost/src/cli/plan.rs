//! `signalpost plan …`: the tracking plan.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use serde_json::{Value as Json, json};

use super::client::{Client, encode};
use super::output;

/// Work on the tracking plan.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the types of events: planned or not, how many came, how many differ.
    List,
    /// Show what is planned for a type of event.
    Show {
        /// The type.
        event_type: String,
        /// Show every version.
        #[arg(long)]
        versions: bool,
    },
    /// Make the plan the one in a file.
    Import {
        /// The file, JSON.
        file: PathBuf,
    },
    /// Write the plan to a file, or print it.
    Export {
        /// The file.
        file: Option<PathBuf>,
    },
    /// Draw up a plan from the newest events.
    Learn {
        /// Of the last so many days.
        #[arg(long, default_value_t = 30)]
        days: u32,
        /// At most so many of each type.
        #[arg(long, default_value_t = 1_000)]
        events: u32,
        /// Write it to this file; else it is printed.
        #[arg(short, long)]
        output: Option<PathBuf>,
    },
    /// Hold the newest events against a plan: exit code 1 when some differ.
    Check {
        /// The plan's file; else the plan in force.
        file: Option<PathBuf>,
        /// Of the last so many days.
        #[arg(long, default_value_t = 30)]
        days: u32,
        /// At most so many of each type.
        #[arg(long, default_value_t = 1_000)]
        events: u32,
    },
}

fn read(file: &Path) -> anyhow::Result<Json> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", file.display()))
}

fn write(file: Option<&Path>, plan: &Json) -> anyhow::Result<()> {
    let Some(file) = file else {
        println!("{plan:#}");
        return Ok(());
    };
    std::fs::write(file, format!("{plan:#}\n")).with_context(|| format!("cannot write {}", file.display()))
}

/// Runs the command.
///
/// # Errors
/// When the API refuses, or a file cannot be used.
pub async fn run(command: Command, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    match command {
        Command::List => {
            let answer = client.get("/api/plan").await?;
            let columns = [
                ("type", "event_type"),
                ("planned", "planned"),
                ("version", "version"),
                ("mode", "mode"),
                ("events, 30 days", "events_30d"),
                ("last seen", "last_seen"),
                ("differing since start", "differing"),
            ];
            output::list(&answer["types"], &columns, json);
        }
        Command::Show { event_type, versions } => {
            let rest = if versions { "/versions" } else { "" };
            let answer = client.get(&format!("/api/plan/{}{rest}", encode(&event_type))).await?;
            println!("{answer:#}");
        }
        Command::Import { file } => {
            let answer = client.put("/api/plan", &read(&file)?).await?;
            output::object(&json!({"changed": answer["changed"], "removed": answer["removed"]}), json);
        }
        Command::Export { file } => write(file.as_deref(), &client.get("/api/plan").await?["plan"])?,
        Command::Learn { days, events, output } => {
            let answer = client.post("/api/plan-learn", &json!({"days": days, "events": events})).await?;
            write(output.as_deref(), &answer["plan"])?;
        }
        Command::Check { file, days, events } => {
            let plan = file.as_deref().map(read).transpose()?;
            let body = json!({"plan": plan, "days": days, "events": events});
            return Ok(report(&client.post("/api/plan-check", &body).await?["types"], json));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints what a check found.
fn report(types: &Json, json: bool) -> ExitCode {
    let differs = types.as_array().is_some_and(|types| types.iter().any(|row| row["differing"] != 0));
    if json {
        println!("{types:#}");
    } else {
        let columns = [
            ("type", "event_type"),
            ("planned", "planned"),
            ("checked", "checked"),
            ("differing", "differing"),
        ];
        output::list(types, &columns, false);
        for row in types.as_array().into_iter().flatten() {
            for violation in row["violations"].as_array().into_iter().flatten() {
                println!(
                    "{}: {} ({} events): {}",
                    output::cell(&row["event_type"]),
                    output::cell(&violation["field"]),
                    violation["events"],
                    output::cell(&violation["first"]["message"])
                );
            }
        }
    }
    ExitCode::from(u8::from(differs))
}
