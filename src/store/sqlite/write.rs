//! The kinds of writes, and how each is done within a transaction.

use sqlx::SqliteConnection;

use super::{
    append_execution_events, create_flow, delete_flow, report_task, request::Request,
    start_execution, stop_execution, update_flow,
};
use crate::{
    model::{Execution, Flow, Nonce},
    store::{
        AppendRequest, Appended, Error, FlowChange, FlowDeletion, Refusal, ReportTask,
        StartExecution, StopExecution, notify::Notifier,
    },
};

/// A kind of write: each variant but the last is a method of the store.
pub(super) enum Write {
    CreateFlow(Box<Request<Flow, Flow>>),
    UpdateFlow(Box<Request<FlowChange, Flow>>),
    DeleteFlow(Box<Request<FlowDeletion, ()>>),
    StartExecution(Box<Request<StartExecution, Execution>>),
    StopExecution(Box<Request<StopExecution, Execution>>),
    ReportTask(Box<Request<ReportTask, i64>>),
    Append(Box<Request<AppendRequest, Appended>>),
    /// Checks that a write would succeed, and changes nothing.
    Probe(Box<Request<(), ()>>),
}

/// Does the same with the request of any kind of write.
macro_rules! with_request {
    ($write:expr, $request:ident => $done:expr) => {
        match $write {
            Write::CreateFlow($request) => $done,
            Write::UpdateFlow($request) => $done,
            Write::DeleteFlow($request) => $done,
            Write::StartExecution($request) => $done,
            Write::StopExecution($request) => $done,
            Write::ReportTask($request) => $done,
            Write::Append($request) => $done,
            Write::Probe($request) => $done,
        }
    };
}

impl Write {
    pub(super) fn is_append(&self) -> bool {
        matches!(self, Write::Append(_))
    }

    /// Whether it is an append that needs no other statement than that of its group.
    fn is_plain_append(&self) -> bool {
        matches!(self, Write::Append(request) if request.command.batch.starts().is_none())
    }

    pub(super) fn is_deletion(&self) -> bool {
        matches!(self, Write::DeleteFlow(_))
    }

    pub(super) fn nonce(&self) -> Option<Nonce> {
        with_request!(self, request => request.nonce)
    }

    /// Answers the caller without writing.
    pub(super) fn refuse(self, refusal: Refusal) {
        with_request!(self, request => request.refuse(refusal))
    }

    /// Answers the caller and notifies the execution's subscribers.
    pub(super) fn answer(self, committed: &Result<(), Error>, notifier: &Notifier) {
        if committed.is_ok() {
            self.notify(notifier);
        }
        with_request!(self, request => request.answer(committed))
    }

    fn notify(&self, notifier: &Notifier) {
        match self {
            Write::DeleteFlow(request) if request.succeeded() => {
                notifier.notify_deleted(&request.command.name)
            }
            Write::Append(request) if request.succeeded() => {
                let AppendRequest {
                    flow,
                    execution,
                    batch,
                    ..
                } = &request.command;
                notifier.notify(flow, execution, batch.ends());
            }
            Write::StopExecution(request) if request.succeeded() => {
                notifier.notify(&request.command.flow, &request.command.execution, true);
            }
            Write::ReportTask(request) if request.succeeded() => {
                notifier.notify(&request.command.flow, &request.command.execution, false);
            }
            _ => {}
        }
    }
}

/// Does all of `group` in one transaction. Each request's outcome counts only if this returns Ok.
pub(super) async fn transaction(
    connection: &mut SqliteConnection,
    group: &mut [Write],
) -> Result<(), Error> {
    if group.iter().all(Write::is_plain_append) {
        return perform(connection, group).await; // one statement, so one transaction
    }
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut *connection)
        .await?;
    let result = async {
        perform(connection, group).await?;
        sqlx::query("COMMIT").execute(&mut *connection).await?;
        Ok(())
    }
    .await;
    if result.is_err() {
        // May have been rolled back by SQLite already; then this fails, and that is fine.
        let _ = sqlx::query("ROLLBACK").execute(&mut *connection).await;
    }
    result
}

async fn perform(connection: &mut SqliteConnection, group: &mut [Write]) -> Result<(), Error> {
    for run in group.chunk_by_mut(|a, b| a.is_append() && b.is_append()) {
        match run {
            [Write::CreateFlow(request)] => {
                let result = create_flow::create_flow(connection, request).await;
                request.record(result)?
            }
            [Write::UpdateFlow(request)] => {
                let result = update_flow::update_flow(connection, request).await;
                request.record(result)?
            }
            [Write::DeleteFlow(request)] => {
                let result = delete_flow::delete_flow(connection, request).await;
                request.record(result)?
            }
            [Write::StartExecution(request)] => {
                let result = start_execution::start_execution(connection, request).await;
                request.record(result)?;
            }
            [Write::StopExecution(request)] => {
                let result = stop_execution::stop_execution(connection, request).await;
                request.record(result)?;
            }
            [Write::ReportTask(request)] => {
                let result = report_task::report_task(connection, request).await;
                request.record(result)?
            }
            [Write::Probe(request)] => {
                probe(connection).await?;
                request.outcome = Some(Ok(Ok(())));
            }
            appends => {
                let requests = appends.iter_mut().filter_map(|write| match write {
                    Write::Append(request) => Some(&mut **request),
                    _ => None,
                });
                append_execution_events::append_all(connection, requests.collect()).await?;
            }
        }
    }
    Ok(())
}

/// Checks that a large write and a commit succeed; changes nothing.
///
/// On a full disk a small write may succeed while larger ones fail. So this writes a megabyte, the size of the largest
/// request; a cache of 64 pages makes SQLite write most of it to the log before it is rolled back.
async fn probe(connection: &mut SqliteConnection) -> Result<(), Error> {
    let tried: Result<(), sqlx::Error> = async {
        for sql in [
            "PRAGMA cache_size = 64",
            "SAVEPOINT probe",
            "UPDATE task_key SET key = key || hex(zeroblob(655360))",
        ] {
            sqlx::query(sql).execute(&mut *connection).await?;
        }
        Ok(())
    }
    .await;
    // After an error the transaction may be gone, and with it the savepoint.
    for sql in [
        "ROLLBACK TO probe",
        "RELEASE probe",
        "PRAGMA cache_size = -2000", // SQLite's own default
    ] {
        let _ = sqlx::query(sql).execute(&mut *connection).await;
    }
    tried?;
    // Two updates, because SQLite does not write a page that an update would not change.
    for sql in [
        "UPDATE task_key SET key = key || ' '",
        "UPDATE task_key SET key = rtrim(key)",
    ] {
        sqlx::query(sql).execute(&mut *connection).await?;
    }
    Ok(())
}
