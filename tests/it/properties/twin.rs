//! A store as plain lists: what the real one is compared with, whatever it is asked.

use std::{collections::HashSet, fmt::Debug, sync::Arc};

use flowledger::{
    model::{
        Execution, Flow, Name, NewEvent, Nonce, Status,
        event::{TASK_FAILED, TASK_SUCCEEDED},
    },
    store::{
        AppendRequest, Appended, FlowChange, FlowDeletion, HistoryPage, HistoryQuery, Outcome,
        Refusal, ReportTask, StartExecution, StopExecution, Store,
    },
};

use super::model::Model;
use crate::{store::upkeep::all_executions, support::test_store::detailed};

/// A write.
#[derive(Clone, Debug)]
pub enum Ask {
    CreateFlow(Flow),
    UpdateFlow(FlowChange),
    DeleteFlow(FlowDeletion),
    Start(StartExecution),
    Stop(StopExecution),
    Report(ReportTask),
    Append(AppendRequest),
}

/// A read.
#[derive(Clone, Debug)]
pub enum Look {
    Flow(Name),
    Execution(Name, Name),
    Executions(Name),
    Page(Name, Name, HistoryQuery),
}

/// Answers of all kinds are compared as text.
fn said<T: Debug>(outcome: Result<T, Refusal>) -> String {
    format!("{outcome:?}")
}

/// What a store said, which is not broken.
fn told<T: Debug>(outcome: Outcome<T>) -> String {
    said(outcome.unwrap())
}

impl Ask {
    pub async fn of(self, store: Arc<dyn Store>, nonce: Option<Nonce>) -> String {
        match self {
            Ask::CreateFlow(flow) => told(store.create_flow(flow, nonce).await),
            Ask::UpdateFlow(change) => told(store.update_flow(change, nonce).await),
            Ask::DeleteFlow(deletion) => told(store.delete_flow(deletion, nonce).await),
            Ask::Start(start) => told(store.start_execution(start, nonce).await),
            Ask::Stop(stop) => told(store.stop_execution(stop, nonce).await),
            Ask::Report(report) => told(store.report_task(report, nonce).await),
            Ask::Append(append) => told(store.append_execution_events(append, nonce).await),
        }
    }
}

impl Look {
    pub async fn at(self, store: Arc<dyn Store>) -> String {
        match self {
            Look::Flow(flow) => told(store.describe_flow(&flow).await),
            Look::Execution(flow, name) => told(store.describe_execution(&flow, &name).await),
            Look::Executions(flow) => {
                let list = all_executions(flow.as_str());
                let listed = store.list_executions(list).await;
                told(listed.map(|listed| listed.map(|listed| listed.items)))
            }
            Look::Page(flow, execution, query) => {
                let page = store.get_execution_history(&flow, &execution, &query);
                told(page.await)
            }
        }
    }
}

#[derive(Clone, Default)]
pub struct Twin {
    flows: Vec<Kept>,
    nonces: HashSet<[u8; 16]>,
}

/// A flow and its executions, in the order in which they started.
#[derive(Clone)]
struct Kept {
    flow: Flow,
    runs: Vec<Run>,
}

#[derive(Clone)]
struct Run {
    start: StartExecution,
    /// The flow's when it started.
    definition: String,
    model: Model,
}

impl Twin {
    /// Does it, and answers what a store should say.
    pub fn does(&mut self, ask: &Ask, nonce: Option<Nonce>) -> String {
        if nonce.is_some_and(|nonce| !self.nonces.insert(nonce.digest)) {
            return said::<()>(Err(Refusal::NonceUsed));
        }
        match ask {
            Ask::CreateFlow(flow) => said(self.create(flow)),
            Ask::UpdateFlow(change) => said(self.update(change)),
            Ask::DeleteFlow(deletion) => said(self.delete(&deletion.name)),
            Ask::Start(start) => said(self.start(start)),
            Ask::Stop(stop) => said(self.stop(stop)),
            Ask::Report(report) => said(self.report(report)),
            Ask::Append(ask) => said(self.append(ask)),
        }
    }

    /// What a store should show.
    pub fn shows(&self, look: &Look) -> String {
        match look {
            Look::Flow(flow) => said(self.flow(flow).map(|kept| &kept.flow)),
            Look::Execution(flow, name) => said(self.execution(flow, name)),
            Look::Executions(flow) => said(self.flow(flow).map(|kept| {
                let newest_first = kept.runs.iter().rev();
                newest_first
                    .map(|run| run.describe(kept))
                    .collect::<Vec<_>>()
            })),
            Look::Page(flow, execution, query) => said(self.page(flow, execution, query)),
        }
    }

    pub fn model(&self, flow: &Name, execution: &Name) -> Option<&Model> {
        let kept = self.flow(flow).ok()?;
        Some(&kept.run(execution).ok()?.model)
    }

    /// The flow's id, which tells it from an earlier one of its name.
    pub fn flow_id(&self, flow: &Name) -> Option<String> {
        Some(self.flow(flow).ok()?.flow.id.clone())
    }

    fn flow(&self, name: &Name) -> Result<&Kept, Refusal> {
        let mut flows = self.flows.iter();
        let found = flows.find(|kept| kept.flow.name == *name);
        found.ok_or(Refusal::FlowNotExists)
    }

    fn flow_mut(&mut self, name: &Name) -> Result<&mut Kept, Refusal> {
        let mut flows = self.flows.iter_mut();
        let found = flows.find(|kept| kept.flow.name == *name);
        found.ok_or(Refusal::FlowNotExists)
    }

    fn page(
        &self,
        flow: &Name,
        execution: &Name,
        query: &HistoryQuery,
    ) -> Result<HistoryPage, Refusal> {
        let run = self.flow(flow)?.run(execution)?;
        Ok(run.model.page(query.from.unwrap_or(1), query.limit))
    }

    fn execution(&self, flow: &Name, name: &Name) -> Result<Execution, Refusal> {
        let kept = self.flow(flow)?;
        Ok(kept.run(name)?.describe(kept))
    }

    fn create(&mut self, flow: &Flow) -> Result<Flow, Refusal> {
        if self.flow(&flow.name).is_ok() {
            return Err(Refusal::FlowAlreadyExists);
        }
        self.flows.push(Kept {
            flow: flow.clone(),
            runs: Vec::new(),
        });
        Ok(flow.clone())
    }

    /// Only the definition, in this test.
    fn update(&mut self, change: &FlowChange) -> Result<Flow, Refusal> {
        let flow = &mut self.flow_mut(&change.name)?.flow;
        if let Some(definition) = &change.definition {
            flow.definition.clone_from(definition);
        }
        flow.modified_at = change.at;
        Ok(flow.clone())
    }

    fn delete(&mut self, name: &Name) -> Result<(), Refusal> {
        self.flow(name)?;
        self.flows.retain(|kept| kept.flow.name != *name);
        Ok(())
    }

    fn start(&mut self, start: &StartExecution) -> Result<Execution, Refusal> {
        let kept = self.flow_mut(&start.flow)?;
        match kept.run(&start.name) {
            Ok(run) if run.model.status == Status::Running => {}
            Ok(_) => return Err(Refusal::ExecutionAlreadyExists),
            Err(_) => kept.runs.push(Run {
                start: start.clone(),
                definition: kept.flow.definition.clone(),
                model: Model::started(start.at),
            }),
        }
        self.execution(&start.flow, &start.name)
    }

    fn stop(&mut self, stop: &StopExecution) -> Result<Execution, Refusal> {
        let stopped = NewEvent {
            time: Some(stop.at),
            ..detailed("ExecutionStopped", &stop.detail)
        };
        self.model_mut(&stop.flow, &stop.execution)?
            .append(&[stopped], None, stop.at)?;
        self.execution(&stop.flow, &stop.execution)
    }

    /// Whatever is missing, the token is of another flow.
    fn report(&mut self, report: &ReportTask) -> Result<i64, Refusal> {
        let gone = Refusal::FlowNotExists;
        let kept = self.flow(&report.flow)?;
        let run = kept.run(&report.execution).map_err(|_| gone.clone())?;
        let place = usize::try_from(report.submitted - 1).unwrap();
        let events = &run.model.events;
        let submitted = events.get(place).filter(|_| kept.flow.id == report.flow_id);
        let submitted = submitted.ok_or(gone)?;
        let ends = [TASK_SUCCEEDED, TASK_FAILED, "TaskTimedOut"];
        let ended = events.iter().any(|event| {
            ends.contains(&event.event_type.as_str())
                && event.schedule_event_id == Some(report.submitted)
        });
        if ended || run.model.status != Status::Running {
            return Err(Refusal::TaskAlreadyCompleted(report.submitted));
        }
        let event = NewEvent {
            time: Some(report.at),
            schedule_event_id: Some(report.submitted),
            step_name: submitted.step_name.clone(),
            ..detailed(report.event_type, &report.detail)
        };
        let model = self.model_mut(&report.flow, &report.execution)?;
        Ok(model.append(&[event], None, report.at)?.first)
    }

    fn append(&mut self, ask: &AppendRequest) -> Result<Appended, Refusal> {
        let flow_id = self.flow(&ask.flow)?.flow.id.clone();
        let model = self.model_mut(&ask.flow, &ask.execution)?;
        let appended = model.append(ask.batch.events(), ask.batch.expected(), ask.at)?;
        Ok(Appended {
            flow_id,
            ..appended
        })
    }

    fn model_mut(&mut self, flow: &Name, execution: &Name) -> Result<&mut Model, Refusal> {
        let mut runs = self.flow_mut(flow)?.runs.iter_mut();
        let found = runs.find(|run| run.start.name == *execution);
        Ok(&mut found.ok_or(Refusal::ExecutionNotExists)?.model)
    }
}

impl Kept {
    fn run(&self, name: &Name) -> Result<&Run, Refusal> {
        let found = self.runs.iter().find(|run| run.start.name == *name);
        found.ok_or(Refusal::ExecutionNotExists)
    }
}

impl Run {
    fn describe(&self, kept: &Kept) -> Execution {
        Execution {
            flow: kept.flow.name.clone(),
            name: self.start.name.clone(),
            status: self.model.status,
            input: self.start.input.clone(),
            output: self.model.output().map(str::to_owned),
            definition: self.definition.clone(),
            environment: kept.flow.environment.clone(),
            started_at: self.start.at,
            stopped_at: self.model.stopped_at(),
        }
    }
}
