//! The vendor's command line, Terraform provider and Serverless Devs, by the requests that they send. None can be
//! installed from the registries that the tests use, so their requests are written here, in their order.

use serde_json::{Value, json};

use crate::support::{Call, Server};

/// A call as Terraform's provider sends it: RPC v1, `RegionId` signed along, `Format=json`.
fn terraform(action: &str) -> Call {
    Call::new(action)
        .query("RegionId", "cn-hangzhou")
        .header("x-acs-action", action)
        .header("x-acs-version", "2019-03-15")
        .header("Accept-Encoding", "gzip")
}

/// Checks that a 200 answer has no field that the provider takes for an error.
fn without_error_fields(answer: Value) -> Value {
    assert!(
        answer.get("Code").is_none() && answer.get("Success").is_none(),
        "{answer}"
    );
    answer
}

#[tokio::test]
async fn terraform_makes_changes_and_destroys_a_flow() {
    let server = Server::start().await;
    let definition = "version: v1\ntype: flow\nsteps:\n  - type: pass\n    name: 步骤\n";
    let create = terraform("CreateFlow")
        .form("Definition", definition)
        .form("Description", "about\n");
    let create = create
        .form("Name", "tf")
        .form("Type", "DEFAULT")
        .form("RoleArn", "acs:ram::1:role/x");
    assert_eq!(without_error_fields(server.ok(create).await)["Name"], "tf");

    // Each plan reads the flow; a difference from the configuration would be planned as a change.
    let read = || terraform("DescribeFlow").query("Name", "tf");
    let flow = without_error_fields(server.ok(read()).await);
    assert_eq!(
        (&flow["Definition"], &flow["Description"]),
        (&json!(definition), &json!("about\n"))
    );
    assert_eq!(
        (&flow["Type"], &flow["RoleArn"]),
        (&json!("DEFAULT"), &json!("acs:ram::1:role/x"))
    );
    assert!(flow["Id"].is_string() && flow["LastModifiedTime"].is_string());

    // Removed arguments are sent empty.
    let update = terraform("UpdateFlow")
        .form("Name", "tf")
        .form("Description", "")
        .form("RoleArn", "");
    server.ok(update).await;
    let flow = without_error_fields(server.ok(read()).await);
    assert_eq!(
        (&flow["Description"], flow.get("RoleArn")),
        (&json!(""), None)
    );
    assert_eq!(flow["Definition"], definition);

    // Destroy sends a GET. Then a 404 means that the flow is gone, and a second destroy accepts FlowNotExists.
    server.ok(terraform("DeleteFlow").query("Name", "tf")).await;
    assert_eq!(server.refused(read()).await.0, 404);
    assert_eq!(
        server
            .refused(terraform("DeleteFlow").query("Name", "tf"))
            .await
            .1,
        "FlowNotExists"
    );
}

#[tokio::test]
async fn terraform_starts_and_stops_an_execution_and_its_data_sources_list() {
    let server = Server::start().await;
    server
        .ok(terraform("CreateFlow")
            .form("Name", "tf")
            .form("Definition", "d")
            .form("Type", "FDL"))
        .await;
    let start = terraform("StartExecution")
        .form("FlowName", "tf")
        .form("ExecutionName", "run");
    server.ok(start.form("Input", "{\"name\": \"test\"}")).await;
    let read = || {
        terraform("DescribeExecution")
            .query("FlowName", "tf")
            .query("ExecutionName", "run")
    };
    let execution = without_error_fields(server.ok(read()).await);
    assert_eq!(
        execution["Status"], "Running",
        "it waits while it is Starting"
    );
    assert_eq!(execution["Input"], "{\"name\": \"test\"}");

    let list = || terraform("ListExecutions").query("FlowName", "tf");
    for (call, expected) in [
        (list(), 1),
        (list().query("Status", "Running"), 1),
        (list().query("Status", "Stopped"), 0),
    ] {
        let page = without_error_fields(server.ok(call).await);
        assert_eq!(
            (
                page["Executions"].as_array().unwrap().len(),
                page.get("NextToken")
            ),
            (expected, None)
        );
    }
    let flows = without_error_fields(server.ok(terraform("ListFlows")).await);
    assert_eq!(
        (
            flows["Flows"].as_array().unwrap().len(),
            flows.get("NextToken")
        ),
        (1, None)
    );

    let stop = terraform("StopExecution")
        .form("FlowName", "tf")
        .form("ExecutionName", "run");
    server.ok(stop).await;
    assert_eq!(
        without_error_fields(server.ok(read()).await)["Status"],
        "Stopped"
    );
    let schedules = without_error_fields(
        server
            .ok(terraform("ListSchedules").query("FlowName", "tf"))
            .await,
    );
    assert_eq!(schedules["Schedules"], json!([]));
    // Schedules are not supported: an error, but no 404, which would mean that they are gone.
    assert_eq!(
        server
            .refused(terraform("CreateSchedule").form("FlowName", "tf"))
            .await
            .0,
        400
    );
}

/// A call as the command line sends it: all common parameters in the query, an empty `SignatureType`, and a form content
/// type on every request.
fn command_line(action: &str) -> Call {
    Call::new(action)
        .query("RegionId", "local")
        .query("SignatureType", "")
        .header("x-acs-action", action)
        .header("x-acs-version", "2019-03-15")
        .header("Accept-Encoding", "identity")
}

/// Adds a form's content type although there is no body.
fn bodiless(call: Call) -> Call {
    call.header("Content-Type", "application/x-www-form-urlencoded")
}

#[tokio::test]
async fn vendor_command_line_appends_by_get_and_pages_until_there_is_no_token() {
    let server = Server::start().await;
    server
        .ok(command_line("CreateFlow")
            .form("Name", "f")
            .form("Definition", "a b")
            .form("Type", "FDL"))
        .await;
    server
        .ok(command_line("StartExecution")
            .form("FlowName", "f")
            .form("ExecutionName", "e"))
        .await;
    // `--force`: an action it does not know goes by GET, or by POST without a body, all in the query.
    let events = json!(vec![
        json!({"Type": "StepEntered", "StepName": "步骤"});
        60
    ])
    .to_string();
    for method in ["GET", "POST"] {
        let append = bodiless(command_line("AppendExecutionEvents")).method(method);
        let append = append.query("FlowName", "f").query("ExecutionName", "e");
        server.ok(append.query("Events", &events)).await;
    }
    // `--pager path=Events`; `--NextToken ''` is sent and signed.
    let history = || {
        bodiless(command_line("GetExecutionHistory"))
            .query("FlowName", "f")
            .query("ExecutionName", "e")
    };
    let (mut ids, mut token) = (Vec::new(), String::new());
    loop {
        let page = server
            .ok(history().query("Limit", "50").query("NextToken", &token))
            .await;
        ids.extend(
            page["Events"]
                .as_array()
                .unwrap()
                .iter()
                .map(|event| event["EventId"].as_i64().unwrap()),
        );
        match page.get("NextToken") {
            Some(next) => {
                token = next
                    .as_str()
                    .expect("a number would end the loop silently")
                    .to_owned()
            }
            None => break,
        }
    }
    assert_eq!(ids, (1..=121).collect::<Vec<_>>());
    // `--waiter` repeats DescribeExecution; `DeleteFlow --method GET` sends a form with its GET.
    server
        .ok(bodiless(command_line("DescribeExecution"))
            .query("FlowName", "f")
            .query("ExecutionName", "e"))
        .await;
    server
        .ok(command_line("DeleteFlow").form("Name", "f").method("GET"))
        .await;
    assert_eq!(server.refused(history()).await.1, "FlowNotExists");
}

/// Serverless Devs' component describes a flow before it deploys it, and looks for a text in the error. It lists the
/// schedules of a flow before it removes the flow.
#[tokio::test]
async fn serverless_devs_deploys_and_removes_a_flow() {
    let server = Server::start().await;
    let describe = || Call::new("DescribeFlow").query("Name", "devs");
    let (status, code, message) = server.refused(describe()).await;
    assert_eq!(
        (status, code.as_str(), message.as_str()),
        (404, "FlowNotExists", "Flow 'devs' does not exist.")
    );
    let with_texts = |action: &str| {
        Call::new(action)
            .form("Name", "devs")
            .form("Definition", "d")
            .form("Description", "Created By Serverless Devs")
            .form("Type", "FDL")
    };
    let create = with_texts("CreateFlow").form("ExecutionMode", "Standard");
    server.ok(create).await;
    server.ok(describe()).await;
    server.ok(with_texts("UpdateFlow")).await;
    let schedules = || {
        Call::new("ListSchedules")
            .query("FlowName", "devs")
            .query("Limit", "1000")
    };
    assert_eq!(server.ok(schedules()).await["Schedules"], json!([]));
    server
        .ok(Call::new("DeleteFlow").form("Name", "devs"))
        .await;
    let gone = server.refused(schedules()).await;
    assert_eq!((gone.0, gone.1.as_str()), (404, "FlowNotExists"));
}
