//! What callers can ask for: one file, one variant and one test file an Action.
//!
//! `run` is where a verified call becomes a store call: version, action, arguments, rights, existence, in
//! this order. It is also the one place that gives the store's outcomes their codes.

mod append_execution_events;
mod create_flow;
mod describe_execution;
mod describe_flow;
mod get_execution_history;
mod start_execution;

use serde::Serialize;

use crate::{
    auth::{Caller, Role},
    clock::Clock,
    model::{Name, event::Batch},
    store::{self, Refusal, Store},
    wire::{
        error::{ApiError, Code},
        params::Params,
        response::Answer,
    },
};

/// The API version that all clients name.
pub const VERSION: &str = "2019-03-15";

/// The actions that are served. The vendor's others belong to an orchestrator: `ActionNotSupported`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    AppendExecutionEvents,
    CreateFlow,
    DescribeExecution,
    DescribeFlow,
    GetExecutionHistory,
    StartExecution,
}

impl Action {
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "AppendExecutionEvents" => Action::AppendExecutionEvents,
            "CreateFlow" => Action::CreateFlow,
            "DescribeExecution" => Action::DescribeExecution,
            "DescribeFlow" => Action::DescribeFlow,
            "GetExecutionHistory" => Action::GetExecutionHistory,
            "StartExecution" => Action::StartExecution,
            _ => return None,
        })
    }

    /// The least role that may call it. What a reader may not call writes.
    pub fn role(self) -> Role {
        match self {
            Action::DescribeExecution | Action::DescribeFlow | Action::GetExecutionHistory => {
                Role::Reader
            }
            Action::AppendExecutionEvents | Action::CreateFlow | Action::StartExecution => {
                Role::Writer
            }
        }
    }
}

/// What an action works with.
pub struct Context<'a> {
    pub caller: &'a Caller,
    pub params: &'a Params<'a>,
    pub store: &'a dyn Store,
    pub clock: &'a Clock,
}

/// Runs the call that the caller signed.
pub async fn run(context: Context<'_>) -> Result<Answer, ApiError> {
    let caller = context.caller;
    if caller.version() != VERSION {
        return Err(ApiError::new(
            Code::ApiVersionNotSupported,
            &[&caller.version()],
        ));
    }
    let unknown = || ApiError::new(Code::ActionNotSupported, &[&caller.action()]);
    match Action::parse(caller.action()).ok_or_else(unknown)? {
        Action::AppendExecutionEvents => append_execution_events::run(context).await,
        Action::CreateFlow => create_flow::run(context).await,
        Action::DescribeExecution => describe_execution::run(context).await,
        Action::DescribeFlow => describe_flow::run(context).await,
        Action::GetExecutionHistory => get_execution_history::run(context).await,
        Action::StartExecution => start_execution::run(context).await,
    }
}

impl Context<'_> {
    /// Refuses a caller whose role is below the action's, or who may not see this flow.
    fn allow(&self, action: Action, flow: &Name) -> Result<(), ApiError> {
        if self.caller.may(action.role(), flow) {
            Ok(())
        } else {
            Err(ApiError::new(Code::AccessDenied, &[]))
        }
    }

    fn name(&self, parameter: &str) -> Result<Name, ApiError> {
        name(parameter, self.params.required(parameter)?)
    }
}

fn name(parameter: &str, text: &str) -> Result<Name, ApiError> {
    Name::parse(text).ok_or_else(|| ApiError::invalid(parameter, Name::RULE))
}

fn answer(response: &impl Serialize) -> Result<Answer, ApiError> {
    Answer::new(response).map_err(ApiError::internal)
}

impl From<store::Error> for ApiError {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Busy(_) => ApiError {
                source: Some(error.into()),
                ..ApiError::new(Code::ResourceThrottled, &[])
            },
            _ => ApiError::internal(error),
        }
    }
}

/// The code of a refusal; `execution` is empty where no refusal names one.
fn refused(refusal: Refusal, flow: &Name, execution: Option<&Name>) -> ApiError {
    let execution = execution.map_or("", Name::as_str);
    match refusal {
        Refusal::FlowNotExists => ApiError::new(Code::FlowNotExists, &[flow]),
        Refusal::FlowAlreadyExists => ApiError::new(Code::FlowAlreadyExists, &[flow]),
        Refusal::ExecutionNotExists => ApiError::new(Code::ExecutionNotExists, &[&execution, flow]),
        Refusal::ExecutionAlreadyExists => {
            ApiError::new(Code::ExecutionAlreadyExists, &[&execution, flow])
        }
        Refusal::ExecutionAlreadyCompleted => {
            ApiError::new(Code::ExecutionAlreadyCompleted, &[&execution, flow])
        }
        Refusal::Conflict { next_event_id } => ApiError::new(
            Code::ConcurrentUpdateError,
            &[&format_args!("The next EventId is {next_event_id}.")],
        ),
        Refusal::Misfit(index) => ApiError::invalid(
            &format!("Events[{index}].ScheduleEventId"),
            Batch::SCHEDULE_RULE,
        ),
        Refusal::NonceUsed => ApiError::new(Code::SignatureNonceUsed, &[]),
    }
}
