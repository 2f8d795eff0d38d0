//! `signalpost privacy …`: requests about people's data.

use std::process::ExitCode;

use axum::http::Method;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::client::{Client, encode};
use super::output;
use crate::privacy::Status;

/// See requests about people's data, and say what became of them.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List requests, the newest first.
    List {
        /// Only those that are so far.
        #[arg(long, value_enum)]
        status: Option<Status>,
        /// Only those whose time is over.
        #[arg(long)]
        overdue: bool,
    },
    /// Show one request and all that became of it.
    Show {
        /// Its id.
        id: String,
    },
    /// Take down a request that came by letter, mail or telephone.
    Add(Add),
    /// Say that a request is worked on, done or refused.
    Mark {
        /// Its id.
        id: String,
        /// What it is now.
        #[arg(value_enum)]
        status: Status,
        /// What was done, or why not.
        #[arg(long, default_value = "")]
        note: String,
        /// Who it is about, for an erasure that is approved and does not say.
        #[arg(long)]
        customer_id: Option<String>,
    },
    /// Erase what is known of a person, for good.
    Erase(Whom),
    /// Print what is known of a person, as JSON.
    Export(Whom),
}

/// Who it is about.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Whom {
    /// The person.
    #[arg(long)]
    customer_id: Option<String>,
    /// A device that is nobody's.
    #[arg(long)]
    anonymous_id: Option<String>,
}

impl Whom {
    fn body(&self) -> serde_json::Value {
        match (&self.customer_id, &self.anonymous_id) {
            (Some(id), _) => json!({"customer_id": id}),
            (None, id) => json!({"anonymous_id": id}),
        }
    }
}

/// A request.
#[derive(Debug, Args)]
pub struct Add {
    /// What is asked.
    #[arg(value_enum)]
    kind: Kind,
    #[command(flatten)]
    person: Person,
}

/// Whose data.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Person {
    /// Whose data.
    #[arg(long)]
    customer_id: Option<String>,
    /// Their address.
    #[arg(long)]
    email: Option<String>,
    /// Their number.
    #[arg(long)]
    phone: Option<String>,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// To hand out what is known.
    Export,
    /// To erase what is known.
    Erase,
}

/// Runs the command.
///
/// # Errors
/// When the API refuses.
pub async fn run(command: Command, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    const REQUESTS: &str = "/api/privacy/requests";
    match command {
        Command::List { status, overdue } => {
            let status = status.map(|status| format!("&status={}", status.as_str())).unwrap_or_default();
            let overdue = if overdue { "&overdue=true" } else { "" };
            let answer = client.get(&format!("{REQUESTS}?limit=10000{status}{overdue}")).await?;
            let columns = ["id", "kind", "status", "due_at", "overdue", "customer_id", "email", "source"];
            output::list(&answer["requests"], &columns.map(|name| (name, name)), json);
        }
        Command::Show { id } => {
            output::object(&client.get(&format!("{REQUESTS}/{}", encode(&id))).await?, json);
        }
        Command::Add(Add { kind, person }) => {
            let kind = if kind == Kind::Export { "export" } else { "erase" };
            let Person { customer_id, email, phone } = person;
            let body = json!({"kind": kind, "customer_id": customer_id, "email": email, "phone": phone});
            output::object(&client.post(REQUESTS, &body).await?, json);
        }
        Command::Mark { id, status, note, customer_id } => {
            let path = format!("{REQUESTS}/{}", encode(&id));
            let body = json!({"status": status.as_str(), "note": note, "customer_id": customer_id});
            output::object(&client.ask(Method::PATCH, &path, Some(&body)).await?.ok()?, json);
        }
        Command::Erase(whom) => {
            output::object(&client.post("/api/privacy/erase", &whom.body()).await?, json);
        }
        Command::Export(whom) => {
            output::object(&client.post("/api/privacy/export", &whom.body()).await?, true);
        }
    }
    Ok(ExitCode::SUCCESS)
}
