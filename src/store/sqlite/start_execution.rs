//! `StartExecution` of the store.

use sqlx::SqliteConnection;

use super::{
    append_execution_events::append_first, describe_execution::find_execution,
    new_execution::NewExecution, nonces, request::Request,
};
use crate::{
    model::{Execution, Status},
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
    let new = NewExecution {
        flow: &start.flow,
        name: &start.name,
        input: &start.input,
        started_at: start.at,
    };
    let Some(ids) = new.insert(&mut *connection).await? else {
        return Ok(Err(Refusal::FlowNotExists));
    };
    append_first(connection, ids, &start.event(), start.at).await?;
    let execution = find_execution(connection, &start.flow, &start.name).await?;
    Ok(execution.ok_or(Refusal::ExecutionNotExists))
}
