//! Folds ended siblings into bands when there are more than the budget.

use std::collections::HashMap;

use super::{Band, Histogram, Kind, ROOT, Timeline, node::Node};

/// Fewer alike siblings than this are not folded as long as there are others to fold.
const ALIKE_MIN: usize = 3;
/// Bands of one parent; if one more is needed, all become one mixed band.
const BANDS_MAX: usize = 8;

/// How many spans of a band are still drawn one by one.
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

/// Alike siblings: their parent, kind and name, and their ids.
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
    /// Handles the end of a span: it joins the band of its kind and name if there is one, else it is drawn; folds if
    /// the budget is used up.
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

    /// Returns the number of ended spans that are drawn one by one.
    fn drawn(&self) -> usize {
        self.nodes.len() - self.open
    }

    /// Folds until a quarter of the budget is free: first alike siblings, most numerous first; then the older half of
    /// the children of each parent, longest list first; then all children.
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

    /// Returns ended siblings of the same kind and name that belong to no band yet, most numerous first.
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

    /// Returns all spans that have ended children, those with the most children first.
    fn longest_first(&self) -> Vec<i64> {
        let nodes = self
            .nodes
            .iter()
            .filter(|(_, node)| node.children.len() > node.open_children.len());
        let mut parents: Vec<_> = nodes.map(|(id, node)| (node.children.len(), *id)).collect();
        parents.sort_by_key(|(count, id)| (std::cmp::Reverse(*count), *id));
        parents.into_iter().map(|(_, id)| id).collect()
    }

    /// Returns the children that may be folded; none if the span itself has been folded.
    fn ended_children(&self, parent: i64) -> Vec<i64> {
        let Some(parent) = self.nodes.get(&parent) else {
            return Vec::new();
        };
        let ended = parent.children.difference(&parent.open_children);
        ended.filter(|id| !self.nodes[id].pinned).copied().collect()
    }

    /// Moves `members`, ended children of `parent`, into its band `of` a kind and name; None is the mixed band, which
    /// absorbs all other bands.
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
        // A band that hides nothing is not drawn.
        if let Some(node) = self.nodes.get_mut(&parent).filter(|_| band.hidden() > 0) {
            node.bands.push(band);
        }
    }

    /// Decides whether the span stays drawn beside the band; returns the span that does not, this one or one that
    /// was kept before.
    fn offer(&self, band: &mut Band, node: &Node, keep: Keep) -> Option<i64> {
        let mut id = node.span.id;
        if node.span.visits.is_some() {
            return Some(id);
        }
        if node.span.state.is_failure() {
            if band.failed_kept.len() < keep.failed {
                band.failed_kept.push(id);
                return None;
            }
            // The last failure may be the one that was not caught.
            if let Some(last) = band.failed_kept.last_mut().filter(|last| **last < id) {
                std::mem::swap(last, &mut id);
            }
        }
        band.slowest_kept.push(id);
        if band.slowest_kept.len() <= keep.slowest {
            return None;
        }
        let took = |id: &i64| self.nodes.get(id).map(|node| node.span.millis(node.seen));
        let slowest = &mut band.slowest_kept;
        // The earliest of equally long spans is kept.
        let least =
            (0..slowest.len()).min_by_key(|at| (took(&slowest[*at]), std::cmp::Reverse(*at)))?;
        Some(slowest.remove(least))
    }

    /// Removes an ended span and its descendants.
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
