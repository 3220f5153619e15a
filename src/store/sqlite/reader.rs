//! Reads: one statement each, and a second one only to say which of two names is missing.

use sqlx::{Row, SqliteExecutor, SqlitePool, sqlite::SqliteRow};

use crate::{
    model::{Cursor, Execution, Flow, Name, Status, Timestamp},
    store::{Error, Outcome, PAGE_MAX_BYTES, Page, Refusal, checksum::checksum},
};

/// A page as one row, because each row costs a change of threads. The fragments come joined by line
/// feeds, which no JSON of ours contains; the sum of their checksums comes with them.
///
/// A large history might pass the byte limit of a page; then the sum of lengths says where to stop.
const HISTORY: &str = "
    SELECT x.id, x.last_event_id, count(e.event_id), sum(e.checksum), group_concat(e.json, char(10))
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
    let events = match row.try_get::<Option<&str>, _>(4)? {
        None => String::new(),
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
        next: (next <= last_event_id).then_some(next),
    }))
}

/// Checks the fragments of the events from `first` on and joins them by commas.
fn verified(
    execution: i64,
    first: i64,
    count: i64,
    sum: i64,
    joined: &str,
) -> Result<String, Error> {
    let mut events = String::with_capacity(joined.len());
    let mut found = 0;
    for (event_id, json) in (first..).zip(joined.split('\n')) {
        if event_id > first {
            events.push(',');
        }
        events.push_str(json);
        found += i64::from(checksum(execution, event_id, json.as_bytes()));
    }
    let last = first + count - 1;
    if found != sum {
        return Err(Error::Corrupt(format!(
            "an event of {first} to {last} of execution {execution} is damaged"
        )));
    }
    Ok(events)
}

async fn missing(pool: &SqlitePool, flow: &Name) -> Result<Refusal, Error> {
    let found = sqlx::query("SELECT 1 FROM flows WHERE name = ?1 AND deleted_at IS NULL")
        .bind(flow.as_str())
        .fetch_optional(pool)
        .await?;
    Ok(if found.is_some() {
        Refusal::ExecutionNotExists
    } else {
        Refusal::FlowNotExists
    })
}

pub(super) async fn describe_flow(executor: impl SqliteExecutor<'_>, name: &Name) -> Outcome<Flow> {
    let row = sqlx::query(
        "SELECT f.uuid, f.name, d.text, f.description, f.kind, f.role_arn, f.execution_mode, f.environment, \
             f.external_storage_location, f.resource_group_id, f.created_at, f.modified_at \
         FROM flows f JOIN definitions d ON d.id = f.definition \
         WHERE f.name = ?1 AND f.deleted_at IS NULL",
    )
    .bind(name.as_str())
    .fetch_optional(executor)
    .await?;
    let Some(row) = row else {
        return Ok(Err(Refusal::FlowNotExists));
    };
    Ok(Ok(Flow {
        id: row.try_get(0)?,
        name: name_at(&row, 1)?,
        definition: row.try_get(2)?,
        description: row.try_get(3)?,
        kind: row.try_get(4)?,
        role_arn: row.try_get(5)?,
        execution_mode: row.try_get(6)?,
        environment: row.try_get(7)?,
        external_storage_location: row.try_get(8)?,
        resource_group_id: row.try_get(9)?,
        created_at: time_at(&row, 10)?,
        modified_at: time_at(&row, 11)?,
    }))
}

pub(super) async fn describe_execution(
    pool: &SqlitePool,
    flow: &Name,
    name: &Name,
) -> Outcome<Execution> {
    match find_execution(pool, flow, name).await? {
        Some(execution) => Ok(Ok(execution)),
        None => missing(pool, flow).await.map(Err),
    }
}

pub(super) async fn find_execution(
    executor: impl SqliteExecutor<'_>,
    flow: &Name,
    name: &Name,
) -> Result<Option<Execution>, Error> {
    let row = sqlx::query(
        "SELECT f.name, x.name, x.status, x.input, x.output, d.text, x.started_at, x.stopped_at \
         FROM flows f JOIN executions x ON x.flow = f.id AND x.name = ?2 JOIN definitions d ON d.id = x.definition \
         WHERE f.name = ?1 AND f.deleted_at IS NULL",
    )
    .bind(flow.as_str())
    .bind(name.as_str())
    .fetch_optional(executor)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let stopped_at = match row.try_get::<Option<i64>, _>(7)? {
        Some(_) => Some(time_at(&row, 7)?),
        None => None,
    };
    Ok(Some(Execution {
        flow: name_at(&row, 0)?,
        name: name_at(&row, 1)?,
        status: Status::parse(row.try_get(2)?).ok_or_else(|| damaged("status"))?,
        input: row.try_get(3)?,
        output: row.try_get(4)?,
        definition: row.try_get(5)?,
        started_at: time_at(&row, 6)?,
        stopped_at,
    }))
}

fn name_at(row: &SqliteRow, index: usize) -> Result<Name, Error> {
    Name::parse(row.try_get(index)?).ok_or_else(|| damaged("name"))
}

fn time_at(row: &SqliteRow, index: usize) -> Result<Timestamp, Error> {
    Timestamp::from_millis(row.try_get(index)?).ok_or_else(|| damaged("time"))
}

fn damaged(what: &str) -> Error {
    Error::Corrupt(format!("a {what} is not one"))
}
