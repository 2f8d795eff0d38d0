//! `signalpost segment …`.

use std::io::Read;
use std::process::ExitCode;
use std::time::Duration;

mod ahead;

use anyhow::Context;
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value as Json, json};

use super::client::{Client, encode};
use super::output;

/// Work on segments.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check rules or SQL without defining anything.
    Check(Texts),
    /// Define segments and sequence rules.
    Apply {
        /// What is defined.
        #[command(flatten)]
        texts: Texts,
        /// Wait until every profile has been judged, and show how far it is.
        #[arg(long)]
        wait: bool,
    },
    /// Show whom a segment would hold.
    Preview(Texts),
    /// List segments.
    List,
    /// List the members.
    Members {
        /// The segment.
        name: String,
        /// The instant, RFC 3339; now when not said.
        #[arg(long)]
        at: Option<String>,
        /// At most this many; all when not said.
        #[arg(long)]
        limit: Option<usize>,
    },
    /// List entries and exits, newest first.
    History {
        /// The segment.
        name: String,
        /// Only of this person.
        #[arg(long)]
        profile: Option<String>,
        /// At most this many.
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Tell why a person is, or is not, in a segment.
    Explain {
        /// The segment.
        name: String,
        /// The person: a customer id, or anonymous:ID.
        profile: String,
        /// The instant, RFC 3339; now when not said.
        #[arg(long)]
        at: Option<String>,
    },
    /// Play a segment over history: entries, exits and campaigns by day.
    Simulate {
        /// The segment.
        name: String,
        /// A draft to be played in its place: a rule, SQL, a file, or `-`.
        #[arg(long)]
        draft: Option<String>,
        /// From this instant, RFC 3339; 30 days before the end when not said.
        #[arg(long)]
        from: Option<String>,
        /// Until this instant; now when not said.
        #[arg(long)]
        to: Option<String>,
        /// The longest it may take, in seconds.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// Forecast who enters and leaves by the clock, hour by hour.
    Forecast {
        /// The segment.
        name: String,
        /// How many hours.
        #[arg(long, default_value_t = 24)]
        hours: u32,
    },
    /// Run the query of a segment that is refreshed by schedule now.
    Refresh {
        /// The segment.
        name: String,
    },
    /// List the runs of a segment's query, newest first.
    Runs {
        /// The segment.
        name: String,
        /// At most this many.
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// Count values of another kind than a segment expects, which are null to it.
    Unexpected {
        /// The segment.
        name: String,
    },
    /// Compare live members with the lake's SQL; exit code 1 when they differ.
    Verify {
        /// The segments; all when none is named.
        #[arg(conflicts_with = "all")]
        names: Vec<String>,
        /// All segments.
        #[arg(long)]
        all: bool,
    },
}

/// Texts, or files of them.
#[derive(Debug, Default, clap::Args)]
pub struct Texts {
    /// A rule, SQL, a file of them (one a paragraph, each may begin with
    /// `-- name: …`), or `-` for standard input.
    text: String,
    /// The segment's name, for SQL.
    #[arg(long)]
    name: Option<String>,
    /// The instant of a preview, RFC 3339.
    #[arg(long)]
    at: Option<String>,
    /// Run the SQL by this cron expression instead of keeping it live.
    #[arg(long)]
    refresh: Option<String>,
    /// The zone whose clocks `--refresh` means [default: UTC].
    #[arg(long, requires = "refresh")]
    zone: Option<String>,
}

/// One statement and the name it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// From `-- name:` or `--name`.
    pub name: Option<String>,
    /// The statement.
    pub text: String,
    /// The schedule of a query, from `-- refresh: 0 3 * * * [in ZONE]` or
    /// `--refresh`.
    pub refresh: Option<Json>,
}

impl Named {
    fn body(&self) -> Json {
        json!({"rule": self.text, "name": self.name, "refresh": self.refresh})
    }
}

fn schedule(cron: &str, zone: Option<&str>) -> Json {
    json!({"cron": cron.trim(), "zone": zone.map(str::trim)})
}

/// Splits a file into statements: one a paragraph.
pub fn statements(text: &str) -> Vec<Named> {
    let mut found = Vec::new();
    for paragraph in text.replace("\r\n", "\n").split("\n\n").map(str::trim).filter(|p| !p.is_empty()) {
        let remark = |key: &str| {
            paragraph
                .lines()
                .find_map(|line| line.trim().strip_prefix(key))
                .map(|text| text.trim().to_owned())
        };
        let name = remark("-- name:");
        let refresh = remark("-- refresh:").map(|text| match text.split_once(" in ") {
            Some((cron, zone)) => schedule(cron, Some(zone)),
            None => schedule(&text, None),
        });
        let body: Vec<&str> = paragraph.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
        if !body.is_empty() {
            found.push(Named { name, text: body.join("\n"), refresh });
        }
    }
    found
}

fn read(texts: &Texts) -> anyhow::Result<Vec<Named>> {
    let content = if texts.text == "-" {
        let mut content = String::new();
        std::io::stdin().read_to_string(&mut content)?;
        content
    } else if std::path::Path::new(&texts.text).is_file() {
        std::fs::read_to_string(&texts.text).with_context(|| format!("cannot read {}", texts.text))?
    } else {
        texts.text.clone()
    };
    let mut found = statements(&content);
    if let [only] = found.as_mut_slice() {
        only.name = texts.name.clone().or(only.name.take());
        let refresh = texts.refresh.as_deref().map(|cron| schedule(cron, texts.zone.as_deref()));
        only.refresh = refresh.or(only.refresh.take());
    }
    anyhow::ensure!(!found.is_empty(), "there is no statement in the input");
    Ok(found)
}

/// Defines one statement through the API; the name comes from the statement
/// when it is not given.
///
/// # Errors
/// When it is refused, or has no name.
pub async fn apply(client: &Client, named: &Named) -> anyhow::Result<Json> {
    let checked = client.post("/api/segments/check", &named.body()).await?;
    let own = checked.get("name").and_then(Json::as_str).map(str::to_owned);
    let canonical = checked.get("text").and_then(Json::as_str).unwrap_or_default().to_owned();
    let is_sequence = checked.get("kind").and_then(Json::as_str) == Some("sequence");
    let name = match named.name.clone().or(own) {
        Some(name) => name,
        None if is_sequence => canonical.chars().take(200).collect(),
        None => anyhow::bail!("the segment has no name; add a line '-- name: …' before it, or --name"),
    };
    let body = json!({"rule": named.text, "refresh": named.refresh});
    client.put(&format!("/api/segments/{}", encode(&name)), &body).await
}

/// Waits until a definition is in force for everybody, with a bar.
async fn wait_until_in_force(client: &Client, applied: Json) -> anyhow::Result<Json> {
    let path = format!("/api/segments/{}", encode(&output::cell(&applied["name"])));
    let style = ProgressStyle::with_template("{bar:40} {human_pos} of {human_len} profiles, {eta} left")?;
    let bar = ProgressBar::new(0).with_style(style);
    loop {
        let shown = client.get(&path).await?;
        let backfill = &shown["backfill"];
        if backfill.is_null() {
            bar.finish_and_clear();
            return Ok(shown);
        }
        bar.set_length(backfill["total"].as_u64().unwrap_or_default());
        bar.set_position(backfill["done"].as_u64().unwrap_or_default());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Runs the command.
///
/// # Errors
/// When the API refuses.
pub async fn run(command: Command, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    match command {
        Command::Check(texts) => {
            for named in read(&texts)? {
                let checked = client.post("/api/segments/check", &named.body()).await?;
                output::object(&checked, json);
            }
        }
        Command::Apply { texts, wait } => {
            for named in read(&texts)? {
                let mut applied = apply(client, &named).await?;
                if wait {
                    applied = wait_until_in_force(client, applied).await?;
                }
                if json {
                    println!("{applied:#}");
                } else {
                    println!("{} version {}", output::cell(&applied["name"]), applied["version"]);
                }
            }
        }
        Command::Preview(texts) => {
            let query = texts.at.as_ref().map(|at| format!("?at={}", encode(at))).unwrap_or_default();
            for named in read(&texts)? {
                let path = format!("/api/segments/preview{query}");
                output::object(&client.post(&path, &named.body()).await?, json);
            }
        }
        Command::List => {
            let answer = client.get("/api/segments").await?;
            let columns =
                [("segment", "name"), ("version", "version"), ("members", "members"), ("rule", "rule")];
            output::list(&answer["segments"], &columns, json);
        }
        Command::Members { name, at, limit } => {
            let members = members(client, &name, at.as_deref(), limit).await?;
            let columns = [("customer", "customer_id"), ("entered", "entered_at"), ("version", "version")];
            output::list(&Json::Array(members), &columns, json);
        }
        Command::History { name, profile, limit } => {
            let profile = profile.map(|id| format!("&profile={}", encode(&id))).unwrap_or_default();
            let answer = client
                .get(&format!("/api/segments/{}/history?limit={limit}{profile}", encode(&name)))
                .await?;
            let columns = [
                ("at", "at"),
                ("change", "change"),
                ("profile", "profile"),
                ("version", "version"),
                ("cause", "cause"),
            ];
            output::list(&answer["changes"], &columns, json);
        }
        Command::Explain { name, profile, at } => {
            let at = at.map(|at| format!("&at={}", encode(&at))).unwrap_or_default();
            let path = format!("/api/profiles/{}/explain?segment={}{at}", encode(&profile), encode(&name));
            explain(&client.get(&path).await?, json);
        }
        Command::Verify { names, all: _ } => return verify(names, client, json).await,
        other => return ahead::run(other, client, json).await,
    }
    Ok(ExitCode::SUCCESS)
}

/// All members, page by page.
///
/// # Errors
/// When the API refuses.
pub async fn members(
    client: &Client,
    name: &str,
    at: Option<&str>,
    limit: Option<usize>,
) -> anyhow::Result<Vec<Json>> {
    let mut members = Vec::new();
    let mut cursor = String::new();
    loop {
        let at = at.map(|at| format!("&at={}", encode(at))).unwrap_or_default();
        let path = format!("/api/segments/{}/members?limit=10000{at}{cursor}", encode(name));
        let answer = client.get(&path).await?;
        members.extend(answer["members"].as_array().cloned().unwrap_or_default());
        let enough = limit.is_some_and(|limit| members.len() >= limit);
        match answer.get("next").and_then(Json::as_str) {
            Some(next) if !enough => cursor = format!("&cursor={}", encode(next)),
            _ => break,
        }
    }
    if let Some(limit) = limit {
        members.truncate(limit);
    }
    Ok(members)
}

fn explain(explanation: &Json, json: bool) {
    if json {
        println!("{explanation:#}");
        return;
    }
    let word = if explanation["member"] == json!(true) { "is" } else { "is not" };
    println!("{word} a member at {}", output::cell(&explanation["at"]));
    match explanation["changes_at"].as_str() {
        Some(at) => println!("this changes at {at}, unless an event comes"),
        None => println!("this does not change until an event comes"),
    }
    if !explanation["why_not"].is_null() {
        println!("missing:");
        missing(&explanation["why_not"], 1);
    }
    part(&explanation["tree"], 0);
}

fn missing(why: &Json, depth: usize) {
    let indent = "  ".repeat(depth);
    for (key, words) in [("all_of", "all of:"), ("any_of", "one of:")] {
        if let Some(parts) = why[key].as_array() {
            println!("{indent}{words}");
            parts.iter().for_each(|part| missing(part, depth + 1));
        }
    }
    if !why["condition"].is_null() {
        let changes = why["changes_at"].as_str().map(|at| format!(", until {at}")).unwrap_or_default();
        let (condition, value) = (output::cell(&why["condition"]), &why["value"]);
        println!("{indent}{condition} → {value}, not {}{changes}", why["wanted"]);
    }
}

fn part(tree: &Json, depth: usize) {
    let indent = "  ".repeat(depth);
    println!("{indent}{} → {}", output::cell(&tree["text"]), output::cell(&tree["value"]));
    for event in tree["events"].as_array().into_iter().flatten() {
        println!("{indent}  · event at {}", output::cell(&event["timestamp"]));
    }
    for inner in tree["parts"].as_array().into_iter().flatten() {
        part(inner, depth + 1);
    }
}

async fn verify(names: Vec<String>, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    let names = if names.is_empty() {
        let answer = client.get("/api/segments").await?;
        answer["segments"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|segment| output::cell(&segment["name"]))
            .collect()
    } else {
        names
    };
    let mut rows = Vec::new();
    for name in names {
        rows.push(client.post(&format!("/api/segments/{}/verify", encode(&name)), &Json::Null).await?);
    }
    let equal = rows.iter().all(|row| row["equal"] == json!(true));
    let columns = [
        ("segment", "segment"),
        ("live", "live"),
        ("lake", "lake"),
        ("equal", "equal"),
        ("missing", "missing"),
        ("surplus", "surplus"),
    ];
    output::list(&Json::Array(rows), &columns, json);
    Ok(if equal { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
