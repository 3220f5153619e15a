//! The timeline as a Gantt chart of characters: a row for each span with a bar for its time.

use anstyle::Style;

use crate::{
    cli::terminal::{self, BAD, DIM, GOOD, OPEN, WAITS, cell, columns, paint, right},
    model::Timestamp,
    text::{CAUGHT, duration, tick, tick_step, visible},
    timeline::{Band, Phase, RowItem, Span, SpanState, Timeline, TimelineRow},
};

/// Most columns of a label.
const LABEL_MAX: usize = 36;
/// Columns of the text after a bar.
const NOTE_WIDTH: usize = 12;
/// Fewest columns from one tick of the ruler to the next.
const TICK_COLUMNS: u64 = 12;

/// A column with nothing in it.
const BLANK: (char, Style) = (' ', Style::new());

/// Maps times to columns. A column has two halves.
struct Scale {
    begin: i64,
    millis: u64,
    columns: usize,
}

impl Scale {
    fn of(timeline: &Timeline, now: Timestamp, columns: usize) -> Self {
        let (begin, latest) = timeline.extent().unwrap_or((now, now));
        let open = timeline.root().state.is_open();
        let end = if open { latest.max(now) } else { latest };
        Scale {
            begin: begin.millis(),
            millis: end.distance(begin).max(1),
            columns,
        }
    }

    /// Returns the half that a time falls into.
    fn half(&self, time: Timestamp) -> usize {
        let since = u64::try_from(time.millis() - self.begin)
            .unwrap_or(0)
            .min(self.millis);
        let halves = 2 * self.columns;
        let half = u128::from(since) * halves as u128 / u128::from(self.millis);
        usize::try_from(half).map_or(halves, |half| half.min(halves))
    }

    /// Returns the halves from one time to another, at least one.
    fn halves(&self, begin: Timestamp, end: Timestamp) -> std::ops::Range<usize> {
        let last = 2 * self.columns - 1;
        let first = self.half(begin).min(last);
        first..self.half(end).clamp(first + 1, last + 1)
    }
}

/// Returns the whole chart, with a ruler above it and a legend below.
pub(super) fn gantt(timeline: &Timeline, now: Timestamp, width: usize) -> String {
    let rows = timeline.rows();
    let label_width = rows
        .iter()
        .map(|row| columns(&label(row)))
        .max()
        .unwrap_or(0);
    let label_width = label_width.min(LABEL_MAX).min(width / 3);
    let scale = Scale::of(timeline, now, width - label_width - NOTE_WIDTH - 5);
    let mut text = format!(
        "{:indent$}{}\n",
        "",
        ruler(&scale),
        indent = label_width + 3
    );
    for row in &rows {
        let label = cell(&label(row), label_width);
        let line = match row.item {
            RowItem::Span(span) => span_line(timeline, span, &label, &scale, now),
            RowItem::Band(band) => band_line(band, &label, &scale),
            RowItem::More(_) => paint(DIM, &label),
        };
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text + &legend(timeline, &rows)
}

fn label(row: &TimelineRow<'_>) -> String {
    let label = match row.item {
        RowItem::Span(span) => visible(&span.label()),
        RowItem::Band(band) => visible(&band.label()),
        RowItem::More(count) => format!("and {count} more, still open"),
    };
    format!(
        "{:indent$}{label}",
        "",
        indent = row.depth.saturating_sub(1) * 2
    )
}

fn span_line(
    timeline: &Timeline,
    span: &Span,
    label: &str,
    scale: &Scale,
    now: Timestamp,
) -> String {
    let caught = timeline.is_caught(span.id);
    let (sign, style) = if caught {
        (CAUGHT, WAITS)
    } else {
        terminal::sign(span.state)
    };
    let label = if span.state.is_failure() && !caught {
        paint(BAD, label)
    } else {
        label.to_owned()
    };
    let bar = if timeline.has_inside(span.id) {
        outer_bar(span, scale, now)
    } else {
        bar(span, scale, now)
    };
    let mut note = right(&duration(span.millis(now)), NOTE_WIDTH - 2);
    if span.attempts > 1 {
        note.push_str(&format!(" ×{}", span.attempts));
    }
    format!("{label} {} {bar} {}", paint(style, sign), paint(DIM, &note))
}

fn band_line(band: &Band, label: &str, scale: &Scale) -> String {
    let mut cells = vec![BLANK; scale.columns];
    let halves = scale.halves(band.begin, band.end);
    cells[halves.start / 2..halves.end.div_ceil(2)].fill(('┄', DIM));
    let what = match band.failed {
        0 => String::new(),
        failed => format!("{failed} failed, "),
    };
    let what = format!(
        " {what}p50 {}, p99 {} ",
        duration(band.durations.p50()),
        duration(band.durations.p99())
    );
    let at = halves.start / 2 + 2;
    let fits = at + columns(&what) < scale.columns;
    for (cell, c) in cells
        .iter_mut()
        .skip(if fits { at } else { 0 })
        .zip(what.chars())
    {
        *cell = (c, DIM);
    }
    format!(
        "{} {} {}",
        paint(DIM, label),
        paint(DIM, "≡"),
        painted(&cells)
    )
}

/// Returns the bar of a span that has no spans inside: its phases.
fn bar(span: &Span, scale: &Scale, now: Timestamp) -> String {
    let good = if span.state.is_open() { OPEN } else { GOOD };
    let mut halves: Vec<Option<(Phase, Style)>> = vec![None; 2 * scale.columns];
    if span.segments.is_empty() {
        halves[scale.halves(span.begin, span.begin)].fill(Some((Phase::Working, good)));
    }
    for segment in &span.segments {
        let style = match segment.phase {
            _ if segment.failed => BAD,
            Phase::Waiting => WAITS,
            Phase::Queued => DIM,
            Phase::Working | Phase::Pausing => good,
        };
        halves[scale.halves(segment.begin, segment.until(now))].fill(Some((segment.phase, style)));
    }
    let mut cells: Vec<_> = halves
        .chunks(2)
        .map(|pair| glyph(pair[0], pair[1]))
        .collect();
    let failed = span.segments.iter().filter(|segment| segment.failed);
    for at in failed.map(|segment| (scale.halves(segment.begin, segment.until(now)).end - 1) / 2) {
        cells[at] = ('✗', BAD);
    }
    if span.state == SpanState::Failed && !span.segments.iter().any(|segment| segment.failed) {
        cells[(scale.halves(span.begin, span.until(now)).end - 1) / 2] = ('✗', BAD);
    }
    painted(&cells)
}

/// Returns the character of a column, from its two halves.
fn glyph(left: Option<(Phase, Style)>, right: Option<(Phase, Style)>) -> (char, Style) {
    let whole = |phase| match phase {
        Phase::Working | Phase::Pausing => '█',
        Phase::Waiting => '▒',
        Phase::Queued => '░',
    };
    match (left, right) {
        (None, None) => BLANK,
        (Some((Phase::Working, style)), None) => ('▌', style),
        (None, Some((Phase::Working, style))) => ('▐', style),
        (Some((Phase::Queued, _)), Some((phase, style))) => (whole(phase), style),
        (Some((phase, style)), _) | (None, Some((phase, style))) => (whole(phase), style),
    }
}

/// Returns the thin bar of a span that has spans inside.
fn outer_bar(span: &Span, scale: &Scale, now: Timestamp) -> String {
    let (_, style) = terminal::sign(span.state);
    let mut cells = vec![BLANK; scale.columns];
    let halves = scale.halves(span.begin, span.until(now));
    let (first, end) = (halves.start / 2, halves.end.div_ceil(2));
    cells[first..end].fill(('━', style));
    painted(&cells)
}

/// Returns cells as text; neighbours of one style share its escape codes.
fn painted(cells: &[(char, Style)]) -> String {
    let mut text = String::new();
    for run in cells.chunk_by(|a, b| a.1 == b.1) {
        let run_text: String = run.iter().map(|(c, _)| c).collect();
        text.push_str(&paint(run[0].1, &run_text));
    }
    text
}

/// Returns ticks with their times since the begin.
fn ruler(scale: &Scale) -> String {
    let step = tick_step(scale.millis, (scale.columns as u64 / TICK_COLUMNS).max(1));
    let mut text = String::new();
    for at in (0..=scale.millis).step_by(usize::try_from(step).unwrap_or(usize::MAX)) {
        let column = u128::from(at) * scale.columns as u128 / u128::from(scale.millis);
        let column = usize::try_from(column).unwrap_or(scale.columns);
        let label = format!("╷{}", tick(at));
        if column + columns(&label) <= scale.columns {
            text = cell(&text, column) + &label;
        }
    }
    paint(DIM, &text)
}

/// Returns what the characters mean, of those that occur.
fn legend(timeline: &Timeline, rows: &[TimelineRow<'_>]) -> String {
    let spans = || {
        rows.iter().filter_map(|row| match row.item {
            RowItem::Span(span) => Some(span),
            _ => None,
        })
    };
    let any =
        |phase| spans().any(|span| span.segments.iter().any(|segment| segment.phase == phase));
    let failed = spans()
        .any(|span| span.state.is_failure() || span.segments.iter().any(|segment| segment.failed));
    let mut meanings = vec!["█ working"];
    meanings.extend(any(Phase::Waiting).then_some("▒ waiting for a report"));
    meanings.extend(any(Phase::Queued).then_some("░ queued"));
    meanings.extend(failed.then_some("✗ failed"));
    let caught = spans().any(|span| timeline.is_caught(span.id));
    meanings.extend(caught.then_some("↷ failed, but caught"));
    meanings.extend(
        rows.iter()
            .any(|row| matches!(row.item, RowItem::Band(_)))
            .then_some("≡ folded"),
    );
    format!("{}\n", paint(DIM, &meanings.join("   ")))
}
