//! `DeleteFlow` of the store: reads no longer find the flow; `purge` removes its other rows later.

use sqlx::Row;
use uuid::Uuid;

use super::{
    fault::Fault,
    write::{Command, Transaction},
};
use crate::store::{FlowDeletion, Refusal, notify::Notifier};

impl Command for FlowDeletion {
    type Answer = ();

    async fn perform(
        &self,
        transaction: &mut Transaction<'_>,
    ) -> Result<Result<(), Refusal>, Fault> {
        let row = sqlx::query("DELETE FROM flows WHERE name = $1 RETURNING flow")
            .bind(self.name.as_str().as_bytes())
            .fetch_optional(&mut *transaction.connection)
            .await?;
        let Some(row) = row else {
            return Ok(Err(Refusal::FlowNotExists));
        };
        sqlx::query("INSERT INTO deleted_flows (flow, deleted_at) VALUES ($1, $2)")
            .bind(row.try_get::<Uuid, _>(0)?)
            .bind(self.at.millis())
            .execute(&mut *transaction.connection)
            .await?;
        Ok(Ok(()))
    }

    fn notify(&self, notifier: &Notifier, (): &()) {
        notifier.notify_deleted(&self.name);
    }
}
