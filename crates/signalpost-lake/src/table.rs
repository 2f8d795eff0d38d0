//! The tables of the lake and their columns on disk.
//!
//! Every column may be null on disk, so that a later version can stop filling
//! one without a new table. Text columns are read as Arrow string views.

use std::fmt;
use std::sync::Arc;

use deltalake::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use deltalake::kernel::{DataType as DeltaType, PrimitiveType, StructField};

/// A table of the lake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// One row an event.
    Events,
    /// One row an entry into or exit from a segment.
    Memberships,
    /// One row an attempt to deliver.
    Deliveries,
    /// One row a link of an anonymous identity to a customer.
    Identities,
}

/// What a column on disk holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// UTF-8 text.
    Text,
    /// Microseconds since the epoch, UTC.
    Time,
    /// A 64-bit whole number.
    Long,
}

impl Kind {
    /// The Arrow type a query sees.
    pub(crate) fn arrow(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8View,
            Self::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Long => DataType::Int64,
        }
    }

    fn delta(self) -> DeltaType {
        DeltaType::Primitive(match self {
            Self::Text => PrimitiveType::String,
            Self::Time => PrimitiveType::Timestamp,
            Self::Long => PrimitiveType::Long,
        })
    }
}

impl Table {
    /// All tables, in the order they are committed: events last, so that the
    /// offset committed for events vouches for the other tables too.
    pub const ALL: [Self; 4] = [Self::Identities, Self::Memberships, Self::Deliveries, Self::Events];

    /// The table's name in SQL and its folder's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Memberships => "memberships",
            Self::Deliveries => "deliveries",
            Self::Identities => "identities",
        }
    }

    /// Its place in arrays with one entry a table.
    pub(crate) fn index(self) -> usize {
        self as usize
    }

    /// The columns on disk, in order. New ones go to the end: tables of earlier
    /// versions get them when they are opened.
    pub(crate) fn columns(self) -> &'static [(&'static str, Kind)] {
        use Kind::{Long, Text, Time};
        match self {
            Self::Events => &[
                ("event_id", Text),
                ("event_type", Text),
                ("customer_id", Text),
                ("anonymous_id", Text),
                ("timestamp", Time),
                ("received_at", Time),
                ("product_id", Text),
                ("source", Text),
                ("properties", Text),
                ("traits", Text),
                ("context", Text),
                ("log_partition", Long),
                ("log_offset", Long),
                ("marked_bot", Text),
            ],
            Self::Memberships => &[
                ("profile_id", Text),
                ("customer_id", Text),
                ("segment", Text),
                ("segment_version", Long),
                ("change", Text),
                ("at", Time),
                ("cause", Text),
                ("sequence", Long),
                ("log_partition", Long),
                ("log_offset", Long),
            ],
            Self::Deliveries => &[
                ("delivery_id", Text),
                ("profile_id", Text),
                ("customer_id", Text),
                ("campaign", Text),
                ("destination", Text),
                ("template", Text),
                ("status", Text),
                ("attempt", Long),
                ("at", Time),
                ("detail", Text),
                ("sequence", Long),
                ("log_partition", Long),
                ("log_offset", Long),
            ],
            Self::Identities => &[
                ("anonymous_id", Text),
                ("customer_id", Text),
                ("linked_at", Time),
                ("log_partition", Long),
                ("log_offset", Long),
            ],
        }
    }

    /// The column that says when a row happened: rows are sorted by it inside
    /// a file, and its bounds prune files.
    pub(crate) fn time_column(self) -> &'static str {
        match self {
            Self::Events => "timestamp",
            Self::Memberships | Self::Deliveries => "at",
            Self::Identities => "linked_at",
        }
    }

    /// The columns as Arrow shows them to a query.
    pub(crate) fn schema(self) -> SchemaRef {
        let fields = self.columns().iter().map(|(name, kind)| Field::new(*name, kind.arrow(), true));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    /// The columns as the Delta log declares them.
    pub(crate) fn delta_fields(self) -> Vec<StructField> {
        self.columns().iter().map(|(name, kind)| StructField::new(*name, kind.delta(), true)).collect()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
