//! More open spans than are tracked one by one: memory is bounded, counts stay exact.

use flowledger::model::Timestamp;
use flowledger::timeline::{
    GROUPS_MAX, HistoryEvent, OPEN_MAX, RowItem, STEPS_MAX, Span, Timeline,
};

use super::{drawn, history, text};
use crate::support::NOW;

/// Most bytes that a timeline of the page's size may hold at any time, for any history.
const PEAK_MAX_BYTES: u64 = 32 * 1024 * 1024;
/// The budget of the page.
const BUDGET: usize = 250;

fn event(id: i64, event_type: &str, step: &str, cause: i64, detail: &str) -> HistoryEvent {
    HistoryEvent {
        event_type: event_type.to_owned(),
        event_id: id,
        time: Timestamp::from_millis(NOW + id),
        schedule_event_id: cause,
        step_name: step.to_owned(),
        event_detail: detail.to_owned(),
    }
}

/// Returns a timeline with the page's budget, and the peak of its memory in bytes.
fn built(events: impl Iterator<Item = HistoryEvent>) -> (Timeline, u64) {
    let mut timeline = Timeline::new(BUDGET);
    let measured = allocation_counter::measure(|| {
        for event in events {
            timeline.push(&event);
        }
        let _ = (
            timeline.rows(),
            timeline.innermost_open(),
            timeline.root_cause(),
        );
    });
    (timeline, measured.bytes_max)
}

fn groups(timeline: &Timeline) -> Vec<&Span> {
    let spans = timeline
        .rows()
        .into_iter()
        .filter_map(|row| match row.item {
            RowItem::Span(span) if span.visits.is_some() => Some(span.id),
            _ => None,
        });
    spans.filter_map(|id| timeline.span(id)).collect()
}

#[test]
fn memory_does_not_grow_with_open_steps_of_one_name() {
    let enter = |id| event(id, "StepEntered", "s", id - 1, "{}");
    let (timeline, half) = built((1..=100_000).map(enter));
    assert_eq!(timeline.steps()["s"].open, 100_000);
    assert!(timeline.innermost_open().len() <= 2 * OPEN_MAX + GROUPS_MAX);
    let (timeline, whole) = built((1..=200_000).map(enter));
    assert_eq!(timeline.steps()["s"].open, 200_000);
    assert!(whole <= half + half / 10, "{half} bytes, then {whole}");
    assert!(whole <= PEAK_MAX_BYTES, "{whole} bytes");
}

#[test]
fn memory_does_not_grow_with_open_steps_of_different_names() {
    let name = "n".repeat(200);
    let enter = |id| event(id, "StepEntered", &format!("{name}{id}"), id - 1, "{}");
    let (timeline, bytes) = built((1..=100_000).map(enter));
    assert!(bytes <= PEAK_MAX_BYTES, "{bytes} bytes");
    assert_eq!(timeline.steps().len(), STEPS_MAX + 1);
    let open: u64 = timeline.steps().values().map(|step| step.open).sum();
    assert_eq!(open, 100_000);
}

#[test]
fn memory_does_not_grow_with_open_iterations_and_what_is_in_them() {
    let lines = ["ExecutionStarted", "StepEntered", "StepStarted"];
    let head = (1..)
        .zip(lines)
        .map(|(id, kind)| event(id, kind, "each", id - 1, "{}"));
    let iterations = (4..100_000).map(|id| match id % 3 {
        1 => event(id, "IterationEntered", "each", 3, "{}"),
        2 => event(id, "StepEntered", "item", id - 1, "{}"),
        _ => event(id, "StepStarted", "item", id - 1, "{}"),
    });
    let (_, bytes) = built(head.chain(iterations));
    assert!(bytes <= PEAK_MAX_BYTES, "{bytes} bytes");
}

#[test]
fn memory_does_not_grow_with_long_failures_of_open_steps() {
    let detail = format!(r#"{{"error":"E","cause":"{}"}}"#, "步".repeat(4_000));
    let events = (1..=6_000).map(|id| match id % 2 {
        1 => event(id, "StepEntered", &format!("s{id}"), 0, "{}"),
        _ => event(id, "TaskFailed", &format!("s{}", id - 1), id - 1, &detail),
    });
    let (_, bytes) = built(events);
    assert!(bytes <= PEAK_MAX_BYTES, "{bytes} bytes");
}

#[test]
fn memory_does_not_grow_with_unknown_events_of_open_steps() {
    let kind = "K".repeat(64);
    let name = |id: i64| format!("{}{}", "n".repeat(250), id / 50);
    let events = (1..=100_000).map(|id| match id % 50 {
        0 => event(id, "StepEntered", &name(id), 0, "{}"),
        _ => event(id, &kind, &name(id), id - 1, "{}"),
    });
    let (_, bytes) = built(events);
    assert!(bytes <= PEAK_MAX_BYTES, "{bytes} bytes");
}

/// A foreach whose iterations are all entered before the first one exits; all events have their true cause.
fn foreach(items: i64, failed: i64) -> Vec<HistoryEvent> {
    let mut events = history("ExecutionStarted\nStepEntered each\nStepStarted each");
    let mut push = |kind: &str, step: &str, cause: i64| {
        let id = events
            .last()
            .map_or(0, |event: &HistoryEvent| event.event_id)
            + 1;
        events.push(event(id, kind, step, cause, "{}"));
        id
    };
    let iterations: Vec<_> = (0..items)
        .map(|_| push("IterationEntered", "each", 3))
        .collect();
    let steps: Vec<_> = iterations
        .iter()
        .map(|id| push("StepEntered", "item", *id))
        .collect();
    for (n, id) in (0..).zip(steps) {
        let result = if n >= items - failed {
            "StepFailed"
        } else {
            "StepSucceeded"
        };
        let result = push(result, "item", id);
        let exited = push("StepExited", "item", result);
        push("IterationExited", "each", exited);
    }
    events
}

#[test]
fn group_counts_entries_and_exits_of_open_iterations_beyond_the_limit() {
    let events = foreach(40, 3);
    let mut timeline = Timeline::bounded(1_000, 10);
    let (entered, ended) = events.split_at(3 + 2 * 40);
    entered.iter().for_each(|event| timeline.push(event));
    let [iterations, items] = groups(&timeline)[..] else {
        panic!("{}", text(&timeline))
    };
    assert_eq!(iterations.label(), "iterations × 32");
    assert_eq!(items.parent, Some(iterations.id));
    assert_eq!(
        items.visits.map(|visits| (visits.entered, visits.open)),
        Some((32, 32))
    );
    assert_eq!(timeline.steps()["item"].open, 40);
    ended.iter().for_each(|event| timeline.push(event));
    let known = &timeline.steps()["item"];
    assert_eq!(
        (known.count, known.open, known.failed),
        (40, 0, 3),
        "{}",
        text(&timeline)
    );
}

#[test]
fn open_iterations_within_the_limit_are_tracked_one_by_one() {
    let timeline = drawn(&foreach(40, 3), 1_000);
    assert!(groups(&timeline).is_empty());
    assert_eq!(timeline.rows().len(), 1 + 1 + 2 * 40);
}

#[test]
fn visits_of_a_group_are_incomplete_when_the_execution_ends() {
    let lines = format!(
        "ExecutionStarted\n{}ExecutionSucceeded",
        "StepEntered s <1\n".repeat(50)
    );
    let mut timeline = Timeline::bounded(1_000, 10);
    history(&lines)
        .iter()
        .for_each(|event| timeline.push(event));
    let [group] = groups(&timeline)[..] else {
        panic!("{}", text(&timeline))
    };
    assert_eq!(
        (group.label().as_str(), group.state.as_str()),
        ("s × 41", "Incomplete")
    );
    assert_eq!(group.visits.unwrap().open, 0);
    let known = &timeline.steps()["s"];
    assert_eq!((known.count, known.open), (50, 0));
}

#[test]
fn group_unfolds_from_any_event_id() {
    let events = foreach(40, 3);
    let mut timeline = Timeline::bounded(1_000, 10).unfolding(2, 4 + 20, 5);
    events.iter().for_each(|event| timeline.push(event));
    let drawn: Vec<_> = timeline
        .rows()
        .iter()
        .filter_map(|row| match row.item {
            RowItem::Span(span) => span.index,
            _ => None,
        })
        .collect();
    assert!((20..25).all(|index| drawn.contains(&index)), "{drawn:?}");
}
