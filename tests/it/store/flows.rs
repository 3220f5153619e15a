//! CreateFlow, StartExecution, DescribeFlow and DescribeExecution.

use flowledger::{
    model::{Flow, Status},
    store::{HistoryQuery, Refusal, StartExecution},
};

use crate::support::test_store::{TestDatabase, append, at, event, flow, name, start};

pub async fn describe_flow_returns_the_flow_as_created(database: TestDatabase) {
    let store = database.open().await.inner;
    let created = store.create_flow(flow("f"), None).await.unwrap().unwrap();
    let described = store.describe_flow(&name("f")).await.unwrap().unwrap();
    let expected = format!("{:?}", flow("f"));
    assert_eq!(format!("{created:?}"), expected);
    assert_eq!(format!("{described:?}"), expected);
}

pub async fn optional_fields_of_a_flow_stay_absent(database: TestDatabase) {
    let store = database.open().await.inner;
    let bare = Flow {
        description: String::new(),
        role_arn: None,
        environment: None,
        external_storage_location: None,
        resource_group_id: None,
        ..flow("bare")
    };
    store
        .create_flow(bare.clone(), None)
        .await
        .unwrap()
        .unwrap();
    let described = store.describe_flow(&name("bare")).await.unwrap().unwrap();
    assert_eq!(format!("{described:?}"), format!("{bare:?}"));
}

pub async fn create_flow_refuses_a_taken_name(database: TestDatabase) {
    let store = database.open().await.inner;
    store.create_flow(flow("f"), None).await.unwrap().unwrap();
    let other = Flow {
        id: "00000000-0000-0000-0000-000000000002".to_owned(),
        definition: "other".to_owned(),
        ..flow("f")
    };
    let refused = store.create_flow(other, None).await.unwrap();
    assert_eq!(refused.unwrap_err(), Refusal::FlowAlreadyExists);
    let described = store.describe_flow(&name("f")).await.unwrap().unwrap();
    assert_eq!(format!("{described:?}"), format!("{:?}", flow("f")));
}

pub async fn started_execution_has_one_event_and_is_described_as_started(database: TestDatabase) {
    let store = database.open().await;
    store
        .inner
        .create_flow(flow("f"), None)
        .await
        .unwrap()
        .unwrap();
    let start = StartExecution {
        input: "{ \"k\" : [1.0, \"步\"] }".to_owned(),
        at: at(7),
        ..start("f", "e")
    };
    let started = store
        .inner
        .start_execution(start.clone(), None)
        .await
        .unwrap()
        .unwrap();
    let described = store
        .inner
        .describe_execution(&name("f"), &name("e"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(format!("{described:?}"), format!("{started:?}"));
    assert_eq!(started.flow, name("f"));
    assert_eq!(started.name, name("e"));
    assert_eq!(started.status, Status::Running);
    assert_eq!(started.input, start.input);
    assert_eq!(started.output, None);
    assert_eq!(started.definition, flow("f").definition);
    assert_eq!(started.started_at, at(7));
    assert_eq!(started.stopped_at, None);
    let page = store.page(1, 10).await;
    assert_eq!(
        page.json,
        r#"{"Type":"ExecutionStarted","EventId":1,"Time":"2026-11-22T12:00:00.007Z","ScheduleEventId":0,"EventDetail":"{\"input\":{ \"k\" : [1.0, \"步\"] }}","StepName":""}"#
    );
    assert_eq!(page.next, None);
}

pub async fn starting_a_running_execution_again_is_idempotent(database: TestDatabase) {
    let store = database.with_execution().await;
    store.append(&[event("StepEntered")], None).await.unwrap();
    let again = StartExecution {
        input: "{\"other\":1}".to_owned(),
        at: at(5_000),
        ..start("f", "e")
    };
    let first = store
        .inner
        .start_execution(again, None)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(first.input, "{}");
    assert_eq!(first.started_at, at(0));
    assert_eq!(store.history("e").await.len(), 2, "nothing was written");
}

pub async fn starting_an_execution_with_the_name_of_an_ended_one_is_refused(
    database: TestDatabase,
) {
    let store = database.with_execution().await;
    store
        .append(&[event("ExecutionFailed")], None)
        .await
        .unwrap();
    assert_eq!(store.start("e").await, Err(Refusal::ExecutionAlreadyExists));
    assert_eq!(store.history("e").await.len(), 2, "nothing was written");
}

pub async fn names_are_case_sensitive_and_execution_names_belong_to_a_flow(database: TestDatabase) {
    let store = database.with_execution().await;
    store
        .inner
        .create_flow(flow("F"), None)
        .await
        .unwrap()
        .unwrap();
    for (flow, execution) in [("f", "E"), ("F", "e")] {
        let start = start(flow, execution);
        store
            .inner
            .start_execution(start, None)
            .await
            .unwrap()
            .unwrap();
    }
    store.append(&[event("StepEntered")], 2).await.unwrap();
    assert_eq!(store.history("e").await.len(), 2);
    assert_eq!(store.history("E").await.len(), 1);
    let of_other_flow = append("F", "e", &[event("StepEntered")], 2);
    let appended = store
        .inner
        .append_execution_events(of_other_flow, None)
        .await;
    assert_eq!(appended.unwrap().unwrap().first, 2);
}

pub async fn refusal_says_whether_flow_or_execution_is_missing(database: TestDatabase) {
    let store = database.with_execution().await.inner;
    let query = HistoryQuery::range(1, 1);
    let described = store.describe_flow(&name("nope")).await.unwrap();
    assert_eq!(described.unwrap_err(), Refusal::FlowNotExists);
    let started = store
        .start_execution(start("nope", "e"), None)
        .await
        .unwrap();
    assert_eq!(started.unwrap_err(), Refusal::FlowNotExists);
    for (flow, execution, refusal) in [
        ("nope", "e", Refusal::FlowNotExists),
        ("f", "nope", Refusal::ExecutionNotExists),
    ] {
        let append = append(flow, execution, &[event("StepEntered")], None);
        let (flow, execution) = (name(flow), name(execution));
        let described = store.describe_execution(&flow, &execution).await.unwrap();
        assert_eq!(described.unwrap_err(), refusal);
        let page = store
            .get_execution_history(&flow, &execution, &query)
            .await
            .unwrap();
        assert_eq!(page.unwrap_err(), refusal);
        let appended = store.append_execution_events(append, None).await.unwrap();
        assert_eq!(appended.unwrap_err(), refusal);
    }
}
