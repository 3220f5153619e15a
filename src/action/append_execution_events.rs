//! `AppendExecutionEvents`, ours: appends a batch of events, whole or not at all. SDKs call it by their generic
//! request. With `ExpectedEventId` a retry is idempotent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Action, Answer, ApiError, Context, answer, refused};
use crate::{
    model::{
        Name, NewEvent, Timestamp,
        event::{BATCH_MAX_EVENTS, Batch, TASK_SUBMITTED},
        task_token::TaskToken,
    },
    store::AppendRequest,
};

struct Params {
    flow_name: Name,
    execution_name: Name,
    batch: Batch,
}

/// An event as sent: the fields that GetExecutionHistory answers, most of them optional.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Event {
    #[serde(rename = "Type")]
    event_type: String,
    event_id: Option<i64>,
    time: Option<String>,
    schedule_event_id: Option<i64>,
    event_detail: Option<String>,
    step_name: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Response {
    first_event_id: i64,
    last_event_id: i64,
    /// For each `TaskSubmitted` event of the batch, the token by which its task is reported.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    task_tokens: BTreeMap<i64, String>,
}

impl Params {
    fn read(context: &Context<'_>) -> Result<Self, ApiError> {
        let params = context.params;
        let flow_name = context.name("FlowName")?;
        let execution_name = context.execution_name()?;
        let events = read_events(params.required("Events")?)?;
        let expected = params.integer("ExpectedEventId", 1..=i64::MAX)?;
        let batch = Batch::new(events, expected).map_err(|(index, fault)| {
            ApiError::invalid(&format!("Events[{index}].{}", fault.field), fault.rule)
        })?;
        Ok(Params {
            flow_name,
            execution_name,
            batch,
        })
    }
}

/// Parses the JSON of `Events`.
///
/// # Errors
///
/// `InvalidArgument` that names the event by its index, and its field.
pub fn read_events(text: &str) -> Result<Vec<NewEvent>, ApiError> {
    let rule = format!("must be a JSON array of 1 to {BATCH_MAX_EVENTS} objects");
    let invalid = |fault: &str| ApiError::invalid("Events", format_args!("{rule}{fault}"));
    let events: Vec<&RawValue> =
        serde_json::from_str(text).map_err(|e| invalid(&format!(": {e}")))?;
    if !(1..=BATCH_MAX_EVENTS).contains(&events.len()) {
        return Err(invalid(&format!(", not of {}", events.len())));
    }
    events
        .into_iter()
        .enumerate()
        .map(|(index, event)| read_event(index, event))
        .collect()
}

fn read_event(index: usize, text: &RawValue) -> Result<NewEvent, ApiError> {
    if !text.get().starts_with('{') {
        return Err(ApiError::invalid(
            &format!("Events[{index}]"),
            "must be an object",
        ));
    }
    let event: Event =
        serde_json::from_str(text.get()).map_err(|_| parse_error(index, text.get()))?;
    let time = event.time.map(|text| {
        Timestamp::parse(&text)
            .ok_or_else(|| ApiError::invalid(&format!("Events[{index}].Time"), Timestamp::RULE))
    });
    Ok(NewEvent {
        event_type: event.event_type,
        time: time.transpose()?,
        schedule_event_id: event.schedule_event_id,
        event_id: event.event_id,
        step_name: event.step_name.unwrap_or_default(),
        event_detail: event.event_detail.unwrap_or_else(|| "{}".to_owned()),
    })
}

/// Describes which field of an event cannot be parsed, and why.
fn parse_error(index: usize, text: &str) -> ApiError {
    let event = &mut serde_json::Deserializer::from_str(text);
    let Err(error) = serde_path_to_error::deserialize::<_, Event>(event) else {
        return ApiError::invalid(&format!("Events[{index}]"), "must be one object");
    };
    let place = match error.path().to_string().as_str() {
        "." => format!("Events[{index}]"),
        field => format!("Events[{index}].{field}"),
    };
    ApiError::invalid(&place, format_args!("is misformed: {}", error.inner()))
}

pub(super) async fn run(context: Context<'_>) -> Result<Answer, ApiError> {
    let Params {
        flow_name,
        execution_name,
        batch,
    } = Params::read(&context)?;
    context.allow(Action::AppendExecutionEvents, &flow_name)?;
    let submitted: Vec<i64> = batch.offsets_of(TASK_SUBMITTED).collect();
    let append = AppendRequest {
        flow: flow_name.clone(),
        execution: execution_name.clone(),
        batch,
        at: context.clock.now(),
    };
    let appended = context
        .store
        .append_execution_events(append, Some(context.caller.nonce()))
        .await?
        .map_err(|refusal| refused(refusal, &flow_name, Some(&execution_name)))?;
    let token = |event_id| TaskToken {
        flow_id: appended.flow_id.clone(),
        flow: flow_name.to_string(),
        execution: execution_name.to_string(),
        event_id,
    };
    let key = context.store.task_key()?;
    let tokens = submitted
        .into_iter()
        .map(|offset| appended.first + offset)
        .map(|id| (id, token(id).sign(key)));
    answer(&Response {
        first_event_id: appended.first,
        last_event_id: appended.last,
        task_tokens: tokens.collect(),
    })
}
