//! The timeline as a Mermaid Gantt diagram, which code hosts and wikis draw.
//!
//! Mermaid takes a task whose label begins with a word of its grammar (`title`, `section`, `click`, a date …) for
//! something else. So each label begins with the glyph of its state, which no such word does, and every character
//! that has a meaning inside a line is written as an entity code. `tests/it/cli/mermaid.rs` asks the real parser.

use crate::{
    cli::terminal::cut,
    model::Timestamp,
    text::{glyph, visible},
    timeline::{Kind, RowItem, SpanState, Timeline},
};

/// Columns of a label. Mermaid refuses diagrams of more than 50,000 characters; 60 rows of labels in which each
/// character takes an entity code, once as a section too, stay below.
const LABEL_MAX: usize = 60;

pub(super) fn mermaid(timeline: &Timeline, title: &str, now: Timestamp) -> String {
    let mut text = format!(
        "gantt\n    title {}\n    dateFormat x\n    axisFormat %H:%M:%S\n",
        escaped(&visible(title))
    );
    for row in timeline.rows() {
        let (label, state, id, begin, end) = match row.item {
            RowItem::Span(span) if span.kind == Kind::Execution => continue,
            RowItem::Span(span) => (
                span.label(),
                span.state,
                format!("e{}", span.id),
                span.begin,
                span.until(now),
            ),
            RowItem::Band(band) => {
                let state = if band.failed > 0 {
                    SpanState::Failed
                } else {
                    SpanState::Succeeded
                };
                (
                    band.label(),
                    state,
                    format!("b{}", band.first_event_id),
                    band.begin,
                    band.end,
                )
            }
            RowItem::More(_) => continue,
        };
        let label = escaped(&cut(visible(&label).trim(), LABEL_MAX));
        if row.depth == 1 {
            text.push_str(&format!("    section {label}\n"));
        }
        let tag = match state {
            SpanState::Failed | SpanState::TimedOut => "crit, ",
            SpanState::Open(_) => "active, ",
            _ => "done, ",
        };
        let (begin, end) = (begin.millis(), end.millis().max(begin.millis() + 1));
        text.push_str(&format!(
            "    {} {label} :{tag}{id}, {begin}, {end}\n",
            glyph(state)
        ));
    }
    text
}

/// Returns text as Mermaid shows it: letters, digits and a few harmless signs stay, other ASCII becomes entity codes.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.trim().chars() {
        if c.is_ascii_punctuation() && !"-_.,/()".contains(c) {
            escaped.push_str(&format!("#{};", u32::from(c)));
        } else {
            escaped.push(c);
        }
    }
    match escaped.is_empty() {
        true => "unnamed".to_owned(),
        false => escaped,
    }
}
