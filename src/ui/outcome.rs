//! How pages show the status of an execution and the state of a span: a CSS class, a glyph and a word.

use crate::{
    model::Status,
    text,
    timeline::{Phase, SpanState},
};

/// The status of an execution, by shape and word as well as colour.
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
