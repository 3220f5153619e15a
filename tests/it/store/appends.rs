//! Appends: stored fields, refused batches, idempotent retries, and what an ending event changes.

use flowledger::{
    model::{
        NewEvent, Status,
        event::{
            BATCH_MAX_EVENTS, EVENT_DETAIL_MAX_BYTES, EVENT_TYPE_MAX_CHARS, STEP_NAME_MAX_CHARS,
        },
    },
    store::{Appended, Refusal},
};

use crate::support::test_store::{TestDatabase, append, at, detailed, event, flow};

pub fn ids(first: i64, last: i64) -> Result<Appended, Refusal> {
    Ok(Appended {
        first,
        last,
        flow_id: flow("f").id,
    })
}

pub fn conflict(next_event_id: i64) -> Result<Appended, Refusal> {
    Err(Refusal::Conflict { next_event_id })
}

pub async fn append_fills_in_missing_fields(database: TestDatabase) {
    let store = database.with_execution().await;
    assert_eq!(
        store.append(&[event("A"), event("B")], None).await,
        ids(2, 3)
    );
    assert_eq!(
        store.page(2, 10).await.json,
        r#"{"Type":"A","EventId":2,"Time":"2026-11-22T12:00:10.000Z","ScheduleEventId":1,"EventDetail":"{}","StepName":""},{"Type":"B","EventId":3,"Time":"2026-11-22T12:00:10.000Z","ScheduleEventId":2,"EventDetail":"{}","StepName":""}"#
    );
}

pub async fn append_keeps_given_fields_byte_for_byte(database: TestDatabase) {
    let store = database.with_execution().await;
    let brought = NewEvent {
        event_type: "StepEntered".to_owned(),
        time: Some(at(-3_600_001)),
        schedule_event_id: Some(0),
        event_id: Some(2),
        step_name: "步骤 \u{2028} '; DROP TABLE events; --".to_owned(),
        event_detail: "no JSON: \u{0}\u{1f}\u{7f}\n \\u6b65 \"/</script>\u{1F600}".to_owned(),
    };
    assert_eq!(store.append(&[brought], None).await, ids(2, 2));
    assert_eq!(
        store.page(2, 10).await.json,
        "{\"Type\":\"StepEntered\",\"EventId\":2,\"Time\":\"2026-11-22T10:59:59.999Z\",\"ScheduleEventId\":0,\
         \"EventDetail\":\"no JSON: \\u0000\\u001f\u{7f}\\n \\\\u6b65 \\\"/</script>\u{1F600}\",\
         \"StepName\":\"步骤 \u{2028} '; DROP TABLE events; --\"}"
    );
}

pub async fn event_ids_are_consecutive(database: TestDatabase) {
    let store = database.with_execution().await;
    assert_eq!(store.append(&[event("A")], None).await, ids(2, 2));
    assert_eq!(
        store.append(&[event("A"), event("B"), event("C")], 3).await,
        ids(3, 5)
    );
    assert_eq!(store.append(&[event("A")], 9).await, conflict(6));
    assert_eq!(
        store.append(&[event("A"), event("B")], None).await,
        ids(6, 7)
    );
    let history = store.history("e").await;
    let found: Vec<_> = history
        .iter()
        .map(|event| event["EventId"].as_i64().unwrap())
        .collect();
    assert_eq!(found, (1..=7).collect::<Vec<_>>());
}

pub async fn batch_of_maximum_size_is_appended(database: TestDatabase) {
    let store = database.with_execution().await;
    let many = vec![event("A"); BATCH_MAX_EVENTS];
    assert_eq!(store.append(&many, None).await, ids(2, 1001));
    let large = [NewEvent {
        step_name: "步".repeat(STEP_NAME_MAX_CHARS),
        ..detailed(
            &"B".repeat(EVENT_TYPE_MAX_CHARS),
            &"\u{1}".repeat(EVENT_DETAIL_MAX_BYTES),
        )
    }];
    assert_eq!(store.append(&large, None).await, ids(1002, 1002));
    let history = store.history("e").await;
    assert_eq!(history.len(), 1002);
    assert_eq!(history[1001]["EventDetail"], large[0].event_detail);
}

pub async fn refused_batch_writes_nothing(database: TestDatabase) {
    let store = database.with_execution().await;
    let invalid = NewEvent {
        schedule_event_id: Some(4),
        ..event("C")
    };
    let batch = [event("A"), event("B"), invalid.clone()];
    assert_eq!(
        store.append(&batch, None).await,
        Err(Refusal::InvalidScheduleEventId(2))
    );
    let end = NewEvent {
        event_type: "ExecutionFailed".to_owned(),
        ..invalid
    };
    let batch = [event("A"), event("B"), end];
    assert_eq!(
        store.append(&batch, None).await,
        Err(Refusal::InvalidScheduleEventId(2))
    );
    assert_eq!(store.describe("e").await.status, Status::Running);
    assert_eq!(store.history("e").await.len(), 1);
    assert_eq!(store.append(&[event("D")], None).await, ids(2, 2));
}

pub async fn schedule_event_id_may_name_an_event_of_the_same_batch(database: TestDatabase) {
    let store = database.with_execution().await;
    let caused = NewEvent {
        schedule_event_id: Some(2),
        ..event("B")
    };
    assert_eq!(store.append(&[event("A"), caused], None).await, ids(2, 3));
    assert_eq!(store.history("e").await[2]["ScheduleEventId"], 2);
}

pub async fn append_with_wrong_expected_event_id_returns_conflict(database: TestDatabase) {
    let store = database.with_execution().await;
    for beyond in [3, 1000, i64::MAX - 1, i64::MAX] {
        assert_eq!(store.append(&[event("A")], beyond).await, conflict(2));
        assert_eq!(
            store.append(&[event("A"), event("B")], beyond).await,
            conflict(2)
        );
    }
    let inside = |id| NewEvent {
        event_id: Some(id),
        ..event("A")
    };
    assert_eq!(store.append(&[inside(3)], None).await, conflict(2));
    assert_eq!(
        store.append(&[event("A"), inside(3)], None).await,
        ids(2, 3)
    );
    assert_eq!(store.append(&[event("A")], 4).await, ids(4, 4));
}

pub async fn retry_with_expected_event_id_is_idempotent(database: TestDatabase) {
    let store = database.with_execution().await;
    let full = NewEvent {
        time: Some(at(3)),
        schedule_event_id: Some(1),
        event_id: Some(3),
        step_name: "步骤".to_owned(),
        ..detailed("B", "\u{0}")
    };
    let batch = [event("A"), full, event("C")];
    assert_eq!(store.append(&batch, 2).await, ids(2, 4));
    store.append(&[event("D")], 5).await.unwrap();
    let before = store.page(1, 10).await;
    for _ in 0..2 {
        assert_eq!(store.append(&batch, 2).await, ids(2, 4));
        assert_eq!(
            store.append(&batch[1..], None).await,
            ids(3, 4),
            "the event's own EventId implies the expected one"
        );
        assert_eq!(
            store.append(&batch[..2], 2).await,
            ids(2, 3),
            "a retry of the first events only"
        );
    }
    assert_eq!(store.page(1, 10).await, before, "nothing was written");
    assert_eq!(
        store.append(&batch[..1], None).await,
        ids(6, 6),
        "without an expected EventId it is a new append"
    );
}

pub async fn retry_matches_events_that_got_a_default_time(database: TestDatabase) {
    let store = database.with_execution().await;
    store.append(&[event("A")], 2).await.unwrap();
    let mut again = append("f", "e", &[event("A")], 2);
    again.at = at(60_000);
    let repeated = store
        .inner
        .append_execution_events(again, None)
        .await
        .unwrap();
    assert_eq!(repeated, ids(2, 2));
    let timed = NewEvent {
        time: Some(at(10_000)),
        ..event("A")
    };
    assert_eq!(
        store.append(&[timed], 2).await,
        ids(2, 2),
        "equals the default time that the event got"
    );
    let timed = NewEvent {
        time: Some(at(10_001)),
        ..event("A")
    };
    assert_eq!(store.append(&[timed], 2).await, conflict(3), "another time");
}

pub async fn different_events_at_a_taken_event_id_return_conflict(database: TestDatabase) {
    let store = database.with_execution().await;
    let stored = NewEvent {
        time: Some(at(0)),
        schedule_event_id: Some(1),
        step_name: "s".to_owned(),
        ..event("B")
    };
    store
        .append(&[event("A"), stored.clone()], 2)
        .await
        .unwrap();
    let others = [
        NewEvent {
            event_type: "b".to_owned(),
            ..stored.clone()
        },
        NewEvent {
            time: Some(at(1)),
            ..stored.clone()
        },
        NewEvent {
            schedule_event_id: Some(0),
            ..stored.clone()
        },
        NewEvent {
            step_name: "S".to_owned(),
            ..stored.clone()
        },
        NewEvent {
            event_detail: "{ }".to_owned(),
            ..stored.clone()
        },
        event("ExecutionSucceeded"),
    ];
    for other in &others {
        assert_eq!(
            store.append(&[event("A"), other.clone()], 2).await,
            conflict(4),
            "{other:?}"
        );
        assert_eq!(
            store.append(std::slice::from_ref(other), 3).await,
            conflict(4),
            "{other:?}"
        );
    }
    assert_eq!(
        store.append(std::slice::from_ref(&stored), 2).await,
        conflict(4),
        "one EventId too early"
    );
    assert_eq!(
        store.append(&[event("A")], 1).await,
        conflict(4),
        "event 1 is ExecutionStarted"
    );
    assert_eq!(store.describe("e").await.status, Status::Running);
    assert_eq!(store.append(&[event("A"), stored], 2).await, ids(2, 3));
}

pub async fn partial_overlap_returns_conflict(database: TestDatabase) {
    let store = database.with_execution().await;
    let batch = [event("A"), event("B"), event("C")];
    store.append(&batch[..2], 2).await.unwrap();
    assert_eq!(store.append(&batch, 2).await, conflict(4));
    assert_eq!(store.append(&batch[1..], 3).await, conflict(4));
    assert_eq!(store.history("e").await.len(), 3, "nothing was written");
    assert_eq!(store.append(&batch[2..], 4).await, ids(4, 4));
}

pub async fn ending_event_sets_status_stop_time_and_output(database: TestDatabase) {
    let store = database.with_execution().await;
    for (event_type, status) in [
        ("ExecutionSucceeded", Status::Succeeded),
        ("ExecutionFailed", Status::Failed),
        ("ExecutionStopped", Status::Stopped),
        ("ExecutionTimedOut", Status::TimedOut),
    ] {
        let cases = [
            (Some(at(5)), at(5)),
            (Some(at(-5)), at(0)), // not before the start
            (None, at(10_000)),
        ];
        for (case, (time, stopped_at)) in cases.into_iter().enumerate() {
            let execution = format!("{event_type}-{case}");
            store.start(&execution).await.unwrap();
            let end = NewEvent {
                time,
                ..detailed(event_type, r#"{"output":{"k":1}}"#)
            };
            store
                .append_to(&execution, &[event("A"), end], 2)
                .await
                .unwrap();
            let described = store.describe(&execution).await;
            assert_eq!(described.status, status);
            assert_eq!(described.stopped_at, Some(stopped_at));
            assert_eq!(described.output.as_deref(), Some(r#"{"k":1}"#));
            assert_eq!(
                (described.input.as_str(), described.started_at),
                ("{}", at(0))
            );
        }
    }
    assert_eq!(
        store.describe("e").await.status,
        Status::Running,
        "the other execution still runs"
    );
}

pub async fn output_is_copied_byte_for_byte_from_the_event_detail(database: TestDatabase) {
    let store = database.with_execution().await;
    let outputs = [
        "{ \"b\" : 1.0, \"a\":[ ],\n\t\"步\": \"\\u6b65\\ud800 \u{7f}\u{2028}\" }",
        "1e400",
        "\"text \\\" \\\\ \\/ \\u0000\"",
        "12345678901234567890.10",
        "true",
        "[]",
    ];
    for (number, output) in outputs.into_iter().enumerate() {
        let execution = format!("e{number}");
        store.start(&execution).await.unwrap();
        let detail = format!("{{\"error\":\"\", \"output\" : {output} }}");
        let end = detailed("ExecutionFailed", &detail);
        store.append_to(&execution, &[end], 2).await.unwrap();
        assert_eq!(
            store.describe(&execution).await.output.as_deref(),
            Some(output)
        );
        assert_eq!(store.details(&execution).await, [detail]);
    }
}

pub async fn event_detail_without_a_valid_output_gives_no_output(database: TestDatabase) {
    let store = database.with_execution().await;
    let details = [
        "{}",
        "",
        "output",
        "[1]",
        "{\"output\":1",
        "{\"Output\":1}",
        "{\"x\":{\"output\":1}}",
    ];
    for (number, detail) in details.into_iter().enumerate() {
        let execution = format!("e{number}");
        store.start(&execution).await.unwrap();
        let end = detailed("ExecutionSucceeded", detail);
        store.append_to(&execution, &[end], 2).await.unwrap();
        let described = store.describe(&execution).await;
        assert_eq!(described.status, Status::Succeeded);
        assert_eq!(described.output, None, "{detail}");
        assert_eq!(store.details(&execution).await, [detail]);
    }
}

pub async fn finished_execution_accepts_retries_but_no_new_events(database: TestDatabase) {
    let store = database.with_execution().await;
    let batch = [
        event("A"),
        detailed("ExecutionSucceeded", r#"{"output":1}"#),
    ];
    store.append(&batch, 2).await.unwrap();
    let ended = format!("{:?}", store.describe("e").await);
    let completed = Err::<Appended, _>(Refusal::ExecutionAlreadyCompleted);
    assert_eq!(store.append(&[event("B")], None).await, completed);
    assert_eq!(store.append(&[event("B")], 4).await, completed);
    assert_eq!(
        store.append(&[event("ExecutionFailed")], 4).await,
        completed
    );
    assert_eq!(store.append(&[event("B")], 9).await, completed);
    assert_eq!(store.append(&batch, 2).await, ids(2, 3));
    assert_eq!(store.append(&batch[1..], 3).await, ids(3, 3));
    assert_eq!(
        store.append(&[event("ExecutionFailed")], 3).await,
        completed
    );
    assert_eq!(store.append(&[event("A"), event("B")], 3).await, completed);
    assert_eq!(store.history("e").await.len(), 3);
    assert_eq!(format!("{:?}", store.describe("e").await), ended);
}
