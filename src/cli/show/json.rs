//! The timeline as JSON, for scripts. Times are RFC 3339; later versions may add fields but remove none.

use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    cli::remote::Execution,
    model::Timestamp,
    timeline::{Band, FailureDetail, ROOT, RowItem, Span, StepStatistics, Timeline},
};

pub(super) fn json(
    flow: &str,
    execution: &Execution,
    timeline: &Timeline,
    now: Timestamp,
) -> Value {
    let rows = timeline.rows();
    let spans = rows.iter().filter_map(|row| match row.item {
        RowItem::Span(span) if span.id != ROOT => {
            Some(self::span(span, timeline.is_caught(span.id), now))
        }
        _ => None,
    });
    let bands = rows.iter().filter_map(|row| match row.item {
        RowItem::Band(band) => Some(self::band(band)),
        _ => None,
    });
    let failure = timeline.root_cause().map(|failure| {
        json!({
            "Path": failure.path,
            "Attempts": failure.span.attempts,
            "State": failure.span.state.as_str(),
            "Fault": failure.detail.map(failure_detail),
            "Also": failure.also.map(failure_detail),
        })
    });
    let open: Vec<_> = timeline
        .innermost_open()
        .iter()
        .map(|span| span.id)
        .collect();
    let steps: serde_json::Map<_, _> = timeline
        .steps()
        .iter()
        .map(|(name, known)| (name.clone(), statistics(known)))
        .collect();
    json!({
        "FlowName": flow,
        "ExecutionName": execution.name,
        "Status": execution.status,
        "StartedTime": execution.started(),
        "StoppedTime": execution.stopped(),
        "Millis": super::millis(execution, timeline, now),
        "Input": execution.input,
        "Output": execution.output,
        "Events": timeline.events(),
        "Failure": failure,
        "Open": open,
        "Spans": spans.collect::<Vec<_>>(),
        "Bands": bands.collect::<Vec<_>>(),
        "Steps": steps,
    })
}

fn span(span: &Span, caught: bool, now: Timestamp) -> Value {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Drawn<'a> {
        id: i64,
        parent: Option<i64>,
        kind: crate::timeline::Kind,
        name: &'a str,
        index: Option<u64>,
        state: &'static str,
        caught: bool,
        begin: Timestamp,
        end: Option<Timestamp>,
        millis: u64,
        attempts: u32,
        first_event_id: i64,
        last_event_id: i64,
        fault: Option<Value>,
    }
    json!(Drawn {
        id: span.id,
        parent: span.parent,
        kind: span.kind,
        name: &span.name,
        index: span.index,
        state: span.state.as_str(),
        caught,
        begin: span.begin,
        end: span.end,
        millis: span.millis(now),
        attempts: span.attempts,
        first_event_id: span.first_event_id,
        last_event_id: span.last_event_id,
        fault: span.failure.as_ref().map(failure_detail),
    })
}

fn failure_detail(detail: &FailureDetail) -> Value {
    json!({"EventId": detail.event_id, "Error": detail.error, "Cause": detail.cause})
}

fn band(band: &Band) -> Value {
    json!({
        "Parent": band.parent,
        "Kind": band.of.as_ref().map(|(kind, _)| kind),
        "Name": band.of.as_ref().map(|(_, name)| name),
        "FirstEventId": band.first_event_id,
        "LastEventId": band.last_event_id,
        "Count": band.count,
        "Failed": band.failed,
        "Hidden": band.hidden(),
        "P50Millis": band.durations.p50(),
        "P99Millis": band.durations.p99(),
    })
}

/// Returns the statistics of one step, for `show --json` and `stats --json`.
pub(in crate::cli) fn statistics(known: &StepStatistics) -> Value {
    json!({
        "Count": known.count,
        "Failed": known.failed,
        "Open": known.open,
        "AttemptsFailed": known.attempts_failed,
        "P50Millis": known.durations.p50(),
        "P99Millis": known.durations.p99(),
        "MaxMillis": known.durations.max(),
        "TotalMillis": known.durations.total(),
    })
}
