//! How results are printed: tables for people, JSON for programs.

use comfy_table::presets;
use comfy_table::{ContentArrangement, Table};
use serde_json::Value as Json;

/// Prints a list of objects: all of it as JSON, or the columns named as a table.
pub fn list(rows: &Json, columns: &[(&str, &str)], json: bool) {
    if json {
        println!("{rows:#}");
        return;
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(columns.iter().map(|(title, _)| *title));
    for row in rows.as_array().into_iter().flatten() {
        table.add_row(columns.iter().map(|(_, field)| cell(row.get(field).unwrap_or(&Json::Null))));
    }
    println!("{table}");
}

/// A value as people read it.
pub fn cell(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        Json::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// Prints one object: as JSON, or a line a member.
pub fn object(value: &Json, json: bool) {
    if json {
        println!("{value:#}");
        return;
    }
    for (name, value) in value.as_object().into_iter().flatten() {
        println!("{name}: {}", cell(value));
    }
}
