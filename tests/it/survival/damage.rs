//! Corruption: bits are flipped, bytes overwritten, pages zeroed or swapped, or the file is truncated. Every answer
//! is then what was written, or an error. `PROPTEST_CASES` sets the number of files.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs, panic,
    sync::{
        Once,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use flowledger::{limits::Limits, model::NewEvent, store};
use proptest::{collection::vec, prelude::*, sample::Index, test_runner::TestRunner};
use serde_json::{Value, json};
use sqlx::Row;

use crate::{
    properties::{config, runtime},
    store::sqlite::connect,
    support::{
        Call, Server,
        test_store::{TestDatabase, append, at, detailed, event, flow, start},
    },
};

const PAGE_BYTES: usize = 4096;

/// Longest time to open, read and check a file; more is a hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// A place in the file: a table or an index (so that small ones are damaged as often as large ones), one of its
/// pages, and a byte of the page that is not zero.
type Spot = (Index, Index, Index);

#[derive(Clone, Debug)]
enum Damage {
    /// Flips a bit at each place.
    Flip(Vec<(Spot, u8)>),
    Overwrite(Spot, Vec<u8>),
    Empty(Spot),
    Exchange(Spot, Spot),
    /// Truncates the file here.
    Cut(Spot),
}

fn damage() -> impl Strategy<Value = Damage> {
    let spot = || any::<Spot>();
    prop_oneof![
        6 => vec((spot(), 0..8_u8), 1..=3).prop_map(Damage::Flip),
        2 => (spot(), vec(any::<u8>(), 1..=200)).prop_map(|(spot, bytes)| Damage::Overwrite(spot, bytes)),
        1 => spot().prop_map(Damage::Empty),
        1 => (spot(), spot()).prop_map(|(one, other)| Damage::Exchange(one, other)),
        1 => spot().prop_map(Damage::Cut),
    ]
}

/// A database that was closed cleanly, and what was written to it.
struct Written {
    bytes: Vec<u8>,
    /// The pages of each table and index, counted from 0.
    trees: Vec<Vec<usize>>,
    /// The expected events of each execution.
    histories: BTreeMap<(&'static str, &'static str), Vec<Value>>,
}

/// Two flows whose executions have the same names, and as many events of every size as fill pages of every kind.
async fn written() -> Written {
    let database = TestDatabase::sqlite();
    let store = database.open().await;
    let mut histories = BTreeMap::new();
    for flow_name in ["order", "other"] {
        let _ = store
            .inner
            .create_flow(flow(flow_name), None)
            .await
            .unwrap();
        for (execution, events) in [
            ("e-1", 0),
            ("e-2", 1),
            ("e-3", 59),
            ("e-4", 150),
            ("e-5", 300),
        ] {
            let started = start(flow_name, execution);
            let _ = store.inner.start_execution(started, None).await.unwrap();
            let mut events: Vec<_> = (0..events)
                .map(|n| {
                    detailed(
                        "StepEntered",
                        &format!("{flow_name} {execution} {n} {}", "x".repeat(n % 90)),
                    )
                })
                .collect();
            if execution == "e-4" {
                events[70] = detailed("StepEntered", &"long ".repeat(6000)); // on pages of its own
                events[149] = event("ExecutionSucceeded");
            }
            for batch in events.chunks(100) {
                let append = append(flow_name, execution, batch, None);
                let appended = store.inner.append_execution_events(append, None).await;
                appended.unwrap().unwrap();
            }
            histories.insert((flow_name, execution), answered(&events));
        }
    }
    store.close().await;
    Written {
        trees: trees(&database).await,
        bytes: fs::read(database.file("test.db")).unwrap(),
        histories,
    }
}

/// A whole history as it is answered.
fn answered(events: &[NewEvent]) -> Vec<Value> {
    let started = detailed("ExecutionStarted", r#"{"input":{}}"#);
    let events = std::iter::once(&started).chain(events);
    let answered = (1..).zip(events).map(|(id, event)| {
        let time = at(if id == 1 { 0 } else { 10_000 }).to_string();
        json!({"Type": event.event_type, "EventId": id, "Time": time, "ScheduleEventId": id - 1,
            "EventDetail": event.event_detail, "StepName": ""})
    });
    answered.collect()
}

async fn trees(database: &TestDatabase) -> Vec<Vec<usize>> {
    let mut connection = connect(&database.file("test.db")).await;
    let rows = sqlx::query("SELECT name, pageno FROM dbstat ORDER BY name, pageno");
    let rows = rows.fetch_all(&mut connection).await.unwrap();
    let mut trees: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for row in rows {
        let page: u32 = row.get(1);
        trees.entry(row.get(0)).or_default().push(page as usize - 1);
    }
    trees.into_values().collect()
}

impl Written {
    fn page(&self, (tree, page, _): &Spot) -> usize {
        *page.get(tree.get::<Vec<usize>>(&self.trees).as_slice()) * PAGE_BYTES
    }

    fn byte(&self, spot: &Spot) -> usize {
        let page = self.page(spot);
        let bytes = self.bytes[page..].iter().take(PAGE_BYTES).enumerate();
        let used: Vec<_> = bytes
            .filter(|(_, byte)| **byte != 0)
            .map(|(at, _)| page + at)
            .collect();
        *spot.2.get(used.as_slice())
    }

    fn damaged(&self, damage: &Damage) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        match damage {
            Damage::Flip(flips) => {
                for (spot, bit) in flips {
                    bytes[self.byte(spot)] ^= 1 << bit;
                }
            }
            Damage::Overwrite(spot, with) => {
                let from = self.byte(spot);
                for (byte, with) in bytes[from..].iter_mut().zip(with) {
                    *byte = *with;
                }
            }
            Damage::Empty(spot) => bytes[self.page(spot)..][..PAGE_BYTES].fill(0),
            Damage::Exchange(one, other) => {
                let (one, other) = (self.page(one), self.page(other));
                let page = bytes[one..][..PAGE_BYTES].to_vec();
                bytes.copy_within(other..other + PAGE_BYTES, one);
                bytes[other..][..PAGE_BYTES].copy_from_slice(&page);
            }
            Damage::Cut(spot) => bytes.truncate(self.byte(spot)),
        }
        bytes
    }
}

/// Counts of outcomes.
#[derive(Debug, Default)]
struct Counts {
    files: usize,
    files_not_opened: usize,
    /// By `flowledger check`.
    files_sound: usize,
    pages_right: usize,
    pages_refused: usize,
    /// 404: damage may hide a name, which then looks as if it never existed.
    pages_not_found: usize,
}

impl Counts {
    /// Opens a damaged file and reads all histories in pages of several sizes.
    async fn read_all(&mut self, written: &Written, damage: &Damage) -> Result<(), TestCaseError> {
        let database = TestDatabase::sqlite();
        fs::write(database.file("test.db"), written.damaged(damage)).unwrap();
        self.files += 1;
        let store = match store::open(&database.url, at(0)).await {
            Ok(store) => store,
            Err(fault) => {
                self.files_not_opened += 1;
                prop_assert!(
                    fault.contains("test.db: ") && !fault.contains(char::is_control),
                    "{}",
                    fault
                );
                return Ok(());
            }
        };
        let server = Server::with_store(store, database, Limits::default()).await;
        let met = self.pages_refused + self.pages_not_found;
        for ((flow, execution), events) in &written.histories {
            for limit in [60, 1000] {
                for first in (0..=events.len()).step_by(limit) {
                    let call = Call::new("GetExecutionHistory")
                        .query("FlowName", flow)
                        .query("ExecutionName", execution)
                        .query("Limit", &limit.to_string())
                        .query("NextToken", &(first + 1).to_string());
                    let answer = server.call(call).await;
                    match answer.status {
                        200 => {
                            let last = events.len().min(first + limit);
                            let next = (last < events.len()).then(|| json!((last + 1).to_string()));
                            prop_assert_eq!(&answer.json["Events"], &json!(events[first..last]));
                            prop_assert_eq!(answer.json.get("NextToken"), next.as_ref());
                            self.pages_right += 1;
                        }
                        404 => self.pages_not_found += 1,
                        _ => {
                            let (status, code, _) = answer.refusal();
                            prop_assert_eq!((status, code.as_str()), (500, "InternalServerError"));
                            self.pages_refused += 1;
                        }
                    }
                }
            }
        }
        let database = server.stop().await;
        let checked = store::check(&database.url, false, &mut |_, _| {}).await;
        let faults = checked.map_or_else(|fault| vec![fault], |checked| checked.faults);
        self.files_sound += usize::from(faults.is_empty());
        let met = self.pages_refused + self.pages_not_found > met;
        prop_assert!(
            !(met && faults.is_empty()),
            "the check misses what a read has met"
        );
        Ok(())
    }
}

/// Number of panics on this thread, where the server runs, and on threads of the database library.
fn panics() -> usize {
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    static COUNTED: Once = Once::new();
    let own = thread::current().id();
    COUNTED.call_once(|| {
        let tell = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            let thread = thread::current();
            if thread.id() == own || thread.name().is_some_and(|name| name.starts_with("sqlx")) {
                PANICS.fetch_add(1, Relaxed);
            }
            tell(panic);
        }));
    });
    PANICS.load(Relaxed)
}

#[test]
fn read_of_a_damaged_file_returns_what_was_written_or_an_error() {
    let runtime = runtime();
    let written = runtime.block_on(written());
    let counts = RefCell::new(Counts::default());
    assert_eq!(panics(), 0);
    let mut runner = TestRunner::new(config(40));
    let read = runner.run(&damage(), |damage| {
        runtime.block_on(async {
            let mut now = counts.take();
            let read = tokio::time::timeout(PATIENCE, now.read_all(&written, &damage)).await;
            counts.replace(now);
            read.unwrap_or_else(|_| Err(TestCaseError::fail("it hangs")))
        })?;
        prop_assert_eq!(panics(), 0);
        Ok(())
    });
    let counts = counts.into_inner();
    println!("{counts:?}");
    read.unwrap();
    assert!(counts.pages_right > counts.files && counts.pages_refused > counts.files / 4);
}
