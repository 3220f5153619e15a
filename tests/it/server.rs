//! Connections: time-outs, size limits and graceful shutdown. Where a test can, it pauses tokio's clock, which
//! then jumps to the next timer whenever all tasks wait.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

use crate::support::{Answer, Call, Server};

const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.address).await.unwrap()
}

/// Waits until the server closes the connection; returns how long that took, in seconds of tokio's clock.
async fn closes_after(mut stream: TcpStream, since: Instant) -> u64 {
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert_eq!(
        String::from_utf8_lossy(&rest),
        "",
        "it is closed without an answer"
    );
    since.elapsed().as_secs()
}

#[tokio::test(start_paused = true)]
async fn slow_head_is_cut_off_ten_seconds_after_its_first_byte() {
    let server = Server::start().await;
    let stream = connect(&server).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    let first = Instant::now();
    let (reader, mut writer) = stream.into_split();
    let drip = tokio::spawn(async move {
        for byte in HEALTH {
            if writer.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let mut reader = reader;
    let _ = reader.read_to_end(&mut Vec::new()).await;
    assert_eq!(first.elapsed().as_secs(), 10);
    drip.abort();
}

#[tokio::test(start_paused = true)]
async fn idle_keep_alive_connection_is_kept_for_65_seconds() {
    let server = Server::start().await;
    let mut used = connect(&server).await;
    for _ in 0..3 {
        used.write_all(HEALTH).await.unwrap();
        assert_eq!(Answer::read(&mut used).await.status, 200);
        tokio::time::sleep(Duration::from_secs(61)).await;
    }
    used.write_all(HEALTH).await.unwrap();
    assert_eq!(Answer::read(&mut used).await.status, 200);
    assert_eq!(closes_after(used, Instant::now()).await, 65);
}

#[tokio::test(start_paused = true)]
async fn connection_without_a_request_is_closed_after_65_seconds() {
    let server = Server::start().await;
    assert_eq!(
        closes_after(connect(&server).await, Instant::now()).await,
        65
    );
}

#[tokio::test(start_paused = true)]
async fn slow_body_is_refused_after_twenty_seconds() {
    let server = Server::start().await;
    let mut stream = connect(&server).await;
    let started = Instant::now();
    let head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\na=";
    stream.write_all(head.as_bytes()).await.unwrap();
    let (status, code, message) = Answer::read(&mut stream).await.refusal();
    assert_eq!(
        (status, code.as_str(), message.as_str()),
        (
            400,
            "InvalidArgument",
            "Parameter error. The body must arrive within 20s."
        )
    );
    assert_eq!(started.elapsed().as_secs(), 20);
}

#[tokio::test(start_paused = true)]
async fn client_that_does_not_read_is_cut_off_after_twenty_seconds() {
    let server = Server::start().await;
    let stream = connect(&server).await;
    let (_reader, mut writer) = stream.into_split();
    let many = HEALTH.repeat(1000);
    // Answers fill the socket buffers; then the server can write no more, and reads no more requests.
    let begun = Instant::now();
    while writer.write_all(&many).await.is_ok() {}
    assert_eq!(begun.elapsed().as_secs(), 20);
}

#[tokio::test(start_paused = true)]
async fn memory_of_a_slow_upload_is_revoked_when_another_request_waits() {
    let server = Server::start().await;
    let begin = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000000\r\n\r\n{}",
        "a".repeat(20_000)
    );
    let mut slow = Vec::new();
    for _ in 0..20 {
        let mut stream = connect(&server).await;
        stream.write_all(begin.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    let unsigned = |definition: usize| {
        Call::new("CreateFlow")
            .form("Definition", &"d".repeat(definition))
            .key("testid", "wrong")
    };
    tokio::time::sleep(Duration::from_millis(100)).await;
    for (definition, millis) in [(10_000, 0..50), (900_000, 100..1000)] {
        let begun = Instant::now();
        let (_, code, _) = server.call(unsigned(definition)).await.refusal();
        assert_eq!(code, "SignatureNotMatch");
        let took = begun.elapsed().as_millis();
        assert!(millis.contains(&took), "{took} ms for {definition} bytes");
    }
}

#[tokio::test]
async fn huge_body_is_refused_by_its_content_length() {
    let server = Server::start().await;
    for length in ["8388609", "107374182400", "9223372036854775807"] {
        let head = format!(
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n"
        );
        let (status, code, message) = server.send(head.as_bytes()).await.refusal();
        let expected = "The payload size exceeds maximum allowed size (1048576 bytes).";
        assert_eq!(
            (status, code.as_str(), message.as_str()),
            (400, "EntityTooLarge", expected)
        );
    }
}

#[tokio::test]
async fn body_above_the_limit_is_discarded_before_it_is_refused() {
    let server = Server::start().await;
    for length in [1_048_577, 5_000_000] {
        let head = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
        let request = [head.into_bytes(), vec![b'a'; length]].concat();
        assert_eq!(server.send(&request).await.refusal().1, "EntityTooLarge");
    }
}

#[tokio::test]
async fn endless_chunked_body_is_refused_at_the_limit() {
    let server = Server::start().await;
    let mut stream = connect(&server).await;
    stream
        .write_all(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await
        .unwrap();
    let chunk = format!("10000\r\n{}\r\n", "a".repeat(0x10000));
    for _ in 0..129 {
        if stream.write_all(chunk.as_bytes()).await.is_err() {
            break;
        }
    }
    assert_eq!(
        Answer::read(&mut stream).await.refusal().1,
        "EntityTooLarge"
    );
}

#[tokio::test]
async fn chunked_form_is_accepted() {
    let server = Server::with_execution().await;
    let call = Call::new("DescribeExecution")
        .form("FlowName", "f")
        .form("ExecutionName", "e");
    let request = String::from_utf8(call.bytes()).unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let head = head.replace(
        &format!("Content-Length: {}", body.len()),
        "Transfer-Encoding: chunked",
    );
    let chunks = format!(
        "{head}\r\n\r\n3\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n",
        &body[..3],
        body.len() - 3,
        &body[3..]
    );
    assert_eq!(server.send(chunks.as_bytes()).await.status, 200);
}

fn append(place: i64) -> Call {
    Call::new("AppendExecutionEvents")
        .form("FlowName", "f")
        .form("ExecutionName", "e")
        .form("Events", r#"[{"Type":"StepEntered"}]"#)
        .form("ExpectedEventId", &place.to_string())
}

fn describe(wait_seconds: u32) -> Call {
    Call::new("DescribeExecution")
        .query("FlowName", "f")
        .query("ExecutionName", "e")
        .query("WaitTimeSeconds", &wait_seconds.to_string())
}

/// Sends the bytes, closes the client's side, and returns all that the server sends until it closes its own.
async fn half_closed(server: &Server, request: &[u8]) -> String {
    let mut stream = connect(server).await;
    stream.write_all(request).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answers = String::new();
    timeout(Duration::from_secs(30), stream.read_to_string(&mut answers))
        .await
        .expect("the server closes the connection too")
        .unwrap();
    answers
}

#[tokio::test]
async fn half_closing_client_gets_its_answer_and_its_write_is_done() {
    let server = Server::with_execution().await;
    for (number, request) in [
        append(2).bytes(),
        append(3).acs3().bytes(),
        describe(0).bytes(),
        HEALTH.to_vec(),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = half_closed(&server, &request).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{number}: {answer}");
    }
    let history = Call::new("GetExecutionHistory")
        .query("FlowName", "f")
        .query("ExecutionName", "e");
    let history = server.ok(history).await;
    assert_eq!(history["Events"].as_array().unwrap().len(), 3);
    let large = server.call(append(4).form("x", &"x".repeat(500_000)));
    assert_eq!(large.await.status, 200);
    let large = append(5).form("x", &"x".repeat(500_000)).bytes();
    let answer = half_closed(&server, &large).await;
    assert!(answer.contains("\"LastEventId\":5"), "{answer}");
}

#[tokio::test]
async fn half_closing_client_gets_the_answers_of_all_its_requests() {
    let server = Server::with_execution().await;
    let requests = [append(2).bytes(), append(3).bytes(), append(4).bytes()].concat();
    let answers = half_closed(&server, &requests).await;
    for id in 2..=4 {
        assert!(answers.contains(&format!("\"LastEventId\":{id}")));
    }
}

#[tokio::test]
async fn half_closed_request_without_its_end_is_not_performed() {
    let server = Server::with_execution().await;
    let request = append(2).bytes();
    let answer = half_closed(&server, &request[..request.len() - 1]).await;
    assert!(
        answer.is_empty() || answer.contains("The body must be whole"),
        "{answer}"
    );
    assert_eq!(half_closed(&server, b"GET / HT").await, "");
    assert_eq!(server.ok(append(2)).await["LastEventId"], 2);
}

#[tokio::test]
async fn client_that_closes_after_a_whole_request_has_its_write_done() {
    let server = Server::with_execution().await;
    let mut stream = connect(&server).await;
    stream.write_all(&append(2).bytes()).await.unwrap();
    drop(stream);
    let wait = Call::new("GetExecutionHistory")
        .query("FlowName", "f")
        .query("ExecutionName", "e")
        .query("NextToken", "2")
        .query("WaitTimeSeconds", "30");
    let appended = server.ok(wait).await;
    assert_eq!(appended["Events"][0]["EventId"], 2);
}

#[tokio::test]
async fn long_poll_of_a_half_closing_client_answers_at_once_and_frees_its_permit() {
    let server = Server::with_execution().await;
    let waits = &server.app.limits.waits;
    let begun = Instant::now();
    let answer = half_closed(&server, &describe(60).bytes()).await;
    assert!(answer.contains("\"Status\":\"Running\""), "{answer}");
    // It may also close its side while it waits, or go away.
    let mut waiting = connect(&server).await;
    waiting.write_all(&describe(60).bytes()).await.unwrap();
    let mut gone = connect(&server).await;
    gone.write_all(&describe(60).bytes()).await.unwrap();
    while waits.in_use() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    waiting.shutdown().await.unwrap();
    assert_eq!(Answer::read(&mut waiting).await.json["Status"], "Running");
    drop(gone);
    while waits.in_use() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
async fn invalid_heads_are_refused_and_the_server_goes_on() {
    let server = Server::start().await;
    let long_target = format!(
        "GET /?a={} HTTP/1.1\r\nHost: x\r\n\r\n",
        "a".repeat(1_000_000)
    );
    let many_headers = format!(
        "GET / HTTP/1.1\r\nHost: x\r\n{}\r\n",
        "A: b\r\n".repeat(3000)
    );
    for request in [
        long_target.as_str(),
        &many_headers,
        "\0\0\0\0\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut stream = connect(&server).await;
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = timeout(Duration::from_secs(5), stream.read_to_end(&mut answer))
            .await
            .expect("it is closed");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{answer}"
        );
    }
    assert_eq!(server.send(HEALTH).await.status, 200);
}

#[tokio::test]
async fn graceful_shutdown_answers_requests_in_flight_and_closes_idle_connections() {
    let server = Server::with_execution().await;
    let mut idle = connect(&server).await;
    idle.write_all(HEALTH).await.unwrap();
    Answer::read(&mut idle).await;
    let call = Call::new("DescribeExecution")
        .form("FlowName", "f")
        .form("ExecutionName", "e")
        .bytes();
    let (begin, end) = call.split_at(call.len() - 5);
    let mut in_flight = connect(&server).await;
    in_flight.write_all(begin).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;

    let address = server.address;
    let stopped = tokio::spawn(server.stop());
    assert_eq!(
        idle.read(&mut [0]).await.unwrap(),
        0,
        "the idle connection is closed"
    );
    in_flight.write_all(end).await.unwrap();
    let answer = Answer::read(&mut in_flight).await;
    assert_eq!(
        (answer.status, answer.header("connection")),
        (200, Some("close"))
    );
    let database = stopped.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
    let log = database.file("test.db-wal");
    assert!(!log.exists(), "the file alone holds everything");
}

#[tokio::test]
async fn health_and_readiness_need_no_signature() {
    let server = Server::start().await;
    for path in ["/healthz", "/readyz"] {
        let answer = server
            .send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes())
            .await;
        assert_eq!((answer.status, answer.text.as_str()), (200, "ok\n"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
    server.app.store.close().await;
    let answer = server
        .send(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
        .await;
    assert_eq!(answer.status, 503);
    assert_eq!(server.send(HEALTH).await.status, 200);
}
