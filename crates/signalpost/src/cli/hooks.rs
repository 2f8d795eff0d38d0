//! `signalpost hooks …`: webhooks of other systems, and what they mean.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use axum::http::Method;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value as Json, json};
use signalpost_core::clean::{self, SourceSettings};
use signalpost_core::hook::{Mapping, Message, Output, known, read_body};
use signalpost_core::time::Timestamp;
use signalpost_core::value::{Value, map_to_json};

use super::client::{Client, encode};
use super::output;
use crate::clock::Clock;
use crate::collect::hooks::soap;

/// See and define hooks, and try mappings.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the hooks.
    List,
    /// Print a hook and the mapping in force for it.
    Show {
        /// The hook.
        name: String,
    },
    /// Define a hook from a JSON file, or from standard input with `-`.
    Apply {
        /// The hook.
        name: String,
        /// Its definition: kind, secret, mapping.
        file: PathBuf,
    },
    /// End a hook.
    Delete {
        /// The hook.
        name: String,
    },
    /// Print the mapping that comes with the program for a kind, to begin your own with.
    Mapping {
        /// Which kind.
        kind: Kind,
    },
    /// Print what a body would make, without sending it anywhere.
    Test(Test),
}

/// `signalpost hooks test`.
#[derive(Debug, Args)]
pub struct Test {
    /// A body as the sender sends it, JSON or SOAP; `-` is standard input.
    file: PathBuf,
    /// The mapping, a JSON file.
    #[arg(long, group = "by")]
    mapping: Option<PathBuf>,
    /// The mapping that comes with the program for this kind.
    #[arg(long, group = "by")]
    kind: Option<Kind>,
    /// The mapping of a hook that is defined.
    #[arg(long, group = "by")]
    hook: Option<String>,
    /// What Shopify names in X-Shopify-Topic: orders/create.
    #[arg(long)]
    topic: Option<String>,
    /// A header that comes with it: 'Name: value'; may be given several times.
    #[arg(long = "header", value_parser = header)]
    headers: Vec<(Box<str>, Box<str>)>,
}

impl Test {
    /// Whether a server has to be asked.
    pub fn asks(&self) -> bool {
        self.hook.is_some()
    }
}

/// Whose messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Kind {
    /// Shopify.
    Shopify,
    /// HubSpot.
    Hubspot,
    /// Salesforce: outbound messages, flows, change events.
    Salesforce,
    /// Anybody who follows Standard Webhooks.
    StandardWebhooks,
    /// Anybody else.
    Json,
}

impl Kind {
    fn mapping(self) -> &'static str {
        let name = match self {
            Self::Shopify => "shopify",
            Self::Hubspot => "hubspot",
            Self::Salesforce => "salesforce",
            Self::StandardWebhooks => "standard_webhooks",
            Self::Json => "json",
        };
        known::mapping(name).unwrap_or_default()
    }
}

fn header(text: &str) -> Result<(Box<str>, Box<str>), String> {
    let (name, value) = text.split_once(':').ok_or("write it as 'Name: value'")?;
    Ok((name.trim().to_ascii_lowercase().into(), value.trim().into()))
}

/// Runs a command that needs no server; `None` for one that does.
///
/// # Errors
/// When a file cannot be read or is not what it should be.
pub fn run_alone(command: &Command, json: bool) -> anyhow::Result<Option<ExitCode>> {
    match command {
        Command::Mapping { kind } => {
            println!("{}", kind.mapping().trim_end());
            Ok(Some(ExitCode::SUCCESS))
        }
        Command::Test(test) if !test.asks() => {
            let mapping = match (&test.mapping, test.kind) {
                (Some(file), _) => json_of(&file_text(file)?, &file.display().to_string())?,
                (None, kind) => serde_json::from_str(kind.unwrap_or(Kind::Json).mapping())?,
            };
            try_out(test, &mapping, json).map(Some)
        }
        _ => Ok(None),
    }
}

/// Runs a command against a server.
///
/// # Errors
/// When the API refuses.
pub async fn run(command: Command, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    let path = |name: &str| format!("/api/hooks/{}", encode(name));
    match command {
        Command::List => {
            let answer = client.get("/api/hooks").await?;
            let hooks = answer["hooks"].as_array().cloned().unwrap_or_default();
            let with_kind = |mut hook: Json| {
                hook["kind"] = hook["settings"]["kind"].clone();
                hook
            };
            let hooks: Json = hooks.into_iter().map(with_kind).collect();
            output::list(
                &hooks,
                &[("hook", "name"), ("kind", "kind"), ("url", "url"), ("version", "version")],
                json,
            );
        }
        Command::Show { name } => println!("{:#}", client.get(&path(&name)).await?),
        Command::Apply { name, file } => {
            let definition = json_of(&file_text(&file)?, &file.display().to_string())?;
            let applied = client.put(&path(&name), &definition).await?;
            if json {
                println!("{applied:#}");
            } else {
                println!(
                    "{} version {}: have it sent to {}",
                    name,
                    applied["version"],
                    output::cell(&applied["url"])
                );
            }
        }
        Command::Delete { name } => {
            output::object(&client.ask(Method::DELETE, &path(&name), None).await?.ok()?, json);
        }
        Command::Test(test) => {
            let name = test.hook.clone().unwrap_or_default();
            let hook = client.get(&path(&name)).await?;
            return try_out(&test, &hook["mapping"], json);
        }
        Command::Mapping { .. } => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn file_bytes(file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        std::io::stdin().read_to_end(&mut bytes)?;
        return Ok(bytes);
    }
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

fn file_text(file: &Path) -> anyhow::Result<String> {
    String::from_utf8(file_bytes(file)?).with_context(|| format!("{} is not UTF-8", file.display()))
}

fn json_of(text: &str, name: &str) -> anyhow::Result<Json> {
    serde_json::from_str(text).with_context(|| format!("{name} is not JSON"))
}

/// Maps a body and prints what it makes. 1 when something of it is refused.
fn try_out(test: &Test, mapping: &Json, json: bool) -> anyhow::Result<ExitCode> {
    let mapping = Mapping::parse(mapping)?;
    let bytes = file_bytes(&test.file)?;
    let body = if soap::is_xml(&bytes) { soap::read(&bytes, |_| true)? } else { read_body(&bytes)? };
    let mut headers = test.headers.clone();
    if let Some(topic) = &test.topic {
        headers.push(("x-shopify-topic".into(), topic.as_str().into()));
    }
    let name = test.hook.as_deref().unwrap_or("test");
    let messages = mapping.messages(&body);
    let tried: Vec<Json> = messages.iter().map(|body| one(&mapping, name, body, &headers)).collect();
    let refused = tried.iter().any(|message| !message["refused"].is_null());
    let tried = Json::Array(tried);
    if json {
        println!("{tried:#}");
    } else {
        print_messages(&tried);
    }
    Ok(if refused { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// What one message makes.
fn one(mapping: &Mapping, hook: &str, body: &Value, headers: &[(Box<str>, Box<str>)]) -> Json {
    let mapped = match mapping.apply(&Message { hook, body, headers }) {
        Ok(mapped) => mapped,
        Err(refusal) => {
            return json!({"refused": [{"code": refusal.code.as_str(), "at": refusal.at, "message": refusal.message}]});
        }
    };
    let (mut events, mut catalog, mut privacy, mut refused) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (output, at) in mapped.outputs {
        match output {
            Output::Event(event) => {
                let now = Clock::system().now();
                match clean::clean(*event, now, &clean::Sender::default(), &SourceSettings::default(), || "assigned".into()) {
                    Ok(clean) => events.push(shown(&clean.event, now)),
                    Err(rejection) => refused.push(json!({
                        "code": rejection.problem.code.as_str(), "field": rejection.problem.field, "at": at,
                        "message": rejection.problem.message, "event": serde_json::from_str::<Json>(&rejection.raw).ok(),
                    })),
                }
            }
            Output::Upsert(item) => match signalpost_core::catalog::Item::from_json(&item) {
                Ok(item) => catalog.push(json!({"upsert": item.to_json()})),
                Err(problem) => refused.push(json!({
                    "code": "bad_item", "field": problem.field(), "at": at, "message": problem.to_string(), "item": item,
                })),
            },
            Output::Remove(id) => catalog.push(json!({"remove": id})),
            Output::Privacy(request) => privacy.push(json!({
                "kind": request.kind.as_str(), "customer_id": request.customer_id, "email": request.email,
                "phone": request.phone, "details": map_to_json(&request.details),
            })),
        }
    }
    let refused = if refused.is_empty() { Json::Null } else { Json::Array(refused) };
    json!({
        "topic": mapped.topic, "id": mapped.id, "ignored": mapped.ignored, "events": events, "catalog": catalog,
        "privacy_requests": privacy, "refused": refused,
    })
}

/// A clean event; what only its receipt gave it is left out.
fn shown(event: &signalpost_core::event::Event, now: Timestamp) -> Json {
    let mut shown = json!({
        "event_type": event.event_type, "event_id": event.event_id.as_str(),
        "customer_id": event.customer_id.as_ref().map(|id| id.as_str()),
        "anonymous_id": event.anonymous_id.as_ref().map(|id| id.as_str()),
        "timestamp": (event.timestamp != now).then(|| event.timestamp.to_string()),
        "product_id": event.product_id.as_ref().map(|id| id.as_str()),
        "properties": map_to_json(&event.properties), "traits": map_to_json(&event.traits),
        "context": map_to_json(&event.context),
    });
    if let Some(object) = shown.as_object_mut() {
        object.retain(|_, value| !value.is_null() && value.as_object().is_none_or(|map| !map.is_empty()));
    }
    shown
}

/// For people: a heading a message, then what it makes.
fn print_messages(tried: &Json) {
    for (index, message) in tried.as_array().into_iter().flatten().enumerate() {
        let topic = output::cell(&message["topic"]);
        println!("message {}{}{topic}", index + 1, if topic.is_empty() { "" } else { ": " });
        if message["ignored"] == true {
            println!("  ignored");
        }
        for (title, member) in [
            ("event", "events"),
            ("catalog", "catalog"),
            ("privacy request", "privacy_requests"),
            ("refused", "refused"),
        ] {
            for made in message[member].as_array().into_iter().flatten() {
                let text = format!("{made:#}").replace('\n', "\n  ");
                println!("  {title} {text}");
            }
        }
    }
}
