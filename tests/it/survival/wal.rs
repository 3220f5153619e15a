//! The write-ahead log stays bounded under readers that keep one snapshot or another open all the time.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use tokio::task::JoinSet;

use crate::support::test_store::{TestDatabase, detailed};

/// Readers of large pages.
const READERS: usize = 4;
/// Batches of ten events of 64 KiB: 160 MiB of log, if it only grows.
const BATCHES: i64 = 250;
/// The documented bound is 256 MiB; a single writer stays far below.
const WAL_MAX_BYTES: u64 = 96 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_stays_bounded_under_readers_of_large_pages() {
    let database = TestDatabase::sqlite();
    let store = Arc::new(database.with_execution().await);
    let wide = vec![detailed("A", &"x".repeat(64 * 1024)); 10];
    for batch in 0..25 {
        store.append(&wide, 2 + 10 * batch).await.unwrap();
    }
    let stop = Arc::new(AtomicBool::new(false));
    let mut readers = JoinSet::new();
    for _ in 0..READERS {
        let (store, stop) = (Arc::clone(&store), Arc::clone(&stop));
        readers.spawn(async move {
            let mut pages = 0;
            while !stop.load(Relaxed) {
                let page = store.try_page(1, 1000).await.unwrap();
                assert!(
                    page.events().map(str::len).sum::<usize>() > 15 << 20,
                    "a large page"
                );
                pages += 1;
            }
            pages
        });
    }
    let mut longest = 0;
    for batch in 25..25 + BATCHES {
        store.append(&wide, 2 + 10 * batch).await.unwrap();
        let log = fs::metadata(database.file("test.db-wal")).unwrap().len();
        longest = longest.max(log);
    }
    stop.store(true, Relaxed);
    let pages: Vec<i32> = readers.join_all().await;
    println!(
        "log of at most {} MiB beside {pages:?} pages of 16 MiB",
        longest >> 20
    );
    assert!(
        pages.iter().all(|pages| *pages > 0),
        "{pages:?}: readers go on"
    );
    assert!(longest < WAL_MAX_BYTES, "{} MiB", longest >> 20);
}
