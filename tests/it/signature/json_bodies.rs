//! JSON bodies: signed by ACS3, and refused under RPC v1, which does not sign them.

use serde_json::json;

use super::history;
use crate::support::{Call, Server};

#[tokio::test]
async fn json_body_under_acs3_may_hold_arrays_and_numbers() {
    let server = Server::with_execution().await;
    let body = json!({"FlowName": "f", "ExecutionName": "e", "ExpectedEventId": 2,
        "Events": [{"Type": "StepEntered", "StepName": "步骤"}, {"Type": "StepExited"}]});
    for content_type in ["application/json", "Application/JSON; charset=utf-8"] {
        let call = Call::new("AppendExecutionEvents").body(content_type, body.to_string());
        let appended = server.ok(call.acs3()).await;
        assert_eq!(
            (&appended["FirstEventId"], &appended["LastEventId"]),
            (&json!(2), &json!(3))
        );
    }
    let call = Call::new("GetExecutionHistory")
        .query("FlowName", "f")
        .body(
            "application/json",
            r#"{"ExecutionName":"e","Limit":1,"NextToken":null}"#,
        );
    let page = server.ok(call.acs3()).await;
    assert_eq!(page["Events"].as_array().unwrap().len(), 1);
    assert_eq!(page["NextToken"], "2");
}

#[tokio::test]
async fn json_body_under_rpc_v1_is_refused_because_it_is_unsigned() {
    let server = Server::with_execution().await;
    let call = history().body("application/json", "{}");
    let (status, code, message) = server.refused(call).await;
    assert_eq!((status, code.as_str()), (400, "InvalidArgument"));
    assert!(message.contains("RPC v1"), "{message}");
}

#[tokio::test]
async fn malformed_deep_and_ambiguous_json_bodies_are_refused() {
    let server = Server::with_execution().await;
    let deep = format!("{{\"Input\":{}{}}}", "[".repeat(32), "]".repeat(32));
    for body in [
        "[]",
        "\"FlowName\"",
        "{",
        "{}{}",
        r#"{"FlowName":"f","FlowName":"f"}"#,
        r#"{"FlowName":"f","FlowN\u0061me":"f"}"#,
        r#"{"Input":{"a":1,"a":2}}"#,
        r#"{"flowname":"f"}"#,
        r#"{"Input":"\ud800"}"#,
        "{\"Input\":\"\u{1}\"}",
        r#"{"Signature":"x"}"#,
        &deep,
    ] {
        let call = Call::new("StartExecution")
            .body("application/json", body)
            .acs3();
        let (status, code, message) = server.refused(call).await;
        assert_eq!(
            (status, code.as_str()),
            (400, "InvalidArgument"),
            "{body}: {message}"
        );
    }
    let mut broken = b"{\"Input\":\"".to_vec();
    broken.extend(b"\xff\"}");
    let call = Call::new("StartExecution")
        .body("application/json", broken)
        .acs3();
    assert_eq!(server.refused(call).await.1, "InvalidArgument");
}
