//! `DescribeFlow` of the store.

use sqlx::SqliteExecutor;

use super::rows::{flow_in, index_mismatch};
use crate::{
    model::{Flow, Name},
    store::{Outcome, Refusal},
};

/// Reads the name from the row itself, not from the index: a damaged index may lead to a row of another name.
const BY_NAME: &str = "
    SELECT f.uuid, f.name, d.text, f.description, f.kind, f.role_arn, f.execution_mode, f.environment,
        f.external_storage_location, f.resource_group_id, f.created_at, f.modified_at
    FROM flows n JOIN flows f ON f.id = n.id
    JOIN definitions d ON d.id = (SELECT max(id) FROM definitions WHERE flow = f.id)
    WHERE n.deleted_at IS NULL AND n.name = ?1";

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
