//! The load client behind `signalpost bench`: many keep-alive HTTP/1.1
//! connections that send events as cheaply as they can, because the client
//! shares the machine with the server it measures.
//!
//! In come a [`Target`] and a [`Load`]; out comes a [`Report`]. [`yardstick`] is
//! a bare handler to measure the same client against, and [`scenario`] puts the
//! two side by side.
//!
//! The client has one thread of its own with a single-threaded runtime, one task
//! a connection, requests built in a reused buffer and replies read only as far
//! as their status, their length and the number of accepted events.

mod body;
mod connection;
mod drive;
mod pace;
mod process;
mod report;
pub mod scenario;
pub mod server;
mod wire;
pub mod yardstick;

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

pub use process::{cpu_seconds, foremost_cpu_seconds, resident_bytes, resident_bytes_max};
pub use report::Report;
pub use yardstick::bare_server;

/// Files a client needs beside its connections: standard streams, the runtime's
/// own, and room for a server in the same process to answer a few probes.
const OTHER_OPEN_FILES: u64 = 64;
/// How long answers are waited for after the last request was due.
const GRACE: Duration = Duration::from_secs(10);

/// Where the load goes.
#[derive(Clone, Debug)]
pub struct Target {
    /// The server's address; plain HTTP is spoken there.
    pub address: SocketAddr,
    /// The path of the request, with its query if any: `/api/events`.
    pub path: String,
    /// The write key, sent as `Authorization: Bearer KEY`. Empty sends none.
    pub key: String,
}

/// What is sent, how much of it and for how long.
#[derive(Clone, Debug)]
pub struct Load {
    /// Connections kept open; each has at most one request under way.
    pub connections: usize,
    /// How long is measured, after the warm-up.
    pub duration: Duration,
    /// How long the load runs before it is measured.
    pub warm_up: Duration,
    /// Requests a second over all connections. `None` is the closed loop: each
    /// connection sends its next request as soon as the last is answered.
    pub rate: Option<f64>,
    /// Events a request: 1 sends an object, more send an array.
    pub batch: usize,
    /// Distinct customers, 1 to 4,294,967,295.
    pub profiles: u64,
    /// Few customers do most (Zipf's law) instead of all the same.
    pub zipf: bool,
    /// Where the random choices start; the same seed makes the same choices.
    pub seed: u64,
    /// Whether each event has an id of its own.
    pub named: bool,
    /// The `User-Agent`; none when empty.
    pub user_agent: &'static str,
}

/// The two clocks the client reads; given, because time is an input.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    /// Microseconds since 1970-01-01T00:00:00Z: the `timestamp` of the events.
    pub wall_micros: fn() -> i64,
    /// The steady clock that latencies are measured by.
    pub instant: fn() -> Instant,
}

/// Why a load could not be run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server could not be reached.
    #[error("no connection to {address}: is a server listening there?")]
    Connect {
        /// Where it was looked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The load is not one that can be made.
    #[error("{field} is {got}, expected {expected}")]
    Load {
        /// The field of [`Load`] or [`Target`].
        field: &'static str,
        /// What was asked for.
        got: String,
        /// What would do.
        expected: &'static str,
    },
    /// Fewer files may be open than there are to be connections.
    #[error(
        "{connections} connections need {needed} open files, but process {pid} may open {allowed}: \
         start it after `ulimit -n {needed}`"
    )]
    OpenFiles {
        /// The process, the client's or the server's.
        pid: u32,
        /// Connections asked for.
        connections: usize,
        /// Files they need.
        needed: u64,
        /// The soft limit of the process.
        allowed: u64,
    },
    /// The client's or the yardstick's thread or runtime could not be started,
    /// or ended before it had an answer.
    #[error("the {what} did not run")]
    Start {
        /// Which.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl Target {
    fn check(&self) -> Result<(), Error> {
        let wrong =
            |field, got: &str, expected| Err(Error::Load { field, got: format!("{got:?}"), expected });
        if !self.path.starts_with('/') || !self.path.bytes().all(|byte| byte.is_ascii_graphic()) {
            return wrong("path", &self.path, "a path such as /api/events, percent-encoded");
        }
        if !self.key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return wrong("key", "a text with blanks or control characters", "a write key");
        }
        Ok(())
    }
}

impl Load {
    fn check(&self) -> Result<(), Error> {
        let wrong = |field, got: String, expected| Err(Error::Load { field, got, expected });
        if !self.user_agent.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
            return wrong("user_agent", format!("{:?}", self.user_agent), "printable ASCII");
        }
        if self.connections == 0 {
            return wrong("connections", "0".to_owned(), "at least 1");
        }
        if !(1..=body::BATCH_MAX).contains(&self.batch) {
            return wrong("batch", self.batch.to_string(), "1 to 10,000 events a request");
        }
        if !(1..=u64::from(u32::MAX)).contains(&self.profiles) {
            return wrong("profiles", self.profiles.to_string(), "1 to 4,294,967,295 customers");
        }
        if self.duration.is_zero() || self.duration + self.warm_up > Duration::from_secs(7 * 86_400) {
            return wrong("duration", format!("{:?}", self.duration), "more than none, at most a week");
        }
        if let Some(rate) = self.rate.filter(|rate| !(0.001..=10_000_000.0).contains(rate)) {
            return wrong("rate", rate.to_string(), "0.001 to 10,000,000 requests a second");
        }
        self.check_open_files(std::process::id())
    }

    /// Whether process `pid` may open as many files as this load has connections.
    fn check_open_files(&self, pid: u32) -> Result<(), Error> {
        let needed = OTHER_OPEN_FILES.saturating_add(u64::try_from(self.connections).unwrap_or(u64::MAX));
        match process::open_files_max(pid) {
            Some(allowed) if allowed < needed => {
                Err(Error::OpenFiles { pid, connections: self.connections, needed, allowed })
            }
            _ => Ok(()),
        }
    }
}

/// Sends `load` to `target` and tells how it went.
///
/// The client runs on a thread of its own; dropping the future ends it.
pub async fn run(target: &Target, load: &Load, clocks: Clocks) -> Result<Report, Error> {
    run_waiting(target, load, clocks, GRACE).await
}

/// [`run`], waiting `grace` for answers after the last request was due.
async fn run_waiting(target: &Target, load: &Load, clocks: Clocks, grace: Duration) -> Result<Report, Error> {
    const CLIENT: &str = "load client";
    target.check()?;
    load.check()?;
    let (target, load) = (target.clone(), load.clone());
    let (sender, report) = oneshot::channel();
    std::thread::Builder::new()
        .name("bench-client".to_owned())
        .spawn(move || drive::client_thread(&target, &load, clocks, grace, sender))
        .map_err(|source| Error::Start { what: CLIENT, source })?;
    report.await.map_err(|lost| Error::Start { what: CLIENT, source: io::Error::other(lost) })?
}
