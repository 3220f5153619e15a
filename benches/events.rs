//! The events that the benches append and read: the events of task steps, with details of a usual size.

use flowledger::model::NewEvent;
use serde_json::{Value, json};

/// The flow of every execution in the benches.
pub const FLOW: &str = "bench";

/// Event types in the order in which a task step has them.
const TYPES: [&str; 6] = [
    "StepEntered",
    "StepStarted",
    "TaskScheduled",
    "TaskStarted",
    "TaskSucceeded",
    "StepExited",
];

/// Returns event number `id` as the store takes it; stored as JSON it has about 270 bytes.
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

/// Returns event number `id` as a client sends it.
pub fn event(id: i64) -> Value {
    let event = new_event(id);
    json!({"Type": event.event_type, "StepName": event.step_name, "EventDetail": event.event_detail})
}

/// Returns the parameter `Events` with `count` events from number `first` on.
pub fn batch(first: i64, count: i64) -> String {
    let events: Vec<_> = (first..first + count).map(event).collect();
    Value::from(events).to_string()
}
