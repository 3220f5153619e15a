//! Parses an event as GetExecutionHistory returns it, tolerating missing and unknown fields.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::{FAILURE_MAX_CHARS, FailureDetail, SHORT_MAX_CHARS, UnknownEvent};
use crate::model::Timestamp;

/// Keys of an error and of a cause in an EventDetail, in the order in which they are looked for.
const ERROR_KEYS: [&str; 5] = ["error", "Error", "errorCode", "ErrorCode", "errorType"];
const CAUSE_KEYS: [&str; 4] = ["cause", "Cause", "errorMessage", "ErrorMessage"];

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

    /// Returns the type by which the event changes spans. A state of a state machine is a step, and one that times
    /// out has failed.
    pub(super) fn step_type(&self) -> &str {
        match self.event_type.as_str() {
            "StateEnter" | "StateEntered" => "StepEntered",
            "StateExec" | "StateStart" | "StateStarted" => "StepStarted",
            "StateSucceeded" => "StepSucceeded",
            "StateFailed" | "StateTimedOut" | "StepTimedOut" => "StepFailed",
            "StateExit" | "StateExited" => "StepExited",
            other => other,
        }
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

    /// Returns the error and the cause of the detail, in any spelling that writers use. Where the detail itself has
    /// neither, those of its `local` or its `output`.
    pub fn failure_detail(&self) -> FailureDetail {
        let reason = match serde_json::from_str(&self.event_detail) {
            Ok(Value::Object(detail)) => {
                let inner = ["local", "output"].iter();
                let inner = inner.filter_map(|name| detail.get(*name)?.as_object());
                let mut places = std::iter::once(&detail).chain(inner);
                places.find_map(reason).unwrap_or_default()
            }
            Ok(other) => (None, given(&other)),
            Err(_) => (None, given(&Value::from(self.event_detail.trim()))),
        };
        FailureDetail {
            event_id: self.event_id,
            error: shortened(reason.0),
            cause: shortened(reason.1),
        }
    }

    /// Whether the detail itself has an error or a cause.
    pub(super) fn reports_failure(&self) -> bool {
        self.detail()
            .is_some_and(|detail| reason(&detail).is_some())
    }
}

/// Whether this key of an EventDetail holds an error, a cause or a stack trace.
pub fn is_reason(key: &str) -> bool {
    ERROR_KEYS.contains(&key) || CAUSE_KEYS.contains(&key) || key == "stackTrace"
}

/// Returns the error and the cause; None if both are absent or empty.
fn reason(detail: &Map<String, Value>) -> Option<(Option<String>, Option<String>)> {
    let find = |keys: &[&str]| keys.iter().find_map(|key| given(detail.get(*key)?));
    let reason = (find(&ERROR_KEYS), find(&CAUSE_KEYS));
    (reason != (None, None)).then_some(reason)
}

/// Returns the text of a value; None if it says nothing.
fn given(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => (!text.trim().is_empty()).then(|| text.clone()),
        Value::Object(inner) if inner.is_empty() => None,
        other => Some(other.to_string()),
    }
}

impl FailureDetail {
    /// Whether it has neither an error nor a cause.
    pub fn is_empty(&self) -> bool {
        self.bytes() == 0
    }

    /// Whether it has both an error and a cause.
    pub(super) fn is_whole(&self) -> bool {
        !self.error.is_empty() && !self.cause.is_empty()
    }

    /// Whether `other` says all that this says.
    pub(super) fn is_part_of(&self, other: &FailureDetail) -> bool {
        let part = |own: &str, of: &str| own.is_empty() || own == of;
        part(&self.error, &other.error) && part(&self.cause, &other.cause)
    }

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
