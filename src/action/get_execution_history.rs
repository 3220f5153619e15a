//! `GetExecutionHistory` of the CloudFlow API reference: the events of an execution, a page at a time, by
//! EventId.
//!
//! `Reverse`, `EventTypes`, `StepName` and `WaitTimeSeconds` are ours; no SDK sends them by itself.

use serde::Deserialize;
use tokio::time::Instant;

use super::{Action, Answer, ApiError, Context, refused};
use crate::{
    model::{Cursor, Name},
    store::{Page, exceeds_page},
};

/// Events looked at for one page when a filter is given: bounds its cost where few match.
const FILTER_WINDOW: i64 = 10_000;

struct Params {
    flow_name: Name,
    execution_name: Name,
    /// The EventId with which the page begins, inclusive.
    token: Option<i64>,
    limit: i64,
    reverse: bool,
    filter: Filter,
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
            token: params.integer("NextToken", 1..=i64::MAX)?,
            limit,
            reverse,
            filter: Filter {
                types,
                step: params.optional("StepName").map(str::to_owned),
            },
            deadline: context.deadline()?.filter(|_| !reverse), // backwards there is nothing to wait for
        })
    }
}

/// Which events are wanted.
struct Filter {
    types: Option<Vec<String>>,
    step: Option<String>,
}

impl Filter {
    fn is_empty(&self) -> bool {
        self.types.is_none() && self.step.is_none()
    }

    fn wants(&self, json: &str) -> bool {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Event {
            #[serde(rename = "Type")]
            event_type: String,
            step_name: String,
        }
        if self.is_empty() {
            return true;
        }
        let Ok(event) = serde_json::from_str::<Event>(json) else {
            return false;
        };
        self.types
            .as_ref()
            .is_none_or(|types| types.contains(&event.event_type))
            && self
                .step
                .as_ref()
                .is_none_or(|step| *step == event.step_name)
    }
}

/// `Events`, always there, and `NextToken`, absent when nothing follows.
pub(super) async fn run(context: Context<'_>) -> Result<Answer, ApiError> {
    let params = Params::read(&context)?;
    context.allow(Action::GetExecutionHistory, &params.flow_name)?;
    if params.reverse || !params.filter.is_empty() {
        return chosen(&context, &params).await;
    }
    let cursor = Cursor::new(params.token.unwrap_or(1), params.limit);
    let page = read(&context, &params, cursor).await?;
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

/// Backwards, or only what the filter wants: reads whole pages, which are verified, and picks from them.
async fn chosen(context: &Context<'_>, params: &Params) -> Result<Answer, ApiError> {
    let mut at = match (params.token, params.reverse) {
        (Some(token), false) => token,
        (None, false) => 1,
        // Events beyond the end are none; the last one begins.
        (token, true) => {
            let end = read(context, params, Cursor::new(i64::MAX, 1)).await?;
            token.unwrap_or(i64::MAX).min(end.last_event_id)
        }
    };
    // Without a filter each event counts, so no more need be read than are wanted.
    let mut span = if params.filter.is_empty() {
        params.limit
    } else {
        Cursor::LIMIT_MAX
    };
    let (mut events, mut found, mut seen) = (String::new(), 0, 0);
    loop {
        let cursor = cursor_at(at, span, params.reverse);
        let page = read(context, params, cursor).await?;
        let count = i64::try_from(page.ends.len()).unwrap_or(i64::MAX);
        if params.reverse && cursor.first() + count <= at {
            span = (span / 2).max(1); // too many bytes: the page ended before the event to begin with
            continue;
        }
        let mut each = page.each();
        if params.reverse {
            each.reverse();
        }
        let mut full = false;
        for json in each {
            full = found == params.limit || (found > 0 && exceeds_page(events.len() + json.len()));
            if full {
                break;
            }
            if params.filter.wants(json) {
                if found > 0 {
                    events.push(',');
                }
                events.push_str(json);
                found += 1;
            }
            at += if params.reverse { -1 } else { 1 };
            seen += 1;
        }
        full |= found == params.limit || seen >= FILTER_WINDOW;
        let more = if params.reverse {
            at >= 1
        } else {
            at <= page.last_event_id
        };
        if full || !more {
            return Ok(Answer::list("Events", &events, more.then_some(at)));
        }
    }
}

/// The events of which `at` is the first that is wanted.
fn cursor_at(at: i64, span: i64, reverse: bool) -> Cursor {
    match reverse {
        false => Cursor::new(at, span),
        true => {
            let first = (at - span + 1).max(1);
            Cursor::new(first, at - first + 1)
        }
    }
}
