//! Appends that start the execution: histories that are brought in with their own times.

use serde_json::{Value, json};

use super::{events, expecting};
use crate::support::{Call, NOW, Server, backend::Backend, call::seconds};

/// The vendor's sample of a history, as GetExecutionHistory answers it.
fn sample() -> Value {
    let event = |id: i64, kind: &str, step: &str, detail: &str| {
        json!({"Type": kind, "EventId": id, "Time": format!("2019-01-01T01:01:0{id}.001Z"),
            "ScheduleEventId": id - 1, "EventDetail": detail, "StepName": step})
    };
    json!([
        event(1, "ExecutionStarted", "", r#"{"input":{"key": "value"}}"#),
        event(2, "StepEntered", "pass1", r#"{"input":{},"local":{}}"#),
        event(3, "StepExited", "pass1", r#"{"local":{}}"#),
        event(4, "ExecutionSucceeded", "", r#"{"output":{"done":true}}"#),
    ])
}

fn append_to(execution: &str, events: &Value) -> Call {
    Call::new("AppendExecutionEvents")
        .form("FlowName", "f")
        .form("ExecutionName", execution)
        .form("Events", &events.to_string())
}

async fn history_of(server: &Server, execution: &str) -> Value {
    let call = Call::new("GetExecutionHistory")
        .query("FlowName", "f")
        .query("ExecutionName", execution);
    server.ok(call).await["Events"].take()
}

pub async fn history_of_long_ago_is_brought_in_with_its_own_times(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    for _ in 0..2 {
        let answer = server.ok(append_to("copy", &sample())).await;
        assert_eq!(
            (&answer["FirstEventId"], &answer["LastEventId"]),
            (&json!(1), &json!(4))
        );
    }
    assert_eq!(history_of(&server, "copy").await, sample());
    let describe = Call::new("DescribeExecution")
        .query("FlowName", "f")
        .query("ExecutionName", "copy");
    let mut copy = server.ok(describe).await;
    copy.as_object_mut().unwrap().remove("RequestId");
    assert_eq!(
        copy,
        json!({"FlowName": "f", "Name": "copy", "Status": "Succeeded", "FlowDefinition": "version: v1",
            "Input": "{\"key\": \"value\"}", "Output": "{\"done\":true}",
            "StartedTime": "2019-01-01T01:01:01.001Z", "StoppedTime": "2019-01-01T01:01:04.001Z"})
    );
    let list = Call::new("ListExecutions").query("FlowName", "f");
    let listed = server.ok(list).await;
    assert_eq!(listed["Executions"][1]["Name"], "copy", "older than `e`");
}

pub async fn history_is_copied_in_batches(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    let batch = json!([{"Type": "StepEntered", "StepName": "s"}, {"Type": "ExecutionFailed"}]);
    server.ok(expecting(2, &batch)).await;
    let events = events(&server).await;
    for _ in 0..2 {
        for event in &events {
            server.ok(append_to("copy", &json!([event]))).await;
        }
    }
    assert_eq!(history_of(&server, "copy").await, json!(events));
}

pub async fn only_event_1_of_type_execution_started_starts_an_execution(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    let refused = async |call: Call| server.refused(call).await.1;
    let started = json!([{"Type": "ExecutionStarted"}]);
    for (call, code) in [
        (append_to("x", &started), "InvalidArgument"),
        (
            append_to("x", &started).form("ExpectedEventId", "2"),
            "InvalidArgument",
        ),
        (
            append_to("x", &json!([{"Type": "StepEntered", "EventId": 1}])),
            "ExecutionNotExists",
        ),
        (
            append_to("1x", &started).form("ExpectedEventId", "1"),
            "InvalidArgument",
        ),
        (
            Call::new("AppendExecutionEvents")
                .form("FlowName", "g")
                .form("ExecutionName", "x")
                .form("Events", &sample().to_string()),
            "FlowNotExists",
        ),
    ] {
        assert_eq!(refused(call).await, code);
    }
    let reader = append_to("x", &sample()).key("reader", "reader-secret");
    assert_eq!(refused(reader).await, "AccessDenied");
    let history = Call::new("GetExecutionHistory")
        .query("FlowName", "f")
        .query("ExecutionName", "x");
    assert_eq!(refused(history).await, "ExecutionNotExists");
    server
        .ok(append_to("x", &started).form("ExpectedEventId", "1"))
        .await;
    let event = &history_of(&server, "x").await[0];
    assert_eq!(
        (&event["Time"], &event["EventDetail"]),
        (&json!(seconds(NOW).replace('Z', ".000Z")), &json!("{}"))
    );
}
