//! Keyset pagination of executions: an execution that exists at the first page is listed exactly once, even if others
//! start meanwhile.

use std::collections::HashMap;

use flowledger::store::{ListExecutions, StartExecution};
use proptest::{collection::vec, prelude::*};

use super::{config, histories::runtime};
use crate::support::test_store::{TestDatabase, TestStore, at, flow, name};

/// Starts executions at these times, in seconds; their names are numbered from `from`.
async fn start(store: &TestStore, seconds: &[i64], from: usize) {
    for (number, second) in (from..).zip(seconds) {
        let start = StartExecution {
            flow: name("f"),
            name: name(&format!("e{number}")),
            input: "{}".to_owned(),
            at: at(second * 1000),
        };
        store
            .inner
            .start_execution(start, None)
            .await
            .unwrap()
            .unwrap();
    }
}

proptest! {
    #![proptest_config(config(24))]

    /// Several start at the same time and a clock may go back, so neither time nor id alone orders them.
    #[test]
    fn execution_that_exists_at_the_first_page_is_listed_exactly_once(
        before in vec(0..20_i64, 1..60),
        meanwhile in vec(vec(0..40_i64, 0..4), 1..10),
        limits in vec(1..20_usize, 1..5),
        prefix in prop::option::of(Just("e".to_owned())),
    ) {
        runtime().block_on(async {
            let database = TestDatabase::sqlite();
            let store = database.open().await;
            store.inner.create_flow(flow("f"), None).await.unwrap().unwrap();
            start(&store, &before, 0).await;
            let (mut seen, mut from, mut started) = (HashMap::new(), None, before.len());
            let mut meanwhile = meanwhile.iter();
            for limit in limits.into_iter().cycle() {
                let list = ListExecutions {
                    flow: name("f"),
                    from,
                    limit,
                    status: None,
                    started_from: None,
                    started_to: None,
                    prefix: prefix.clone(),
                    metadata_only: false,
                };
                let page = store.inner.list_executions(list).await.unwrap().unwrap();
                prop_assert!(page.items.len() <= limit);
                for execution in &page.items {
                    *seen.entry(execution.name.to_string()).or_insert(0) += 1;
                }
                from = page.next;
                if from.is_none() {
                    break;
                }
                let more = meanwhile.next().cloned().unwrap_or_default();
                start(&store, &more, started).await;
                started += more.len();
            }
            for number in 0..before.len() {
                prop_assert_eq!(seen.get(&format!("e{number}")), Some(&1), "e{}", number);
            }
            prop_assert!(seen.values().all(|times| *times == 1));
            store.close().await;
            Ok(())
        })?;
    }
}
