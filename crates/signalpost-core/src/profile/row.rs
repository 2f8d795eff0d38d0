//! A timeline row as live segments read it: only the columns some segment names.

use serde::{Deserialize, Serialize};

use super::Moment;
use crate::event::Event;
use crate::segment::{ColumnIndex, Columns, Need, Row};
use crate::time::{Span, Timestamp};
use crate::value::Value;

/// One event, cut down to what segments ask of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProfileRow {
    /// Its place in the order.
    pub moment: Moment,
    /// Its type.
    pub event_type: Box<str>,
    /// The values of the columns that segments name, where present.
    pub values: Vec<(ColumnIndex, Value)>,
}

static NULL: Value = Value::Null;

impl Row for ProfileRow {
    fn timestamp(&self) -> Timestamp {
        self.moment.timestamp
    }

    fn sequence(&self) -> u64 {
        self.moment.sequence
    }

    fn event_type(&self) -> &str {
        &self.event_type
    }

    fn value(&self, column: ColumnIndex) -> &Value {
        self.values.iter().find(|(index, _)| *index == column).map_or(&NULL, |(_, value)| value)
    }
}

impl ProfileRow {
    /// Cuts an event down to what `needs` ask of it; `None` when none asks.
    pub fn cut(event: &Event, moment: Moment, needs: &[Need], columns: &Columns) -> Option<Self> {
        let mut wanted = false;
        let mut values: Vec<(ColumnIndex, Value)> = Vec::new();
        for need in needs {
            if need.event_type.as_deref().is_some_and(|t| *t != *event.event_type) {
                continue;
            }
            wanted = true;
            for &column in &need.columns {
                if values.iter().any(|(held, _)| *held == column) {
                    continue;
                }
                match columns.name(column).map(|name| event.column(name)) {
                    None | Some(Value::Null) => {}
                    Some(value) => values.push((column, value)),
                }
            }
        }
        wanted.then(|| Self { moment, event_type: event.event_type.clone(), values })
    }
}

/// How far back rows of a type are needed: `None` for ever.
pub(crate) fn lookback(needs: &[Need], event_type: &str) -> Option<Span> {
    let mut longest = Span::ZERO;
    for need in needs {
        if need.event_type.as_deref().is_none_or(|t| t == event_type) {
            longest = longest.max(need.lookback?);
        }
    }
    Some(longest)
}
