//! `/ui/flows/F`: the executions of a flow, newest first, by keyset pagination, with a scatter plot of durations.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, State},
    response::Response,
};

use super::{
    Ui,
    context::{Layout, render},
    error_page::PageError,
    outcome::{ExecutionDot, outcome},
    scatter::Scatter,
    sign_in::SignedIn,
    urls::PageUrl,
};
use crate::{
    model::{Execution, Flow, Name, Status, Timestamp, name::NAME_MAX_CHARS},
    store::{ListExecutions, Position},
    text::{ago, date_time},
    wire::error::{ApiError, shortened},
};

/// Executions per page.
const ROWS_MAX: usize = 50;
/// Executions in the scatter plot.
const DOTS_MAX: usize = 200;

struct ExecutionRow {
    dot: ExecutionDot,
    started: String,
    started_ago: String,
}

#[derive(Template)]
#[template(path = "executions.html", config = "src/ui/askama.toml")]
struct ExecutionsPage {
    layout: Layout,
    here: PageUrl,
    flow: Flow,
    rows: Vec<ExecutionRow>,
    scatter: Option<Scatter>,
    statuses: Vec<Choice>,
    prefix: String,
    from: String,
    to: String,
    filtered: bool,
    first: Option<PageUrl>,
    next: Option<PageUrl>,
    modified: String,
}

/// An option of the outcome filter.
pub(super) struct Choice {
    pub value: &'static str,
    pub word: &'static str,
    pub chosen: bool,
}

pub(super) async fn page(
    State(ui): State<Arc<Ui>>,
    signed_in: SignedIn,
    Path(flow): Path<String>,
    url: PageUrl,
) -> Result<Response, PageError> {
    let flow = signed_in.flow(&flow)?;
    let list = asked(&flow, &url)?;
    let refused = |refusal| PageError::from_refusal(&refusal, &flow, None);
    let _permit = ui.read(&signed_in.context.client).await?;
    let described = ui.store.describe_flow(&flow).await?.map_err(refused)?;
    let dots = ListExecutions {
        limit: DOTS_MAX,
        ..list.clone()
    };
    let dots = ui.store.list_executions(dots).await?.map_err(refused)?;
    let listed = ui.store.list_executions(list).await?.map_err(refused)?;
    let now = ui.clock.now();
    let row = |execution: &Execution| ExecutionRow {
        started: date_time(execution.started_at),
        started_ago: ago(execution.started_at, now),
        dot: ExecutionDot::new(execution, now),
    };
    let text = |name| url.get(name).unwrap_or_default().to_owned();
    let place = |at: Position| url.with("at", at);
    render(&ExecutionsPage {
        layout: signed_in.layout(),
        rows: listed.items.iter().map(row).collect(),
        scatter: Scatter::new(
            dots.items
                .iter()
                .map(|e| ExecutionDot::new(e, now))
                .collect(),
        ),
        statuses: statuses(url.get("status")),
        prefix: text("prefix"),
        from: text("from"),
        to: text("to"),
        filtered: url.without(&["at"]).to_string().contains('?'),
        first: url.get("at").map(|_| url.without(&["at"])),
        next: listed.next.map(place),
        modified: date_time(described.modified_at),
        here: url.clone(),
        flow: described,
    })
}

fn statuses(chosen: Option<&str>) -> Vec<Choice> {
    let any = Choice {
        value: "",
        word: "any outcome",
        chosen: chosen.is_none(),
    };
    let each = Status::ALL.into_iter().map(|status| Choice {
        value: status.as_str(),
        word: outcome(status).word,
        chosen: chosen == Some(status.as_str()),
    });
    std::iter::once(any).chain(each).collect()
}

/// Returns the query that the URL asks for.
fn asked(flow: &Name, url: &PageUrl) -> Result<ListExecutions, PageError> {
    let time = |name| {
        let time = url
            .get(name)
            .map(|text| time(text).ok_or_else(|| ApiError::invalid(name, Timestamp::RULE)));
        time.transpose()
    };
    let status = url.get("status").map(|text| {
        Status::parse(text).ok_or_else(|| ApiError::invalid("status", "must be one that there is"))
    });
    let from = url.get("at").map(|text| {
        Position::parse(text).ok_or_else(|| ApiError::invalid("at", "must be one that was linked"))
    });
    Ok(ListExecutions {
        flow: flow.clone(),
        from: from.transpose()?,
        limit: ROWS_MAX,
        status: status.transpose()?.map(Status::as_str),
        started_from: time("from")?,
        started_to: time("to")?,
        prefix: url
            .get("prefix")
            .map(|prefix| shortened(prefix, NAME_MAX_CHARS).to_owned()),
        metadata_only: true,
    })
}

/// Parses RFC 3339, or what `<input type=datetime-local>` sends: without a time zone, which is UTC here, and with
/// or without seconds.
fn time(text: &str) -> Option<Timestamp> {
    Timestamp::parse(text)
        .or_else(|| Timestamp::parse(&format!("{text}Z")))
        .or_else(|| Timestamp::parse(&format!("{text}:00Z")))
}
