//! Graceful shutdown under load: the server answers requests that were sent before the signal, keeps what it
//! acknowledged, and exits within five seconds, whatever its clients do.

use std::{net::SocketAddr, time::Duration};

use flowledger::clock::Clock;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{crash_run::CrashRun, times};
use crate::{
    support::{Answer, Call},
    ui::{OURS, request},
};

/// Longest time from SIGTERM to the exit, as promised.
const GONE_WITHIN: Duration = Duration::from_secs(5);

/// A call about execution `quiet`, which the appenders do not use.
fn about(action: &str) -> Call {
    Call::new(action)
        .at(Clock::System.now().millis())
        .query("FlowName", "f")
        .query("ExecutionName", "quiet")
}

/// Reads until the server exits, over one connection (keep-alive) or one for each request. Returns when the
/// requests without an answer were sent, and the number of answers.
async fn read(address: SocketAddr, keeps: bool) -> (Vec<Instant>, usize) {
    let (mut unanswered, mut answered) = (Vec::new(), 0);
    while let Ok(mut stream) = TcpStream::connect(address).await {
        loop {
            let request = about("GetExecutionHistory").bytes();
            if stream.write_all(&request).await.is_err() {
                break;
            }
            let sent = Instant::now();
            let Ok(answer) = Answer::try_read(&mut stream).await else {
                unanswered.push(sent);
                break;
            };
            answered += 1;
            assert!([200, 429].contains(&answer.status), "{}", answer.text);
            if !keeps || answer.header("connection") == Some("close") {
                break;
            }
        }
    }
    (unanswered, answered)
}

/// Sends a long poll for the end of an execution. The shutdown ends the wait with the current status.
async fn wait(address: SocketAddr) -> impl Future<Output = ()> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let wait = about("DescribeExecution").query("WaitTimeSeconds", "60");
    stream.write_all(&wait.bytes()).await.unwrap();
    async move {
        let answer = Answer::read(&mut stream).await;
        assert_eq!(answer.json["Status"], "Running", "{}", answer.text);
        assert_eq!(answer.header("connection"), Some("close"));
    }
}

/// Begins to follow an execution by server-sent events. The shutdown ends the stream with its last chunk.
async fn follow(address: SocketAddr) -> impl Future<Output = ()> {
    let form = "key_id=testid&secret=testsecret";
    let mut stream = TcpStream::connect(address).await.unwrap();
    let sign_in = request("POST", "/ui/sign-in", &[OURS], form);
    stream.write_all(sign_in.as_bytes()).await.unwrap();
    let answer = Answer::read(&mut stream).await;
    let cookie = answer
        .header("set-cookie")
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let live = request(
        "GET",
        "/ui/flows/f/executions/quiet/live?after=0",
        &[&format!("Cookie: {cookie}")],
        "",
    );
    stream.write_all(live.as_bytes()).await.unwrap();
    async move {
        let mut text = Vec::new();
        stream.read_to_end(&mut text).await.unwrap();
        assert!(
            text.ends_with(b"\r\n0\r\n\r\n"),
            "{}",
            String::from_utf8_lossy(&text)
        );
    }
}

/// Sends a request without its last byte.
async fn send_incomplete_request(address: SocketAddr) {
    let request = about("AppendExecutionEvents").form("Events", "[]").bytes();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(&request[..request.len() - 1])
        .await
        .unwrap();
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_under_load_answers_every_request_sent_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let (url, wal) = ("sqlite://stopped.db", folder.path().join("stopped.db-wal"));
    let mut crash_run = CrashRun::new();
    let (mut answered, mut refused, mut longest) = (0, 0, Duration::ZERO);
    let stops = times("STOPS", 20, 3);
    for stop in 0..stops {
        let server = crash_run.start(folder.path(), url).await;
        let address = server.address;
        let mut others = JoinSet::new();
        for n in 0..4 {
            // They send their requests before the load begins, however busy the machine is.
            others.spawn(wait(address).await);
            others.spawn(follow(address).await);
            if n == 0 && stop == 0 {
                others.spawn(send_incomplete_request(address));
            }
        }
        let mut readers = JoinSet::new();
        for n in 0..8 {
            readers.spawn(read(address, n % 2 == 0));
        }
        let work = crash_run.work(&[address]);
        sleep(crash_run.moment() + Duration::from_millis(100)).await;

        let stopped_at = Instant::now();
        let (code, _) = tokio::task::block_in_place(|| server.stop("TERM"));
        longest = longest.max(stopped_at.elapsed());
        assert_eq!(code, Some(0));
        let left = std::fs::metadata(&wal).map_or(0, |wal| wal.len());
        assert_eq!(left, 0, "bytes of the write-ahead log");
        let mut unanswered = crash_run.rest(work).await;
        for (reader, answers) in readers.join_all().await {
            unanswered.extend(reader);
            answered += answers;
        }
        let accepted = unanswered.iter().filter(|sent| **sent < stopped_at).count();
        assert_eq!(
            accepted, 0,
            "requests sent before the stop and not answered"
        );
        refused += unanswered.len();
        others.join_all().await;
    }
    println!(
        "{stops} stops, the longest {} ms; {answered} reads answered; no request unanswered that was sent \
         before, {refused} that were sent after",
        longest.as_millis()
    );
    assert!(longest < GONE_WITHIN, "{longest:?}");
    crash_run.finish(folder.path(), url).await;
}
