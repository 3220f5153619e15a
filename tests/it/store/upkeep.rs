//! UpdateFlow and DeleteFlow.

use flowledger::{
    model::{Flow, NewEvent},
    store::{FlowChange, FlowDeletion, HistoryQuery, ListExecutions, Refusal, Store},
};

use super::tasks::{report, stop};
use crate::support::test_store::{TestDatabase, TestStore, append, at, event, flow, name, start};

/// Returns a change of flow `f` that sets only the time of modification.
pub fn change() -> FlowChange {
    FlowChange {
        name: name("f"),
        definition: None,
        description: None,
        kind: None,
        role_arn: None,
        environment: None,
        at: at(77),
    }
}

pub fn deletion(flow: &str) -> FlowDeletion {
    FlowDeletion {
        name: name(flow),
        at: at(88),
    }
}

pub fn all_executions(flow: &str) -> ListExecutions {
    ListExecutions {
        flow: name(flow),
        from: None,
        limit: 1000,
        status: None,
        started_from: None,
        started_to: None,
        prefix: None,
        metadata_only: false,
    }
}

/// Applies the change and returns the flow. Asserts that UpdateFlow and DescribeFlow return the same.
async fn updated(store: &dyn Store, change: FlowChange) -> Flow {
    let answered = store.update_flow(change, None).await.unwrap().unwrap();
    let described = store.describe_flow(&name("f")).await.unwrap().unwrap();
    assert_eq!(format!("{answered:?}"), format!("{described:?}"));
    described
}

pub async fn update_flow_changes_only_the_given_fields(database: TestDatabase) {
    let store = database.with_execution().await.inner;
    let text = || Some("neu: 步骤".to_owned());
    let mut expected = Flow {
        modified_at: at(77),
        ..flow("f")
    };
    assert_eq!(
        format!("{:?}", updated(&*store, change()).await),
        format!("{expected:?}")
    );
    expected.definition = "neu: 步骤".to_owned();
    let one = FlowChange {
        definition: text(),
        ..change()
    };
    assert_eq!(
        format!("{:?}", updated(&*store, one).await),
        format!("{expected:?}")
    );
    expected.description = "neu: 步骤".to_owned();
    let one = FlowChange {
        description: text(),
        ..change()
    };
    assert_eq!(
        format!("{:?}", updated(&*store, one).await),
        format!("{expected:?}")
    );
    expected.kind = "neu: 步骤".to_owned();
    let one = FlowChange {
        kind: text(),
        ..change()
    };
    assert_eq!(
        format!("{:?}", updated(&*store, one).await),
        format!("{expected:?}")
    );
    expected.role_arn = text();
    let one = FlowChange {
        role_arn: text(),
        ..change()
    };
    assert_eq!(
        format!("{:?}", updated(&*store, one).await),
        format!("{expected:?}")
    );
    expected.environment = text();
    let one = FlowChange {
        environment: text(),
        ..change()
    };
    assert_eq!(
        format!("{:?}", updated(&*store, one).await),
        format!("{expected:?}")
    );
}

pub async fn empty_text_removes_description_or_role(database: TestDatabase) {
    let store = database.with_execution().await.inner;
    let empty = FlowChange {
        description: Some(String::new()),
        role_arn: Some(String::new()),
        ..change()
    };
    let flow = updated(&*store, empty).await;
    assert_eq!((flow.description.as_str(), flow.role_arn), ("", None));
}

pub async fn execution_keeps_the_definition_and_environment_it_started_with(
    database: TestDatabase,
) {
    let store = database.with_execution().await;
    for text in ["second", "third"] {
        let new = FlowChange {
            definition: Some(text.to_owned()),
            environment: Some(format!("{{\"{text}\":1}}")),
            ..change()
        };
        updated(&*store.inner, new).await;
        store.start(text).await.unwrap();
        updated(&*store.inner, change()).await;
    }
    let first = store.describe("e").await;
    assert_eq!(first.definition, flow("f").definition);
    assert_eq!(first.environment, flow("f").environment);
    for text in ["second", "third"] {
        let execution = store.describe(text).await;
        assert_eq!(execution.definition, text);
        assert_eq!(execution.environment, Some(format!("{{\"{text}\":1}}")));
    }
}

/// Returns the refusal of each method for flow `f` and its execution `e`, if it refuses.
async fn refusals(store: &dyn Store) -> Vec<Option<Refusal>> {
    let (f, e) = (name("f"), name("e"));
    let append = append("f", "e", &[event("A")], None);
    let query = HistoryQuery::range(1, 1);
    vec![
        store.describe_flow(&f).await.unwrap().err(),
        store.update_flow(change(), None).await.unwrap().err(),
        store.delete_flow(deletion("f"), None).await.unwrap().err(),
        store
            .start_execution(start("f", "e"), None)
            .await
            .unwrap()
            .err(),
        store.describe_execution(&f, &e).await.unwrap().err(),
        store.stop_execution(stop("e"), None).await.unwrap().err(),
        store
            .list_executions(all_executions("f"))
            .await
            .unwrap()
            .err(),
        store.report_task(report("e", 2), None).await.unwrap().err(),
        store
            .append_execution_events(append, None)
            .await
            .unwrap()
            .err(),
        store
            .get_execution_history(&f, &e, &query)
            .await
            .unwrap()
            .err(),
    ]
}

pub async fn deleted_flow_and_its_executions_are_not_found(database: TestDatabase) {
    let store = database.with_execution().await;
    store.append(&[event("TaskSubmitted")], 2).await.unwrap();
    store
        .inner
        .delete_flow(deletion("f"), None)
        .await
        .unwrap()
        .unwrap();
    let gone = vec![Some(Refusal::FlowNotExists); 10];
    assert_eq!(refusals(&*store.inner).await, gone);
    store.close().await;
    assert_eq!(refusals(&*database.open().await.inner).await, gone);
}

pub async fn new_flow_with_the_name_of_a_deleted_one_is_empty(database: TestDatabase) {
    let store = database.with_execution().await;
    let neighbour = TestStore {
        inner: store.inner.clone(),
    };
    store
        .inner
        .create_flow(flow("g"), None)
        .await
        .unwrap()
        .unwrap();
    store
        .inner
        .start_execution(start("g", "e"), None)
        .await
        .unwrap()
        .unwrap();
    for round in 0..3 {
        let events: Vec<NewEvent> = vec![event("TaskSubmitted"); 150];
        store.append(&events, 2).await.unwrap();
        store
            .inner
            .delete_flow(deletion("f"), None)
            .await
            .unwrap()
            .unwrap();
        let again = Flow {
            id: format!("00000000-0000-0000-0000-00000000010{round}"),
            ..flow("f")
        };
        store.inner.create_flow(again, None).await.unwrap().unwrap();
        let executions = store
            .inner
            .list_executions(all_executions("f"))
            .await
            .unwrap();
        assert_eq!(executions.unwrap().items.len(), 0);
        store.start("e").await.unwrap();
        assert_eq!(neighbour.history("e").await.len(), 1);
    }
    let of_g = store
        .inner
        .list_executions(all_executions("g"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(of_g.items.len(), 1, "the execution of the other flow stays");
}
