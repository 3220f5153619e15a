//! When flows last started and last failed.

use sqlx::{PgPool, Row, postgres::PgRow};

use super::{
    fault::Fault,
    rows::{execution_name_at, flow_name_at, time_at},
};
use crate::store::{FlowActivity, FlowFailure};

/// The newest start of each flow from a name on, and end and name of its newest failed and its newest timed out
/// execution: one entry of an index each.
const ACTIVITY: &str = "
    SELECT f.name, (SELECT max(started_at) FROM executions WHERE flow = f.flow),
        failed.stopped_at, failed.name, late.stopped_at, late.name
    FROM flows f
    LEFT JOIN LATERAL (SELECT stopped_at, name FROM executions WHERE flow = f.flow AND status = 'Failed'
        ORDER BY started_at DESC, id DESC LIMIT 1) failed ON true
    LEFT JOIN LATERAL (SELECT stopped_at, name FROM executions WHERE flow = f.flow AND status = 'TimedOut'
        ORDER BY started_at DESC, id DESC LIMIT 1) late ON true
    WHERE f.name >= $1
    ORDER BY f.name LIMIT $2";

/// Returns up to so many flows from a name on.
pub(super) async fn activity(
    pool: &PgPool,
    from: String,
    limit: usize,
) -> Result<Vec<FlowActivity>, Fault> {
    let rows = sqlx::query(ACTIVITY)
        .bind(from.as_bytes())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(pool)
        .await?;
    rows.iter().map(activity_in).collect()
}

fn activity_in(row: &PgRow) -> Result<FlowActivity, Fault> {
    let failure = |index| match row.try_get::<Option<i64>, _>(index)? {
        None => Ok::<_, Fault>(None),
        Some(_) => Ok(Some(FlowFailure {
            at: time_at(row, index)?,
            execution: execution_name_at(row, index + 1)?,
        })),
    };
    let failures = [failure(2)?, failure(4)?].into_iter().flatten();
    Ok(FlowActivity {
        name: flow_name_at(row, 0)?,
        last_start: match row.try_get::<Option<i64>, _>(1)? {
            None => None,
            Some(_) => Some(time_at(row, 1)?),
        },
        last_failure: failures.max_by_key(|failure| failure.at),
    })
}
