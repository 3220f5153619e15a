//! `GetExecutionHistory` of the store: a range of events, with their execution, in one statement and so in one snapshot.

use sqlx::{Row, postgres::PgRow};
use uuid::Uuid;

use super::{Database, fault::Fault, keys, rows::status_at};
use crate::{
    model::Name,
    store::{
        Error, HistoryPage, Refusal,
        checksum::{self, EventKey},
        scan::page_of,
        types::EventRange,
    },
};

/// A row for each event, or one without an event. A running sum of lengths ends the page at its limit of bytes.
const HISTORY: &str = "
    SELECT f.flow, x.status, (SELECT max(event_id) FROM events WHERE flow = $2 AND execution = $3),
        e.event_id, e.json, e.checksum
    FROM flows f
    LEFT JOIN executions x ON x.flow = $2 AND x.execution = $3
    LEFT JOIN (
        SELECT event_id, json, checksum, sum(octet_length(json) + 1) OVER (ORDER BY event_id) AS bytes
        FROM events
        WHERE flow = $2 AND execution = $3 AND event_id BETWEEN $4 AND $5
    ) e ON x.execution IS NOT NULL AND (e.bytes <= $6 OR e.event_id = $4)
    WHERE f.name = $1
    ORDER BY e.event_id";

/// Reads a range of an execution's events, as far as they exist and fit into `max_bytes`. The first one always fits.
pub(super) async fn get_execution_history(
    database: &Database,
    (flow, execution): (&Name, &Name),
    range: EventRange,
    max_bytes: i64,
) -> Result<Result<HistoryPage, Refusal>, Fault> {
    let mut connection = database.acquire().await?;
    let mut key = database.flows.get(flow);
    loop {
        let execution_key = keys::execution(key, execution);
        let rows = sqlx::query(HISTORY)
            .bind(flow.as_str().as_bytes())
            .bind(key)
            .bind(execution_key)
            .bind(range.first)
            .bind(range.last)
            .bind(max_bytes)
            .fetch_all(&mut *connection)
            .await?;
        let Some(first) = rows.first() else {
            return Ok(Err(Refusal::FlowNotExists));
        };
        let found = first.try_get(0)?;
        if found != key {
            database.flows.set(flow, found);
            key = found;
            continue;
        }
        if first.try_get::<Option<&str>, _>(1)?.is_none() {
            return Ok(Err(Refusal::ExecutionNotExists));
        }
        let corrupt =
            |fault: String| Error::Corrupt(format!("execution {flow}/{execution}: {fault}"));
        let last_event_id: Option<i64> = first.try_get(2)?;
        let end = (last_event_id.unwrap_or(0), status_at(first, 1)?);
        let events = joined((key, execution_key), range.first, &rows)?.map_err(corrupt)?;
        let page = page_of(range, max_bytes, events, end).map_err(corrupt)?;
        let (last, ended) = (page.last_event_id, !page.running);
        database.notifier.observe(flow, execution, last, ended);
        return Ok(Ok(page));
    }
}

/// Verifies the events from `first` on against their checksums and joins them by commas. Returns the joined JSON and
/// where each event ends in it, or what is wrong.
fn joined(
    (flow, execution): (Uuid, Uuid),
    first: i64,
    rows: &[PgRow],
) -> Result<Result<(String, Vec<usize>), String>, Fault> {
    let (mut events, mut ends) = (String::new(), Vec::with_capacity(rows.len()));
    for (event_id, row) in (first..=i64::MAX).zip(rows) {
        let Some(found) = row.try_get::<Option<i64>, _>(3)? else {
            break; // the only row, without an event
        };
        if found != event_id {
            return Ok(Err(format!("event {event_id} is missing")));
        }
        let json: &str = row.try_get(4)?;
        let key = EventKey::hashed(flow, execution, event_id);
        if !checksum::matches(key, json.as_bytes(), row.try_get(5)?) {
            return Ok(Err(format!("event {event_id} is damaged")));
        }
        if !ends.is_empty() {
            events.push(',');
        }
        events.push_str(json);
        ends.push(events.len());
    }
    Ok(Ok((events, ends)))
}
