//! Overload: with many times more calls than the server can answer, each is answered correctly or throttled,
//! memory stays flat, and afterwards latency is as before.

use std::{
    cell::Cell,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use flowledger::store::Error;
use futures_util::future::join_all;
use tokio::{
    io::AsyncWriteExt,
    task::JoinSet,
    time::{Instant, sleep},
};

use super::client::{Connection, Reply, Served, Times, append, call, page, setting, start};
use crate::support::{
    Call,
    test_store::{TestDatabase, event},
};

/// Executions that all clients read, and their first events.
const HOT: usize = 4;
const HOT_EVENTS: i64 = 1000;
/// Pause of a throttled client before its retry: much shorter than the server asks for.
const PAUSE: Duration = Duration::from_millis(20);
/// Bound of memory growth from the first third of the run to the last: 32 MiB of nonces and the allocator.
const GROWTH_MAX_MIB: u64 = 64;
/// Bound of memory in a run of seconds.
const MEMORY_MAX_MIB: u64 = 256;
/// Longest wait for the first answer after the load.
const RECOVERY: Duration = Duration::from_secs(1);

/// Counts of the answers of all clients.
#[derive(Default)]
struct Tally {
    answered: AtomicU64,
    throttled: AtomicU64,
    conflicts: AtomicU64,
    /// Executions with one writer each, and the EventId that it will write next.
    own: Mutex<Vec<(String, i64)>>,
}

impl Tally {
    /// Counts an answer. Returns whether the call succeeded; panics on an answer that must not occur.
    fn count(&self, call: &Call, reply: &Reply) -> bool {
        let count = match reply.status {
            200 => &self.answered,
            429 if reply.retry_after => &self.throttled,
            409 if call.action == "AppendExecutionEvents" => &self.conflicts,
            status => panic!("{status} to {}: {}", call.action, reply.body),
        };
        count.fetch_add(1, Relaxed);
        reply.status == 200
    }
}

/// One client among many; it sends requests until it is aborted.
struct Client {
    served: Arc<Served>,
    tally: Arc<Tally>,
    number: usize,
    connection: Connection,
}

impl Client {
    async fn run(mut self) {
        match self.number % 16 {
            0..7 => self.read().await,
            7..9 => self.list().await,
            9..12 => self.append().await,
            12 => self.compete().await,
            13 => self.come_and_go().await,
            14 if self.number % 32 == 14 => self.upload().await,
            14 => self.read_large().await,
            _ => self.not_read().await,
        }
    }

    /// The answer's body, unless the call was throttled or conflicts.
    async fn ask(&mut self, call: &Call) -> Option<String> {
        let begun = Instant::now();
        let asked = self.connection.ask(call).await;
        let reply = asked
            .unwrap_or_else(|fault| panic!("{} after {:?}: {fault}", call.action, begun.elapsed()));
        if self.tally.count(call, &reply) {
            return Some(reply.body);
        }
        sleep(PAUSE).await;
        None
    }

    fn hot(&self) -> String {
        format!("hot{}", self.number % HOT)
    }

    /// Pages of an execution that others read and write.
    async fn read(&mut self) {
        let execution = self.hot();
        for first in (1..HOT_EVENTS - 100).step_by(13).cycle() {
            if let Some(body) = self.ask(&page(&execution, first, 100)).await {
                assert_eq!(body.matches("\"EventId\":").count(), 100);
                for expected in [
                    format!("\"EventId\":{first},"),
                    format!("\"NextToken\":\"{}\"", first + 100),
                ] {
                    assert!(body.contains(&expected), "no {expected} in {body}");
                }
            }
        }
    }

    async fn list(&mut self) {
        let execution = self.hot();
        loop {
            let list = call("ListExecutions").query("FlowName", "f");
            self.ask(&list).await;
            let describe = call("DescribeExecution").query("FlowName", "f");
            let describe = describe.query("ExecutionName", &execution);
            if let Some(body) = self.ask(&describe).await {
                assert!(
                    body.contains(&format!("\"Name\":\"{execution}\"")),
                    "{body}"
                );
            }
        }
    }

    /// Appends to an execution of its own, of which it knows everything.
    async fn append(&mut self) {
        let execution = format!("own{}", self.number);
        while self.ask(&start(&execution)).await.is_none() {}
        let own = self.register(&execution);
        for next in (2..).step_by(2) {
            let append = append(&execution, Some(next), 2, detail_bytes(next));
            while self.ask(&append.with_new_nonce()).await.is_none() {}
            self.tally.own.lock().unwrap()[own].1 = next + 2;
        }
    }

    fn register(&self, execution: &str) -> usize {
        let mut own = self.tally.own.lock().unwrap();
        own.push((execution.to_owned(), 2));
        own.len() - 1
    }

    /// Appends to a shared execution; most appends conflict.
    async fn compete(&mut self) {
        let execution = self.hot();
        loop {
            let describe = page(&execution, i64::MAX, 1);
            self.ask(&describe).await;
            self.ask(&append(
                &execution,
                Some(HOT_EVENTS + 2),
                3,
                50 + self.number,
            ))
            .await;
            self.ask(&append(&execution, None, 3, 50)).await;
        }
    }

    /// Opens a connection for each call.
    async fn come_and_go(&mut self) {
        let execution = self.hot();
        loop {
            self.connection = self.served.connect().await;
            self.ask(&page(&execution, 1, 10)).await;
        }
    }

    /// Makes large appends.
    async fn upload(&mut self) {
        let execution = format!("upload{}", self.number);
        while self.ask(&start(&execution)).await.is_none() {}
        let large = append(&execution, None, 14, 60_000);
        loop {
            self.ask(&large.with_new_nonce()).await;
            sleep(Duration::from_secs(1)).await; // or the disk fills up
        }
    }

    async fn read_large(&mut self) {
        loop {
            if let Some(body) = self.ask(&page("large", 1, 151)).await {
                assert_eq!(body.matches("\"EventId\":").count(), 151);
            }
        }
    }

    /// Requests a large page, reads nothing, and hangs up.
    async fn not_read(&mut self) {
        loop {
            self.connection = self.served.connect().await;
            let request = page("large", 1, 151).bytes();
            self.connection.stream.write_all(&request).await.unwrap();
            sleep(Duration::from_secs(2)).await;
        }
    }
}

/// Length of the details of a batch, derived from its first EventId.
fn detail_bytes(first: i64) -> usize {
    usize::try_from(10 + first % 50).unwrap()
}

/// Asserts that all acknowledged events are there in order, and nothing else except perhaps one batch whose
/// answer was not awaited.
async fn audit(served: &Served, execution: &str, next: i64) {
    let mut connection = served.connect().await;
    let mut first = 1;
    loop {
        let body = connection.ok(&page(execution, first, 1000)).await;
        for event in body["Events"].as_array().unwrap() {
            assert_eq!(event["EventId"], first);
            if first > 1 {
                let detail = event["EventDetail"].as_str().unwrap();
                assert_eq!(detail.len(), detail_bytes(first - first % 2));
            }
            first += 1;
        }
        if body.get("NextToken").is_none() {
            break;
        }
    }
    assert!(first == next || first == next + 2, "{first}, not {next}");
}

/// Measures the latency of a well-behaved client.
async fn times(served: &Served) -> Times {
    let mut connection = served.connect().await;
    let mut times = Times::default();
    for _ in 0..200 {
        let begun = Instant::now();
        connection.ok(&page("hot0", 1, 100)).await;
        times.add(begun.elapsed());
    }
    times
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overloaded_server_answers_or_throttles_and_recovers() {
    let seconds = setting("OVERLOAD_SECONDS", 0);
    let whole = seconds > 0;
    let connections = setting("OVERLOAD_CONNECTIONS", if whole { 512 } else { 64 });
    let time = Duration::from_secs(if whole { seconds } else { 5 });
    let served = Arc::new(Served::start().await);
    for hot in 0..HOT {
        served.fill(&format!("hot{hot}"), HOT_EVENTS, 100).await;
    }
    served.fill("large", 150, 60_000).await;
    let normal = times(&served).await.percentile(99);

    let tally = Arc::new(Tally::default());
    let mut clients = JoinSet::new();
    for number in 0..usize::try_from(connections).unwrap() {
        let client = Client {
            served: Arc::clone(&served),
            tally: Arc::clone(&tally),
            number,
            connection: served.connect().await,
        };
        clients.spawn(client.run());
    }
    let begun = Instant::now();
    let mut memory = Vec::new();
    while begun.elapsed() < time {
        sleep(time / 60).await;
        memory.push(served.memory());
        if let Some(ended) = clients.try_join_next() {
            ended.unwrap();
        }
    }
    clients.shutdown().await;

    let stopped = Instant::now();
    served.connect().await.ok(&page("hot0", 1, 100)).await;
    let recovery = stopped.elapsed();
    sleep(RECOVERY.saturating_sub(recovery)).await;
    let after = times(&served).await.percentile(99);
    let (third, most) = (memory.len() / 3, |part: &[u64]| *part.iter().max().unwrap());
    let (early, late) = (
        most(&memory[..third]),
        most(&memory[memory.len() - third..]),
    );
    println!(
        "{connections} connections, {time:?}: {} answered, {} throttled, {} conflicts; memory {early} MiB, then {late} MiB; \
         p99 {normal:?} before, {after:?} after; the first answer after {recovery:?}",
        tally.answered.load(Relaxed),
        tally.throttled.load(Relaxed),
        tally.conflicts.load(Relaxed),
    );
    // A run of seconds is too short to compare: memory still grows to its normal size.
    let most = if whole {
        early + GROWTH_MAX_MIB
    } else {
        MEMORY_MAX_MIB
    };
    assert!(late <= most, "{memory:?}");
    assert!(!whole || recovery <= RECOVERY, "{recovery:?}");
    assert!(
        !whole || after <= normal * 2 + Duration::from_millis(5),
        "{after:?}, {normal:?} before"
    );
    let own = tally.own.lock().unwrap().clone();
    for (execution, next) in own {
        audit(&served, &execution, next).await;
    }
    assert_eq!(served.log(), "");
}

/// While the database is locked, writes beyond the queue are throttled, reads go on, and queued writes are done
/// later.
#[tokio::test]
async fn reads_go_on_while_writes_stall() {
    let database = TestDatabase::sqlite();
    let store = database.with_execution().await;
    let other = rusqlite::Connection::open(database.file("test.db")).unwrap();
    other.busy_timeout(Duration::ZERO).unwrap();
    // A write of the store's own cannot end while this thread is blocked.
    while other.execute_batch("BEGIN IMMEDIATE").is_err() {
        sleep(Duration::from_millis(5)).await;
    }

    // More than one group and the queue hold.
    let refused = Cell::new(0);
    let appends = join_all((0..1400).map(async |_| {
        let appended = store.try_append(&[event("TaskStarted")], None).await;
        if let Err(Error::Busy(_)) = appended {
            refused.set(refused.get() + 1);
        }
        appended.is_ok()
    }));
    let reads = async {
        while refused.get() == 0 {
            assert_eq!(store.page(1, 10).await.last_event_id, 1);
            sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(store.page(1, 10).await.last_event_id, 1);
        other.execute_batch("ROLLBACK").unwrap();
    };
    let (appended, ()) = tokio::join!(appends, reads);
    let written = appended.iter().filter(|written| **written).count();
    assert_eq!(written + refused.get(), 1400);
    assert_eq!(store.history("e").await.len(), 1 + written);
    assert!(written > 0);
}
