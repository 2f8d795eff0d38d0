//! `signalpost keys …` and `signalpost oauth …`: who may do what.

use std::process::ExitCode;

use axum::http::Method;
use clap::{Args, Subcommand};
use serde_json::{Value as Json, json};

use super::client::{Client, encode};
use super::output;

/// What a new key or client is to be.
#[derive(Debug, Args)]
pub struct New {
    /// What it is for.
    #[arg(long, default_value = "")]
    label: String,
    /// What it allows; may be given several times.
    #[arg(long = "scope", required = true)]
    scopes: Vec<String>,
    /// The source its events count for.
    #[arg(long)]
    source: Option<String>,
    /// When it ends by itself, RFC 3339.
    #[arg(long)]
    expires_at: Option<String>,
    /// Events a second that it may send over the long run.
    #[arg(long)]
    rate: Option<f64>,
    /// Events that it may send at once after a quiet time [default: a second's worth].
    #[arg(long, requires = "rate")]
    burst: Option<u32>,
    /// Pages that may send with it, like https://shop.example; may be given several times.
    #[arg(long = "origin")]
    origins: Vec<String>,
}

/// A rate as the API has it; without a burst a second's worth may come at once.
fn rate(per_second: f64, burst: Option<u32>) -> Json {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "held by a cast that saturates"
    )]
    let burst = burst.unwrap_or(per_second.ceil().max(1.0) as u32);
    json!({"per_second": per_second, "burst": burst})
}

impl New {
    fn body(&self) -> Json {
        json!({
            "label": self.label,
            "scopes": self.scopes,
            "source": self.source,
            "expires_at": self.expires_at,
            "rate": self.rate.map(|per_second| rate(per_second, self.burst)),
            "allowed_origins": self.origins,
        })
    }
}

/// What of a key or client is to be another; the rest stays.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub struct Change {
    /// What it is for.
    #[arg(long)]
    label: Option<String>,
    /// When it ends by itself, RFC 3339.
    #[arg(long)]
    expires_at: Option<String>,
    /// It does not end by itself.
    #[arg(long, conflicts_with = "expires_at")]
    no_end: bool,
    /// Events a second that it may send over the long run.
    #[arg(long)]
    rate: Option<f64>,
    /// Events that it may send at once after a quiet time [default: a second's worth].
    #[arg(long, requires = "rate")]
    burst: Option<u32>,
    /// Lift the rate.
    #[arg(long, conflicts_with = "rate")]
    no_rate: bool,
    /// Pages that may send with it, in place of those before; may be given several times.
    #[arg(long = "origin")]
    origins: Vec<String>,
    /// Let pages of every origin send with it.
    #[arg(long, conflicts_with = "origins")]
    any_origin: bool,
}

impl Change {
    fn body(&self) -> Json {
        let mut body = serde_json::Map::new();
        let mut say = |name: &str, value: Option<Json>, lifted: bool| {
            if value.is_some() || lifted {
                body.insert(name.to_owned(), value.unwrap_or_default());
            }
        };
        say("label", self.label.as_deref().map(Json::from), false);
        say("expires_at", self.expires_at.as_deref().map(Json::from), self.no_end);
        say("rate", self.rate.map(|per_second| rate(per_second, self.burst)), self.no_rate);
        let origins = (!self.origins.is_empty()).then(|| json!(self.origins));
        say("allowed_origins", origins, self.any_origin);
        Json::Object(body)
    }
}

/// What replaces a secret.
#[derive(Debug, Args)]
pub struct Rotation {
    /// Its id.
    id: String,
    /// How long the old secret still works, in seconds [default: 86400, a day].
    #[arg(long)]
    overlap_seconds: Option<u64>,
}

impl Rotation {
    fn body(&self) -> Json {
        json!({"overlap_seconds": self.overlap_seconds})
    }
}

/// `signalpost keys …`.
#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Make a key; its secret is printed this once.
    Create(New),
    /// List keys.
    List,
    /// Change a key's label, end, rate or pages.
    Update {
        /// Its id.
        id: String,
        /// What is to be another.
        #[command(flatten)]
        change: Change,
    },
    /// Give a key a new secret, printed this once.
    Rotate(Rotation),
    /// End a key at once.
    Revoke {
        /// The key's id.
        id: String,
    },
}

/// `signalpost oauth …`.
#[derive(Debug, Subcommand)]
pub enum OAuth {
    /// Work on the clients that get tokens.
    #[command(subcommand)]
    Client(Clients),
    /// Let a new key sign tokens; those signed before stay good until they end.
    Rotate {
        /// End every token now: the old key may have become known.
        #[arg(long)]
        at_once: bool,
    },
}

/// `signalpost oauth client …`.
#[derive(Debug, Subcommand)]
pub enum Clients {
    /// Make a client; its secret is printed this once.
    Create(New),
    /// List clients.
    List,
    /// Change a client's label, end, rate or pages.
    Update {
        /// Its id.
        id: String,
        /// What is to be another.
        #[command(flatten)]
        change: Change,
    },
    /// Give a client a new secret, printed this once.
    Rotate(Rotation),
    /// End a client, and its tokens with it.
    Revoke {
        /// The client's id.
        id: String,
    },
}

const COLUMNS: [(&str, &str); 9] = [
    ("id", "id"),
    ("label", "label"),
    ("scopes", "scopes"),
    ("source", "source"),
    ("made", "created_at"),
    ("used", "last_used_at"),
    ("ends", "expires_at"),
    ("events/s", "rate"),
    ("origins", "allowed_origins"),
];

/// Works on keys.
///
/// # Errors
/// When the API refuses.
pub async fn keys(command: Keys, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    match command {
        Keys::Create(new) => show_key(&client.post("/api/keys", &new.body()).await?, json),
        Keys::List => list(&client.get("/api/keys").await?, "keys", json),
        Keys::Update { id, change } => {
            update(client, &format!("/api/keys/{}", encode(&id)), &change, json).await?
        }
        Keys::Rotate(rotation) => {
            let path = format!("/api/keys/{}/rotate", encode(&rotation.id));
            show_key(&client.post(&path, &rotation.body()).await?, json);
        }
        Keys::Revoke { id } => revoke(client, &format!("/api/keys/{}", encode(&id)), json).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Works on clients and on the key that signs.
///
/// # Errors
/// When the API refuses.
pub async fn oauth(command: OAuth, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    const CLIENTS: &str = "/api/oauth/clients";
    match command {
        OAuth::Client(Clients::Create(new)) => show_client(&client.post(CLIENTS, &new.body()).await?, json),
        OAuth::Client(Clients::List) => list(&client.get(CLIENTS).await?, "clients", json),
        OAuth::Client(Clients::Update { id, change }) => {
            update(client, &format!("{CLIENTS}/{}", encode(&id)), &change, json).await?;
        }
        OAuth::Client(Clients::Rotate(rotation)) => {
            let path = format!("{CLIENTS}/{}/rotate", encode(&rotation.id));
            show_client(&client.post(&path, &rotation.body()).await?, json);
        }
        OAuth::Client(Clients::Revoke { id }) => {
            revoke(client, &format!("{CLIENTS}/{}", encode(&id)), json).await?;
        }
        OAuth::Rotate { at_once } => {
            output::object(&client.post("/api/oauth/rotate", &json!({"at_once": at_once})).await?, json);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The secret alone, so that a script can take it.
fn show_key(made: &Json, json: bool) {
    if json {
        println!("{made:#}");
    } else {
        println!("{}", output::cell(&made["key"]));
    }
}

fn show_client(made: &Json, json: bool) {
    if json {
        println!("{made:#}");
    } else {
        output::object(&json!({"client_id": made["id"], "client_secret": made["client_secret"]}), false);
    }
}

/// For people, with the rate as its number.
fn list(answer: &Json, name: &str, json: bool) {
    let mut rows = answer[name].clone();
    if !json {
        for row in rows.as_array_mut().into_iter().flatten() {
            row["rate"] = row["rate"]["per_second"].take();
        }
    }
    output::list(&rows, &COLUMNS, json);
}

async fn update(client: &Client, path: &str, change: &Change, json: bool) -> anyhow::Result<()> {
    output::object(&client.ask(Method::PATCH, path, Some(&change.body())).await?.ok()?, json);
    Ok(())
}

async fn revoke(client: &Client, path: &str, json: bool) -> anyhow::Result<()> {
    output::object(&client.ask(Method::DELETE, path, None).await?.ok()?, json);
    Ok(())
}
