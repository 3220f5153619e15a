//! `CreateFlow` of the store.

use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    fault::Fault,
    keys,
    write::{Command, Transaction},
};
use crate::{model::Flow, store::Refusal};

impl Command for Flow {
    type Answer = Flow;

    async fn perform(
        &self,
        transaction: &mut Transaction<'_>,
    ) -> Result<Result<Flow, Refusal>, Fault> {
        let key = transaction.ids.flow(self);
        let inserted = sqlx::query(
            "INSERT INTO flows (name, flow, uuid, definition, description, kind, role_arn, execution_mode, \
                 environment, external_storage_location, resource_group_id, created_at, modified_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING",
        )
        .bind(self.name.as_str().as_bytes())
        .bind(key)
        .bind(&self.id)
        .bind(keys::definition(&self.definition))
        .bind(&self.description)
        .bind(&self.kind)
        .bind(&self.role_arn)
        .bind(&self.execution_mode)
        .bind(&self.environment)
        .bind(&self.external_storage_location)
        .bind(&self.resource_group_id)
        .bind(self.created_at.millis())
        .bind(self.modified_at.millis())
        .execute(&mut *transaction.connection)
        .await?;
        if inserted.rows_affected() == 0 {
            return Ok(Err(Refusal::FlowAlreadyExists));
        }
        define(transaction.connection, key, &self.definition).await?;
        Ok(Ok(self.clone()))
    }
}

/// Stores a definition of a flow, unless the flow had it before.
pub(super) async fn define(
    connection: &mut PgConnection,
    flow: Uuid,
    definition: &str,
) -> Result<(), Fault> {
    sqlx::query("INSERT INTO definitions (flow, definition, text) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
        .bind(flow)
        .bind(keys::definition(definition))
        .bind(definition)
        .execute(connection)
        .await?;
    Ok(())
}
