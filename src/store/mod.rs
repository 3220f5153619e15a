//! Where histories are kept. `Store` is the contract; `open` picks the backend by the URL's scheme.

mod checksum;
pub mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;

use crate::model::{Cursor, Execution, Flow, Name, Nonce, Timestamp, event::Batch};

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

    /// Starts an execution, with event 1. One of the same name that still runs is answered as it is.
    async fn start_execution(
        &self,
        start: StartExecution,
        nonce: Option<Nonce>,
    ) -> Outcome<Execution>;

    async fn describe_execution(&self, flow: &Name, execution: &Name) -> Outcome<Execution>;

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

    /// Waits until the store can promise nothing any more (a sync failed), and says why. The process must
    /// end then: what the disk holds is known only after a new start.
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
    NonceUsed,
}

/// A fault of the store itself.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Too much to do; the same call may go through a moment later.
    #[error("the store is busy: {0}")]
    Busy(String),
    /// The disk is full, or the store is closing.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The disk failed. After a write that met it, the store has `failed`.
    #[error("the disk failed: {0}")]
    Io(String),
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

/// The EventIds that a batch has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    pub first: i64,
    pub last: i64,
}

/// Consecutive events of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Their JSON, joined by commas.
    pub events: String,
    /// The EventId of the event after them, if there is one.
    pub next: Option<i64>,
}

/// Bytes of events in one page; a page with more ends early. Keeps an answer's memory bounded.
pub const PAGE_MAX_BYTES: i64 = 16 * 1024 * 1024 - 1024;

/// Opens the store that `url` names, makes it if it is missing and brings its schema up to date. The
/// fault is one line for the operator.
pub async fn open(url: &str) -> Result<Arc<dyn Store>, String> {
    match url.split_once(':') {
        Some(("sqlite", _)) => Ok(Arc::new(sqlite::Sqlite::open(url).await?)),
        Some((scheme, _)) => Err(format!(
            "a store of kind '{scheme}' is not known; use sqlite://FILE"
        )),
        None => Err(format!("'{url}' is not a database URL; use sqlite://FILE")),
    }
}
