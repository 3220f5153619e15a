//! The writer's queue under callers that come, wait, and go away in any order, while a close or a failing
//! write comes between.
//!
//! Everything of ours runs on one thread here, so that the order of events is chosen at every point where
//! a task waits; only how fast SQLite's own thread answers is left to the machine. What lies below (channels
//! between threads) is tokio's, and model-checked there.

use std::{sync::Arc, time::Duration};

use flowledger::{
    model::NewEvent,
    store::{Appended, Error, Outcome, Store},
};
use proptest::{collection::vec, prelude::*, sample::Index};
use tokio::task::yield_now;

use super::{config, ledger::runtime};
use crate::{
    store::sqlite::{connect, run_on},
    support::{
        pending::{PendingCall, pending, poll_once},
        test_store::{TestDatabase, TestStore, append, detailed},
    },
};

const EXECUTIONS: [&str; 3] = ["e", "second", "third"];

/// Fails every transaction that writes such an event, as a broken disk would.
const POISON: &str = "poison";
const TRIGGER: &str = "
    CREATE TRIGGER poison BEFORE INSERT ON events WHEN instr(NEW.json, 'poison')
    BEGIN SELECT RAISE(ABORT, 'poisoned'); END";

#[derive(Clone, Debug)]
enum Turn {
    /// Somebody comes and asks for so many events.
    Ask {
        execution: usize,
        events: usize,
        poison: bool,
    },
    /// One of those who wait looks whether there is an answer.
    Nudge(Index),
    /// One of those who wait goes away.
    HangUp(Index),
    /// One of those who wait does nothing else until there is an answer.
    Wait(Index),
    /// Whatever else has something to do does it.
    Yield(usize),
    Read(usize),
    Close,
}

fn any_turn() -> impl Strategy<Value = Turn> {
    let ask = |poison| {
        (0..EXECUTIONS.len(), 1..4_usize).prop_map(move |(execution, events)| Turn::Ask {
            execution,
            events,
            poison,
        })
    };
    prop_oneof![
        80 => ask(false),
        2 => ask(true),
        20 => any::<Index>().prop_map(Turn::Nudge),
        15 => any::<Index>().prop_map(Turn::HangUp),
        5 => any::<Index>().prop_map(Turn::Wait),
        30 => (1..8_usize).prop_map(Turn::Yield),
        5 => (0..EXECUTIONS.len()).prop_map(Turn::Read),
        1 => Just(Turn::Close),
    ]
}

struct Caller {
    execution: usize,
    details: Vec<String>,
    /// None once it is answered or given up.
    waiting: Option<PendingCall<Outcome<Appended>>>,
    answer: Option<Outcome<Appended>>,
    /// Whether the store was being closed when it came, or was closed.
    late: bool,
    too_late: bool,
}

impl Caller {
    fn poll_once(&mut self) {
        self.answer = self.waiting.as_mut().and_then(poll_once);
        if self.answer.is_some() {
            self.waiting = None;
        }
    }

    async fn wait(&mut self) {
        if let Some(waiting) = self.waiting.take() {
            let answer = tokio::time::timeout(Duration::from_secs(60), waiting).await;
            self.answer = Some(answer.expect("every caller gets an answer"));
        }
    }

    fn acknowledged(&self) -> bool {
        matches!(self.answer, Some(Ok(Ok(_))))
    }
}

/// Those who came, in the order in which they came.
struct Crowd {
    store: Arc<dyn Store>,
    callers: Vec<Caller>,
    closing: Option<PendingCall<()>>,
    closed: bool,
}

impl Crowd {
    fn new(store: Arc<dyn Store>) -> Self {
        Crowd {
            store,
            callers: Vec::new(),
            closing: None,
            closed: false,
        }
    }

    fn ask(&mut self, execution: usize, events: usize, poison: bool) {
        let number = self.callers.len();
        let details = (0..events).map(|event| format!("{number} {event}"));
        let mut details: Vec<_> = details.collect();
        if poison {
            details[events - 1] = POISON.to_owned();
        }
        let batch: Vec<NewEvent> = details.iter().map(|detail| detailed("A", detail)).collect();
        let store = Arc::clone(&self.store);
        let ask = append("f", EXECUTIONS[execution], &batch, None);
        let waiting = pending(async move { store.append_execution_events(ask, None).await });
        let mut caller = Caller {
            execution,
            details,
            waiting: Some(waiting),
            answer: None,
            late: self.closed || self.closing.is_some(),
            too_late: self.closed,
        };
        caller.poll_once();
        self.callers.push(caller);
    }

    fn waiting(&mut self, index: Index) -> Option<&mut Caller> {
        let waits = |caller: &&mut Caller| caller.waiting.is_some();
        let mut waiting: Vec<_> = self.callers.iter_mut().filter(waits).collect();
        (!waiting.is_empty()).then(|| waiting.swap_remove(index.index(waiting.len())))
    }

    fn close(&mut self) {
        let store = Arc::clone(&self.store);
        let close = || pending(async move { store.close().await });
        let closing = self.closing.get_or_insert_with(close);
        self.closed = self.closed || poll_once(closing).is_some();
    }

    /// How many were acknowledged on this execution, of those who came with their events.
    fn acknowledged(&self, execution: usize) -> usize {
        let callers = self.callers.iter();
        let acknowledged =
            callers.filter(|caller| caller.execution == execution && caller.acknowledged());
        acknowledged.map(|caller| caller.details.len()).sum()
    }

    async fn end(&mut self) {
        for caller in &mut self.callers {
            caller.wait().await;
        }
        match self.closing.take().filter(|_| !self.closed) {
            Some(closing) => closing.await,
            None => self.store.close().await,
        }
        self.closed = true;
    }

    /// What is stored is what was acknowledged and what nobody heard of, whole, once, in order; answers the
    /// details of each execution.
    async fn check(&self, database: &TestDatabase) -> Result<Vec<Vec<String>>, TestCaseError> {
        let store = database.open().await;
        let mut histories = Vec::new();
        for execution in EXECUTIONS {
            histories.push(store.details(execution).await);
        }
        store.close().await;
        let mut rests: Vec<&[String]> = histories.iter().map(Vec::as_slice).collect();
        let poisoned = self
            .callers
            .iter()
            .any(|caller| caller.details.last().unwrap() == POISON);
        for caller in &self.callers {
            let rest = &mut rests[caller.execution];
            let first = histories[caller.execution].len() - rest.len() + 2; // after event 1
            let stored = rest.starts_with(&caller.details);
            if stored {
                *rest = &rest[caller.details.len()..];
            }
            match &caller.answer {
                Some(Ok(Ok(appended))) => {
                    prop_assert!(stored, "acknowledged: {:?}", caller.details);
                    prop_assert_eq!(usize::try_from(appended.first), Ok(first));
                    let last = first + caller.details.len() - 1;
                    prop_assert_eq!(usize::try_from(appended.last), Ok(last));
                    prop_assert!(!caller.too_late, "acknowledged after the close");
                }
                Some(Ok(Err(refusal))) => prop_assert!(false, "refused: {refusal:?}"),
                Some(Err(Error::Unavailable(_))) => prop_assert!(caller.late && !stored),
                Some(Err(error)) => {
                    prop_assert!(poisoned && !stored, "{error}: {:?}", caller.details)
                }
                None => prop_assert!(stored || poisoned || caller.late, "{:?}", caller.details),
            }
        }
        for rest in rests {
            prop_assert!(rest.is_empty(), "nobody asked for {rest:?} here");
        }
        Ok(histories)
    }
}

async fn meet(turns: Vec<Turn>) -> Result<(), TestCaseError> {
    let database = TestDatabase::sqlite();
    let store = database.with_execution().await;
    for execution in &EXECUTIONS[1..] {
        store.start(execution).await.unwrap();
    }
    store.close().await;
    run_on(&database.file("test.db"), TRIGGER).await;
    let TestStore { inner: store } = database.open().await;
    let mut crowd = Crowd::new(store);
    let mut reads = Vec::new();
    for turn in turns {
        match turn {
            Turn::Ask {
                execution,
                events,
                poison,
            } => crowd.ask(execution, events, poison),
            Turn::Nudge(index) => {
                crowd.waiting(index).map(Caller::poll_once);
            }
            Turn::HangUp(index) => {
                crowd.waiting(index).map(|caller| caller.waiting.take());
            }
            Turn::Wait(index) => {
                if let Some(caller) = crowd.waiting(index) {
                    caller.wait().await;
                }
            }
            Turn::Yield(times) => {
                for _ in 0..times {
                    yield_now().await;
                }
            }
            Turn::Read(execution) if crowd.closing.is_none() => {
                let acknowledged = crowd.acknowledged(execution);
                let store = Arc::clone(&crowd.store);
                let details = TestStore { inner: store }
                    .details(EXECUTIONS[execution])
                    .await;
                reads.push((execution, acknowledged, details));
            }
            Turn::Read(_) => {}
            Turn::Close => crowd.close(),
        }
    }
    crowd.end().await;
    crowd.ask(0, 1, false);
    let answer = crowd
        .callers
        .last()
        .and_then(|caller| caller.answer.as_ref());
    prop_assert!(
        matches!(answer, Some(Err(Error::Unavailable(_)))),
        "{answer:?}"
    );
    let histories = crowd.check(&database).await?;
    for (execution, acknowledged, details) in reads {
        prop_assert!(
            details.len() >= acknowledged,
            "an acknowledged event is not seen"
        );
        prop_assert!(
            histories[execution].starts_with(&details),
            "what is seen stays"
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(64))]

    #[test]
    fn whoever_asks_is_answered_once_and_what_is_stored_is_whole_and_in_order(turns in vec(any_turn(), 1..120)) {
        runtime().block_on(meet(turns))?;
    }
}

/// More callers than the queue holds, while somebody else holds the database: those in the queue wait, the
/// others are told to come again after a second, and those who go away were never there.
#[test]
fn callers_for_whom_there_is_no_room_are_told_so_and_leave_no_trace() {
    runtime().block_on(async {
        let database = TestDatabase::sqlite();
        let store = database.with_execution().await;
        for execution in &EXECUTIONS[1..] {
            store.start(execution).await.unwrap();
        }
        let mut shell = connect(&database.file("test.db")).await;
        let hold = sqlx::query("BEGIN IMMEDIATE").execute(&mut shell);
        hold.await.unwrap();
        let mut crowd = Crowd::new(store.inner);
        for number in 0..1024 + 256 + 40 {
            crowd.ask(number % EXECUTIONS.len(), 1, false);
        }
        for _ in 0..10 {
            yield_now().await; // the writer takes what it can
        }
        for caller in &mut crowd.callers {
            caller.poll_once(); // into the room that this makes
        }
        for caller in crowd.callers.iter_mut().rev().take(20) {
            caller.waiting = None;
            caller.late = true; // need not be stored
        }
        tokio::time::pause();
        tokio::time::advance(Duration::from_millis(1001)).await;
        let mut told = 0;
        for caller in &mut crowd.callers {
            caller.poll_once();
            if let Some(Err(error)) = caller.answer.take() {
                assert!(matches!(error, Error::Busy(_)), "{error}");
                caller.answer = Some(Err(Error::Unavailable(error.to_string())));
                caller.late = true;
                told += 1;
            }
        }
        tokio::time::resume();
        assert!((20..=276).contains(&told), "{told} of 296 were told");
        sqlx::query("COMMIT").execute(&mut shell).await.unwrap();
        crowd.end().await;
        let histories = crowd.check(&database).await.unwrap();
        let stored: usize = histories.iter().map(Vec::len).sum();
        assert_eq!(stored, 1024 + 256 + 40 - 20 - told);
    });
}
