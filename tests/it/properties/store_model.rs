//! A store as plain lists: the model that the real store is compared with.

use std::{collections::HashSet, fmt::Debug, sync::Arc};

use flowledger::{
    model::{
        Execution, Flow, Name, NewEvent, Nonce, Status,
        event::{EXECUTION_STARTED, TASK_FAILED, TASK_SUCCEEDED},
    },
    store::{
        AppendRequest, Appended, FlowChange, FlowDeletion, HistoryPage, HistoryQuery, Outcome,
        Refusal, ReportTask, StartExecution, StopExecution, Store,
    },
};

use super::execution_model::ExecutionModel;
use crate::{store::upkeep::all_executions, support::test_store::detailed};

/// A write.
#[derive(Clone, Debug)]
pub enum Write {
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
pub enum Read {
    Flow(Name),
    Execution(Name, Name),
    Executions(Name),
    Page(Name, Name, HistoryQuery),
}

/// Answers of all types are compared as text.
fn as_text<T: Debug>(outcome: Result<T, Refusal>) -> String {
    format!("{outcome:?}")
}

/// The answer of a store; an error fails the test.
fn answer_text<T: Debug>(outcome: Outcome<T>) -> String {
    as_text(outcome.unwrap())
}

impl Write {
    pub async fn submit_to(self, store: Arc<dyn Store>, nonce: Option<Nonce>) -> String {
        match self {
            Write::CreateFlow(flow) => answer_text(store.create_flow(flow, nonce).await),
            Write::UpdateFlow(change) => answer_text(store.update_flow(change, nonce).await),
            Write::DeleteFlow(deletion) => answer_text(store.delete_flow(deletion, nonce).await),
            Write::Start(start) => answer_text(store.start_execution(start, nonce).await),
            Write::Stop(stop) => answer_text(store.stop_execution(stop, nonce).await),
            Write::Report(report) => answer_text(store.report_task(report, nonce).await),
            Write::Append(append) => {
                answer_text(store.append_execution_events(append, nonce).await)
            }
        }
    }
}

impl Read {
    pub async fn run(self, store: Arc<dyn Store>) -> String {
        match self {
            Read::Flow(flow) => answer_text(store.describe_flow(&flow).await),
            Read::Execution(flow, name) => {
                answer_text(store.describe_execution(&flow, &name).await)
            }
            Read::Executions(flow) => {
                let list = all_executions(flow.as_str());
                let listed = store.list_executions(list).await;
                answer_text(listed.map(|listed| listed.map(|listed| listed.items)))
            }
            Read::Page(flow, execution, query) => {
                let page = store.get_execution_history(&flow, &execution, &query);
                answer_text(page.await)
            }
        }
    }
}

#[derive(Clone, Default)]
pub struct StoreModel {
    flows: Vec<FlowModel>,
    nonces: HashSet<[u8; 16]>,
}

/// A flow and its executions, in the order in which they started.
#[derive(Clone)]
struct FlowModel {
    flow: Flow,
    runs: Vec<Run>,
}

#[derive(Clone)]
struct Run {
    start: StartExecution,
    /// The definition of the flow when it started.
    definition: String,
    model: ExecutionModel,
}

impl StoreModel {
    /// Applies the write and returns the answer that a store must give.
    pub fn apply(&mut self, write: &Write, nonce: Option<Nonce>) -> String {
        if nonce.is_some_and(|nonce| !self.nonces.insert(nonce.digest)) {
            return as_text::<()>(Err(Refusal::NonceUsed));
        }
        match write {
            Write::CreateFlow(flow) => as_text(self.create(flow)),
            Write::UpdateFlow(change) => as_text(self.update(change)),
            Write::DeleteFlow(deletion) => as_text(self.delete(&deletion.name)),
            Write::Start(start) => as_text(self.start(start)),
            Write::Stop(stop) => as_text(self.stop(stop)),
            Write::Report(report) => as_text(self.report(report)),
            Write::Append(write) => as_text(self.append(write)),
        }
    }

    /// The answer that a store must give to a read.
    pub fn expected(&self, read: &Read) -> String {
        match read {
            Read::Flow(flow) => as_text(self.flow(flow).map(|flow_model| &flow_model.flow)),
            Read::Execution(flow, name) => as_text(self.describe(flow, name)),
            Read::Executions(flow) => as_text(self.flow(flow).map(|flow_model| {
                let mut runs: Vec<_> = flow_model.runs.iter().collect();
                runs.sort_by_key(|run| run.start.at); // an append may start one in the past
                let newest_first = runs.into_iter().rev();
                newest_first
                    .map(|run| run.describe(flow_model))
                    .collect::<Vec<_>>()
            })),
            Read::Page(flow, execution, query) => as_text(self.page(flow, execution, query)),
        }
    }

    pub fn execution(&self, flow: &Name, execution: &Name) -> Option<&ExecutionModel> {
        let flow_model = self.flow(flow).ok()?;
        Some(&flow_model.run(execution).ok()?.model)
    }

    /// The flow's id, which tells it from an earlier one of its name.
    pub fn flow_id(&self, flow: &Name) -> Option<String> {
        Some(self.flow(flow).ok()?.flow.id.clone())
    }

    fn flow(&self, name: &Name) -> Result<&FlowModel, Refusal> {
        let mut flows = self.flows.iter();
        let found = flows.find(|flow_model| flow_model.flow.name == *name);
        found.ok_or(Refusal::FlowNotExists)
    }

    fn flow_mut(&mut self, name: &Name) -> Result<&mut FlowModel, Refusal> {
        let mut flows = self.flows.iter_mut();
        let found = flows.find(|flow_model| flow_model.flow.name == *name);
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

    fn describe(&self, flow: &Name, name: &Name) -> Result<Execution, Refusal> {
        let flow_model = self.flow(flow)?;
        Ok(flow_model.run(name)?.describe(flow_model))
    }

    fn create(&mut self, flow: &Flow) -> Result<Flow, Refusal> {
        if self.flow(&flow.name).is_ok() {
            return Err(Refusal::FlowAlreadyExists);
        }
        self.flows.push(FlowModel {
            flow: flow.clone(),
            runs: Vec::new(),
        });
        Ok(flow.clone())
    }

    /// Changes the definition only: the test changes nothing else.
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
        self.flows
            .retain(|flow_model| flow_model.flow.name != *name);
        Ok(())
    }

    fn start(&mut self, start: &StartExecution) -> Result<Execution, Refusal> {
        let flow_model = self.flow_mut(&start.flow)?;
        match flow_model.run(&start.name) {
            Ok(run) if run.model.status == Status::Running => {}
            Ok(_) => return Err(Refusal::ExecutionAlreadyExists),
            Err(_) => flow_model.runs.push(Run {
                start: start.clone(),
                definition: flow_model.flow.definition.clone(),
                model: ExecutionModel::started(start.at),
            }),
        }
        self.describe(&start.flow, &start.name)
    }

    fn stop(&mut self, stop: &StopExecution) -> Result<Execution, Refusal> {
        let stopped = NewEvent {
            time: Some(stop.at),
            ..detailed("ExecutionStopped", &stop.detail)
        };
        self.model_mut(&stop.flow, &stop.execution)?
            .append(&[stopped], None, stop.at)?;
        self.describe(&stop.flow, &stop.execution)
    }

    /// A task token that names anything missing is one of an earlier flow: FlowNotExists.
    fn report(&mut self, report: &ReportTask) -> Result<i64, Refusal> {
        let gone = Refusal::FlowNotExists;
        let flow_model = self.flow(&report.flow)?;
        let run = flow_model
            .run(&report.execution)
            .map_err(|_| gone.clone())?;
        let place = usize::try_from(report.submitted - 1).unwrap();
        let events = &run.model.events;
        let submitted = events
            .get(place)
            .filter(|_| flow_model.flow.id == report.flow_id);
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

    fn append(&mut self, write: &AppendRequest) -> Result<Appended, Refusal> {
        let flow_model = self.flow_mut(&write.flow)?;
        let flow_id = flow_model.flow.id.clone();
        let first = &write.batch.events()[0];
        if flow_model.run(&write.execution).is_err() && first.event_type == EXECUTION_STARTED {
            flow_model.runs.push(Run {
                start: StartExecution {
                    flow: write.flow.clone(),
                    name: write.execution.clone(),
                    input: "{}".to_owned(),
                    at: first.time.unwrap_or(write.at),
                },
                definition: flow_model.flow.definition.clone(),
                model: ExecutionModel::new(),
            });
        }
        let model = self.model_mut(&write.flow, &write.execution)?;
        let appended = model.append(write.batch.events(), write.batch.expected(), write.at)?;
        Ok(Appended {
            flow_id,
            ..appended
        })
    }

    fn model_mut(&mut self, flow: &Name, execution: &Name) -> Result<&mut ExecutionModel, Refusal> {
        let mut runs = self.flow_mut(flow)?.runs.iter_mut();
        let found = runs.find(|run| run.start.name == *execution);
        Ok(&mut found.ok_or(Refusal::ExecutionNotExists)?.model)
    }
}

impl FlowModel {
    fn run(&self, name: &Name) -> Result<&Run, Refusal> {
        let found = self.runs.iter().find(|run| run.start.name == *name);
        found.ok_or(Refusal::ExecutionNotExists)
    }
}

impl Run {
    fn describe(&self, flow_model: &FlowModel) -> Execution {
        Execution {
            flow: flow_model.flow.name.clone(),
            name: self.start.name.clone(),
            status: self.model.status,
            input: self.start.input.clone(),
            output: self.model.output().map(str::to_owned),
            definition: self.definition.clone(),
            environment: flow_model.flow.environment.clone(),
            started_at: self.start.at,
            stopped_at: self
                .model
                .stopped_at()
                .map(|stopped_at| stopped_at.max(self.start.at)),
        }
    }
}
