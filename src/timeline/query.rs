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

/// Why an execution failed: the innermost span that failed.
#[derive(Clone, Debug)]
pub struct RootCause<'a> {
    pub span: &'a Span,
    /// Labels from the outermost step to the span: `prepare`, `branch 1`, `charge-card`. Empty if no
    /// span inside the execution failed.
    pub path: Vec<String>,
    /// The failure of the span, or of its nearest ancestor that has one.
    pub detail: Option<&'a FailureDetail>,
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

    /// Returns why the execution failed or timed out; None if it did neither.
    pub fn root_cause(&self) -> Option<RootCause<'_>> {
        let mut span = self.root();
        if !span.state.is_failure() {
            return None;
        }
        let mut detail = span.failure.as_ref();
        while let Some(inner) = self.blamed(span) {
            span = inner;
            detail = span.failure.as_ref().or(detail);
        }
        let path = self.path(span.id);
        Some(RootCause { span, path, detail })
    }

    /// Returns the child that made a span fail: in a step (parallel or foreach) the first failed one, otherwise the
    /// last; if none failed, an incomplete one.
    fn blamed(&self, span: &Span) -> Option<&Span> {
        let children = self.nodes[&span.id].children.iter();
        let children: Vec<_> = children.filter_map(|id| self.span(*id)).collect();
        let mut failed = children
            .iter()
            .copied()
            .filter(|span| span.state.is_failure());
        let blamed = if span.kind == Kind::Step {
            failed.min_by_key(|span| span.result_event_id.unwrap_or(span.last_event_id))
        } else {
            failed.next_back()
        };
        let unfinished = |span: &&Span| span.state == SpanState::Incomplete;
        blamed.or_else(|| children.iter().copied().rfind(unfinished))
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
