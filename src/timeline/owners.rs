//! Which open span an event belongs to, so that a ScheduleEventId leads to one.

use std::collections::HashMap;

use super::ROOT;

/// Events that are remembered whatever they belong to.
const RECENT_MAX: usize = 4096;

/// Recent events, and the first, the started and the last event of each open span, however long ago: a
/// foreach that started a million events ago still gets its iterations.
pub(super) struct Owners {
    of: HashMap<i64, i64>,
    /// By open span.
    anchors: HashMap<i64, [i64; 3]>,
    /// Size of `of` at which old events are forgotten.
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

    /// Says that `event`, the newest, belongs to `span`, and whether that has started with it.
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

    /// The span that `event` belongs to, if it is known and open.
    pub(super) fn find(&self, event: i64) -> Option<i64> {
        let span = self.of.get(&event)?;
        self.anchors.contains_key(span).then_some(*span)
    }
}
