//! Corruption: a read of a damaged file returns what was written or `Error::Corrupt`, never anything else.

use std::fs;

use flowledger::{
    model::NewEvent,
    store::{self, Error, FlowChange, FlowDeletion, HistoryPage, HistoryQuery, StopExecution},
};

use super::run_on;
use crate::store::{
    tasks::report,
    upkeep::{all_executions, change},
};
use crate::support::test_store::{
    TestDatabase, TestStore, append, at, detailed, event, flow, name, start,
};

/// Kinds of damage, each with its SQL. Execution 1 is `e`, execution 2 is `other`; both have EventIds 1 to 6.
const DAMAGES: [(&str, &str); 17] = [
    ("a letter", "UPDATE events SET json = replace(json, 'e 3', 'e 8') WHERE execution = 1"),
    ("a byte less", "UPDATE events SET json = substr(json, 2) WHERE execution = 1 AND event_id = 3"),
    ("a line feed more", "UPDATE events SET json = json || char(10) WHERE execution = 1 AND event_id = 3"),
    ("another line", "UPDATE events SET json = json || char(10) || json WHERE execution = 1 AND event_id = 3"),
    ("no text", "UPDATE events SET json = '' WHERE execution = 1 AND event_id = 3"),
    ("no UTF-8", "UPDATE events SET json = CAST(x'22ff22' AS TEXT) WHERE execution = 1 AND event_id = 3"),
    ("another checksum", "UPDATE events SET checksum = checksum + 1 WHERE execution = 1 AND event_id = 3"),
    ("a negative checksum", "UPDATE events SET checksum = -checksum WHERE execution = 1 AND event_id = 3"),
    ("a huge checksum", "UPDATE events SET checksum = checksum + 4294967296 WHERE execution = 1 AND event_id = 3"),
    ("no first event", "DELETE FROM events WHERE execution = 1 AND event_id = 1"),
    ("no third event", "DELETE FROM events WHERE execution = 1 AND event_id = 3"),
    ("no last event", "DELETE FROM events WHERE execution = 1 AND event_id = 6"),
    ("no events", "DELETE FROM events WHERE execution = 1"),
    (
        "two events in each other's place",
        "UPDATE events SET event_id = -3 WHERE execution = 1 AND event_id = 3;
         UPDATE events SET event_id = 3 WHERE execution = 1 AND event_id = 4;
         UPDATE events SET event_id = 4 WHERE execution = 1 AND event_id = -3",
    ),
    (
        "an event twice",
        "UPDATE events SET (json, checksum) = (SELECT json, checksum FROM events WHERE execution = 1 AND event_id = 4)
         WHERE execution = 1 AND event_id = 3",
    ),
    (
        "an event of another execution",
        "UPDATE events SET (json, checksum) = (SELECT json, checksum FROM events WHERE execution = 2 AND event_id = 3)
         WHERE execution = 1 AND event_id = 3",
    ),
    (
        "an event that went to another execution",
        "DELETE FROM events WHERE execution = 2 AND event_id = 3;
         UPDATE events SET execution = 2 WHERE execution = 1 AND event_id = 3",
    ),
];

fn five_events(execution: &str) -> Vec<NewEvent> {
    let details = (2..=6).map(|id| format!("{execution} {id}"));
    details
        .map(|detail| detailed("StepEntered", &detail))
        .collect()
}

/// Creates executions `e` and `other` with six events each.
async fn written(database: &TestDatabase) -> TestStore {
    let store = database.with_execution().await;
    store.start("other").await.unwrap();
    for execution in ["e", "other"] {
        store
            .append_to(execution, &five_events(execution), 2)
            .await
            .unwrap();
    }
    store
}

/// Reads all possible pages of `e`. Returns for each the first and the last EventId that it should have.
async fn pages(store: &TestStore) -> Vec<(i64, i64, Result<HistoryPage, Error>)> {
    let mut pages = Vec::new();
    for first in 1..=7 {
        for limit in [1, 2, 3, 4, 5, 6, 7, 1000] {
            let page = store.try_page(first, limit).await;
            pages.push((first, 6.min(first + limit - 1), page));
        }
    }
    pages
}

#[tokio::test]
async fn page_with_a_damaged_event_is_an_error() {
    for (damage, sql) in DAMAGES {
        let database = TestDatabase::sqlite();
        let store = written(&database).await;
        let whole = pages(&store).await;
        let other = store.try_page_of("other", 1, 1000).await.unwrap();
        store.close().await;
        assert!(
            run_on(&database.file("test.db"), sql).await > 0,
            "{damage}: nothing was damaged"
        );
        let store = database.open().await;
        match store.try_page_of("other", 1, 1000).await {
            Ok(page) => assert!(page == other && !damage.ends_with("to another execution")),
            Err(error) => assert!(matches!(error, Error::Corrupt(_)), "{damage}: {error:?}"),
        }
        let damaged_ids = match damage {
            "no first event" => 1..=1,
            "no last event" => 6..=6,
            "no events" => 1..=6,
            "two events in each other's place" => 3..=4,
            _ => 3..=3,
        };
        for ((first, last, now), (_, _, whole)) in pages(&store).await.into_iter().zip(whole) {
            let meets = damaged_ids.clone().any(|id| (first..=last).contains(&id));
            match now {
                Ok(page) => {
                    assert_eq!(page, whole.unwrap(), "{damage}: {first} to {last}");
                    assert!(!meets, "{damage}: {first} to {last}");
                }
                Err(error) => {
                    assert!(
                        meets && matches!(error, Error::Corrupt(_)),
                        "{damage}: {error:?}"
                    );
                    let message = error.to_string();
                    let is_named = |id| message.contains(&format!("event {id} "));
                    assert!(damaged_ids.clone().any(is_named), "{damage}: {message}");
                }
            }
        }
    }
}

#[tokio::test]
async fn wrong_last_event_id_is_an_error() {
    for sql in [
        "UPDATE executions SET last_event_id = 4 WHERE id = 1",
        "UPDATE executions SET last_event_id = 4, history_bytes = -1 WHERE id = 1",
    ] {
        let database = TestDatabase::sqlite();
        let store = written(&database).await;
        let whole = pages(&store).await;
        store.close().await;
        run_on(&database.file("test.db"), sql).await;
        let store = database.open().await;
        for ((first, _, now), (_, last, whole)) in pages(&store).await.into_iter().zip(whole) {
            match now {
                Ok(page) => {
                    assert!(last < 4, "{first} to {last}: {sql}");
                    assert_eq!((page.json, page.next), {
                        let whole = whole.unwrap();
                        (whole.json, whole.next)
                    });
                }
                Err(error) => assert!(
                    last >= 4 && matches!(error, Error::Corrupt(_)),
                    "{first} to {last}: {error:?}"
                ),
            }
        }
        assert_eq!(store.history("other").await.len(), 6);
        let appended = store.try_append(&[event("A")], None).await;
        assert!(matches!(appended, Err(Error::Corrupt(_))), "{appended:?}");
    }
}

#[tokio::test]
async fn index_entry_that_leads_to_another_name_is_an_error() {
    let database = TestDatabase::sqlite();
    let store = database.open().await;
    for flow_name in ["flow-one", "flow-two", "flow-three"] {
        let _ = store
            .inner
            .create_flow(flow(flow_name), None)
            .await
            .unwrap();
        for execution in ["run-one", "run-two"] {
            let started = start(flow_name, execution);
            let _ = store.inner.start_execution(started, None).await.unwrap();
        }
    }
    store.close().await;
    let whole = fs::read(database.file("test.db")).unwrap();
    // An index entry is the name followed by the row id. Each case changes one row id, so that the entry leads to
    // another flow, to an execution of another flow, or to another execution of the same flow.
    for (entry, damaged, flow, execution) in [
        (b"flow-two\x02", b"flow-two\x03", "flow-two", "run-one"),
        (
            b"\x01run-two\x02",
            b"\x01run-two\x04",
            "flow-one",
            "run-two",
        ),
        (
            b"\x02run-one\x03",
            b"\x02run-one\x04",
            "flow-two",
            "run-one",
        ),
    ] {
        let mut bytes = whole.clone();
        let places = bytes
            .windows(9)
            .enumerate()
            .filter(|(_, window)| *window == entry);
        let places: Vec<_> = places.map(|(at, _)| at).collect();
        assert_eq!(places.len(), 1, "{entry:?} stands in an index only");
        bytes[places[0]..][..9].copy_from_slice(damaged);
        fs::write(database.file("test.db"), bytes).unwrap();
        let store = database.open().await;
        let query = HistoryQuery::range(1, 10);
        let (flow, execution) = (name(flow), name(execution));
        let page = store
            .inner
            .get_execution_history(&flow, &execution, &query)
            .await;
        assert!(
            matches!(page, Err(Error::Corrupt(_))),
            "{flow} {execution}: {page:?}"
        );
        let (append, stop) = (
            append(flow.as_str(), execution.as_str(), &[event("A")], None),
            StopExecution {
                flow: flow.clone(),
                execution: execution.clone(),
                detail: String::new(),
                at: at(0),
            },
        );
        for (what, fault) in [
            (
                "append",
                store
                    .inner
                    .append_execution_events(append, None)
                    .await
                    .err(),
            ),
            ("stop", store.inner.stop_execution(stop, None).await.err()),
            (
                "describe",
                store
                    .inner
                    .describe_execution(&flow, &execution)
                    .await
                    .err(),
            ),
        ] {
            assert!(
                matches!(fault, Some(Error::Corrupt(_))),
                "{what} {flow} {execution}: {fault:?}"
            );
        }
        if entry.starts_with(b"flow") {
            let change = FlowChange {
                name: flow.clone(),
                ..change()
            };
            let deletion = FlowDeletion {
                name: flow.clone(),
                at: at(0),
            };
            for (what, fault) in [
                (
                    "list",
                    store
                        .inner
                        .list_executions(all_executions(flow.as_str()))
                        .await
                        .err(),
                ),
                ("describe", store.inner.describe_flow(&flow).await.err()),
                (
                    "delete",
                    store.inner.delete_flow(deletion, None).await.err(),
                ),
                ("update", store.inner.update_flow(change, None).await.err()),
            ] {
                assert!(
                    matches!(fault, Some(Error::Corrupt(_))),
                    "{what} {flow}: {fault:?}"
                );
            }
        }
        store.close().await;
        let checked = store::check(&database.url, false, &mut |_, _| {})
            .await
            .unwrap();
        assert_ne!(checked.faults, [""; 0], "the check finds it too");
    }
}

#[tokio::test]
async fn retry_that_meets_a_damaged_event_is_an_error() {
    for (damage, sql) in DAMAGES {
        if damage == "no first event" {
            continue; // a retry of events 2 to 6 does not read event 1
        }
        let database = TestDatabase::sqlite();
        written(&database).await.close().await;
        run_on(&database.file("test.db"), sql).await;
        let store = database.open().await;
        let repeat = store.try_append(&five_events("e"), 2).await;
        assert!(
            matches!(repeat, Err(Error::Corrupt(_))),
            "{damage}: {repeat:?}"
        );
        let other = store
            .append_to("other", &five_events("other")[4..], 6)
            .await;
        assert_eq!(
            other.unwrap().last,
            6,
            "{damage}: the other execution is undamaged"
        );
        let next = store.try_append(&five_events("e"), 7).await;
        match damage {
            "no last event" | "no events" => {
                assert!(matches!(next, Err(Error::Corrupt(_))), "{damage}: {next:?}");
            }
            _ => assert_eq!(
                next.unwrap().unwrap().last,
                11,
                "{damage}: the last event is undamaged"
            ),
        }
    }
}

#[tokio::test]
async fn report_of_a_task_with_a_damaged_event_is_an_error() {
    let database = TestDatabase::sqlite();
    let store = database.with_execution().await;
    store.append(&[event("TaskSubmitted")], 2).await.unwrap();
    store.close().await;
    let sql = "UPDATE events SET json = replace(json, '\"StepName\":\"\"', '\"StepName\":\"x\"') WHERE event_id = 2";
    assert_eq!(run_on(&database.file("test.db"), sql).await, 1);
    let store = database.open().await;
    let reported = store.inner.report_task(report("e", 2), None).await;
    assert!(matches!(reported, Err(Error::Corrupt(_))), "{reported:?}");
    assert_eq!(store.append(&[event("A")], 3).await.unwrap().first, 3);
}

#[tokio::test]
async fn bit_flip_on_disk_is_detected() {
    let database = TestDatabase::sqlite();
    written(&database).await.close().await;
    let file = database.file("test.db");
    let mut bytes = fs::read(&file).unwrap();
    let at = bytes
        .windows(3)
        .position(|window| window == b"e 4")
        .unwrap();
    bytes[at + 2] ^= 1;
    fs::write(&file, bytes).unwrap();
    let store = database.open().await;
    assert!(matches!(
        store.try_page(1, 1000).await,
        Err(Error::Corrupt(_))
    ));
    assert_eq!(store.page(1, 3).await.next, Some(4));
    assert_eq!(store.page(5, 10).await.next, None);
    assert_eq!(store.history("other").await.len(), 6);
}

#[tokio::test]
async fn write_that_meets_damage_does_not_fail_its_group() {
    let database = TestDatabase::sqlite();
    let store = written(&database).await;
    store.close().await;
    run_on(
        &database.file("test.db"),
        "UPDATE events SET checksum = 0 WHERE execution = 1 AND event_id = 3",
    )
    .await;
    let store = database.open().await;
    // All appends queue behind the first transaction, and share the next one (group commit).
    let appends = (0..40).map(|number| {
        let store = store.inner.clone();
        tokio::spawn(async move {
            let append = match number % 2 {
                0 => append("f", "e", &[event("A")], Some(3)),
                _ => append("f", "other", &[event("A")], None),
            };
            (number, store.append_execution_events(append, None).await)
        })
    });
    for task in appends.collect::<Vec<_>>() {
        let (number, outcome) = task.await.unwrap();
        if number % 2 == 0 {
            assert!(matches!(outcome, Err(Error::Corrupt(_))), "{outcome:?}");
        } else {
            assert!(outcome.unwrap().is_ok(), "append {number}");
        }
    }
    assert_eq!(store.details("other").await.len(), 5 + 20);
    assert!(store.inner.ready().await.is_ok());
}

/// The look-up before a group's write does not notice this failure, so the one statement that writes the whole group
/// fails. The writer then must retry each append alone.
#[tokio::test]
async fn failing_write_does_not_fail_its_group() {
    let database = TestDatabase::sqlite();
    let store = written(&database).await;
    store.close().await;
    let sql = "CREATE TRIGGER fails BEFORE INSERT ON events WHEN NEW.execution = 1 \
               BEGIN SELECT RAISE(ABORT, 'no'); END";
    run_on(&database.file("test.db"), sql).await;
    let store = database.open().await;
    let executions = ["e", "other"].into_iter().cycle().take(40);
    let appends = executions.map(async |execution| {
        let append = append("f", execution, &[event("A")], None);
        (
            execution,
            store.inner.append_execution_events(append, None).await,
        )
    });
    for (execution, appended) in futures_util::future::join_all(appends).await {
        assert_eq!(appended.is_ok(), execution == "other", "{appended:?}");
    }
    assert_eq!(store.details("other").await.len(), 5 + 20);
    assert_eq!(store.details("e").await.len(), 5);
    assert!(store.inner.ready().await.is_ok());
}

#[tokio::test]
async fn read_that_meets_damage_does_not_fail_its_group() {
    // With the second damage, summing the checksums overflows, so the statement fails for all pages that share it.
    // The reader then must retry each page alone.
    for sql in [
        "UPDATE events SET checksum = 0 WHERE execution = 1",
        "UPDATE events SET checksum = 9223372036854775807 WHERE execution = 1",
    ] {
        let database = TestDatabase::sqlite();
        let store = written(&database).await;
        let whole = store.try_page_of("other", 1, 10).await.unwrap();
        store.close().await;
        assert_eq!(run_on(&database.file("test.db"), sql).await, 6);
        let store = database.open().await;
        // Many more requests than readers, so that readers coalesce them.
        let executions = ["e", "other"].iter().cycle().take(200);
        let reads = executions.map(async |execution| {
            let page = store.try_page_of(execution, 1, 10).await;
            (*execution, page)
        });
        for (execution, page) in futures_util::future::join_all(reads).await {
            match execution {
                "e" => assert!(page.is_err(), "{sql}"),
                _ => assert_eq!(page.unwrap(), whole, "{sql}"),
            }
        }
    }
}
