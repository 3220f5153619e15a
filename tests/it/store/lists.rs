//! ListFlows and ListExecutions: order, filters, and keyset pagination that returns each item once.

use flowledger::{
    model::{Execution, Flow, Timestamp},
    store::{ListExecutions, ListFlows, Refusal, StartExecution, Store},
};

use super::upkeep::all_executions;
use crate::support::test_store::{TestDatabase, TestStore, at, detailed, event, flow, name, start};

/// Returns the names of all visible flows, read in pages of `limit`.
async fn flows(store: &dyn Store, limit: usize, visible: fn(&str) -> bool) -> Vec<String> {
    let (mut names, mut from) = (Vec::new(), None);
    loop {
        let list = ListFlows {
            from,
            limit,
            resource_group_id: None,
        };
        let listed = store
            .list_flows(list, &|name| visible(name.as_str()))
            .await
            .unwrap();
        assert!(listed.items.len() <= limit);
        names.extend(listed.items.iter().map(|flow| flow.name.to_string()));
        match listed.next {
            Some(next) => {
                assert_eq!(listed.items.len(), limit);
                from = Some(next);
            }
            None => return names,
        }
    }
}

pub async fn list_flows_returns_each_flow_once_in_name_order(database: TestDatabase) {
    let store = database.open().await.inner;
    assert_eq!(flows(&*store, 10, |_| true).await, [""; 0]);
    for flow_name in ["b", "a-1", "_x", "B", "a", "a_1", "ab"] {
        store
            .create_flow(flow(flow_name), None)
            .await
            .unwrap()
            .unwrap();
    }
    for limit in 1..=8 {
        let all = flows(&*store, limit, |_| true).await;
        assert_eq!(
            all,
            ["B", "_x", "a", "a-1", "a_1", "ab", "b"],
            "{limit} at a time"
        );
        let some = flows(&*store, limit, |name| {
            name.starts_with('a') && name != "a_1"
        })
        .await;
        assert_eq!(some, ["a", "a-1", "ab"], "{limit} at a time");
    }
    let between = ListFlows {
        from: Some(name("a0")),
        limit: 1,
        resource_group_id: None,
    };
    let listed = store.list_flows(between, &|_| true).await.unwrap();
    assert_eq!(
        listed.items[0].name,
        name("a_1"),
        "a page may begin at a name that no flow has"
    );
}

pub async fn flows_are_listed_as_they_are_described(database: TestDatabase) {
    let store = database.open().await.inner;
    let other = Flow {
        resource_group_id: None,
        role_arn: None,
        ..flow("g")
    };
    store.create_flow(flow("f"), None).await.unwrap().unwrap();
    store
        .create_flow(other.clone(), None)
        .await
        .unwrap()
        .unwrap();
    for (group, expected) in [
        (None, vec![flow("f"), other]),
        (Some("rg-1"), vec![flow("f")]),
        (Some("rg-2"), vec![]),
    ] {
        let resource_group_id = group.map(str::to_owned);
        let list = ListFlows {
            from: None,
            limit: 10,
            resource_group_id,
        };
        let listed = store.list_flows(list, &|_| true).await.unwrap();
        assert_eq!(
            format!("{:?}", listed.items),
            format!("{expected:?}"),
            "{group:?}"
        );
    }
}

/// There are more hidden flows than one slice of the scan reads, so a page must continue with the next slice.
pub async fn list_flows_skips_any_number_of_hidden_flows(database: TestDatabase) {
    let store = database.open().await.inner;
    let created = (0..600).map(|number| store.create_flow(flow(&format!("f{number:03}")), None));
    for created in futures_util::future::join_all(created).await {
        created.unwrap().unwrap();
    }
    assert_eq!(flows(&*store, 1, |_| false).await, [""; 0]);
    assert_eq!(flows(&*store, 1, |name| name == "f599").await, ["f599"]);
    let all = flows(&*store, 60, |_| true).await;
    assert_eq!(all.len(), 600);
}

/// The byte limit of a list page must count every text column; `environment` was once left out. Each row has a
/// million characters there, and a control character takes six bytes as JSON.
pub async fn list_page_counts_the_bytes_of_every_text(database: TestDatabase) {
    let store = database.open().await;
    for (character, per_page) in [("x", 15..=16), ("\u{1}", 1..=3)] {
        let environment = Some(character.repeat(1_000_000));
        let f = if character == "x" { "f" } else { "g" };
        let create = |number| {
            let created = Flow {
                environment: environment.clone(),
                ..flow(&format!("{f}{number:02}"))
            };
            store.inner.create_flow(created, None)
        };
        for created in futures_util::future::join_all((0..20).map(create)).await {
            created.unwrap().unwrap();
        }
        let of_flow = format!("{f}00");
        for number in 0..20 {
            let started = start(&of_flow, &format!("e{number:02}"));
            let started = store.inner.start_execution(started, None).await;
            started.unwrap().unwrap();
        }
        let list = ListFlows {
            from: None,
            limit: 100,
            resource_group_id: None,
        };
        let visible = |name: &flowledger::model::Name| name.as_str().starts_with(f);
        let listed = store.inner.list_flows(list, &visible).await.unwrap();
        assert!(per_page.contains(&listed.items.len()), "{character:?}");
        assert_eq!(
            listed.next.unwrap(),
            name(&format!("{f}{:02}", listed.items.len()))
        );
        let listed = store.inner.list_executions(all_executions(&of_flow)).await;
        let listed = listed.unwrap().unwrap();
        assert!(per_page.contains(&listed.items.len()), "{character:?}");
        let all = ListExecutions {
            limit: 100,
            ..all_executions(&of_flow)
        };
        assert_eq!(executions(&store, &all).await.len(), 20);
    }
}

/// Creates executions `e00` to `e09` of flow `f`, two in each second. Those with odd numbers have failed.
async fn ten_executions(database: &TestDatabase) -> TestStore {
    let store = database.open().await;
    store
        .inner
        .create_flow(flow("f"), None)
        .await
        .unwrap()
        .unwrap();
    for number in 0..10 {
        let execution = format!("e{number:02}");
        let start = StartExecution {
            input: format!("{{\"number\":{number}}}"),
            at: at(number / 2 * 1000),
            ..start("f", &execution)
        };
        store
            .inner
            .start_execution(start, None)
            .await
            .unwrap()
            .unwrap();
        if number % 2 == 1 {
            let end = detailed("ExecutionFailed", "{\"output\":7}");
            store
                .append_to(&execution, &[event("A"), end], 2)
                .await
                .unwrap();
        }
    }
    store
}

/// Returns all executions of the list, read in pages of `list.limit`. A page may be short and have a next one.
async fn executions(store: &TestStore, list: &ListExecutions) -> Vec<Execution> {
    let mut list = list.clone();
    let mut executions = Vec::new();
    loop {
        let listed = store
            .inner
            .list_executions(list.clone())
            .await
            .unwrap()
            .unwrap();
        assert!(listed.items.len() <= list.limit);
        executions.extend(listed.items);
        match listed.next {
            Some(next) => list.from = Some(next),
            None => return executions,
        }
    }
}

fn names(executions: &[Execution]) -> Vec<&str> {
    executions
        .iter()
        .map(|execution| execution.name.as_str())
        .collect()
}

const NEWEST_FIRST: [&str; 10] = [
    "e09", "e08", "e07", "e06", "e05", "e04", "e03", "e02", "e01", "e00",
];

pub async fn list_executions_returns_each_execution_once_newest_first(database: TestDatabase) {
    let store = ten_executions(&database).await;
    for limit in 1..=11 {
        let list = ListExecutions {
            limit,
            ..all_executions("f")
        };
        assert_eq!(
            names(&executions(&store, &list).await),
            NEWEST_FIRST,
            "{limit} at a time"
        );
    }
    let list = ListExecutions {
        limit: 4,
        ..all_executions("f")
    };
    let first = store
        .inner
        .list_executions(list.clone())
        .await
        .unwrap()
        .unwrap();
    store.start("between").await.unwrap();
    let rest = executions(
        &store,
        &ListExecutions {
            from: first.next,
            ..list
        },
    )
    .await;
    let rest: Vec<_> = names(&rest)
        .into_iter()
        .filter(|name| *name != "between")
        .collect();
    assert_eq!(
        rest,
        NEWEST_FIRST[4..],
        "an execution started between two pages shifts no other"
    );
}

pub async fn executions_are_listed_as_they_are_described(database: TestDatabase) {
    let store = ten_executions(&database).await;
    let listed = executions(&store, &all_executions("f")).await;
    for execution in &listed {
        let described = store.describe(execution.name.as_str()).await;
        assert_eq!(format!("{execution:?}"), format!("{described:?}"));
    }
    let metadata = ListExecutions {
        metadata_only: true,
        ..all_executions("f")
    };
    for (with, without) in listed.into_iter().zip(executions(&store, &metadata).await) {
        let expected = Execution {
            input: String::new(),
            output: None,
            definition: String::new(),
            environment: None,
            ..with
        };
        assert_eq!(format!("{without:?}"), format!("{expected:?}"));
    }
}

pub async fn executions_are_filtered_by_status_time_and_prefix(database: TestDatabase) {
    let store = ten_executions(&database).await;
    for number in 100..103 {
        store.start(&format!("other-{number}")).await.unwrap();
    }
    let is_odd = |name: &&str| name.bytes().last().unwrap() % 2 == 1;
    let started = |from: Option<i64>, to: Option<i64>| ListExecutions {
        started_from: from.map(at),
        started_to: to.map(at),
        prefix: Some("e0".to_owned()),
        ..all_executions("f")
    };
    let running = ListExecutions {
        status: Some("Running"),
        ..started(None, None)
    };
    let failed = ListExecutions {
        status: Some("Failed"),
        ..all_executions("f")
    };
    let stopped = ListExecutions {
        status: Some("Stopped"),
        ..all_executions("f")
    };
    let late = ListExecutions {
        status: Some("Failed"),
        ..started(Some(2000), Some(3000))
    };
    let unmatched = ListExecutions {
        prefix: Some("E".to_owned()),
        ..all_executions("f")
    };
    let wild = ListExecutions {
        prefix: Some("e_".to_owned()),
        ..all_executions("f")
    };
    let cases = [
        (started(None, None), NEWEST_FIRST.to_vec()),
        (
            running,
            NEWEST_FIRST
                .into_iter()
                .filter(|name| !is_odd(name))
                .collect(),
        ),
        (failed, NEWEST_FIRST.into_iter().filter(is_odd).collect()),
        (stopped, vec![]),
        (started(Some(3000), None), NEWEST_FIRST[..4].to_vec()),
        (started(Some(2999), None), NEWEST_FIRST[..4].to_vec()),
        (started(None, Some(1000)), NEWEST_FIRST[6..].to_vec()),
        (started(None, Some(999)), NEWEST_FIRST[8..].to_vec()),
        (started(Some(1000), Some(1000)), vec!["e03", "e02"]),
        (started(Some(1001), Some(1999)), vec![]),
        (late, vec!["e07", "e05"]),
        (unmatched, vec![]),
        (wild, vec![]),
    ];
    for (list, expected) in cases {
        for limit in [1, 2, 3, 1000] {
            let list = ListExecutions {
                limit,
                ..list.clone()
            };
            assert_eq!(
                names(&executions(&store, &list).await),
                expected,
                "{list:?}"
            );
        }
    }
}

pub async fn list_without_matches_is_empty_and_list_of_a_missing_flow_is_refused(
    database: TestDatabase,
) {
    let store = database.open().await;
    store
        .inner
        .create_flow(flow("f"), None)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        names(&executions(&store, &all_executions("f")).await),
        [""; 0]
    );
    let refused = store
        .inner
        .list_executions(all_executions("nope"))
        .await
        .unwrap();
    assert_eq!(refused.err(), Some(Refusal::FlowNotExists));
    let ends = [i64::MIN, 0, i64::MAX].map(Timestamp::from_millis);
    let list = ListExecutions {
        started_from: ends[1],
        started_to: ends[1],
        ..all_executions("f")
    };
    assert_eq!(names(&executions(&store, &list).await), [""; 0]);
}
