//! DescribeExecution: how an execution stands, while it runs and after its end.

use serde_json::{Value, json};

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
