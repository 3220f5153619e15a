//! `StartExecution` of the CloudFlow API reference: creates an execution with its event 1. An external engine
//! runs it.

use super::{
    Action, Answer, ApiError, Context, EXECUTION_NAME, answer, describe_execution::Response,
    execution_name, refused,
};
use crate::{
    model::{Name, execution::INPUT_MAX_BYTES},
    store::StartExecution,
    wire::json,
};

struct Params {
    flow_name: Name,
    execution_name: Name,
    input: String,
}

impl Params {
    fn read(context: &Context<'_>) -> Result<Self, ApiError> {
        let params = context.params;
        let flow_name = context.name("FlowName")?;
        let execution_name = match params.optional(EXECUTION_NAME) {
            Some(text) => execution_name(text)?,
            None => execution_name(&format!("execution-{}", context.clock.uuid()))?,
        };
        let input = params.optional("Input").unwrap_or("{}");
        if input.len() > INPUT_MAX_BYTES {
            return Err(ApiError::invalid(
                "Input",
                format_args!("must be at most {INPUT_MAX_BYTES} bytes"),
            ));
        }
        json::check_object(input).map_err(|fault| ApiError::invalid("Input", fault))?;
        Ok(Params {
            flow_name,
            execution_name,
            input: input.to_owned(),
        })
    }
}

pub(super) async fn run(context: Context<'_>) -> Result<Answer, ApiError> {
    let Params {
        flow_name,
        execution_name,
        input,
    } = Params::read(&context)?;
    context.allow(Action::StartExecution, &flow_name)?;
    let start = StartExecution {
        flow: flow_name.clone(),
        name: execution_name.clone(),
        input,
        at: context.clock.now(),
    };
    let execution = context
        .store
        .start_execution(start, Some(context.caller.nonce()))
        .await?
        .map_err(|refusal| refused(refusal, &flow_name, Some(&execution_name)))?;
    answer(&Response::from(&execution))
}
