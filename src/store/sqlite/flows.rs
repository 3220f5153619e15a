//! Flows: one statement or one transaction each.

use futures_util::TryStreamExt;
use sqlx::{Row, SqliteConnection, SqliteExecutor, SqlitePool, sqlite::SqliteRow};

use super::{
    columns::{index_mismatch, name_at, time_at},
    nonces,
    request::Request,
};
use crate::{
    model::{Flow, Name},
    store::{
        Error, FlowChange, FlowDeletion, ListFlows, Listed, Outcome, Refusal, Visible, exceeds_page,
    },
};

/// Within the transaction of a group.
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

/// Within the transaction of a group.
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

/// Within the transaction of a group.
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

/// By the index to an id, and then the row itself: a damaged index leads to one of another name.
const BY_NAME: &str = "
    SELECT f.uuid, f.name, d.text, f.description, f.kind, f.role_arn, f.execution_mode, f.environment,
        f.external_storage_location, f.resource_group_id, f.created_at, f.modified_at
    FROM flows n JOIN flows f ON f.id = n.id
    JOIN definitions d ON d.id = (SELECT max(id) FROM definitions WHERE flow = f.id)
    WHERE n.deleted_at IS NULL AND n.name = ?1";

const FROM_NAME: &str = "
    SELECT f.uuid, f.name, d.text, f.description, f.kind, f.role_arn, f.execution_mode, f.environment,
        f.external_storage_location, f.resource_group_id, f.created_at, f.modified_at
    FROM flows f JOIN definitions d ON d.id = (SELECT max(id) FROM definitions WHERE flow = f.id)
    WHERE f.deleted_at IS NULL AND f.name >= ?1 AND (?2 IS NULL OR f.resource_group_id = ?2)
    ORDER BY f.name";

pub(super) async fn describe_flow(executor: impl SqliteExecutor<'_>, name: &Name) -> Outcome<Flow> {
    let row = sqlx::query(BY_NAME)
        .bind(name.as_str())
        .fetch_optional(executor)
        .await?;
    let Some(row) = row else {
        return Ok(Err(Refusal::FlowNotExists));
    };
    let flow = flow_in(&row)?;
    if flow.name != *name {
        return Err(index_mismatch(name));
    }
    Ok(Ok(flow))
}

pub(super) async fn list_flows(
    pool: &SqlitePool,
    list: &ListFlows,
    visible: Visible<'_>,
) -> Result<Listed<Flow, Name>, Error> {
    let mut rows = sqlx::query(FROM_NAME)
        .bind(list.from.as_ref().map_or("", Name::as_str))
        .bind(&list.resource_group_id)
        .fetch(pool);
    let (mut items, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.try_next().await? {
        let flow = flow_in(&row)?;
        if !visible(&flow.name) {
            continue;
        }
        bytes += flow.definition.len() + flow.description.len();
        let full = items.len() == list.limit || exceeds_page(bytes);
        if full && !items.is_empty() {
            return Ok(Listed {
                items,
                next: Some(flow.name),
            });
        }
        items.push(flow);
    }
    Ok(Listed { items, next: None })
}

fn flow_in(row: &SqliteRow) -> Result<Flow, Error> {
    Ok(Flow {
        id: row.try_get(0)?,
        name: name_at(row, 1)?,
        definition: row.try_get(2)?,
        description: row.try_get(3)?,
        kind: row.try_get(4)?,
        role_arn: row.try_get(5)?,
        execution_mode: row.try_get(6)?,
        environment: row.try_get(7)?,
        external_storage_location: row.try_get(8)?,
        resource_group_id: row.try_get(9)?,
        created_at: time_at(row, 10)?,
        modified_at: time_at(row, 11)?,
    })
}
