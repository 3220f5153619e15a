//! `CreateFlow` of the CloudFlow API reference: stores a name and a definition, which an external engine runs.

use super::{Action, Answer, ApiError, Context, answer, describe_flow::Response, refused};
use crate::{
    model::Flow,
    wire::{json, params::Params},
};

/// Kinds of definitions: the vendor's flow definition language, and what Terraform's provider may name instead.
const TYPES: [&str; 2] = ["FDL", "DEFAULT"];
const EXECUTION_MODES: [&str; 2] = ["Standard", "Express"];

/// The parameters are the fields of the flow.
fn read(context: &Context<'_>) -> Result<Flow, ApiError> {
    let params = context.params;
    let now = context.clock.now();
    params.required("Definition")?;
    let texts = Texts::read(params)?;
    let mode = params.optional("ExecutionMode").unwrap_or("Standard");
    let owned = |name| {
        let text = params.plain(name)?.filter(|text| !text.is_empty());
        Ok::<_, ApiError>(text.map(str::to_owned))
    };
    Ok(Flow {
        id: context.clock.uuid().to_string(),
        name: context.name("Name")?,
        definition: texts.definition.unwrap_or_default(),
        description: texts.description.unwrap_or_default(),
        kind: texts.kind.ok_or_else(|| ApiError::missing("Type"))?,
        role_arn: texts.role_arn.filter(|arn| !arn.is_empty()),
        execution_mode: one_of("ExecutionMode", mode, &EXECUTION_MODES)?,
        environment: texts.environment,
        external_storage_location: owned("ExternalStorageLocation")?,
        resource_group_id: owned("ResourceGroupId")?,
        created_at: now,
        modified_at: now,
    })
}

/// The parameters that CreateFlow sets and UpdateFlow changes. An empty description or role is a value; any other
/// empty value counts as absent.
pub(super) struct Texts {
    pub(super) definition: Option<String>,
    pub(super) description: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) role_arn: Option<String>,
    pub(super) environment: Option<String>,
}

impl Texts {
    pub(super) fn read(params: &Params<'_>) -> Result<Self, ApiError> {
        let owned = |name| Ok::<_, ApiError>(params.plain(name)?.map(str::to_owned));
        let kind = params
            .optional("Type")
            .map(|kind| one_of("Type", kind, &TYPES));
        let environment = params.optional("Environment").map(|text| {
            let fault = |fault| ApiError::invalid("Environment", fault);
            json::check_object(text)
                .map_err(fault)
                .map(|()| text.to_owned())
        });
        Ok(Texts {
            definition: owned("Definition")?.filter(|text| !text.is_empty()),
            description: owned("Description")?,
            kind: kind.transpose()?,
            role_arn: owned("RoleArn")?,
            environment: environment.transpose()?,
        })
    }
}

fn one_of(parameter: &str, value: &str, allowed: &[&str]) -> Result<String, ApiError> {
    if allowed.contains(&value) {
        return Ok(value.to_owned());
    }
    Err(ApiError::invalid(
        parameter,
        format_args!("must be {}", allowed.join(" or ")),
    ))
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
