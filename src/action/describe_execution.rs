//! `DescribeExecution` of the CloudFlow API reference: how an execution stands.

use serde::Serialize;

use super::{Action, Answer, ApiError, Context, answer, refused};
use crate::model::{Execution, Name, Status, Timestamp};

/// An execution in an answer; what is not yet known is left out.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Response<'a> {
    flow_name: &'a Name,
    name: &'a Name,
    status: Status,
    input: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a str>,
    flow_definition: &'a str,
    started_time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped_time: Option<Timestamp>,
}

impl<'a> From<&'a Execution> for Response<'a> {
    fn from(execution: &'a Execution) -> Self {
        Response {
            flow_name: &execution.flow,
            name: &execution.name,
            status: execution.status,
            input: &execution.input,
            output: execution.output.as_deref(),
            flow_definition: &execution.definition,
            started_time: execution.started_at,
            stopped_time: execution.stopped_at,
        }
    }
}

pub(super) async fn run(context: Context<'_>) -> Result<Answer, ApiError> {
    let flow_name = context.name("FlowName")?;
    let execution_name = context.name("ExecutionName")?;
    context.allow(Action::DescribeExecution, &flow_name)?;
    let execution = context
        .store
        .describe_execution(&flow_name, &execution_name)
        .await?
        .map_err(|refusal| refused(refusal, &flow_name, Some(&execution_name)))?;
    answer(&Response::from(&execution))
}
