//! The summary: what went in, what came out, how fast, and whether it is what
//! the shop itself counted.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use comfy_table::{Table, presets};
use serde_json::{Value as Json, json};

use super::Events;
use super::play::Sent;
use crate::admin::stats::count_profiles;
use crate::app::App;
use crate::history::tables::AppTables;

/// One count, and what it should be.
#[derive(Clone, Debug, PartialEq)]
struct Line {
    what: String,
    found: Json,
    expected: Option<Json>,
}

/// What came of the play.
#[derive(Clone, Debug)]
pub struct Summary {
    lines: Vec<Line>,
    segments: Vec<Json>,
}

impl Summary {
    /// Counts everything.
    ///
    /// # Errors
    /// When the lake or the store cannot be read.
    pub async fn collect(
        app: &Arc<App>,
        events: &Events,
        sent: Sent,
        sending: Duration,
        whole: Duration,
    ) -> anyhow::Result<Self> {
        let stats = app.hub.to_json();
        let (known, anonymous) = count_profiles(app);
        let bots = stats["events"]["marked"].as_u64().unwrap_or_default();
        let mut lines = Vec::new();
        let mut line = |what: &str, found: Json, expected: Option<Json>| {
            lines.push(Line { what: what.into(), found, expected });
        };
        let shop = match events {
            Events::Shop(shop) => Some(shop.expected()),
            Events::Recorded(_) => None,
        };
        let by = |truth: &str| shop.as_ref().map(|shop| json!(shop.by_truth(truth)));
        line("events sent", json!(sent.sent), shop.as_ref().map(|shop| json!(shop.requests)));
        let of_people = sent.accepted.saturating_sub(bots);
        line("events of people accepted", json!(of_people), shop.as_ref().map(|shop| json!(shop.accepted())));
        line("duplicates left out", json!(sent.duplicates), by("duplicate"));
        line("events of bots marked", json!(bots), by("bot"));
        line("broken events quarantined", json!(sent.quarantined), by("broken"));
        line("known people", json!(known), shop.as_ref().map(|shop| json!(shop.known_people)));
        line("anonymous visitors", json!(anonymous), shop.as_ref().map(|shop| json!(shop.anonymous_people)));
        let abandonments =
            sql(app, "SELECT count(*) AS n FROM events WHERE event_type = 'cart_abandonment'").await?;
        line(
            "cart abandonments",
            abandonments[0]["n"].clone(),
            shop.as_ref().map(|shop| json!(shop.cart_abandonments)),
        );
        let members = |name: &str| members(app, name);
        let (lately, lately_anonymous) = members("Abandoned Cart Last 24h")?;
        let expected = shop.as_ref().map(|shop| json!(shop.people_abandoned_last_day));
        line("in 'Abandoned Cart Last 24h' now", json!(lately + lately_anonymous), expected);
        let expected = shop.as_ref().map(|shop| json!(shop.young_nyc_electronics));
        line("in 'NYC Electronics 25-35' now", json!(members("NYC Electronics 25-35")?.0), expected);
        for (status, count) in stats["deliveries"].as_object().into_iter().flatten() {
            if status != "send" {
                line(&format!("mails {}", status.replace('_', " ")), count.clone(), None);
            }
        }
        line("seconds of sending", json!(round(sending.as_secs_f64())), None);
        line("seconds in all", json!(round(whole.as_secs_f64())), None);
        #[expect(clippy::cast_precision_loss, reason = "a rate needs no last digit")]
        line("events a second", json!((sent.sent as f64 / sending.as_secs_f64().max(1e-9)).round()), None);
        for (what, path) in
            [("event to segment change", "event_to_change"), ("event to delivery", "event_to_delivery")]
        {
            let timing = &stats["latency_ms"][path];
            line(&format!("{what}, p50 ms"), timing["p50"].clone(), None);
            line(&format!("{what}, p99 ms"), timing["p99"].clone(), None);
        }
        let segments = sql(
            app,
            "SELECT segment, count(*) AS entries, count(exited_at) AS exits, count(*) - count(exited_at) AS members \
             FROM memberships GROUP BY segment ORDER BY segment",
        )
        .await?;
        Ok(Self { lines, segments })
    }

    /// Whether everything that the shop counted came out so.
    pub fn is_right(&self) -> bool {
        self.lines.iter().all(|line| line.expected.as_ref().is_none_or(|expected| *expected == line.found))
    }

    /// The summary for programs.
    pub fn to_json(&self) -> Json {
        let lines: Vec<Json> = self
            .lines
            .iter()
            .map(|line| json!({"what": line.what, "found": line.found, "expected": line.expected}))
            .collect();
        json!({"counts": lines, "segments": self.segments, "right": self.is_right()})
    }
}

fn round(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

fn members(app: &App, name: &str) -> anyhow::Result<(u64, u64)> {
    let program = app.program.read().unwrap_or_else(std::sync::PoisonError::into_inner);
    match program.segment(name) {
        Some(segment) => crate::admin::segments::count_members(app, segment.id)
            .map_err(|problem| anyhow::anyhow!("{}", problem.to_json()["detail"])),
        None => Ok((0, 0)),
    }
}

async fn sql(app: &App, query: &str) -> anyhow::Result<Vec<Json>> {
    let now = app.clock.now();
    let rows = app.lake.sql(query, now, &AppTables::new(app, now)).await?;
    Ok(rows.to_json_rows()?.into_iter().map(Json::Object).collect())
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_header(["", "found", "the shop counted"]);
        for line in &self.lines {
            let verdict = match &line.expected {
                None => String::new(),
                Some(expected) if *expected == line.found => format!("{expected} ✓"),
                Some(expected) => format!("{expected} ✗"),
            };
            table.add_row([line.what.clone(), crate::cli::output::cell(&line.found), verdict]);
        }
        writeln!(f, "{table}")?;
        let mut segments = Table::new();
        segments.load_style(presets::UTF8_HORIZONTAL_ONLY).set_header([
            "segment",
            "entries",
            "exits",
            "members now",
        ]);
        for row in &self.segments {
            let cell = |name: &str| crate::cli::output::cell(&row[name]);
            segments.add_row([cell("segment"), cell("entries"), cell("exits"), cell("members")]);
        }
        write!(f, "{segments}")
    }
}
