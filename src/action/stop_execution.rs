//! `StopExecution` of the CloudFlow API reference: ends an execution with an `ExecutionStopped` event that holds the
//! caller's reason. The engine notices when its next append is refused.

use super::{Action, Answer, ApiError, Context, answer, describe_execution::Response, refused};
use crate::{
    model::{
        Name,
        reason::{CAUSE_MAX_CHARS, ERROR_MAX_CHARS, Reason},
    },
    store::StopExecution,
    wire::params,
};

struct Params {
    flow_name: Name,
    execution_name: Name,
    detail: String,
}

/// Reads `Error` and `Cause`, both optional.
pub(super) fn reason<'a>(params: &'a params::Params<'_>) -> Result<Reason<'a>, ApiError> {
    Ok(Reason {
        error: params.text("Error", ERROR_MAX_CHARS)?,
        cause: params.text("Cause", CAUSE_MAX_CHARS)?,
    })
}

impl Params {
    fn read(context: &Context<'_>) -> Result<Self, ApiError> {
        Ok(Params {
            flow_name: context.name("FlowName")?,
            execution_name: context.execution_name()?,
            detail: reason(context.params)?.detail(),
        })
    }
}

pub(super) async fn run(context: Context<'_>) -> Result<Answer, ApiError> {
    let Params {
        flow_name,
        execution_name,
        detail,
    } = Params::read(&context)?;
    context.allow(Action::StopExecution, &flow_name)?;
    let stop = StopExecution {
        flow: flow_name.clone(),
        execution: execution_name.clone(),
        detail,
        at: context.clock.now(),
    };
    let execution = context
        .store
        .stop_execution(stop, Some(context.caller.nonce()))
        .await?
        .map_err(|refusal| refused(refusal, &flow_name, Some(&execution_name)))?;
    // The stop is committed, so a failure to read the flow must not fail the answer.
    let flow = context.store.describe_flow(&flow_name).await;
    let role_arn = flow
        .ok()
        .and_then(Result::ok)
        .and_then(|flow| flow.role_arn);
    answer(&Response::from(&execution).with_role(role_arn.as_deref()))
}
