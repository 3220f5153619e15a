//! `StopExecution` of the CloudFlow API reference: ends an execution with an `ExecutionStopped` event that holds the
//! caller's reason. The engine notices when its next append is refused.

use serde::Serialize;

use super::{Action, Answer, ApiError, Context, answer, describe_execution::Response, refused};
use crate::{model::Name, store::StopExecution, wire::params};

/// Longest name of an error, in characters; the vendor's limit.
const ERROR_MAX_CHARS: usize = 128;
/// Longest explanation, in characters; the vendor's limit.
const CAUSE_MAX_CHARS: usize = 4096;

struct Params {
    flow_name: Name,
    execution_name: Name,
    detail: String,
}

/// Why an execution or a task ended, in the form of an EventDetail.
#[derive(Serialize)]
pub(super) struct Reason<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a str>,
}

impl<'a> Reason<'a> {
    /// Reads `Error` and `Cause`, both optional.
    pub(super) fn read(params: &'a params::Params<'_>) -> Result<Self, ApiError> {
        Ok(Reason {
            error: params.text("Error", ERROR_MAX_CHARS)?,
            cause: params.text("Cause", CAUSE_MAX_CHARS)?,
        })
    }

    pub(super) fn detail(&self) -> Result<String, ApiError> {
        serde_json::to_string(self).map_err(ApiError::internal)
    }
}

impl Params {
    fn read(context: &Context<'_>) -> Result<Self, ApiError> {
        Ok(Params {
            flow_name: context.name("FlowName")?,
            execution_name: context.execution_name()?,
            detail: Reason::read(context.params)?.detail()?,
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
