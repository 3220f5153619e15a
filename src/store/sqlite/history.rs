//! Pages of a history: one statement, one row.

use sqlx::{Row, SqlitePool};

use super::executions::missing;

use crate::{
    model::{Cursor, Name, Status},
    store::{Error, Outcome, PAGE_MAX_BYTES, Page, checksum::checksum},
};

/// A page as one row, because each row costs a change of threads. The fragments come joined by line
/// feeds, which no JSON of ours contains; the sum of their checksums comes with them.
///
/// A large history might pass the byte limit of a page; then the sum of lengths says where to stop.
const HISTORY: &str = "
    SELECT x.id, x.last_event_id, count(e.event_id), sum(e.checksum), group_concat(e.json, char(10)), x.status
    FROM flows f
    JOIN executions x ON x.flow = f.id AND x.name = ?2
    LEFT JOIN events e ON e.execution = x.id AND e.event_id >= ?3 AND e.event_id <=
        CASE WHEN x.history_bytes <= ?5 THEN ?4 ELSE (
            SELECT max(event_id)
            FROM (
                SELECT event_id, sum(octet_length(json) + 1) OVER (ORDER BY event_id) AS bytes
                FROM events
                WHERE execution = x.id AND event_id BETWEEN ?3 AND ?4
            )
            WHERE bytes <= ?5 OR event_id = ?3
        ) END
    WHERE f.name = ?1 AND f.deleted_at IS NULL";

pub(super) async fn get_execution_history(
    pool: &SqlitePool,
    flow: &Name,
    execution: &Name,
    cursor: Cursor,
) -> Outcome<Page> {
    let row = sqlx::query(HISTORY)
        .bind(flow.as_str())
        .bind(execution.as_str())
        .bind(cursor.first())
        .bind(cursor.last())
        .bind(PAGE_MAX_BYTES)
        .fetch_one(pool)
        .await?;
    let Some(id) = row.try_get::<Option<i64>, _>(0)? else {
        return missing(pool, flow).await.map(Err);
    };
    let last_event_id: i64 = row.try_get(1)?;
    let count: i64 = row.try_get(2)?;
    let next = cursor.first().saturating_add(count);
    let ends_early = next <= cursor.last().min(last_event_id);
    let (events, ends) = match row.try_get::<Option<&str>, _>(4)? {
        None => (String::new(), Vec::new()),
        Some(joined) => verified(id, cursor.first(), count, row.try_get(3)?, joined)?,
    };
    if ends_early && i64::try_from(events.len()).unwrap_or(i64::MAX) < PAGE_MAX_BYTES / 32 {
        // One more event is far below the byte limit: it did not stop this page, so the event is gone.
        return Err(Error::Corrupt(format!(
            "event {next} of execution {flow}/{execution} is missing"
        )));
    }
    Ok(Ok(Page {
        events,
        ends,
        last_event_id,
        running: row.try_get::<&str, _>(5)? == Status::Running.as_str(),
        next: (next <= last_event_id).then_some(next),
    }))
}

/// Checks the fragments of the events from `first` on and joins them by commas; answers where each ends.
fn verified(
    execution: i64,
    first: i64,
    count: i64,
    sum: i64,
    joined: &str,
) -> Result<(String, Vec<usize>), Error> {
    let mut events = String::with_capacity(joined.len());
    let mut ends = Vec::with_capacity(usize::try_from(count).unwrap_or_default());
    let mut found = 0;
    for (event_id, json) in (first..).zip(joined.split('\n')) {
        if event_id > first {
            events.push(',');
        }
        events.push_str(json);
        ends.push(events.len());
        found += i64::from(checksum(execution, event_id, json.as_bytes()));
    }
    let last = first + count - 1;
    if found != sum {
        return Err(Error::Corrupt(format!(
            "an event of {first} to {last} of execution {execution} is damaged"
        )));
    }
    Ok((events, ends))
}
