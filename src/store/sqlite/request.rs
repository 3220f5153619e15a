//! A write on its way through the writer.

use tokio::sync::oneshot;

use crate::{
    model::Nonce,
    store::{Error, Outcome, Refusal},
};

/// What is asked, what came out, and who waits for it.
pub(super) struct Request<C, T> {
    pub command: C,
    pub nonce: Option<Nonce>,
    /// An error here is of this request alone; its neighbours in the transaction go on.
    pub outcome: Option<Outcome<T>>,
    reply: Option<oneshot::Sender<Outcome<T>>>,
}

impl<C, T> Request<C, T> {
    /// A request, and where its outcome will come.
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

    /// A request that is part of another one, which has the nonce.
    pub(super) fn nested(command: C) -> Self {
        Request {
            command,
            nonce: None,
            outcome: None,
            reply: None,
        }
    }

    /// Whether whoever asked still waits.
    pub(super) fn is_awaited(&self) -> bool {
        self.reply.as_ref().is_some_and(|reply| !reply.is_closed())
    }

    /// Whether something was written, once it is committed.
    pub(super) fn succeeded(&self) -> bool {
        matches!(self.outcome, Some(Ok(Ok(_))))
    }

    /// Takes what came of it. What is damaged is of this request alone; any other error undoes all.
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

    /// Tells whoever asked, who may be gone.
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
