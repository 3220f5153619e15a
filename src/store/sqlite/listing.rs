//! Executions of a flow in pages, by place and not by number: a page costs the same anywhere.

use futures_util::TryStreamExt;
use sqlx::{Row, SqlitePool, sqlite::SqliteRow};

use super::{columns::index_mismatch, executions::execution_in};
use crate::{
    model::{Execution, Timestamp},
    store::{Error, ListExecutions, Listed, Outcome, Position, Refusal, exceeds_page},
};

/// Executions looked at for one page when a prefix is asked for: bounds its cost where few match.
const PREFIX_WINDOW: i64 = 10_000;

/// The newest first, from a place on and down to another.
const NEWEST: &str = "
    SELECT x.name, x.status, iif(?6, '', x.input), iif(?6, NULL, x.output),
        iif(?6, '', (SELECT text FROM definitions WHERE id = x.definition)), x.started_at, x.stopped_at,
        iif(?6, NULL, x.environment), x.id
    FROM executions x
    WHERE x.flow = ?1 AND (x.started_at, x.id) <= (?2, ?3) AND (x.started_at, x.id) >= (?4, ?5)
        AND substr(x.name, 1, length(?7)) = ?7
    ORDER BY x.started_at DESC, x.id DESC";

/// The same of one status, by an index of its own: left to itself, SQLite takes the other one.
const NEWEST_BY_STATUS: &str = "
    SELECT x.name, x.status, iif(?6, '', x.input), iif(?6, NULL, x.output),
        iif(?6, '', (SELECT text FROM definitions WHERE id = x.definition)), x.started_at, x.stopped_at,
        iif(?6, NULL, x.environment), x.id
    FROM executions x INDEXED BY executions_by_status
    WHERE x.flow = ?1 AND (x.started_at, x.id) <= (?2, ?3) AND (x.started_at, x.id) >= (?4, ?5)
        AND substr(x.name, 1, length(?7)) = ?7 AND x.status = ?8
    ORDER BY x.started_at DESC, x.id DESC";

pub(super) async fn list_executions(
    pool: &SqlitePool,
    list: &ListExecutions,
) -> Outcome<Listed<Execution, Position>> {
    let flow = sqlx::query(
        "SELECT f.id, f.name = ?1 FROM flows n JOIN flows f ON f.id = n.id \
         WHERE n.name = ?1 AND n.deleted_at IS NULL",
    )
    .bind(list.flow.as_str())
    .fetch_optional(pool)
    .await?;
    let Some(flow) = flow else {
        return Ok(Err(Refusal::FlowNotExists));
    };
    if !flow.try_get::<bool, _>(1)? {
        return Err(index_mismatch(&list.flow));
    }
    let flow: i64 = flow.try_get(0)?;
    let (from, oldest) = bounds(list);
    // Where the page ends even if nothing was found by then; the next one goes on behind.
    let beyond = match &list.prefix {
        Some(_) => window_end(pool, flow, from, oldest).await?,
        None => None,
    };
    let down_to = beyond.map_or(oldest, |beyond| Position {
        id: beyond.id + 1,
        ..beyond
    });
    let sql = if list.status.is_some() {
        NEWEST_BY_STATUS
    } else {
        NEWEST
    };
    let mut query = sqlx::query(sql)
        .bind(flow)
        .bind(from.started_at)
        .bind(from.id)
        .bind(down_to.started_at)
        .bind(down_to.id)
        .bind(list.metadata_only)
        .bind(list.prefix.as_deref().unwrap_or_default());
    if let Some(status) = list.status {
        query = query.bind(status);
    }
    let mut rows = query.fetch(pool);
    let (mut items, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.try_next().await? {
        let execution = execution_in(&row, &list.flow)?;
        let texts = [&execution.input, &execution.definition];
        bytes += texts.map(String::len).iter().sum::<usize>()
            + execution.output.as_ref().map_or(0, String::len);
        let full = items.len() == list.limit || exceeds_page(bytes);
        if full && !items.is_empty() {
            let next = Position {
                started_at: execution.started_at.millis(),
                id: row.try_get(8)?,
            };
            return Ok(Ok(Listed {
                items,
                next: Some(next),
            }));
        }
        items.push(execution);
    }
    Ok(Ok(Listed {
        items,
        next: beyond,
    }))
}

/// The newest place and the oldest that are asked for, inclusive.
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

/// The first place behind so many executions, if there are more.
async fn window_end(
    pool: &SqlitePool,
    flow: i64,
    from: Position,
    down_to: Position,
) -> Result<Option<Position>, Error> {
    let row = sqlx::query(
        "SELECT started_at, id FROM executions \
         WHERE flow = ?1 AND (started_at, id) <= (?2, ?3) AND (started_at, id) >= (?4, ?5) \
         ORDER BY started_at DESC, id DESC LIMIT 1 OFFSET ?6 + 0",
    )
    .bind(flow)
    .bind(from.started_at)
    .bind(from.id)
    .bind(down_to.started_at)
    .bind(down_to.id)
    .bind(PREFIX_WINDOW)
    .fetch_optional(pool)
    .await?;
    let position = |row: SqliteRow| {
        Ok(Position {
            started_at: row.try_get(0)?,
            id: row.try_get(1)?,
        })
    };
    row.map(position).transpose()
}
