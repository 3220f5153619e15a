//! `UpdateFlow` of the store.

use sqlx::Row;

use super::{
    create_flow::define,
    describe_flow::describe_flow,
    fault::Fault,
    keys,
    write::{Command, Transaction},
};
use crate::{
    model::Flow,
    store::{FlowChange, Refusal},
};

impl Command for FlowChange {
    type Answer = Flow;

    async fn perform(
        &self,
        transaction: &mut Transaction<'_>,
    ) -> Result<Result<Flow, Refusal>, Fault> {
        let row = sqlx::query(
            "UPDATE flows SET definition = coalesce($2, definition), description = coalesce($3, description), \
                 kind = coalesce($4, kind), environment = coalesce($6, environment), modified_at = $7, \
                 role_arn = CASE WHEN $5::TEXT IS NULL THEN role_arn ELSE nullif($5, '') END \
             WHERE name = $1 RETURNING flow",
        )
        .bind(self.name.as_str().as_bytes())
        .bind(self.definition.as_deref().map(keys::definition))
        .bind(&self.description)
        .bind(&self.kind)
        .bind(&self.role_arn)
        .bind(&self.environment)
        .bind(self.at.millis())
        .fetch_optional(&mut *transaction.connection)
        .await?;
        let Some(row) = row else {
            return Ok(Err(Refusal::FlowNotExists));
        };
        if let Some(definition) = &self.definition {
            define(transaction.connection, row.try_get(0)?, definition).await?;
        }
        describe_flow(transaction.connection, &self.name).await
    }
}
