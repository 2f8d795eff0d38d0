//! The play: events go to `POST /api/events` in order, and the server's clock
//! stands at the time each is sent.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value as Json;
use signalpost_core::time::{Span, Timestamp};

use super::Events;
use crate::app::App;
use crate::clock;
use crate::state::{Store, Table};

/// Simulated events that may share a request: their clock's reading differs
/// by no more than this, well inside what is taken for a slow network.
const TOGETHER: Span = Span::SECOND.times(2);
/// Recorded events that may share a request.
const RECORDED_TOGETHER: Span = Span::MINUTE;
/// Events in a request at most.
const BATCH_MAX: usize = 500;
/// Records that may wait for the workers before the play waits for them.
const LAG_MAX: u64 = 20_000;
/// How long everything may take to come to rest at the end.
const SETTLE: Duration = Duration::from_secs(600);

/// What was sent and what the server said of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Events sent.
    pub sent: u64,
    /// Events accepted, by the server's count.
    pub accepted: u64,
    /// Repeats, by the server's count.
    pub duplicates: u64,
    /// Events refused, by the server's count.
    pub quarantined: u64,
}

/// Sends everything.
///
/// # Errors
/// When the server refuses a request, or cannot be reached.
pub async fn play(
    app: &Arc<App>,
    url: &str,
    key: &str,
    events: &Events,
    speed: Option<f64>,
) -> anyhow::Result<Sent> {
    let bar = ProgressBar::new(events.count());
    let style = ProgressStyle::with_template(
        "{prefix:>10} [{bar:40}] {human_pos}/{human_len} events  {per_sec}  {msg}",
    )?;
    bar.set_style(style.progress_chars("=> "));
    bar.set_prefix("playing");
    let mut player = Player {
        app: Arc::clone(app),
        http: reqwest::Client::builder().user_agent("signalpost-demo").build()?,
        url: format!("{url}/api/events"),
        key: key.to_owned(),
        bar,
        sent: Sent::default(),
        pace: speed.map(|speed| (speed, events.start(), clock::instant())),
        batch: Vec::new(),
        first: Timestamp::MIN,
        latest: events.start(),
    };
    match events {
        Events::Shop(shop) => {
            for request in shop.requests() {
                player.add(request.at, request.body, TOGETHER).await?;
            }
        }
        Events::Recorded(recorded) => {
            for event in recorded.events()? {
                let (at, event) = event?;
                // Time never goes back: an older event is a late one.
                let now = player.latest.max(at);
                player.add(now, event, RECORDED_TOGETHER).await?;
            }
        }
    }
    player.send().await?;
    player.bar.finish_with_message("done");
    Ok(player.sent)
}

struct Player {
    app: Arc<App>,
    http: reqwest::Client,
    url: String,
    key: String,
    bar: ProgressBar,
    sent: Sent,
    pace: Option<(f64, Timestamp, std::time::Instant)>,
    batch: Vec<Json>,
    first: Timestamp,
    latest: Timestamp,
}

impl Player {
    async fn add(&mut self, at: Timestamp, event: Json, together: Span) -> anyhow::Result<()> {
        if !self.batch.is_empty() && (at - self.first > together || self.batch.len() >= BATCH_MAX) {
            self.send().await?;
        }
        if self.batch.is_empty() {
            self.first = at;
        }
        self.latest = at;
        self.batch.push(event);
        Ok(())
    }

    async fn send(&mut self) -> anyhow::Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.wait().await;
        self.app.clock.advance_to(self.latest);
        let events = std::mem::take(&mut self.batch);
        let count = events.len() as u64;
        let body = Json::Array(events).to_string();
        let answer = loop {
            let request =
                self.http.post(&self.url).bearer_auth(&self.key).header("content-type", "application/json");
            let answer = request.body(body.clone()).send().await.context("the server cannot be reached")?;
            match answer.status().as_u16() {
                202 => break answer.json::<Json>().await?,
                429 | 503 => tokio::time::sleep(Duration::from_millis(200)).await,
                status => bail!("the server answered {status}: {}", answer.text().await.unwrap_or_default()),
            }
        };
        let told = |name: &str| answer.get(name).and_then(Json::as_u64).unwrap_or_default();
        self.sent.sent += count;
        self.sent.accepted += told("accepted");
        self.sent.duplicates += told("duplicates");
        self.sent.quarantined += told("quarantined");
        self.bar.inc(count);
        let day = self.latest.to_string();
        self.bar.set_message(day.chars().take(16).collect::<String>());
        Ok(())
    }

    /// Waits for the workers when they fall behind, and for the wanted speed.
    async fn wait(&self) {
        while self.app.lag() > LAG_MAX && !self.app.has_failed() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if let Some((speed, start, began)) = self.pace {
            #[expect(clippy::cast_precision_loss, reason = "a pace needs no microsecond")]
            let due =
                Duration::from_secs_f64(((self.latest - start).as_micros() as f64 / 1e6 / speed).max(0.0));
            tokio::time::sleep(due.saturating_sub(began.elapsed())).await;
        }
    }
}

/// Lets time run to the end, and waits until everything has come to rest.
///
/// # Errors
/// When it does not.
pub async fn settle(app: &Arc<App>, end: Timestamp) -> anyhow::Result<()> {
    app.clock.advance_to(end);
    let started = clock::instant();
    let at_rest = || -> anyhow::Result<bool> {
        let waiting = app.store.scan(Table::Outbox, &[], None, 1)?;
        let relayed = app.store.scan(Table::Relay, &[], None, 1)?;
        Ok(app.is_settled() && relayed.is_empty() && waiting.is_empty())
    };
    let mut quiet = 0;
    while quiet < 5 {
        if app.has_failed() {
            bail!("a worker has stopped; see the log");
        }
        if started.elapsed() > SETTLE {
            bail!("it has not come to rest in {} s", SETTLE.as_secs());
        }
        quiet = if at_rest()? { quiet + 1 } else { 0 };
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    crate::history::commit_lake(app).await?;
    Ok(())
}
