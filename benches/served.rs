//! Starts the real binary on a database in a folder of its own, and makes requests for it.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::{
    call::Call,
    events::{self, FLOW},
    load::Connections,
};

const KEY: (&str, &str) = ("bench", "bench-secret");

/// A running server. Dropping it kills the process.
pub struct Served {
    pub address: SocketAddr,
    process: Child,
}

/// Returns the folder for the benches' databases: on the disk of the checkout, because `/tmp` may be in memory.
pub fn folders() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench")
}

/// Returns an empty folder for one bench.
pub fn folder(name: &str) -> PathBuf {
    let folder = folders().join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

impl Served {
    /// Starts the binary on `FOLDER/bench.db`.
    pub fn start(folder: &Path) -> Self {
        Served::start_by(Command::new(env!("CARGO_BIN_EXE_flowledger")), folder)
    }

    /// Starts `command`, which is the binary or a program that runs it, on `FOLDER/bench.db`.
    pub fn start_by(mut command: Command, folder: &Path) -> Self {
        let url = format!("sqlite://{}", folder.join("bench.db").display());
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--database-url", &url])
            .env("FLOWLEDGER_ACCESS_KEY_ID", KEY.0)
            .env("FLOWLEDGER_ACCESS_KEY_SECRET", KEY.1)
            .stderr(fs::File::create(folder.join("log")).unwrap());
        let (process, address) = announced(command);
        Served { address, process }
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    pub fn connect(&self, count: usize) -> Connections {
        Connections::open(self.address, count)
    }

    /// Sends SIGTERM and waits until the process has exited. Panics if it failed.
    pub fn stop(mut self) {
        let term = Command::new("kill")
            .arg(self.process.id().to_string())
            .status();
        assert!(term.unwrap().success());
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Starts a server and reads its address from the end of its first line of output.
pub fn announced(mut command: Command) -> (Child, SocketAddr) {
    let program = command.get_program().to_owned();
    let process = command.stdout(Stdio::piped()).spawn();
    let mut process = process.unwrap_or_else(|error| panic!("{program:?}: {error}"));
    let mut line = String::new();
    BufReader::new(process.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    let address = line.trim().rsplit("http://").next().unwrap();
    let address = address
        .parse()
        .unwrap_or_else(|_| panic!("no address in {line:?}"));
    (process, address)
}

/// Returns a signed call like an SDK's, without parameters of its own.
fn call(action: &str) -> Call {
    let millis = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
    let mut call = Call::new(action)
        .key(KEY.0, KEY.1)
        .at(i64::try_from(millis).unwrap())
        .header("User-Agent", "AlibabaCloud (Linux; amd64) bench/1.0")
        .header("Accept", "application/json");
    call.nonce = format!("{:032x}-{}", millis, call.nonce);
    call
}

/// Starts an execution of the flow.
pub fn start_execution(connections: &mut Connections, execution: &str) {
    let start = call("StartExecution").form("FlowName", FLOW);
    connections.body(&start.form("ExecutionName", execution).bytes());
}

pub fn create_flow(connections: &mut Connections) {
    let create = call("CreateFlow")
        .form("Name", FLOW)
        .form("Definition", "version: v1");
    connections.body(&create.form("Type", "FDL").bytes());
}

/// Returns the request for a page of `limit` events from EventId `first` on.
pub fn page(execution: &str, first: i64, limit: i64) -> Vec<u8> {
    let [first, limit] = [first, limit].map(|number| number.to_string());
    let mut parameters = vec![("ExecutionName", execution), ("Limit", &limit)];
    if first != "1" {
        parameters.push(("NextToken", &first));
    }
    read("GetExecutionHistory", &parameters)
}

/// Returns a request that reads something of the flow.
pub fn read(action: &str, parameters: &[(&str, &str)]) -> Vec<u8> {
    let call = call(action).query("FlowName", FLOW);
    let named = |call: Call, (name, value): &(&str, &str)| call.query(name, value);
    parameters.iter().fold(call, named).bytes()
}

/// Returns a request that appends `count` events, numbered from `first` on, at the end of the history.
pub fn append(execution: &str, first: i64, count: i64) -> Vec<u8> {
    call("AppendExecutionEvents")
        .form("FlowName", FLOW)
        .form("ExecutionName", execution)
        .form("Events", &events::batch(first, count))
        .bytes()
}

/// The execution of a filled database, which has [`EVENTS`] events.
pub const EXECUTION: &str = "e";
const EVENTS: i64 = 2000;

/// Returns a folder with a database that holds the execution, written by the server.
pub fn filled(name: &str) -> PathBuf {
    let folder = folder(name);
    let server = Served::start(&folder);
    let mut connections = server.connect(1);
    create_flow(&mut connections);
    start_execution(&mut connections, EXECUTION);
    fill(&mut connections, EXECUTION, EVENTS);
    server.stop();
    folder
}

/// Appends to an execution that has event 1 until it has `last` events.
pub fn fill(connections: &mut Connections, execution: &str, last: i64) {
    let mut first = 2;
    while first <= last {
        let count = (last - first + 1).min(1000);
        connections.body(&append(execution, first, count));
        first += count;
    }
}
