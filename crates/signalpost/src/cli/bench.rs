//! `signalpost bench`: this machine's figures, as ratios to a bare handler
//! measured in the same run, and what the whole path carries.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use serde_json::{Value as Json, json};

use super::client::encode;
use crate::bench::server::Server;
use crate::bench::{self, Clocks, Load, scenario};
use crate::clock::{self, Clock};
use crate::settings::Settings;

/// What the measure may be told.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Seconds for each single measurement.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Also fill this many profiles with 20 events each, and tell memory and
    /// the time of a restart.
    #[arg(long)]
    profiles: Option<u64>,
}

/// Profiles while the path is measured; a larger number is compared with this.
const FEW_PROFILES: u64 = 10_000;
/// Segments that are live while the path is measured.
const SEGMENTS: [(&str, &str); 10] = [
    (
        "Viewed lately",
        "IF event_type = 'product_view' AND event_time >= now() - 1 hours THEN assign to 'Viewed lately'",
    ),
    ("Carts", "IF event_type = 'add_to_cart' AND event_time >= now() - 24 hours THEN assign to 'Carts'"),
    ("Buyers", "IF event_type = 'purchase' THEN assign to 'Buyers'"),
    ("Electronics", "SELECT customer_id FROM customer_data WHERE recent_view_category = 'Electronics'"),
    ("Busy", "SELECT customer_id FROM customer_data WHERE events >= 10"),
    ("Spenders", "SELECT customer_id FROM customer_data WHERE total_spent >= 100"),
    ("New", "SELECT customer_id FROM customer_data WHERE first_seen >= now() - INTERVAL '7 days'"),
    (
        "Cart no purchase",
        "SELECT customer_id FROM customer_data WHERE add_to_cart_count > 0 AND purchase_count = 0",
    ),
    (
        "Two carts",
        "SELECT customer_id FROM customer_data WHERE customer_id IN (SELECT customer_id FROM events WHERE event_type = 'add_to_cart' GROUP BY customer_id HAVING count(*) >= 2)",
    ),
    (
        "Page only",
        "SELECT customer_id FROM customer_data WHERE NOT EXISTS (SELECT 1 FROM events WHERE event_type = 'product_view')",
    ),
];

fn wall_micros() -> i64 {
    Clock::system().now().as_micros()
}

/// Measures and prints.
///
/// # Errors
/// When a server cannot be started or measured.
pub async fn run(arguments: Arguments, _: Settings, json: bool) -> anyhow::Result<ExitCode> {
    let folder = std::env::temp_dir().join(format!("signalpost-bench-{}", std::process::id()));
    let clocks = Clocks { wall_micros, instant: clock::instant };
    let mut server = Server::start(&std::env::current_exe()?, &folder, &[])?;
    let client = server.client();
    for (name, text) in SEGMENTS {
        client.put(&format!("/api/segments/{}", encode(name)), &json!({"rule": text})).await?;
    }
    // First, since the server's own timings are of its whole life.
    let latency = measure_latency(&server, arguments.seconds, clocks).await?;
    let rest = async || {
        if let Err(error) = server.rest().await {
            eprintln!("the server does not say whether it is at rest: {error}");
        }
    };
    let ratios = scenario::ratios(&server.target, server.pid(), arguments.seconds, clocks, rest).await?;
    for ratio in &ratios {
        if !json {
            println!("{ratio}");
        }
    }
    server.idle().await?;
    let path = measure_path(&server, arguments.seconds, FEW_PROFILES, clocks).await?;
    let memory = match arguments.profiles {
        Some(profiles) => {
            let filled = fill(&server, profiles, clocks).await?;
            let path = measure_path(&server, arguments.seconds, profiles, clocks).await?;
            let restart = server.restart().await?.as_secs_f64();
            Some(json!({"filled": filled, "the_whole_path_then": path, "restart_seconds": restart}))
        }
        None => None,
    };
    let figures = json!({
        "ratios": ratios.iter().map(scenario::Ratio::to_json).collect::<Vec<_>>(),
        "path": path, "latency": latency, "memory": memory,
    });
    if json {
        println!("{figures:#}");
    } else {
        println!("the whole path: {path}\nlatency at 5,000 events a second: {latency}");
        if let Some(memory) = &memory {
            println!("memory: {memory}");
        }
    }
    let folder = server.folder().to_owned();
    drop(server);
    if let Err(error) = std::fs::remove_dir_all(&folder) {
        eprintln!("{} was left behind: {error}", folder.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn load(connections: usize, batch: usize, seconds: u64, profiles: u64) -> Load {
    Load {
        connections,
        duration: Duration::from_secs(seconds),
        warm_up: Duration::from_millis(500),
        rate: None,
        batch,
        profiles,
        zipf: true,
        seed: 7,
        named: true,
        user_agent: "",
    }
}

/// Events a second through clean, profile, ten segments and the lake: from the
/// first one sent until the last one is processed.
async fn measure_path(server: &Server, seconds: u64, profiles: u64, clocks: Clocks) -> anyhow::Result<Json> {
    let started = clock::instant();
    let report = bench::run(&server.target, &load(16, 100, seconds * 2, profiles), clocks).await?;
    server.rest().await?;
    let whole = started.elapsed().as_secs_f64();
    let events = report.events + report.warm_up_events;
    #[expect(clippy::cast_precision_loss, reason = "a rate needs no last digit")]
    let rate = events as f64 / whole;
    Ok(
        json!({"events": events, "accepted_a_second": report.events_per_second().round(), "processed_a_second": rate.round()}),
    )
}

/// Time from receipt to the published change, at a steady rate.
async fn measure_latency(server: &Server, seconds: u64, clocks: Clocks) -> anyhow::Result<Json> {
    let mut steady = load(64, 1, seconds * 2, 1_000_000);
    steady.rate = Some(5_000.0);
    steady.seed = 11;
    let report = bench::run(&server.target, &steady, clocks).await?;
    let stats = server.client().get("/api/stats").await?;
    Ok(json!({
        "answer_ms": {"p50": report.latency_ms(0.5), "p99": report.latency_ms(0.99)},
        "event_to_change_ms": stats["latency_ms"]["event_to_change"],
    }))
}

/// Fills profiles, and tells resident memory: what it was at most, and what it
/// is when all is done.
async fn fill(server: &Server, profiles: u64, clocks: Clocks) -> anyhow::Result<Json> {
    let wanted = profiles * 20;
    let mut sent = 0;
    while sent < wanted {
        let mut filling = load(16, 500, 10, profiles);
        filling.zipf = false;
        filling.seed = sent + 1;
        let report = bench::run(&server.target, &filling, clocks).await?;
        sent += report.events + report.warm_up_events;
        if report.events == 0 {
            bail!("no event was accepted: {report}");
        }
    }
    server.idle().await?;
    let resident = bench::resident_bytes(server.pid()).unwrap_or_default();
    let most = bench::resident_bytes_max(server.pid()).unwrap_or_default();
    Ok(json!({
        "profiles": profiles,
        "events": sent,
        "resident_mib": resident >> 20,
        "resident_mib_max": most >> 20,
    }))
}
