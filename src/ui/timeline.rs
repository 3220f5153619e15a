//! The timeline of an execution as SVG: one row per span, time from left to right. All positions are percentages of
//! the width, so that the script zooms by changing one width.

use std::collections::HashSet;

use askama::Template;

use super::{outcome::class, timelines::Digest, urls::PageUrl};
use crate::model::Timestamp;
use crate::text::{CAUGHT, count, duration, glyph, one_line, period, tick, tick_step};
use crate::timeline::{
    Band, Phase, RowItem, Segment, Span, Timeline, TimelineRow, UnknownEvent, Visits,
};

/// Rows from which on an overview is shown above the timeline.
const OVERVIEW_FROM: usize = 24;
/// Ticks of the ruler after its first.
const TICKS_MAX: u64 = 8;
/// Steps that are marked as the longest.
const LONGEST: usize = 3;
/// Height of a row in pixels; the style sheet has the same value.
const ROW: usize = 24;
/// Levels that are indented; the style sheet has as many.
const DEPTH_MAX: usize = 12;
/// Characters of a label.
const LABEL_MAX_CHARS: usize = 120;
/// Characters of a failure in a tooltip.
const FAULT_MAX_CHARS: usize = 240;

#[derive(Template)]
#[template(path = "timeline.html", config = "src/ui/askama.toml")]
pub(super) struct TimelineView {
    pub rows: Vec<DrawnRow>,
    pub height: usize,
    pub ticks: Vec<Tick>,
    /// The time at the left edge in milliseconds since 1970, and the milliseconds from there to the right edge.
    pub begin: i64,
    pub millis: i64,
    pub overview: bool,
    /// The height of the overview divided by that of the timeline.
    pub scale: String,
    /// The URL without the unfolded band, if one is unfolded.
    pub fold: Option<PageUrl>,
    /// How many events were read, if not all.
    pub cut: Option<String>,
    /// How many visits are counted by groups because too many are open at once, if any.
    pub counted: Option<String>,
}

/// One row.
pub(super) struct DrawnRow {
    /// The first EventId.
    pub id: i64,
    pub depth: usize,
    pub class: &'static str,
    pub glyph: &'static str,
    pub label: String,
    /// The tooltip.
    pub title: String,
    /// The link of the row.
    pub link: PageUrl,
    pub y: usize,
    pub bars: Vec<Bar>,
    pub marks: Vec<Bar>,
    pub took: String,
    /// When an open span began, in milliseconds since 1970: its duration grows.
    pub since: Option<i64>,
    pub longest: bool,
    pub note: String,
    /// Whether the link unfolds a band.
    pub folded: bool,
}

/// A part of a row.
pub(super) struct Bar {
    /// From the left, in percent of the width; `width` likewise.
    pub x: String,
    pub width: String,
    pub class: &'static str,
    pub title: String,
}

pub(super) struct Tick {
    pub x: String,
    pub word: String,
    /// The SVG `text-anchor`, so that the first and the last label are not cut off.
    pub anchor: &'static str,
}

impl TimelineView {
    pub fn new(digest: &Digest, here: &PageUrl, now: Timestamp) -> Self {
        let timeline = &digest.timeline;
        let root = timeline.root();
        let (begin, end) = timeline.extent().unwrap_or((root.begin, root.begin));
        let end = if root.state.is_open() {
            end.max(now)
        } else {
            end
        };
        let scale = Scale {
            begin,
            millis: end.distance(begin).max(1),
        };
        let rows = timeline.rows();
        let visits = |row: &TimelineRow<'_>| match row.item {
            RowItem::Span(span) => span.visits.map_or(0, |visits| visits.entered),
            _ => 0,
        };
        let counted: u64 = rows.iter().map(visits).sum();
        let longest = timeline
            .longest_steps(LONGEST)
            .into_iter()
            .map(|span| span.id);
        let painter = Painter {
            scale: &scale,
            timeline,
            here: &here.without(&["event", "at", "type", "step"]),
            now,
            longest: if rows.len() > LONGEST * 2 {
                longest.collect()
            } else {
                HashSet::new()
            },
        };
        let below = rows.iter().skip(1).map(|row| row.depth).chain([0]);
        let drawn = rows.iter().zip(below).enumerate();
        let drawn: Vec<_> = drawn
            .map(|(at, (row, below))| painter.draw(at * ROW, row, below > row.depth))
            .collect();
        let height = drawn.len() * ROW;
        TimelineView {
            ticks: scale.ticks(),
            begin: begin.millis(),
            millis: i64::try_from(scale.millis).unwrap_or(i64::MAX),
            overview: drawn.len() >= OVERVIEW_FROM,
            scale: format!(
                "{:.5}",
                40.0 / f64::from(u32::try_from(height.max(1)).unwrap_or(u32::MAX))
            ),
            fold: here.get("open").map(|_| here.without(&["open"])),
            counted: (counted > 0).then(|| count(counted)),
            cut: digest.cut().map(count),
            rows: drawn,
            height,
        }
    }
}

/// Converts times to positions.
struct Scale {
    begin: Timestamp,
    millis: u64,
}

impl Scale {
    #[expect(clippy::cast_precision_loss, reason = "a picture needs no more")]
    fn share(&self, millis: u64) -> String {
        format!("{:.3}", 100.0 * millis as f64 / self.millis as f64)
    }

    fn bar(&self, from: Timestamp, to: Timestamp, class: &'static str, title: String) -> Bar {
        Bar {
            x: self.share(from.max(self.begin).distance(self.begin)),
            width: self.share(to.max(from).distance(from)),
            class,
            title,
        }
    }

    /// Returns ticks at round times, about eight of them.
    fn ticks(&self) -> Vec<Tick> {
        let step = tick_step(self.millis, TICKS_MAX);
        (0..=self.millis / step)
            .map(|at| Tick {
                x: self.share(at * step),
                word: tick(at * step),
                anchor: match at * step * 100 / self.millis {
                    0 if at == 0 => "start",
                    ..96 => "middle",
                    _ => "end",
                },
            })
            .collect()
    }
}

/// What is needed to draw any row.
struct Painter<'a> {
    scale: &'a Scale,
    timeline: &'a Timeline,
    here: &'a PageUrl,
    now: Timestamp,
    longest: HashSet<i64>,
}

impl Painter<'_> {
    fn draw(&self, y: usize, row: &TimelineRow<'_>, outer: bool) -> DrawnRow {
        match row.item {
            RowItem::Span(span) => self.span(y, row.depth, span, outer),
            RowItem::Band(band) => self.band(y, row.depth, band),
            RowItem::More(more) => DrawnRow {
                id: -1,
                depth: 1,
                class: "more",
                glyph: "",
                label: format!("{} more open", count(more)),
                title: "Only so many rows are drawn".to_owned(),
                link: self.here.clone(),
                y,
                bars: Vec::new(),
                marks: Vec::new(),
                took: String::new(),
                since: None,
                longest: false,
                note: String::new(),
                folded: false,
            },
        }
    }

    /// Draws a span that counts visits. It unfolds unless its parent counts visits too, because then nothing more is
    /// known of them.
    fn group(&self, y: usize, depth: usize, span: &Span, visits: Visits) -> DrawnRow {
        let label = one_line(&span.label(), LABEL_MAX_CHARS);
        let title = format!(
            "{label} · {} open now · {} failed\ntoo many are open at once to draw each\n{} · events {} to {}",
            count(visits.open),
            count(visits.failed),
            period(span.begin, span.end),
            span.first_event_id,
            span.last_event_id,
        );
        let parent = span.parent.and_then(|id| self.timeline.span(id));
        let unfolds = parent.filter(|parent| parent.visits.is_none());
        let until = span.until(self.now);
        DrawnRow {
            id: span.first_event_id,
            depth: depth.min(DEPTH_MAX),
            class: class(span.state),
            glyph: "≡",
            link: match unfolds {
                Some(parent) => {
                    let band = format_args!("{}.{}", parent.id, span.first_event_id).to_string();
                    self.here.with("open", band)
                }
                None => self.here.with("event", span.first_event_id.max(1)),
            },
            y,
            bars: vec![self.scale.bar(span.begin, until, "folded", title.clone())],
            title,
            label,
            marks: Vec::new(),
            took: duration(span.millis(self.now)),
            since: span.state.is_open().then(|| span.begin.millis()),
            longest: false,
            note: match visits.failed {
                0 => String::new(),
                many => format!("✗ {}", count(many)),
            },
            folded: unfolds.is_some(),
        }
    }

    fn span(&self, y: usize, depth: usize, span: &Span, outer: bool) -> DrawnRow {
        if let Some(visits) = span.visits {
            return self.group(y, depth, span, visits);
        }
        let label = one_line(&span.label(), LABEL_MAX_CHARS);
        let caught = self.timeline.is_caught(span.id);
        let title = self.title(span, &label, caught);
        let attempts = (span.attempts > 1).then(|| format!("×{}", span.attempts));
        let caught_note = caught.then(|| "caught".to_owned());
        let notes: Vec<_> = attempts.into_iter().chain(caught_note).collect();
        DrawnRow {
            id: span.first_event_id,
            depth: depth.min(DEPTH_MAX),
            class: if caught { "caught" } else { class(span.state) },
            glyph: if caught { CAUGHT } else { glyph(span.state) },
            link: self.here.with("event", span.first_event_id.max(1)),
            y,
            bars: self.bars(span, outer, &label, &title),
            marks: span
                .unknown_events
                .iter()
                .map(|mark| self.unknown_event(mark))
                .collect(),
            took: duration(span.millis(self.now)),
            since: span.state.is_open().then(|| span.begin.millis()),
            longest: self.longest.contains(&span.id),
            note: notes.join(" "),
            folded: false,
            label,
            title,
        }
    }

    fn title(&self, span: &Span, label: &str, caught: bool) -> String {
        let attempts = match span.attempts {
            0 | 1 => String::new(),
            many => format!(" · {many} attempts"),
        };
        let fault = span.failure.as_ref().map(|fault| {
            let fault = format!("{} {}", fault.error, fault.cause);
            format!("\n{}", one_line(fault.trim(), FAULT_MAX_CHARS))
        });
        format!(
            "{label} · {}{} · {}{attempts}\n{} · event {}{}",
            span.state.as_str(),
            if caught { ", but caught" } else { "" },
            duration(span.millis(self.now)),
            period(span.begin, span.end),
            span.first_event_id,
            fault.unwrap_or_default(),
        )
    }

    fn bars(&self, span: &Span, outer: bool, label: &str, title: &str) -> Vec<Bar> {
        let whole = |class| {
            let until = span.until(self.now);
            self.scale.bar(span.begin, until, class, title.to_owned())
        };
        if outer {
            return vec![whole("outer")];
        }
        if span.segments.is_empty() {
            return vec![whole("working")];
        }
        let pieces = span.segments.iter();
        let pieces = pieces.map(|piece| self.segment(span, piece, label));
        std::iter::once(whole("spine")).chain(pieces).collect()
    }

    fn unknown_event(&self, mark: &UnknownEvent) -> Bar {
        let title = format!(
            "{} · event {}\n{}",
            one_line(&mark.event_type, LABEL_MAX_CHARS),
            mark.event_id,
            period(mark.time, Some(mark.time))
        );
        self.scale.bar(mark.time, mark.time, "mark", title)
    }

    fn segment(&self, span: &Span, piece: &Segment, label: &str) -> Bar {
        let until = piece.until(self.now);
        let (class, word) = match (piece.phase, piece.failed) {
            (_, true) => ("failing", "failed"),
            (Phase::Queued, _) => ("queued", "queued"),
            (Phase::Waiting, _) => ("waiting", "waiting"),
            _ => ("working", "working"),
        };
        let took = duration(until.distance(piece.begin));
        let attempt = match (piece.attempt, span.attempts) {
            (0, _) | (_, 1) => String::new(),
            (attempt, of) => format!(" · attempt {attempt} of {of}"),
        };
        let title = format!(
            "{label} · {word} · {took}{attempt}\n{}",
            period(piece.begin, piece.end.map(|_| until)),
        );
        self.scale.bar(piece.begin, until, class, title)
    }

    fn band(&self, y: usize, depth: usize, band: &Band) -> DrawnRow {
        let failed = match band.failed {
            0 => String::new(),
            many => format!(" · {} failed", count(many)),
        };
        let (p50, p99) = (
            duration(band.durations.p50()),
            duration(band.durations.p99()),
        );
        let label = one_line(&band.label(), LABEL_MAX_CHARS);
        let title = format!(
            "{label} · {} in all{failed}\nhalf within {p50}, 99 % within {p99}, longest {}\n{} · events {} to {}",
            count(band.count),
            duration(band.durations.max()),
            period(band.begin, Some(band.end)),
            band.first_event_id,
            band.last_event_id,
        );
        let open = format_args!("{}.{}", band.parent, band.first_event_id).to_string();
        DrawnRow {
            id: band.first_event_id,
            depth: depth.min(DEPTH_MAX),
            class: if band.failed > 0 {
                "band failed"
            } else {
                "band"
            },
            glyph: "≡",
            label,
            link: self.here.with("open", open),
            y,
            bars: vec![
                self.scale
                    .bar(band.begin, band.end, "folded", title.clone()),
            ],
            title,
            marks: Vec::new(),
            took: format!("p50 {p50}"),
            since: None,
            longest: false,
            note: match band.failed {
                0 => String::new(),
                many => format!("✗ {}", count(many)),
            },
            folded: true,
        }
    }
}
