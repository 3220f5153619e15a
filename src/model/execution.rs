//! An execution: one run of a flow, and its status.

use serde::{
    Deserialize, Serialize,
    de::value::{self, StrDeserializer},
};

use crate::model::{Name, Timestamp, event::EVENT_DETAIL_MAX_BYTES};

/// The beginning of the EventDetail of an `ExecutionStarted` event; the input and `}` follow.
const STARTED_DETAIL_PREFIX: &str = "{\"input\":";

/// Longest input, in bytes: the EventDetail that holds it must not exceed the limit of all details.
pub const INPUT_MAX_BYTES: usize = EVENT_DETAIL_MAX_BYTES - STARTED_DETAIL_PREFIX.len() - 1;

/// The status of an execution, spelled as by the vendor.
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

    /// Returns the vendor's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Running => "Running",
            Status::Succeeded => "Succeeded",
            Status::Failed => "Failed",
            Status::Stopped => "Stopped",
            Status::TimedOut => "TimedOut",
        }
    }

    /// Parses the vendor's spelling.
    pub fn parse(text: &str) -> Option<Self> {
        Status::deserialize(StrDeserializer::<value::Error>::new(text)).ok()
    }

    /// Returns the status with which an event of this type ends its execution, if it does.
    pub fn ended_by(event_type: &str) -> Option<Self> {
        let end = event_type.strip_prefix("Execution").and_then(Status::parse);
        end.filter(|status| *status != Status::Running)
    }
}

/// An execution in its present state. Input and output are JSON, kept byte for byte.
#[derive(Clone, Debug)]
pub struct Execution {
    pub flow: Name,
    pub name: Name,
    pub status: Status,
    pub input: String,
    /// The `output` in the EventDetail of the event that ended the execution, if any.
    pub output: Option<String>,
    /// The flow's definition at the start of the execution.
    pub definition: String,
    /// The flow's environment at the start of the execution; JSON.
    pub environment: Option<String>,
    pub started_at: Timestamp,
    /// Never before `started_at`: the clock of an engine may be behind the server's.
    pub stopped_at: Option<Timestamp>,
}

/// Returns the StoppedTime of an execution that ended at the time `end`: never before its start.
///
/// `second` is the time of the event after `ExecutionStarted`. If it is earlier than the start, the engine's clock is
/// behind that of the server, which wrote the start, by at least the difference. So the end is moved by it too, if it
/// was taken from the engine's clock.
pub fn stopped_at(
    started_at: Timestamp,
    second: Timestamp,
    end: Timestamp,
    has_engine_time: bool,
) -> Timestamp {
    let behind = match has_engine_time {
        true => (started_at.millis() - second.millis()).max(0),
        false => 0,
    };
    let end = (end.millis() + behind).min(Timestamp::LAST_MILLIS);
    Timestamp::from_millis(end).map_or(started_at, |end| end.max(started_at))
}

/// Returns the EventDetail of `ExecutionStarted`, which is event 1 of every execution.
pub fn started_detail(input: &str) -> String {
    format!("{STARTED_DETAIL_PREFIX}{input}}}")
}
