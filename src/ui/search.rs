//! Reads the events of one page of the table: with a filter it searches on until the page is full.

use super::{Ui, error_page::PageError, filter::EventFilter};
use crate::{
    limits::ClientId,
    model::Execution,
    store::{HISTORY_LIMIT_MAX, HistoryQuery},
    timeline::HistoryEvent,
    wire::error::ApiError,
};

/// Events of one page; the browser never has more rows, so long histories stay fast.
pub(super) const EVENTS_MAX: i64 = 100;
/// Events that one search reads, in about half a second; the page says so and goes on with a link.
const SEARCHED_MAX: usize = 500_000;

/// What to search for.
pub(super) struct Search<'a> {
    /// None: every event matches.
    pub filter: Option<&'a EventFilter>,
    /// The EventIds to search, both inclusive; the history may end before the last one.
    pub first: i64,
    pub last: i64,
    pub newest_first: bool,
}

/// The events of one page.
pub(super) struct Found {
    pub events: Vec<HistoryEvent>,
    /// The EventId to go on with; None if no event beyond can match.
    pub next: Option<i64>,
    /// The last EventId of the history.
    pub last_event_id: i64,
}

impl Search<'_> {
    /// Reads pages of the history, with an `await` between them, and picks the events that match.
    ///
    /// More than one page is a scan, of which few run at the same time. Each page is a read of its own, so a search
    /// holds no reader and no snapshot.
    pub async fn run(
        &self,
        ui: &Ui,
        client: &ClientId,
        execution: &Execution,
    ) -> Result<Found, PageError> {
        let page_max = match self.filter {
            None => EVENTS_MAX,
            Some(_) => HISTORY_LIMIT_MAX,
        };
        let page_events = (self.last.saturating_sub(self.first))
            .saturating_add(1)
            .clamp(1, page_max);
        let limiter = if page_events < HISTORY_LIMIT_MAX {
            &ui.limits.reads
        } else {
            &ui.limits.scans
        };
        let permit = limiter.acquire(client).await;
        let _permit = permit.ok_or_else(ApiError::throttled)?;
        let mut at = if self.newest_first {
            self.last
        } else {
            self.first
        };
        let is_full = |events: &Vec<_>| i64::try_from(events.len()) == Ok(EVENTS_MAX);
        let mut searched = 0;
        let mut events = Vec::new();
        loop {
            let query = HistoryQuery {
                reverse: self.newest_first,
                ..HistoryQuery::range(at.max(1), page_events)
            };
            let (flow, name) = (&execution.flow, &execution.name);
            let page = ui.store.get_execution_history(flow, name, &query).await?;
            let page =
                page.map_err(|refusal| PageError::from_refusal(&refusal, flow, Some(name)))?;
            let mut next = page.next;
            for event in page.events().filter_map(HistoryEvent::parse) {
                let beyond = if self.newest_first {
                    event.event_id < self.first
                } else {
                    event.event_id > self.last
                };
                if beyond || is_full(&events) {
                    next = Some(event.event_id);
                    break;
                }
                let matches =
                    |filter: &EventFilter| filter.matches(&event.event_type, &event.step_name);
                if self.filter.is_none_or(matches) {
                    events.push(event);
                }
            }
            let next = next.filter(|next| (self.first..=self.last).contains(next));
            searched += page.ends.len();
            match next {
                Some(next) if !is_full(&events) && searched < SEARCHED_MAX => at = next,
                _ => {
                    return Ok(Found {
                        events,
                        next,
                        last_event_id: page.last_event_id,
                    });
                }
            }
        }
    }
}
