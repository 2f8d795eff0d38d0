//! Rows as they are pushed, and how they become columns.

use std::sync::Arc;

use deltalake::arrow::array::{
    ArrayRef, Int64Builder, RecordBatch, StringViewBuilder, TimestampMicrosecondBuilder,
};
use deltalake::arrow::error::ArrowError;
use signalpost_core::event::Event;
use signalpost_core::time::Timestamp;
use signalpost_core::value::Map;

use crate::json;
use crate::property::Registry;
use crate::table::{Kind, Table};

/// A profile's entry into or exit from a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MembershipRow {
    /// The profile, as `ProfileKey` prints it.
    pub profile_id: String,
    /// The customer, when known.
    pub customer_id: Option<String>,
    /// The segment's name.
    pub segment: String,
    /// The version of the segment's rule.
    pub segment_version: u32,
    /// `entered` or `exited`.
    pub change: &'static str,
    /// When it changed.
    pub at: Timestamp,
    /// What made it change: an event, a horizon, a new rule.
    pub cause: String,
    /// Orders the changes of one instant.
    pub sequence: u64,
}

/// One attempt to deliver something to a person or a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryRow {
    /// The delivery, the same over its attempts.
    pub delivery_id: String,
    /// The profile, as `ProfileKey` prints it.
    pub profile_id: String,
    /// The customer, when known.
    pub customer_id: Option<String>,
    /// The campaign that asked for it, when one did.
    pub campaign: Option<String>,
    /// The destination's name.
    pub destination: String,
    /// The template it was rendered from, when one was.
    pub template: Option<String>,
    /// How the attempt ended: `sent`, `failed`, `suppressed`, …
    pub status: String,
    /// Counted from 1.
    pub attempt: u32,
    /// When it ended.
    pub at: Timestamp,
    /// What the other side said, or why it was not sent; never a secret.
    pub detail: String,
    /// Orders the attempts of one instant.
    pub sequence: u64,
}

/// A row with the place on the log it came from.
#[derive(Debug)]
pub(crate) struct Logged<R> {
    pub(crate) stream: u32,
    /// Its place among rows of one instant.
    pub(crate) offset: u64,
    pub(crate) row: R,
}

/// A kind of row that a table holds.
pub(crate) trait Row: Send + Sync + Sized + 'static {
    /// The table it goes to.
    const TABLE: Table;

    /// Adds the row's own columns; those of the log are added by the caller.
    fn fill(&self, columns: &mut Columns);

    /// Adds the columns that stand behind those of the log: they came later.
    fn fill_behind(&self, _: &mut Columns) {}

    /// Called once for all rows about to become columns.
    fn observe(_: &[Logged<Self>], _: &Registry) {}
}

/// Brings rows into the columns of their table.
pub(crate) fn to_batch<R: Row>(rows: &[Logged<R>], registry: &Registry) -> Result<RecordBatch, ArrowError> {
    R::observe(rows, registry);
    let mut columns = Columns::new(R::TABLE, rows.len());
    for Logged { stream, offset, row } in rows {
        row.fill(&mut columns);
        columns.long(i64::from(*stream));
        columns.long(offset.cast_signed());
        row.fill_behind(&mut columns);
    }
    columns.finish(R::TABLE)
}

enum Column {
    Text(StringViewBuilder),
    Time(TimestampMicrosecondBuilder),
    Long(Int64Builder),
}

/// Column builders, filled cell by cell in the table's column order.
pub(crate) struct Columns {
    columns: Vec<Column>,
    /// The column the next cell goes to.
    next: usize,
    /// Room to write JSON in, kept from row to row.
    json: Vec<u8>,
}

impl Columns {
    fn new(table: Table, rows: usize) -> Self {
        let column = |(_, kind): &(&str, Kind)| match kind {
            Kind::Text => Column::Text(StringViewBuilder::with_capacity(rows)),
            Kind::Time => Column::Time(TimestampMicrosecondBuilder::with_capacity(rows).with_timezone("UTC")),
            Kind::Long => Column::Long(Int64Builder::with_capacity(rows)),
        };
        Self { columns: table.columns().iter().map(column).collect(), next: 0, json: Vec::new() }
    }

    fn column(&mut self) -> Option<&mut Column> {
        let place = self.next;
        self.next = if place + 1 == self.columns.len() { 0 } else { place + 1 };
        self.columns.get_mut(place)
    }

    /// A cell of text.
    pub(crate) fn text(&mut self, text: &str) {
        self.maybe_text(Some(text));
    }

    /// A cell of text or NULL.
    pub(crate) fn maybe_text(&mut self, text: Option<&str>) {
        if let Some(Column::Text(column)) = self.column() {
            column.append_option(text);
        }
    }

    /// A cell of JSON text.
    pub(crate) fn json(&mut self, map: &Map) {
        let mut json = std::mem::take(&mut self.json);
        json.clear();
        json::write_map(map, &mut json);
        self.text(&String::from_utf8_lossy(&json));
        self.json = json;
    }

    /// A cell of time.
    pub(crate) fn time(&mut self, instant: Timestamp) {
        if let Some(Column::Time(column)) = self.column() {
            column.append_value(instant.as_micros());
        }
    }

    /// A cell with a whole number.
    pub(crate) fn long(&mut self, number: i64) {
        if let Some(Column::Long(column)) = self.column() {
            column.append_value(number);
        }
    }

    fn finish(self, table: Table) -> Result<RecordBatch, ArrowError> {
        let arrays = self.columns.into_iter().map(|column| -> ArrayRef {
            match column {
                Column::Text(mut column) => Arc::new(column.finish()),
                Column::Time(mut column) => Arc::new(column.finish()),
                Column::Long(mut column) => Arc::new(column.finish()),
            }
        });
        RecordBatch::try_new(table.schema(), arrays.collect())
    }
}

impl Row for Arc<Event> {
    const TABLE: Table = Table::Events;

    fn fill(&self, columns: &mut Columns) {
        columns.text(self.event_id.as_str());
        columns.text(&self.event_type);
        columns.maybe_text(self.customer_id.as_ref().map(|id| id.as_str()));
        columns.maybe_text(self.anonymous_id.as_ref().map(|id| id.as_str()));
        columns.time(self.timestamp);
        columns.time(self.received_at);
        columns.maybe_text(self.product_id.as_ref().map(|id| id.as_str()));
        columns.text(self.source.as_str());
        columns.json(&self.properties);
        columns.json(&self.traits);
        columns.json(&self.context);
    }

    fn fill_behind(&self, columns: &mut Columns) {
        columns.maybe_text(self.marked_bot());
    }

    fn observe(rows: &[Logged<Self>], registry: &Registry) {
        registry.observe(rows.iter().map(|logged| &logged.row.properties));
    }
}

impl Row for MembershipRow {
    const TABLE: Table = Table::Memberships;

    fn fill(&self, columns: &mut Columns) {
        columns.text(&self.profile_id);
        columns.maybe_text(self.customer_id.as_deref());
        columns.text(&self.segment);
        columns.long(i64::from(self.segment_version));
        columns.text(self.change);
        columns.time(self.at);
        columns.text(&self.cause);
        columns.long(self.sequence.cast_signed());
    }
}

impl Row for DeliveryRow {
    const TABLE: Table = Table::Deliveries;

    fn fill(&self, columns: &mut Columns) {
        columns.text(&self.delivery_id);
        columns.text(&self.profile_id);
        columns.maybe_text(self.customer_id.as_deref());
        columns.maybe_text(self.campaign.as_deref());
        columns.text(&self.destination);
        columns.maybe_text(self.template.as_deref());
        columns.text(&self.status);
        columns.long(i64::from(self.attempt));
        columns.time(self.at);
        columns.text(&self.detail);
        columns.long(self.sequence.cast_signed());
    }
}
