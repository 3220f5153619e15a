//! Bad input that applies to every parameter of every action: absent, empty, duplicate, in different case, malformed or
//! too long. Each is refused with a code of the contract that names the parameter, and nothing is written.

use serde_json::json;

use crate::support::{Answer, Call, Server};

/// A parameter with a valid value, and whether it is required.
type Parameter = (&'static str, &'static str, bool);

const FLOW: Parameter = ("FlowName", "f", true);
const EXECUTION: Parameter = ("ExecutionName", "e", true);
const LIMIT: Parameter = ("Limit", "1", false);

/// Every action that is served, with all its parameters.
const ACTIONS: [(&str, &[Parameter]); 14] = [
    (
        "AppendExecutionEvents",
        &[
            FLOW,
            EXECUTION,
            ("Events", "[{\"Type\":\"A\"}]", true),
            ("ExpectedEventId", "9", false),
        ],
    ),
    (
        "CreateFlow",
        &[
            ("Name", "f", true),
            ("Definition", "d", true),
            ("Type", "FDL", true),
            ("Description", "", false),
            ("RoleArn", "r", false),
            ("ExecutionMode", "Standard", false),
            ("Environment", "{}", false),
            ("ExternalStorageLocation", "/x", false),
            ("ResourceGroupId", "rg", false),
        ],
    ),
    ("DeleteFlow", &[("Name", "none", true)]),
    (
        "DescribeExecution",
        &[FLOW, EXECUTION, ("WaitTimeSeconds", "0", false)],
    ),
    (
        "DescribeFlow",
        &[("Name", "f", true), ("FlowVersion", "", false)],
    ),
    (
        "GetExecutionHistory",
        &[
            FLOW,
            EXECUTION,
            LIMIT,
            ("NextToken", "1", false),
            ("Reverse", "false", false),
            ("EventTypes", "A", false),
            ("StepName", "s", false),
            ("WaitTimeSeconds", "0", false),
        ],
    ),
    (
        "ListExecutions",
        &[
            FLOW,
            LIMIT,
            ("NextToken", "1.1", false),
            ("Status", "Running", false),
            ("StartedTimeBegin", "2026-01-01T00:00:00Z", false),
            ("StartedTimeEnd", "2026-01-01T00:00:00Z", false),
            ("ExecutionNamePrefix", "e", false),
            ("MetadataOnly", "true", false),
            ("MapRunName", "m", false),
            ("Qualifier", "1", false),
        ],
    ),
    (
        "ListFlows",
        &[
            LIMIT,
            ("NextToken", "f", false),
            ("ResourceGroupId", "rg", false),
        ],
    ),
    ("ListSchedules", &[FLOW, LIMIT]),
    (
        "ReportTaskFailed",
        &[
            ("TaskToken", "t", true),
            ("Error", "E", true),
            ("Cause", "c", false),
        ],
    ),
    (
        "ReportTaskSucceeded",
        &[("TaskToken", "t", true), ("Output", "{}", true)],
    ),
    (
        "StartExecution",
        &[FLOW, ("ExecutionName", "e", false), ("Input", "{}", false)],
    ),
    (
        "StopExecution",
        &[
            FLOW,
            ("ExecutionName", "none", true),
            ("Error", "E", false),
            ("Cause", "c", false),
        ],
    ),
    (
        "UpdateFlow",
        &[
            ("Name", "none", true),
            ("Definition", "d", false),
            ("Type", "FDL", false),
            ("Description", "", false),
            ("RoleArn", "r", false),
            ("Environment", "{}", false),
        ],
    ),
];

fn call(action: &str, parameters: &[Parameter], but: &str) -> Call {
    let given = parameters.iter().filter(|(name, ..)| *name != but);
    given.fold(Call::new(action), |call, (name, value, _)| {
        call.form(name, value)
    })
}

/// Returns the code of a refusal, whose message must name `parameter`.
fn code(answer: &Answer, parameter: &str) -> String {
    let (status, code, message) = answer.refusal();
    assert!(status < 500, "{}", answer.text);
    assert!(
        message.contains(parameter),
        "{message} should name {parameter}"
    );
    code
}

/// Everything that a reader sees.
async fn everything(server: &Server) -> String {
    let mut all = String::new();
    for (action, flow) in [("ListFlows", None), ("ListExecutions", Some("f"))] {
        let call = flow
            .iter()
            .fold(Call::new(action), |call, flow| call.query("FlowName", flow));
        let mut page = server.ok(call).await;
        page.as_object_mut().unwrap().remove("RequestId");
        all.push_str(&page.to_string());
    }
    let history = Call::new("GetExecutionHistory")
        .query("FlowName", "f")
        .query("ExecutionName", "e");
    all + &server.ok(history).await["Events"].to_string()
}

#[tokio::test]
async fn absent_or_empty_required_parameter_is_missing() {
    let server = Server::with_execution().await;
    let before = everything(&server).await;
    let mut checked = 0;
    for (action, parameters) in ACTIONS {
        for (name, _, required) in parameters.iter().filter(|(_, _, required)| *required) {
            let empty = call(action, parameters, name).form(name, "");
            for call in [call(action, parameters, name), empty] {
                let answer = server.call(call).await;
                assert_eq!(
                    code(&answer, name),
                    "MissingRequiredParams",
                    "{action} {required}"
                );
                checked += 1;
            }
        }
    }
    assert_eq!(everything(&server).await, before);
    assert!(checked > 40);
}

#[tokio::test]
async fn duplicate_misspelled_and_malformed_parameters_are_refused() {
    let server = Server::with_execution().await;
    let before = everything(&server).await;
    for (action, parameters) in ACTIONS {
        for (name, value, _) in parameters {
            let whole = call(action, parameters, "");
            for twice in [
                whole.clone().form(name, value),
                whole.with_new_nonce().query(name, value),
            ] {
                assert_eq!(
                    code(&server.call(twice).await, name),
                    "InvalidArgument",
                    "{action}"
                );
            }
            let twin = call(action, parameters, name).form(&name.to_lowercase(), value);
            assert_eq!(
                code(&server.call(twin).await, name),
                "InvalidArgument",
                "{action}"
            );
            for broken in ["%FF", "%ED%A0%80", "%C0%80", "%zz", "%"] {
                let request = String::from_utf8(
                    call(action, parameters, name)
                        .query("Broken", "here")
                        .bytes(),
                )
                .unwrap();
                let request = request.replace("Broken=here", &format!("{name}={broken}"));
                let (status, code, _) = server.send(request.as_bytes()).await.refusal();
                assert_eq!(
                    (status, code.as_str()),
                    (400, "InvalidArgument"),
                    "{action} {name}={broken}"
                );
            }
        }
    }
    assert_eq!(everything(&server).await, before);
}

#[tokio::test]
async fn long_and_malformed_values_never_return_5xx() {
    let server = Server::with_execution().await;
    let long = "x".repeat(200_000);
    let deep = "[".repeat(100_000);
    let odd = [
        long.as_str(),
        &deep,
        "\u{0}",
        "-1",
        "99999999999999999999",
        "1e999",
        "' OR 1=1 --",
        "\u{202e}步骤\u{10ffff}",
        "{\"a\":",
    ];
    for (action, parameters) in ACTIONS {
        for (name, ..) in parameters {
            for value in odd {
                let answer = server
                    .call(call(action, parameters, name).form(name, value))
                    .await;
                assert!(answer.status < 500, "{action} {name}: {}", answer.text);
                // These parameters accept nearly any text; all others refuse these values.
                let text = [
                    "Definition",
                    "Description",
                    "RoleArn",
                    "ExternalStorageLocation",
                    "ResourceGroupId",
                    "StepName",
                    "ExecutionNamePrefix",
                    "MapRunName",
                    "Qualifier",
                    "Error",
                    "Cause",
                ];
                assert!(
                    answer.status >= 400 || text.contains(name),
                    "{action} {name}={value:.30}"
                );
            }
        }
    }
    let alive = server
        .ok(Call::new("DescribeExecution")
            .query("FlowName", "f")
            .query("ExecutionName", "e"))
        .await;
    assert_eq!(alive["Status"], json!("Running"));
}
