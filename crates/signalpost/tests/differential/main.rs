//! Live membership is SQL's answer: random segments over random people, the
//! core's step on one side, `DataFusion` over the lake's tables on the other.
//!
//! Members are asked for at instants at which something is due by the clock
//! and a microsecond before, so that an exit is known to be exact. A case that
//! differs is made small and kept in `regressions/`, which is replayed first.
//!
//! `SIGNALPOST_CASES=100000` compares more segments, `SIGNALPOST_SEED=17` the
//! world of that seed alone.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a run that panics has found something, and clippy allows this only inside test functions"
)]

mod case;
#[path = "../simulator/chance.rs"]
mod chance;
mod judge;
mod language;
mod live;
mod people;
mod random;
mod shrink;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use case::Case;
use judge::{Verdict, judge};

/// Segments compared in a normal test.
const CASES: u64 = 2_000;
/// Differing cases that are made small before a run gives up.
const SHRUNK_MAX: u64 = 12;

#[expect(clippy::disallowed_methods, reason = "a test's own settings")]
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

fn regressions() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differential/regressions")
}

fn told(case: &Case, verdict: &Verdict) -> String {
    let mut told = String::new();
    for wanted in &case.segments {
        told.push_str(&format!("  {}: {}\n", wanted.name, wanted.text));
    }
    for found in verdict.differences.iter().take(4) {
        told.push_str(&format!(
            "  at {} {}: only live {:?}, only SQL {:?} {}\n",
            found.at,
            found.segment,
            found.surplus,
            found.missing,
            found.error.as_deref().unwrap_or_default()
        ));
    }
    told
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn what_once_differed_is_the_same() {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(regressions()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut broken = Vec::new();
    for file in files.iter().filter(|file| file.extension().is_some_and(|kind| kind == "json")) {
        let case: Case = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        let verdict = runtime().block_on(judge(&case));
        assert!(verdict.refused.is_empty(), "{}: {:?}", file.display(), verdict.refused);
        assert!(verdict.answers > 0, "{} asks for nothing", file.display());
        if !verdict.differences.is_empty() {
            broken.push(format!("{}\n{}", file.display(), told(&case, &verdict)));
        }
    }
    assert!(broken.is_empty(), "{} differ again:\n{}", broken.len(), broken.join("\n"));
}

/// What a run of many worlds came to.
#[derive(Debug, Default)]
struct Tally {
    segments: usize,
    refused: usize,
    answers: usize,
    with_members: usize,
    changes: usize,
    broken: Vec<String>,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.segments += other.segments;
        self.refused += other.refused;
        self.answers += other.answers;
        self.with_members += other.with_members;
        self.changes += other.changes;
        self.broken.extend(other.broken);
    }
}

/// Lives through the world of a seed; what differs is made small and kept.
fn world(seed: u64, shrunk: &AtomicU64) -> Tally {
    let (case, refused) = random::case(seed);
    let verdict = runtime().block_on(judge(&case));
    let mut tally = Tally {
        segments: case.segments.len(),
        refused: refused.len(),
        answers: verdict.answers,
        with_members: verdict.with_members,
        changes: verdict.changes,
        broken: Vec::new(),
    };
    let mut seen: Vec<&str> = Vec::new();
    for difference in &verdict.differences {
        if seen.contains(&difference.segment.as_str()) {
            continue;
        }
        seen.push(&difference.segment);
        if shrunk.fetch_add(1, Ordering::Relaxed) >= SHRUNK_MAX {
            tally.broken.push(format!("seed {seed}, {}", difference.segment));
            continue;
        }
        let small = runtime().block_on(shrink::shrink(&case, difference));
        let verdict = runtime().block_on(judge(&small));
        let file = regressions().join(format!("seed-{seed}-{}.json", difference.segment));
        std::fs::write(&file, serde_json::to_string_pretty(&small).unwrap()).unwrap();
        tally.broken.push(format!("seed {seed}, kept in {}\n{}", file.display(), told(&small, &verdict)));
    }
    tally
}

#[test]
fn live_membership_is_what_sql_answers() {
    let worlds = setting("SIGNALPOST_CASES").unwrap_or(CASES).div_ceil(random::SEGMENTS as u64);
    let seeds = match setting("SIGNALPOST_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..worlds,
    };
    let (next, shrunk) = (AtomicU64::new(seeds.start), AtomicU64::new(0));
    let mut sum = Tally::default();
    std::thread::scope(|scope| {
        let work = || {
            let mut sum = Tally::default();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds.end {
                    return sum;
                }
                sum.add(world(seed, &shrunk));
            }
        };
        let threads = [scope.spawn(work), scope.spawn(work)];
        threads.into_iter().for_each(|thread| sum.add(thread.join().unwrap()));
    });
    let Tally { segments, refused, answers, with_members, changes, broken } = &sum;
    println!(
        "{segments} segments ({refused} texts refused), {changes} entries and exits, {answers} answers compared, \
         {with_members} of them with members"
    );
    broken.iter().for_each(|told| println!("{told}"));
    assert!(broken.is_empty(), "{} segments differ", broken.len());
    assert!(*refused < segments / 5, "too many texts are refused to say much: {refused} of {segments}");
    assert!(
        *with_members > answers / 5,
        "too many segments have nobody in them: {with_members} of {answers}"
    );
}
