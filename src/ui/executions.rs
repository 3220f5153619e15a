//! `/ui/flows/F`: executions of a flow, the newest first, and how long they took.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, State},
    response::Response,
};

use super::{
    Ui,
    address::Address,
    fault::Fault,
    frame::{Layout, page as rendered},
    outcome::{Outcome, outcome},
    scatter::Scatter,
    session::Visitor,
};
use crate::{
    model::{Execution, Flow, Name, Status, Timestamp, name::NAME_MAX_CHARS},
    store::{ListExecutions, Position},
    text::{ago, date_time, duration},
    wire::error::{ApiError, shortened},
};

/// Executions of one page.
const ROWS_MAX: usize = 50;
/// Executions in the picture above them.
const DOTS_MAX: usize = 200;

/// An execution as a mark that leads to it.
pub(super) struct Dot {
    pub flow: Name,
    pub name: Name,
    pub outcome: Outcome,
    pub started_at: Timestamp,
    /// Until now if it is running, in milliseconds.
    pub millis: u64,
    pub took: String,
}

impl Dot {
    pub fn of(execution: &Execution, now: Timestamp) -> Self {
        let end = execution.stopped_at.unwrap_or(now);
        let millis = end.max(execution.started_at).distance(execution.started_at);
        Dot {
            flow: execution.flow.clone(),
            name: execution.name.clone(),
            outcome: outcome(execution.status),
            started_at: execution.started_at,
            millis,
            took: duration(millis),
        }
    }
}

struct Row {
    dot: Dot,
    started: String,
    started_ago: String,
}

#[derive(Template)]
#[template(path = "executions.html", config = "src/ui/askama.toml")]
struct ExecutionsPage {
    layout: Layout,
    flow: Flow,
    rows: Vec<Row>,
    scatter: Option<Scatter>,
    statuses: Vec<Choice>,
    prefix: String,
    from: String,
    to: String,
    filtered: bool,
    first: Option<Address>,
    next: Option<Address>,
    modified: String,
}

/// A choice of a list, and whether it is the present one.
pub(super) struct Choice {
    pub value: &'static str,
    pub word: &'static str,
    pub chosen: bool,
}

pub(super) async fn page(
    State(ui): State<Arc<Ui>>,
    visitor: Visitor,
    Path(flow): Path<String>,
    address: Address,
) -> Result<Response, Fault> {
    let flow = visitor.flow(&flow)?;
    let list = asked(&flow, &address)?;
    let refused = |refusal| Fault::refused(&refusal, &flow, None);
    let _permit = ui.read(&visitor.visit.client).await?;
    let described = ui.store.describe_flow(&flow).await?.map_err(refused)?;
    let dots = ListExecutions {
        limit: DOTS_MAX,
        ..list.clone()
    };
    let dots = ui.store.list_executions(dots).await?.map_err(refused)?;
    let listed = ui.store.list_executions(list).await?.map_err(refused)?;
    let now = ui.clock.now();
    let row = |execution: &Execution| Row {
        started: date_time(execution.started_at),
        started_ago: ago(execution.started_at, now),
        dot: Dot::of(execution, now),
    };
    let text = |name| address.get(name).unwrap_or_default().to_owned();
    let place = |at: Position| address.with("at", at);
    rendered(&ExecutionsPage {
        layout: visitor.layout(),
        rows: listed.items.iter().map(row).collect(),
        scatter: Scatter::of(dots.items.iter().map(|e| Dot::of(e, now)).collect()),
        statuses: statuses(address.get("status")),
        prefix: text("prefix"),
        from: text("from"),
        to: text("to"),
        filtered: address.without(&["at"]).to_string().contains('?'),
        first: address.get("at").map(|_| address.without(&["at"])),
        next: listed.next.map(place),
        modified: date_time(described.modified_at),
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

/// The list that the address asks for.
fn asked(flow: &Name, address: &Address) -> Result<ListExecutions, Fault> {
    let time = |name| {
        let time = address
            .get(name)
            .map(|text| time(text).ok_or_else(|| ApiError::invalid(name, Timestamp::RULE)));
        time.transpose()
    };
    let status = address.get("status").map(|text| {
        Status::parse(text).ok_or_else(|| ApiError::invalid("status", "must be one that there is"))
    });
    let from = address.get("at").map(|text| {
        Position::parse(text).ok_or_else(|| ApiError::invalid("at", "must be one that was linked"))
    });
    Ok(ListExecutions {
        flow: flow.clone(),
        from: from.transpose()?,
        limit: ROWS_MAX,
        status: status.transpose()?.map(Status::as_str),
        started_from: time("from")?,
        started_to: time("to")?,
        prefix: address
            .get("prefix")
            .map(|prefix| shortened(prefix, NAME_MAX_CHARS).to_owned()),
        metadata_only: true,
    })
}

/// As RFC 3339, or as a form sends it, to the minute or the second, in UTC.
fn time(text: &str) -> Option<Timestamp> {
    Timestamp::parse(text)
        .or_else(|| Timestamp::parse(&format!("{text}Z")))
        .or_else(|| Timestamp::parse(&format!("{text}:00Z")))
}
