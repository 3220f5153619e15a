//! The one writer: a task that owns the connection, gathers what is waiting into one transaction, and
//! answers after its commit. It lives apart from the requests: one that is given up changes nothing.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::{Connection, SqliteConnection};
use tokio::sync::{mpsc, oneshot, watch};

use super::{append, executions, flows, job::Job, nonces};
use crate::{
    model::{Execution, Flow, Nonce},
    store::{AppendEvents, Appended, Error, Outcome, StartExecution},
};

/// Writes that wait for the writer. More would wait longer than their clients do.
const QUEUE_MAX: usize = 1024;
/// Longest wait for a place in the queue, before the caller is told to come again.
const QUEUE_WAIT: Duration = Duration::from_secs(1);
/// Writes of one transaction. Bounds what is rolled back, and how long the first one waits for the last.
const GROUP_MAX: usize = 256;
/// Transactions between two deletions of expired nonces.
const NONCE_SWEEP: u64 = 100;
enum Write {
    CreateFlow(Box<Job<Flow, Flow>>),
    StartExecution(Job<StartExecution, Execution>),
    Append(Job<AppendEvents, Appended>),
}

/// The task's handle.
pub(super) struct Writer {
    queue: Mutex<Option<mpsc::Sender<Write>>>,
    state: Arc<State>,
    ended: watch::Receiver<bool>,
}

/// What the task tells about itself.
#[derive(Default)]
struct State {
    /// The last transaction could not be written, for example because the disk is full.
    refusing: AtomicBool,
    failure: watch::Sender<Option<String>>,
}

impl Writer {
    pub(super) fn start(connection: SqliteConnection) -> Self {
        let (sender, queue) = mpsc::channel(QUEUE_MAX);
        let state = Arc::new(State::default());
        let (ending, ended) = watch::channel(false);
        let task_state = Arc::clone(&state);
        tokio::spawn(async move {
            run(connection, queue, &task_state).await;
            let _ = ending.send(true);
        });
        Writer {
            queue: Mutex::new(Some(sender)),
            state,
            ended,
        }
    }

    pub(super) async fn create_flow(&self, flow: Flow, nonce: Option<Nonce>) -> Outcome<Flow> {
        self.write(flow, nonce, |job| Write::CreateFlow(Box::new(job)))
            .await
    }

    pub(super) async fn start_execution(
        &self,
        start: StartExecution,
        nonce: Option<Nonce>,
    ) -> Outcome<Execution> {
        self.write(start, nonce, Write::StartExecution).await
    }

    pub(super) async fn append_execution_events(
        &self,
        append: AppendEvents,
        nonce: Option<Nonce>,
    ) -> Outcome<Appended> {
        self.write(append, nonce, Write::Append).await
    }

    async fn write<C, T>(
        &self,
        ask: C,
        nonce: Option<Nonce>,
        kind: fn(Job<C, T>) -> Write,
    ) -> Outcome<T> {
        let closed = || Error::Unavailable("it is closing".to_owned());
        let (reply, answer) = oneshot::channel();
        let queue = self
            .queue
            .lock()
            .expect("no panic holds this lock")
            .clone()
            .ok_or_else(closed)?;
        let job = kind(Job {
            ask,
            nonce,
            outcome: None,
            reply,
        });
        queue
            .send_timeout(job, QUEUE_WAIT)
            .await
            .map_err(|_| Error::Busy("too many writes wait".to_owned()))?;
        drop(queue);
        answer.await.map_err(|_| closed())?
    }

    pub(super) fn ready(&self) -> Result<(), Error> {
        if self.state.refusing.load(Relaxed) {
            return Err(Error::Unavailable("the last write was refused".to_owned()));
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

async fn run(mut connection: SqliteConnection, mut queue: mpsc::Receiver<Write>, state: &State) {
    let mut transactions: u64 = 0;
    let mut group = Vec::with_capacity(GROUP_MAX);
    while queue.recv_many(&mut group, GROUP_MAX).await > 0 {
        let sweep = transactions.is_multiple_of(NONCE_SWEEP);
        let committed = transaction(&mut connection, &mut group, sweep).await;
        transactions += 1;
        state.refusing.store(committed.is_err(), Relaxed);
        for write in group.drain(..) {
            match write {
                Write::CreateFlow(job) => job.answer(&committed),
                Write::StartExecution(job) => job.answer(&committed),
                Write::Append(job) => job.answer(&committed),
            }
        }
        if let Err(Error::Io(failure)) = committed {
            state.failure.send_replace(Some(failure));
            return; // never to write again: a second sync that succeeds says nothing about the first
        }
    }
    if let Err(error) = close(connection).await {
        tracing::warn!(%error, "the write-ahead log stays beside the database");
    }
}

/// Does all of `group` in one transaction. Each job's outcome counts only if this answers Ok.
async fn transaction(
    connection: &mut SqliteConnection,
    group: &mut [Write],
    sweep: bool,
) -> Result<(), Error> {
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
    let is_append = |write: &Write| matches!(write, Write::Append(_));
    for run in group.chunk_by_mut(|a, b| is_append(a) && is_append(b)) {
        match run {
            [Write::CreateFlow(job)] => {
                job.outcome = Some(flows::create_flow(connection, job).await?)
            }
            [Write::StartExecution(job)] => {
                job.outcome = Some(executions::start_execution(connection, job).await?)
            }
            appends => {
                let jobs = appends.iter_mut().filter_map(|write| match write {
                    Write::Append(job) => Some(job),
                    _ => None,
                });
                append::append_all(connection, jobs.collect()).await?;
            }
        }
    }
    Ok(())
}

/// Runs `PRAGMA wal_checkpoint(TRUNCATE)` and closes: the file alone then holds everything.
async fn close(mut connection: SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
        .execute(&mut connection)
        .await?;
    connection.close().await
}
