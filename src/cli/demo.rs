//! The demo: one flow with four telling executions, one of which goes on while the server runs.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use serde_json::{Value, json};

use crate::{
    clock::Clock,
    model::{Flow, Name, NewEvent, Timestamp, event::Batch},
    server::App,
    store::{AppendEvents, StartExecution, Store},
};

pub(super) const KEY_ID: &str = "demo";
pub(super) const KEY_SECRET: &str = "demo-secret";

const FLOW: &str = "order";
const LIVE: &str = "order-1004-live";
/// Time between two orders of the live execution.
const GROWTH: Duration = Duration::from_secs(3);

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

/// Events as they would happen: each has the next EventId, and a time a little later.
struct Script {
    events: Vec<NewEvent>,
    /// Milliseconds since 1970 of the event last written.
    at: i64,
}

impl Script {
    /// Goes on after event 1 of an execution, which starting wrote.
    fn after_start(started: Timestamp) -> Self {
        Script {
            events: Vec::new(),
            at: started.millis(),
        }
    }

    /// Writes an event `millis` after the last, caused by event `cause` or else by the last; answers its EventId.
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

    /// A whole task step. Its task fails `failures` times; after the third time the step fails.
    fn task(
        &mut self,
        step: &str,
        cause: Option<i64>,
        millis: i64,
        failures: usize,
        output: Value,
    ) -> i64 {
        self.event(
            2,
            "StepEntered",
            step,
            cause,
            json!({"input": {}, "local": {}}),
        );
        self.event(1, "StepStarted", step, None, json!({"input": {}}));
        for attempt in 1..=failures.min(3) {
            self.event(3, "TaskScheduled", step, None, json!({"attempt": attempt}));
            self.event(4, "TaskStarted", step, None, json!({}));
            let fault = json!({"error": "FC.Unknown", "cause": format!("payment gateway: 503, attempt {attempt} of 3")});
            self.event(millis, "TaskFailed", step, None, fault);
            self.at += 1000 << attempt; // the pause before the next attempt
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
        self.event(1, "StepExited", step, None, json!({"local": {}}))
    }

    /// The parallel step. Its branches take turns, as they do when they run at the same time.
    fn prepare(&mut self, failures: usize) {
        self.event(
            5,
            "StepEntered",
            "prepare",
            None,
            json!({"input": {}, "local": {}}),
        );
        let fork = self.event(1, "StepStarted", "prepare", None, json!({"input": {}}));
        let stock = self.event(
            1,
            "BranchEntered",
            "prepare",
            Some(fork),
            json!({"branch": 0}),
        );
        let card = self.event(
            0,
            "BranchEntered",
            "prepare",
            Some(fork),
            json!({"branch": 1}),
        );
        let reserved = self.task(
            "reserve-stock",
            Some(stock),
            180,
            0,
            json!({"warehouse": "杭州-2"}),
        );
        let charged = self.task(
            "charge-card",
            Some(card),
            420,
            failures,
            json!({"receipt": "R-88012"}),
        );
        self.event(
            1,
            "BranchExited",
            "prepare",
            Some(reserved),
            json!({"branch": 0}),
        );
        self.event(
            0,
            "BranchExited",
            "prepare",
            Some(charged),
            json!({"branch": 1}),
        );
        if failures >= 3 {
            self.event(
                1,
                "StepFailed",
                "prepare",
                None,
                json!({"error": "FC.Unknown", "cause": "branch 1 failed"}),
            );
        } else {
            self.event(1, "StepSucceeded", "prepare", None, json!({"output": {}}));
        }
        self.event(1, "StepExited", "prepare", None, json!({"local": {}}));
    }

    /// The foreach step, with so many items.
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
            let entered = self.event(
                1,
                "IterationEntered",
                "pack",
                Some(each),
                json!({"iteration": item}),
            );
            let packed = self.task(
                "pack-item",
                Some(entered),
                40 + item * 37 % 90,
                0,
                json!({"item": item}),
            );
            self.event(
                1,
                "IterationExited",
                "pack",
                Some(packed),
                json!({"iteration": item, "local": {}}),
            );
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

    fn end(&mut self, event_type: &str, detail: Value) {
        self.event(2, event_type, "", None, detail);
    }
}

/// Fills an empty store.
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
    said(store.create_flow(flow, None).await)?;

    let mut script = Script::after_start(ago(80));
    script.prepare(0);
    script.pack(2);
    script.task("ship", None, 350, 0, json!({"parcel": "P-1001"}));
    script.end(
        "ExecutionSucceeded",
        json!({"output": {"parcel": "P-1001"}}),
    );
    record(store, "order-1001", ago(80), script).await?;

    let mut script = Script::after_start(ago(60));
    script.prepare(3);
    script.end(
        "ExecutionFailed",
        json!({"error": "FC.Unknown", "cause": "step prepare failed: payment gateway: 503"}),
    );
    record(store, "order-1002-failed", ago(60), script).await?;

    let mut script = Script::after_start(ago(40));
    script.prepare(1);
    script.pack(250);
    script.task("ship", None, 900, 0, json!({"parcels": 3}));
    script.end("ExecutionSucceeded", json!({"output": {"parcels": 3}}));
    record(store, "order-1003-bulk", ago(40), script).await?;

    let mut script = Script::after_start(ago(1));
    script.prepare(0);
    record(store, LIVE, ago(1), script).await
}

/// Packs one more item of the live execution now and then, as long as the server runs.
pub(super) async fn grow(app: Arc<App>) {
    for item in 0.. {
        tokio::time::sleep(GROWTH).await;
        let mut script = Script::after_start(app.clock.now());
        script.task("pack-item", None, 60, 0, json!({"item": item}));
        if let Err(fault) = append(&*app.store, LIVE, script.events, None, app.clock.now()).await {
            tracing::debug!("the live execution has ended: {fault}");
            return;
        }
    }
}

/// An execution with all the events of `script`.
async fn record(
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
    said(store.start_execution(start, None).await)?;
    let mut next = 2;
    for events in script.events.chunks(500) {
        next = append(store, execution, events.to_vec(), Some(next), at).await? + 1;
    }
    Ok(())
}

/// Answers the last EventId.
async fn append(
    store: &dyn Store,
    execution: &str,
    events: Vec<NewEvent>,
    expected: Option<i64>,
    at: Timestamp,
) -> Result<i64, String> {
    let batch = Batch::new(events, expected).map_err(|(_, fault)| fault.rule)?;
    let append = AppendEvents {
        flow: name(FLOW),
        execution: name(execution),
        batch,
        at,
    };
    Ok(said(store.append_execution_events(append, None).await)?.last)
}

fn said<T>(outcome: crate::store::Outcome<T>) -> Result<T, String> {
    outcome
        .map_err(|e| e.to_string())?
        .map_err(|refusal| format!("the demo could not be written: {refusal:?}"))
}

fn name(text: &str) -> Name {
    Name::parse(text).expect("the demo's names are valid")
}

/// What to type next.
pub(super) fn welcome(address: SocketAddr) -> String {
    format!(
        r#"FlowLedger demo at http://{address}   access key: {KEY_ID}   secret: {KEY_SECRET}

Flow "{FLOW}" has four executions:
  order-1001          succeeded, with parallel branches
  order-1002-failed   failed after three attempts
  order-1003-bulk     a foreach of 250 items, 2,288 events
  {LIVE}     running, and growing while you look

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

Ctrl-C stops the server and throws the demo's data away."#
    )
}
