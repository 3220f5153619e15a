//! `UpdateFlow` of the CloudFlow API reference: changes the parameters that are sent. Executions keep the definition
//! with which they started.

use super::{
    Action, Answer, ApiError, Context, answer, create_flow::Texts, describe_flow::Response, refused,
};
use crate::store::FlowChange;

fn read(context: &Context<'_>) -> Result<FlowChange, ApiError> {
    let texts = Texts::read(context.params)?;
    Ok(FlowChange {
        name: context.name("Name")?,
        definition: texts.definition,
        description: texts.description,
        kind: texts.kind,
        role_arn: texts.role_arn,
        environment: texts.environment,
        at: context.clock.now(),
    })
}

pub(super) async fn run(context: Context<'_>) -> Result<Answer, ApiError> {
    let change = read(&context)?;
    let name = change.name.clone();
    context.allow(Action::UpdateFlow, &name)?;
    let flow = context
        .store
        .update_flow(change, Some(context.caller.nonce()))
        .await?
        .map_err(|refusal| refused(refusal, &name, None))?;
    answer(&Response::from(&flow))
}
