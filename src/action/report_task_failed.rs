//! `ReportTaskFailed` of the CloudFlow API reference: ends a submitted task with an error and its cause.

use super::{
    Action, Answer, ApiError, Context, report_task_succeeded::report, stop_execution::reason,
};
use crate::model::event::TASK_FAILED;

pub(super) async fn run(context: Context<'_>) -> Result<Answer, ApiError> {
    context.params.required("Error")?;
    let detail = reason(context.params)?.detail();
    report(context, Action::ReportTaskFailed, TASK_FAILED, detail).await
}
