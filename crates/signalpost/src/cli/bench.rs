//! `signalpost bench`: ratios of this server to a bare handler, in one run.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use crate::app::App;
use crate::bench::{Clocks, Target, scenario};
use crate::clock::{self, Clock};
use crate::serve::listen::Listener;
use crate::settings::Settings;

/// What the measure may be told.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Seconds for each single measurement.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
}

fn wall_micros() -> i64 {
    Clock::system().now().as_micros()
}

/// Starts a server on a fresh folder in a process of its own kind, and
/// measures it beside the yardstick.
///
/// # Errors
/// When a server cannot be started or measured.
pub async fn run(arguments: Arguments, mut settings: Settings, json: bool) -> anyhow::Result<ExitCode> {
    let folder = std::env::temp_dir().join(format!("signalpost-bench-{}", std::process::id()));
    settings.data.clone_from(&folder);
    settings.listen.set_port(0);
    let listener = Listener::bind(&settings).await?;
    settings.listen = listener.address()?;
    let address = settings.listen;
    let app = App::start(settings, Clock::system()).await?;
    let (_, write) = app.first_keys.clone().unwrap_or_default();
    let router = crate::serve::router(Arc::clone(&app));
    let serving = tokio::spawn(listener.serve(router, std::future::pending()));
    let target = Target { address, path: "/api/events".into(), key: write };
    let clocks = Clocks { wall_micros, instant: clock::instant };
    let ratios = scenario::ratios(&target, std::process::id(), arguments.seconds, clocks).await?;
    if json {
        println!("{:#}", json!(ratios.iter().map(scenario::Ratio::to_json).collect::<Vec<_>>()));
    } else {
        for ratio in &ratios {
            println!("{ratio}");
        }
    }
    serving.abort();
    app.stop().await;
    if let Err(error) = std::fs::remove_dir_all(&folder) {
        eprintln!("{} was left behind: {error}", folder.display());
    }
    Ok(ExitCode::SUCCESS)
}
