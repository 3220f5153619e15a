//! Parses an event as GetExecutionHistory returns it, tolerating missing and unknown fields.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::{FAILURE_MAX_CHARS, FailureDetail, SHORT_MAX_CHARS, UnknownEvent};
use crate::model::Timestamp;

/// An event of a history. Absent fields and nulls become empty, unknown fields are ignored.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HistoryEvent {
    #[serde(rename = "Type")]
    pub event_type: String,
    pub event_id: i64,
    /// None if the text is not a valid time.
    #[serde(default, deserialize_with = "time")]
    pub time: Option<Timestamp>,
    #[serde(default, deserialize_with = "or_default")]
    pub schedule_event_id: i64,
    #[serde(default, deserialize_with = "or_default")]
    pub step_name: String,
    /// Usually a JSON object, but any text is possible.
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
    /// Parses one event; None unless it is an object with `Type` and `EventId`.
    pub fn parse(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }

    fn detail(&self) -> Option<Map<String, Value>> {
        serde_json::from_str(&self.event_detail).ok()
    }

    /// Returns the index of the branch or iteration, if the detail has one.
    pub(super) fn index(&self) -> Option<u64> {
        let detail = self.detail()?;
        let names = ["branch", "iteration", "index"];
        names.iter().find_map(|name| detail.get(*name)?.as_u64())
    }

    /// Returns the error and the cause of the detail.
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

    /// Truncates both texts to `SHORT_MAX_CHARS`.
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
