//! What survives: a replay, a reopening, a crash between a data file and its
//! commit, a commit torn by a power cut, a lost catalog.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use signalpost_lake::{IdentityRow, Lake, Pushed, Reach, Settings, Subject, Table};

use crate::support::{csv, event, fresh, one, open, time};

fn push(lake: &Lake, stream: u32, offset: u64) {
    let id = format!("{stream}-{offset}");
    lake.push_events(stream, offset, vec![event(json!({"event_id": id, "customer_id": "c", "n": offset}))]);
}

async fn ids(lake: &Lake) -> String {
    csv(lake, "SELECT event_id FROM events ORDER BY event_id").await.replace('\n', " ")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_writes_nothing_twice() {
    let (dir, lake) = fresh().await;
    assert_eq!(lake.committed(Table::Events, 0), None);
    for offset in 1..=3 {
        push(&lake, 0, offset);
        push(&lake, 0, offset);
    }
    push(&lake, 7, 10);
    assert_eq!(lake.pending_rows(), 4);
    assert_eq!(lake.committed(Table::Events, 0), None);
    assert_eq!(lake.commit().await.unwrap().rows, 4);
    assert_eq!(lake.committed(Table::Events, 0), Some(3));
    push(&lake, 0, 2);
    push(&lake, 0, 4);
    assert_eq!(lake.pending_rows(), 1);
    drop(lake);

    // Offset 4 was never committed: it comes again from the log.
    let lake = open(dir.path()).await;
    assert_eq!(lake.committed(Table::Events, 0), Some(3));
    assert_eq!(lake.committed(Table::Events, 7), Some(10));
    assert_eq!(lake.committed(Table::Events, 1), None);
    for offset in 1..=4 {
        push(&lake, 0, offset);
    }
    push(&lake, 7, 10);
    assert_eq!(lake.pending_rows(), 1);
    lake.commit().await.unwrap();
    assert_eq!(ids(&lake).await, "0-1 0-2 0-3 0-4 7-10");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_without_rows_writes_nothing() {
    let (dir, lake) = fresh().await;
    push(&lake, 0, 1);
    lake.commit().await.unwrap();
    let before = files(&dir.path().join("events/_delta_log"));
    lake.push_events(0, 5, vec![]);
    assert_eq!(lake.commit().await.unwrap().rows, 0);
    assert_eq!(files(&dir.path().join("events/_delta_log")), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_offset_of_events_vouches_for_the_other_tables() {
    let (dir, lake) = fresh().await;
    let link = IdentityRow {
        anonymous_id: "a".into(),
        customer_id: "c".into(),
        linked_at: time("2024-01-01T00:00:00Z"),
    };
    lake.push(0, 8, Pushed { identities: vec![link], ..Pushed::default() });
    lake.commit().await.unwrap();
    drop(lake);
    let lake = open(dir.path()).await;
    assert_eq!(lake.committed(Table::Events, 0), Some(8));
    assert_eq!(one(&lake, "SELECT count(*) FROM identities").await, json!(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_file_without_commit_is_invisible() {
    let (dir, lake) = fresh().await;
    push(&lake, 0, 1);
    lake.commit().await.unwrap();
    push(&lake, 0, 2);
    lake.commit().await.unwrap();
    drop(lake);
    // As if the second commit's files were written and the power then failed.
    let log = files(&dir.path().join("events/_delta_log"));
    let newest = log.iter().rfind(|path| path.extension().is_some_and(|end| end == "json")).unwrap();
    std::fs::remove_file(newest).unwrap();

    let lake = open(dir.path()).await;
    assert_eq!(lake.committed(Table::Events, 0), Some(1));
    assert_eq!(ids(&lake).await, "0-1");
    push(&lake, 0, 1);
    push(&lake, 0, 2);
    assert_eq!(ids(&lake).await, "0-1 0-2");
    lake.commit().await.unwrap();
    assert_eq!(ids(&lake).await, "0-1 0-2");
    assert_eq!(parquet_files(dir.path()).len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_left_empty_by_a_power_cut_is_dropped() {
    let (dir, lake) = fresh().await;
    push(&lake, 0, 1);
    lake.commit().await.unwrap();
    drop(lake);
    std::fs::write(dir.path().join("events/_delta_log/00000000000000000002.json"), "").unwrap();
    let lake = open(dir.path()).await;
    push(&lake, 0, 2);
    lake.commit().await.unwrap();
    assert_eq!(ids(&lake).await, "0-1 0-2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_catalog_loses_no_rows() {
    let (dir, lake) = fresh().await;
    push(&lake, 3, 1);
    lake.commit().await.unwrap();
    drop(lake);
    std::fs::remove_file(dir.path().join("catalog.json")).unwrap();
    let lake = open(dir.path()).await;
    assert_eq!(lake.committed(Table::Events, 3), Some(1));
    push(&lake, 3, 1);
    push(&lake, 3, 2);
    assert_eq!(csv(&lake, "SELECT n FROM events ORDER BY n").await, "1\n2");
}

#[tokio::test(flavor = "multi_thread")]
async fn property_names_and_links_survive() {
    let (dir, lake) = fresh().await;
    let link = IdentityRow {
        anonymous_id: "a".into(),
        customer_id: "c".into(),
        linked_at: time("2024-01-01T00:00:00Z"),
    };
    lake.push_identities(0, 1, vec![link]);
    lake.push_events(0, 1, vec![event(json!({"anonymous_id": "a", "price": 2.5}))]);
    lake.commit().await.unwrap();
    drop(lake);
    let lake = open(dir.path()).await;
    assert_eq!(csv(&lake, "SELECT customer_id, price FROM events").await, "c,2.5");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_commits_make_few_files_after_compaction_and_old_ones_are_kept_for_readers() {
    let (dir, lake) = fresh().await;
    for offset in 1..=20 {
        push(&lake, 0, offset);
        lake.commit().await.unwrap();
    }
    let before = parquet_files(dir.path());
    let done = lake.compact().await.unwrap();
    // At most 8 are read side by side; the four left are too few for a merge.
    assert_eq!((done.files_merged, done.files_written), (16, 2));
    assert_eq!(one(&lake, "SELECT count(*) FROM events").await, json!(20));
    let after = parquet_files(dir.path());
    assert!(before.iter().all(|file| after.contains(file)));
    assert_eq!(lake.compact().await.unwrap().files_merged, 0);
    drop(lake);
    let lake = open(dir.path()).await;
    assert_eq!(lake.committed(Table::Events, 0), Some(20));
    assert_eq!(one(&lake, "SELECT sum(n) FROM events").await, json!(210));
}

#[tokio::test(flavor = "multi_thread")]
async fn compaction_comes_to_an_end_when_files_are_of_about_the_size_they_should_have() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { target_file_bytes: 1 << 20, compact_files_min: 2, ..Settings::default() };
    let lake = Lake::open(folder.path(), settings).await.unwrap();
    let mut offset = 0;
    for _ in 0..12 {
        let events = (0..15_000).map(|_| {
            offset += 1;
            let number = offset * 2_654_435_761 % 4_294_967_296;
            event(json!({"event_id": format!("{number:08x}"), "n": number}))
        });
        let events = events.collect();
        lake.push_events(0, offset, events);
        lake.commit().await.unwrap();
    }
    let done = tokio::time::timeout(Duration::from_secs(60), lake.compact()).await;
    let done = done.expect("compaction ends").unwrap();
    assert!(done.files_written < done.files_merged, "{done:?}");
    assert_eq!(lake.compact().await.unwrap().files_merged, 0);
    assert_eq!(one(&lake, "SELECT count(DISTINCT event_id) FROM events").await, json!(180_000));
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn parquet_files(lake: &Path) -> Vec<PathBuf> {
    let is_parquet = |path: &PathBuf| path.extension().is_some_and(|end| end == "parquet");
    files(&lake.join("events")).into_iter().filter(is_parquet).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_person_leaves_every_table_and_no_one_else_does() {
    let (dir, lake) = fresh().await;
    let link = |device: &str, customer: &str| IdentityRow {
        anonymous_id: device.into(),
        customer_id: customer.into(),
        linked_at: time("2024-01-01T00:00:00Z"),
    };
    lake.push_identities(0, 1, vec![link("d1", "c1"), link("d2", "c2")]);
    for offset in 1..=4 {
        let by = |who: serde_json::Value| event(who);
        lake.push_events(
            0,
            offset,
            vec![
                by(json!({"event_id": format!("a{offset}"), "customer_id": "c1"})),
                by(json!({"event_id": format!("b{offset}"), "anonymous_id": "d1"})),
                by(json!({"event_id": format!("c{offset}"), "customer_id": "c2"})),
                by(json!({"event_id": format!("d{offset}"), "anonymous_id": "d2"})),
            ],
        );
        if offset % 2 == 0 {
            lake.commit().await.unwrap();
        }
    }
    // Come back in the same instant, behind the record of the erasure.
    lake.push_events(0, 6, vec![event(json!({"event_id": "z", "customer_id": "c1"}))]);
    let reach = Reach { partition: 0, offset: 5, changes: 0, at: time("2024-01-01T00:00:00Z") };
    let subject = Subject { customer_id: "c1".into(), reach, devices: vec![("d1".into(), reach)] };
    assert_eq!(lake.erase(std::slice::from_ref(&subject)).await.unwrap(), 9);
    assert_eq!(lake.erase(&[subject]).await.unwrap(), 0);
    drop(lake);
    let lake = open(dir.path()).await;
    let count = "SELECT customer_id, count(*) FROM events GROUP BY 1 ORDER BY 1";
    assert_eq!(csv(&lake, count).await, "c1,1\nc2,8");
    assert_eq!(csv(&lake, "SELECT anonymous_id FROM identities").await, "d2");
    assert_eq!(lake.committed(Table::Events, 0), Some(6));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_an_earlier_version_gets_its_new_columns() {
    let (dir, lake) = fresh().await;
    push(&lake, 0, 1);
    lake.commit().await.unwrap();
    drop(lake);
    let log = dir.path().join("events/_delta_log");
    forget_column(&log, "marked_bot");
    let lake = open(dir.path()).await;
    push(&lake, 0, 2);
    lake.push_events(0, 3, vec![marked("0-3")]);
    for _ in 0..2 {
        assert_eq!(ids(&lake).await, "0-1 0-2");
        assert_eq!(csv(&lake, "SELECT count(*), count(marked_bot) FROM events_all").await, "3,1");
        lake.commit().await.unwrap();
    }
    drop(lake);
    assert_eq!(ids(&open(dir.path()).await).await, "0-1 0-2");
}

fn marked(id: &str) -> std::sync::Arc<signalpost_core::event::Event> {
    event(json!({"event_id": id, "customer_id": "c", "context": {"bot": {"kind": "crawler"}}}))
}

/// Takes a column's declaration out of a table's log, as if it had never been.
fn forget_column(log: &Path, column: &str) {
    let first = log.join("00000000000000000000.json");
    let text = std::fs::read_to_string(&first).unwrap();
    let lines = text.lines().map(|line| {
        let mut action: serde_json::Value = serde_json::from_str(line).unwrap();
        if let Some(schema) = action.pointer_mut("/metaData/schemaString") {
            let mut held: serde_json::Value = serde_json::from_str(schema.as_str().unwrap()).unwrap();
            held["fields"].as_array_mut().unwrap().retain(|field| field["name"] != column);
            *schema = held.to_string().into();
        }
        format!("{action}\n")
    });
    std::fs::write(&first, lines.collect::<String>()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_automatons_did_is_in_events_all_alone() {
    let (dir, lake) = fresh().await;
    lake.push_events(0, 1, vec![marked("bot")]);
    push(&lake, 0, 2);
    for _ in 0..2 {
        assert_eq!(ids(&lake).await, "0-2");
        let all = csv(&lake, "SELECT event_id, marked_bot FROM events_all ORDER BY 1").await;
        assert_eq!(all, "0-2,\nbot,crawler");
        let both = "SELECT count(*) FROM events_all a WHERE NOT EXISTS (SELECT 1 FROM events e WHERE e.event_id = a.event_id)";
        assert_eq!(one(&lake, both).await, 1);
        lake.commit().await.unwrap();
    }
    for offset in 3..20 {
        push(&lake, 0, offset);
        lake.commit().await.unwrap();
    }
    lake.compact().await.unwrap();
    drop(lake);
    let lake = open(dir.path()).await;
    assert_eq!(one(&lake, "SELECT count(*) FROM events").await, 18);
    assert_eq!(one(&lake, "SELECT count(*) FROM events_all WHERE marked_bot = 'crawler'").await, 1);
}
