//! Histories: any pages of them, and any appends to them against a plain list.

use flowledger::{
    model::{NewEvent, Status, event::Batch},
    store::{AppendEvents, Refusal},
};
use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
};
use tokio::runtime::Runtime;

use super::{
    config,
    model::{ENDS, Model, OUTPUTS},
    text,
};
use crate::support::{
    Call, Server,
    ledger::{Ledger, Place, at, name},
};

/// Types that an event of a running execution may have.
const TYPES: [&str; 5] = [
    "StepEntered",
    "StepExited",
    "TaskScheduled",
    "TaskFailed",
    "Newer",
];

pub fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

prop_compose! {
    /// An event; its cause, if it brings one, is at most this.
    fn any_event(last_cause: i64)(
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
            let place = Place::sqlite();
            let store = place.with_execution().await;
            let mut model = Model::started();
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
                read.push(page.events);
            }
            prop_assert_eq!(read.join(","), model.page(1, 1000).events);
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
            let store = Ledger { store: server.app.store.clone() };
            let mut model = Model::started();
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
                let expected = format!("{{\"Events\":[{}]{token},\"RequestId\":\"{id}\"}}", page.events);
                prop_assert_eq!(answer.text, expected);
                next = page.next;
            }
            server.stop().await;
            Ok(())
        })?;
    }
}

/// What somebody does to an execution; places are chosen when it is clear how long the history is by then.
#[derive(Clone, Debug)]
enum Deed {
    /// New events, which expect the end, another place, or nothing.
    Append {
        events: Vec<NewEvent>,
        expected: Expected,
    },
    End {
        event: NewEvent,
        expected: Expected,
    },
    /// Events that stand there, and perhaps new ones behind them.
    Repeat {
        from: Index,
        count: usize,
        change: Change,
        behind: Vec<NewEvent>,
    },
    Page {
        first: i64,
        limit: i64,
    },
    Reopen,
}

#[derive(Clone, Copy, Debug)]
enum Expected {
    Nothing,
    /// So far beyond the end; before it if negative.
    Beyond(i64),
    /// The same, by the EventId of the first event.
    Inside(i64),
    Id(i64),
}

/// How a repeat differs from what stands there.
#[derive(Clone, Copy, Debug)]
enum Change {
    None,
    /// It leaves out the time, which matches any.
    NoTime,
    Time,
    Type,
    Step,
    Detail,
    Cause,
}

fn any_expected() -> impl Strategy<Value = Expected> {
    prop_oneof![
        4 => Just(Expected::Nothing),
        4 => Just(Expected::Beyond(0)),
        2 => (-4..4_i64).prop_map(Expected::Beyond),
        2 => (-4..4_i64).prop_map(Expected::Inside),
        1 => (1..=i64::MAX).prop_map(Expected::Id),
        1 => Just(Expected::Id(i64::MAX)),
    ]
}

fn any_deed() -> impl Strategy<Value = Deed> {
    use Change::{Cause, Detail, NoTime, None, Step, Time, Type};
    let change = select(vec![
        None, None, None, NoTime, Time, Type, Step, Detail, Cause,
    ]);
    let end = (
        any_event(20),
        select(&ENDS[..]),
        select(&OUTPUTS[..]),
        any_expected(),
    );
    let end = end.prop_map(|(event, (event_type, _), (detail, _), expected)| {
        let (event_type, event_detail) = (event_type.to_owned(), detail.to_owned());
        Deed::End {
            event: NewEvent {
                event_type,
                event_detail,
                ..event
            },
            expected,
        }
    });
    prop_oneof![
        12 => (vec(any_event(20), 1..6), any_expected()).prop_map(|(events, expected)| Deed::Append { events, expected }),
        1 => end,
        10 => (any::<Index>(), 1..6_usize, change, vec(any_event(1), 0..2))
            .prop_map(|(from, count, change, behind)| Deed::Repeat { from, count, change, behind }),
        5 => (1..60_i64, 1..20_i64).prop_map(|(first, limit)| Deed::Page { first, limit }),
        1 => Just(Deed::Reopen),
    ]
}

/// The events and their expected id, for a history as long as it is now.
fn placed(deed: Deed, model: &Model) -> (Vec<NewEvent>, Option<i64>) {
    let (mut events, expected) = match deed {
        Deed::Append { events, expected } => (events, expected),
        Deed::End { event, expected } => (vec![event], expected),
        Deed::Repeat {
            from,
            count,
            change,
            behind,
        } => {
            let from = from.index(model.events.len());
            let standing = model.events.iter().skip(from).take(count);
            let behind = behind
                .into_iter()
                .filter(|_| model.status == Status::Running);
            let mut events: Vec<_> = standing.cloned().chain(behind).collect();
            changed(&mut events[0], change);
            return (events, Some(i64::try_from(from).unwrap() + 1));
        }
        Deed::Page { .. } | Deed::Reopen => unreachable!("these append nothing"),
    };
    let expected = match expected {
        Expected::Nothing => None,
        Expected::Beyond(by) => Some(1.max(model.next() + by)),
        Expected::Id(id) => Some(id),
        Expected::Inside(by) => {
            events[0].event_id = Some(1.max(model.next() + by));
            None
        }
    };
    (events, expected)
}

fn changed(event: &mut NewEvent, change: Change) {
    match change {
        Change::None => {}
        Change::NoTime => event.time = None,
        Change::Time => {
            event.time = event
                .time
                .map(|time| at(time.millis() - at(0).millis() + 1))
        }
        Change::Type => event.event_type.push('X'),
        Change::Step => event.step_name.push('x'),
        Change::Detail => event.event_detail.push(' '),
        Change::Cause => {
            event.schedule_event_id = Some(i64::from(event.schedule_event_id == Some(0)))
        }
    }
}

proptest! {
    #![proptest_config(config(48))]

    #[test]
    fn an_execution_does_what_a_plain_list_would_do(deeds in vec(any_deed(), 1..40)) {
        runtime().block_on(async {
            let place = Place::sqlite();
            let mut store = place.with_execution().await;
            let mut model = Model::started();
            for (moment, deed) in (0..).zip(deeds) {
                match deed {
                    Deed::Reopen => {
                        store.close().await;
                        store = place.open().await;
                    }
                    Deed::Page { first, limit } => {
                        prop_assert_eq!(store.page(first, limit).await, model.page(first, limit));
                    }
                    deed => {
                        let (events, expected) = placed(deed, &model);
                        let now = at(moment);
                        let batch = match Batch::new(events.clone(), expected) {
                            Ok(batch) => batch,
                            Err((index, fault)) => {
                                prop_assert_eq!(fault.field, "ScheduleEventId");
                                let first = expected.or(events[0].event_id).unwrap();
                                prop_assert_eq!(Model::misfit(&events, first), Some(index));
                                continue;
                            }
                        };
                        let expected = expected.or(events[0].event_id);
                        let append = AppendEvents { flow: name("f"), execution: name("e"), batch, at: now };
                        let outcome = store.store.append_execution_events(append, None).await.unwrap();
                        prop_assert_eq!(outcome, model.append(&events, expected, now));
                    }
                }
            }
            prop_assert_eq!(store.page(1, 1000).await, model.page(1, 1000));
            let execution = store.describe("e").await;
            prop_assert_eq!(execution.status, model.status);
            prop_assert_eq!(execution.stopped_at, model.stopped_at());
            prop_assert_eq!(execution.output.as_deref(), model.output());
            let again = store.start("e").await;
            prop_assert_eq!(again.err(), model.stopped_at().map(|_| Refusal::ExecutionAlreadyExists));
            Ok(())
        })?;
    }
}
