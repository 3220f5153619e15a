//! The row of a new execution. StartExecution and an append of event 1 make one.

use sqlx::{Row, SqliteConnection};

use crate::{
    model::{Name, Status, Timestamp},
    store::Error,
};

/// An execution before its first event.
pub(super) struct NewExecution<'a> {
    pub flow: &'a Name,
    pub name: &'a Name,
    pub input: &'a str,
    pub started_at: Timestamp,
}

impl NewExecution<'_> {
    /// Inserts the row, with the present definition and environment of the flow. Returns the ids of the flow and the
    /// execution, or None if there is no such flow.
    pub(super) async fn insert(
        &self,
        connection: &mut SqliteConnection,
    ) -> Result<Option<(i64, i64)>, Error> {
        let row = sqlx::query(
            "INSERT INTO executions (flow, name, status, last_event_id, history_bytes, started_at, definition, input, environment) \
             SELECT id, ?2, ?3, 0, 0, ?4, (SELECT max(id) FROM definitions WHERE flow = flows.id), ?5, environment \
             FROM flows WHERE name = ?1 AND deleted_at IS NULL \
             RETURNING flow, id",
        )
        .bind(self.flow.as_str())
        .bind(self.name.as_str())
        .bind(Status::Running.as_str())
        .bind(self.started_at.millis())
        .bind(self.input)
        .fetch_optional(connection)
        .await?;
        let ids = row.map(|row| Ok::<_, sqlx::Error>((row.try_get(0)?, row.try_get(1)?)));
        Ok(ids.transpose()?)
    }
}
