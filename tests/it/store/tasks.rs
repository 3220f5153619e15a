//! Stopped executions, task reports, and the subscriptions behind long polls.

use std::time::Duration;

use flowledger::{
    model::{NewEvent, Status, task_token::TaskToken},
    store::{FlowDeletion, Refusal, ReportTask, StopExecution, Subscription},
};
use tokio::time::timeout;

use super::upkeep::deletion;
use crate::support::test_store::{TestDatabase, at, event, flow, name, nonce};

pub fn stop(execution: &str) -> StopExecution {
    StopExecution {
        flow: name("f"),
        execution: name(execution),
        detail: "{\"error\":\"步\",\"cause\":\"\\n\"}".to_owned(),
        at: at(5_000),
    }
}

/// Returns the report that a task of flow `f` has succeeded; `submitted` is the EventId of its `TaskSubmitted` event.
pub fn report(execution: &str, submitted: i64) -> ReportTask {
    ReportTask {
        flow: name("f"),
        flow_id: flow("f").id,
        execution: name(execution),
        submitted,
        event_type: "TaskSucceeded",
        detail: "{\"output\":{ \"k\": 1.0 }}".to_owned(),
        at: at(6_000),
    }
}

pub async fn stop_execution_appends_an_event_that_ends_the_execution(database: TestDatabase) {
    let store = database.with_execution().await;
    let stopped = store
        .inner
        .stop_execution(stop("e"), None)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        format!("{stopped:?}"),
        format!("{:?}", store.describe("e").await)
    );
    assert_eq!(
        (stopped.status, stopped.stopped_at),
        (Status::Stopped, Some(at(5_000)))
    );
    assert_eq!(
        store.page(2, 10).await.json,
        r#"{"Type":"ExecutionStopped","EventId":2,"Time":"2026-11-22T12:00:05.000Z","ScheduleEventId":1,"EventDetail":"{\"error\":\"步\",\"cause\":\"\\n\"}","StepName":""}"#
    );
    let again = store.inner.stop_execution(stop("e"), None).await.unwrap();
    assert_eq!(again.err(), Some(Refusal::ExecutionAlreadyCompleted));
    let missing = store
        .inner
        .stop_execution(stop("nope"), None)
        .await
        .unwrap();
    assert_eq!(missing.err(), Some(Refusal::ExecutionNotExists));
    assert_eq!(store.history("e").await.len(), 2);
}

pub async fn task_can_be_reported_once(database: TestDatabase) {
    let store = database.with_execution().await;
    let submitted = NewEvent {
        step_name: "步骤\n".to_owned(),
        ..event("TaskSubmitted")
    };
    store
        .append(&[event("A"), submitted.clone(), event("B"), submitted], 2)
        .await
        .unwrap();
    let reported = store.inner.report_task(report("e", 3), None).await.unwrap();
    assert_eq!(reported, Ok(6));
    assert_eq!(
        store.page(6, 10).await.json,
        r#"{"Type":"TaskSucceeded","EventId":6,"Time":"2026-11-22T12:00:06.000Z","ScheduleEventId":3,"EventDetail":"{\"output\":{ \"k\": 1.0 }}","StepName":"步骤\n"}"#
    );
    let failed = ReportTask {
        event_type: "TaskFailed",
        ..report("e", 3)
    };
    for again in [report("e", 3), failed] {
        let again = store.inner.report_task(again, None).await.unwrap();
        assert_eq!(again, Err(Refusal::TaskAlreadyCompleted(3)));
    }
    store.close().await;
    let store = database.open().await;
    let again = store.inner.report_task(report("e", 3), None).await.unwrap();
    assert_eq!(again, Err(Refusal::TaskAlreadyCompleted(3)));
    let other = ReportTask {
        event_type: "TaskFailed",
        ..report("e", 5)
    };
    assert_eq!(store.inner.report_task(other, None).await.unwrap(), Ok(7));
    assert_eq!(store.history("e").await.len(), 7);
}

pub async fn task_that_its_engine_ended_cannot_be_reported(database: TestDatabase) {
    let store = database.with_execution().await;
    for (submitted, event_type) in [(2, "TaskSucceeded"), (4, "TaskFailed"), (6, "TaskTimedOut")] {
        let pair = [event("TaskSubmitted"), event(event_type)];
        store.append(&pair, submitted).await.unwrap();
        let late = store
            .inner
            .report_task(report("e", submitted), None)
            .await
            .unwrap();
        assert_eq!(
            late,
            Err(Refusal::TaskAlreadyCompleted(submitted)),
            "{event_type}"
        );
    }
    let pair = [event("TaskSubmitted"), event("ExecutionFailed")];
    store.append(&pair, 8).await.unwrap();
    let late = store.inner.report_task(report("e", 8), None).await.unwrap();
    assert_eq!(
        late,
        Err(Refusal::TaskAlreadyCompleted(8)),
        "its execution has ended"
    );
    assert_eq!(store.history("e").await.len(), 9);
}

pub async fn report_is_refused_for_another_flow_id_or_task(database: TestDatabase) {
    let store = database.with_execution().await;
    store.append(&[event("TaskSubmitted")], 2).await.unwrap();
    let gone = Err(Refusal::FlowNotExists);
    let other_tasks = [
        ReportTask {
            flow_id: "00000000-0000-0000-0000-000000000009".to_owned(),
            ..report("e", 2)
        },
        ReportTask {
            flow: name("g"),
            ..report("e", 2)
        },
        report("nope", 2),
        report("e", 3),
    ];
    for report in other_tasks {
        let refused = store.inner.report_task(report, None).await.unwrap();
        assert_eq!(refused, gone);
    }
    let deletion = FlowDeletion {
        name: name("f"),
        at: at(0),
    };
    store
        .inner
        .delete_flow(deletion, None)
        .await
        .unwrap()
        .unwrap();
    let refused = store.inner.report_task(report("e", 2), None).await.unwrap();
    assert_eq!(refused, gone);
}

pub async fn one_of_many_parallel_reports_succeeds(database: TestDatabase) {
    let store = database.with_execution().await;
    store.append(&[event("TaskSubmitted")], 2).await.unwrap();
    let reports = (0..16).map(|number| {
        let store = store.inner.clone();
        tokio::spawn(async move {
            let event_type = if number % 2 == 0 {
                "TaskSucceeded"
            } else {
                "TaskFailed"
            };
            let report = ReportTask {
                event_type,
                ..report("e", 2)
            };
            store.report_task(report, None).await.unwrap()
        })
    });
    let mut outcomes = Vec::new();
    for report in reports.collect::<Vec<_>>() {
        outcomes.push(report.await.unwrap());
    }
    let counted = outcomes.iter().filter(|outcome| **outcome == Ok(3)).count();
    let late = outcomes
        .iter()
        .filter(|outcome| **outcome == Err(Refusal::TaskAlreadyCompleted(2)));
    assert_eq!((counted, late.count()), (1, 15));
    assert_eq!(store.history("e").await.len(), 3);
}

pub async fn task_key_survives_a_restart(database: TestDatabase) {
    let token = TaskToken {
        flow_id: flow("f").id,
        flow: "f".to_owned(),
        execution: "e".to_owned(),
        event_id: 2,
    };
    let store = database.open().await;
    let text = token.sign(store.inner.task_key().unwrap());
    store.close().await;
    let store = database.open().await.inner;
    assert_eq!(
        TaskToken::verify(&text, store.task_key().unwrap()),
        Some(token)
    );
}

async fn is_notified(changes: &mut Subscription) -> bool {
    timeout(Duration::from_millis(50), changes.changed())
        .await
        .is_ok()
}

pub async fn subscription_is_notified_of_every_append(database: TestDatabase) {
    let store = database.with_execution().await;
    store.start("other").await.unwrap();
    let mut changes = store.inner.subscribe(&name("f"), &name("e"));
    let mut second = store.inner.subscribe(&name("f"), &name("e"));
    assert!(
        !is_notified(&mut changes).await,
        "appends before the subscription do not notify"
    );
    store.append(&[event("TaskSubmitted")], 2).await.unwrap();
    assert!(is_notified(&mut changes).await && is_notified(&mut second).await);
    assert!(!is_notified(&mut changes).await, "once");
    drop(second);
    store.append_to("other", &[event("A")], 2).await.unwrap();
    store.append(&[event("A")], 9).await.unwrap_err();
    let used = Some(nonce(1)); // the next writes are refused only because their nonce is used
    let inner = &store.inner;
    inner
        .create_flow(flow("f"), used)
        .await
        .unwrap()
        .unwrap_err();
    inner
        .stop_execution(stop("e"), used)
        .await
        .unwrap()
        .unwrap_err();
    inner
        .report_task(report("e", 2), used)
        .await
        .unwrap()
        .unwrap_err();
    inner
        .delete_flow(deletion("f"), used)
        .await
        .unwrap()
        .unwrap_err();
    assert!(
        !is_notified(&mut changes).await,
        "appends to other executions and refused writes do not notify"
    );
    store
        .inner
        .report_task(report("e", 2), None)
        .await
        .unwrap()
        .unwrap();
    assert!(is_notified(&mut changes).await);
    store.append(&[event("A")], 4).await.unwrap(); // before the subscriber waits
    assert!(is_notified(&mut changes).await);
    store
        .inner
        .stop_execution(stop("e"), None)
        .await
        .unwrap()
        .unwrap();
    assert!(is_notified(&mut changes).await);
    assert_eq!(
        store.describe("e").await.status,
        Status::Stopped,
        "the notification follows the commit"
    );
}

pub async fn subscription_ends_with_the_execution_or_the_flow(database: TestDatabase) {
    let store = database.with_execution().await;
    store.start("stopped").await.unwrap();
    store.start("deleted").await.unwrap();
    let [mut ended, mut stopped, mut deleted] = ["e", "stopped", "deleted"].map(|execution| {
        let mut changes = store.inner.subscribe(&name("f"), &name(execution));
        tokio::spawn(async move { changes.ended().await })
    });
    let soon = Duration::from_millis(50);
    let late = Duration::from_secs(10);
    store.append(&[event("A")], 2).await.unwrap();
    assert!(
        timeout(soon, &mut ended).await.is_err(),
        "the execution still runs"
    );
    store.append(&[event("ExecutionFailed")], 3).await.unwrap();
    assert!(timeout(late, &mut ended).await.is_ok());
    store
        .inner
        .stop_execution(stop("stopped"), None)
        .await
        .unwrap()
        .unwrap();
    assert!(timeout(late, &mut stopped).await.is_ok());
    assert!(
        timeout(soon, &mut deleted).await.is_err(),
        "the end of another execution does not notify"
    );
    let deletion = FlowDeletion {
        name: name("f"),
        at: at(0),
    };
    store
        .inner
        .delete_flow(deletion, None)
        .await
        .unwrap()
        .unwrap();
    assert!(timeout(late, &mut deleted).await.is_ok());
}
