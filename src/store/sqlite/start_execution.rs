//! `StartExecution` of the store.

use sqlx::{Row, SqliteConnection};

use super::{
    append_execution_events::append_first, describe_execution::find_execution, nonces,
    request::Request,
};
use crate::{
    model::{Execution, NewEvent, Status, event::EXECUTION_STARTED, execution::started_detail},
    store::{Error, Refusal, StartExecution},
};

/// Starts an execution, in the transaction of a group. Idempotent while the execution runs.
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
    append_first(connection, ids, &started, start.at).await?;
    let execution = find_execution(connection, &start.flow, &start.name).await?;
    Ok(execution.ok_or(Refusal::ExecutionNotExists))
}
