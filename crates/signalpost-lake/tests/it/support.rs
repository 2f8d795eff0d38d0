//! What the tests share: a lake in a temporary folder, events, data sets,
//! expected answers.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use serde_json::Value as Json;
use signalpost_core::event::Event;
use signalpost_core::time::Timestamp;
use signalpost_core::value::Value;
use signalpost_lake::{Lake, LiveTables, NoTables, Rows, Settings};
use tempfile::TempDir;

pub(crate) fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

pub(crate) async fn open(folder: &Path) -> Lake {
    let settings = Settings { memory_limit_bytes: 256 << 20, target_partitions: 2, ..Settings::default() };
    Lake::open(folder, settings).await.unwrap()
}

pub(crate) async fn fresh() -> (TempDir, Lake) {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path()).await;
    (folder, lake)
}

/// An event from JSON as the collect step takes it: fields not known go to the
/// properties.
pub(crate) fn event(json: Json) -> Arc<Event> {
    let Json::Object(mut fields) = json else { panic!("not an object") };
    let mut text = |name: &str| match fields.remove(name) {
        Some(Json::String(text)) => Some(text),
        _ => None,
    };
    let timestamp = text("timestamp").map_or(time("2024-01-01T00:00:00Z"), |text| time(&text));
    let mut event = Event {
        event_id: text("event_id").unwrap_or_else(|| "e".into()).into(),
        event_type: text("event_type").unwrap_or_else(|| "test".into()).into(),
        customer_id: text("customer_id").map(Into::into),
        anonymous_id: text("anonymous_id").map(Into::into),
        timestamp,
        received_at: text("received_at").map_or(timestamp, |text| time(&text)),
        product_id: text("product_id").map(Into::into),
        properties: Vec::new(),
        traits: Vec::new(),
        context: Vec::new(),
        source: "test".into(),
    };
    if let Some(Value::Map(context)) = fields.remove("context").map(Value::from) {
        event.context = context;
    }
    event.properties = fields.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    Arc::new(event)
}

pub(crate) async fn rows(lake: &Lake, sql: &str) -> Rows {
    rows_at(lake, sql, "2024-01-02T00:00:00Z", &NoTables).await
}

pub(crate) async fn rows_at(lake: &Lake, sql: &str, now: &str, tables: &dyn LiveTables) -> Rows {
    match lake.sql(sql, time(now), tables).await {
        Ok(rows) => rows,
        Err(error) => panic!("{sql}\n{error}\n{error:?}"),
    }
}

/// The only cell of the only row.
pub(crate) async fn one(lake: &Lake, sql: &str) -> Json {
    let rows = rows(lake, sql).await.to_json_rows().unwrap();
    assert_eq!((rows.len(), rows[0].len()), (1, 1), "{sql}");
    rows[0].values().next().unwrap().clone()
}

/// The rows as CSV without its header, for short comparisons.
pub(crate) async fn csv(lake: &Lake, sql: &str) -> String {
    let csv = rows(lake, sql).await.to_csv().unwrap();
    csv.split_once("\r\n").unwrap().1.trim_end().replace("\r\n", "\n")
}

/// The folder of a data set, or `None` (said aloud) when it is not there.
pub(crate) fn data(name: &str) -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "where the data lies is the test's own setting")]
    let shared = std::env::var("SIGNALPOST_SHARED").map(PathBuf::from);
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let folder = shared.unwrap_or_else(|_| beside()).join("data").join(name);
    if folder.join("events.ndjson.gz").exists() {
        return Some(folder);
    }
    eprintln!(
        "SKIPPED: {} is not there; set SIGNALPOST_SHARED to the folder that has data/{name}",
        folder.display()
    );
    None
}

/// All events of a data set, in file order.
pub(crate) fn events(folder: &Path) -> Vec<Arc<Event>> {
    let file = std::fs::File::open(folder.join("events.ndjson.gz")).unwrap();
    let lines = BufReader::new(MultiGzDecoder::new(file)).lines();
    let line = |line: std::io::Result<String>| {
        let mut json: Json = serde_json::from_str(&line.unwrap()).unwrap();
        let raw = json["product_id"].as_str().unwrap().to_owned();
        json["product_id"] = raw.trim().to_uppercase().into();
        json["product_id_raw"] = raw.into();
        if json["customer_id"].is_null() {
            json["anonymous_id"] = format!("order:{}", json["order_id"].as_str().unwrap()).into();
        }
        event(json)
    };
    lines.map(line).collect()
}

/// Asserts that a query's rows are those of `expected/<file>`, in order.
pub(crate) fn assert_same(rows: &Rows, folder: &Path, file: &str, only: Option<&str>) {
    let expected = std::fs::read_to_string(folder.join("expected").join(file)).unwrap();
    let (header, lines) = expected.split_once('\n').unwrap();
    // With `only`, the first column is the instant; take its rows, without it.
    let lines: Vec<&str> = match only {
        None => lines.lines().collect(),
        Some(key) => lines.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix(',')).collect(),
    };
    let header = if only.is_some() { header.split_once(',').unwrap().1 } else { header };
    let found = rows.to_csv().unwrap();
    let mut found = found.split_terminator("\r\n");
    assert_eq!(found.next().unwrap(), header, "{file}: columns");
    let found: Vec<&str> = found.collect();
    for (place, (found, expected)) in found.iter().zip(&lines).enumerate() {
        let same = found.split(',').count() == expected.split(',').count()
            && found.split(',').zip(expected.split(',')).all(|(a, b)| same_cell(a, b));
        assert!(same, "{file}, row {place}: found {found}, expected {expected}");
    }
    assert_eq!(found.len(), lines.len(), "{file}: number of rows");
    assert!(!lines.is_empty(), "{file}: an expected answer without rows proves nothing");
}

/// Equal as text, as numbers, or as instants.
fn same_cell(found: &str, expected: &str) -> bool {
    if found == expected {
        return true;
    }
    if let (Ok(found), Ok(expected)) = (found.parse::<f64>(), expected.parse::<f64>()) {
        return (found - expected).abs() < 0.000_6;
    }
    let instant = Timestamp::parse(&format!("{}Z", expected.replace(' ', "T")));
    instant.is_some() && instant == Timestamp::parse(found)
}

/// How long some work took.
pub(crate) async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    #[expect(clippy::disallowed_methods, reason = "a measurement")]
    let begin = std::time::Instant::now();
    let done = work.await;
    (done, begin.elapsed())
}

/// The most memory this process has held, in MiB.
pub(crate) fn memory_peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}
