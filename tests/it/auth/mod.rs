//! Authentication and authorization over real HTTP.

mod ambiguous;
mod keys;
mod limits;
mod order;
mod replay;
mod rights;
mod time;

use flowledger::auth::keys::Keys;
use serde_json::json;

use crate::support::{Answer, Call, Server};

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;

fn history() -> Call {
    Call::new("GetExecutionHistory")
        .query("FlowName", "f")
        .query("ExecutionName", "e")
}

fn create(name: &str) -> Call {
    Call::new("CreateFlow")
        .form("Name", name)
        .form("Definition", "version: v1")
        .form("Type", "FDL")
}

fn start(flow: &str, execution: &str) -> Call {
    Call::new("StartExecution")
        .form("FlowName", flow)
        .form("ExecutionName", execution)
}

fn append() -> Call {
    Call::new("AppendExecutionEvents")
        .form("FlowName", "f")
        .form("ExecutionName", "e")
        .form("Events", r#"[{"Type":"StepEntered"}]"#)
}

/// Every action on a flow, with the least role that may call it, in an order in which all but `CreateFlow` can
/// succeed. `token` is a task token.
fn calls(flow: &str, execution: &str, token: &str) -> Vec<(&'static str, Call)> {
    let about = |action| {
        Call::new(action)
            .query("FlowName", flow)
            .query("ExecutionName", execution)
    };
    let report = |action| Call::new(action).query("TaskToken", token);
    let events = r#"[{"Type":"StepEntered"}]"#;
    vec![
        ("reader", Call::new("DescribeFlow").query("Name", flow)),
        ("reader", about("DescribeExecution")),
        ("reader", about("GetExecutionHistory")),
        (
            "reader",
            Call::new("ListExecutions").query("FlowName", flow),
        ),
        ("reader", Call::new("ListSchedules").query("FlowName", flow)),
        ("writer", create(flow)),
        ("writer", Call::new("UpdateFlow").form("Name", flow)),
        ("writer", start(flow, execution)),
        (
            "writer",
            about("AppendExecutionEvents").query("Events", events),
        ),
        ("writer", report("ReportTaskSucceeded").form("Output", "{}")),
        ("writer", report("ReportTaskFailed").form("Error", "e")),
        ("writer", about("StopExecution")),
        ("admin", Call::new("DeleteFlow").form("Name", flow)),
    ]
}

/// Submits a task to execution `e` of flow `f` and returns its token.
async fn task_token(server: &Server) -> String {
    let appended = server.append(&json!([{"Type": "TaskSubmitted"}])).await;
    let tokens = appended["TaskTokens"].as_object().unwrap();
    tokens.values().next().unwrap().as_str().unwrap().to_owned()
}

/// The same call under RPC v1 and under ACS3, each with its own nonce.
fn both(call: &Call) -> [Call; 2] {
    let acs3 = format!("{} under ACS3", call.nonce);
    [call.clone(), call.clone().nonce(&acs3).acs3()]
}

/// The request of `call` with a text replaced after signing.
fn changed(call: &Call, from: &str, to: &str) -> Vec<u8> {
    let request = String::from_utf8(call.bytes()).unwrap();
    assert!(request.contains(from), "{from} in {request}");
    request.replacen(from, to, 1).into_bytes()
}

/// The code of an answer; `OK` if it succeeded.
fn code(answer: &Answer) -> String {
    match answer.status {
        200 => "OK".to_owned(),
        _ => answer.refusal().1,
    }
}

impl Server {
    async fn code(&self, call: Call) -> String {
        code(&self.call(call).await)
    }

    async fn code_of(&self, request: &[u8]) -> String {
        code(&self.send(request).await)
    }

    fn use_keys(&self, keys: &str) {
        let keys = Keys::load(Some(keys), None).unwrap();
        self.app.authenticator.replace_keys(keys);
    }
}
