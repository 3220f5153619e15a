//! Opens, changes and closes spans.

use super::{
    DEPTH_MAX, FailureDetail, HistoryEvent, Kind, Phase, ROOT, STEPS_MAX, SpanState,
    TEXTS_MAX_BYTES, UNKNOWN_EVENTS_MAX, UnknownEvent, Visits,
    build::{StepStatistics, Timeline},
    node::{FailedAt, Node},
};
use crate::model::Timestamp;

impl Timeline {
    pub(super) fn enter_numbered(
        &mut self,
        event: &HistoryEvent,
        kind: Kind,
        time: Timestamp,
    ) -> i64 {
        let step = self.find(event, Kind::Step, None);
        let parent = step.unwrap_or_else(|| {
            let step = |node: &&Node| matches!(node.span.kind, Kind::Step | Kind::Execution);
            let up = self.upwards(self.cause(event)).find(step);
            up.map_or(ROOT, |node| node.span.id)
        });
        let count = self.nodes.get_mut(&parent).map_or(0, |parent| {
            parent.numbered += 1;
            parent.numbered - 1
        });
        let index = event.index().or(Some(count));
        self.enter(event, (kind, index), parent, time)
    }

    /// Opens a span in `parent`, or in its nearest ancestor that is not too deep; returns its id, or the id of the
    /// group that counts it.
    pub(super) fn enter(
        &mut self,
        event: &HistoryEvent,
        (kind, index): (Kind, Option<u64>),
        mut parent: i64,
        time: Timestamp,
    ) -> i64 {
        let id = event.event_id;
        while self.nodes[&parent].depth >= DEPTH_MAX {
            parent = self.nodes[&parent].span.parent.unwrap_or(ROOT);
        }
        let in_group = self.nodes[&parent].span.visits.is_some();
        let is_only = self.nodes[&parent].open_children.is_empty();
        let open_max = self.open_max * (1 + usize::from(is_only));
        let unfolded = self.window.is_some_and(|window| window.takes(parent, id));
        if in_group || (self.open >= open_max && !unfolded) {
            return self.enter_group(event, kind, parent, time);
        }
        let mut node = Node::new(id, Some(parent), kind, &event.step_name, time);
        node.span.index = index;
        if let Some(parent) = self.nodes.get_mut(&parent) {
            node.depth = parent.depth + 1;
            parent.children.insert(id);
            parent.open_children.insert(id);
            if kind == Kind::Step {
                parent.went_on(id);
            }
        }
        if let Some(window) = self.window.as_mut().filter(|_| unfolded) {
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
        self.nodes.insert(id, node);
        self.opened(id);
        id
    }

    /// Registers the open span `id`, so that events find it.
    pub(super) fn opened(&mut self, id: i64) {
        let span = &self.nodes[&id].span;
        for index in [None, span.index]
            .into_iter()
            .take(1 + usize::from(span.index.is_some()))
        {
            let visit = (span.kind, index, span.name.clone());
            self.by_name.entry(visit).or_default().insert(id);
        }
        self.owners.opened(id);
        self.open += 1;
    }

    /// Removes the span `id` from those that events find by name.
    pub(super) fn forget_name(&mut self, id: i64) {
        let span = &self.nodes[&id].span;
        for index in [None, span.index] {
            let visit = (span.kind, index, span.name.clone());
            if let Some(ids) = self.by_name.get_mut(&visit) {
                ids.remove(&id);
                if ids.is_empty() {
                    self.by_name.remove(&visit);
                }
            }
        }
    }

    pub(super) fn step_event(&mut self, event: &HistoryEvent, time: Timestamp) -> i64 {
        let found = self.find(event, Kind::Step, None);
        let id = found.unwrap_or_else(|| {
            let parent = self.parent_of_step(event);
            let id = self.enter(event, (Kind::Step, None), parent, time);
            let begins = ["StepStarted", "TaskScheduled", "TaskStarted"];
            if let Some(node) = self.nodes.get_mut(&id) {
                node.begun = begins.contains(&event.step_type());
            }
            id
        });
        self.touch(id, event.event_id, time);
        if self.nodes[&id].span.visits.is_some() {
            return self.group_event(id, event);
        }
        self.keep_failure(id, event);
        let Some(node) = self.nodes.get_mut(&id) else {
            return ROOT;
        };
        let at = node.seen;
        match event.step_type() {
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
            "StepFailed" => node.result(SpanState::Failed, event.event_id, at),
            _ => {
                node.attempt_failed(at);
                self.statistics(&event.step_name).attempts_failed += 1;
            }
        }
        id
    }

    pub(super) fn exit(&mut self, event: &HistoryEvent, kind: Kind, time: Timestamp) -> i64 {
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
                    self.enter(event, (kind, None), parent, time)
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
        if self.nodes[&id].span.visits.is_some() {
            return self.exit_group(id, event);
        }
        if kind != Kind::Step && event.reports_failure() {
            self.set_failure(id, event.failure_detail());
            if let Some(node) = self.nodes.get_mut(&id) {
                node.result(SpanState::Failed, event.event_id, node.seen);
            }
        }
        self.close(id, Some(event.event_id), true)
    }

    /// Records the failure of an attempt or of the step. A detail that says less does not replace what is known.
    fn keep_failure(&mut self, id: i64, event: &HistoryEvent) {
        let failed = [
            "StepFailed",
            "TaskFailed",
            "TaskSubmitFailed",
            "TaskTimedOut",
        ];
        if failed.contains(&event.step_type()) {
            let detail = event.failure_detail();
            let known = self.nodes[&id].span.failure.as_ref();
            let less =
                known.is_some_and(|known| detail.is_part_of(known) && !known.is_part_of(&detail));
            if !less {
                self.set_failure(id, detail);
            }
        }
    }

    /// Replaces the failure of a span, shortened if the timeline holds more than `TEXTS_MAX_BYTES` already.
    pub(super) fn set_failure(&mut self, id: i64, mut detail: FailureDetail) {
        if self.text_bytes > TEXTS_MAX_BYTES {
            detail.shorten();
        }
        if let Some(node) = self.nodes.get_mut(&id) {
            self.text_bytes += detail.bytes();
            let replaced = node.span.failure.replace(detail);
            self.text_bytes -= replaced.as_ref().map_or(0, FailureDetail::bytes);
        }
    }

    pub(super) fn mark(&mut self, event: &HistoryEvent, time: Timestamp) -> i64 {
        let named = (!event.step_name.is_empty()).then(|| self.find(event, Kind::Step, None));
        let id = named.flatten().unwrap_or_else(|| self.cause(event));
        self.touch(id, event.event_id, time);
        if let Some(node) = self.nodes.get_mut(&id) {
            node.span.unknown_events_count += 1;
            let room = self.text_bytes <= TEXTS_MAX_BYTES;
            if room && node.span.unknown_events.len() < UNKNOWN_EVENTS_MAX {
                let unknown = UnknownEvent {
                    event_id: event.event_id,
                    event_type: event.event_type.clone(),
                    step_name: event.step_name.clone(),
                    time,
                };
                self.text_bytes += unknown.bytes();
                node.span.unknown_events.push(unknown);
            }
        }
        id
    }

    /// Closes the open descendants of a span, innermost first; `failing` as for `close`. Those without a result were
    /// open until now.
    pub(super) fn close_children(&mut self, id: i64, failing: bool) {
        let now = self.nodes[&id].seen;
        let mut stack: Vec<i64> = self.nodes[&id].open_children.iter().copied().collect();
        while let Some(&last) = stack.last() {
            let inner = &self.nodes[&last].open_children;
            if inner.is_empty() {
                stack.pop();
                if let Some(node) = self.nodes.get_mut(&last)
                    && matches!(node.span.state, SpanState::Open(_))
                {
                    node.seen = node.seen.max(now);
                }
                self.close(last, None, failing);
            } else {
                stack.extend(inner);
            }
        }
    }

    /// Closes a span, with its exit event or without one; returns its parent. `failing`: no other attempt follows, so
    /// it has failed if its last one had.
    pub(super) fn close(&mut self, id: i64, exited: Option<i64>, failing: bool) -> i64 {
        self.close_children(id, failing);
        let failed_inside = self.nodes.get(&id);
        // A group remembers its first failed visit.
        let failed_inside = failed_inside.and_then(|node| node.child_failed.or(node.failed));
        let failed_inside = failed_inside.filter(|failed| !self.flow_went_on(id, failed.left));
        let last_event_id = self.last_event_id();
        let Some(node) = self.nodes.get_mut(&id) else {
            return ROOT;
        };
        let gave_up = failing && node.span.state == SpanState::Open(Phase::Pausing);
        let state = match node.span.state {
            SpanState::Open(_) if failed_inside.is_some() || gave_up => SpanState::Failed,
            SpanState::Open(_) if exited.is_some() && node.begun => SpanState::Succeeded,
            SpanState::Open(_) => SpanState::Incomplete,
            SpanState::Succeeded if !node.begun => SpanState::Incomplete,
            known => known,
        };
        node.closed_at = exited.unwrap_or(last_event_id);
        node.failed = state.is_failure().then(|| FailedAt {
            event_id: match (node.span.result_event_id, failed_inside) {
                (Some(result), _) => result,
                (None, Some(inside)) => inside.event_id,
                (None, None) => node.closed_at,
            },
            left: match (exited, failed_inside) {
                (Some(exited), _) => exited,
                (None, Some(inside)) => inside.left.max(node.span.last_event_id),
                (None, None) => node.span.last_event_id,
            },
        });
        let failed_at = node.failed;
        let at = node.seen;
        node.pause(at);
        node.span.state = state;
        node.span.end = Some(at);
        node.open = false;
        let (kind, name) = (node.span.kind, node.span.name.clone());
        let parent = node.span.parent.unwrap_or(ROOT);
        let visits = node.span.visits;
        let visit = (state.is_failure(), node.span.millis(at));
        let owes_exit = exited.is_none() && visits.is_none_or(|visits| visits.open > 0);
        if let Some(visits) = &mut node.span.visits {
            visits.open = 0;
        }
        if kind == Kind::Step {
            if owes_exit && self.exits_owed.len() < STEPS_MAX {
                self.exits_owed.insert(name.clone());
            }
            self.count_visits(&name, visits, visit);
        }
        self.forget_name(id);
        if visits.is_some() {
            self.groups.remove(&(parent, kind, name));
        }
        self.owners.closed(id);
        self.open -= 1;
        if let Some(parent) = self.nodes.get_mut(&parent) {
            parent.open_children.remove(&id);
            parent.seen = parent.seen.max(at);
            parent.child_failed(failed_at);
        }
        if self.innermost == id {
            self.innermost = parent;
        }
        self.closed(id, parent);
        parent
    }

    /// Counts a closed visit of a step, which is failed or not and took some milliseconds, or the open ones of a group.
    fn count_visits(&mut self, name: &str, group: Option<Visits>, (failed, millis): (bool, u64)) {
        let statistics = self.statistics(name);
        if let Some(visits) = group {
            let open = visits.open.min(statistics.open);
            statistics.open -= open;
            statistics.count += open;
        } else {
            statistics.open -= 1;
            statistics.count += 1;
            statistics.failed += u64::from(failed);
            statistics.durations.record(millis);
        }
    }

    /// Whether a step was entered at a level around span `id` after this event.
    pub(super) fn flow_went_on(&self, id: i64, after: i64) -> bool {
        self.upwards(id).any(|node| node.step_entered > after)
    }

    pub(super) fn statistics(&mut self, step: &str) -> &mut StepStatistics {
        let known = self.steps.contains_key(step) || self.steps.len() < STEPS_MAX;
        let name = if known { step } else { "…" };
        self.steps.entry(name.to_owned()).or_default()
    }
}
