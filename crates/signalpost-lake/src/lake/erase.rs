//! Forgetting a person: their rows leave every table, and the files that held
//! them leave the disk when the retention is over.

use std::sync::{Arc, PoisonError};

use deltalake::datafusion::logical_expr::ScalarUDF;
use deltalake::datafusion::prelude::{Expr, SessionContext, ident, lit};
use deltalake::datafusion::scalar::ScalarValue;
use deltalake::protocol::DeltaOperation;

use signalpost_core::time::Timestamp;

use super::Lake;
use crate::delta::{Delta, File, Files, write_stream};
use crate::error::Error;
use crate::identity::owner_function;
use crate::scan::Snapshot;
use crate::table::Table;

/// Whose rows are to be erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The person.
    pub customer_id: String,
    /// Up to where what the person did is erased.
    pub reach: Reach,
    /// The person's devices, each with its own reach.
    pub devices: Vec<(String, Reach)>,
}

/// Up to where rows are erased: whoever was erased may come back as a stranger,
/// even within one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The stream of the log that tells of the identity.
    pub partition: u32,
    /// The offset there at which it was erased.
    pub offset: u64,
    /// The sequence of the last membership change erased.
    pub changes: u64,
    /// When it was erased.
    pub at: Timestamp,
}

impl Reach {
    /// Events received before.
    fn events(&self) -> Expr {
        let elsewhere = ident("log_partition").not_eq(lit(i64::from(self.partition)));
        let before = ident("log_offset").lt(lit(self.offset.cast_signed()));
        self.until("received_at").and(elsewhere.or(before))
    }

    fn changes(&self) -> Expr {
        ident("sequence").lt_eq(lit(self.changes.cast_signed()))
    }

    fn until(&self, column: &str) -> Expr {
        let at = ScalarValue::TimestampMicrosecond(Some(self.at.as_micros()), Some("UTC".into()));
        ident(column).lt_eq(lit(at))
    }
}

impl Lake {
    /// Removes every row of people from every table, as far as each reaches, and
    /// answers how many rows that were. Call it once all of them are pushed.
    ///
    /// Only files that hold such rows are written anew. The old files stay on
    /// disk, out of every query, until [`crate::Settings::retention_hours`]
    /// have passed and [`Lake::compact`] deletes them.
    ///
    /// # Errors
    /// [`Error::Disk`] or [`Error::Table`] when a table cannot be written;
    /// calling it again completes the work.
    pub async fn erase(&self, subjects: &[Subject]) -> Result<usize, Error> {
        let _no_compaction = self.0.compacting.lock().await;
        self.commit().await?;
        let owner = owner_function(self.links());
        let mut erased = 0;
        // Links go last: they tell which events of a device were the person's.
        for delta in &self.0.tables {
            let theirs = subjects.iter().map(|subject| theirs(delta.table, subject, &owner));
            let Some(theirs) = theirs.reduce(Expr::or) else { continue };
            for file in &self.files(delta.table).files {
                erased += self.erase_in(delta, file, &theirs).await?;
            }
        }
        let mut links = self.0.links.write().unwrap_or_else(PoisonError::into_inner);
        for subject in subjects {
            links.remove(&subject.customer_id, subject.reach.at.as_micros());
        }
        Ok(erased)
    }

    /// Removes events that turned out not to have been, by their ids, and
    /// answers how many rows that were. For derived events: see
    /// [`Lake::erase`] for what becomes of the files.
    ///
    /// # Errors
    /// As [`Lake::erase`].
    pub async fn retract(&self, event_ids: &[String]) -> Result<usize, Error> {
        let _no_compaction = self.0.compacting.lock().await;
        self.commit().await?;
        let condition =
            ident("event_id").in_list(event_ids.iter().map(|id| lit(id.as_str())).collect(), false);
        let mut retracted = 0;
        for delta in self.0.tables.iter().filter(|delta| delta.table == Table::Events) {
            for file in &self.files(delta.table).files {
                retracted += self.erase_in(delta, file, &condition).await?;
            }
        }
        Ok(retracted)
    }

    /// Writes a file anew without the rows meant, if it has any.
    async fn erase_in(&self, delta: &Delta, file: &File, theirs: &Expr) -> Result<usize, Error> {
        let table = delta.table;
        let target = self.0.settings.target_file_bytes;
        let version = Arc::new(Files { version: 0, files: vec![file.clone()] });
        let snapshot = || Arc::new(Snapshot::new(table, &delta.folder, Arc::clone(&version), Vec::new()));
        let read = move |source| Error::table(table, "read a file")(deltalake::DeltaTableError::from(source));
        let context = SessionContext::new_with_state(self.0.engine.state());
        let held =
            context.read_table(snapshot()).and_then(|rows| rows.filter(theirs.clone())).map_err(read)?;
        let held = self.0.engine.run(held.count()).await?.map_err(read)?;
        if held == 0 {
            return Ok(0);
        }
        let others = theirs.clone().is_not_true();
        let rest = context.read_table(snapshot()).and_then(|rows| rows.filter(others)).map_err(read)?;
        let rest = rest.sort(vec![ident(table.time_column()).sort(true, true)]).map_err(read)?;
        let writer = delta.lock().await.writer()?;
        let adds = self.0.engine.run(async move {
            let stream = rest.execute_stream().await.map_err(read)?;
            write_stream(table, writer, stream, target).await
        });
        let adds = adds.await??;
        let mut locked = delta.lock().await;
        let operation = DeltaOperation::Delete { predicate: None };
        locked.replace(std::slice::from_ref(file), adds, operation).await?;
        self.show(table, &locked)?;
        Ok(held)
    }
}

/// The condition that a row is the person's.
fn theirs(table: Table, subject: &Subject, owner: &ScalarUDF) -> Expr {
    let Subject { customer_id, reach, devices } = subject;
    let person = lit(customer_id.as_str());
    match table {
        Table::Events => {
            // What another person did on the same device is that person's.
            let is_theirs = owner
                .call(["customer_id", "anonymous_id", "received_at"].map(ident).to_vec())
                .eq(person.clone());
            let on = |(device, reach): &(String, Reach)| {
                let on_it = ident("anonymous_id").eq(lit(device.as_str()));
                on_it.and(ident("customer_id").is_null()).and(is_theirs.clone()).and(reach.events())
            };
            devices.iter().map(on).fold(ident("customer_id").eq(person).and(reach.events()), Expr::or)
        }
        Table::Memberships => {
            let of = |profile: &str, reach: &Reach| {
                let there = ident("log_partition").eq(lit(i64::from(reach.partition)));
                ident("profile_id").eq(lit(profile)).and(there).and(reach.changes())
            };
            let on = |(device, reach): &(String, Reach)| of(&format!("anonymous:{device}"), reach);
            devices.iter().map(on).fold(of(customer_id, reach), Expr::or)
        }
        Table::Deliveries => ident("profile_id").eq(person).and(reach.until("at")),
        Table::Identities => ident("customer_id").eq(person).and(reach.until("linked_at")),
    }
}
