//! Pages of a history. That any pages put together are the history is in `properties`.

use std::{pin::pin, time::Duration};

use flowledger::store::{Page, Pick, picked};
use futures_util::FutureExt;
use tokio::time::sleep;

use crate::support::ledger::{Ledger, Place, detailed, event, events_of, name};

/// Ten events with the ids 1 to 10.
async fn ten_events(place: &Place) -> Ledger {
    let ledger = place.with_execution().await;
    let events = vec![event("StepEntered"); 9];
    ledger.append(&events, 2).await.unwrap();
    ledger
}

fn ids(page: &Page) -> Vec<i64> {
    let events = events_of(page);
    events
        .iter()
        .map(|event| event["EventId"].as_i64().unwrap())
        .collect()
}

pub async fn a_page_has_as_many_events_as_asked_for_and_says_where_the_next_begins(place: Place) {
    let ledger = ten_events(&place).await;
    for (first, limit, held, next) in [
        (1, 1, vec![1], Some(2)),
        (1, 3, vec![1, 2, 3], Some(4)),
        (4, 3, vec![4, 5, 6], Some(7)),
        (9, 1, vec![9], Some(10)),
        (9, 1000, vec![9, 10], None),
        (1, 9, (1..=9).collect(), Some(10)),
        (1, 1000, (1..=10).collect(), None),
    ] {
        let page = ledger.page(first, limit).await;
        assert_eq!(
            (ids(&page), page.next),
            (held, next),
            "{limit} from {first}"
        );
    }
}

pub async fn a_page_beyond_the_end_is_empty(place: Place) {
    let ledger = ten_events(&place).await;
    for first in [11, 12, 1_000_000, i64::MAX - 1, i64::MAX] {
        for limit in [1, 1000] {
            let page = ledger.page(first, limit).await;
            assert_eq!(
                (page.events.as_str(), page.next),
                ("", None),
                "from {first}"
            );
        }
    }
}

pub async fn a_page_that_ends_with_the_history_is_the_last(place: Place) {
    let ledger = ten_events(&place).await;
    for (first, limit) in [(1, 10), (10, 1), (6, 5)] {
        assert_eq!(ledger.page(first, limit).await.next, None);
    }
    ledger.append(&[event("StepExited")], 11).await.unwrap();
    for (first, limit) in [(1, 10), (10, 1), (6, 5)] {
        assert_eq!(ledger.page(first, limit).await.next, Some(11));
    }
}

pub async fn a_read_sees_every_write_that_was_answered(place: Place) {
    let ledger = place.with_execution().await;
    for id in 2..40 {
        ledger.append(&[event("StepEntered")], id).await.unwrap();
        let (first, second, third) = tokio::join!(
            ledger.page(id, 1),
            ledger.page(1, 1000),
            ledger.page(id - 1, 1)
        );
        assert_eq!(ids(&first), [id]);
        assert_eq!(ids(&second), (1..=id).collect::<Vec<_>>());
        assert_eq!(third.next, Some(id));
    }
}

/// Read backwards, a page takes two looks: at the end, and at what is before it.
pub async fn what_is_appended_while_a_page_is_read_backwards_is_not_told_of(place: Place) {
    let ledger = ten_events(&place).await;
    let (flow, execution) = (name("f"), name("e"));
    let newest = Pick {
        limit: 3,
        reverse: true,
        ..Pick::default()
    };
    let mut page = pin!(picked(&*ledger.store, &flow, &execution, &newest));
    assert!(page.as_mut().now_or_never().is_none());
    sleep(Duration::from_millis(100)).await; // it looks at the end
    ledger.append(&[event("StepExited")], 11).await.unwrap();
    let page = page.await.unwrap().unwrap();
    assert_eq!(ids(&page)[0], page.last_event_id);
}

pub async fn what_was_answered_is_there_after_a_new_start(place: Place) {
    let ledger = place.with_execution().await;
    ledger
        .append(&[detailed("StepEntered", "步骤")], 2)
        .await
        .unwrap();
    let before = ledger.page(1, 10).await;
    ledger.close().await;
    let ledger = place.open().await;
    assert_eq!(ledger.page(1, 10).await, before);
    assert_eq!(
        ledger
            .append(&[event("StepExited")], None)
            .await
            .unwrap()
            .first,
        3
    );
}
