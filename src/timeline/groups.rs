//! Groups: beyond `OPEN_MAX` open spans, one span per parent, kind and name counts further visits.
//!
//! An event belongs to a group if its cause does, or if no other open span matches. If writers do not record causes
//! (ScheduleEventId), this is a guess, as it is for other spans.

use super::{
    FailureDetail, GROUPS_MAX, HistoryEvent, Kind, Phase, ROOT, SpanState, Timeline, Visits,
    node::{FailedAt, Node},
};
use crate::model::Timestamp;

/// The name of the group that counts all visits once there are `GROUPS_MAX` groups.
pub(super) const MIXED: &str = "…";

impl Timeline {
    /// Counts a visit that begins; returns the id of its group.
    pub(super) fn enter_group(
        &mut self,
        event: &HistoryEvent,
        kind: Kind,
        parent: i64,
        time: Timestamp,
    ) -> i64 {
        let id = self.group(event, kind, parent, time);
        if kind == Kind::Step {
            if let Some(parent) = self.nodes.get_mut(&parent) {
                parent.went_on(event.event_id);
            }
            let name = self.nodes[&id].span.name.clone();
            self.statistics(&name).open += 1;
        }
        self.touch(id, event.event_id, time);
        let Some(node) = self.nodes.get_mut(&id) else {
            return ROOT;
        };
        let seen = node.seen;
        let visits = node.span.visits.get_or_insert_default();
        visits.entered += 1;
        visits.open += 1;
        if visits.open == 1 && visits.entered > 1 {
            node.phase(Phase::Working, seen);
            let visit = (node.span.kind, None, node.span.name.clone());
            self.by_name.entry(visit).or_default().insert(id);
        }
        id
    }

    /// Returns the group for visits of this kind and name in `parent`; opens one if there is room for it.
    fn group(&mut self, event: &HistoryEvent, kind: Kind, parent: i64, time: Timestamp) -> i64 {
        let mut key = (parent, kind, event.step_name.clone());
        if let Some(id) = self.groups.get(&key) {
            return *id;
        }
        if self.groups.len() >= GROUPS_MAX {
            key = (ROOT, Kind::Step, MIXED.to_owned());
            if let Some(id) = self.groups.get(&key) {
                return *id;
            }
        }
        let id = event.event_id;
        let mut node = Node::new(id, Some(key.0), key.1, &key.2, time);
        node.span.state = SpanState::Open(Phase::Working);
        node.span.visits = Some(Visits::default());
        if let Some(parent) = self.nodes.get_mut(&key.0) {
            node.depth = parent.depth + 1;
            parent.children.insert(id);
            parent.open_children.insert(id);
        }
        self.groups.insert(key, id);
        self.nodes.insert(id, node);
        self.opened(id);
        id
    }

    /// Returns a group with open visits of this kind and name, if `kind` is given; otherwise the mixed group if it has
    /// open visits.
    pub(super) fn open_group(&self, kind: Option<Kind>, name: &str) -> Option<i64> {
        let is_open = |id: &&i64| {
            let visits = self.nodes.get(id).and_then(|node| node.span.visits);
            visits.is_some_and(|visits| visits.open > 0)
        };
        let alike = kind.and_then(|kind| {
            let mut groups = self.groups.iter();
            groups.find_map(|((_, of, named), id)| {
                (*of == kind && named == name && is_open(&id)).then_some(*id)
            })
        });
        let mixed = (ROOT, Kind::Step, MIXED.to_owned());
        let mixed = || self.groups.get(&mixed).filter(is_open).copied();
        alike.or_else(mixed)
    }

    /// Applies an event to the group `id` that counts its visit.
    pub(super) fn group_event(&mut self, id: i64, event: &HistoryEvent) -> i64 {
        let Some(node) = self.nodes.get_mut(&id) else {
            return ROOT;
        };
        let name = node.span.name.clone();
        match event.step_type() {
            "StepStarted" => node.started = true,
            "StepSucceeded" => {}
            "StepFailed" => {
                if let Some(visits) = &mut node.span.visits {
                    visits.failed += 1;
                }
                node.failed.get_or_insert(FailedAt {
                    event_id: event.event_id,
                    left: event.event_id,
                });
                self.statistics(&name).failed += 1;
                self.keep_first_failure(id, event);
            }
            "TaskFailed" | "TaskSubmitFailed" | "TaskTimedOut" => {
                node.span.attempts = 1;
                self.statistics(&name).attempts_failed += 1;
                self.keep_first_failure(id, event);
            }
            // Marks it as a task, in which no step can be entered.
            _ => node.span.attempts = 1,
        }
        id
    }

    /// Keeps the first failure of a group that says why.
    fn keep_first_failure(&mut self, id: i64, event: &HistoryEvent) {
        let known = self.nodes[&id].span.failure.as_ref();
        if known.is_none_or(FailureDetail::is_empty) {
            self.set_failure(id, event.failure_detail());
        }
    }

    /// Counts a visit that ends; returns the parent of the group.
    pub(super) fn exit_group(&mut self, id: i64, event: &HistoryEvent) -> i64 {
        let Some(node) = self.nodes.get_mut(&id) else {
            return ROOT;
        };
        let parent = node.span.parent.unwrap_or(ROOT);
        let seen = node.seen;
        let Some(visits) = &mut node.span.visits else {
            return parent;
        };
        visits.open = visits.open.saturating_sub(1);
        let over = visits.open == 0;
        let name = node.span.name.clone();
        if over {
            let failed = visits.failed > 0 || node.child_failed.is_some();
            node.pause(seen);
            node.span.state = if failed {
                SpanState::Failed
            } else {
                SpanState::Succeeded
            };
            node.span.end = Some(seen);
            let failed_at = node.failed.or(node.child_failed).filter(|_| failed);
            node.failed = failed_at;
            if let Some(parent) = self.nodes.get_mut(&parent) {
                parent.child_failed(failed_at);
            }
            self.forget_name(id);
        }
        if event.step_type() == "StepExited" {
            let statistics = self.statistics(&name);
            statistics.open = statistics.open.saturating_sub(1);
            statistics.count += 1;
        }
        parent
    }
}
