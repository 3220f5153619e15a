//! `DescribeExecution` of the CloudFlow API reference: the status, input and output of an execution.

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::{Action, Answer, ApiError, Context, LongPoll, answer, describe_flow::raw, refused};
use crate::model::{Execution, Name, Status, Timestamp};

/// An execution in an answer. `Output` and `StoppedTime` of one without them are empty texts, as the vendor answers
/// them: typed SDKs read both without a check.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Response<'a> {
    flow_name: &'a Name,
    name: &'a Name,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flow_definition: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<&'a RawValue>,
    /// In answers of StopExecution only.
    #[serde(skip_serializing_if = "Option::is_none")]
    role_arn: Option<&'a str>,
    started_time: Timestamp,
    #[serde(serialize_with = "or_empty")]
    stopped_time: Option<Timestamp>,
}

fn or_empty<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => time.serialize(serializer),
        None => serializer.serialize_str(""),
    }
}

impl<'a> From<&'a Execution> for Response<'a> {
    fn from(execution: &'a Execution) -> Self {
        Response {
            flow_name: &execution.flow,
            name: &execution.name,
            status: execution.status,
            input: Some(&execution.input),
            output: Some(execution.output.as_deref().unwrap_or_default()),
            flow_definition: Some(&execution.definition),
            environment: raw(execution.environment.as_deref()),
            role_arn: None,
            started_time: execution.started_at,
            stopped_time: execution.stopped_at,
        }
    }
}

impl<'a> Response<'a> {
    pub(super) fn with_role(self, role_arn: Option<&'a str>) -> Self {
        Response { role_arn, ..self }
    }

    /// Leaves out the fields that may be large.
    pub(super) fn without_texts(self) -> Self {
        Response {
            input: None,
            output: None,
            flow_definition: None,
            ..self
        }
    }
}

/// With `WaitTimeSeconds` it is a long poll: it answers when the execution ends, or when the time is over.
pub(super) async fn run(context: Context<'_>) -> Result<Answer, ApiError> {
    let flow_name = context.name("FlowName")?;
    let execution_name = context.execution_name()?;
    let mut poll = LongPoll::read(&context, Action::DescribeExecution, &flow_name)?;
    context.allow(Action::DescribeExecution, &flow_name)?;
    // Subscribes before it reads, so that no end between the two is missed.
    let mut subscription = context.store.subscribe(&flow_name, &execution_name);
    loop {
        let permit = context.permit(&context.limits.reads).await?;
        let execution = context
            .store
            .describe_execution(&flow_name, &execution_name)
            .await?
            .map_err(|refusal| refused(refusal, &flow_name, Some(&execution_name)))?;
        drop(permit); // a parked call holds none
        if execution.status != Status::Running || !poll.park(subscription.ended()).await? {
            return answer(&Response::from(&execution));
        }
    }
}
