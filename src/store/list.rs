//! Pages of lists, for every backend: which keys are chosen, and where a page ends. The backend reads the keys in
//! slices, which hold no connection and no snapshot between them, and then the chosen rows.

use super::{Error, ListExecutions, Listed, Position, exceeds_page, json_bytes, scans::Scans};
use crate::model::{Execution, Flow, Timestamp};

/// Scan limit: executions that one page with a prefix may look at. Bounds its cost where few match; the page is
/// then short and has a `next`.
const PREFIX_WINDOW: usize = 10_000;
/// Executions of one slice of a scan: some milliseconds of one core.
const EXECUTIONS_SLICE: usize = 500;
/// Flows of one slice: some milliseconds of one core.
const FLOWS_SLICE: usize = 250;

/// The key of a row.
pub(super) struct Key<P> {
    pub at: P,
    /// Whether the list is to have the row.
    pub matches: bool,
    /// Bytes of the row's texts.
    pub bytes: usize,
}

/// The keys chosen for a page. P is the position of a row in its list.
pub(super) struct Selection<P> {
    chosen: Vec<P>,
    limit: usize,
    /// Keys of one slice.
    slice: usize,
    /// Keys to look at before the page ends, however few were chosen.
    window: usize,
    scanned: usize,
    bytes: usize,
}

/// How a list goes on.
enum Next<P> {
    /// With the slice that begins here.
    Slice(P),
    /// The page is complete; the next one begins here.
    Page(Option<P>),
}

impl Selection<Position> {
    /// Without a prefix, a list reads no more keys than it returns.
    pub(super) fn of_executions(list: &ListExecutions) -> Self {
        let (slice, window) = match list.prefix {
            Some(_) => (EXECUTIONS_SLICE, PREFIX_WINDOW),
            None => (list.limit, list.limit),
        };
        Selection::new(list.limit, slice, window)
    }
}

impl<P> Selection<P> {
    /// Has no scan limit: the token of a page that ends early would name a flow that the caller may not see.
    pub(super) fn of_flows(limit: usize) -> Self {
        Selection::new(limit, FLOWS_SLICE, usize::MAX)
    }

    fn new(limit: usize, slice: usize, window: usize) -> Self {
        Selection {
            chosen: Vec::new(),
            slice,
            limit,
            window,
            scanned: 0,
            bytes: 0,
        }
    }

    /// Chooses the keys of a page, and returns where the next one begins. `read` returns up to so many keys from a
    /// position on. `scans` limits a list that may look at more keys than it returns.
    pub(super) async fn choose<R, E: From<Error>>(
        mut self,
        scans: Option<&Scans>,
        mut from: Option<P>,
        read: impl Fn(Option<P>, usize) -> R,
    ) -> Result<(Vec<P>, Option<P>), E>
    where
        R: Future<Output = Result<Vec<Key<P>>, E>>,
    {
        let _scan = match scans {
            Some(scans) => Some(scans.begin().await?),
            None => None,
        };
        loop {
            let keys = {
                let _slice = match scans {
                    Some(scans) => Some(scans.slice().await),
                    None => None,
                };
                read(from, self.slice + 1).await?
            };
            match self.add(keys) {
                Next::Slice(at) => from = Some(at),
                Next::Page(next) => return Ok((self.chosen, next)),
            }
        }
    }

    /// Takes the keys of a slice; the one beyond it tells whether there are more.
    fn add(&mut self, keys: Vec<Key<P>>) -> Next<P> {
        for (index, key) in keys.into_iter().enumerate() {
            if index == self.slice {
                self.scanned += self.slice;
                return match self.scanned < self.window {
                    true => Next::Slice(key.at),
                    false => Next::Page(Some(key.at)),
                };
            }
            if !key.matches {
                continue;
            }
            self.bytes += key.bytes;
            let full = self.chosen.len() == self.limit || exceeds_page(self.bytes);
            if full && !self.chosen.is_empty() {
                return Next::Page(Some(key.at));
            }
            self.chosen.push(key.at);
        }
        Next::Page(None)
    }
}

/// Returns the page of these rows, each with its position. It ends early if their texts would exceed it as JSON.
pub(super) fn page<T, P>(
    rows: impl IntoIterator<Item = Result<(T, P), Error>>,
    bytes_of: fn(&T) -> usize,
    next: Option<P>,
) -> Result<Listed<T, P>, Error> {
    let (mut items, mut bytes) = (Vec::new(), 0);
    for row in rows {
        let (item, at) = row?;
        bytes += bytes_of(&item);
        if exceeds_page(bytes) && !items.is_empty() {
            let next = Some(at);
            return Ok(Listed { items, next });
        }
        items.push(item);
    }
    Ok(Listed { items, next })
}

/// Bytes of an execution's texts in an answer.
pub(super) fn execution_bytes(execution: &Execution) -> usize {
    let texts = [
        Some(&execution.input),
        Some(&execution.definition),
        execution.output.as_ref(),
        execution.environment.as_ref(),
    ];
    all_bytes(&texts)
}

/// Bytes of a flow's texts in an answer.
pub(super) fn flow_bytes(flow: &Flow) -> usize {
    let texts = [
        Some(&flow.definition),
        Some(&flow.description),
        Some(&flow.kind),
        flow.role_arn.as_ref(),
        flow.environment.as_ref(),
        flow.external_storage_location.as_ref(),
        flow.resource_group_id.as_ref(),
    ];
    all_bytes(&texts)
}

fn all_bytes(texts: &[Option<&String>]) -> usize {
    let texts = texts.iter().flatten();
    texts.map(|text| json_bytes(text)).sum()
}

impl ListExecutions {
    /// Returns the newest and the oldest position that are asked for, inclusive.
    pub(super) fn bounds(&self) -> (Position, Position) {
        let newest = |started_at| Position {
            started_at,
            id: u128::MAX,
        };
        let mut from = self.from.unwrap_or(newest(i64::MAX));
        if let Some(to) = self.started_to.filter(|to| to.millis() < from.started_at) {
            from = newest(to.millis());
        }
        let oldest = Position {
            started_at: self.started_from.map_or(i64::MIN, Timestamp::millis),
            id: 0,
        };
        (from, oldest)
    }
}
