//! `StopExecution` of the store.

use sqlx::SqliteConnection;

use super::{
    append_execution_events::append_one, describe_execution::find_execution, nonces,
    request::Request,
};
use crate::{
    model::{Execution, NewEvent},
    store::{Error, Refusal, StopExecution},
};

/// Ends an execution, in the transaction of a group.
pub(super) async fn stop_execution(
    connection: &mut SqliteConnection,
    request: &Request<StopExecution, Execution>,
) -> Result<Result<Execution, Refusal>, Error> {
    let stop = &request.command;
    if !nonces::use_one(connection, request.nonce).await? {
        return Ok(Err(Refusal::NonceUsed));
    }
    let stopped = NewEvent::by_server("ExecutionStopped", stop.at, stop.detail.clone());
    let appended = append_one(connection, &stop.flow, &stop.execution, stopped, stop.at).await?;
    if let Err(refusal) = appended {
        return Ok(Err(refusal));
    }
    let execution = find_execution(connection, &stop.flow, &stop.execution).await?;
    Ok(execution.ok_or(Refusal::ExecutionNotExists))
}
