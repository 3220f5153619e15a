//! `DescribeExecution` of the store.

use sqlx::{PgConnection, Row};

use super::{fault::Fault, keys, keys::FlowKeys, rows::execution_in};
use crate::{
    model::{Execution, Name},
    store::Refusal,
};

pub(super) async fn find_execution(
    connection: &mut PgConnection,
    flows: &FlowKeys,
    flow: &Name,
    name: &Name,
) -> Result<Result<Execution, Refusal>, Fault> {
    let mut key = flows.get(flow);
    loop {
        let row = sqlx::query(
            "SELECT x.name, x.status, x.input, x.output, d.text, x.started_at, x.stopped_at, x.environment, f.flow \
             FROM flows f LEFT JOIN executions x ON x.flow = $2 AND x.execution = $3 \
                 LEFT JOIN definitions d ON d.flow = $2 AND d.definition = x.definition \
             WHERE f.name = $1",
        )
        .bind(flow.as_str().as_bytes())
        .bind(key)
        .bind(keys::execution(key, name))
        .fetch_optional(&mut *connection)
        .await?;
        let Some(row) = row else {
            return Ok(Err(Refusal::FlowNotExists));
        };
        let found = row.try_get(8)?;
        if found != key {
            flows.set(flow, found);
            key = found;
        } else if row.try_get::<Option<&str>, _>(0)?.is_some() {
            return execution_in(&row, flow).map(Ok);
        } else {
            return Ok(Err(Refusal::ExecutionNotExists));
        }
    }
}
