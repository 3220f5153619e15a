//! One server for one file: a second server is refused, even if it opens the file by another name, and a server whose
//! files are deleted, renamed or replaced stops (fail-stop).

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command as StdCommand,
    time::Duration,
};

use serde_json::json;
use tokio::{process::Command, time::timeout};

use super::process::{End, PATIENCE, Process};
use crate::{
    cli::command,
    support::{Call, test_store::TestDatabase},
};

/// How soon a server must notice that its files are gone.
const NOTICED: Duration = Duration::from_secs(10);

fn append() -> Call {
    Call::new("AppendExecutionEvents")
        .form("FlowName", "f")
        .form("ExecutionName", "e")
        .form("Events", r#"[{"Type":"A"}]"#)
}

/// A server that has flow `f` with a running execution `e`.
async fn server(database: &TestDatabase) -> Process {
    let server = Process::start(&database.file(""), &[]).await;
    let create = Call::new("CreateFlow")
        .form("Name", "f")
        .form("Definition", "version: v1")
        .form("Type", "FDL");
    let start = Call::new("StartExecution")
        .form("FlowName", "f")
        .form("ExecutionName", "e");
    for call in [create, start, append()] {
        assert_eq!(server.call(call).await.unwrap().0, 200);
    }
    server
}

/// Starts a second server and returns its exit code and its standard error.
async fn second_server(folder: &Path, file: &Path) -> (Option<i32>, String) {
    let url = format!("sqlite://{}", file.display());
    let mut second = Command::from(command(folder, &["serve", "--listen", "127.0.0.1:0"]));
    second
        .args(["--database-url", &url])
        .env("FLOWLEDGER_ACCESS_KEY_ID", "testid")
        .env("FLOWLEDGER_ACCESS_KEY_SECRET", "testsecret")
        .kill_on_drop(true);
    let output = timeout(PATIENCE, second.output()).await.unwrap().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), said)
}

#[tokio::test]
async fn second_server_is_refused_by_any_name_of_the_file() {
    let database = TestDatabase::sqlite();
    let mut first = server(&database).await;
    fs::hard_link(database.file("test.db"), database.file("hard.db")).unwrap();
    let _ = fs::remove_file(database.file("test.db.lock"));
    let _ = fs::remove_file(database.file("test.db.run"));
    let folder = database.file("");
    for name in ["test.db", "hard.db"] {
        let (code, said) = second_server(&folder, &database.file(name)).await;
        assert_eq!(code, Some(1), "{name}: {said}");
        assert!(
            said.ends_with(": another process has it open; stop that one first\n"),
            "{name}: {said}"
        );
    }
    assert_eq!(first.call(append()).await.unwrap().0, 200);
    assert_eq!(first.stop().await, End::Stopped);
}

/// A way to remove or replace a file of a running server, with its name for messages.
type Taking = (&'static str, fn(&Path));

fn other(file: &Path) -> PathBuf {
    file.with_extension("other")
}

const TAKINGS: [Taking; 4] = [
    ("deleted", |file| fs::remove_file(file).unwrap()),
    ("renamed", |file| fs::rename(file, other(file)).unwrap()),
    ("linked away", |file| {
        fs::hard_link(file, other(file)).unwrap();
        fs::remove_file(file).unwrap();
    }),
    ("replaced", |file| {
        fs::copy(file, other(file)).unwrap();
        fs::rename(other(file), file).unwrap();
    }),
];

#[tokio::test]
async fn server_whose_file_is_removed_acknowledges_nothing_and_exits() {
    for (how, take) in TAKINGS {
        for name in ["test.db", "test.db-wal", "test.db-shm"] {
            for busy in [true, false] {
                let database = TestDatabase::sqlite();
                let mut server = server(&database).await;
                take(&database.file(name));
                if busy {
                    let reply = server.call(append()).await;
                    assert!(reply.is_none_or(|reply| reply.0 == 500), "{name} {how}");
                }
                let ready = async {
                    while server
                        .get("/readyz")
                        .await
                        .is_some_and(|reply| reply.0 == 200)
                    {
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                };
                let noticed = timeout(NOTICED, ready).await;
                assert!(noticed.is_ok(), "{name} {how}: it says that it is ready");
                let end = timeout(NOTICED, server.wait()).await.expect("its end");
                let End::GaveUp(line) = end else {
                    panic!("{name} {how}: {end:?}")
                };
                assert!(
                    line.contains(&format!("/{name} was deleted, renamed or replaced")),
                    "{name} {how}: {line}"
                );
            }
        }
    }
}

#[tokio::test]
async fn read_error_or_truncation_is_answered_500_and_the_server_lives() {
    let database = TestDatabase::sqlite();
    let mut server = server(&database).await;
    let detail = "x".repeat(60_000);
    for batch in 0..16 {
        let events = json!(vec![json!({"Type": "A", "EventDetail": detail}); 14]);
        let large = Call::new("AppendExecutionEvents")
            .form("FlowName", "f")
            .form("ExecutionName", "e")
            .form("ExpectedEventId", &(3 + 14 * batch).to_string())
            .form("Events", &events.to_string());
        assert_eq!(server.call(large).await.unwrap().0, 200);
    }
    let file = fs::File::options()
        .write(true)
        .open(database.file("test.db"));
    let file = file.unwrap();
    assert!(
        file.metadata().unwrap().len() > 8 << 20,
        "it is in the database"
    );
    let page = |limit| {
        Call::new("GetExecutionHistory")
            .query("FlowName", "f")
            .query("ExecutionName", "e")
            .query("Limit", limit)
    };
    // Each reader has read something: what was mapped before the cut would be a signal after it.
    for _ in 0..12 {
        assert_eq!(server.call(page("10")).await.unwrap().0, 200);
    }
    file.set_len(64 << 10).unwrap();
    assert_eq!(server.call(page("100")).await.expect("it lives").0, 500);
    assert_eq!(server.get("/healthz").await.expect("it lives").0, 200);
    server.kill().await;
}

#[tokio::test]
async fn files_are_created_readable_by_their_owner_only() {
    let database = TestDatabase::sqlite();
    let mut server = server(&database).await;
    for name in ["test.db", "test.db-wal", "test.db-shm", "test.db.run"] {
        let mode = fs::metadata(database.file(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert_eq!(server.stop().await, End::Stopped);
}

#[tokio::test]
async fn check_runs_beside_a_server() {
    let database = TestDatabase::sqlite();
    let mut server = server(&database).await;
    let mut check = StdCommand::new(env!("CARGO_BIN_EXE_flowledger"));
    let output = check
        .args(["check", "--database-url", &database.url])
        .output();
    let said = String::from_utf8(output.unwrap().stdout).unwrap();
    assert!(
        said.contains(": sound (flows 1, executions 1, events 2)"),
        "{said}"
    );
    assert_eq!(server.call(append()).await.unwrap().0, 200);
    assert_eq!(server.stop().await, End::Stopped);
}
