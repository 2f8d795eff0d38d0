//! Commands that are one question each.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use axum::http::Method;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value as Json, json};

use super::client::{Client, encode};
use super::output;
use crate::settings::Settings;

/// `signalpost sql "…"`.
#[derive(Debug, Args)]
pub struct Sql {
    /// The query, over events, customer_data, segments, memberships,
    /// deliveries, catalog and quarantine.
    query: String,
    /// How rows are printed.
    #[arg(long, short, default_value = "table")]
    output: Format,
    /// A file for the rows.
    #[arg(long)]
    to: Option<PathBuf>,
    /// The instant `now()` means, RFC 3339.
    #[arg(long)]
    at: Option<String>,
}

/// How rows are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// Comma-separated values.
    Csv,
    /// A JSON array of objects.
    Json,
    /// Apache Parquet.
    Parquet,
}

/// Runs SQL.
///
/// # Errors
/// When the query is refused.
pub async fn sql(command: Sql, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    let format = if json { Format::Json } else { command.output };
    let accept = match format {
        Format::Table => "text/plain",
        Format::Csv => "text/csv",
        Format::Json => "application/json",
        Format::Parquet => "application/vnd.apache.parquet",
    };
    let body = json!({"sql": command.query, "at": command.at});
    let answer = client.ask_for(Method::POST, "/api/sql", Some(&body), accept).await?;
    if !answer.is_ok() {
        bail!("{}", output::cell(&answer.json()["detail"]));
    }
    let bytes = if format == Format::Json {
        format!("{:#}\n", answer.json()["rows"]).into_bytes()
    } else {
        answer.body
    };
    match command.to {
        Some(file) => {
            std::fs::write(&file, bytes).with_context(|| format!("cannot write {}", file.display()))?
        }
        None if format == Format::Parquet && std::io::stdout().is_terminal() => {
            bail!("Parquet is not for the screen; name a file with --to")
        }
        None => {
            let mut out = std::io::stdout();
            out.write_all(&bytes)?;
            if bytes.last().is_some_and(|last| *last != b'\n') && format != Format::Parquet {
                out.write_all(b"\n")?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `signalpost recommend`.
#[derive(Debug, Args)]
pub struct Recommend {
    /// To this person.
    #[arg(long)]
    profile: Option<String>,
    /// Or beside this product.
    #[arg(long)]
    product: Option<String>,
    /// co_purchase, co_view, trending, recently_viewed, best_sellers or auto.
    #[arg(long, default_value = "auto")]
    strategy: String,
    /// How many.
    #[arg(long, default_value_t = 10)]
    limit: usize,
}

/// Recommends products.
///
/// # Errors
/// When the API refuses.
pub async fn recommend(command: &Recommend, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    let mut path =
        format!("/api/recommendations?strategy={}&limit={}", encode(&command.strategy), command.limit);
    for (name, value) in [("profile", &command.profile), ("product", &command.product)] {
        if let Some(value) = value {
            path.push_str(&format!("&{name}={}", encode(value)));
        }
    }
    let answer = client.get(&path).await?;
    let columns = [("product", "product_id"), ("name", "name"), ("score", "score"), ("why", "reason")];
    output::list(&answer["products"], &columns, json);
    Ok(ExitCode::SUCCESS)
}

/// `signalpost delivery …`.
#[derive(Debug, Subcommand)]
pub enum Delivery {
    /// List decisions, newest first.
    List {
        /// Only with this status or decision: sent, pending, dead, no_consent, capped, …
        #[arg(long)]
        status: Option<String>,
        /// Only of this campaign.
        #[arg(long)]
        campaign: Option<String>,
        /// At most this many.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Try a delivery again that has come to an end without being sent.
    Retry {
        /// The delivery.
        id: String,
    },
}

/// Lists and retries deliveries.
///
/// # Errors
/// When the API refuses.
pub async fn delivery(command: Delivery, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    match command {
        Delivery::List { status, campaign, limit } => {
            let mut path = format!("/api/deliveries?limit={limit}");
            for (name, value) in [("status", status), ("campaign", campaign)] {
                if let Some(value) = value {
                    path.push_str(&format!("&{name}={}", encode(&value)));
                }
            }
            let answer = client.get(&path).await?;
            let columns = [
                ("decided", "decided_at"),
                ("campaign", "campaign"),
                ("customer", "customer_id"),
                ("decision", "decision"),
                ("status", "status"),
                ("to", "to"),
                ("subject", "subject"),
                ("cause", "cause"),
            ];
            output::list(&answer["deliveries"], &columns, json);
        }
        Delivery::Retry { id } => {
            output::object(
                &client.post(&format!("/api/deliveries/{}/retry", encode(&id)), &Json::Null).await?,
                json,
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `signalpost config …`.
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Check the settings.
    Check,
    /// Print the settings in force.
    Show,
}

/// Checks and prints settings.
///
/// # Errors
/// When they cannot be printed.
pub fn config(command: &Config, settings: &Settings) -> anyhow::Result<ExitCode> {
    match command {
        Config::Check => println!("the settings are good"),
        Config::Show => print!("{}", toml_text(settings)?),
    }
    Ok(ExitCode::SUCCESS)
}

fn toml_text(settings: &Settings) -> anyhow::Result<String> {
    let table = toml::Table::try_from(settings)?;
    Ok(table.iter().map(|(name, value)| format!("{name} = {value}\n")).collect())
}
