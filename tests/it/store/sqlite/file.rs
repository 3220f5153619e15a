//! The database file: which URLs are accepted, which files are refused, the lock, and what is on disk when.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use flowledger::store;

use super::{connect, run_on};
use crate::support::test_store::{TestDatabase, TestStore, at, event, flow};

const FOREIGN: &str = "it belongs to another program; name another file";
const TAKEN: &str = "another process has it open; stop that one first";

async fn refusal(url: &str) -> String {
    store::open(url, at(0)).await.err().expect("it is refused")
}

/// Returns name and content of each file in the folder, except WAL indexes (`-shm`), which even readers change.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let paths = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path))
        .filter(|(name, _)| !name.ends_with("-shm"))
        .map(|(name, path)| (name, fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn url_accepts_any_file_name_and_a_mode() {
    let database = TestDatabase::sqlite();
    let folder = database.file("");
    let folder = folder.to_str().unwrap();
    for (url, file) in [
        (format!("sqlite:{folder}plain.db"), "plain.db"),
        (format!("sqlite://{folder}with space.db"), "with space.db"),
        (
            format!("sqlite://{folder}escaped%20space%3F%25.db"),
            "escaped space?%.db",
        ),
        (format!("sqlite://{folder}步骤#'\".db"), "步骤#'\".db"),
        (format!("sqlite://{folder}made.db?mode=rwc"), "made.db"),
        (format!("sqlite://{folder}made.db?mode=rw"), "made.db"),
    ] {
        let store = store::open(&url, at(0)).await.unwrap();
        let _ = store.create_flow(flow("f"), None).await.unwrap();
        store.close().await;
        assert!(database.file(file).is_file(), "{url}");
    }
    let missing = format!("sqlite://{folder}missing.db?mode=rw");
    assert!(refusal(&missing).await.contains("missing.db: "));
}

#[tokio::test]
async fn url_without_a_persistent_file_is_refused_and_creates_none() {
    let database = TestDatabase::sqlite();
    let folder = database.file("");
    let before = fs::read_dir(".").unwrap().count();
    for url in [
        "sqlite:",
        "sqlite://",
        "sqlite::memory:",
        "sqlite://:memory:",
    ] {
        let refusal = refusal(url).await;
        assert_eq!(refusal, "the database URL must name a file: sqlite://FILE");
    }
    for parameters in [
        "mode=memory",
        "mode=ro",
        "immutable=1",
        "mode=rwc&cache=shared",
        "x=1",
    ] {
        let refusal = refusal(&format!("sqlite://{}x.db?{parameters}", folder.display())).await;
        assert!(
            refusal.contains("mode=rwc"),
            "it says what is allowed: {refusal}"
        );
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    assert_eq!(fs::read_dir(".").unwrap().count(), before);
    let in_absent_folder = refusal(&format!("sqlite://{}no/folder/x.db", folder.display())).await;
    assert!(
        in_absent_folder.contains("no/folder/x.db: "),
        "{in_absent_folder}"
    );
    assert!(refusal("mysql://host/db").await.contains("'mysql'"));
    assert!(refusal("flowledger.db").await.contains("sqlite://FILE"));
}

#[tokio::test]
async fn file_of_another_program_is_refused_and_unchanged() {
    for sql in [
        "CREATE TABLE t (x)",
        "PRAGMA application_id = 7",
        "PRAGMA application_id = 7; CREATE TABLE flows (name)",
        "PRAGMA journal_mode = WAL; CREATE TABLE t (x)",
    ] {
        let database = TestDatabase::sqlite();
        run_on(&database.file("test.db"), sql).await;
        let before = files(&database.file(""));
        let line = format!("{}: {FOREIGN}", database.file("test.db").display());
        assert_eq!(refusal(&database.url).await, line);
        assert_eq!(files(&database.file("")), before, "{sql}");
    }
}

#[tokio::test]
async fn file_that_another_program_is_writing_is_refused_and_unchanged() {
    let database = TestDatabase::sqlite();
    let mut other = connect(&database.file("test.db")).await;
    let sql = "PRAGMA journal_mode = WAL; CREATE TABLE t (x); BEGIN; INSERT INTO t VALUES (1)";
    sqlx::raw_sql(sql).execute(&mut other).await.unwrap();
    let before = files(&database.file(""));
    let refusal = refusal(&database.url).await;
    assert!(refusal.ends_with(FOREIGN), "{refusal}");
    assert_eq!(files(&database.file("")), before);
    sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
}

#[tokio::test]
async fn write_ahead_log_of_another_program_is_unchanged() {
    let database = TestDatabase::sqlite();
    let source = TestDatabase::sqlite();
    let mut other = connect(&source.file("test.db")).await;
    let sql = "PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1)";
    sqlx::raw_sql(sql).execute(&mut other).await.unwrap();
    for file in ["test.db", "test.db-wal"] {
        fs::copy(source.file(file), database.file(file)).unwrap(); // what a killed process leaves
    }
    let before = files(&database.file(""));
    let refusal = refusal(&database.url).await;
    assert!(refusal.ends_with(FOREIGN), "{refusal}");
    assert_eq!(files(&database.file("")), before);
}

#[tokio::test]
async fn file_that_is_not_a_database_is_refused_and_unchanged() {
    for text in [
        "flows:\n",
        "SQLite format 3\0 it says, but it is not",
        &"x".repeat(8192),
    ] {
        let database = TestDatabase::sqlite();
        let file = database.file("test.db");
        fs::write(&file, text).unwrap();
        let refused = "it is not a SQLite file; name another one";
        assert_eq!(
            refusal(&database.url).await,
            format!("{}: {refused}", file.display())
        );
        assert_eq!(
            files(&database.file("")),
            [("test.db".to_owned(), text.into())]
        );
    }
}

#[tokio::test]
async fn newer_schema_is_refused_and_unchanged() {
    let database = TestDatabase::sqlite();
    database.with_execution().await.close().await;
    run_on(&database.file("test.db"), "PRAGMA user_version = 999").await;
    let before = files(&database.file(""));
    let refusal = refusal(&database.url).await;
    assert!(
        refusal.contains("test.db: it has schema 999, this program knows up to "),
        "{refusal}"
    );
    assert!(refusal.ends_with("; use a newer flowledger"), "{refusal}");
    assert_eq!(files(&database.file("")), before);
}

#[tokio::test]
async fn run_file_of_another_program_is_refused_and_unchanged() {
    let database = TestDatabase::sqlite();
    for content in ["content", "flowledger", "\u{feff}"] {
        fs::write(database.file("test.db.run"), content).unwrap();
        let refusal = refusal(&database.url).await;
        assert!(
            refusal.ends_with("test.db.run belongs to another program; rename it"),
            "{refusal}"
        );
        assert_eq!(
            fs::read_to_string(database.file("test.db.run")).unwrap(),
            content
        );
    }
}

#[tokio::test]
async fn file_is_opened_once_by_any_of_its_names() {
    let database = TestDatabase::sqlite();
    let store = database.with_execution().await;
    std::os::unix::fs::symlink(database.file("test.db"), database.file("link.db")).unwrap();
    let folder = database.file("");
    for name in ["test.db", "./test.db", "link.db"] {
        let refusal = refusal(&format!("sqlite://{}{name}", folder.display())).await;
        assert!(refusal.ends_with(TAKEN), "{refusal}");
    }
    store.append(&[event("StepEntered")], 2).await.unwrap();
    store.close().await;
    assert_eq!(database.open().await.history("e").await.len(), 2);
}

#[tokio::test]
async fn second_process_on_the_same_file_reports_it_and_exits() {
    let database = TestDatabase::sqlite();
    let store = database.with_execution().await;
    let mut second = Command::new(env!("CARGO_BIN_EXE_flowledger"))
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--database-url",
            &database.url,
        ])
        .env("FLOWLEDGER_ACCESS_KEY_ID", "id")
        .env("FLOWLEDGER_ACCESS_KEY_SECRET", "secret")
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut waited = 0;
    while second.try_wait().unwrap().is_none() && waited < 1000 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        waited += 1;
    }
    let _ = second.kill(); // if it still runs, the exit code fails the test below
    let output = second.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let line = format!("{}: {TAKEN}\n", database.file("test.db").display());
    assert!(said.ends_with(&line), "{said}");
    store.append(&[event("StepEntered")], 2).await.unwrap();
}

#[tokio::test]
async fn closed_store_leaves_a_single_file() {
    let database = TestDatabase::sqlite();
    let store = database.with_execution().await;
    store
        .append(&vec![event("StepEntered"); 100], 2)
        .await
        .unwrap();
    assert!(database.file("test.db-wal").exists());
    store.close().await;
    assert!(!database.file("test.db-wal").exists());
    assert!(!database.file("test.db-shm").exists());
    fs::copy(database.file("test.db"), database.file("copy.db")).unwrap();
    let copy = store::open(&database.url.replace("test.db", "copy.db"), at(0))
        .await
        .unwrap();
    assert_eq!(TestStore { inner: copy }.history("e").await.len(), 101);
}

#[tokio::test]
async fn acknowledged_events_are_in_a_copy_of_the_open_files() {
    let database = TestDatabase::sqlite();
    let store = database.with_execution().await;
    for id in 2..10 {
        store.append(&[event("StepEntered")], id).await.unwrap();
        let copy = TestDatabase::sqlite();
        for file in ["test.db", "test.db-wal"] {
            fs::copy(database.file(file), copy.file(file)).unwrap();
        }
        let copy = copy.open().await;
        assert_eq!(copy.page(1, 1000).await, store.page(1, 1000).await);
    }
}
