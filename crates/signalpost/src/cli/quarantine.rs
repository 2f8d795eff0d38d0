//! `signalpost quarantine …`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value as Json, json};

use super::client::{Client, encode};
use super::output;

/// See, replay or drop what was refused.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List refused events and why.
    List {
        /// Only of this reason.
        #[arg(long)]
        reason: Option<String>,
        /// At most this many.
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Send refused events through cleaning again.
    Replay {
        /// Which.
        #[command(flatten)]
        chosen: Chosen,
        /// Judge bots as people this time.
        #[arg(long)]
        keep_bots: bool,
    },
    /// Drop refused events for good.
    Drop {
        /// Which.
        #[command(flatten)]
        chosen: Chosen,
    },
}

/// Which refused events.
#[derive(Debug, Args)]
pub struct Chosen {
    /// Their numbers.
    ids: Vec<u64>,
    /// All of this reason.
    #[arg(long)]
    reason: Option<String>,
    /// All of them.
    #[arg(long)]
    all: bool,
}

impl Chosen {
    fn to_json(&self) -> Json {
        json!({"ids": self.ids, "reason": self.reason, "all": self.all})
    }
}

/// Runs the command.
///
/// # Errors
/// When the API refuses.
pub async fn run(command: Command, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    match command {
        Command::List { reason, limit } => {
            let reason = reason.map(|reason| format!("&reason={}", encode(&reason))).unwrap_or_default();
            let answer = client.get(&format!("/api/quarantine?limit={limit}{reason}")).await?;
            let columns = [
                ("id", "id"),
                ("received", "received_at"),
                ("reason", "code"),
                ("field", "field"),
                ("message", "message"),
            ];
            output::list(&answer["quarantined"], &columns, json);
        }
        Command::Replay { chosen, keep_bots } => {
            let mut body = chosen.to_json();
            body["keep_bots"] = json!(keep_bots);
            output::object(&client.post("/api/quarantine/replay", &body).await?, json);
        }
        Command::Drop { chosen } => {
            output::object(&client.post("/api/quarantine/drop", &chosen.to_json()).await?, json)
        }
    }
    Ok(ExitCode::SUCCESS)
}
