//! Where histories are kept. `Store` is the contract; `open` picks the backend by the URL's scheme.

pub mod changes;
mod checksum;
mod pick;
pub mod sqlite;

use std::{fmt, sync::Arc};

use async_trait::async_trait;

pub use changes::Changes;
pub use pick::{Pick, picked};

use crate::{
    model::{Cursor, Execution, Flow, Name, Nonce, Timestamp, event::Batch},
    wire::signature::SecretKey,
};

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
/// after a restart. Nonces older than the 31 minutes for which a signature may be tried are forgotten.
#[async_trait]
pub trait Store: Send + Sync {
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

    /// What task tokens are signed with; the same as long as the database lives.
    fn task_key(&self) -> &SecretKey;

    /// Tells when this execution's history has grown, from now on.
    fn changes(&self, flow: &Name, execution: &Name) -> Changes;

    /// Appends a batch; one that stands there already answers its ids again.
    async fn append_execution_events(
        &self,
        append: AppendEvents,
        nonce: Option<Nonce>,
    ) -> Outcome<Appended>;

    async fn get_execution_history(
        &self,
        flow: &Name,
        execution: &Name,
        cursor: Cursor,
    ) -> Outcome<Page>;

    /// Whether reads and writes can be served now; the fault if not.
    async fn ready(&self) -> Result<(), Error>;

    /// Waits until the store can promise nothing any more (a sync failed, a task panicked), and says why.
    /// The process must end then: what the disk holds is known only after a new start.
    async fn failed(&self) -> String;

    /// Finishes what was asked for and closes in good order. Later calls answer `Error::Unavailable`.
    async fn close(&self);
}

/// An error, an expected refusal, or the answer.
pub type Outcome<T> = Result<Result<T, Refusal>, Error>;

/// Why a store did not do what was asked, though nothing is broken. Nothing was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    FlowNotExists,
    FlowAlreadyExists,
    ExecutionNotExists,
    ExecutionAlreadyExists,
    ExecutionAlreadyCompleted,
    /// The batch expects another place than the end of the history, and does not stand at that place.
    Conflict {
        /// The EventId that an append would get now.
        next_event_id: i64,
    },
    /// The ScheduleEventId of the event with this index is not before the event.
    Misfit(usize),
    /// The task of this submitted event has ended, or its execution has.
    TaskAlreadyCompleted(i64),
    NonceUsed,
}

/// A fault of the store itself.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Too much to do; the same call may go through a moment later.
    #[error("the store is busy: {0}")]
    Busy(String),
    /// There is no room on the disk, or the store is closing.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The disk failed. After a write that met it, the store has `failed`.
    #[error("the disk failed: {0}")]
    Io(String),
    /// The disk did not take what was written: it failed too, unless it may only be read now.
    #[error("the disk takes no writes: {0}")]
    Unwritten(String),
    /// What was read is not what was written.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
    #[error("{0}")]
    Other(String),
}

/// What `start_execution` needs.
#[derive(Clone, Debug)]
pub struct StartExecution {
    pub flow: Name,
    pub name: Name,
    pub input: String,
    pub at: Timestamp,
}

/// What `append_execution_events` needs.
#[derive(Clone, Debug)]
pub struct AppendEvents {
    pub flow: Name,
    pub execution: Name,
    pub batch: Batch,
    /// The time of events that bring none.
    pub at: Timestamp,
}

/// The EventIds that a batch has, and its flow's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    pub first: i64,
    pub last: i64,
    pub flow_id: String,
}

/// What `update_flow` needs; what is `None` stays as it is.
#[derive(Clone, Debug)]
pub struct FlowChange {
    pub name: Name,
    pub definition: Option<String>,
    pub description: Option<String>,
    pub kind: Option<String>,
    /// Empty: none any more.
    pub role_arn: Option<String>,
    pub environment: Option<String>,
    pub at: Timestamp,
}

/// What `delete_flow` needs.
#[derive(Clone, Debug)]
pub struct FlowDeletion {
    pub name: Name,
    pub at: Timestamp,
}

/// What `list_flows` needs.
#[derive(Clone, Debug)]
pub struct ListFlows {
    pub from: Option<Name>,
    pub limit: usize,
    pub resource_group_id: Option<String>,
}

/// Whether the caller may see a flow.
pub type Visible<'a> = &'a (dyn Fn(&Name) -> bool + Sync);

/// Some of a list, and where the rest begins, if there is more.
#[derive(Clone, Debug)]
pub struct Listed<T, P> {
    pub items: Vec<T>,
    pub next: Option<P>,
}

/// What `list_executions` needs.
#[derive(Clone, Debug)]
pub struct ListExecutions {
    pub flow: Name,
    pub from: Option<Position>,
    pub limit: usize,
    /// In the vendor's words.
    pub status: Option<&'static str>,
    /// Bounds of the start, inclusive.
    pub started_from: Option<Timestamp>,
    pub started_to: Option<Timestamp>,
    pub prefix: Option<String>,
    /// Leave input, output and definition empty.
    pub metadata_only: bool,
}

/// The place of an execution among those of its flow, the newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub started_at: i64,
    pub id: i64,
}

impl Position {
    /// Reads what `Display` wrote; any other spelling is None.
    pub fn parse(text: &str) -> Option<Self> {
        let (started_at, id) = text.split_once('.')?;
        let position = Position {
            started_at: started_at.parse().ok()?,
            id: id.parse().ok()?,
        };
        (position.to_string() == text).then_some(position)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.started_at, self.id)
    }
}

/// What `stop_execution` needs.
#[derive(Clone, Debug)]
pub struct StopExecution {
    pub flow: Name,
    pub execution: Name,
    pub detail: String,
    pub at: Timestamp,
}

/// What `report_task` needs: the submitted event, and how its task ended.
#[derive(Clone, Debug)]
pub struct ReportTask {
    pub flow: Name,
    pub flow_id: String,
    pub execution: Name,
    pub submitted: i64,
    pub event_type: &'static str,
    pub detail: String,
    pub at: Timestamp,
}

/// Consecutive events of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Their JSON, joined by commas.
    pub events: String,
    /// Where each event's JSON ends in `events`.
    pub ends: Vec<usize>,
    /// The EventId of the event after them, if there is one.
    pub next: Option<i64>,
    /// The last EventId of the history.
    pub last_event_id: i64,
    /// Whether more may come.
    pub running: bool,
}

impl Page {
    /// The JSON of each event.
    pub fn each(&self) -> Vec<&str> {
        let begins = std::iter::once(0).chain(self.ends.iter().map(|end| end + 1));
        let places = begins.zip(&self.ends);
        places
            .map(|(begin, end)| &self.events[begin..*end])
            .collect()
    }
}

/// Bytes of one page of a history or a list; a page with more ends early. Keeps an answer's memory bounded.
pub const PAGE_MAX_BYTES: i64 = 16 * 1024 * 1024 - 1024;

/// Whether so many bytes are more than one page may have.
pub fn exceeds_page(bytes: usize) -> bool {
    i64::try_from(bytes).map_or(true, |bytes| bytes > PAGE_MAX_BYTES)
}

/// Opens the store that `url` names, makes it if it is missing and brings its schema up to date. The
/// fault is one line for the operator.
pub async fn open(url: &str) -> Result<Arc<dyn Store>, String> {
    match url.split_once(':') {
        Some(("sqlite", _)) => Ok(Arc::new(sqlite::Sqlite::open(url).await?)),
        _ => Err(unknown(url)),
    }
}

/// What a check has looked at, and what is wrong with it.
#[derive(Debug, Default)]
pub struct Checked {
    pub flows: u64,
    pub executions: u64,
    pub events: u64,
    /// A line each; what it names comes first.
    pub faults: Vec<String>,
    /// Faults beyond `FAULTS_MAX`.
    pub more_faults: u64,
}

/// Faults that a check names. Who has more needs a copy of the file and no list.
const FAULTS_MAX: usize = 1000;

impl Checked {
    fn fault(&mut self, fault: String) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault);
        } else {
            self.more_faults += 1;
        }
    }
}

/// Hears how many events have been looked at, of how many.
pub type Progress<'a> = dyn FnMut(u64, u64) + Send + 'a;

/// Looks for damage in the store that `url` names, beside a running server or not, and changes nothing:
/// in everything, or, if it shall be `quick`, in a sample as each start does. The fault is one line that
/// says why there can be no check.
pub async fn check(url: &str, quick: bool, progress: &mut Progress<'_>) -> Result<Checked, String> {
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
