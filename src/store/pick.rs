//! Events picked from a history: backwards, or only those of some types or of one step.

use serde::Deserialize;

use super::{Outcome, Page, Store, exceeds_page};
use crate::model::{Cursor, Name};

/// Events looked at for one page when a filter is given: bounds its cost where few match.
const FILTER_WINDOW: i64 = 10_000;

/// Which events are wanted.
#[derive(Clone, Debug, Default)]
pub struct Pick {
    /// The EventId to begin with; None: at whichever end comes first.
    pub from: Option<i64>,
    pub limit: i64,
    /// The newest first.
    pub reverse: bool,
    pub types: Option<Vec<String>>,
    pub step: Option<String>,
}

impl Pick {
    /// Whether it takes more than reading pages as they are.
    pub fn chooses(&self) -> bool {
        self.reverse || self.filters()
    }

    fn filters(&self) -> bool {
        self.types.is_some() || self.step.is_some()
    }

    fn wants(&self, json: &str) -> bool {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Event {
            #[serde(rename = "Type")]
            event_type: String,
            step_name: String,
        }
        if !self.filters() {
            return true;
        }
        let Ok(event) = serde_json::from_str::<Event>(json) else {
            return false;
        };
        let types = self.types.as_ref();
        let step = self.step.as_ref();
        types.is_none_or(|types| types.contains(&event.event_type))
            && step.is_none_or(|step| *step == event.step_name)
    }

    /// The events of which `at` is the first that is wanted.
    fn cursor(&self, at: i64, span: i64) -> Cursor {
        if !self.reverse {
            return Cursor::new(at, span);
        }
        let first = (at - span + 1).max(1);
        Cursor::new(first, at - first + 1)
    }
}

/// Reads whole pages, which are verified, and picks from them. `next` is where the next pick goes on; a
/// page may be short, or empty, and have one.
pub async fn picked(
    store: &dyn Store,
    flow: &Name,
    execution: &Name,
    pick: &Pick,
) -> Outcome<Page> {
    // Backwards, what was appended since the beginning is not among the events, so it is not told of.
    let mut last = i64::MAX;
    let read = async |cursor| store.get_execution_history(flow, execution, cursor).await;
    let mut at = match (pick.from, pick.reverse) {
        (Some(from), false) => from,
        (None, false) => 1,
        // Events beyond the end are none; the last one begins.
        (from, true) => match read(Cursor::new(i64::MAX, 1)).await? {
            Ok(end) => {
                last = end.last_event_id;
                from.unwrap_or(i64::MAX).min(last)
            }
            Err(refusal) => return Ok(Err(refusal)),
        },
    };
    // Without a filter each event counts, so no more need be read than are wanted.
    let mut span = if pick.filters() {
        Cursor::LIMIT_MAX
    } else {
        pick.limit
    };
    let (mut events, mut ends, mut seen) = (String::new(), Vec::new(), 0);
    loop {
        let cursor = pick.cursor(at, span);
        let page = match read(cursor).await? {
            Ok(page) => page,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let count = i64::try_from(page.ends.len()).unwrap_or(i64::MAX);
        if pick.reverse && cursor.first() + count <= at {
            span = (span / 2).max(1); // too many bytes: the page ended before the event to begin with
            continue;
        }
        let mut each = page.each();
        if pick.reverse {
            each.reverse();
        }
        let full = |ends: &Vec<usize>| i64::try_from(ends.len()) == Ok(pick.limit);
        let mut too_large = false;
        for json in each {
            too_large = !ends.is_empty() && exceeds_page(events.len() + json.len());
            if full(&ends) || too_large {
                break;
            }
            if pick.wants(json) {
                if !ends.is_empty() {
                    events.push(',');
                }
                events.push_str(json);
                ends.push(events.len());
            }
            at += if pick.reverse { -1 } else { 1 };
            seen += 1;
        }
        let more = if pick.reverse {
            at >= 1
        } else {
            at <= page.last_event_id
        };
        if full(&ends) || too_large || seen >= FILTER_WINDOW || !more {
            return Ok(Ok(Page {
                events,
                ends,
                next: more.then_some(at),
                last_event_id: page.last_event_id.min(last),
                ..page
            }));
        }
    }
}
