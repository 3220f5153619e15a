//! Full and read-only disks: appends are refused, reads are served, and the server recovers by itself.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::{Value, json};

use super::process::{End, PATIENCE, Process, Reply};
use crate::{
    store::{sqlite::connect, upkeep::deletion},
    support::{
        Call,
        test_store::{TestDatabase, event},
    },
};

/// A client that appends to execution `e`, and its server.
struct Appender {
    process: Process,
    /// Events that were acknowledged.
    acknowledged: i64,
}

impl Appender {
    async fn start(folder: &Path, environment: &[(&str, String)]) -> Self {
        let process = Process::start(folder, environment).await;
        let appender = Appender {
            process,
            acknowledged: 1,
        };
        for call in [
            Call::new("CreateFlow")
                .form("Name", "f")
                .form("Definition", "version: v1")
                .form("Type", "FDL"),
            Call::new("StartExecution")
                .form("FlowName", "f")
                .form("ExecutionName", "e"),
        ] {
            assert_eq!(appender.call(call).await.0, 200);
        }
        appender
    }

    async fn call(&self, call: Call) -> Reply {
        self.process.call(call).await.expect("it runs")
    }

    /// A batch of 10 KB that follows the last acknowledged one.
    fn next_append(&self) -> Call {
        let next = self.acknowledged + 1;
        let events = json!([
            {"Type": "A", "EventDetail": "x".repeat(10_000), "EventId": next},
            {"Type": "B"},
        ]);
        Call::new("AppendExecutionEvents")
            .form("FlowName", "f")
            .form("ExecutionName", "e")
            .form("ExpectedEventId", &next.to_string())
            .form("Events", &events.to_string())
    }

    async fn append(&mut self) -> Reply {
        let reply = self.call(self.next_append()).await;
        if reply.0 == 200 {
            self.acknowledged += 2;
        }
        reply
    }

    /// Appends until one is refused, and once more. Returns how many were acknowledged.
    async fn fill(&mut self) -> i64 {
        let before = self.acknowledged;
        let refused = loop {
            let reply = self.append().await;
            if reply.0 != 200 {
                break reply;
            }
        };
        for (status, text) in [refused, self.append().await] {
            let answer: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(
                (status, &answer["Code"]),
                (500, &json!("InternalServerError"))
            );
        }
        (self.acknowledged - before) / 2
    }

    async fn all_is_read(&self) {
        let history = Call::new("GetExecutionHistory")
            .query("FlowName", "f")
            .query("ExecutionName", "e")
            .query("Limit", "1000");
        let (status, text) = self.call(history).await;
        let page: Value = serde_json::from_str(&text).unwrap();
        let events = page["Events"].as_array().unwrap();
        assert_eq!((status, events.len() as i64), (200, self.acknowledged));
    }

    /// Compares the database with what was acknowledged, after the end of the server.
    async fn all_is_there(&self, database: &TestDatabase) {
        let store = database.open().await;
        let events = store.history("e").await.len() as i64;
        assert_eq!(events, self.acknowledged);
        store.close().await;
    }

    /// Asserts that the server is not ready after each refused append. Returns its reason.
    async fn is_not_ready(&mut self) -> String {
        let mut why = String::new();
        for _ in 0..20 {
            let (status, text) = self.process.get("/readyz").await.unwrap();
            assert_eq!(status, 503, "{text}");
            why = text;
            self.fill().await;
        }
        why
    }

    /// Waits until the server is ready again.
    async fn recovers(&self) {
        let ready = async { while self.process.get("/readyz").await.unwrap().0 != 200 {} };
        tokio::time::timeout(PATIENCE, ready)
            .await
            .expect("ready again");
    }

    /// Fills the disk, reads, frees space, and appends again.
    async fn fills_and_recovers(&mut self, make_full: impl Fn(), make_room: impl Fn()) {
        self.append().await;
        make_full();
        println!("{} batches were still taken", self.fill().await);
        self.all_is_read().await;
        let why = self.is_not_ready().await;
        assert!(why.starts_with("the "), "{why}");
        assert_eq!(self.process.get("/healthz").await.unwrap().0, 200);
        make_room();
        self.recovers().await;
        assert_eq!(self.append().await.0, 200);
        self.all_is_read().await;
    }
}

/// The environment in which the file `room` limits how far files may grow.
fn room(database: &TestDatabase) -> [(&'static str, String); 1] {
    [("FAULT_ROOM", database.file("room").display().to_string())]
}

#[tokio::test]
async fn full_disk_refuses_appends_serves_reads_and_recovers() {
    let database = TestDatabase::sqlite();
    let file = database.file("room");
    let mut appender = Appender::start(&database.file(""), &room(&database)).await;
    for bytes in [0, 1, 4_096, 30_000, 100_000] {
        let full = || fs::write(&file, bytes.to_string()).unwrap();
        let passes = || fs::remove_file(&file).unwrap();
        appender.fills_and_recovers(full, passes).await;
    }
    assert_eq!(appender.process.stop().await, End::Stopped);
    appender.all_is_there(&database).await;
}

#[tokio::test]
async fn read_only_disk_refuses_appends_serves_reads_and_recovers() {
    let database = TestDatabase::sqlite();
    let file = database.file("room");
    let mut appender = Appender::start(&database.file(""), &room(&database)).await;
    let read_only = || fs::write(&file, "none").unwrap();
    let passes = || fs::remove_file(&file).unwrap();
    appender.fills_and_recovers(read_only, passes).await;
    read_only();
    appender.fill().await;
    assert_eq!(appender.process.stop().await, End::Stopped);
    passes();
    appender.all_is_there(&database).await;
}

#[tokio::test]
async fn server_stops_on_a_full_disk_and_starts_when_there_is_room() {
    let database = TestDatabase::sqlite();
    let mut appender = Appender::start(&database.file(""), &room(&database)).await;
    for _ in 0..20 {
        assert_eq!(appender.append().await.0, 200);
    }
    fs::write(database.file("room"), "0").unwrap();
    appender.fill().await;
    assert_eq!(appender.process.stop().await, End::Stopped);
    let mut again = Process::start(&database.file(""), &room(&database)).await;
    let end = again.stop().await;
    assert!(matches!(end, End::GaveUp(_) | End::Stopped), "{end:?}");
    fs::remove_file(database.file("room")).unwrap();
    appender.all_is_there(&database).await;
}

/// A file system of its own in the folder `disk` of a test database.
struct Mounted<'a>(&'a TestDatabase);

impl<'a> Mounted<'a> {
    /// Mounts it. None, and a line on standard error, if this user may not mount.
    fn new(database: &'a TestDatabase, what: &[&str]) -> Option<Self> {
        fs::create_dir_all(database.file("disk")).unwrap();
        let mounted = run(database, "mount", &[what, &["disk"]].concat());
        if !mounted {
            eprintln!("skipped: mount {what:?} is not allowed here");
        }
        mounted.then_some(Mounted(database))
    }

    fn folder(&self) -> PathBuf {
        self.0.file("disk")
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        run(self.0, "umount", &["--lazy", "disk"]);
    }
}

fn run(database: &TestDatabase, program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(database.file(""));
    command.output().is_ok_and(|output| output.status.success())
}

#[tokio::test]
async fn small_full_file_system_refuses_appends_serves_reads_and_recovers() {
    let database = TestDatabase::sqlite();
    let Some(disk) = Mounted::new(&database, &["-t", "tmpfs", "-o", "size=4m", "none"]) else {
        return;
    };
    let mut appender = Appender::start(&disk.folder(), &[]).await;
    let ballast = disk.folder().join("ballast");
    for _ in 0..3 {
        let full = || {
            let mut file = fs::File::create(&ballast).unwrap();
            while file.write_all(&[1; 4096]).is_ok() {}
        };
        let passes = || fs::remove_file(&ballast).unwrap();
        appender.fills_and_recovers(full, passes).await;
    }
    assert_eq!(appender.process.stop().await, End::Stopped);
}

#[tokio::test]
async fn aborted_file_system_loses_nothing() {
    let database = TestDatabase::sqlite();
    let image = fs::File::create(database.file("image")).unwrap();
    image.set_len(32 << 20).unwrap();
    assert!(run(&database, "mkfs.ext4", &["-q", "image"]));
    let loop_mount = || Mounted::new(&database, &["-o", "loop", "image"]);
    let Some(disk) = loop_mount() else { return };
    let mut appender = Appender::start(&disk.folder(), &[]).await;
    appender.append().await;
    // As the kernel does when its journal cannot be written: the file system turns read-only.
    assert!(run(&database, "mount", &["-o", "remount,abort", "disk"]));
    // Either the write or only its fsync is refused; after a failed fsync the server ends.
    let refused = appender.process.call(appender.next_append()).await;
    assert!(refused.is_none_or(|reply| reply.0 == 500));
    appender.process.kill().await;
    drop(disk);
    let disk = loop_mount().expect("as before");
    appender.process = Process::start(&disk.folder(), &[]).await;
    appender.all_is_read().await;
    assert_eq!(appender.append().await.0, 200);
    assert_eq!(appender.process.stop().await, End::Stopped);
}

#[tokio::test]
async fn refused_purge_is_retried_without_a_restart() {
    let database = TestDatabase::sqlite();
    let store = database.with_execution().await;
    store.append(&vec![event("A"); 250], 2).await.unwrap();
    let mut shell = connect(&database.file("test.db")).await;
    let refuse = "CREATE TRIGGER refuse BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, ''); END";
    sqlx::raw_sql(refuse).execute(&mut shell).await.unwrap();
    let deleted = store.inner.delete_flow(deletion("f"), None).await;
    assert!(deleted.unwrap().is_ok());
    tokio::time::sleep(Duration::from_millis(200)).await;
    let count = || sqlx::query_scalar::<_, i64>("SELECT count(*) FROM events");
    assert_eq!(count().fetch_one(&mut shell).await.unwrap(), 251);
    sqlx::raw_sql("DROP TRIGGER refuse")
        .execute(&mut shell)
        .await
        .unwrap();
    for _ in 0..1000 {
        if count().fetch_one(&mut shell).await.unwrap() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the rows stay");
}
