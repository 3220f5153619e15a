//! The write queue with concurrent callers that submit, wait and cancel in any order, while the store is closed or
//! a write fails.
//!
//! The callers and the writer run on one thread, so that the test chooses their interleaving at every await. Only the
//! speed of SQLite's own thread depends on the machine. The channels between threads are tokio's, which checks them
//! with loom.

use std::{sync::Arc, time::Duration};

use flowledger::{
    model::NewEvent,
    store::{Appended, Error, Outcome, Store},
};
use proptest::{collection::vec, prelude::*, sample::Index};
use tokio::task::yield_now;

use super::{config, histories::runtime};
use crate::{
    store::sqlite::{connect, run_on},
    support::{
        pending::{PendingCall, pending, poll_once},
        test_store::{TestDatabase, TestStore, append, detailed},
    },
};

const EXECUTIONS: [&str; 3] = ["e", "second", "third"];

/// The trigger fails every transaction that writes an event with this detail, as a failing disk would.
const POISON: &str = "poison";
const TRIGGER: &str = "
    CREATE TRIGGER poison BEFORE INSERT ON events WHEN instr(NEW.json, 'poison')
    BEGIN SELECT RAISE(ABORT, 'poisoned'); END";

#[derive(Clone, Debug)]
enum Turn {
    /// A new caller submits an append of this many events.
    Append {
        execution: usize,
        events: usize,
        poison: bool,
    },
    /// A waiting caller polls its call once.
    Poll(Index),
    /// A waiting caller drops its call.
    Cancel(Index),
    /// A waiting caller awaits its answer.
    Wait(Index),
    /// The test yields to other tasks this many times.
    Yield(usize),
    Read(usize),
    Close,
}

fn any_turn() -> impl Strategy<Value = Turn> {
    let append = |poison| {
        (0..EXECUTIONS.len(), 1..4_usize).prop_map(move |(execution, events)| Turn::Append {
            execution,
            events,
            poison,
        })
    };
    prop_oneof![
        80 => append(false),
        2 => append(true),
        20 => any::<Index>().prop_map(Turn::Poll),
        15 => any::<Index>().prop_map(Turn::Cancel),
        5 => any::<Index>().prop_map(Turn::Wait),
        30 => (1..8_usize).prop_map(Turn::Yield),
        5 => (0..EXECUTIONS.len()).prop_map(Turn::Read),
        1 => Just(Turn::Close),
    ]
}

struct Caller {
    execution: usize,
    details: Vec<String>,
    /// None after its answer or its cancellation.
    waiting: Option<PendingCall<Outcome<Appended>>>,
    answer: Option<Outcome<Appended>>,
    /// Whether its append need not be stored, because the store was closing when it was submitted.
    may_be_missing: bool,
    /// Whether the store was closed when it was submitted.
    after_close: bool,
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

/// All callers, in the order of submission.
struct Callers {
    store: Arc<dyn Store>,
    all: Vec<Caller>,
    closing: Option<PendingCall<()>>,
    closed: bool,
}

impl Callers {
    fn new(store: Arc<dyn Store>) -> Self {
        Callers {
            store,
            all: Vec::new(),
            closing: None,
            closed: false,
        }
    }

    fn submit(&mut self, execution: usize, events: usize, poison: bool) {
        let number = self.all.len();
        let details = (0..events).map(|event| format!("{number} {event}"));
        let mut details: Vec<_> = details.collect();
        if poison {
            details[events - 1] = POISON.to_owned();
        }
        let batch: Vec<NewEvent> = details.iter().map(|detail| detailed("A", detail)).collect();
        let store = Arc::clone(&self.store);
        let request = append("f", EXECUTIONS[execution], &batch, None);
        let waiting = pending(async move { store.append_execution_events(request, None).await });
        let mut caller = Caller {
            execution,
            details,
            waiting: Some(waiting),
            answer: None,
            may_be_missing: self.closed || self.closing.is_some(),
            after_close: self.closed,
        };
        caller.poll_once();
        self.all.push(caller);
    }

    fn waiting(&mut self, index: Index) -> Option<&mut Caller> {
        let waits = |caller: &&mut Caller| caller.waiting.is_some();
        let mut waiting: Vec<_> = self.all.iter_mut().filter(waits).collect();
        (!waiting.is_empty()).then(|| waiting.swap_remove(index.index(waiting.len())))
    }

    fn close(&mut self) {
        let store = Arc::clone(&self.store);
        let close = || pending(async move { store.close().await });
        let closing = self.closing.get_or_insert_with(close);
        self.closed = self.closed || poll_once(closing).is_some();
    }

    /// How many events of this execution were acknowledged.
    fn acknowledged(&self, execution: usize) -> usize {
        let callers = self.all.iter();
        let acknowledged =
            callers.filter(|caller| caller.execution == execution && caller.acknowledged());
        acknowledged.map(|caller| caller.details.len()).sum()
    }

    async fn end(&mut self) {
        for caller in &mut self.all {
            caller.wait().await;
        }
        match self.closing.take().filter(|_| !self.closed) {
            Some(closing) => closing.await,
            None => self.store.close().await,
        }
        self.closed = true;
    }

    /// Checks that every acknowledged append is stored whole, once and in order, and nothing else but appends without
    /// an answer. Returns the details of each execution.
    async fn check(&self, database: &TestDatabase) -> Result<Vec<Vec<String>>, TestCaseError> {
        let store = database.open().await;
        let mut histories = Vec::new();
        for execution in EXECUTIONS {
            histories.push(store.details(execution).await);
        }
        store.close().await;
        let mut rests: Vec<&[String]> = histories.iter().map(Vec::as_slice).collect();
        let poisoned = self
            .all
            .iter()
            .any(|caller| caller.details.last().unwrap() == POISON);
        for caller in &self.all {
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
                    prop_assert!(!caller.after_close, "acknowledged after the close");
                }
                Some(Ok(Err(refusal))) => prop_assert!(false, "refused: {refusal:?}"),
                Some(Err(Error::Unavailable(_))) => prop_assert!(caller.may_be_missing && !stored),
                Some(Err(error)) => {
                    prop_assert!(poisoned && !stored, "{error}: {:?}", caller.details)
                }
                None => prop_assert!(
                    stored || poisoned || caller.may_be_missing,
                    "{:?}",
                    caller.details
                ),
            }
        }
        for rest in rests {
            prop_assert!(rest.is_empty(), "{rest:?} was never appended here");
        }
        Ok(histories)
    }
}

async fn run(turns: Vec<Turn>) -> Result<(), TestCaseError> {
    let database = TestDatabase::sqlite();
    let store = database.with_execution().await;
    for execution in &EXECUTIONS[1..] {
        store.start(execution).await.unwrap();
    }
    store.close().await;
    run_on(&database.file("test.db"), TRIGGER).await;
    let TestStore { inner: store } = database.open().await;
    let mut callers = Callers::new(store);
    let mut reads = Vec::new();
    for turn in turns {
        match turn {
            Turn::Append {
                execution,
                events,
                poison,
            } => callers.submit(execution, events, poison),
            Turn::Poll(index) => {
                callers.waiting(index).map(Caller::poll_once);
            }
            Turn::Cancel(index) => {
                callers.waiting(index).map(|caller| caller.waiting.take());
            }
            Turn::Wait(index) => {
                if let Some(caller) = callers.waiting(index) {
                    caller.wait().await;
                }
            }
            Turn::Yield(times) => {
                for _ in 0..times {
                    yield_now().await;
                }
            }
            Turn::Read(execution) if callers.closing.is_none() => {
                let acknowledged = callers.acknowledged(execution);
                let store = Arc::clone(&callers.store);
                let details = TestStore { inner: store }
                    .details(EXECUTIONS[execution])
                    .await;
                reads.push((execution, acknowledged, details));
            }
            Turn::Read(_) => {}
            Turn::Close => callers.close(),
        }
    }
    callers.end().await;
    callers.submit(0, 1, false);
    let answer = callers.all.last().and_then(|caller| caller.answer.as_ref());
    prop_assert!(
        matches!(answer, Some(Err(Error::Unavailable(_)))),
        "{answer:?}"
    );
    let histories = callers.check(&database).await?;
    for (execution, acknowledged, details) in reads {
        prop_assert!(
            details.len() >= acknowledged,
            "a read misses an acknowledged event"
        );
        prop_assert!(
            histories[execution].starts_with(&details),
            "an event that was read is gone"
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(64))]

    #[test]
    fn every_append_is_answered_once_and_stored_whole_and_in_order(turns in vec(any_turn(), 1..120)) {
        runtime().block_on(run(turns))?;
    }
}

/// More callers than the queue holds, while another process holds the write lock: the queued appends wait, the
/// others get `Busy` after a second (backpressure), and cancelled ones write nothing.
#[test]
fn appends_beyond_the_queue_get_busy_and_write_nothing() {
    runtime().block_on(async {
        let database = TestDatabase::sqlite();
        let store = database.with_execution().await;
        for execution in &EXECUTIONS[1..] {
            store.start(execution).await.unwrap();
        }
        let mut shell = connect(&database.file("test.db")).await;
        let hold = sqlx::query("BEGIN IMMEDIATE").execute(&mut shell);
        hold.await.unwrap();
        let mut callers = Callers::new(store.inner);
        for number in 0..1024 + 256 + 40 {
            callers.submit(number % EXECUTIONS.len(), 1, false);
        }
        for _ in 0..10 {
            yield_now().await; // the writer takes what it can
        }
        for caller in &mut callers.all {
            caller.poll_once(); // into the places that this frees
        }
        for caller in callers.all.iter_mut().rev().take(20) {
            caller.waiting = None;
            caller.may_be_missing = true;
        }
        tokio::time::pause();
        tokio::time::advance(Duration::from_millis(1001)).await;
        let mut busy = 0;
        for caller in &mut callers.all {
            caller.poll_once();
            if let Some(Err(error)) = caller.answer.take() {
                assert!(matches!(error, Error::Busy(_)), "{error}");
                caller.answer = Some(Err(Error::Unavailable(error.to_string())));
                caller.may_be_missing = true;
                busy += 1;
            }
        }
        tokio::time::resume();
        assert!((20..=276).contains(&busy), "{busy} of 296 got Busy");
        sqlx::query("COMMIT").execute(&mut shell).await.unwrap();
        callers.end().await;
        let histories = callers.check(&database).await.unwrap();
        let stored: usize = histories.iter().map(Vec::len).sum();
        assert_eq!(stored, 1024 + 256 + 40 - 20 - busy);
    });
}
