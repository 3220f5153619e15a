//! `ListFlows` of the CloudFlow API reference: the flows that the caller's key sees, by name, by keyset pagination.

use serde::Serialize;

use super::{Action, Answer, ApiError, Context, answer, describe_flow, name};
use crate::{model::Name, store::ListFlows};

/// Flows of one page: the vendor's limit and default.
const LIMIT_MAX: i64 = 1000;
const LIMIT_DEFAULT: i64 = 60;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Response<'a> {
    flows: Vec<describe_flow::Response<'a>>,
    /// The key with which the next page begins: the name of a flow.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<Name>,
}

fn read(context: &Context<'_>) -> Result<ListFlows, ApiError> {
    let params = context.params;
    let limit = params
        .integer("Limit", 1..=LIMIT_MAX)?
        .unwrap_or(LIMIT_DEFAULT);
    Ok(ListFlows {
        from: params
            .optional("NextToken")
            .map(|token| name("NextToken", token))
            .transpose()?,
        limit: usize::try_from(limit).unwrap_or_default(),
        resource_group_id: params.optional("ResourceGroupId").map(str::to_owned),
    })
}

pub(super) async fn run(context: Context<'_>) -> Result<Answer, ApiError> {
    let list = read(&context)?;
    context.allow_role(Action::ListFlows)?;
    // It is a scan if the store must pass over flows of other keys or groups.
    let scans = list.resource_group_id.is_some() || !context.caller.sees_all();
    let _permit = match scans {
        true => context.permit(&context.limits.scans).await?,
        false => context.permit(&context.limits.reads).await?,
    };
    let visible = |flow: &Name| context.caller.sees(flow);
    let listed = context.store.list_flows(list, &visible).await?;
    let flows = listed
        .items
        .iter()
        .map(describe_flow::Response::from)
        .collect();
    answer(&Response {
        flows,
        next_token: listed.next,
    })
}
