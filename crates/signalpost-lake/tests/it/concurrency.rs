//! Queries that run while rows are pushed, committed and compacted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::json;
use signalpost_lake::PropertyKind;

use crate::support::{event, fresh, rows};

/// Every query must see all rows pushed before it began, none twice: the sum
/// over 1..=n tells both.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_row_is_seen_exactly_once() {
    const ROWS: u64 = 600;
    let (_dir, lake) = fresh().await;
    lake.declare_property("n", PropertyKind::Int);
    let pushed = Arc::new(AtomicU64::new(0));
    let done = Arc::new(AtomicBool::new(false));
    let pusher = {
        let (lake, pushed) = (lake.clone(), Arc::clone(&pushed));
        tokio::spawn(async move {
            for offset in 1..=ROWS {
                lake.push_events(0, offset, vec![event(json!({"customer_id": "c", "n": offset}))]);
                pushed.store(offset, Ordering::SeqCst);
                if offset % 10 == 0 {
                    lake.commit().await.unwrap();
                }
            }
        })
    };
    let compactor = {
        let (lake, done) = (lake.clone(), Arc::clone(&done));
        tokio::spawn(async move {
            let mut merged = 0;
            while !done.load(Ordering::SeqCst) {
                merged += lake.compact().await.unwrap().files_merged;
                tokio::task::yield_now().await;
            }
            merged
        })
    };
    let mut queries = 0;
    while !pusher.is_finished() || queries == 0 {
        let least = pushed.load(Ordering::SeqCst);
        let answer = rows(&lake, "SELECT count(*) AS rows, coalesce(sum(n), 0) AS total FROM events").await;
        let most = pushed.load(Ordering::SeqCst) + 1;
        let answer = answer.to_json_rows().unwrap();
        let count = answer[0]["rows"].as_u64().unwrap();
        assert!((least..=most).contains(&count), "{least} <= {count} <= {most}");
        assert_eq!(answer[0]["total"].as_u64(), Some(count * (count + 1) / 2));
        queries += 1;
    }
    pusher.await.unwrap();
    done.store(true, Ordering::SeqCst);
    let merged = compactor.await.unwrap();
    eprintln!("{queries} queries meanwhile, {merged} files merged");
    assert!(queries > 1 && merged > 0);
}
