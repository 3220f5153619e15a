//! `DescribeFlow` of the store.

use sqlx::{AssertSqlSafe, PgConnection};

use super::{
    fault::Fault,
    rows::{FLOW, flow_in},
};
use crate::{
    model::{Flow, Name},
    store::Refusal,
};

pub(super) async fn describe_flow(
    connection: &mut PgConnection,
    name: &Name,
) -> Result<Result<Flow, Refusal>, Fault> {
    let sql = format!(
        "SELECT {FLOW} FROM flows f JOIN definitions d ON d.flow = f.flow AND d.definition = f.definition \
         WHERE f.name = $1"
    );
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(name.as_str().as_bytes())
        .fetch_optional(connection)
        .await?;
    match row {
        Some(row) => flow_in(&row).map(Ok),
        None => Ok(Err(Refusal::FlowNotExists)),
    }
}
