//! The writer: a task that owns the one connection that writes.
//!
//! It commits what is queued in groups (group commit) and answers after the commit. It runs in its own task, so
//! cancelling a request does not cancel its write. Between groups it purges deleted flows, deletes expired
//! nonces and moves the write-ahead log into the database (checkpoint).

use std::{
    fs::File,
    io::ErrorKind,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use sqlx::{Connection, SqliteConnection};
use tokio::{
    sync::{
        mpsc::{self, error::SendTimeoutError},
        watch,
    },
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

use super::{
    incarnation::{Incarnation, RunFile},
    lock::Watch,
    nonces::Ages,
    purge,
    request::Request,
    wal::{self, Wal},
    write::{Write, transaction},
};
use crate::{
    model::{Nonce, Timestamp},
    store::{Error, Outcome, Refusal, notify::Notifier},
};

/// Bound of the write queue (backpressure). More would wait longer than their clients do.
const QUEUE_MAX: usize = 1024;
/// Longest wait for a place in the queue, before the request is refused as busy.
const QUEUE_WAIT: Duration = Duration::from_secs(1);
/// Writes of one transaction. Bounds what is rolled back, and how long the first one waits for the last.
const GROUP_MAX: usize = 256;
/// How often an idle writer checks that its files are still in place. A busy one checks after each commit.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);
/// Pause between two steps of the purge, so that the purge leaves most of the disk's throughput to clients.
const PURGE_PAUSE: Duration = Duration::from_millis(2);
/// Longest pause before a purge that failed is tried again; the first one is `PURGE_PAUSE`, each twice the last.
const PURGE_RETRY_MAX: Duration = Duration::from_secs(30);

/// The task's handle.
pub(super) struct Writer {
    queue: Mutex<Option<mpsc::Sender<Write>>>,
    state: Arc<State>,
    ended: watch::Receiver<bool>,
}

/// State of the task that callers read.
struct State {
    /// Whether the last transaction could not be written, for example because the disk is full.
    refusing: AtomicBool,
    failure: watch::Sender<Option<String>>,
    /// A file on the database's file system, to find out whether that is read-only.
    run_file: PathBuf,
}

/// The task's connection and the state that only it uses.
pub(super) struct Task {
    pub connection: SqliteConnection,
    pub notifier: Notifier,
    pub watch: Watch,
    pub run_file: RunFile,
    pub incarnation: Incarnation,
    pub ages: Ages,
    pub wal: Wal,
}

/// The schedule of the purge of deleted flows.
struct Purge {
    /// None while there is nothing to purge.
    next: Option<Instant>,
    pause: Duration,
}

impl State {
    /// Fail-stop: after a failed fsync a later success proves nothing about the lost pages.
    fn fail(&self, failure: String) {
        self.failure.send_replace(Some(failure));
    }

    /// Whether the store must stop after this error (fail-stop); marks it as failed then. A full or read-only disk is
    /// no reason: earlier writes stay durable, and later ones may succeed.
    fn is_end(&self, error: &Error) -> bool {
        let end = match error {
            Error::Io(_) => true,
            Error::Unwritten(_) => !self.is_read_only(),
            _ => false,
        };
        if end {
            self.fail(error.to_string());
        }
        end
    }

    fn is_read_only(&self) -> bool {
        let touched = File::options()
            .append(true)
            .open(&self.run_file)
            .and_then(|file| file.set_permissions(file.metadata()?.permissions()));
        touched.is_err_and(|e| e.kind() == ErrorKind::ReadOnlyFilesystem)
    }
}

impl Writer {
    pub(super) fn start(task: Task) -> Self {
        let (sender, queue) = mpsc::channel(QUEUE_MAX);
        let state = Arc::new(State {
            refusing: AtomicBool::default(),
            failure: watch::Sender::default(),
            run_file: task.run_file.path().to_owned(),
        });
        let (ending, ended) = watch::channel(false);
        let task_state = Arc::clone(&state);
        let running = tokio::spawn(async move { task.run(queue, &task_state).await });
        let watched = Arc::clone(&state);
        tokio::spawn(async move {
            if running.await.is_err() {
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

    /// Queues a write, and waits until it is committed.
    pub(super) async fn write<C, T>(
        &self,
        kind: fn(Box<Request<C, T>>) -> Write,
        command: C,
        nonce: Option<Nonce>,
    ) -> Outcome<T> {
        let queue = self.queue.lock().expect("no panic holds this lock").clone();
        let queue = queue.ok_or_else(Error::closing)?;
        let (request, answer) = Request::new(command, nonce);
        queue
            .send_timeout(kind(Box::new(request)), QUEUE_WAIT)
            .await
            .map_err(|error| match error {
                SendTimeoutError::Timeout(_) => Error::Busy("too many writes wait".to_owned()),
                SendTimeoutError::Closed(_) => Error::closing(),
            })?;
        drop(queue);
        answer.await.map_err(|_| Error::closing())?
    }

    /// Checks whether writes can be served. After a refused transaction it tries another one (`Write::Probe`).
    pub(super) async fn ready(&self) -> Result<(), Error> {
        if self.state.refusing.load(Relaxed) {
            let _ = self.write(Write::Probe, (), None).await?;
        }
        if let Some(failure) = &*self.state.failure.borrow() {
            return Err(Error::Unavailable(failure.clone()));
        }
        let queue = self.queue.lock().expect("no panic holds this lock");
        queue.is_some().then_some(()).ok_or_else(Error::closing)
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

impl Task {
    async fn run(mut self, mut queue: mpsc::Receiver<Write>, state: &State) {
        let mut group = Vec::with_capacity(GROUP_MAX);
        let mut purge = Purge::begin(); // an earlier process may not have finished its purge
        let mut look = interval(WATCH_INTERVAL);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let done = tokio::select! {
                biased;
                waiting = queue.recv_many(&mut group, GROUP_MAX) => {
                    if waiting == 0 {
                        break;
                    }
                    if group.iter().any(Write::is_deletion) {
                        purge = Purge::begin();
                    }
                    self.write(&mut group, state).await
                }
                () = purge.due() => purge.step(&mut self.connection).await,
                _ = look.tick() => Ok(()),
            };
            let kept = match done {
                Ok(()) => self.keep_up().await,
                refused => refused,
            };
            if kept.is_err_and(|error| state.is_end(&error)) {
                return;
            }
            if let Err(gone) = self.watch.check() {
                return state.fail(gone);
            }
        }
        self.close(state).await;
    }

    /// Does all writes of `group`, in one transaction if all goes well, and answers them.
    async fn write(&mut self, group: &mut Vec<Write>, state: &State) -> Result<(), Error> {
        let refused_until = self.incarnation.refused_until;
        let may_be_replay = |write: &mut Write| {
            let nonce = write.nonce();
            nonce.is_some_and(|nonce| nonce.signed_at.millis() <= refused_until)
        };
        for write in group.extract_if(.., may_be_replay) {
            let until = Timestamp::from_millis(refused_until);
            write.refuse(until.map_or(Refusal::NonceUsed, Refusal::SignedTooEarly));
        }
        if group.is_empty() {
            return Ok(());
        }
        if let Some(newest) = group.iter().filter_map(Write::nonce).next_back() {
            self.ages.received(newest);
        }
        let mut committed = self.commit(group).await;
        // Retries each write alone, so that one that meets corruption does not fail the others of its group.
        let one_by_one =
            group.len() > 1 && matches!(committed, Err(Error::Corrupt(_) | Error::Other(_)));
        for mut write in group.drain(..) {
            if one_by_one && !matches!(committed, Err(Error::Io(_) | Error::Unwritten(_))) {
                committed = self.commit(std::slice::from_mut(&mut write)).await;
            }
            // Before the answer, because the client may call `/readyz` as soon as it has it.
            state.refusing.store(committed.is_err(), Relaxed);
            write.answer(&committed, &self.notifier);
        }
        committed
    }

    /// Commits, then checks that the database file was not deleted or replaced meanwhile: the commit would be lost.
    async fn commit(&mut self, group: &mut [Write]) -> Result<(), Error> {
        transaction(&mut self.connection, group).await?;
        self.watch.check().map_err(Error::Unavailable)
    }

    /// Does periodic work in steps of a few milliseconds: the minute count, expired nonces, checkpoints.
    async fn keep_up(&mut self) -> Result<(), Error> {
        if self.ages.minute_is_over() {
            let incarnation = &mut self.incarnation;
            incarnation.next_minute(&mut self.connection, false).await?;
            self.ages.begin_minute(incarnation.minute);
            // The run file may only be updated after a checkpoint: a start compares it with the database without its
            // log.
            if wal::checkpoint(&mut self.connection).await? {
                self.run_file.remember(incarnation);
            }
        }
        self.ages
            .sweep(&mut self.connection, &mut self.incarnation)
            .await?;
        let checkpointed = self.wal.checkpoint(&mut self.connection).await;
        checkpointed.inspect_err(|error| {
            tracing::warn!(%error, "the write-ahead log grows");
        })
    }

    async fn close(mut self, state: &State) {
        let closed = async {
            // A full disk does not fail the stop; the database is then only not marked as cleanly stopped.
            match self
                .incarnation
                .next_minute(&mut self.connection, true)
                .await
            {
                Err(Error::Unavailable(_) | Error::Busy(_)) => {}
                counted => counted?,
            }
            wal::empty(&mut self.connection).await?;
            self.connection.close().await?;
            let marked = self.run_file.mark_stopped(&self.incarnation);
            marked.map_err(|error| match error.kind() {
                ErrorKind::StorageFull
                | ErrorKind::QuotaExceeded
                | ErrorKind::ReadOnlyFilesystem => Error::Unavailable(error.to_string()),
                _ => Error::Io(error.to_string()),
            })
        };
        if let Err(error) = closed.await {
            tracing::warn!(%error, "the database is not closed in good order");
            state.is_end(&error);
        }
    }
}

impl Purge {
    fn begin() -> Self {
        Purge {
            next: Some(Instant::now() + PURGE_PAUSE),
            pause: PURGE_PAUSE,
        }
    }

    /// Waits until the next step is due.
    async fn due(&self) {
        match self.next {
            Some(next) => sleep_until(next).await,
            None => std::future::pending().await,
        }
    }

    /// Does a step. One that fails on a full disk or a lock is retried (retry with backoff).
    async fn step(&mut self, connection: &mut SqliteConnection) -> Result<(), Error> {
        let done = purge::step(connection).await;
        match &done {
            Ok(more) => {
                self.pause = PURGE_PAUSE;
                self.next = more.then(|| Instant::now() + PURGE_PAUSE);
            }
            Err(error @ Error::Corrupt(_)) => {
                tracing::error!(%error, "rows of a deleted flow stay until the next start");
                self.next = None;
            }
            Err(error) => {
                self.pause = (self.pause * 2).min(PURGE_RETRY_MAX);
                self.next = Some(Instant::now() + self.pause);
                tracing::warn!(%error, retry_ms = self.pause.as_millis(), "the purge of a deleted flow waits");
            }
        }
        done.map(drop)
    }
}
