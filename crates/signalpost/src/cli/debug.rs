//! `signalpost debug`: the last events, and what each stage did to them.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value as Json, json};

use super::client::{Client, encode};
use super::output;

/// Show the last events and what each stage did to them.
#[derive(Debug, Args)]
pub struct Debug {
    /// Only of this source.
    #[arg(long)]
    source: Option<String>,
    /// At most this many.
    #[arg(long, default_value_t = 20)]
    limit: usize,
}

/// Runs the command.
///
/// # Errors
/// When the API refuses.
pub async fn run(command: Debug, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    let source = command.source.map(|source| format!("&source={}", encode(&source))).unwrap_or_default();
    let answer = client.get(&format!("/api/debug/events?limit={}{source}", command.limit)).await?;
    if json {
        println!("{:#}", answer["events"]);
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Json> = answer["events"].as_array().into_iter().flatten().map(row).collect();
    let columns = [
        ("received", "received_at"),
        ("source", "source"),
        ("type", "event_type"),
        ("who", "who"),
        ("outcome", "outcome"),
        ("what was done", "done"),
        ("µs", "micros"),
    ];
    output::list(&Json::Array(rows), &columns, false);
    Ok(ExitCode::SUCCESS)
}

/// A trace in one line.
fn row(trace: &Json) -> Json {
    let stages = trace["stages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let changes = stages.iter().flat_map(|stage| stage["changes"].as_array().into_iter().flatten());
    let changed = changes
        .map(|change| format!("{}: {}", output::cell(&change["field"]), output::cell(&change["rule"])));
    let problems = trace["problems"].as_array().into_iter().flatten();
    let said = problems
        .map(|problem| format!("{}: {}", output::cell(&problem["field"]), output::cell(&problem["code"])));
    let who = [&trace["event"]["customer_id"], &trace["event"]["anonymous_id"]];
    json!({
        "received_at": trace["received_at"],
        "source": trace["source"],
        "event_type": trace["event"]["event_type"],
        "who": who.into_iter().find(|who| !who.is_null()),
        "outcome": trace["outcome"],
        "done": changed.chain(said).collect::<Vec<_>>().join("; "),
        "micros": stages.last().map(|stage| &stage["after_us"]),
    })
}
