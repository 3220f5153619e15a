//! The one writer: a task that owns the connection, gathers what is waiting into one transaction, and
//! answers after its commit. It lives apart from the requests: one that is given up changes nothing.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::{Row, SqliteConnection};
use tokio::sync::{mpsc, oneshot, watch};

use super::{append, open, reader};
use crate::{
    model::{
        Execution, Flow, NewEvent, Nonce, Status, event::EXECUTION_STARTED,
        execution::started_detail,
    },
    store::{AppendEvents, Appended, Error, Outcome, Refusal, StartExecution},
};

/// Writes that wait for the writer. More would wait longer than their clients do.
const QUEUE_MAX: usize = 1024;
/// Longest wait for a place in the queue, before the caller is told to come again.
const QUEUE_WAIT: Duration = Duration::from_secs(1);
/// Writes of one transaction. Bounds what is rolled back, and how long the first one waits for the last.
const GROUP_MAX: usize = 256;
/// Transactions between two deletions of expired nonces.
const NONCE_SWEEP: u64 = 100;
/// How long a nonce is kept, counted from the time that its request signed: twice the 15 minutes by which
/// that may be off, and one for the sweep.
const NONCE_KEPT: Duration = Duration::from_secs(31 * 60);

/// A write on its way: what is asked, what came out, and who waits for it.
pub(super) struct Job<C, T> {
    pub ask: C,
    pub nonce: Option<Nonce>,
    pub outcome: Option<Result<T, Refusal>>,
    reply: oneshot::Sender<Outcome<T>>,
}

impl<C, T> Job<C, T> {
    fn answer(self, committed: &Result<(), Error>) {
        let undone = || Error::Other("the write was not reached".to_owned());
        let outcome = committed
            .clone()
            .and_then(|()| self.outcome.ok_or_else(undone));
        let _ = self.reply.send(outcome); // whoever asked may be gone
    }
}

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
    if let Err(error) = open::close(connection).await {
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
            sqlx::query(
                "DELETE FROM nonces WHERE signed_at < (SELECT max(signed_at) FROM nonces) - ?1",
            )
            .bind(i64::try_from(NONCE_KEPT.as_millis()).unwrap_or(i64::MAX))
            .execute(&mut *connection)
            .await?;
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
            [Write::CreateFlow(job)] => job.outcome = Some(create_flow(connection, job).await?),
            [Write::StartExecution(job)] => {
                job.outcome = Some(start_execution(connection, job).await?)
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

/// Remembers a nonce; false if it was there.
async fn use_nonce(connection: &mut SqliteConnection, nonce: Option<Nonce>) -> Result<bool, Error> {
    let Some(nonce) = nonce else { return Ok(true) };
    let inserted = sqlx::query(
        "INSERT INTO nonces (signed_at, digest) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
    )
    .bind(nonce.signed_at.millis())
    .bind(&nonce.digest[..])
    .execute(connection)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

async fn create_flow(
    connection: &mut SqliteConnection,
    job: &Job<Flow, Flow>,
) -> Result<Result<Flow, Refusal>, Error> {
    let flow = &job.ask;
    if !use_nonce(connection, job.nonce).await? {
        return Ok(Err(Refusal::NonceUsed));
    }
    if reader::describe_flow(&mut *connection, &flow.name)
        .await?
        .is_ok()
    {
        return Ok(Err(Refusal::FlowAlreadyExists));
    }
    let definition: i64 = sqlx::query("INSERT INTO definitions (text) VALUES (?1) RETURNING id")
        .bind(&flow.definition)
        .fetch_one(&mut *connection)
        .await?
        .try_get(0)?;
    sqlx::query(
        "INSERT INTO flows (name, uuid, definition, description, kind, role_arn, execution_mode, environment, \
             external_storage_location, resource_group_id, created_at, modified_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )
    .bind(flow.name.as_str())
    .bind(&flow.id)
    .bind(definition)
    .bind(&flow.description)
    .bind(&flow.kind)
    .bind(&flow.role_arn)
    .bind(&flow.execution_mode)
    .bind(&flow.environment)
    .bind(&flow.external_storage_location)
    .bind(&flow.resource_group_id)
    .bind(flow.created_at.millis())
    .bind(flow.modified_at.millis())
    .execute(connection)
    .await?;
    Ok(Ok(flow.clone()))
}

async fn start_execution(
    connection: &mut SqliteConnection,
    job: &Job<StartExecution, Execution>,
) -> Result<Result<Execution, Refusal>, Error> {
    let start = &job.ask;
    if !use_nonce(connection, job.nonce).await? {
        return Ok(Err(Refusal::NonceUsed));
    }
    if let Some(execution) =
        reader::find_execution(&mut *connection, &start.flow, &start.name).await?
    {
        return Ok(match execution.status {
            Status::Running => Ok(execution),
            _ => Err(Refusal::ExecutionAlreadyExists),
        });
    }
    let id = sqlx::query(
        "INSERT INTO executions (flow, name, status, last_event_id, history_bytes, started_at, definition, input) \
         SELECT id, ?2, ?3, 0, 0, ?4, definition, ?5 FROM flows WHERE name = ?1 AND deleted_at IS NULL \
         RETURNING id",
    )
    .bind(start.flow.as_str())
    .bind(start.name.as_str())
    .bind(Status::Running.as_str())
    .bind(start.at.millis())
    .bind(&start.input)
    .fetch_optional(&mut *connection)
    .await?;
    let Some(id) = id else {
        return Ok(Err(Refusal::FlowNotExists));
    };
    let started = NewEvent {
        event_type: EXECUTION_STARTED.to_owned(),
        time: Some(start.at),
        schedule_event_id: None,
        event_id: None,
        step_name: String::new(),
        event_detail: started_detail(&start.input),
    };
    append::append_first(connection, id.try_get(0)?, &started, start.at).await?;
    let execution = reader::find_execution(connection, &start.flow, &start.name).await?;
    Ok(execution.ok_or(Refusal::ExecutionNotExists))
}
