//! The top of an execution's page: how it stands; then what failed and why, or what goes on now.

use askama::Template;

use super::{
    address::Address,
    picture::look,
    text::{Mark, counted, day_time, duration, line, mark, time_of_day},
};
use crate::model::{
    Execution, Status, Timestamp,
    span::{Failure, Kind, Span, State, Timeline},
};

/// Open spans that are listed; the timeline shows the others.
const NOW_MAX: usize = 6;
/// Characters of a failure's cause that are shown.
const CAUSE_MAX_CHARS: usize = 1000;

#[derive(Template)]
#[template(path = "summary.html", config = "src/ui/askama.toml")]
pub(super) struct Summary {
    pub mark: Mark,
    pub started: String,
    pub started_at: Timestamp,
    pub stopped: Option<String>,
    pub took: String,
    pub running: bool,
    /// The server's time, in milliseconds since 1970.
    pub clock: i64,
    pub events: String,
    pub failure: Option<FailureCard>,
    pub now: Vec<NowRow>,
    pub more_now: usize,
}

pub(super) struct FailureCard {
    pub word: &'static str,
    /// The steps and branches that lead to it.
    pub path: Vec<String>,
    pub error: String,
    pub cause: String,
    pub took: String,
    pub at: String,
    pub attempts: u32,
    pub event: Address,
    pub event_id: i64,
}

pub(super) struct NowRow {
    pub path: Vec<String>,
    pub class: &'static str,
    pub word: &'static str,
    pub since: Timestamp,
    pub took: String,
    pub event: Address,
    pub event_id: i64,
}

impl Summary {
    pub fn of(
        execution: &Execution,
        timeline: &Timeline,
        last: i64,
        here: &Address,
        now: Timestamp,
    ) -> Self {
        let end = execution.stopped_at.unwrap_or(now);
        let running = execution.status == Status::Running;
        let open = if running { timeline.now() } else { Vec::new() };
        let here = here.without(&["event", "at", "type", "step"]);
        Summary {
            mark: mark(execution.status),
            started: day_time(execution.started_at),
            started_at: execution.started_at,
            stopped: execution.stopped_at.map(day_time),
            took: duration(end.millis() - execution.started_at.millis()),
            running,
            clock: now.millis(),
            events: counted(last, "event"),
            failure: timeline.failure().map(|failure| card(&failure, &here, now)),
            more_now: open.len().saturating_sub(NOW_MAX),
            now: open
                .into_iter()
                .take(NOW_MAX)
                .map(|span| now_row(span, timeline, &here, now))
                .collect(),
        }
    }
}

fn took(span: &Span, now: Timestamp) -> String {
    duration(i64::try_from(span.millis(now)).unwrap_or(i64::MAX))
}

fn card(failure: &Failure<'_>, here: &Address, now: Timestamp) -> FailureCard {
    let span = failure.span;
    let event_id = match (failure.fault, span.result_event_id) {
        (Some(fault), _) => fault.event_id,
        (None, Some(result)) => result,
        (None, None) => span.last_event_id,
    };
    let text = |text: Option<&str>| line(text.unwrap_or_default(), CAUSE_MAX_CHARS);
    FailureCard {
        word: match span.state {
            State::TimedOut => "Timed out",
            State::Failed => "Failed",
            _ => "Left unfinished",
        },
        path: failure.path.iter().map(|label| line(label, 120)).collect(),
        error: text(failure.fault.map(|fault| fault.error.as_str())),
        cause: text(failure.fault.map(|fault| fault.cause.as_str())),
        took: took(span, now),
        at: span.end.map(time_of_day).unwrap_or_default(),
        attempts: span.attempts,
        event: here.with("event", event_id.max(1)),
        event_id,
    }
}

fn now_row(span: &Span, timeline: &Timeline, here: &Address, now: Timestamp) -> NowRow {
    let last = span.segments.last().filter(|piece| piece.end.is_none());
    let since = match (span.kind, timeline.extent()) {
        (Kind::Execution, Some((_, latest))) => latest,
        _ => last.map_or(span.begin, |piece| piece.begin),
    };
    NowRow {
        path: timeline
            .path(span.id)
            .iter()
            .map(|label| line(label, 120))
            .collect(),
        class: look(span.state).0,
        word: match span.state.as_str() {
            "Waiting" => "waiting for its callback",
            "Queued" => "queued",
            "Pausing" => "pausing before the next attempt",
            _ => "working",
        },
        since,
        took: duration(now.millis() - since.millis()),
        event: here.with("event", span.last_event_id.max(1)),
        event_id: span.last_event_id,
    }
}
