//! The timeline of a history: its spans, and the bounds on their number.

mod folding;
mod malformed;
mod open;
mod properties;
mod well_formed;

use flowledger::model::Timestamp;
use flowledger::timeline::{FailureDetail, HistoryEvent, Phase, RowItem, Segment, Span, Timeline};

use crate::support::NOW;

/// Parses a history in a short notation: one event per line, `Type step <cause +millis {detail}`, all but the type
/// optional. EventIds count from 1; by default the cause is the previous event, and each event is 1 ms later.
fn history(lines: &str) -> Vec<HistoryEvent> {
    let lines = lines.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut at = NOW - 1;
    let mut events = Vec::new();
    for (id, line) in (1..).zip(lines) {
        let (line, detail) = line.split_at(line.find('{').unwrap_or(line.len()));
        let mut words = line.split_whitespace();
        let mut event = HistoryEvent {
            event_type: words.next().unwrap().to_owned(),
            event_id: id,
            time: None,
            schedule_event_id: id - 1,
            step_name: String::new(),
            event_detail: if detail.is_empty() { "{}" } else { detail }.to_owned(),
        };
        let mut later = 1;
        for word in words {
            match word.as_bytes()[0] {
                b'<' => event.schedule_event_id = word[1..].parse().unwrap(),
                b'+' | b'-' => later = word.parse().unwrap(),
                _ => event.step_name = word.to_owned(),
            }
        }
        at += later;
        event.time = Timestamp::from_millis(at);
        events.push(event);
    }
    events
}

fn draw(lines: &str) -> Timeline {
    drawn(&history(lines), 1_000)
}

fn drawn(events: &[HistoryEvent], budget: usize) -> Timeline {
    let mut timeline = Timeline::new(budget);
    for event in events {
        timeline.push(event);
    }
    timeline
}

/// Returns the rows as text, with times in milliseconds since `NOW`.
fn text(timeline: &Timeline) -> String {
    let mut text = String::new();
    for row in timeline.rows() {
        let line = match row.item {
            RowItem::Span(span) => span_text(span),
            RowItem::Band(band) => format!(
                "{} ({}–{}): {} failed of {}, p50 {} p99 {}",
                band.label(),
                band.first_event_id,
                band.last_event_id,
                band.failed,
                band.count,
                band.durations.p50(),
                band.durations.p99()
            ),
            RowItem::More(count) => format!("and {count} more"),
        };
        text.push_str(&format!("{:indent$}{line}\n", "", indent = row.depth * 2));
    }
    text
}

fn span_text(span: &Span) -> String {
    let end = span
        .end
        .map_or(String::new(), |end| millis(end).to_string());
    let mut text = format!(
        "{} {} {}–{end}",
        span.label(),
        span.state.as_str(),
        millis(span.begin)
    );
    if span.segments.len() > 1 {
        let pieces: Vec<_> = span.segments.iter().map(segment_text).collect();
        text.push_str(&format!(" [{}]", pieces.join(", ")));
    }
    if let Some(FailureDetail {
        event_id,
        error,
        cause,
    }) = &span.failure
    {
        text.push_str(&format!(" !{event_id} {error}: {cause}"));
    }
    for mark in &span.unknown_events {
        text.push_str(&format!(" ^{} {}", millis(mark.time), mark.event_type));
    }
    text
}

fn segment_text(segment: &Segment) -> String {
    let phase = match segment.phase {
        Phase::Queued => "queued",
        Phase::Working => "works",
        Phase::Waiting => "waits",
        Phase::Pausing => "pauses",
    };
    let attempt = match segment.attempt {
        0 => String::new(),
        attempt => format!("{attempt}: "),
    };
    let end = segment
        .end
        .map_or(String::new(), |end| millis(end).to_string());
    let failed = if segment.failed { " failed" } else { "" };
    format!("{attempt}{phase} {}–{end}{failed}", millis(segment.begin))
}

fn millis(time: Timestamp) -> i64 {
    time.millis() - NOW
}
