//! The languages' own conformance suites, one named test a case.
//!
//! In: `../shared/conformance` beside the workspace, or the folder that `SIGNALPOST_SHARED` names. Out: a test a
//! case, then counts by group; a suite that is absent is skipped loudly. Our own cases lie in `conformance/`. A count below its target fails the run.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    reason = "a test program may stop on a broken case and prints its counts"
)]

mod helpers;
mod liquid;
mod mustache;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use libtest_mimic::{Arguments, Trial};
use signalpost_template::Budgets;

/// Passed and run, by suite and group.
pub(crate) type Counts = Arc<Mutex<BTreeMap<(String, String), (usize, usize)>>>;

/// The share of cases a suite must pass, in hundredths of a percent.
const TARGETS: &[(&str, usize)] = &[
    ("golden-liquid", 10_000),
    ("liquid-spec", 9_900),
    ("handlebars", 10_000),
    ("own-liquid", 10_000),
    ("own-handlebars", 10_000),
];

#[allow(clippy::disallowed_methods, reason = "a test has no settings to read from")]
fn shared() -> PathBuf {
    match std::env::var("SIGNALPOST_SHARED") {
        Ok(folder) => PathBuf::from(folder),
        Err(_) => PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
    }
}

/// The cases of one suite's file; none where it is absent. Our own lie beside this crate's sources.
pub(crate) fn cases(path: &str) -> Vec<serde_json::Value> {
    let file = match path.strip_prefix("own/") {
        Some(own) => PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/conformance")).join(own),
        None => shared().join("conformance").join(path),
    };
    match std::fs::read_to_string(&file) {
        Ok(text) => {
            let suite: serde_json::Value = serde_json::from_str(&text).unwrap();
            suite["tests"].as_array().unwrap().clone()
        }
        Err(error) => {
            eprintln!("SKIPPED: no conformance cases at {}: {error}", file.display());
            Vec::new()
        }
    }
}

/// The budgets that a case sets; the others stay at their defaults.
pub(crate) fn budgets(case: &serde_json::Value) -> Budgets {
    let given = &case["budgets"];
    let usual = Budgets::default();
    let bytes =
        |name: &str, usual: usize| given[name].as_u64().map_or(usual, |n| usize::try_from(n).unwrap());
    Budgets {
        operations: given["operations"].as_u64().unwrap_or(usual.operations),
        output_bytes: bytes("output_bytes", usual.output_bytes),
        assigned_bytes: bytes("assigned_bytes", usual.assigned_bytes),
        partial_depth: bytes("partial_depth", usual.partial_depth),
    }
}

/// A test that counts itself.
pub(crate) fn trial(
    counts: &Counts,
    suite: &str,
    group: &str,
    name: &str,
    run: impl FnOnce() -> Result<(), String> + Send + 'static,
) -> Trial {
    let (counts, key) = (counts.clone(), (suite.to_owned(), group.to_owned()));
    Trial::test(format!("{suite}::{group}::{name}"), move || {
        let outcome = run();
        let mut counts = counts.lock().unwrap();
        let entry = counts.entry(key).or_default();
        entry.0 += usize::from(outcome.is_ok());
        entry.1 += 1;
        outcome.map_err(Into::into)
    })
}

fn report(counts: &BTreeMap<(String, String), (usize, usize)>, filtered: bool) -> bool {
    let mut good = true;
    for (suite, target) in TARGETS {
        let groups: Vec<_> = counts.iter().filter(|((s, _), _)| s == suite).collect();
        let (passed, run) = groups.iter().fold((0, 0), |(p, r), (_, (gp, gr))| (p + gp, r + gr));
        if run == 0 {
            continue;
        }
        for ((_, group), (p, r)) in &groups {
            println!("  {suite}, {group}: {p} of {r}");
        }
        println!("{suite}: {passed} of {run} ({:.2} %)", 100.0 * passed as f64 / run as f64);
        if passed * 10_000 < target * run && !filtered {
            println!("{suite} is below its target of {:.2} %", *target as f64 / 100.0);
            good = false;
        }
    }
    good
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let counts = Counts::default();
    let mut trials = liquid::trials(&counts);
    trials.extend(mustache::trials(&counts));
    let filtered = arguments.filter.is_some() || arguments.exact || arguments.list;
    let conclusion = libtest_mimic::run(&arguments, trials);
    let good = report(&counts.lock().unwrap(), filtered);
    if conclusion.has_failed() || !good { ExitCode::from(101) } else { ExitCode::SUCCESS }
}
