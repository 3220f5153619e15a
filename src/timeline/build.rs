//! The pass over the events: finds the span that an event belongs to, and dispatches by event type.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{
    Histogram, HistoryEvent, Kind, OPEN_MAX, Phase, ROOT, Span, SpanState, node::Node,
    owners::Owners,
};
use crate::model::{Status, Timestamp};

/// Statistics of all visits of a step.
#[derive(Clone, Debug, Default)]
pub struct StepStatistics {
    /// Visits that have ended.
    pub count: u64,
    /// Ended visits that failed.
    pub failed: u64,
    /// Visits that are open.
    pub open: u64,
    /// Attempts that failed, including those of visits that succeeded later.
    pub attempts_failed: u64,
    /// Durations of ended visits, from begin to end; without those that a group counted (`Span::visits`).
    pub durations: Histogram,
}

impl StepStatistics {
    /// Adds the statistics of the same step in another execution.
    pub fn merge(&mut self, other: &StepStatistics) {
        self.count += other.count;
        self.failed += other.failed;
        self.open += other.open;
        self.attempts_failed += other.attempts_failed;
        self.durations.merge(&other.durations);
    }
}

impl Window {
    pub(super) fn takes(&self, parent: i64, id: i64) -> bool {
        self.parent == parent && self.from <= id && self.count > 0
    }
}

/// The children of one span that are drawn one by one regardless of the budget: an unfolded band.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) parent: i64,
    pub(super) from: i64,
    pub(super) count: usize,
}

/// The spans of one execution, as far as its events have been pushed.
pub struct Timeline {
    pub(super) budget: usize,
    pub(super) window: Option<Window>,
    /// By span id; the root always exists and is never folded.
    pub(super) nodes: BTreeMap<i64, Node>,
    /// The number of open nodes.
    pub(super) open: usize,
    /// The number of open nodes beyond which new ones are counted by groups.
    pub(super) open_max: usize,
    /// Open spans by kind, index and name; spans with an index are listed without it too.
    pub(super) by_name: HashMap<(Kind, Option<u64>, String), BTreeSet<i64>>,
    /// Groups (see `groups.rs`) by parent, kind and name.
    pub(super) groups: HashMap<(i64, Kind, String), i64>,
    /// Bytes of failures and unknown events in `nodes`.
    pub(super) text_bytes: usize,
    pub(super) owners: Owners,
    /// The open span that the last event belongs to.
    pub(super) innermost: i64,
    /// Names of steps that were closed without an exit event. A late exit event of that name belongs to none of the
    /// open visits.
    pub(super) exits_owed: HashSet<String>,
    pub(super) steps: BTreeMap<String, StepStatistics>,
    last_event_id: i64,
    events: u64,
    earliest: Option<Timestamp>,
    latest: Option<Timestamp>,
}

impl Timeline {
    /// Returns an empty timeline that draws about `budget` ended spans one by one, and folds the others.
    pub fn new(budget: usize) -> Self {
        Self::bounded(budget, OPEN_MAX)
    }

    /// Returns an empty timeline that follows at most `open_max` open spans one by one.
    pub fn bounded(budget: usize, open_max: usize) -> Self {
        let epoch = Timestamp::from_millis(0).expect("1970 is a year");
        let root = Node::new(ROOT, None, Kind::Execution, "", epoch);
        Timeline {
            budget: budget.max(8),
            window: None,
            nodes: BTreeMap::from([(ROOT, root)]),
            open: 1,
            open_max: open_max.max(1),
            by_name: HashMap::new(),
            groups: HashMap::new(),
            text_bytes: 0,
            owners: Owners::new(),
            innermost: ROOT,
            exits_owed: HashSet::new(),
            steps: BTreeMap::new(),
            last_event_id: 0,
            events: 0,
            earliest: None,
            latest: None,
        }
    }

    /// Returns the timeline with an unfolded band: the first `count` children of span `parent` from EventId `from`
    /// (inclusive) are drawn one by one. Call it before the first event.
    pub fn unfolding(mut self, parent: i64, from: i64, count: usize) -> Self {
        self.window = Some(Window {
            parent,
            from,
            count,
        });
        self.budget = self.budget.saturating_add(count);
        self
    }

    /// Adds the next event. An event whose EventId is not greater than all earlier ones is ignored.
    pub fn push(&mut self, event: &HistoryEvent) {
        if event.event_id <= self.last_event_id {
            return;
        }
        let root = &self.nodes[&ROOT].span;
        let time = event.time.or(self.latest).unwrap_or(root.begin);
        if self.events == 0 {
            let first = Node::new(ROOT, None, Kind::Execution, "", time);
            let first = Node {
                span: Span {
                    first_event_id: event.event_id,
                    last_event_id: event.event_id,
                    ..first.span
                },
                ..first
            };
            self.nodes.insert(ROOT, first);
        }
        self.events += 1;
        self.last_event_id = event.event_id;
        self.begin_at(event, time);
        self.earliest = Some(self.earliest.map_or(time, |earliest| earliest.min(time)));
        self.latest = Some(self.latest.map_or(time, |latest| latest.max(time)));
        let owner = self.apply(event, time);
        self.owners
            .insert(event.event_id, owner, event.step_type() == "StepStarted");
        self.innermost = owner;
    }

    /// Moves the begin of the execution to the time of an earlier event. The server wrote ExecutionStarted: if the
    /// next event is earlier, the engine's clock is behind the server's, and that first time does not count.
    fn begin_at(&mut self, event: &HistoryEvent, time: Timestamp) {
        let Some(root) = self.nodes.get_mut(&ROOT).filter(|_| event.time.is_some()) else {
            return;
        };
        if time >= root.span.begin {
            return;
        }
        if self.events == 2 && root.seen == root.span.begin && root.started {
            root.seen = time;
            (self.earliest, self.latest) = (Some(time), Some(time));
        }
        root.span.begin = time;
        if let Some(first) = root.span.segments.first_mut() {
            first.begin = time;
        }
    }

    /// Returns the greatest EventId so far; 0 before the first event.
    pub fn last_event_id(&self) -> i64 {
        self.last_event_id
    }

    /// Returns the number of events so far.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Returns the earliest and the latest time of any event, which a ruler must cover.
    pub fn extent(&self) -> Option<(Timestamp, Timestamp)> {
        self.earliest.zip(self.latest)
    }

    /// Returns the statistics by step name; names beyond `STEPS_MAX` share the name `…`.
    pub fn steps(&self) -> &BTreeMap<String, StepStatistics> {
        &self.steps
    }

    /// Applies the event to the spans; returns the open span that the following events continue from.
    fn apply(&mut self, event: &HistoryEvent, time: Timestamp) -> i64 {
        let event_type = event.step_type();
        if event_type == "ExecutionStarted" {
            if let Some(root) = self.nodes.get_mut(&ROOT) {
                root.started = true;
            }
            return self.touch(ROOT, event.event_id, time);
        }
        if let Some(status) = Status::ended_by(event_type) {
            return self.end(event, status, time);
        }
        match event_type {
            "StepEntered" => {
                let parent = self.parent_of_step(event);
                self.enter(event, (Kind::Step, None), parent, time)
            }
            "BranchEntered" => self.enter_numbered(event, Kind::Branch, time),
            "IterationEntered" => self.enter_numbered(event, Kind::Iteration, time),
            "StepExited" => self.exit(event, Kind::Step, time),
            "BranchExited" => self.exit(event, Kind::Branch, time),
            "IterationExited" => self.exit(event, Kind::Iteration, time),
            "StepStarted" | "StepSucceeded" | "StepFailed" | "TaskScheduled" | "TaskStarted"
            | "TaskSubmitted" | "TaskSubmitFailed" | "TaskSucceeded" | "TaskFailed"
            | "TaskTimedOut" => self.step_event(event, time),
            _ => self.mark(event, time),
        }
    }

    /// Records an event of the open span `id` itself.
    pub(super) fn touch(&mut self, id: i64, event_id: i64, time: Timestamp) -> i64 {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.seen = node.seen.max(time);
            node.span.last_event_id = event_id;
        }
        id
    }

    fn end(&mut self, event: &HistoryEvent, status: Status, time: Timestamp) -> i64 {
        self.touch(ROOT, event.event_id, time);
        self.close_children(ROOT, status == Status::Failed);
        let Some(root) = self.nodes.get_mut(&ROOT) else {
            return ROOT;
        };
        root.closed_at = event.event_id;
        let end = self.latest.unwrap_or(root.seen).max(root.seen);
        let state = match status {
            Status::Running => SpanState::Open(Phase::Working),
            Status::Succeeded => SpanState::Succeeded,
            Status::Failed => SpanState::Failed,
            Status::Stopped => SpanState::Stopped,
            Status::TimedOut => SpanState::TimedOut,
        };
        root.result(state, event.event_id, end);
        if status != Status::Succeeded {
            self.set_failure(ROOT, event.failure_detail());
        }
        ROOT
    }

    /// Returns the open span that caused the event, by ScheduleEventId; else the innermost open span.
    pub(super) fn cause(&self, event: &HistoryEvent) -> i64 {
        let cause = self.owners.find(event.schedule_event_id);
        cause.unwrap_or(self.innermost)
    }

    /// Iterates over the span and its ancestors.
    pub(super) fn upwards(&self, id: i64) -> impl Iterator<Item = &Node> {
        let parent = |node: &&Node| node.span.parent.and_then(|id| self.nodes.get(&id));
        std::iter::successors(self.nodes.get(&id), parent)
    }

    /// Returns the open visit that the event is about: the nearest match among the cause and its ancestors, else the
    /// most recent visit of that name, else a group.
    pub(super) fn find(&self, event: &HistoryEvent, kind: Kind, index: Option<u64>) -> Option<i64> {
        let about = |node: &&Node| {
            let span = &node.span;
            let indexed = index.is_none() || span.index == index;
            let matches = span.visits.map_or(indexed, |visits| visits.open > 0);
            node.open && span.kind == kind && span.name == event.step_name && matches
        };
        let up = self.upwards(self.cause(event)).find(about);
        up.map(|node| node.span.id)
            .or_else(|| {
                let visit = (kind, index, event.step_name.clone());
                self.by_name.get(&visit)?.last().copied()
            })
            .or_else(|| self.open_group(index.map(|_| kind), &event.step_name))
    }

    /// Returns the span that a step is entered in. Closes the step that caused the event if it has a result and no
    /// exit event, because some writers leave those out.
    pub(super) fn parent_of_step(&mut self, event: &HistoryEvent) -> i64 {
        let cause = self.cause(event);
        let node = &self.nodes[&cause];
        if node.span.kind == Kind::Step && !node.span.state.is_open() {
            let parent = node.span.parent.unwrap_or(ROOT);
            self.close(cause, None, true);
            return self
                .upwards(parent)
                .find(|node| node.takes_steps())
                .map_or(ROOT, |node| node.span.id);
        }
        let takes = self.upwards(cause).find(|node| node.takes_steps());
        takes.map_or(ROOT, |node| node.span.id)
    }
}
