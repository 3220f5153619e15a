//! Shares of one caller: a hostile key or address exhausts its own limits, while health checks and the requests of
//! other callers are served.
//!
//! Clients have the addresses 127.0.0.2, 127.0.0.3 and so on, all of which are this machine.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use flowledger::limits::{ClientId, Limits, PeerAddr};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::{Instant, timeout},
};

use crate::support::{Answer, Call, Server, test_store::TestDatabase};

const HOSTILE: u8 = 2;
const HONEST: u8 = 3;

const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
const READY: &[u8] = b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n";

fn address(host: u8) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, host)), 0)
}

/// Whom the server charges for a request with this key from this host.
fn client(host: u8, key: &str) -> ClientId {
    ClientId::with_key(PeerAddr(address(host)), key)
}

async fn server_with_connections(connections: u32) -> Server {
    let limits = Limits::with_connections(connections);
    Server::with_limits(TestDatabase::sqlite(), limits).await
}

/// Adds flow `f` with a running execution `e`.
async fn add_execution(server: &Server) {
    let flow = Call::new("CreateFlow")
        .form("Name", "f")
        .form("Definition", "version: v1")
        .form("Type", "FDL");
    let execution = Call::new("StartExecution")
        .form("FlowName", "f")
        .form("ExecutionName", "e");
    for call in [flow, execution] {
        server.ok(call).await;
    }
}

async fn connect(server: &Server, host: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(address(host)).unwrap();
    socket.connect(server.address).await.unwrap()
}

async fn send(server: &Server, host: u8, request: &[u8]) -> Answer {
    let mut stream = connect(server, host).await;
    stream.write_all(request).await.unwrap();
    Answer::read(&mut stream).await
}

fn describe(key: &str) -> Call {
    Call::new("DescribeFlow")
        .query("Name", "absent")
        .key(key, &format!("{key}-secret"))
}

/// Polls a condition that the server fulfils in the background, for 30 s at most.
async fn until(holds: impl Fn() -> bool) {
    let poll = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(30), poll).await.unwrap();
}

/// The code of a refusal, or OK.
fn code(answer: &Answer) -> &str {
    answer.json["Code"].as_str().unwrap_or("OK")
}

/// A connection with a request in flight: its head has been read and its body is awaited.
async fn busy(server: &Server, host: u8) -> TcpStream {
    let mut stream = connect(server, host).await;
    let head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut line = [0; 25];
    stream.read_exact(&mut line).await.unwrap();
    assert_eq!(&line, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream
}

/// A keep-alive connection without a request.
async fn idle(server: &Server, host: u8) -> TcpStream {
    let mut stream = connect(server, host).await;
    stream.write_all(HEALTH).await.unwrap();
    assert_eq!(Answer::read(&mut stream).await.status, 200);
    stream
}

#[tokio::test]
async fn one_address_cannot_use_all_connections() {
    let server = server_with_connections(8).await;
    let mut held = Vec::new();
    for _ in 0..6 {
        held.push(busy(&server, HOSTILE).await);
    }
    assert_eq!(server.app.limits.connections.in_use(), 6);
    let refused = send(&server, HOSTILE, &describe("reader").bytes()).await;
    assert_eq!((refused.status, code(&refused)), (429, "ResourceThrottled"));
    assert_eq!(refused.header("x-acs-retry-after"), Some("1000"));
    assert_eq!(refused.header("retry-after"), Some("1"));
    let served = send(&server, HONEST, &describe("reader").bytes()).await;
    assert_eq!(code(&served), "FlowNotExists");
}

#[tokio::test]
async fn health_checks_are_answered_when_all_connections_are_busy() {
    let server = server_with_connections(8).await;
    let mut held = Vec::new();
    for host in [2, 2, 2, 2, 2, 2, 3, 3] {
        held.push(busy(&server, host).await);
    }
    for host in [2, 3, 4] {
        for check in [HEALTH, READY] {
            let answer = send(&server, host, check).await;
            assert_eq!((answer.status, answer.text.as_str()), (200, "ok\n"));
            assert_eq!(answer.header("connection"), Some("close"));
        }
    }
    let begun = Instant::now();
    let refused = send(&server, 4, &describe("reader").bytes()).await;
    assert_eq!(
        (code(&refused), refused.header("connection")),
        ("ResourceThrottled", Some("close"))
    );
    assert!(begun.elapsed() >= Duration::from_secs(1));
    held.pop();
    let served = send(&server, 4, &describe("reader").bytes()).await;
    assert_eq!(code(&served), "FlowNotExists");
}

#[tokio::test]
async fn request_without_a_free_connection_closes_the_longest_idle_one() {
    let server = server_with_connections(8).await;
    let mut idle_ones = Vec::new();
    for host in [2, 2, 2, 2, 2, 2, 3, 3] {
        idle_ones.push(idle(&server, host).await);
    }
    idle_ones[0].write_all(HEALTH).await.unwrap(); // no longer the longest idle one
    assert_eq!(Answer::read(&mut idle_ones[0]).await.status, 200);
    let served = send(&server, 4, &describe("reader").bytes()).await;
    assert_eq!(code(&served), "FlowNotExists");
    let mut closed = idle_ones.remove(1);
    assert_eq!(closed.read(&mut [0]).await.unwrap(), 0);
    for stream in &mut idle_ones {
        stream.write_all(HEALTH).await.unwrap();
        assert_eq!(Answer::read(stream).await.status, 200);
    }
}

#[tokio::test]
async fn address_with_too_many_connections_loses_its_own_idle_ones_only() {
    let server = server_with_connections(8).await;
    let mut others = idle(&server, HONEST).await; // the longest idle one
    let mut own = Vec::new();
    for _ in 0..6 {
        own.push(idle(&server, HOSTILE).await);
    }
    for _ in 0..3 {
        let served = send(&server, HOSTILE, &describe("reader").bytes()).await;
        assert_eq!(code(&served), "FlowNotExists");
    }
    assert_eq!(own[0].read(&mut [0]).await.unwrap(), 0);
    others.write_all(HEALTH).await.unwrap();
    assert_eq!(Answer::read(&mut others).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn silent_connection_without_a_place_is_closed_after_five_seconds() {
    let server = server_with_connections(4).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(busy(&server, HOSTILE).await);
    }
    let begun = Instant::now();
    let mut silent = connect(&server, HOSTILE).await;
    assert_eq!(silent.read(&mut [0]).await.unwrap_or(0), 0);
    assert_eq!(begun.elapsed().as_secs(), 5);
}

#[tokio::test]
async fn large_heads_take_memory_and_one_address_cannot_take_all() {
    let server = Server::start().await;
    let uploads = &server.app.limits.uploads;
    let large = format!("GET /?a={} HTTP/1.1\r\n", "a".repeat(40_000));
    let mut stream = connect(&server, HOSTILE).await;
    stream.write_all(large.as_bytes()).await.unwrap();
    until(|| uploads.in_use() > 0).await;
    assert_eq!(uploads.in_use(), 80 * 1024);
    stream.write_all(b"Host: x\r\n\r\n").await.unwrap();
    let answer = Answer::read(&mut stream).await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.header("connection"),
        Some("close"),
        "or the buffer would stay"
    );
    drop(stream);
    until(|| uploads.in_use() == 0).await;

    let all = uploads.try_acquire(&client(HOSTILE, "x"), 8 << 20);
    let more = uploads.try_acquire(&client(HOSTILE, "y"), 4 << 20);
    assert!(all.is_some() && more.is_some());
    let request = format!("{large}Host: x\r\n\r\n");
    let mut refused = connect(&server, HOSTILE).await;
    let _ = refused.write_all(request.as_bytes()).await;
    assert_eq!(refused.read(&mut [0]).await.unwrap_or(0), 0, "it is closed");
    assert_eq!(send(&server, HOSTILE, HEALTH).await.status, 200);
    let served = send(&server, HONEST, request.as_bytes()).await;
    assert_eq!(served.status, 400);
}

/// A server with an execution `small`, whose page has 120 KiB, and `large`, with `large` batches of 720 KiB.
async fn server_with_pages(large: usize) -> Server {
    let server = Server::start().await;
    server
        .ok(Call::new("CreateFlow")
            .form("Name", "f")
            .form("Definition", "version: v1")
            .form("Type", "FDL"))
        .await;
    let event = json!({"Type": "StepEntered", "EventDetail": "d".repeat(60 * 1024)});
    for (execution, batches, events) in [("large", large, 12), ("small", 1, 2)] {
        server
            .ok(Call::new("StartExecution")
                .form("FlowName", "f")
                .form("ExecutionName", execution))
            .await;
        let batch = Value::from(vec![event.clone(); events]).to_string();
        let params = json!({"FlowName": "f", "ExecutionName": execution, "Events": batch});
        for _ in 0..batches {
            let append = Call::new("AppendExecutionEvents");
            let append = append.body("application/json", params.to_string()).acs3();
            server.ok(append).await;
        }
    }
    server
}

fn history(execution: &str, key: &str) -> Call {
    Call::new("GetExecutionHistory")
        .query("FlowName", "f")
        .query("ExecutionName", execution)
        .query("Limit", "1000")
        .key(key, &format!("{key}-secret"))
}

#[tokio::test]
async fn slow_readers_of_one_key_leave_memory_to_other_keys() {
    let server = server_with_pages(20).await;
    let answers = &server.app.limits.answers;
    let mut unread = Vec::new();
    let mut read_slowly = async || {
        let mut stream = connect(&server, HOSTILE).await;
        let request = history("large", "reader").bytes();
        stream.write_all(&request).await.unwrap();
        stream.readable().await.unwrap();
        unread.push(stream);
    };
    read_slowly().await;
    assert!(answers.in_use() > 14 << 20, "the page waits to be read");
    let hostile = async {
        loop {
            read_slowly().await;
        }
    };
    let honest = async {
        for _ in 0..20 {
            let page = send(&server, HONEST, &history("small", "writer").bytes()).await;
            assert_eq!((page.status, code(&page)), (200, "OK"));
            assert!(answers.in_use() <= 16 << 20, "half of it for one key");
        }
    };
    tokio::select! {
        () = hostile => unreachable!(),
        () = honest => {}
    }
}

#[tokio::test]
async fn write_that_repeats_texts_is_throttled_before_it_runs_if_its_key_has_no_memory() {
    let server = server_with_pages(0).await;
    let start = |name: &str, key: &str| {
        Call::new("StartExecution")
            .form("FlowName", "f")
            .form("ExecutionName", name)
            .key(key, &format!("{key}-secret"))
    };
    let writer = client(HOSTILE, "writer");
    let held = server.app.limits.answers.try_acquire(&writer, 16 << 20);
    let refused = send(&server, HOSTILE, &start("x", "writer").bytes()).await;
    assert_eq!((refused.status, code(&refused)), (429, "ResourceThrottled"));
    let absent = Call::new("DescribeExecution")
        .query("FlowName", "f")
        .query("ExecutionName", "x");
    assert_eq!(server.refused(absent).await.1, "ExecutionNotExists");
    let other = Call::new("StartExecution")
        .form("FlowName", "f")
        .form("ExecutionName", "y");
    assert_eq!(send(&server, HOSTILE, &other.bytes()).await.status, 200);
    drop(held);
    let served = send(&server, HOSTILE, &start("x", "writer").bytes()).await;
    assert_eq!(served.status, 200);
}

#[tokio::test]
async fn writes_of_one_key_fill_half_of_the_queue_only() {
    let server = Server::with_execution().await;
    let writes = &server.app.limits.writes;
    let mut held = Vec::new();
    while let Some(permit) = writes.try_acquire(&client(HOSTILE, "writer")) {
        held.push(permit);
    }
    assert_eq!(writes.in_use(), 512);
    let create = |key: &str| {
        Call::new("CreateFlow")
            .form("Name", "g")
            .form("Definition", "version: v1")
            .form("Type", "FDL")
            .key(key, &format!("{key}-secret"))
    };
    let refused = send(&server, HOSTILE, &create("writer").bytes()).await;
    assert_eq!(code(&refused), "ResourceThrottled");
    let served = send(
        &server,
        HONEST,
        &create("test").key("testid", "testsecret").bytes(),
    )
    .await;
    assert_eq!(code(&served), "OK");
}

#[tokio::test]
async fn parked_long_polls_of_one_key_leave_waits_and_connections_to_others() {
    let server = server_with_connections(8).await;
    add_execution(&server).await;
    let waits = &server.app.limits.waits;
    let poll = |key: &str| {
        history("e", key)
            .query("NextToken", "2")
            .query("WaitTimeSeconds", "60")
            .bytes()
    };
    let mut parked = Vec::new();
    for (host, key) in [(2, "reader"), (2, "reader"), (2, "writer"), (3, "writer")] {
        let mut stream = connect(&server, host).await;
        stream.write_all(&poll(key)).await.unwrap();
        parked.push(stream);
        until(|| waits.in_use() == parked.len()).await;
    }
    let refused = send(&server, HONEST, &poll("reader")).await;
    assert_eq!(code(&refused), "ResourceThrottled", "half for one key");
    for check in [HEALTH, READY] {
        assert_eq!(send(&server, HOSTILE, check).await.status, 200);
    }
    let page = send(&server, HOSTILE, &history("e", "reader").bytes()).await;
    assert_eq!(code(&page), "OK");
    server.append(&json!([{"Type": "StepEntered"}])).await;
    for mut stream in parked {
        assert_eq!(Answer::read(&mut stream).await.status, 200);
    }
    until(|| waits.in_use() == 0).await;
}

#[tokio::test]
async fn scans_of_one_key_leave_scans_and_reads_to_others() {
    let server = server_with_connections(64).await;
    add_execution(&server).await;
    let limits = &server.app.limits;
    let mut held = Vec::new();
    while let Some(permit) = limits.scans.try_acquire(&client(HOSTILE, "reader")) {
        held.push(permit);
    }
    assert_eq!(limits.scans.in_use(), 2);
    let scan = |key| history("e", key).query("StepName", "x").bytes();
    let served = send(&server, HOSTILE, &scan("writer")).await;
    assert_eq!(code(&served), "OK");
    let page = send(&server, HOSTILE, &history("e", "reader").bytes()).await;
    assert_eq!(code(&page), "OK", "a page is not a scan");
    let mut queued = connect(&server, HOSTILE).await;
    queued.write_all(&scan("reader")).await.unwrap();
    assert_eq!(send(&server, HOSTILE, READY).await.status, 200);
    drop(held);
    assert_eq!(Answer::read(&mut queued).await.status, 200);
}

/// The cookie of a key's session.
async fn sign_in(server: &Server, key: &str) -> String {
    let form = format!("key_id={key}&secret={key}-secret&security_token=&next=");
    let request = format!(
        "POST /ui/sign-in HTTP/1.1\r\nHost: x\r\nOrigin: http://x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    let answer = send(server, HONEST, request.as_bytes()).await;
    let cookie = answer.header("set-cookie").expect(&answer.text);
    cookie.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn large_pages_and_events_count_into_the_memory_of_answers() {
    let server = server_with_pages(0).await;
    let get = |path: &str, cookie: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\n\r\n").into_bytes()
    };
    let (reader, writer) = (
        sign_in(&server, "reader").await,
        sign_in(&server, "writer").await,
    );
    let held = server
        .app
        .limits
        .answers
        .try_acquire(&client(HOSTILE, "reader"), 16 << 20);
    let page = "/ui/flows/f/executions/small/events/2/detail";
    let refused = send(&server, HOSTILE, &get(page, &reader)).await;
    assert_eq!(refused.status, 429);
    let small = send(&server, HOSTILE, &get("/ui/", &reader)).await;
    assert_eq!(small.status, 200);
    let served = send(&server, HONEST, &get(page, &writer)).await;
    assert_eq!(served.status, 200);
    assert!(served.text.len() > 60_000);
    drop(held);
    let served = send(&server, HOSTILE, &get(page, &reader)).await;
    assert_eq!(served.status, 200);
}
