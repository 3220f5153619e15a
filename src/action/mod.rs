//! What callers can ask for: one file, one variant and one test file an Action.
//!
//! `run` is where a verified call becomes a store call: version, action, arguments, rights, existence, in
//! this order. It is also the one place that gives the store's outcomes their codes.

mod append_execution_events;
mod create_flow;
mod delete_flow;
mod describe_execution;
mod describe_flow;
mod get_execution_history;
mod list_executions;
mod list_flows;
mod report_task_failed;
mod report_task_succeeded;
mod start_execution;
mod stop_execution;
mod update_flow;

pub use append_execution_events::read_events;

use std::time::Duration;

use serde::Serialize;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use crate::{
    auth::{Caller, Role},
    clock::Clock,
    model::{Name, event::Batch},
    store::{self, Refusal, Store},
    wire::{
        VERSION,
        error::{ApiError, Code},
        params::Params,
        response::Answer,
    },
};

/// Longest wait of a call that waits; the vendor's limit.
const WAIT_MAX_SECONDS: i64 = 60;

/// The actions that are served. The vendor's others belong to an orchestrator: `ActionNotSupported`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    AppendExecutionEvents,
    CreateFlow,
    DeleteFlow,
    DescribeExecution,
    DescribeFlow,
    GetExecutionHistory,
    ListExecutions,
    ListFlows,
    ReportTaskFailed,
    ReportTaskSucceeded,
    StartExecution,
    StopExecution,
    UpdateFlow,
}

impl Action {
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "AppendExecutionEvents" => Action::AppendExecutionEvents,
            "CreateFlow" => Action::CreateFlow,
            "DeleteFlow" => Action::DeleteFlow,
            "DescribeExecution" => Action::DescribeExecution,
            "DescribeFlow" => Action::DescribeFlow,
            "GetExecutionHistory" => Action::GetExecutionHistory,
            "ListExecutions" => Action::ListExecutions,
            "ListFlows" => Action::ListFlows,
            "ReportTaskFailed" => Action::ReportTaskFailed,
            "ReportTaskSucceeded" => Action::ReportTaskSucceeded,
            "StartExecution" => Action::StartExecution,
            "StopExecution" => Action::StopExecution,
            "UpdateFlow" => Action::UpdateFlow,
            _ => return None,
        })
    }

    /// The least role that may call it. What a reader may not call writes.
    pub fn role(self) -> Role {
        match self {
            Action::DescribeExecution
            | Action::DescribeFlow
            | Action::GetExecutionHistory
            | Action::ListExecutions
            | Action::ListFlows => Role::Reader,
            Action::AppendExecutionEvents
            | Action::CreateFlow
            | Action::ReportTaskFailed
            | Action::ReportTaskSucceeded
            | Action::StartExecution
            | Action::StopExecution
            | Action::UpdateFlow => Role::Writer,
            Action::DeleteFlow => Role::Admin,
        }
    }
}

/// What an action works with.
pub struct Context<'a> {
    pub caller: &'a Caller,
    pub params: &'a Params<'a>,
    pub store: &'a dyn Store,
    pub clock: &'a Clock,
    /// Turns true when the server stops: nobody waits on.
    pub stopping: watch::Receiver<bool>,
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
        Action::DeleteFlow => delete_flow::run(context).await,
        Action::DescribeExecution => describe_execution::run(context).await,
        Action::DescribeFlow => describe_flow::run(context).await,
        Action::GetExecutionHistory => get_execution_history::run(context).await,
        Action::ListExecutions => list_executions::run(context).await,
        Action::ListFlows => list_flows::run(context).await,
        Action::ReportTaskFailed => report_task_failed::run(context).await,
        Action::ReportTaskSucceeded => report_task_succeeded::run(context).await,
        Action::StartExecution => start_execution::run(context).await,
        Action::StopExecution => stop_execution::run(context).await,
        Action::UpdateFlow => update_flow::run(context).await,
    }
}

impl Context<'_> {
    /// Refuses a caller whose role is below the action's.
    fn allow_role(&self, action: Action) -> Result<(), ApiError> {
        let allowed = self.caller.is(action.role());
        allowed
            .then_some(())
            .ok_or_else(|| ApiError::new(Code::AccessDenied, &[]))
    }

    /// And one who may not see this flow.
    fn allow(&self, action: Action, flow: &Name) -> Result<(), ApiError> {
        self.allow_role(action)?;
        let allowed = self.caller.sees(flow);
        allowed
            .then_some(())
            .ok_or_else(|| ApiError::new(Code::AccessDenied, &[]))
    }

    /// When a call that waits has waited enough; None if it does not wait.
    fn deadline(&self) -> Result<Option<Instant>, ApiError> {
        let seconds = self
            .params
            .integer("WaitTimeSeconds", 0..=WAIT_MAX_SECONDS)?
            .unwrap_or(0);
        let wait = Duration::from_secs(seconds.unsigned_abs());
        Ok((seconds > 0).then(|| Instant::now() + wait))
    }

    /// Waits for something, until the deadline or a stop of the server; false if it did not happen.
    async fn happened(&self, something: impl Future<Output = ()>, deadline: Instant) -> bool {
        let mut stopping = self.stopping.clone();
        tokio::select! {
            () = something => true,
            () = sleep_until(deadline) => false,
            _ = stopping.wait_for(|stopping| *stopping) => false,
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
        Refusal::InvalidScheduleEventId(index) => ApiError::invalid(
            &format!("Events[{index}].ScheduleEventId"),
            Batch::SCHEDULE_RULE,
        ),
        Refusal::TaskAlreadyCompleted(task) => ApiError::new(Code::TaskAlreadyCompleted, &[&task]),
        Refusal::NonceUsed => ApiError::new(Code::SignatureNonceUsed, &[]),
    }
}
