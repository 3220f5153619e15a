//! Arguments and results of the methods of `Store`.

use std::{borrow::Cow, cmp::Reverse, collections::HashSet, fmt};

use serde::Deserialize;

use crate::model::{
    Name, NewEvent, Timestamp,
    event::{Batch, EXECUTION_STARTED},
    execution::started_detail,
};

/// An error, an expected refusal, or the result.
pub type Outcome<T> = Result<Result<T, Refusal>, Error>;

/// An expected refusal of a request, which has then written nothing. No fault of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    FlowNotExists,
    FlowAlreadyExists,
    ExecutionNotExists,
    ExecutionAlreadyExists,
    ExecutionAlreadyCompleted,
    /// The expected EventId is not the next one, and the stored events from it on differ from the batch.
    Conflict {
        /// The EventId that an append would get now.
        next_event_id: i64,
    },
    /// The ScheduleEventId of the event with this index is not before the event.
    InvalidScheduleEventId(usize),
    /// The task of this submitted event has ended, or its execution has.
    TaskAlreadyCompleted(i64),
    NonceUsed,
    /// The write was signed at or before this time, and the store no longer knows whether its nonce was used, because
    /// the server's clock was set back or the database is a copy.
    SignedTooEarly(Timestamp),
}

/// An error of the store itself.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Overload; a retry may succeed.
    #[error("the store is busy: {0}")]
    Busy(String),
    /// The disk is full, or the store is closing.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The disk failed. After a failed write the store has `failed`.
    #[error("the disk failed: {0}")]
    Io(String),
    /// A write to the disk failed. The store has `failed` too, unless the file system is read-only.
    #[error("the disk takes no writes: {0}")]
    Unwritten(String),
    /// Corruption: a row that was read is not what was written.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
    #[error("{0}")]
    Other(String),
}

impl Error {
    /// Corruption: a stored value of this kind is not one.
    pub(super) fn damaged(what: &str) -> Self {
        Error::Corrupt(format!("a {what} is not one"))
    }

    /// Calls after `close`.
    pub(super) fn closing() -> Self {
        Error::Unavailable("it is closing".to_owned())
    }
}

/// What the log says about a database at a start.
#[derive(Clone, Debug)]
pub struct Description {
    /// Where the database is: the path of its file.
    pub location: String,
    /// Name and version of the database system.
    pub engine: String,
    /// Number of the newest migration.
    pub schema: i64,
    /// Tasks that read histories.
    pub readers: usize,
}

/// The request of `start_execution`.
#[derive(Clone, Debug)]
pub struct StartExecution {
    pub flow: Name,
    pub name: Name,
    pub input: String,
    pub at: Timestamp,
}

impl StartExecution {
    /// Returns event 1 of the execution.
    pub(super) fn event(&self) -> NewEvent {
        NewEvent::by_server(EXECUTION_STARTED, self.at, started_detail(&self.input))
    }
}

/// The request of `append_execution_events`.
#[derive(Clone, Debug)]
pub struct AppendRequest {
    pub flow: Name,
    pub execution: Name,
    pub batch: Batch,
    /// The time of events that have none.
    pub at: Timestamp,
}

/// The EventIds of an appended batch, and the id of its flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    pub first: i64,
    pub last: i64,
    pub flow_id: String,
}

/// The request of `update_flow`; a field that is `None` stays as it is.
#[derive(Clone, Debug)]
pub struct FlowChange {
    pub name: Name,
    pub definition: Option<String>,
    pub description: Option<String>,
    pub kind: Option<String>,
    /// An empty text removes the role.
    pub role_arn: Option<String>,
    pub environment: Option<String>,
    pub at: Timestamp,
}

/// The request of `delete_flow`.
#[derive(Clone, Debug)]
pub struct FlowDeletion {
    pub name: Name,
    pub at: Timestamp,
}

/// The request of `list_flows`.
#[derive(Clone, Debug)]
pub struct ListFlows {
    pub from: Option<Name>,
    pub limit: usize,
    pub resource_group_id: Option<String>,
}

impl ListFlows {
    /// Whether the list asks for flows of this resource group.
    pub(super) fn is_of_group(&self, group: Option<&str>) -> bool {
        let asked = self.resource_group_id.as_deref();
        asked.is_none() || asked == group
    }
}

/// Whether the caller may see a flow.
pub type Visible<'a> = &'a (dyn Fn(&Name) -> bool + Sync);

/// A page of a list, and the key with which the next page begins.
#[derive(Clone, Debug)]
pub struct Listed<T, P> {
    pub items: Vec<T>,
    pub next: Option<P>,
}

/// The order of `list_flow_activity`: by name, or the newest time first and then by name. Flows without such a time
/// come last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowOrder {
    Name,
    LastStart,
    LastFailure,
}

/// The request of `list_flow_activity`.
#[derive(Clone, Debug)]
pub struct ListFlowActivity {
    pub order: FlowOrder,
    pub from: Option<FlowPosition>,
    pub limit: usize,
}

/// When a flow last started an execution, and its last failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowActivity {
    pub name: Name,
    pub last_start: Option<Timestamp>,
    pub last_failure: Option<FlowFailure>,
}

/// The end of an execution that failed or timed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowFailure {
    pub at: Timestamp,
    pub execution: Name,
}

impl FlowActivity {
    /// Returns its key in a list of this order.
    pub fn position(&self, order: FlowOrder) -> FlowPosition {
        let at = match order {
            FlowOrder::Name => None,
            FlowOrder::LastStart => self.last_start,
            FlowOrder::LastFailure => self.last_failure.as_ref().map(|failure| failure.at),
        };
        FlowPosition {
            at: Reverse(at.map(Timestamp::millis)),
            name: self.name.clone(),
        }
    }
}

/// The key of a flow in a list by `FlowOrder`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FlowPosition {
    at: Reverse<Option<i64>>,
    pub name: Name,
}

impl FlowPosition {
    /// Parses what `Display` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let (at, name) = text.split_once('.')?;
        let at = match at {
            "" => None,
            at => Some(at.parse().ok()?),
        };
        Some(FlowPosition {
            at: Reverse(at),
            name: Name::parse(name)?,
        })
    }
}

impl fmt::Display for FlowPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at.0.map(|at| at.to_string()).unwrap_or_default();
        write!(f, "{at}.{}", self.name)
    }
}

/// The request of `list_executions`.
#[derive(Clone, Debug)]
pub struct ListExecutions {
    pub flow: Name,
    pub from: Option<Position>,
    pub limit: usize,
    /// A status by the vendor's name.
    pub status: Option<&'static str>,
    /// Bounds of the start time, inclusive.
    pub started_from: Option<Timestamp>,
    pub started_to: Option<Timestamp>,
    pub prefix: Option<String>,
    /// Leaves input, output, environment and definition empty.
    pub metadata_only: bool,
}

/// The key of an execution in the list of its flow, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub started_at: i64,
    /// Distinguishes executions that started in the same millisecond; grows with the time of the insert.
    pub id: u128,
}

impl Position {
    /// Parses what `Display` wrote. Returns None for any other spelling.
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

/// The request of `stop_execution`.
#[derive(Clone, Debug)]
pub struct StopExecution {
    pub flow: Name,
    pub execution: Name,
    pub detail: String,
    pub at: Timestamp,
}

/// The request of `report_task`: the submitted event, and how its task ended.
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

impl ReportTask {
    /// Returns the event that ends the task. `submitted` is the JSON of the event that submitted it.
    pub(super) fn event(&self, submitted: &str) -> Result<NewEvent, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Step {
            step_name: String,
        }
        let step: Step =
            serde_json::from_str(submitted).map_err(|_| Error::damaged("step name"))?;
        Ok(NewEvent {
            schedule_event_id: Some(self.submitted),
            step_name: step.step_name,
            ..NewEvent::by_server(self.event_type, self.at, self.detail.clone())
        })
    }
}

/// Events of a page of a history: the vendor's limit.
pub const HISTORY_LIMIT_MAX: i64 = 1000;
/// Events of a page if the caller names no limit: the vendor's default.
pub const HISTORY_LIMIT_DEFAULT: i64 = 60;

/// What `get_execution_history` reads: one page, by keyset pagination on the EventId.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryQuery {
    /// The EventId to begin with, inclusive. None begins with the first event, or with the last one if
    /// `reverse`.
    pub from: Option<i64>,
    /// Events of the page, from 1 to `HISTORY_LIMIT_MAX`.
    pub limit: i64,
    /// Newest first.
    pub reverse: bool,
    /// Only events of these types.
    pub types: Option<HashSet<String>>,
    /// Only events of this step.
    pub step: Option<String>,
}

impl Default for HistoryQuery {
    fn default() -> Self {
        HistoryQuery {
            from: None,
            limit: HISTORY_LIMIT_DEFAULT,
            reverse: false,
            types: None,
            step: None,
        }
    }
}

impl HistoryQuery {
    /// Returns the query for at most `limit` events from EventId `from` on, unfiltered and in order.
    pub fn range(from: i64, limit: i64) -> Self {
        HistoryQuery {
            from: Some(from),
            limit,
            ..HistoryQuery::default()
        }
    }

    /// Whether it selects events by type or step.
    pub fn filters(&self) -> bool {
        self.types.is_some() || self.step.is_some()
    }

    /// Whether the event with this JSON passes the filter.
    pub(super) fn matches(&self, json: &str) -> bool {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Event<'a> {
            #[serde(rename = "Type", borrow)]
            event_type: Cow<'a, str>,
            #[serde(borrow)]
            step_name: Cow<'a, str>,
        }
        if !self.filters() {
            return true;
        }
        let Ok(event) = serde_json::from_str::<Event<'_>>(json) else {
            return false;
        };
        let types = self.types.as_ref();
        let step = self.step.as_ref();
        types.is_none_or(|types| types.contains(&*event.event_type))
            && step.is_none_or(|step| *step == event.step_name)
    }
}

/// Consecutive EventIds, both ends inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EventRange {
    pub first: i64,
    pub last: i64,
}

impl EventRange {
    /// `limit` EventIds from `first` on.
    pub(super) fn new(first: i64, limit: i64) -> Self {
        debug_assert!(first >= 1 && (1..=HISTORY_LIMIT_MAX).contains(&limit));
        EventRange {
            first,
            last: first.saturating_add(limit - 1),
        }
    }

    pub(super) fn len(self) -> i64 {
        self.last - self.first + 1
    }
}

/// A page of a history: consecutive events, or those that passed a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryPage {
    /// The events' JSON, joined by commas.
    pub json: String,
    /// Where each event's JSON ends in `json`.
    pub ends: Vec<usize>,
    /// The EventId with which the next page begins; None if nothing follows. A filtered page may be short, or
    /// empty, and have one.
    pub next: Option<i64>,
    /// The last EventId of the history; of a backward read, when it began.
    pub last_event_id: i64,
    /// Whether the execution runs, so that more events may come.
    pub running: bool,
}

impl HistoryPage {
    /// Returns the JSON of each event.
    pub fn events(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|end| end + 1));
        starts
            .zip(&self.ends)
            .map(|(start, end)| &self.json[start..*end])
    }
}

/// Bytes of one page of a history or a list, after which the page ends early. Bounds the memory of an answer.
pub const PAGE_MAX_BYTES: i64 = 16 * 1024 * 1024 - 1024;

/// Returns the bytes of a text as a JSON string, without the quotes around it.
pub(super) fn json_bytes(text: &str) -> usize {
    let escape = |byte| match byte {
        b'"' | b'\\' | 8..=10 | 12 | 13 => 1, // \" \\ \b \t \n \f \r
        0..=31 => 5,                          // \u001f
        _ => 0,
    };
    text.len() + text.bytes().map(escape).sum::<usize>()
}

/// Whether a page of this many bytes is too large.
pub fn exceeds_page(bytes: usize) -> bool {
    i64::try_from(bytes).map_or(true, |bytes| bytes > PAGE_MAX_BYTES)
}

/// The result of a check: numbers of checked rows, and the damage found.
#[derive(Debug, Default)]
pub struct CheckReport {
    pub flows: u64,
    pub executions: u64,
    pub events: u64,
    /// One line for each damage; it begins with the name of the damaged object.
    pub faults: Vec<String>,
    /// Faults beyond `FAULTS_MAX`.
    pub more_faults: u64,
}

/// Lines of damage in a report. With more, the file should be restored from a backup.
const FAULTS_MAX: usize = 1000;

impl CheckReport {
    pub(super) fn fault(&mut self, fault: String) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault);
        } else {
            self.more_faults += 1;
        }
    }
}

/// Called with the number of checked events and the total.
pub type Progress<'a> = dyn FnMut(u64, u64) + Send + 'a;
