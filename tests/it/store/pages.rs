//! Pages of a history (keyset pagination on the EventId). `properties::histories` tests that pages of any size add up
//! to the whole history.

use std::{pin::pin, time::Duration};

use flowledger::{
    model::event::EVENT_DETAIL_MAX_BYTES,
    store::{HistoryPage, HistoryQuery},
};
use futures_util::FutureExt;
use tokio::time::sleep;

use crate::support::test_store::{TestDatabase, TestStore, detailed, event, events_of, name};

/// Creates execution `e` with EventIds 1 to 10.
async fn ten_events(database: &TestDatabase) -> TestStore {
    let store = database.with_execution().await;
    let events = vec![event("StepEntered"); 9];
    store.append(&events, 2).await.unwrap();
    store
}

fn ids(page: &HistoryPage) -> Vec<i64> {
    let events = events_of(page);
    events
        .iter()
        .map(|event| event["EventId"].as_i64().unwrap())
        .collect()
}

pub async fn page_has_limit_events_and_the_event_id_of_the_next_page(database: TestDatabase) {
    let store = ten_events(&database).await;
    for (first, limit, held, next) in [
        (1, 1, vec![1], Some(2)),
        (1, 3, vec![1, 2, 3], Some(4)),
        (4, 3, vec![4, 5, 6], Some(7)),
        (9, 1, vec![9], Some(10)),
        (9, 1000, vec![9, 10], None),
        (1, 9, (1..=9).collect(), Some(10)),
        (1, 1000, (1..=10).collect(), None),
    ] {
        let page = store.page(first, limit).await;
        assert_eq!(
            (ids(&page), page.next),
            (held, next),
            "{limit} from {first}"
        );
    }
}

pub async fn page_beyond_the_end_is_empty(database: TestDatabase) {
    let store = ten_events(&database).await;
    for first in [11, 12, 1_000_000, i64::MAX - 1, i64::MAX] {
        for limit in [1, 1000] {
            let page = store.page(first, limit).await;
            assert_eq!((page.json.as_str(), page.next), ("", None), "from {first}");
        }
    }
}

pub async fn page_that_ends_with_the_last_event_has_no_next_page(database: TestDatabase) {
    let store = ten_events(&database).await;
    for (first, limit) in [(1, 10), (10, 1), (6, 5)] {
        assert_eq!(store.page(first, limit).await.next, None);
    }
    store.append(&[event("StepExited")], 11).await.unwrap();
    for (first, limit) in [(1, 10), (10, 1), (6, 5)] {
        assert_eq!(store.page(first, limit).await.next, Some(11));
    }
}

pub async fn read_sees_every_acknowledged_write(database: TestDatabase) {
    let store = database.with_execution().await;
    for id in 2..40 {
        store.append(&[event("StepEntered")], id).await.unwrap();
        let (first, second, third) = tokio::join!(
            store.page(id, 1),
            store.page(1, 1000),
            store.page(id - 1, 1)
        );
        assert_eq!(ids(&first), [id]);
        assert_eq!(ids(&second), (1..=id).collect::<Vec<_>>());
        assert_eq!(third.next, Some(id));
    }
}

/// Creates execution `e`, whose events 2 to `last` have details of the maximum size.
async fn largest_events(database: &TestDatabase, last: i64) -> TestStore {
    let store = database.with_execution().await;
    let largest = detailed("StepEntered", &"x".repeat(EVENT_DETAIL_MAX_BYTES));
    for id in 2..=last {
        let largest = std::slice::from_ref(&largest);
        store.append(largest, id).await.unwrap();
    }
    store
}

pub async fn filtered_page_stops_at_its_byte_limit(database: TestDatabase) {
    let store = largest_events(&database, 300).await;
    let mut query = HistoryQuery {
        types: Some(["Absent".to_owned()].into()),
        ..HistoryQuery::default()
    };
    let mut pages = 0;
    loop {
        let page = store
            .inner
            .get_execution_history(&name("f"), &name("e"), &query)
            .await;
        let page = page.unwrap().unwrap();
        assert_eq!(page.json, "");
        pages += 1;
        if page.next.is_none() {
            break;
        }
        query.from = page.next;
    }
    assert_eq!(
        pages, 2,
        "300 events of 64 KiB are more than one page may read"
    );
}

pub async fn backward_page_of_the_largest_events_is_complete(database: TestDatabase) {
    let store = largest_events(&database, 40).await;
    let query = HistoryQuery {
        reverse: true,
        ..HistoryQuery::default()
    };
    let page = store
        .inner
        .get_execution_history(&name("f"), &name("e"), &query)
        .await;
    let page = page.unwrap().unwrap();
    assert_eq!(ids(&page), (1..=40).rev().collect::<Vec<_>>());
    assert_eq!(page.next, None);
}

/// A backward page takes two reads: one of the last EventId, one of the events before it. An append between the two
/// must not appear on the page.
pub async fn backward_page_leaves_out_events_appended_while_it_is_read(database: TestDatabase) {
    let store = ten_events(&database).await;
    let (flow, execution) = (name("f"), name("e"));
    let newest = HistoryQuery {
        limit: 3,
        reverse: true,
        ..HistoryQuery::default()
    };
    let mut page = pin!(
        store
            .inner
            .get_execution_history(&flow, &execution, &newest)
    );
    assert!(page.as_mut().now_or_never().is_none());
    sleep(Duration::from_millis(100)).await; // lets the first read finish
    store.append(&[event("StepExited")], 11).await.unwrap();
    let page = page.await.unwrap().unwrap();
    assert_eq!(ids(&page)[0], page.last_event_id);
}

pub async fn acknowledged_events_survive_a_restart(database: TestDatabase) {
    let store = database.with_execution().await;
    store
        .append(&[detailed("StepEntered", "步骤")], 2)
        .await
        .unwrap();
    let before = store.page(1, 10).await;
    store.close().await;
    let store = database.open().await;
    assert_eq!(store.page(1, 10).await, before);
    assert_eq!(
        store
            .append(&[event("StepExited")], None)
            .await
            .unwrap()
            .first,
        3
    );
}
