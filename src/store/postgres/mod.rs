//! The store in a PostgreSQL database, to which several processes may write. Each operation has a file named like its
//! action.

mod append_execution_events;
mod create_flow;
mod delete_flow;
mod describe_execution;
mod describe_flow;
mod fault;
mod get_execution_history;
mod insert;
mod keys;
mod list_executions;
mod list_flow_activity;
mod list_flows;
mod nonces;
mod open;
mod purge;
mod report_task;
mod rows;
mod schema;
mod start_execution;
mod stop_execution;
mod turns;
mod update_flow;
mod watch;
mod write;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use sqlx::{PgPool, Row, pool::PoolConnection, postgres::PgConnectOptions};
use tokio::{sync::OnceCell, task::JoinSet};

use super::{
    AppendRequest, Appended, Description, Error, FlowActivity, FlowChange, FlowDeletion,
    FlowPosition, HistoryPage, HistoryQuery, ListExecutions, ListFlowActivity, ListFlows, Listed,
    Outcome, Position, ReportTask, StartExecution, StopExecution, Store, Subscription, Visible,
    activity, notify::Notifier, scan, scans::Scans,
};
use crate::model::{Execution, Flow, Name, Nonce, task_token::TaskKey};
use describe_execution::find_execution;
use describe_flow::describe_flow;
use fault::{Fault, retry};
use get_execution_history::get_execution_history;
use keys::{FlowKeys, Ids};
use nonces::Nonces;
pub(super) use open::{migrate, shown};
use turns::Turns;
use write::Writes;

/// An open PostgreSQL store.
pub struct Postgres {
    database: Arc<Database>,
    /// Background tasks, which end with the store.
    tasks: Mutex<JoinSet<()>>,
    description: Description,
}

/// What reads, writes and background tasks share.
struct Database {
    /// Which database it is, for messages.
    location: String,
    options: PgConnectOptions,
    pool: PgPool,
    upkeep: PgPool,
    /// Empty until the database was reached for the first time.
    opened: OnceCell<Opened>,
    /// Why the server cannot be reached now, if so.
    unreachable: Mutex<Option<Error>>,
    flows: FlowKeys,
    ids: Ids,
    nonces: Nonces,
    notifier: Notifier,
    scans: Scans,
    turns: Turns,
    writes: Writes,
}

/// What is read from a database when it is opened.
struct Opened {
    task_key: TaskKey,
}

impl Database {
    /// # Errors
    ///
    /// Why the database could not be opened yet.
    fn opened(&self) -> Result<&Opened, Error> {
        let unreachable = || self.unreachable().unwrap_or_else(Error::closing);
        self.opened.get().ok_or_else(unreachable)
    }

    fn unreachable(&self) -> Option<Error> {
        let unreachable = self.unreachable.lock();
        unreachable.expect("no panic holds this lock").clone()
    }

    fn pool(&self) -> Result<&PgPool, Error> {
        self.opened().map(|_| &self.pool)
    }

    /// Takes a connection from the pool.
    async fn acquire(&self) -> Result<PoolConnection<sqlx::Postgres>, Fault> {
        self.pool()?.acquire().await.map_err(|error| match error {
            sqlx::Error::PoolTimedOut => {
                let busy = || Error::Busy("all connections are in use".to_owned());
                Fault::Transient(self.unreachable().unwrap_or_else(busy))
            }
            error => error.into(),
        })
    }
}

#[async_trait]
impl Store for Postgres {
    async fn create_flow(&self, flow: Flow, nonce: Option<Nonce>) -> Outcome<Flow> {
        self.database.write(flow, nonce).await
    }

    async fn describe_flow(&self, name: &Name) -> Outcome<Flow> {
        let database = &self.database;
        retry(|| async { describe_flow(&mut *database.acquire().await?, name).await }).await
    }

    async fn update_flow(&self, change: FlowChange, nonce: Option<Nonce>) -> Outcome<Flow> {
        self.database.write(change, nonce).await
    }

    async fn delete_flow(&self, deletion: FlowDeletion, nonce: Option<Nonce>) -> Outcome<()> {
        self.database.write(deletion, nonce).await
    }

    async fn list_flows(
        &self,
        list: ListFlows,
        visible: Visible<'_>,
    ) -> Result<Listed<Flow, Name>, Error> {
        let database = &self.database;
        retry(|| async {
            list_flows::list_flows(database.pool()?, &database.scans, &list, visible).await
        })
        .await
    }

    async fn list_flow_activity(
        &self,
        list: ListFlowActivity,
        visible: Visible<'_>,
    ) -> Result<Listed<FlowActivity, FlowPosition>, Error> {
        let database = &self.database;
        retry(|| async {
            let pool = database.pool()?;
            let read = |from, limit| list_flow_activity::activity(pool, from, limit);
            activity::list_flow_activity(&database.scans, &list, visible, read).await
        })
        .await
    }

    async fn start_execution(
        &self,
        start: StartExecution,
        nonce: Option<Nonce>,
    ) -> Outcome<Execution> {
        self.database.write(start, nonce).await
    }

    async fn describe_execution(&self, flow: &Name, execution: &Name) -> Outcome<Execution> {
        let database = &self.database;
        retry(|| async {
            let connection = &mut *database.acquire().await?;
            find_execution(connection, &database.flows, flow, execution).await
        })
        .await
    }

    async fn stop_execution(
        &self,
        stop: StopExecution,
        nonce: Option<Nonce>,
    ) -> Outcome<Execution> {
        self.database.write(stop, nonce).await
    }

    async fn list_executions(&self, list: ListExecutions) -> Outcome<Listed<Execution, Position>> {
        let database = &self.database;
        retry(|| async {
            list_executions::list_executions(database.pool()?, &database.scans, &list).await
        })
        .await
    }

    async fn report_task(&self, report: ReportTask, nonce: Option<Nonce>) -> Outcome<i64> {
        self.database.write(report, nonce).await
    }

    fn describe(&self) -> Description {
        self.description.clone()
    }

    fn task_key(&self) -> Result<&TaskKey, Error> {
        self.database.opened().map(|opened| &opened.task_key)
    }

    fn subscribe(&self, flow: &Name, execution: &Name) -> Subscription {
        self.database.notifier.subscribe(flow, execution)
    }

    async fn append_execution_events(
        &self,
        append: AppendRequest,
        nonce: Option<Nonce>,
    ) -> Outcome<Appended> {
        self.database.write(append, nonce).await
    }

    async fn get_execution_history(
        &self,
        flow: &Name,
        execution: &Name,
        query: &HistoryQuery,
    ) -> Outcome<HistoryPage> {
        let database = &self.database;
        let of = (flow, execution);
        let read =
            |range, max_bytes| retry(move || get_execution_history(database, of, range, max_bytes));
        scan::history_page(query, &database.scans, read).await
    }

    async fn ready(&self) -> Result<(), Error> {
        let database = &self.database;
        database.opened()?;
        let read_only = sqlx::query("SHOW transaction_read_only")
            .fetch_one(&database.upkeep)
            .await;
        let read_only = match read_only {
            Ok(row) => row.try_get::<String, _>(0)? == "on",
            Err(sqlx::Error::PoolTimedOut) => {
                // Connects to learn why.
                let connected = open::connect(&database.options).await;
                connected.map_err(Fault::into_error)?;
                return Err(Error::Busy("all connections are in use".to_owned()));
            }
            Err(error) => return Err(Fault::from(error).into_error()),
        };
        if read_only {
            let replica = "the database is read-only: a replica, or a primary that was made so";
            return Err(Error::Unavailable(replica.to_owned()));
        }
        Ok(())
    }

    async fn failed(&self) -> String {
        std::future::pending().await // a server that fails may come back
    }

    async fn close(&self) {
        self.database.writes.close().await;
        let mut tasks = std::mem::take(&mut *self.tasks.lock().expect("no panic holds this lock"));
        tasks.shutdown().await;
        self.database.pool.close().await;
        self.database.upkeep.close().await;
    }
}
