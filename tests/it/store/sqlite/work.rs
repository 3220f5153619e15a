//! How the SQLite backend works inside: locks, transactions and group commit, checkpoints, scan limits, the purge of
//! deleted flows, query plans.

use std::{fs, time::Duration};

use flowledger::{
    model::Status,
    store::{Error, ListExecutions, PAGE_MAX_BYTES},
};
use sqlx::{AssertSqlSafe, Connection, Row};

use super::{connect, run_on};
use crate::store::upkeep::{all_executions, deletion};
use crate::support::{
    source::{self, Source},
    test_store::{TestDatabase, append, detailed, event, events_of, flow},
};

#[tokio::test]
async fn foreign_write_lock_delays_writes_but_not_reads() {
    let database = TestDatabase::sqlite();
    let store = database.with_execution().await;
    let mut shell = connect(&database.file("test.db")).await;
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut shell)
        .await
        .unwrap();
    let inner = store.inner.clone();
    let write = tokio::spawn(async move {
        let append = append("f", "e", &[event("StepEntered")], 2);
        inner.append_execution_events(append, None).await
    });
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert_eq!(store.history("e").await.len(), 1);
    }
    assert!(!write.is_finished());
    sqlx::query("COMMIT").execute(&mut shell).await.unwrap();
    assert_eq!(write.await.unwrap().unwrap().unwrap().first, 2);
}

#[tokio::test]
async fn page_stays_within_its_byte_limit() {
    let database = TestDatabase::sqlite();
    let store = database.with_execution().await;
    let escaped = detailed("StepEntered", &"\u{1}".repeat(64 * 1024)); // 384 KiB of JSON
    let wide = detailed("StepEntered", &"步".repeat(64 * 1024 / 3)); // three bytes a character
    for batch in 0..5 {
        store
            .append(&vec![escaped.clone(); 8], 2 + 16 * batch)
            .await
            .unwrap();
        store
            .append(&vec![wide.clone(); 8], 10 + 16 * batch)
            .await
            .unwrap();
    }
    store
        .append(&vec![event("StepExited"); 300], 82)
        .await
        .unwrap();
    let (mut pages, mut next) = (Vec::new(), Some(1));
    while let Some(first) = next {
        let page = store.page(first, 1000).await;
        next = page.next;
        pages.push(page);
    }
    let events = pages.iter().flat_map(events_of);
    let ids: Vec<_> = events
        .map(|event| event["EventId"].as_i64().unwrap())
        .collect();
    assert_eq!(ids, (1..=381).collect::<Vec<_>>());
    let most = usize::try_from(PAGE_MAX_BYTES).unwrap();
    assert_eq!(pages.len(), 2);
    assert!(pages.iter().all(|page| page.json.len() <= most));
    let next = store.page(pages[0].next.unwrap(), 1).await;
    assert!(
        pages[0].json.len() + 1 + next.json.len() > most,
        "one more would not fit"
    );
    for (first, limit, last) in [(1, 10, 10), (75, 10, 84), (380, 1000, 381)] {
        let events = events_of(&store.page(first, limit).await);
        assert_eq!(events.last().unwrap()["EventId"], last);
    }
}

#[tokio::test]
async fn failed_transaction_writes_nothing_and_the_next_one_works() {
    let foreign_key = "x INTEGER REFERENCES flows DEFERRABLE INITIALLY DEFERRED";
    for poison in [
        "SELECT RAISE(ABORT, '')",
        "SELECT RAISE(ROLLBACK, '')",
        "INSERT INTO children VALUES (9)", // fails at the commit
    ] {
        let database = TestDatabase::sqlite();
        let store = database.with_execution().await;
        let mut shell = connect(&database.file("test.db")).await;
        let sql = format!(
            "CREATE TABLE children ({foreign_key}); CREATE TRIGGER t BEFORE INSERT ON events \
             WHEN NEW.json LIKE '%poison%' BEGIN {poison}; END"
        );
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut shell)
            .await
            .unwrap();
        let batch = [event("A"), detailed("ExecutionFailed", "poison")];
        let failed = store.try_append(&batch, 2).await;
        assert!(matches!(failed, Err(Error::Other(_))), "{failed:?}");
        sqlx::raw_sql(
            "CREATE TRIGGER full BEFORE UPDATE ON task_key BEGIN SELECT RAISE(ABORT, ''); END",
        )
        .execute(&mut shell)
        .await
        .unwrap();
        assert!(store.inner.ready().await.is_err(), "its probe cannot write");
        sqlx::raw_sql("DROP TRIGGER full")
            .execute(&mut shell)
            .await
            .unwrap();
        assert!(store.inner.ready().await.is_ok(), "its probe writes again");
        assert_eq!(store.history("e").await.len(), 1);
        assert_eq!(store.describe("e").await.status, Status::Running);
        let appended = store.append(&[event("A"), event("B")], 2).await;
        assert_eq!(appended.unwrap().last, 3);
        assert!(store.inner.ready().await.is_ok());
        assert_eq!(store.history("e").await.len(), 3);
    }
}

/// Returns the number of transactions in the write-ahead log. The last frame of each transaction, and no other,
/// contains the size of the database after the commit.
fn transactions(log: &[u8]) -> usize {
    let number = |at: usize| u32::from_be_bytes(log[at..at + 4].try_into().unwrap());
    let frame = 24 + usize::try_from(number(8)).unwrap(); // a header and a page
    let frames = (32..log.len()).step_by(frame);
    let of_this_round =
        frames.filter(|&at| at + 24 <= log.len() && log[at + 8..at + 16] == log[16..24]);
    of_this_round.filter(|&at| number(at + 4) != 0).count()
}

#[tokio::test]
async fn checkpoint_bounds_the_write_ahead_log() {
    let database = TestDatabase::sqlite();
    let store = database.with_execution().await;
    let wide = vec![detailed("StepEntered", &"x".repeat(64 * 1024)); 10];
    for batch in 0..40 {
        store.append(&wide, 2 + 10 * batch).await.unwrap();
    }
    let length = |name| fs::metadata(database.file(name)).unwrap().len();
    assert!(length("test.db-wal") < 8 << 20, "of 25 MiB");
    assert!(length("test.db") > 16 << 20);
}

#[tokio::test]
async fn queued_appends_share_a_transaction() {
    let database = TestDatabase::sqlite();
    let store = database.with_execution().await;
    let log = database.file("test.db-wal");
    let before = transactions(&fs::read(&log).unwrap());
    store.append(&[event("StepEntered")], 2).await.unwrap();
    assert_eq!(
        transactions(&fs::read(&log).unwrap()),
        before + 1,
        "one append, one transaction"
    );
    let appends: Vec<_> = (0..200)
        .map(|_| {
            let store = store.inner.clone();
            tokio::spawn(async move {
                let append = append("f", "e", &[event("StepEntered")], None);
                store
                    .append_execution_events(append, None)
                    .await
                    .unwrap()
                    .unwrap()
            })
        })
        .collect();
    for append in appends {
        append.await.unwrap();
    }
    let needed = transactions(&fs::read(&log).unwrap()) - before - 1;
    assert!(
        (1..=20).contains(&needed),
        "200 appends took {needed} transactions"
    );
    assert_eq!(store.history("e").await.len(), 202);
}

#[tokio::test]
async fn list_with_a_rare_prefix_stops_at_the_scan_limit() {
    let database = TestDatabase::sqlite();
    let store = database.with_execution().await;
    let mut connection = connect(&database.file("test.db")).await;
    sqlx::raw_sql(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 21000)
         INSERT INTO executions (flow, name, status, last_event_id, history_bytes, started_at, definition, input)
         SELECT flow, 'many-' || i, 'Running', 0, 0, started_at + i / 3, definition, '{}'
         FROM executions, n WHERE name = 'e'",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    let many = (1..=21_000).rev().map(|number| format!("many-{number}"));
    for (prefix, expected) in [
        ("e", vec!["e".to_owned()]),
        ("many-", many.collect()),
        ("x", vec![]),
    ] {
        let mut list = ListExecutions {
            prefix: Some(prefix.to_owned()),
            limit: 100_000,
            metadata_only: true,
            ..all_executions("f")
        };
        let (mut names, mut pages) = (Vec::new(), 0);
        loop {
            let listed = store
                .inner
                .list_executions(list.clone())
                .await
                .unwrap()
                .unwrap();
            names.extend(
                listed
                    .items
                    .iter()
                    .map(|execution| execution.name.to_string()),
            );
            pages += 1;
            match listed.next {
                Some(next) => list.from = Some(next),
                None => break,
            }
        }
        assert!(names == expected, "{} of {prefix}", names.len());
        assert_eq!(pages, 3, "21,001 executions, 10,000 per page (scan limit)");
    }
}

/// Returns the number of rows of each table with data of flows, and the number of free pages.
async fn rows_and_free_pages(database: &TestDatabase) -> [i64; 6] {
    let mut connection = connect(&database.file("test.db")).await;
    let mut counts = [0; 6];
    let tables = [
        "flows",
        "definitions",
        "executions",
        "events",
        "ended_tasks",
    ];
    for (count, table) in counts.iter_mut().zip(tables) {
        let sql = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        *count = sqlx::query_scalar(sql)
            .fetch_one(&mut connection)
            .await
            .unwrap();
    }
    let free = sqlx::query_scalar("PRAGMA freelist_count");
    counts[5] = free.fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    counts
}

/// Waits at most ten seconds for the background purge to leave these numbers of rows and free pages.
async fn purged_to(database: &TestDatabase, expected: [i64; 6]) {
    for _ in 0..1000 {
        if rows_and_free_pages(database).await == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(rows_and_free_pages(database).await, expected);
}

#[tokio::test]
async fn purge_continues_after_a_restart_and_frees_space() {
    let database = TestDatabase::sqlite();
    let store = database.with_execution().await;
    store
        .inner
        .create_flow(flow("g"), None)
        .await
        .unwrap()
        .unwrap();
    store.start("second").await.unwrap();
    let mut events = vec![detailed("StepEntered", &"x".repeat(2000)); 500];
    events.extend([event("TaskSubmitted"), event("TaskSucceeded")]);
    for execution in ["e", "second"] {
        store.append_to(execution, &events, 2).await.unwrap();
    }
    assert_eq!(rows_and_free_pages(&database).await, [2, 2, 2, 1006, 2, 0]);
    store.close().await;
    let file = database.file("test.db");
    let large = fs::metadata(&file).unwrap().len();
    // The state that a process leaves when it is killed right after it has answered DeleteFlow (soft delete).
    run_on(&file, "UPDATE flows SET deleted_at = 1 WHERE name = 'f'").await;
    let store = database.open().await;
    purged_to(&database, [1, 1, 0, 0, 0, 0]).await;
    let deleted = store.inner.delete_flow(deletion("g"), None).await;
    assert!(deleted.unwrap().is_ok(), "the purge left the other flow");
    purged_to(&database, [0; 6]).await;
    store.close().await;
    let small = fs::metadata(&file).unwrap().len();
    assert!(small * 4 < large, "{large} bytes became {small}");
}

#[tokio::test]
async fn history_bytes_counts_the_json_of_all_events() {
    let database = TestDatabase::sqlite();
    let store = database.with_execution().await;
    let batch = [detailed("A", "步骤"), event("B")];
    store.append(&batch, 2).await.unwrap();
    let page = store.page(1, 10).await.json;
    let mut connection = connect(&database.file("test.db")).await;
    let bytes = sqlx::query_scalar("SELECT history_bytes FROM executions");
    let bytes: i64 = bytes.fetch_one(&mut connection).await.unwrap();
    assert_eq!(
        usize::try_from(bytes),
        Ok(page.len() + 1),
        "a comma for each"
    );
}

#[tokio::test]
async fn readable_events_view_shows_histories_as_a_table() {
    let database = TestDatabase::sqlite();
    let store = database.with_execution().await;
    store
        .append(&[detailed("StepEntered", "步骤 \"1\"")], 2)
        .await
        .unwrap();
    let mut connection = connect(&database.file("test.db")).await;
    let row = sqlx::query(
        "SELECT flow || execution || event_id || type || time || schedule_event_id || step_name || event_detail FROM readable_events WHERE event_id = 2",
    );
    let row = row.fetch_one(&mut connection).await.unwrap();
    let text: String = row.get(0);
    assert_eq!(text, "fe2StepEntered2026-11-22T12:00:10.000Z1步骤 \"1\"");
}

/// Steps of query plans that are allowed although they use no index: they read no table, or one with few rows.
const FINE: [&str; 6] = [
    "VIRTUAL TABLE",
    "CONSTANT ROW",
    "SCAN (subquery",
    "SCAN task_key",             // of one row
    "SCAN incarnation",          // of one row
    "USING INDEX flows_deleted", // which holds deleted flows only
];

#[tokio::test]
async fn every_statement_finds_its_rows_by_an_index() {
    let database = TestDatabase::sqlite();
    database.open().await.close().await;
    let mut connection = connect(&database.file("test.db")).await;
    let mut unused: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM sqlite_schema WHERE type = 'index' AND name NOT LIKE 'sqlite%'",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    let (mut seen, mut of_events) = (0, 0);
    for source in source::files("src/store/sqlite") {
        let once = ["/open.rs", "/file.rs", "/check/"];
        if once.iter().any(|file| source.path.contains(file)) {
            continue; // statements that run once per start or check
        }
        let without_tests = source.text.split("#[cfg(test)]").next().unwrap();
        let source = Source::new(&source.path, without_tests);
        let composed = source.words().filter(|word| *word == "AssertSqlSafe");
        // The trigger of appends is composed at run time, from statements that are literals and are checked here.
        let allowed = if source.path.ends_with("/append_execution_events.rs") {
            2
        } else {
            0
        };
        assert!(
            composed.count() <= allowed,
            "a statement that is no literal: {}",
            source.path
        );
        for statement in &source.literals {
            let verb = statement.split_whitespace().next().unwrap_or_default();
            // The insert that fires the trigger has no plan of its own; the trigger's statements are checked here.
            let unfolded = statement.starts_with("INSERT INTO temp.");
            if unfolded || !["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"].contains(&verb) {
                continue;
            }
            // The plan of an INSERT contains a scan for child rows, which SQLite runs only while a foreign key is
            // violated. So INSERTs are explained without foreign keys.
            let pragma = format!("PRAGMA foreign_keys = {}", verb != "INSERT");
            let pragma = sqlx::raw_sql(AssertSqlSafe(pragma));
            pragma.execute(&mut connection).await.unwrap();
            let plan = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}")));
            let plan = plan.fetch_all(&mut connection).await.expect(statement);
            for step in plan.iter().map(|row| row.get::<String, _>("detail")) {
                let scans =
                    step.starts_with("SCAN ") && !FINE.iter().any(|fine| step.contains(fine));
                let makes_one = ["TEMP B-TREE", "AUTOMATIC"];
                let makes_one = makes_one.iter().any(|it| step.contains(it));
                assert!(!scans && !makes_one, "{step}: {statement}");
                if step.contains("events") && step.starts_with("SEARCH") {
                    let of_one = "INDEX events_by_execution (flow=? AND execution=?";
                    let of_all = "INDEX events_by_execution (flow=?)";
                    let is_purge = statement.starts_with("DELETE");
                    assert!(
                        step.contains(of_one)
                            || is_purge
                                && (step.contains(of_all) || step.contains("INTEGER PRIMARY KEY")),
                        "{step}: {statement}"
                    );
                    of_events += 1;
                }
                unused.retain(|index| !step.contains(index.as_str()));
            }
            seen += 1;
        }
    }
    assert_eq!(unused, [""; 0], "indexes that no statement uses");
    assert!(
        of_events >= 8,
        "only {of_events} look-ups of events were found"
    );
    assert!(
        seen >= 20,
        "only {seen} statements were found; are they written otherwise now?"
    );
}
