//! Forgetting a person: their rows leave every table, and the files that held
//! them leave the disk when the retention is over.

use std::sync::{Arc, PoisonError};

use deltalake::datafusion::prelude::{Expr, SessionContext, ident, lit};
use deltalake::protocol::DeltaOperation;

use super::Lake;
use crate::delta::{Delta, File, Files, write_stream};
use crate::error::Error;
use crate::scan::Snapshot;
use crate::table::Table;

/// Whose rows are to be erased.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// Every customer identifier of the person.
    pub customer_ids: Vec<String>,
    /// Every device of the person.
    pub anonymous_ids: Vec<String>,
}

impl Lake {
    /// Removes every row of a person from every table, and answers how many
    /// rows that were. Rows pushed meanwhile may be left: call it once no more
    /// can come.
    ///
    /// Only files that hold such rows are written anew. The old files stay on
    /// disk, out of every query, until [`crate::Settings::retention_hours`]
    /// have passed and [`Lake::compact`] deletes them.
    ///
    /// # Errors
    /// [`Error::Disk`] or [`Error::Table`] when a table cannot be written;
    /// calling it again completes the work.
    pub async fn erase(&self, subject: &Subject) -> Result<usize, Error> {
        let _no_compaction = self.0.compacting.lock().await;
        self.commit().await?;
        let mut erased = 0;
        for delta in &self.0.tables {
            let Some(theirs) = theirs(delta.table, subject) else { continue };
            for file in &self.files(delta.table).files {
                erased += self.erase_in(delta, file, &theirs).await?;
            }
        }
        let mut links = self.0.links.write().unwrap_or_else(PoisonError::into_inner);
        links.remove(&subject.customer_ids, &subject.anonymous_ids);
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

/// The condition that a row is the person's; `None` when no row can be.
fn theirs(table: Table, subject: &Subject) -> Option<Expr> {
    let profiles = subject.customer_ids.iter().cloned();
    let profiles = profiles.chain(subject.anonymous_ids.iter().map(|id| format!("anonymous:{id}")));
    let profiles: Vec<String> = profiles.collect();
    let columns: [(&str, &[String]); 3] = [
        ("customer_id", &subject.customer_ids),
        ("anonymous_id", &subject.anonymous_ids),
        ("profile_id", &profiles),
    ];
    let is_column = |name: &str| table.columns().iter().any(|(column, _)| *column == name);
    let named = columns.into_iter().filter(|(name, values)| is_column(name) && !values.is_empty());
    let conditions = named.map(|(name, values)| {
        ident(name).in_list(values.iter().map(|value| lit(value.as_str())).collect(), false)
    });
    conditions.reduce(Expr::or)
}
