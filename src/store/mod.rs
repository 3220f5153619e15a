//! Persistence of flows, executions and events. `Store` is the contract; `open` selects the backend by the URL's
//! scheme. Nothing outside this module knows the database.

mod activity;
mod checksum;
mod list;
pub mod notify;
mod placement;
pub mod postgres;
mod scan;
mod scans;
pub mod sqlite;
mod types;

use std::sync::Arc;

use async_trait::async_trait;

pub use notify::Subscription;
pub use types::*;

use crate::model::{Execution, Flow, Name, Nonce, Timestamp, task_token::TaskKey};

/// A store of flows, executions and events.
///
/// One method is one transaction. A write answers after its transaction is synced to the disk. A cancelled call
/// does not cancel its write. Reads that begin after a write has answered see it. An error of a write means
/// *unknown*: it may have been committed, so the caller should retry it.
///
/// EventIds of an execution are 1, 2, 3 … without a gap. A batch is stored whole or not at all. Every event that is
/// read is verified against its checksum; a damaged event is an error, never an answer.
///
/// A write with a nonce that an earlier write had is refused, whatever the earlier one's outcome, also
/// after a restart. A nonce is deleted after 31 minutes of running time, when no signature of its age passes the time
/// check any more. A write that was signed before a deleted nonce, or before a copy of the store was first opened, is
/// refused too, because it may be a replay.
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

    /// Appends a batch and returns its EventIds. Idempotent with an expected EventId: a batch that equals the
    /// stored events returns their EventIds again. A batch that begins with `ExecutionStarted` starts an execution
    /// that does not exist, at the time and with the input of that event.
    async fn append_execution_events(
        &self,
        append: AppendRequest,
        nonce: Option<Nonce>,
    ) -> Outcome<Appended>;

    /// Subscribes to an execution: the subscription is notified of every append that commits from now on.
    fn subscribe(&self, flow: &Name, execution: &Name) -> Subscription;

    /// Creates a flow.
    async fn create_flow(&self, flow: Flow, nonce: Option<Nonce>) -> Outcome<Flow>;

    /// Returns a flow with its current definition.
    async fn describe_flow(&self, name: &Name) -> Outcome<Flow>;

    /// Changes a flow. Executions keep the definition that they started with.
    async fn update_flow(&self, change: FlowChange, nonce: Option<Nonce>) -> Outcome<Flow>;

    /// Deletes a flow, its executions and their events (soft delete): reads no longer find them, even if a flow of
    /// the same name is created. A background purge removes their rows in small batches.
    async fn delete_flow(&self, deletion: FlowDeletion, nonce: Option<Nonce>) -> Outcome<()>;

    /// Lists flows by name, by keyset pagination: those of the resource group, if one is given, for which
    /// `visible` returns true.
    async fn list_flows(
        &self,
        list: ListFlows,
        visible: Visible<'_>,
    ) -> Result<Listed<Flow, Name>, Error>;

    /// Lists when flows last started and last failed, by keyset pagination: those for which `visible` returns true.
    /// Of the executions that failed, and of those that timed out, the one that started last counts. A flow that
    /// starts or fails between two pages moves to the first one.
    async fn list_flow_activity(
        &self,
        list: ListFlowActivity,
        visible: Visible<'_>,
    ) -> Result<Listed<FlowActivity, FlowPosition>, Error>;

    /// Starts an execution with event 1. Idempotent: an execution of this name that still runs is returned as it
    /// is.
    async fn start_execution(
        &self,
        start: StartExecution,
        nonce: Option<Nonce>,
    ) -> Outcome<Execution>;

    /// Returns an execution.
    async fn describe_execution(&self, flow: &Name, execution: &Name) -> Outcome<Execution>;

    /// Ends an execution with an `ExecutionStopped` event and returns it.
    async fn stop_execution(&self, stop: StopExecution, nonce: Option<Nonce>)
    -> Outcome<Execution>;

    /// Lists executions of a flow, newest first, by keyset pagination. A page may be short, or empty, and have a
    /// next one.
    async fn list_executions(&self, list: ListExecutions) -> Outcome<Listed<Execution, Position>>;

    /// Appends the end of a submitted task and returns its EventId.
    async fn report_task(&self, report: ReportTask, nonce: Option<Nonce>) -> Outcome<i64>;

    /// Returns what the log says about the database at a start.
    fn describe(&self) -> Description;

    /// Returns the key that signs task tokens; it is part of the database.
    ///
    /// # Errors
    ///
    /// The database was not reached yet.
    fn task_key(&self) -> Result<&TaskKey, Error>;

    /// Checks whether reads and writes can be served now.
    ///
    /// # Errors
    ///
    /// Why they cannot.
    async fn ready(&self) -> Result<(), Error>;

    /// Waits until the store has failed (a sync failed, a task panicked), and returns why. Fail-stop: the process
    /// must end, because only a restart can tell what the disk contains.
    async fn failed(&self) -> String;

    /// Finishes the queued requests and closes the database. Later calls return `Error::Unavailable`.
    async fn close(&self);
}

/// Opens the store that `url` names, creates it if it is missing and migrates its schema. If it is a copy of a SQLite
/// file, it refuses writes signed at or before `now`. The error is one line for the operator.
pub async fn open(url: &str, now: Timestamp) -> Result<Arc<dyn Store>, String> {
    match url.split_once(':') {
        Some(("sqlite", _)) => Ok(Arc::new(sqlite::Sqlite::open(url, now).await?)),
        Some(("postgres" | "postgresql", _)) => {
            Ok(Arc::new(postgres::Postgres::open(url, now).await?))
        }
        _ => Err(unknown(url)),
    }
}

/// Brings the schema of the database that `url` names up to date, as `open` does, and on Citus spreads its tables over
/// the workers. Can run again. The error is one line for the operator.
pub async fn migrate(url: &str, now: Timestamp) -> Result<Description, String> {
    match url.split_once(':') {
        Some(("postgres" | "postgresql", _)) => postgres::migrate(url).await,
        _ => {
            let store = open(url, now).await?;
            store.close().await;
            Ok(store.describe())
        }
    }
}

/// Returns what may be shown of a URL: that of a server may have a password in it.
pub fn shown(url: &str) -> String {
    match url.split_once(':') {
        Some(("postgres" | "postgresql", _)) => postgres::shown(url),
        _ => url.to_owned(),
    }
}

/// Checks the store that `url` names for corruption, also while a server has it open. Reads everything, or, if `quick`,
/// the sample that each start reads; changes nothing. The error is one line that says why the store cannot be checked.
pub async fn check(
    url: &str,
    quick: bool,
    progress: &mut Progress<'_>,
) -> Result<CheckReport, String> {
    match url.split_once(':') {
        Some(("sqlite", _)) => sqlite::check(url, quick, progress).await,
        Some(("postgres" | "postgresql", _)) => Err(
            "only SQLite files are checked; PostgreSQL has tools of its own, such as pg_amcheck"
                .to_owned(),
        ),
        _ => Err(unknown(url)),
    }
}

/// Repeats only the scheme of a URL: that of another system may have a password in it.
fn unknown(url: &str) -> String {
    let names = "--database-url or the variable DATABASE_URL";
    match url.split_once(':') {
        Some((scheme, _)) => {
            format!(
                "a store of kind '{scheme}' is not known; use sqlite://FILE or postgres://… in {names}"
            )
        }
        None => {
            format!("'{url}' is not a database URL; use sqlite://FILE or postgres://… in {names}")
        }
    }
}
