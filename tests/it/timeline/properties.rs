//! Properties of timelines of arbitrary sequences of events.

use std::collections::{HashMap, HashSet};

use flowledger::model::Timestamp;
use flowledger::timeline::{
    DEPTH_MAX, HistoryEvent, ROOT, RowItem, SEGMENTS_MAX, Timeline, UNKNOWN_EVENTS_MAX,
};
use proptest::prelude::*;

use crate::{properties, support::NOW};

const TYPES: [&str; 27] = [
    "ExecutionStarted",
    "ExecutionStopped",
    "ExecutionSucceeded",
    "ExecutionFailed",
    "ExecutionTimedOut",
    "StepEntered",
    "StepStarted",
    "StepSucceeded",
    "StepFailed",
    "StepExited",
    "BranchEntered",
    "BranchExited",
    "IterationEntered",
    "IterationExited",
    "TaskScheduled",
    "TaskStarted",
    "TaskSubmitted",
    "TaskSubmitFailed",
    "TaskSucceeded",
    "TaskFailed",
    "TaskTimedOut",
    "StateEnter",
    "StateExec",
    "StateSucceeded",
    "StateFailed",
    "Note",
    "",
];

/// Event types with frequent entries and rare ends, so that trees grow.
fn event_type() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        8 => prop::sample::select(&TYPES[5..]),
        4 => prop::sample::select(&["StepEntered", "StepStarted", "IterationEntered", "BranchEntered"][..]),
        4 => prop::sample::select(&["StepExited", "IterationExited", "BranchExited"][..]),
        1 => prop::sample::select(&TYPES[..]),
    ]
}

prop_compose! {
    fn event()(
        event_type in event_type(),
        gap in prop_oneof![9 => Just(1_i64), 1 => -3..5_i64],
        cause in prop_oneof![3 => Just(1_i64), 3 => 0..12_i64, 1 => any::<i64>()],
        step in prop::sample::select(&["", "a", "b", "c", "步"][..]),
        later in prop_oneof![5 => 0..20_i64, 1 => -500..500_i64],
        time in any::<bool>(),
        detail in prop::sample::select(&["{}", "", "{\"branch\":1}", "{\"iteration\":0}", "{\"error\":1,\"cause\":[]}", "[", "{\"index\":-1}"][..]),
    ) -> (i64, i64, Option<i64>, HistoryEvent) {
        let event = HistoryEvent {
            event_type: event_type.to_owned(),
            event_id: 0,
            time: None,
            schedule_event_id: 0,
            step_name: step.to_owned(),
            event_detail: detail.to_owned(),
        };
        (gap, cause, time.then_some(later), event)
    }
}

fn history() -> impl Strategy<Value = Vec<HistoryEvent>> {
    let placed = |drafts: Vec<(i64, i64, Option<i64>, HistoryEvent)>| {
        let (mut id, mut at) = (0, NOW);
        let place = |(gap, cause, later, event): (i64, i64, Option<i64>, HistoryEvent)| {
            id += gap;
            at += later.unwrap_or_default();
            HistoryEvent {
                event_id: id,
                schedule_event_id: id.wrapping_sub(cause),
                time: later.and(Timestamp::from_millis(at)),
                ..event
            }
        };
        drafts.into_iter().map(place).collect()
    };
    prop::collection::vec(event(), 0..400).prop_map(placed)
}

/// Checks the invariants of any timeline.
fn check(timeline: &Timeline, budget: usize) -> Result<(), TestCaseError> {
    let now = Timestamp::from_millis(NOW - 10_000).unwrap(); // before all events: widths must not be negative then either
    let rows = timeline.rows();
    let mut path: Vec<i64> = Vec::new();
    let mut seen = HashSet::new();
    let mut siblings: HashMap<Option<i64>, i64> = HashMap::new();
    let mut ended = 0;
    for row in &rows {
        prop_assert!(row.depth <= DEPTH_MAX + 1);
        match row.item {
            RowItem::Span(span) => {
                let before = siblings.insert(span.parent, span.id);
                prop_assert!(before.is_none_or(|before| before < span.id), "by EventId");
                prop_assert!(span.parent.is_none_or(|parent| parent < span.id));
                prop_assert!(seen.insert(span.id));
                path.truncate(row.depth);
                prop_assert_eq!(span.parent, path.last().copied());
                path.push(span.id);
                prop_assert!(span.first_event_id <= span.last_event_id || timeline.events() == 0);
                prop_assert!(span.until(now) >= span.begin);
                prop_assert!(
                    span.segments.len() <= SEGMENTS_MAX
                        && span.unknown_events.len() <= UNKNOWN_EVENTS_MAX
                );
                let mut at = span.begin;
                for segment in &span.segments {
                    prop_assert!(segment.begin >= at && segment.until(now) >= segment.begin);
                    at = segment.until(now);
                }
                prop_assert!(span.end.is_none_or(|end| end >= at), "{:?}", span);
                prop_assert_eq!(span.state.is_open(), span.end.is_none(), "{:?}", span);
                ended += usize::from(!span.state.is_open());
            }
            RowItem::Band(band) => {
                prop_assert_eq!(Some(band.parent), path.get(row.depth - 1).copied());
                prop_assert!(band.first_event_id <= band.last_event_id && band.begin <= band.end);
                prop_assert!(band.failed <= band.count && band.hidden() > 0);
                prop_assert_eq!(band.durations.count(), band.count);
                for kept in band.failed_kept.iter().chain(&band.slowest_kept) {
                    prop_assert_eq!(
                        timeline.span(*kept).and_then(|span| span.parent),
                        Some(band.parent)
                    );
                }
            }
            RowItem::More(count) => prop_assert!(count > 0),
        }
    }
    // A step with a result but no exit event is not open any more, and not yet folded.
    let settled = rows
        .iter()
        .filter(|row| matches!(row.item, RowItem::Span(span) if span.result_event_id.is_some()));
    prop_assert!(
        ended <= budget + settled.count() + 1,
        "{ended} spans have ended"
    );
    prop_assert!(rows.len() <= 2 * budget + 1);
    for span in timeline.innermost_open() {
        prop_assert!(span.state.is_open());
    }
    if let Some(failure) = timeline.root_cause() {
        prop_assert!(!timeline.is_caught(failure.span.id));
        prop_assert!(failure.detail.is_none_or(|detail| !detail.is_empty()));
        prop_assert!(failure.path.is_empty() == (failure.span.id == ROOT));
    }
    timeline.longest_steps(3);
    Ok(())
}

proptest! {
    #![proptest_config(properties::config(256))]

    #[test]
    fn invariants_hold_for_any_sequence_of_events(events in history(), budget in prop::sample::select(&[8_usize, 20, 1_000][..])) {
        let mut timeline = Timeline::new(budget);
        for event in &events {
            timeline.push(event);
            check(&timeline, budget)?;
        }
    }

    #[test]
    fn invariants_hold_for_any_limit_of_open_spans(events in history(), open_max in 1..12_usize) {
        let mut timeline = Timeline::bounded(8, open_max);
        let mut entered = 0;
        for event in &events {
            let is_new = event.event_id > timeline.last_event_id();
            timeline.push(event);
            let enters = ["StepEntered", "StateEnter"].contains(&event.event_type.as_str());
            entered += u64::from(is_new && enters);
            let rows = timeline.rows();
            prop_assert!(rows.len() <= 17);
            timeline.innermost_open();
            timeline.longest_steps(3);
            timeline.root_cause();
        }
        let visits: u64 = timeline.steps().values().map(|step| step.count + step.open).sum();
        prop_assert!(visits >= entered, "{visits} of {entered}");
    }

    #[test]
    fn folding_keeps_counts(events in history()) {
        let [whole, folded] = [10_000, 8].map(|budget| super::drawn(&events, budget));
        let counts = |timeline: &Timeline| {
            let of = |steps: &flowledger::timeline::StepStatistics| (steps.count, steps.failed, steps.open);
            timeline.steps().iter().map(|(name, steps)| (name.clone(), of(steps))).collect::<Vec<_>>()
        };
        prop_assert_eq!(counts(&whole), counts(&folded));
        prop_assert_eq!(whole.innermost_open().len(), folded.innermost_open().len());
        prop_assert_eq!(whole.root().state, folded.root().state);
    }

    #[test]
    fn percentiles_are_within_one_percent(mut millis in prop::collection::vec(0..10_000_000_u64, 1..300)) {
        let mut durations = flowledger::timeline::Histogram::default();
        millis.iter().for_each(|millis| durations.record(*millis));
        millis.sort_unstable();
        for (percent, found) in [(50, durations.p50()), (99, durations.p99())] {
            let exact = millis[(millis.len() * percent).div_ceil(100) - 1];
            prop_assert!(found.abs_diff(exact) <= exact / 100, "{found} for {exact}");
        }
        prop_assert_eq!(durations.max(), millis[millis.len() - 1]);
    }
}
