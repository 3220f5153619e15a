//! Builds the tree of spans of a history: events in, spans out. Pages and terminal draw the same tree.
//!
//! [`Timeline::push`] takes one event after the other, in one pass, so a timeline can grow while its
//! execution runs. It never fails: an odd history gives an odd timeline. Memory and time per event are
//! bounded by constants: siblings that have ended fold into [`Band`]s beyond a budget, and open siblings
//! beyond [`OPEN_MAX`] are counted by one span ([`Span::visits`]). Order is EventId; no width is negative.
//!
//! ```
//! use flowledger::timeline::{HistoryEvent, RowItem, Timeline};
//!
//! let mut timeline = Timeline::new(2_000);
//! for json in [
//!     r#"{"Type":"ExecutionStarted","EventId":1,"Time":"2019-01-01T01:01:01.000Z","EventDetail":"{}","StepName":""}"#,
//!     r#"{"Type":"StepEntered","EventId":2,"Time":"2019-01-01T01:01:01.250Z","EventDetail":"{}","StepName":"pay"}"#,
//! ] {
//!     timeline.push(&HistoryEvent::parse(json).expect("an event"));
//! }
//! for row in timeline.rows() {
//!     if let RowItem::Span(span) = row.item {
//!         println!("{:indent$}{}", "", span.label(), indent = row.depth * 2);
//!     }
//! }
//! assert_eq!(timeline.innermost_open()[0].name, "pay");
//! ```

mod build;
mod event;
mod fold;
mod groups;
mod histogram;
mod lifecycle;
mod node;
mod owners;
mod query;

use serde::Serialize;

pub use build::{StepStatistics, Timeline};
pub use event::HistoryEvent;
pub use histogram::Histogram;
pub use query::{RootCause, RowItem, TimelineRow};

use crate::model::Timestamp;

/// The id of the execution's own span.
pub const ROOT: i64 = 0;
/// Levels of nesting; what is nested deeper is drawn at this level.
pub const DEPTH_MAX: usize = 64;
/// Pieces of one bar; the last takes in what follows. More than that many retries fit into no bar.
pub const SEGMENTS_MAX: usize = 64;
/// Events of unknown types that one span keeps; the others are counted.
pub const UNKNOWN_EVENTS_MAX: usize = 64;
/// Step names with statistics of their own; the others share one. Real flows have tens.
pub const STEPS_MAX: usize = 1_000;
/// Characters of a failure's error and of its cause that are kept; the vendor's limit of a cause.
pub const FAILURE_MAX_CHARS: usize = 4_096;

/// Open spans that are followed one by one; twice as many if they are the only ones in theirs, so that the
/// iterations of a foreach keep their steps. 500,000 of them took 0.8 GB, so these take about 3 MB.
pub const OPEN_MAX: usize = 1_024;
/// Spans that count open siblings; what needs one more is counted by a last one, whatever its kind.
pub const GROUPS_MAX: usize = 256;
/// Bytes of failures and of unknown events that a timeline keeps in full; beyond that failures are shortened
/// to `SHORT_MAX_CHARS` and unknown events are only counted.
pub const TEXTS_MAX_BYTES: usize = 2 * 1024 * 1024;
/// Characters of an error and of its cause beyond `TEXTS_MAX_BYTES`.
pub const SHORT_MAX_CHARS: usize = 200;

/// What a span is a visit of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Kind {
    Execution,
    Step,
    Branch,
    Iteration,
}

/// What a visit does at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Phase {
    /// Entered or scheduled, not yet begun.
    Queued,
    Working,
    /// Submitted: somebody outside will report how it ends.
    Waiting,
    /// Between two attempts. No segment has this phase; it is the gap between two.
    Pausing,
}

/// How a span stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum SpanState {
    /// It goes on, and how.
    Open(Phase),
    Succeeded,
    Failed,
    /// Of executions only: a step that took too long is `Failed`.
    TimedOut,
    /// Of executions only.
    Stopped,
    /// It is over, but how is not known: its end, or its beginning, was not recorded.
    Incomplete,
}

impl SpanState {
    pub fn is_open(self) -> bool {
        matches!(self, SpanState::Open(_))
    }

    /// `Failed` or `TimedOut`.
    pub fn is_failure(self) -> bool {
        matches!(self, SpanState::Failed | SpanState::TimedOut)
    }

    /// One word: `Running`, `Queued`, `Waiting`, `Pausing`, `Succeeded`, `Failed`, `TimedOut`, `Stopped`
    /// or `Incomplete`.
    pub fn as_str(self) -> &'static str {
        match self {
            SpanState::Open(Phase::Queued) => "Queued",
            SpanState::Open(Phase::Working) => "Running",
            SpanState::Open(Phase::Waiting) => "Waiting",
            SpanState::Open(Phase::Pausing) => "Pausing",
            SpanState::Succeeded => "Succeeded",
            SpanState::Failed => "Failed",
            SpanState::TimedOut => "TimedOut",
            SpanState::Stopped => "Stopped",
            SpanState::Incomplete => "Incomplete",
        }
    }
}

/// A piece of a span's bar. A step's pieces follow each other; a gap is a pause between attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    pub phase: Phase,
    /// The attempt that it belongs to, from 1; 0 outside any.
    pub attempt: u32,
    /// Whether the attempt failed here.
    pub failed: bool,
    pub begin: Timestamp,
    /// None while it goes on.
    pub end: Option<Timestamp>,
}

impl Segment {
    /// Its end, or `now` while it goes on; never before its begin.
    pub fn until(&self, now: Timestamp) -> Timestamp {
        self.end.unwrap_or(now).max(self.begin)
    }
}

/// Why something failed, as the event's detail says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureDetail {
    /// The event that says so.
    pub event_id: i64,
    /// The detail's `error`; may be empty.
    pub error: String,
    /// The detail's `cause`, or the detail itself where that is no JSON; may be empty.
    pub cause: String,
}

/// An event of a type that has no meaning here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownEvent {
    pub event_id: i64,
    pub event_type: String,
    pub step_name: String,
    pub time: Timestamp,
}

/// Counts of the visits that one span stands for because too many are open at once.
///
/// `entered` and `open` are exact as long as the events name their cause; `failed` counts steps only. How long
/// each visit took is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Visits {
    pub entered: u64,
    pub open: u64,
    pub failed: u64,
}

/// A visit of a step, a branch or an iteration, or the execution itself.
#[derive(Clone, Debug)]
pub struct Span {
    /// Its first EventId, which no other span has; `ROOT` for the execution.
    pub id: i64,
    /// The span that it is in; None for the execution.
    pub parent: Option<i64>,
    pub kind: Kind,
    /// The StepName; of a branch or an iteration usually its step's. Empty for the execution.
    pub name: String,
    /// Which branch or iteration it is: as its detail says, else counted from 0.
    pub index: Option<u64>,
    pub state: SpanState,
    /// EventIds of the first and the last event of its own (not of its children).
    pub first_event_id: i64,
    pub last_event_id: i64,
    /// The event with its result, if it has one.
    pub result_event_id: Option<i64>,
    pub begin: Timestamp,
    /// None while it is open. Of an incomplete one: the last that is known of it.
    pub end: Option<Timestamp>,
    /// In order, those without width left out; of a span that has no phases of its own, one piece.
    pub segments: Vec<Segment>,
    /// Attempts that have begun; 0 for what is no task.
    pub attempts: u32,
    /// Its failure, or that of its last attempt that failed, also if a later one succeeded.
    pub failure: Option<FailureDetail>,
    /// At most `UNKNOWN_EVENTS_MAX`, the first ones.
    pub unknown_events: Vec<UnknownEvent>,
    /// How many there are.
    pub unknown_events_count: u64,
    /// None: the span is one visit. Otherwise it stands for all these visits.
    pub visits: Option<Visits>,
}

impl Span {
    /// Its end, or `now` while it is open; never before its begin.
    pub fn until(&self, now: Timestamp) -> Timestamp {
        self.end.unwrap_or(now).max(self.begin)
    }

    /// Milliseconds from begin to end, or to `now` while it is open.
    pub fn millis(&self, now: Timestamp) -> u64 {
        self.until(now).distance(self.begin)
    }

    /// Returns what to call it in a row or a path: a step's name, `branch 1`, `iteration 17`, `execution`, or
    /// `iterations × 9996` if it stands for many visits.
    pub fn label(&self) -> String {
        if let Some(visits) = self.visits {
            let of = (self.name != groups::MIXED).then_some((self.kind, self.name.as_str()));
            return many(of, visits.entered);
        }
        let index = self.index.unwrap_or_default();
        match self.kind {
            Kind::Execution => "execution".to_owned(),
            Kind::Step => self.name.clone(),
            Kind::Branch => format!("branch {index}"),
            Kind::Iteration => format!("iteration {index}"),
        }
    }
}

/// Siblings that are not drawn one by one. Those kept apart are drawn as spans beside it.
#[derive(Clone, Debug)]
pub struct Band {
    /// The span that they are in.
    pub parent: i64,
    /// What all of them are visits of; None if they differ.
    pub of: Option<(Kind, String)>,
    /// The first EventId of the first, and the last EventId of the last to end.
    pub first_event_id: i64,
    pub last_event_id: i64,
    /// From the first begin to the last end.
    pub begin: Timestamp,
    pub end: Timestamp,
    /// How many, those kept apart included.
    pub count: u64,
    /// How many of them failed.
    pub failed: u64,
    /// How long they took, each from begin to end.
    pub durations: Histogram,
    /// Ids of those kept apart because they failed: the first ones.
    pub failed_kept: Vec<i64>,
    /// Ids of those kept apart because they took longest.
    pub slowest_kept: Vec<i64>,
}

impl Band {
    /// How many are drawn nowhere else.
    pub fn hidden(&self) -> u64 {
        let kept = self.failed_kept.len() + self.slowest_kept.len();
        self.count - u64::try_from(kept).unwrap_or(u64::MAX).min(self.count)
    }

    /// What to call it in a row: `pack-item × 240`, `iterations × 9996`, `more × 12`.
    pub fn label(&self) -> String {
        let of = self.of.as_ref();
        many(of.map(|(kind, name)| (*kind, name.as_str())), self.hidden())
    }
}

fn many(of: Option<(Kind, &str)>, count: u64) -> String {
    let what = match of {
        Some((Kind::Step, name)) => name,
        Some((Kind::Branch, _)) => "branches",
        Some((Kind::Iteration, _)) => "iterations",
        _ => "more",
    };
    format!("{what} × {count}")
}
