//! Measures what validation, marks and de-duplication cost: the same load with
//! all of them and with none, turn by turn on one server.
//!
//! ```sh
//! cargo build --release --package signalpost
//! cargo run --release --package signalpost --example checks -- 50000000 30
//! ```
//!
//! The first number is how many ids of events the server remembers before it is
//! asked, the second over how many days they came. `on` is a source with a strict
//! plan for each type, marks and rates, whose events have ids; `off` is one with
//! no plan and no marks, whose events have none and are not compared by content.

#![expect(clippy::print_stdout, reason = "a measurement is printed")]
#![expect(clippy::cast_precision_loss, reason = "a rate needs no last digit")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use serde_json::{Value as Json, json};
use signalpost::bench::server::Server;
use signalpost::bench::{self, Clocks, Load, Target};
use signalpost::clock::{self, Clock};
use signalpost::log::dedup::event_identity;
use signalpost::log::embedded::{EmbeddedLog, Settings};
use signalpost::log::{Appended, Body, Group, Log, Record};
use signalpost_core::time::Span;

/// Ids in one group commit.
const GROUP: u64 = 20_000;
/// How often each of the two has its turn.
const ROUNDS: u64 = 5;
const TURN: Duration = Duration::from_secs(4);
const AGENT: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36";
const LOADS: [(&str, usize, usize); 2] =
    [("single events, 256 connections", 256, 1), ("batches of 100, 64 connections", 64, 100)];

const CLOCKS: Clocks = Clocks { wall_micros, instant: clock::instant };

fn wall_micros() -> i64 {
    Clock::system().now().as_micros()
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u64| arguments.next().map_or(Ok(default), |text| text.parse());
    let (ids, days) = (number(1_000_000)?, number(30)?);
    let folder = tempfile::tempdir_in(".")?;
    let data = folder.path().join("data");
    remember(&data, ids, days)?;
    let own = std::env::current_exe()?;
    let program: PathBuf = own.ancestors().nth(2).context("no folder of programs")?.join("signalpost");
    let server = Server::start(&program, &data, &[("SIGNALPOST_DEDUP_DAYS", &days.to_string())])?;
    server.ready().await;
    server.idle().await?;
    let resident = || bench::resident_bytes(server.pid()).unwrap_or_default() >> 20;
    println!("{ids} ids over {days} days; the server has {} MiB resident with them", resident());
    let on = source(&server, "on", &json!({"plan": "strict"})).await?;
    let bare = json!({"filter_bots": false, "plan": "off", "fingerprint_window": 0, "lineage_bytes": 0});
    let off = source(&server, "off", &bare).await?;
    server.client().put("/api/plan", &plan()).await?;
    for (name, connections, batch) in LOADS {
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let load = |named| Load { named, ..load(connections, batch, round) };
            with.push(measure(&server, &on, &load(true)).await?);
            without.push(measure(&server, &off, &load(false)).await?);
        }
        let ((with, with_cpu), (without, without_cpu)) = (median(&with), median(&without));
        println!(
            "{name}: on {with:.0} events/s, off {without:.0}, {:.0} % (goal: 80); CPU of accepting {with_cpu:.2} and {without_cpu:.2} us an event, {:.0} %",
            with / without * 100.0,
            without_cpu / with_cpu * 100.0
        );
    }
    let stats = server.client().get("/api/stats").await?;
    println!("{}", stats.get("events").unwrap_or(&Json::Null));
    println!("{} MiB resident at the end", resident());
    Ok(())
}

/// Writes the ids to the log of a folder that no server has seen yet, the last
/// of them now.
fn remember(data: &Path, ids: u64, days: u64) -> anyhow::Result<()> {
    let remembered = Span::DAY.times(i64::try_from(days)?);
    let settings = Settings { remembered, min_free_bytes: 1 << 20, ..Settings::default() };
    let log = EmbeddedLog::open(&data.join("log"), &settings)?;
    let step = Span::from_micros(remembered.as_micros() / i64::try_from(ids.div_ceil(GROUP).max(1))?);
    let mut at = Clock::system().now() - remembered;
    for first in (0..ids).step_by(usize::try_from(GROUP)?) {
        at = at + step;
        let of = |id: u64| (event_identity(&format!("event-{id}")), at);
        let seen = (first..ids.min(first + GROUP)).map(of).collect();
        let tick = Arc::new(Record { at, body: Body::Tick });
        let group = Group { records: vec![Appended::new(0, tick)], seen, ..Group::default() };
        // While the disk has not kept up, no more is taken.
        while log.append(group.clone()).is_err() {
            std::thread::yield_now();
        }
    }
    Ok(())
}

/// Makes a source with a key of its own.
async fn source(server: &Server, name: &str, settings: &Json) -> anyhow::Result<Target> {
    let client = server.client();
    client.put(&format!("/api/sources/{name}"), settings).await?;
    let key = json!({"label": name, "scopes": ["events:write"], "source": name});
    let made = client.post("/api/keys", &key).await?;
    let key = made.get("key").and_then(Json::as_str).context("no key")?;
    Ok(Target { key: key.to_owned(), ..server.target.clone() })
}

fn plan() -> Json {
    let text = json!({"type": "string", "minLength": 1});
    let schema = |required: Json| {
        json!({"schema": {
            "type": "object",
            "required": ["customer_id"],
            "properties": {
                "customer_id": text,
                "product_id": {"type": "string", "pattern": "^[A-Z0-9-]+$"},
                "properties": {
                    "type": "object",
                    "required": required,
                    "properties": {
                        "category": text,
                        "url": {"type": "string", "format": "uri"},
                        "price": {"type": "number", "exclusiveMinimum": 0, "multipleOf": 0.01},
                        "quantity": {"type": "integer", "minimum": 1},
                    },
                    "additionalProperties": false,
                },
            },
        }})
    };
    json!({"mode": "strict", "unplanned": "strict", "events": {
        "product_view": schema(json!(["category", "price"])),
        "add_to_cart": schema(json!(["category", "price"])),
        "purchase": schema(json!(["category", "price", "quantity"])),
        "page_view": schema(json!(["category", "url"])),
    }})
}

fn load(connections: usize, batch: usize, seed: u64) -> Load {
    Load {
        connections,
        duration: TURN,
        warm_up: TURN / 4,
        rate: None,
        batch,
        profiles: 1_000_000,
        // Nobody is so busy that it looks like an automaton.
        zipf: false,
        seed,
        named: true,
        user_agent: AGENT,
    }
}

/// Events accepted a second, when all that came before is worked on, and the CPU
/// of accepting one, in microseconds.
async fn measure(server: &Server, target: &Target, load: &Load) -> anyhow::Result<(f64, f64)> {
    server.rest().await?;
    let used = || bench::foremost_cpu_seconds(server.pid()).unwrap_or_default();
    let before = used();
    let report = bench::run(target, load, CLOCKS).await?;
    anyhow::ensure!(report.events > 0 && report.events_refused == 0, "not all were accepted: {report}");
    let events = (report.events + report.warm_up_events) as f64;
    Ok((report.events_per_second(), (used() - before) * 1e6 / events))
}

fn median(values: &[(f64, f64)]) -> (f64, f64) {
    let middle = |of: fn(&(f64, f64)) -> f64| {
        let mut values: Vec<f64> = values.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or_default()
    };
    (middle(|value| value.0), middle(|value| value.1))
}
