//! Builds the tree of spans of a history: events in, spans out. Pages and terminal draw the same tree.
//!
//! [`Timeline::push`] takes one event after the other, in one pass, so a timeline can grow while its
//! execution runs. It never fails: what a malformed history does not say is shown as incomplete. Memory and
//! time per event are bounded by constants: siblings that have ended fold into [`Band`]s beyond a budget, and
//! open siblings beyond [`OPEN_MAX`] are counted by one span ([`Span::visits`]). Order is EventId; no width is
//! negative.
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
pub use event::{HistoryEvent, is_reason};
pub use histogram::Histogram;
pub use query::{RootCause, RowItem, TimelineRow};

use crate::model::Timestamp;

/// The id of the span of the execution itself.
pub const ROOT: i64 = 0;
/// Levels of nesting; deeper spans are drawn at this level.
pub const DEPTH_MAX: usize = 64;
/// Segments of one bar; the last absorbs what follows. A bar has no room to show more retries.
pub const SEGMENTS_MAX: usize = 64;
/// Events of unknown types that one span keeps; the others are counted.
pub const UNKNOWN_EVENTS_MAX: usize = 64;
/// Step names with statistics of their own; further names share one entry. Real flows have tens.
pub const STEPS_MAX: usize = 1_000;
/// Characters of an error and of a cause that are kept: the vendor's limit for a cause.
pub const FAILURE_MAX_CHARS: usize = 4_096;

/// Open spans that are tracked one by one. The only open child of its parent is tracked up to twice this number, so
/// that the iterations of a foreach keep their steps. 500,000 open spans took 0.8 GB, so these take about 3 MB.
pub const OPEN_MAX: usize = 1_024;
/// Groups, which count open siblings; visits that would need one more group are counted by a mixed one.
pub const GROUPS_MAX: usize = 256;
/// Bytes of failures and of unknown events that a timeline keeps in full; beyond that failures are shortened
/// to `SHORT_MAX_CHARS` and unknown events are only counted.
pub const TEXTS_MAX_BYTES: usize = 2 * 1024 * 1024;
/// Characters of an error and of its cause beyond `TEXTS_MAX_BYTES`.
pub const SHORT_MAX_CHARS: usize = 200;

/// What a span is: the execution, or a visit of a step, a branch or an iteration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Kind {
    Execution,
    Step,
    Branch,
    Iteration,
}

/// What an open span is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Phase {
    /// Entered or scheduled, not yet started.
    Queued,
    Working,
    /// Submitted: waits for a callback (ReportTaskSucceeded or ReportTaskFailed).
    Waiting,
    /// Between two attempts. Segments never have this phase; it is the gap between two of them.
    Pausing,
}

/// The state of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum SpanState {
    /// Running.
    Open(Phase),
    Succeeded,
    Failed,
    /// Executions only: a step that timed out is `Failed`.
    TimedOut,
    /// Executions only.
    Stopped,
    /// Ended with an unknown result, because its entry or its exit was not recorded.
    Incomplete,
}

impl SpanState {
    pub fn is_open(self) -> bool {
        matches!(self, SpanState::Open(_))
    }

    /// Whether it is `Failed` or `TimedOut`.
    pub fn is_failure(self) -> bool {
        matches!(self, SpanState::Failed | SpanState::TimedOut)
    }

    /// Returns one word: `Running`, `Queued`, `Waiting`, `Pausing`, `Succeeded`, `Failed`, `TimedOut`, `Stopped`
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

/// A part of a span's bar, in one phase. Gaps between segments are pauses between attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    pub phase: Phase,
    /// The attempt that it belongs to, counted from 1; 0 outside of attempts.
    pub attempt: u32,
    /// Whether the attempt failed at the end of this segment.
    pub failed: bool,
    pub begin: Timestamp,
    /// None while it is open.
    pub end: Option<Timestamp>,
}

impl Segment {
    /// Returns its end, or `now` while it is open; never before its begin.
    pub fn until(&self, now: Timestamp) -> Timestamp {
        self.end.unwrap_or(now).max(self.begin)
    }
}

/// Why a span failed, according to the detail of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureDetail {
    /// The EventId of that event.
    pub event_id: i64,
    /// The detail's `error`; may be empty.
    pub error: String,
    /// The detail's `cause`, or the whole detail if it is not JSON; may be empty.
    pub cause: String,
}

/// An event of a type that this module does not know.
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
    /// The EventId of its first event, which identifies it; `ROOT` for the execution.
    pub id: i64,
    /// The id of its parent; None for the execution.
    pub parent: Option<i64>,
    pub kind: Kind,
    /// The StepName; branches and iterations usually have that of their step. Empty for the execution.
    pub name: String,
    /// The index of a branch or iteration: from its detail, else counted from 0.
    pub index: Option<u64>,
    pub state: SpanState,
    /// EventIds of the first and the last event of the span itself, without its children.
    pub first_event_id: i64,
    pub last_event_id: i64,
    /// The EventId of its result, if it has one.
    pub result_event_id: Option<i64>,
    pub begin: Timestamp,
    /// None while it is open. For an incomplete span: the time of the last event in it.
    pub end: Option<Timestamp>,
    /// In order, without empty ones. Branches, iterations and the execution have one.
    pub segments: Vec<Segment>,
    /// Attempts that have begun; 0 unless it is a task.
    pub attempts: u32,
    /// Its failure, or that of its last failed attempt, even if a later attempt succeeded.
    pub failure: Option<FailureDetail>,
    /// The first `UNKNOWN_EVENTS_MAX` of them.
    pub unknown_events: Vec<UnknownEvent>,
    /// The number of all of them.
    pub unknown_events_count: u64,
    /// None: the span is one visit. Otherwise it stands for all these visits.
    pub visits: Option<Visits>,
}

impl Span {
    /// Returns its end, or `now` while it is open; never before its begin.
    pub fn until(&self, now: Timestamp) -> Timestamp {
        self.end.unwrap_or(now).max(self.begin)
    }

    /// Returns the milliseconds from begin to end, or to `now` while it is open.
    pub fn millis(&self, now: Timestamp) -> u64 {
        self.until(now).distance(self.begin)
    }

    /// Returns its label in a row or a path: a step's name, `branch 1`, `iteration 17`, `execution`, or
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

/// Ended siblings that are not drawn one by one. Those kept apart are drawn as spans beside it.
#[derive(Clone, Debug)]
pub struct Band {
    /// The id of their parent.
    pub parent: i64,
    /// The kind and name of all of them; None if they differ.
    pub of: Option<(Kind, String)>,
    /// The smallest and the greatest EventId of the spans themselves.
    pub first_event_id: i64,
    pub last_event_id: i64,
    /// The earliest begin and the latest end.
    pub begin: Timestamp,
    pub end: Timestamp,
    /// The number of spans, including those kept apart.
    pub count: u64,
    /// The number of them that failed.
    pub failed: u64,
    /// Their durations.
    pub durations: Histogram,
    /// Ids of the first failed ones and of the last, which are kept apart.
    pub failed_kept: Vec<i64>,
    /// Ids of the longest ones, which are kept apart.
    pub slowest_kept: Vec<i64>,
}

impl Band {
    /// Returns the number of spans that are not drawn.
    pub fn hidden(&self) -> u64 {
        let kept = self.failed_kept.len() + self.slowest_kept.len();
        self.count - u64::try_from(kept).unwrap_or(u64::MAX).min(self.count)
    }

    /// Returns its label in a row: `pack-item × 240`, `iterations × 9996`, `more × 12`.
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
