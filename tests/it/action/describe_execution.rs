//! DescribeExecution: the status of running and ended executions, and long polls for the end.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::{Call, NOW, Server, backend::Backend, call::seconds};

fn describe() -> Call {
    Call::new("DescribeExecution")
        .query("FlowName", "f")
        .query("ExecutionName", "e")
}

pub async fn output_and_stop_time_of_a_running_execution_are_empty(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    let mut execution = server.ok(describe()).await;
    execution.as_object_mut().unwrap().remove("RequestId");
    assert_eq!(
        execution,
        json!({"FlowName": "f", "Name": "e", "Status": "Running", "Input": "{}", "FlowDefinition": "version: v1",
            "StartedTime": seconds(NOW).replace('Z', ".000Z"), "Output": "", "StoppedTime": ""})
    );
}

pub async fn each_ending_event_sets_status_stop_time_and_output(backend: Backend) {
    for (event, status) in [
        ("ExecutionSucceeded", "Succeeded"),
        ("ExecutionFailed", "Failed"),
        ("ExecutionStopped", "Stopped"),
        ("ExecutionTimedOut", "TimedOut"),
    ] {
        let server = Server::with_execution_on(backend).await;
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

pub async fn engine_whose_clock_is_behind_does_not_stop_before_the_start(backend: Backend) {
    let times = |event: &str, times: [&str; 2]| {
        let time = |at: &str| format!("2026-11-22T{at}Z");
        json!([
            {"Type": "StepEntered", "StepName": "s", "Time": time(times[0])},
            {"Type": event, "Time": time(times[1])},
        ])
    };
    for (event, [second, end], stopped) in [
        (
            "ExecutionFailed",
            ["11:59:57", "11:59:58.1"],
            "12:00:01.100",
        ),
        (
            "ExecutionTimedOut",
            ["11:59:57.001", "12:00:10"],
            "12:00:12.999",
        ),
        (
            "ExecutionSucceeded",
            ["12:00:03", "12:00:04.1"],
            "12:00:04.100",
        ),
        (
            "ExecutionSucceeded",
            ["12:00:03", "11:00:00"],
            "12:00:00.000",
        ),
        ("ExecutionStopped", ["11:59:57", "12:00:05"], "12:00:05.000"),
    ] {
        let server = Server::with_execution_on(backend).await;
        server.append(&times(event, [second, end])).await;
        let execution = server.ok(describe()).await;
        assert_eq!(
            execution["StoppedTime"],
            format!("2026-11-22T{stopped}Z"),
            "{event} {end}"
        );
    }
}

pub async fn end_without_a_time_is_at_the_servers_time_although_earlier_events_are_old(
    backend: Backend,
) {
    let server = Server::with_execution_on(backend).await;
    let events = json!([
        {"Type": "StepEntered", "StepName": "s", "Time": "2026-01-01T00:00:00Z"},
        {"Type": "ExecutionSucceeded"},
    ]);
    server.append(&events).await;
    let execution = server.ok(describe()).await;
    assert_eq!(execution["StoppedTime"], execution["StartedTime"]);
}

pub async fn end_without_output_answers_an_empty_output(backend: Backend) {
    for detail in ["{}", "not JSON", "{\"output\":null}", "[]"] {
        let server = Server::with_execution_on(backend).await;
        server
            .append(&json!([{"Type": "ExecutionSucceeded", "EventDetail": detail}]))
            .await;
        let execution = server.ok(describe()).await;
        assert_eq!(
            (&execution["Status"], &execution["Output"]),
            (&json!("Succeeded"), &json!("")),
            "{detail}"
        );
    }
}

pub async fn stop_time_is_never_before_the_start_time(backend: Backend) {
    for (time, stopped) in [
        ("2026-11-22T11:59:57.000Z", "2026-11-22T12:00:00.000Z"),
        ("2026-11-22T12:00:00.001Z", "2026-11-22T12:00:00.001Z"),
    ] {
        let server = Server::with_execution_on(backend).await;
        server
            .append(&json!([{"Type": "ExecutionSucceeded", "Time": time}]))
            .await;
        let execution = server.ok(describe()).await;
        assert_eq!(
            (&execution["StartedTime"], &execution["StoppedTime"]),
            (&json!("2026-11-22T12:00:00.000Z"), &json!(stopped))
        );
        let list = Call::new("ListExecutions").query("FlowName", "f");
        let listed = &server.ok(list).await["Executions"][0];
        assert_eq!(listed["StoppedTime"], stopped);
    }
}

pub async fn missing_flow_and_missing_execution_are_404_with_codes_of_their_own(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
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

pub async fn long_poll_is_answered_as_soon_as_the_execution_ends(backend: Backend) {
    let server = Arc::new(Server::with_execution_on(backend).await);
    let waiting = Arc::clone(&server);
    let waiter =
        tokio::spawn(async move { waiting.ok(describe().query("WaitTimeSeconds", "60")).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.append(&json!([{"Type": "StepEntered"}])).await; // does not end the execution
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!waiter.is_finished());
    let ended = Instant::now();
    server
        .append(&json!([{"Type": "ExecutionSucceeded"}]))
        .await;
    assert_eq!(waiter.await.unwrap()["Status"], "Succeeded");
    assert!(ended.elapsed() < Duration::from_secs(5));
}

pub async fn long_poll_times_out_and_an_ended_execution_is_answered_at_once(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
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

pub async fn wait_time_is_0_to_60_seconds(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
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

pub async fn five_hundred_long_polls_are_all_answered_when_the_execution_ends(backend: Backend) {
    let server = Arc::new(Server::with_execution_on(backend).await);
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
            answered.saturating_duration_since(ended) < Duration::from_secs(30),
            "every long poll is answered long before its 60 s are over"
        );
    }
}

pub async fn shutdown_ends_all_long_polls(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
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

pub async fn execution_keeps_the_environment_it_started_with(backend: Backend) {
    let server = Server::start_on(backend).await;
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

pub async fn long_poll_ends_when_the_flow_is_deleted(backend: Backend) {
    let server = Arc::new(Server::with_execution_on(backend).await);
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
