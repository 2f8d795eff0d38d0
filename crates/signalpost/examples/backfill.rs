//! Measures the backfill of a new segment while events go on.
//!
//! ```sh
//! cargo build --release --package signalpost
//! cargo run --release --package signalpost --example backfill -- 1000000 FOLDER
//! ```
//!
//! The number is how many profiles the server has, each with about 20 events,
//! before somebody counts views over 30 days. How many events a second the server
//! works on with nothing else to do is measured first; half as many come while the
//! segment is backfilled. A data folder that is named is kept (and filled only when
//! it is not there), for `benchsuite/segments/preview.py`.

#![expect(clippy::print_stdout, reason = "a measurement is printed")]
#![expect(clippy::cast_precision_loss, reason = "a rate needs no last digit")]
#![expect(clippy::indexing_slicing, reason = "in JSON what is not there is null")]

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use serde_json::{Value as Json, json};
use signalpost::bench::server::Server;
use signalpost::bench::{self, Clocks, Load, resident_bytes};
use signalpost::clock::{self, Clock};

const SEGMENT: &str = "Views a lot";
const RULE: &str = "IF done product_view at least 25 times in the last 30 days THEN assign to 'Views a lot'";
/// Events of each profile; chance makes one in six reach the count.
const EVENTS: u64 = 20;
/// Events in one request.
const BATCH: usize = 100;
/// Events of the load that goes on are sent at most for so long.
const PATIENCE: Duration = Duration::from_secs(600);

fn wall_micros() -> i64 {
    Clock::system().now().as_micros()
}

const CLOCKS: Clocks = Clocks { wall_micros, instant: clock::instant };

fn load(profiles: u64, seed: u64, duration: Duration) -> Load {
    let warm_up = Duration::from_millis(500);
    Load {
        connections: 16,
        duration,
        warm_up,
        rate: None,
        batch: BATCH,
        profiles,
        zipf: false,
        seed,
        named: true,
        user_agent: "",
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let profiles: u64 = arguments.next().map_or(Ok(100_000), |text| text.parse())?;
    let own = tempfile::tempdir_in(".")?;
    let data = arguments.next().map_or_else(|| own.path().join("data"), PathBuf::from);
    let filled = data.exists();
    let this = std::env::current_exe()?;
    let program = this.ancestors().nth(2).context("no folder of programs")?.join("signalpost");
    let server = Server::start(&program, &data, &[])?;
    server.ready().await;
    if !filled {
        fill(&server, profiles).await?;
    }
    server.idle().await?;
    println!("resident before: {} MiB", resident_bytes(server.pid()).unwrap_or_default() >> 20);
    let rate = whole_rate(&server, profiles).await?;
    println!("events a second with nothing else to do: {rate:.0}");
    server.idle().await?;
    backfill(&server, profiles, rate / 2.0).await
}

async fn fill(server: &Server, profiles: u64) -> anyhow::Result<()> {
    let (started, mut sent) = (clock::instant(), 0);
    while sent < profiles * EVENTS {
        let report =
            bench::run(&server.target, &load(profiles, sent + 1, Duration::from_secs(2)), CLOCKS).await?;
        anyhow::ensure!(report.events > 0, "no event was accepted: {report}");
        sent += report.events + report.warm_up_events;
        while server.lag().await? > 1_000_000 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    server.rest().await?;
    println!("{sent} events of {profiles} profiles in {:.0} s", started.elapsed().as_secs_f64());
    Ok(())
}

/// Events a second through everything, until the last one is worked on.
async fn whole_rate(server: &Server, profiles: u64) -> anyhow::Result<f64> {
    let started = clock::instant();
    let report =
        bench::run(&server.target, &load(profiles, u64::MAX, Duration::from_secs(10)), CLOCKS).await?;
    server.rest().await?;
    Ok((report.events + report.warm_up_events) as f64 / started.elapsed().as_secs_f64())
}

/// Defines the segment under load, and waits until it is in force for everybody.
async fn backfill(server: &Server, profiles: u64, rate: f64) -> anyhow::Result<()> {
    let mut going_on = load(profiles, u64::MAX / 2, PATIENCE);
    going_on.rate = Some(rate / BATCH as f64);
    let (target, client) = (server.target.clone(), server.client());
    let sending = tokio::spawn(async move { bench::run(&target, &going_on, CLOCKS).await });
    tokio::time::sleep(Duration::from_secs(3)).await;
    let path = format!("/api/segments/{}", SEGMENT.replace(' ', "%20"));
    let accepted = |stats: &Json| stats["events"]["accepted"].as_u64().unwrap_or(0);
    let before = client.get("/api/stats").await?;
    let started = clock::instant();
    client.put(&path, &json!({"rule": RULE})).await?;
    let mut lag_max = 0;
    while !client.get(&path).await?["backfill"].is_null() {
        anyhow::ensure!(started.elapsed() < PATIENCE, "the backfill has not come to its end");
        lag_max = lag_max.max(server.lag().await?);
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let seconds = started.elapsed().as_secs_f64();
    let after = client.get("/api/stats").await?;
    sending.abort();
    println!("backfill of {profiles} profiles: {seconds:.1} s (goal: below 20 at 1,000,000)");
    let meanwhile = accepted(&after).saturating_sub(accepted(&before)) as f64 / seconds;
    println!("meanwhile {meanwhile:.0} events a second came ({rate:.0} wanted), {lag_max} waited at most");
    println!("members now: {}", client.get(&path).await?["members"]);
    Ok(())
}
