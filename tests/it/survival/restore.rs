//! Restored and copied databases: a start recognises that another or an older database is in place, gives it a new
//! incarnation, and refuses writes that may be replays. A plain restart and a restart after a crash refuse nothing.

use std::{fs, path::Path, time::Duration};

use flowledger::{
    model::{Nonce, task_token::TaskToken},
    store::{self, Refusal, Store},
};

use crate::support::test_store::{TestDatabase, TestStore, at, event, flow, nonce, start};

const MINUTE: i64 = 60_000;

fn token() -> TaskToken {
    TaskToken {
        flow_id: "id".to_owned(),
        flow: "f".to_owned(),
        execution: "e".to_owned(),
        event_id: 2,
    }
}

/// Returns the nonce of a request that was signed and received `minutes` after the start of the test.
fn signed(digest: u8, minutes: i64) -> Nonce {
    Nonce {
        signed_at: at(minutes * MINUTE),
        received_at: at(minutes * MINUTE),
        ..nonce(digest)
    }
}

/// Opens the database ten minutes after the start of the test.
async fn open_later(database: &TestDatabase) -> TestStore {
    let inner = store::open(&database.url, at(10 * MINUTE)).await.unwrap();
    TestStore { inner }
}

async fn refusal(store: &dyn Store, nonce: Nonce) -> Option<Refusal> {
    let execution = format!("by-{}", nonce.digest[0]);
    let started = store.start_execution(start("f", &execution), Some(nonce));
    started.await.unwrap().err()
}

/// Copies these files of an open or a closed database into another folder.
fn copy(from: &TestDatabase, to: &TestDatabase, names: &[&str]) {
    for name in names {
        fs::copy(from.file(name), to.file(name)).unwrap();
    }
}

/// Asserts that the store took the database for the one that the last server had (`same`), or for a copy: a copy
/// refuses old task tokens and writes signed before it was opened.
async fn is_same(store: &TestStore, text: &str, same: bool) {
    let verified = TaskToken::verify(text, store.inner.task_key().unwrap());
    assert_eq!(verified.is_some(), same, "a task token");
    let replay = refusal(&*store.inner, signed(9, 9)).await;
    let until = at(10 * MINUTE);
    assert_eq!(replay, (!same).then_some(Refusal::SignedTooEarly(until)));
    assert_eq!(refusal(&*store.inner, signed(11, 11)).await, None);
}

const CRASHED: [&str; 3] = ["test.db", "test.db-wal", "test.db.run"];

#[tokio::test]
async fn plain_and_crash_restarts_keep_task_tokens_and_refuse_no_write() {
    for crash in [false, true] {
        let database = TestDatabase::sqlite();
        let store = database.with_execution().await;
        let text = token().sign(store.inner.task_key().unwrap());
        assert_eq!(refusal(&*store.inner, signed(1, 0)).await, None);
        let restarted = if crash {
            let copied = TestDatabase::sqlite();
            copy(&database, &copied, &CRASHED);
            copied
        } else {
            store.close().await;
            database
        };
        let store = open_later(&restarted).await;
        let replay = refusal(&*store.inner, signed(1, 0)).await;
        assert_eq!(replay, Some(Refusal::NonceUsed));
        is_same(&store, &text, true).await;
    }
}

#[tokio::test]
async fn restored_older_copy_is_a_new_incarnation() {
    for in_place in [true, false] {
        let database = TestDatabase::sqlite();
        let store = database.with_execution().await;
        let text = token().sign(store.inner.task_key().unwrap());
        store.close().await;
        fs::copy(database.file("test.db"), database.file("old.db")).unwrap();
        let store = database.open().await;
        assert_eq!(refusal(&*store.inner, signed(1, 1)).await, None);
        store.close().await;
        if in_place {
            fs::copy(database.file("old.db"), database.file("test.db")).unwrap();
        } else {
            fs::rename(database.file("old.db"), database.file("test.db")).unwrap();
        }
        let store = open_later(&database).await;
        let replay = refusal(&*store.inner, signed(1, 1)).await;
        let until = at(10 * MINUTE);
        assert_eq!(replay, Some(Refusal::SignedTooEarly(until)));
        is_same(&store, &text, false).await;
        let text = token().sign(store.inner.task_key().unwrap());
        store.close().await;
        // The next start finds the database that the last server had, so it keeps the incarnation.
        let store = store::open(&database.url, at(20 * MINUTE)).await.unwrap();
        assert!(TaskToken::verify(&text, store.task_key().unwrap()).is_some());
        assert_eq!(refusal(&*store, signed(12, 12)).await, None);
    }
}

#[tokio::test]
async fn copy_without_its_run_file_is_a_new_incarnation() {
    let database = TestDatabase::sqlite();
    let store = database.with_execution().await;
    let text = token().sign(store.inner.task_key().unwrap());
    for names in [&CRASHED[..2], &CRASHED[..1]] {
        let copied = TestDatabase::sqlite();
        copy(&database, &copied, names);
        if names.len() == 2 {
            is_same(&open_later(&copied).await, &text, false).await;
        }
    }
    store.close().await;
    let copied = TestDatabase::sqlite();
    copy(&database, &copied, &["test.db"]);
    is_same(&open_later(&copied).await, &text, false).await;
}

#[tokio::test]
async fn older_copy_of_a_run_that_crashed_is_noticed_after_a_minute_of_writes() {
    let database = TestDatabase::sqlite();
    database.with_execution().await.close().await;
    let store = database.open().await;
    let text = token().sign(store.inner.task_key().unwrap());
    let backup = TestDatabase::sqlite();
    copy(&database, &backup, &CRASHED[..2]);
    let run = fs::read(database.file("test.db.run")).unwrap();
    assert_eq!(refusal(&*store.inner, signed(1, 1)).await, None);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    tokio::time::resume();
    changed(&database.file("test.db.run"), &run).await;
    fs::copy(database.file("test.db.run"), backup.file("test.db.run")).unwrap();
    fs::remove_file(backup.file("test.db-wal")).unwrap();
    is_same(&open_later(&backup).await, &text, false).await;
}

/// Waits until the file no longer has this content.
async fn changed(file: &Path, content: &[u8]) {
    for _ in 0..1000 {
        if fs::read(file).unwrap() != content {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} stays as it was", file.display());
}

async fn assert_refused(database: &TestDatabase, why: &str) {
    let before = fs::read(database.file("test.db")).unwrap();
    let refused = store::open(&database.url, at(0))
        .await
        .err()
        .expect("refused");
    assert!(
        refused.contains("the write-ahead log beside it does not fit"),
        "{refused}"
    );
    assert!(refused.contains(why), "{refused}");
    assert!(
        refused.contains("test.db-wal") && !refused.contains('\n'),
        "{refused}"
    );
    assert_eq!(fs::read(database.file("test.db")).unwrap(), before);
    // The message says which files to remove; after that the start succeeds.
    fs::remove_file(database.file("test.db-wal")).unwrap();
    let _ = fs::remove_file(database.file("test.db-shm"));
    let store = database.open().await;
    assert!(!store.history("e").await.is_empty());
    store.close().await;
}

#[tokio::test]
async fn old_log_beside_a_database_that_was_stopped_in_good_order_is_refused() {
    for keeps_run_file in [true, false] {
        let database = TestDatabase::sqlite();
        let store = database.with_execution().await;
        fs::copy(database.file("test.db-wal"), database.file("old-wal")).unwrap();
        for id in 2..40 {
            store.append(&[event("A")], id).await.unwrap();
        }
        store.close().await;
        fs::rename(database.file("old-wal"), database.file("test.db-wal")).unwrap();
        if !keeps_run_file {
            fs::remove_file(database.file("test.db.run")).unwrap();
        }
        assert_refused(&database, "stopped in good order").await;
    }
}

#[tokio::test]
async fn older_copy_beside_the_log_of_a_crash_is_refused() {
    let database = TestDatabase::sqlite();
    database.with_execution().await.close().await;
    let crashed = TestDatabase::sqlite();
    copy(&database, &crashed, &["test.db"]);
    let store = database.open().await;
    store.append(&[event("A")], 2).await.unwrap();
    copy(&database, &crashed, &["test.db-wal", "test.db.run"]);
    assert_refused(&crashed, "an older copy").await;
}

#[tokio::test]
async fn another_database_beside_the_log_of_a_crash_is_refused() {
    let crashed = TestDatabase::sqlite();
    crashed.with_execution().await.close().await;
    let other = TestDatabase::sqlite();
    let store = other.with_execution().await;
    let _ = store.inner.create_flow(flow("g"), None).await.unwrap();
    copy(&other, &crashed, &["test.db-wal", "test.db.run"]);
    assert_refused(&crashed, "another database").await;
}
