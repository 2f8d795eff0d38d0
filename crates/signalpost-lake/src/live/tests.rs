//! Columns kept in Arrow: the same while their values are, and never longer.

use std::sync::Arc;

use deltalake::arrow::array::{Array, AsArray};
use signalpost_core::value::Value;

use super::{BATCH_ROWS, ColumnType, KEPT_MAX, KeptColumns};

fn column(letter: char) -> Arc<Vec<Value>> {
    Arc::new((0..=BATCH_ROWS).map(|row| format!("{letter}{row}").as_str().into()).collect())
}

/// The text in a row.
fn text(kept: &KeptColumns, values: &Arc<Vec<Value>>, row: usize) -> String {
    let parts = kept.parts(&(ColumnType::Text, Arc::clone(values)));
    let part = parts.get(row / BATCH_ROWS).unwrap();
    part.as_string_view().value(row % BATCH_ROWS).to_owned()
}

#[test]
fn a_column_that_did_not_change_is_brought_once() {
    let (kept, values) = (KeptColumns::default(), column('a'));
    let first = kept.parts(&(ColumnType::Text, Arc::clone(&values)));
    let again = kept.parts(&(ColumnType::Text, Arc::clone(&values)));
    assert_eq!(first.len(), 2);
    assert!(first.iter().zip(&again).all(|(first, again)| Arc::ptr_eq(first, again)));
    // Another type is another column.
    let json = kept.parts(&(ColumnType::Json, Arc::clone(&values)));
    assert_eq!(json[0].as_string_view().value(0), "\"a0\"");
}

#[test]
fn a_change_is_seen() {
    let (kept, mut values) = (KeptColumns::default(), column('a'));
    assert_eq!(text(&kept, &values, BATCH_ROWS), format!("a{BATCH_ROWS}"));
    Arc::make_mut(&mut values)[BATCH_ROWS] = "new".into();
    assert_eq!(text(&kept, &values, BATCH_ROWS), "new");
    // Also while somebody reads the old ones.
    let old = Arc::clone(&values);
    Arc::make_mut(&mut values).push("last".into());
    assert_eq!(text(&kept, &old, 0), "a0");
    assert_eq!(text(&kept, &values, BATCH_ROWS + 1), "last");
}

#[test]
fn no_more_are_kept_than_there_is_room_for_and_none_that_nobody_holds() {
    let kept = KeptColumns::default();
    let columns: Vec<_> = ('a'..='z').map(column).collect();
    columns.iter().for_each(|values| assert!(text(&kept, values, 0).ends_with('0')));
    assert_eq!(kept.0.lock().unwrap().len(), KEPT_MAX);
    drop(columns);
    let parts = kept.parts(&(ColumnType::Text, column('x')));
    assert_eq!(parts.iter().map(|part| part.len()).sum::<usize>(), BATCH_ROWS + 1);
    assert!(kept.0.lock().unwrap().is_empty());
}
