//! Remembers which open span an event belongs to, to resolve ScheduleEventIds.

use std::collections::HashMap;

use super::ROOT;

/// Most recent events, all of which are remembered.
const RECENT_MAX: usize = 4096;

/// Remembers recent events, and the first, the started and the last event of each open span regardless of age,
/// because a foreach may enter an iteration a million events after it started.
pub(super) struct Owners {
    of: HashMap<i64, i64>,
    /// The first, the started and the last EventId by open span.
    anchors: HashMap<i64, [i64; 3]>,
    /// The size of `of` at which old events are removed.
    full: usize,
}

impl Owners {
    pub(super) fn new() -> Self {
        Owners {
            of: HashMap::new(),
            anchors: HashMap::from([(ROOT, [ROOT; 3])]),
            full: 2 * RECENT_MAX,
        }
    }

    pub(super) fn opened(&mut self, span: i64) {
        self.anchors.insert(span, [span; 3]);
    }

    pub(super) fn closed(&mut self, span: i64) {
        self.anchors.remove(&span);
    }

    /// Records that `event`, the newest, belongs to `span`; `started`: it is the span's StepStarted.
    pub(super) fn insert(&mut self, event: i64, span: i64, started: bool) {
        if let Some([_, start, last]) = self.anchors.get_mut(&span) {
            if started {
                *start = event;
            }
            *last = event;
        }
        self.of.insert(event, span);
        if self.of.len() > self.full {
            let anchors = &self.anchors;
            let recent = event.saturating_sub_unsigned(RECENT_MAX as u64);
            self.of.retain(|event, span| {
                *event > recent || anchors.get(span).is_some_and(|kept| kept.contains(event))
            });
            self.full = self.of.len() + RECENT_MAX;
        }
    }

    /// Returns the span that `event` belongs to, if it is known and open.
    pub(super) fn find(&self, event: i64) -> Option<i64> {
        let span = self.of.get(&event)?;
        self.anchors.contains_key(span).then_some(*span)
    }
}
