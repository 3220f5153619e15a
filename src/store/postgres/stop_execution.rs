//! `StopExecution` of the store.

use super::{
    describe_execution::find_execution,
    fault::Fault,
    write::{Command, Transaction},
};
use crate::{
    model::{Execution, Name, NewEvent},
    store::{Refusal, StopExecution, notify::Notifier},
};

impl Command for StopExecution {
    type Answer = Execution;

    async fn perform(
        &self,
        transaction: &mut Transaction<'_>,
    ) -> Result<Result<Execution, Refusal>, Fault> {
        let place = match transaction.find(&self.flow, &self.execution).await? {
            Ok(place) => place,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let stopped = NewEvent::by_server("ExecutionStopped", self.at, self.detail.clone());
        if let Err(refusal) = transaction.append_one(&place, stopped, self.at).await? {
            return Ok(Err(refusal));
        }
        let Transaction {
            connection, flows, ..
        } = transaction;
        find_execution(connection, flows, &self.flow, &self.execution).await
    }

    fn execution(&self) -> Option<(&Name, &Name)> {
        Some((&self.flow, &self.execution))
    }

    fn notify(&self, notifier: &Notifier, _: &Execution) {
        notifier.notify(&self.flow, &self.execution, true);
    }
}
