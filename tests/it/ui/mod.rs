//! The pages under `/ui/`, over real HTTP and, in `browser`, in a real browser.

mod accessibility;
mod base_path;
mod browser;
mod download;
pub mod hostile;
mod lists;
mod pages;
mod phone;
mod responses;
mod rights;
mod sign_in;
mod sse;
mod stop;
mod times;

use flowledger::auth::keys::Keys;
use serde_json::{Value, json};

use crate::support::{Answer, Call, NOW, Server, call::encoded};

/// All paths that need a session, for flow `f` and execution `e`.
const PATHS: [&str; 9] = [
    "/ui/",
    "/ui/flows/f",
    "/ui/flows/f/executions/e",
    "/ui/flows/f/executions/e/events",
    "/ui/flows/f/executions/e/timeline",
    "/ui/flows/f/executions/e/history.json",
    "/ui/flows/f/executions/e/events/1",
    "/ui/flows/f/executions/e/events/1/detail",
    "/ui/flows/f/executions/e/live",
];

/// The header of a form that was sent from our own pages.
pub const OURS: &str = "Origin: http://flowledger.test";

impl Server {
    /// Sends a GET request with these header lines.
    async fn get(&self, path: &str, headers: &[&str]) -> Answer {
        self.send(request("GET", path, headers, "").as_bytes())
            .await
    }

    async fn post(&self, path: &str, headers: &[&str], form: &[(&str, &str)]) -> Answer {
        let form: Vec<_> = form
            .iter()
            .map(|(name, value)| format!("{name}={}", encoded(value)))
            .collect();
        self.send(request("POST", path, headers, &form.join("&")).as_bytes())
            .await
    }

    async fn sign_in(&self, key_id: &str, secret: &str) -> Answer {
        let form = [("key_id", key_id), ("secret", secret)];
        self.post("/ui/sign-in", &[OURS], &form).await
    }

    /// Signs in; returns the `Cookie` header line.
    async fn session(&self, key_id: &str, secret: &str) -> String {
        let answer = self.sign_in(key_id, secret).await;
        assert_eq!(answer.status, 303, "{}", answer.text);
        let set = answer.header("set-cookie").unwrap();
        format!("Cookie: {}", set.split(';').next().unwrap())
    }

    /// Returns a page as an admin sees it; fails unless its status is 200.
    pub async fn page(&self, path: &str) -> String {
        let cookie = self.session("testid", "testsecret").await;
        let answer = self.get(path, &[&cookie]).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer.text
    }

    fn replace_keys(&self, keys: &str) {
        let keys = Keys::load(Some(keys), None).unwrap();
        self.app.authenticator.replace_keys(keys);
    }

    pub async fn create(&self, flow: &str, description: &str) {
        let create = Call::new("CreateFlow")
            .form("Name", flow)
            .form("Definition", "version: v1\nsteps: []")
            .form("Description", description)
            .form("Type", "FDL");
        self.ok(create).await;
    }

    pub async fn start_one(&self, flow: &str, execution: &str, input: &str) {
        let start = Call::new("StartExecution")
            .form("FlowName", flow)
            .form("ExecutionName", execution)
            .form("Input", input);
        self.ok(start).await;
    }

    pub async fn append_to(&self, flow: &str, execution: &str, events: &Value) {
        let append = Call::new("AppendExecutionEvents")
            .form("FlowName", flow)
            .form("ExecutionName", execution);
        self.ok(append.form("Events", &events.to_string())).await;
    }
}

pub fn request(method: &str, path: &str, headers: &[&str], body: &str) -> String {
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: flowledger.test\r\n");
    for header in headers {
        request.push_str(&format!("{header}\r\n"));
    }
    if method == "POST" {
        let length = body.len();
        request.push_str(&format!(
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n"
        ));
    }
    format!("{request}\r\n{body}")
}

/// Returns an event at `NOW` plus `millis`.
fn event(millis: i64, event_type: &str, step: &str, detail: &Value) -> Value {
    let time = chrono::DateTime::from_timestamp_millis(NOW + millis).unwrap();
    json!({
        "Type": event_type, "StepName": step, "EventDetail": detail.to_string(),
        "Time": time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
    })
}

/// A failed history with branches, a retry and a wait for a callback.
fn failed_history() -> Value {
    let plain = json!({});
    let failed = |attempt| json!({"error": "FC.Unknown", "cause": format!("gateway: 503, attempt {attempt} of 2")});
    let mut events = vec![
        event(5, "StepEntered", "prepare", &json!({"input": {}})),
        event(6, "StepStarted", "prepare", &plain),
        event(7, "BranchEntered", "prepare", &json!({"branch": 0})),
        event(7, "BranchEntered", "prepare", &json!({"branch": 1})),
        event(9, "StepEntered", "reserve-stock", &plain),
        event(10, "StepStarted", "reserve-stock", &plain),
        event(60, "TaskScheduled", "reserve-stock", &plain),
        event(400, "TaskStarted", "reserve-stock", &plain),
        event(
            1200,
            "TaskSucceeded",
            "reserve-stock",
            &json!({"output": {"shelf": 7}}),
        ),
        event(1201, "StepSucceeded", "reserve-stock", &plain),
        event(1202, "StepExited", "reserve-stock", &plain),
        event(8, "StepEntered", "charge-card", &plain),
        event(12, "StepStarted", "charge-card", &plain),
        event(20, "TaskScheduled", "charge-card", &plain),
        event(24, "TaskStarted", "charge-card", &plain),
        event(600, "TaskFailed", "charge-card", &failed(1)),
        event(2600, "TaskScheduled", "charge-card", &plain),
        event(2610, "TaskStarted", "charge-card", &plain),
        event(3300, "TaskFailed", "charge-card", &failed(2)),
        event(
            3301,
            "StepFailed",
            "charge-card",
            &json!({"error": "FC.Unknown", "cause": "gateway: 503"}),
        ),
        event(3302, "StepExited", "charge-card", &plain),
        event(3303, "BranchExited", "prepare", &json!({"branch": 0})),
        event(3303, "BranchExited", "prepare", &json!({"branch": 1})),
        event(3310, "BranchEntered", "prepare", &json!({"branch": 2})),
        event(3311, "Note", "prepare", &json!({"text": "branch 1 failed"})),
        event(3320, "StepEntered", "tell-customer", &plain),
        event(3321, "StepStarted", "tell-customer", &plain),
        event(3330, "TaskScheduled", "tell-customer", &plain),
        event(3340, "TaskStarted", "tell-customer", &plain),
        event(3600, "TaskSubmitted", "tell-customer", &plain),
        event(5400, "TaskSucceeded", "tell-customer", &plain),
        event(5401, "StepSucceeded", "tell-customer", &plain),
        event(5402, "StepExited", "tell-customer", &plain),
    ];
    // The causes that tell which branch a step is in; EventIds begin at 2.
    for (index, cause) in [
        (2, 3),
        (3, 3),
        (4, 4),
        (11, 5),
        (21, 12),
        (22, 22),
        (23, 3),
        (25, 25),
    ] {
        events[index]["ScheduleEventId"] = json!(cause);
    }
    events.push(event(
        5410,
        "ExecutionFailed",
        "",
        &json!({"error": "FC.Unknown", "cause": "prepare failed"}),
    ));
    Value::Array(events)
}
