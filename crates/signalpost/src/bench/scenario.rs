//! Ours beside the yardstick: the same loads against both, turn by turn in one
//! run, so that whatever else the machine does falls on both alike. A running
//! server comes in, a table of [`Ratio`]s goes out.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use super::process::foremost_cpu_seconds;
use super::yardstick::Yardstick;
use super::{Clocks, Error, Load, Report, Target, cpu_seconds, run};

/// How often each load is put on each server; figures are medians of these.
const ROUNDS: u64 = 3;
const PROFILES: u64 = 100_000;

/// What a figure ought to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Wanted {
    /// Our own figure, at least.
    OursAtLeast(f64),
    /// Our own figure, at most.
    OursAtMost(f64),
    /// Our figure as a share of the yardstick's, at least.
    RatioAtLeast(f64),
}

/// One figure of ours beside the yardstick's.
#[derive(Clone, Debug, PartialEq)]
pub struct Ratio {
    /// What was measured, with its unit.
    pub name: &'static str,
    /// Our server.
    pub ours: f64,
    /// The bare handler.
    pub yardstick: Option<f64>,
    /// Ours / yardstick.
    pub ratio: Option<f64>,
    /// The mark, if one is set.
    pub wanted: Option<Wanted>,
    /// Requests of ours that failed or events that were not accepted.
    pub failures: u64,
}

/// A load and the marks its figures are held against.
struct Step {
    name: &'static str,
    connections: usize,
    batch: usize,
    wanted: Wanted,
    /// The names under which CPU time an event is told too.
    cpu: Option<Cpu>,
}

/// Names of CPU figures, in microseconds an accepted event.
#[derive(Clone, Copy)]
struct Cpu {
    /// Of taking an event in and making it durable, with its mark.
    accepting: (&'static str, Option<Wanted>),
    /// Of the whole server meanwhile, with what it did of the path behind.
    whole: &'static str,
}

/// Marks: what two cores must do while they carry the load as well.
const STEPS: [Step; 3] = [
    Step {
        name: "single events, 256 connections, events/s",
        connections: 256,
        batch: 1,
        wanted: Wanted::RatioAtLeast(0.35),
        cpu: Some(Cpu {
            accepting: (
                "CPU of accepting, single events, 256 connections, µs/event",
                Some(Wanted::OursAtMost(30.0)),
            ),
            whole: "CPU of the whole server meanwhile, single events, 256 connections, µs/event",
        }),
    },
    Step {
        name: "single events, 1,000 connections, events/s",
        connections: 1_000,
        batch: 1,
        wanted: Wanted::RatioAtLeast(0.5),
        cpu: None,
    },
    Step {
        name: "batches of 100, 64 connections, events/s",
        connections: 64,
        batch: 100,
        wanted: Wanted::OursAtLeast(300_000.0),
        cpu: Some(Cpu {
            accepting: ("CPU of accepting, batches of 100, µs/event", None),
            whole: "CPU of the whole server meanwhile, batches of 100, µs/event",
        }),
    },
];

/// Measures `server`, which runs as process `server_pid`, beside a bare handler
/// in a process of its own: this program, started again with the subcommand
/// [`super::yardstick::SUBCOMMAND`].
///
/// `rest` completes when the server has worked off what it accepted.
///
/// Takes about 18 × (1.25 × `seconds_each`) seconds. This process and the
/// server's must each be allowed 1,064 open files.
pub async fn ratios(
    server: &Target,
    server_pid: u32,
    seconds_each: u64,
    clocks: Clocks,
    rest: impl AsyncFn(),
) -> Result<Vec<Ratio>, Error> {
    let started = |source| Error::Start { what: "yardstick", source };
    let yardstick = tokio::task::spawn_blocking(move || {
        let program = std::env::current_exe().map_err(started)?;
        Yardstick::spawn(&program)
    });
    let yardstick = yardstick.await.map_err(|lost| started(std::io::Error::other(lost)))??;
    let seconds = Duration::from_secs(seconds_each.max(1));
    ratios_beside(server, server_pid, yardstick.address(), yardstick.pid(), seconds, clocks, rest).await
}

/// The same beside a bare handler that already runs at `yardstick`, as process
/// `yardstick_pid`, measuring `duration` a load, a server and a round.
pub async fn ratios_beside(
    server: &Target,
    server_pid: u32,
    yardstick: SocketAddr,
    yardstick_pid: u32,
    duration: Duration,
    clocks: Clocks,
    rest: impl AsyncFn(),
) -> Result<Vec<Ratio>, Error> {
    let bare = Target { address: yardstick, path: "/api/events".to_owned(), key: String::new() };
    // Told before the first minute is spent, not after.
    for step in &STEPS {
        let load = step.load(duration, 0);
        load.check()?;
        load.check_open_files(server_pid)?;
    }
    let mut ratios = Vec::new();
    for step in &STEPS {
        let (mut ours, mut theirs) = (Figures::default(), Figures::default());
        for round in 0..ROUNDS {
            let load = step.load(duration, round);
            ours.add(&load, server, server_pid, clocks).await?;
            // What the server still has to do must not slow the other one down.
            rest().await;
            theirs.add(&load, &bare, yardstick_pid, clocks).await?;
        }
        ratios.extend(step.ratios(&ours, &theirs));
    }
    Ok(ratios)
}

impl Step {
    fn load(&self, duration: Duration, round: u64) -> Load {
        Load {
            connections: self.connections,
            duration,
            warm_up: duration / 4,
            rate: None,
            batch: self.batch,
            profiles: PROFILES,
            zipf: true,
            seed: round,
            named: true,
            user_agent: "",
        }
    }

    fn ratios(&self, ours: &Figures, theirs: &Figures) -> Vec<Ratio> {
        let speed = Ratio::new(self.name, &ours.events_per_second, &theirs.events_per_second);
        let speed = Ratio { wanted: Some(self.wanted), failures: ours.failures, ..speed };
        let mut ratios = vec![speed];
        if let Some(Cpu { accepting: (accepting, wanted), whole }) = self.cpu
            && !ours.whole_micros.is_empty()
        {
            let accepting = Ratio::new(accepting, &ours.accepting_micros, &theirs.accepting_micros);
            ratios.push(Ratio { wanted, ..accepting });
            ratios.push(Ratio::new(whole, &ours.whole_micros, &theirs.whole_micros));
        }
        ratios
    }
}

/// What one server reached, a value a round.
#[derive(Default)]
struct Figures {
    events_per_second: Vec<f64>,
    /// CPU an event of the threads that accept.
    accepting_micros: Vec<f64>,
    /// CPU an event of all threads.
    whole_micros: Vec<f64>,
    failures: u64,
}

impl Figures {
    async fn add(&mut self, load: &Load, target: &Target, pid: u32, clocks: Clocks) -> Result<(), Error> {
        let used = || foremost_cpu_seconds(pid).zip(cpu_seconds(pid));
        let before = used();
        let report = run(target, load, clocks).await?;
        let after = used();
        self.events_per_second.push(report.events_per_second());
        let events = report.events + report.warm_up_events;
        if let (Some(before), Some(after), 1..) = (before, after, events) {
            self.accepting_micros.push((after.0 - before.0) * 1e6 / events as f64);
            self.whole_micros.push((after.1 - before.1) * 1e6 / events as f64);
        }
        self.failures += failures(&report);
        Ok(())
    }
}

fn failures(report: &Report) -> u64 {
    report.errors_by_status.values().sum::<u64>()
        + report.io_errors
        + report.unanswered
        + report.events_refused
}

impl Ratio {
    fn new(name: &'static str, ours: &[f64], yardstick: &[f64]) -> Self {
        let ours = median(ours).unwrap_or(0.0);
        let yardstick = median(yardstick);
        let ratio = yardstick.filter(|yardstick| *yardstick > 0.0).map(|yardstick| ours / yardstick);
        Self { name, ours, yardstick, ratio, wanted: None, failures: 0 }
    }

    /// Whether the mark is reached, without failures; `None` without a mark.
    pub fn reached(&self) -> Option<bool> {
        let reached = match self.wanted? {
            Wanted::OursAtLeast(mark) => self.ours >= mark,
            Wanted::OursAtMost(mark) => self.ours <= mark,
            Wanted::RatioAtLeast(mark) => self.ratio.is_some_and(|ratio| ratio >= mark),
        };
        Some(reached && self.failures == 0)
    }

    /// The figure as JSON.
    pub fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "ours": self.ours,
            "yardstick": self.yardstick,
            "ratio": self.ratio,
            "wanted": self.wanted.map(|wanted| wanted.to_string()),
            "reached": self.reached(),
            "failures": self.failures,
        })
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OursAtLeast(mark) => write!(out, "ours at least {mark}"),
            Self::OursAtMost(mark) => write!(out, "ours at most {mark}"),
            Self::RatioAtLeast(mark) => write!(out, "ratio at least {mark}"),
        }
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = if self.ours < 1_000.0 { 2 } else { 0 };
        write!(out, "{}: ours {:.places$}", self.name, self.ours)?;
        if let (Some(yardstick), Some(ratio)) = (self.yardstick, self.ratio) {
            write!(out, ", bare handler {yardstick:.places$}, ratio {ratio:.2}")?;
        }
        if let (Some(wanted), Some(reached)) = (self.wanted, self.reached()) {
            write!(out, ", wanted {wanted}: {}", if reached { "reached" } else { "missed" })?;
            let beyond =
                matches!(wanted, Wanted::OursAtLeast(mark) if self.yardstick.is_some_and(|bare| bare < mark));
            if !reached && beyond {
                write!(out, " (the bare handler too: this machine is slower or busier than the mark's)")?;
            }
        }
        if self.failures > 0 {
            write!(out, ", {} failures", self.failures)?;
        }
        Ok(())
    }
}

/// The middle value, or the mean of the two in the middle.
fn median(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = *values.get(values.len().checked_sub(1)? / 2)?;
    Some((lower + upper) / 2.0)
}
