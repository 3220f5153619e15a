//! When flows last started and last failed: keyset pagination on the time and the name, or on the name alone.

use std::collections::BTreeMap;

use sqlx::{Row, SqlitePool, sqlite::SqliteRow};

use super::rows::{execution_name_at, name_at, time_at};
use crate::store::{
    Error, FlowActivity, FlowFailure, FlowOrder, FlowPosition, ListFlowActivity, Listed, Visible,
    scans::Scans,
};

/// Flows of one slice: some milliseconds of one core.
const SLICE: usize = 250;

/// The newest start of each flow from a name on, and end and name of its newest failed and its newest timed out
/// execution: one entry of an index each. SQLite would choose other indexes, and walk all executions of a flow.
const ACTIVITY: &str = "
    SELECT f.name,
        (SELECT max(started_at) FROM executions INDEXED BY executions_newest WHERE flow = f.id),
        failed.stopped_at, failed.name, late.stopped_at, late.name
    FROM flows f
    LEFT JOIN executions failed ON failed.id = (
        SELECT id FROM executions INDEXED BY executions_by_status
        WHERE flow = f.id AND status = 'Failed' ORDER BY started_at DESC, id DESC LIMIT 1)
    LEFT JOIN executions late ON late.id = (
        SELECT id FROM executions INDEXED BY executions_by_status
        WHERE flow = f.id AND status = 'TimedOut' ORDER BY started_at DESC, id DESC LIMIT 1)
    WHERE f.deleted_at IS NULL AND f.name >= ?1
    ORDER BY f.name LIMIT ?2 + 0";

/// Lists flows with their activity. By name it reads until the page is full. By time it reads all flows, in slices, and
/// keeps those that belong to the page: no index has the newest time of each flow.
pub(super) async fn list_flow_activity(
    pool: &SqlitePool,
    scans: &Scans,
    list: &ListFlowActivity,
    visible: Visible<'_>,
) -> Result<Listed<FlowActivity, FlowPosition>, Error> {
    let _scan = scans.begin().await?;
    let by_name = list.order == FlowOrder::Name;
    let first = list.from.as_ref().filter(|_| by_name);
    let mut from = first.map_or(String::new(), |first| first.name.to_string());
    // The page in its order, and the flow with which the next page begins.
    let mut page = BTreeMap::new();
    loop {
        let mut rows = {
            let _slice = scans.slice().await;
            sqlx::query(ACTIVITY)
                .bind(&from)
                .bind(i64::try_from(SLICE).unwrap_or(i64::MAX) + 1)
                .fetch_all(pool)
                .await?
        };
        // The one beyond the slice, which tells whether there is more.
        let behind = if rows.len() > SLICE { rows.pop() } else { None };
        for row in rows {
            let flow = activity_in(&row)?;
            let position = flow.position(list.order);
            let is_before = list.from.as_ref().is_some_and(|from| position < *from);
            if is_before || !visible(&flow.name) {
                continue;
            }
            page.insert(position, flow);
            if page.len() > list.limit + 1 {
                page.pop_last();
            }
        }
        match behind {
            Some(row) if !by_name || page.len() <= list.limit => {
                from = name_at(&row, 0)?.to_string();
            }
            _ => break,
        }
    }
    let next = match page.len() > list.limit {
        true => page.pop_last().map(|(position, _)| position),
        false => None,
    };
    Ok(Listed {
        items: page.into_values().collect(),
        next,
    })
}

fn activity_in(row: &SqliteRow) -> Result<FlowActivity, Error> {
    let failure = |index| match row.try_get::<Option<i64>, _>(index)? {
        None => Ok::<_, Error>(None),
        Some(_) => Ok(Some(FlowFailure {
            at: time_at(row, index)?,
            execution: execution_name_at(row, index + 1)?,
        })),
    };
    let failures = [failure(2)?, failure(4)?];
    Ok(FlowActivity {
        name: name_at(row, 0)?,
        last_start: match row.try_get::<Option<i64>, _>(1)? {
            None => None,
            Some(_) => Some(time_at(row, 1)?),
        },
        last_failure: failures
            .into_iter()
            .flatten()
            .max_by_key(|failure| failure.at),
    })
}
