//! Real shops' events through the whole program: the answers must be those
//! that were worked out elsewhere (`expected/` beside the data), exactly.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value as Json;

/// The folder of a data set, or a loud word that it is not there.
fn data_set(name: &str) -> Option<PathBuf> {
    let shared = std::env::var("SIGNALPOST_SHARED")
        .map_or_else(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let folder = shared.join("data").join(name);
    if folder.join("events.ndjson.gz").is_file() {
        return Some(folder);
    }
    eprintln!(
        "SKIPPED: {} is not there; set SIGNALPOST_SHARED to the folder that holds data/",
        folder.display()
    );
    None
}

/// A played data set: its folder of expected answers, and the program's data.
struct Played {
    expected: PathBuf,
    data: tempfile::TempDir,
}

impl Played {
    fn play(name: &str) -> Option<Self> {
        let folder = data_set(name)?;
        let played = Self { expected: folder.join("expected"), data: tempfile::tempdir().unwrap() };
        let file = folder.join("events.ndjson.gz").display().to_string();
        played.run(&["demo", "--exit", "--listen", "127.0.0.1:0", "--data-set", &file]);
        Some(played)
    }

    fn run(&self, arguments: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_signalpost"))
            .arg("--data")
            .arg(self.data.path().join("demo"))
            .args(arguments)
            .env_remove("SIGNALPOST_URL")
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "signalpost {arguments:?} failed: {told}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The rows of an expected answer, as cells.
    fn expected(&self, file: &str) -> Vec<Vec<String>> {
        let text = std::fs::read_to_string(self.expected.join(file)).unwrap();
        text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
    }

    fn sql(&self, at: &str, query: &str) -> Vec<Vec<String>> {
        let text = self.run(&["sql", "--at", at, "-o", "csv", query]);
        text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
    }

    /// Defines a segment and compares its members at every instant that the
    /// file has, of the rows that `only` lets through.
    fn check_members(&self, name: &str, text: &str, file: &str, only: Option<&str>) {
        self.run(&["segment", "apply", text, "--name", name]);
        let rows = self.expected(file);
        let rows: Vec<_> =
            rows.iter().filter(|row| only.is_none_or(|only| row.iter().any(|cell| cell == only))).collect();
        let instants: BTreeSet<&String> = rows.iter().map(|row| &row[0]).collect();
        assert!(!instants.is_empty());
        for instant in instants {
            let customer = if only.is_some() { 2 } else { 1 };
            let expected: BTreeSet<String> =
                rows.iter().filter(|row| row[0] == *instant).map(|row| row[customer].clone()).collect();
            assert_eq!(self.members(name, instant), expected, "{name} at {instant}");
        }
    }

    fn members(&self, name: &str, instant: &str) -> BTreeSet<String> {
        let at = format!("{}Z", instant.replace(' ', "T"));
        let found: Json =
            serde_json::from_str(&self.run(&["--json", "segment", "members", name, "--at", &at])).unwrap();
        found.as_array().unwrap().iter().map(|row| row["customer_id"].as_str().unwrap().to_owned()).collect()
    }

    fn verify(&self) {
        let told = self.run(&["--json", "segment", "verify"]);
        let rows: Json = serde_json::from_str(&told).unwrap();
        assert!(rows.as_array().unwrap().iter().all(|row| row["equal"] == Json::Bool(true)), "{told}");
    }
}

#[test]
fn online_retail_gives_the_expected_answers() {
    let Some(played) = Played::play("online-retail") else { return };
    let types = played.sql(
        "2011-12-10T00:00:00Z",
        "SELECT event_type, count(*), count(customer_id), count(*) - count(customer_id), count(DISTINCT customer_id) \
         FROM events GROUP BY 1 ORDER BY 1",
    );
    assert_eq!(types, played.expected("e1_events_by_type.csv"));
    let bought =
        "IF event_type = 'purchase' AND event_time >= now() - 24 hours THEN assign to 'Bought lately'";
    played.check_members("Bought lately", bought, "e3_purchased_last_24h.csv", None);
    let lapsed = "SELECT customer_id FROM customer_data c WHERE EXISTS (SELECT 1 FROM events e WHERE e.customer_id = c.customer_id \
                  AND e.event_type = 'purchase' AND e.timestamp >= now() - INTERVAL '90 days') AND NOT EXISTS (SELECT 1 FROM events e \
                  WHERE e.customer_id = c.customer_id AND e.event_type = 'purchase' AND e.timestamp >= now() - INTERVAL '30 days')";
    played.check_members("Lapsed", lapsed, "e4_lapsed.csv", None);
    let germany = "SELECT customer_id FROM customer_data c WHERE (SELECT last(country) FROM events e WHERE e.customer_id = c.customer_id) \
                   = 'Germany' AND customer_id IN (SELECT customer_id FROM events WHERE event_type = 'purchase' AND timestamp >= now() \
                   - INTERVAL '90 days' GROUP BY customer_id HAVING count(DISTINCT order_id) >= 2 AND sum(quantity * unit_price) >= 500)";
    played.run(&["segment", "apply", germany, "--name", "Germany"]);
    let expected: BTreeSet<String> =
        played.expected("e5_germany_multi.csv").into_iter().map(|row| row[0].clone()).collect();
    assert_eq!(played.members("Germany", "2011-12-01 00:00:00"), expected);
    let rfm = played.sql(
        "2011-12-10T00:00:00Z",
        "SELECT customer_id, rfm_recency, rfm_frequency, CAST(rfm_monetary AS DECIMAL(18,3)) FROM customer_data \
         WHERE purchase_count > 0 ORDER BY customer_id",
    );
    let expected: Vec<Vec<String>> =
        played.expected("e9b_rfm.csv").into_iter().map(|row| row[..4].to_vec()).collect();
    // The same numbers; how many noughts end them is not the point.
    let numbers = |rows: &[Vec<String>]| -> Vec<Vec<f64>> {
        rows.iter().map(|row| row.iter().map(|cell| cell.parse().unwrap()).collect()).collect()
    };
    assert_eq!(numbers(&rfm), numbers(&expected));
    played.verify();
}

#[test]
fn retailrocket_gives_the_expected_answers() {
    let Some(played) = Played::play("retailrocket-sample") else { return };
    let end = "2015-09-18T23:00:00Z";
    let types = played.sql(
        end,
        "SELECT event_type, count(*), count(DISTINCT customer_id), count(DISTINCT product_id) FROM events \
         WHERE event_type <> 'cart_abandonment' GROUP BY 1 ORDER BY 1",
    );
    assert_eq!(types, played.expected("e1_events_by_type.csv"));
    let profiles = played.sql(
        end,
        "SELECT customer_id, coalesce(product_view_count, 0), coalesce(add_to_cart_count, 0), coalesce(purchase_count, 0), \
         last_viewed_product FROM customer_data ORDER BY customer_id",
    );
    let expected: Vec<Vec<String>> = played
        .expected("e9_profiles.csv")
        .into_iter()
        .map(|row| vec![row[0].clone(), row[1].clone(), row[2].clone(), row[3].clone(), row[7].clone()])
        .collect();
    assert_eq!(profiles, expected);
    let open = |window: &str, name: &str| {
        format!(
            "IF event_type = 'add_to_cart' AND event_time >= now() - {window} AND NOT EXISTS (SELECT 1 FROM events p WHERE \
             p.event_type = 'purchase' AND p.timestamp >= event.timestamp) THEN assign to '{name}'"
        )
    };
    let confirmed = "SELECT customer_id FROM events c WHERE c.event_type = 'add_to_cart' AND c.timestamp + 24 hours <= now() AND NOT \
                     EXISTS (SELECT 1 FROM events p WHERE p.customer_id = c.customer_id AND p.event_type = 'purchase' AND p.timestamp \
                     >= c.timestamp AND p.timestamp < c.timestamp + INTERVAL '24 hours')";
    let confirmed_lately = format!("{confirmed} AND c.timestamp >= now() - INTERVAL '7 days'");
    let file = "e3_abandonment_members.csv";
    for (name, text) in [
        ("A1_open_last_24h", open("24 hours", "A1_open_last_24h")),
        ("A2_confirmed_ever", confirmed.to_owned()),
        ("A3_confirmed_7d", confirmed_lately),
        ("A4_open_last_7d", open("7 days", "A4_open_last_7d")),
    ] {
        played.check_members(name, &text, file, Some(name));
    }
    let browsers = "SELECT customer_id FROM customer_data WHERE (SELECT count(DISTINCT product_id) FROM events WHERE event_type = \
                    'product_view' AND timestamp >= now() - INTERVAL '7 days') >= 3 AND NOT EXISTS (SELECT 1 FROM events WHERE \
                    event_type = 'purchase')";
    played.check_members("Browsers", browsers, "e4_browsers.csv", None);
    played.verify();
}
