//! Fault injection: each storage call of a server run fails once, or from then on. It returns an I/O error,
//! writes half of its bytes, finds no room, fails to sync, or is followed by SIGKILL. Afterwards everything that
//! was acknowledged must be there.
//!
//! A plain run tries some calls; `FAULTS_STRIDE=1` tries each one and prints the outcomes (`--nocapture`).

use std::{collections::BTreeMap, fmt, fs, rc::Rc};

use serde_json::json;
use sqlx::Connection;
use tokio::{
    sync::Semaphore,
    task::{JoinSet, LocalSet, spawn_local},
};

use super::process::{End, Process};
use crate::{
    migration::{self, RELEASED},
    store::sqlite::connect,
    support::{
        Call,
        test_store::{TestDatabase, flow, name},
    },
};

/// Kind of a fault, and whether all later calls fail too.
type Fault = (&'static str, bool);

const FAULTS: [Fault; 9] = [
    ("kill", false),
    ("torn-kill", false),
    ("torn", false),
    ("sync", false),
    ("sync", true),
    ("eio", false),
    ("eio", true),
    ("enospc", false),
    ("enospc", true),
];

/// Batches that are appended, and the events of each.
const BATCHES: usize = 4;
const BATCH: usize = 3;
/// A flow, an execution, the batches.
const STEPS: usize = 2 + BATCHES;

/// When a fault happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Start,
    Work,
    Stop,
}

/// The database files with which a run begins.
struct Origin {
    name: String,
    database: TestDatabase,
    /// Events of the execution `running`; 0 if there is no database.
    running: usize,
}

impl Origin {
    async fn all() -> Vec<Rc<Self>> {
        let origin = |name: &str, database, running| Origin {
            name: name.to_owned(),
            database,
            running,
        };
        let mut all = vec![origin("nothing", TestDatabase::sqlite(), 0)];
        for (age, _) in RELEASED {
            let database = TestDatabase::sqlite();
            migration::make(&database, age).await;
            all.push(origin(&format!("schema {}", &age[..4]), database, 1));
        }
        let database = TestDatabase::sqlite();
        migration::make(&database, RELEASED[0].0).await;
        let running = killed_at_work(&database).await;
        all.push(origin("a killed server", database, running));
        all.into_iter().map(Rc::new).collect()
    }

    /// Name of a flow that does not exist yet.
    fn new_flow(&self) -> &'static str {
        if self.running == 0 { "f" } else { "g" }
    }

    fn copy(&self) -> TestDatabase {
        let copy = TestDatabase::sqlite();
        for file in fs::read_dir(self.database.file("")).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), copy.file(file.file_name().to_str().unwrap())).unwrap();
        }
        copy
    }
}

/// Leaves a write-ahead log to recover, of nearly the length at which a checkpoint is made. Returns the number of
/// events of the execution `running`.
async fn killed_at_work(database: &TestDatabase) -> usize {
    let mut process = Process::start(&database.file(""), &[]).await;
    let mut events = 1;
    let pages = || fs::metadata(database.file("test.db-wal")).unwrap().len() / 4096;
    while pages() < 985 {
        let append = Call::new("AppendExecutionEvents")
            .form("FlowName", "f")
            .form("ExecutionName", "running")
            .form("Events", r#"[{"Type":"A"}]"#);
        assert_eq!(process.call(append).await.unwrap().0, 200);
        events += 1;
    }
    process.kill().await;
    events
}

/// The environment in which the `n`-th call that can have this fault fails.
fn fault(database: &TestDatabase, (kind, lasts): Fault, n: usize) -> Vec<(&'static str, String)> {
    let mut environment = vec![
        ("FAULT", kind.to_owned()),
        ("FAULT_AT", n.to_string()),
        (
            "FAULT_REPORT",
            database.file("report").display().to_string(),
        ),
    ];
    if lasts {
        environment.push(("FAULT_LASTS", String::new()));
    }
    environment
}

/// A server run in which one call failed.
struct ServerRun {
    phase: Phase,
    /// The failed call and its file.
    failed: (String, String),
    end: End,
    /// Steps that were acknowledged, in order.
    acknowledged: usize,
    /// Answers 500.
    errors: usize,
}

impl ServerRun {
    /// Runs a server. None if it made fewer than `n` calls.
    async fn with_fault(
        origin: &Origin,
        database: &TestDatabase,
        fault: Fault,
        n: usize,
    ) -> Option<Self> {
        let reported = || database.file("report").exists();
        let environment = self::fault(database, fault, n);
        let mut process = Process::start(&database.file(""), &environment).await;
        let mut phase = reported().then_some(Phase::Start);
        let (acknowledged, errors) = work(&process, origin).await;
        phase = phase.or(reported().then_some(Phase::Work));
        let end = process.stop().await;
        let report = fs::read_to_string(database.file("report")).ok()?;
        let (call, path) = report.split_once(' ').unwrap();
        let file = path.rsplit('/').next().unwrap();
        Some(ServerRun {
            phase: phase.unwrap_or(Phase::Stop),
            failed: (call.to_owned(), file.to_owned()),
            end,
            acknowledged,
            errors,
        })
    }

    /// Asserts that the server ended as it must after this fault.
    fn check(&self, (kind, lasts): Fault) {
        let (call, file) = (self.failed.0.as_str(), self.failed.1.as_str());
        let gave_up = matches!(self.end, End::GaveUp(_));
        let database = file.starts_with("test.db");
        match (kind, call, self.phase) {
            ("kill" | "torn-kill", ..) => assert_eq!(self.end, End::Killed),
            // SQLite does not report a failed fsync of a folder.
            ("sync", ..) | ("eio", "sync", _) if database => {
                assert!(gave_up, "it goes on after {call} {file}")
            }
            // Each start recreates the log's index, and the run file may be older than the database.
            ("torn", ..) | ("eio", "write", _)
                if !file.ends_with("-shm") && !file.ends_with(".run") =>
            {
                assert!(gave_up, "it goes on after {call} {file}");
            }
            ("enospc", _, Phase::Work) => {
                assert_eq!(self.end, End::Stopped);
                assert!(lasts || self.acknowledged == STEPS, "it does not go on");
            }
            _ => assert_ne!(self.end, End::Killed),
        }
    }
}

/// Does all steps, each with retries until it is acknowledged. Returns how many were acknowledged, and how many
/// answers were 500.
async fn work(process: &Process, origin: &Origin) -> (usize, usize) {
    let mut errors = 0;
    for step in 0..STEPS {
        let mut tries = 0;
        loop {
            let Some((status, text)) = process.call(call(step, origin)).await else {
                return (step, errors);
            };
            match status {
                200 => break,
                // An earlier try was answered 500 and took effect.
                409 if tries > 0 && step == 0 => break,
                500 if tries < 2 => (errors, tries) = (errors + 1, tries + 1),
                500 => return (step, errors + 1),
                _ => panic!("step {step}: {status} {text}"),
            }
        }
        let page = Call::new("GetExecutionHistory")
            .query("FlowName", "f")
            .query("ExecutionName", "mine");
        let read = process.call(page).await;
        assert!(read.is_none_or(|(status, _)| matches!(status, 200 | 404 | 429 | 500)));
    }
    (STEPS, errors)
}

fn call(step: usize, origin: &Origin) -> Call {
    match step {
        0 => Call::new("CreateFlow")
            .form("Name", origin.new_flow())
            .form("Definition", "version: v1")
            .form("Type", "FDL"),
        1 => Call::new("StartExecution")
            .form("FlowName", "f")
            .form("ExecutionName", "mine"),
        _ => {
            let batch = step - 2;
            let events: Vec<_> = (0..BATCH)
                .map(|i| json!({"Type": "StepEntered", "EventDetail": detail(batch * BATCH + i)}))
                .collect();
            Call::new("AppendExecutionEvents")
                .form("FlowName", "f")
                .form("ExecutionName", "mine")
                .form("ExpectedEventId", &(2 + batch * BATCH).to_string())
                .form("Events", &json!(events).to_string())
        }
    }
}

/// Long enough that a batch takes several pages.
fn detail(event: usize) -> String {
    format!("{event} {}", "x".repeat(1500))
}

/// Opens the files after a run: what was acknowledged is there, no batch is there in part, and writes work.
async fn audit(origin: &Origin, database: &TestDatabase, acknowledged: usize) {
    let store = database.open().await;
    let mut done = 0;
    if origin.running > 0 {
        assert_eq!(store.history("running").await.len(), origin.running);
    }
    let new_flow = name(origin.new_flow());
    if store.inner.describe_flow(&new_flow).await.unwrap().is_ok() {
        done = 1;
        let (f, mine) = (name("f"), name("mine"));
        if store
            .inner
            .describe_execution(&f, &mine)
            .await
            .unwrap()
            .is_ok()
        {
            let details = store.details("mine").await;
            assert_eq!(details, (0..details.len()).map(detail).collect::<Vec<_>>());
            assert_eq!(details.len() % BATCH, 0, "half a batch");
            done = 2 + details.len() / BATCH;
        }
    }
    // A step that was not acknowledged may have been done.
    assert!(
        done == acknowledged || done == acknowledged + 1,
        "{done} steps were done, {acknowledged} acknowledged"
    );
    let after = store.inner.create_flow(flow("after"), None).await;
    assert!(after.unwrap().is_ok());
    store.close().await;
    if origin.running > 0 {
        migration::assert_old_rows_are_served(database).await;
    }
    let mut connection = connect(&database.file("test.db")).await;
    let level = migration::user_version(&mut connection).await;
    assert_eq!(level, RELEASED.len() as i64);
    let faults: String = sqlx::query_scalar("PRAGMA integrity_check")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(faults, "ok");
    connection.close().await.unwrap();
}

/// Counts of outcomes.
#[derive(Default)]
struct Tally {
    phases: [usize; 3],
    gave_up: usize,
    went_on: usize,
    killed: usize,
    errors: usize,
    acknowledged: usize,
}

impl Tally {
    fn add(&mut self, run: &ServerRun) {
        self.phases[run.phase as usize] += 1;
        match run.end {
            End::GaveUp(_) => self.gave_up += 1,
            End::Stopped => self.went_on += 1,
            End::Killed => self.killed += 1,
        }
        self.errors += run.errors;
        self.acknowledged += run.acknowledged;
    }
}

const HEADER: &str = "\
| fault | at start | at work | at stop | killed | ended, exit code 1 | went on | answers 500 | acknowledged, all there |
|---|---|---|---|---|---|---|---|---|";

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [start, work, stop] = self.phases;
        let ends = [
            self.killed,
            self.gave_up,
            self.went_on,
            self.errors,
            self.acknowledged,
        ];
        write!(f, "{start} | {work} | {stop}")?;
        ends.iter().try_for_each(|count| write!(f, " | {count}"))
    }
}

/// Calls between two that fail in a plain run. A prime number, so that all kinds of calls are tried.
const STRIDE: usize = 199;
/// Server runs at a time; they mostly wait for the disk.
const TOGETHER: usize = 4;

/// Lets these calls fail, one in each run, until a run has fewer calls. Returns the runs that passed, and a line
/// for each that failed.
async fn try_calls(
    origin: Rc<Origin>,
    fault: Fault,
    calls: impl Iterator<Item = usize>,
    turns: Rc<Semaphore>,
) -> (Vec<ServerRun>, Vec<String>) {
    let (mut runs, mut wrong) = (Vec::new(), Vec::new());
    for n in calls {
        let _turn = turns.acquire().await.unwrap();
        let what = format!("{fault:?} at call {n} of a run from {}", origin.name);
        let origin = Rc::clone(&origin);
        let run = spawn_local(async move {
            let database = origin.copy();
            let run = ServerRun::with_fault(&origin, &database, fault, n).await?;
            run.check(fault);
            audit(&origin, &database, run.acknowledged).await;
            Some(run)
        });
        match run.await {
            Ok(Some(run)) => runs.push(run),
            Ok(None) => break, // fewer calls than that
            Err(failure) => wrong.push(format!("{what}: {failure}")),
        }
    }
    (runs, wrong)
}

#[tokio::test]
async fn failing_storage_call_loses_and_breaks_nothing() {
    LocalSet::new().run_until(try_all()).await;
}

async fn try_all() {
    let stride = std::env::var("FAULTS_STRIDE").map_or(STRIDE, |stride| stride.parse().unwrap());
    let turns = Rc::new(Semaphore::new(TOGETHER));
    let mut rounds = JoinSet::new();
    for origin in Origin::all().await {
        for fault in FAULTS {
            let stride = match fault.0 {
                "kill" | "eio" => stride,
                "sync" => stride.div_ceil(16), // there are few
                _ => stride.div_ceil(4),
            };
            let first = 1 + rounds.len() * 7 % stride; // different calls in each round
            let (origin, turns) = (Rc::clone(&origin), Rc::clone(&turns));
            rounds.spawn_local(async move {
                let from = origin.name.clone();
                let calls = (first..).step_by(stride);
                (fault, from, try_calls(origin, fault, calls, turns).await)
            });
        }
    }
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    let mut wrong = Vec::new();
    while let Some(round) = rounds.join_next().await {
        let ((kind, lasts), from, (runs, failures)) = round.unwrap();
        wrong.extend(failures);
        let more = if lasts { ", and all later ones" } else { "" };
        for row in [
            format!("{kind}{more}"),
            format!("from {from}"),
            "~ all".to_owned(),
        ] {
            let tally = tallies.entry(row).or_default();
            runs.iter().for_each(|run| tally.add(run));
        }
    }
    println!("{HEADER}");
    for (row, tally) in tallies {
        println!("| {row} | {tally} |");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
