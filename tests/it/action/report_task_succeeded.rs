//! ReportTaskSucceeded: appends an event with the output, once for each task token.

use serde_json::{Value, json};

use crate::support::{Call, Server, backend::Backend};

/// Submits a task in step `s` of execution `e` and returns its token.
pub async fn submit(server: &Server) -> String {
    let answer = server.append(&json!([{"Type": "TaskScheduled", "StepName": "s"}, {"Type": "TaskSubmitted", "StepName": "s"}])).await;
    let tokens = answer["TaskTokens"].as_object().unwrap();
    assert_eq!(
        tokens.keys().collect::<Vec<_>>(),
        [&answer["LastEventId"].to_string()]
    );
    tokens.values().next().unwrap().as_str().unwrap().to_owned()
}

pub async fn events(server: &Server) -> Vec<Value> {
    let call = Call::new("GetExecutionHistory")
        .query("FlowName", "f")
        .query("ExecutionName", "e");
    server.ok(call).await["Events"].as_array().unwrap().clone()
}

/// `TaskToken` in the query and the rest in the body, as most clients send it.
fn report(token: &str) -> Call {
    Call::new("ReportTaskSucceeded")
        .query("TaskToken", token)
        .form("Output", "{\"步\": 1.50}")
}

pub async fn succeeded_task_appends_an_event_with_its_output(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    let token = submit(&server).await;
    server
        .append(&json!([{"Type": "StepEntered", "StepName": "other"}]))
        .await;
    assert_eq!(server.ok(report(&token)).await["EventId"], 5);
    let mut event = events(&server).await.remove(4);
    event.as_object_mut().unwrap().remove("Time");
    assert_eq!(
        event,
        json!({"Type": "TaskSucceeded", "EventId": 5, "ScheduleEventId": 3, "StepName": "s",
            "EventDetail": "{\"output\":{\"步\": 1.50}}"})
    );
}

pub async fn task_can_be_reported_once(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    let token = submit(&server).await;
    server
        .ok(Call::new("ReportTaskSucceeded")
            .form("TaskToken", &token)
            .form("Output", "{}"))
        .await;
    let (status, code, message) = server.refused(report(&token)).await;
    assert_eq!(
        (status, code.as_str(), message.as_str()),
        (
            400,
            "TaskAlreadyCompleted",
            "Task '3' has already completed."
        )
    );
    let failed = Call::new("ReportTaskFailed")
        .query("TaskToken", &token)
        .form("Error", "E");
    assert_eq!(server.refused(failed).await.1, "TaskAlreadyCompleted");
    assert_eq!(events(&server).await.len(), 4);
}

pub async fn report_on_an_ended_task_or_execution_is_refused(backend: Backend) {
    for event in [
        "TaskSucceeded",
        "TaskFailed",
        "TaskTimedOut",
        "ExecutionTimedOut",
    ] {
        let server = Server::with_execution_on(backend).await;
        let token = submit(&server).await;
        server.append(&json!([{"Type": event}])).await;
        assert_eq!(
            server.refused(report(&token)).await.1,
            "TaskAlreadyCompleted",
            "{event}"
        );
    }
}

pub async fn task_token_survives_a_restart_and_is_the_same_for_a_retried_append(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    let token = submit(&server).await;
    let server = Server::open(server.stop().await).await;
    let repeat = Call::new("AppendExecutionEvents")
        .form("FlowName", "f")
        .form("ExecutionName", "e");
    let event = "[{\"Type\":\"TaskSubmitted\",\"StepName\":\"s\"}]";
    let again = server
        .ok(repeat.form("Events", event).form("ExpectedEventId", "3"))
        .await;
    assert_eq!(again["TaskTokens"], json!({"3": token}));
    server.ok(report(&token)).await;
}

pub async fn forged_task_token_is_refused(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    let token = submit(&server).await;
    let other = Server::with_execution_on(backend).await;
    let foreign = submit(&other).await;
    assert_ne!(token, foreign, "another database signs with another key");
    let mut refused: Vec<String> = vec![
        foreign,
        "x".to_owned(),
        token[1..].to_owned(),
        format!("{token}A"),
    ];
    for at in 0..token.len() {
        let changed = if token.as_bytes()[at] == b'A' {
            "B"
        } else {
            "A"
        };
        refused.push(format!("{}{changed}{}", &token[..at], &token[at + 1..]));
    }
    for token in refused {
        let (status, code, message) = server.refused(report(&token)).await;
        assert_eq!((status, code.as_str()), (400, "InvalidArgument"), "{token}");
        assert_eq!(
            message,
            "Parameter error. TaskToken must be one that was answered."
        );
    }
    server.ok(report(&token)).await;
}

pub async fn task_token_of_a_deleted_flow_is_invalid_for_a_new_flow_of_its_name(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    let token = submit(&server).await;
    server.ok(Call::new("DeleteFlow").form("Name", "f")).await;
    assert_eq!(server.refused(report(&token)).await.1, "FlowNotExists");
    server
        .ok(Call::new("CreateFlow")
            .form("Name", "f")
            .form("Definition", "d")
            .form("Type", "FDL"))
        .await;
    server
        .ok(Call::new("StartExecution")
            .form("FlowName", "f")
            .form("ExecutionName", "e"))
        .await;
    submit(&server).await;
    assert_eq!(server.refused(report(&token)).await.1, "FlowNotExists");
}

pub async fn key_reports_only_tasks_of_flows_that_it_sees(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    let token = submit(&server).await;
    for (key, secret) in [("narrow", "narrow-secret"), ("reader", "reader-secret")] {
        assert_eq!(
            server.refused(report(&token).key(key, secret)).await.1,
            "AccessDenied"
        );
    }
    server
        .ok(report(&token).key("writer", "writer-secret"))
        .await;
}

pub async fn output_must_be_a_json_object_that_fits_into_an_event(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    let token = submit(&server).await;
    let report = |output: &str| {
        Call::new("ReportTaskSucceeded")
            .query("TaskToken", &token)
            .form("Output", output)
    };
    let filled = |bytes: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8));
    for output in ["[]", "1", "{", "{\"a\":1,\"a\":2}", &filled(65_526)] {
        let (status, code, message) = server.refused(report(output)).await;
        assert_eq!((status, code.as_str()), (400, "InvalidArgument"));
        assert!(
            message.starts_with("Parameter error. Output must be "),
            "{message}"
        );
    }
    assert_eq!(server.refused(report("")).await.1, "MissingRequiredParams");
    assert_eq!(
        server
            .refused(Call::new("ReportTaskSucceeded").form("Output", "{}"))
            .await
            .1,
        "MissingRequiredParams"
    );
    server.ok(report(&filled(65_525))).await;
}
