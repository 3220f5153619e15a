//! `/ui/flows/F/executions/E`: the status, what failed or what is running, the timeline, the events.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, State},
    response::Response,
};

use super::{
    Ui,
    context::{Layout, render},
    detail::Detail,
    error_page::PageError,
    events::{Events, ExecutionRef},
    sign_in::SignedIn,
    summary::Summary,
    timeline::TimelineView,
    urls::{PageUrl, execution_path, parse_execution_name},
};
use crate::model::{Execution, Name, Status};

/// Step names that the filter suggests.
const STEPS_MAX: usize = 200;

/// Event types that the filter suggests: those of the vendor's documentation.
const TYPES: [&str; 24] = [
    "StepEntered",
    "StepStarted",
    "StepSucceeded",
    "StepFailed",
    "StepExited",
    "BranchEntered",
    "BranchExited",
    "IterationEntered",
    "IterationExited",
    "TaskScheduled",
    "TaskStarted",
    "TaskSubmitted",
    "TaskSubmitFailed",
    "TaskSucceeded",
    "TaskFailed",
    "TaskTimedOut",
    "ExecutionStarted",
    "ExecutionSucceeded",
    "ExecutionFailed",
    "ExecutionStopped",
    "ExecutionTimedOut",
    "StateEnter",
    "StateExec",
    "StateSucceeded",
];

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
    types: &'static [&'static str],
    steps: Vec<String>,
    /// The URL of its stream of updates, while it is running.
    live: Option<PageUrl>,
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

impl<'a> From<&'a Execution> for ExecutionRef<'a> {
    fn from(execution: &'a Execution) -> Self {
        ExecutionRef {
            flow: &execution.flow,
            execution: &execution.name,
            started_at: execution.started_at,
            running: execution.status == Status::Running,
        }
    }
}

pub(super) async fn page(
    State(ui): State<Arc<Ui>>,
    signed_in: SignedIn,
    Path(place): Path<(String, String)>,
    url: PageUrl,
) -> Result<Response, PageError> {
    let execution = found(&ui, &signed_in, &place).await?;
    let (flow, name) = (&execution.flow, &execution.name);
    let events = {
        let _permit = ui.read(&signed_in.context.client).await?;
        Events::read(&*ui.store, &ExecutionRef::from(&execution), &url).await?
    };
    let shared = ui.shared.timelines.get(&execution, &url);
    let timeline = shared.catch_up(&ui, &signed_in.context.client).await?;
    let now = ui.clock.now();
    let last = events.last.max(timeline.last_event_id());
    let running = execution.status == Status::Running;
    let live = || {
        let live = url.with_path(format!("{}/live", execution_path(flow, name)));
        live.without(&["event", "at"]).with("after", last)
    };
    render(&ExecutionPage {
        layout: signed_in.layout(),
        summary: Summary::new(&execution, &timeline, last, &url, now),
        timeline: TimelineView::new(&timeline, &url, now, last),
        steps: timeline
            .steps()
            .keys()
            .filter(|step| !step.is_empty())
            .take(STEPS_MAX)
            .cloned()
            .collect(),
        events,
        input: Detail::of(&execution.input),
        output: execution.output.as_deref().map(Detail::of),
        types: &TYPES,
        live: running.then(live),
        flow: execution.flow,
        name: execution.name,
        definition: execution.definition,
    })
}

/// `…/events`: only the table of events, for the script; the same query as the page.
pub(super) async fn events(
    State(ui): State<Arc<Ui>>,
    signed_in: SignedIn,
    Path(place): Path<(String, String)>,
    url: PageUrl,
) -> Result<Response, PageError> {
    let execution = found(&ui, &signed_in, &place).await?;
    let _permit = ui.read(&signed_in.context.client).await?;
    render(&Events::read(&*ui.store, &ExecutionRef::from(&execution), &url).await?)
}

/// `…/timeline`: only the timeline, for the script; the same query as the page.
pub(super) async fn timeline(
    State(ui): State<Arc<Ui>>,
    signed_in: SignedIn,
    Path(place): Path<(String, String)>,
    url: PageUrl,
) -> Result<Response, PageError> {
    let execution = found(&ui, &signed_in, &place).await?;
    let (flow, name) = (&execution.flow, &execution.name);
    let shared = ui.shared.timelines.get(&execution, &url);
    let timeline = shared.catch_up(&ui, &signed_in.context.client).await?;
    let here = url.with_path(execution_path(flow, name));
    render(&TimelineView::new(
        &timeline,
        &here,
        ui.clock.now(),
        timeline.last_event_id(),
    ))
}
