//! `GetExecutionHistory` of the CloudFlow API reference: the events of an execution, a page at a time, by
//! EventId.
//!
//! `Reverse`, `EventTypes`, `StepName` and `WaitTimeSeconds` are ours; no SDK sends them by itself.

use tokio::time::Instant;

use super::{Action, Answer, ApiError, Context, refused};
use crate::{
    model::{Cursor, Name},
    store::{Page, Pick, picked},
};

struct Params {
    flow_name: Name,
    execution_name: Name,
    /// Begins with the EventId of the token, inclusive.
    pick: Pick,
    deadline: Option<Instant>,
}

impl Params {
    fn read(context: &Context<'_>) -> Result<Self, ApiError> {
        let params = context.params;
        let flow_name = context.name("FlowName")?;
        let execution_name = context.name("ExecutionName")?;
        let reverse = params.boolean("Reverse")?;
        let limit = params
            .integer("Limit", 1..=Cursor::LIMIT_MAX)?
            .unwrap_or(Cursor::LIMIT_DEFAULT);
        let types = params
            .optional("EventTypes")
            .map(|types| types.split(',').map(str::to_owned).collect());
        Ok(Params {
            flow_name,
            execution_name,
            pick: Pick {
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

/// `Events`, always there, and `NextToken`, absent when nothing follows.
pub(super) async fn run(context: Context<'_>) -> Result<Answer, ApiError> {
    let params = Params::read(&context)?;
    context.allow(Action::GetExecutionHistory, &params.flow_name)?;
    let cursor = Cursor::new(params.pick.from.unwrap_or(1), params.pick.limit);
    let page = if params.pick.chooses() {
        if params.deadline.is_some() {
            read(&context, &params, cursor).await?; // to wait for it
        }
        let (flow, execution) = (&params.flow_name, &params.execution_name);
        picked(context.store, flow, execution, &params.pick)
            .await?
            .map_err(|refusal| refused(refusal, flow, Some(execution)))?
    } else {
        read(&context, &params, cursor).await?
    };
    Ok(Answer::list("Events", &page.events, page.next))
}

/// Reads a page; beyond the end of a history that goes on, waits for it if it may.
async fn read(context: &Context<'_>, params: &Params, cursor: Cursor) -> Result<Page, ApiError> {
    let Params {
        flow_name,
        execution_name,
        ..
    } = params;
    let mut waits = params
        .deadline
        .map(|deadline| (deadline, context.store.changes(flow_name, execution_name)));
    loop {
        let page = context
            .store
            .get_execution_history(flow_name, execution_name, cursor)
            .await?
            .map_err(|refusal| refused(refusal, flow_name, Some(execution_name)))?;
        let beyond = page.running && cursor.first() > page.last_event_id;
        match waits.take_if(|_| beyond) {
            None => return Ok(page),
            Some((deadline, mut changes)) => {
                if context.happened(changes.grown(), deadline).await {
                    waits = Some((deadline, changes));
                } // else it is read once more: it may be gone
            }
        }
    }
}
