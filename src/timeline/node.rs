//! A span while the timeline is built: transitions between phases, attempts and results.

use std::collections::BTreeSet;

use super::{
    Band, FailureDetail, Kind, Phase, SEGMENTS_MAX, Segment, Span, SpanState, UnknownEvent,
};
use crate::model::Timestamp;

/// EventIds of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FailedAt {
    /// The event with which it failed.
    pub(super) event_id: i64,
    /// Its exit, or its own last event if there was none. A step that is entered later shows that the failure was
    /// caught.
    pub(super) left: i64,
}

pub(super) struct Node {
    pub(super) span: Span,
    pub(super) depth: usize,
    pub(super) open: bool,
    /// Whether its entry was recorded.
    pub(super) begun: bool,
    /// Whether it had a StepStarted event; the execution: ExecutionStarted.
    pub(super) started: bool,
    /// Whether an attempt is running.
    pub(super) attempting: bool,
    /// The latest time of its events and of those of its children.
    pub(super) seen: Timestamp,
    pub(super) children: BTreeSet<i64>,
    pub(super) open_children: BTreeSet<i64>,
    pub(super) bands: Vec<Band>,
    /// The number of branches and iterations entered so far.
    pub(super) numbered: u64,
    /// The last entry of a step directly in it; 0 if there was none.
    pub(super) step_entered: i64,
    /// Its own failure, once it has failed.
    pub(super) failed: Option<FailedAt>,
    /// The first failure of a child after which no step was entered directly in it.
    pub(super) child_failed: Option<FailedAt>,
    /// The event that closed it; 0 while it is open.
    pub(super) closed_at: i64,
    /// Never folded: it is in the unfolded band, or an ancestor of it.
    pub(super) pinned: bool,
}

impl Node {
    pub(super) fn new(id: i64, parent: Option<i64>, kind: Kind, name: &str, at: Timestamp) -> Self {
        let phase = if kind == Kind::Step {
            Phase::Queued
        } else {
            Phase::Working
        };
        let span = Span {
            id,
            parent,
            kind,
            name: name.to_owned(),
            index: None,
            state: SpanState::Open(phase),
            first_event_id: id,
            last_event_id: id,
            result_event_id: None,
            begin: at,
            end: None,
            segments: vec![Segment {
                phase,
                attempt: 0,
                failed: false,
                begin: at,
                end: None,
            }],
            attempts: 0,
            failure: None,
            unknown_events: Vec::new(),
            unknown_events_count: 0,
            visits: None,
        };
        Node {
            span,
            depth: 0,
            open: true,
            begun: true,
            started: false,
            attempting: false,
            seen: at,
            children: BTreeSet::new(),
            open_children: BTreeSet::new(),
            bands: Vec::new(),
            numbered: 0,
            step_entered: 0,
            failed: None,
            child_failed: None,
            closed_at: 0,
            pinned: false,
        }
    }

    /// Returns the bytes of its failure and its unknown events.
    pub(super) fn text_bytes(&self) -> usize {
        let failure = self.span.failure.as_ref().map_or(0, FailureDetail::bytes);
        let unknown = self.span.unknown_events.iter();
        failure + unknown.map(UnknownEvent::bytes).sum::<usize>()
    }

    /// Returns how many visits it stands for.
    pub(super) fn count(&self) -> u64 {
        self.span.visits.map_or(1, |visits| visits.entered)
    }

    /// Whether a step can be entered in it: not in a step that has not started, is a task or has its result.
    pub(super) fn takes_steps(&self) -> bool {
        self.span.kind != Kind::Step
            || (self.started && self.span.attempts == 0 && self.span.state.is_open())
    }

    /// Records that step `id` was entered directly in it. Not in a group: there it may be another visit's step.
    pub(super) fn went_on(&mut self, id: i64) {
        if self.span.visits.is_none() {
            self.step_entered = id;
            self.child_failed = None;
        }
    }

    /// Records the end of a child that has failed at `failed`, if it has.
    pub(super) fn child_failed(&mut self, failed: Option<FailedAt>) {
        let failed = failed.filter(|failed| self.step_entered <= failed.left);
        self.child_failed = self.child_failed.into_iter().chain(failed).min();
    }

    /// Begins another phase, and its segment, at `at`.
    pub(super) fn phase(&mut self, phase: Phase, at: Timestamp) {
        self.pause(at);
        let attempt = if self.attempting {
            self.span.attempts
        } else {
            0
        };
        self.resume(phase);
        let segments = &mut self.span.segments;
        let full = segments.len() >= SEGMENTS_MAX;
        match segments.last_mut() {
            Some(last) if full => {
                (last.phase, last.attempt, last.end) = (phase, attempt, None);
            }
            Some(last)
                if (last.phase, last.attempt, last.end) == (phase, attempt, Some(at))
                    && !last.failed =>
            {
                last.end = None;
            }
            _ => segments.push(Segment {
                phase,
                attempt,
                failed: false,
                begin: at,
                end: None,
            }),
        }
    }

    /// Continues in a phase. A result before that was not final and is dropped.
    fn resume(&mut self, phase: Phase) {
        self.span.state = SpanState::Open(phase);
        (self.span.end, self.span.result_event_id) = (None, None);
    }

    /// Ends the open segment; removes it if it is empty.
    pub(super) fn pause(&mut self, at: Timestamp) {
        let segments = &mut self.span.segments;
        if let Some(last) = segments.last_mut().filter(|last| last.end.is_none()) {
            last.end = Some(at.max(last.begin));
            if at <= last.begin && !last.failed {
                segments.pop();
            }
        }
    }

    pub(super) fn attempt(&mut self) {
        if !self.attempting {
            self.attempting = true;
            self.span.attempts = self.span.attempts.saturating_add(1);
        }
    }

    /// Records that the running attempt has failed.
    pub(super) fn attempt_failed(&mut self, at: Timestamp) {
        self.attempt();
        let attempt = self.span.attempts;
        if let Some(last) = self
            .span
            .segments
            .last_mut()
            .filter(|last| last.end.is_none())
        {
            (last.failed, last.attempt) = (true, attempt);
        }
        self.pause(at);
        self.attempting = false;
        self.resume(Phase::Pausing);
    }

    /// Records the result of the step.
    pub(super) fn result(&mut self, state: SpanState, event_id: i64, at: Timestamp) {
        self.pause(at);
        self.span.state = state;
        self.span.result_event_id = Some(event_id);
        self.span.end = Some(at);
    }
}
