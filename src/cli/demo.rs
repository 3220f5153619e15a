//! The data of `serve --demo`: one flow with four executions, one of which grows while the server runs.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

use crate::{
    clock::Clock,
    model::{Flow, Name, NewEvent, Timestamp, event::Batch},
    server::App,
    store::{AppendRequest, StartExecution, Store},
};

pub(super) const KEY_ID: &str = "demo";
pub(super) const KEY_SECRET: &str = "demo-secret";

const FLOW: &str = "order";
const LIVE: &str = "order-1004-live";
/// Time from one item of the live execution to the next.
const ITEM_INTERVAL: Duration = Duration::from_secs(3);

const DEFINITION: &str = "\
version: v1
type: flow
steps:
  - type: parallel
    name: prepare
    branches:
      - steps:
          - {type: task, name: reserve-stock}
      - steps:
          - {type: task, name: charge-card}
  - type: foreach
    name: pack
    iterationMapping: {collection: $.items, item: item}
    steps:
      - {type: task, name: pack-item}
  - {type: task, name: ship}
";

/// The events of one execution, with consecutive EventIds and increasing times.
struct Script {
    events: Vec<NewEvent>,
    /// Time of the last event, in milliseconds since 1970.
    at: i64,
}

impl Script {
    /// Begins after event 1, which StartExecution appends.
    fn after_start(started: Timestamp) -> Self {
        Script {
            events: Vec::new(),
            at: started.millis(),
        }
    }

    /// Adds an event `millis` after the last one, caused by event `cause` or else by the last one. Returns its EventId.
    fn event(
        &mut self,
        millis: i64,
        event_type: &str,
        step: &str,
        cause: Option<i64>,
        detail: Value,
    ) -> i64 {
        self.at += millis;
        self.events.push(NewEvent {
            event_type: event_type.to_owned(),
            time: Timestamp::from_millis(self.at),
            schedule_event_id: cause,
            event_id: None,
            step_name: step.to_owned(),
            event_detail: detail.to_string(),
        });
        i64::try_from(self.events.len()).unwrap_or(i64::MAX) + 1
    }

    /// Adds a task step. Its task fails `failures` times; after the third time the step fails.
    fn task(&mut self, step: &str, millis: i64, failures: usize, output: Value) {
        let entered = json!({"input": {}, "local": {}});
        self.event(2, "StepEntered", step, None, entered);
        self.event(1, "StepStarted", step, None, json!({"input": {}}));
        for attempt in 1..=failures.min(3) {
            self.event(3, "TaskScheduled", step, None, json!({"attempt": attempt}));
            self.event(4, "TaskStarted", step, None, json!({}));
            let fault = json!({"error": "FC.Unknown", "cause": format!("payment gateway: 503, attempt {attempt} of 3")});
            self.event(millis, "TaskFailed", step, None, fault);
            if attempt < 3 {
                self.at += 1000 << attempt; // the pause before the next attempt
            }
        }
        if failures >= 3 {
            let fault = json!({"error": "FC.Unknown", "cause": "payment gateway: 503"});
            self.event(1, "StepFailed", step, None, fault);
        } else {
            self.event(3, "TaskScheduled", step, None, json!({}));
            self.event(4, "TaskStarted", step, None, json!({}));
            self.event(
                millis,
                "TaskSucceeded",
                step,
                None,
                json!({"output": output}),
            );
            self.event(1, "StepSucceeded", step, None, json!({"output": output}));
        }
        self.event(1, "StepExited", step, None, json!({"local": {}}));
    }

    /// Adds the parallel step, with two branches of one task each; the second task fails `failures` times.
    fn prepare(&mut self, failures: usize) {
        let entered = json!({"input": {}, "local": {}});
        self.event(5, "StepEntered", "prepare", None, entered);
        let fork = self.event(1, "StepStarted", "prepare", None, json!({"input": {}}));
        let (stock, receipt) = (
            json!({"warehouse": "杭州-2"}),
            json!({"receipt": "R-88012"}),
        );
        let branches = [
            self.branch(0, "reserve-stock", 180, 0, stock),
            self.branch(1, "charge-card", 420, failures, receipt),
        ];
        self.interleave(fork, branches);
        if failures >= 3 {
            let fault = json!({"error": "FC.Unknown", "cause": "branch 1 failed"});
            self.event(1, "StepFailed", "prepare", None, fault);
        } else {
            self.event(1, "StepSucceeded", "prepare", None, json!({"output": {}}));
        }
        self.event(1, "StepExited", "prepare", None, json!({"local": {}}));
    }

    /// Returns the events of a branch that begins now, as a script of its own.
    fn branch(&self, branch: i64, step: &str, millis: i64, failures: usize, output: Value) -> Self {
        let mut script = Script {
            events: Vec::new(),
            at: self.at,
        };
        let detail = json!({"branch": branch});
        script.event(1, "BranchEntered", "prepare", None, detail.clone());
        script.task(step, millis, failures, output);
        script.event(1, "BranchExited", "prepare", None, detail);
        script
    }

    /// Adds the events of both branches in order of time. The first of each branch is caused by event `fork`, every
    /// other one by the event before it in its branch.
    fn interleave(&mut self, fork: i64, branches: [Script; 2]) {
        let mut causes = [fork; 2];
        self.at = branches[0].at.max(branches[1].at);
        let numbered = branches.into_iter().enumerate();
        let mut events: Vec<_> = numbered
            .flat_map(|(branch, script)| {
                script.events.into_iter().map(move |event| (branch, event))
            })
            .collect();
        events.sort_by_key(|(_, event)| event.time);
        for (branch, mut event) in events {
            event.schedule_event_id = Some(causes[branch]);
            self.events.push(event);
            causes[branch] = i64::try_from(self.events.len()).unwrap_or(i64::MAX) + 1;
        }
    }

    /// Adds the foreach step.
    fn pack(&mut self, items: i64) {
        self.event(
            3,
            "StepEntered",
            "pack",
            None,
            json!({"input": {"items": items}, "local": {}}),
        );
        let each = self.event(
            1,
            "StepStarted",
            "pack",
            None,
            json!({"input": {"items": items}}),
        );
        for item in 0..items {
            self.item(item, Some(each), 40 + item * 37 % 90);
        }
        self.event(
            1,
            "StepSucceeded",
            "pack",
            None,
            json!({"output": {"packed": items}}),
        );
        self.event(1, "StepExited", "pack", None, json!({"local": {}}));
    }

    /// Adds one item of the foreach step that event `each` started. Returns the index of the event that ends its task.
    fn item(&mut self, item: i64, each: Option<i64>, millis: i64) -> usize {
        let detail = json!({"iteration": item});
        self.event(1, "IterationEntered", "pack", each, detail);
        self.task("pack-item", millis, 0, json!({"item": item}));
        let detail = json!({"iteration": item, "local": {}});
        self.event(1, "IterationExited", "pack", None, detail);
        self.events.len() - 4
    }

    /// Adds the last step, whose task waits until the carrier reports that it has the parcels.
    fn ship(&mut self, millis: i64, output: Value) {
        let entered = json!({"input": {}, "local": {}});
        self.event(2, "StepEntered", "ship", None, entered);
        self.event(1, "StepStarted", "ship", None, json!({"input": {}}));
        self.event(3, "TaskScheduled", "ship", None, json!({}));
        self.event(4, "TaskStarted", "ship", None, json!({}));
        self.event(30, "TaskSubmitted", "ship", None, json!({}));
        let result = json!({"output": output});
        self.event(millis, "TaskSucceeded", "ship", None, result.clone());
        self.event(1, "StepSucceeded", "ship", None, result);
        self.event(1, "StepExited", "ship", None, json!({"local": {}}));
    }

    fn end(&mut self, event_type: &str, detail: Value) {
        self.event(2, event_type, "", None, detail);
    }
}

/// Writes the demo's flow and executions to an empty store.
///
/// # Errors
/// The store cannot be written.
pub(super) async fn load(store: &dyn Store, clock: &Clock) -> Result<(), String> {
    let now = clock.now();
    let ago = |minutes: i64| Timestamp::from_millis(now.millis() - minutes * 60_000).unwrap_or(now);
    let flow = Flow {
        id: clock.uuid().to_string(),
        name: name(FLOW),
        definition: DEFINITION.to_owned(),
        description: "An order from payment to parcel".to_owned(),
        kind: "FDL".to_owned(),
        role_arn: None,
        execution_mode: "Standard".to_owned(),
        environment: None,
        external_storage_location: None,
        resource_group_id: None,
        created_at: ago(90),
        modified_at: ago(90),
    };
    written(store.create_flow(flow, None).await)?;

    let mut script = Script::after_start(ago(80));
    script.prepare(0);
    script.pack(2);
    script.ship(350, json!({"parcel": "P-1001"}));
    script.end(
        "ExecutionSucceeded",
        json!({"output": {"parcel": "P-1001"}}),
    );
    store_execution(store, "order-1001", ago(80), script).await?;

    let mut script = Script::after_start(ago(60));
    script.prepare(3);
    script.end(
        "ExecutionFailed",
        json!({"error": "FC.Unknown", "cause": "step prepare failed: payment gateway: 503"}),
    );
    store_execution(store, "order-1002-failed", ago(60), script).await?;

    let mut script = Script::after_start(ago(40));
    script.prepare(1);
    script.pack(250);
    script.ship(9_000, json!({"parcels": 3}));
    script.end("ExecutionSucceeded", json!({"output": {"parcels": 3}}));
    store_execution(store, "order-1003-bulk", ago(40), script).await?;

    let mut script = Script::after_start(ago(1));
    script.prepare(0);
    script.event(
        3,
        "StepEntered",
        "pack",
        None,
        json!({"input": {}, "local": {}}),
    );
    script.event(1, "StepStarted", "pack", None, json!({"input": {}}));
    store_execution(store, LIVE, ago(1), script).await
}

/// Appends one item after the other to the live execution, until it ends. Each runs for half of the interval.
pub(super) async fn grow(app: Arc<App>) {
    for item in 0.. {
        let mut script = Script::after_start(app.clock.now());
        let end = script.item(
            item,
            None,
            i64::try_from(ITEM_INTERVAL.as_millis() / 2).unwrap_or(0),
        );
        let rest = script.events.split_off(end);
        for events in [script.events, rest] {
            let now = app.clock.now();
            if let Err(fault) = append(&*app.store, LIVE, events, None, now).await {
                tracing::debug!("the live execution has ended: {fault}");
                return;
            }
            tokio::time::sleep(ITEM_INTERVAL / 2).await;
        }
    }
}

/// Starts an execution and appends all events of `script`.
async fn store_execution(
    store: &dyn Store,
    execution: &str,
    at: Timestamp,
    script: Script,
) -> Result<(), String> {
    let input = json!({"order": execution, "customer": "Zoë", "currency": "CNY"}).to_string();
    let start = StartExecution {
        flow: name(FLOW),
        name: name(execution),
        input,
        at,
    };
    written(store.start_execution(start, None).await)?;
    let mut next = 2;
    for events in script.events.chunks(500) {
        next = append(store, execution, events.to_vec(), Some(next), at).await? + 1;
    }
    Ok(())
}

/// Appends events and returns the last EventId.
async fn append(
    store: &dyn Store,
    execution: &str,
    events: Vec<NewEvent>,
    expected: Option<i64>,
    at: Timestamp,
) -> Result<i64, String> {
    let batch = Batch::new(events, expected).map_err(|(_, fault)| fault.rule)?;
    let append = AppendRequest {
        flow: name(FLOW),
        execution: name(execution),
        batch,
        at,
    };
    Ok(written(store.append_execution_events(append, None).await)?.last)
}

fn written<T>(outcome: crate::store::Outcome<T>) -> Result<T, String> {
    outcome
        .map_err(|e| e.to_string())?
        .map_err(|refusal| format!("the demo could not be written: {refusal:?}"))
}

fn name(text: &str) -> Name {
    Name::parse(text).expect("the demo's names are valid")
}

/// Returns what `serve --demo` prints: its host, port and base path, and what to type next.
pub(super) fn welcome(address: &str) -> String {
    format!(
        r#"FlowLedger demo at http://{address}   access key: {KEY_ID}   secret: {KEY_SECRET}

Flow "{FLOW}" has four executions:
  order-1001          succeeded, with parallel branches
  order-1002-failed   failed after three attempts
  order-1003-bulk     a foreach of 250 items, 2,289 events
  {LIVE}     running, and growing while you look

Look at them in a browser, at http://{address}/ui/, or in another terminal:

  export FLOWLEDGER_ENDPOINT=http://{address} FLOWLEDGER_ACCESS_KEY_ID={KEY_ID} FLOWLEDGER_ACCESS_KEY_SECRET={KEY_SECRET}
  flowledger show {FLOW} order-1002-failed
  flowledger tail {FLOW} {LIVE}

Read one with the SDK you have:

# Python (pip install alibabacloud_fnf20190315)
from alibabacloud_tea_openapi.models import Config
from alibabacloud_fnf20190315.client import Client
from alibabacloud_fnf20190315.models import GetExecutionHistoryRequest
client = Client(Config(access_key_id="{KEY_ID}", access_key_secret="{KEY_SECRET}", endpoint="{address}", protocol="http"))
request = GetExecutionHistoryRequest(flow_name="{FLOW}", execution_name="order-1003-bulk", limit=1000)
while True:
    page = client.get_execution_history(request).body
    for event in page.events:
        print(event.event_id, event.time, event.type, event.step_name)
    request.next_token = page.next_token
    if not page.next_token:
        break

# Python, classic (pip install aliyun-python-sdk-fnf)
from aliyunsdkcore.client import AcsClient
from aliyunsdkfnf.request.v20190315.GetExecutionHistoryRequest import GetExecutionHistoryRequest
client = AcsClient("{KEY_ID}", "{KEY_SECRET}", "local")
client.add_endpoint("local", "fnf", "{address}")
request = GetExecutionHistoryRequest()
request.set_FlowName("{FLOW}")
request.set_ExecutionName("order-1002-failed")
print(client.do_action_with_exception(request).decode())

// Node (npm install @alicloud/fnf-2019-03-15)
const Client = require('@alicloud/fnf-2019-03-15');
const client = new Client({{accessKeyId: '{KEY_ID}', accessKeySecret: '{KEY_SECRET}', endpoint: 'http://{address}'}});
client.getExecutionHistory({{FlowName: '{FLOW}', ExecutionName: '{LIVE}'}}).then(console.log);

Ctrl-C stops the server and deletes the demo's data."#
    )
}
