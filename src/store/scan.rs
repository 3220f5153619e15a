//! Pages of a history, for every backend. A page is one range of consecutive, verified events; a filtered or backward
//! one is a scan, which reads slices and picks the events that match. The backend reads the ranges.

use super::{
    HistoryPage, HistoryQuery, Outcome, PAGE_MAX_BYTES,
    scans::Scans,
    types::{EventRange, exceeds_page},
};
use crate::model::Status;

/// Scan limit: events that one filtered page may read. Bounds its cost where few events match; the page is
/// then short and has a `next`. The bytes of a page are a scan limit too.
const FILTER_WINDOW: i64 = 10_000;
/// Events of one slice: some milliseconds of one core.
const SLICE_EVENTS: i64 = 256;
/// Bytes of JSON after which a slice ends early. Bounds the memory of a scan beyond its page.
const SLICE_MAX_BYTES: i64 = 1024 * 1024;

/// More than the JSON of any event: a detail, a step name and a type of the greatest lengths, each byte escaped to
/// six.
const EVENT_MAX_BYTES: i64 = 512 * 1024;

/// Returns the page of the events that were found in `range`, joined by commas, each of which ends at one of `ends`.
/// The first event always fits into `max_bytes`.
///
/// # Errors
///
/// What is wrong with the history: an event of the range is missing.
pub(super) fn page_of(
    range: EventRange,
    max_bytes: i64,
    (json, ends): (String, Vec<usize>),
    (last_event_id, status): (i64, Status),
) -> Result<HistoryPage, String> {
    let count = i64::try_from(ends.len()).unwrap_or(i64::MAX);
    let next = range.first.saturating_add(count);
    let ends_early = next <= range.last.min(last_event_id);
    let bytes = i64::try_from(json.len()).unwrap_or(i64::MAX);
    if ends_early && bytes < max_bytes - EVENT_MAX_BYTES {
        // One more event would have fitted, so the byte limit did not end the range: the event is gone.
        return Err(format!("event {next} is missing"));
    }
    Ok(HistoryPage {
        json,
        ends,
        last_event_id,
        running: status == Status::Running,
        next: (next <= last_event_id).then_some(next),
    })
}

/// Reads the page of a query. `read` reads a range of events, as far as they exist and fit into the bytes.
pub(super) async fn history_page<R>(
    query: &HistoryQuery,
    scans: &Scans,
    read: impl Fn(EventRange, i64) -> R,
) -> Outcome<HistoryPage>
where
    R: Future<Output = Outcome<HistoryPage>>,
{
    if !query.filters() && !query.reverse {
        let range = EventRange::new(query.from.unwrap_or(1), query.limit);
        return read(range, PAGE_MAX_BYTES).await;
    }
    // A backward page without a filter reads hardly more than it returns, so it is not limited like a scan.
    let limited = query.filters();
    let _scan = if limited {
        Some(scans.begin().await?)
    } else {
        None
    };
    let mut scan = Scan::new(query);
    loop {
        let slice = {
            let _slice = if limited {
                Some(scans.slice().await)
            } else {
                None
            };
            read(scan.range(), SLICE_MAX_BYTES).await?
        };
        match slice {
            Ok(slice) => {
                if let Some(page) = scan.push(&slice) {
                    return Ok(Ok(page));
                }
            }
            Err(refusal) => return Ok(Err(refusal)),
        }
    }
}

/// The state of one scan between its slices.
struct Scan<'q> {
    query: &'q HistoryQuery,
    /// The EventId to read next; None until a backward scan knows the last event of the history.
    at: Option<i64>,
    /// Events of the next slice.
    span: i64,
    /// Events read so far, and their bytes.
    scanned: i64,
    scanned_bytes: usize,
    /// The last event when a backward scan began: what is appended later is not part of its page.
    last_event_id: i64,
    json: String,
    ends: Vec<usize>,
}

impl<'q> Scan<'q> {
    fn new(query: &'q HistoryQuery) -> Self {
        Scan {
            query,
            at: (!query.reverse).then(|| query.from.unwrap_or(1)),
            // Without a filter every event counts, so a slice need not be longer than the page.
            span: if query.filters() {
                SLICE_EVENTS
            } else {
                query.limit.min(SLICE_EVENTS)
            },
            scanned: 0,
            scanned_bytes: 0,
            last_event_id: i64::MAX,
            json: String::new(),
            ends: Vec::new(),
        }
    }

    /// The slice to read next.
    fn range(&self) -> EventRange {
        match self.at {
            None => EventRange::new(i64::MAX, 1), // no events, but the read returns the last EventId
            Some(at) if self.query.reverse => {
                let first = (at - self.span + 1).max(1);
                EventRange::new(first, at - first + 1)
            }
            Some(at) => EventRange::new(at, self.span),
        }
    }

    /// Takes the slice that was read for `range`. Returns the page once it is full or once the end of the
    /// history or the scan limit is reached.
    fn push(&mut self, slice: &HistoryPage) -> Option<HistoryPage> {
        let Some(mut at) = self.at else {
            self.last_event_id = slice.last_event_id;
            self.at = Some(self.query.from.unwrap_or(i64::MAX).min(self.last_event_id));
            return None;
        };
        let mut events: Vec<&str> = slice.events().collect();
        if self.query.reverse {
            let count = i64::try_from(events.len()).unwrap_or(i64::MAX);
            if self.range().first + count <= at {
                self.span = (self.span / 2).max(1); // the byte limit cut the slice before event `at`
                return None;
            }
            events.reverse();
        }
        for json in events {
            if self.is_full() || self.exceeds_page_with(json) {
                return Some(self.page(slice, Some(at)));
            }
            if self.query.matches(json) {
                self.pick(json);
            }
            at += if self.query.reverse { -1 } else { 1 };
            self.scanned += 1;
            self.scanned_bytes += json.len();
        }
        self.at = Some(at);
        let more = (1..=slice.last_event_id).contains(&at);
        let limit = self.scanned >= FILTER_WINDOW || exceeds_page(self.scanned_bytes);
        let complete = self.is_full() || limit || !more;
        complete.then(|| self.page(slice, more.then_some(at)))
    }

    fn is_full(&self) -> bool {
        i64::try_from(self.ends.len()) == Ok(self.query.limit)
    }

    fn exceeds_page_with(&self, json: &str) -> bool {
        !self.ends.is_empty() && exceeds_page(self.json.len() + json.len())
    }

    fn pick(&mut self, json: &str) {
        if !self.ends.is_empty() {
            self.json.push(',');
        }
        self.json.push_str(json);
        self.ends.push(self.json.len());
    }

    fn page(&mut self, slice: &HistoryPage, next: Option<i64>) -> HistoryPage {
        HistoryPage {
            json: std::mem::take(&mut self.json),
            ends: std::mem::take(&mut self.ends),
            next,
            last_event_id: slice.last_event_id.min(self.last_event_id),
            running: slice.running,
        }
    }
}
