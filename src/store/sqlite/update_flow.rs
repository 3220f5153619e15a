//! `UpdateFlow` of the store.

use sqlx::{Row, SqliteConnection};

use super::{create_flow::define, describe_flow::describe_flow, nonces, request::Request};
use crate::{
    model::Flow,
    store::{Error, FlowChange, Refusal},
};

/// Changes a flow, in the transaction of a group.
pub(super) async fn update_flow(
    connection: &mut SqliteConnection,
    request: &Request<FlowChange, Flow>,
) -> Result<Result<Flow, Refusal>, Error> {
    let change = &request.command;
    if !nonces::use_one(connection, request.nonce).await? {
        return Ok(Err(Refusal::NonceUsed));
    }
    if let Err(refusal) = describe_flow(&mut *connection, &change.name).await? {
        return Ok(Err(refusal));
    }
    let row = sqlx::query(
        "UPDATE flows SET description = coalesce(?2, description), kind = coalesce(?3, kind), \
             role_arn = iif(?4 IS NULL, role_arn, nullif(?4, '')), environment = coalesce(?5, environment), \
             modified_at = ?6 \
         WHERE name = ?1 AND deleted_at IS NULL RETURNING id",
    )
    .bind(change.name.as_str())
    .bind(&change.description)
    .bind(&change.kind)
    .bind(&change.role_arn)
    .bind(&change.environment)
    .bind(change.at.millis())
    .fetch_one(&mut *connection)
    .await?;
    if let Some(definition) = &change.definition {
        define(connection, row.try_get(0)?, definition).await?;
    }
    describe_flow(connection, &change.name).await
}
