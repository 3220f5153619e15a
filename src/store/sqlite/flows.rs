//! Flows: one statement or one transaction each.

use sqlx::{Row, SqliteConnection, SqliteExecutor};

use super::{
    columns::{name_at, time_at},
    job::Job,
    nonces,
};
use crate::{
    model::{Flow, Name},
    store::{Error, Outcome, Refusal},
};

/// Within the transaction of a group.
pub(super) async fn create_flow(
    connection: &mut SqliteConnection,
    job: &Job<Flow, Flow>,
) -> Result<Result<Flow, Refusal>, Error> {
    let flow = &job.ask;
    if !nonces::use_one(connection, job.nonce).await? {
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

/// From now on this is the flow's definition.
async fn define(
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

pub(super) async fn describe_flow(executor: impl SqliteExecutor<'_>, name: &Name) -> Outcome<Flow> {
    let row = sqlx::query(
        "SELECT f.uuid, f.name, d.text, f.description, f.kind, f.role_arn, f.execution_mode, f.environment, \
             f.external_storage_location, f.resource_group_id, f.created_at, f.modified_at \
         FROM flows f JOIN definitions d ON d.id = (SELECT max(id) FROM definitions WHERE flow = f.id) \
         WHERE f.name = ?1 AND f.deleted_at IS NULL",
    )
    .bind(name.as_str())
    .fetch_optional(executor)
    .await?;
    let Some(row) = row else {
        return Ok(Err(Refusal::FlowNotExists));
    };
    Ok(Ok(Flow {
        id: row.try_get(0)?,
        name: name_at(&row, 1)?,
        definition: row.try_get(2)?,
        description: row.try_get(3)?,
        kind: row.try_get(4)?,
        role_arn: row.try_get(5)?,
        execution_mode: row.try_get(6)?,
        environment: row.try_get(7)?,
        external_storage_location: row.try_get(8)?,
        resource_group_id: row.try_get(9)?,
        created_at: time_at(&row, 10)?,
        modified_at: time_at(&row, 11)?,
    }))
}
