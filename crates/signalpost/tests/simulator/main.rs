//! Runs from a seed: the program's own step, workers, log writer and outbox,
//! on a machine that dies, with disks that forget and networks that lose,
//! delay and repeat. A run that breaks a law names its seed; the same seed
//! gives the same run.
//!
//! `SIGNALPOST_SEEDS=5000` runs more of them, `SIGNALPOST_SEED=17` that one.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a run that panics has found something, and clippy allows this only inside test functions"
)]

mod chance;
mod check;
mod definitions;
mod disk;
mod erasure;
mod people;
mod post;
mod regressions;
mod replay;
mod trace;
mod world;

use disk::Planted;
use world::{Failure, Tally, World};

/// Things that happen in a run.
const STEPS: usize = 300;
/// Runs in a normal test.
const SEEDS: u64 = 200;

/// What a run leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ran {
    trace: u64,
    tally: Tally,
}

fn run(seed: u64, planted: Planted) -> Result<Ran, Failure> {
    let mut world = World::new(seed, planted)?;
    let at = |step: usize| {
        move |failure: Failure| Failure {
            seen: format!("seed {seed}, step {step}: {}", failure.seen),
            ..failure
        }
    };
    for step in 0..STEPS {
        world.step().map_err(at(step))?;
    }
    world.finish().map_err(at(STEPS))?;
    Ok(Ran { trace: world.trace_hash(), tally: world.tally })
}

#[expect(clippy::disallowed_methods, reason = "a test's own settings")]
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

fn seeds() -> Vec<u64> {
    match setting("SIGNALPOST_SEED") {
        Some(seed) => vec![seed],
        None => (0..setting("SIGNALPOST_SEEDS").unwrap_or(SEEDS)).collect(),
    }
}

/// Runs all seeds on two threads.
fn run_all(seeds: &[u64], planted: Planted) -> Vec<(u64, Result<Ran, Failure>)> {
    let half = |rest: u64| move |seed: &&u64| **seed % 2 == rest;
    std::thread::scope(|scope| {
        let halves = [0, 1].map(|rest| {
            scope.spawn(move || {
                seeds.iter().filter(half(rest)).map(|seed| (*seed, run(*seed, planted))).collect::<Vec<_>>()
            })
        });
        halves.into_iter().flat_map(|half| half.join().unwrap()).collect()
    })
}

#[test]
fn every_law_holds_in_every_run() {
    let seeds = seeds();
    let mut sum = Tally::default();
    let mut broken = Vec::new();
    for (_, ran) in run_all(&seeds, Planted::Nothing) {
        match ran {
            Ok(ran) => sum.add(ran.tally),
            Err(failure) => broken.push(failure),
        }
    }
    println!("{} runs: {sum:?}", seeds.len());
    for failure in broken.iter().take(5) {
        println!("{}\n  {}", failure.law, failure.seen);
    }
    assert!(broken.is_empty(), "{} of {} runs broke a law", broken.len(), seeds.len());
    assert!(seeds.len() < 10 || sum.is_busy(), "the runs leave something out: {sum:?}");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in 1_000..1_005 {
        let (one, other) = (run(seed, Planted::Nothing), run(seed, Planted::Nothing));
        assert_eq!(one.unwrap(), other.unwrap(), "seed {seed}");
    }
}

/// Runs until the planted bug is found; gives the seeds it took and the law broken.
fn find(planted: Planted, seeds_max: u64) -> (u64, Failure) {
    for seed in 0..seeds_max {
        if let Err(failure) = run(seed, planted) {
            println!("{planted:?}: found by seed {seed}: {}\n  {}", failure.law, failure.seen);
            return (seed, failure);
        }
    }
    panic!("{planted:?} was not found in {seeds_max} runs");
}

#[test]
fn a_skipped_sync_is_found() {
    let (_, failure) = find(Planted::SkippedSync, 20);
    assert!(failure.law.contains("acknowledged") || failure.law.contains("replay"), "{failure:?}");
}

#[test]
fn a_forgotten_identity_is_found() {
    let (_, failure) = find(Planted::ForgottenIdentity, 20);
    assert_eq!(failure.law, "an event is there once");
}

#[test]
fn a_position_committed_before_its_state_is_found() {
    find(Planted::PositionFirst, 20);
}

#[test]
fn an_attempt_marked_too_late_is_found() {
    let (_, failure) = find(Planted::MarkLate, 50);
    assert!(failure.law.contains("mail"), "{failure:?}");
}
