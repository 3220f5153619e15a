//! Timelines in memory: one for all pages and followers that show the same execution with the same band unfolded.
//! It is built once, grows while a page follows the execution, and is dropped with the last user. Nothing is cached
//! beyond that.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::MutexGuard;

use super::{
    Ui,
    error_page::PageError,
    timeline::{DRAWN_MAX, empty, unfolded},
    urls::PageUrl,
};
use crate::{
    limits::ClientId,
    model::{Execution, Name, Timestamp},
    store::{HISTORY_LIMIT_MAX, HistoryQuery},
    timeline::{HistoryEvent, Timeline},
    wire::error::ApiError,
};

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
    timeline: tokio::sync::Mutex<Timeline>,
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
            timeline: tokio::sync::Mutex::new(empty(url)),
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
    /// Reads the events since the last call, in pages with an `await` between them, and returns the timeline.
    ///
    /// A history of more than one page is a scan, of which few run at the same time. A request that is
    /// cancelled stops here; the next one goes on where it stopped.
    pub async fn catch_up(
        &self,
        ui: &Ui,
        client: &ClientId,
    ) -> Result<MutexGuard<'_, Timeline>, PageError> {
        let (flow, execution) = (&self.flow, &self.execution);
        let mut timeline = self.timeline.lock().await;
        let mut scan = None;
        let mut from = timeline.last_event_id() + 1;
        while from <= DRAWN_MAX {
            let query = HistoryQuery::range(from, HISTORY_LIMIT_MAX);
            let page = ui
                .store
                .get_execution_history(flow, execution, &query)
                .await?;
            let page =
                page.map_err(|refusal| PageError::from_refusal(&refusal, flow, Some(execution)))?;
            for event in page.events().filter_map(HistoryEvent::parse) {
                timeline.push(&event);
            }
            let Some(next) = page.next else { break };
            from = next;
            if scan.is_none() {
                let permit = ui.limits.scans.acquire(client).await;
                scan = Some(permit.ok_or_else(ApiError::throttled)?);
            }
        }
        Ok(timeline)
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
    fn requests_share_a_timeline_until_the_last_one_drops_it() {
        let timelines = Timelines::default();
        let page = PageUrl::new("/ui/");
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
