//! `ListExecutions` of the store: keyset pagination on (started_at, id), newest first.

use sqlx::{AssertSqlSafe, PgPool, Row, postgres::PgRow};
use uuid::Uuid;

use super::{fault::Fault, rows::execution_in};
use crate::{
    model::Execution,
    store::{
        ListExecutions, Listed, Position, Refusal,
        list::{self, Key, Selection},
        scans::Scans,
    },
};

/// Position, name and bytes of executions, newest first.
const KEYS: &str = "
    SELECT x.started_at, x.id, x.name,
        (octet_length(x.input) + coalesce(octet_length(x.output), 0) + coalesce(octet_length(x.environment), 0)
            + coalesce(octet_length(d.text), 0))::BIGINT
    FROM executions x LEFT JOIN definitions d ON d.flow = x.flow AND d.definition = x.definition
    WHERE x.flow = $1 AND (x.started_at, x.id) <= ($2, $3) AND (x.started_at, x.id) >= ($4, $5)";

const NEWEST_FIRST: &str = " ORDER BY x.started_at DESC, x.id DESC LIMIT $6";

/// An execution that was purged, or got another status, since its key was read is left out.
const BY_IDS: &str = "
    SELECT x.name, x.status, CASE WHEN $5 THEN '' ELSE x.input END, CASE WHEN $5 THEN NULL ELSE x.output END,
        CASE WHEN $5 THEN '' ELSE d.text END, x.started_at, x.stopped_at,
        CASE WHEN $5 THEN NULL ELSE x.environment END, x.id
    FROM executions x JOIN definitions d ON d.flow = x.flow AND d.definition = x.definition
    WHERE x.flow = $1 AND x.started_at BETWEEN $2 AND $3 AND x.id = ANY($4)
        AND ($6::TEXT IS NULL OR x.status = $6)
    ORDER BY x.started_at DESC, x.id DESC";

pub(super) async fn list_executions(
    pool: &PgPool,
    scans: &Scans,
    list: &ListExecutions,
) -> Result<Result<Listed<Execution, Position>, Refusal>, Fault> {
    let flow = sqlx::query("SELECT flow FROM flows WHERE name = $1")
        .bind(list.flow.as_str().as_bytes())
        .fetch_optional(pool)
        .await?;
    let flow = match flow {
        Some(row) => row.try_get(0)?,
        None => return Ok(Err(Refusal::FlowNotExists)),
    };
    let (newest, oldest) = list.bounds();
    let scans = list.prefix.is_some().then_some(scans);
    let (chosen, next) = Selection::of_executions(list)
        .choose(scans, Some(newest), |from, limit| {
            let from = from.unwrap_or(newest);
            keys(pool, flow, list, (from, oldest), limit)
        })
        .await?;
    read(pool, flow, list, &chosen, next).await.map(Ok)
}

async fn keys(
    pool: &PgPool,
    flow: Uuid,
    list: &ListExecutions,
    (from, oldest): (Position, Position),
    limit: usize,
) -> Result<Vec<Key<Position>>, Fault> {
    let by_status = if list.status.is_some() {
        " AND x.status = $7"
    } else {
        ""
    };
    let mut query = sqlx::query(AssertSqlSafe(format!("{KEYS}{by_status}{NEWEST_FIRST}")))
        .bind(flow)
        .bind(from.started_at)
        .bind(Uuid::from_u128(from.id))
        .bind(oldest.started_at)
        .bind(Uuid::from_u128(oldest.id))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX));
    if let Some(status) = list.status {
        query = query.bind(status);
    }
    let prefix = list.prefix.as_deref().unwrap_or_default();
    let rows = query.fetch_all(pool).await?;
    let key = |row: &PgRow| {
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

fn position(started_at: i64, id: Uuid) -> Position {
    Position {
        started_at,
        id: id.as_u128(),
    }
}

async fn read(
    pool: &PgPool,
    flow: Uuid,
    list: &ListExecutions,
    chosen: &[Position],
    next: Option<Position>,
) -> Result<Listed<Execution, Position>, Fault> {
    let started_at = |position: Option<&Position>| position.map(|position| position.started_at);
    let ids: Vec<_> = chosen
        .iter()
        .map(|position| Uuid::from_u128(position.id))
        .collect();
    let rows = sqlx::query(BY_IDS)
        .bind(flow)
        .bind(started_at(chosen.last()))
        .bind(started_at(chosen.first()))
        .bind(ids)
        .bind(list.metadata_only)
        .bind(list.status)
        .fetch_all(pool)
        .await?;
    let rows = rows.iter().map(|row| {
        let execution = execution_in(row, &list.flow).map_err(Fault::into_error)?;
        let at = position(execution.started_at.millis(), row.try_get(8)?);
        Ok((execution, at))
    });
    Ok(list::page(rows, list::execution_bytes, next)?)
}
