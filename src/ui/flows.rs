//! `/ui/`: the flows that the key may see, each with the outcomes of its last executions.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};

use super::{
    Ui,
    context::{Layout, render},
    error_page::PageError,
    outcome::{ExecutionDot, outcome},
    sign_in::SignedIn,
    urls::PageUrl,
};
use crate::{
    model::{Name, Status, Timestamp},
    store::{FlowActivity, FlowOrder, FlowPosition, ListExecutions, ListFlowActivity, Store},
    text::ago,
    wire::error::ApiError,
};

/// Flows per page; each costs two more reads.
const FLOWS_MAX: usize = 50;
/// Executions whose outcomes are shown per flow.
const STRIP_MAX: usize = 20;
/// Running executions that are counted; the page shows "99+" for more.
const COUNTED_MAX: usize = 99;

#[derive(Template)]
#[template(path = "flows.html", config = "src/ui/askama.toml")]
struct FlowsPage {
    layout: Layout,
    here: PageUrl,
    /// The text that names must contain.
    filter: String,
    order: String,
    flows: Vec<FlowRow>,
    columns: [Column; 3],
    running_glyph: &'static str,
    next: Option<PageUrl>,
    /// The key sees no flow at all, rather than none that matches the filter.
    empty: bool,
    host: String,
}

/// The head of a column by which flows can be ordered.
struct Column {
    word: &'static str,
    link: PageUrl,
    chosen: bool,
    /// The value of `aria-sort` if it is chosen.
    direction: &'static str,
}

struct FlowRow {
    name: Name,
    strip: Vec<ExecutionDot>,
    last_start: Option<Moment>,
    last_failure: Option<(Moment, Name)>,
    running: String,
}

/// A time and how long ago it was.
struct Moment {
    at: Timestamp,
    ago: String,
}

impl Moment {
    fn new(at: Timestamp, now: Timestamp) -> Self {
        Moment {
            at,
            ago: ago(at, now),
        }
    }
}

pub(super) async fn page(
    State(ui): State<Arc<Ui>>,
    signed_in: SignedIn,
    url: PageUrl,
    headers: axum::http::HeaderMap,
) -> Result<Response, PageError> {
    let filter = url.get("q").unwrap_or_default().to_owned();
    let order = match url.get("order") {
        Some("start") => FlowOrder::LastStart,
        Some("failure") => FlowOrder::LastFailure,
        _ => FlowOrder::Name,
    };
    let from = url.get("at").map(|at| {
        let rule = "must be one that was linked";
        FlowPosition::parse(at).ok_or_else(|| ApiError::invalid("at", rule))
    });
    let list = ListFlowActivity {
        order,
        from: from.transpose()?,
        limit: FLOWS_MAX,
    };
    let wanted = filter.to_ascii_lowercase();
    let visible = |name: &Name| {
        signed_in.viewer.sees(name) && name.as_str().to_ascii_lowercase().contains(&wanted)
    };
    // A scan, because flows that the key may not see or that the filter leaves out are read as well.
    let permit = ui.limits.scans.acquire(&signed_in.context.client).await;
    let _permit = permit.ok_or_else(ApiError::throttled)?;
    let listed = ui.store.list_flow_activity(list, &visible).await?;
    let mut flows = Vec::new();
    for flow in listed.items {
        flows.extend(row(&ui, flow).await?);
    }
    let host = headers
        .get("host")
        .and_then(|host| host.to_str().ok())
        .unwrap_or("127.0.0.1:8080");
    render(&FlowsPage {
        layout: signed_in.layout(),
        order: url.get("order").unwrap_or_default().to_owned(),
        empty: flows.is_empty() && filter.is_empty() && url.get("at").is_none(),
        filter,
        flows,
        columns: columns(&url, order),
        running_glyph: outcome(Status::Running).glyph,
        next: listed.next.map(|next| url.with("at", next)),
        here: url,
        host: host.to_owned(),
    })
}

fn columns(url: &PageUrl, order: FlowOrder) -> [Column; 3] {
    let url = url.without(&["at", "order"]);
    [
        ("Flow", url.clone(), FlowOrder::Name, "ascending"),
        (
            "Last start",
            url.with("order", "start"),
            FlowOrder::LastStart,
            "descending",
        ),
        (
            "Last failure",
            url.with("order", "failure"),
            FlowOrder::LastFailure,
            "descending",
        ),
    ]
    .map(|(word, link, of, direction)| Column {
        word,
        link,
        chosen: order == of,
        direction,
    })
}

/// Returns None if the flow was deleted since it was listed.
async fn row(ui: &Ui, flow: FlowActivity) -> Result<Option<FlowRow>, PageError> {
    let now = ui.clock.now();
    let list = |status, limit| ListExecutions {
        flow: flow.name.clone(),
        from: None,
        limit,
        status,
        started_from: None,
        started_to: None,
        prefix: None,
        metadata_only: true,
    };
    let store: &dyn Store = &*ui.store;
    let Ok(last) = store.list_executions(list(None, STRIP_MAX)).await? else {
        return Ok(None);
    };
    let running = list(Some(Status::Running.as_str()), COUNTED_MAX);
    let Ok(running) = store.list_executions(running).await? else {
        return Ok(None);
    };
    let strip = last.items.iter().rev();
    Ok(Some(FlowRow {
        last_start: flow.last_start.map(|at| Moment::new(at, now)),
        last_failure: flow
            .last_failure
            .map(|failure| (Moment::new(failure.at, now), failure.execution)),
        strip: strip.map(|e| ExecutionDot::new(e, now)).collect(),
        running: match (running.items.len(), running.next) {
            (0, _) => String::new(),
            (many, None) => many.to_string(),
            (many, Some(_)) => format!("{many}+"),
        },
        name: flow.name,
    }))
}
