//! The timeline as a Mermaid Gantt diagram, which code hosts and wikis draw.

use crate::{
    model::Timestamp,
    text::visible,
    timeline::{Kind, RowItem, SpanState, Timeline},
};

pub(super) fn mermaid(timeline: &Timeline, title: &str, now: Timestamp) -> String {
    let mut text = format!(
        "gantt\n    title {}\n    dateFormat x\n    axisFormat %H:%M:%S\n",
        plain(title)
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
        if row.depth == 1 {
            text.push_str(&format!("    section {}\n", plain(&label)));
        }
        let tag = match state {
            SpanState::Failed | SpanState::TimedOut => "crit, ",
            SpanState::Open(_) => "active, ",
            _ => "done, ",
        };
        let (begin, end) = (begin.millis(), end.millis().max(begin.millis() + 1));
        text.push_str(&format!(
            "    {} :{tag}{id}, {begin}, {end}\n",
            plain(&label)
        ));
    }
    text
}

/// Returns text without the characters that have a meaning in Mermaid or break a line.
fn plain(text: &str) -> String {
    let has_meaning = |c: char| ":;#,%{}<>\"`\\".contains(c);
    let plain = visible(text).replace(has_meaning, " ");
    match plain.trim() {
        "" => "unnamed".to_owned(),
        plain => plain.to_owned(),
    }
}
