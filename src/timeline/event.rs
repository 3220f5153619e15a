//! An event as GetExecutionHistory answers it, read with patience.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::{FAILURE_MAX_CHARS, FailureDetail, SHORT_MAX_CHARS, UnknownEvent};
use crate::model::Timestamp;

/// An event of a history. Fields that are absent or null are empty, unknown ones are passed over.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HistoryEvent {
    #[serde(rename = "Type")]
    pub event_type: String,
    pub event_id: i64,
    /// None if it is no time.
    #[serde(default, deserialize_with = "time")]
    pub time: Option<Timestamp>,
    #[serde(default, deserialize_with = "or_default")]
    pub schedule_event_id: i64,
    #[serde(default, deserialize_with = "or_default")]
    pub step_name: String,
    /// By custom a JSON object, but any text may be there.
    #[serde(default, deserialize_with = "or_default")]
    pub event_detail: String,
}

fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text: Option<String> = Option::deserialize(deserializer)?;
    Ok(text.and_then(|text| Timestamp::parse(&text)))
}

impl HistoryEvent {
    /// Reads one event's JSON; None if it is not an event (an object with `Type` and `EventId`).
    pub fn parse(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }

    fn detail(&self) -> Option<Map<String, Value>> {
        serde_json::from_str(&self.event_detail).ok()
    }

    /// The branch or iteration that the detail names, if it does.
    pub(super) fn index(&self) -> Option<u64> {
        let detail = self.detail()?;
        let names = ["branch", "iteration", "index"];
        names.iter().find_map(|name| detail.get(*name)?.as_u64())
    }

    /// What the detail says of a failure.
    pub(super) fn failure_detail(&self) -> FailureDetail {
        let detail = self.detail();
        let given = |names: &[&str]| {
            let value = names.iter().find_map(|name| detail.as_ref()?.get(*name))?;
            Some(
                value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned),
            )
        };
        let text = detail.is_none().then(|| self.event_detail.clone());
        let cause = given(&["cause", "Cause", "errorMessage", "ErrorMessage"]).or(text);
        FailureDetail {
            event_id: self.event_id,
            error: shortened(given(&["error", "Error", "errorCode", "ErrorCode"])),
            cause: shortened(cause),
        }
    }
}

impl FailureDetail {
    pub(super) fn bytes(&self) -> usize {
        self.error.len() + self.cause.len()
    }

    /// Keeps the beginning of both texts.
    pub(super) fn shorten(&mut self) {
        for text in [&mut self.error, &mut self.cause] {
            truncate(text, SHORT_MAX_CHARS);
            text.shrink_to_fit();
        }
    }
}

impl UnknownEvent {
    pub(super) fn bytes(&self) -> usize {
        self.event_type.len() + self.step_name.len()
    }
}

fn truncate(text: &mut String, max_chars: usize) {
    if let Some((end, _)) = text.char_indices().nth(max_chars) {
        text.truncate(end);
    }
}

fn shortened(text: Option<String>) -> String {
    let mut text = text.unwrap_or_default();
    truncate(&mut text, FAILURE_MAX_CHARS);
    text
}
