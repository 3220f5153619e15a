//! `GetExecutionHistory` of the CloudFlow API reference: the events of an execution, a page at a time, by
//! EventId.
//!
//! `Reverse`, `EventTypes`, `StepName` and `WaitTimeSeconds` are ours; no SDK sends them by itself.

use tokio::time::Instant;

use super::{Action, Answer, ApiError, Context, refused};
use crate::{
    model::Name,
    store::{HISTORY_LIMIT_DEFAULT, HISTORY_LIMIT_MAX, HistoryQuery},
};

struct Params {
    flow_name: Name,
    execution_name: Name,
    /// Begins with the EventId of the token, inclusive.
    query: HistoryQuery,
    deadline: Option<Instant>,
}

impl Params {
    fn read(context: &Context<'_>) -> Result<Self, ApiError> {
        let params = context.params;
        let flow_name = context.name("FlowName")?;
        let execution_name = context.name("ExecutionName")?;
        let reverse = params.boolean("Reverse")?;
        let limit = params
            .integer("Limit", 1..=HISTORY_LIMIT_MAX)?
            .unwrap_or(HISTORY_LIMIT_DEFAULT);
        let types = params
            .optional("EventTypes")
            .map(|types| types.split(',').map(str::to_owned).collect());
        Ok(Params {
            flow_name,
            execution_name,
            query: HistoryQuery {
                from: params.integer("NextToken", 1..=i64::MAX)?,
                limit,
                reverse,
                types,
                step: params.optional("StepName").map(str::to_owned),
            },
            deadline: context.deadline()?.filter(|_| !reverse), // backwards there is nothing to wait for
        })
    }
}

/// Answers `Events`, always present, and `NextToken`, absent when nothing follows. With `WaitTimeSeconds` it is a
/// long poll: a query that begins beyond the end of a running execution waits for the next append.
pub(super) async fn run(context: Context<'_>) -> Result<Answer, ApiError> {
    let params = Params::read(&context)?;
    let (flow, execution, query) = (&params.flow_name, &params.execution_name, &params.query);
    context.allow(Action::GetExecutionHistory, flow)?;
    // Subscribes before it reads, so that no append between the two is missed.
    let mut wait = params
        .deadline
        .map(|deadline| (deadline, context.store.subscribe(flow, execution)));
    loop {
        let page = context
            .store
            .get_execution_history(flow, execution, query)
            .await?
            .map_err(|refusal| refused(refusal, flow, Some(execution)))?;
        let beyond_end = page.running && query.from.unwrap_or(1) > page.last_event_id;
        let Some((deadline, mut subscription)) = wait.take_if(|_| beyond_end) else {
            return Ok(Answer::list("Events", &page.json, page.next));
        };
        if context.happened(subscription.changed(), deadline).await {
            wait = Some((deadline, subscription));
        } // else it reads a last time: the flow may have been deleted meanwhile
    }
}
