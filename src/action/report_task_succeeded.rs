//! `ReportTaskSucceeded` of the CloudFlow API reference: ends a submitted task with an output.

use serde::Serialize;

use super::{Action, Answer, ApiError, Context, answer, refused};
use crate::{
    model::{
        Name,
        event::{EVENT_DETAIL_MAX_BYTES, TASK_SUCCEEDED},
        task_token::TaskToken,
    },
    store::ReportTask,
    wire::json,
};

/// The EventId of the event that was appended.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Response {
    event_id: i64,
}

pub(super) async fn run(context: Context<'_>) -> Result<Answer, ApiError> {
    let output = context.params.required("Output")?;
    json::check_object(output).map_err(|fault| ApiError::invalid("Output", fault))?;
    let detail = format!("{{\"output\":{output}}}");
    if detail.len() > EVENT_DETAIL_MAX_BYTES {
        let most = EVENT_DETAIL_MAX_BYTES - (detail.len() - output.len());
        return Err(ApiError::invalid(
            "Output",
            format_args!("must be at most {most} bytes"),
        ));
    }
    report(context, Action::ReportTaskSucceeded, TASK_SUCCEEDED, detail).await
}

/// Appends the event that ends the task of `TaskToken`.
pub(super) async fn report(
    context: Context<'_>,
    action: Action,
    event_type: &'static str,
    detail: String,
) -> Result<Answer, ApiError> {
    let text = context.params.required("TaskToken")?;
    let unknown = || ApiError::invalid("TaskToken", "must be one that was answered");
    let token = TaskToken::verify(text, context.store.task_key()?).ok_or_else(unknown)?;
    let flow = Name::parse(&token.flow).ok_or_else(unknown)?;
    let execution = Name::parse_execution(&token.execution).ok_or_else(unknown)?;
    context.allow(action, &flow)?;
    let report = ReportTask {
        flow: flow.clone(),
        flow_id: token.flow_id,
        execution: execution.clone(),
        submitted: token.event_id,
        event_type,
        detail,
        at: context.clock.now(),
    };
    let event_id = context
        .store
        .report_task(report, Some(context.caller.nonce()))
        .await?
        .map_err(|refusal| refused(refusal, &flow, Some(&execution)))?;
    answer(&Response { event_id })
}
