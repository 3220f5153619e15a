//! Requests in the queues of the writer and the readers.

use tokio::sync::oneshot;

use crate::{
    model::Nonce,
    store::{Error, Outcome, Refusal},
};

/// A queued command, its outcome, and the channel to the caller.
pub(super) struct Request<C, T> {
    pub command: C,
    pub nonce: Option<Nonce>,
    /// An error here fails this request only; the other requests of its transaction are still committed.
    pub outcome: Option<Outcome<T>>,
    reply: Option<oneshot::Sender<Outcome<T>>>,
}

impl<C, T> Request<C, T> {
    /// Returns a request and the channel that receives its outcome.
    pub(super) fn new(command: C, nonce: Option<Nonce>) -> (Self, oneshot::Receiver<Outcome<T>>) {
        let (reply, answer) = oneshot::channel();
        let request = Request {
            command,
            nonce,
            outcome: None,
            reply: Some(reply),
        };
        (request, answer)
    }

    /// Returns a request that is part of another one, which has the nonce.
    pub(super) fn nested(command: C) -> Self {
        Request {
            command,
            nonce: None,
            outcome: None,
            reply: None,
        }
    }

    /// Whether the caller still waits; false after a request was cancelled.
    pub(super) fn is_awaited(&self) -> bool {
        self.reply.as_ref().is_some_and(|reply| !reply.is_closed())
    }

    /// Whether the command succeeded, so that its write counts once it is committed.
    pub(super) fn succeeded(&self) -> bool {
        matches!(self.outcome, Some(Ok(Ok(_))))
    }

    /// Records the outcome.
    ///
    /// # Errors
    ///
    /// An error that must roll back the whole transaction: any but `Error::Corrupt`.
    pub(super) fn record(&mut self, result: Outcome<T>) -> Result<(), Error> {
        match result {
            Ok(_) | Err(Error::Corrupt(_)) => self.outcome = Some(result),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Refuses the request without doing anything.
    pub(super) fn refuse(self, refusal: Refusal) {
        if let Some(reply) = self.reply {
            let _ = reply.send(Ok(Err(refusal)));
        }
    }

    /// Sends the outcome to the caller, unless it has cancelled the request.
    pub(super) fn answer(self, committed: &Result<(), Error>) {
        let undone = || Error::Other("the write was not reached".to_owned());
        let outcome = committed
            .clone()
            .and_then(|()| self.outcome.unwrap_or_else(|| Err(undone())));
        if let Some(reply) = self.reply {
            let _ = reply.send(outcome);
        }
    }
}
