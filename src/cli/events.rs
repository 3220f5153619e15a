//! Events as lines: `show --events` and `tail` print the same.

use anstyle::Style;

use super::{
    remote::Event,
    terminal::{BAD, DIM, GOOD, OPEN, WAITS, cell, columns, cut, paint, right, safe, took},
};
use crate::model::Timestamp;
use crate::timeline::HistoryEvent;

const ID_WIDTH: usize = 6;
const SINCE_WIDTH: usize = 11;
/// The longest of the vendor's types.
const TYPE_WIDTH: usize = 18;
/// Longest step name that is shown whole.
pub(super) const STEP_WIDTH: usize = 20;

/// Columns of a detail that say anything.
const DETAIL_MIN: usize = 8;

/// A line for each event, under a head.
pub(super) fn table(events: &[Event], width: usize) -> String {
    let begin = events.first().and_then(|first| first.event.time);
    let steps = events
        .iter()
        .map(|event| columns(&safe(&event.event.step_name)));
    let step_width = steps.max().unwrap_or(0).clamp(4, STEP_WIDTH);
    let mut text = head(step_width, width);
    for event in events {
        text.push_str(&line(&event.event, begin, step_width, width));
    }
    text
}

pub(super) fn head(step_width: usize, width: usize) -> String {
    let head = format!(
        "{} {}  {} {} detail",
        right("id", ID_WIDTH),
        right("after", SINCE_WIDTH),
        cell("type", TYPE_WIDTH),
        cell("step", step_width)
    );
    paint(DIM, &cut(&head, width)) + "\n"
}

/// One event: id, time since `begin`, type, step, and as much of its detail as fits, or none where that is too little.
pub(super) fn line(
    event: &HistoryEvent,
    begin: Option<Timestamp>,
    step_width: usize,
    width: usize,
) -> String {
    let since = match (event.time, begin) {
        (Some(time), Some(begin)) => took(time.max(begin).distance(begin)),
        _ => String::new(),
    };
    let used = ID_WIDTH + SINCE_WIDTH + TYPE_WIDTH + step_width + 5;
    let room = width.saturating_sub(used);
    let detail = match event.event_detail.as_str() {
        detail if detail != "{}" && room >= DETAIL_MIN => cut(&safe(detail), room),
        _ => String::new(),
    };
    let line = format!(
        "{} {}  {} {} {}",
        right(&event.event_id.to_string(), ID_WIDTH),
        paint(DIM, &right(&since, SINCE_WIDTH)),
        paint(
            style(&event.event_type),
            &cell(&safe(&event.event_type), TYPE_WIDTH)
        ),
        cell(&safe(&event.step_name), step_width),
        paint(DIM, &detail)
    );
    line.trim_end().to_owned() + "\n"
}

fn style(event_type: &str) -> Style {
    let ends = |end: &str| event_type.ends_with(end);
    match event_type {
        _ if ends("Failed") || ends("TimedOut") => BAD,
        _ if ends("Succeeded") => GOOD,
        "TaskSubmitted" | "ExecutionStopped" => WAITS,
        _ if ends("Started") => OPEN,
        _ => Style::new(),
    }
}
