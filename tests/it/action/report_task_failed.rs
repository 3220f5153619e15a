//! ReportTaskFailed: appends an event with error and cause.

use super::report_task_succeeded::{events, submit};
use crate::support::{Call, Server, backend::Backend};

pub async fn failed_task_appends_an_event_with_error_and_cause(backend: Backend) {
    for (cause, detail) in [
        (
            "because \"so\"",
            "{\"error\":\"E.1\",\"cause\":\"because \\\"so\\\"\"}",
        ),
        ("", "{\"error\":\"E.1\"}"),
    ] {
        let server = Server::with_execution_on(backend).await;
        let token = submit(&server).await;
        let call = Call::new("ReportTaskFailed")
            .query("TaskToken", &token)
            .form("Error", "E.1")
            .form("Cause", cause);
        assert_eq!(server.ok(call).await["EventId"], 4);
        let event = events(&server).await.remove(3);
        assert_eq!(event["Type"], "TaskFailed");
        assert_eq!(
            (
                event["ScheduleEventId"].as_i64(),
                event["StepName"].as_str()
            ),
            (Some(3), Some("s"))
        );
        assert_eq!(event["EventDetail"], detail);
    }
}

pub async fn invalid_and_missing_arguments_are_refused(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    let token = submit(&server).await;
    let report = |error: &str, cause: &str| {
        Call::new("ReportTaskFailed")
            .query("TaskToken", &token)
            .form("Error", error)
            .form("Cause", cause)
    };
    assert_eq!(
        server.refused(report("", "c")).await.1,
        "MissingRequiredParams"
    );
    assert_eq!(
        server.refused(report(&"x".repeat(129), "")).await.1,
        "InvalidArgument"
    );
    assert_eq!(
        server.refused(report("E", &"x".repeat(4097))).await.1,
        "InvalidArgument"
    );
    assert_eq!(
        server
            .refused(Call::new("ReportTaskFailed").form("Error", "E"))
            .await
            .1,
        "MissingRequiredParams"
    );
    let other = Call::new("ReportTaskFailed")
        .query("TaskToken", "x")
        .form("Error", "E");
    assert_eq!(server.refused(other).await.1, "InvalidArgument");
    assert_eq!(events(&server).await.len(), 3);
}
