//! What Signalpost *remembers*: every event, membership, delivery and identity
//! link as Delta Lake tables in a folder, and SQL over them.
//!
//! In: rows with the log offset they came from ([`Lake::push_events`] and its
//! siblings). They are readable at once, from memory; [`Lake::commit`] moves
//! them to zstd Parquet with the offset as the table's application
//! transaction, so that a replay of the log writes nothing twice. Out: the rows
//! of a read-only SQL query ([`Lake::sql`]), planned and run by DataFusion.
//!
//! The modules stand in the order a row passes them; those of a query follow,
//! and those that read what others wrote ([`ParquetRows`], [`Bucket`]).
//! This is the only crate that names arrow, parquet, deltalake or datafusion.

mod error;
mod table;

mod inside;
mod json;
mod property;
mod row;
mod tail;
mod value;
mod zone;

mod delta;
mod identity;
mod lake;

mod live;
mod rows;
mod scan;
mod sql;

mod bucket;
mod parquet_rows;

pub use bucket::{Bucket, Object};
pub use error::{Error, Position, SqlError};
pub use identity::IdentityRow;
pub use lake::{Committed, Compacted, Lake, Pushed, Reach, Settings, Subject};
pub use live::{ColumnType, LiveColumn, LiveColumns, LiveData, LiveRows, LiveTable, LiveTables, NoTables};
pub use parquet_rows::ParquetRows;
pub use property::PropertyKind;
pub use row::{DeliveryRow, MembershipRow};
pub use rows::Rows;
pub use sql::Limits;
pub use table::Table;
