//! What cleaning did to an event, kept in the event itself: each value that was
//! changed as it came, and what was remarked on.
//!
//! In: changes and problems. Out: `context.cleaned`, bounded by the source's
//! [`lineage_bytes`](super::SourceSettings::lineage_bytes), which goes wherever
//! the event goes: the timeline, SQL, an export, an erasure.

use super::change::Change;
use super::problem::Problem;
use crate::value::{Map, Value, get, set};

/// The key in `context` under which it stands.
pub const CLEANED: &str = "cleaned";

/// Notes in `context` what was changed and remarked on; what has no room is
/// counted as `left_out`. What an earlier cleaning has noted stays: it saw the
/// event as it came.
pub(super) fn write(context: &mut Map, changes: &[Change], problems: &[Problem], bytes_max: usize) {
    let nothing = changes.is_empty() && problems.is_empty();
    if bytes_max == 0 || nothing || get(context, CLEANED).is_some() {
        return;
    }
    let mut room = bytes_max;
    let mut left_out = 0;
    let mut keep = |entry: Map| {
        let bytes = entry.iter().map(|(name, value)| name.len() + size(value)).sum();
        match room.checked_sub(bytes) {
            Some(rest) => {
                room = rest;
                Some(Value::Map(entry))
            }
            None => {
                left_out += 1;
                None
            }
        }
    };
    let text = |text: &str| Value::Text(text.into());
    let changes: Vec<Value> = changes
        .iter()
        .filter_map(|change| {
            keep(vec![
                ("field".into(), text(&change.field)),
                ("from".into(), change.from.clone()),
                ("to".into(), change.to.clone()),
                ("rule".into(), text(&change.rule)),
            ])
        })
        .collect();
    let problems: Vec<Value> = problems
        .iter()
        .filter_map(|problem| {
            keep(vec![
                ("code".into(), text(problem.code.as_str())),
                ("field".into(), text(&problem.field)),
                ("message".into(), text(&problem.message)),
            ])
        })
        .collect();
    let mut cleaned = Map::new();
    if !changes.is_empty() {
        cleaned.push(("changes".into(), Value::List(changes)));
    }
    if !problems.is_empty() {
        cleaned.push(("problems".into(), Value::List(problems)));
    }
    if left_out > 0 {
        cleaned.push(("left_out".into(), Value::Int(left_out)));
    }
    set(context, CLEANED, Value::Map(cleaned));
}

/// About how many bytes a value takes.
fn size(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len() + 2,
        Value::List(items) => items.iter().map(size).sum::<usize>() + 2,
        Value::Map(map) => map.iter().map(|(name, value)| name.len() + size(value)).sum::<usize>() + 2,
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Time(_) => 8,
    }
}
