//! Timelines in memory: one for all pages and followers that show the same execution with the same band unfolded,
//! with a tally of the events that it is made of. It is built once, grows while a page follows the execution, and is
//! dropped with the last user. Nothing is cached beyond that.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::MutexGuard;

use super::{
    Ui,
    error_page::PageError,
    filter::{EventFilter, Matches, Tally},
    urls::PageUrl,
};
use crate::{
    limits::ClientId,
    model::{Execution, Name, Timestamp},
    store::{HISTORY_LIMIT_MAX, HistoryPage, HistoryQuery},
    text::count,
    timeline::{HistoryEvent, Timeline},
    wire::error::ApiError,
};

/// Spans drawn one by one; siblings beyond them are folded into bands.
const SPANS_MAX: usize = 250;
/// Spans that an unfolded band shows, and the budget for spans inside them.
const UNFOLDED_MAX: usize = 100;
const UNFOLDED_ROOM: usize = 3 * UNFOLDED_MAX;
/// Events that are read, in about half a second; the page says so if there are more.
const DRAWN_MAX: i64 = 500_000;
/// An execution and the band that is unfolded. The start tells an execution from an earlier one of its name.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    flow: Name,
    execution: Name,
    started_at: i64,
    unfolded: Option<(i64, i64)>,
}

/// The timelines that are in use.
#[derive(Default)]
pub(super) struct Timelines(Mutex<HashMap<Key, Weak<SharedTimeline>>>);

/// A timeline that several requests may read and bring up to date.
pub(super) struct SharedTimeline {
    flow: Name,
    execution: Name,
    digest: tokio::sync::Mutex<Digest>,
}

/// What pages keep of a history that they have read.
pub(super) struct Digest {
    pub timeline: Timeline,
    pub tally: Tally,
    /// The last event of the history, also where the timeline is cut before it.
    pub last: Option<HistoryEvent>,
}

impl Digest {
    /// Returns the last EventId of the history.
    pub fn last_event_id(&self) -> i64 {
        self.last.as_ref().map_or(0, |event| event.event_id)
    }

    /// Returns how many events the timeline and the tally have if the history is longer.
    pub fn cut(&self) -> Option<i64> {
        let read = self.timeline.last_event_id();
        (read < self.last_event_id()).then_some(read)
    }

    /// Returns the events that match a filter. Any event after those that were read may match too.
    pub fn matches(&self, filter: &EventFilter) -> Matches {
        let matches = self.tally.matches(filter);
        match self.cut() {
            None => matches,
            Some(read) => Matches {
                first: matches.first.min(read + 1),
                last: self.last_event_id(),
                ..matches
            },
        }
    }

    /// Returns how many events match, and of how many: `12 of 12,005`.
    pub fn describe(&self, matches: &Matches) -> String {
        let at_least = if matches.exact { "" } else { "at least " };
        let of = match self.cut() {
            None => count(self.last_event_id()),
            Some(read) => format!("the first {}", count(read)),
        };
        format!("{at_least}{} of {of}", count(matches.count))
    }
}

impl Timelines {
    /// Returns the timeline of the execution with the band unfolded that the URL names; an empty one if
    /// no other request uses it.
    pub fn get(&self, execution: &Execution, url: &PageUrl) -> Arc<SharedTimeline> {
        let key = Key {
            flow: execution.flow.clone(),
            execution: execution.name.clone(),
            started_at: Timestamp::millis(execution.started_at),
            unfolded: unfolded(url),
        };
        let mut timelines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = timelines.get(&key).and_then(Weak::upgrade) {
            return shared;
        }
        timelines.retain(|_, shared| shared.strong_count() > 0);
        let shared = Arc::new(SharedTimeline {
            flow: key.flow.clone(),
            execution: key.execution.clone(),
            digest: tokio::sync::Mutex::new(Digest {
                timeline: empty(url),
                tally: Tally::default(),
                last: None,
            }),
        });
        timelines.insert(key, Arc::downgrade(&shared));
        shared
    }

    #[cfg(test)]
    fn count(&self) -> usize {
        let timelines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        timelines
            .values()
            .filter(|shared| shared.strong_count() > 0)
            .count()
    }
}

impl SharedTimeline {
    /// Reads the events since the last call, in pages with an `await` between them, and returns what is kept of them.
    ///
    /// A history of more than one page is a scan, of which few run at the same time. A request that is
    /// cancelled stops here; the next one goes on where it stopped.
    pub async fn catch_up(
        &self,
        ui: &Ui,
        client: &ClientId,
    ) -> Result<MutexGuard<'_, Digest>, PageError> {
        let mut digest = self.digest.lock().await;
        let mut scan = None;
        let mut from = digest.timeline.last_event_id() + 1;
        while from <= DRAWN_MAX {
            let page = self
                .read(ui, &HistoryQuery::range(from, HISTORY_LIMIT_MAX))
                .await?;
            for event in page.events().filter_map(HistoryEvent::parse) {
                digest.timeline.push(&event);
                digest.tally.push(&event);
                digest.last = Some(event);
            }
            let Some(next) = page.next else {
                return Ok(digest);
            };
            from = next;
            if scan.is_none() {
                let permit = ui.limits.scans.acquire(client).await;
                scan = Some(permit.ok_or_else(ApiError::throttled)?);
            }
        }
        let newest = HistoryQuery {
            limit: 1,
            reverse: true,
            ..HistoryQuery::default()
        };
        digest.last = HistoryEvent::parse(&self.read(ui, &newest).await?.json);
        Ok(digest)
    }

    async fn read(&self, ui: &Ui, query: &HistoryQuery) -> Result<HistoryPage, PageError> {
        let (flow, execution) = (&self.flow, &self.execution);
        let page = ui
            .store
            .get_execution_history(flow, execution, query)
            .await?;
        page.map_err(|refusal| PageError::from_refusal(&refusal, flow, Some(execution)))
    }
}

/// Returns the unfolded band: the span that it is in and the EventId from which on its spans are drawn.
fn unfolded(url: &PageUrl) -> Option<(i64, i64)> {
    let (parent, from) = url.get("open")?.split_once('.')?;
    Some((parent.parse().ok()?, from.parse().ok()?))
}

/// Returns an empty timeline with the band unfolded that the URL names.
fn empty(url: &PageUrl) -> Timeline {
    match unfolded(url) {
        Some((parent, from)) => {
            Timeline::new(SPANS_MAX + UNFOLDED_ROOM).unfolding(parent, from, UNFOLDED_MAX)
        }
        None => Timeline::new(SPANS_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Status;

    fn execution(name: &str, started_at: i64) -> Execution {
        Execution {
            flow: Name::parse("f").unwrap(),
            name: Name::parse(name).unwrap(),
            status: Status::Running,
            input: "{}".to_owned(),
            output: None,
            definition: String::new(),
            environment: None,
            started_at: Timestamp::from_millis(started_at).unwrap(),
            stopped_at: None,
        }
    }

    #[test]
    fn matches_of_a_cut_history_may_follow_in_the_rest() {
        let event = |id: i64| {
            let event =
                serde_json::json!({"Type": "StepEntered", "EventId": id, "StepName": "pay"});
            HistoryEvent::parse(&event.to_string()).unwrap()
        };
        let url = PageUrl::new(&"".into(), "/ui/").with("step", "PAY");
        let mut digest = Digest {
            timeline: empty(&url),
            tally: Tally::default(),
            last: None,
        };
        for id in 1..=1200 {
            digest.timeline.push(&event(id));
            digest.tally.push(&event(id));
            digest.last = Some(event(id));
        }
        let found = |digest: &Digest, step| {
            let filter = EventFilter::of(&url.with("step", step)).unwrap();
            let matches = digest.matches(&filter);
            (digest.describe(&matches), matches.first, matches.last)
        };
        assert_eq!(digest.cut(), None);
        assert_eq!(
            found(&digest, "pay"),
            ("1,200 of 1,200".to_owned(), 1, 1200)
        );
        digest.last = Some(event(5000));
        assert_eq!(digest.cut(), Some(1200));
        let of = "the first 1,200";
        assert_eq!(found(&digest, "pay"), (format!("1,200 of {of}"), 1, 5000));
        assert_eq!(found(&digest, "x"), (format!("0 of {of}"), 1201, 5000));
    }

    #[test]
    fn requests_share_a_timeline_until_the_last_one_drops_it() {
        let timelines = Timelines::default();
        let page = PageUrl::default();
        let first = timelines.get(&execution("e", 1), &page);
        let filtered = timelines.get(&execution("e", 1), &page.with("step", "pay"));
        assert!(Arc::ptr_eq(&first, &filtered));
        let unfolded = timelines.get(&execution("e", 1), &page.with("open", "2.4"));
        assert!(!Arc::ptr_eq(&first, &unfolded));
        let recreated = timelines.get(&execution("e", 2), &page);
        assert!(!Arc::ptr_eq(&first, &recreated));
        assert_eq!(timelines.count(), 3);
        drop((first, filtered, unfolded, recreated));
        assert_eq!(timelines.count(), 0);
        let _other = timelines.get(&execution("other", 1), &page);
        assert_eq!(
            timelines.0.lock().unwrap().len(),
            1,
            "dropped timelines are removed"
        );
    }
}
