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
    urls::{PageUrl, parse_name},
};
use crate::{
    model::{Name, Status},
    store::{ListExecutions, ListFlows, Store},
    text::ago,
    wire::error::ApiError,
};

/// Flows per page; each costs two reads.
const FLOWS_MAX: usize = 50;
/// Executions whose outcomes are shown per flow.
const STRIP_MAX: usize = 20;
/// Running executions that are counted; the page shows "99+" for more.
const COUNTED_MAX: usize = 99;

#[derive(Template)]
#[template(path = "flows.html", config = "src/ui/askama.toml")]
struct FlowsPage {
    layout: Layout,
    /// The text that names must contain.
    filter: String,
    flows: Vec<FlowRow>,
    running_glyph: &'static str,
    next: Option<PageUrl>,
    /// The key sees no flow at all, rather than none that matches the filter.
    empty: bool,
    host: String,
}

struct FlowRow {
    name: Name,
    strip: Vec<ExecutionDot>,
    last_start: String,
    last_start_at: String,
    running: String,
}

pub(super) async fn page(
    State(ui): State<Arc<Ui>>,
    signed_in: SignedIn,
    url: PageUrl,
    headers: axum::http::HeaderMap,
) -> Result<Response, PageError> {
    let filter = url.get("q").unwrap_or_default().to_owned();
    let from = url
        .get("at")
        .map(|at| parse_name("The place", at))
        .transpose()?;
    let list = ListFlows {
        from,
        limit: FLOWS_MAX,
        resource_group_id: None,
    };
    let wanted = filter.to_ascii_lowercase();
    let visible = |name: &Name| {
        signed_in.viewer.sees(name) && name.as_str().to_ascii_lowercase().contains(&wanted)
    };
    // A scan, because flows that the key may not see or that the filter leaves out are read as well.
    let permit = ui.limits.scans.acquire(&signed_in.context.client).await;
    let _permit = permit.ok_or_else(ApiError::throttled)?;
    let listed = ui.store.list_flows(list, &visible).await?;
    let mut flows = Vec::new();
    for flow in listed.items {
        flows.extend(row(&ui, flow.name).await?);
    }
    let host = headers
        .get("host")
        .and_then(|host| host.to_str().ok())
        .unwrap_or("127.0.0.1:8080");
    render(&FlowsPage {
        layout: signed_in.layout(),
        empty: flows.is_empty() && filter.is_empty() && url.get("at").is_none(),
        filter,
        flows,
        running_glyph: outcome(Status::Running).glyph,
        next: listed.next.map(|next| url.with("at", next)),
        host: host.to_owned(),
    })
}

/// Returns None if the flow was deleted since it was listed.
async fn row(ui: &Ui, flow: Name) -> Result<Option<FlowRow>, PageError> {
    let now = ui.clock.now();
    let list = |status, limit| ListExecutions {
        flow: flow.clone(),
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
    let newest = last.items.first().map(|execution| execution.started_at);
    Ok(Some(FlowRow {
        last_start: newest.map_or("never".to_owned(), |at| ago(at, now)),
        last_start_at: newest.map(|at| at.to_string()).unwrap_or_default(),
        strip: last
            .items
            .iter()
            .rev()
            .map(|e| ExecutionDot::new(e, now))
            .collect(),
        running: match (running.items.len(), running.next) {
            (0, _) => String::new(),
            (many, None) => many.to_string(),
            (many, Some(_)) => format!("{many}+"),
        },
        name: flow,
    }))
}
