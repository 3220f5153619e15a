//! Migrations: a database of every older schema is migrated to the newest one and keeps its rows, and a released file
//! of `migrations/` never changes.

use std::{
    fs,
    path::{Path, PathBuf},
};

use flowledger::{
    model::Status,
    store::{self, Refusal, ReportTask},
};
use sha2::{Digest, Sha256};
use sqlx::{
    ConnectOptions, Connection, SqliteConnection,
    migrate::Migrator,
    sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode},
};

use crate::{
    store::{sqlite::connect, tasks::report},
    support::{
        call::hex,
        test_store::{TestDatabase, append, at, detailed, event, flow, name, nonce},
    },
};

/// Every migration for SQLite with the SHA-256 of its file.
pub const RELEASED: [(&str, &str); 3] = [
    (
        "0001_ledger.sql",
        "6007f5848167112ee3f558d875ec328f233e31589229f3ea627d6273069e861c",
    ),
    (
        "0002_nonces.sql",
        "ecdd831c57007daee829f54c2521c882d93003d27e0d9de2ec4986564f55b931",
    ),
    (
        "0003_lists_and_tasks.sql",
        "3a64ca73715e42bbb6a458a5b25e13b78494026920484f3c762679fe27821690",
    ),
];

/// Rows of schema 0001: a flow with all fields and one with only the required ones; an execution that has ended, one
/// that runs, and one with two tasks of which the first has ended.
const ROWS: &str = r#"
INSERT INTO flows VALUES
    (5, 'f', '0fd6b2c1-0000-4000-8000-000000000001', 'about', 'FDL', 'acs:ram::1:role/r', 'Express',
     '{"Variables":[]}', 'oss://bucket/', 'rg-1', 1767225600000, 1767225600001, NULL),
    (6, 'bare', '0fd6b2c1-0000-4000-8000-000000000002', '', 'FDL', NULL, 'Standard',
     NULL, NULL, NULL, 1767225600000, 1767225600000, NULL);
INSERT INTO definitions VALUES (2, 5, 'old'), (3, 5, 'version: v1 步骤'), (4, 6, 'old');
INSERT INTO executions VALUES
    (7, 5, 'e', 'Succeeded', 3, 414, 1767225600000, 1767225600002, 2, '{}', '1', NULL),
    (8, 5, 'running', 'Running', 1, 139, 1767225600003, NULL, 3, '{}', NULL, '{}'),
    (9, 5, 'tasks', 'Running', 4, 514, 1767225600004, NULL, 3, '{}', NULL, NULL);
INSERT INTO events VALUES
    (5, 7, 1, '{"Type":"ExecutionStarted","EventId":1,"Time":"2026-01-01T00:00:00.000Z","ScheduleEventId":0,"EventDetail":"{\"input\":{}}","StepName":""}', 2509619081),
    (5, 7, 2, '{"Type":"StepEntered","EventId":2,"Time":"2026-01-01T00:00:00.001Z","ScheduleEventId":1,"EventDetail":"步骤 \u0001","StepName":"s"}', 3779602792),
    (5, 7, 3, '{"Type":"ExecutionSucceeded","EventId":3,"Time":"2026-01-01T00:00:00.002Z","ScheduleEventId":2,"EventDetail":"{\"output\":1}","StepName":""}', 2382118926),
    (5, 8, 1, '{"Type":"ExecutionStarted","EventId":1,"Time":"2026-01-01T00:00:00.003Z","ScheduleEventId":0,"EventDetail":"{\"input\":{}}","StepName":""}', 1525132784),
    (5, 9, 1, '{"Type":"ExecutionStarted","EventId":1,"Time":"2026-01-01T00:00:00.004Z","ScheduleEventId":0,"EventDetail":"{\"input\":{}}","StepName":""}', 386530243),
    (5, 9, 2, '{"Type":"TaskSubmitted","EventId":2,"Time":"2026-01-01T00:00:00.005Z","ScheduleEventId":1,"EventDetail":"{}","StepName":"t"}', 3866542370),
    (5, 9, 3, '{"Type":"TaskSucceeded","EventId":3,"Time":"2026-01-01T00:00:00.006Z","ScheduleEventId":2,"EventDetail":"{}","StepName":"t"}', 1953312405),
    (5, 9, 4, '{"Type":"TaskSubmitted","EventId":4,"Time":"2026-01-01T00:00:00.007Z","ScheduleEventId":3,"EventDetail":"{}","StepName":"t"}', 1908920975);
"#;

/// Rows for the tables and columns that each migration added.
const NEWER_ROWS: [&str; 3] = [
    "",
    "INSERT INTO nonces VALUES (1795348800000, x'07070707070707070707070707070707', 0)",
    "",
];

fn folder(backend: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("migrations")
        .join(backend)
}

fn names(backend: &str) -> Vec<String> {
    let entries = fs::read_dir(folder(backend)).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Applies the migrations up to `newest`, as the binary of that schema did.
async fn migrate(connection: &mut SqliteConnection, newest: &str) {
    let applied = tempfile::tempdir().unwrap();
    for name in names("sqlite")
        .into_iter()
        .filter(|name| name.as_str() <= newest)
    {
        fs::copy(folder("sqlite").join(&name), applied.path().join(&name)).unwrap();
    }
    Migrator::new(applied.path())
        .await
        .unwrap()
        .run(connection)
        .await
        .unwrap();
}

/// Creates a database whose rows were written under schema 0001, migrated up to migration `age`.
pub async fn make(database: &TestDatabase, age: &str) {
    let mut connection = connect(&database.file("test.db")).await;
    migrate(&mut connection, RELEASED[0].0).await;
    sqlx::raw_sql(ROWS).execute(&mut connection).await.unwrap();
    migrate(&mut connection, age).await;
    connection.close().await.unwrap();
}

pub async fn user_version(connection: &mut SqliteConnection) -> i64 {
    sqlx::query_scalar("PRAGMA user_version")
        .fetch_one(connection)
        .await
        .unwrap()
}

/// Returns the path of the fixture database of this schema.
fn fixture(migration: &str) -> PathBuf {
    let name = migration.replace(".sql", ".db");
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/databases")
        .join(name)
}

#[tokio::test]
#[ignore = "run once for each new migration: writes the fixture database of its schema"]
async fn fixture_database_of_each_schema_is_written() {
    for (newest, (age, _)) in RELEASED.iter().enumerate() {
        if fixture(age).exists() {
            continue;
        }
        let options = SqliteConnectOptions::new()
            .filename(fixture(age))
            .create_if_missing(true);
        let options = options.auto_vacuum(SqliteAutoVacuum::Incremental);
        let mut connection = options
            .journal_mode(SqliteJournalMode::Wal)
            .connect()
            .await
            .unwrap();
        for (migration, rows) in RELEASED.iter().zip(NEWER_ROWS).take(newest + 1) {
            migrate(&mut connection, migration.0).await;
            let rows = if *migration == RELEASED[0] {
                ROWS
            } else {
                rows
            };
            sqlx::raw_sql(rows).execute(&mut connection).await.unwrap();
        }
        connection.close().await.unwrap();
    }
}

#[tokio::test]
async fn database_of_every_schema_is_migrated_and_served_with_its_rows() {
    for (level, (age, _)) in (1..).zip(RELEASED) {
        let database = TestDatabase::sqlite();
        fs::copy(fixture(age), database.file("test.db")).expect(age);
        let mut connection = connect(&database.file("test.db")).await;
        assert_eq!(user_version(&mut connection).await, level, "{age}");
        connection.close().await.unwrap();
        assert_old_rows_are_served(&database).await;
        assert_old_executions_accept_writes(&database, level).await;
        let mut connection = connect(&database.file("test.db")).await;
        let newest = i64::try_from(RELEASED.len()).unwrap();
        assert_eq!(user_version(&mut connection).await, newest, "from {age}");
        let checked = store::check(&database.url, false, &mut |_, _| {})
            .await
            .unwrap();
        assert_eq!(checked.faults, [""; 0], "from {age}");
    }
}

pub async fn assert_old_rows_are_served(database: &TestDatabase) {
    let store = database.open().await;
    let f = store
        .inner
        .describe_flow(&name("f"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        format!("{f:?}"),
        "Flow { id: \"0fd6b2c1-0000-4000-8000-000000000001\", name: Name(\"f\"), definition: \"version: v1 步骤\", \
         description: \"about\", kind: \"FDL\", role_arn: Some(\"acs:ram::1:role/r\"), execution_mode: \"Express\", \
         environment: Some(\"{\\\"Variables\\\":[]}\"), external_storage_location: Some(\"oss://bucket/\"), \
         resource_group_id: Some(\"rg-1\"), created_at: Timestamp(1767225600000), modified_at: Timestamp(1767225600001) }"
    );
    let bare = store
        .inner
        .describe_flow(&name("bare"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (bare.role_arn, bare.environment, bare.resource_group_id),
        (None, None, None)
    );
    let ended = store.describe("e").await;
    assert_eq!(
        (ended.status, ended.definition.as_str()),
        (Status::Succeeded, "old")
    );
    assert_eq!(
        (ended.output.as_deref(), ended.stopped_at.unwrap().millis()),
        (Some("1"), 1_767_225_600_002)
    );
    let events = ROWS
        .lines()
        .filter(|line| line.contains("(5, 7, ") && line.contains("'{\"Type\""));
    let events: Vec<_> = events
        .map(|line| line.split('\'').nth(1).unwrap())
        .collect();
    let page = store.page(1, 1000).await;
    assert_eq!((page.json, page.next), (events.join(","), None));
    assert_eq!(
        store.append(&[event("A")], 4).await,
        Err(Refusal::ExecutionAlreadyCompleted)
    );
    store.close().await;
}

#[tokio::test]
async fn database_of_a_development_build_is_refused() {
    let database = TestDatabase::sqlite();
    database.with_execution().await.close().await;
    let mut connection = connect(&database.file("test.db")).await;
    let changed = sqlx::raw_sql("UPDATE _sqlx_migrations SET checksum = x'00' WHERE version = 1");
    changed.execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let before = fs::read(database.file("test.db")).unwrap();
    let opened = store::open(&database.url, at(0)).await.err().unwrap();
    let checked = store::check(&database.url, false, &mut |_, _| {}).await;
    for fault in [opened, checked.unwrap_err()] {
        assert!(fault.contains("a development build made it"), "{fault}");
    }
    assert!(
        fs::read(database.file("test.db")).unwrap() == before,
        "the file is unchanged"
    );
}

#[tokio::test]
async fn file_without_an_applied_migration_is_opened() {
    let database = TestDatabase::sqlite();
    let mut connection = connect(&database.file("test.db")).await;
    migrate(&mut connection, "").await;
    connection.close().await.unwrap();
    database.with_execution().await.close().await;
}

/// Asserts that executions written under schema `level` accept reports, appends and starts.
async fn assert_old_executions_accept_writes(database: &TestDatabase, level: i64) {
    let store = database.open().await;
    assert_eq!(store.history("tasks").await.len(), 4);
    for (submitted, reported) in [(2, Err(Refusal::TaskAlreadyCompleted(2))), (4, Ok(5))] {
        let report = ReportTask {
            flow_id: "0fd6b2c1-0000-4000-8000-000000000001".to_owned(),
            ..report("tasks", submitted)
        };
        assert_eq!(
            store.inner.report_task(report, None).await.unwrap(),
            reported
        );
    }
    if level >= 2 {
        let replayed = append("f", "running", &[event("StepEntered")], 2);
        let replayed = store
            .inner
            .append_execution_events(replayed, Some(nonce(7)))
            .await;
        assert_eq!(replayed.unwrap(), Err(Refusal::NonceUsed));
    }
    let environment = store.describe("running").await.environment;
    assert_eq!(environment.as_deref(), Some("{}"));
    let events = [detailed("StepEntered", "步骤"), event("ExecutionFailed")];
    assert_eq!(
        store.append_to("running", &events, 2).await.unwrap().last,
        3
    );
    assert_eq!(
        store.append_to("running", &events, 2).await.unwrap().last,
        3
    );
    assert_eq!(store.details("running").await, ["步骤", "{}"]);
    assert_eq!(store.start("e").await, Err(Refusal::ExecutionAlreadyExists));
    assert_eq!(store.start("new").await, Ok(()));
    let taken = store.inner.create_flow(flow("bare"), None).await.unwrap();
    assert_eq!(taken.unwrap_err(), Refusal::FlowAlreadyExists);
    store
        .inner
        .create_flow(flow("new"), None)
        .await
        .unwrap()
        .unwrap();
    store.close().await;
}

#[test]
fn released_migrations_never_change() {
    let found = names("sqlite");
    for (name, sha256) in RELEASED {
        assert!(
            found.iter().any(|found| found == name),
            "{name} is gone, but databases have it applied"
        );
        let file = fs::read(folder("sqlite").join(name)).unwrap();
        assert_eq!(
            hex(&Sha256::digest(file)),
            sha256,
            "{name} has changed, but databases have it applied: add a new migration instead"
        );
    }
    let released = RELEASED.map(|(name, _)| name);
    assert_eq!(
        found, released,
        "a new migration is listed in RELEASED with the SHA-256 of its file"
    );
}

#[test]
fn migrations_have_consecutive_numbers_and_set_user_version() {
    for (number, name) in (1..).zip(names("sqlite")) {
        let text = fs::read_to_string(folder("sqlite").join(&name)).unwrap();
        assert!(
            name.starts_with(&format!("{number:04}_")),
            "{name} should have number {number:04}"
        );
        assert!(
            text.starts_with("-- "),
            "{name} should begin with a comment that says what it is for"
        );
        let versions: Vec<_> = text
            .lines()
            .filter(|line| line.contains("user_version"))
            .collect();
        assert_eq!(
            versions,
            [format!("PRAGMA user_version = {number};")],
            "in {name}"
        );
    }
}

#[tokio::test]
async fn every_table_is_strict() {
    let database = TestDatabase::sqlite();
    database.open().await.close().await;
    let mut connection = connect(&database.file("test.db")).await;
    let loose: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND NOT strict \
         AND name NOT LIKE 'sqlite~_%' ESCAPE '~' AND name != '_sqlx_migrations'",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert_eq!(loose, [""; 0]);
}

#[test]
fn every_backend_has_the_same_migrations() {
    for entry in fs::read_dir(folder("")).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            let backend = entry.file_name().into_string().unwrap();
            assert_eq!(
                names(&backend),
                names("sqlite"),
                "{backend} and sqlite have the same migrations"
            );
        }
    }
}
