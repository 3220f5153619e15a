//! A write on its way through the writer.

use tokio::sync::oneshot;

use crate::{
    model::Nonce,
    store::{Error, Outcome, Refusal},
};

/// A write on its way: what is asked, what came out, and who waits for it.
pub(super) struct Job<C, T> {
    pub ask: C,
    pub nonce: Option<Nonce>,
    pub outcome: Option<Result<T, Refusal>>,
    pub reply: oneshot::Sender<Outcome<T>>,
}

impl<C, T> Job<C, T> {
    pub(super) fn answer(self, committed: &Result<(), Error>) {
        let undone = || Error::Other("the write was not reached".to_owned());
        let outcome = committed
            .clone()
            .and_then(|()| self.outcome.ok_or_else(undone));
        let _ = self.reply.send(outcome); // whoever asked may be gone
    }
}
