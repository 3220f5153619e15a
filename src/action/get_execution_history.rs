//! `GetExecutionHistory` of the CloudFlow API reference: the events of an execution, a page
//! at a time, by EventId.

use super::{Action, Answer, ApiError, Context, refused};
use crate::model::{Cursor, Name};

struct Params {
    flow_name: Name,
    execution_name: Name,
    cursor: Cursor,
}

impl Params {
    fn read(context: &Context<'_>) -> Result<Self, ApiError> {
        let params = context.params;
        let flow_name = context.name("FlowName")?;
        let execution_name = context.name("ExecutionName")?;
        let limit = params
            .integer("Limit", 1..=Cursor::LIMIT_MAX)?
            .unwrap_or(Cursor::LIMIT_DEFAULT);
        // The EventId with which the page begins, inclusive.
        let first = params.integer("NextToken", 1..=i64::MAX)?.unwrap_or(1);
        Ok(Params {
            flow_name,
            execution_name,
            cursor: Cursor::new(first, limit),
        })
    }
}

/// `Events`, always there, and `NextToken`, absent when nothing follows.
pub(super) async fn run(context: Context<'_>) -> Result<Answer, ApiError> {
    let Params {
        flow_name,
        execution_name,
        cursor,
    } = Params::read(&context)?;
    context.allow(Action::GetExecutionHistory, &flow_name)?;
    let page = context
        .store
        .get_execution_history(&flow_name, &execution_name, cursor)
        .await?
        .map_err(|refusal| refused(refusal, &flow_name, Some(&execution_name)))?;
    Ok(Answer::list("Events", &page.events, page.next))
}
