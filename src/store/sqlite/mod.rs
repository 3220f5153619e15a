//! The store in one SQLite file: reader tasks for histories, a pool of readers for other reads, and one writer task.
//! Each operation has a file named like its action.

mod append_execution_events;
mod check;
mod create_flow;
mod delete_flow;
mod describe_execution;
mod describe_flow;
mod file;
mod get_execution_history;
mod incarnation;
mod list_executions;
mod list_flow_activity;
mod list_flows;
mod lock;
mod new_execution;
mod nonces;
mod open;
mod purge;
mod reader;
mod report_task;
mod request;
mod rows;
mod start_execution;
mod stop_execution;
mod update_flow;
mod wal;
mod write;
mod writer;

use async_trait::async_trait;
use sqlx::SqlitePool;

use super::{
    AppendRequest, Appended, Description, Error, FlowActivity, FlowChange, FlowDeletion,
    FlowPosition, HistoryPage, HistoryQuery, ListExecutions, ListFlowActivity, ListFlows, Listed,
    Outcome, Position, ReportTask, StartExecution, StopExecution, Store, Subscription, Visible,
    activity, notify::Notifier, scan, scans::Scans,
};
use crate::model::{Execution, Flow, Name, Nonce, task_token::TaskKey};
pub(super) use check::check;
use get_execution_history::RangeQuery;
use reader::Readers;
use write::Write;
use writer::Writer;

/// An open SQLite store.
pub struct Sqlite {
    readers: SqlitePool,
    /// One connection for readiness checks alone, so that they do not queue behind callers' reads.
    probe: SqlitePool,
    histories: Readers,
    scans: Scans,
    writer: Writer,
    notifier: Notifier,
    task_key: TaskKey,
    description: Description,
    /// Locked while the store is open, so that a second process cannot open it.
    lock: lock::Lock,
}

#[async_trait]
impl Store for Sqlite {
    async fn create_flow(&self, flow: Flow, nonce: Option<Nonce>) -> Outcome<Flow> {
        self.writer.write(Write::CreateFlow, flow, nonce).await
    }

    async fn describe_flow(&self, name: &Name) -> Outcome<Flow> {
        describe_flow::describe_flow(&self.readers, name).await
    }

    async fn update_flow(&self, change: FlowChange, nonce: Option<Nonce>) -> Outcome<Flow> {
        self.writer.write(Write::UpdateFlow, change, nonce).await
    }

    async fn delete_flow(&self, deletion: FlowDeletion, nonce: Option<Nonce>) -> Outcome<()> {
        self.writer.write(Write::DeleteFlow, deletion, nonce).await
    }

    async fn list_flows(
        &self,
        list: ListFlows,
        visible: Visible<'_>,
    ) -> Result<Listed<Flow, Name>, Error> {
        list_flows::list_flows(&self.readers, &self.scans, &list, visible).await
    }

    async fn list_flow_activity(
        &self,
        list: ListFlowActivity,
        visible: Visible<'_>,
    ) -> Result<Listed<FlowActivity, FlowPosition>, Error> {
        activity::list_flow_activity(&self.scans, &list, visible, |from, limit| {
            list_flow_activity::activity(&self.readers, from, limit)
        })
        .await
    }

    async fn start_execution(
        &self,
        start: StartExecution,
        nonce: Option<Nonce>,
    ) -> Outcome<Execution> {
        self.writer.write(Write::StartExecution, start, nonce).await
    }

    async fn describe_execution(&self, flow: &Name, execution: &Name) -> Outcome<Execution> {
        describe_execution::describe_execution(&self.readers, flow, execution).await
    }

    async fn stop_execution(
        &self,
        stop: StopExecution,
        nonce: Option<Nonce>,
    ) -> Outcome<Execution> {
        self.writer.write(Write::StopExecution, stop, nonce).await
    }

    async fn list_executions(&self, list: ListExecutions) -> Outcome<Listed<Execution, Position>> {
        list_executions::list_executions(&self.readers, &self.scans, &list).await
    }

    async fn report_task(&self, report: ReportTask, nonce: Option<Nonce>) -> Outcome<i64> {
        self.writer.write(Write::ReportTask, report, nonce).await
    }

    fn describe(&self) -> Description {
        self.description.clone()
    }

    fn task_key(&self) -> Result<&TaskKey, Error> {
        Ok(&self.task_key)
    }

    fn subscribe(&self, flow: &Name, execution: &Name) -> Subscription {
        self.notifier.subscribe(flow, execution)
    }

    async fn append_execution_events(
        &self,
        append: AppendRequest,
        nonce: Option<Nonce>,
    ) -> Outcome<Appended> {
        self.writer.write(Write::Append, append, nonce).await
    }

    async fn get_execution_history(
        &self,
        flow: &Name,
        execution: &Name,
        query: &HistoryQuery,
    ) -> Outcome<HistoryPage> {
        let read = |range, max_bytes| {
            self.histories.read(RangeQuery {
                flow: flow.clone(),
                execution: execution.clone(),
                range,
                max_bytes,
            })
        };
        scan::history_page(query, &self.scans, read).await
    }

    async fn ready(&self) -> Result<(), Error> {
        sqlx::query("SELECT 1").fetch_one(&self.probe).await?;
        self.writer.ready().await
    }

    async fn failed(&self) -> String {
        tokio::select! {
            failure = self.writer.failed() => failure,
            failure = self.histories.failed() => failure,
        }
    }

    async fn close(&self) {
        self.histories.close().await;
        self.readers.close().await;
        self.probe.close().await;
        self.writer.close().await;
        self.lock.unlock();
    }
}

/// Classifies SQLite's errors.
impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let message = error.to_string();
        match (&error, primary_code(&error)) {
            (sqlx::Error::PoolTimedOut, _) => Error::Busy("all readers are in use".to_owned()),
            (sqlx::Error::PoolClosed, _) => Error::closing(),
            (sqlx::Error::ColumnDecode { .. }, _) => Error::Corrupt(message),
            (_, Some(SQLITE_BUSY | SQLITE_LOCKED)) => Error::Busy(message),
            (_, Some(SQLITE_FULL | SQLITE_READONLY | SQLITE_CANTOPEN)) => {
                Error::Unavailable(message)
            }
            _ if code(&error) == Some(SQLITE_IOERR_WRITE) => Error::Unwritten(message),
            (_, Some(SQLITE_IOERR)) => Error::Io(message),
            (_, Some(SQLITE_CORRUPT | SQLITE_NOTADB)) => Error::Corrupt(message),
            _ => Error::Other(message),
        }
    }
}

// Result codes, <https://sqlite.org/rescode.html>.
const SQLITE_BUSY: u32 = 5;
const SQLITE_LOCKED: u32 = 6;
const SQLITE_READONLY: u32 = 8;
const SQLITE_IOERR: u32 = 10;
const SQLITE_IOERR_WRITE: u32 = 778;
const SQLITE_CORRUPT: u32 = 11;
const SQLITE_FULL: u32 = 13;
const SQLITE_CANTOPEN: u32 = 14;
const SQLITE_NOTADB: u32 = 26;

/// Returns the primary result code, the first byte of the extended one.
fn primary_code(error: &sqlx::Error) -> Option<u32> {
    code(error).map(|code| code & 0xff)
}

fn code(error: &sqlx::Error) -> Option<u32> {
    error.as_database_error()?.code()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::Timestamp,
        store::{Refusal, scans::SCANS_MAX},
    };

    #[tokio::test]
    async fn one_scan_too_many_is_busy_and_a_backward_page_is_no_scan() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/test.db", folder.path().display());
        let store = Sqlite::open(&url, Timestamp::from_millis(0).unwrap()).await;
        let store = store.unwrap();
        let mut scans = Vec::new();
        for _ in 0..SCANS_MAX {
            scans.push(store.scans.begin().await.unwrap());
        }
        let name = Name::parse("absent").unwrap();
        let backward = HistoryQuery {
            reverse: true,
            ..HistoryQuery::range(1, 1)
        };
        let filtered = HistoryQuery {
            step: Some("pay".to_owned()),
            ..HistoryQuery::range(1, 1)
        };
        let read = async |query| store.get_execution_history(&name, &name, query).await;
        let absent = |read: Outcome<HistoryPage>| matches!(read, Ok(Err(Refusal::FlowNotExists)));
        assert!(absent(read(&backward).await));
        assert!(matches!(read(&filtered).await, Err(Error::Busy(_))));
        drop(scans);
        assert!(absent(read(&filtered).await));
    }
}
