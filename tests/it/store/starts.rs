//! Appends that start the execution.

use flowledger::{
    model::{NewEvent, Status},
    store::{self, Refusal},
};

use super::appends::{conflict, ids};
use crate::support::{
    pending::submit,
    test_store::{TestDatabase, append, at, detailed, event, flow},
};

/// Event 1 of a history of long ago.
fn started(detail: &str) -> NewEvent {
    NewEvent {
        time: Some(at(-86_400_000)),
        schedule_event_id: Some(0),
        ..detailed("ExecutionStarted", detail)
    }
}

/// Checks the whole database, if it is one that can be checked.
async fn assert_undamaged(database: &TestDatabase) {
    if !database.url.starts_with("sqlite:") {
        return;
    }
    let report = store::check(&database.url, false, &mut |_, _| {}).await;
    assert_eq!(report.unwrap().faults, [""; 0]);
}

pub async fn append_of_event_1_starts_an_execution_that_does_not_exist(database: TestDatabase) {
    let store = database.with_execution().await;
    let end = NewEvent {
        time: Some(at(-86_000_000)),
        ..detailed("ExecutionSucceeded", r#"{"output":{"b":2}}"#)
    };
    let batch = [
        started(r#"{ "input" : {"a": 1} }"#),
        event("StepEntered"),
        end,
    ];
    assert_eq!(store.append_to("old", &batch, 1).await, ids(1, 3));
    let old = store.describe("old").await;
    assert_eq!(
        (old.status, old.started_at, old.stopped_at),
        (Status::Succeeded, at(-86_400_000), Some(at(-86_000_000)))
    );
    assert_eq!(
        (old.input.as_str(), old.output.as_deref()),
        (r#"{"a": 1}"#, Some(r#"{"b":2}"#))
    );
    let flow = flow("f");
    assert_eq!(
        (old.definition, old.environment),
        (flow.definition, flow.environment)
    );
    assert_eq!(store.history("old").await.len(), 3);
    // Only such a batch starts one.
    for (events, expected) in [(vec![event("A")], Some(1)), (vec![event("A")], None)] {
        let refused = store.append_to("other", &events, expected).await;
        assert_eq!(refused, Err(Refusal::ExecutionNotExists));
    }
    let to_other_flow = append("g", "old", &batch, 1);
    let refused = store
        .inner
        .append_execution_events(to_other_flow, None)
        .await;
    assert_eq!(refused.unwrap(), Err(Refusal::FlowNotExists));
    store.close().await;
    assert_undamaged(&database).await;
}

pub async fn append_of_event_1_to_an_execution_that_exists_is_a_retry_or_a_conflict(
    database: TestDatabase,
) {
    let store = database.with_execution().await;
    let batch = [started(r#"{"input":{}}"#), event("StepEntered")];
    for _ in 0..3 {
        assert_eq!(store.append_to("x", &batch, 1).await, ids(1, 2));
    }
    for other in [
        started(r#"{"input":{"a":1}}"#),
        NewEvent {
            time: Some(at(0)),
            ..started(r#"{"input":{}}"#)
        },
    ] {
        let refused = store.append_to("x", &[other], 1).await;
        assert_eq!(refused, conflict(3));
    }
    // `e` was started by StartExecution, at another time.
    assert_eq!(store.append_to("e", &batch[..1], 1).await, conflict(2));
    let same = [detailed("ExecutionStarted", r#"{"input":{}}"#)];
    assert_eq!(store.append_to("e", &same, 1).await, ids(1, 1));
    assert_eq!(store.start("x").await, Ok(()), "it runs");
}

pub async fn appends_of_one_group_may_start_an_execution_and_continue_it(database: TestDatabase) {
    let store = database.with_execution().await;
    let first = [started(r#"{"input":{}}"#), event("A")];
    let later = [event("B"), event("ExecutionFailed")];
    let mut answers = Vec::new();
    for execution in ["x", "y"] {
        for (batch, expected) in [
            (&later, 3), // too early
            (&first, 1),
            (&first, 1),
            (&later, 3),
            (&first, 1),
        ] {
            let append = append("f", execution, batch, expected);
            let store = std::sync::Arc::clone(&store.inner);
            answers.push(submit(async move {
                store.append_execution_events(append, None).await.unwrap()
            }));
        }
    }
    let expected = [
        Err(Refusal::ExecutionNotExists),
        ids(1, 2),
        ids(1, 2),
        ids(3, 4),
        ids(1, 2),
    ];
    let twice = [expected.clone(), expected].concat();
    for (answer, expected) in answers.into_iter().zip(twice) {
        assert_eq!(answer.await, expected);
    }
    for execution in ["x", "y"] {
        assert_eq!(store.history(execution).await.len(), 4);
        assert_eq!(store.describe(execution).await.status, Status::Failed);
    }
    store.close().await;
    assert_undamaged(&database).await;
}

pub async fn started_execution_has_the_input_of_its_first_event(database: TestDatabase) {
    let store = database.with_execution().await;
    let cases = [
        (r#"{"input":{"步" : 1.50}}"#, r#"{"步" : 1.50}"#),
        (r#"{"x":0,"input":[1, 2]}"#, "[1, 2]"),
        (r#"{"input":"{\"a\":1}"}"#, r#""{\"a\":1}""#),
        (r#"{"input":null}"#, "{}"),
        ("{}", "{}"),
        ("", "{}"),
        ("[1]", "{}"),
        ("not JSON", "{}"),
    ];
    for (case, (detail, input)) in cases.into_iter().enumerate() {
        let execution = format!("case-{case}");
        let appended = store.append_to(&execution, &[started(detail)], 1).await;
        assert_eq!(appended, ids(1, 1));
        assert_eq!(store.describe(&execution).await.input, input, "{detail}");
    }
    store.close().await;
    assert_undamaged(&database).await;
}
