//! Queries on a timeline: rows to draw, the root cause of a failure, open spans, longest steps.

use std::cmp::Reverse;

use super::{Band, FailureDetail, Kind, ROOT, Span, SpanState, Timeline, node::Node};

/// A row of the tree to draw.
#[derive(Clone, Copy, Debug)]
pub struct TimelineRow<'a> {
    /// 0 for the execution.
    pub depth: usize,
    pub item: RowItem<'a>,
}

#[derive(Clone, Copy, Debug)]
pub enum RowItem<'a> {
    Span(&'a Span),
    Band(&'a Band),
    /// The number of further rows, which are not drawn.
    More(usize),
}

/// Why an execution failed. docs/ARCHITECTURE.md has the rules.
#[derive(Clone, Debug)]
pub struct RootCause<'a> {
    /// The innermost span that had failed or was unfinished at the end, and was not caught.
    pub span: &'a Span,
    /// Labels from the outermost step to the span: `prepare`, `branch 1`, `charge-card`. Empty if no
    /// span inside the execution is to blame.
    pub path: Vec<String>,
    /// The reason; None if no event gives one.
    pub detail: Option<&'a FailureDetail>,
    /// What the span and the end of the execution say beyond that, if they differ.
    pub also: Option<&'a FailureDetail>,
}

impl RootCause<'_> {
    /// Returns the EventId of the reason, or of the span's result or last event if there is no reason.
    pub fn event_id(&self) -> i64 {
        let span = self.span;
        let own = span.result_event_id.unwrap_or(span.last_event_id);
        self.detail.map_or(own, |detail| detail.event_id)
    }
}

impl Timeline {
    /// Returns the span of the execution. Before the first event it is open and begins in 1970.
    pub fn root(&self) -> &Span {
        &self.nodes[&ROOT].span
    }

    /// Returns the span with this id, unless it was folded.
    pub fn span(&self, id: i64) -> Option<&Span> {
        self.nodes.get(&id).map(|node| &node.span)
    }

    /// Whether the span with this id has spans or bands inside.
    pub fn has_inside(&self, id: i64) -> bool {
        let node = self.nodes.get(&id);
        node.is_some_and(|node| !node.children.is_empty() || !node.bands.is_empty())
    }

    /// Returns the rows from top to bottom: siblings by first EventId, a band before the spans that it keeps apart. At
    /// most twice the budget, and one row that counts the rest.
    pub fn rows(&self) -> Vec<TimelineRow<'_>> {
        let mut rows = Vec::new();
        let mut stack = vec![TimelineRow {
            depth: 0,
            item: RowItem::Span(self.root()),
        }];
        while let Some(row) = stack.pop() {
            if rows.len() >= 2 * self.budget {
                let more = 1 + stack.len();
                rows.push(TimelineRow {
                    depth: 0,
                    item: RowItem::More(more),
                });
                break;
            }
            if let RowItem::Span(span) = row.item {
                let mut below = self.below(&self.nodes[&span.id]);
                below.reverse();
                stack.extend(below);
            }
            rows.push(row);
        }
        rows
    }

    fn below<'a>(&'a self, node: &'a Node) -> Vec<TimelineRow<'a>> {
        let depth = node.depth + 1;
        let spans = node.children.iter().filter_map(|id| self.span(*id));
        let spans = spans.map(|span| {
            (
                (span.id, 1),
                TimelineRow {
                    depth,
                    item: RowItem::Span(span),
                },
            )
        });
        let bands = node.bands.iter();
        let bands = bands.map(|band| {
            (
                (band.first_event_id, 0),
                TimelineRow {
                    depth,
                    item: RowItem::Band(band),
                },
            )
        });
        let mut rows: Vec<_> = bands.chain(spans).collect();
        rows.sort_by_key(|(place, _)| *place);
        rows.into_iter().map(|(_, row)| row).collect()
    }

    /// Returns the labels from the outermost step to the span with this id; empty for the execution and for a folded
    /// span.
    pub fn path(&self, id: i64) -> Vec<String> {
        let parent = |span: &&Span| span.parent.and_then(|id| self.span(id));
        let up = std::iter::successors(self.span(id), parent);
        let mut labels: Vec<_> = up
            .filter(|span| span.kind != Kind::Execution)
            .map(Span::label)
            .collect();
        labels.reverse();
        labels
    }

    /// Whether the span failed and the execution went on: a later step was entered at a level around it, or a span
    /// around it succeeded.
    pub fn is_caught(&self, id: i64) -> bool {
        let Some(node) = self.nodes.get(&id) else {
            return false;
        };
        let (Some(failed), Some(parent)) = (node.failed, node.span.parent) else {
            return false;
        };
        self.flow_went_on(parent, failed.left)
            || self
                .upwards(parent)
                .any(|node| node.span.state == SpanState::Succeeded)
    }

    /// Returns why the execution failed or timed out; None if it did neither.
    pub fn root_cause(&self) -> Option<RootCause<'_>> {
        let root = self.root();
        if !root.state.is_failure() {
            return None;
        }
        let says = |span: &Span| span.failure.as_ref().is_some_and(|why| !why.is_empty());
        // The innermost spans that say why: among the failed ones, and among those of which an attempt failed.
        let (mut failed, mut tried) = (None, None);
        let mut span = root;
        while let Some(inner) = self.blamed(span) {
            span = inner;
            if says(span) {
                tried = span.failure.as_ref();
                failed = tried.filter(|_| span.state.is_failure()).or(failed);
            }
        }
        let end = root.failure.as_ref().filter(|_| says(root));
        let (detail, also) = match (end, failed) {
            (None, _) => (failed.or(tried), None),
            (Some(end), Some(own)) if own.error == end.error && own.is_whole() => {
                (Some(own), Some(end))
            }
            (Some(end), own) => (Some(end), own),
        };
        let also = also.filter(|also| detail.is_some_and(|detail| !also.is_part_of(detail)));
        let path = self.path(span.id);
        Some(RootCause {
            span,
            path,
            detail,
            also,
        })
    }

    /// Returns the child that made a span fail: the first failure that was not caught, else what was not finished.
    /// When the execution timed out, what was not finished comes first, because the flow still waited for it.
    fn blamed(&self, span: &Span) -> Option<&Span> {
        let children = self.nodes[&span.id].children.iter();
        let children: Vec<_> = children.filter_map(|id| self.nodes.get(id)).collect();
        let failed = children
            .iter()
            .filter(|node| node.failed.is_some() && !self.is_caught(node.span.id))
            .min_by_key(|node| node.failed);
        let unfinished = |node: &&&Node| {
            let span = &node.span;
            span.state == SpanState::Incomplete && node.closed_at > span.last_event_id
        };
        let end = &self.nodes[&ROOT];
        let at_end = |node: &&&Node| unfinished(node) && node.closed_at == end.closed_at;
        let late = end.span.state == SpanState::TimedOut;
        let late = children.iter().rfind(|node| late && at_end(node));
        let blamed = late
            .or(failed)
            .or_else(|| children.iter().rfind(unfinished));
        blamed.map(|node| &node.span)
    }

    /// Returns the innermost open spans by EventId; the execution itself if it is the only open span.
    pub fn innermost_open(&self) -> Vec<&Span> {
        if !self.root().state.is_open() {
            return Vec::new();
        }
        let is_open = |id: &i64| self.nodes[id].span.state.is_open();
        let innermost =
            |node: &&Node| is_open(&node.span.id) && !node.open_children.iter().any(is_open);
        self.nodes
            .values()
            .filter(innermost)
            .map(|node| &node.span)
            .collect()
    }

    /// Returns the longest ended steps that are drawn and have nothing inside, longest first.
    pub fn longest_steps(&self, count: usize) -> Vec<&Span> {
        let inner = |node: &&Node| {
            node.span.kind == Kind::Step
                && !node.open
                && node.children.is_empty()
                && node.bands.is_empty()
        };
        let mut steps: Vec<_> = self
            .nodes
            .values()
            .filter(inner)
            .map(|node| (Reverse(node.span.millis(node.seen)), &node.span))
            .collect();
        steps.sort_by_key(|(millis, span)| (*millis, span.id));
        steps
            .into_iter()
            .take(count)
            .map(|(_, span)| span)
            .collect()
    }
}
