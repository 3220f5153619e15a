//! The one pass: where an event belongs, and what it says of its span.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{
    DEPTH_MAX, Histogram, HistoryEvent, Kind, Phase, ROOT, STEPS_MAX, Span, SpanState,
    UNKNOWN_EVENTS_MAX, UnknownEvent, node::Node, owners::Owners,
};
use crate::model::{Status, Timestamp};

/// Open spans of one name that are looked at to find the one with a number: bounds the cost of an event.
const SEARCHED_MAX: usize = 1_000;

/// What is known of all visits of a step.
#[derive(Clone, Debug, Default)]
pub struct StepStatistics {
    /// Visits that are over.
    pub count: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Visits that go on.
    pub open: u64,
    /// Attempts that failed, whatever came of the visit.
    pub attempts_failed: u64,
    /// How long the visits took that are over, each from begin to end.
    pub durations: Histogram,
}

impl StepStatistics {
    /// Takes in what is known of the same step in another execution.
    pub fn merge(&mut self, other: &StepStatistics) {
        self.count += other.count;
        self.failed += other.failed;
        self.open += other.open;
        self.attempts_failed += other.attempts_failed;
        self.durations.merge(&other.durations);
    }
}

/// A window on the children of one span that are drawn one by one, whatever the budget.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) parent: i64,
    pub(super) from: i64,
    pub(super) count: usize,
}

/// The picture of one execution, as far as its events have been pushed.
pub struct Timeline {
    pub(super) budget: usize,
    pub(super) window: Option<Window>,
    /// By id; the root is always there and takes part in everything but folding.
    pub(super) nodes: BTreeMap<i64, Node>,
    /// How many of them are open.
    pub(super) open: usize,
    by_name: HashMap<String, BTreeSet<i64>>,
    owners: Owners,
    /// Where the last event belonged; open.
    innermost: i64,
    /// Names of steps that were left without an exit: one that comes late is none of another visit.
    exits_owed: HashSet<String>,
    steps: BTreeMap<String, StepStatistics>,
    last_event_id: i64,
    events: u64,
    earliest: Option<Timestamp>,
    latest: Option<Timestamp>,
}

impl Timeline {
    /// An empty picture that draws about `budget` spans that have ended, and folds the others.
    pub fn new(budget: usize) -> Self {
        let epoch = Timestamp::from_millis(0).expect("1970 is a year");
        let root = Node::new(ROOT, None, Kind::Execution, "", epoch);
        Timeline {
            budget: budget.max(8),
            window: None,
            nodes: BTreeMap::from([(ROOT, root)]),
            open: 1,
            by_name: HashMap::new(),
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

    /// The same, but of the children of span `parent` the `count` that follow EventId `from` (inclusive) are
    /// drawn one by one: an unfolded band. To be said before the first event.
    pub fn unfolding(mut self, parent: i64, from: i64, count: usize) -> Self {
        self.window = Some(Window {
            parent,
            from,
            count,
        });
        self.budget = self.budget.saturating_add(count);
        self
    }

    /// Draws the next event. One whose EventId does not lie after all earlier ones is passed over.
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
        self.earliest = Some(self.earliest.map_or(time, |earliest| earliest.min(time)));
        self.latest = Some(self.latest.map_or(time, |latest| latest.max(time)));
        let owner = self.draw(event, time);
        self.owners
            .insert(event.event_id, owner, event.event_type == "StepStarted");
        self.innermost = owner;
    }

    /// The EventId pushed last; 0 if there is none.
    pub fn last_event_id(&self) -> i64 {
        self.last_event_id
    }

    /// How many events were pushed.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The earliest and the latest time of any event: what a ruler must span, and `now` if that is later.
    pub fn extent(&self) -> Option<(Timestamp, Timestamp)> {
        self.earliest.zip(self.latest)
    }

    /// What is known of each step, by name; names beyond `STEPS_MAX` share the name `…`.
    pub fn steps(&self) -> &BTreeMap<String, StepStatistics> {
        &self.steps
    }

    /// Draws it; answers the open span that it belongs to from then on.
    fn draw(&mut self, event: &HistoryEvent, time: Timestamp) -> i64 {
        let event_type = event.event_type.as_str();
        if event_type == "ExecutionStarted" {
            return self.touch(ROOT, event.event_id, time);
        }
        if let Some(status) = Status::ended_by(event_type) {
            return self.end(event, status, time);
        }
        match event_type {
            "StepEntered" => {
                let parent = self.parent_of_step(event);
                self.enter(event, Kind::Step, parent, time)
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

    /// An event of the open span `id` itself.
    fn touch(&mut self, id: i64, event_id: i64, time: Timestamp) -> i64 {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.seen = node.seen.max(time);
            node.span.last_event_id = event_id;
        }
        id
    }

    fn end(&mut self, event: &HistoryEvent, status: Status, time: Timestamp) -> i64 {
        self.touch(ROOT, event.event_id, time);
        self.close_children(ROOT);
        let Some(root) = self.nodes.get_mut(&ROOT) else {
            return ROOT;
        };
        let state = match status {
            Status::Running => SpanState::Open(Phase::Working),
            Status::Succeeded => SpanState::Succeeded,
            Status::Failed => SpanState::Failed,
            Status::Stopped => SpanState::Stopped,
            Status::TimedOut => SpanState::TimedOut,
        };
        root.result(state, event.event_id, root.seen);
        if status != Status::Succeeded {
            root.span.failure = Some(event.failure_detail());
        }
        ROOT
    }

    /// The open span that caused the event, by its ScheduleEventId; else the innermost one.
    fn cause(&self, event: &HistoryEvent) -> i64 {
        let cause = self.owners.find(event.schedule_event_id);
        cause.unwrap_or(self.innermost)
    }

    /// The span and those that it is in, inside out.
    fn upwards(&self, id: i64) -> impl Iterator<Item = &Node> {
        let parent = |node: &&Node| node.span.parent.and_then(|id| self.nodes.get(&id));
        std::iter::successors(self.nodes.get(&id), parent)
    }

    /// The open visit that the event is about: up from its cause, else the most recent of its name.
    fn find(&self, event: &HistoryEvent, kind: Kind, index: Option<u64>) -> Option<i64> {
        let about = |node: &Node| {
            let span = &node.span;
            let numbered = index.is_none() || span.index == index;
            node.open && span.kind == kind && span.name == event.step_name && numbered
        };
        let up = self.upwards(self.cause(event)).find(|node| about(node));
        let recent = || {
            let named = self.by_name.get(&event.step_name)?;
            let nodes = named.iter().rev().take(SEARCHED_MAX);
            nodes
                .filter_map(|id| self.nodes.get(id))
                .find(|node| about(node))
        };
        up.or_else(recent).map(|node| node.span.id)
    }

    /// The span that a step is entered in. A step that led here, with a result and no exit, is left.
    fn parent_of_step(&mut self, event: &HistoryEvent) -> i64 {
        let cause = self.cause(event);
        let node = &self.nodes[&cause];
        if node.span.kind == Kind::Step && !node.span.state.is_open() {
            let parent = node.span.parent.unwrap_or(ROOT);
            self.close(cause, None);
            return self
                .upwards(parent)
                .find(|node| node.takes_steps())
                .map_or(ROOT, |node| node.span.id);
        }
        let takes = self.upwards(cause).find(|node| node.takes_steps());
        takes.map_or(ROOT, |node| node.span.id)
    }

    fn enter_numbered(&mut self, event: &HistoryEvent, kind: Kind, time: Timestamp) -> i64 {
        let step = self.find(event, Kind::Step, None);
        let parent = step.unwrap_or_else(|| {
            let step = |node: &&Node| matches!(node.span.kind, Kind::Step | Kind::Execution);
            let up = self.upwards(self.cause(event)).find(step);
            up.map_or(ROOT, |node| node.span.id)
        });
        let id = self.enter(event, kind, parent, time);
        let count = self.nodes.get_mut(&parent).map_or(0, |parent| {
            parent.numbered += 1;
            parent.numbered - 1
        });
        if let Some(node) = self.nodes.get_mut(&id) {
            node.span.index = event.index().or(Some(count));
        }
        id
    }

    /// A new open span in `parent`, or as deep as spans may be.
    fn enter(&mut self, event: &HistoryEvent, kind: Kind, mut parent: i64, time: Timestamp) -> i64 {
        let id = event.event_id;
        while self.nodes[&parent].depth >= DEPTH_MAX {
            parent = self.nodes[&parent].span.parent.unwrap_or(ROOT);
        }
        let mut node = Node::new(id, Some(parent), kind, &event.step_name, time);
        if let Some(parent) = self.nodes.get_mut(&parent) {
            node.depth = parent.depth + 1;
            parent.children.insert(id);
            parent.open_children.insert(id);
        }
        if let Some(window) = &mut self.window
            && window.parent == parent
            && window.from <= id
            && window.count > 0
        {
            window.count -= 1;
            node.pinned = true;
            let mut up = Some(parent);
            while let Some(node) = up.and_then(|id| self.nodes.get_mut(&id)) {
                node.pinned = true;
                up = node.span.parent;
            }
        }
        if kind == Kind::Step {
            self.statistics(&event.step_name).open += 1;
        }
        self.by_name
            .entry(event.step_name.clone())
            .or_default()
            .insert(id);
        self.owners.opened(id);
        self.nodes.insert(id, node);
        self.open += 1;
        id
    }

    fn step_event(&mut self, event: &HistoryEvent, time: Timestamp) -> i64 {
        let found = self.find(event, Kind::Step, None);
        let id = found.unwrap_or_else(|| {
            let parent = self.parent_of_step(event);
            let id = self.enter(event, Kind::Step, parent, time);
            let begins = ["StepStarted", "TaskScheduled", "TaskStarted"];
            if let Some(node) = self.nodes.get_mut(&id) {
                node.begun = begins.contains(&event.event_type.as_str());
            }
            id
        });
        self.touch(id, event.event_id, time);
        let Some(node) = self.nodes.get_mut(&id) else {
            return ROOT;
        };
        let at = node.seen;
        match event.event_type.as_str() {
            "StepStarted" => {
                node.started = true;
                node.phase(Phase::Working, at);
            }
            "TaskScheduled" => {
                node.attempting = false;
                node.attempt();
                node.phase(Phase::Queued, at);
            }
            "TaskStarted" => {
                node.attempt();
                node.phase(Phase::Working, at);
            }
            "TaskSubmitted" => {
                node.attempt();
                node.phase(Phase::Waiting, at);
            }
            "TaskSucceeded" => {
                node.attempt();
                node.phase(Phase::Working, at);
                node.attempting = false;
            }
            "StepSucceeded" => node.result(SpanState::Succeeded, event.event_id, at),
            "StepFailed" => {
                let detail = event.failure_detail();
                if node.span.failure.is_none() || detail.error.len() + detail.cause.len() > 0 {
                    node.span.failure = Some(detail);
                }
                node.result(SpanState::Failed, event.event_id, at);
            }
            _ => {
                node.attempt_failed(event.failure_detail(), at);
                self.statistics(&event.step_name).attempts_failed += 1;
            }
        }
        id
    }

    fn exit(&mut self, event: &HistoryEvent, kind: Kind, time: Timestamp) -> i64 {
        let index = if kind == Kind::Step {
            None
        } else {
            event.index()
        };
        let found = self.find(event, kind, index);
        let found = found.or_else(|| index.and_then(|_| self.find(event, kind, None)));
        let id = match found {
            Some(id) => id,
            None if self.exits_owed.remove(&event.step_name) => return self.cause(event),
            None => {
                let id = if kind == Kind::Step {
                    let parent = self.parent_of_step(event);
                    self.enter(event, kind, parent, time)
                } else {
                    self.enter_numbered(event, kind, time)
                };
                if let Some(node) = self.nodes.get_mut(&id) {
                    node.begun = false;
                }
                id
            }
        };
        self.touch(id, event.event_id, time);
        self.close(id, Some(event.event_id))
    }

    fn mark(&mut self, event: &HistoryEvent, time: Timestamp) -> i64 {
        let named = (!event.step_name.is_empty()).then(|| self.find(event, Kind::Step, None));
        let id = named.flatten().unwrap_or_else(|| self.cause(event));
        self.touch(id, event.event_id, time);
        if let Some(node) = self.nodes.get_mut(&id) {
            node.span.unknown_events_count += 1;
            if node.span.unknown_events.len() < UNKNOWN_EVENTS_MAX {
                node.span.unknown_events.push(UnknownEvent {
                    event_id: event.event_id,
                    event_type: event.event_type.clone(),
                    step_name: event.step_name.clone(),
                    time,
                });
            }
        }
        id
    }

    /// Closes what is still open in a span, the innermost first.
    fn close_children(&mut self, id: i64) {
        let mut stack: Vec<i64> = self.nodes[&id].open_children.iter().copied().collect();
        while let Some(&last) = stack.last() {
            let inner = &self.nodes[&last].open_children;
            if inner.is_empty() {
                stack.pop();
                self.close(last, None);
            } else {
                stack.extend(inner);
            }
        }
    }

    /// Closes a span: with the event that exits it, or without one. Answers the span that it is in.
    fn close(&mut self, id: i64, exited: Option<i64>) -> i64 {
        self.close_children(id);
        let Some(node) = self.nodes.get_mut(&id) else {
            return ROOT;
        };
        let failed = node.child_failed || node.span.state == SpanState::Open(Phase::Pausing);
        let state = match node.span.state {
            SpanState::Open(_) if exited.is_some() && failed => SpanState::Failed,
            SpanState::Open(_) if exited.is_some() && node.begun => SpanState::Succeeded,
            SpanState::Open(_) => SpanState::Incomplete,
            SpanState::Succeeded if !node.begun => SpanState::Incomplete,
            known => known,
        };
        let at = node.seen;
        node.pause(at);
        node.span.state = state;
        node.span.end = Some(at);
        node.open = false;
        let (kind, name, failed) = (node.span.kind, node.span.name.clone(), state.is_failure());
        let (parent, millis) = (node.span.parent.unwrap_or(ROOT), node.span.millis(at));
        if kind == Kind::Step {
            if exited.is_none() && self.exits_owed.len() < STEPS_MAX {
                self.exits_owed.insert(name.clone());
            }
            let statistics = self.statistics(&name);
            statistics.open -= 1;
            statistics.count += 1;
            statistics.failed += u64::from(failed);
            statistics.durations.record(millis);
        }
        if let Some(named) = self.by_name.get_mut(&name) {
            named.remove(&id);
            if named.is_empty() {
                self.by_name.remove(&name);
            }
        }
        self.owners.closed(id);
        self.open -= 1;
        if let Some(parent) = self.nodes.get_mut(&parent) {
            parent.open_children.remove(&id);
            parent.seen = parent.seen.max(at);
            if exited.is_some() {
                parent.child_failed = failed;
            }
        }
        if self.innermost == id {
            self.innermost = parent;
        }
        self.closed(id, parent);
        parent
    }

    fn statistics(&mut self, step: &str) -> &mut StepStatistics {
        let known = self.steps.contains_key(step) || self.steps.len() < STEPS_MAX;
        let name = if known { step } else { "…" };
        self.steps.entry(name.to_owned()).or_default()
    }
}
