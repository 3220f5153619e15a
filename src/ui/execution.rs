//! `/ui/flows/F/executions/E`: how it stands, what failed or goes on, the timeline, the events.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, State},
    response::Response,
};

use super::{
    Ui,
    address::Address,
    detail::Detail,
    events::{Events, Of, path},
    fault::Fault,
    frame::{Layout, page as rendered},
    picture::Picture,
    session::{Visitor, named},
    summary::Summary,
};
use crate::model::{Execution, Name, Status};

/// Steps that are offered to filter by.
const STEPS_MAX: usize = 200;

/// Types that are offered to filter by: those that writers know.
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
    picture: Picture,
    events: Events,
    input: Detail,
    output: Option<Detail>,
    definition: String,
    types: &'static [&'static str],
    steps: Vec<String>,
    /// Where to follow it, while it runs.
    live: Option<Address>,
}

/// An execution that the path names and the visitor may see.
pub(super) async fn found(
    ui: &Ui,
    visitor: &Visitor,
    (flow, execution): &(String, String),
) -> Result<Execution, Fault> {
    let flow = visitor.flow(flow)?;
    let name = named("The execution's name", execution)?;
    let _permit = ui.read(&visitor.visit.client).await?;
    let described = ui.store.describe_execution(&flow, &name).await?;
    described.map_err(|refusal| Fault::refused(&refusal, &flow, Some(&name)))
}

impl<'a> From<&'a Execution> for Of<'a> {
    fn from(execution: &'a Execution) -> Self {
        Of {
            flow: &execution.flow,
            execution: &execution.name,
            started_at: execution.started_at,
            running: execution.status == Status::Running,
        }
    }
}

pub(super) async fn page(
    State(ui): State<Arc<Ui>>,
    visitor: Visitor,
    Path(place): Path<(String, String)>,
    address: Address,
) -> Result<Response, Fault> {
    let execution = found(&ui, &visitor, &place).await?;
    let (flow, name) = (&execution.flow, &execution.name);
    let events = {
        let _permit = ui.read(&visitor.visit.client).await?;
        Events::read(&*ui.store, &Of::from(&execution), &address).await?
    };
    let shared = ui.shared.timelines.get(&execution, &address);
    let timeline = shared.catch_up(&ui, &visitor.visit.client).await?;
    let now = ui.clock.now();
    let last = events.last.max(timeline.last_event_id());
    let running = execution.status == Status::Running;
    let live = || {
        let live = address.under(format!("{}/live", path(flow, name)));
        live.without(&["event", "at"]).with("after", last)
    };
    rendered(&ExecutionPage {
        layout: visitor.layout(),
        summary: Summary::of(&execution, &timeline, last, &address, now),
        picture: Picture::of(&timeline, &address, now, last),
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

/// `…/events`: the part of the page that shows events, by the same query.
pub(super) async fn events(
    State(ui): State<Arc<Ui>>,
    visitor: Visitor,
    Path(place): Path<(String, String)>,
    address: Address,
) -> Result<Response, Fault> {
    let execution = found(&ui, &visitor, &place).await?;
    let _permit = ui.read(&visitor.visit.client).await?;
    rendered(&Events::read(&*ui.store, &Of::from(&execution), &address).await?)
}

/// `…/timeline`: the part of the page that shows the timeline, by the same query.
pub(super) async fn timeline(
    State(ui): State<Arc<Ui>>,
    visitor: Visitor,
    Path(place): Path<(String, String)>,
    address: Address,
) -> Result<Response, Fault> {
    let execution = found(&ui, &visitor, &place).await?;
    let (flow, name) = (&execution.flow, &execution.name);
    let shared = ui.shared.timelines.get(&execution, &address);
    let timeline = shared.catch_up(&ui, &visitor.visit.client).await?;
    let here = address.under(path(flow, name));
    rendered(&Picture::of(
        &timeline,
        &here,
        ui.clock.now(),
        timeline.last_event_id(),
    ))
}
