//! Writes: each is one transaction on a connection of its own, which stores the nonce and does the command.
//!
//! A write runs in its own task, so cancelling a request does not cancel its write. It is retried after a conflict with
//! another process and after a lost connection. If the answer to a commit was lost, the nonce tells the next attempt
//! whether it was committed: the nonce is stored in the same transaction.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use sqlx::{Connection, PgConnection};
use tokio::{sync::Semaphore, time::timeout};

use super::{
    Database,
    fault::{Fault, retry, was_rolled_back},
    keys::{FlowKeys, Ids},
    nonces,
};
use crate::{
    model::{Name, Nonce},
    store::{Error, Outcome, Refusal, notify::Notifier},
};

/// Writes in progress (backpressure). More would wait longer than their clients do.
const WRITES_MAX: u32 = 1024;
/// Longest wait for a place among them, before the request is refused as busy.
const QUEUE_WAIT: Duration = Duration::from_secs(1);

/// A request that writes. Each operation's file implements it for its request.
pub(super) trait Command: Send + Sync + 'static {
    type Answer: Clone + Send + Sync + 'static;

    /// Does the command in a transaction that has stored the nonce.
    fn perform(
        &self,
        transaction: &mut Transaction<'_>,
    ) -> impl Future<Output = Result<Result<Self::Answer, Refusal>, Fault>> + Send;

    /// The execution that it writes to.
    fn execution(&self) -> Option<(&Name, &Name)> {
        None
    }

    /// Wakes subscribers after the commit.
    fn notify(&self, _notifier: &Notifier, _answer: &Self::Answer) {}
}

/// What a command needs.
pub(super) struct Transaction<'t> {
    pub connection: &'t mut PgConnection,
    pub flows: &'t FlowKeys,
    pub ids: &'t Ids,
}

/// Limits writes, and waits for them when the store closes.
pub(super) struct Writes(Arc<Semaphore>);

impl Default for Writes {
    fn default() -> Self {
        Writes(Arc::new(Semaphore::new(WRITES_MAX as usize)))
    }
}

impl Writes {
    /// Waits until all writes have ended, and refuses later ones.
    pub(super) async fn close(&self) {
        let _all = self.0.acquire_many(WRITES_MAX).await; // an error if it is closed already
        self.0.close();
    }
}

impl Database {
    /// Does a write, and waits until it is committed.
    pub(super) async fn write<C: Command>(
        self: &Arc<Self>,
        command: C,
        nonce: Option<Nonce>,
    ) -> Outcome<C::Answer> {
        let place = timeout(QUEUE_WAIT, Arc::clone(&self.writes.0).acquire_owned()).await;
        let place = place.map_err(|_| Error::Busy("too many writes wait".to_owned()))?;
        let place = place.map_err(|_| Error::closing())?;
        self.opened()?;
        let mut turn = command
            .execution()
            .map(|(flow, execution)| self.turns.take(flow, execution));
        let database = Arc::clone(self);
        let task = tokio::spawn(async move {
            let _place = place;
            if let Some(turn) = &mut turn {
                turn.begin().await;
            }
            let outcome = database.write_in_turn(&command, nonce).await;
            if let Ok(Ok(answer)) = &outcome {
                command.notify(&database.notifier, answer);
            }
            outcome
        });
        let panicked = |_| Error::Other("the write panicked".to_owned());
        task.await.map_err(panicked)?
    }

    async fn write_in_turn<C: Command>(
        &self,
        command: &C,
        nonce: Option<Nonce>,
    ) -> Outcome<C::Answer> {
        if let Some(refusal) = nonce.and_then(|nonce| self.nonces.refuses(nonce)) {
            return Ok(Err(refusal));
        }
        let unknown = Mutex::new(None);
        retry(|| self.attempt(command, nonce, &unknown)).await
    }

    /// Tries a write once. `unknown` is the outcome of a commit whose answer was lost.
    async fn attempt<C: Command>(
        &self,
        command: &C,
        nonce: Option<Nonce>,
        unknown: &Mutex<Option<Result<C::Answer, Refusal>>>,
    ) -> Result<Result<C::Answer, Refusal>, Fault> {
        let unknown = || unknown.lock().expect("no panic holds this lock");
        if nonce.is_none() && unknown().is_some() {
            let lost = "the connection was lost during a commit".to_owned();
            return Err(Error::Unavailable(lost).into());
        }
        let mut connection = self.acquire().await?;
        let mut transaction = connection.begin().await?;
        if !nonces::use_one(&mut transaction, nonce, self.ids.now()).await? {
            // It is that of the unknown commit, which therefore succeeded, or of another write.
            return Ok(unknown().take().unwrap_or(Err(Refusal::NonceUsed)));
        }
        *unknown() = None;
        let outcome = command
            .perform(&mut Transaction {
                connection: &mut transaction,
                flows: &self.flows,
                ids: &self.ids,
            })
            .await?;
        *unknown() = Some(outcome.clone());
        if let Err(error) = transaction.commit().await {
            if was_rolled_back(&error) {
                *unknown() = None;
            }
            return Err(error.into());
        }
        Ok(outcome)
    }
}
