//! StartExecution: creates an execution with event 1, or answers the one that runs already.

use serde_json::json;

use crate::support::{Call, NOW, Server, backend::Backend, call::seconds, invalid_names};

fn start(execution: &str) -> Call {
    Call::new("StartExecution")
        .form("FlowName", "f")
        .form("ExecutionName", execution)
}

fn history(execution: &str) -> Call {
    Call::new("GetExecutionHistory")
        .query("FlowName", "f")
        .query("ExecutionName", execution)
}

pub async fn started_execution_has_event_1_with_its_input(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    let input = r#"{ "k": "v *~+/%&=", "中文":"\u503c" }"#;
    let mut execution = server.ok(start("x").form("Input", input)).await;
    execution.as_object_mut().unwrap().remove("RequestId");
    let time = seconds(NOW).replace('Z', ".000Z");
    assert_eq!(
        execution,
        json!({"FlowName": "f", "Name": "x", "Status": "Running", "Input": input, "FlowDefinition": "version: v1",
            "StartedTime": time, "Output": "", "StoppedTime": ""})
    );
    let events = server.ok(history("x")).await["Events"].take();
    assert_eq!(
        events,
        json!([{"Type": "ExecutionStarted", "EventId": 1, "Time": time, "ScheduleEventId": 0, "StepName": "",
            "EventDetail": format!("{{\"input\":{input}}}")}])
    );
}

pub async fn missing_input_is_an_empty_object_and_missing_name_is_generated(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    let one = server
        .ok(Call::new("StartExecution").form("FlowName", "f"))
        .await;
    let two = server
        .ok(Call::new("StartExecution").form("FlowName", "f"))
        .await;
    assert_eq!(one["Input"], "{}");
    assert_ne!(one["Name"], two["Name"]);
    server.ok(history(one["Name"].as_str().unwrap())).await;
}

pub async fn name_may_be_a_lower_case_uuid_in_every_action(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    let uuid = "69f71f89-8efc-4b3a-a2d9-1a2b3c4d5e6f";
    let about = |action| {
        Call::new(action)
            .form("FlowName", "f")
            .form("ExecutionName", uuid)
    };
    assert_eq!(server.ok(start(uuid)).await["Name"], uuid);
    let submitted = r#"[{"Type":"TaskSubmitted"}]"#;
    let appended = server
        .ok(about("AppendExecutionEvents").form("Events", submitted))
        .await;
    let token = appended["TaskTokens"]["2"].as_str().unwrap();
    let report = Call::new("ReportTaskSucceeded").form("TaskToken", token);
    server.ok(report.form("Output", "{}")).await;
    let history = server.ok(about("GetExecutionHistory")).await;
    assert_eq!(history["Events"].as_array().unwrap().len(), 3);
    assert_eq!(server.ok(about("DescribeExecution")).await["Name"], uuid);
    assert_eq!(server.ok(about("StopExecution")).await["Name"], uuid);
    let list = Call::new("ListExecutions").form("FlowName", "f");
    let listed = server.ok(list.form("ExecutionNamePrefix", "69")).await;
    assert_eq!(listed["Executions"][0]["Name"], uuid);
}

pub async fn uuid_in_another_form_and_a_uuid_as_flow_are_refused(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    for name in [
        "69F71F89-8EFC-4B3A-A2D9-1A2B3C4D5E6F",
        "69f71f898efc4b3aa2d91a2b3c4d5e6f",
        "69f71f89-8efc-4b3a-a2d9-1a2b3c4d5e6",
        "69f71f89-8efc-4b3a-a2d9-1a2b3c4d5e6f0",
        "69f71f8-98efc-4b3a-a2d9-1a2b3c4d5e6f",
        "69f71f89-8efc-4b3a-a2d9-1a2b3c4d5e6g",
        "{69f71f89-8efc-4b3a-a2d9-1a2b3c4d5e6f}",
    ] {
        let (_, code, message) = server.refused(start(name)).await;
        assert_eq!(code, "InvalidArgument", "{name}");
        assert!(message.contains("or be a lower-case UUID"), "{message}");
    }
    let create = Call::new("CreateFlow")
        .form("Name", "69f71f89-8efc-4b3a-a2d9-1a2b3c4d5e6f")
        .form("Definition", "d")
        .form("Type", "FDL");
    let (_, code, message) = server.refused(create).await;
    assert_eq!(code, "InvalidArgument");
    assert!(!message.contains("UUID"), "{message}");
}

pub async fn starting_a_running_execution_answers_it_and_an_ended_one_is_refused(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    let first = server.ok(start("x").form("Input", "{\"n\":1}")).await;
    let again = server.ok(start("x").form("Input", "{\"n\":2}")).await;
    assert_eq!(
        (&again["Input"], &again["StartedTime"]),
        (&first["Input"], &first["StartedTime"])
    );
    assert_eq!(
        server.ok(history("x")).await["Events"]
            .as_array()
            .unwrap()
            .len(),
        1
    );

    server
        .append(&json!([{"Type": "ExecutionSucceeded"}]))
        .await;
    assert_eq!(
        server.refused(start("e")).await,
        (
            400,
            "ExecutionAlreadyExists".to_owned(),
            "Execution 'e' for flow 'f' already exists.".to_owned()
        )
    );
}

pub async fn input_must_be_one_json_object_within_limits(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    let nested = |depth: usize| {
        format!(
            "{}{}",
            "{\"a\":".repeat(depth - 1) + "{}",
            "}".repeat(depth - 1)
        )
    };
    let filled = |bytes: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8));
    for (name, input) in [
        ("deep", nested(32)),
        ("long", filled(65_526)),
        ("spaced", " {} ".to_owned()),
    ] {
        assert_eq!(
            server.ok(start(name).form("Input", &input)).await["Input"],
            json!(input)
        );
    }
    for input in [
        "[]",
        "1",
        "null",
        "\"{}\"",
        "{",
        "{}x",
        "{\"a\":1,\"a\":2}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":1e999}",
        "{'a':1}",
        "{\"a\":\"\0\"}",
        &nested(33),
        &filled(65_527),
        &"[".repeat(100_000),
    ] {
        let (status, code, message) = server.refused(start("x").form("Input", input)).await;
        assert_eq!(
            (status, code.as_str()),
            (400, "InvalidArgument"),
            "{input:.40}"
        );
        assert!(
            message.starts_with("Parameter error. Input must be "),
            "{message}"
        );
    }
    assert_eq!(server.refused(history("x")).await.1, "ExecutionNotExists");
}

pub async fn invalid_names_and_missing_flows_are_refused(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    for name in invalid_names() {
        assert_eq!(
            server.refused(start(&name)).await.1,
            "InvalidArgument",
            "{name:?}"
        );
    }
    assert_eq!(
        server
            .refused(Call::new("StartExecution").form("ExecutionName", "x"))
            .await
            .1,
        "MissingRequiredParams"
    );
    assert_eq!(
        server
            .refused(Call::new("StartExecution").form("FlowName", "g"))
            .await
            .1,
        "FlowNotExists"
    );
}
