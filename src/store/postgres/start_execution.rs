//! `StartExecution` of the store.

use super::{
    append_execution_events::NewExecution,
    describe_execution::find_execution,
    fault::Fault,
    write::{Command, Transaction},
};
use crate::{
    model::{Execution, Name, Status, event::Batch},
    store::{Refusal, StartExecution},
};

impl Command for StartExecution {
    type Answer = Execution;

    /// Idempotent while the execution runs.
    async fn perform(
        &self,
        transaction: &mut Transaction<'_>,
    ) -> Result<Result<Execution, Refusal>, Fault> {
        let mut place = match transaction.find(&self.flow, &self.name).await? {
            Ok(place) => place,
            Err(refusal) => return Ok(Err(refusal)),
        };
        match &place.history {
            Some(history) if history.status != Status::Running => {
                return Ok(Err(Refusal::ExecutionAlreadyExists));
            }
            Some(_) => {}
            None => {
                let new = NewExecution {
                    name: &self.name,
                    input: &self.input,
                    started_at: self.at,
                };
                transaction.start(&self.flow, &mut place, &new).await?;
                let batch = Batch::new(vec![self.event()], Some(1));
                let batch = batch.expect("our own events keep the rules");
                if let Err(refusal) = transaction.append(&place, &batch, self.at).await? {
                    return Ok(Err(refusal));
                }
            }
        }
        find_execution(
            transaction.connection,
            transaction.flows,
            &self.flow,
            &self.name,
        )
        .await
    }

    fn execution(&self) -> Option<(&Name, &Name)> {
        Some((&self.flow, &self.name))
    }
}
