//! Random operations on a store, one after another and several at the same time, compared with a model of plain
//! lists (`store_model`). The store is closed and opened again in between.

use std::{cell::Cell, sync::Arc};

use flowledger::{
    model::{
        Flow, NewEvent, Status, Timestamp,
        event::{Batch, TASK_FAILED, TASK_SUCCEEDED},
    },
    store::{
        AppendRequest, FlowChange, FlowDeletion, HISTORY_LIMIT_MAX, HistoryQuery, ReportTask,
        StartExecution, StopExecution,
    },
};
use proptest::{
    collection::vec,
    option::weighted,
    prelude::*,
    sample::{Index, select},
    test_runner::{TestCaseResult, TestRunner},
};

use super::{
    config,
    execution_model::{ENDS, ExecutionModel, OUTPUTS},
    histories::{any_event, runtime},
    store_model::{Read, StoreModel, Write},
};
use crate::{
    store::upkeep::change,
    support::{
        pending::submit,
        test_store::{TestDatabase, at, flow, name, nonce, start},
    },
};

/// Few names, so that operations concern the same flows and executions.
const FLOWS: [&str; 2] = ["f", "g"];
const EXECUTIONS: [&str; 2] = ["e", "x"];

/// Operations submitted at the same time. With `closes` the store is closed before their answers are awaited, and
/// opened again afterwards.
#[derive(Clone, Debug)]
struct Round {
    operations: Vec<Operation>,
    reads: Vec<Read>,
    closes: bool,
}

/// A write. Its EventIds are chosen only when it is submitted, because they depend on the events stored by then.
#[derive(Clone, Debug)]
struct Operation {
    flow: &'static str,
    execution: &'static str,
    nonce: Option<u8>,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Create,
    Update,
    Delete,
    Start,
    Stop {
        detail: &'static str,
    },
    Report {
        submitted: Index,
        /// By a token of an earlier flow of the name.
        stale: bool,
        event_type: &'static str,
    },
    /// New events, which expect the next EventId, another one, or none.
    Append {
        events: Vec<NewEvent>,
        expected: Expected,
    },
    /// Events that are stored already, and perhaps new ones after them.
    Repeat {
        from: Index,
        count: usize,
        change: Change,
        behind: Vec<NewEvent>,
    },
}

#[derive(Clone, Copy, Debug)]
enum Expected {
    Nothing,
    /// The next EventId plus this.
    Beyond(i64),
    /// The same, by the EventId of the first event.
    Inside(i64),
    Id(i64),
}

/// How a repeat differs from the stored events.
#[derive(Clone, Copy, Debug)]
enum Change {
    None,
    /// Without the time, which matches any.
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

prop_compose! {
    fn any_end()(
        event in any_event(20),
        (event_type, _) in select(&ENDS[..]),
        (detail, _) in select(&OUTPUTS[..]),
    ) -> NewEvent {
        let (event_type, event_detail) = (event_type.to_owned(), detail.to_owned());
        NewEvent { event_type, event_detail, ..event }
    }
}

fn any_append() -> impl Strategy<Value = Kind> {
    let events = prop_oneof![
        12 => vec(any_event(20), 1..6),
        1 => (vec(any_event(20), 0..2), any_end()).prop_map(|(mut events, end)| {
            events.push(end);
            events
        }),
    ];
    (events, any_expected()).prop_map(|(events, expected)| Kind::Append { events, expected })
}

fn any_repeat() -> impl Strategy<Value = Kind> {
    use Change::{Cause, Detail, NoTime, None, Step, Time, Type};
    let changes = [None, None, None, NoTime, Time, Type, Step, Detail, Cause];
    let behind = vec(any_event(1), 0..2);
    (any::<Index>(), 1..6_usize, select(changes.to_vec()), behind).prop_map(
        |(from, count, change, behind)| Kind::Repeat {
            from,
            count,
            change,
            behind,
        },
    )
}

fn any_kind() -> impl Strategy<Value = Kind> {
    let event_type = select(vec![TASK_SUCCEEDED, TASK_FAILED]);
    let report = (any::<Index>(), prop::bool::weighted(0.1), event_type);
    let report = report.prop_map(|(submitted, stale, event_type)| Kind::Report {
        submitted,
        stale,
        event_type,
    });
    prop_oneof![
        12 => any_append(),
        10 => any_repeat(),
        4 => report,
        4 => Just(Kind::Start),
        2 => Just(Kind::Create),
        1 => Just(Kind::Update),
        1 => Just(Kind::Delete),
        1 => select(&OUTPUTS[..]).prop_map(|(detail, _)| Kind::Stop { detail }),
    ]
}

prop_compose! {
    fn any_operation()(
        flow in select(&FLOWS[..]),
        execution in select(&EXECUTIONS[..]),
        nonce in weighted(0.3, 0..40_u8),
        kind in any_kind(),
    ) -> Operation {
        Operation { flow, execution, nonce, kind }
    }
}

fn any_read() -> impl Strategy<Value = Read> {
    let flow = || select(&FLOWS[..]).prop_map(name);
    let execution = || select(&EXECUTIONS[..]).prop_map(name);
    let query = (1..60_i64, 1..20_i64).prop_map(|(first, limit)| HistoryQuery::range(first, limit));
    prop_oneof![
        1 => flow().prop_map(Read::Flow),
        1 => flow().prop_map(Read::Executions),
        2 => (flow(), execution()).prop_map(|(flow, execution)| Read::Execution(flow, execution)),
        6 => (flow(), execution(), query).prop_map(|(flow, execution, query)| Read::Page(flow, execution, query)),
    ]
}

prop_compose! {
    fn any_round()(
        operations in vec(any_operation(), 0..6),
        reads in vec(any_read(), 0..3),
        closes in prop::bool::weighted(0.05),
    ) -> Round {
        Round { operations, reads, closes }
    }
}

/// The write for the present state of the model; None if its events are no valid batch.
fn write(
    operation: Operation,
    stored: &StoreModel,
    new_id: usize,
    now: Timestamp,
) -> Option<Write> {
    let (flow_name, execution) = (name(operation.flow), name(operation.execution));
    let started = ExecutionModel::started(now);
    let model = stored.execution(&flow_name, &execution).unwrap_or(&started);
    Some(match operation.kind {
        Kind::Create => Write::CreateFlow(Flow {
            id: format!("id of flow {new_id}"),
            ..flow(operation.flow)
        }),
        Kind::Update => Write::UpdateFlow(FlowChange {
            name: flow_name,
            definition: Some(format!("definition {new_id}")),
            at: now,
            ..change()
        }),
        Kind::Delete => Write::DeleteFlow(FlowDeletion {
            name: flow_name,
            at: now,
        }),
        Kind::Start => Write::Start(StartExecution {
            at: now,
            ..start(operation.flow, operation.execution)
        }),
        Kind::Stop { detail } => Write::Stop(StopExecution {
            flow: flow_name,
            execution,
            detail: detail.to_owned(),
            at: now,
        }),
        Kind::Report {
            submitted,
            stale,
            event_type,
        } => Write::Report(ReportTask {
            flow_id: stored
                .flow_id(&flow_name)
                .filter(|_| !stale)
                .unwrap_or_default(),
            flow: flow_name,
            execution,
            submitted: i64::try_from(submitted.index(model.events.len() + 1)).unwrap() + 1,
            event_type,
            detail: "{}".to_owned(),
            at: now,
        }),
        Kind::Append { events, expected } => {
            let batch = batch(events, expected, model)?;
            append(operation.flow, operation.execution, batch, now)
        }
        Kind::Repeat {
            from,
            count,
            change,
            behind,
        } => {
            let from = from.index(model.events.len());
            let repeated = model.events.iter().skip(from).take(count);
            let behind = behind
                .into_iter()
                .filter(|_| model.status == Status::Running);
            let mut events: Vec<_> = repeated.cloned().chain(behind).collect();
            apply_change(&mut events[0], change);
            let first = i64::try_from(from).unwrap() + 1;
            let batch = batch(events, Expected::Id(first), model)?;
            append(operation.flow, operation.execution, batch, now)
        }
    })
}

fn append(flow: &str, execution: &str, batch: Batch, at: Timestamp) -> Write {
    let (flow, execution) = (name(flow), name(execution));
    Write::Append(AppendRequest {
        flow,
        execution,
        batch,
        at,
    })
}

/// The only rule that these events can break is that a ScheduleEventId precedes its event.
fn batch(mut events: Vec<NewEvent>, expected: Expected, model: &ExecutionModel) -> Option<Batch> {
    let expected = match expected {
        Expected::Nothing => None,
        Expected::Beyond(by) => Some(1.max(model.next() + by)),
        Expected::Id(id) => Some(id),
        Expected::Inside(by) => {
            events[0].event_id = Some(1.max(model.next() + by));
            None
        }
    };
    match Batch::new(events.clone(), expected) {
        Ok(batch) => Some(batch),
        Err((index, fault)) => {
            assert_eq!(fault.field, "ScheduleEventId");
            let first = expected.or(events[0].event_id).unwrap();
            assert_eq!(
                ExecutionModel::invalid_schedule_event_id(&events, first),
                Some(index)
            );
            None
        }
    }
}

fn apply_change(event: &mut NewEvent, change: Change) {
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

/// Reads of everything that the store has.
fn all_reads() -> Vec<Read> {
    let executions = FLOWS.map(|flow| EXECUTIONS.map(|execution| (name(flow), name(execution))));
    let whole = HistoryQuery::range(1, HISTORY_LIMIT_MAX);
    let lists = FLOWS.map(|flow| [Read::Flow(name(flow)), Read::Executions(name(flow))]);
    let pages = executions.into_iter().flatten();
    let pages = pages.map(|(flow, execution)| Read::Page(flow, execution, whole.clone()));
    lists.into_iter().flatten().chain(pages).collect()
}

/// Runs the rounds on a new store; returns the number of steps.
async fn run(rounds: Vec<Round>) -> Result<usize, TestCaseError> {
    let database = TestDatabase::sqlite();
    let mut store = database.with_execution().await.inner;
    let mut model = StoreModel::default();
    model.apply(&Write::CreateFlow(flow("f")), None);
    model.apply(&Write::Start(start("f", "e")), None);
    let mut steps = 0;
    for (moment, round) in (1..).zip(rounds) {
        let before = model.clone();
        let mut writes = Vec::new();
        for operation in round.operations {
            let nonce = operation.nonce.map(nonce);
            let Some(write) = write(operation, &model, steps, at(moment)) else {
                continue;
            };
            let expected = model.apply(&write, nonce);
            let shown = format!("{write:?}");
            writes.push((
                submit(write.submit_to(Arc::clone(&store), nonce)),
                expected,
                shown,
            ));
            steps += 1;
        }
        for read in round.reads {
            let expected = [before.expected(&read), model.expected(&read)];
            let shown = read.run(Arc::clone(&store)).await;
            prop_assert!(expected.contains(&shown), "{shown} is none of {expected:?}");
            steps += 1;
        }
        if round.closes {
            store.close().await;
            steps += 1;
        }
        for (answer, expected, shown) in writes {
            prop_assert_eq!(answer.await, expected, "{}", shown);
        }
        if round.closes {
            store = database.open().await.inner;
        }
    }
    for read in all_reads() {
        let expected = model.expected(&read);
        prop_assert_eq!(read.run(Arc::clone(&store)).await, expected);
    }
    store.close().await;
    Ok(steps)
}

#[test]
fn store_behaves_like_a_model_of_plain_lists() {
    let steps = Cell::new(0);
    let check = |rounds| -> TestCaseResult {
        steps.set(steps.get() + runtime().block_on(run(rounds))?);
        Ok(())
    };
    let all = std::env::var_os("CI").is_some();
    let mut runner = TestRunner::new(config(if all { 180 } else { 60 }));
    let result = runner.run(&vec(any_round(), 1..40), check);
    println!("{} steps", steps.get());
    if let Err(fault) = result {
        panic!("{fault}");
    }
    let few = all && steps.get() < 10_000 && std::env::var_os("PROPTEST_CASES").is_none();
    assert!(!few, "CI takes 10,000 steps");
}
