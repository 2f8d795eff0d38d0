//! How far a file was imported: what the server keeps of it, so that an import
//! that was stopped goes on, and one that was finished is not done twice.

use serde_json::{Value as Json, json};

use super::batch::{Batch, Reached};
use super::mapping::Kind;
use super::report::Counts;
use super::send::Outcome;

/// A position in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The how-manieth import of the file, from 0.
    pub run: u32,
    /// How far this one is.
    pub reached: Reached,
    /// What became of the rows so far.
    pub counts: Counts,
    /// Whether the file ended there.
    pub complete: bool,
}

impl Position {
    /// The first batch begins behind so many rows: at the position, or at 0
    /// when the file turned out to be another.
    pub fn begin(&mut self, rows: u64) {
        if rows == 0 {
            *self = Self { run: self.run, ..Self::default() };
        }
    }

    /// Goes on behind a batch that was taken.
    pub fn take(&mut self, batch: &Batch, outcome: &Outcome) {
        self.reached = batch.reached;
        self.counts.add(outcome.counts);
        self.complete = batch.is_last;
    }

    /// As the server keeps it.
    pub fn to_json(self, file: &str, kind: Kind) -> Json {
        json!({
            "file": file, "kind": kind.as_str(), "run": self.run, "rows": self.reached.rows,
            "chain": format!("{:032x}", self.reached.chain), "complete": self.complete,
            "accepted": self.counts.accepted, "duplicates": self.counts.duplicates,
            "quarantined": self.counts.quarantined,
        })
    }

    /// Reads what the server kept; the beginning when it makes no sense.
    pub fn from_json(json: &Json) -> Self {
        let number = |name: &str| json.get(name).and_then(Json::as_u64).unwrap_or_default();
        let chain =
            json.get("chain").and_then(Json::as_str).and_then(|hex| u128::from_str_radix(hex, 16).ok());
        let Some(chain) = chain else { return Self::default() };
        Self {
            run: u32::try_from(number("run")).unwrap_or_default(),
            reached: Reached { rows: number("rows"), chain },
            counts: Counts {
                accepted: number("accepted"),
                duplicates: number("duplicates"),
                quarantined: number("quarantined"),
            },
            complete: json.get("complete") == Some(&Json::Bool(true)),
        }
    }
}
