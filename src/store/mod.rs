//! Where histories are kept. `Store` is the contract; `open` picks the backend by the URL's scheme.

mod checksum;
pub mod notify;
mod scan;
pub mod sqlite;
mod types;

use std::sync::Arc;

use async_trait::async_trait;

pub use notify::Subscription;
pub use types::*;

use crate::model::{Execution, Flow, Name, Nonce, Timestamp, task_token::TaskKey};

/// A store of flows, executions and events.
///
/// One method is one transaction. A write answers after its transaction has reached the disk, and its
/// outcome does not depend on whether somebody still waits for the answer. What a write answers is in
/// every read that begins later. An error of a write means *unknown*: it may have happened, repeat it.
///
/// EventIds of an execution are 1, 2, 3 … without a gap. A batch is stored whole or not at all. What is
/// read is checked against its checksum; a damaged event is an error, never an answer.
///
/// A write with a nonce that an earlier write had is refused, whatever the earlier one's outcome, also
/// after a restart. A nonce is forgotten after the 31 minutes of running time for which a signature may be
/// tried. A write that was signed before a forgotten one, or before a copy of the store was first opened, is
/// refused too: it may be a replay.
#[async_trait]
pub trait Store: Send + Sync {
    /// Returns a page of an execution's history. The execution, where its history ends and each slice of
    /// events are read in one snapshot; a filtered or a backward page may take several slices and yields to
    /// other tasks between them.
    async fn get_execution_history(
        &self,
        flow: &Name,
        execution: &Name,
        query: &HistoryQuery,
    ) -> Outcome<HistoryPage>;

    /// Appends a batch; one that stands there already answers its ids again.
    async fn append_execution_events(
        &self,
        append: AppendRequest,
        nonce: Option<Nonce>,
    ) -> Outcome<Appended>;

    /// Subscribes to an execution: the subscription is notified of every append that commits from now on.
    fn subscribe(&self, flow: &Name, execution: &Name) -> Subscription;

    async fn create_flow(&self, flow: Flow, nonce: Option<Nonce>) -> Outcome<Flow>;

    async fn describe_flow(&self, name: &Name) -> Outcome<Flow>;

    async fn update_flow(&self, change: FlowChange, nonce: Option<Nonce>) -> Outcome<Flow>;

    /// From now on the flow, its executions and its events are not to be found, also when a flow of the
    /// same name is created. Their rows go later, a few at a time.
    async fn delete_flow(&self, deletion: FlowDeletion, nonce: Option<Nonce>) -> Outcome<()>;

    /// Flows by name, from `from` on: those of the resource group, if one is given, that `visible` lets
    /// through.
    async fn list_flows(
        &self,
        list: ListFlows,
        visible: Visible<'_>,
    ) -> Result<Listed<Flow, Name>, Error>;

    /// Starts an execution, with event 1. One of the same name that still runs is answered as it is.
    async fn start_execution(
        &self,
        start: StartExecution,
        nonce: Option<Nonce>,
    ) -> Outcome<Execution>;

    async fn describe_execution(&self, flow: &Name, execution: &Name) -> Outcome<Execution>;

    /// Ends an execution with an `ExecutionStopped` event of this detail.
    async fn stop_execution(&self, stop: StopExecution, nonce: Option<Nonce>)
    -> Outcome<Execution>;

    /// Executions of a flow, the newest first. A page may be short and still have a next one.
    async fn list_executions(&self, list: ListExecutions) -> Outcome<Listed<Execution, Position>>;

    /// Appends the end of a task that was submitted; answers its EventId.
    async fn report_task(&self, report: ReportTask, nonce: Option<Nonce>) -> Outcome<i64>;

    /// Returns the key that signs task tokens; it is part of the database.
    fn task_key(&self) -> &TaskKey;

    /// Whether reads and writes can be served now; the fault if not.
    async fn ready(&self) -> Result<(), Error>;

    /// Waits until the store can promise nothing any more (a sync failed, a task panicked), and says why.
    /// The process must end then: what the disk holds is known only after a new start.
    async fn failed(&self) -> String;

    /// Finishes what was asked for and closes in good order. Later calls answer `Error::Unavailable`.
    async fn close(&self);
}

/// Opens the store that `url` names, makes it if it is missing and brings its schema up to date. If it is a
/// copy, writes signed until `now` are refused. The fault is one line for the operator.
pub async fn open(url: &str, now: Timestamp) -> Result<Arc<dyn Store>, String> {
    match url.split_once(':') {
        Some(("sqlite", _)) => Ok(Arc::new(sqlite::Sqlite::open(url, now).await?)),
        _ => Err(unknown(url)),
    }
}

/// Looks for damage in the store that `url` names, beside a running server or not, and changes nothing:
/// in everything, or, if it shall be `quick`, in a sample as each start does. The fault is one line that
/// says why there can be no check.
pub async fn check(
    url: &str,
    quick: bool,
    progress: &mut Progress<'_>,
) -> Result<CheckReport, String> {
    match url.split_once(':') {
        Some(("sqlite", _)) => sqlite::check(url, quick, progress).await,
        _ => Err(unknown(url)),
    }
}

fn unknown(url: &str) -> String {
    match url.split_once(':') {
        Some((scheme, _)) => {
            format!("a store of kind '{scheme}' is not known; use sqlite://FILE")
        }
        None => format!("'{url}' is not a database URL; use sqlite://FILE"),
    }
}
