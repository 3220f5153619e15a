//! Server-sent events: updates of a running execution, until the execution, the session or the server ends.

use std::time::Duration;

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

use super::{event, request};
use crate::support::{Call, KEYS, NOW, Server};

/// Far longer than any update takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// The last chunk of a response.
const END: &str = "0\r\n\r\n";

/// A client that reads a stream of events.
pub(super) struct Stream {
    socket: TcpStream,
    bytes: Vec<u8>,
}

impl Stream {
    async fn open(server: &Server, query: &str) -> Self {
        let cookie = server.session("testid", "testsecret").await;
        let path = format!("/ui/flows/f/executions/e/live{query}");
        Stream::open_path(server, &path, &cookie).await
    }

    pub(super) async fn open_path(server: &Server, path: &str, cookie: &str) -> Self {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        let request = request("GET", path, &[cookie], "");
        socket.write_all(request.as_bytes()).await.unwrap();
        let bytes = Vec::new();
        Stream { socket, bytes }
    }

    /// Reads until `wanted` has arrived; removes and returns everything up to its end.
    async fn until(&mut self, wanted: &str) -> String {
        loop {
            let text = String::from_utf8_lossy(&self.bytes).into_owned();
            if let Some(at) = text.find(wanted) {
                let taken = text[..at + wanted.len()].to_owned();
                self.bytes.drain(..taken.len());
                return taken;
            }
            let read = timeout(PATIENCE, self.socket.read_buf(&mut self.bytes)).await;
            let read = read
                .unwrap_or_else(|_| panic!("{wanted} does not arrive: {text}"))
                .unwrap();
            assert!(read > 0, "it ended before {wanted}: {text}");
        }
    }

    /// Returns the next event of this kind.
    async fn event(&mut self, kind: &str) -> String {
        self.until(&format!("event: {kind}\n")).await;
        self.until("\n\n").await
    }

    /// Reads the rest of the stream, which must end by itself.
    pub(super) async fn rest(mut self) -> String {
        let mut rest = Vec::new();
        let read = self.socket.read_to_end(&mut rest);
        timeout(Duration::from_secs(60), read)
            .await
            .expect("the stream does not end")
            .unwrap();
        String::from_utf8_lossy(&rest).into_owned()
    }
}

#[tokio::test]
async fn appended_events_are_sent() {
    let server = Server::with_execution().await;
    let mut stream = Stream::open(&server, "?after=1").await;
    let head = stream.until("\r\n\r\n").await;
    assert!(head.contains("content-type: text/event-stream"), "{head}");
    assert!(
        head.contains("content-security-policy: default-src 'none'"),
        "{head}"
    );
    server
        .append(&json!([event(5, "StepEntered", "pay", &json!({}))]))
        .await;
    let news = stream.event("news").await;
    for part in [
        "data-last=\"2\"",
        "id=\"summary\"",
        "id=\"timeline\"",
        "id=\"e2\"",
        "pay",
    ] {
        assert!(news.contains(part), "{part} in {news}");
    }
    let with_carriage_returns =
        json!([{"Type": "StepStarted", "EventDetail": "a\r\n\r\nevent: end\rb"}]);
    server.append(&with_carriage_returns).await;
    let news = stream.event("news").await;
    assert!(
        news.contains("id=\"e3\"") && !news.contains("id=\"e2\""),
        "{news}"
    );
}

#[tokio::test]
async fn events_before_the_connection_are_sent_first() {
    let server = Server::with_execution().await;
    server
        .append(&json!([event(5, "StepEntered", "pay", &json!({}))]))
        .await;
    let mut stream = Stream::open(&server, "?after=1").await;
    assert!(stream.event("news").await.contains("id=\"e2\""));
}

#[tokio::test]
async fn only_matching_events_are_sent() {
    let server = Server::with_execution().await;
    let mut stream = Stream::open(&server, "?after=1&step=PA&type=entered").await;
    let events = json!([
        event(5, "StepEntered", "pay", &json!({})),
        event(6, "StepEntered", "ship", &json!({}))
    ]);
    server.append(&events).await;
    let news = stream.event("news").await;
    assert!(
        news.contains("id=\"e2\"") && !news.contains("id=\"e3\""),
        "{news}"
    );
    assert!(news.contains("data-matches=\"1 of 3\""), "{news}");
    // More events at once than a page has, of which only the first matches.
    let mut events = vec![event(7, "StepEntered", "pay", &json!({}))];
    events.resize(300, event(8, "StepEntered", "ship", &json!({})));
    server.append(&json!(events)).await;
    let news = stream.event("news").await;
    assert!(news.contains("id=\"e4\""), "{news}");
    assert!(news.contains("data-matches=\"2 of 303\""), "{news}");
}

#[tokio::test]
async fn stream_ends_with_the_execution() {
    let server = Server::with_execution().await;
    let mut stream = Stream::open(&server, "?after=1").await;
    stream.until("\r\n\r\n").await;
    server
        .append(&json!([event(5, "ExecutionSucceeded", "", &json!({}))]))
        .await;
    assert!(stream.event("end").await.contains("Succeeded"));
    stream.until(END).await;
    let mut late = Stream::open(&server, "?after=2").await;
    late.event("end").await;
    late.until(END).await;
}

#[tokio::test]
async fn stream_ends_when_the_server_shuts_down() {
    let server = Server::with_execution().await;
    let mut stream = Stream::open(&server, "?after=1").await;
    stream.until("\r\n\r\n").await;
    server.stop().await;
    stream.rest().await;
}

#[tokio::test]
async fn stream_ends_when_the_client_closes_its_side() {
    let server = Server::with_execution().await;
    let mut stream = Stream::open(&server, "?after=0").await;
    stream.event("news").await;
    stream.socket.shutdown().await.unwrap();
    stream.rest().await;
}

#[tokio::test]
async fn stream_ends_when_the_flow_is_deleted() {
    let server = Server::with_execution().await;
    let mut stream = Stream::open(&server, "?after=1").await;
    stream.until("\r\n\r\n").await;
    server.ok(Call::new("DeleteFlow").form("Name", "f")).await;
    stream.until(END).await;
}

/// A stream that has sent all events. From then on time is paused: it advances to the next timer whenever all tasks
/// wait.
async fn quiet(server: &Server) -> Stream {
    let mut stream = Stream::open(server, "?after=0").await;
    stream.event("news").await;
    tokio::time::pause();
    stream
}

#[tokio::test]
async fn stream_without_events_stays_open_for_hours() {
    let server = Server::with_execution().await;
    let mut stream = quiet(&server).await;
    let begun = Instant::now();
    for _ in 0..4 * 60 * 2 {
        stream.until("\n:").await; // the heartbeat
    }
    assert_eq!(begun.elapsed().as_secs(), 2 * 60 * 60);
    tokio::time::resume();
    let now = NOW + 2 * 60 * 60 * 1000;
    server.set_time(now);
    let events = json!([event(5, "StepEntered", "pay", &json!({}))]);
    let append = Call::new("AppendExecutionEvents").at(now);
    let append = append.form("FlowName", "f").form("ExecutionName", "e");
    server.ok(append.form("Events", &events.to_string())).await;
    stream.event("news").await;
}

#[tokio::test]
async fn stream_ends_with_the_session() {
    let server = Server::with_execution().await;
    let mut stream = quiet(&server).await;
    server.set_time(NOW + 12 * 60 * 60 * 1000);
    stream.event("bye").await;
    stream.until(END).await;
}

#[tokio::test]
async fn stream_ends_when_the_key_is_replaced() {
    let server = Server::with_execution().await;
    let mut stream = quiet(&server).await;
    server.replace_keys(&KEYS.replace("testsecret", "another"));
    stream.event("bye").await;
    stream.until(END).await;
}

#[tokio::test]
async fn streams_beyond_the_limit_of_a_key_are_refused_until_one_ends() {
    const PER_KEY_MAX: usize = 64;
    let server = Server::with_execution().await;
    let mut streams = Vec::new();
    for _ in 0..PER_KEY_MAX {
        let mut stream = Stream::open(&server, "?after=1").await;
        stream.until("\r\n\r\n").await;
        streams.push(stream);
    }
    let cookie = server.session("testid", "testsecret").await;
    let path = "/ui/flows/f/executions/e/live?after=1";
    let refused = server.get(path, &[&cookie]).await;
    assert_eq!(refused.status, 429);
    assert!(
        refused.text.contains("<h1>Too many requests</h1>"),
        "{}",
        refused.text
    );
    streams.pop();
    let mut head = String::new();
    for _ in 0..600 {
        let mut stream = Stream::open(&server, "?after=1").await;
        head = stream.until("\r\n\r\n").await;
        if head.starts_with("HTTP/1.1 200") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
}
