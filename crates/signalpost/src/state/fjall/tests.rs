//! The engine's memory is bounded, however fast is written.

use super::*;

const BATCH_ROWS: u64 = 4_096;

#[test]
fn what_waits_in_memory_is_bounded_while_tables_are_merged() {
    let folder = tempfile::tempdir().unwrap();
    let store = FjallStore::open(folder.path()).unwrap();
    let most = std::thread::scope(|scope| {
        let write = |writer: u64| {
            let store = &store;
            scope.spawn(move || (0..75).map(|round| put_rows(store, writer * 75 + round)).max())
        };
        let writers: Vec<_> = (0..4).map(write).collect();
        writers.into_iter().filter_map(|writer| writer.join().unwrap()).max()
    });
    let most = most.unwrap();
    // A slow disk may use up the patience of a few commits; all of it is 1.2 GB.
    assert!(most <= WAITING_BYTES_MAX + (64 << 20), "{most} bytes waited");
}

/// Writes rows all over the table, so that merges rewrite all of it; answers
/// what waits in memory then.
fn put_rows(store: &FjallStore, round: u64) -> u64 {
    let value = vec![b'x'; 1_024];
    let mut batch = Batch::default();
    for row in 0..BATCH_ROWS {
        let key = (round * BATCH_ROWS + row).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        batch.put(Table::Timeline, key.to_be_bytes().to_vec(), value.clone());
    }
    store.commit(batch).unwrap();
    store.database.write_buffer_size()
}
