//! An execution: one run of a flow, and how it stands.

use serde::{
    Deserialize, Serialize,
    de::value::{self, StrDeserializer},
};

use crate::model::{Name, Timestamp, event::EVENT_DETAIL_MAX_BYTES};

/// What leads an `ExecutionStarted` event's detail; its input and `}` follow.
const STARTED_DETAIL_PREFIX: &str = "{\"input\":";

/// Longest input, in bytes: its event's detail must keep within the limit of all details.
pub const INPUT_MAX_BYTES: usize = EVENT_DETAIL_MAX_BYTES - STARTED_DETAIL_PREFIX.len() - 1;

/// How an execution stands, in the vendor's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    Running,
    Succeeded,
    Failed,
    Stopped,
    TimedOut,
}

impl Status {
    pub const ALL: [Status; 5] = [
        Status::Running,
        Status::Succeeded,
        Status::Failed,
        Status::Stopped,
        Status::TimedOut,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Status::Running => "Running",
            Status::Succeeded => "Succeeded",
            Status::Failed => "Failed",
            Status::Stopped => "Stopped",
            Status::TimedOut => "TimedOut",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Status::deserialize(StrDeserializer::<value::Error>::new(text)).ok()
    }

    /// The status that an event of this type ends its execution with, if it does.
    pub fn ended_by(event_type: &str) -> Option<Self> {
        let end = event_type.strip_prefix("Execution").and_then(Status::parse);
        end.filter(|status| *status != Status::Running)
    }
}

/// An execution as it stands. Input and output are JSON, kept byte for byte.
#[derive(Clone, Debug)]
pub struct Execution {
    pub flow: Name,
    pub name: Name,
    pub status: Status,
    pub input: String,
    /// Set by the event that ends the execution, if its detail has an `output`.
    pub output: Option<String>,
    /// The flow's definition when the execution started.
    pub definition: String,
    /// The flow's environment when the execution started; JSON.
    pub environment: Option<String>,
    pub started_at: Timestamp,
    pub stopped_at: Option<Timestamp>,
}

/// The detail of the `ExecutionStarted` event, which is event 1 of every execution.
pub fn started_detail(input: &str) -> String {
    format!("{STARTED_DETAIL_PREFIX}{input}}}")
}
