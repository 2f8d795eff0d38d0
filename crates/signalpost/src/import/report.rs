//! What became of an import's rows.

use serde_json::{Value as Json, json};

/// Reasons are told apart up to this many.
const REASONS_MAX: usize = 200;
/// Samples kept of a reason.
const SAMPLES_MAX: usize = 5;

/// One row that went to quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line it begins on.
    pub line: u64,
    /// Why, for programs.
    pub code: String,
    /// The field at fault; empty for the row as a whole.
    pub field: String,
    /// Why, for people.
    pub message: String,
}

/// Counts of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows taken.
    pub accepted: u64,
    /// Rows that were there already.
    pub duplicates: u64,
    /// Rows in quarantine.
    pub quarantined: u64,
}

impl Counts {
    /// Adds others.
    pub fn add(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.duplicates += other.duplicates;
        self.quarantined += other.quarantined;
    }

    /// All of them.
    pub fn rows(&self) -> u64 {
        self.accepted + self.duplicates + self.quarantined
    }
}

/// What became of one file.
#[derive(Clone, Debug, Default)]
pub struct FileReport {
    /// Its name.
    pub file: String,
    /// Rows sent now.
    pub counts: Counts,
    /// Rows that an earlier run had done.
    pub done_before: u64,
    /// Whether the file has been imported as a whole.
    pub complete: bool,
    /// What else there is to say of it.
    pub note: Option<String>,
}

/// A reason for quarantine.
#[derive(Clone, Debug)]
struct Reason {
    code: String,
    field: String,
    count: u64,
    samples: Vec<Json>,
}

/// What became of everything.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// File by file.
    pub files: Vec<FileReport>,
    reasons: Vec<Reason>,
    /// The first rows as they become; for a dry run.
    pub first: Vec<Json>,
    /// How long it took.
    pub seconds: f64,
    /// Whether nothing was sent for good.
    pub dry_run: bool,
}

impl Report {
    /// Counts faults of a file.
    pub fn fault(&mut self, file: &str, faults: &[Fault]) {
        for fault in faults {
            let is = |reason: &Reason| reason.code == fault.code && reason.field == fault.field;
            let place = self.reasons.iter().position(is).unwrap_or(self.reasons.len());
            if place == self.reasons.len() && place < REASONS_MAX {
                let (code, field) = (fault.code.clone(), fault.field.clone());
                self.reasons.push(Reason { code, field, count: 0, samples: Vec::new() });
            }
            let Some(reason) = self.reasons.get_mut(place) else { continue };
            reason.count += 1;
            if reason.samples.len() < SAMPLES_MAX {
                reason.samples.push(json!({"file": file, "line": fault.line, "message": fault.message}));
            }
        }
    }

    /// Counts over all files.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        self.files.iter().for_each(|file| counts.add(file.counts));
        counts
    }

    /// For programs.
    pub fn to_json(&self) -> Json {
        let counts = self.counts();
        let file = |file: &FileReport| {
            json!({
                "file": file.file, "rows": file.counts.rows(), "done_before": file.done_before,
                "accepted": file.counts.accepted, "duplicates": file.counts.duplicates,
                "quarantined": file.counts.quarantined, "complete": file.complete, "note": file.note,
            })
        };
        let reason = |reason: &Reason| json!({"code": reason.code, "field": reason.field, "count": reason.count, "samples": reason.samples});
        json!({
            "dry_run": self.dry_run, "rows": counts.rows(), "accepted": counts.accepted,
            "duplicates": counts.duplicates, "quarantined": counts.quarantined,
            "done_before": self.files.iter().map(|file| file.done_before).sum::<u64>(),
            "reasons": self.reasons.iter().map(reason).collect::<Vec<_>>(),
            "files": self.files.iter().map(file).collect::<Vec<_>>(),
            "first": self.first, "seconds": self.seconds, "rows_per_second": self.rate(),
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate needs no last digit")]
    fn rate(&self) -> f64 {
        (self.counts().rows() as f64 / self.seconds.max(1e-3)).round()
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let counts = self.counts();
        for first in &self.first {
            writeln!(f, "{first}")?;
        }
        for file in &self.files {
            if let Some(note) = &file.note {
                writeln!(f, "{}: {note}", file.file)?;
            }
        }
        for reason in &self.reasons {
            let field = if reason.field.is_empty() { String::new() } else { format!(" in {}", reason.field) };
            writeln!(f, "{} rows: {}{field}", reason.count, reason.code)?;
            for sample in &reason.samples {
                let text = |name: &str| sample.get(name).map(crate::cli::output::cell).unwrap_or_default();
                writeln!(f, "  {} line {}: {}", text("file"), text("line"), text("message"))?;
            }
        }
        let kept = match (counts.quarantined, self.dry_run) {
            (0, _) => "",
            (_, true) => " (they would be kept: signalpost quarantine list)",
            (_, false) => " (they are kept: signalpost quarantine list)",
        };
        let would = if self.dry_run { "would be " } else { "" };
        write!(
            f,
            "{} rows: {} {would}accepted, {} there already, {} {would}quarantined{kept}; {:.1} s, {} rows/s",
            counts.rows(),
            counts.accepted,
            counts.duplicates,
            counts.quarantined,
            self.seconds,
            self.rate(),
        )
    }
}
