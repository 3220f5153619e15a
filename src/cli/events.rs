//! Events as lines: `show --events` and `tail` print the same.

use anstyle::Style;

use super::{
    remote::Event,
    terminal::{BAD, DIM, GOOD, OPEN, WAITS, cell, cut, paint, right, safe, took},
};
use crate::model::{Timestamp, span::HistoryEvent};

const ID_WIDTH: usize = 6;
const SINCE_WIDTH: usize = 12;
/// The longest of the vendor's types.
const TYPE_WIDTH: usize = 18;
/// Longest step name that is shown whole.
const STEP_WIDTH: usize = 18;

/// A line for each event, under a head.
pub(super) fn table(events: &[Event], width: usize) -> String {
    let begin = events.first().and_then(|first| first.event.time);
    let mut text = paint(DIM, &head()) + "\n";
    for event in events {
        text.push_str(&line(&event.event, begin, width));
        text.push('\n');
    }
    text
}

pub(super) fn head() -> String {
    format!(
        "{} {}  {} {} detail",
        right("id", ID_WIDTH),
        right("after", SINCE_WIDTH),
        cell("type", TYPE_WIDTH),
        cell("step", STEP_WIDTH)
    )
}

/// One event: id, time since `begin`, type, step, and as much of its detail as fits.
pub(super) fn line(event: &HistoryEvent, begin: Option<Timestamp>, width: usize) -> String {
    let since = match (event.time, begin) {
        (Some(time), Some(begin)) => took(time.max(begin).distance(begin)),
        _ => String::new(),
    };
    let used = ID_WIDTH + SINCE_WIDTH + TYPE_WIDTH + STEP_WIDTH + 5;
    let detail = if event.event_detail == "{}" {
        ""
    } else {
        &event.event_detail
    };
    let line = format!(
        "{} {}  {} {} {}",
        right(&event.event_id.to_string(), ID_WIDTH),
        paint(DIM, &right(&since, SINCE_WIDTH)),
        paint(
            style(&event.event_type),
            &cell(&safe(&event.event_type), TYPE_WIDTH)
        ),
        cell(&safe(&event.step_name), STEP_WIDTH),
        paint(
            DIM,
            &cut(&safe(detail), width.saturating_sub(used + 1).max(16))
        )
    );
    line.trim_end().to_owned()
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
