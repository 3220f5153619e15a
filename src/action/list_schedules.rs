//! `ListSchedules` of the CloudFlow API reference: no schedules, for FlowLedger fires none. Deploy tools call it before
//! they delete a flow.

use serde::Serialize;

use super::{Action, Answer, ApiError, Context, answer};
use crate::model::Name;

/// Schedules of one page: the vendor's limit.
const LIMIT_MAX: i64 = 1000;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Response {
    schedules: [(); 0],
}

fn read(context: &Context<'_>) -> Result<Name, ApiError> {
    context.params.integer("Limit", 1..=LIMIT_MAX)?;
    context.name("FlowName")
}

pub(super) async fn run(context: Context<'_>) -> Result<Answer, ApiError> {
    let flow = read(&context)?;
    context.allow(Action::ListSchedules, &flow)?;
    context.require_flow(&flow).await?;
    answer(&Response { schedules: [] })
}
