//! `ListExecutions` of the store: keyset pagination on (started_at, id), newest first.

use sqlx::{Row, SqlitePool, sqlite::SqliteRow};

use super::{
    append_execution_events::to_json,
    rows::{execution_in, index_mismatch},
    scans::Scans,
};
use crate::{
    model::{Execution, Name, Timestamp},
    store::{Error, ListExecutions, Listed, Outcome, Position, Refusal, exceeds_page, json_bytes},
};

/// Scan limit: executions that one page with a prefix may look at. Bounds its cost where few match; the page is
/// then short and has a `next`.
const PREFIX_WINDOW: usize = 10_000;
/// Executions of one slice of a scan: some milliseconds of one core.
const SLICE: usize = 500;

/// Position, name and bytes of executions, newest first. SQLite takes lengths from the head of a row without
/// reading the texts.
const KEYS: &str = "
    SELECT x.started_at, x.id, x.name,
        octet_length(x.input) + ifnull(octet_length(x.output), 0) + ifnull(octet_length(x.environment), 0)
            + ifnull((SELECT octet_length(text) FROM definitions WHERE id = x.definition), 0)
    FROM executions x
    WHERE x.flow = ?1 AND (x.started_at, x.id) <= (?2, ?3) AND (x.started_at, x.id) >= (?4, ?5)
    ORDER BY x.started_at DESC, x.id DESC LIMIT ?6 + 0";

/// The same of one status. SQLite would choose the other index.
const KEYS_BY_STATUS: &str = "
    SELECT x.started_at, x.id, x.name,
        octet_length(x.input) + ifnull(octet_length(x.output), 0) + ifnull(octet_length(x.environment), 0)
            + ifnull((SELECT octet_length(text) FROM definitions WHERE id = x.definition), 0)
    FROM executions x INDEXED BY executions_by_status
    WHERE x.flow = ?1 AND (x.started_at, x.id) <= (?2, ?3) AND (x.started_at, x.id) >= (?4, ?5)
        AND x.status = ?7
    ORDER BY x.started_at DESC, x.id DESC LIMIT ?6 + 0";

/// An execution that was purged, or got another status, since its key was read is left out.
const BY_IDS: &str = "
    SELECT x.name, x.status, iif(?2, '', x.input), iif(?2, NULL, x.output),
        iif(?2, '', (SELECT text FROM definitions WHERE id = x.definition)), x.started_at, x.stopped_at,
        iif(?2, NULL, x.environment), x.id
    FROM jsonb_each(?1) k CROSS JOIN executions x ON x.id = k.value
    WHERE ?3 IS NULL OR x.status = ?3";

/// Lists executions of a flow. It reads positions and lengths in slices, chooses the page, and then reads the
/// chosen executions.
pub(super) async fn list_executions(
    pool: &SqlitePool,
    scans: &Scans,
    list: &ListExecutions,
) -> Outcome<Listed<Execution, Position>> {
    let flow = match find_flow(pool, &list.flow).await? {
        Some(flow) => flow,
        None => return Ok(Err(Refusal::FlowNotExists)),
    };
    let _scan = match &list.prefix {
        Some(_) => Some(scans.begin().await?),
        None => None, // reads no more keys than it returns
    };
    let slice = list.prefix.as_ref().map_or(list.limit, |_| SLICE);
    let prefix = list.prefix.as_deref().unwrap_or_default();
    let (mut from, oldest) = bounds(list);
    let (mut ids, mut bytes, mut scanned) = (Vec::new(), 0, 0);
    let next = 'scan: loop {
        let mut keys = {
            let _slice = match &list.prefix {
                Some(_) => Some(scans.slice().await),
                None => None,
            };
            keys(pool, flow, list.status, (from, oldest), slice + 1).await?
        };
        // The one beyond the slice, which tells whether there is more.
        let behind = if keys.len() > slice { keys.pop() } else { None };
        for key in keys {
            if !key.try_get::<&str, _>(2)?.starts_with(prefix) {
                continue;
            }
            if !list.metadata_only {
                bytes += usize::try_from(key.try_get::<i64, _>(3)?).unwrap_or(usize::MAX);
            }
            let full = ids.len() == list.limit || exceeds_page(bytes);
            if full && !ids.is_empty() {
                break 'scan Some(position_in(&key)?);
            }
            ids.push(key.try_get::<i64, _>(1)?);
        }
        scanned += slice;
        match behind {
            Some(key) if list.prefix.is_some() && scanned < PREFIX_WINDOW => {
                from = position_in(&key)?;
            }
            behind => break behind.as_ref().map(position_in).transpose()?,
        }
    };
    read(pool, list, &ids, next).await.map(Ok)
}

/// Returns the flow's id, read from its row and not from the index of names.
async fn find_flow(pool: &SqlitePool, name: &Name) -> Result<Option<i64>, Error> {
    let row = sqlx::query(
        "SELECT f.id, f.name = ?1 FROM flows n JOIN flows f ON f.id = n.id \
         WHERE n.name = ?1 AND n.deleted_at IS NULL",
    )
    .bind(name.as_str())
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else { return Ok(None) };
    if !row.try_get::<bool, _>(1)? {
        return Err(index_mismatch(name));
    }
    Ok(Some(row.try_get(0)?))
}

async fn keys(
    pool: &SqlitePool,
    flow: i64,
    status: Option<&str>,
    (from, oldest): (Position, Position),
    limit: usize,
) -> Result<Vec<SqliteRow>, sqlx::Error> {
    let sql = if status.is_some() {
        KEYS_BY_STATUS
    } else {
        KEYS
    };
    let mut query = sqlx::query(sql)
        .bind(flow)
        .bind(from.started_at)
        .bind(from.id)
        .bind(oldest.started_at)
        .bind(oldest.id)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX));
    if let Some(status) = status {
        query = query.bind(status);
    }
    query.fetch_all(pool).await
}

/// The position of a row of `KEYS`.
fn position_in(key: &SqliteRow) -> Result<Position, sqlx::Error> {
    Ok(Position {
        started_at: key.try_get(0)?,
        id: key.try_get(1)?,
    })
}

async fn read(
    pool: &SqlitePool,
    list: &ListExecutions,
    ids: &[i64],
    next: Option<Position>,
) -> Result<Listed<Execution, Position>, Error> {
    let rows = sqlx::query(BY_IDS)
        .bind(to_json(ids)?)
        .bind(list.metadata_only)
        .bind(list.status)
        .fetch_all(pool)
        .await?;
    let (mut items, mut bytes) = (Vec::new(), 0);
    for row in rows {
        let execution = execution_in(&row, &list.flow)?;
        bytes += answered_bytes(&execution);
        if exceeds_page(bytes) && !items.is_empty() {
            let next = Position {
                started_at: execution.started_at.millis(),
                id: row.try_get(8)?,
            };
            return Ok(Listed {
                items,
                next: Some(next),
            });
        }
        items.push(execution);
    }
    Ok(Listed { items, next })
}

/// Bytes of an execution's texts in an answer.
fn answered_bytes(execution: &Execution) -> usize {
    let texts = [
        Some(&execution.input),
        Some(&execution.definition),
        execution.output.as_ref(),
        execution.environment.as_ref(),
    ];
    texts
        .into_iter()
        .flatten()
        .map(|text| json_bytes(text))
        .sum()
}

/// The newest and the oldest position that are asked for, inclusive.
fn bounds(list: &ListExecutions) -> (Position, Position) {
    let newest = Position {
        started_at: i64::MAX,
        id: i64::MAX,
    };
    let mut from = list.from.unwrap_or(newest);
    if let Some(to) = list.started_to.filter(|to| to.millis() < from.started_at) {
        from = Position {
            started_at: to.millis(),
            id: i64::MAX,
        };
    }
    let oldest = list.started_from.map_or(i64::MIN, Timestamp::millis);
    (
        from,
        Position {
            started_at: oldest,
            id: i64::MIN,
        },
    )
}
