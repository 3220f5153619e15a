//! `flowledger check`: which corruption it finds and names, and that it changes nothing.

use std::{fs, process::Output};

use super::{Process, serve::command};
use crate::{
    store::sqlite::run_on,
    support::test_store::{TestDatabase, detailed},
};

/// Statements that damage execution `e` (id 1, 7 events) or `other` (id 2, 2 events), and the line that names it.
const DAMAGES: [(&str, &str); 22] = [
    (
        "UPDATE events SET json = replace(json, 'detail 3', 'detail 8')",
        "f/e event 3: its checksum does not fit",
    ),
    (
        "UPDATE events SET json = json || char(10) WHERE execution = 1 AND event_id = 4",
        "f/e: what follows event 4 is no event",
    ),
    (
        "UPDATE events SET json = CAST(x'22ff22' AS TEXT) WHERE event_id = 7",
        "f/e event 7: its checksum does not fit",
    ),
    (
        "UPDATE events SET checksum = -checksum WHERE execution = 2 AND event_id = 1",
        "f/other event 1: its checksum does not fit",
    ),
    (
        "DELETE FROM events WHERE event_id = 5",
        "f/e event 5: missing",
    ),
    (
        "DELETE FROM events WHERE event_id IN (3, 4)",
        "f/e event 3 to 4: missing",
    ),
    (
        "DELETE FROM events WHERE event_id > 5",
        "f/e event 6 to 7: missing",
    ),
    (
        "DELETE FROM events WHERE execution = 2",
        "f/other event 1 to 2: missing",
    ),
    (
        "UPDATE executions SET last_event_id = 4 WHERE id = 1",
        "f/e: its row says that event 4 is the last, but there is event 7",
    ),
    (
        "UPDATE executions SET history_bytes = history_bytes + 1 WHERE id = 2",
        "f/other: its number of bytes is not what its events say",
    ),
    (
        "UPDATE executions SET status = 'Failed' WHERE id = 1",
        "f/e: its status is not what its events say",
    ),
    (
        "UPDATE executions SET status = 'Succeeded' WHERE id = 2",
        "f/other: its status is not what its events say",
    ),
    (
        "UPDATE executions SET stopped_at = stopped_at - 1 WHERE id = 1",
        "f/e: its end is not what its events say",
    ),
    (
        "UPDATE executions SET started_at = 0 WHERE id = 1",
        "f/e: its start is not what its events say",
    ),
    (
        "UPDATE executions SET output = '2' WHERE id = 1",
        "f/e: its output is not what its events say",
    ),
    (
        "UPDATE executions SET input = '[]' WHERE id = 2",
        "f/other: its input is not what its events say",
    ),
    (
        "UPDATE executions SET definition = 9 WHERE id = 2",
        "f/other: its definition is not what its events say",
    ),
    (
        "UPDATE executions SET status = 'Rubbing' WHERE id = 2",
        "execution 2: the store is damaged: a status is not one",
    ),
    (
        "UPDATE executions SET name = char(27) || '[2J' WHERE id = 1",
        "execution 1: the store is damaged: a name is not one",
    ),
    (
        "DELETE FROM executions WHERE id = 1",
        "execution 1: it is missing, but events of it are there",
    ),
    (
        "INSERT INTO ended_tasks VALUES (1, 3, 1)",
        "execution 3: it is missing, but ended tasks of it are there",
    ),
    (
        "PRAGMA foreign_keys = OFF; UPDATE executions SET flow = 9 WHERE id = 2",
        "executions: row 2 names a row of flows that is missing",
    ),
];

/// Returns a closed database with two executions.
async fn written() -> TestDatabase {
    let database = TestDatabase::sqlite();
    let store = database.with_execution().await;
    store.start("other").await.unwrap();
    let mut events: Vec<_> = (2..=6)
        .map(|id| detailed("StepEntered", &format!("detail {id}")))
        .collect();
    events.push(detailed("ExecutionSucceeded", r#"{"output":1}"#));
    store.append(&events, 2).await.unwrap();
    store.append_to("other", &events[..1], 2).await.unwrap();
    store.close().await;
    database
}

/// Runs `check` on a database. Returns its exit code and its lines.
fn check(database: &TestDatabase, arguments: &[&str]) -> (i32, Vec<String>) {
    let arguments = [&["check", "--database-url", &database.url], arguments].concat();
    let Output {
        status,
        stdout,
        stderr,
    } = command(&database.file(""), &arguments).output().unwrap();
    assert_eq!(
        String::from_utf8(stderr).unwrap(),
        "",
        "no bar without a terminal"
    );
    let lines = String::from_utf8(stdout).unwrap();
    (
        status.code().unwrap(),
        lines.lines().map(str::to_owned).collect(),
    )
}

fn names(database: &TestDatabase) -> Vec<String> {
    let entries = fs::read_dir(database.file("")).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn check_of_a_sound_file_ends_with_0_and_creates_no_file() {
    let database = written().await;
    let before = (
        names(&database),
        fs::read(database.file("test.db")).unwrap(),
    );
    for (arguments, said) in [
        (&[][..], "sound (flows 1, executions 2, events 9)"),
        (
            &["--quick"],
            "sound in a sample (flows 0, executions 2, events 9)",
        ),
    ] {
        assert_eq!(
            check(&database, arguments),
            (0, vec![format!("{}: {said}", database.url)])
        );
        assert_eq!(
            (
                names(&database),
                fs::read(database.file("test.db")).unwrap()
            ),
            before
        );
    }
}

#[tokio::test]
async fn check_sees_the_present_state_of_a_served_file() {
    let database = TestDatabase::sqlite();
    let store = database.with_execution().await;
    let events: Vec<_> = (0..600)
        .map(|n| detailed("StepEntered", &n.to_string()))
        .collect();
    store.append(&events, 2).await.unwrap();
    let said = format!(
        "{}: sound (flows 1, executions 1, events 601)",
        database.url
    );
    assert_eq!(check(&database, &[]), (0, vec![said]));
    store.append(&events, 602).await.unwrap();
    store.close().await;
    assert_eq!(names(&database), ["test.db", "test.db.run"]);
}

#[tokio::test]
async fn every_kind_of_damage_is_named() {
    for (sql, line) in DAMAGES {
        let database = written().await;
        run_on(&database.file("test.db"), sql).await;
        let (code, lines) = check(&database, &[]);
        let (summary, faults) = lines.split_last().unwrap();
        assert_eq!(code, 1, "{sql}: {lines:?}");
        assert!(faults.iter().any(|fault| fault == line), "{sql}: {lines:?}");
        assert!(summary.contains(" fault"), "{sql}: {summary}");
    }
}

#[tokio::test]
async fn start_logs_damage_in_a_sample_and_serves_the_rest() {
    let database = written().await;
    run_on(
        &database.file("test.db"),
        "DELETE FROM events WHERE event_id = 7",
    )
    .await;
    let fault = "the store is damaged: execution f/e: event 7 is missing";
    let (code, lines) = check(&database, &["--quick"]);
    assert_eq!((code, &lines[0]), (1, &format!("execution 1: {fault}")));
    let folder = database.file("");
    let server = Process::serve(&folder, &["--database-url", &database.url], &[]);
    assert_eq!(server.stop("TERM").0, Some(0));
    let log = fs::read_to_string(folder.join("log")).unwrap();
    assert!(
        log.contains(fault) && log.contains("test.db is damaged"),
        "{log}"
    );
}

#[tokio::test]
async fn file_that_cannot_be_checked_ends_with_1_and_one_line() {
    let database = written().await;
    run_on(&database.file("foreign.db"), "CREATE TABLE t (x)").await;
    fs::copy(
        "tests/fixtures/databases/0002_nonces.db",
        database.file("old.db"),
    )
    .unwrap();
    fs::write(database.file("text.db"), "text").unwrap();
    for (file, fault) in [
        ("foreign.db", "it belongs to another program"),
        (
            "old.db",
            "it has schema 2; `flowledger serve` brings it to 3",
        ),
        ("text.db", "it is not a SQLite file"),
        ("none.db", "unable to open database file"),
    ] {
        let url = database.url.replace("test.db", file);
        let run = command(&database.file(""), &["check", "--database-url", &url])
            .output()
            .unwrap();
        let said = String::from_utf8(run.stderr).unwrap();
        assert_eq!(
            (run.status.code(), said.lines().count()),
            (Some(1), 1),
            "{said}"
        );
        assert!(
            said.starts_with("flowledger: ") && said.contains(fault),
            "{said}"
        );
    }
    assert!(!database.file("none.db").exists());
}
