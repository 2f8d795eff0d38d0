//! Many small files to few large ones, and away with what no one needs.

use std::collections::BTreeMap;
use std::sync::Arc;

use deltalake::datafusion::execution::SessionStateBuilder;
use deltalake::datafusion::physical_plan::execute_stream;
use deltalake::protocol::DeltaOperation;

use super::{Compacted, Lake};
use crate::delta::{Delta, File, Files, Locked, write_stream};
use crate::error::Error;
use crate::scan::Snapshot;
use crate::table::Table;

/// Versions between two summaries of a table's log: opening reads what came
/// after the newest one.
const CHECKPOINT_VERSIONS: u64 = 50;
/// Versions between two deletions of unused files of a table.
const VACUUM_VERSIONS: u64 = 200;
/// The most files that are read side by side.
const MERGE_FILES_MAX: usize = 8;
/// Rows in one step of a merge, of which each file holds a few.
const MERGE_BATCH_ROWS: usize = 2_048;

impl Lake {
    /// Merges small files into large ones sorted by time, table by table,
    /// while pushing, committing and queries go on; from time to time sums up
    /// the table's log and deletes files out of retention. Cheap when there is
    /// nothing to do: call it every minute or so.
    ///
    /// # Errors
    /// [`Error::Disk`] or [`Error::Table`] when a table cannot be written.
    pub async fn compact(&self) -> Result<Compacted, Error> {
        let mut upkeep = self.0.compacting.lock().await;
        let mut done = Compacted::default();
        for (delta, upkeep) in self.0.tables.iter().zip(upkeep.iter_mut()) {
            while let Some(small) = self.small_files(delta.table) {
                let written = self.merge(delta, &small).await?;
                done.files_merged += small.len();
                done.files_written += written;
                if written >= small.len() {
                    break;
                }
            }
            let mut locked = delta.lock().await;
            let version = self.files(delta.table).version;
            if version >= upkeep.checkpointed + CHECKPOINT_VERSIONS {
                locked.checkpoint().await?;
                upkeep.checkpointed = version;
            }
            if version >= upkeep.vacuumed + VACUUM_VERSIONS {
                done.files_deleted += locked.vacuum().await?;
                self.show(delta.table, &locked)?;
                upkeep.vacuumed = version;
            }
        }
        Ok(done)
    }

    /// Files of like size, by powers of four, of which there are enough to be
    /// worth merging; so that a row is rewritten a few times only. What has half
    /// the size a file should have stays as it is: fewer files always come of a
    /// merge of smaller ones, while two of nearly the full size make two again.
    fn small_files(&self, table: Table) -> Option<Vec<File>> {
        let files = self.files(table);
        let mut tiers: BTreeMap<u32, Vec<&File>> = BTreeMap::new();
        for file in files.files.iter().filter(|file| file.bytes < self.0.settings.target_file_bytes / 2) {
            tiers
                .entry((file.bytes >> 16).checked_ilog(4).map_or(0, |tier| tier + 1))
                .or_default()
                .push(file);
        }
        let mut small =
            tiers.into_values().find(|tier| tier.len() >= self.0.settings.compact_files_min.max(2))?;
        small.sort_by_key(|file| file.bounds);
        let mut room = 2 * self.0.settings.target_file_bytes;
        let fits = |file: &&&File| {
            let fits = room >= file.bytes;
            room = room.saturating_sub(file.bytes);
            fits
        };
        let picked: Vec<File> =
            small.iter().take(MERGE_FILES_MAX).take_while(fits).map(|file| (*file).clone()).collect();
        (picked.len() >= 2).then_some(picked)
    }

    /// Writes the rows of `small`, each of which is sorted by time, to new files
    /// that are, and puts these in their place.
    async fn merge(&self, delta: &Delta, small: &[File]) -> Result<usize, Error> {
        let table = delta.table;
        let target = self.0.settings.target_file_bytes;
        let version = Files { version: 0, files: small.to_vec() };
        let snapshot = Snapshot::new(table, &delta.folder, Arc::new(version), Vec::new());
        let state = self.0.engine.state();
        let config = state.config().clone().with_batch_size(MERGE_BATCH_ROWS);
        let state = SessionStateBuilder::new_from_existing(state).with_config(config).build();
        let writer = delta.lock().await.writer()?;
        let read =
            move |source| Error::table(table, "read small files")(deltalake::DeltaTableError::from(source));
        let adds = self.0.engine.run(async move {
            let rows = snapshot.merged(&state).map_err(read)?;
            let stream = execute_stream(rows, state.task_ctx()).map_err(read)?;
            write_stream(table, writer, stream, target).await
        });
        let adds = adds.await??;
        let written = adds.len();
        let mut locked = delta.lock().await;
        let operation = DeltaOperation::Optimize { predicate: None, target_size: target.cast_signed() };
        locked.replace(small, adds, operation).await?;
        self.show(table, &locked)?;
        Ok(written)
    }

    /// Shows the newest version of a table whose rows did not change.
    pub(super) fn show(&self, table: Table, locked: &Locked<'_>) -> Result<(), Error> {
        let files = Arc::new(locked.files()?);
        if let Some(held) = self.visible().files.get_mut(table.index()) {
            *held = files;
        }
        Ok(())
    }
}
