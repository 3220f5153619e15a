//! Events as lines, for `show --events` and `tail`.

use anstyle::Style;

use super::{
    remote::Event,
    terminal::{BAD, DIM, GOOD, OPEN, WAITS, cell, columns, cut, paint, right},
};
use crate::{
    model::Timestamp,
    text::{duration, visible},
    timeline::HistoryEvent,
};

const ID_WIDTH: usize = 6;
const SINCE_WIDTH: usize = 11;
/// Columns of the longest event type of the vendor's, ExecutionSucceeded.
const TYPE_WIDTH: usize = 18;
/// Columns of the longest step name that is shown whole.
pub(super) const STEP_WIDTH: usize = 20;
/// Fewer columns of a detail are not worth showing.
const DETAIL_MIN: usize = 8;

/// Returns a head and a line for each event.
pub(super) fn table(events: &[Event], width: usize) -> String {
    let begin = events.first().and_then(|first| first.event.time);
    let steps = events
        .iter()
        .map(|event| columns(&visible(&event.event.step_name)));
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

/// Returns the line of an event: id, time since `begin`, type, step and as much of its detail as fits.
pub(super) fn line(
    event: &HistoryEvent,
    begin: Option<Timestamp>,
    step_width: usize,
    width: usize,
) -> String {
    let since = match (event.time, begin) {
        (Some(time), Some(begin)) => duration(time.max(begin).distance(begin)),
        _ => String::new(),
    };
    let used = ID_WIDTH + SINCE_WIDTH + TYPE_WIDTH + step_width + 5;
    let detail_width = width.saturating_sub(used);
    let detail = match event.event_detail.as_str() {
        detail if detail != "{}" && detail_width >= DETAIL_MIN => {
            cut(&visible(detail), detail_width)
        }
        _ => String::new(),
    };
    let line = format!(
        "{} {}  {} {} {}",
        right(&event.event_id.to_string(), ID_WIDTH),
        paint(DIM, &right(&since, SINCE_WIDTH)),
        paint(
            style(&event.event_type),
            &cell(&visible(&event.event_type), TYPE_WIDTH)
        ),
        cell(&visible(&event.step_name), step_width),
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
