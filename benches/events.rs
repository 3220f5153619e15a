//! The events that the benches write and read: steps of a task, with details of a usual size.

use flowledger::model::NewEvent;
use serde_json::{Value, json};

/// The flow of all executions that the benches write.
pub const FLOW: &str = "bench";

/// Types in the order in which a task step writes them.
const TYPES: [&str; 6] = [
    "StepEntered",
    "StepStarted",
    "TaskScheduled",
    "TaskStarted",
    "TaskSucceeded",
    "StepExited",
];

/// Event number `id` as the store takes it: about 270 bytes once it is stored.
pub fn new_event(id: i64) -> NewEvent {
    let kind = usize::try_from(id).unwrap() % TYPES.len();
    let detail = json!({
        "input": {"order": format!("order-{id:08}"), "items": id % 17},
        "output": {"status": "accepted", "amount": id % 9973},
    });
    NewEvent {
        event_type: TYPES[kind].to_owned(),
        time: None,
        schedule_event_id: None,
        event_id: None,
        step_name: format!("step-{}", id % 40),
        event_detail: detail.to_string(),
    }
}

/// The same as it is sent.
pub fn event(id: i64) -> Value {
    let event = new_event(id);
    json!({"Type": event.event_type, "StepName": event.step_name, "EventDetail": event.event_detail})
}

/// `count` events from `first` on, as the parameter `Events`.
pub fn batch(first: i64, count: i64) -> String {
    let events: Vec<_> = (first..first + count).map(event).collect();
    Value::from(events).to_string()
}
