//! Hostile requests in tables by class: each has exactly one answer, never a 5xx. They all go to one server, the started
//! program, which must serve a valid caller afterwards and must have written a clean log.

mod http;
mod json;
mod pages;
mod parameters;
mod signatures;
mod texts;
mod values;

use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use flowledger::clock::Clock;
use serde_json::Value;

use crate::{
    cli::Process,
    support::{Call, KEYS, NOW, call::seconds},
};

/// The tables must hold at least this many distinct requests.
const REQUESTS_MIN: usize = 300;

/// Sent after each request on the same connection. More than one further answer means request smuggling.
const SENTINEL: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// A request and its expected status and code; the code is empty where the answer is not the API's.
struct Row {
    request: Request,
    status: u16,
    code: &'static str,
}

enum Request {
    /// Signed when it is sent; then the first text of the pair is replaced by the second.
    Call(Box<Call>, Option<(String, String)>),
    Raw(Vec<u8>),
}

fn call(call: Call, status: u16, code: &'static str) -> Row {
    Request::Call(call.into(), None).gets(status, code)
}

/// A call that is changed after it was signed.
fn changed(call: Call, from: &str, to: &str, status: u16, code: &'static str) -> Row {
    let change = (from.to_owned(), to.to_owned());
    Request::Call(call.into(), Some(change)).gets(status, code)
}

fn raw(bytes: impl Into<Vec<u8>>, status: u16, code: &'static str) -> Row {
    Request::Raw(bytes.into()).gets(status, code)
}

fn history() -> Call {
    Call::new("GetExecutionHistory")
        .query("FlowName", "f")
        .query("ExecutionName", "e")
}

/// An append to an execution that only these tables use.
fn append(events: &str) -> Call {
    Call::new("AppendExecutionEvents")
        .form("FlowName", "f")
        .form("ExecutionName", "hostile")
        .form("Events", events)
}

/// The same call under each scheme.
fn both(call: &Call) -> [Call; 2] {
    [call.clone(), call.with_new_nonce().acs3()]
}

fn now() -> i64 {
    Clock::System.now().millis()
}

impl Request {
    fn gets(self, status: u16, code: &'static str) -> Row {
        Row {
            request: self,
            status,
            code,
        }
    }

    /// The bytes to send, with this nonce or a new one; signed at this time unless the call sets another.
    fn bytes(&self, nonce: Option<&str>, at: i64) -> Vec<u8> {
        let (call, change) = match self {
            Request::Raw(bytes) => return bytes.clone(),
            Request::Call(call, change) => (call, change),
        };
        let mut call = match nonce {
            Some(nonce) => call.as_ref().clone().nonce(nonce),
            None => call.with_new_nonce(),
        };
        if call.time == seconds(NOW) {
            call = call.at(at);
        }
        let mut bytes = call.bytes();
        if let Some((from, to)) = change {
            let at = bytes
                .windows(from.len())
                .position(|it| it == from.as_bytes());
            let at = at.unwrap_or_else(|| panic!("no {from} in {}", shown(&bytes)));
            bytes.splice(at..at + from.len(), to.bytes());
        }
        bytes
    }
}

/// The parts of an answer that the tables check.
struct Answer {
    status: u16,
    body: String,
}

impl Answer {
    fn code(&self) -> String {
        let body: Value = serde_json::from_str(&self.body).unwrap_or_default();
        body["Code"].as_str().unwrap_or_default().to_owned()
    }
}

/// Sends the bytes and the sentinel; returns all answers until the server closes the connection.
fn exchange(address: SocketAddr, request: &[u8]) -> Vec<Answer> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    // The server may refuse and close before everything is sent.
    let _ = stream
        .write_all(request)
        .and_then(|()| stream.write_all(SENTINEL.as_bytes()));
    let mut bytes = Vec::new();
    let end = stream.read_to_end(&mut bytes);
    let reset = |e: &std::io::Error| e.kind() == std::io::ErrorKind::ConnectionReset;
    assert!(
        end.as_ref().err().is_none_or(reset),
        "{end:?} after {}",
        shown(request)
    );
    let mut answers = Vec::new();
    let mut rest = bytes.as_slice();
    while let Some(end) = rest.windows(4).position(|window| window == b"\r\n\r\n") {
        let head = String::from_utf8_lossy(&rest[..end]).to_lowercase();
        rest = &rest[end + 4..];
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head
            .split("\r\n")
            .find_map(|line| line.strip_prefix("content-length: "));
        let headless = answers.is_empty() && request.starts_with(b"HEAD ");
        let length = length
            .filter(|_| !headless)
            .map_or(0, |length| length.parse().unwrap());
        let length = length.min(rest.len());
        let body = String::from_utf8_lossy(&rest[..length]).into_owned();
        rest = &rest[length..];
        if status >= 200 {
            answers.push(Answer { status, body });
        }
    }
    assert_eq!(
        shown(rest),
        "",
        "after the last answer to {}",
        shown(request)
    );
    answers
}

/// The beginning of a request, for messages.
fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(400)]).into_owned()
}

/// Describes what is wrong with the answer to a row; None if nothing is.
fn fault(address: SocketAddr, row: &Row) -> Option<String> {
    let mut request = row.request.bytes(None, now());
    let mut answers = exchange(address, &request);
    for _ in 0..20 {
        if answers.first().is_some_and(|first| first.status == 429) {
            request = row.request.bytes(None, now());
            answers = exchange(address, &request);
        }
    }
    let first = answers.first().map(|first| (first.status, first.code()));
    let first = first.unwrap_or_default();
    let others: Vec<_> = answers
        .iter()
        .skip(1)
        .map(|other| other.body.as_str())
        .collect();
    let alone = others.is_empty() || others == ["ok\n"];
    (first != (row.status, row.code.to_owned()) || !alone).then(|| {
        let body = answers.first().map_or("", |first| first.body.as_str());
        let (status, code) = (row.status, row.code);
        format!(
            "{first:?} {others:?}, not {status} {code}: {body:.300} to {}",
            shown(&request)
        )
    })
}

/// The tables, by class.
fn classes() -> [Vec<Row>; 7] {
    [
        http::rows(),
        signatures::rows(),
        parameters::rows(),
        values::rows(),
        json::rows(),
        texts::rows(),
        pages::rows(),
    ]
}

/// Sends the requests of each class in order, and the classes in parallel.
fn faults(address: SocketAddr, classes: &[Vec<Row>]) -> Vec<String> {
    std::thread::scope(|scope| {
        let threads = classes.iter().map(|rows| {
            let faults = rows.iter().filter_map(move |row| fault(address, row));
            scope.spawn(move || faults.collect::<Vec<_>>())
        });
        let threads: Vec<_> = threads.collect();
        let found = threads.into_iter().map(|thread| thread.join().unwrap());
        found.flatten().collect()
    })
}

#[test]
fn every_hostile_request_gets_its_expected_answer_and_the_server_keeps_serving() {
    let classes = classes();
    let rows = || classes.iter().flatten();
    let distinct: BTreeSet<_> = rows()
        .map(|row| row.request.bytes(Some("n"), NOW))
        .collect();
    assert_eq!(distinct.len(), rows().count(), "none is there twice");
    assert!(
        distinct.len() >= REQUESTS_MIN,
        "{} requests",
        distinct.len()
    );
    println!("{} distinct requests", distinct.len());

    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("keys.toml"), KEYS).unwrap();
    let server = Process::serve(folder.path(), &["--keys", "keys.toml"], &[]);
    let ok = |honest: Call| call(honest, 200, "");
    let create = Call::new("CreateFlow")
        .form("Name", "f")
        .form("Definition", "d");
    let start = |name| {
        Call::new("StartExecution")
            .form("FlowName", "f")
            .form("ExecutionName", name)
    };
    for honest in [create.form("Type", "FDL"), start("e"), start("hostile")] {
        assert_eq!(fault(server.address, &ok(honest)), None);
    }
    let faults = faults(server.address, &classes);
    let count = faults.len();
    assert!(faults.is_empty(), "{}\n{count} faults", faults.join("\n\n"));

    texts::read_back(server.address);
    let mut honest = ok(history());
    assert_eq!(fault(server.address, &honest), None);
    honest = ok(append(r#"[{"Type":"StepEntered"}]"#));
    assert_eq!(fault(server.address, &honest), None);
    drop(server);
    let log = fs::read_to_string(folder.path().join("log")).unwrap();
    assert_eq!(log.find(|c: char| c.is_control() && c != '\n'), None);
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).expect("one line, one object");
        assert_ne!(line["level"], "ERROR", "{line}");
    }
    for hidden in [
        "panicked",
        "testsecret",
        "sts-secret",
        "sts-token",
        "Signature=",
    ] {
        assert!(!log.contains(hidden), "{hidden} in the log");
    }
}
