//! `DescribeFlow` of the CloudFlow API reference: all fields of a flow.

use serde::Serialize;
use serde_json::value::RawValue;

use super::{Action, Answer, ApiError, Context, answer, refused};
use crate::model::{Flow, Name, Timestamp};

/// A flow in an answer, without fields that were never set.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Response<'a> {
    id: &'a str,
    name: &'a Name,
    description: &'a str,
    definition: &'a str,
    #[serde(rename = "Type")]
    kind: &'a str,
    execution_mode: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    role_arn: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_storage_location: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_group_id: Option<&'a str>,
    created_time: Timestamp,
    last_modified_time: Timestamp,
}

impl<'a> From<&'a Flow> for Response<'a> {
    fn from(flow: &'a Flow) -> Self {
        Response {
            id: &flow.id,
            name: &flow.name,
            description: &flow.description,
            definition: &flow.definition,
            kind: &flow.kind,
            execution_mode: &flow.execution_mode,
            role_arn: flow.role_arn.as_deref(),
            environment: raw(flow.environment.as_deref()),
            external_storage_location: flow.external_storage_location.as_deref(),
            resource_group_id: flow.resource_group_id.as_deref(),
            created_time: flow.created_at,
            last_modified_time: flow.modified_at,
        }
    }
}

/// Returns stored JSON unchanged, for an answer.
pub(super) fn raw(json: Option<&str>) -> Option<&RawValue> {
    serde_json::from_str(json?).ok()
}

pub(super) async fn run(context: Context<'_>) -> Result<Answer, ApiError> {
    let name = context.name("Name")?;
    if context.params.optional("FlowVersion").is_some() {
        return Err(ApiError::invalid(
            "FlowVersion",
            "must be empty, because flows have no versions here",
        ));
    }
    context.allow(Action::DescribeFlow, &name)?;
    let _permit = context.permit(&context.limits.reads).await?;
    let flow = context
        .store
        .describe_flow(&name)
        .await?
        .map_err(|refusal| refused(refusal, &name, None))?;
    answer(&Response::from(&flow))
}
