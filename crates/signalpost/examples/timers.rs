//! Measures what waiting for many instants costs: memory, the time to open, and
//! how late what is due happens.
//!
//! ```sh
//! cargo run --release --package signalpost --example timers -- 10000000
//! ```
//!
//! The number is how many people wait, each for the end of a membership some day
//! of the next month. They come through the real log and workers, on a folder in
//! the current one (about 5 GB for ten million). Then the program starts again on
//! what is there, and 5,000 more come who leave within seconds.

#![expect(clippy::print_stdout, reason = "a measurement is printed")]
#![expect(clippy::cast_precision_loss, reason = "a rate needs no last digit")]

use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::park_timeout;
use std::time::Duration;

use anyhow::Context;
use signalpost::bench::{resident_bytes, resident_bytes_max};
use signalpost::clock::{self, Clock};
use signalpost::log::dedup::Identity;
use signalpost::log::embedded::{EmbeddedLog, Settings};
use signalpost::log::writer::{Incoming, Submission, Writer};
use signalpost::log::{Body, Log};
use signalpost::partition::{Partitions, Publish};
use signalpost::state::Store;
use signalpost::state::fjall::FjallStore;
use signalpost::worker::Published;
use signalpost_core::event::Event;
use signalpost_core::program::{Change, Defined};
use signalpost_core::time::{Span, Timestamp};
use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

const RULE: &str =
    "IF event_type = 'ping' AND event_time >= now() - 30 days THEN assign to 'Active this month'";
const WINDOW: Span = Span::DAY.times(30);
/// Events in one group commit.
const GROUP: u64 = 5_000;
/// Records that may wait for the workers.
const LAG_MAX: u64 = 200_000;
/// Profiles kept in memory, as a server does unless told.
const CACHED: usize = 20_000;
/// People who leave while it is measured how late.
const LEAVING: u64 = 5_000;
/// How many of them a second.
const LEAVING_RATE: i64 = 500;

/// How late each membership ended, in microseconds.
#[derive(Debug, Default)]
struct Late(Mutex<Vec<i64>>);

impl Publish for Late {
    fn publish(&self, _: u32, published: Published) {
        let now = Clock::system().now();
        let left = published.changes.iter().filter(|(_, change)| !change.entered);
        let late = left.map(|(_, change)| now.as_micros() - change.at.as_micros());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(late);
    }
}

/// The log and the workers on a folder.
struct Running {
    log: Arc<EmbeddedLog>,
    store: Arc<FjallStore>,
    partitions: Arc<Partitions>,
    writer: Writer,
    late: Arc<Late>,
}

impl Running {
    fn open(folder: &Path) -> anyhow::Result<Self> {
        let settings = Settings { min_free_bytes: 1 << 20, ..Settings::default() };
        let log = Arc::new(EmbeddedLog::open(&folder.join("log"), &settings)?);
        let store = Arc::new(FjallStore::open(&folder.join("state"))?);
        let partitions = Partitions::new(log.partitions());
        let (waker, clock) = (Arc::clone(&partitions), Clock::system());
        let (writer, _) = Writer::start(Arc::clone(&log), clock.clone(), move || waker.wake())?;
        let late = Arc::new(Late::default());
        for partition in 0..log.partitions() {
            let publish: Arc<dyn Publish> = Arc::clone(&late) as Arc<dyn Publish>;
            let (store, log) = (Arc::clone(&store), Arc::clone(&log));
            let cached = CACHED / log.partitions() as usize;
            partitions.start(partition, store, log, cached, writer.clone(), publish)?;
        }
        partitions.start_timekeeper(Arc::clone(&log), clock, writer.clone())?;
        Ok(Self { log, store, partitions, writer, late })
    }

    fn lag(&self) -> u64 {
        let taken = |(partition, gauge): (u32, &signalpost::partition::Gauge)| {
            self.log.end(partition).saturating_sub(gauge.offset.load(Ordering::Acquire))
        };
        (0..).zip(self.partitions.gauges()).map(taken).sum()
    }

    fn wait_for_lag(&self, records: u64) {
        while self.lag() > records {
            park_timeout(Duration::from_millis(5));
        }
    }

    /// Takes people in, each with the instant of its one event.
    fn take(&self, people: impl Iterator<Item = (u64, Timestamp)>) -> anyhow::Result<()> {
        let incoming = |(person, at)| Incoming {
            event: Arc::new(ping(person, at)),
            identity: Identity { event_id: None, content: None, timestamp: at },
            encoded: None,
        };
        let events = people.map(incoming).collect();
        self.writer.submit_blocking(Submission { events, ..Submission::default() })?;
        Ok(())
    }
}

fn ping(person: u64, at: Timestamp) -> Event {
    Event {
        event_id: format!("e{person}").as_str().into(),
        event_type: "ping".into(),
        customer_id: Some(format!("c{person}").as_str().into()),
        anonymous_id: None,
        timestamp: at,
        received_at: at,
        product_id: None,
        properties: Vec::new(),
        traits: Vec::new(),
        context: Vec::new(),
        source: "bench".into(),
    }
}

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let people: u64 = arguments.next().map_or(Ok(100_000), |text| text.parse())?;
    if let Some(folder) = arguments.next() {
        return wait(Path::new(&folder), people);
    }
    let folder = tempfile::tempdir_in(".")?;
    fill(folder.path(), people)?;
    let again = Command::new(std::env::current_exe()?).arg(people.to_string()).arg(folder.path()).status()?;
    anyhow::ensure!(again.success(), "the second start failed");
    Ok(())
}

fn mib(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "unknown".to_owned(), |bytes| format!("{} MiB", bytes >> 20))
}

/// Takes everybody in.
fn fill(folder: &Path, people: u64) -> anyhow::Result<()> {
    let running = Running::open(folder)?;
    let now = Clock::system().now();
    let what = Defined::Segment {
        name: "Active this month".into(),
        version: 1,
        text: RULE.into(),
        traits: vec![],
        properties: vec![],
    };
    let change = Arc::new(Change { at: now, what });
    let records =
        (0..running.log.partitions()).map(|partition| (partition, Body::Define(Arc::clone(&change))));
    running.writer.submit_blocking(Submission { records: records.collect(), ..Submission::default() })?;
    let started = clock::instant();
    // Each leaves at another instant, from tomorrow on.
    let step = Span::DAY.times(28).as_micros() / i64::try_from(people)?.max(1);
    let joined = |person: u64| {
        let place = i64::try_from(person).unwrap_or(i64::MAX);
        (person, now - Span::DAY.times(29) + Span::from_micros(place.saturating_mul(step)))
    };
    for first in (0..people).step_by(usize::try_from(GROUP)?) {
        running.take((first..people.min(first + GROUP)).map(joined))?;
        running.wait_for_lag(LAG_MAX);
    }
    running.wait_for_lag(0);
    let seconds = started.elapsed().as_secs_f64();
    let pid = std::process::id();
    println!("{people} timers set in {seconds:.1} s ({:.0} a second)", people as f64 / seconds);
    println!("resident while they were set: {} at most", mib(resident_bytes_max(pid)));
    running.partitions.stop();
    running.store.sync()?;
    Ok(())
}

/// Opens what is there, and measures.
fn wait(folder: &Path, people: u64) -> anyhow::Result<()> {
    let started = clock::instant();
    let running = Running::open(folder)?;
    running.wait_for_lag(0);
    println!("opened again in {} ms", started.elapsed().as_millis());
    let pid = std::process::id();
    park_timeout(Duration::from_secs(2));
    println!("resident with {people} timers waiting: {} (goal: below 500)", mib(resident_bytes(pid)));
    let first = Clock::system().now() + Span::SECOND.times(3) - WINDOW;
    let leaving = (0..LEAVING).map(|number| {
        let place = i64::try_from(number).unwrap_or(0);
        (people + number, first + Span::from_micros(place * 1_000_000 / LEAVING_RATE))
    });
    running.take(leaving)?;
    let held = || running.late.0.lock().unwrap_or_else(PoisonError::into_inner);
    let deadline = clock::instant() + Duration::from_secs(60);
    while (held().len() as u64) < LEAVING && clock::instant() < deadline {
        park_timeout(Duration::from_millis(50));
    }
    let mut late = held().clone();
    late.sort_unstable();
    anyhow::ensure!(late.len() as u64 == LEAVING, "{} of {LEAVING} have left", late.len());
    let at = |share: usize| late.get((late.len() - 1) * share / 1_000).context("nobody left");
    println!(
        "{LEAVING} of them left, {LEAVING_RATE} a second, late by {:.1} ms (half), {:.1} ms (99 %), {:.1} ms (all; goal: below 100)",
        *at(500)? as f64 / 1e3,
        *at(990)? as f64 / 1e3,
        *at(1_000)? as f64 / 1e3,
    );
    println!("resident then: {}, at most {}", mib(resident_bytes(pid)), mib(resident_bytes_max(pid)));
    Ok(())
}
