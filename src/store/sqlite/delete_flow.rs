//! `DeleteFlow` of the store: a soft delete; `purge` removes the rows later.

use sqlx::SqliteConnection;

use super::{describe_flow::describe_flow, nonces, request::Request};
use crate::store::{Error, FlowDeletion, Refusal};

/// Marks a flow as deleted, in the transaction of a group.
pub(super) async fn delete_flow(
    connection: &mut SqliteConnection,
    request: &Request<FlowDeletion, ()>,
) -> Result<Result<(), Refusal>, Error> {
    if !nonces::use_one(connection, request.nonce).await? {
        return Ok(Err(Refusal::NonceUsed));
    }
    if let Err(refusal) = describe_flow(&mut *connection, &request.command.name).await? {
        return Ok(Err(refusal));
    }
    sqlx::query("UPDATE flows SET deleted_at = ?2 WHERE name = ?1 AND deleted_at IS NULL")
        .bind(request.command.name.as_str())
        .bind(request.command.at.millis())
        .execute(connection)
        .await?;
    Ok(Ok(()))
}
