//! Several processes on one PostgreSQL database: stores that share nothing else.

use std::{sync::Arc, time::Duration};

use flowledger::{
    model::{NewEvent, Status},
    store::Refusal,
};
use tokio::time::timeout;

use super::{
    tasks::{report, stop},
    upkeep::{change, deletion},
};
use crate::support::{
    backend::Backend,
    test_store::{TestDatabase, TestStore, append, detailed, event, flow, name, nonce, start},
};

/// Longest wait for a notification, which a poll finds within a fraction of a second.
const PATIENCE: Duration = Duration::from_secs(30);

/// Returns a database with flow `f` and its running execution `e`, and two stores on it.
async fn two_stores() -> Option<(TestDatabase, [TestStore; 2])> {
    let database = Backend::postgres()?.database().await;
    let first = database.with_execution().await;
    let second = database.open().await;
    Some((database, [first, second]))
}

#[tokio::test]
async fn appends_of_two_processes_are_stored_once_without_a_gap() {
    let Some((_database, stores)) = two_stores().await else {
        return;
    };
    let appenders = (0..16).map(|appender| {
        let store = Arc::clone(&stores[appender % 2].inner);
        tokio::spawn(async move {
            for turn in 0..8 {
                let detail = format!("{appender:02} {turn}");
                let batch = vec![detailed("StepEntered", &detail); 1 + turn % 3];
                let appended = store
                    .append_execution_events(append("f", "e", &batch, None), None)
                    .await;
                let appended = appended.unwrap().unwrap();
                assert_eq!(appended.last - appended.first, turn as i64 % 3);
            }
        })
    });
    for appender in appenders.collect::<Vec<_>>() {
        appender.await.unwrap();
    }
    let details = stores[0].details("e").await;
    let mut expected = Vec::new();
    for appender in 0..16 {
        let prefix = format!("{appender:02} ");
        let own: Vec<_> = details
            .iter()
            .filter(|detail| detail.starts_with(&prefix))
            .collect();
        expected.clear();
        for turn in 0..8 {
            expected.extend(vec![format!("{prefix}{turn}"); 1 + turn % 3]);
        }
        assert_eq!(own, expected.iter().collect::<Vec<_>>());
    }
    let runs = details.chunk_by(|a, b| a == b);
    for run in runs {
        let turn: usize = run[0][3..].parse().unwrap();
        assert_eq!(run.len(), 1 + turn % 3, "each batch is whole: {run:?}");
    }
    assert_eq!(stores[1].details("e").await, details);
}

#[tokio::test]
async fn one_of_two_processes_starts_an_execution_and_both_answer_it() {
    let Some((_database, stores)) = two_stores().await else {
        return;
    };
    for number in 0..20 {
        let execution = format!("e{number}");
        let starts = [&stores[0], &stores[1]]
            .map(|store| store.inner.start_execution(start("f", &execution), None));
        let [first, second] = starts;
        let (first, second) = tokio::join!(first, second);
        let (first, second) = (first.unwrap().unwrap(), second.unwrap().unwrap());
        assert_eq!(format!("{first:?}"), format!("{second:?}"));
        assert_eq!(stores[0].history(&execution).await.len(), 1);
    }
}

#[tokio::test]
async fn nonce_that_one_process_accepted_is_refused_by_the_other() {
    let Some((_database, [first, second])) = two_stores().await else {
        return;
    };
    let appended = append("f", "e", &[event("A")], None);
    let write = |store: &TestStore, appended| {
        let store = Arc::clone(&store.inner);
        async move {
            store
                .append_execution_events(appended, Some(nonce(1)))
                .await
                .unwrap()
        }
    };
    assert_eq!(write(&first, appended.clone()).await.unwrap().first, 2);
    assert_eq!(write(&second, appended).await, Err(Refusal::NonceUsed));
    let changed = second.inner.update_flow(change(), Some(nonce(1))).await;
    assert_eq!(changed.unwrap().err(), Some(Refusal::NonceUsed));
    assert_eq!(second.history("e").await.len(), 2);
}

#[tokio::test]
async fn task_that_one_process_ended_cannot_be_reported_to_the_other() {
    let Some((_database, stores)) = two_stores().await else {
        return;
    };
    stores[0]
        .append(&[event("TaskSubmitted")], 2)
        .await
        .unwrap();
    let reports = (0..8).map(|number| {
        let store = Arc::clone(&stores[number % 2].inner);
        tokio::spawn(async move { store.report_task(report("e", 2), None).await.unwrap() })
    });
    let mut outcomes = Vec::new();
    for report in reports.collect::<Vec<_>>() {
        outcomes.push(report.await.unwrap());
    }
    outcomes.sort_by_key(Result::is_err);
    assert_eq!(outcomes[0], Ok(3));
    assert_eq!(
        outcomes[1..],
        vec![Err(Refusal::TaskAlreadyCompleted(2)); 7]
    );
}

#[tokio::test]
async fn subscriber_is_notified_of_what_another_process_does() {
    let Some((_database, [first, second])) = two_stores().await else {
        return;
    };
    for execution in ["stopped", "deleted"] {
        second.start(execution).await.unwrap();
    }
    let subscribe = async |execution: &str| {
        let subscription = first.inner.subscribe(&name("f"), &name(execution));
        first.history(execution).await; // as a long poll does
        subscription
    };
    let mut changes = subscribe("e").await;
    for id in 2..5 {
        let quiet = timeout(Duration::from_millis(600), changes.changed()).await;
        assert!(quiet.is_err(), "no append, no notification");
        second.append(&[event("A")], id).await.unwrap();
        timeout(PATIENCE, changes.changed()).await.unwrap();
        assert_eq!(first.history("e").await.len() as i64, id);
    }
    let [mut stopped, mut deleted] = [subscribe("stopped").await, subscribe("deleted").await];
    let stops = second.inner.stop_execution(stop("stopped"), None).await;
    assert_eq!(stops.unwrap().unwrap().status, Status::Stopped);
    timeout(PATIENCE, stopped.ended()).await.unwrap();
    let soon = timeout(Duration::from_millis(600), deleted.ended()).await;
    assert!(soon.is_err(), "it still runs");
    second
        .inner
        .delete_flow(deletion("f"), None)
        .await
        .unwrap()
        .unwrap();
    timeout(PATIENCE, deleted.ended()).await.unwrap();
}

#[tokio::test]
async fn flow_that_another_process_replaced_is_the_new_one_at_once() {
    let Some((_database, [first, second])) = two_stores().await else {
        return;
    };
    for round in 0..5 {
        first.append(&[event("A")], 2).await.unwrap();
        second
            .inner
            .delete_flow(deletion("f"), None)
            .await
            .unwrap()
            .unwrap();
        let gone = first.inner.describe_execution(&name("f"), &name("e")).await;
        assert_eq!(gone.unwrap().err(), Some(Refusal::FlowNotExists));
        let created = second.inner.create_flow(flow("f"), None).await;
        created.unwrap().unwrap();
        let missing = append("f", "e", &[event("A")], None);
        let missing = first.inner.append_execution_events(missing, None).await;
        assert_eq!(missing.unwrap(), Err(Refusal::ExecutionNotExists));
        second.start("e").await.unwrap();
        assert_eq!(first.history("e").await.len(), 1, "round {round}");
    }
}

/// Under `SERIALIZABLE` the server ends some of these with 40001, and the store does them again.
#[tokio::test]
async fn serializable_conflicts_are_retried() {
    let Some(backend) = Backend::postgres() else {
        return;
    };
    let mut database = backend.database().await;
    database.url += "&options[default_transaction_isolation]=serializable";
    let stores = [database.with_execution().await, database.open().await];
    let appenders = (0..16).map(|appender| {
        let store = Arc::clone(&stores[appender % 2].inner);
        tokio::spawn(async move {
            for turn in 0..4 {
                let events: Vec<NewEvent> = vec![event("A"), event("TaskSubmitted")];
                let execution = ["e", "other"][(appender + turn) % 2];
                let started = start("f", execution);
                store.start_execution(started, None).await.unwrap().unwrap();
                let append = append("f", execution, &events, None);
                let appended = store.append_execution_events(append, None).await;
                appended.unwrap().unwrap();
            }
        })
    });
    for appender in appenders.collect::<Vec<_>>() {
        appender.await.unwrap();
    }
    for execution in ["e", "other"] {
        assert_eq!(stores[0].details(execution).await.len(), 64, "{execution}");
    }
}
