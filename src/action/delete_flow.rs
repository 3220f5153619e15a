//! `DeleteFlow` of the CloudFlow API reference: deletes a flow with its executions and their histories, for good.
//! They cannot be read from then on; the store purges their rows in the background.

use serde::Serialize;

use super::{Action, Answer, ApiError, Context, answer, refused};
use crate::store::FlowDeletion;

/// No members; the answer is the envelope.
#[derive(Serialize)]
struct Response {}

pub(super) async fn run(context: Context<'_>) -> Result<Answer, ApiError> {
    let name = context.name("Name")?;
    context.allow(Action::DeleteFlow, &name)?;
    let deletion = FlowDeletion {
        name: name.clone(),
        at: context.clock.now(),
    };
    context
        .store
        .delete_flow(deletion, Some(context.caller.nonce()))
        .await?
        .map_err(|refusal| refused(refusal, &name, None))?;
    answer(&Response {})
}
