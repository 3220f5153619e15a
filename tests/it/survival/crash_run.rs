//! Repeated crashes under load: eight appenders write to a server that is stopped again and again; after each
//! restart an audit compares the histories with what was acknowledged.

use std::{
    collections::BTreeSet,
    mem,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use flowledger::clock::Clock;
use proptest::{
    prelude::RngExt,
    test_runner::{RngAlgorithm, TestRng},
};
use serde_json::Value;
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    task::JoinHandle,
    time::{Instant, sleep},
};

use crate::{
    cli::Process,
    support::{
        Answer, Call,
        appender::{Appender, Report},
        audit::{Audit, Faults, StoredBatch},
    },
};

/// The access key of `Call`; no request log.
pub const ENVIRONMENT: [(&str, &str); 3] = [
    ("FLOWLEDGER_ACCESS_KEY_ID", "testid"),
    ("FLOWLEDGER_ACCESS_KEY_SECRET", "testsecret"),
    ("RUST_LOG", "warn"),
];

/// Cycles between two audits of all histories. The other audits read what is new.
const WHOLE_AUDIT_EVERY: u32 = 500;

pub struct CrashRun {
    pub random: TestRng,
    seed: u64,
    appenders: Vec<Appender>,
    cycles: u32,
    acknowledged: Vec<StoredBatch>,
    /// How many of them have been audited.
    settled: usize,
    executions: BTreeSet<String>,
    audit: Audit,
    totals: Totals,
}

/// Running appenders.
pub struct Work {
    appenders: Vec<JoinHandle<Appender>>,
    down: Arc<AtomicBool>,
}

#[derive(Default)]
struct Totals {
    /// Batches without an answer when the server went down that were stored, and that were not.
    there: u64,
    not_there: u64,
    never_sent: u64,
    hang_ups: u64,
    conflicts: u64,
    unavailable: u64,
    /// Events read by all audits.
    events: u64,
}

impl CrashRun {
    /// Creates eight appenders, three of which share their executions. The variable `SEED` repeats the random
    /// numbers of a run, not its timing.
    pub fn new() -> Self {
        let given = std::env::var("SEED").ok();
        let seed = given.map_or_else(
            || Clock::System.now().millis().unsigned_abs(),
            |seed| seed.parse().expect("SEED"),
        );
        println!("SEED={seed}");
        let random = |stream: u64| {
            let seed = [seed, stream, 0, 0].map(u64::to_le_bytes).concat();
            TestRng::from_seed(RngAlgorithm::ChaCha, &seed)
        };
        let appender = |id| match id {
            1..=3 => Appender::new(id, "shared", true, random(id)),
            _ => Appender::new(id, &format!("own-{id}"), false, random(id)),
        };
        CrashRun {
            random: random(0),
            seed,
            appenders: (1..=8).map(appender).collect(),
            cycles: 0,
            acknowledged: Vec::new(),
            settled: 0,
            executions: BTreeSet::new(),
            audit: Audit::default(),
            totals: Totals::default(),
        }
    }

    /// Starts the server, audits, runs the appenders for a random time, and stops the server by `end`. Its log
    /// goes to `folder`.
    pub async fn cycle(&mut self, folder: &Path, url: &str, end: impl FnOnce(Process)) {
        let server = self.start(folder, url).await;
        let work = self.work(&[server.address]);
        sleep(self.moment()).await;
        tokio::task::block_in_place(|| end(server));
        self.rest(work).await;
    }

    /// Starts the server and audits.
    pub async fn start(&mut self, folder: &Path, url: &str) -> Process {
        let server = Process::serve(folder, &["--database-url", url], &ENVIRONMENT);
        if self.cycles == 0 {
            create_flow(server.address).await;
        }
        self.cycles += 1;
        let whole = self.cycles.is_multiple_of(WHOLE_AUDIT_EVERY);
        self.audit(server.address, whole).await;
        server
    }

    /// Starts the appenders.
    pub fn work(&mut self, servers: &[SocketAddr]) -> Work {
        let down = Arc::new(AtomicBool::new(false));
        let servers: Arc<[SocketAddr]> = servers.into();
        let appenders = mem::take(&mut self.appenders).into_iter();
        let appenders =
            appenders.map(|appender| tokio::spawn(appender.run(servers.clone(), down.clone())));
        Work {
            appenders: appenders.collect(),
            down,
        }
    }

    /// A random duration of the next load.
    pub fn moment(&mut self) -> Duration {
        Duration::from_millis(self.random.random_range(20..300))
    }

    /// Stops the appenders after the server went down. Returns when each request without an answer was sent.
    pub async fn rest(&mut self, work: Work) -> Vec<Instant> {
        work.down.store(true, Relaxed);
        let mut unanswered = Vec::new();
        for appender in work.appenders {
            let mut appender = appender.await.unwrap();
            let report = mem::take(&mut appender.report);
            unanswered.extend_from_slice(&report.unanswered);
            self.take(report);
            self.appenders.push(appender);
        }
        unanswered
    }

    /// Starts the server once more and audits all histories.
    pub async fn finish(mut self, folder: &Path, url: &str) {
        let server = Process::serve(folder, &["--database-url", url], &ENVIRONMENT);
        self.audit(server.address, true).await;
        let Totals {
            there,
            not_there,
            never_sent,
            hang_ups,
            conflicts,
            unavailable,
            events,
        } = self.totals;
        println!(
            "{} cycles, {} executions, {} batches acknowledged, {events} events audited\n\
             no answer before the end: {there} batches were there, {not_there} were not\n\
             {never_sent} requests broken off, {hang_ups} answers not waited for, {conflicts} conflicts, \
             {unavailable} times unavailable\n\
             lost 0, duplicated 0, reordered 0, torn 0",
            self.cycles,
            self.executions.len(),
            self.acknowledged.len(),
        );
        assert!(!self.acknowledged.is_empty(), "no batch was acknowledged");
    }

    fn take(&mut self, report: Report) {
        assert!(report.faults.is_empty(), "{self}: {:#?}", report.faults);
        self.acknowledged.extend(report.acknowledged);
        self.executions.extend(report.started);
        self.totals.never_sent += report.never_sent.len() as u64;
        self.totals.hang_ups += report.hang_ups;
        self.totals.conflicts += report.conflicts;
        self.totals.unavailable += report.unavailable;
        self.audit.never_sent(report.never_sent);
    }

    /// Reads new events, or all, and compares them with what was acknowledged.
    async fn audit(&mut self, address: SocketAddr, whole: bool) {
        let pending: Vec<_> = self.appenders.iter().filter_map(|a| a.pending).collect();
        let pending: Vec<_> = pending
            .iter()
            .filter(|batch| !self.audit.contains(batch))
            .collect();
        let mut stream = TcpStream::connect(address).await.unwrap();
        let growing = self
            .executions
            .iter()
            .filter(|name| !self.audit.ended(name));
        for execution in growing.cloned().collect::<Vec<_>>() {
            read(&mut stream, &mut self.audit, &execution).await;
        }
        self.audit
            .check_acknowledged(&self.acknowledged[self.settled..]);
        self.settled = self.acknowledged.len();
        let there = pending
            .iter()
            .filter(|batch| self.audit.contains(batch))
            .count();
        self.totals.there += there as u64;
        self.totals.not_there += (pending.len() - there) as u64;
        assert_eq!(self.audit.faults, Faults::default(), "{self}");
        self.totals.events += mem::take(&mut self.audit.events);
        if whole {
            let mut audit = self.audit.restarted();
            for execution in &self.executions {
                read(&mut stream, &mut audit, execution).await;
            }
            audit.check_acknowledged(&self.acknowledged);
            assert_eq!(audit.faults, Faults::default(), "{self}: everything");
            self.totals.events += audit.events;
        }
    }
}

impl std::fmt::Display for CrashRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cycle {} of SEED={}", self.cycles, self.seed)
    }
}

/// Reads the events of an execution that the audit has not read.
async fn read(stream: &mut TcpStream, audit: &mut Audit, execution: &str) {
    let about = |action| {
        Call::new(action)
            .at(Clock::System.now().millis())
            .query("FlowName", "f")
            .query("ExecutionName", execution)
    };
    let mut events = Vec::new();
    let mut from = Some(audit.resume_from(execution).to_string());
    while let Some(token) = from {
        let page = about("GetExecutionHistory")
            .query("Limit", "1000")
            .query("NextToken", &token);
        let mut page = ask(stream, &page).await;
        events.append(page["Events"].as_array_mut().unwrap());
        from = page["NextToken"].as_str().map(str::to_owned);
    }
    audit.read(execution, &events);
    let status = ask(stream, &about("DescribeExecution")).await["Status"].take();
    let expected = if audit.ended(execution) {
        "Succeeded"
    } else {
        "Running"
    };
    if status != expected {
        audit
            .faults
            .torn
            .push(format!("{execution} is {status}, not {expected}"));
    }
}

/// Returns the answer of a call that must succeed. Calls that are throttled are retried.
pub async fn ask(stream: &mut TcpStream, call: &Call) -> Value {
    loop {
        stream
            .write_all(&call.with_new_nonce().bytes())
            .await
            .unwrap();
        let answer = Answer::read(stream).await;
        if answer.status != 429 {
            assert_eq!(answer.status, 200, "{}: {}", call.action, answer.text);
            return answer.json;
        }
    }
}

/// Creates flow `f` with a running execution `quiet`, which the appenders do not use.
pub async fn create_flow(address: SocketAddr) {
    let create = Call::new("CreateFlow")
        .at(Clock::System.now().millis())
        .form("Name", "f")
        .form("Definition", "version: v1")
        .form("Type", "FDL");
    let mut stream = TcpStream::connect(address).await.unwrap();
    ask(&mut stream, &create).await;
    let start = Call::new("StartExecution")
        .at(Clock::System.now().millis())
        .form("FlowName", "f")
        .form("ExecutionName", "quiet");
    ask(&mut stream, &start).await;
}
