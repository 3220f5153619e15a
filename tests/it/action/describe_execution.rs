//! DescribeExecution: how an execution stands, while it runs and after its end.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::{Call, NOW, Server, call::seconds};

fn describe() -> Call {
    Call::new("DescribeExecution")
        .query("FlowName", "f")
        .query("ExecutionName", "e")
}

#[tokio::test]
async fn a_running_execution_has_neither_output_nor_end() {
    let server = Server::with_execution().await;
    let mut execution = server.ok(describe()).await;
    execution.as_object_mut().unwrap().remove("RequestId");
    assert_eq!(
        execution,
        json!({"FlowName": "f", "Name": "e", "Status": "Running", "Input": "{}", "FlowDefinition": "version: v1",
            "StartedTime": seconds(NOW).replace('Z', ".000Z")})
    );
}

#[tokio::test]
async fn each_ending_event_sets_status_end_and_output() {
    for (event, status) in [
        ("ExecutionSucceeded", "Succeeded"),
        ("ExecutionFailed", "Failed"),
        ("ExecutionStopped", "Stopped"),
        ("ExecutionTimedOut", "TimedOut"),
    ] {
        let server = Server::with_execution().await;
        let detail = "{\"output\": {\"b\":1,  \"a\":\"\\u6b65\"}, \"x\": 1}";
        server
            .append(
                &json!([{"Type": event, "EventDetail": detail, "Time": "2026-11-22T12:00:01.5Z"}]),
            )
            .await;
        let execution = server.ok(describe()).await;
        assert_eq!(execution["Status"], status);
        assert_eq!(execution["StoppedTime"], "2026-11-22T12:00:01.500Z");
        assert_eq!(execution["Output"], "{\"b\":1,  \"a\":\"\\u6b65\"}");
    }
}

#[tokio::test]
async fn an_end_without_output_answers_none() {
    for detail in ["{}", "not JSON", "{\"output\":null}", "[]"] {
        let server = Server::with_execution().await;
        server
            .append(&json!([{"Type": "ExecutionSucceeded", "EventDetail": detail}]))
            .await;
        let execution = server.ok(describe()).await;
        assert_eq!(
            (&execution["Status"], execution.get("Output")),
            (&json!("Succeeded"), None::<&Value>),
            "{detail}"
        );
    }
}

#[tokio::test]
async fn what_does_not_exist_is_404_and_says_which_of_the_two() {
    let server = Server::with_execution().await;
    let call = |flow, execution| {
        Call::new("DescribeExecution")
            .query("FlowName", flow)
            .query("ExecutionName", execution)
    };
    assert_eq!(server.refused(call("g", "e")).await.1, "FlowNotExists");
    assert_eq!(server.refused(call("f", "x")).await.1, "ExecutionNotExists");
    assert_eq!(
        server.refused(call("f", "")).await.1,
        "MissingRequiredParams"
    );
    assert_eq!(server.refused(call("-f", "e")).await.1, "InvalidArgument");
}

#[tokio::test]
async fn a_wait_is_answered_the_moment_the_execution_ends() {
    let server = Arc::new(Server::with_execution().await);
    let waiting = Arc::clone(&server);
    let waiter =
        tokio::spawn(async move { waiting.ok(describe().query("WaitTimeSeconds", "60")).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.append(&json!([{"Type": "StepEntered"}])).await; // no end yet
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!waiter.is_finished());
    let ended = Instant::now();
    server
        .append(&json!([{"Type": "ExecutionSucceeded"}]))
        .await;
    assert_eq!(waiter.await.unwrap()["Status"], "Succeeded");
    assert!(ended.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_wait_is_over_when_its_time_is_and_nobody_waits_for_what_has_ended() {
    let server = Server::with_execution().await;
    let begun = Instant::now();
    assert_eq!(
        server.ok(describe().query("WaitTimeSeconds", "1")).await["Status"],
        "Running"
    );
    assert!(begun.elapsed() >= Duration::from_secs(1));
    server.append(&json!([{"Type": "ExecutionFailed"}])).await;
    let begun = Instant::now();
    for wait in ["0", "60", ""] {
        assert_eq!(
            server.ok(describe().query("WaitTimeSeconds", wait)).await["Status"],
            "Failed"
        );
    }
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
async fn the_wait_is_0_to_60_seconds() {
    let server = Server::with_execution().await;
    for wait in ["61", "-1", "x", "1.5"] {
        let (status, code, message) = server
            .refused(describe().query("WaitTimeSeconds", wait))
            .await;
        assert_eq!((status, code.as_str()), (400, "InvalidArgument"));
        assert_eq!(
            message,
            "Parameter error. WaitTimeSeconds must be an integer from 0 to 60."
        );
    }
}

#[tokio::test]
async fn five_hundred_wait_without_a_statement_and_hear_of_the_end_at_once() {
    let server = Arc::new(Server::with_execution().await);
    let waiters: Vec<_> = (0..500)
        .map(|_| {
            let waiting = Arc::clone(&server);
            let call = describe().query("WaitTimeSeconds", "60");
            tokio::spawn(async move { (waiting.ok(call).await, Instant::now()) })
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(waiters.iter().all(|waiter| !waiter.is_finished()));
    server
        .append(&json!([{"Type": "ExecutionSucceeded"}]))
        .await;
    let ended = Instant::now();
    for waiter in waiters {
        let (execution, answered) = waiter.await.unwrap();
        assert_eq!(execution["Status"], "Succeeded");
        assert!(
            answered.saturating_duration_since(ended) < Duration::from_secs(10),
            "nobody is forgotten"
        );
    }
}

#[tokio::test]
async fn a_stop_of_the_server_ends_all_waits() {
    let server = Server::with_execution().await;
    let address = server.address;
    let waiter = tokio::spawn(async move {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let call = describe().query("WaitTimeSeconds", "60").bytes();
        tokio::io::AsyncWriteExt::write_all(&mut stream, &call)
            .await
            .unwrap();
        crate::support::Answer::read(&mut stream).await
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let begun = Instant::now();
    server.stop().await;
    let answer = waiter.await.unwrap();
    assert_eq!(
        (answer.status, &answer.json["Status"]),
        (200, &json!("Running"))
    );
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn an_execution_keeps_the_environment_it_started_with() {
    let server = Server::start().await;
    let variables =
        |value: &str| format!("{{\"Variables\":[{{\"Name\":\"k\",\"Value\":\"{value}\"}}]}}");
    let create = Call::new("CreateFlow")
        .form("Name", "f")
        .form("Definition", "d")
        .form("Type", "FDL");
    server
        .ok(create.form("Environment", &variables("old")))
        .await;
    server
        .ok(Call::new("StartExecution")
            .form("FlowName", "f")
            .form("ExecutionName", "e"))
        .await;
    server
        .ok(Call::new("UpdateFlow")
            .form("Name", "f")
            .form("Environment", &variables("new")))
        .await;
    let expected: Value = serde_json::from_str(&variables("old")).unwrap();
    assert_eq!(server.ok(describe()).await["Environment"], expected);
    let list = || Call::new("ListExecutions").query("FlowName", "f");
    assert_eq!(
        server.ok(list()).await["Executions"][0]["Environment"],
        expected
    );
    let metadata = server.ok(list().query("MetadataOnly", "true")).await;
    assert_eq!(metadata["Executions"][0].get("Environment"), None);
}

#[tokio::test]
async fn a_wait_for_what_is_deleted_is_over_at_once() {
    let server = Arc::new(Server::with_execution().await);
    let begun = Instant::now();
    let waiting = Arc::clone(&server);
    let waiter = tokio::spawn(async move {
        waiting
            .refused(describe().query("WaitTimeSeconds", "60"))
            .await
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    server.ok(Call::new("DeleteFlow").form("Name", "f")).await;
    assert_eq!(waiter.await.unwrap().1, "FlowNotExists");
    assert!(begun.elapsed() < Duration::from_secs(30));
}
