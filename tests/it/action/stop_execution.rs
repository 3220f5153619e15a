//! StopExecution: appends an ExecutionStopped event with the caller's reason.

use serde_json::json;

use crate::support::{Call, NOW, Server, backend::Backend, call::seconds};

fn stop() -> Call {
    Call::new("StopExecution")
        .form("FlowName", "f")
        .form("ExecutionName", "e")
}

async fn last_event(server: &Server) -> serde_json::Value {
    let call = Call::new("GetExecutionHistory")
        .query("FlowName", "f")
        .query("ExecutionName", "e");
    let page = server.ok(call.query("NextToken", "2")).await;
    page["Events"][0].clone()
}

pub async fn stopped_execution_holds_the_callers_reason(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    let execution = server
        .ok(stop()
            .form("Error", "E.Manual")
            .form("Cause", "因为 \"so\""))
        .await;
    let time = seconds(NOW).replace('Z', ".000Z");
    assert_eq!(
        (&execution["Status"], &execution["StoppedTime"]),
        (&json!("Stopped"), &json!(time))
    );
    assert_eq!(
        (&execution["Input"], &execution["Output"]),
        (&json!("{}"), &json!(""))
    );
    assert_eq!(
        last_event(&server).await,
        json!({"Type": "ExecutionStopped", "EventId": 2, "Time": time, "ScheduleEventId": 1, "StepName": "",
            "EventDetail": "{\"error\":\"E.Manual\",\"cause\":\"因为 \\\"so\\\"\"}"})
    );
}

pub async fn stop_without_a_reason_is_accepted(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    server.ok(stop().form("Error", "").form("Cause", "")).await;
    assert_eq!(last_event(&server).await["EventDetail"], "{}");
}

pub async fn stopping_an_ended_execution_is_refused(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    server.ok(stop()).await;
    let message = "Execution 'e' for flow 'f' has already completed.".to_owned();
    assert_eq!(
        server.refused(stop()).await,
        (400, "ExecutionAlreadyCompleted".to_owned(), message)
    );
}

pub async fn invalid_arguments_are_refused_and_the_execution_runs_on(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    for (parameter, value, rule) in [
        ("Error", "x".repeat(129), "at most 128 characters"),
        ("Cause", "é".repeat(4097), "at most 4096 characters"),
        ("Cause", "\0".to_owned(), "not contain U+0000"),
    ] {
        let (status, code, message) = server.refused(stop().form(parameter, &value)).await;
        assert_eq!((status, code.as_str()), (400, "InvalidArgument"));
        assert_eq!(
            message,
            format!(
                "Parameter error. {parameter} must {}.",
                rule.replace("at most", "be at most")
            )
        );
    }
    let call = |flow, execution| {
        Call::new("StopExecution")
            .form("FlowName", flow)
            .form("ExecutionName", execution)
    };
    assert_eq!(server.refused(call("g", "e")).await.1, "FlowNotExists");
    assert_eq!(server.refused(call("f", "x")).await.1, "ExecutionNotExists");
    assert_eq!(
        server.refused(call("f", "")).await.1,
        "MissingRequiredParams"
    );
    server
        .ok(stop()
            .form("Error", &"x".repeat(128))
            .form("Cause", &"é".repeat(4096)))
        .await;
}

pub async fn answer_holds_the_role_of_the_flow(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    server
        .ok(Call::new("UpdateFlow")
            .form("Name", "f")
            .form("RoleArn", "acs:ram::1:role/x"))
        .await;
    assert_eq!(server.ok(stop()).await["RoleArn"], "acs:ram::1:role/x");
}
