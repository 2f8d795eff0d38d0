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
        /// Only of this group, such as plan_violation/properties.price.
        #[arg(long)]
        group: Option<String>,
        /// At most this many.
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// List the groups: refused events by reason and field, with a sample.
    Groups {
        /// Only of this source.
        #[arg(long)]
        source: Option<String>,
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
    /// All of this group, such as plan_violation/properties.price.
    #[arg(long)]
    group: Option<String>,
    /// All of this source.
    #[arg(long)]
    source: Option<String>,
    /// All of them.
    #[arg(long)]
    all: bool,
}

impl Chosen {
    fn to_json(&self) -> Json {
        json!({"ids": self.ids, "reason": self.reason, "group": self.group, "source": self.source, "all": self.all})
    }
}

/// Runs the command.
///
/// # Errors
/// When the API refuses.
pub async fn run(command: Command, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    match command {
        Command::Groups { source } => groups(source.as_deref(), client, json).await?,
        Command::List { reason, group, limit } => {
            let said = |name: &str, text: Option<String>| {
                text.map(|text| format!("&{name}={}", encode(&text))).unwrap_or_default()
            };
            let (reason, group) = (said("reason", reason), said("group", group));
            let answer = client.get(&format!("/api/quarantine?limit={limit}{reason}{group}")).await?;
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

async fn groups(source: Option<&str>, client: &Client, json: bool) -> anyhow::Result<()> {
    let source = source.map(|source| format!("?source={}", encode(source))).unwrap_or_default();
    let mut groups = client.get(&format!("/api/quarantine/groups{source}")).await?["groups"].take();
    for group in groups.as_array_mut().into_iter().flatten() {
        group["sample"] = group["samples"][0]["message"].clone();
    }
    let columns = [("group", "group"), ("events", "events"), ("last", "last_at"), ("for instance", "sample")];
    output::list(&groups, &columns, json);
    Ok(())
}
