//! The program itself, serving a database in a folder of its own, and requests for it.

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

/// A running server. It is killed when it is dropped.
pub struct Served {
    pub address: SocketAddr,
    process: Child,
}

/// Where the benches keep their databases: on the disk of the checkout, not in memory.
pub fn folders() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench")
}

/// An empty one.
pub fn folder(name: &str) -> PathBuf {
    let folder = folders().join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

impl Served {
    /// Serves `FOLDER/bench.db` with the program as it is.
    pub fn start(folder: &Path) -> Self {
        Served::start_by(Command::new(env!("CARGO_BIN_EXE_flowledger")), folder)
    }

    /// The same, with `command` before the arguments: the program, or what runs it.
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

    /// Asks it to stop, and waits until it has.
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

/// Starts a server, and reads the address from the end of the line that it prints.
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

/// A call as SDKs send it, but for its parameters.
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

/// Creates the flow and an execution of it.
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

/// The request for a page of `limit` events from `first` on.
pub fn page(execution: &str, first: i64, limit: i64) -> Vec<u8> {
    let [first, limit] = [first, limit].map(|number| number.to_string());
    let mut parameters = vec![("ExecutionName", execution), ("Limit", &limit)];
    if first != "1" {
        parameters.push(("NextToken", &first));
    }
    read("GetExecutionHistory", &parameters)
}

/// The request that reads something of the flow.
pub fn read(action: &str, parameters: &[(&str, &str)]) -> Vec<u8> {
    let call = call(action).query("FlowName", FLOW);
    let named = |call: Call, (name, value): &(&str, &str)| call.query(name, value);
    parameters.iter().fold(call, named).bytes()
}

/// The request that appends events numbered from `first` on, wherever the history ends.
pub fn append(execution: &str, first: i64, count: i64) -> Vec<u8> {
    call("AppendExecutionEvents")
        .form("FlowName", FLOW)
        .form("ExecutionName", execution)
        .form("Events", &events::batch(first, count))
        .bytes()
}

/// The execution of a filled database, and how many events it has.
pub const EXECUTION: &str = "e";
const EVENTS: i64 = 2000;

/// A folder whose database holds the execution, written by the server itself.
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

/// Appends until the execution, which has event 1, has `last` events.
pub fn fill(connections: &mut Connections, execution: &str, last: i64) {
    let mut first = 2;
    while first <= last {
        let count = (last - first + 1).min(1000);
        connections.body(&append(execution, first, count));
        first += count;
    }
}
