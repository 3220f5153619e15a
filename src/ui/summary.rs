//! The head of an execution's page: its status, then what failed and why, or what is running.

use askama::Template;

use super::{
    outcome::{Outcome, class, outcome},
    timelines::Digest,
    urls::{PageUrl, execution_path},
    utc::UtcTime,
};
use crate::model::{Execution, Status, Timestamp};
use crate::text::{count, counted, duration, multi_line, one_line};
use crate::timeline::{
    FAILURE_MAX_CHARS, FailureDetail, HistoryEvent, Kind, RootCause, Span, SpanState, Timeline,
};

/// Open spans that are listed; the timeline shows the others.
const NOW_MAX: usize = 6;

#[derive(Template)]
#[template(path = "summary.html", config = "src/ui/askama.toml")]
pub(super) struct Summary {
    pub outcome: Outcome,
    pub started: UtcTime,
    pub stopped: Option<UtcTime>,
    pub took: String,
    pub running: bool,
    pub events: String,
    pub failure: Option<FailureCard>,
    pub now: Vec<NowRow>,
    pub more_now: String,
}

pub(super) struct FailureCard {
    /// The CSS class of the outcome.
    pub class: &'static str,
    pub word: &'static str,
    /// Labels of the spans around it, outermost first.
    pub path: Vec<String>,
    /// The URL and the EventId of the last event, if it is none of the reasons'.
    pub end: Option<(PageUrl, i64)>,
    /// The reason, then what the step itself says if that differs. The first one is empty if no event gives a reason.
    pub reasons: Vec<ReasonText>,
    pub took: String,
    pub at: Option<UtcTime>,
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
    pub fn new(execution: &Execution, digest: &Digest, here: &PageUrl, now: Timestamp) -> Self {
        let timeline = &digest.timeline;
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
            started: UtcTime(execution.started_at),
            stopped: execution.stopped_at.map(UtcTime),
            took: if timeline.root().state.is_open() {
                since(execution.started_at, end)
            } else {
                took(timeline.root(), now)
            },
            running,
            events: counted(digest.last_event_id().unsigned_abs(), "event"),
            failure: match timeline.root_cause() {
                Some(failure) => Some(card(&failure, execution, digest, &here, now)),
                None => end_card(execution, digest.last.as_ref(), &here),
            },
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

fn reason(
    execution: &Execution,
    event_id: i64,
    detail: Option<&FailureDetail>,
    here: &PageUrl,
) -> ReasonText {
    let text =
        |text: Option<&String>| multi_line(text.map_or("", String::as_str), FAILURE_MAX_CHARS);
    let event_id = event_id.max(1);
    let base = here.at(execution_path(&execution.flow, &execution.name));
    ReasonText {
        error: text(detail.map(|detail| &detail.error)),
        cause: text(detail.map(|detail| &detail.cause)),
        event: here.with("event", event_id),
        event_id,
        raw: format!("{base}/events/{event_id}/detail"),
    }
}

/// Returns the card of an execution that was stopped, or that failed after the events that the timeline has.
fn end_card(
    execution: &Execution,
    last: Option<&HistoryEvent>,
    here: &PageUrl,
) -> Option<FailureCard> {
    let last = last?;
    let end = execution.stopped_at?;
    if execution.status == Status::Succeeded {
        return None;
    }
    let outcome = outcome(execution.status);
    Some(FailureCard {
        class: outcome.class,
        word: outcome.word,
        path: Vec::new(),
        end: None,
        reasons: vec![reason(
            execution,
            last.event_id,
            Some(&last.failure_detail()),
            here,
        )],
        took: since(execution.started_at, end),
        at: last.time.map(UtcTime),
        attempts: 0,
    })
}

fn card(
    failure: &RootCause<'_>,
    execution: &Execution,
    digest: &Digest,
    here: &PageUrl,
    now: Timestamp,
) -> FailureCard {
    let span = failure.span;
    let first = reason(execution, failure.event_id(), failure.detail, here);
    let also = failure.also;
    let also = also.map(|also| reason(execution, also.event_id, Some(also), here));
    let reasons: Vec<_> = std::iter::once(first).chain(also).collect();
    let end = digest.last_event_id();
    let is_linked = reasons.iter().any(|reason| reason.event_id == end);
    FailureCard {
        class: "failed",
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
        end: (!is_linked).then(|| (here.with("event", end), end)),
        reasons,
        took: took(span, now),
        at: span.end.map(UtcTime),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::Name, ui::filter::Tally};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000).unwrap()
    }

    /// The summary of an execution whose timeline has only its first event, and whose last event is this one.
    fn summary(status: Status, detail: &str) -> Summary {
        let event = |id: i64, event_type: &str| {
            let event = serde_json::json!({
                "Type": event_type, "EventId": id, "EventDetail": detail, "Time": at(id),
            });
            HistoryEvent::parse(&event.to_string()).unwrap()
        };
        let mut timeline = Timeline::new(10);
        timeline.push(&event(1, "ExecutionStarted"));
        let digest = Digest {
            timeline,
            tally: Tally::default(),
            last: Some(event(900_000, &format!("Execution{}", status.as_str()))),
        };
        let execution = Execution {
            flow: Name::parse("f").unwrap(),
            name: Name::parse("e").unwrap(),
            status,
            input: "{}".to_owned(),
            output: None,
            definition: String::new(),
            environment: None,
            started_at: at(1),
            stopped_at: (status != Status::Running).then(|| at(61)),
        };
        Summary::new(&execution, &digest, &PageUrl::new(&"".into(), "/"), at(62))
    }

    #[test]
    fn end_beyond_the_timeline_is_the_failure() {
        let detail = r#"{"error":"Late","cause":"60 s"}"#;
        for (status, word) in [
            (Status::Failed, "Failed"),
            (Status::TimedOut, "Timed out"),
            (Status::Stopped, "Stopped"),
        ] {
            let card = summary(status, detail).failure.unwrap();
            assert_eq!((card.word, card.took.as_str()), (word, "1 min 00 s"));
            let reason = &card.reasons[0];
            assert_eq!(
                (reason.error.as_str(), reason.cause.as_str()),
                ("Late", "60 s")
            );
            assert_eq!(reason.event.to_string(), "/?event=900000");
        }
        for status in [Status::Succeeded, Status::Running] {
            assert!(summary(status, detail).failure.is_none());
        }
    }
}
