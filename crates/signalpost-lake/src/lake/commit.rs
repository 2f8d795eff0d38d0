//! From memory to disk: rows sorted by time, one data file and one commit a
//! table, and the one step in which queries change from the one to the other.

use std::collections::HashMap;
use std::sync::Arc;

use deltalake::arrow::array::RecordBatch;
use deltalake::arrow::compute::{concat_batches, sort_to_indices, take_record_batch};

use super::{Committed, Lake, Tailed, Visible, catalog};
use crate::delta::Locked;
use crate::error::Error;
use crate::table::Table;
use crate::tail::Sealed;

impl Lake {
    /// Moves what is in memory to disk, table by table, each atomically. A row
    /// leaves memory in the same instant that it is visible in its table.
    ///
    /// When it fails, rows not yet on disk stay in memory, visible, and the
    /// next commit takes them.
    ///
    /// # Errors
    /// [`Error::Disk`] or [`Error::Table`] when a table cannot be written.
    pub async fn commit(&self) -> Result<Committed, Error> {
        let _one_at_a_time = self.0.committing.lock().await;
        let (identities, memberships, deliveries, events) = {
            let mut visible = self.visible();
            (
                visible.identities.seal(),
                visible.memberships.seal(),
                visible.deliveries.seal(),
                visible.events.seal(),
            )
        };
        let lake = self.clone();
        let arranged = async move { (events.batches(&lake.0.properties), events) };
        let (batches, events) = self.0.engine.run(arranged).await?;
        let batches = batches?;
        self.save_catalog(&[&identities.offsets, &memberships.offsets, &deliveries.offsets, &events.offsets])
            .await?;
        let mut done = Committed::default();
        let mut add = |more: Committed| {
            done.rows += more.rows;
            done.bytes += more.bytes;
        };
        add(self.commit_table(identities, None, false).await?);
        add(self.commit_table(memberships, None, false).await?);
        add(self.commit_table(deliveries, None, false).await?);
        let others = done.rows > 0;
        let more = self.commit_table(events, Some(batches), others).await?;
        Ok(Committed { rows: done.rows + more.rows, bytes: done.bytes + more.bytes })
    }

    /// Commits one table's chunks. Without rows it writes only when `always`
    /// and an offset has grown.
    async fn commit_table<R: Tailed>(
        &self,
        sealed: Sealed<R>,
        batches: Option<Vec<RecordBatch>>,
        always: bool,
    ) -> Result<Committed, Error> {
        let table = R::TABLE;
        let grown = || self.visible().committed.get(table.index()) != Some(&sealed.offsets);
        if sealed.chunks.is_empty() && !(always && grown()) {
            return Ok(Committed::default());
        }
        let batches = match batches {
            Some(batches) => batches,
            None => sealed.batches(&self.0.properties)?,
        };
        let rows = batches.iter().map(RecordBatch::num_rows).sum();
        let sorted = self.0.engine.run(async move { sort(table, &batches) }).await??;
        let Some(delta) = self.delta(table) else { return Ok(Committed::default()) };
        let mut locked = delta.lock().await;
        let bytes = match locked.append(sorted, &sealed.offsets).await {
            Ok(bytes) => bytes,
            Err(error) => {
                self.settle::<R>(&mut locked, &sealed).await?;
                return Err(error);
            }
        };
        self.install::<R>(&locked, &sealed)?;
        Ok(Committed { rows, bytes })
    }

    /// After a commit whose outcome is not known: finds out, and when it did
    /// arrive shows it.
    async fn settle<R: Tailed>(&self, locked: &mut Locked<'_>, sealed: &Sealed<R>) -> Result<(), Error> {
        locked.reload().await?;
        for (stream, offset) in &sealed.offsets {
            if locked.committed(*stream).await? < Some(*offset) {
                return Ok(());
            }
        }
        self.install::<R>(locked, sealed)
    }

    /// The one step in which rows change from memory to table.
    fn install<R: Tailed>(&self, locked: &Locked<'_>, sealed: &Sealed<R>) -> Result<(), Error> {
        let files = Arc::new(locked.files()?);
        let mut visible = self.visible();
        R::tail(&mut visible).forget(sealed.chunks.len());
        let place = R::TABLE.index();
        if let (Some(files_now), Some(committed)) = {
            let Visible { files, committed, .. } = &mut *visible;
            (files.get_mut(place), committed.get_mut(place))
        } {
            *files_now = files;
            committed.clone_from(&sealed.offsets);
        }
        Ok(())
    }

    /// Names in the catalog must be on disk before rows that use them.
    async fn save_catalog(&self, offsets: &[&HashMap<u32, u64>]) -> Result<(), Error> {
        let streams = offsets.iter().flat_map(|offsets| offsets.keys().copied()).collect();
        let catalog = catalog::Catalog { streams, properties: self.0.properties.all() };
        catalog::write(&self.0.folder, &catalog).await
    }
}

/// Rows sorted together before a commit: bounds the memory of one sort.
const SORT_ROWS: usize = 262_144;

/// Sorts rows by time, in groups.
fn sort(table: Table, batches: &[RecordBatch]) -> Result<Vec<RecordBatch>, Error> {
    let schema = table.schema();
    let mut sorted = Vec::new();
    let mut group: Vec<&RecordBatch> = Vec::new();
    let mut rows = 0;
    for (place, batch) in batches.iter().enumerate() {
        group.push(batch);
        rows += batch.num_rows();
        if rows >= SORT_ROWS || place + 1 == batches.len() {
            let all = concat_batches(&schema, group.drain(..))?;
            rows = 0;
            match all.column_by_name(table.time_column()) {
                Some(times) => sorted.push(take_record_batch(&all, &sort_to_indices(times, None, None)?)?),
                None => sorted.push(all),
            }
        }
    }
    Ok(sorted)
}
