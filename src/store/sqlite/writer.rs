//! The one writer: a task that owns the connection, gathers what is waiting into one transaction, and
//! answers after its commit. It lives apart from the requests: one that is given up changes nothing.

use std::fs::File;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::{Connection, Row, SqliteConnection};
use tokio::sync::{
    mpsc::{self, error::SendTimeoutError},
    watch,
};

use super::{append, deletion, executions, flows, nonces, request::Request, tasks};
use crate::{
    model::{Execution, Flow, Nonce},
    store::{
        AppendRequest, Appended, Error, FlowChange, FlowDeletion, Outcome, ReportTask,
        StartExecution, StopExecution, notify::Notifier,
    },
};

/// Writes that wait for the writer. More would wait longer than their clients do.
const QUEUE_MAX: usize = 1024;
/// Longest wait for a place in the queue, before the caller is told to come again.
const QUEUE_WAIT: Duration = Duration::from_secs(1);
/// Writes of one transaction. Bounds what is rolled back, and how long the first one waits for the last.
const GROUP_MAX: usize = 256;
/// Transactions between two deletions of expired nonces.
const NONCE_SWEEP: u64 = 100;
/// Pages of the write-ahead log that are not in the database yet, before a checkpoint moves them; SQLite's
/// own default.
const LOG_MAX_PAGES: i64 = 1000;
/// Pause between two steps of a deletion, so that it takes a share of the disk only.
const DELETION_PAUSE: Duration = Duration::from_millis(2);

/// A kind of write: each variant but the last is a method of the store.
pub(super) enum Write {
    CreateFlow(Box<Request<Flow, Flow>>),
    UpdateFlow(Box<Request<FlowChange, Flow>>),
    DeleteFlow(Box<Request<FlowDeletion, ()>>),
    StartExecution(Box<Request<StartExecution, Execution>>),
    StopExecution(Box<Request<StopExecution, Execution>>),
    ReportTask(Box<Request<ReportTask, i64>>),
    Append(Box<Request<AppendRequest, Appended>>),
    /// Writes something that changes nothing.
    Probe(Box<Request<(), ()>>),
}

/// The task's handle.
pub(super) struct Writer {
    queue: Mutex<Option<mpsc::Sender<Write>>>,
    state: Arc<State>,
    ended: watch::Receiver<bool>,
}

/// What the task tells about itself.
struct State {
    /// The last transaction could not be written, for example because the disk is full.
    refusing: AtomicBool,
    failure: watch::Sender<Option<String>>,
    notifier: Notifier,
    /// The lock file, which can be changed as long as the database can be.
    lock: PathBuf,
}

impl State {
    /// Never to write again: a second sync that succeeds says nothing about the first.
    fn fail(&self, failure: String) {
        self.failure.send_replace(Some(failure));
    }

    /// Whether nothing can be promised after this fault; if so, the store has failed. Where there is no room,
    /// or the disk may only be read for a while, what was written before stands.
    fn is_end(&self, fault: &Error) -> bool {
        let end = match fault {
            Error::Io(_) => true,
            Error::Unwritten(_) => !self.is_read_only(),
            _ => false,
        };
        if end {
            self.fail(fault.to_string());
        }
        end
    }

    fn is_read_only(&self) -> bool {
        let touched = File::options()
            .append(true)
            .open(&self.lock)
            .and_then(|lock| lock.set_permissions(lock.metadata()?.permissions()));
        touched.is_err_and(|e| e.kind() == ErrorKind::ReadOnlyFilesystem)
    }
}

impl Writer {
    /// Starts the task. After a commit it notifies the subscribers of `notifier`.
    pub(super) fn start(connection: SqliteConnection, notifier: Notifier, lock: PathBuf) -> Self {
        let (sender, queue) = mpsc::channel(QUEUE_MAX);
        let state = Arc::new(State {
            refusing: AtomicBool::default(),
            failure: watch::Sender::default(),
            notifier,
            lock,
        });
        let (ending, ended) = watch::channel(false);
        let task_state = Arc::clone(&state);
        let task = tokio::spawn(async move { run(connection, queue, &task_state).await });
        let watched = Arc::clone(&state);
        tokio::spawn(async move {
            if task.await.is_err() {
                watched.fail("the writer panicked".to_owned());
            }
            let _ = ending.send(true);
        });
        Writer {
            queue: Mutex::new(Some(sender)),
            state,
            ended,
        }
    }

    /// Asks the task to write, and waits until it is committed.
    pub(super) async fn write<C, T>(
        &self,
        kind: fn(Box<Request<C, T>>) -> Write,
        command: C,
        nonce: Option<Nonce>,
    ) -> Outcome<T> {
        let queue = self.queue.lock().expect("no panic holds this lock").clone();
        let queue = queue.ok_or_else(closed)?;
        let (request, answer) = Request::new(command, nonce);
        queue
            .send_timeout(kind(Box::new(request)), QUEUE_WAIT)
            .await
            .map_err(|error| match error {
                SendTimeoutError::Timeout(_) => Error::Busy("too many writes wait".to_owned()),
                SendTimeoutError::Closed(_) => closed(),
            })?;
        drop(queue);
        answer.await.map_err(|_| closed())?
    }

    /// After a refused transaction only another one can tell whether there is room again.
    pub(super) async fn ready(&self) -> Result<(), Error> {
        if self.state.refusing.load(Relaxed) {
            let _ = self.write(Write::Probe, (), None).await?;
        }
        if self
            .queue
            .lock()
            .expect("no panic holds this lock")
            .is_none()
        {
            return Err(closed());
        }
        Ok(())
    }

    pub(super) async fn failed(&self) -> String {
        let mut failure = self.state.failure.subscribe();
        let failed = failure
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|failure| failure.clone());
        match failed {
            Some(failure) => failure,
            None => std::future::pending().await,
        }
    }

    /// Lets the task finish what is queued, and waits for it.
    pub(super) async fn close(&self) {
        self.queue.lock().expect("no panic holds this lock").take();
        let _ = self.ended.clone().wait_for(|ended| *ended).await;
    }
}

fn closed() -> Error {
    Error::Unavailable("it is closing".to_owned())
}

async fn run(mut connection: SqliteConnection, mut queue: mpsc::Receiver<Write>, state: &State) {
    let mut transactions: u64 = 0;
    let mut group = Vec::with_capacity(GROUP_MAX);
    let mut deleting = true; // an earlier process may have left something
    loop {
        let waiting = tokio::select! {
            biased;
            waiting = queue.recv_many(&mut group, GROUP_MAX) => Some(waiting),
            () = tokio::time::sleep(DELETION_PAUSE), if deleting => None,
        };
        let written = match waiting {
            Some(0) => break,
            Some(_) => {
                let sweep = transactions.is_multiple_of(NONCE_SWEEP);
                let mut committed = transaction(&mut connection, &mut group, sweep).await;
                // A write that meets damage must not take the others with it.
                let apart = group.len() > 1
                    && matches!(committed, Err(Error::Corrupt(_) | Error::Other(_)));
                transactions += 1;
                for mut write in group.drain(..) {
                    deleting |= matches!(write, Write::DeleteFlow(_));
                    if apart && !matches!(committed, Err(Error::Io(_) | Error::Unwritten(_))) {
                        let alone = std::slice::from_mut(&mut write);
                        committed = transaction(&mut connection, alone, false).await;
                    }
                    // Before the answer: whoever was refused may ask at once whether we are ready.
                    state.refusing.store(committed.is_err(), Relaxed);
                    write.answer(&committed, &state.notifier);
                }
                committed
            }
            None => {
                let step = deletion::step(&mut connection).await;
                deleting = *step.as_ref().unwrap_or(&false);
                step.map(drop).inspect_err(|error| {
                    tracing::error!(%error, "rows of a deleted flow stay until the next start");
                })
            }
        };
        let checkpointed = match written {
            Ok(()) => checkpoint(&mut connection).await.inspect_err(|error| {
                tracing::warn!(%error, "the write-ahead log grows");
            }),
            refused => refused,
        };
        if checkpointed.is_err_and(|fault| state.is_end(&fault)) {
            return;
        }
    }
    let emptied = empty_log(&mut connection).await;
    let closed = emptied.and(connection.close().await.map_err(Error::from));
    if let Err(fault) = closed {
        tracing::warn!(%fault, "the write-ahead log stays beside the database");
        state.is_end(&fault);
    }
}

impl Write {
    fn is_append(&self) -> bool {
        matches!(self, Write::Append(_))
    }

    /// Answers the caller and notifies the execution's subscribers.
    fn answer(self, committed: &Result<(), Error>, notifier: &Notifier) {
        if committed.is_ok() {
            self.notify(notifier);
        }
        match self {
            Write::CreateFlow(request) => request.answer(committed),
            Write::UpdateFlow(request) => request.answer(committed),
            Write::DeleteFlow(request) => request.answer(committed),
            Write::StartExecution(request) => request.answer(committed),
            Write::StopExecution(request) => request.answer(committed),
            Write::ReportTask(request) => request.answer(committed),
            Write::Append(request) => request.answer(committed),
            Write::Probe(request) => request.answer(committed),
        }
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

/// Does all of `group` in one transaction. Each request's outcome counts only if this answers Ok.
async fn transaction(
    connection: &mut SqliteConnection,
    group: &mut [Write],
    sweep: bool,
) -> Result<(), Error> {
    if !sweep && group.iter().all(Write::is_append) {
        return perform(connection, group).await; // one statement, so one transaction
    }
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut *connection)
        .await?;
    let result = async {
        perform(connection, group).await?;
        if sweep {
            nonces::sweep(connection).await?;
        }
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
                let result = flows::create_flow(connection, request).await;
                request.record(result)?
            }
            [Write::UpdateFlow(request)] => {
                let result = flows::update_flow(connection, request).await;
                request.record(result)?
            }
            [Write::DeleteFlow(request)] => {
                let result = flows::delete_flow(connection, request).await;
                request.record(result)?
            }
            [Write::StartExecution(request)] => {
                let result = executions::start_execution(connection, request).await;
                request.record(result)?;
            }
            [Write::StopExecution(request)] => {
                let result = executions::stop_execution(connection, request).await;
                request.record(result)?;
            }
            [Write::ReportTask(request)] => {
                let result = tasks::report_task(connection, request).await;
                request.record(result)?
            }
            [Write::Probe(request)] => {
                // SQLite leaves a page alone that would stay the same.
                for sql in [
                    "UPDATE task_key SET key = key || ' '",
                    "UPDATE task_key SET key = rtrim(key)",
                ] {
                    sqlx::query(sql).execute(&mut *connection).await?;
                }
                request.outcome = Some(Ok(Ok(())));
            }
            appends => {
                let requests = appends.iter_mut().filter_map(|write| match write {
                    Write::Append(request) => Some(&mut **request),
                    _ => None,
                });
                append::append_all(connection, requests.collect()).await?;
            }
        }
    }
    Ok(())
}

/// Moves what is in the write-ahead log into the database, once it is long. SQLite would do so by itself,
/// but within a commit, for which clients wait, and without a word if a sync fails.
async fn checkpoint(connection: &mut SqliteConnection) -> Result<(), Error> {
    let log = sqlx::query("PRAGMA wal_checkpoint(NOOP)")
        .fetch_one(&mut *connection)
        .await?;
    let (pages, moved): (i64, i64) = (log.try_get(1)?, log.try_get(2)?);
    if pages - moved >= LOG_MAX_PAGES {
        sqlx::query("PRAGMA wal_checkpoint(PASSIVE)")
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// Moves all of the write-ahead log into the database: the file alone then holds everything. Closing the last
/// connection does so too, but without a word if a sync fails.
pub(super) async fn empty_log(connection: &mut SqliteConnection) -> Result<(), Error> {
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
        .execute(connection)
        .await?;
    Ok(())
}
