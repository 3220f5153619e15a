//! `CreateFlow` of the store.

use sqlx::{Row, SqliteConnection};

use super::{describe_flow::describe_flow, nonces, request::Request};
use crate::{
    model::Flow,
    store::{Error, Refusal},
};

/// Creates a flow, in the transaction of a group.
pub(super) async fn create_flow(
    connection: &mut SqliteConnection,
    request: &Request<Flow, Flow>,
) -> Result<Result<Flow, Refusal>, Error> {
    let flow = &request.command;
    if !nonces::use_one(connection, request.nonce).await? {
        return Ok(Err(Refusal::NonceUsed));
    }
    if describe_flow(&mut *connection, &flow.name).await?.is_ok() {
        return Ok(Err(Refusal::FlowAlreadyExists));
    }
    let id: i64 = sqlx::query(
        "INSERT INTO flows (name, uuid, description, kind, role_arn, execution_mode, environment, \
             external_storage_location, resource_group_id, created_at, modified_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) RETURNING id",
    )
    .bind(flow.name.as_str())
    .bind(&flow.id)
    .bind(&flow.description)
    .bind(&flow.kind)
    .bind(&flow.role_arn)
    .bind(&flow.execution_mode)
    .bind(&flow.environment)
    .bind(&flow.external_storage_location)
    .bind(&flow.resource_group_id)
    .bind(flow.created_at.millis())
    .bind(flow.modified_at.millis())
    .fetch_one(&mut *connection)
    .await?
    .try_get(0)?;
    define(connection, id, &flow.definition).await?;
    Ok(Ok(flow.clone()))
}

/// Adds a definition, which becomes the current one.
pub(super) async fn define(
    connection: &mut SqliteConnection,
    flow: i64,
    definition: &str,
) -> Result<(), Error> {
    sqlx::query("INSERT INTO definitions (flow, text) VALUES (?1, ?2)")
        .bind(flow)
        .bind(definition)
        .execute(connection)
        .await?;
    Ok(())
}
