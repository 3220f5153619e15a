//! The server as a process whose memory and sockets are observed, and a light client for it.

use std::{fs, io, time::Duration};

use flowledger::clock::Clock;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

use crate::{cli::Process, support::Call};

const KEY: (&str, &str) = ("load", "load-secret");
/// The key of clients that must not delay those with `KEY`.
pub const SLOW_KEY: (&str, &str) = ("slow", "slow-secret");
/// Longest wait for an answer; more is a hang.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server with flow `f`.
pub struct Served {
    pub process: Process,
    folder: TempDir,
}

impl Served {
    pub async fn start() -> Self {
        rlimit::increase_nofile_limit(u64::MAX).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let keys = [KEY, SLOW_KEY].map(|(id, secret)| {
            format!("[[key]]\nid = \"{id}\"\nsecret = \"{secret}\"\nrole = \"admin\"\n")
        });
        fs::write(folder.path().join("keys.toml"), keys.concat()).unwrap();
        let environment = [("FLOWLEDGER_KEYS", "keys.toml"), ("RUST_LOG", "error")];
        let process = Process::serve(folder.path(), &[], &environment);
        let served = Served { process, folder };
        let create = call("CreateFlow")
            .form("Name", "f")
            .form("Definition", "version: v1")
            .form("Type", "FDL");
        served.connect().await.ok(&create).await;
        served
    }

    pub async fn connect(&self) -> Connection {
        Connection::open(self.process.address).await.unwrap()
    }

    /// Starts an execution and appends `events` events with details of `detail_bytes` bytes.
    pub async fn fill(&self, execution: &str, events: i64, detail_bytes: usize) {
        let mut connection = self.connect().await;
        connection.ok(&start(execution)).await;
        let batch = i64::try_from(500_000 / detail_bytes).unwrap().min(1000);
        let mut next = 2;
        while next < events + 2 {
            let count = batch.min(events + 2 - next);
            connection
                .ok(&append(execution, Some(next), count, detail_bytes))
                .await;
            next += count;
        }
    }

    /// Anonymous memory of the server, in MiB.
    pub fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("RssAnon:"));
        let kib: u64 = line
            .unwrap()
            .split_whitespace()
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        kib / 1024
    }

    /// Open sockets of the server, with its listener.
    pub fn sockets(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.process.id()))
            .unwrap()
            .filter_map(|file| fs::read_link(file.ok()?.path()).ok())
            .filter(|target| target.to_string_lossy().starts_with("socket:"))
            .count()
    }

    /// The log, which has errors only.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}

/// A call with the server's access key, signed now.
pub fn call(action: &str) -> Call {
    Call::new(action)
        .key(KEY.0, KEY.1)
        .at(Clock::System.now().millis())
}

pub fn start(execution: &str) -> Call {
    call("StartExecution")
        .form("FlowName", "f")
        .form("ExecutionName", execution)
}

/// Appends events that all have the same detail.
pub fn append(execution: &str, expected: Option<i64>, count: i64, detail_bytes: usize) -> Call {
    let event = json!({
        "Type": "TaskStarted",
        "EventDetail": format!("\"{}\"", "d".repeat(detail_bytes.saturating_sub(2))),
    });
    let events = Value::from(vec![event; usize::try_from(count).unwrap()]);
    let mut call = call("AppendExecutionEvents")
        .form("FlowName", "f")
        .form("ExecutionName", execution)
        .form("Events", &events.to_string());
    if let Some(expected) = expected {
        call = call.form("ExpectedEventId", &expected.to_string());
    }
    call
}

pub fn page(execution: &str, first: i64, limit: i64) -> Call {
    call("GetExecutionHistory")
        .query("FlowName", "f")
        .query("ExecutionName", execution)
        .query("NextToken", &first.to_string())
        .query("Limit", &limit.to_string())
}

/// A keep-alive connection, for one call at a time.
pub struct Connection {
    pub stream: TcpStream,
    bytes: Vec<u8>,
}

/// The parts of an answer that load tests look at.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    /// Has `x-acs-retry-after`.
    pub retry_after: bool,
    pub body: String,
}

impl Connection {
    pub async fn open(address: std::net::SocketAddr) -> io::Result<Self> {
        let stream = timeout(PATIENCE, TcpStream::connect(address)).await??;
        stream.set_nodelay(true)?;
        Ok(Connection {
            stream,
            bytes: Vec::new(),
        })
    }

    /// Makes one call. Panics if there is no answer in time.
    pub async fn ask(&mut self, call: &Call) -> io::Result<Reply> {
        timeout(PATIENCE, self.exchange(&call.bytes()))
            .await
            .unwrap_or_else(|_| panic!("no answer to {} for {PATIENCE:?}", call.action))
    }

    /// Makes a call that must succeed; retries while it is throttled.
    pub async fn ok(&mut self, call: &Call) -> Value {
        let begun = Instant::now();
        loop {
            let reply = self.ask(&call.with_new_nonce()).await.unwrap();
            if reply.status == 429 && begun.elapsed() < PATIENCE {
                continue;
            }
            assert_eq!(reply.status, 200, "{}", reply.body);
            return serde_json::from_str(&reply.body).unwrap();
        }
    }

    async fn exchange(&mut self, request: &[u8]) -> io::Result<Reply> {
        self.stream.write_all(request).await?;
        let bytes = &mut self.bytes;
        bytes.clear();
        let head = loop {
            if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if self.stream.read_buf(bytes).await? == 0 {
                return Err(io::Error::other("closed before an answer"));
            }
        };
        let text = std::str::from_utf8(&bytes[..head]).unwrap().to_lowercase();
        let length: usize = text
            .split("\r\n")
            .find_map(|line| line.strip_prefix("content-length: "))
            .expect("Content-Length")
            .parse()
            .unwrap();
        let (status, retry_after) = (
            text[9..12].parse().unwrap(),
            text.contains("x-acs-retry-after: "),
        );
        bytes.reserve(head + length - bytes.len());
        while bytes.len() < head + length {
            if self.stream.read_buf(bytes).await? == 0 {
                let ended = format!("closed after {} of {length} bytes", bytes.len() - head);
                return Err(io::Error::other(ended));
            }
        }
        assert_eq!(bytes.len(), head + length, "one answer, no more");
        Ok(Reply {
            status,
            retry_after,
            body: String::from_utf8(bytes[head..].to_vec()).unwrap(),
        })
    }
}

/// A number from an environment variable.
pub fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// Latencies of answers.
#[derive(Default)]
pub struct Times(Vec<Duration>);

impl Times {
    pub fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// The latency at this percentile.
    pub fn percentile(&mut self, percent: usize) -> Duration {
        self.0.sort();
        self.0[(self.0.len() * percent / 100).min(self.0.len() - 1)]
    }
}
