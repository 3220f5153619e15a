//! Histories read in pages of any size, compared with a model.

use flowledger::model::NewEvent;
use proptest::{collection::vec, prelude::*, sample::select};
use tokio::runtime::Runtime;

use super::{config, execution_model::ExecutionModel, text};
use crate::support::{
    Call, Server,
    test_store::{TestDatabase, TestStore, at},
};

/// Types that an event of a running execution may have.
const TYPES: [&str; 5] = [
    "StepEntered",
    "TaskSubmitted",
    "TaskFailed",
    "TaskTimedOut",
    "Newer",
];

pub fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

prop_compose! {
    /// An event. Its ScheduleEventId, if it has one, is at most this.
    pub fn any_event(last_cause: i64)(
        event_type in select(&TYPES[..]),
        time in prop::option::of(-1_000_000..1_000_000_i64),
        cause in prop::option::of(0..=last_cause),
        step_name in text(8),
        event_detail in text(30),
    ) -> NewEvent {
        NewEvent {
            event_type: event_type.to_owned(),
            time: time.map(at),
            schedule_event_id: cause,
            event_id: None,
            step_name,
            event_detail,
        }
    }
}

proptest! {
    #![proptest_config(config(24))]

    #[test]
    fn pages_of_any_size_put_together_are_the_history(
        events in vec(any_event(1), 0..200),
        batches in vec(1..80_usize, 1..5),
        limits in vec(prop_oneof![1..10_i64, 1..=1000_i64], 1..10),
    ) {
        runtime().block_on(async {
            let database = TestDatabase::sqlite();
            let store = database.with_execution().await;
            let mut model = ExecutionModel::started(at(0));
            let mut rest = &events[..];
            for size in batches.iter().cycle() {
                let (batch, after) = rest.split_at(rest.len().min(*size));
                if batch.is_empty() {
                    break;
                }
                prop_assert_eq!(store.append(batch, None).await, model.append(batch, None, at(10_000)));
                rest = after;
            }
            let (mut read, mut next) = (Vec::new(), Some(1));
            let mut limits = limits.iter().cycle();
            while let Some(first) = next {
                let limit = *limits.next().unwrap();
                let page = store.page(first, limit).await;
                prop_assert_eq!(&page, &model.page(first, limit));
                next = page.next;
                read.push(page.json);
            }
            prop_assert_eq!(read.join(","), model.page(1, 1000).json);
            Ok(())
        })?;
    }
}

proptest! {
    #![proptest_config(config(4))]

    #[test]
    fn pages_over_http_put_together_are_the_history(
        events in vec(any_event(1), 0..60),
        limits in vec(1..30_i64, 1..5),
    ) {
        runtime().block_on(async {
            let server = Server::with_execution().await;
            let store = TestStore { inner: server.app.store.clone() };
            let mut model = ExecutionModel::started(at(0));
            for batch in events.chunks(7) {
                let appended = store.append(batch, None).await.unwrap();
                prop_assert_eq!(appended.last, model.append(batch, None, at(10_000)).unwrap().last);
            }
            let mut next = Some(1);
            let mut limits = limits.iter().cycle();
            while let Some(first) = next {
                let limit = *limits.next().unwrap();
                let page = model.page(first, limit);
                let call = Call::new("GetExecutionHistory").query("FlowName", "f").query("ExecutionName", "e");
                let answer = server.call(call.query("NextToken", &first.to_string()).query("Limit", &limit.to_string())).await;
                let token = page.next.map(|next| format!(",\"NextToken\":\"{next}\"")).unwrap_or_default();
                let id = answer.json["RequestId"].as_str().unwrap_or_default();
                let expected = format!("{{\"Events\":[{}]{token},\"RequestId\":\"{id}\"}}", page.json);
                prop_assert_eq!(answer.text, expected);
                next = page.next;
            }
            server.stop().await;
            Ok(())
        })?;
    }
}
