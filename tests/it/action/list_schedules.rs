//! ListSchedules: no schedules for a flow that exists, because FlowLedger fires none.

use serde_json::json;

use crate::support::{Call, Server, backend::Backend, invalid_names};

fn list(flow: &str) -> Call {
    Call::new("ListSchedules").query("FlowName", flow)
}

pub async fn flow_has_no_schedules_and_no_next_page(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    for call in [
        list("f"),
        list("f").query("Limit", "1000").query("NextToken", ""),
        Call::new("ListSchedules").form("FlowName", "f").acs3(),
    ] {
        let mut answer = server.ok(call).await;
        answer.as_object_mut().unwrap().remove("RequestId");
        assert_eq!(answer, json!({"Schedules": []}));
    }
}

pub async fn missing_flow_is_404_and_named(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    let absent = (
        404,
        "FlowNotExists".to_owned(),
        "Flow 'g' does not exist.".to_owned(),
    );
    assert_eq!(server.refused(list("g")).await, absent);
    server.ok(Call::new("DeleteFlow").form("Name", "f")).await;
    assert_eq!(server.refused(list("f")).await.1, "FlowNotExists");
}

pub async fn invalid_arguments_are_refused(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    for limit in ["0", "1001", "x"] {
        let (_, code, message) = server.refused(list("f").query("Limit", limit)).await;
        assert_eq!(code, "InvalidArgument", "{limit}");
        assert!(
            message.contains("Limit must be an integer from 1 to 1000"),
            "{message}"
        );
    }
    for name in invalid_names() {
        assert_eq!(server.refused(list(&name)).await.1, "InvalidArgument");
    }
    assert_eq!(server.refused(list("")).await.1, "MissingRequiredParams");
}
