//! How pages show the status of an execution and the state of a span: a CSS class, a glyph and a word.

use crate::{
    model::{Execution, Name, Status, Timestamp},
    text::{self, duration},
    timeline::{Phase, SpanState},
};

/// The status of an execution, by shape and word as well as colour (WCAG 1.4.1).
#[derive(Clone, Copy)]
pub(super) struct Outcome {
    pub class: &'static str,
    pub glyph: &'static str,
    pub word: &'static str,
}

pub(super) fn outcome(status: Status) -> Outcome {
    let state = text::state(status);
    Outcome {
        class: class(state),
        glyph: text::glyph(state),
        word: if status == Status::TimedOut {
            "Timed out"
        } else {
            status.as_str()
        },
    }
}

/// Returns the CSS class of a state.
pub(super) fn class(state: SpanState) -> &'static str {
    match state {
        SpanState::Open(Phase::Waiting) => "running waits",
        SpanState::Open(_) => "running",
        SpanState::Succeeded => "succeeded",
        SpanState::Failed => "failed",
        SpanState::TimedOut => "timedout",
        SpanState::Stopped => "stopped",
        SpanState::Incomplete => "incomplete",
    }
}

/// An execution as a coloured dot that links to it.
pub(super) struct ExecutionDot {
    pub flow: Name,
    pub name: Name,
    pub outcome: Outcome,
    pub started_at: Timestamp,
    /// The duration in milliseconds; until now if it is running.
    pub millis: u64,
    pub took: String,
}

impl ExecutionDot {
    pub fn new(execution: &Execution, now: Timestamp) -> Self {
        let end = execution.stopped_at.unwrap_or(now);
        let millis = end.max(execution.started_at).distance(execution.started_at);
        ExecutionDot {
            flow: execution.flow.clone(),
            name: execution.name.clone(),
            outcome: outcome(execution.status),
            started_at: execution.started_at,
            millis,
            took: duration(millis),
        }
    }
}
