//! Executions: one transaction each, and a second statement only to say which of two names is missing.

use sqlx::{Row, SqliteConnection, SqliteExecutor, SqlitePool, sqlite::SqliteRow};

use super::{
    append,
    columns::{damaged, index_mismatch, name_at, time_at},
    nonces,
    request::Request,
};
use crate::{
    model::{
        Execution, Name, NewEvent, Status, event::EXECUTION_STARTED, execution::started_detail,
    },
    store::{Error, Outcome, Refusal, StartExecution, StopExecution},
};

/// Within the transaction of a group.
pub(super) async fn start_execution(
    connection: &mut SqliteConnection,
    request: &Request<StartExecution, Execution>,
) -> Result<Result<Execution, Refusal>, Error> {
    let start = &request.command;
    if !nonces::use_one(connection, request.nonce).await? {
        return Ok(Err(Refusal::NonceUsed));
    }
    if let Some(execution) = find_execution(&mut *connection, &start.flow, &start.name).await? {
        return Ok(match execution.status {
            Status::Running => Ok(execution),
            _ => Err(Refusal::ExecutionAlreadyExists),
        });
    }
    let id = sqlx::query(
        "INSERT INTO executions (flow, name, status, last_event_id, history_bytes, started_at, definition, input, environment) \
         SELECT id, ?2, ?3, 0, 0, ?4, (SELECT max(id) FROM definitions WHERE flow = flows.id), ?5, environment \
         FROM flows WHERE name = ?1 AND deleted_at IS NULL \
         RETURNING flow, id",
    )
    .bind(start.flow.as_str())
    .bind(start.name.as_str())
    .bind(Status::Running.as_str())
    .bind(start.at.millis())
    .bind(&start.input)
    .fetch_optional(&mut *connection)
    .await?;
    let Some(id) = id else {
        return Ok(Err(Refusal::FlowNotExists));
    };
    let detail = started_detail(&start.input);
    let started = NewEvent::by_server(EXECUTION_STARTED, start.at, detail);
    let ids = (id.try_get(0)?, id.try_get(1)?);
    append::append_first(connection, ids, &started, start.at).await?;
    let execution = find_execution(connection, &start.flow, &start.name).await?;
    Ok(execution.ok_or(Refusal::ExecutionNotExists))
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

/// Name, status, input, output, definition, start, end and environment are a row's first columns.
pub(super) fn execution_in(row: &SqliteRow, flow: &Name) -> Result<Execution, Error> {
    let stopped_at = match row.try_get::<Option<i64>, _>(6)? {
        Some(_) => Some(time_at(row, 6)?),
        None => None,
    };
    Ok(Execution {
        flow: flow.clone(),
        name: name_at(row, 0)?,
        status: Status::parse(row.try_get(1)?).ok_or_else(|| damaged("status"))?,
        input: row.try_get(2)?,
        output: row.try_get(3)?,
        definition: row.try_get(4)?,
        environment: row.try_get(7)?,
        started_at: time_at(row, 5)?,
        stopped_at,
    })
}

/// Within the transaction of a group.
pub(super) async fn stop_execution(
    connection: &mut SqliteConnection,
    request: &Request<StopExecution, Execution>,
) -> Result<Result<Execution, Refusal>, Error> {
    let stop = &request.command;
    if !nonces::use_one(connection, request.nonce).await? {
        return Ok(Err(Refusal::NonceUsed));
    }
    let stopped = NewEvent::by_server("ExecutionStopped", stop.at, stop.detail.clone());
    let appended =
        append::append_one(connection, &stop.flow, &stop.execution, stopped, stop.at).await?;
    if let Err(refusal) = appended {
        return Ok(Err(refusal));
    }
    let execution = find_execution(connection, &stop.flow, &stop.execution).await?;
    Ok(execution.ok_or(Refusal::ExecutionNotExists))
}

/// Which of the two is missing, when no execution was found.
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
