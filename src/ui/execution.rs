//! `/ui/flows/F/executions/E`: the status, what failed or what is running, the timeline, the events.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, State},
    http::{HeaderMap, header},
    response::Response,
};

use super::{
    Ui,
    context::{Layout, render},
    detail::Detail,
    error_page::PageError,
    events::Events,
    filter::Tally,
    sign_in::SignedIn,
    stop::STOP_ROLE,
    summary::Summary,
    timeline::TimelineView,
    urls::{PageUrl, execution_part, execution_path, parse_execution_name},
};
use crate::model::{
    Execution, Name, Status,
    reason::{CAUSE_MAX_CHARS, ERROR_MAX_CHARS},
};

/// Step names that the filter suggests.
const STEPS_MAX: usize = 200;

/// What the filter of events suggests: the types and the names of steps that occur.
#[derive(Template)]
#[template(path = "suggestions.html", config = "src/ui/askama.toml")]
pub(super) struct Suggestions {
    types: Vec<String>,
    steps: Vec<String>,
}

impl Suggestions {
    pub fn of(tally: &Tally) -> Self {
        Suggestions {
            types: tally.types().map(str::to_owned).collect(),
            steps: tally
                .steps(STEPS_MAX)
                .into_iter()
                .map(str::to_owned)
                .collect(),
        }
    }
}

#[derive(Template)]
#[template(path = "execution.html", config = "src/ui/askama.toml")]
struct ExecutionPage {
    layout: Layout,
    flow: Name,
    name: Name,
    summary: Summary,
    timeline: TimelineView,
    events: Events,
    input: Detail,
    output: Option<Detail>,
    definition: String,
    suggestions: Suggestions,
    /// The URL of its stream of updates, while it is running.
    live: Option<PageUrl>,
    /// The URL of the form that stops it, if it is running and the key may.
    stop: Option<PageUrl>,
    /// The URL of its whole history.
    history: PageUrl,
    /// The server's URL as the browser knows it, for the terminal command.
    endpoint: Option<String>,
}

/// Reads the execution that the path names.
///
/// # Errors
/// `Access denied` before anything is said about its existence; `Not found` if it does not exist.
pub(super) async fn found(
    ui: &Ui,
    signed_in: &SignedIn,
    (flow, execution): &(String, String),
) -> Result<Execution, PageError> {
    let flow = signed_in.flow(flow)?;
    let name = parse_execution_name(execution)?;
    let _permit = ui.read(&signed_in.context.client).await?;
    let described = ui.store.describe_execution(&flow, &name).await?;
    described.map_err(|refusal| PageError::from_refusal(&refusal, &flow, Some(&name)))
}

pub(super) async fn page(
    State(ui): State<Arc<Ui>>,
    signed_in: SignedIn,
    Path(place): Path<(String, String)>,
    url: PageUrl,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let execution = found(&ui, &signed_in, &place).await?;
    let (flow, name) = (&execution.flow, &execution.name);
    let client = &signed_in.context.client;
    let shared = ui.shared.timelines.get(&execution, &url);
    let events = Events::read(&ui, client, &execution, &url).await?;
    let digest = shared.catch_up(&ui, client).await?;
    let now = ui.clock.now();
    let running = execution.status == Status::Running;
    let part = |part| url.at(execution_part(flow, name, part));
    let live = || {
        let live = url.with_path(execution_part(flow, name, "live"));
        live.without(&["event", "at"]).with("after", events.last)
    };
    render(&ExecutionPage {
        layout: signed_in.layout(),
        summary: Summary::new(&execution, &digest, &url, now),
        timeline: TimelineView::new(&digest, &url, now),
        suggestions: Suggestions::of(&digest.tally),
        live: running.then(live),
        stop: (running && signed_in.viewer.is(STOP_ROLE)).then(|| part("stop")),
        history: part("history.json"),
        endpoint: endpoint(&headers, &url),
        events,
        input: Detail::of(&execution.input),
        output: execution.output.as_deref().map(Detail::of),
        flow: execution.flow,
        name: execution.name,
        definition: execution.definition,
    })
}

/// Returns the URL of this server, with its base path, by the `Host` header; None if a shell could read that as more than one word. Whether
/// the browser came by HTTPS is known to the script only, which corrects the scheme.
fn endpoint(headers: &HeaderMap, here: &PageUrl) -> Option<String> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']');
    host.bytes()
        .all(plain)
        .then(|| format!("http://{host}{}", here.at("")))
}

/// `…/events`: only the table of events, for the script; the same query as the page.
pub(super) async fn events(
    State(ui): State<Arc<Ui>>,
    signed_in: SignedIn,
    Path(place): Path<(String, String)>,
    url: PageUrl,
) -> Result<Response, PageError> {
    let execution = found(&ui, &signed_in, &place).await?;
    render(&Events::read(&ui, &signed_in.context.client, &execution, &url).await?)
}

/// `…/timeline`: only the timeline, for the script; the same query as the page.
pub(super) async fn timeline(
    State(ui): State<Arc<Ui>>,
    signed_in: SignedIn,
    Path(place): Path<(String, String)>,
    url: PageUrl,
) -> Result<Response, PageError> {
    let execution = found(&ui, &signed_in, &place).await?;
    let shared = ui.shared.timelines.get(&execution, &url);
    let digest = shared.catch_up(&ui, &signed_in.context.client).await?;
    let here = url.with_path(execution_path(&execution.flow, &execution.name));
    render(&TimelineView::new(&digest, &here, ui.clock.now()))
}
