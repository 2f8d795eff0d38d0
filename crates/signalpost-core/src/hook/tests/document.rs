//! The examples in `docs/hooks.md` are true.

use serde_json::{Value as Json, json};

use super::outputs;
use crate::hook::Mapping;

const DOCUMENT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/hooks.md"));
const HEADERS: [(&str, &str); 1] = [("x-event", "order")];

/// The block that is marked so.
fn block(mark: &str) -> Json {
    let (_, rest) = DOCUMENT.split_once(&format!("```json {mark}\n")).unwrap();
    let (text, _) = rest.split_once("```").unwrap();
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{mark}: {error}"))
}

/// The rows of the tables whose first column is named so: what stands between
/// backticks in their two cells.
fn rows(column: &str) -> Vec<(Json, Json)> {
    let mut inside = false;
    let mut rows = Vec::new();
    for line in DOCUMENT.lines() {
        if line.starts_with(&format!("| {column} |")) {
            inside = true;
        } else if !line.starts_with('|') {
            inside = false;
        } else if inside && !line.starts_with("|---") {
            let cells = line.trim_start_matches("| `").trim_end_matches("` |");
            let (input, expected) = cells.split_once("` | `").unwrap_or_else(|| panic!("{line}"));
            let read =
                |text: &str| serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            rows.push((read(input), read(expected)));
        }
    }
    rows
}

fn value(expression: &Json) -> Json {
    let mapping = json!({"rules": [{"events": [{"event_type": "t", "properties": {"x": expression}}]}]});
    let mapping = Mapping::parse(&mapping).unwrap_or_else(|error| panic!("{expression}: {error}"));
    outputs(&mapping, &HEADERS, &block("body"))[0]["properties"]["x"].clone()
}

#[test]
fn every_value_is_as_it_says() {
    let rows = rows("expression");
    assert!(rows.len() >= 35, "{} examples", rows.len());
    for (expression, expected) in rows {
        assert_eq!(value(&expression), expected, "{expression}");
    }
}

#[test]
fn every_condition_holds_as_it_says() {
    let rows = rows("condition");
    assert!(rows.len() >= 9, "{} examples", rows.len());
    for (condition, expected) in rows {
        let asked = json!({"$if": condition, "then": true, "else": false});
        assert_eq!(value(&asked), expected, "{condition}");
    }
}

#[test]
fn the_whole_mapping_makes_what_it_says() {
    let mapping = Mapping::parse(&block("mapping")).unwrap();
    assert_eq!(Json::from(outputs(&mapping, &HEADERS, &block("body"))), block("makes"));
}

#[test]
fn every_operator_is_in_the_document() {
    let mapping = json!({"rules": [{"events": [{"event_type": {"$nothing": 1}}]}]});
    let said = Mapping::parse(&mapping).unwrap_err().to_string();
    let (_, known) = said.split_once("there are ").unwrap();
    for operator in known.split(", ") {
        assert!(DOCUMENT.contains(&format!("{{\"{operator}\":")), "{operator} is not in docs/hooks.md");
    }
}
