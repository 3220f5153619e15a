//! Why an execution or a task ended, as its client gives it.

use serde::Serialize;

/// Longest name of an error, in characters; the vendor's limit.
pub const ERROR_MAX_CHARS: usize = 128;
/// Longest explanation, in characters; the vendor's limit.
pub const CAUSE_MAX_CHARS: usize = 4096;

/// An error and its cause, both optional.
#[derive(Serialize)]
pub struct Reason<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<&'a str>,
}

impl Reason<'_> {
    /// Returns the reason in the form of an EventDetail.
    pub fn detail(&self) -> String {
        serde_json::to_string(self).expect("text is valid JSON")
    }
}
