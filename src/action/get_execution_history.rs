//! `GetExecutionHistory` of the CloudFlow API reference: a page of the events of an execution, by EventId.
//!
//! `Reverse`, `EventTypes`, `StepName` and `WaitTimeSeconds` are ours; no SDK sends them by itself.

use super::{Action, Answer, ApiError, Context, LongPoll, refused};
use crate::{
    model::{
        Name,
        event::{STEP_NAME_MAX_CHARS, TYPES_RULE, parse_types},
    },
    store::{HISTORY_LIMIT_DEFAULT, HISTORY_LIMIT_MAX, HistoryQuery},
};

struct Params {
    flow_name: Name,
    execution_name: Name,
    query: HistoryQuery,
}

impl Params {
    fn read(context: &Context<'_>) -> Result<Self, ApiError> {
        let params = context.params;
        let flow_name = context.name("FlowName")?;
        let execution_name = context.execution_name()?;
        let reverse = params.boolean("Reverse")?;
        let limit = params
            .integer("Limit", 1..=HISTORY_LIMIT_MAX)?
            .unwrap_or(HISTORY_LIMIT_DEFAULT);
        let types = params.optional("EventTypes").map(|types| {
            parse_types(types).ok_or_else(|| ApiError::invalid("EventTypes", TYPES_RULE))
        });
        let query = HistoryQuery {
            from: params.integer("NextToken", 1..=i64::MAX)?,
            limit,
            reverse,
            types: types.transpose()?,
            step: params
                .short("StepName", STEP_NAME_MAX_CHARS)?
                .map(str::to_owned),
        };
        Ok(Params {
            flow_name,
            execution_name,
            query,
        })
    }
}

/// Answers `Events`, always present, and `NextToken`, absent when nothing follows. With `WaitTimeSeconds` it is a
/// long poll: a query that begins beyond the end of a running execution waits for the next append.
pub(super) async fn run(context: Context<'_>) -> Result<Answer, ApiError> {
    let Params {
        flow_name,
        execution_name,
        query,
    } = Params::read(&context)?;
    let mut poll = LongPoll::read(&context, Action::GetExecutionHistory, &flow_name)?;
    context.allow(Action::GetExecutionHistory, &flow_name)?;
    // Subscribes before it reads, so that no append between the two is missed. Backwards there is nothing to
    // wait for.
    let mut subscription = (poll.waits() && !query.reverse)
        .then(|| context.store.subscribe(&flow_name, &execution_name));
    let mut limiter = if query.filters() {
        &context.limits.scans
    } else {
        &context.limits.reads
    };
    loop {
        let permit = context.permit(limiter).await?;
        let page = context
            .store
            .get_execution_history(&flow_name, &execution_name, &query)
            .await?
            .map_err(|refusal| refused(refusal, &flow_name, Some(&execution_name)))?;
        drop(permit); // a parked call holds none
        let beyond_end = page.running && query.from.unwrap_or(1) > page.last_event_id;
        let parked = match &mut subscription {
            Some(subscription) if beyond_end => poll.park(subscription.changed()).await?,
            _ => false,
        };
        if !parked {
            return Ok(Answer::list("Events", &page.json, page.next));
        }
        limiter = &context.limits.reads; // few events arrive during one long poll, so it is no scan any more
    }
}
