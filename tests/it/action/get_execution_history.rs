//! GetExecutionHistory: what a page holds, where the next begins, what is refused.

use serde_json::{Value, json};

use crate::support::{Call, Server};

fn history() -> Call {
    Call::new("GetExecutionHistory")
        .query("FlowName", "f")
        .query("ExecutionName", "e")
}

#[tokio::test]
async fn an_event_is_answered_with_every_field_in_the_vendors_form() {
    let server = Server::with_execution().await;
    server
        .append(&json!([{"Type": "StepEntered", "StepName": "步骤 \"1\" </script>", "EventDetail": "{\"input\":\"\u{1}\\u0000\"}",
            "Time": "2019-01-01T09:01:01.0019+08:00", "ScheduleEventId": 0}]))
        .await;
    let answer = server.call(history().query("NextToken", "2")).await;
    let id = answer.json["RequestId"].as_str().unwrap();
    assert_eq!(
        answer.text,
        format!(
            r#"{{"Events":[{{"Type":"StepEntered","EventId":2,"Time":"2019-01-01T01:01:01.001Z","ScheduleEventId":0,"EventDetail":"{{\"input\":\"\u0001\\u0000\"}}","StepName":"步骤 \"1\" </script>"}}],"RequestId":"{id}"}}"#
        )
    );
    assert_eq!(
        answer.header("content-type"),
        Some("application/json;charset=utf-8")
    );
    assert_eq!(answer.header("x-acs-request-id"), Some(id));
}
