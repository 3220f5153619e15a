//! Folding: when more spans have ended than the budget draws, siblings become bands.

use std::collections::HashMap;

use super::{Band, Histogram, Kind, ROOT, Timeline, node::Node};

/// Alike siblings of which fewer than this are left alone as long as there are others to fold.
const ALIKE_MIN: usize = 3;
/// Bands beside each other; what would need one more joins the one that is mixed.
const BANDS_MAX: usize = 8;

/// How many of a band are kept apart.
#[derive(Clone, Copy)]
struct Keep {
    failed: usize,
    slowest: usize,
}

const GENEROUS: Keep = Keep {
    failed: 10,
    slowest: 3,
};
const MODEST: Keep = Keep {
    failed: 3,
    slowest: 1,
};
const NONE: Keep = Keep {
    failed: 0,
    slowest: 0,
};

/// Siblings: the span that they are in and what they are visits of, and their ids.
type Alike = ((i64, (Kind, String)), Vec<i64>);

impl Band {
    fn new(parent: i64, of: Option<(Kind, String)>, first: &Node) -> Self {
        Band {
            parent,
            of,
            first_event_id: first.span.first_event_id,
            last_event_id: first.span.last_event_id,
            begin: first.span.begin,
            end: first.seen,
            count: 0,
            failed: 0,
            durations: Histogram::default(),
            failed_kept: Vec::new(),
            slowest_kept: Vec::new(),
        }
    }

    fn count(&mut self, node: &Node) {
        let span = &node.span;
        self.first_event_id = self.first_event_id.min(span.first_event_id);
        self.last_event_id = self.last_event_id.max(span.last_event_id);
        self.begin = self.begin.min(span.begin);
        self.end = self.end.max(node.seen);
        self.count += node.count();
        if let Some(visits) = span.visits {
            self.failed += visits.failed;
        } else {
            self.failed += u64::from(span.state.is_failure());
            self.durations.record(span.millis(node.seen));
        }
    }

    fn merge(&mut self, other: &Band) {
        self.first_event_id = self.first_event_id.min(other.first_event_id);
        self.last_event_id = self.last_event_id.max(other.last_event_id);
        self.begin = self.begin.min(other.begin);
        self.end = self.end.max(other.end);
        self.count += other.count;
        self.failed += other.failed;
        self.durations.merge(&other.durations);
    }
}

impl Timeline {
    /// A span of `parent` has just been closed: it is drawn, or joins the band of its like.
    pub(super) fn closed(&mut self, id: i64, parent: i64) {
        let span = &self.nodes[&id].span;
        let alike = |band: &Band| {
            let of = band.of.as_ref();
            of.is_some_and(|(kind, name)| *kind == span.kind && *name == span.name)
        };
        if !self.nodes[&id].pinned && self.nodes[&parent].bands.iter().any(alike) {
            let of = (span.kind, span.name.clone());
            self.fold(parent, Some(of), &[id], GENEROUS);
        } else if self.drawn() > self.budget {
            self.shrink();
        }
    }

    /// Spans that have ended and are drawn one by one.
    fn drawn(&self) -> usize {
        self.nodes.len() - self.open
    }

    /// Folds until a quarter of the budget is free: alike siblings first, most numerous first; then the
    /// older half of the longest lists; and if all else fails, everything.
    fn shrink(&mut self) {
        let target = self.budget / 4 * 3;
        for ((parent, of), members) in self.alike() {
            if self.drawn() <= target || members.len() < ALIKE_MIN {
                break;
            }
            self.fold(parent, Some(of), &members, GENEROUS);
        }
        for stage in [MODEST, NONE] {
            for parent in self.longest_first() {
                if self.drawn() <= target {
                    return;
                }
                let members = self.ended_children(parent);
                let some = if stage.slowest > 0 {
                    members.len().div_ceil(2)
                } else {
                    members.len()
                };
                self.fold(parent, None, &members[..some], stage);
            }
        }
    }

    /// Ended siblings that are visits of the same, and not yet of a band; most numerous first.
    fn alike(&self) -> Vec<Alike> {
        let mut groups: HashMap<(i64, (Kind, &str)), Vec<i64>> = HashMap::new();
        for (parent, node) in &self.nodes {
            if node.children.len() == node.open_children.len() {
                continue;
            }
            for id in self.ended_children(*parent) {
                let kept =
                    |band: &Band| band.failed_kept.contains(&id) || band.slowest_kept.contains(&id);
                if !node.bands.iter().any(kept) {
                    let span = &self.nodes[&id].span;
                    let of = (*parent, (span.kind, span.name.as_str()));
                    groups.entry(of).or_default().push(id);
                }
            }
        }
        let owned = |((parent, (kind, name)), members): ((i64, (Kind, &str)), Vec<i64>)| {
            ((parent, (kind, name.to_owned())), members)
        };
        let mut groups: Vec<_> = groups.into_iter().map(owned).collect();
        groups.sort_by(|(a, of_a), (b, of_b)| of_b.len().cmp(&of_a.len()).then_with(|| a.cmp(b)));
        groups
    }

    /// All spans that have children, those with the most first.
    fn longest_first(&self) -> Vec<i64> {
        let nodes = self
            .nodes
            .iter()
            .filter(|(_, node)| node.children.len() > node.open_children.len());
        let mut parents: Vec<_> = nodes.map(|(id, node)| (node.children.len(), *id)).collect();
        parents.sort_by_key(|(count, id)| (std::cmp::Reverse(*count), *id));
        parents.into_iter().map(|(_, id)| id).collect()
    }

    /// Children that may be folded; none if the span itself has been folded away.
    fn ended_children(&self, parent: i64) -> Vec<i64> {
        let Some(parent) = self.nodes.get(&parent) else {
            return Vec::new();
        };
        let ended = parent.children.difference(&parent.open_children);
        ended.filter(|id| !self.nodes[id].pinned).copied().collect()
    }

    /// Puts `members`, ended children of `parent`, into its band `of` that kind, or into its mixed one, which
    /// takes in all other bands.
    fn fold(&mut self, parent: i64, of: Option<(Kind, String)>, members: &[i64], keep: Keep) {
        let Some(first) = members.first().map(|id| &self.nodes[id]) else {
            return;
        };
        let mut band = Band::new(parent, of, first);
        let Some(node) = self.nodes.get_mut(&parent) else {
            return;
        };
        let known = node.bands.iter().position(|other| other.of == band.of);
        let mut kept = Vec::new();
        if let Some(at) = known.filter(|_| band.of.is_some()) {
            band = node.bands.swap_remove(at);
        } else if band.of.is_none() || node.bands.len() >= BANDS_MAX {
            band.of = None;
            for other in node.bands.drain(..) {
                band.merge(&other);
                kept.extend(other.failed_kept);
                kept.extend(other.slowest_kept);
            }
        }
        for id in kept
            .iter()
            .chain(members.iter().filter(|id| !kept.contains(id)))
        {
            let node = &self.nodes[id];
            if !kept.contains(id) {
                band.count(node);
            }
            if let Some(dropped) = self.offer(&mut band, node, keep) {
                self.remove(dropped);
            }
        }
        // One that hides nothing is none.
        if let Some(node) = self.nodes.get_mut(&parent).filter(|_| band.hidden() > 0) {
            node.bands.push(band);
        }
    }

    /// Keeps the span apart if it is worth it; answers the one that is not kept, this one or another.
    fn offer(&self, band: &mut Band, node: &Node, keep: Keep) -> Option<i64> {
        let id = node.span.id;
        if node.span.visits.is_some() {
            return Some(id);
        }
        if node.span.state.is_failure() && band.failed_kept.len() < keep.failed {
            band.failed_kept.push(id);
            return None;
        }
        band.slowest_kept.push(id);
        if band.slowest_kept.len() <= keep.slowest {
            return None;
        }
        let took = |id: &i64| self.nodes.get(id).map(|node| node.span.millis(node.seen));
        let slowest = &mut band.slowest_kept;
        // Of equally long ones the first stays.
        let least =
            (0..slowest.len()).min_by_key(|at| (took(&slowest[*at]), std::cmp::Reverse(*at)))?;
        Some(slowest.remove(least))
    }

    /// Forgets a span that has ended, with everything in it.
    fn remove(&mut self, id: i64) {
        let parent = self
            .nodes
            .get(&id)
            .and_then(|node| node.span.parent)
            .unwrap_or(ROOT);
        if let Some(parent) = self.nodes.get_mut(&parent) {
            parent.children.remove(&id);
        }
        let mut stack = vec![id];
        while let Some(id) = stack.pop() {
            if let Some(node) = self.nodes.remove(&id) {
                self.text_bytes -= node.text_bytes();
                stack.extend(node.children);
            }
        }
    }
}
