//! When flows last started and last failed.

use sqlx::{Row, SqlitePool, sqlite::SqliteRow};

use super::rows::{execution_name_at, name_at, time_at};
use crate::store::{Error, FlowActivity, FlowFailure};

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

/// Returns up to so many flows from a name on.
pub(super) async fn activity(
    pool: &SqlitePool,
    from: String,
    limit: usize,
) -> Result<Vec<FlowActivity>, Error> {
    let rows = sqlx::query(ACTIVITY)
        .bind(from)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(pool)
        .await?;
    rows.iter().map(activity_in).collect()
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
