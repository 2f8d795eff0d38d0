//! Measures what remembering many events' ids costs: memory, disk, and the time
//! of a look-up for new ids and for repeats.
//!
//! ```sh
//! cargo run --release --package signalpost --example identities -- 50000000 30
//! ```
//!
//! The first number is how many ids, the second over how many days they come.
//! They go through the real log, in groups, on a temporary folder.

#![expect(clippy::print_stdout, reason = "a measurement is printed")]
#![expect(clippy::cast_precision_loss, reason = "a rate needs no last digit")]

use std::path::Path;

use anyhow::Context;
use signalpost::clock;
use signalpost::log::dedup::event_identity;
use signalpost::log::embedded::{EmbeddedLog, Settings};
use signalpost::log::{Appended, Body, Group, Log, Record};
use signalpost_core::time::{Span, Timestamp};

/// Ids in one group commit.
const GROUP: u64 = 20_000;
/// Look-ups timed of each kind.
const ASKED: u64 = 200_000;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u64| arguments.next().map_or(Ok(default), |text| text.parse());
    let (ids, days) = (number(5_000_000)?, number(30)?);
    let folder = tempfile::tempdir()?;
    let remembered = Span::DAY.times(i64::try_from(days)?);
    let settings = Settings { remembered, min_free_bytes: 1 << 20, ..Settings::default() };
    let log = EmbeddedLog::open(&folder.path().join("log"), &settings)?;
    let before = resident_bytes()?;
    let started = clock::instant();
    let mut at = Timestamp::from_micros(1_700_000_000_000_000);
    let step = Span::from_micros(remembered.as_micros() / i64::try_from(ids.div_ceil(GROUP))?);
    for first in (0..ids).step_by(usize::try_from(GROUP)?) {
        at = at + step;
        let seen = (first..ids.min(first + GROUP)).map(|id| (identity(id), at)).collect();
        let tick = std::sync::Arc::new(Record { at, body: Body::Tick });
        let group = Group { records: vec![Appended::new(0, tick)], seen, ..Group::default() };
        // While the disk has not kept up, no more is taken.
        while log.append(group.clone()).is_err() {
            std::thread::yield_now();
        }
        let ends: Vec<u64> = (0..log.partitions()).map(|partition| log.end(partition)).collect();
        log.trim(&ends, at)?;
    }
    let taken = started.elapsed();
    println!(
        "{ids} ids over {days} days in {:.1} s: {:.0} ids/s",
        taken.as_secs_f64(),
        ids as f64 / taken.as_secs_f64()
    );
    let memory = resident_bytes()?.saturating_sub(before);
    println!("memory {:.1} MB ({:.1} bits an id)", memory as f64 / 1e6, memory as f64 * 8.0 / ids as f64);
    let disk = folder_bytes(&folder.path().join("log/identities"))?;
    println!("disk {:.1} MB ({:.1} bytes an id)", disk as f64 / 1e6, disk as f64 / ids as f64);
    for (what, from) in [("new", ids), ("seen", 0)] {
        let started = clock::instant();
        let mut found = 0;
        for n in 0..ASKED {
            // Far apart, as ids of repeats are.
            let id = from + n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % ids;
            found += u64::from(log.seen(identity(id))?.is_some());
        }
        let nanos = started.elapsed().as_nanos() as f64 / ASKED as f64;
        println!("{what}: {nanos:.0} ns a look-up, {found} of {ASKED} known");
    }
    Ok(())
}

fn identity(id: u64) -> u128 {
    event_identity(&format!("event-{id}"))
}

fn resident_bytes() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
    let kilobytes: u64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
    Ok(kilobytes * 1024)
}

fn folder_bytes(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}
