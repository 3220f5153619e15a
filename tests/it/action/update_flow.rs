//! UpdateFlow: changes the parameters that are sent and no others.

use serde_json::Value;

use crate::support::{Call, NOW, Server, backend::Backend};

fn update() -> Call {
    Call::new("UpdateFlow").form("Name", "f")
}

async fn with_flow(backend: Backend) -> Server {
    let server = Server::start_on(backend).await;
    let create = Call::new("CreateFlow")
        .form("Name", "f")
        .form("Definition", "one")
        .form("Type", "FDL");
    let create = create
        .form("Description", "about")
        .form("RoleArn", "acs:ram::1:role/x");
    server
        .ok(create.form("Environment", "{\"Variables\":[]}"))
        .await;
    server
}

async fn described(server: &Server) -> Value {
    let mut flow = server
        .ok(Call::new("DescribeFlow").query("Name", "f"))
        .await;
    flow.as_object_mut().unwrap().remove("RequestId");
    flow
}

pub async fn update_changes_only_the_parameters_that_are_sent(backend: Backend) {
    let server = with_flow(backend).await;
    let mut expected = described(&server).await;
    server.set_time(NOW + 5000);
    for (parameter, value) in [
        ("Definition", "two\n\n"),
        ("Description", "other"),
        ("RoleArn", "acs:ram::1:role/y"),
        ("Type", "DEFAULT"),
        ("Type", "FDL"),
    ] {
        let mut answer = server
            .ok(update().at(NOW + 5000).form(parameter, value))
            .await;
        answer.as_object_mut().unwrap().remove("RequestId");
        expected[parameter] = value.into();
        expected["LastModifiedTime"] = "2026-11-22T12:00:05.000Z".into();
        assert_eq!(answer, expected);
    }
    server.set_time(NOW);
    assert_eq!(described(&server).await, expected);
}

pub async fn empty_description_and_role_are_cleared_and_empty_definition_counts_as_absent(
    backend: Backend,
) {
    let server = with_flow(backend).await;
    let call = update()
        .form("Description", "")
        .form("RoleArn", "")
        .form("Definition", "")
        .form("Type", "");
    let flow = server.ok(call.form("Environment", "")).await;
    assert_eq!(
        (
            &flow["Description"],
            flow.get("RoleArn"),
            &flow["Definition"]
        ),
        (&"".into(), None, &"one".into())
    );
    assert!(flow["Environment"].is_object());
}

pub async fn executions_keep_the_definition_they_started_with(backend: Backend) {
    let server = with_flow(backend).await;
    let start = |name| {
        Call::new("StartExecution")
            .form("FlowName", "f")
            .form("ExecutionName", name)
    };
    server.ok(start("before")).await;
    server.ok(update().form("Definition", "two")).await;
    server.ok(start("after")).await;
    for (name, definition) in [("before", "one"), ("after", "two")] {
        let call = Call::new("DescribeExecution")
            .query("FlowName", "f")
            .query("ExecutionName", name);
        assert_eq!(server.ok(call).await["FlowDefinition"], definition);
    }
}

pub async fn invalid_arguments_are_refused_and_nothing_changes(backend: Backend) {
    let server = with_flow(backend).await;
    let before = described(&server).await;
    for (parameter, value) in [
        ("Type", "fdl"),
        ("Environment", "[]"),
        ("Definition", "\0"),
        ("RoleArn", "\0"),
    ] {
        let (status, code, message) = server.refused(update().form(parameter, value)).await;
        assert_eq!((status, code.as_str()), (400, "InvalidArgument"));
        assert!(
            message.starts_with(&format!("Parameter error. {parameter} must ")),
            "{message}"
        );
    }
    assert_eq!(
        server
            .refused(Call::new("UpdateFlow").form("Name", "g"))
            .await
            .1,
        "FlowNotExists"
    );
    assert_eq!(
        server
            .refused(Call::new("UpdateFlow").form("Name", ""))
            .await
            .1,
        "MissingRequiredParams"
    );
    assert_eq!(
        server
            .refused(Call::new("UpdateFlow").form("Name", "1"))
            .await
            .1,
        "InvalidArgument"
    );
    assert_eq!(described(&server).await, before);
}
