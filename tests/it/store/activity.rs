//! When flows last started and last failed: order, and keyset pagination that returns each flow once.

use flowledger::{
    model::NewEvent,
    store::{
        FlowActivity, FlowDeletion, FlowOrder, FlowPosition, ListFlowActivity, StartExecution,
        Store,
    },
};

use crate::support::test_store::{TestDatabase, append, at, event, flow, name, start};

/// Returns the visible flows, read in pages of `limit` from the printed position on.
async fn activity(
    store: &dyn Store,
    order: FlowOrder,
    limit: usize,
    visible: fn(&str) -> bool,
) -> Vec<FlowActivity> {
    let (mut flows, mut from) = (Vec::new(), None);
    loop {
        let list = ListFlowActivity { order, from, limit };
        let visible = |name: &flowledger::model::Name| visible(name.as_str());
        let listed = store.list_flow_activity(list, &visible).await.unwrap();
        flows.extend(listed.items.iter().cloned());
        match listed.next {
            Some(next) => {
                assert_eq!(listed.items.len(), limit);
                from = Some(FlowPosition::parse(&next.to_string()).unwrap());
            }
            None => return flows,
        }
    }
}

fn names(flows: &[FlowActivity]) -> Vec<&str> {
    flows.iter().map(|flow| flow.name.as_str()).collect()
}

/// Starts an execution, and ends it with an event of this type unless that is empty; times are milliseconds.
async fn run(store: &dyn Store, flow: &str, execution: &str, begin: i64, end: i64, ends: &str) {
    let start = StartExecution {
        at: at(begin),
        ..start(flow, execution)
    };
    store.start_execution(start, None).await.unwrap().unwrap();
    if !ends.is_empty() {
        let end = NewEvent {
            time: Some(at(end)),
            ..event(ends)
        };
        let append = append(flow, execution, &[end], None);
        store
            .append_execution_events(append, None)
            .await
            .unwrap()
            .unwrap();
    }
}

async fn create(store: &dyn Store, names: &[&str]) {
    for name in names {
        store.create_flow(flow(name), None).await.unwrap().unwrap();
    }
}

pub async fn flows_are_ordered_by_name_last_start_and_last_failure(database: TestDatabase) {
    let store = database.open().await.inner;
    create(&*store, &["never", "slow", "early", "late", "Tie", "fine"]).await;
    for (flow, execution, begin, end, ends) in [
        ("slow", "fails-last", 10, 90_000, "ExecutionFailed"),
        ("slow", "succeeds", 20, 30, "ExecutionSucceeded"),
        ("early", "failed", 100, 200, "ExecutionFailed"),
        ("early", "runs", 50_000, 0, ""),
        ("late", "failed", 100, 200, "ExecutionFailed"),
        ("late", "timed-out", 200, 4_000, "ExecutionTimedOut"),
        ("late", "stopped", 300, 80_000, "ExecutionStopped"),
        ("Tie", "failed", 100, 200, "ExecutionFailed"),
        ("fine", "succeeds", 400, 500, "ExecutionSucceeded"),
    ] {
        run(&*store, flow, execution, begin, end, ends).await;
    }
    for limit in 1..=7 {
        for (order, expected) in [
            (
                FlowOrder::Name,
                ["Tie", "early", "fine", "late", "never", "slow"],
            ),
            (
                FlowOrder::LastStart,
                ["early", "fine", "late", "Tie", "slow", "never"],
            ),
            (
                FlowOrder::LastFailure,
                ["slow", "late", "Tie", "early", "fine", "never"],
            ),
        ] {
            let flows = activity(&*store, order, limit, |_| true).await;
            assert_eq!(names(&flows), expected, "{order:?}, {limit} at a time");
        }
    }
    let flows = activity(&*store, FlowOrder::LastFailure, 9, |_| true).await;
    let found: Vec<_> = flows
        .iter()
        .map(|flow| {
            let failure = flow.last_failure.as_ref();
            let failure = failure.map(|failure| (failure.at, failure.execution.as_str()));
            (flow.last_start, failure)
        })
        .collect();
    let expected = [
        (Some(at(20)), Some((at(90_000), "fails-last"))),
        (Some(at(300)), Some((at(4_000), "timed-out"))),
        (Some(at(100)), Some((at(200), "failed"))),
        (Some(at(50_000)), Some((at(200), "failed"))),
        (Some(at(400)), None),
        (None, None),
    ];
    assert_eq!(found, expected);
}

pub async fn every_flow_counts_for_the_order_and_not_only_those_of_a_page(database: TestDatabase) {
    let store = database.open().await.inner;
    let flows: Vec<_> = (0..600).map(|n| format!("f{n:03}")).collect();
    let creations = flows.iter().map(|name| store.create_flow(flow(name), None));
    futures_util::future::join_all(creations).await;
    for (number, flow) in ["f599", "f000", "f300"].into_iter().enumerate() {
        let begin = 1000 * number as i64;
        run(&*store, flow, "e", begin, begin + 1, "ExecutionFailed").await;
    }
    for order in [FlowOrder::LastStart, FlowOrder::LastFailure] {
        let all = activity(&*store, order, 50, |_| true).await;
        assert_eq!(names(&all)[..5], ["f300", "f000", "f599", "f001", "f002"]);
        assert_eq!(all.len(), 600);
    }
    let by_name = activity(&*store, FlowOrder::Name, 50, |_| true).await;
    assert_eq!(names(&by_name), flows);
}

pub async fn hidden_and_deleted_flows_are_not_in_the_activity(database: TestDatabase) {
    let store = database.open().await.inner;
    create(&*store, &["a", "b", "c", "hidden"]).await;
    for (flow, begin) in [("a", 1), ("b", 2), ("c", 3), ("hidden", 4)] {
        run(&*store, flow, "e", begin, 10 - begin, "ExecutionFailed").await;
    }
    let deletion = FlowDeletion {
        name: name("b"),
        at: at(20),
    };
    store.delete_flow(deletion, None).await.unwrap().unwrap();
    create(&*store, &["b"]).await; // it has never run
    for (order, expected) in [
        (FlowOrder::Name, ["a", "b", "c"]),
        (FlowOrder::LastStart, ["c", "a", "b"]),
        (FlowOrder::LastFailure, ["a", "c", "b"]),
    ] {
        for limit in 1..=4 {
            let flows = activity(&*store, order, limit, |name| name != "hidden").await;
            assert_eq!(names(&flows), expected, "{order:?}, {limit} at a time");
        }
    }
}
