//! What evaluation asks of one profile.

use super::columns::ColumnIndex;
use super::type_name;
use crate::time::Timestamp;
use crate::value::Value;

/// One profile as an evaluation sees it.
pub trait Subject {
    /// How it shows an event.
    type Row: Row;

    /// Its events, ascending by timestamp, then sequence; none later than now.
    /// At least those that the [`Need`](super::Need)s name.
    fn rows(&self) -> &[Self::Row];

    /// All its events of a type, none later than now; `None` when it has none.
    fn summary(&self, event_type: &str) -> Option<Summary>;

    /// A trait or computed trait at `now` and the first later instant at which
    /// it could change with no new event ([`Timestamp::MAX`]: never). Null when
    /// absent.
    fn attribute(&self, name: &str, now: Timestamp) -> (Value, Timestamp);

    /// Whether it is a member of the segment.
    fn in_segment(&self, name: &str) -> bool;
}

/// One event as an evaluation sees it.
pub trait Row {
    /// When it happened.
    fn timestamp(&self) -> Timestamp;
    /// Its place among events of the same instant.
    fn sequence(&self) -> u64;
    /// What was done.
    fn event_type(&self) -> &str;
    /// The tag of its [`TypeName`](super::TypeName).
    fn type_tag(&self) -> u32 {
        type_name::tag(self.event_type())
    }
    /// A column's value; null when absent.
    fn value(&self, column: ColumnIndex) -> &Value;
}

/// All events of one type of a profile in three numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// How many.
    pub count: u64,
    /// The earliest one's timestamp.
    pub first: Timestamp,
    /// The latest one's timestamp.
    pub last: Timestamp,
}
