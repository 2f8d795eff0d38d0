//! The command line: `signalpost serve`, `demo`, and a command for everything
//! the API can do. Data goes to standard output, everything else to standard
//! error. Exit codes: 0 done, 1 failed, 2 wrong usage.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line prints")]
#![expect(clippy::indexing_slicing, reason = "indexing JSON by name gives null where there is nothing")]

pub mod access;
pub mod bench;
pub mod client;
pub mod debug;
pub mod hooks;
pub mod import;
pub mod output;
pub mod plan;
pub mod privacy;
pub mod quarantine;
pub mod segment;
pub mod serve;
pub mod simple;
pub mod template;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::settings::Settings;
use client::Client;

/// Behavioural events in, personal mail out.
#[derive(Debug, Parser)]
#[command(name = "signalpost", version, about, max_term_width = 100)]
struct Arguments {
    /// A TOML file of settings.
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    /// The data folder [default: ./data].
    #[arg(long, global = true)]
    data: Option<PathBuf>,
    /// Print results as JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run everything.
    Serve(serve::Arguments),
    /// Play a shop through the whole path and show what came of it.
    Demo(crate::demo::Arguments),
    /// Work on segments.
    #[command(subcommand)]
    Segment(segment::Command),
    /// Check and render templates.
    #[command(subcommand)]
    Template(template::Command),
    /// Import events, people or a catalog from CSV, JSON lines or Parquet.
    Import(Box<import::Arguments>),
    /// Run SQL over everything.
    Sql(simple::Sql),
    /// Recommend products.
    Recommend(simple::Recommend),
    /// See, replay or drop what was refused.
    #[command(subcommand)]
    Quarantine(quarantine::Command),
    /// Webhooks of other systems, and what they mean.
    #[command(subcommand)]
    Hooks(hooks::Command),
    /// Work on the tracking plan.
    #[command(subcommand)]
    Plan(plan::Command),
    /// Show the last events and what each stage did to them.
    Debug(debug::Debug),
    /// See and retry deliveries.
    #[command(subcommand)]
    Delivery(simple::Delivery),
    /// Make, list, change, rotate and revoke access keys.
    #[command(subcommand)]
    Keys(access::Keys),
    /// Work on OAuth clients and on the key that signs tokens.
    #[command(subcommand, name = "oauth")]
    OAuth(access::OAuth),
    /// See requests about people's data, and say what became of them.
    #[command(subcommand)]
    Privacy(privacy::Command),
    /// Check the settings and print them.
    #[command(subcommand)]
    Config(simple::Config),
    /// Print the API's description.
    Openapi,
    /// Measure this machine: events a second, latency, memory.
    Bench(bench::Arguments),
    /// The measure's yardstick; used by `bench`.
    #[command(hide = true, name = "bench-yardstick")]
    BenchYardstick {
        /// Where to listen.
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: std::net::SocketAddr,
    },
    /// Print completions for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

/// Runs the command line.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let quiet = !matches!(arguments.command, Command::Serve(_));
    start_logging(quiet);
    match run(arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(1)
        }
    }
}

fn start_logging(quiet: bool) {
    use tracing_subscriber::EnvFilter;
    let default = if quiet { "error" } else { "warn,signalpost=info" };
    let filter = crate::settings::environment("SIGNALPOST_LOG").unwrap_or_else(|| default.to_owned());
    let ansi = crate::settings::environment("NO_COLOR").is_none()
        && std::io::IsTerminal::is_terminal(&std::io::stderr());
    // A log that cannot be written (its disk is full) must not end what writes it.
    tracing_subscriber::fmt()
        .log_internal_errors(false)
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        .with_ansi(ansi)
        .init();
}

fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut settings = Settings::load(arguments.config.as_deref())?;
    if let Some(data) = arguments.data {
        settings.data = data;
    }
    let json = arguments.json;
    match arguments.command {
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "signalpost", &mut std::io::stdout());
            return Ok(ExitCode::SUCCESS);
        }
        Command::Openapi => {
            println!("{}", crate::serve::openapi());
            return Ok(ExitCode::SUCCESS);
        }
        Command::BenchYardstick { listen } => {
            crate::bench::yardstick::serve(listen)?;
            return Ok(ExitCode::SUCCESS);
        }
        Command::Config(command) => return simple::config(&command, &settings),
        Command::Hooks(ref command) => {
            if let Some(code) = hooks::run_alone(command, json)? {
                return Ok(code);
            }
        }
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match arguments.command {
            Command::Serve(own) => serve::run(own, settings).await,
            Command::Demo(own) => crate::demo::run(own, settings, json).await,
            Command::Import(own) => import::run(*own, settings, json).await,
            Command::Bench(own) => bench::run(own, settings, json).await,
            command => {
                let client = Client::connect(settings).await?;
                let code = ask(command, &client, json).await;
                client.close().await;
                code
            }
        }
    })
}

async fn ask(command: Command, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    match command {
        Command::Segment(command) => segment::run(command, client, json).await,
        Command::Template(command) => template::run(command, client, json).await,
        Command::Sql(command) => simple::sql(command, client, json).await,
        Command::Recommend(command) => simple::recommend(&command, client, json).await,
        Command::Quarantine(command) => quarantine::run(command, client, json).await,
        Command::Hooks(command) => hooks::run(command, client, json).await,
        Command::Plan(command) => plan::run(command, client, json).await,
        Command::Debug(command) => debug::run(command, client, json).await,
        Command::Delivery(command) => simple::delivery(command, client, json).await,
        Command::Keys(command) => access::keys(command, client, json).await,
        Command::Privacy(command) => privacy::run(command, client, json).await,
        Command::OAuth(command) => access::oauth(command, client, json).await,
        _ => Ok(ExitCode::SUCCESS),
    }
}
