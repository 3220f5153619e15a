//! The head of an execution's page: its status, then what failed and why, or what is running.

use askama::Template;

use super::{
    outcome::{Outcome, class, outcome},
    urls::{PageUrl, execution_path},
};
use crate::model::{Execution, Status, Timestamp};
use crate::text::{count, counted, date_time, duration, multi_line, one_line, time_of_day};
use crate::timeline::{
    FAILURE_MAX_CHARS, FailureDetail, Kind, RootCause, Span, SpanState, Timeline,
};

/// Open spans that are listed; the timeline shows the others.
const NOW_MAX: usize = 6;

#[derive(Template)]
#[template(path = "summary.html", config = "src/ui/askama.toml")]
pub(super) struct Summary {
    pub outcome: Outcome,
    pub started: String,
    pub started_at: Timestamp,
    pub stopped: Option<String>,
    pub took: String,
    pub running: bool,
    /// The server's time in milliseconds since 1970, from which the script counts durations on.
    pub clock: i64,
    pub events: String,
    pub failure: Option<FailureCard>,
    pub now: Vec<NowRow>,
    pub more_now: String,
}

pub(super) struct FailureCard {
    pub word: &'static str,
    /// Labels of the spans around it, outermost first.
    pub path: Vec<String>,
    /// The reason, then what the step itself says if that differs. The first one is empty if no event gives a reason.
    pub reasons: Vec<ReasonText>,
    pub took: String,
    pub at: String,
    pub attempts: u32,
}

/// An error and its cause, with their line breaks.
pub(super) struct ReasonText {
    pub error: String,
    pub cause: String,
    pub event: PageUrl,
    pub event_id: i64,
    /// The URL of the event's exact detail.
    pub raw: String,
}

pub(super) struct NowRow {
    pub path: Vec<String>,
    pub class: &'static str,
    pub word: &'static str,
    pub since: Timestamp,
    pub took: String,
    pub event: PageUrl,
    pub event_id: i64,
}

impl Summary {
    pub fn new(
        execution: &Execution,
        timeline: &Timeline,
        last: i64,
        here: &PageUrl,
        now: Timestamp,
    ) -> Self {
        let end = execution.stopped_at.unwrap_or(now);
        let running = execution.status == Status::Running;
        let open = if running {
            timeline.innermost_open()
        } else {
            Vec::new()
        };
        let visits = |span: &&Span| span.visits.map_or(1, |visits| visits.open);
        let more_now: u64 = open.iter().skip(NOW_MAX).map(visits).sum();
        let here = here.without(&["event", "at", "type", "step"]);
        Summary {
            outcome: outcome(execution.status),
            started: date_time(execution.started_at),
            started_at: execution.started_at,
            stopped: execution.stopped_at.map(date_time),
            took: if timeline.root().state.is_open() {
                since(execution.started_at, end)
            } else {
                took(timeline.root(), now)
            },
            running,
            clock: now.millis(),
            events: counted(last.unsigned_abs(), "event"),
            failure: timeline
                .root_cause()
                .map(|failure| card(&failure, execution, &here, now)),
            more_now: match more_now {
                0 => String::new(),
                more => count(more),
            },
            now: open
                .into_iter()
                .take(NOW_MAX)
                .map(|span| now_row(span, timeline, &here, now))
                .collect(),
        }
    }
}

/// Returns the time from `begin` to `end`; zero if the clock stepped back.
fn since(begin: Timestamp, end: Timestamp) -> String {
    duration(end.max(begin).distance(begin))
}

fn took(span: &Span, now: Timestamp) -> String {
    duration(span.millis(now))
}

fn card(
    failure: &RootCause<'_>,
    execution: &Execution,
    here: &PageUrl,
    now: Timestamp,
) -> FailureCard {
    let span = failure.span;
    let base = execution_path(&execution.flow, &execution.name);
    let reason = |event_id: i64, detail: Option<&FailureDetail>| {
        let text =
            |text: Option<&String>| multi_line(text.map_or("", String::as_str), FAILURE_MAX_CHARS);
        let event_id = event_id.max(1);
        ReasonText {
            error: text(detail.map(|detail| &detail.error)),
            cause: text(detail.map(|detail| &detail.cause)),
            event: here.with("event", event_id),
            event_id,
            raw: format!("{base}/events/{event_id}/detail"),
        }
    };
    let first = reason(failure.event_id(), failure.detail);
    let also = failure.also.map(|also| reason(also.event_id, Some(also)));
    FailureCard {
        word: match span.state {
            SpanState::TimedOut => "Timed out",
            SpanState::Failed => "Failed",
            _ => "Not finished",
        },
        path: failure
            .path
            .iter()
            .map(|label| one_line(label, 120))
            .collect(),
        reasons: std::iter::once(first).chain(also).collect(),
        took: took(span, now),
        at: span.end.map(time_of_day).unwrap_or_default(),
        attempts: span.attempts,
    }
}

fn now_row(span: &Span, timeline: &Timeline, here: &PageUrl, now: Timestamp) -> NowRow {
    let last = span.segments.last().filter(|piece| piece.end.is_none());
    let since = match (span.kind, timeline.extent()) {
        (Kind::Execution, Some((_, latest))) => latest,
        _ => last.map_or(span.begin, |piece| piece.begin),
    };
    NowRow {
        path: timeline
            .path(span.id)
            .iter()
            .map(|label| one_line(label, 120))
            .collect(),
        class: class(span.state),
        word: match span.state.as_str() {
            "Waiting" => "waiting for its callback",
            "Queued" => "queued",
            "Pausing" => "pausing before the next attempt",
            _ => "working",
        },
        since,
        took: self::since(since, now),
        event: here.with("event", span.last_event_id.max(1)),
        event_id: span.last_event_id,
    }
}
