//! A client that appends batch after batch, as an engine should whose server may crash at any moment: an append
//! without an answer is retried with the same ExpectedEventId, which is idempotent. It records acknowledged batches.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use flowledger::clock::Clock;
use proptest::{prelude::RngExt, test_runner::TestRng};
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{Instant, sleep},
};

use super::{
    Answer, Call,
    audit::{Batch, StoredBatch},
};

/// One request in this many is sent only in part; another one is sent whole, and its connection is closed before the
/// answer.
const HANG_UP_ONE_IN: u32 = 20;
/// One batch in this many ends the execution.
const END_ONE_IN: u32 = 150;

/// Appends to execution `family-0` of flow `f` until it has ended, then to `family-1` and so on.
pub struct Appender {
    id: u64,
    family: String,
    /// Whether other appenders use the same executions.
    shared: bool,
    generation: u32,
    /// Whether its execution is known to exist.
    started: bool,
    /// The ExpectedEventId of the next append.
    next: i64,
    /// A batch that was sent whole and is not answered.
    pub pending: Option<Batch>,
    batches: u64,
    random: TestRng,
    pub report: Report,
}

/// What an appender has recorded.
#[derive(Default)]
pub struct Report {
    pub acknowledged: Vec<StoredBatch>,
    /// Executions whose start was acknowledged.
    pub started: Vec<String>,
    /// Batches of which only a part was sent.
    pub never_sent: Vec<Batch>,
    /// Connections closed before the answer.
    pub hang_ups: u64,
    /// Appends refused because another appender came first.
    pub conflicts: u64,
    /// When each unanswered request was sent.
    pub unanswered: Vec<Instant>,
    /// Answers 429 and 5xx.
    pub unavailable: u64,
    /// Answers that break the contract.
    pub faults: Vec<String>,
}

impl Appender {
    pub fn new(id: u64, family: &str, shared: bool, random: TestRng) -> Self {
        Appender {
            id,
            family: family.to_owned(),
            shared,
            generation: 0,
            started: false,
            next: 2,
            pending: None,
            batches: 0,
            random,
            report: Report::default(),
        }
    }

    /// Appends until `down` is set. If there are several servers, each request goes to another one.
    pub async fn run(mut self, servers: Arc<[SocketAddr]>, down: Arc<AtomicBool>) -> Self {
        let mut stream = None;
        let mut turns = servers.iter().cycle();
        while !down.load(Relaxed) {
            let address = *turns.next().expect("a server");
            let sent = self.send_request(address, &mut stream).await;
            if sent.is_err() || servers.len() > 1 {
                stream = None;
            }
            if sent.is_err() {
                sleep(Duration::from_millis(1)).await;
            }
        }
        self
    }

    fn execution(&self) -> String {
        format!("{}-{}", self.family, self.generation)
    }

    fn call(&self, action: &str) -> Call {
        let call = Call::new(action)
            .at(Clock::System.now().millis())
            .form("FlowName", "f")
            .form("ExecutionName", &self.execution());
        let acs3 = self.id.is_multiple_of(2);
        Call { acs3, ..call }
    }

    /// Sends one request and handles its answer.
    ///
    /// # Errors
    /// The connection failed before the answer.
    async fn send_request(
        &mut self,
        address: SocketAddr,
        stream: &mut Option<TcpStream>,
    ) -> io::Result<()> {
        let open = match stream.take() {
            Some(open) => open,
            None => TcpStream::connect(address).await?,
        };
        let open = stream.insert(open);
        open.set_nodelay(true)?;
        if !self.started {
            let request = self.call("StartExecution").bytes();
            let answer = self.exchange(stream, &request).await?;
            self.start_answered(&answer).await;
            return Ok(());
        }
        let batch = self.pending.unwrap_or_else(|| self.new_batch());
        let request = self
            .call("AppendExecutionEvents")
            .form("ExpectedEventId", &self.next.to_string())
            .form("Events", &batch.events())
            .bytes();
        match self.random.random_range(0..HANG_UP_ONE_IN) {
            0 => {
                if self.pending.is_none() {
                    self.report.never_sent.push(batch);
                }
                let part = self.random.random_range(0..request.len());
                open.write_all(&request[..part]).await?;
                *stream = None;
            }
            1 => {
                self.pending = Some(batch);
                self.report.hang_ups += 1;
                open.write_all(&request).await?;
                *stream = None;
            }
            _ => {
                self.pending = Some(batch);
                let answer = self.exchange(stream, &request).await?;
                self.append_answered(batch, &answer).await;
            }
        }
        Ok(())
    }

    /// Sends a request and awaits its answer. Closes the connection if the server asks for it.
    async fn exchange(
        &mut self,
        stream: &mut Option<TcpStream>,
        request: &[u8],
    ) -> io::Result<Answer> {
        let mut open = stream.take().ok_or(io::ErrorKind::NotConnected)?;
        open.write_all(request).await?;
        let sent = Instant::now();
        let answer = Answer::try_read(&mut open).await;
        match &answer {
            Ok(answer) if answer.header("connection") == Some("close") => {}
            Ok(_) => *stream = Some(open),
            Err(_) => self.report.unanswered.push(sent),
        }
        answer
    }

    fn new_batch(&mut self) -> Batch {
        self.batches += 1;
        let random = &mut self.random;
        let size = match random.random_range(0..100) {
            0 => random.random_range(200..=500),
            1..10 => random.random_range(10..=50),
            _ => random.random_range(1..=6),
        };
        Batch {
            appender: self.id,
            number: self.batches,
            size,
            ends: random.random_range(0..END_ONE_IN) == 0,
        }
    }

    async fn start_answered(&mut self, answer: &Answer) {
        match (answer.status, answer.json["Code"].as_str()) {
            (200, _) | (_, Some("ExecutionAlreadyExists")) => {
                self.started = true;
                self.report.started.push(self.execution());
            }
            _ => self.unexpected_answer(answer).await,
        }
    }

    async fn append_answered(&mut self, batch: Batch, answer: &Answer) {
        match (answer.status, answer.json["Code"].as_str()) {
            (200, _) => {
                let range = ["FirstEventId", "LastEventId"].map(|name| answer.json[name].as_i64());
                let last = self.next + batch.size as i64 - 1;
                if range != [Some(self.next), Some(last)] {
                    self.fault(format!("{batch:?} at {}: {}", self.next, answer.text));
                }
                let (execution, first) = (self.execution(), self.next);
                let placed = StoredBatch {
                    batch,
                    execution,
                    first,
                };
                self.report.acknowledged.push(placed);
                self.pending = None;
                self.next = last + 1;
                if batch.ends {
                    self.next_generation();
                }
            }
            // The batch was not stored: EventIds are never freed, so these belong to another batch for ever.
            (_, Some("ConcurrentUpdateError")) if self.shared => {
                let message = answer.json["Message"].as_str().unwrap_or_default();
                let next = message.rsplit("The next EventId is ").next();
                let next = next.and_then(|rest| rest.trim_end_matches('.').parse().ok());
                match next {
                    Some(next) if next > self.next => self.next = next,
                    _ => self.fault(format!("{batch:?} at {}: {}", self.next, answer.text)),
                }
                self.report.conflicts += 1;
            }
            (_, Some("ExecutionAlreadyCompleted")) if self.shared => self.next_generation(),
            _ => self.unexpected_answer(answer).await,
        }
    }

    fn next_generation(&mut self) {
        self.generation += 1;
        self.started = false;
        self.next = 2;
    }

    /// Handles any other answer: overload and 5xx are counted, all else is a fault.
    async fn unexpected_answer(&mut self, answer: &Answer) {
        if answer.status == 429 || answer.status >= 500 {
            self.report.unavailable += 1;
            sleep(Duration::from_millis(5)).await;
        } else {
            self.fault(format!(
                "{} at {}: {}",
                self.execution(),
                self.next,
                answer.text
            ));
            sleep(Duration::from_millis(50)).await; // so that faults stay countable
        }
    }

    fn fault(&mut self, fault: String) {
        self.report
            .faults
            .push(format!("appender {}: {fault}", self.id));
    }
}
