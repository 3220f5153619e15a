//! Concurrent appends, cancelled requests, and closing the store while requests are queued.

use std::sync::Arc;

use flowledger::{
    model::NewEvent,
    store::{Error, HistoryQuery, ListFlows, Refusal, Store},
};

use super::{
    tasks::{report, stop},
    upkeep::{all_executions, change, deletion},
};
use crate::support::{
    pending::submit,
    test_store::{TestDatabase, append, detailed, event, flow, name, start},
};

/// Appends one event at the end of the history. Retries with the next EventId of each conflict, as an engine does
/// that shares its execution with other appenders (optimistic concurrency).
async fn append_at_the_end(store: &dyn Store, execution: &str, event: NewEvent) {
    let mut expected = 2;
    loop {
        let ask = append("f", execution, std::slice::from_ref(&event), expected);
        match store.append_execution_events(ask, None).await.unwrap() {
            Ok(appended) => {
                return assert_eq!((appended.first, appended.last), (expected, expected));
            }
            Err(Refusal::Conflict { next_event_id }) => {
                assert!(next_event_id > expected, "a conflict shows progress");
                expected = next_event_id;
            }
            Err(refusal) => panic!("{refusal:?}"),
        }
    }
}

pub async fn concurrent_appends_to_one_execution_store_every_event_once(database: TestDatabase) {
    let store = database.with_execution().await;
    let appenders = (0..32).map(|appender| {
        let store = Arc::clone(&store.inner);
        tokio::spawn(async move {
            for turn in 0..3 {
                let event = detailed("StepEntered", &format!("{appender:02} {turn}"));
                append_at_the_end(&*store, "e", event).await;
            }
        })
    });
    for appender in appenders.collect::<Vec<_>>() {
        appender.await.unwrap();
    }
    let details = store.details("e").await;
    for appender in 0..32 {
        let prefix = format!("{appender:02} ");
        let own = details
            .iter()
            .filter_map(|detail| detail.strip_prefix(&prefix));
        assert_eq!(
            own.collect::<Vec<_>>(),
            ["0", "1", "2"],
            "once, in the appender's order"
        );
    }
    assert_eq!(details.len(), 32 * 3);
}

pub async fn concurrent_appends_to_many_executions_keep_their_order(database: TestDatabase) {
    let store = database.with_execution().await;
    let engines = (0..32).map(|engine| {
        let store = Arc::clone(&store.inner);
        tokio::spawn(async move {
            let execution = format!("e{engine}");
            store
                .start_execution(start("f", &execution), None)
                .await
                .unwrap()
                .unwrap();
            for turn in 0..4 {
                let pair = [
                    detailed("StepEntered", &format!("{execution} {turn} in")),
                    detailed("StepExited", &format!("{execution} {turn} out")),
                ];
                let append = append("f", &execution, &pair, 2 + 2 * turn);
                store
                    .append_execution_events(append, None)
                    .await
                    .unwrap()
                    .unwrap();
            }
        })
    });
    for engine in engines.collect::<Vec<_>>() {
        engine.await.unwrap();
    }
    for engine in 0..32 {
        let execution = format!("e{engine}");
        let turns =
            (0..4).flat_map(|turn| ["in", "out"].map(|side| format!("{execution} {turn} {side}")));
        assert_eq!(store.details(&execution).await, turns.collect::<Vec<_>>());
    }
}

pub async fn parallel_retries_append_once(database: TestDatabase) {
    let store = database.with_execution().await;
    let batch = [event("A"), event("B")];
    let appends = (0..32).map(|number| {
        let store = Arc::clone(&store.inner);
        let other = [event("C"), event("D")];
        let events = if number % 4 == 3 {
            other
        } else {
            batch.clone()
        };
        tokio::spawn(async move {
            let append = append("f", "e", &events, 2);
            store.append_execution_events(append, None).await.unwrap()
        })
    });
    let mut winners = Vec::new();
    for (number, append) in appends.collect::<Vec<_>>().into_iter().enumerate() {
        match append.await.unwrap() {
            Ok(appended) => {
                assert_eq!((appended.first, appended.last), (2, 3));
                winners.push(number % 4 == 3);
            }
            Err(refusal) => assert_eq!(refusal, Refusal::Conflict { next_event_id: 4 }),
        }
    }
    let types = if winners[0] { ["C", "D"] } else { ["A", "B"] };
    assert_eq!(winners, vec![winners[0]; if winners[0] { 8 } else { 24 }]);
    let history = store.history("e").await;
    assert_eq!(history.len(), 3);
    assert_eq!([&history[1]["Type"], &history[2]["Type"]], types);
}

pub async fn cancelled_request_does_not_cancel_its_write(database: TestDatabase) {
    let store = database.with_execution().await;
    let batch = vec![event("A"), event("B")];
    for caller in 0..20 {
        let execution = format!("e{caller}");
        store.start(&execution).await.unwrap();
        let (store, batch) = (Arc::clone(&store.inner), batch.clone());
        let gone = submit(async move {
            let append = append("f", &execution, &batch, 2);
            store.append_execution_events(append, None).await
        });
        for _ in 0..caller {
            tokio::task::yield_now().await; // each request is cancelled at a later point of its write
        }
        drop(gone);
    }
    store.close().await;
    let store = database.open().await;
    for caller in 0..20 {
        let execution = format!("e{caller}");
        assert_eq!(
            store.history(&execution).await.len(),
            3,
            "the cancelled write is committed"
        );
        let again = append("f", &execution, &batch, 2);
        let again = store
            .inner
            .append_execution_events(again, None)
            .await
            .unwrap();
        assert_eq!(again.unwrap().last, 3);
        assert_eq!(store.history(&execution).await.len(), 3);
    }
}

pub async fn close_finishes_queued_requests(database: TestDatabase) {
    let store = database.with_execution().await;
    let appends: Vec<_> = (2..42)
        .map(|id| {
            let store = Arc::clone(&store.inner);
            submit(async move {
                let append = append("f", "e", &[event("StepEntered")], id);
                store.append_execution_events(append, None).await
            })
        })
        .collect();
    store.close().await;
    for (id, append) in (2..).zip(appends) {
        assert_eq!(append.await.unwrap().unwrap().first, id);
    }
    assert_eq!(database.open().await.history("e").await.len(), 41);
}

pub async fn close_during_writes_keeps_exactly_the_acknowledged_events(database: TestDatabase) {
    let store = database.with_execution().await;
    let writers = (0..8).map(|writer| {
        let store = Arc::clone(&store.inner);
        tokio::spawn(async move {
            let mut answered = Vec::new();
            for turn in 0.. {
                let detail = format!("{writer} {turn}");
                let append = append("f", "e", &[detailed("StepEntered", &detail)], None);
                match store.append_execution_events(append, None).await {
                    Ok(appended) => answered.push((appended.unwrap().first, detail)),
                    Err(Error::Unavailable(_)) => break,
                    Err(error) => panic!("{error}"),
                }
            }
            answered
        })
    });
    let writers: Vec<_> = writers.collect();
    while store.page(20, 1).await.json.is_empty() {
        tokio::task::yield_now().await;
    }
    store.close().await;
    let mut answered = Vec::new();
    for writer in writers {
        answered.extend(writer.await.unwrap());
    }
    answered.sort();
    let details = database.open().await.details("e").await;
    assert_eq!((2..).zip(details).collect::<Vec<_>>(), answered);
}

pub async fn calls_after_close_return_unavailable(database: TestDatabase) {
    let store = database.with_execution().await.inner;
    store.close().await;
    store.close().await; // close is idempotent
    let (f, e) = (name("f"), name("e"));
    let append = append("f", "e", &[event("StepEntered")], None);
    let all_flows = ListFlows {
        from: None,
        limit: 1,
        resource_group_id: None,
    };
    let errors = [
        store.create_flow(flow("g"), None).await.err(),
        store.describe_flow(&f).await.err(),
        store.update_flow(change(), None).await.err(),
        store.delete_flow(deletion("f"), None).await.err(),
        store.list_flows(all_flows, &|_| true).await.err(),
        store.start_execution(start("f", "e"), None).await.err(),
        store.stop_execution(stop("e"), None).await.err(),
        store.list_executions(all_executions("f")).await.err(),
        store.report_task(report("e", 2), None).await.err(),
        store.describe_execution(&f, &e).await.err(),
        store.append_execution_events(append, None).await.err(),
        store
            .get_execution_history(&f, &e, &HistoryQuery::range(1, 1))
            .await
            .err(),
        store.ready().await.err(),
    ];
    for error in errors {
        assert!(matches!(error, Some(Error::Unavailable(_))), "{error:?}");
    }
}
