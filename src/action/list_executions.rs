//! `ListExecutions` of the CloudFlow API reference: the executions of a flow, newest first, by keyset pagination.

use serde::Serialize;

use super::{Action, Answer, ApiError, Context, answer, describe_execution, refused};
use crate::{
    model::{Timestamp, name::NAME_MAX_CHARS},
    store::{ListExecutions, Position},
};

/// Executions of one page: the vendor's limit and default.
const LIMIT_MAX: i64 = 100;
const LIMIT_DEFAULT: i64 = 60;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Response<'a> {
    executions: Vec<describe_execution::Response<'a>>,
    /// The key with which the next page begins: start time and number of an execution. Even a short page may
    /// have a next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

fn read(context: &Context<'_>) -> Result<ListExecutions, ApiError> {
    let params = context.params;
    let time = |name| {
        let time = params.optional(name).map(|text| {
            Timestamp::parse(text).ok_or_else(|| ApiError::invalid(name, Timestamp::RULE))
        });
        time.transpose()
    };
    let limit = params
        .integer("Limit", 1..=LIMIT_MAX)?
        .unwrap_or(LIMIT_DEFAULT);
    let token = params.optional("NextToken").map(|token| {
        Position::parse(token)
            .ok_or_else(|| ApiError::invalid("NextToken", "must be one that was answered"))
    });
    Ok(ListExecutions {
        flow: context.name("FlowName")?,
        from: token.transpose()?,
        limit: usize::try_from(limit).unwrap_or_default(),
        status: params.optional("Status").map(status).transpose()?,
        started_from: time("StartedTimeBegin")?,
        started_to: time("StartedTimeEnd")?,
        prefix: params
            .text("ExecutionNamePrefix", NAME_MAX_CHARS)?
            .map(str::to_owned),
        metadata_only: params.boolean("MetadataOnly")?,
    })
}

/// Whether the call filters by something that no execution here has: the map run that started it, or the version or
/// alias of the flow.
fn selects_none(context: &Context<'_>) -> Result<bool, ApiError> {
    let filter = |name| context.params.short(name, NAME_MAX_CHARS);
    Ok(filter("MapRunName")?.is_some() | filter("Qualifier")?.is_some())
}

/// Checks that `text` is one of the vendor's statuses. `Starting` is valid, though no execution here has it.
fn status(text: &str) -> Result<&'static str, ApiError> {
    const STATUSES: [&str; 6] = [
        "Starting",
        "Running",
        "Stopped",
        "Succeeded",
        "Failed",
        "TimedOut",
    ];
    let known = STATUSES.into_iter().find(|status| *status == text);
    known.ok_or_else(|| {
        ApiError::invalid(
            "Status",
            format_args!("must be one of {}", STATUSES.join(", ")),
        )
    })
}

pub(super) async fn run(context: Context<'_>) -> Result<Answer, ApiError> {
    let list = read(&context)?;
    let flow = list.flow.clone();
    let metadata_only = list.metadata_only;
    let selects_none = selects_none(&context)?;
    context.allow(Action::ListExecutions, &flow)?;
    if selects_none {
        context.require_flow(&flow).await?;
        return answer(&Response {
            executions: Vec::new(),
            next_token: None,
        });
    }
    // A prefix that few names have makes it a scan; status and start time have indexes.
    let _permit = match list.prefix {
        Some(_) => context.permit(&context.limits.scans).await?,
        None => context.permit(&context.limits.reads).await?,
    };
    let listed = context
        .store
        .list_executions(list)
        .await?
        .map_err(|refusal| refused(refusal, &flow, None))?;
    let executions = listed.items.iter().map(|execution| {
        let response = describe_execution::Response::from(execution);
        if metadata_only {
            response.without_texts()
        } else {
            response
        }
    });
    answer(&Response {
        executions: executions.collect(),
        next_token: listed.next.map(|next| next.to_string()),
    })
}
