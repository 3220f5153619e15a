//! `DescribeExecution` of the store. Only if no execution is found, a second statement says which name is missing.

use sqlx::{Row, SqliteExecutor, SqlitePool};

use super::rows::{execution_in, index_mismatch};
use crate::{
    model::{Execution, Name},
    store::{Error, Outcome, Refusal},
};

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
        "SELECT x.name, x.status, x.input, x.output, d.text, x.started_at, x.stopped_at, x.environment, \
             f.name = ?1 AND x.name = ?2 AND x.flow = n.id \
         FROM flows n JOIN flows f ON f.id = n.id \
         JOIN executions k ON k.flow = n.id AND k.name = ?2 JOIN executions x ON x.id = k.id \
         JOIN definitions d ON d.id = x.definition \
         WHERE n.name = ?1 AND n.deleted_at IS NULL",
    )
    .bind(flow.as_str())
    .bind(name.as_str())
    .fetch_optional(executor)
    .await?;
    let Some(row) = row else { return Ok(None) };
    if !row.try_get::<bool, _>(8)? {
        return Err(index_mismatch(name));
    }
    execution_in(&row, flow).map(Some)
}

/// Returns which of the two is missing, after no execution was found.
pub(super) async fn missing(pool: &SqlitePool, flow: &Name) -> Result<Refusal, Error> {
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
