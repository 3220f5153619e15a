//! `CreateFlow` of the CloudFlow API reference: a name and a definition. Nothing runs it here.

use super::{Action, Answer, ApiError, Context, answer, describe_flow::Response, refused};
use crate::{model::Flow, wire::json};

/// Kinds of definitions; `FDL` is the vendor's flow definition language.
const TYPES: [&str; 1] = ["FDL"];
const EXECUTION_MODES: [&str; 2] = ["Standard", "Express"];

/// The parameters are those of the flow itself.
fn read(context: &Context<'_>) -> Result<Flow, ApiError> {
    let params = context.params;
    let owned = |name| params.optional(name).map(str::to_owned);
    let now = context.clock.now();
    let flow = Flow {
        id: context.clock.uuid().to_string(),
        name: context.name("Name")?,
        definition: params.required("Definition")?.to_owned(),
        description: params.given("Description").unwrap_or_default().to_owned(),
        kind: one_of("Type", params.required("Type")?, &TYPES)?,
        role_arn: owned("RoleArn"),
        execution_mode: one_of(
            "ExecutionMode",
            params.optional("ExecutionMode").unwrap_or("Standard"),
            &EXECUTION_MODES,
        )?,
        environment: owned("Environment"),
        external_storage_location: owned("ExternalStorageLocation"),
        resource_group_id: owned("ResourceGroupId"),
        created_at: now,
        modified_at: now,
    };
    if let Some(environment) = &flow.environment {
        json::check_object(environment).map_err(|fault| ApiError::invalid("Environment", fault))?;
    }
    for (name, text) in [
        ("Definition", &flow.definition),
        ("Description", &flow.description),
    ] {
        if text.contains('\0') {
            return Err(ApiError::invalid(name, "must not contain U+0000"));
        }
    }
    Ok(flow)
}

fn one_of(parameter: &str, value: &str, allowed: &[&str]) -> Result<String, ApiError> {
    match allowed.contains(&value) {
        true => Ok(value.to_owned()),
        false => Err(ApiError::invalid(
            parameter,
            format_args!("must be {}", allowed.join(" or ")),
        )),
    }
}

pub(super) async fn run(context: Context<'_>) -> Result<Answer, ApiError> {
    let flow = read(&context)?;
    let name = flow.name.clone();
    context.allow(Action::CreateFlow, &name)?;
    let flow = context
        .store
        .create_flow(flow, Some(context.caller.nonce()))
        .await?
        .map_err(|refusal| refused(refusal, &name, None))?;
    answer(&Response::from(&flow))
}
