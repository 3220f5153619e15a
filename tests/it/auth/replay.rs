//! Replays: a signed request is accepted once.

use super::{MINUTE, SECOND, append, both, calls, changed, create, history, start, task_token};
use crate::support::{Call, NOW, Server};

#[tokio::test]
async fn same_bytes_are_accepted_once() {
    let server = Server::with_execution().await;
    for call in both(&history()) {
        let request = call.bytes();
        assert_eq!(server.code_of(&request).await, "OK");
        for _ in 0..3 {
            let (status, code, message) = server.send(&request).await.refusal();
            assert_eq!((status, code.as_str()), (400, "SignatureNonceUsed"));
            assert_eq!(message, "Specified signature nonce was used already.");
        }
    }
}

#[tokio::test]
async fn respelled_replay_is_refused() {
    let server = Server::with_execution().await;
    let call = history().query("Limit", "1").query("Input", " ");
    let call = call.nonce("a nonce/+é");
    assert_eq!(server.code(call.clone()).await, "OK");
    for (from, to) in [
        ("/?", "/?&&"),
        ("&Limit=1", "&&&Limit=1&"),
        ("Limit=1", "%4c%69mit=%31"),
        ("Input=%20", "Input=+"),
        ("a%20nonce%2F%2B%C3%A9", "a+nonce/%2b%c3%a9"),
        ("a%20nonce", "%61%20nonce"),
        ("/?", "/?NextToken=&"),
        ("GET /?", "GET http://elsewhere/?"),
        ("Host: flowledger.test", "Host: elsewhere"),
    ] {
        let request = changed(&call, from, to);
        assert_eq!(server.code_of(&request).await, "SignatureNonceUsed", "{to}");
    }
    let request = String::from_utf8(call.bytes()).unwrap();
    let (head, signature) = request.split_once("&Signature=").unwrap();
    let (signature, rest) = signature.split_once(' ').unwrap();
    let signature_first = head.replacen("/?", &format!("/?Signature={signature}&"), 1);
    let reordered = format!("{signature_first} {rest}");
    assert_eq!(
        server.code_of(reordered.as_bytes()).await,
        "SignatureNonceUsed"
    );
    let unpadded = changed(&call, "%3D HTTP", " HTTP");
    assert_eq!(server.code_of(&unpadded).await, "SignatureNotMatch");
}

#[tokio::test]
async fn respelled_replay_under_acs3_is_refused() {
    let server = Server::with_execution().await;
    let call = history().acs3().query("Input", "步骤");
    assert_eq!(server.code(call.clone()).await, "OK");
    for (from, to) in [
        ("/?", "/?&"),
        ("%E6%AD%A5", "%e6%ad%a5"),
        ("FlowName=f&ExecutionName=e", "ExecutionName=e&FlowName=f"),
        ("x-acs-signature-nonce: ", "X-ACS-Signature-Nonce:    "),
        (",SignedHeaders", ",  SignedHeaders"),
        ("\r\n\r\n", "\r\nx-unsigned: 1\r\n\r\n"),
    ] {
        let request = changed(&call, from, to);
        assert_eq!(server.code_of(&request).await, "SignatureNonceUsed", "{to}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_64_identical_parallel_requests_is_accepted() {
    let server = std::sync::Arc::new(Server::with_execution().await);
    for call in both(&history()).into_iter().chain(both(&append())) {
        let request = call.bytes();
        let tasks: Vec<_> = (0..64)
            .map(|_| {
                let (server, request) = (server.clone(), request.clone());
                tokio::spawn(async move { server.code_of(&request).await })
            })
            .collect();
        let mut accepted = 0;
        for task in tasks {
            match task.await.unwrap().as_str() {
                "OK" => accepted += 1,
                other => assert_eq!(other, "SignatureNonceUsed"),
            }
        }
        assert_eq!(accepted, 1);
    }
    let events = &server.ok(history()).await["Events"];
    assert_eq!(events.as_array().unwrap().len(), 1 + 2);
}

#[tokio::test]
async fn keys_do_not_share_nonces() {
    let server = Server::with_execution().await;
    let call = history().nonce("shared");
    for (id, secret) in [("testid", "testsecret"), ("reader", "reader-secret")] {
        assert_eq!(server.code(call.clone().key(id, secret)).await, "OK");
        assert_eq!(
            server.code(call.clone().key(id, secret)).await,
            "SignatureNonceUsed"
        );
    }
}

#[tokio::test]
async fn nonce_is_used_for_both_schemes_and_every_action_and_time() {
    let server = Server::with_execution().await;
    let call = history().nonce("used");
    assert_eq!(server.code(call.clone()).await, "OK");
    for again in [
        call.clone().acs3(),
        call.at(NOW + MINUTE),
        append().nonce("used"),
    ] {
        assert_eq!(server.code(again).await, "SignatureNonceUsed");
    }
}

#[tokio::test]
async fn request_that_fails_authentication_uses_no_nonce() {
    let server = Server::with_execution().await;
    let call = history().nonce("precious");
    for (forgery, expected) in [
        (call.clone().key("testid", "wrong"), "SignatureNotMatch"),
        (call.clone().at(NOW - 16 * MINUTE), "RequestTimeTooSkewed"),
    ] {
        assert_eq!(server.code(forgery).await, expected);
    }
    assert_eq!(server.code(call).await, "OK");
}

#[tokio::test]
async fn replay_is_refused_as_long_as_its_signed_time_is_accepted() {
    let server = Server::with_execution().await;
    for call in both(&history().at(NOW + 15 * MINUTE)) {
        server.set_time(NOW);
        assert_eq!(server.code(call.clone()).await, "OK");
        for minute in 0..=30 {
            server.set_time(NOW + minute * MINUTE);
            assert_eq!(
                server.code(call.clone()).await,
                "SignatureNonceUsed",
                "{minute}"
            );
        }
        server.set_time(NOW + 30 * MINUTE + SECOND);
        assert_eq!(server.code(call).await, "RequestTimeTooSkewed");
    }
}

#[tokio::test]
async fn replayed_write_is_refused_after_a_restart() {
    for acs3 in [false, true] {
        let server = Server::with_execution().await;
        let token = task_token(&server).await;
        let writes: Vec<_> = calls("f", "e", &token)
            .into_iter()
            .filter(|(least, _)| *least != "reader")
            .map(|(_, call)| Call { acs3, ..call })
            .collect();
        assert_eq!(writes.len(), 8);
        for call in &writes {
            let code = server.code(call.clone()).await;
            assert_ne!(code, "SignatureNonceUsed", "{}", call.action);
        }
        let server = Server::open(server.stop().await).await;
        for call in &writes {
            let code = server.code(call.clone()).await;
            assert_eq!(code, "SignatureNonceUsed", "{}", call.action);
            let renewed = call.clone().nonce(&format!("{} renewed", call.nonce));
            let code = server.code(renewed).await;
            assert_ne!(code, "SignatureNonceUsed", "{}", call.action);
        }
    }
}

#[tokio::test]
async fn replay_of_a_refused_write_is_refused_after_a_restart() {
    let server = Server::with_execution().await;
    let append_to = |flow: &str, execution: &str| {
        Call::new("AppendExecutionEvents")
            .form("FlowName", flow)
            .form("ExecutionName", execution)
            .form("Events", r#"[{"Type":"StepEntered"}]"#)
    };
    let refused = [
        (append_to("g", "later"), "FlowNotExists"),
        (append_to("f", "later"), "ExecutionNotExists"),
        (
            append().form("ExpectedEventId", "2000"),
            "ConcurrentUpdateError",
        ),
        (start("g", "later"), "FlowNotExists"),
        (create("f"), "FlowAlreadyExists"),
    ];
    for (call, expected) in &refused {
        assert_eq!(server.code(call.clone()).await, *expected);
    }
    // The missing flows and executions exist now, so only the nonce can refuse a replay.
    for call in [create("g"), start("g", "other"), start("f", "later")] {
        assert_eq!(server.code(call).await, "OK");
    }
    let server = Server::open(server.stop().await).await;
    for (call, _) in refused {
        let action = call.action.clone();
        assert_eq!(server.code(call).await, "SignatureNonceUsed", "{action}");
    }
}

/// Whether the same bytes are refused now, and after a restart.
async fn is_refused_before_and_after_a_restart(server: Server, request: &[u8]) {
    assert_eq!(server.code_of(request).await, "SignatureNonceUsed");
    let server = Server::open(server.stop().await).await;
    assert_eq!(server.code_of(request).await, "SignatureNonceUsed");
    let events = &server.ok(history().query("Limit", "1000")).await["Events"];
    let events = events.as_array().unwrap();
    let replayed = events.iter().filter(|event| event["StepName"] == "once");
    assert_eq!(replayed.count(), 1);
}

fn append_once() -> Call {
    Call::new("AppendExecutionEvents")
        .form("FlowName", "f")
        .form("ExecutionName", "e")
        .form("Events", r#"[{"Type":"StepEntered","StepName":"once"}]"#)
}

#[tokio::test]
async fn stepped_clock_expires_no_nonce() {
    for hours in [2, -2] {
        let server = Server::with_execution().await;
        let request = append_once().bytes();
        assert_eq!(server.code_of(&request).await, "OK");
        let stepped = NOW + hours * 60 * MINUTE;
        server.set_time(stepped);
        for _ in 0..120 {
            assert_eq!(server.code(append().at(stepped)).await, "OK");
        }
        server.set_time(NOW);
        assert_eq!(server.code(append()).await, "OK", "true time goes on");
        is_refused_before_and_after_a_restart(server, &request).await;
    }
}

#[tokio::test]
async fn stepped_clock_expires_no_nonce_of_a_read() {
    for hours in [2, -2] {
        let server = Server::with_execution().await;
        let request = history().bytes();
        assert_eq!(server.code_of(&request).await, "OK");
        let stepped = NOW + hours * 60 * MINUTE;
        server.set_time(stepped);
        for _ in 0..120 {
            assert_eq!(server.code(history().at(stepped)).await, "OK");
        }
        server.set_time(NOW);
        assert_eq!(server.code(history()).await, "OK", "true time goes on");
        assert_eq!(server.code_of(&request).await, "SignatureNonceUsed");
    }
}

#[tokio::test]
async fn write_signed_ahead_expires_no_nonce_of_a_later_write() {
    for (clock, signed) in [(0, 15), (120, 120), (120, 135)] {
        let server = Server::with_execution().await;
        server.set_time(NOW + clock * MINUTE);
        let ahead = append().at(NOW + signed * MINUTE);
        assert_eq!(server.code(ahead).await, "OK");
        server.set_time(NOW);
        let request = append_once().bytes();
        assert_eq!(server.code_of(&request).await, "OK");
        for _ in 0..120 {
            assert_eq!(server.code(append()).await, "OK");
        }
        is_refused_before_and_after_a_restart(server, &request).await;
    }
}
