//! A timeline row as live segments read it: only the columns some segment names.

use serde::{Deserialize, Serialize};

use super::Moment;
use crate::event::Event;
use crate::segment::{ColumnIndex, Row, TypeName};
use crate::time::Timestamp;
use crate::value::Value;

/// One event, cut down to what segments ask of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProfileRow {
    /// Its place in the order.
    pub moment: Moment,
    /// Its type.
    pub event_type: TypeName,
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

    fn type_tag(&self) -> u32 {
        self.event_type.tag()
    }

    fn value(&self, column: ColumnIndex) -> &Value {
        self.values.iter().find(|(index, _)| *index == column).map_or(&NULL, |(_, value)| value)
    }
}

impl ProfileRow {
    /// Cuts an event of this type down to `columns`.
    pub(crate) fn cut(
        event: &Event,
        moment: Moment,
        event_type: TypeName,
        columns: &[(ColumnIndex, Box<str>)],
    ) -> Self {
        let value = |(index, name): &(ColumnIndex, Box<str>)| {
            Some((*index, event.column(name))).filter(|(_, value)| !value.is_null())
        };
        Self { moment, event_type, values: columns.iter().filter_map(value).collect() }
    }
}
