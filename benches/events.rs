//! The events that the benches write and read: steps of a task, with details of a usual size.

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

/// Event number `id` as it is appended: about 270 bytes once it is stored.
pub fn event(id: i64) -> Value {
    let kind = usize::try_from(id).unwrap() % TYPES.len();
    let detail = json!({
        "input": {"order": format!("order-{id:08}"), "items": id % 17},
        "output": {"status": "accepted", "amount": id % 9973},
    });
    json!({
        "Type": TYPES[kind],
        "StepName": format!("step-{}", id % 40),
        "EventDetail": detail.to_string(),
    })
}

/// `count` events from `first` on, as the parameter `Events`.
pub fn batch(first: i64, count: i64) -> String {
    let events: Vec<_> = (first..first + count).map(event).collect();
    Value::from(events).to_string()
}
