//! A server in this process on a temporary file, and calls to it over real HTTP.

pub mod appender;
pub mod audit;
pub mod backend;
pub mod browser;
pub mod call;
pub mod pending;
pub mod source;
pub mod test_store;

use std::{
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use flowledger::{
    auth::{Authenticator, keys::Keys},
    clock::Clock,
    limits::Limits,
    model::Timestamp,
    server::{self, App},
    store::{self, Store},
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};

pub use call::Call;

use backend::Backend;
use test_store::TestDatabase;

/// The time of fixed clocks: 2026-11-22T12:00:00Z, in milliseconds since 1970.
pub const NOW: i64 = 1_795_348_800_000;

/// The keys of every test server: one for each role, one that sees some flows only, one with a security
/// token, one that has expired.
pub const KEYS: &str = r#"
[[key]]
id = "testid"
secret = "testsecret"
role = "admin"

[[key]]
id = "writer"
secret = "writer-secret"
role = "writer"

[[key]]
id = "reader"
secret = "reader-secret"
role = "reader"

[[key]]
id = "narrow"
secret = "narrow-secret"
role = "admin"
flows = ["reader-*", "exact"]

[[key]]
id = "sts"
secret = "sts-secret"
role = "admin"
security_token = "sts-token"
expires = "2027-01-01T00:00:00Z"

[[key]]
id = "expired"
secret = "expired-secret"
role = "admin"
expires = "2026-11-22T12:00:00Z"
"#;

/// A running server with an empty database. Its clock is fixed at `NOW` until a test sets it.
pub struct Server {
    pub address: std::net::SocketAddr,
    pub app: Arc<App>,
    database: TestDatabase,
    stop: oneshot::Sender<()>,
    task: JoinHandle<bool>,
}

/// An HTTP answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub text: String,
    /// The text as JSON, or null.
    pub json: Value,
}

async fn open_store(database: &TestDatabase) -> Arc<dyn Store> {
    let now = Timestamp::from_millis(NOW).unwrap();
    store::open(&database.url, now).await.unwrap()
}

/// Returns what a server without a base path works with.
fn app(store: Arc<dyn Store>, limits: Limits) -> App {
    App {
        base_path: "".into(),
        store,
        authenticator: Authenticator::new(Keys::load(Some(KEYS), None).unwrap()).into(),
        clock: Clock::fixed(Timestamp::from_millis(NOW).unwrap()).into(),
        limits: limits.into(),
        anonymous_log: Default::default(),
        stopping: Default::default(),
        demo: false,
    }
}

impl Server {
    /// Starts on a new SQLite file.
    pub async fn start() -> Self {
        Server::start_on(Backend::Sqlite).await
    }

    /// Starts on a new database.
    pub async fn start_on(backend: Backend) -> Self {
        Server::open(backend.database().await).await
    }

    /// Starts on a database that an earlier server may have used.
    pub async fn open(database: TestDatabase) -> Self {
        Server::with_limits(database, Limits::default()).await
    }

    /// Starts with other limits than usual.
    pub async fn with_limits(database: TestDatabase, limits: Limits) -> Self {
        Server::with_store(open_store(&database).await, database, limits).await
    }

    /// Starts on a store that is open.
    pub async fn with_store(store: Arc<dyn Store>, database: TestDatabase, limits: Limits) -> Self {
        Server::with_app(app(store, limits), database).await
    }

    /// Starts on a new SQLite file below a base path.
    pub async fn below(base_path: &str) -> Self {
        let database = TestDatabase::sqlite();
        let app = App {
            base_path: base_path.into(),
            ..app(open_store(&database).await, Limits::default())
        };
        Server::with_app(app, database).await
    }

    async fn with_app(app: App, database: TestDatabase) -> Self {
        let app = Arc::new(app);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let served = Arc::clone(&app);
        let task = tokio::spawn(server::serve(listener, served, async {
            let _ = stopped.await;
        }));
        Server {
            address,
            app,
            database,
            stop,
            task,
        }
    }

    /// Sets the clock, in milliseconds since 1970.
    pub fn set_time(&self, now: i64) {
        match &*self.app.clock {
            Clock::Fixed { millis, .. } => millis.store(now, Relaxed),
            Clock::System => panic!("a test's clock is fixed"),
        }
    }

    /// Shuts down gracefully; returns the database.
    pub async fn stop(self) -> TestDatabase {
        self.stop.send(()).unwrap();
        assert!(
            self.task.await.unwrap(),
            "everything in flight was finished"
        );
        self.app.store.close().await;
        self.database
    }

    /// Starts a server on a new SQLite file, with flow `f` and its running execution `e`.
    pub async fn with_execution() -> Self {
        Server::with_execution_on(Backend::Sqlite).await
    }

    /// Starts a server with flow `f` and its running execution `e`.
    pub async fn with_execution_on(backend: Backend) -> Self {
        let server = Server::start_on(backend).await;
        server
            .ok(Call::new("CreateFlow")
                .form("Name", "f")
                .form("Definition", "version: v1")
                .form("Type", "FDL"))
            .await;
        server
            .ok(Call::new("StartExecution")
                .form("FlowName", "f")
                .form("ExecutionName", "e"))
            .await;
        server
    }

    /// Appends to execution `e` of flow `f`; `events` is a JSON array.
    pub async fn append(&self, events: &Value) -> Value {
        let append = Call::new("AppendExecutionEvents")
            .form("FlowName", "f")
            .form("ExecutionName", "e");
        self.ok(append.form("Events", &events.to_string())).await
    }

    pub async fn call(&self, call: Call) -> Answer {
        self.send(&call.bytes()).await
    }

    /// The body of a call that must succeed.
    pub async fn ok(&self, call: Call) -> Value {
        let answer = self.call_with_retry(call).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json
    }

    /// The status, code and message of a call that must be refused.
    pub async fn refused(&self, call: Call) -> (u16, String, String) {
        self.call_with_retry(call).await.refusal()
    }

    /// Retries a call that was throttled, as a client would: on a loaded machine a test may exceed a limit.
    async fn call_with_retry(&self, call: Call) -> Answer {
        let mut answer = self.call(call.clone()).await;
        for _ in 0..20 {
            if answer.status == 429 {
                answer = self.call(call.with_new_nonce()).await;
            }
        }
        answer
    }

    /// Sends bytes over a new connection.
    pub async fn send(&self, request: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        Answer::read(&mut stream).await
    }
}

impl Answer {
    /// Reads one answer. Panics if there is none.
    pub async fn read(stream: &mut TcpStream) -> Self {
        Answer::try_read(stream).await.unwrap()
    }

    /// Reads one answer with a Content-Length, or in chunks.
    ///
    /// # Errors
    /// The connection ended before the whole answer.
    pub async fn try_read(stream: &mut TcpStream) -> io::Result<Self> {
        let mut bytes = Vec::new();
        let head_end = loop {
            if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break at;
            }
            if stream.read_buf(&mut bytes).await? == 0 {
                let got = String::from_utf8_lossy(&bytes);
                return Err(io::Error::other(format!(
                    "the connection ended after {got:?}"
                )));
            }
        };
        let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .unwrap()
            .split(' ')
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        let headers: Vec<_> = lines
            .map(|line| {
                line.split_once(": ")
                    .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
                    .unwrap()
            })
            .collect();
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let length: Option<usize> = length.map(|(_, length)| length.parse().unwrap());
        let mut body = bytes[head_end + 4..].to_vec();
        let is_whole = |body: &[u8]| match length {
            Some(length) => body.len() >= length,
            None => body.ends_with(b"\r\n0\r\n\r\n"),
        };
        while !is_whole(&body) {
            if stream.read_buf(&mut body).await? == 0 {
                return Err(io::Error::other("the connection ended within the body"));
            }
        }
        match length {
            Some(length) => assert_eq!(body.len(), length),
            None => body = unchunked(&body),
        }
        let text = String::from_utf8(body).unwrap();
        Ok(Answer {
            status,
            headers,
            json: serde_json::from_str(&text).unwrap_or_default(),
            text,
        })
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }

    /// Status, code and message of an error answer, whose form is checked.
    pub fn refusal(&self) -> (u16, String, String) {
        assert!(self.status >= 400, "{}", self.text);
        let text = |name: &str| {
            self.json[name]
                .as_str()
                .unwrap_or_else(|| panic!("{name} in {}", self.text))
                .to_owned()
        };
        assert_eq!(
            self.header("x-acs-request-id"),
            Some(text("RequestId").as_str())
        );
        text("HostId");
        (self.status, text("Code"), text("Message"))
    }
}

/// Names that are invalid for flows and executions.
/// Joins the chunks of a body.
fn unchunked(mut chunked: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let line = chunked.windows(2).position(|window| window == b"\r\n");
        let line = line.unwrap();
        let size = std::str::from_utf8(&chunked[..line]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return body;
        }
        let begin = line + 2;
        body.extend_from_slice(&chunked[begin..begin + size]);
        chunked = &chunked[begin + size + 2..];
    }
}

pub fn invalid_names() -> Vec<String> {
    let mut names: Vec<String> = [
        "1a",
        "-a",
        "a b",
        "a.b",
        "a/b",
        "a:b",
        "é",
        "流程",
        "a\0",
        "a\n",
        "' OR 1=1 --",
    ]
    .map(str::to_owned)
    .into();
    names.push("a".repeat(129));
    names
}
