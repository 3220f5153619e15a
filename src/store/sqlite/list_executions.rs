//! `ListExecutions` of the store: keyset pagination on (started_at, id), newest first.

use sqlx::{Row, SqlitePool, sqlite::SqliteRow};

use super::{
    append_execution_events::to_json,
    rows::{execution_in, index_mismatch},
};
use crate::{
    model::{Execution, Name},
    store::{
        Error, ListExecutions, Listed, Outcome, Position, Refusal,
        list::{self, Key, Selection},
        scans::Scans,
    },
};

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

pub(super) async fn list_executions(
    pool: &SqlitePool,
    scans: &Scans,
    list: &ListExecutions,
) -> Outcome<Listed<Execution, Position>> {
    let Some(flow) = find_flow(pool, &list.flow).await? else {
        return Ok(Err(Refusal::FlowNotExists));
    };
    let (newest, oldest) = list.bounds();
    let scans = list.prefix.is_some().then_some(scans);
    let (chosen, next) = Selection::of_executions(list)
        .choose(scans, Some(newest), |from, limit| {
            let from = from.unwrap_or(newest);
            keys(pool, flow, list, (from, oldest), limit)
        })
        .await?;
    read(pool, list, &chosen, next).await.map(Ok)
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
    list: &ListExecutions,
    (from, oldest): (Position, Position),
    limit: usize,
) -> Result<Vec<Key<Position>>, Error> {
    let sql = if list.status.is_some() {
        KEYS_BY_STATUS
    } else {
        KEYS
    };
    let mut query = sqlx::query(sql)
        .bind(flow)
        .bind(from.started_at)
        .bind(rowid(from))
        .bind(oldest.started_at)
        .bind(rowid(oldest))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX));
    if let Some(status) = list.status {
        query = query.bind(status);
    }
    let prefix = list.prefix.as_deref().unwrap_or_default();
    let rows = query.fetch_all(pool).await?;
    let key = |row: &SqliteRow| {
        let bytes: i64 = row.try_get(3)?;
        Ok(Key {
            at: position(row.try_get(0)?, row.try_get(1)?),
            matches: row.try_get::<&str, _>(2)?.starts_with(prefix),
            bytes: match list.metadata_only {
                true => 0,
                false => usize::try_from(bytes).unwrap_or(usize::MAX),
            },
        })
    };
    rows.iter().map(key).collect()
}

fn position(started_at: i64, id: i64) -> Position {
    Position {
        started_at,
        id: id.unsigned_abs().into(),
    }
}

fn rowid(position: Position) -> i64 {
    i64::try_from(position.id).unwrap_or(i64::MAX)
}

async fn read(
    pool: &SqlitePool,
    list: &ListExecutions,
    chosen: &[Position],
    next: Option<Position>,
) -> Result<Listed<Execution, Position>, Error> {
    let ids: Vec<_> = chosen.iter().copied().map(rowid).collect();
    let rows = sqlx::query(BY_IDS)
        .bind(to_json(&ids)?)
        .bind(list.metadata_only)
        .bind(list.status)
        .fetch_all(pool)
        .await?;
    let rows = rows.iter().map(|row| {
        let execution = execution_in(row, &list.flow)?;
        let at = position(execution.started_at.millis(), row.try_get(8)?);
        Ok((execution, at))
    });
    list::page(rows, list::execution_bytes, next)
}
