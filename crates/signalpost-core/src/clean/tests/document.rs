//! The examples in `docs/cleaning.md` are true.

use super::received_at;
use crate::clean::bot::explain;
use crate::clean::plan::Plan;
use crate::clean::score::Reason;
use crate::clean::{RawEvent, Sender, SourceSettings, clean};
use crate::value::{Value, get};

const DOCUMENT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cleaning.md"));

/// The lines of each table, with the name of its first column.
fn lines() -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    let mut column: Option<String> = None;
    for line in DOCUMENT.lines() {
        let cells = |line: &str| -> Vec<String> {
            let inner = line.trim().trim_start_matches('|').trim_end_matches('|');
            inner.split(" | ").map(|cell| cell.trim_matches('|').to_owned()).collect()
        };
        if !line.starts_with('|') {
            column = None;
        } else if line.starts_with("|---") {
        } else if let Some(column) = &column {
            found.push((column.clone(), cells(line)));
        } else {
            column = cells(line).first().map(|cell| cell.trim().to_owned());
        }
    }
    found
}

/// What stands between backticks; `—` and nothing are `None`.
fn code(cell: &str) -> Option<&str> {
    cell.trim().strip_prefix('`')?.strip_suffix('`')
}

/// `a.b = "x"` over the settings as they come.
fn settings(cell: Option<&String>) -> SourceSettings {
    let mut json = serde_json::to_value(SourceSettings::default()).unwrap();
    if let Some(code) = cell.and_then(|cell| code(cell)) {
        let (path, value) = code.split_once(" = ").unwrap();
        let pointer = format!("/{}", path.replace('.', "/"));
        *json.pointer_mut(&pointer).unwrap() = serde_json::from_str(value).unwrap();
    }
    serde_json::from_value(json).unwrap()
}

#[test]
fn every_example_is_true() {
    let lines = lines();
    assert!(lines.len() >= 65, "{} examples", lines.len());
    for (column, cells) in lines {
        let input = code(&cells[0]).unwrap();
        let expected = code(&cells[1]);
        if column == "reason" {
            let reason =
                Reason::ALL.into_iter().find(|reason| Some(reason.as_str()) == code(&cells[0])).unwrap();
            assert_eq!(reason.points().to_string(), cells[1], "{column} {cells:?}");
            continue;
        }
        if column == "user_agent" {
            let verdict = explain(input);
            assert_eq!(Some(verdict.agent.as_str()), expected, "{input}: {verdict}");
            assert_eq!(Some(verdict.rule.as_str()), code(&cells[2]), "{input}");
            continue;
        }
        let source = settings(cells.get(2));
        let mut json = serde_json::json!({"event_type": "a", "customer_id": "c", "properties": {}});
        let own = column == "timestamp" || column == "product_id";
        if own {
            json[&column] = input.into()
        } else {
            json["properties"][&column] = input.into()
        }
        let cleaned = clean(
            RawEvent::from_value(json.into(), 64).unwrap(),
            received_at(),
            &Sender::default(),
            &source,
            || "x".into(),
        );
        let got = cleaned.ok().and_then(|clean| match column.as_str() {
            "timestamp" if clean.problems.is_empty() => Some(clean.event.timestamp.to_string()),
            "timestamp" => None,
            "product_id" => clean.event.product_id.map(|id| id.to_string()),
            name => get(&clean.event.properties, name).map(Value::to_string),
        });
        assert_eq!(got.as_deref(), expected, "{column} {input} {cells:?}");
    }
}

#[test]
fn the_example_of_a_plan_is_one() {
    let (_, rest) = DOCUMENT.split_once("```json\n").unwrap();
    let (plan, _) = rest.split_once("```").unwrap();
    assert_eq!(Plan::from_json(plan).unwrap().document().events.len(), 1);
}
