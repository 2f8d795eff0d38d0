//! Recorded events: JSON lines, an event a line, gzip or not.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::{Value as Json, json};
use signalpost_core::time::{Span, Timestamp};

/// A file of recorded events.
#[derive(Debug)]
pub struct DataSet {
    file: PathBuf,
    /// The earliest time in it.
    pub start: Timestamp,
    /// A little after the latest time in it.
    pub end: Timestamp,
    /// How many events.
    pub count: u64,
}

impl DataSet {
    /// Opens a file and looks it through once.
    ///
    /// # Errors
    /// When it cannot be read, or a line is no event with a time.
    pub fn open(file: &Path) -> anyhow::Result<Self> {
        let mut set = Self { file: file.to_owned(), start: Timestamp::MAX, end: Timestamp::MIN, count: 0 };
        for line in lines(file)? {
            let at = time_of(&line?).with_context(|| format!("{} line {}", file.display(), set.count + 1))?;
            set.start = set.start.min(at);
            set.end = set.end.max(at);
            set.count += 1;
        }
        anyhow::ensure!(set.count > 0, "{} holds no event", file.display());
        set.end = set.end + Span::SECOND;
        Ok(set)
    }

    /// The events in the file's order, each with its time.
    ///
    /// A line that names nobody is the visit of an unknown person: those of one
    /// order belong together.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn events(&self) -> anyhow::Result<impl Iterator<Item = anyhow::Result<(Timestamp, Json)>>> {
        Ok(lines(&self.file)?.map(|event| {
            let mut event = event?;
            let at = time_of(&event)?;
            if event.get("customer_id").is_none_or(Json::is_null)
                && event.get("anonymous_id").is_none_or(Json::is_null)
            {
                let visit =
                    event.get("order_id").or_else(|| event.get("event_id")).map(crate::cli::output::cell);
                event["anonymous_id"] = json!(format!("order:{}", visit.unwrap_or_default()));
            }
            Ok((at, event))
        }))
    }
}

fn lines(path: &Path) -> anyhow::Result<impl Iterator<Item = anyhow::Result<Json>> + use<>> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let reader: Box<dyn Read> = if path.extension().is_some_and(|ending| ending == "gz") {
        Box::new(flate2::read::MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    };
    let lines = BufReader::with_capacity(1 << 20, reader).lines();
    Ok(lines.map(|line| Ok(serde_json::from_str(&line?)?)))
}

fn time_of(event: &Json) -> anyhow::Result<Timestamp> {
    let text = event.get("timestamp").and_then(Json::as_str).context("the event has no timestamp")?;
    Timestamp::parse(text).with_context(|| format!("'{text}' is not an RFC 3339 time"))
}
