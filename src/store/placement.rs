//! The rules of an append, for every backend: where a batch is placed in a history, and whether it is a retry.

use std::fmt::Display;

use super::{
    Error, Refusal,
    checksum::{self, EventKey},
};
use crate::model::{Status, event::Batch};

/// What becomes of a batch.
pub(super) enum Placement {
    /// It is appended.
    New,
    /// It is a retry if it equals the stored events, else it is refused.
    Taken(Refusal),
    Refused(Refusal),
}

/// Places a batch in the history of an execution with this status and last EventId. Returns the EventId of its first
/// event too.
pub(super) fn place(batch: &Batch, status: Status, last_event_id: i64) -> (i64, Placement) {
    let next = last_event_id + 1;
    let first = batch.expected().unwrap_or(next);
    // A finished execution takes precedence over an EventId mismatch.
    let refusal = match status {
        Status::Running => Refusal::Conflict {
            next_event_id: next,
        },
        _ => Refusal::ExecutionAlreadyCompleted,
    };
    let placement = if first < next && batch.last(first) <= last_event_id {
        Placement::Taken(refusal)
    } else if first != next || status != Status::Running {
        Placement::Refused(refusal)
    } else if let Some(index) = batch.invalid_schedule_event_id(first) {
        Placement::Refused(Refusal::InvalidScheduleEventId(index))
    } else {
        Placement::New
    };
    (first, placement)
}

/// Whether a batch equals the stored events from `first` on, each a pair of JSON and checksum (idempotent retry).
pub(super) fn is_retry<const N: usize>(
    batch: &Batch,
    first: i64,
    stored: &[(&[u8], i64)],
    key: impl Fn(i64) -> EventKey<N>,
    execution: impl Display,
) -> Result<bool, Error> {
    if stored.len() != batch.events().len() {
        return Err(Error::Corrupt(format!(
            "an event of execution {execution} is missing"
        )));
    }
    for ((event_id, event), (json, checksum)) in (first..).zip(batch.events()).zip(stored) {
        if !checksum::matches(key(event_id), json, *checksum) {
            return Err(Error::Corrupt(format!(
                "event {event_id} of execution {execution} is damaged"
            )));
        }
        if !event.is_stored_as(event_id, json) {
            return Ok(false);
        }
    }
    Ok(true)
}
