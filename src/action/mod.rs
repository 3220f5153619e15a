//! The actions of the API. Each has one file, one variant of `Action` and one test file.
//!
//! `run` turns a verified call into one store call. It checks version, action, arguments, rights and existence, in
//! this order. The store's refusals get their error codes only here.

mod append_execution_events;
mod create_flow;
mod delete_flow;
mod describe_execution;
mod describe_flow;
mod get_execution_history;
mod list_executions;
mod list_flows;
mod list_schedules;
mod report_task_failed;
mod report_task_succeeded;
mod start_execution;
mod stop_execution;
mod update_flow;

pub use append_execution_events::read_events;

use std::{pin::pin, time::Duration};

use serde::{
    Deserialize, Serialize,
    de::value::{self, StrDeserializer},
};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use crate::{
    auth::{Authenticator, Caller, Role},
    clock::Clock,
    limits::{ClientId, Limiter, Limits, Permit},
    model::{Name, event::Batch},
    store::{self, Refusal, Store},
    wire::{
        VERSION,
        error::{ApiError, Code},
        params::Params,
        response::Answer,
    },
};

/// The parameter that names an execution.
const EXECUTION_NAME: &str = "ExecutionName";
/// Longest long poll, in seconds; the vendor's limit.
const WAIT_MAX_SECONDS: i64 = 60;

/// The actions that are served. The vendor's other actions belong to an engine: `ActionNotSupported`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Action {
    AppendExecutionEvents,
    CreateFlow,
    DeleteFlow,
    DescribeExecution,
    DescribeFlow,
    GetExecutionHistory,
    ListExecutions,
    ListFlows,
    ListSchedules,
    ReportTaskFailed,
    ReportTaskSucceeded,
    StartExecution,
    StopExecution,
    UpdateFlow,
}

impl Action {
    /// Returns the action of this name, spelled as in the API reference.
    pub fn parse(name: &str) -> Option<Self> {
        Action::deserialize(StrDeserializer::<value::Error>::new(name)).ok()
    }

    /// Returns the lowest role that may call the action. An action that a reader may not call is a write.
    pub fn role(self) -> Role {
        match self {
            Action::DescribeExecution
            | Action::DescribeFlow
            | Action::GetExecutionHistory
            | Action::ListExecutions
            | Action::ListFlows
            | Action::ListSchedules => Role::Reader,
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

/// Everything an action needs.
#[derive(Clone)]
pub struct Context<'a> {
    pub caller: &'a Caller,
    /// Checks the keys of long polls again.
    pub authenticator: &'a Authenticator,
    pub params: &'a Params<'a>,
    pub store: &'a dyn Store,
    pub clock: &'a Clock,
    pub limits: &'a Limits,
    /// Who is charged for permits.
    pub client: &'a ClientId,
    /// Turns true when the server shuts down, which ends all long polls.
    pub stopping: watch::Receiver<bool>,
    /// Turns true when the client closes its side of the connection, which ends its long poll: it may be gone.
    pub half_closed: watch::Receiver<bool>,
}

/// Runs the action that the caller signed.
///
/// # Errors
///
/// The code of the first check that fails, or of the store's refusal.
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
        Action::ListSchedules => list_schedules::run(context).await,
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
        allow(self.caller.is(action.role()))
    }

    /// Refuses a caller whose role is below the action's, or whose key does not let it see the flow.
    fn allow(&self, action: Action, flow: &Name) -> Result<(), ApiError> {
        allow(self.caller.is(action.role()) && self.caller.sees(flow))
    }

    /// Waits for a permit (backpressure), for as long as the limiter lets a request queue.
    async fn permit(&self, limiter: &Limiter) -> Result<Permit, ApiError> {
        let permit = limiter.acquire(self.client).await;
        permit.ok_or_else(ApiError::throttled)
    }

    /// Refuses the call if the flow does not exist.
    async fn require_flow(&self, flow: &Name) -> Result<(), ApiError> {
        let _permit = self.permit(&self.limits.reads).await?;
        let found = self.store.describe_flow(flow).await?;
        found
            .map(drop)
            .map_err(|refusal| refused(refusal, flow, None))
    }

    fn name(&self, parameter: &str) -> Result<Name, ApiError> {
        name(parameter, self.params.required(parameter)?)
    }

    fn execution_name(&self) -> Result<Name, ApiError> {
        execution_name(self.params.required(EXECUTION_NAME)?)
    }
}

fn allow(allowed: bool) -> Result<(), ApiError> {
    let denied = || ApiError::new(Code::AccessDenied, &[]);
    allowed.then_some(()).ok_or_else(denied)
}

/// A long poll: a call that waits for a change in a flow instead of answering at once.
struct LongPoll<'a> {
    context: &'a Context<'a>,
    action: Action,
    flow: &'a Name,
    /// `None` if the call does not wait, or no longer does.
    deadline: Option<Instant>,
    /// Taken when the call parks for the first time, and kept to its end.
    permit: Option<Permit>,
}

impl<'a> LongPoll<'a> {
    /// Reads `WaitTimeSeconds`. The time counts from now.
    fn read(context: &'a Context<'a>, action: Action, flow: &'a Name) -> Result<Self, ApiError> {
        let seconds = context
            .params
            .integer("WaitTimeSeconds", 0..=WAIT_MAX_SECONDS)?
            .unwrap_or(0);
        let wait = Duration::from_secs(seconds.unsigned_abs());
        Ok(LongPoll {
            context,
            action,
            flow,
            deadline: (seconds > 0).then(|| Instant::now() + wait),
            permit: None,
        })
    }

    /// Returns whether the call waits, and has time left.
    fn waits(&self) -> bool {
        self.deadline.is_some()
    }

    /// Parks the call until `changed` completes, its time is over, the client closes its side or the server shuts
    /// down, and checks its key again. Returns true if the caller must read again, and false if the call does not
    /// wait (any more).
    async fn park(&mut self, changed: impl Future<Output = ()>) -> Result<bool, ApiError> {
        let Some(deadline) = self.deadline else {
            return Ok(false);
        };
        if self.permit.is_none() {
            let permit = self.context.limits.waits.try_acquire(self.context.client);
            self.permit = Some(permit.ok_or_else(ApiError::throttled)?);
        }
        let mut stopping = self.context.stopping.clone();
        let mut half_closed = self.context.half_closed.clone();
        let mut keys = self.context.authenticator.replacements();
        let mut changed = pin!(changed);
        self.check_key()?; // the keys may have been replaced before the call parks
        loop {
            let keys_replaced = tokio::select! {
                () = &mut changed => false,
                () = sleep_until(deadline) => {
                    self.deadline = None;
                    false
                }
                _ = stopping.wait_for(|stopping| *stopping) => {
                    self.deadline = None;
                    false
                }
                _ = half_closed.wait_for(|half_closed| *half_closed) => {
                    self.deadline = None;
                    false
                }
                Ok(()) = keys.changed() => true,
            };
            self.check_key()?;
            if !keys_replaced {
                return Ok(true);
            }
        }
    }

    /// Refuses the call if its key was revoked since it was signed.
    fn check_key(&self) -> Result<(), ApiError> {
        let now = self.context.clock.now();
        let caller = self.context.authenticator.renew(self.context.caller, now)?;
        allow(caller.is(self.action.role()) && caller.sees(self.flow))
    }
}

fn name(parameter: &str, text: &str) -> Result<Name, ApiError> {
    Name::parse(text).ok_or_else(|| ApiError::invalid(parameter, Name::RULE))
}

fn execution_name(text: &str) -> Result<Name, ApiError> {
    Name::parse_execution(text)
        .ok_or_else(|| ApiError::invalid(EXECUTION_NAME, Name::EXECUTION_RULE))
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

/// Returns the error of a refusal. `execution` is `None` for actions whose refusals name none.
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
        Refusal::SignedTooEarly(until) => {
            let used = ApiError::new(Code::SignatureNonceUsed, &[]);
            ApiError {
                message: format!(
                    "{} Or it may have been: writes signed until {until} are refused, because the server's \
                     clock was set back or its database was restored. Sign again with a later time.",
                    used.message
                ),
                ..used
            }
        }
    }
}
